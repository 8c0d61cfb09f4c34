package jute

import (
	"bytes"
	"errors"
	"testing"
)

func TestRoundTrip(t *testing.T) {
	b := AppendInt(nil, -2)
	b = AppendLong(b, -3)
	b = AppendBool(b, true)
	b = AppendString(b, "héllo")
	b = AppendBuffer(b, nil)
	b = AppendBuffer(b, []byte{})
	b = AppendStrings(b, []string{"a", ""})
	b = AppendByte(b, 7)
	d := NewDecoder(b)
	if got := d.Int(); got != -2 {
		t.Errorf("Int = %d", got)
	}
	if got := d.Long(); got != -3 {
		t.Errorf("Long = %d", got)
	}
	if !d.Bool() {
		t.Error("Bool = false")
	}
	if got := d.String(); got != "héllo" {
		t.Errorf("String = %q", got)
	}
	if d.Buffer() != nil {
		t.Error("a null buffer must be nil")
	}
	if v := d.Buffer(); v == nil || len(v) != 0 {
		t.Errorf("an empty buffer must be empty, not nil: %v", v)
	}
	if v := d.Strings(); len(v) != 2 || v[0] != "a" || v[1] != "" {
		t.Errorf("Strings = %q", v)
	}
	if d.Byte() != 7 || d.Len() != 0 || d.Err() != nil {
		t.Errorf("tail: left %d, err %v", d.Len(), d.Err())
	}
}

func TestBadLengths(t *testing.T) {
	for name, in := range map[string][]byte{
		"negative":  {0xff, 0xff, 0xff, 0xfe},
		"too long":  {0, 0, 0, 5, 1, 2},
		"huge":      {0x7f, 0xff, 0xff, 0xff},
		"truncated": {0, 0},
	} {
		d := NewDecoder(in)
		d.Buffer()
		var le *LengthError
		if d.Err() == nil || (!errors.As(d.Err(), &le) && !errors.Is(d.Err(), ErrTruncated)) {
			t.Errorf("%s: buffer error %v", name, d.Err())
		}
		d = NewDecoder(in)
		if d.Strings() != nil || d.Err() == nil {
			t.Errorf("%s: vector accepted", name)
		}
		if d.Long() != 0 || d.Len() != 0 {
			t.Errorf("%s: the error must stick", name)
		}
	}
}

func TestNullVectorAndString(t *testing.T) {
	d := NewDecoder([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	if d.Strings() != nil || d.Err() != nil {
		t.Errorf("null vector: %v", d.Err())
	}
	if s := d.String(); s != "" || d.Err() != nil {
		t.Errorf("null string: %q %v", s, d.Err())
	}
}

func FuzzDecoder(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 0, 0, 0, 2, 'a', 'b'})
	f.Add([]byte{0x7f, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, in []byte) {
		d := NewDecoder(in)
		v := d.Strings()
		if d.Err() != nil {
			return
		}
		out := AppendStrings(nil, v)
		if v != nil && !bytes.Equal(out, in[:len(in)-d.Len()]) {
			t.Fatalf("%x decoded and encoded is %x", in, out)
		}
	})
}
