package snap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/golang/snappy"
)

// The stream of snappy-java's SnappyOutputStream: a header of 16 bytes, then
// blocks of int length and that many bytes of raw snappy. There is no checksum
// in it; the seals of the snapshot are the check.
//
// github.com/eapache/go-xerial-snappy knows the same stream but wants all of it
// in memory; the tests use it as a second opinion.
const (
	snappyMagic     = "\x82SNAPPY\x00"
	snappyHeader    = snappyMagic + "\x00\x00\x00\x01" + "\x00\x00\x00\x01" // version, oldest compatible one
	snappyBlock     = 32 << 10                                              // bytes of a block before compression, as in Java
	maxSnappyBlock  = 4 << 20                                               // no writer of snapshots makes larger ones
	snappyMagicHead = 0x82534e41                                            // a block length that is the start of another header
)

type snappyWriter struct {
	w   io.Writer
	in  []byte // not yet compressed, less than snappyBlock
	out []byte
	err error
}

func newSnappyWriter(w io.Writer) *snappyWriter {
	return &snappyWriter{
		w:   w,
		in:  make([]byte, 0, snappyBlock),
		out: append(make([]byte, 0, blockSize), snappyHeader...),
	}
}

func (s *snappyWriter) Write(p []byte) (int, error) {
	n := 0
	for n < len(p) && s.err == nil {
		k := min(len(p)-n, snappyBlock-len(s.in))
		s.in = append(s.in, p[n:n+k]...)
		n += k
		if len(s.in) == snappyBlock {
			s.block()
		}
	}
	return n, s.err
}

// block compresses what was gathered.
func (s *snappyWriter) block() {
	if len(s.in) == 0 {
		return
	}
	need := 4 + snappy.MaxEncodedLen(len(s.in))
	if cap(s.out)-len(s.out) < need {
		s.flush()
	}
	at := len(s.out)
	encoded := snappy.Encode(s.out[at+4:cap(s.out)], s.in)
	s.out = s.out[:at+4+len(encoded)]
	binary.BigEndian.PutUint32(s.out[at:], uint32(len(encoded)))
	s.in = s.in[:0]
}

func (s *snappyWriter) flush() {
	if s.err == nil {
		_, s.err = s.w.Write(s.out)
	}
	s.out = s.out[:0]
}

// Close writes what is left; it does not close the writer beneath.
func (s *snappyWriter) Close() error {
	s.block()
	s.flush()
	return s.err
}

type snappyReader struct {
	r    io.Reader
	in   []byte
	out  []byte
	rest []byte // of out, not yet read
}

var errSnappy = errors.New("broken snappy stream")

func newSnappyReader(r io.Reader) (*snappyReader, error) {
	var head [len(snappyHeader)]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	if string(head[:len(snappyMagic)]) != snappyMagic {
		return nil, fmt.Errorf("%w: no header of snappy-java", errSnappy)
	}
	return &snappyReader{r: r}, checkSnappyVersion(head[len(snappyMagic):])
}

// checkSnappyVersion takes the two version numbers of a header.
func checkSnappyVersion(b []byte) error {
	if oldest := binary.BigEndian.Uint32(b[4:]); oldest != 1 {
		return fmt.Errorf("%w: it needs a reader of version %d", errSnappy, oldest)
	}
	return nil
}

func (s *snappyReader) Read(p []byte) (int, error) {
	for len(s.rest) == 0 {
		if err := s.block(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// block reads the next block; io.EOF at a border of blocks is the end.
func (s *snappyReader) block() error {
	var head [len(snappyHeader)]byte
	if _, err := io.ReadFull(s.r, head[:4]); err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size == snappyMagicHead { // streams that were joined
		if err := s.full(head[4:]); err != nil {
			return err
		}
		return checkSnappyVersion(head[len(snappyMagic):])
	}
	if size == 0 || size > maxSnappyBlock {
		return fmt.Errorf("%w: block of %d bytes", errSnappy, size)
	}
	s.in = grow(s.in, int(size))
	if err := s.full(s.in); err != nil {
		return err
	}
	n, err := snappy.DecodedLen(s.in)
	if err != nil || n > maxSnappyBlock {
		return fmt.Errorf("%w: block that holds %d bytes", errSnappy, n)
	}
	s.out = grow(s.out, n)
	s.rest, err = snappy.Decode(s.out, s.in)
	return err
}

// full reads all of b; the end is not allowed before.
func (s *snappyReader) full(b []byte) error {
	_, err := io.ReadFull(s.r, b)
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// grow returns a slice of n bytes, b's memory if it is large enough.
func grow(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}
