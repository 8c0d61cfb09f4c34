package shell

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"quokka/client"
	"quokka/internal/proto"
	"quokka/internal/render"
)

// readCommands are those that look at one node.
func readCommands() []*Command {
	return []*Command{lsCommand, getCommand, statCommand, countCommand, ephemeralsCommand}
}

var (
	statFlag  = Flag{Name: "s", Doc: "also the node's Stat"}
	watchFlag = Flag{Name: "w", Doc: "watch for the next change"}
)

var lsCommand = &Command{
	Name: "ls", Group: GroupNodes, Usage: "[-s] [-w] [-R] path", Summary: "List the children of a node.",
	Details:  "Without a path it lists the current directory.",
	Examples: []string{"ls /", "ls -R /app  # the node and everything below, one path a line"},
	Flags: []Flag{
		statFlag, {Name: "w", Doc: "watch for the next change of the children"},
		{Name: "R", Doc: "every path of the subtree, one a line"}, {Name: "?", Doc: "show this help first"},
	},
	Args: []Arg{ArgPath},
	Run:  runLs,
}

func runLs(c *Call) error {
	if c.Has("?") {
		if err := c.Command.writeHelp(c.Err); err != nil {
			return err
		}
	}
	if c.ZkCli() && len(c.Args) == 0 && c.shell.dir == "" {
		return &usageError{command: c.Command}
	}
	path, watch := c.Path(0), c.watchWanted(1)
	if c.Has("R") {
		return walk(c, path, watch, func(p string) error { return c.Item(render.Node{Path: p}, p) })
	}
	names, stat, err := children(c, path, watch)
	if err != nil {
		return err
	}
	slices.Sort(names)
	out := struct {
		Path     string       `json:"path"`
		Children []string     `json:"children"`
		Stat     *render.Stat `json:"stat,omitempty"`
	}{Path: path, Children: orEmpty(names)}
	if c.Has("s") {
		out.Stat = new(StatOf(stat))
	}
	return c.Result(out, func(w io.Writer) error {
		if _, err := fmt.Fprintf(w, "[%s]\n", strings.Join(names, ", ")); err != nil {
			return err
		}
		return c.statText(w, out.Stat)
	})
}

// watchWanted tells whether to watch: by the flag, or by any word behind the
// arguments, as before ZooKeeper 3.5. That is still understood, with a notice.
func (c *Call) watchWanted(args int) bool {
	if len(c.Args) <= args {
		return c.Has("w")
	}
	usage := c.Command.Usage
	if c.Command.Name == "get" {
		usage = "[-s] [-w] path" // the notice was not changed with the usage
	} else if c.Command.Name == "ls" {
		usage = "[-w] path"
	}
	c.Note("'%s path [watch]' has been deprecated. Please use '%s %s' instead.", c.Command.Name, c.Command.Name, usage)
	return true
}

// statText writes a Stat if there is one.
func (c *Call) statText(w io.Writer, s *render.Stat) error {
	if s == nil {
		return nil
	}
	return s.Text(w, c.Zone())
}

func children(c *Call, path string, watch bool) ([]string, client.Stat, error) {
	if !watch {
		return c.Client.Children(c.Context, path)
	}
	names, stat, w, err := c.Client.ChildrenW(c.Context, path)
	c.watched(path, kindChild, w)
	return names, stat, err
}

// walk calls visit for a node and all below it, in the order of zkCli.sh's
// ls -R (ZKUtil.visitSubTreeDFS): the node, and then for each node first all
// its children, by name, and then what is below the first of them. Nodes that
// vanish meanwhile are left out.
func walk(c *Call, root string, watch bool, visit func(path string) error) error {
	if _, _, err := getData(c, root, watch); err != nil {
		return err
	}
	if err := visit(root); err != nil {
		return err
	}
	todo := []string{root}
	for len(todo) > 0 {
		path := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		names, _, err := children(c, path, watch)
		if codeOf(err) == client.ErrNoNode {
			continue
		}
		if err != nil {
			return err
		}
		slices.Sort(names)
		var below []string
		for _, name := range names {
			child := strings.TrimSuffix(path, "/") + "/" + name
			if err := visit(child); err != nil {
				return err
			}
			below = append(below, child)
		}
		slices.Reverse(below)
		todo = append(todo, below...)
	}
	return nil
}

var getCommand = &Command{
	Name: "get", Group: GroupNodes, Usage: "[-s] [-w] [-b] [-x] path", Summary: "Print a node's data.",
	Details: "A node without data prints null. On a terminal, control characters in the data are shown as \\x1b and the like.",
	Examples: []string{
		"get -s /app/config", "get -x /app/blob  # as a hex dump", "get --view json /app/config  # indented",
		"get -o json /app/config  # path, data and Stat for programs",
	},
	Flags: []Flag{
		statFlag, watchFlag, {Name: "b", Doc: "the data in base64"}, {Name: "x", Doc: "the data as a hex dump"},
		{Name: "view", Value: "form", Doc: "the data as text, json, hex or base64", Choices: []string{"text", "json", "hex", "base64"}},
	},
	Args: []Arg{ArgPath}, Min: 1,
	Run: runGet,
}

func runGet(c *Call) error {
	path, watch := c.Path(0), c.watchWanted(1)
	view, err := c.view()
	if err != nil {
		return err
	}
	data, stat, err := getData(c, path, watch)
	if err != nil {
		return err
	}
	node := render.Node{Path: path, Data: render.Of(data), Stat: new(StatOf(stat))}
	return c.Result(node, func(w io.Writer) error {
		text, err := render.Show(data, view)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(w, c.Shown(text)); err != nil || !c.Has("s") {
			return err
		}
		return c.statText(w, node.Stat)
	})
}

// view returns how data is wanted.
func (c *Call) view() (render.View, error) {
	switch {
	case c.Has("view"):
		return render.ParseView(c.Value("view"))
	case c.Has("x"): // it is stronger than -b in Java
		return render.ViewHex, nil
	case c.Has("b"):
		return render.ViewBase64, nil
	}
	return render.ViewText, nil
}

func getData(c *Call, path string, watch bool) ([]byte, client.Stat, error) {
	if !watch {
		return c.Client.Get(c.Context, path)
	}
	data, stat, w, err := c.Client.GetW(c.Context, path)
	c.watched(path, kindData, w)
	return data, stat, err
}

var statCommand = &Command{
	Name: "stat", Group: GroupNodes, Usage: "[-w] path", Summary: "Print a node's metadata.",
	Flags: []Flag{watchFlag}, Args: []Arg{ArgPath}, Min: 1,
	Run: runStat,
}

func runStat(c *Call) error {
	path, watch := c.Path(0), c.watchWanted(1)
	stat, ok, err := exists(c, path, watch)
	switch {
	case err != nil:
		return err
	case !ok:
		return noNode("exists", path)
	}
	node := render.Node{Path: path, Stat: new(StatOf(stat))}
	return c.Result(node, func(w io.Writer) error { return c.statText(w, node.Stat) })
}

func exists(c *Call, path string, watch bool) (client.Stat, bool, error) {
	if !watch {
		return c.Client.Exists(c.Context, path)
	}
	stat, ok, w, err := c.Client.ExistsW(c.Context, path)
	c.watched(path, kindData, w)
	return stat, ok, err
}

func noNode(op, path string) error {
	return &client.Error{Op: op, Path: path, Code: client.ErrNoNode}
}

var countCommand = &Command{
	Name: "getAllChildrenNumber", Group: GroupNodes, Usage: "path", Summary: "Count the nodes below a node, at any depth.",
	Args: []Arg{ArgPath}, Min: 1,
	Run: runCount,
}

func runCount(c *Call) error {
	path := c.Path(0)
	n, err := c.Client.AllChildrenNumber(c.Context, path)
	if err != nil {
		return err
	}
	answer := struct {
		Path  string `json:"path"`
		Nodes int    `json:"allChildrenNumber"`
	}{path, n}
	return c.Result(answer, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, n)
		return err
	})
}

var ephemeralsCommand = &Command{
	Name: "getEphemerals", Group: GroupNodes, Usage: "path", Summary: "List the ephemeral nodes of this session, those whose path begins like the one given.",
	Args: []Arg{ArgPath},
	Run:  runEphemerals,
}

func runEphemerals(c *Call) error {
	prefix := "/"
	if len(c.Args) > 0 {
		prefix = c.Path(0)
	}
	if why := proto.ValidatePath(prefix); why != "" {
		return &client.Error{Op: "getEphemerals", Path: prefix, Code: client.ErrBadArguments, Err: errors.New(why)}
	}
	all, err := c.Client.GetEphemerals(c.Context, "/")
	if err != nil {
		return err
	}
	var paths []string
	for _, p := range all { // Java compares letters, not names: /a/lock finds /a/lock-1
		if strings.HasPrefix(p, prefix) {
			paths = append(paths, p)
		}
	}
	slices.Sort(paths)
	return c.Result(orEmpty(paths), func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "[%s]\n", strings.Join(paths, ", "))
		return err
	})
}

// orEmpty returns a list that JSON shows as [] and not as null.
func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
