package shell

import (
	"errors"
	"fmt"

	"quokka/client"
	"quokka/internal/subtree"
)

// transferFlags are those of all commands that write a subtree somewhere.
var transferFlags = append([]Flag{
	{Name: "ephemerals", Doc: "write ephemeral nodes too, as persistent ones"}, {Name: "no-acl", Doc: "leave ACLs: new nodes are open to everybody"},
	{Name: "no-counters", Doc: "leave the counters of sequential nodes"},
	{Name: "max-raise", Value: "n", Doc: "the most that one node's counter may be raised by, 1000000"},
	{Name: "p", Doc: "create the nodes above that are missing"},
}, dryRunFlags...)

// overwriteFlag and skipFlag say what to do with nodes that exist, where the
// command does not say it itself.
var (
	overwriteFlag = Flag{Name: "f", Doc: "overwrite what exists; what else is there stays"}
	skipFlag      = Flag{Name: "skip", Doc: "leave what exists"}
)

const sidesDetails = `
A path may be on other servers: host:port/path, or --to-server for the second one, for which a chroot may be given.
Data, ACLs and the counters that number sequential nodes are written, and kinds as far as they are known: servers do not tell
containers and TTL nodes from persistent ones, a snapshot does (--kinds). Ephemeral nodes are left out.
A counter can only be raised by creating and deleting a child for each number, which is done in transactions of 250 numbers.
Nodes are read one after the other while others may change them.`

var cpCommand = &Command{
	Name: "cp", Group: GroupTrees, Usage: "[-f | --skip] [-p] [-n] path path", Summary: "Copy a subtree, also to other servers.",
	Details: "The second path is that of the copy itself and must not exist yet, unless -f or --skip is given." + sidesDetails,
	Examples: []string{
		"cp /app /app.old", "cp /app zk2:2181/app  # to other servers", "cp --skip /app zk2:2181/app  # go on after an interruption",
		"cp -n -f /app/config /other/config  # what would be overwritten?",
	},
	Flags: append([]Flag{
		overwriteFlag, skipFlag, toServerFlag, toAuthFlag, kindsFlag,
	}, transferFlags...),
	Args: []Arg{ArgPath}, Min: 2, Max: 2, Foreign: true,
	Run: runCp,
}

func runCp(c *Call) error {
	o, err := c.transferOptions()
	if err != nil {
		return err
	}
	return c.transfer(o)
}

var mirrorCommand = &Command{
	Name: "mirror", Group: GroupTrees, Usage: "[--delete] [-y] [-n] path path", Summary: "Make a subtree equal to another one.",
	Details: `What the second subtree has in addition stays, unless --delete is given. Every change is bound to the version that was
compared: what somebody else changes meanwhile is not overwritten but reported, and the exit code is 1; run it again.
Ephemeral nodes of the second subtree, and nodes below what could not be read of the first, are never deleted.` + sidesDetails,
	Examples: []string{
		"mirror -n --delete /app zk2:2181/app  # what would be done?", "mirror --delete -y /app zk2:2181/app",
		"mirror /app --to-server zk2:2181,zk3:2181/backup /app",
	},
	Flags: append([]Flag{
		{Name: "delete", Doc: "delete what the first subtree does not have"}, yesFlag, toServerFlag, toAuthFlag, kindsFlag,
	}, transferFlags...),
	Args: []Arg{ArgPath}, Min: 2, Max: 2, Foreign: true,
	Run: runMirror,
}

func runMirror(c *Call) error {
	o, err := c.transferOptions()
	if err != nil {
		return err
	}
	o.Existing, o.Parents, o.Delete = subtree.Overwrite, true, c.Has("delete")
	return c.transfer(o)
}

// transferOptions reads the flags that all have.
func (c *Call) transferOptions() (subtree.TransferOptions, error) {
	o := subtree.TransferOptions{
		Parents: c.Has("p"), Ephemerals: c.Has("ephemerals"), NoACL: c.Has("no-acl"), NoCounters: c.Has("no-counters"), DryRun: c.dryRun(),
	}
	limit, err := c.Int("max-raise", 0)
	if err != nil {
		return o, err
	}
	if c.Has("max-raise") && limit < 1 {
		return o, errors.New("--max-raise wants a number from 1; --no-counters leaves the counters")
	}
	o.MaxRaise = int64(limit)
	switch {
	case c.Has("f") && c.Has("skip"):
		return o, errors.New("-f and --skip exclude each other")
	case c.Has("f"):
		o.Existing = subtree.Overwrite
	case c.Has("skip"):
		o.Existing = subtree.Skip
	}
	return o, nil
}

// transfer copies from the first subtree to the second.
func (c *Call) transfer(o subtree.TransferOptions) error {
	kinds, err := c.kinds()
	if err != nil {
		return err
	}
	if err := c.persist(); err != nil {
		return err
	}
	from, to, done, err := c.sides()
	if err != nil {
		return err
	}
	defer done()
	if o.Delete && !o.DryRun {
		question := fmt.Sprintf("Delete all below %s that is not below %s?", c.Args[1], c.Args[0])
		if err := c.sure(question, true); err != nil {
			return err
		}
	}
	o.Kinds = kinds.Of(from.Client, from.Root)
	b := c.newBar(c.count(from))
	c.follow(&o, b)
	r, err := subtree.Copy(c.Context, from, to, o)
	b.wipe()
	if errors.Is(err, client.ErrNodeExists) && r.Seen == 0 {
		return fmt.Errorf("%s exists: -f overwrites what is there, --skip leaves it, and mirror makes both equal", c.Args[1])
	}
	return c.told(reportOf(r, c.Args[0], c.Args[1], o.DryRun), err)
}

// follow shows what is done: a bar, or in a dry run each change.
func (c *Call) follow(o *subtree.TransferOptions, b *bar) {
	o.Progress = b.show
	if !o.DryRun {
		return
	}
	o.Action = func(a subtree.Action) {
		b.wipe()
		_ = c.Item(struct { // the report that follows fails as well if nobody reads
			Op    string `json:"op"`
			Path  string `json:"path"`
			Bytes int    `json:"bytes,omitempty"`
		}{a.Op, a.Path, a.Bytes}, a.Op+" "+a.Path)
	}
}

var mvCommand = &Command{
	Name: "mv", Group: GroupTrees, Usage: "[-n] path path", Summary: "Move a small subtree in one transaction.",
	Details: `ZooKeeper cannot rename. Everything is created at the new path and deleted at the old one in one transaction, all or nothing:
nobody sees half of it, and nothing is moved if a node has been changed since it was read. That bounds the size, to what a
request may have (jute.maxbuffer, 1 MB); use cp and deleteall for more. The nodes are new ones: their versions and
times begin anew, watches stay at the old path, counters of sequential nodes are kept. Ephemeral nodes cannot be moved.`,
	Examples: []string{"mv /app/config /app/config.old"},
	Flags:    append([]Flag{kindsFlag}, dryRunFlags...),
	Args:     []Arg{ArgPath}, Min: 2, Max: 2, Foreign: true,
	Run: runMv,
}

func runMv(c *Call) error {
	kinds, err := c.kinds()
	if err != nil {
		return err
	}
	from, to := c.Path(0), c.Path(1)
	r, err := subtree.Move(c.Context, c.Client, from, to, subtree.MoveOptions{Kinds: kinds.Of(c.Client, from), DryRun: c.dryRun()})
	if err != nil {
		return err
	}
	return c.told(reportOf(r, from, to, c.dryRun()), nil)
}
