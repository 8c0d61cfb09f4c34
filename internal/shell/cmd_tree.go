package shell

import (
	"fmt"
	"strings"
	"time"

	"quokka/internal/render"
	"quokka/internal/subtree"
)

// treeCommands work on whole subtrees.
func treeCommands() []*Command {
	return []*Command{
		treeCommand, findCommand, grepCommand, duCommand, cpCommand, mvCommand, mirrorCommand, diffCommand, exportCommand, importCommand,
		followCommand, editCommand,
	}
}

var treeCommand = &Command{
	Name: "tree", Group: GroupTrees, Usage: "[-L depth] [--limit n] [-s] [-a] [path]", Summary: "Draw a subtree.",
	Details: `Nodes with children show how many they have, ephemeral nodes the session they belong to. What the server keeps below
/zookeeper is left out of trees that begin above, unless -a is given.`,
	Examples: []string{"tree /app", "tree -L 2 --limit 10 /  # two levels, ten children of each node", "tree -s /app  # with sizes and ages"},
	Flags: []Flag{
		{Name: "L", Value: "depth", Doc: "that many levels below the path"}, {Name: "limit", Value: "n", Doc: "at most so many children of a node"},
		{Name: "s", Doc: "sizes, versions and times"}, {Name: "a", Doc: "with /zookeeper"},
	},
	Args: []Arg{ArgPath}, Max: 1, Foreign: true,
	Run: runTree,
}

func runTree(c *Call) error {
	depth, err := c.Int("L", 0)
	if err != nil {
		return err
	}
	limit, err := c.Int("limit", 0)
	if err != nil {
		return err
	}
	if depth < 0 || limit < 0 {
		return fmt.Errorf("-L and --limit want numbers from 1")
	}
	if err := c.persist(); err != nil {
		return err
	}
	defer c.buffer()()
	root := c.Path(0)
	d := drawing{c: c, root: root, limit: limit, depth: depth}
	o := subtree.WalkOptions{MaxDepth: depth, MaxChildren: limit, System: c.Has("a")}
	for n, err := range subtree.Walk(c.Context, c.Client, root, o) {
		if err != nil {
			return err
		}
		if err := d.node(&n); err != nil {
			return err
		}
	}
	if c.JSON() {
		return nil
	}
	if err := d.leave(0); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.Out, "\n%s, %d ephemeral, %s of data\n", count(d.nodes, "node"), d.ephemerals, render.Bytes(d.bytes))
	return err
}

func count(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// A drawing is a tree on its way to the screen.
type drawing struct {
	c     *Call
	root  string
	limit int
	depth int // 0: no bound
	above []level

	nodes, ephemerals, bytes int64
}

// A level is a node above the current one.
type level struct {
	end    bool   // it is drawn as the last child of its parent
	last   string // name of its own child that is drawn last, "" if some are left out
	hidden int    // children that are left out
}

func (d *drawing) node(n *subtree.Node) error {
	d.nodes++
	d.bytes += int64(n.Stat.DataLength)
	if n.Kind == subtree.Ephemeral {
		d.ephemerals++
	}
	if d.c.JSON() {
		return d.c.Item(lineOf(d.root, n), "")
	}
	depth := subtree.Depth(n.Path)
	if err := d.leave(depth); err != nil {
		return err
	}
	name, v := d.root, level{}
	if depth > 0 {
		name = subtree.Name(n.Path)
		v.end = d.above[depth-1].last == name
	}
	if _, err := fmt.Fprintln(d.c.Out, d.lines(depth, v.end)+d.label(name, n)); err != nil {
		return err
	}
	switch shown := len(n.Children); {
	case d.limit > 0 && shown > d.limit:
		v.hidden = shown - d.limit
	case shown > 0:
		v.last = n.Children[shown-1]
	}
	d.above = append(d.above, v)
	return nil
}

// leave goes back up to a depth, and says of the nodes that are complete
// then what was left out.
func (d *drawing) leave(depth int) error {
	for len(d.above) > depth {
		at := len(d.above) - 1
		if hidden := d.above[at].hidden; hidden > 0 && !d.below(at) {
			line := d.lines(at+1, true) + d.c.Paint(StyleFaint, fmt.Sprintf("… and %d more", hidden))
			if _, err := fmt.Fprintln(d.c.Out, line); err != nil {
				return err
			}
		}
		d.above = d.above[:at]
	}
	return nil
}

// below tells whether the tree ends above the children of a level.
func (d *drawing) below(at int) bool { return d.depth > 0 && at >= d.depth }

// lines draws what connects a name with the nodes above.
func (d *drawing) lines(depth int, end bool) string {
	if depth == 0 {
		return ""
	}
	var b strings.Builder
	for _, v := range d.above[1:depth] {
		if v.end {
			b.WriteString("    ")
		} else {
			b.WriteString("│   ")
		}
	}
	if end {
		return b.String() + "└── "
	}
	return b.String() + "├── "
}

// label is what stands for a node.
func (d *drawing) label(name string, n *subtree.Node) string {
	style := StyleLeaf
	if len(n.Children) > 0 {
		style = StyleName
	}
	text := d.c.Paint(style, render.Printable(name))
	var notes []string
	if n.Err != nil {
		return text + " " + d.c.Paint(StyleBad, "("+reason(n.Err)+")")
	}
	if len(n.Children) > 0 {
		notes = append(notes, fmt.Sprintf("(%d)", len(n.Children)))
	}
	if n.Kind == subtree.Ephemeral {
		notes = append(notes, "[ephemeral of "+n.Stat.EphemeralOwner.String()+"]")
	}
	if d.c.Has("s") {
		notes = append(notes, render.Bytes(int64(n.Stat.DataLength)), fmt.Sprintf("v%d", n.Stat.Version),
			n.Stat.Mtime.In(d.c.Zone()).Format(time.DateTime))
	}
	if len(notes) == 0 {
		return text
	}
	return text + " " + d.c.Paint(StyleFaint, strings.Join(notes, " "))
}

// reason returns why a node cannot be read, in few words.
func reason(err error) string {
	if code := codeOf(err); code != 0 {
		return code.Error()
	}
	return err.Error()
}

// nodeLine is a node of a stream, as JSON.
type nodeLine struct {
	Path  string       `json:"path"`
	Kind  string       `json:"kind,omitempty"`
	Stat  *render.Stat `json:"stat,omitempty"`
	Error string       `json:"error,omitempty"`
}

func lineOf(root string, n *subtree.Node) nodeLine {
	line := nodeLine{Path: subtree.Join(root, n.Path), Kind: n.Kind.String()}
	if n.Err != nil {
		line.Error = reason(n.Err)
		return line
	}
	line.Stat = new(StatOf(n.Stat))
	return line
}
