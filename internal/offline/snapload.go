package offline

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"quokka/internal/core/session"
	"quokka/internal/core/tree"
	"quokka/internal/disk/snap"
	"quokka/internal/disk/vfs"
	"quokka/internal/proto"
)

// A Snapshot is one file with what it holds. It is the picture in the file, not
// a state: transactions after it are not replayed, and a snapshot of Java may
// be fuzzy.
type Snapshot struct {
	Info     snap.Info
	Tree     *tree.Tree
	Sessions *session.Table
	Notes    []string
}

// LoadSnapshot loads a file, whatever its name is, or of a directory the newest
// snapshot that can be read, which need not be the newest.
func LoadSnapshot(fsys vfs.FS, arg string) (*Snapshot, error) {
	info, err := fsys.Stat(arg)
	if err != nil {
		return nil, fmt.Errorf("open snapshot: %w", err)
	}
	if !info.IsDir {
		return loadFile(fsys, arg)
	}
	infos, err := snapshotsOf(fsys, arg)
	if err != nil {
		return nil, err
	}
	var notes []string
	for _, i := range infos {
		s, err := loadFile(fsys, i.Path)
		if err == nil {
			s.Notes = append(notes, s.Notes...)
			return s, nil
		}
		if !isCorrupt(err) && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		notes = append(notes, "passed over: "+err.Error())
	}
	if len(infos) == 0 {
		return nil, fmt.Errorf("there is no snapshot (snapshot.<zxid>) in %s or its %s", arg, versionDir)
	}
	return nil, fmt.Errorf("no snapshot in %s can be read:\n  %s", arg, strings.Join(notes, "\n  "))
}

// snapshotsOf lists the snapshots of a directory, newest first.
func snapshotsOf(fsys vfs.FS, dir string) ([]snap.Info, error) {
	infos, err := snap.List(fsys, dir)
	if err != nil || len(infos) > 0 {
		return infos, err
	}
	infos, err = snap.List(fsys, filepath.Join(dir, versionDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return infos, err
}

func loadFile(fsys vfs.FS, path string) (*Snapshot, error) {
	tr, ss, info, err := snap.LoadAny(fsys, path, snap.Options{Tree: treeOptions})
	if err != nil {
		return nil, err
	}
	s := &Snapshot{Info: info, Tree: tr, Sessions: ss}
	if info.HasDigest && info.DigestZxid > info.Zxid {
		s.Notes = append(s.Notes, fmt.Sprintf("%s was written while transactions up to %v were applied, and may have effects of those after %v",
			path, info.DigestZxid, info.Zxid))
	}
	if info.HasDigest && info.DigestZxid == info.Zxid && info.DigestVersion == proto.DigestVersion && info.Digest != tr.Digest() {
		s.Notes = append(s.Notes, fmt.Sprintf("%s: the digest of its tree is %d, but %d is written in it", path, tr.Digest(), info.Digest))
	}
	return s, nil
}
