package config

import (
	"fmt"
	"strings"
	"unicode"
)

// ExitCode is what a process ends with when Load fails: Java's ExitCode.INVALID_INVOCATION.
const ExitCode = 2

// Level grades a Notice.
type Level int

// The levels of a Notice.
const (
	Info Level = iota
	Warn
)

// String returns the level in lower case.
func (l Level) String() string {
	if l == Warn {
		return "warn"
	}
	return "info"
}

// Notice is something the operator should know about a configuration that is good enough to start with. It never
// contains the value of a secret or of an unknown key.
type Notice struct {
	Level Level
	Text  string
	File  string // file, variable or flag it is about; may be empty
	Line  int    // line in File, from 1; 0 if there is none
	Key   string // may be empty
}

// String returns "file:line: text".
func (n Notice) String() string { return place(n.File, n.Line) + n.Text }

// Error is one thing in the configuration that forbids to start. Load joins several with errors.Join.
type Error struct {
	File  string // file, variable or flag; may be empty
	Line  int    // line in File, from 1; 0 if there is none
	Key   string // may be empty
	Value string // as written, empty for secrets
	Want  string // what is allowed, or what to do
}

// Error returns "zoo.cfg:12: tickTime=abc: want ...".
func (e *Error) Error() string {
	subject := oneLine(e.Key)
	if e.Value != "" {
		subject += "=" + e.Value
	}
	if subject != "" {
		subject += ": "
	}
	return place(e.File, e.Line) + subject + e.Want
}

func place(file string, line int) string {
	switch {
	case file == "":
		return ""
	case line == 0:
		return file + ": "
	}
	return fmt.Sprintf("%s:%d: ", file, line)
}

// quote makes a value fit for one line of a message.
func quote(value string) string {
	const longest = 80
	value = oneLine(value)
	if len(value) > longest {
		value = strings.ToValidUTF8(value[:longest], "") + "..."
	}
	if value == "" {
		value = `""`
	}
	return value
}

// oneLine replaces control characters, with which a file could forge lines of the log.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, text)
}
