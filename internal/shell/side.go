package shell

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"quokka/client"
	"quokka/internal/subtree"
)

// Flags that several commands on subtrees have.
var (
	toServerFlag = Flag{Name: "to-server", Value: "servers", Doc: "the second path is on these servers: host:port,host:port/chroot"}
	toAuthFlag   = Flag{Name: "to-auth-file", Value: "file", Doc: "credentials there, scheme:credential, one a line; otherwise those of this session"}
	kindsFlag    = Flag{Name: "kinds", Value: "file", Doc: "what quokka snapshot print, or Java's zkSnapShotToolkit.sh, prints of a snapshot, or an export: it knows containers and TTL nodes"}
	dryRunFlags  = []Flag{{Name: "n", Doc: "dry run: say what would be done, and do nothing"}, {Name: "dry-run", Doc: "the same as -n"}}
	yesFlag      = Flag{Name: "y", Doc: "do not ask"}
)

// remoteSide matches an argument that names servers and a path.
var remoteSide = regexp.MustCompile(`^((?:[^/,\s]+:\d+)(?:,[^/,\s]+:\d+)*)(/.*)?$`)

// side returns an argument as a subtree. host:port/path is on other servers,
// with which a session is opened that ends with the command; so is a path
// with servers given by a flag.
func (c *Call) side(i int, servers, authFile string) (subtree.Side, func(), error) {
	path := c.Path(i)
	if m := remoteSide.FindStringSubmatch(c.Arg(i)); m != nil && servers == "" {
		servers = m[1]
		if path = m[2]; path == "" {
			path = "/"
		}
	}
	if servers == "" {
		return subtree.Side{Client: c.Client, Root: path}, func() {}, nil
	}
	other, err := c.beside(servers, authFile)
	if err != nil {
		return subtree.Side{}, nil, err
	}
	return subtree.Side{Client: other, Root: path}, func() { _ = other.Close() }, nil // a session left open expires
}

// sides returns the first two arguments as subtrees; the second one is where
// --to-server says.
func (c *Call) sides() (from, to subtree.Side, done func(), err error) {
	from, closeFrom, err := c.side(0, "", "")
	if err != nil {
		return from, to, nil, err
	}
	to, closeTo, err := c.side(1, c.Value(toServerFlag.Name), c.Value(toAuthFlag.Name))
	if err != nil {
		closeFrom()
		return from, to, nil, err
	}
	return from, to, func() { closeFrom(); closeTo() }, nil
}

// beside opens another session, with the same options and credentials.
func (c *Call) beside(servers, authFile string) (*client.Client, error) {
	o := c.shell.opts.Client
	o.Hooks = client.Hooks{}
	o.Auth = slices.Concat(o.Auth, c.shell.live.auth)
	if authFile != "" {
		v := invocation{authFile: authFile}
		var err error
		if o.Auth, err = v.credentials(nil); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(c.Context, o.SessionTimeout)
	defer cancel()
	hosts, _, _ := strings.Cut(servers, "/")
	left := int64(len(strings.FieldsFunc(hosts, func(r rune) bool { return r == ',' })))
	var failed atomic.Int64
	var last atomic.Pointer[client.DialInfo]
	o.Hooks.Dial = func(d client.DialInfo) {
		if d.Err != nil {
			last.Store(&d)
			if failed.Add(1) >= left {
				cancel() // each was tried; a session that lives later goes on trying
			}
		}
	}
	other, err := client.Dial(ctx, servers, o)
	if err != nil && c.Context.Err() == nil {
		if d := last.Load(); d != nil {
			err = d.Err
		}
		return nil, fmt.Errorf("cannot reach %s: %v", servers, err) // not as an error of a node
	}
	return other, err
}

// persist lets a command that works for long live through the loss of a
// server: once the first one has answered, it waits for the next, though not
// for ever.
func (c *Call) persist() error {
	if err := c.Client.WaitConnected(c.Context); err != nil {
		return err
	}
	c.shell.live.guard(nil)
	ctx, cancel := context.WithCancelCause(c.Context)
	c.Context = ctx
	patience := max(2*c.Client.SessionTimeout(), time.Minute)
	go func() {
		var giveUp *time.Timer
		for v := range c.Client.States(ctx) {
			if v.State.Up() && giveUp != nil {
				giveUp.Stop()
				giveUp = nil
			} else if !v.State.Up() && giveUp == nil {
				why := v.Err
				if why == nil {
					why = errors.New("the connection was lost")
				}
				giveUp = time.AfterFunc(patience, func() { cancel(&unreachable{why}) })
			}
		}
		if giveUp != nil { // the command has ended, or the session, which calls say themselves
			giveUp.Stop()
		}
	}()
	return nil
}

// kinds returns what the file of --kinds knows, nil without one.
func (c *Call) kinds() (*subtree.KindTable, error) {
	if !c.Has(kindsFlag.Name) {
		return nil, nil
	}
	f, err := os.Open(c.Value(kindsFlag.Name))
	if err != nil {
		return nil, fmt.Errorf("--kinds: %w", err)
	}
	defer f.Close()
	t, err := subtree.ReadKinds(f)
	if err != nil {
		return nil, fmt.Errorf("--kinds %s: %w", f.Name(), err)
	}
	return t, nil
}

// dryRun tells whether nothing is to be done.
func (c *Call) dryRun() bool { return c.Has("n") || c.Has("dry-run") }

// sure lets a person decide about something that cannot be undone, at a
// terminal. Scripts are not asked, and say -y where want is set; zkCli.sh
// never asks.
func (c *Call) sure(question string, want bool) error {
	if c.Has(yesFlag.Name) || c.ZkCli() || !want && !c.shell.inTerminal {
		return nil
	}
	return c.Confirm(question, yesFlag.Name)
}

// trouble reports an error of a command whose exit code 1 means something
// else, as that of diff and grep does.
func (c *Call) trouble(err error) error {
	if err == nil {
		return nil
	}
	if code := c.shell.fail(c, err); code != exitFailed {
		return exitError{code}
	}
	return exitError{exitTrouble}
}

// exitTrouble is the exit code for that.
const exitTrouble = 2

// report is what a command on a subtree has done, as JSON.
type report struct {
	From     string        `json:"from,omitempty"`
	Path     string        `json:"path"`
	DryRun   bool          `json:"dryRun,omitempty"`
	Seen     int64         `json:"seen"`
	Created  int64         `json:"created"`
	Updated  int64         `json:"updated"`
	ACLs     int64         `json:"aclsSet"`
	Deleted  int64         `json:"deleted"`
	Same     int64         `json:"same"`
	Skipped  int64         `json:"skipped"`
	Vanished int64         `json:"vanished"`
	Raised   int64         `json:"countersRaisedBy"`
	Bytes    int64         `json:"bytes"`
	Failed   int64         `json:"failed"`
	Failures []failureLine `json:"failures,omitempty"`
}

type failureLine struct {
	Path  string `json:"path"`
	Op    string `json:"op"`
	Error string `json:"error"`
}

func reportOf(r subtree.Report, from, path string, dry bool) report {
	out := report{
		From: from, Path: path, DryRun: dry, Seen: r.Seen, Created: r.Created, Updated: r.Updated, ACLs: r.ACLs, Deleted: r.Deleted,
		Same: r.Same, Skipped: r.Skipped, Vanished: r.Vanished, Raised: r.Raised, Bytes: r.Bytes, Failed: r.Failed,
	}
	for _, f := range r.Failures {
		out.Failures = append(out.Failures, failureLine{f.Path, f.Op, f.Err.Error()})
	}
	return out
}

// summary says in words what was done.
func (r report) summary() string {
	var parts []string
	for _, p := range []struct {
		n    int64
		text string
	}{
		{r.Created, "created"}, {r.Updated, "set"}, {r.ACLs, "ACLs set"}, {r.Deleted, "deleted"}, {r.Same, "the same already"},
		{r.Skipped, "skipped"}, {r.Vanished, "vanished meanwhile"}, {r.Failed, "left undone"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.text))
		}
	}
	if r.Raised > 0 {
		parts = append(parts, fmt.Sprintf("sequence counters raised by %d", r.Raised))
	}
	if len(parts) == 0 {
		parts = []string{"nothing to do"}
	}
	text := strings.Join(parts, ", ")
	if r.DryRun {
		text = "dry run: " + text
	}
	return text
}

// told prints what was done and, if something was left undone, what.
func (c *Call) told(r report, err error) error {
	var partial *subtree.PartialError
	if err != nil && !errors.As(err, &partial) {
		if r.Created+r.Updated+r.ACLs+r.Deleted > 0 {
			c.Note("until then: %s", r.summary())
		}
		return err
	}
	if partial != nil {
		for _, f := range partial.Report.Failures {
			c.Note("%v", f)
		}
		if more := partial.Report.Failed - int64(len(partial.Report.Failures)); more > 0 {
			c.Note("and %d more", more)
		}
	}
	if c.JSON() {
		if err := c.Done(r); err != nil {
			return err
		}
	} else {
		c.Note("%s", r.summary())
	}
	if partial != nil {
		return exitError{exitFailed}
	}
	return nil
}

// buffer gathers what a command prints into large writes, unless a person
// reads along. flush must be called in the end.
func (c *Call) buffer() (flush func()) {
	if c.Terminal() {
		return func() {}
	}
	out := c.Out
	w := bufio.NewWriterSize(out, 32<<10)
	c.Out = w
	return func() {
		_ = w.Flush() // as with any other print: who has closed the pipe wants no more
		c.Out = out
	}
}
