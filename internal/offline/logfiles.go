package offline

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"quokka/internal/disk/txnlog"
	"quokka/internal/disk/vfs"
)

// versionDir is where a server keeps logs and snapshots, below dataDir.
const versionDir = "version-2"

// A LogFile is a log that a command works on.
type LogFile struct {
	Path string
	Zxid int64 // by its name; -1 if it has another name
	// Newest says that it is the last one of a directory: a server may be
	// writing to it.
	Newest bool
}

// LogFiles finds the logs that files and directories stand for. A directory may
// be a dataDir, its version-2, or any other with logs in it. If all have names
// of logs, they are in the order of their zxids.
func LogFiles(fsys vfs.FS, args []string) ([]LogFile, error) {
	var files []LogFile
	for _, arg := range args {
		info, err := fsys.Stat(arg)
		if err != nil {
			return nil, fmt.Errorf("open transaction log: %w", err)
		}
		if !info.IsDir {
			f := LogFile{Path: arg, Zxid: -1}
			if z, ok := txnlog.ParseFileName(filepath.Base(arg)); ok {
				f.Zxid = z
			}
			files = append(files, f)
			continue
		}
		dir, err := logDirOf(fsys, arg)
		if err != nil {
			return nil, err
		}
		found, err := txnlog.Files(fsys, dir)
		if err != nil {
			return nil, err
		}
		for i, f := range found {
			files = append(files, LogFile{Path: f.Path, Zxid: f.Zxid, Newest: i == len(found)-1})
		}
	}
	if !slices.ContainsFunc(files, func(f LogFile) bool { return f.Zxid < 0 }) {
		slices.SortStableFunc(files, func(a, b LogFile) int { return cmp.Compare(a.Zxid, b.Zxid) })
	}
	return files, nil
}

// logDirOf finds the logs of a directory.
func logDirOf(fsys vfs.FS, dir string) (string, error) {
	for _, d := range []string{dir, filepath.Join(dir, versionDir)} {
		files, err := txnlog.Files(fsys, d)
		if errors.Is(err, fs.ErrNotExist) && d != dir {
			continue
		}
		if err != nil {
			return "", err
		}
		if len(files) > 0 {
			return d, nil
		}
	}
	return "", fmt.Errorf("there is no transaction log (log.<zxid>) in %s or its %s; with a dataLogDir, name that directory", dir, versionDir)
}
