package store

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
)

// Exit codes of a server (org.apache.zookeeper.server.ExitCode).
const (
	ExitUnexpected = 1  // UNEXPECTED_ERROR
	ExitDataDir    = 3  // UNABLE_TO_ACCESS_DATADIR
	ExitSnapshot   = 10 // TXNLOG_ERROR_TAKING_SNAPSHOT
)

// Error is a failure that stops a server, with the code it should exit with.
type Error struct {
	Reason string
	Exit   int
	Err    error // the cause; may be nil
}

func (e *Error) Error() string {
	if e.Err == nil {
		return e.Reason
	}
	return e.Reason + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// ExitCode is the exit status that Java's server has for this failure.
func (e *Error) ExitCode() int { return e.Exit }

// dirError is about a data directory that cannot be used.
func dirError(err error, format string, args ...any) error {
	reason := fmt.Sprintf(format, args...)
	switch {
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT):
		reason += "; the disk is full, free some space"
	case errors.Is(err, syscall.EROFS):
		reason += "; mount the file system so that it can be written"
	case errors.Is(err, fs.ErrPermission):
		reason += "; give this process's user the right to write there"
	}
	return &Error{Reason: reason, Exit: ExitDataDir, Err: err}
}

// loadError is about data that cannot be recovered.
func loadError(err error, format string, args ...any) error {
	reason := strings.TrimSpace(fmt.Sprintf(format, args...))
	if errors.Is(err, fs.ErrPermission) {
		reason += "; give this process's user the right to read and write the file"
	}
	return &Error{Reason: reason, Exit: ExitUnexpected, Err: err}
}
