package shell

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
	"time"

	"quokka/client"
	"quokka/internal/render"
)

// A Call is one command being run. Out and Err are its standard output and
// error.
type Call struct {
	Context context.Context // ends with Ctrl-C
	Client  *client.Client  // nil for commands that are Offline
	Command *Command
	Args    []string // without the flags
	Out     io.Writer
	Err     io.Writer

	shell  *Shell
	values map[string][]string
}

// Has tells whether a flag was given.
func (c *Call) Has(flag string) bool { return c.values[flag] != nil }

// Value returns the value of a flag, "" if it was not given.
func (c *Call) Value(flag string) string {
	if v := c.values[flag]; v != nil {
		return v[0]
	}
	return ""
}

// Values returns all values of a flag that may be given several times.
func (c *Call) Values(flag string) []string { return c.values[flag] }

// Int returns the number a flag has, or other if it was not given.
func (c *Call) Int(flag string, other int) (int, error) {
	if !c.Has(flag) {
		return other, nil
	}
	n, err := strconv.ParseInt(c.Value(flag), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("-%s %s: want a whole number", flag, c.Value(flag))
	}
	return int(n), nil
}

// Arg returns an argument, "" if there are not so many.
func (c *Call) Arg(i int) string {
	if i >= len(c.Args) {
		return ""
	}
	return c.Args[i]
}

// Path returns an argument as the path of a node. One that begins with a
// slash stays as it is; all others are relative to the current directory,
// with . and .. understood. Without the argument it is that directory.
func (c *Call) Path(i int) string { return c.shell.resolve(c.Arg(i)) }

// JSON tells whether the output is JSON.
func (c *Call) JSON() bool { return c.shell.json }

// ZkCli tells whether the shell was started under the name of zkCli.sh, whose
// texts it then keeps.
func (c *Call) ZkCli() bool { return c.shell.opts.ZkCli }

// Terminal tells whether Out is a terminal, where a person reads.
func (c *Call) Terminal() bool { return c.shell.outTerminal }

// Progress returns where to write about what is under way: Err if it is a
// terminal and the output is not JSON, and nowhere otherwise. Lines may be
// written over with \r.
func (c *Call) Progress() io.Writer {
	if c.shell.errTerminal && !c.JSON() && !c.ZkCli() {
		return c.Err
	}
	return io.Discard
}

// Result prints what a command has found: value as JSON, or what text
// writes. It is called once, at the end.
func (c *Call) Result(value any, text func(w io.Writer) error) error {
	if c.JSON() {
		return render.JSON(c.Out, value, c.Terminal())
	}
	w := bufio.NewWriter(c.Out)
	if err := text(w); err != nil {
		return err
	}
	return w.Flush()
}

// Done is the Result of a command that prints nothing as text.
func (c *Call) Done(value any) error {
	return c.Result(value, func(io.Writer) error { return nil })
}

// Item prints one of many things as soon as it is known: as one line of JSON,
// or as text with a newline.
func (c *Call) Item(value any, text string) error {
	if c.JSON() {
		return render.JSON(c.Out, value, false)
	}
	_, err := io.WriteString(c.Out, text+"\n")
	return err
}

// Shown returns text from a server as a person's terminal may get it: without
// control characters that would command it.
func (c *Call) Shown(text string) string {
	if c.Terminal() && !c.ZkCli() {
		return render.Printable(text)
	}
	return text
}

// Note prints a line to standard error, unless the output is JSON: there only
// results and errors are.
func (c *Call) Note(format string, args ...any) {
	if !c.JSON() {
		fmt.Fprintf(c.Err, format+"\n", args...)
	}
}

// Confirm asks a person whether to go on. Where nobody can answer, because
// standard input is no terminal, it fails and says that yes is the flag that
// answers beforehand.
func (c *Call) Confirm(question, yes string) error {
	if !c.shell.inTerminal {
		return fmt.Errorf("%s: nobody can be asked here; answer with -%s", question, yes)
	}
	answer, err := c.shell.ask(c.Context, question+" [y/N] ")
	if err != nil {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return fmt.Errorf("not done")
}

// Zone is where times are shown: that of this machine, as in Java.
func (c *Call) Zone() *time.Location { return time.Local }

// A Style is a colour on terminals that are not told otherwise, and nothing
// elsewhere.
type Style string

// The styles.
const (
	StyleName  Style = "\x1b[34m" // nodes that have children
	StyleLeaf  Style = ""         // nodes that have none
	StyleGood  Style = "\x1b[32m"
	StyleBad   Style = "\x1b[31m"
	StyleFaint Style = "\x1b[2m"
)

// Paint returns text in a style if colours are wanted.
func (c *Call) Paint(s Style, text string) string {
	if !c.shell.colour {
		return text
	}
	return colour(s, text)
}

func colour(s Style, text string) string {
	if s == "" || text == "" {
		return text
	}
	return string(s) + text + "\x1b[0m"
}

// resolve returns the path of a node as the user wrote it. zkCli.sh has no
// current directory and refuses relative paths; under its name they are
// understood only after cd.
func (s *Shell) resolve(arg string) string {
	switch {
	case strings.HasPrefix(arg, "/"), s.opts.ZkCli && s.dir == "":
		return arg
	}
	return path.Join("/", s.dir, arg)
}

// StatOf converts a Stat of the client.
func StatOf(s client.Stat) render.Stat {
	return render.Stat{
		Czxid: render.Hex(s.Czxid), Mzxid: render.Hex(s.Mzxid), Pzxid: render.Hex(s.Pzxid),
		Ctime: render.Time(s.Ctime.UnixMilli()), Mtime: render.Time(s.Mtime.UnixMilli()),
		Version: s.Version, Cversion: s.Cversion, Aversion: s.Aversion,
		EphemeralOwner: render.Hex(s.EphemeralOwner), DataLength: s.DataLength, NumChildren: s.NumChildren,
	}
}

// ACLsOf converts a list of the client.
func ACLsOf(list []client.ACL) []render.ACL {
	out := make([]render.ACL, 0, len(list))
	for _, a := range list {
		out = append(out, render.ACL{Perms: a.Perms.String(), Scheme: a.Scheme, ID: a.ID})
	}
	return out
}
