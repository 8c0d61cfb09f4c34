package txnlog

import (
	"errors"
	"fmt"
	"hash/adler32"
	"io"
	"math/bits"

	"quokka/internal/disk/vfs"
)

const (
	sectorSize   = 512 // bytes a disk writes whole or not at all
	searchBudget = 1 << 30
)

// damage is what can be known about bytes that are no record.
type damage struct {
	reason string
	end    int64 // one past the last byte of the file that is not zero
	later  int64 // offset of the next valid record, -1 if there is none
	torn   bool  // a write was lost; otherwise written bytes were changed
}

// fatal says that the bytes can not be a tail, whatever follows in other files.
func (d damage) fatal() bool {
	return d.later >= 0 && !d.torn
}

// inspect finds out what stopped a reader. prev is the highest zxid read in
// the file, which later records must exceed.
func inspect(r *reader, prev int64) (damage, error) {
	d := damage{reason: r.reason, later: -1}
	last, err := lastNonzero(r.file, r.offset, r.size)
	if err != nil {
		return d, r.wrap(err)
	}
	d.end = max(last+1, r.offset)
	if r.ended == endBadHeader {
		d.torn = true // the header is synced with the first record, if not before
		return d, nil
	}
	if d.later, err = findValid(r.file, r.offset+1, d.end, prev); err != nil {
		return d, r.wrap(err)
	}
	d.torn, err = r.writeLost(d)
	return d, r.wrap(err)
}

func (r *reader) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("inspect transaction log %s at offset %d: %w", r.path, r.offset, err)
}

// writeLost decides whether the bad bytes at r.offset come from a write that
// did not, or not wholly, reach the disk.
func (r *reader) writeLost(d damage) (bool, error) {
	limit := d.end // the bad bytes lie before it
	if d.later >= 0 {
		limit = d.later
	}
	if limit-r.offset < recordHeaderSize {
		return d.later < 0, nil // no room for a record: it was only begun
	}
	h, err := readRecordHeader(r.file, r.offset)
	if err != nil {
		return false, err
	}
	if whole, err := r.complete(h, limit); err != nil || whole {
		return false, err // the record is there, but for its length
	}
	if !h.fits(r.size - r.offset) {
		if d.later < 0 {
			return true, nil
		}
		return sectorLost(r.file, r.offset, limit)
	}
	mark, sum, err := r.checkAt(h)
	switch {
	case err != nil:
		return false, err
	case sum == h.checksum:
		return mark == 0, nil // only the end mark is wrong
	case mark == endOfRecord && isBitFlip(h.checksum, sum, h.length):
		return false, nil
	case d.later < 0 && mark == 0:
		return true, nil
	case d.later < 0:
		limit = r.offset + recordOverhead + h.length
	}
	return sectorLost(r.file, r.offset, limit)
}

// complete says whether the bytes up to limit are a whole record whose length
// field alone is wrong.
func (r *reader) complete(h recordHeader, limit int64) (bool, error) {
	length := limit - r.offset - recordOverhead
	if length < minPayload || length == h.length {
		return false, nil
	}
	return validAt(r.file, r.offset, recordHeader{checksum: h.checksum, length: length})
}

// checkAt returns the end mark and the checksum found for a record.
func (r *reader) checkAt(h recordHeader) (mark byte, sum uint64, err error) {
	var b [1]byte
	if err := readFull(r.file, b[:], r.offset+recordHeaderSize+h.length); err != nil {
		return 0, 0, err
	}
	sum, err = checksumAt(r.file, r.offset+recordHeaderSize, h.length)
	return b[0], sum, err
}

// isBitFlip says whether a payload of n bytes with the checksum got would have
// the checksum want if one bit of it, or of want, were inverted. Inverting bit
// k of the byte at i changes the two sums of Adler-32 by ±2^k and ±2^k(n-i),
// modulo 65521.
func isBitFlip(want, got uint64, n int64) bool {
	const mod = 65521
	if bits.OnesCount64(want^got) == 1 {
		return true
	}
	if want > 1<<32-1 {
		return false
	}
	deltaA := (want&0xffff + mod - got&0xffff) % mod
	deltaB := (want>>16 + mod - got>>16) % mod
	for k := range 8 {
		for _, change := range [2]uint64{1 << k, mod - 1<<k} {
			if deltaA != change {
				continue
			}
			weight := int64(deltaB * inverse(change, mod) % mod) // n-i modulo 65521
			return n >= mod || weight >= 1 && weight <= n
		}
	}
	return false
}

// inverse is 1/a modulo a prime, by Fermat: a^(mod-2).
func inverse(a, mod uint64) uint64 {
	result := uint64(1)
	for e := mod - 2; e > 0; e >>= 1 {
		if e&1 == 1 {
			result = result * a % mod
		}
		a = a * a % mod
	}
	return result
}

// sectorLost says whether, of the bytes from off to end, all that lie in one
// sector are zero, as they are when that sector was never written. The first
// four bytes of a record are always zero and prove nothing.
func sectorLost(f vfs.File, off, end int64) (bool, error) {
	buf := make([]byte, min(readSize, end-off+sectorSize))
	for at := off; at < end; {
		stop := min(end, at-at%sectorSize+int64(len(buf)))
		chunk := buf[:stop-at]
		if err := readFull(f, chunk, at); err != nil {
			return false, err
		}
		for len(chunk) > 0 {
			part := chunk[:min(int64(len(chunk)), sectorSize-at%sectorSize)]
			if isZero(part) && (at != off || len(part) > 4) {
				return true, nil
			}
			chunk = chunk[len(part):]
			at += int64(len(part))
		}
	}
	return false, nil
}

// lastNonzero is the offset of the last byte in [from, to) that is not zero,
// or -1.
func lastNonzero(f vfs.File, from, to int64) (int64, error) {
	buf := make([]byte, max(0, min(readSize, to-from)))
	for to > from {
		chunk := buf[:min(int64(len(buf)), to-from)]
		to -= int64(len(chunk))
		if err := readFull(f, chunk, to); err != nil {
			return -1, err
		}
		if isZero(chunk) {
			continue
		}
		for i := len(chunk) - 1; i >= 0; i-- {
			if chunk[i] != 0 {
				return to + int64(i), nil
			}
		}
	}
	return -1, nil
}

// findValid is the offset of the first valid record in [from, end) with a zxid
// above prev, or -1. Should the bytes be made to keep it busy, it gives up and
// calls the next candidate valid, so that a server refuses to start instead.
func findValid(f vfs.File, from, end, prev int64) (int64, error) {
	const look = zxidOffset + 8 + recordHeaderSize // bytes needed to judge a place
	budget := int64(searchBudget)
	buf := make([]byte, max(0, min(readSize+look, end-from)))
	for ; from+recordOverhead+minPayload <= end; from += readSize {
		chunk := buf[:min(int64(len(buf)), end-from)]
		if err := readFull(f, chunk, from); err != nil {
			return -1, err
		}
		if isZero(chunk) {
			continue
		}
		for i := 0; i+look <= len(chunk) && i < readSize; i++ {
			if !isZero(chunk[i : i+4]) {
				continue
			}
			h := parseRecordHeader(chunk[i:])
			zxid, err := PayloadZxid(chunk[i+recordHeaderSize : i+look])
			if !h.fits(end-from-int64(i)) || err != nil || zxid <= prev {
				continue
			}
			budget -= h.length + recordOverhead
			ok, err := validAt(f, from+int64(i), h)
			if err != nil || ok || budget < 0 {
				return from + int64(i), err
			}
		}
	}
	return -1, nil
}

// validAt says whether a record with this header, which fits the file, has its
// end mark and checksum. It takes no memory to speak of.
func validAt(f vfs.File, off int64, h recordHeader) (bool, error) {
	var mark [1]byte
	if err := readFull(f, mark[:], off+recordHeaderSize+h.length); err != nil {
		return false, err
	}
	if mark[0] != endOfRecord {
		return false, nil
	}
	sum, err := checksumAt(f, off+recordHeaderSize, h.length)
	return err == nil && sum == h.checksum, err
}

func checksumAt(f vfs.File, off, length int64) (uint64, error) {
	hash := adler32.New()
	n, err := io.CopyN(hash, io.NewSectionReader(f, off, length), length)
	if err == nil && n < length {
		err = io.ErrUnexpectedEOF
	}
	return uint64(hash.Sum32()), err
}

func readRecordHeader(f vfs.File, off int64) (recordHeader, error) {
	var b [recordHeaderSize]byte
	if err := readFull(f, b[:], off); err != nil {
		return recordHeader{}, err
	}
	return parseRecordHeader(b[:]), nil
}

// readFull fills p from off, where the file is known to have as much.
func readFull(f vfs.File, p []byte, off int64) error {
	n, err := f.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
