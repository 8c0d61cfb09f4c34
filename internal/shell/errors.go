package shell

import (
	"context"
	"errors"
	"fmt"

	"quokka/client"
	"quokka/internal/render"
)

// A failure is an error as it is shown.
type failure struct {
	Error string `json:"error"`
	Code  string `json:"code,omitempty"`
	Path  string `json:"path,omitempty"`
	Hint  string `json:"hint,omitempty"`
}

// unreachable ends a command because no server could be reached.
type unreachable struct{ err error }

func (e *unreachable) Error() string { return "no server can be reached: " + e.err.Error() }
func (e *unreachable) Unwrap() error { return e.err }

// An exitError is an error whose command has said all that is to be said.
type exitError struct{ code int }

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// A javaError is an error in the words of zkCli.sh.
type javaError string

func (e javaError) Error() string { return string(e) }

// fail shows why a command failed, if it did, and returns its exit code.
func (s *Shell) fail(c *Call, err error) int {
	var done exitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &done):
		return done.code
	case errors.Is(err, context.Canceled) && c.Context.Err() != nil && !s.lost(c):
		s.complain(failure{Error: "interrupted", Code: "Interrupted"})
		return exitInterrupted
	}
	s.complain(s.describe(c, err))
	return exitFailed
}

// lost tells whether a command ended because no server was reached.
func (s *Shell) lost(c *Call) bool {
	var u *unreachable
	return errors.As(context.Cause(c.Context), &u)
}

// describe turns an error into the text of zkCli.sh and a hint.
func (s *Shell) describe(c *Call, err error) failure {
	var usage *usageError
	if errors.As(err, &usage) {
		return s.describeUsage(usage)
	}
	var e *client.Error
	if !errors.As(err, &e) {
		return failure{Error: err.Error()}
	}
	code := e.Code
	if s.lost(c) {
		code = client.ErrConnectionLoss
	}
	f := failure{Error: javaText(e, code), Path: e.Path}
	if code != 0 {
		f.Code = code.Name()
	}
	if s.hints() {
		f.Hint = hint(c, e, code)
	}
	return f
}

// describeUsage keeps Java's exception in the text where scripts may look for
// it.
func (s *Shell) describeUsage(e *usageError) failure {
	switch {
	case s.opts.ZkCli:
		return failure{Error: e.Error()}
	case e.why == "":
		return failure{Error: "usage: " + e.Error(), Code: "Usage", Hint: "help " + e.command.Name + " says more"}
	}
	return failure{Error: e.why, Code: "Usage", Hint: "usage: " + e.command.usage()}
}

// hints tells whether somebody reads hints.
func (s *Shell) hints() bool { return !s.opts.ZkCli || s.errTerminal }

// complain writes a failure to standard error.
func (s *Shell) complain(f failure) {
	if s.json {
		_ = render.JSON(s.err, f, s.errTerminal)
		return
	}
	paint := func(_ Style, text string) string { return text }
	if s.wantsColour(s.errTerminal) {
		paint = colour
	}
	text := paint(StyleBad, f.Error) + "\n"
	if f.Hint != "" {
		text += paint(StyleFaint, "hint: "+f.Hint) + "\n"
	}
	fmt.Fprint(s.err, text)
}
