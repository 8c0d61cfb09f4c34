package offline

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"quokka/internal/config"
	"quokka/internal/disk/snap"
	"quokka/internal/disk/txnlog"
	"quokka/internal/disk/vfs"
)

// A DataDir is where the data of one server lie.
type DataDir struct {
	SnapDir string // of snapshots and epochs
	LogDir  string // of logs; often the same
}

// Locate finds the data that arg stands for: a dataDir, its version-2, any
// directory with snapshots or logs in it, or a zoo.cfg. logDir names the
// directory of the logs if it is another one, and "" leaves it to zoo.cfg.
func Locate(fsys vfs.FS, arg, logDir string) (DataDir, error) {
	info, err := fsys.Stat(arg)
	if err != nil {
		return DataDir{}, fmt.Errorf("open data directory: %w", err)
	}
	if !info.IsDir {
		dataDir, dataLogDir, err := config.Directories(arg)
		if err != nil {
			return DataDir{}, err
		}
		arg = dataDir
		if logDir == "" {
			logDir = dataLogDir
		}
	}
	if logDir == "" {
		logDir = arg
	}
	var d DataDir
	if d.SnapDir, err = inner(fsys, arg); err != nil {
		return d, err
	}
	if d.LogDir, err = inner(fsys, logDir); err != nil {
		return d, err
	}
	return d, nil
}

// inner is version-2 in a directory, or the directory itself.
func inner(fsys vfs.FS, dir string) (string, error) {
	sub := filepath.Join(dir, versionDir)
	info, err := fsys.Stat(sub)
	if err == nil && info.IsDir {
		return sub, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("open data directory: %w", err)
	}
	names, err := fsys.List(dir)
	if err != nil {
		return "", fmt.Errorf("open data directory: %w", err)
	}
	for _, n := range names {
		_, _, isSnapshot := snap.ParseFileName(n)
		if _, isLog := txnlog.ParseFileName(n); isSnapshot || isLog {
			return dir, nil
		}
	}
	return "", fmt.Errorf("%s is no data directory: there is neither %s in it nor a snapshot or a log", dir, versionDir)
}
