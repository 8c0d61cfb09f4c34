package snap

import (
	"hash"
	"hash/adler32"
	"io"

	"quokka/internal/core/session"
	"quokka/internal/core/tree"
	"quokka/internal/jute"
	"quokka/internal/proto"
)

const (
	magic   = 0x5a4b534e // "ZKSN"
	version = 2
	dbID    = -1

	blockSize = 256 << 10 // bytes per write, and per update of the checksum
	largeData = 32 << 10  // data of this size is not copied to a block
)

// A Picture is what a snapshot holds: the state after one transaction.
type Picture struct {
	Zxid     proto.Zxid      // of that transaction; names the file
	Sessions []session.Entry // all global sessions
	View     *tree.View      // not closed by this package

	// Digest writes the digest section (zookeeper.digest.enabled).
	Digest bool
	// LastProcessed writes the section of the last zxid
	// (zookeeper.serializeLastProcessedZxid.enabled).
	LastProcessed bool

	// Fence is for package store: what Store.Fence returned when the state of
	// View was read from disk. This package does not use it.
	Fence uint64
}

// Write writes an uncompressed snapshot. It takes a constant amount of memory;
// its errors are those of w.
func Write(w io.Writer, p Picture) error {
	return write(w, p, nil)
}

func write(w io.Writer, p Picture, progress func(int64)) error {
	e := &encoder{w: w, buf: make([]byte, 0, blockSize+largeData), sum: adler32.New(), progress: progress}
	e.buf = jute.AppendInt(e.buf, magic)
	e.buf = jute.AppendInt(e.buf, version)
	e.buf = jute.AppendLong(e.buf, dbID)
	e.sessions(p.Sessions)
	e.acls(p.View)
	for n := range p.View.Nodes() {
		e.node(&n)
		if e.err != nil {
			return e.err
		}
	}
	e.buf = append(e.buf, endMark...)
	e.seal()
	if p.Digest {
		e.digest(p)
	}
	if p.LastProcessed {
		e.buf = jute.AppendLong(e.buf, int64(p.Zxid))
		e.seal()
	}
	e.flush()
	return e.err
}

// encoder gathers records in a block. The first error sticks.
type encoder struct {
	w        io.Writer
	buf      []byte
	sum      hash.Hash32 // of all bytes that left buf; nil: not wanted
	written  int64
	progress func(int64) // told the bytes written so far, before compression
	err      error
}

func (e *encoder) sessions(entries []session.Entry) {
	e.buf = jute.AppendInt(e.buf, int32(len(entries)))
	for _, s := range entries {
		e.buf = jute.AppendLong(e.buf, int64(s.ID))
		e.buf = jute.AppendInt(e.buf, s.TimeoutMS)
		e.room()
	}
}

func (e *encoder) acls(v *tree.View) {
	count := 0
	for range v.ACLs() {
		count++
	}
	e.buf = jute.AppendInt(e.buf, int32(count))
	for id, acl := range v.ACLs() {
		e.buf = jute.AppendLong(e.buf, id)
		e.buf = proto.AppendACLs(e.buf, acl)
		e.room()
	}
}

func (e *encoder) node(n *tree.ViewNode) {
	e.buf = jute.AppendInt(e.buf, int32(len(n.Path)))
	e.buf = append(e.buf, n.Path...)
	if len(n.Data) < largeData {
		e.buf = jute.AppendBuffer(e.buf, n.Data)
	} else {
		e.buf = jute.AppendInt(e.buf, int32(len(n.Data)))
		e.flush()
		e.emit(n.Data)
	}
	e.buf = jute.AppendLong(e.buf, n.ACLID)
	e.buf = proto.AppendStatPersisted(e.buf, &n.Stat)
	e.room()
}

// digest writes zeros when no transaction has been applied yet, as Java does
// (DataTree.serializeZxidDigest); the version is written all the same.
func (e *encoder) digest(p Picture) {
	var digest uint64
	if p.Zxid != 0 {
		digest = p.View.Digest()
	}
	e.buf = jute.AppendLong(e.buf, int64(p.Zxid))
	e.buf = jute.AppendInt(e.buf, proto.DigestVersion)
	e.buf = jute.AppendLong(e.buf, int64(digest))
	e.seal()
}

// seal closes a section with the checksum of all that was written.
func (e *encoder) seal() {
	e.flush()
	e.buf = jute.AppendLong(e.buf, int64(e.sum.Sum32()))
	e.buf = append(e.buf, endMark...)
}

// room writes the block when it is full.
func (e *encoder) room() {
	if len(e.buf) >= blockSize {
		e.flush()
	}
}

func (e *encoder) flush() {
	e.emit(e.buf)
	e.buf = e.buf[:0]
}

func (e *encoder) emit(b []byte) {
	if e.err != nil || len(b) == 0 {
		return
	}
	if e.sum != nil {
		_, _ = e.sum.Write(b) // a hash never fails
	}
	_, e.err = e.w.Write(b)
	e.written += int64(len(b))
	if e.progress != nil && e.err == nil {
		e.progress(e.written)
	}
}
