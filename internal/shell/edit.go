package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"

	"golang.org/x/term"
)

// An editor reads lines from a terminal: with history, completion, and with
// what others print appearing above the line. The terminal is only in raw
// mode while a line is edited, so that Ctrl-C interrupts a running command by
// a signal.
type editor struct {
	shell   *Shell
	in      io.Reader
	out     io.Writer
	raw     func() (restore func(), err error)
	size    func() (width, height int)
	history *history
	term    *term.Terminal
	search  search
	// interrupted is set when Ctrl-C was read. x/term takes it for the end of
	// the input.
	interrupted atomic.Bool
}

var errInterrupted = errors.New("interrupted")

// newEditor returns nil if the shell does not talk to a terminal.
func newEditor(s *Shell) *editor {
	in, inOK := s.opts.In.(*os.File)
	out, outOK := s.opts.Out.(*os.File)
	if !s.inTerminal || !s.outTerminal || !inOK || !outOK || s.environ("TERM") == "dumb" {
		return nil
	}
	return &editor{
		shell: s, in: in, out: out, history: openHistory(s.historyFile()),
		raw: func() (func(), error) {
			old, err := term.MakeRaw(int(in.Fd()))
			return func() { _ = term.Restore(int(in.Fd()), old) }, err // nothing can be done about a failure
		},
		size: func() (int, int) {
			width, height, err := term.GetSize(int(out.Fd()))
			if err != nil || width < 1 || height < 1 {
				return 80, 24
			}
			return width, height
		},
	}
}

// Read passes on what is typed, and notes Ctrl-C.
func (e *editor) Read(p []byte) (int, error) {
	n, err := e.in.Read(p)
	if strings.IndexByte(string(p[:n]), 3) >= 0 {
		e.interrupted.Store(true)
	}
	return n, err
}

func (e *editor) Write(p []byte) (int, error) { return e.out.Write(p) }

// line reads a line. It returns errInterrupted after Ctrl-C, io.EOF after
// Ctrl-D, and ctx's error when that ends; the terminal is then as it was.
func (e *editor) line(ctx context.Context, prompt string, keep bool) (string, error) {
	restore, err := e.raw()
	if err != nil {
		return "", fmt.Errorf("cannot read from the terminal: %w", err)
	}
	e.prepare(prompt, keep)
	e.shell.out.setAbove(func(_ io.Writer, p []byte) (int, error) { return e.term.Write(p) })
	type result struct {
		line string
		err  error
	}
	got := make(chan result, 1)
	go func() { // outlives the call only when the process ends
		line, err := e.term.ReadLine()
		got <- result{line, err}
	}()
	var r result
	select {
	case r = <-got:
	case <-ctx.Done():
		r.err = ctx.Err()
	}
	restore()
	e.shell.out.setAbove(nil)
	if errors.Is(r.err, io.EOF) {
		e.term = nil // it would find the same key again
		fmt.Fprintln(e.out)
		if e.interrupted.Load() {
			return "", errInterrupted
		}
	}
	return r.line, r.err
}

// prepare sets the terminal up for a line. keep says that it goes into the
// history.
func (e *editor) prepare(prompt string, keep bool) {
	e.interrupted.Store(false)
	if e.term == nil {
		e.term = term.NewTerminal(e, "")
		e.term.History = e.history
		e.term.AutoCompleteCallback = e.key
	}
	_ = e.term.SetSize(e.size()) // a wrong size only looks bad
	e.term.SetPrompt(prompt)
	e.history.paused = !keep
}

// loop runs the lines that are typed.
func (e *editor) loop(ctx context.Context) error {
	s := e.shell
	defer e.history.close()
	for !s.quit && ctx.Err() == nil {
		line, err := e.line(ctx, s.prompt(), true)
		switch {
		case errors.Is(err, errInterrupted):
		case errors.Is(err, io.EOF), ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		case line != "":
			s.runLine(ctx, line)
		}
	}
	return nil
}

// prompt returns what stands before the line.
func (s *Shell) prompt() string {
	if s.opts.ZkCli {
		return fmt.Sprintf("[zk: %s(%s) %d] ", s.opts.Servers, s.live.promptState(), s.count)
	}
	state := ""
	if s.live != nil && !s.live.client.State().Up() {
		state = " (" + s.live.client.State().String() + ")"
	}
	return fmt.Sprintf("%s%s:%s> ", s.opts.Servers, state, s.resolve("."))
}

// promptState gives a state the name of ZooKeeper.States.
func (l *session) promptState() string {
	switch name := l.state(); name {
	case "SyncConnected":
		return "CONNECTED"
	case "ConnectedReadOnly":
		return "CONNECTEDREADONLY"
	case "AuthFailed":
		return "AUTH_FAILED"
	case "Closed", "Expired":
		return "CLOSED"
	}
	return "CONNECTING"
}

// A search goes through the history for lines that contain what was typed.
type search struct {
	text  string
	at    int
	found string
}

// key handles the keys that x/term leaves to us: Tab and Ctrl-R.
func (e *editor) key(line string, pos int, key rune) (string, int, bool) {
	switch key {
	case '\t':
		before, list := e.shell.complete(line[:pos])
		if len(list) > 0 {
			width, _ := e.size()
			fmt.Fprint(e.term, columns(list, width))
		}
		return before + line[pos:], len(before), true
	case 'R' - '@':
		found := e.older(line)
		return found, len(found), true
	}
	return "", 0, false
}

// older returns the next older line that contains what was typed before the
// first Ctrl-R.
func (e *editor) older(line string) string {
	if line != e.search.found || line == "" {
		e.search = search{text: line, at: -1}
	}
	for e.search.at+1 < e.history.Len() {
		e.search.at++
		if old := e.history.At(e.search.at); old != line && strings.Contains(old, e.search.text) {
			e.search.found = old
			return old
		}
	}
	return line
}

// columns writes names beside each other.
func columns(names []string, width int) string {
	longest := 0
	for _, n := range names {
		longest = max(longest, len([]rune(n)))
	}
	perLine := max(width/(longest+2), 1)
	var b strings.Builder
	for i, n := range names {
		b.WriteString(n)
		if (i+1)%perLine == 0 || i == len(names)-1 {
			b.WriteString("\n")
		} else {
			b.WriteString(strings.Repeat(" ", longest+2-len([]rune(n))))
		}
	}
	return b.String()
}
