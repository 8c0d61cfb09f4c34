package vfs

import (
	"errors"
	"io"
	"io/fs"
	"slices"
	"testing"
)

// A shadow shows changes, and the base has none of them.
func TestShadowChangesNothing(t *testing.T) {
	base := NewMem()
	mustDo(t, base.MkdirAll("/d"))
	for _, name := range []string{"cut", "gone", "old"} {
		mustDo(t, put(t, base, "/d/"+name, "0123456789").Close())
	}
	s := NewShadow(NewFault(base, func(op Op, path string) error {
		switch op {
		case OpOpen, OpStat, OpList, OpRead, OpReadAt, OpSize, OpClose, OpFreeBytes:
			return nil
		}
		t.Errorf("%s %s reached the base", op, path)
		return nil
	}))
	f, err := s.OpenRW("/d/cut")
	mustDo(t, err)
	mustDo(t, f.Truncate(4))
	mustDo(t, f.Sync())
	mustDo(t, f.Close())
	mustDo(t, s.Remove("/d/gone"))
	mustDo(t, s.Rename("/d/old", "/d/new"))
	mustDo(t, WriteFileAtomic(s, "/d/made", []byte("first")))
	mustDo(t, WriteFileAtomic(s, "/d/made", []byte("second")))
	mustDo(t, s.MkdirAll("/e"))

	names, err := s.List("/d")
	mustDo(t, err)
	if want := []string{"cut", "made", "new"}; !slices.Equal(names, want) {
		t.Errorf("names %v, want %v", names, want)
	}
	for name, want := range map[string]string{"cut": "0123", "new": "0123456789", "made": "second"} {
		if got := read(t, s, "/d/"+name); got != want {
			t.Errorf("%s holds %q, want %q", name, got, want)
		}
		if info, err := s.Stat("/d/" + name); err != nil || info.Size != int64(len(want)) {
			t.Errorf("%s: %+v, %v", name, info, err)
		}
	}
	for _, name := range []string{"/d/gone", "/d/old", "/d/never"} {
		if _, err := s.Open(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("open %s: %v", name, err)
		}
		if err := s.Remove(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("remove %s: %v", name, err)
		}
	}
	if names, err := s.List("/e"); err != nil || len(names) != 0 {
		t.Errorf("a directory made here: %v, %v", names, err)
	}
	if names, _ := base.List("/d"); !slices.Equal(names, []string{"cut", "gone", "old"}) {
		t.Errorf("the base has %v", names)
	}
	if got := read(t, base, "/d/cut"); got != "0123456789" {
		t.Errorf("the base has %q", got)
	}
}

// The files of the base can be read in every way, up to where they were cut, and not written.
func TestShadowFile(t *testing.T) {
	base := NewMem()
	mustDo(t, put(t, base, "/f", "0123456789").Close())
	s := NewShadow(base)
	f, err := s.OpenRW("/f")
	mustDo(t, err)
	mustDo(t, f.Truncate(6))
	if err := f.Truncate(7); err == nil {
		t.Error("a file of the base grew")
	}
	b := make([]byte, 4)
	if n, err := f.ReadAt(b, 4); n != 2 || err != io.EOF || string(b[:n]) != "45" {
		t.Errorf("ReadAt over the end: %d, %v, %q", n, err, b[:n])
	}
	if n, err := f.ReadAt(b, 6); n != 0 || err != io.EOF {
		t.Errorf("ReadAt at the end: %d, %v", n, err)
	}
	if at, err := f.Seek(-2, io.SeekEnd); at != 4 || err != nil {
		t.Errorf("Seek: %d, %v", at, err)
	}
	if rest, err := io.ReadAll(f); string(rest) != "45" || err != nil {
		t.Errorf("read on: %q, %v", rest, err)
	}
	if _, err := f.Seek(-1, io.SeekStart); err == nil {
		t.Error("a position before the file")
	}
	if _, err := f.Write(b); err == nil {
		t.Error("Write was accepted")
	}
	if _, err := f.WriteAt(b, 0); err == nil {
		t.Error("WriteAt was accepted")
	}
	if err := f.Preallocate(0, 100); err == nil {
		t.Error("Preallocate was accepted")
	}
}

// A lock of a shadow keeps its own users apart, and not those of the base.
func TestShadowLock(t *testing.T) {
	base := NewMem()
	theirs, err := base.Lock("/lock")
	mustDo(t, err)
	defer theirs.Close()
	s := NewShadow(base)
	ours, err := s.Lock("/lock")
	mustDo(t, err)
	if _, err := s.Lock("/lock"); !errors.Is(err, ErrLocked) {
		t.Errorf("locked twice: %v", err)
	}
	mustDo(t, ours.Close())
	again, err := s.Lock("/lock")
	mustDo(t, err)
	mustDo(t, again.Close())
}

func TestWriteNewFile(t *testing.T) {
	each(t, func(t *testing.T, fsys FS, dir string) {
		path := dir + "/copy"
		full := errors.New("no space")
		err := WriteNewFile(fsys, path, func(w io.Writer) error {
			_, _ = w.Write([]byte("half"))
			return full
		})
		if names, _ := fsys.List(dir); !errors.Is(err, full) || len(names) != 0 {
			t.Errorf("after a failure: %v, files %v", err, names)
		}
		write := func(text string) error {
			return WriteNewFile(fsys, path, func(w io.Writer) error {
				_, err := io.WriteString(w, text)
				return err
			})
		}
		mustDo(t, write("first"))
		if err := write("second"); err == nil {
			t.Error("an existing file was replaced")
		}
		if got := read(t, fsys, path); got != "first" {
			t.Errorf("the file holds %q", got)
		}
	})
}
