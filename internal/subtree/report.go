package subtree

import (
	"errors"
	"fmt"

	"quokka/client"
)

// A Report counts what an operation has done. Its counts only grow.
type Report struct {
	Seen     int64 // nodes read from the source
	Bytes    int64 // of data read or written
	Created  int64
	Updated  int64 // data set
	ACLs     int64 // ACLs set
	Deleted  int64
	Same     int64 // nodes that needed no change
	Skipped  int64 // nodes left alone on purpose, such as ephemerals
	Vanished int64 // nodes that somebody else deleted meanwhile
	// Raised is by how much sequence counters were raised, in creates.
	Raised int64
	// Failed counts what was left undone, Failures says why for the first
	// hundred.
	Failed   int64
	Failures []Failure
}

// A Failure is a node for which something was left undone.
type Failure struct {
	Path string // in full
	Op   string // what was tried, such as "create"
	Err  error
}

func (f Failure) Error() string {
	var e *client.Error
	if errors.As(f.Err, &e) && e.Path == f.Path && e.Code != 0 {
		why := e.Code.Error()
		if e.Err != nil {
			why += ": " + e.Err.Error()
		}
		return fmt.Sprintf("%s %s: %s", f.Op, f.Path, why)
	}
	return fmt.Sprintf("%s %s: %v", f.Op, f.Path, f.Err)
}

func (f Failure) Unwrap() error { return f.Err }

const maxFailures = 100

func (r *Report) fail(path, op string, err error) {
	r.Failed++
	if len(r.Failures) < maxFailures {
		r.Failures = append(r.Failures, Failure{Path: path, Op: op, Err: err})
	}
}

// Err returns nil if nothing was left undone, and else an error that says
// how much and gives the first reasons.
func (r *Report) Err() error {
	if r.Failed == 0 {
		return nil
	}
	return &PartialError{Report: *r}
}

// A PartialError says that an operation did what it could and left something
// undone.
type PartialError struct{ Report Report }

func (e *PartialError) Error() string {
	first := e.Report.Failures[0]
	if e.Report.Failed == 1 {
		return "1 change was left undone: " + first.Error()
	}
	return fmt.Sprintf("%d changes were left undone, the first: %v", e.Report.Failed, first)
}

func (e *PartialError) Unwrap() error { return e.Report.Failures[0] }

// errMasked refuses an ACL that nobody could use.
var errMasked = errors.New("the server hides the digests of its ACL from sessions without ADMIN permission there: authenticate as one who has it")

// errMeanwhile marks what somebody else has changed since it was read.
var errMeanwhile = errors.New("somebody else has changed it since it was read: run the command again")
