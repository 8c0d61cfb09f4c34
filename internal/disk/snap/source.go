package snap

import (
	"encoding/binary"
	"hash"
	"hash/adler32"
	"io"
)

// maxReadAhead is by how much the block grows at a time when one record does
// not fit: a false length must not cost memory that the input does not fill.
const maxReadAhead = 64 << 20

// maxIdleReads is how often in a row a reader may return nothing.
const maxIdleReads = 100

// source is a stream with a block in memory and a checksum over what was taken
// from it, which is brought up to date block by block.
type source struct {
	r      io.Reader
	buf    []byte
	pos    int         // of the next byte in buf
	end    int         // of what buf holds
	summed int         // up to here sum knows buf
	sum    hash.Hash32 // nil: not wanted
	base   int64       // offset of buf[0] in the stream
	exact  bool        // read no byte that was not asked for
	eof    bool
	err    error // of r, the end excepted
}

func newSource(r io.Reader) *source {
	return &source{r: r, buf: make([]byte, blockSize), sum: adler32.New()}
}

// newExactSource reads from r only what is peeked at, without a checksum.
func newExactSource(r io.Reader) *source {
	return &source{r: r, buf: make([]byte, 4<<10), exact: true}
}

// offset is where in the stream the next byte is.
func (s *source) offset() int64 { return s.base + int64(s.pos) }

// peek returns the next n bytes without taking them, valid until the next
// call; nil if the stream ends before, or fails.
func (s *source) peek(n int) []byte {
	if s.end-s.pos < n && !s.fill(n) {
		return nil
	}
	return s.buf[s.pos : s.pos+n]
}

// peekUpTo returns the next n bytes or as many as there are.
func (s *source) peekUpTo(n int) []byte {
	if s.end-s.pos < n {
		s.fill(n)
	}
	return s.buf[s.pos:min(s.end, s.pos+n)]
}

// take takes n bytes that were peeked at.
func (s *source) take(n int) { s.pos += n }

// int peeks at a four-byte integer at off.
func (s *source) int(off int) (v int, ok bool) {
	b := s.peek(off + 4)
	if b == nil {
		return 0, false
	}
	return int(int32(binary.BigEndian.Uint32(b[off:]))), true
}

// fill makes buf hold n bytes from pos on, and reports whether it could.
func (s *source) fill(n int) bool {
	s.update()
	s.base += int64(s.pos)
	s.end = copy(s.buf, s.buf[s.pos:s.end])
	s.pos, s.summed = 0, 0
	for idle := 0; s.end < n && !s.eof && s.err == nil; idle++ {
		if s.end == len(s.buf) {
			more := min(len(s.buf), maxReadAhead, n-len(s.buf))
			s.buf = append(s.buf, make([]byte, more)...)
		}
		limit := len(s.buf)
		if s.exact {
			limit = min(limit, n)
		}
		k, err := s.r.Read(s.buf[s.end:limit])
		s.end += k
		if k > 0 {
			idle = 0
		}
		switch {
		case err == io.EOF:
			s.eof = true
		case err != nil:
			s.err = err
		case idle > maxIdleReads:
			s.err = io.ErrNoProgress
		}
	}
	return s.end >= n
}

// update adds what was taken to the checksum.
func (s *source) update() {
	if s.sum == nil {
		return
	}
	_, _ = s.sum.Write(s.buf[s.summed:s.pos]) // a hash never fails
	s.summed = s.pos
}

// checksum is the Adler-32 of all bytes taken.
func (s *source) checksum() uint32 {
	s.update()
	return s.sum.Sum32()
}
