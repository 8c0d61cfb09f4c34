package shell

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"strings"

	"quokka/internal/render"
	"quokka/internal/subtree"
)

var diffCommand = &Command{
	Name: "diff", Group: GroupTrees, Usage: "[-u] [-q] [--no-data] [--no-acl] [--no-ephemerals] path path", Summary: "Compare two subtrees.",
	Details: `Lines begin with - for nodes that only the first has, + for those that only the second has, and ~ for those that differ, with
what differs behind. A path may be on other servers (host:port/path, or --to-server for the second), and file:NAME is an export.
The exit code is 0 if there is no difference, 1 if there is, and 2 for an error.`,
	Examples: []string{
		"diff /app zk2:2181/app", "diff -u /app/config /app/config.old  # with the lines that differ", "diff file:backup.jsonl.gz /app",
	},
	Flags: []Flag{
		{Name: "u", Doc: "show the lines of text that differ"}, {Name: "q", Doc: "print nothing, only set the exit code"},
		{Name: "no-data", Doc: "data does not matter"}, {Name: "no-acl", Doc: "ACLs do not matter"},
		{Name: "no-ephemerals", Doc: "ephemeral nodes do not matter"}, toServerFlag, toAuthFlag,
	},
	Args: []Arg{ArgPath}, Min: 2, Max: 2, Foreign: true,
	Run: runDiff,
}

func runDiff(c *Call) error {
	different, err := c.diff()
	if err != nil {
		return c.trouble(err)
	}
	if different {
		return exitError{exitFailed}
	}
	return nil
}

// exportPrefix marks an argument that is an export.
const exportPrefix = "file:"

// nodes returns an argument as a stream of nodes. It has data and ACLs as far
// as the comparison needs them.
func (c *Call) nodes(ctx context.Context, i int, servers, authFile string, o subtree.DiffOptions) (iter.Seq2[subtree.Node, error], func(), error) {
	if name, ok := strings.CutPrefix(c.Arg(i), exportPrefix); ok {
		e, done, err := openExport(c, name, false)
		if err != nil {
			return nil, nil, err
		}
		return e.Nodes(), done, nil
	}
	side, done, err := c.side(i, servers, authFile)
	if err != nil {
		return nil, nil, err
	}
	return subtree.DiffWalk(ctx, side, o, nil), done, nil
}

func (c *Call) diff() (different bool, err error) {
	if err := c.persist(); err != nil {
		return false, err
	}
	o := subtree.DiffOptions{NoData: c.Has("no-data"), NoACL: c.Has("no-acl"), NoEphemerals: c.Has("no-ephemerals")}
	left, doneLeft, err := c.nodes(c.Context, 0, "", "", o)
	if err != nil {
		return false, err
	}
	defer doneLeft()
	right, doneRight, err := c.nodes(c.Context, 1, c.Value(toServerFlag.Name), c.Value(toAuthFlag.Name), o)
	if err != nil {
		return false, err
	}
	defer doneRight()
	defer c.buffer()()
	b := c.newBar(0)
	defer b.wipe()
	o.Progress = b.show
	for d, err := range subtree.Diff(left, right, o) {
		if err != nil {
			return different, err
		}
		different = true
		if c.Has("q") {
			return true, nil
		}
		b.wipe()
		if err := c.Item(c.diffLine(&d), c.diffText(&d)); err != nil {
			return different, err
		}
	}
	return different, nil
}

// diffLine is a difference as JSON.
type diffLine struct {
	Path   string       `json:"path"`
	Change string       `json:"change"` // removed, added, changed, unreadable
	Data   bool         `json:"data,omitempty"`
	ACL    bool         `json:"acl,omitempty"`
	Kind   bool         `json:"kind,omitempty"`
	Left   *render.Node `json:"left,omitempty"`
	Right  *render.Node `json:"right,omitempty"`
	Error  string       `json:"error,omitempty"`
}

func (c *Call) diffLine(d *subtree.Difference) diffLine {
	line := diffLine{Path: d.Path, Change: "changed", Data: d.Data, ACL: d.ACL, Kind: d.Kind, Left: nodeOf(d.Left), Right: nodeOf(d.Right)}
	switch {
	case d.Err != nil:
		line.Change, line.Error = "unreadable", reason(d.Err)
	case d.Right == nil:
		line.Change = "removed"
	case d.Left == nil:
		line.Change = "added"
	}
	return line
}

func nodeOf(n *subtree.Node) *render.Node {
	if n == nil {
		return nil
	}
	return &render.Node{Data: render.Of(n.Data), Stat: new(StatOf(n.Stat)), ACL: ACLsOf(n.ACL)}
}

func (c *Call) diffText(d *subtree.Difference) string {
	path := render.Printable(d.Path)
	switch {
	case d.Err != nil:
		return c.Paint(StyleBad, "? "+path+" "+reason(d.Err))
	case d.Right == nil:
		return c.Paint(StyleBad, "- "+path)
	case d.Left == nil:
		return c.Paint(StyleGood, "+ "+path)
	}
	text := "~ " + path
	if d.Data {
		text += fmt.Sprintf(" data (%d, %d bytes)", len(d.Left.Data), len(d.Right.Data))
	}
	if d.ACL {
		text += fmt.Sprintf(" acl (%s, %s)", subtree.ACLText(d.Left.ACL), subtree.ACLText(d.Right.ACL))
	}
	if d.Kind {
		text += fmt.Sprintf(" kind (%s, %s)", kindText(d.Left), kindText(d.Right))
	}
	if c.Has("u") && d.Data {
		text += "\n" + strings.TrimSuffix(c.lineDiff(d.Left.Data, d.Right.Data), "\n")
	}
	return text
}

func kindText(n *subtree.Node) string {
	if n.Kind == subtree.Lasting {
		return "not ephemeral"
	}
	return n.Kind.String()
}

// lineDiff shows the lines in which two texts differ.
func (c *Call) lineDiff(a, b []byte) string {
	if !subtree.Readable(a) || !subtree.Readable(b) {
		return fmt.Sprintf("  binary data differs: %d and %d bytes", len(a), len(b))
	}
	var out strings.Builder
	for _, e := range editScript(splitLines(string(a)), splitLines(string(b))) {
		switch e.op {
		case '-':
			out.WriteString(c.Paint(StyleBad, "  - "+render.Printable(e.line)) + "\n")
		case '+':
			out.WriteString(c.Paint(StyleGood, "  + "+render.Printable(e.line)) + "\n")
		}
	}
	return out.String()
}

// openExport opens an export that must be whole. done closes it.
func openExport(c *Call, name string, edited bool) (e *subtree.Export, done func(), err error) {
	f, err := os.Open(name)
	if name == "-" {
		f, err = spool(c.shell.in)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read the export: %w", err)
	}
	if e, err = subtree.OpenExport(f, edited); err != nil {
		_ = f.Close()
		if errors.Is(err, subtree.ErrChecksum) && c.Command.Name == "import" {
			return nil, nil, fmt.Errorf("%s: %w: it was damaged or edited; --edited takes it if that was on purpose", name, err)
		}
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	return e, func() { _ = f.Close() }, nil
}
