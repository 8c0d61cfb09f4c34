package snap

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"quokka/internal/disk/vfs"
	"quokka/internal/proto"
)

const (
	filePrefix = "snapshot."
	// tempPrefix stands before the name of a file that is being written. Java
	// takes no name for a snapshot that does not begin with "snapshot.".
	tempPrefix = "saving-"
)

// Info describes a snapshot. [List] fills in the first part; [Load], [Read]
// and [Save] know all of it, except what they have no file for.
type Info struct {
	Path    string
	Zxid    proto.Zxid // by the name of the file
	Method  Method     // by the name of the file
	Size    int64      // bytes on disk
	ModTime time.Time
	Valid   bool   // passes the test SnapStream.isValidSnapshot makes; no proof
	Problem string // why it is not valid

	HasDigestSection bool       // written by 3.6 or later, with digests enabled
	HasDigest        bool       // and some transaction had been applied by then
	DigestZxid       proto.Zxid // the tree had Digest after this transaction
	DigestVersion    int32
	Digest           uint64
	HasLastProcessed bool // written by 3.9 or later
	LastProcessed    proto.Zxid
	ExtraBytes       int64 // after all known sections, from a later version
	Nodes            int
	Sessions         int
}

// FileName is the name of the snapshot as of a zxid.
func FileName(zxid proto.Zxid, m Method) string {
	return filePrefix + strconv.FormatUint(uint64(zxid), 16) + m.extension()
}

// ParseFileName returns what the name of a snapshot says. Unlike Java's
// (Util.getZxidFromName), an ending that is no compression method is not
// ignored: snapshot.5.tmp is no snapshot.
func ParseFileName(name string) (zxid proto.Zxid, m Method, ok bool) {
	digits, ok := strings.CutPrefix(name, filePrefix)
	if !ok {
		return 0, Plain, false
	}
	digits, ending, found := strings.Cut(digits, ".")
	n, err := strconv.ParseUint(digits, 16, 63)
	if err != nil {
		return 0, Plain, false
	}
	m, known := ParseMethod(ending)
	return proto.Zxid(n), m, known && found == (m != Plain)
}

// List returns the snapshots in dir, newest first, the broken ones among them.
// The test of validity looks at a few bytes only, as Java's does, so that it
// is cheap for large files; only [Load] can tell whether a snapshot is whole.
func List(fsys vfs.FS, dir string) ([]Info, error) {
	names, err := fsys.List(dir)
	if err != nil {
		return nil, fmt.Errorf("list snapshots in %s: %w", dir, err)
	}
	var infos []Info
	for _, name := range names {
		zxid, method, ok := ParseFileName(name)
		if !ok {
			continue
		}
		path := filepath.Join(dir, name)
		st, err := fsys.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("list snapshots: %w", err)
		}
		if st.IsDir {
			continue
		}
		info := Info{Path: path, Zxid: zxid, Method: method, Size: st.Size, ModTime: st.ModTime}
		if info.Problem, err = glance(fsys, &info); err != nil {
			return nil, fmt.Errorf("list snapshots: %w", err)
		}
		info.Valid = info.Problem == ""
		infos = append(infos, info)
	}
	slices.SortStableFunc(infos, func(a, b Info) int { return cmp.Compare(b.Zxid, a.Zxid) })
	return infos, nil
}

// glance makes Java's test of validity and returns what is wrong.
func glance(fsys vfs.FS, info *Info) (problem string, err error) {
	f, err := fsys.Open(info.Path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // only read: nothing to lose
	switch info.Method {
	case Gzip:
		return glanceAt(f, 0, gzipMagic, "it does not begin like a gzip file")
	case Snappy:
		return glanceAt(f, 0, snappyMagic, "it does not begin like a snappy-java file")
	}
	if info.Size < 10 {
		return fmt.Sprintf("%d bytes are too few for a snapshot", info.Size), nil
	}
	return glanceAt(f, info.Size-5, endMark, "it does not end like a snapshot, so it was not written to its end")
}

func glanceAt(f vfs.File, off int64, want, otherwise string) (problem string, err error) {
	got := make([]byte, len(want))
	if _, err := f.ReadAt(got, off); err != nil && err != io.EOF {
		return "", err
	}
	if string(got) != want {
		return otherwise, nil
	}
	return "", nil
}

// RemoveUnfinished removes the files that a [Save] left which did not end
// because the process did. It must not run beside a Save.
func RemoveUnfinished(fsys vfs.FS, dir string) ([]string, error) {
	names, err := fsys.List(dir)
	if err != nil {
		return nil, fmt.Errorf("look for unfinished snapshots in %s: %w", dir, err)
	}
	var removed []string
	for _, name := range names {
		rest, ok := strings.CutPrefix(name, tempPrefix)
		if !ok {
			continue
		}
		if _, _, ok := ParseFileName(rest); !ok {
			continue
		}
		path := filepath.Join(dir, name)
		if err := fsys.Remove(path); err != nil {
			return removed, fmt.Errorf("remove unfinished snapshot: %w", err)
		}
		removed = append(removed, path)
	}
	return removed, nil
}

// endMark is the string "/" as it is written, which ends the znodes and every
// seal, and so every snapshot.
var endMark = string(binary.BigEndian.AppendUint32(nil, 1)) + "/"
