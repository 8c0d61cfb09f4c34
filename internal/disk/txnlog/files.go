package txnlog

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"quokka/internal/disk/vfs"
)

const filePrefix = "log."

// FileInfo is a log file in a directory.
type FileInfo struct {
	Zxid int64  // of its first record, by its name
	Path string // directory and name
	Size int64  // bytes, padding included
}

// FileName is the name of the log file whose first record has this zxid.
func FileName(zxid int64) string {
	return filePrefix + strconv.FormatUint(uint64(zxid), 16)
}

// ParseFileName returns the zxid in the name of a log file. Java parses names
// in the same way (Util.getZxidFromName): two parts, the second a hex number,
// in either case.
func ParseFileName(name string) (zxid int64, ok bool) {
	digits, ok := strings.CutPrefix(name, filePrefix)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 16, 63)
	return int64(n), err == nil
}

// Files lists the log files in dir by ascending zxid. Other names are ignored.
// Of two names for one zxid ("log.A", "log.a") both are listed.
func Files(fsys vfs.FS, dir string) ([]FileInfo, error) {
	names, err := fsys.List(dir)
	if err != nil {
		return nil, fmt.Errorf("list transaction logs in %s: %w", dir, err)
	}
	var files []FileInfo
	for _, name := range names {
		zxid, ok := ParseFileName(name)
		if !ok {
			continue
		}
		path := filepath.Join(dir, name)
		info, err := fsys.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("list transaction logs: %w", err)
		}
		if !info.IsDir {
			files = append(files, FileInfo{Zxid: zxid, Path: path, Size: info.Size})
		}
	}
	slices.SortStableFunc(files, func(a, b FileInfo) int {
		return int(max(-1, min(1, a.Zxid-b.Zxid)))
	})
	return files, nil
}

// startingAt drops the files that lie wholly before from: the first one left
// is that with the greatest name not above from, if there is one. A file
// without a record says nothing about where the one before it ends.
func startingAt(fsys vfs.FS, files []FileInfo, from int64) ([]FileInfo, error) {
	first := 0
	for i, f := range files {
		if f.Zxid <= from && f.Zxid > files[first].Zxid {
			first = i
		}
	}
	for ; first > 0; first-- {
		any, err := hasRecord(fsys, files[first].Path)
		if err != nil {
			return nil, err
		}
		if any {
			break
		}
	}
	return files[first:], nil
}

func hasRecord(fsys vfs.FS, path string) (bool, error) {
	r, err := openReader(fsys, path)
	if err != nil {
		return false, err
	}
	defer r.close()
	_, ok, err := r.record()
	return ok, err
}
