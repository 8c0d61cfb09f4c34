package snap

import (
	"errors"
	"fmt"
	"syscall"
)

// CorruptError says that a snapshot is damaged or is no snapshot.
type CorruptError struct {
	Path   string // "" when the snapshot did not come from a file
	Offset int64  // of the bad item in bytes, in the uncompressed stream
	Reason string
	Err    error // the cause, if it is known better
	Wire   bool  // it came from a leader, and Offset is that in its body
}

func (e *CorruptError) Error() string {
	where := e.Path
	switch {
	case e.Wire:
		where = "snapshot from the leader"
	case where == "":
		where = "snapshot stream"
	}
	msg := fmt.Sprintf("%s is corrupt at byte %d: %s", where, e.Offset, e.Reason)
	if e.Err != nil {
		msg += ": " + e.Err.Error()
	}
	if e.Wire {
		return msg + "; the next connection to the leader brings another one"
	}
	if errors.Is(e.Err, ErrVersion) {
		return msg // it says what to do
	}
	return msg + "; an older snapshot and the log hold the same, if they are complete"
}

func (e *CorruptError) Unwrap() error { return e.Err }

// ErrVersion is the cause of a CorruptError when the file says that it is in
// another version of the format: it is meant for other software.
var ErrVersion = errors.New("use the software that wrote it, or move the file away if an older snapshot will do")

// errUnexpectedEnd is the cause when a snapshot stops before its end.
var errUnexpectedEnd = errors.New("it ends too early")

// saveError wraps a failure of Save with what to do about it.
func saveError(path string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("write snapshot %s: %w; older snapshots are unharmed, free some disk space", path, err)
	}
	return fmt.Errorf("write snapshot %s: %w", path, err)
}
