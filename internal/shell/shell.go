package shell

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/term"

	"quokka/client"
)

// Options are what a Shell is told when it starts.
type Options struct {
	// ZkCli says that it was called by the name of zkCli.sh: banners, events
	// of the session and prompts are as there.
	ZkCli bool
	// Servers is the connect string.
	Servers string
	// Client are the options of sessions. Hooks are set by the shell.
	Client client.Options
	// WaitForConnection waits for a server before the first command, for the
	// session timeout at most.
	WaitForConnection bool
	// JSON makes json the output of commands that are not told otherwise.
	JSON bool
	// Colour is auto, always or never.
	Colour string
	// Environ is as os.Environ returns it.
	Environ []string

	In       io.Reader
	Out, Err io.Writer
}

// A Shell runs commands, one after the other, in one session.
type Shell struct {
	opts     Options
	out, err *console
	in       *bufio.Reader

	inTerminal, outTerminal, errTerminal bool

	json   bool        // of the present command
	colour bool        // of the present command
	dir    string      // current directory; "" until cd
	before string      // the one before the last cd
	events atomic.Bool // printwatches
	count  int         // commands so far
	lines  []string
	exit   int // of the last command
	quit   bool
	live   *session // nil before the first connection
	editor *editor  // nil unless commands are typed
}

// Exit codes.
const (
	exitOK          = 0
	exitFailed      = 1
	exitNotFound    = 127 // CommandNotFoundException
	exitInterrupted = 130 // 128 + SIGINT, as of a program that ends by it
)

// newShell returns a Shell that has not connected yet.
func newShell(o Options) *Shell {
	s := &Shell{
		opts: o, in: bufio.NewReader(o.In),
		inTerminal: isTerminal(o.In), outTerminal: isTerminal(o.Out), errTerminal: isTerminal(o.Err),
	}
	s.events.Store(true)
	s.out, s.err = newConsoles(o.Out, o.Err)
	return s
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// wantsColour follows the option, and where that leaves it to us, NO_COLOR
// (no-color.org) and whether a person reads.
func (s *Shell) wantsColour(terminal bool) bool {
	switch s.opts.Colour {
	case "always":
		return true
	case "never":
		return false
	}
	return terminal && !s.json && !s.opts.ZkCli && s.environ("NO_COLOR") == "" && s.environ("TERM") != "dumb"
}

// environ returns a variable of the environment.
func (s *Shell) environ(name string) string { return lookup(s.opts.Environ, name) }

func lookup(environ []string, name string) string {
	for _, v := range environ {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}

// leave ends the session at the end of the input. That is no event: nobody
// asked for it.
func (s *Shell) leave() {
	if !s.quit {
		s.events.Store(false)
	}
	s.close(context.Background())
}

// close ends the session. Java leaves it to its timeout when the input ends;
// ephemeral nodes of a shell that has gone serve nobody.
func (s *Shell) close(ctx context.Context) {
	if s.live == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	done, session := make(chan struct{}), s.live.client
	go func() {
		defer close(done)
		_ = session.Close() // a session that cannot be closed expires
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// execute runs one command and keeps its exit code.
func (s *Shell) execute(ctx context.Context, words []string) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	s.exit = s.run(ctx, words)
}

// run runs one command and returns its exit code.
func (s *Shell) run(ctx context.Context, words []string) int {
	s.json = s.opts.JSON
	s.colour = s.wantsColour(s.outTerminal)
	cmd := find(words[0])
	if cmd == nil {
		return s.notFound(words[0])
	}
	p, err := cmd.parseFlags(words[1:])
	c := &Call{Context: ctx, Command: cmd, Args: p.args, Out: s.out, Err: s.err, shell: s, values: p.values}
	if err == nil {
		err = s.chooseOutput(c)
	}
	switch {
	case err != nil:
		return s.fail(c, err)
	case c.Has(helpFlag.Name):
		return s.fail(c, cmd.writeHelp(s.out))
	}
	if err := cmd.checkCount(len(p.args)); err != nil {
		return s.fail(c, err)
	}
	if cmd.Offline {
		return s.fail(c, cmd.Run(c))
	}
	return s.runOnline(c)
}

func (s *Shell) chooseOutput(c *Call) error {
	if !c.Has(outputFlag.Name) {
		return nil
	}
	switch format := c.Value(outputFlag.Name); format {
	case "json":
		s.json, s.colour = true, s.opts.Colour == "always"
	case "text":
		s.json = false
		s.colour = s.wantsColour(s.outTerminal)
	default:
		return fmt.Errorf("-o %s: want text or json", format)
	}
	return nil
}

// runOnline runs a command that needs a session.
func (s *Shell) runOnline(c *Call) int {
	if err := s.connect(); err != nil {
		return s.fail(c, err)
	}
	if s.live.client.State().Final() {
		return s.notConnected(c)
	}
	ctx, cancel := context.WithCancelCause(c.Context)
	defer cancel(nil)
	if !c.Command.Patient {
		s.live.guard(cancel)
		defer s.live.guard(nil)
	}
	c.Context, c.Client = ctx, s.live.client
	s.live.awaitFirst(ctx)
	return s.fail(c, c.Command.Run(c))
}

// notConnected is what zkCli.sh says once the session is over.
func (s *Shell) notConnected(c *Call) int {
	if s.opts.ZkCli {
		fmt.Fprintln(s.out, "Not connected")
		return exitOK
	}
	s.complain(failure{Error: "not connected: " + s.live.client.Err().Error(), Code: "NotConnected", Hint: "connect starts a new session"})
	return exitFailed
}

// notFound answers a command that does not exist.
func (s *Shell) notFound(name string) int {
	if s.opts.ZkCli {
		s.javaUsage(s.err)
		fmt.Fprintf(s.err, "Command not found: Command not found %s\n", name)
		return exitNotFound
	}
	hint := "help lists the commands"
	if other := similar(name); other != "" {
		hint = "did you mean " + other + "? " + hint
	}
	s.complain(failure{Error: "Command not found: " + name, Code: "CommandNotFound", Hint: hint})
	return exitNotFound
}

// runLine runs one line of input.
func (s *Shell) runLine(ctx context.Context, line string) {
	words := split(line)
	if len(words) == 0 || !s.opts.ZkCli && strings.HasPrefix(strings.TrimSpace(line), "#") {
		return
	}
	s.lines = append(s.lines, line)
	s.execute(ctx, words)
	s.count++
}

// loop runs the lines of standard input: with an editor on a terminal, which
// connects before the first command so that paths can be completed.
func (s *Shell) loop(ctx context.Context) error {
	s.editor = newEditor(s)
	if s.opts.ZkCli {
		able := "disabled"
		if s.editor != nil {
			able = "enabled"
		}
		fmt.Fprintf(s.out, "JLine support is %s\n", able)
	}
	if s.editor != nil {
		if err := s.connect(); err != nil {
			return err
		}
		if !s.opts.ZkCli { // the prompt is to show how it is
			soon, cancel := context.WithTimeout(ctx, firstPrompt)
			_ = s.live.client.WaitConnected(soon)
			cancel()
		}
		return s.editor.loop(ctx)
	}
	for !s.quit && ctx.Err() == nil {
		line, err := s.in.ReadString('\n')
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			s.runLine(ctx, line)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot read commands: %w", err)
		}
	}
	return nil
}

// ask reads an answer from the terminal.
func (s *Shell) ask(ctx context.Context, question string) (string, error) {
	if s.editor != nil {
		return s.editor.line(ctx, question, false)
	}
	fmt.Fprint(s.err, question)
	type answer struct {
		line string
		err  error
	}
	got := make(chan answer, 1)
	go func() { // ends with the next line, or with the process
		line, err := s.in.ReadString('\n')
		got <- answer{line, err}
	}()
	select {
	case a := <-got:
		return a.line, a.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// closeTimeout bounds how long the end of a session waits for the server.
const closeTimeout = 2 * time.Second

// firstPrompt is how long the first prompt waits for a server.
const firstPrompt = 300 * time.Millisecond

// hintTimeout bounds what is read to explain an error.
const hintTimeout = 2 * time.Second
