package txnlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/adler32"
	"io"

	"quokka/internal/disk/vfs"
)

const (
	readSize   = 256 << 10 // bytes per read
	maxTrusted = 4 << 20   // a longer record is checked before memory is taken for it
)

// ending says why there are no more records in a file.
type ending int

const (
	running      ending = iota
	endClean            // padding or the end of the file at a record border
	endBadHeader        // the file header was not or not wholly written
	endBadRecord        // bytes that are no record
)

// reader walks over the records of one file.
type reader struct {
	file   vfs.File
	path   string
	size   int64
	offset int64 // of the next record
	buf    []byte
	have   []byte // what buf holds from offset on
	next   int64  // where the next read begins
	ended  ending
	reason string // of a bad ending
}

// openReader opens a log file and checks its header. A header that was lost
// with an unsynced write is an ending; a wrong one is an error.
func openReader(fsys vfs.FS, path string) (*reader, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read transaction log: %w", err)
	}
	r := &reader{file: f, path: path}
	if r.size, err = f.Size(); err == nil {
		r.buf = make([]byte, min(r.size, readSize))
		err = r.readHeader()
	}
	if err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *reader) close() {
	closeRead(r.file)
}

// closeRead closes a file that was only read: there is nothing to lose.
func closeRead(f vfs.File) {
	_ = f.Close()
}

func (r *reader) readHeader() error {
	h, err := r.peek(headerSize)
	if err != nil {
		return err
	}
	if len(h) < headerSize || isZero(h) {
		r.ended, r.reason = endBadHeader, "file header is missing or incomplete"
		return nil
	}
	if !bytes.Equal(h[:4], magic[:]) {
		return r.corrupt(0, fmt.Sprintf("file begins with %x, not with the magic number of a transaction log", h[:4]))
	}
	if v := binary.BigEndian.Uint32(h[4:]); v != version {
		return r.corrupt(0, fmt.Sprintf("format version %d is not supported", v))
	}
	r.skip(headerSize)
	return nil
}

// peek returns the next n bytes, or fewer if the file ends before.
func (r *reader) peek(n int) ([]byte, error) {
	n = int(min(int64(n), r.size-r.offset))
	if len(r.have) >= n {
		return r.have[:n], nil
	}
	if n > len(r.buf) {
		grown := make([]byte, n)
		copy(grown, r.have)
		r.buf = grown
	} else {
		copy(r.buf, r.have)
	}
	filled := len(r.have)
	for filled < n {
		got, err := r.file.ReadAt(r.buf[filled:], r.next)
		filled += got
		r.next += int64(got)
		if got == 0 && err == nil {
			err = io.ErrNoProgress
		}
		if err != nil && (!errors.Is(err, io.EOF) || filled < n) {
			return nil, fmt.Errorf("read transaction log %s at offset %d: %w", r.path, r.next, err)
		}
	}
	r.have = r.buf[:filled]
	return r.have[:n], nil
}

func (r *reader) skip(n int) {
	r.have = r.have[n:]
	r.offset += int64(n)
}

// record returns the next record, or false when r.ended says why there is
// none. The payload is valid until the next call.
func (r *reader) record() (Record, bool, error) {
	if r.ended != running {
		return Record{}, false, nil
	}
	head, err := r.peek(recordHeaderSize)
	if err != nil {
		return Record{}, false, err
	}
	if isZero(head) {
		r.ended = endClean
		return Record{}, false, nil
	}
	if len(head) < recordHeaderSize {
		return r.bad("record header is incomplete")
	}
	h := parseRecordHeader(head)
	if !h.fits(r.size - r.offset) {
		return r.bad(fmt.Sprintf("record length %d does not fit the file", h.length))
	}
	if h.length > maxTrusted {
		ok, err := validAt(r.file, r.offset, h)
		if err != nil || !ok {
			r.ended, r.reason = endBadRecord, "long record fails its checksum or has no end mark"
			return Record{}, false, err
		}
	}
	whole, err := r.peek(recordOverhead + int(h.length))
	if err != nil {
		return Record{}, false, err
	}
	payload := whole[recordHeaderSize : len(whole)-1]
	if whole[len(whole)-1] != endOfRecord {
		return r.bad("record has no end mark")
	}
	if uint64(adler32.Checksum(payload)) != h.checksum {
		return r.bad("record fails its checksum")
	}
	rec := Record{Payload: payload, File: r.path, Offset: r.offset}
	rec.Zxid = int64(binary.BigEndian.Uint64(payload[zxidOffset:]))
	r.skip(len(whole))
	return rec, true, nil
}

func (r *reader) bad(reason string) (Record, bool, error) {
	r.ended, r.reason = endBadRecord, reason
	return Record{}, false, nil
}

// isZero says that all bytes are zero, as they are in padding.
func isZero(b []byte) bool {
	for len(b) >= 8 {
		if binary.NativeEndian.Uint64(b) != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
