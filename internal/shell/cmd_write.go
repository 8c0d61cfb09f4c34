package shell

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"quokka/client"
	"quokka/internal/proto"
	"quokka/internal/render"
	"quokka/internal/subtree"
)

// writeCommands are those that change nodes.
func writeCommands() []*Command {
	return []*Command{createCommand, setCommand, deleteCommand, deleteallCommand}
}

var (
	versionFlag = Flag{Name: "v", Value: "version", Doc: "only if the node has this version"}
	fileFlag    = Flag{Name: "file", Value: "file", Doc: "the data is what this file holds; - is standard input"}
)

// pathAnswer is the JSON of commands that only name what they did it to.
type pathAnswer struct {
	Path string       `json:"path"`
	Stat *render.Stat `json:"stat,omitempty"`
}

var createCommand = &Command{
	Name: "create", Group: GroupNodes, Usage: "[-s] [-e] [-c] [-t ttl] path [data] [acl]", Summary: "Create a node.",
	Details: `The node has no data unless some is given, and is open to everybody unless an ACL is given: scheme:id:perms, several
separated by commas, with perms of cdrwa. What was created is told on standard error, as in zkCli.sh.`,
	Examples: []string{
		`create /app "some data"`, "create -s -e /app/member-", "create -p /a/b/c  # with the parents that are missing",
		"create /app/secret x digest:alice:XnNPDvUGXo3MhQrDMXJdsKMtuFk=:cdrwa",
	},
	Flags: []Flag{
		{Name: "s", Doc: "sequential: the server appends a number"}, {Name: "e", Doc: "ephemeral: deleted when the session ends"},
		{Name: "c", Doc: "container: deleted when its last child is gone"},
		{Name: "t", Value: "ms", Doc: "deleted when it has no children and was not changed for so long"},
		{Name: "p", Doc: "create parents that are missing"}, fileFlag,
	},
	Args: []Arg{ArgPath, ArgText}, Min: 1,
	Run: runCreate,
}

// maxTTL is the largest TTL in ms that fits beside its mark in the owner of a
// node (EphemeralType.TTL).
const maxTTL = 1<<40 - 1

func runCreate(c *Call) error {
	options, err := c.createOptions()
	if err != nil {
		return err
	}
	data, acl, err := c.dataAndRest(1)
	if err != nil {
		return err
	}
	if acl != "" {
		list, err := c.parseACL(acl)
		if codeOf(err) == client.ErrInvalidACL {
			c.Note("KeeperErrorCode = InvalidACL")
		}
		if err != nil {
			return err
		}
		options = append(options, client.WithACL(list...))
	}
	path := c.Path(0)
	if c.Has("s") && strings.HasSuffix(c.Args[0], "/") && !strings.HasSuffix(path, "/") {
		path += "/" // a sequential node whose name is only its number
	}
	if parent := proto.ParentOf(path); c.Has("p") && parent != "" && proto.ValidatePath(parent) == "" {
		if err := c.Client.EnsurePath(c.Context, parent); err != nil {
			return err
		}
	}
	created, err := c.Client.Create(c.Context, path, data, options...)
	if err != nil {
		return c.createFailed(err)
	}
	c.Note("Created %s", created)
	return c.Done(pathAnswer{Path: created})
}

// createFailed says what zkCli.sh says before some errors.
func (c *Call) createFailed(err error) error {
	var e *client.Error
	if errors.As(err, &e) {
		switch e.Code {
		case client.ErrEphemeralOnLocalSession:
			c.Note("Unable to create ephemeral node on a local session")
		case client.ErrInvalidACL:
			c.Note("%s", keeperMessage(e, e.Code))
		}
	}
	return err
}

func (c *Call) createOptions() ([]client.CreateOption, error) {
	switch {
	case c.Has("c") && (c.Has("e") || c.Has("s")):
		return nil, javaError("-c cannot be combined with -s or -e. Containers cannot be ephemeral or sequential.")
	case !c.Has("t"):
	case !isInt64(c.Value("t")):
		return nil, errors.New("-t argument must be a long value")
	case c.Has("e"):
		return nil, errors.New("TTLs cannot be used with Ephemeral znodes")
	case c.Has("c"):
		return nil, errors.New("TTLs cannot be used with Container znodes")
	}
	var options []client.CreateOption
	for flag, kind := range map[string]client.CreateFlag{"e": client.Ephemeral, "s": client.Sequential, "c": client.Container} {
		if c.Has(flag) {
			options = append(options, kind)
		}
	}
	if c.Has("t") {
		ms, _ := strconv.ParseInt(c.Value("t"), 10, 64)
		if ms <= 0 || ms > maxTTL {
			return nil, fmt.Errorf("ttl must be positive and cannot be larger than: %d", int64(maxTTL))
		}
		options = append(options, client.WithTTL(time.Duration(ms)*time.Millisecond))
	}
	return options, nil
}

func isInt64(s string) bool {
	_, err := strconv.ParseInt(s, 10, 64)
	return err == nil
}

// dataAndRest returns the data, which is an argument or what a file holds,
// and the argument behind it.
func (c *Call) dataAndRest(i int) (data []byte, rest string, err error) {
	if !c.Has("file") {
		if i < len(c.Args) {
			data = []byte(c.Args[i])
		}
		return data, c.Arg(i + 1), nil
	}
	if name := c.Value("file"); name == "-" {
		data, err = io.ReadAll(c.shell.in)
	} else {
		data, err = os.ReadFile(name)
	}
	if err != nil {
		return nil, "", fmt.Errorf("cannot read the data: %w", err)
	}
	if data == nil {
		data = []byte{}
	}
	return data, c.Arg(i), nil
}

var setCommand = &Command{
	Name: "set", Group: GroupNodes, Usage: "path data [-s] [-v version] [-b]", Summary: "Replace a node's data.",
	Examples: []string{`set /app "new data"`, "set -v 3 /app x  # only if nobody has changed it since version 3", "set /app --file config.json"},
	Flags:    []Flag{{Name: "s", Doc: "also print the new Stat"}, versionFlag, {Name: "b", Doc: "the data is given in base64"}, fileFlag},
	Args:     []Arg{ArgPath, ArgText}, Min: 1,
	Run: runSet,
}

func runSet(c *Call) error {
	if len(c.Args) < 2 && !c.Has("file") {
		return &usageError{command: c.Command}
	}
	data, _, err := c.dataAndRest(1)
	if err != nil {
		return err
	}
	if c.Has("b") {
		if data, err = base64.StdEncoding.DecodeString(strings.TrimSpace(string(data))); err != nil {
			return fmt.Errorf("-b: the data is not base64: %w", err)
		}
	}
	version, err := c.version("v")
	if err != nil {
		return err
	}
	path := c.Path(0)
	stat, err := c.Client.Set(c.Context, path, data, version)
	if err != nil {
		return err
	}
	return c.changed(path, stat)
}

// version returns the version that a flag asks for.
func (c *Call) version(flag string) (int32, error) {
	n, err := c.Int(flag, int(client.AnyVersion))
	return int32(n), err
}

// changed is the Result of a command that has changed a node.
func (c *Call) changed(path string, s client.Stat) error {
	stat := StatOf(s)
	return c.Result(pathAnswer{path, &stat}, func(w io.Writer) error {
		if !c.Has("s") {
			return nil
		}
		return c.statText(w, &stat)
	})
}

var deleteCommand = &Command{
	Name: "delete", Group: GroupNodes, Usage: "[-v version] path", Summary: "Delete a node that has no children.",
	Examples: []string{"delete /app/old", "delete -v 3 /app/old"},
	Flags:    []Flag{versionFlag},
	Args:     []Arg{ArgPath, ArgText}, Min: 1,
	Run: runDelete,
}

func runDelete(c *Call) error {
	version, err := c.version("v")
	if err != nil {
		return err
	}
	if len(c.Args) > 1 {
		c.Note("'delete path [version]' has been deprecated. Please use 'delete [-v version] path' instead.")
		// zkCli.sh then deletes whatever the version is. Whoever wrote a
		// version meant it.
		n, err := strconv.ParseInt(c.Args[1], 10, 32)
		if err != nil {
			return fmt.Errorf("%s is not a version", c.Args[1])
		}
		version = int32(n)
	}
	path := c.Path(0)
	if err := c.Client.Delete(c.Context, path, version); err != nil {
		return err
	}
	return c.Done(pathAnswer{Path: path})
}

var deleteallCommand = &Command{
	Name: "deleteall", Group: GroupTrees, Usage: "path [-b batch size]", Summary: "Delete a node and everything below it.",
	Details: `Children go before their parents, in transactions of the batch size and of bounded bytes. What is created meanwhile is deleted
too; what may not be deleted is told, and the rest goes. At a terminal it asks first, unless -y is given. What the server keeps
below /zookeeper is never deleted; of / all else is.`,
	Examples: []string{"deleteall /app/old", "deleteall -y /app/old  # without asking", "deleteall -n /app/old  # how many nodes?"},
	Flags:    append([]Flag{{Name: "b", Value: "nodes", Doc: "how many are deleted by one transaction, 1000"}, yesFlag}, dryRunFlags...),
	Args:     []Arg{ArgPath}, Min: 1,
	Run: runDeleteall,
}

func runDeleteall(c *Call) error {
	batch, err := c.Int("b", 1000)
	if err != nil {
		return errors.New("-b argument must be an int value")
	}
	root := c.Path(0)
	total, err := c.confirmDelete(root)
	if err != nil || c.dryRun() {
		return err
	}
	if err := c.persist(); err != nil {
		return err
	}
	if c.ZkCli() { // which reads all of it first, and gives up if it may not
		for n, err := range subtree.Walk(c.Context, c.Client, root, subtree.WalkOptions{}) {
			if err = cmp.Or(err, n.Err); err != nil {
				return err
			}
		}
	}
	b := c.newBar(total)
	r, err := subtree.Delete(c.Context, c.Client, root, subtree.DeleteOptions{Limits: subtree.Limits{Parts: max(batch, 1)}, Progress: b.show})
	b.wipe()
	var partial *subtree.PartialError
	switch {
	case err != nil && !errors.As(err, &partial):
		return err
	case partial != nil && !c.ZkCli():
		return c.told(reportOf(r, "", root, false), err)
	case partial != nil:
		return c.soft("Failed to delete some node(s) in the subtree!")
	}
	return c.Done(struct {
		Path    string `json:"path"`
		Deleted int64  `json:"deleted"`
	}{root, r.Deleted})
}

// confirmDelete says how many nodes would be deleted, to those who want to
// know only that, and asks a person.
func (c *Call) confirmDelete(root string) (int64, error) {
	dry := c.dryRun()
	if !dry && (c.ZkCli() || c.Has(yesFlag.Name) || !c.shell.inTerminal) {
		return c.count(subtree.Side{Client: c.Client, Root: root}), nil
	}
	n, err := c.Client.AllChildrenNumber(c.Context, root)
	if err != nil {
		return 0, err
	}
	total := int64(n) + 1
	if dry {
		return total, c.Result(struct {
			Path  string `json:"path"`
			Nodes int64  `json:"nodes"`
		}{root, total}, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "%s would be deleted\n", count(total, "node"))
			return err
		})
	}
	return total, c.sure(fmt.Sprintf("Delete %s and everything below it, %s?", root, count(total, "node")), false)
}

// soft is an error that zkCli.sh reports without failing.
func (c *Call) soft(text string) error {
	if !c.ZkCli() {
		return errors.New(text)
	}
	c.Note("%s", text)
	return nil
}
