// Package frame cuts a byte stream into ZooKeeper's frames: a four-byte
// big-endian length that does not count itself, then that many bytes.
//
// It owns one read buffer per connection, small while the peer is quiet and
// larger while it pipelines. It must never allocate by a length it has not
// checked.
package frame

import (
	"encoding/binary"
	"fmt"
	"io"
)

const (
	smallBuffer = 4 << 10  // an idle connection's buffer
	largeBuffer = 64 << 10 // once a read has filled the small one
)

// SizeError reports a frame whose length is negative or above the limit.
type SizeError struct {
	Length int32
	Max    int
	Head   []byte // what had arrived of the frame, for the log
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("frame of %d bytes, the limit (jute.maxbuffer) is %d", e.Length, e.Max)
}

// A Reader reads frames from r.
type Reader struct {
	r    io.Reader
	buf  []byte
	head int // first unread byte
	tail int // end of what was read
	max  int

	quiet int // how often in a row a large buffer was hardly used
}

// NewReader returns a Reader that refuses frames longer than max bytes.
func NewReader(r io.Reader, max int) *Reader {
	return &Reader{r: r, buf: make([]byte, smallBuffer), max: max}
}

// Peek returns the next n bytes (n at most 4096) without consuming them.
func (f *Reader) Peek(n int) ([]byte, error) {
	if err := f.fill(n); err != nil {
		return nil, err
	}
	return f.buf[f.head : f.head+n], nil
}

// Skip consumes n bytes that Peek returned.
func (f *Reader) Skip(n int) { f.head += n }

// Ready tells whether Next can return a frame without reading from the peer.
func (f *Reader) Ready() bool {
	have := f.tail - f.head
	if have < 4 {
		return false
	}
	n := int32(binary.BigEndian.Uint32(f.buf[f.head:]))
	return n < 0 || int(n) <= have-4 || int(n) > f.max
}

// Next returns the next frame's payload, valid until the next call. A frame
// out of bounds is a *SizeError; the stream cannot be read on after that.
func (f *Reader) Next() ([]byte, error) {
	if err := f.fill(4); err != nil {
		return nil, err
	}
	n := int32(binary.BigEndian.Uint32(f.buf[f.head:]))
	if n < 0 || int(n) > f.max {
		return nil, &SizeError{Length: n, Max: f.max, Head: f.buf[f.head+4 : f.tail]}
	}
	if err := f.fill(4 + int(n)); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	p := f.buf[f.head+4 : f.head+4+int(n)]
	f.head += 4 + int(n)
	return p, nil
}

// fill reads until n bytes are buffered.
func (f *Reader) fill(n int) error {
	if f.tail-f.head >= n {
		return nil
	}
	f.room(n)
	for f.tail-f.head < n {
		m, err := f.r.Read(f.buf[f.tail:])
		f.tail += m
		if err != nil && f.tail-f.head < n {
			if err == io.EOF && f.tail > f.head {
				return io.ErrUnexpectedEOF
			}
			return err
		}
		if m > 0 && f.tail == len(f.buf) && len(f.buf) < largeBuffer && f.tail-f.head < n {
			f.grow(largeBuffer)
		}
	}
	return nil
}

// room makes space for n bytes from head on. The buffer grows to the large
// size once a read has filled it, and shrinks back after an outsize frame.
func (f *Reader) room(n int) {
	full := f.tail == len(f.buf)
	if f.head == f.tail {
		f.shrink()
		f.head, f.tail = 0, 0
	}
	switch {
	case n > len(f.buf):
		f.grow(max(n, min(2*len(f.buf), largeBuffer)))
	case full && len(f.buf) < largeBuffer:
		f.grow(largeBuffer)
	case f.head+n > len(f.buf) || full:
		f.tail = copy(f.buf, f.buf[f.head:f.tail])
		f.head = 0
	}
}

// shrink gives an empty buffer back that an outsize frame needed, or that the
// peer does not fill any more.
func (f *Reader) shrink() {
	switch {
	case len(f.buf) == smallBuffer:
		return
	case f.tail > smallBuffer:
		f.quiet = 0
	default:
		f.quiet++
	}
	if len(f.buf) > largeBuffer || f.quiet >= quietReads {
		f.buf, f.quiet = make([]byte, smallBuffer), 0
	}
}

// quietReads is how many small reads in a row shrink a large buffer.
const quietReads = 16

func (f *Reader) grow(size int) {
	b := make([]byte, size)
	f.tail = copy(b, f.buf[f.head:f.tail])
	f.head = 0
	f.buf = b
}
