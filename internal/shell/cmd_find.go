package shell

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"quokka/client"
	"quokka/internal/subtree"
)

var findCommand = &Command{
	Name: "find", Group: GroupTrees, Usage: "[conditions] [path]", Summary: "List the nodes of a subtree that meet all conditions.",
	Details: `Numbers and ages are +n for more than n, -n for less, n for exactly that, and a..b, a.. or ..b for a range. Sizes take k, M and G
(1024), ages s, m, h and d. A sequential node is told by its name, which ends in ten digits. Servers do not say which nodes
are containers or have a TTL; a snapshot does, see --kinds.`,
	Examples: []string{
		`find --name "lock-*" /app`, "find --type ephemeral --mtime +1d /  # ephemeral nodes not touched for a day",
		"find --size +100k -l /  # large nodes, with size, version and time", `find --path "/members/[0-9]+$" /app`,
		"find --owner 0x100012345670000 /", "find --type sequential --count /queue", "find --type ttl --kinds snapshot.txt /  # after quokka snapshot print > snapshot.txt",
	},
	Flags: []Flag{
		{Name: "name", Value: "pattern", Doc: "the name matches, with * ? [a-z]"},
		{Name: "path", Value: "regexp", Doc: "a regular expression is found in the path"},
		{Name: "type", Value: "type", Doc: "what kind of node", Choices: []string{"persistent", "ephemeral", "sequential", "container", "ttl"}},
		{Name: "size", Value: "bytes", Doc: "size of the data"}, {Name: "children", Value: "n", Doc: "number of children"},
		{Name: "version", Value: "n", Doc: "version of the data"}, {Name: "mtime", Value: "age", Doc: "since the data was set"},
		{Name: "ctime", Value: "age", Doc: "since the node was created"}, {Name: "owner", Value: "session", Doc: "ephemeral nodes of a session"},
		{Name: "mindepth", Value: "n", Doc: "at least n levels below the path"}, {Name: "maxdepth", Value: "n", Doc: "at most"},
		{Name: "l", Doc: "also version, size, children, time and owner"}, {Name: "count", Doc: "only how many there are"},
		{Name: "a", Doc: "look below /zookeeper too"}, kindsFlag,
	},
	Args: []Arg{ArgPath}, Max: 1, Foreign: true,
	Run: runFind,
}

func runFind(c *Call) error {
	f, err := c.filter()
	if err != nil {
		return err
	}
	kinds, err := c.kinds()
	if err != nil {
		return err
	}
	if err := c.persist(); err != nil {
		return err
	}
	defer c.buffer()()
	root, found := c.Path(0), int64(0)
	o := subtree.WalkOptions{MaxDepth: f.MaxDepth, System: c.Has("a"), Kinds: kinds.Of(c.Client, root)}
	err = c.search(root, o, func(b *bar, n *subtree.Node) error {
		if !f.Match(root, n) {
			return nil
		}
		if found++; c.Has("count") {
			return nil
		}
		b.wipe()
		return c.Item(lineOf(root, n), c.findText(root, n))
	})
	if err != nil {
		return err
	}
	if c.Has("count") {
		return c.Item(struct {
			Count int64 `json:"count"`
		}{found}, strconv.FormatInt(found, 10))
	}
	return nil
}

// search goes through a subtree with a bar, and says how much it could not
// see.
func (c *Call) search(root string, o subtree.WalkOptions, visit func(*bar, *subtree.Node) error) error {
	b := c.newBar(c.count(subtree.Side{Client: c.Client, Root: root}))
	defer b.wipe()
	var seen subtree.Report
	hidden := int64(0)
	for n, err := range subtree.Walk(c.Context, c.Client, root, o) {
		if err != nil {
			return err
		}
		seen.Seen++
		seen.Bytes += int64(len(n.Data))
		b.show(seen)
		if n.Err != nil {
			hidden++
		}
		if err := visit(b, &n); err != nil {
			return err
		}
	}
	b.wipe()
	c.unseen(hidden)
	return nil
}

// unseen says how many nodes could not be read.
func (c *Call) unseen(n int64) {
	if n > 0 {
		c.Note("%s could not be read, nor what is below", count(n, "node"))
	}
}

func (c *Call) findText(root string, n *subtree.Node) string {
	at := subtree.Join(root, n.Path)
	if !c.Has("l") {
		return at
	}
	if n.Err != nil {
		return fmt.Sprintf("%47s %s", reason(n.Err), at)
	}
	owner := ""
	if n.Kind == subtree.Ephemeral {
		owner = " " + c.Paint(StyleFaint, n.Stat.EphemeralOwner.String())
	}
	return fmt.Sprintf("v%-6d %9d %9d %s %s%s", n.Stat.Version, n.Stat.DataLength, n.Stat.NumChildren,
		n.Stat.Mtime.In(c.Zone()).Format(time.DateTime), at, owner)
}

var nodeTypes = map[string]subtree.NodeType{
	"": subtree.AnyType, "persistent": subtree.PersistentType, "ephemeral": subtree.EphemeralType,
	"sequential": subtree.SequentialType, "container": subtree.ContainerType, "ttl": subtree.TTLType,
}

// filter reads the conditions.
func (c *Call) filter() (*subtree.Filter, error) {
	f := &subtree.Filter{Name: c.Value("name"), Now: time.Now()}
	if err := f.Check(); err != nil {
		return nil, fmt.Errorf("--name %s: %w", f.Name, err)
	}
	var err error
	if c.Has("path") {
		if f.Path, err = regexp.Compile(c.Value("path")); err != nil {
			return nil, fmt.Errorf("--path: %w", err)
		}
	}
	var known bool
	if f.Type, known = nodeTypes[c.Value("type")]; !known {
		return nil, fmt.Errorf("--type %s: want persistent, ephemeral, sequential, container or ttl", c.Value("type"))
	}
	if (f.Type == subtree.ContainerType || f.Type == subtree.TTLType) && !c.Has(kindsFlag.Name) {
		return nil, fmt.Errorf("--type %s: servers do not tell such nodes from persistent ones; --kinds names a file that does", c.Value("type"))
	}
	if f.MinDepth, err = c.Int("mindepth", 0); err != nil {
		return nil, err
	}
	if f.MaxDepth, err = c.Int("maxdepth", 0); err != nil {
		return nil, err
	}
	if c.Has("maxdepth") && f.MaxDepth < 1 {
		return nil, errors.New("--maxdepth wants a number from 1; stat looks at one node")
	}
	if c.Has("owner") {
		id, err := strconv.ParseUint(c.Value("owner"), 0, 64)
		if err != nil || id == 0 {
			return nil, fmt.Errorf("--owner %s: want a session id such as 0x100012345670000", c.Value("owner"))
		}
		f.Owner = new(client.SessionID(id))
	}
	return f, c.ranges(f)
}

// ranges reads the conditions that are numbers.
func (c *Call) ranges(f *subtree.Filter) error {
	for _, r := range []struct {
		flag string
		to   **subtree.Range
		unit func(string) (int64, error)
	}{
		{"size", &f.Size, parseSize}, {"children", &f.Children, parseNumber}, {"version", &f.Version, parseNumber},
		{"mtime", &f.Changed, parseAge}, {"ctime", &f.Born, parseAge},
	} {
		if !c.Has(r.flag) {
			continue
		}
		v, err := parseRange(c.Value(r.flag), r.unit)
		if err != nil {
			return fmt.Errorf("--%s %s: %w", r.flag, c.Value(r.flag), err)
		}
		*r.to = v
	}
	return nil
}

// parseRange reads n, +n, -n or a..b, of which one end may be left out.
func parseRange(s string, unit func(string) (int64, error)) (*subtree.Range, error) {
	if low, high, ok := strings.Cut(s, ".."); ok {
		r := &subtree.Range{Min: math.MinInt64, Max: math.MaxInt64}
		var err error
		if low != "" {
			r.Min, err = unit(low)
		}
		if high != "" && err == nil {
			r.Max, err = unit(high)
		}
		return r, err
	}
	n, err := unit(strings.TrimLeft(s, "+-"))
	switch {
	case err != nil:
		return nil, err
	case strings.HasPrefix(s, "+"):
		return &subtree.Range{Min: n + 1, Max: math.MaxInt64}, nil
	case strings.HasPrefix(s, "-"):
		return &subtree.Range{Min: math.MinInt64, Max: n - 1}, nil
	}
	return &subtree.Range{Min: n, Max: n}, nil
}

func parseNumber(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, errors.New("want a number, +number, -number or a..b")
	}
	return n, nil
}

func parseSize(s string) (int64, error) {
	shift := 0
	if s != "" {
		if at := strings.IndexByte("kMG", s[len(s)-1]); at >= 0 {
			s, shift = s[:len(s)-1], 10*(at+1)
		}
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n < 0 {
		return 0, errors.New("want bytes such as 512, +10k, -1M or 1k..2k")
	}
	return n << shift, nil
}

// parseAge reads a duration in nanoseconds. Days are added to Go's units.
func parseAge(s string) (int64, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseInt(days, 10, 32)
		if err == nil && n >= 0 && n < 36500 {
			return n * int64(24*time.Hour), nil
		}
	} else if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return int64(d), nil
	}
	return 0, errors.New("want an age such as +90s, +1h30m, -7d or 1h..2h")
}
