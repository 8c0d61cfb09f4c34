package shell

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"quokka/client"
	"quokka/internal/render"
)

// accessCommands are about who may do what.
func accessCommands() []*Command {
	return []*Command{getACLCommand, setACLCommand, addauthCommand, whoamiCommand}
}

var getACLCommand = &Command{
	Name: "getAcl", Group: GroupAccess, Usage: "[-s] path", Summary: "Print a node's access control list.",
	Flags: []Flag{statFlag}, Args: []Arg{ArgPath}, Min: 1,
	Run: runGetACL,
}

func runGetACL(c *Call) error {
	path := c.Path(0)
	list, stat, err := c.Client.GetACL(c.Context, path)
	if err != nil {
		return err
	}
	node := render.Node{Path: path, ACL: ACLsOf(list), Stat: new(StatOf(stat))}
	return c.Result(node, func(w io.Writer) error {
		var text strings.Builder
		if err := render.ACLText(&text, node.ACL); err != nil {
			return err
		}
		if _, err := io.WriteString(w, c.Shown(text.String())); err != nil || !c.Has("s") {
			return err
		}
		return c.statText(w, node.Stat)
	})
}

var setACLCommand = &Command{
	Name: "setAcl", Group: GroupAccess, Usage: "[-s] [-v version] [-R] path acl", Summary: "Replace a node's access control list.",
	Details: "The list is scheme:id:perms, several separated by commas, with perms of cdrwa: create, delete, read, write, admin.",
	Examples: []string{
		"setAcl /app world:anyone:r,auth::cdrwa  # all may read, and whoever this session is may do everything",
		"setAcl -R /app ip:10.0.0.0/8:cdrwa",
	},
	Flags: []Flag{
		{Name: "s", Doc: "also print the new Stat"}, {Name: "v", Value: "version", Doc: "only if the list has this version"},
		{Name: "R", Doc: "of the node and everything below it"},
	},
	Args: []Arg{ArgPath, ArgText}, Min: 2,
	Run: runSetACL,
}

func runSetACL(c *Call) error {
	acl, err := c.parseACL(c.Args[1])
	if err != nil {
		return err
	}
	version, err := c.version("v")
	if err != nil {
		return err
	}
	path := c.Path(0)
	if c.Has("R") {
		return setACLs(c, path, acl, version)
	}
	stat, err := c.Client.SetACL(c.Context, path, acl, version)
	if err != nil {
		return err
	}
	return c.changed(path, stat)
}

// setACLs sets the list of every node of a subtree, and goes on when one
// cannot be set.
func setACLs(c *Call, root string, acl []client.ACL, version int32) error {
	set, failed := 0, 0
	err := walk(c, root, false, func(path string) error {
		_, err := c.Client.SetACL(c.Context, path, acl, version)
		var e *client.Error
		switch {
		case err == nil:
			set++
			return nil
		case c.Context.Err() != nil || !errors.As(err, &e):
			return err
		case c.ZkCli():
			fmt.Fprint(c.Out, keeperMessage(e, e.Code)) // without a newline, as there
			return nil
		}
		failed++
		c.Note("%s", javaText(e, e.Code))
		return nil
	})
	if err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d nodes keep their old list", failed, set+failed)
	}
	return c.Done(struct {
		Path  string `json:"path"`
		Nodes int    `json:"nodes"`
	}{root, set})
}

// parseACL reads scheme:id:perms,… (AclParser). zkCli.sh passes over what it
// does not understand, with a message; a list with a part missing protects
// less or more than was meant, so elsewhere that is an error.
func (c *Call) parseACL(text string) ([]client.ACL, error) {
	letters := map[rune]client.Perm{
		'r': client.PermRead, 'w': client.PermWrite, 'c': client.PermCreate, 'd': client.PermDelete, 'a': client.PermAdmin,
	}
	var list []client.ACL
	for entry := range strings.SplitSeq(text, ",") {
		first, last := strings.IndexByte(entry, ':'), strings.LastIndexByte(entry, ':')
		if first == last {
			if err := c.soft(entry + " does not have the form scheme:id:perm"); err != nil {
				return nil, err
			}
			continue
		}
		a := client.ACL{Scheme: entry[:first], ID: entry[first+1 : last]}
		for _, l := range entry[last+1:] {
			p, ok := letters[l]
			if !ok {
				if err := c.soft(fmt.Sprintf("Unknown perm type: %c", l)); err != nil {
					return nil, err
				}
			}
			a.Perms |= p
		}
		list = append(list, a)
	}
	if len(list) == 0 { // refused before it is sent, and without the path (ZooKeeper.setACL)
		return nil, &client.Error{Op: "setACL", Path: "null", Code: client.ErrInvalidACL}
	}
	return list, nil
}

var addauthCommand = &Command{
	Name: "addauth", Group: GroupAccess, Usage: "scheme auth", Summary: "Give the session another identity.",
	Details:  "On a terminal the credential can be left out; it is then asked for and not shown. The line is never kept in the history.",
	Examples: []string{"addauth digest alice:secret", "addauth digest  # asks for user:password"},
	Args:     []Arg{ArgText, ArgText}, Min: 1,
	Run: runAddauth,
}

func runAddauth(c *Call) error {
	credential := []byte(c.Arg(1))
	if len(c.Args) < 2 && !c.ZkCli() {
		if !c.shell.inTerminal {
			return &usageError{command: c.Command}
		}
		fmt.Fprint(c.Err, "credential: ")
		var err error
		credential, err = term.ReadPassword(int(c.shell.opts.In.(*os.File).Fd()))
		fmt.Fprintln(c.Err)
		if err != nil {
			return fmt.Errorf("cannot read the credential: %w", err)
		}
	}
	if err := c.Client.AddAuth(c.Context, c.Args[0], credential); err != nil {
		return err
	}
	return c.Done(struct {
		Scheme string `json:"scheme"`
	}{c.Args[0]})
}

var whoamiCommand = &Command{
	Name: "whoami", Group: GroupAccess, Summary: "Print who the server takes this session for.",
	Run: runWhoami,
}

func runWhoami(c *Call) error {
	ids, err := c.Client.WhoAmI(c.Context)
	if err != nil {
		return err
	}
	type identity struct {
		Scheme string `json:"scheme"`
		User   string `json:"user"`
	}
	all := make([]identity, 0, len(ids))
	for _, id := range ids {
		all = append(all, identity{id.Scheme, id.User})
	}
	return c.Result(all, func(w io.Writer) error {
		if _, err := fmt.Fprintln(w, "Auth scheme: User"); err != nil {
			return err
		}
		for _, id := range all {
			if _, err := fmt.Fprintln(w, c.Shown(id.Scheme+": "+id.User)); err != nil {
				return err
			}
		}
		return nil
	})
}
