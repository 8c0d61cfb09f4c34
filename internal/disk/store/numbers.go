package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"quokka/internal/disk/vfs"
	"quokka/internal/proto"
)

// Files in the directory of the snapshots that hold one decimal number.
const (
	currentEpochName  = "currentEpoch"
	acceptedEpochName = "acceptedEpoch"
	maxNumberFile     = 64 // bytes
)

// ReadMyID reads dataDir/myid, the number of the server in its ensemble. White
// space around the number is allowed. A missing file is an error for which
// errors.Is(err, fs.ErrNotExist) holds.
func ReadMyID(fsys vfs.FS, dataDir string) (proto.ServerID, error) {
	path := filepath.Join(dataDir, "myid")
	n, err := readNumber(fsys, path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("myid file is missing: write this server's number, the N of its server.N line, into %s: %w", path, err)
	}
	if err != nil {
		return 0, fmt.Errorf("serverid: %w; it must hold this server's number, the N of its server.N line", err)
	}
	return proto.ServerID(n), nil
}

// readNumber reads a small file that holds a decimal number.
func readNumber(fsys vfs.FS, path string) (int64, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }() // only read: nothing to lose
	text, err := io.ReadAll(io.LimitReader(f, maxNumberFile))
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", path, err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s: %q is not a number", path, strings.TrimSpace(string(text)))
	}
	return n, nil
}

// Epochs are the promises of an ensemble member. A standalone server has none.
type Epochs struct {
	Current  proto.Epoch // of the leader whose history was adopted
	Accepted proto.Epoch // of the leader that was promised to be followed
	Missing  bool        // a file was missing: the number is derived, and has to be written
	FromTemp bool        // Current is from currentEpoch.tmp, and has to be written
}

// ReadEpochs reads the epoch files and refuses what contradicts the last zxid
// (QuorumPeer.loadDataBase). It writes nothing.
func (s *Store) ReadEpochs(last proto.Zxid) (Epochs, error) {
	var e Epochs
	var err error
	if e.Current, err = s.readEpoch(currentEpochName, last, &e); err != nil {
		return e, err
	}
	if last.Epoch() > e.Current {
		// A power loss may have taken the rename of the file (Java does not
		// sync the directory), but not the zxids logged after it.
		n, err := readNumber(s.fsys, filepath.Join(s.snapDir, currentEpochName+vfs.TempSuffix))
		if errors.Is(err, fs.ErrNotExist) {
			return e, loadError(nil, "The current epoch, %x, is older than the last zxid, %d; the file %s does not belong to this data",
				e.Current, int64(last), filepath.Join(s.snapDir, currentEpochName))
		}
		if err != nil {
			return e, loadError(err, "Unable to load database on disk")
		}
		e.Current, e.FromTemp = proto.Epoch(n), true
	}
	if e.Accepted, err = s.readEpoch(acceptedEpochName, last, &e); err != nil {
		return e, err
	}
	if e.Accepted < e.Current {
		return e, loadError(nil, "The accepted epoch, %x is less than the current epoch, %x; see the files %s and %s in %s",
			e.Accepted, e.Current, acceptedEpochName, currentEpochName, s.snapDir)
	}
	return e, nil
}

func (s *Store) readEpoch(name string, last proto.Zxid, e *Epochs) (proto.Epoch, error) {
	n, err := readNumber(s.fsys, filepath.Join(s.snapDir, name))
	if errors.Is(err, fs.ErrNotExist) {
		e.Missing = true
		return last.Epoch(), nil
	}
	if err != nil {
		return 0, loadError(err, "Unable to load database on disk")
	}
	return proto.Epoch(n), nil
}
