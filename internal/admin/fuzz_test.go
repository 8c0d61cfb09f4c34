package admin

import (
	"encoding/binary"
	"io"
	"testing"
)

// FuzzSniff feeds the first bytes of a connection: what is a word must never be a plausible frame length, and whatever
// follows must neither panic nor be taken for an argument it is not.
func FuzzSniff(f *testing.F) {
	for name := range table {
		f.Add([]byte(name), true)
		f.Add([]byte(name+"\n"), false)
		f.Add([]byte(name+"\x00\x00\x00\x00\x00\x00\x01\x32"), true)
	}
	f.Add([]byte(TelnetClose), false)
	f.Add([]byte{0, 0, 0, 45, 0, 0, 0, 0}, true)
	f.Fuzz(func(t *testing.T, data []byte, all bool) {
		if len(data) < 4 {
			return
		}
		var whitelist []string
		if all {
			whitelist = []string{"*"}
		}
		src := verified()
		w := NewWords(src, Options{Whitelist: whitelist})
		first := [4]byte(data)
		n, ok := w.Is(first)
		if ok != IsWord(first) {
			t.Fatalf("Is and IsWord disagree on %q", first)
		}
		if length := int32(binary.BigEndian.Uint32(data)); ok && length >= 0 && length < 1<<24 {
			t.Fatalf("%q is a frame of %d bytes", first, length)
		}
		name := string(first[:])
		if !ok {
			if err := w.Answer(name, nil, io.Discard); err == nil {
				t.Fatalf("%q was answered", name)
			}
			return
		}
		arg := data[4:min(len(data), 4+n)]
		err := w.Answer(name, arg, io.Discard)
		if (err == nil) != (len(arg) == n) {
			t.Fatalf("%q with %d of %d bytes: %v", name, len(arg), n, err)
		}
		if n == traceMaskLen && err == nil && src.mask != int64(binary.BigEndian.Uint64(arg)) {
			t.Fatalf("mask %x from %x", src.mask, arg)
		}
	})
}
