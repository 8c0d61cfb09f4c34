package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
)

// TempSuffix ends the name of the file in which [WriteFileAtomic] prepares
// the content. Java ZooKeeper's AtomicFileOutputStream uses the same, and
// looks at currentEpoch.tmp when it recovers.
const TempSuffix = ".tmp"

// WriteFileAtomic replaces the content of path durably: when it returns nil,
// the new content survives a power loss; when it does not return, or returns
// an error, the file holds the old content or the new one, never a mixture
// and never a part.
//
// Crash argument: the new content is synced under another name before the
// rename, so whichever file the name leads to is whole; the directory is
// synced after the rename, so the name leads to the new file.
//
// A failure before the rename removes the temporary file again, so that the
// next start does not find one which says nothing.
func WriteFileAtomic(fsys FS, path string, data []byte) error {
	temp := path + TempSuffix
	if err := writeSynced(fsys, temp, data); err != nil {
		_ = fsys.Remove(temp) // best effort: the first error is the one to tell
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := fsys.Rename(temp, path); err != nil {
		_ = fsys.Remove(temp)
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := fsys.SyncDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("write %s: make the new name durable: %w", path, err)
	}
	return nil
}

func writeSynced(fsys FS, path string, data []byte) error {
	return syncedFile(fsys, path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

func syncedFile(fsys FS, path string, write func(io.Writer) error) error {
	f, err := fsys.Create(path)
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// newPrefix begins the name under which [WriteNewFile] prepares a file: no
// server takes it for a log or a snapshot, whatever follows.
const newPrefix = "writing-"

// WriteNewFile makes a file that was not there, durably, with what write
// writes. After an error there is no such file, unless only the sync of the
// directory failed. The crash argument is that of [WriteFileAtomic].
func WriteNewFile(fsys FS, path string, write func(io.Writer) error) error {
	if err := MustBeFree(fsys, path); err != nil {
		return err
	}
	temp := filepath.Join(filepath.Dir(path), newPrefix+filepath.Base(path))
	err := syncedFile(fsys, temp, write)
	if err == nil {
		err = fsys.Rename(temp, path)
	}
	if err != nil {
		_ = fsys.Remove(temp) // best effort: the first error is the one to tell
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := fsys.SyncDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("write %s: make the new name durable: %w", path, err)
	}
	return nil
}

// MustBeFree is an error if there is a file or directory of that name.
func MustBeFree(fsys FS, path string) error {
	_, err := fsys.Stat(path)
	switch {
	case err == nil:
		return fmt.Errorf("%s exists already and is not replaced; choose another name", path)
	case errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return fmt.Errorf("write %s: %w", path, err)
}
