package vfs

import (
	"fmt"
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
	f, err := fsys.Create(path)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
