// Package jute reads and writes the primitive types of ZooKeeper's
// serialization, on the wire and on disk: big-endian integers, and strings,
// buffers and vectors with a four-byte length in front, where -1 is null.
//
// Writing is appending to a byte slice, so that one buffer carries many
// records. Reading is a Decoder with a sticky error over a slice that is
// already in memory; it never allocates more than the input justifies and
// never panics. The package knows no record; those are in package proto.
//
// Source of the facts: org.apache.jute.BinaryInputArchive and
// BinaryOutputArchive.
package jute

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrTruncated is reported when a record needs more bytes than are left.
var ErrTruncated = errors.New("jute: record ends too early")

// LengthError reports a length field that no valid record holds
// (BinaryInputArchive: "Unreasonable length").
type LengthError struct {
	Length int32 // as read
	Left   int   // bytes left in the input
}

func (e *LengthError) Error() string {
	return fmt.Sprintf("jute: unreasonable length %d with %d bytes left", e.Length, e.Left)
}

// AppendByte appends one byte.
func AppendByte(b []byte, v byte) []byte { return append(b, v) }

// AppendBool appends a boolean as one byte, 0 or 1.
func AppendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// AppendInt appends a four-byte integer.
func AppendInt(b []byte, v int32) []byte { return binary.BigEndian.AppendUint32(b, uint32(v)) }

// AppendLong appends an eight-byte integer.
func AppendLong(b []byte, v int64) []byte { return binary.BigEndian.AppendUint64(b, uint64(v)) }

// AppendString appends a string with its length. It cannot express null.
func AppendString(b []byte, s string) []byte {
	b = AppendInt(b, int32(len(s)))
	return append(b, s...)
}

// AppendBuffer appends a buffer with its length; nil is null (-1), which is
// not the same as empty (0).
func AppendBuffer(b, v []byte) []byte {
	if v == nil {
		return AppendInt(b, -1)
	}
	b = AppendInt(b, int32(len(v)))
	return append(b, v...)
}

// AppendStrings appends a vector of strings; nil is written as an empty vector.
func AppendStrings(b []byte, v []string) []byte {
	b = AppendInt(b, int32(len(v)))
	for _, s := range v {
		b = AppendString(b, s)
	}
	return b
}

// Decoder consumes a byte slice. The first error sticks: later reads return
// zero values, so a record is read field by field and checked once.
type Decoder struct {
	b   []byte
	err error
}

// NewDecoder returns a Decoder over b, which it does not copy.
func NewDecoder(b []byte) Decoder { return Decoder{b: b} }

// Err returns the first error met, or nil.
func (d *Decoder) Err() error { return d.err }

// Len returns how many bytes are left.
func (d *Decoder) Len() int { return len(d.b) }

// Rest returns the bytes left, without consuming them.
func (d *Decoder) Rest() []byte { return d.b }

// Fail makes err the Decoder's error unless it has one already.
func (d *Decoder) Fail(err error) {
	if d.err == nil {
		d.err = err
		d.b = nil
	}
}

func (d *Decoder) take(n int) []byte {
	if d.err != nil {
		return nil
	}
	if n > len(d.b) {
		d.Fail(ErrTruncated)
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

// Byte reads one byte.
func (d *Decoder) Byte() byte {
	if v := d.take(1); v != nil {
		return v[0]
	}
	return 0
}

// Bool reads one byte; every value but 0 is true.
func (d *Decoder) Bool() bool { return d.Byte() != 0 }

// Int reads a four-byte integer.
func (d *Decoder) Int() int32 {
	if v := d.take(4); v != nil {
		return int32(binary.BigEndian.Uint32(v))
	}
	return 0
}

// Long reads an eight-byte integer.
func (d *Decoder) Long() int64 {
	if v := d.take(8); v != nil {
		return int64(binary.BigEndian.Uint64(v))
	}
	return 0
}

// length reads the length of a string or buffer: -1, or 0 up to what is left.
func (d *Decoder) length() int {
	n := d.Int()
	if d.err != nil {
		return -1
	}
	if n < -1 || int(n) > len(d.b) {
		d.Fail(&LengthError{Length: n, Left: len(d.b)})
		return -1
	}
	return int(n)
}

// Buffer reads a buffer. The result aliases the input; null is nil, and an
// empty buffer is not nil.
func (d *Decoder) Buffer() []byte {
	n := d.length()
	if n < 0 {
		return nil
	}
	return d.take(n)
}

// Bytes reads a string and returns its bytes, which alias the input.
// Null is returned as nil.
func (d *Decoder) Bytes() []byte { return d.Buffer() }

// String reads a string; null becomes "".
func (d *Decoder) String() string { return string(d.Buffer()) }

// VectorLen reads the count of a vector whose elements take at least
// minElem bytes each. Null is returned as -1. A count that the bytes left
// cannot hold is an error, so that a caller may allocate by it.
func (d *Decoder) VectorLen(minElem int) int {
	n := d.Int()
	if d.err != nil {
		return -1
	}
	if n < -1 || int64(n)*int64(minElem) > int64(len(d.b)) {
		d.Fail(&LengthError{Length: n, Left: len(d.b)})
		return -1
	}
	return int(n)
}

// Strings reads a vector of strings; null and empty become nil.
func (d *Decoder) Strings() []string {
	n := d.VectorLen(4)
	if n <= 0 {
		return nil
	}
	v := make([]string, 0, n)
	for range n {
		v = append(v, d.String())
	}
	if d.err != nil {
		return nil
	}
	return v
}
