package vfs

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

func mustDo(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, fsys FS, name string) string {
	t.Helper()
	f, err := fsys.Open(name)
	mustDo(t, err)
	b, err := io.ReadAll(f)
	mustDo(t, err)
	mustDo(t, f.Close())
	return string(b)
}

// put makes a file without syncing anything.
func put(t testing.TB, fsys FS, name, data string) File {
	t.Helper()
	f, err := fsys.Create(name)
	mustDo(t, err)
	_, err = f.Write([]byte(data))
	mustDo(t, err)
	return f
}

// each runs a test on every implementation, in an empty directory.
func each(t *testing.T, test func(t *testing.T, fsys FS, dir string)) {
	t.Run("OS", func(t *testing.T) { test(t, OS{}, t.TempDir()) })
	t.Run("Mem", func(t *testing.T) {
		m := NewMem()
		mustDo(t, m.MkdirAll("/a/b"))
		test(t, m, "/a/b")
	})
	t.Run("Fault", func(t *testing.T) { test(t, NewFault(OS{}, nil), t.TempDir()) })
}

func TestFiles(t *testing.T) {
	each(t, func(t *testing.T, fsys FS, dir string) {
		name := filepath.Join(dir, "f")
		f := put(t, fsys, name, "hello")
		if f.Name() != name {
			t.Errorf("name %q", f.Name())
		}
		_, err := f.WriteAt([]byte("J"), 0)
		mustDo(t, err)
		_, err = f.WriteAt([]byte("!"), 6)
		mustDo(t, err)
		mustDo(t, f.Datasync())
		mustDo(t, f.Sync())
		at, err := f.Seek(-2, io.SeekEnd)
		mustDo(t, err)
		b := make([]byte, 4)
		n, err := f.Read(b)
		if at != 5 || n != 2 || string(b[:2]) != "\x00!" || err != nil {
			t.Errorf("read %d bytes %q at %d: %v", n, b, at, err)
		}
		if n, err := f.Read(b); n != 0 || err != io.EOF {
			t.Errorf("read at end: %d, %v", n, err)
		}
		if n, err := f.ReadAt(b, 4); n != 3 || err != io.EOF {
			t.Errorf("short ReadAt: %d, %v", n, err)
		}
		mustDo(t, f.Truncate(3))
		mustDo(t, f.Truncate(5))
		mustDo(t, f.Preallocate(5, 5000))
		mustDo(t, f.Preallocate(0, 10)) // smaller than the file: no change
		size, err := f.Size()
		mustDo(t, err)
		got := read(t, fsys, name)
		if size != 5005 || len(got) != 5005 || got[:6] != "Jel\x00\x00\x00" {
			t.Errorf("size %d, content of %d bytes %q", size, len(got), got[:6])
		}
		mustDo(t, f.Close())
		if _, err := f.Write(nil); !errors.Is(err, fs.ErrClosed) && runtime.GOOS == "linux" {
			t.Errorf("write after close: %v", err)
		}
		mustDo(t, put(t, fsys, name, "x").Close())
		if got := read(t, fsys, name); got != "x" {
			t.Errorf("created again: %q", got)
		}
	})
}

func TestNames(t *testing.T) {
	each(t, func(t *testing.T, fsys FS, dir string) {
		in := func(name string) string { return filepath.Join(dir, name) }
		for _, name := range []string{"b", "a", "c"} {
			mustDo(t, put(t, fsys, in(name), name).Close())
		}
		mustDo(t, fsys.MkdirAll(in("d/e")))
		mustDo(t, fsys.MkdirAll(in("d/e")))
		mustDo(t, fsys.Rename(in("a"), in("b")))
		mustDo(t, fsys.Remove(in("c")))
		mustDo(t, fsys.SyncDir(dir))
		names, err := fsys.List(dir)
		if err != nil || !slices.Equal(names, []string{"b", "d"}) || read(t, fsys, in("b")) != "a" {
			t.Errorf("names %v, error %v", names, err)
		}
		info, err := fsys.Stat(in("b"))
		if err != nil || info.Size != 1 || info.IsDir || info.ModTime.IsZero() {
			t.Errorf("stat: %+v, %v", info, err)
		}
		if info, err := fsys.Stat(in("d")); err != nil || !info.IsDir {
			t.Errorf("stat of directory: %+v, %v", info, err)
		}
		_, openErr := fsys.Open(in("a"))
		_, rwErr := fsys.OpenRW(in("a"))
		_, createErr := fsys.Create(in("none/a"))
		_, statErr := fsys.Stat(in("a"))
		_, listErr := fsys.List(in("none"))
		for i, err := range []error{openErr, rwErr, createErr, statErr, listErr,
			fsys.Remove(in("a")), fsys.Rename(in("a"), in("b")), fsys.SyncDir(in("none"))} {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("missing file, call %d: %v", i, err)
			}
		}
		if fsys.Remove(in("d")) == nil {
			t.Error("directory that is not empty removed")
		}
		mustDo(t, fsys.Remove(in("d/e")))
		if fsys.MkdirAll(in("b/x")) == nil {
			t.Error("directory made in a file")
		}
		if free, err := fsys.FreeBytes(dir); runtime.GOOS == "linux" && (err != nil || free == 0) {
			t.Errorf("free %d, %v", free, err)
		}
	})
}

func TestReadOnly(t *testing.T) {
	each(t, func(t *testing.T, fsys FS, dir string) {
		name := filepath.Join(dir, "f")
		mustDo(t, put(t, fsys, name, "x").Close())
		f, err := fsys.Open(name)
		mustDo(t, err)
		if _, err := f.Write([]byte("y")); err == nil {
			t.Error("written through a file open for reading")
		}
		mustDo(t, f.Close())
		f, err = fsys.OpenRW(name)
		mustDo(t, err)
		_, err = f.Write([]byte("y"))
		mustDo(t, err)
		mustDo(t, f.Close())
		if got := read(t, fsys, name); got != "y" {
			t.Errorf("content %q", got)
		}
	})
}

func TestLock(t *testing.T) {
	each(t, func(t *testing.T, fsys FS, dir string) {
		name := filepath.Join(dir, "lock")
		held, err := fsys.Lock(name)
		mustDo(t, err)
		if _, err := fsys.Lock(name); !errors.Is(err, ErrLocked) {
			t.Errorf("second lock: %v", err)
		}
		mustDo(t, held.Close())
		held, err = fsys.Lock(name)
		mustDo(t, err)
		mustDo(t, held.Close())
	})
}

func TestWriteFileAtomic(t *testing.T) {
	each(t, func(t *testing.T, fsys FS, dir string) {
		name := filepath.Join(dir, "epoch")
		for _, data := range []string{"7", "", "12"} {
			mustDo(t, WriteFileAtomic(fsys, name, []byte(data)))
			if got := read(t, fsys, name); got != data {
				t.Errorf("content %q, want %q", got, data)
			}
		}
		if names, err := fsys.List(dir); err != nil || !slices.Equal(names, []string{"epoch"}) {
			t.Errorf("names %v, %v", names, err)
		}
	})
}
