package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"quokka/client"
	"quokka/internal/render"
	"quokka/internal/subtree"
)

var followCommand = &Command{
	Name: "watch", Group: GroupWatches, Usage: "[--data | --diff] [--count n] [--timeout time] path", Summary: "Follow a subtree and print every change.",
	Details: `A line for each change: time, zxid, what happened, path. It ends by Ctrl-C, after --count changes or after --timeout. What changed
while no server was reached is found by reading the subtree again and marked with resync; what was created and deleted again in
between is never seen. The path need not exist. The exit code is 1 if --timeout ends before --count changes came.`,
	Examples: []string{
		"watch /app", "watch --diff /app/config  # with the lines that changed", "watch --count 1 --timeout 30s /app/ready  # wait for it",
		"watch -o json /  # a line of JSON for each change, for programs",
	},
	Flags: []Flag{
		{Name: "data", Doc: "print the new data"}, {Name: "diff", Doc: "print which lines of the data changed; keeps all data in memory"},
		{Name: "count", Value: "n", Doc: "end after n changes"}, {Name: "timeout", Value: "time", Doc: "end after that time, such as 30s or 5m"},
	},
	Args: []Arg{ArgPath}, Min: 1, Max: 1, Foreign: true, Patient: true,
	Run: runFollow,
}

func runFollow(c *Call) error {
	f := &follower{c: c, path: c.Path(0), known: make(map[string]known)}
	var err error
	if f.left, err = c.Int("count", 0); err != nil {
		return err
	}
	ctx := c.Context
	if c.Has("timeout") {
		wait, err := time.ParseDuration(c.Value("timeout"))
		if err != nil || wait <= 0 || f.left < 0 {
			return fmt.Errorf("--timeout wants a time such as 30s or 5m, and --count a number")
		}
		limited, cancel := context.WithTimeout(ctx, wait)
		defer cancel()
		ctx = limited
	}
	err = f.run(ctx)
	switch {
	case errors.Is(err, errEnough):
		return nil
	case c.Context.Err() != nil:
		return exitError{exitInterrupted}
	case ctx.Err() != nil && c.Has("count"):
		return exitError{exitFailed}
	case ctx.Err() != nil:
		return nil
	}
	return err
}

// errEnough ends a follower that has seen as many changes as were wanted.
var errEnough = errors.New("enough changes")

// A follower watches a subtree in a session of its own, so that its events do
// not mix with those of the shell's watches. It remembers the versions of all
// nodes, by which it finds what happened while no server was reached.
type follower struct {
	c     *Call
	path  string
	left  int // changes until the end; 0: no end
	cl    *client.Client
	known map[string]known
	gone  map[string]bool // deletions that the last resync told; their events may still come
}

// known is what a follower knows of a node.
type known struct {
	czxid, mzxid client.Zxid
	told         client.Zxid // of the last change that was printed
	data         []byte      // with --diff
}

// run follows until the context ends, over the ends of sessions.
func (f *follower) run(ctx context.Context) error {
	for first := true; ; first = false {
		err := f.session(ctx, first)
		if !errors.Is(err, client.ErrSessionExpired) {
			return err
		}
		f.c.Note("the session has expired; following in a new one")
	}
}

// session follows for the life of one session.
func (f *follower) session(ctx context.Context, first bool) error {
	cl, err := f.c.beside(f.c.shell.opts.Servers, "")
	if err != nil {
		return err
	}
	defer cl.Close()
	f.cl = cl
	w, err := cl.WatchTree(ctx, f.path)
	if err != nil {
		return err
	}
	if err := f.resync(ctx, !first); err != nil {
		return err
	}
	if first {
		f.c.Note("watching %s with %s; Ctrl-C ends", f.path, count(int64(len(f.known)), "node"))
	}
	for {
		e, err := w.Next(ctx)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case e.Type == client.EventGap:
			err = f.resync(ctx, true)
		default:
			err = f.event(ctx, e)
		}
		if err != nil {
			return err
		}
	}
}

// resync reads the subtree and, if tell is set, prints how it differs from
// what is known.
func (f *follower) resync(ctx context.Context, tell bool) error {
	o := subtree.WalkOptions{Data: f.c.Has("diff"), System: true}
	found := make(map[string]bool)
	f.gone = make(map[string]bool)
	for n, err := range subtree.Walk(ctx, f.cl, f.path, o) {
		if errors.Is(err, client.ErrNoNode) {
			break
		}
		if err != nil {
			return err
		}
		if n.Err != nil {
			continue
		}
		at := subtree.Join(f.path, n.Path)
		found[at] = true
		if err := f.compare(ctx, at, &n, tell); err != nil {
			return err
		}
	}
	for at, old := range f.known {
		if found[at] {
			continue
		}
		delete(f.known, at)
		f.gone[at] = true
		if tell {
			if err := f.print(ctx, client.Event{Type: client.EventDeleted, Path: at}, old.data, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// compare takes what was read of a node.
func (f *follower) compare(ctx context.Context, at string, n *subtree.Node, tell bool) error {
	old, was := f.known[at]
	now := known{czxid: n.Stat.Czxid, mzxid: n.Stat.Mzxid, data: n.Data, told: old.told}
	changed := tell && (!was || old.mzxid != now.mzxid)
	if changed {
		now.told = now.mzxid
	}
	f.known[at] = now
	if !changed {
		return nil
	}
	typ := client.EventDataChanged
	if !was || old.czxid != now.czxid {
		typ = client.EventCreated
	}
	return f.print(ctx, client.Event{Type: typ, Path: at, Zxid: now.mzxid}, old.data, true)
}

// event takes one event of the watch.
func (f *follower) event(ctx context.Context, e client.Event) error {
	old, was := f.known[e.Path]
	if e.Type == client.EventDeleted {
		if !was && f.gone[e.Path] {
			delete(f.gone, e.Path)
			return nil
		}
		delete(f.known, e.Path)
		return f.print(ctx, e, old.data, false)
	}
	if e.Zxid != 0 && e.Zxid <= old.told {
		return nil // a resync has told it
	}
	now := known{czxid: old.czxid, mzxid: e.Zxid, told: e.Zxid}
	if e.Type == client.EventCreated {
		now.czxid = e.Zxid
	}
	if e.Zxid == 0 || f.c.Has("diff") {
		data, stat, err := f.cl.Get(ctx, e.Path)
		if err == nil {
			now.czxid, now.mzxid, now.data = stat.Czxid, stat.Mzxid, data
		}
	}
	f.known[e.Path] = now
	return f.print(ctx, e, old.data, false)
}

// changeLine is a change as JSON.
type changeLine struct {
	Time   render.Time  `json:"time"`
	Zxid   *render.Hex  `json:"zxid,omitempty"`
	Event  string       `json:"event"`
	Path   string       `json:"path"`
	Resync bool         `json:"resync,omitempty"`
	Node   *render.Node `json:"node,omitempty"`
	Before *render.Node `json:"before,omitempty"`
}

// print prints a change, and ends the follower if it was the last.
func (f *follower) print(ctx context.Context, e client.Event, before []byte, resync bool) error {
	now := time.Now()
	line := changeLine{Time: render.Time(now.UnixMilli()), Event: e.Type.String(), Path: e.Path, Resync: resync}
	zxid := "-"
	if e.Zxid != 0 {
		zxid = e.Zxid.String()
		line.Zxid = new(render.Hex(e.Zxid))
	}
	style := map[client.EventType]Style{client.EventCreated: StyleGood, client.EventDeleted: StyleBad}[e.Type]
	text := fmt.Sprintf("%s %s %s %s", now.In(f.c.Zone()).Format("15:04:05.000"), zxid, f.c.Paint(style, e.Type.String()), render.Printable(e.Path))
	if resync {
		text += " (resync)"
	}
	if (f.c.Has("data") || f.c.Has("diff")) && e.Type != client.EventDeleted {
		data, stat, err := f.cl.Get(ctx, e.Path)
		if err == nil {
			line.Node = &render.Node{Data: render.Of(data), Stat: new(StatOf(stat))}
			text += f.body(before, data)
			if f.c.Has("diff") {
				line.Before = &render.Node{Data: render.Of(before)}
			}
		}
	}
	if err := f.c.Item(line, text); err != nil {
		return err
	}
	if f.left > 0 {
		if f.left--; f.left == 0 {
			return errEnough
		}
	}
	return nil
}

// body is what stands below a change.
func (f *follower) body(before, data []byte) string {
	if f.c.Has("diff") {
		return "\n" + strings.TrimSuffix(f.c.lineDiff(before, data), "\n")
	}
	if !subtree.Readable(data) {
		return "\n" + render.HexDump(data)
	}
	return "\n" + render.Printable(strings.TrimSuffix(string(data), "\n"))
}
