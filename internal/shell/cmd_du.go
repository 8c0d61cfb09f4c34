package shell

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"quokka/internal/render"
	"quokka/internal/subtree"
)

var duCommand = &Command{
	Name: "du", Group: GroupTrees, Usage: "[-d depth] [--sort by] [--top n] [-b] [path]", Summary: "Add up data and nodes of subtrees.",
	Details: `One line for every node down to the depth, with all that is below it: bytes of data, number of nodes, path. The largest
come first.`,
	Examples: []string{"du /", "du -d 3 --top 20 /app  # the twenty largest subtrees", "du --sort nodes /  # by the number of nodes"},
	Flags: []Flag{
		{Name: "d", Value: "depth", Doc: "levels below the path to list, 1"},
		{Name: "sort", Value: "by", Doc: "bytes, nodes, largest (single node) or path", Choices: []string{"bytes", "nodes", "largest", "path"}},
		{Name: "top", Value: "n", Doc: "only the first n lines"}, {Name: "b", Doc: "bytes as plain numbers"},
	},
	Args: []Arg{ArgPath}, Max: 1, Foreign: true,
	Run: runDu,
}

var usageOrders = map[string]func(a, b subtree.Usage) int{
	"":        func(a, b subtree.Usage) int { return cmp.Compare(b.Bytes, a.Bytes) },
	"bytes":   func(a, b subtree.Usage) int { return cmp.Compare(b.Bytes, a.Bytes) },
	"nodes":   func(a, b subtree.Usage) int { return cmp.Compare(b.Nodes, a.Nodes) },
	"largest": func(a, b subtree.Usage) int { return cmp.Compare(b.Largest, a.Largest) },
	"path":    func(subtree.Usage, subtree.Usage) int { return 0 },
}

// usageLine is the JSON of a line.
type usageLine struct {
	Path       string `json:"path"`
	Bytes      int64  `json:"bytes"`
	Nodes      int64  `json:"nodes"`
	Ephemerals int64  `json:"ephemerals"`
	PathBytes  int64  `json:"pathBytes"`
	Largest    int64  `json:"largestNodeBytes"`
	Unreadable int64  `json:"unreadable,omitempty"`
}

func runDu(c *Call) error {
	depth, err := c.Int("d", 1)
	if err != nil {
		return err
	}
	top, err := c.Int("top", 0)
	if err != nil {
		return err
	}
	order, known := usageOrders[c.Value("sort")]
	if !known || depth < 0 || top < 0 {
		return fmt.Errorf("du: --sort wants bytes, nodes, largest or path, and -d and --top numbers: see du --help")
	}
	if err := c.persist(); err != nil {
		return err
	}
	all, err := c.measure(c.Path(0), depth)
	if err != nil {
		return err
	}
	unreadable := all[len(all)-1].Unreadable // the root comes last
	slices.SortFunc(all, func(x, y subtree.Usage) int { return cmp.Or(order(x, y), subtree.Compare(x.Path, y.Path)) })
	if top > 0 && len(all) > top {
		all = all[:top]
	}
	defer c.buffer()()
	for _, u := range all {
		line := usageLine{u.Path, u.Bytes, u.Nodes, u.Ephemerals, u.NameBytes, u.Largest, u.Unreadable}
		if err := c.Item(line, fmt.Sprintf("%10s %9d  %s", c.size(u.Bytes), u.Nodes, u.Path)); err != nil {
			return err
		}
	}
	c.unseen(unreadable)
	return nil
}

// measure returns the usage of all nodes down to a depth, the root last.
func (c *Call) measure(root string, depth int) (all []subtree.Usage, err error) {
	b := c.newBar(c.count(subtree.Side{Client: c.Client, Root: root}))
	defer b.wipe()
	for u, err := range subtree.Measure(c.Context, c.Client, root, depth, b.show) {
		if err != nil {
			return nil, err
		}
		all = append(all, u)
	}
	return all, nil
}

// size writes bytes for people, or as a number if they want that.
func (c *Call) size(n int64) string {
	if c.Has("b") {
		return strconv.FormatInt(n, 10)
	}
	return render.Bytes(n)
}
