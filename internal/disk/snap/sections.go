package snap

import (
	"encoding/binary"
	"fmt"
	"io"
	"strconv"

	"quokka/internal/proto"
)

// Sizes in bytes of what follows the first seal.
const (
	sealSize   = 8 + 5
	digestSize = 8 + 4 + 8 + sealSize
	lastSize   = 8 + sealSize
)

// seal checks the checksum of all bytes so far.
func (d *decoder) seal() error {
	sum := d.src.checksum()
	b := d.src.peek(sealSize)
	if b == nil {
		return d.short("seal")
	}
	if got := binary.BigEndian.Uint64(b); got != uint64(sum) {
		return d.corrupt(fmt.Sprintf("the checksum of all before is 0x%08x, the seal says 0x%x", sum, got), nil)
	}
	if string(b[8:]) != endMark {
		return d.corrupt("the seal has no end mark", nil)
	}
	d.src.take(sealSize)
	return nil
}

// sections reads what follows the first seal. The number of bytes left tells
// which sections there are, whatever the settings of the writer were.
func (d *decoder) sections() error {
	left := d.src.peekUpTo(digestSize + lastSize + 1)
	if d.src.err != nil {
		return d.short("section after the seal")
	}
	var err error
	switch {
	case len(left) == 0:
		return nil
	case len(left) == lastSize:
		return d.last()
	case len(left) >= 12 && binary.BigEndian.Uint32(left[8:]) < 2:
		err = d.oldDigest()
	case len(left) >= digestSize:
		err = d.digest()
	default:
		return d.corrupt(fmt.Sprintf("%d bytes after the seal are no section", len(left)), nil)
	}
	if err != nil {
		return err
	}
	if len(d.src.peekUpTo(1)) > 0 {
		err = d.last()
	}
	if err == nil {
		err = d.extra()
	}
	return err
}

func (d *decoder) digest() error {
	b := d.src.peek(digestSize)
	zxid := proto.Zxid(binary.BigEndian.Uint64(b))
	d.foundDigest(zxid, int32(binary.BigEndian.Uint32(b[8:])), binary.BigEndian.Uint64(b[12:]))
	d.src.take(digestSize - sealSize)
	return d.seal()
}

// oldDigest reads the section as it was before digest version 2: the digest is
// a string of hex digits (DataTree.ZxidDigest.deserialize).
func (d *decoder) oldDigest() error {
	n, ok := d.src.int(12)
	if !ok || n < -1 || n > 16 {
		return d.badLength("digest", n, ok)
	}
	b := d.src.peek(16 + max(n, 0))
	if b == nil {
		return d.short("digest section")
	}
	var digest uint64
	if n > 0 {
		var err error
		if digest, err = strconv.ParseUint(string(b[16:]), 16, 64); err != nil {
			return d.corrupt("the digest is no hex number", err)
		}
	}
	d.foundDigest(proto.Zxid(binary.BigEndian.Uint64(b)), int32(binary.BigEndian.Uint32(b[8:])), digest)
	d.src.take(len(b))
	return d.seal()
}

// foundDigest stores the section. Zxid 0 means that no transaction had been
// applied since the start of the writer.
func (d *decoder) foundDigest(zxid proto.Zxid, version int32, digest uint64) {
	d.info.HasDigestSection = true
	d.info.DigestVersion = version
	if d.info.HasDigest = zxid > 0; d.info.HasDigest {
		d.info.DigestZxid, d.info.Digest = zxid, digest
	}
}

func (d *decoder) last() error {
	b := d.src.peek(lastSize)
	if b == nil {
		return d.short("section of the last zxid")
	}
	d.info.HasLastProcessed = true
	d.info.LastProcessed = proto.Zxid(binary.BigEndian.Uint64(b))
	d.src.take(8)
	return d.seal()
}

// extra reads to the end, so that a decompressor checks its own checksum.
// Bytes after the known sections are from a version later than 3.9, which will
// have sealed them; older readers of Java ignore what they do not know, too.
func (d *decoder) extra() error {
	n := int64(d.src.end - d.src.pos)
	if n == 0 && d.src.eof {
		return nil
	}
	more, err := io.Copy(io.Discard, d.src.r)
	if err != nil {
		return d.corrupt("the end cannot be read", err)
	}
	d.info.ExtraBytes = n + more
	return nil
}
