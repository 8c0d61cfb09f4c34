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

// maxNumberFile is how much is read of a file that holds a number, in bytes.
const maxNumberFile = 64

// ReadMyID reads dataDir/myid, the number of the server in its ensemble. White
// space around the number is allowed. A missing file is an error for which
// errors.Is(err, fs.ErrNotExist) holds.
func ReadMyID(fsys vfs.FS, dataDir string) (proto.ServerID, error) {
	path := filepath.Join(dataDir, "myid")
	n, err := readNumber(fsys, path, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("myid file is missing: write this server's number, the N of its server.N line, into %s: %w", path, err)
	}
	if err != nil {
		return 0, fmt.Errorf("serverid: %w; it must hold this server's number, the N of its server.N line", err)
	}
	return proto.ServerID(n), nil
}

// readNumber reads a small file that holds a decimal number, at least least.
func readNumber(fsys vfs.FS, path string, least int64) (int64, error) {
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
	if err != nil || n < least {
		return 0, fmt.Errorf("%s: %q is not a number", path, strings.TrimSpace(string(text)))
	}
	return n, nil
}
