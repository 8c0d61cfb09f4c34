package txnlog

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"

	"quokka/internal/disk/vfs"
)

const (
	corruptSuffix = ".corrupt"
	maxAside      = 1000 // files of one name that may be set aside
)

// Repair brings the log durably to the state that [Scan] reported. It cuts the
// tail off, and renames the files after it to <name>.corrupt. Nothing but the
// cut bytes and files without a record is deleted.
//
// With or without a tail it syncs the two newest files and the directory. What
// a process wrote before it died can be read by the next one, but may still
// not be on the disk, and recovery must not build on what a power loss can
// take back.
func Repair(fsys vfs.FS, dir string, tail Tail) error {
	for _, path := range slices.Backward(tail.LaterFiles) {
		if err := setAside(fsys, path); err != nil {
			return err
		}
	}
	if len(tail.LaterFiles) > 0 {
		if err := fsys.SyncDir(dir); err != nil {
			return fmt.Errorf("repair transaction log: %w", err)
		}
	}
	if tail.File != "" {
		if err := cutTail(fsys, tail); err != nil {
			return err
		}
	}
	return settle(fsys, dir)
}

// cutTail removes the tail from its file, or the file if it has no record: it
// would stand in the way of a record with a lower zxid than its name has.
func cutTail(fsys vfs.FS, tail Tail) error {
	switch {
	case !tail.WholeFile():
		return cut(fsys, tail.File, tail.Offset)
	case tail.Offset < headerSize && tail.Offset+tail.BadBytes > headerSize:
		return setAside(fsys, tail.File)
	}
	if err := fsys.Remove(tail.File); err != nil {
		return fmt.Errorf("repair transaction log: %w", err)
	}
	return nil
}

// setAside renames a file so that neither we nor Java take it for a log.
func setAside(fsys vfs.FS, path string) error {
	target := path + corruptSuffix
	for i := range maxAside {
		if i > 0 {
			target = path + corruptSuffix + "." + strconv.Itoa(i)
		}
		_, err := fsys.Stat(target)
		if errors.Is(err, fs.ErrNotExist) {
			err = fsys.Rename(path, target)
			if err == nil {
				return nil
			}
		}
		if err != nil {
			return fmt.Errorf("set transaction log aside: %w", err)
		}
	}
	return fmt.Errorf("set transaction log %s aside: too many %s files; remove some", path, corruptSuffix)
}

// cut shortens a file durably.
func cut(fsys vfs.FS, path string, size int64) error {
	return withFile(fsys, path, func(f vfs.File) error { return f.Truncate(size) })
}

// withFile changes a file and makes it durable.
func withFile(fsys vfs.FS, path string, change func(vfs.File) error) error {
	f, err := fsys.OpenRW(path)
	if err != nil {
		return fmt.Errorf("repair transaction log: %w", err)
	}
	err = change(f)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("repair transaction log: %w", err)
	}
	return nil
}

// settle syncs what the process before us may have left unsynced: the newest
// file, and the one before in case of Java, which rolls without a sync.
func settle(fsys vfs.FS, dir string) error {
	files, err := Files(fsys, dir)
	if err != nil {
		return err
	}
	for _, f := range files[max(0, len(files)-2):] {
		if err := withFile(fsys, f.Path, func(vfs.File) error { return nil }); err != nil {
			return err
		}
	}
	if err := fsys.SyncDir(dir); err != nil {
		return fmt.Errorf("repair transaction log: %w", err)
	}
	return nil
}
