package store

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"quokka/internal/disk/vfs"
)

// maxNumberFile is how much is read of a file that holds a number, in bytes.
const maxNumberFile = 64

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
