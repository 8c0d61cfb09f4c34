package shell

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"quokka/client"
)

// quotaCommands are about how much a subtree may hold.
func quotaCommands() []*Command {
	return []*Command{setquotaCommand, listquotaCommand, delquotaCommand}
}

// limits maps the flags of quota commands to the limits.
var limits = map[string]string{"n": softCount, "b": softBytes, "N": hardCount, "B": hardBytes}

var limitFlags = []string{"n", "b", "N", "B"}

func limitFlagList(value string) []Flag {
	return []Flag{
		{Name: "n", Value: value, Doc: "num soft quota"}, {Name: "b", Value: value, Doc: "bytes soft quota"},
		{Name: "N", Value: value, Doc: "num hard quota"}, {Name: "B", Value: value, Doc: "bytes hard quota"},
	}
}

var setquotaCommand = &Command{
	Name: "setquota", Group: GroupAccess, Usage: "-n|-b|-N|-B val path", Summary: "Limit the nodes or bytes of a subtree.",
	Details:  "Going over a soft quota is logged by the server; a hard one is enforced if the server has enforceQuota=true.",
	Examples: []string{"setquota -n 1000 /app", "setquota -B 1000000 /app"},
	Flags:    limitFlagList("val"), OneOf: limitFlags, Required: true,
	Args: []Arg{ArgPath}, Min: 1,
	Run: runSetquota,
}

func runSetquota(c *Call) error {
	node := c.Path(0)
	if strings.HasPrefix(node, quotaRoot) {
		return c.soft("cannot set a quota under the path: " + quotaRoot)
	}
	name, value, err := c.limit()
	if err != nil {
		return c.soft(err.Error())
	}
	if node == "/" { // Java joins paths and gets an invalid one; servers do not look there
		return errors.New("Path must not end with / character")
	}
	_, ok, err := c.Client.Exists(c.Context, node)
	switch {
	case err != nil:
		return err
	case !ok:
		return javaError(node + " does not exist.")
	}
	if err := c.noOtherQuota(node); err != nil {
		return err
	}
	q, err := c.storeQuota(node, name, value)
	if err != nil {
		return err
	}
	return c.Done(quotaAnswer{Path: node, Limits: q})
}

type quotaAnswer struct {
	Path   string `json:"path"`
	Limits quota  `json:"limits"`
	Used   quota  `json:"used,omitempty"`
}

// limit returns the limit that the flags ask for.
func (c *Call) limit() (name string, value int64, err error) {
	for _, flag := range limitFlags {
		if !c.Has(flag) {
			continue
		}
		bits := 32
		if flag == "b" || flag == "B" {
			bits = 64
		}
		value, err := strconv.ParseInt(c.Value(flag), 10, bits)
		switch {
		case err != nil:
			return "", 0, errors.New("NumberFormatException happens when parsing the option value")
		case bits == 32 && value <= 0:
			return "", 0, errors.New("the num quota must be greater than zero")
		case value < 0:
			return "", 0, errors.New("the bytes quota must be greater than or equal to zero")
		}
		return limits[flag], value, nil
	}
	return "", 0, errors.New("no limit is given")
}

// noOtherQuota refuses a quota inside of another: servers look for one only.
func (c *Call) noOtherQuota(node string) error {
	own := quotaRoot + strings.TrimSuffix(node, "/")
	err := walk(c, own, false, func(p string) error {
		if path.Base(p) == limitNode[1:] && path.Dir(p) != own {
			return fmt.Errorf("%s has a child %s which has a quota", node, strings.TrimPrefix(path.Dir(p), quotaRoot))
		}
		return nil
	})
	if err != nil && codeOf(err) != client.ErrNoNode {
		return err
	}
	for p := path.Dir(own); len(p) > len(quotaRoot); p = path.Dir(p) {
		_, ok, err := c.Client.Exists(c.Context, p+limitNode)
		if err != nil {
			return err
		}
		if ok {
			return fmt.Errorf("%s has a parent %s which has a quota", node, strings.TrimPrefix(p, quotaRoot))
		}
	}
	return nil
}

// storeQuota creates or changes the limits of a node.
func (c *Call) storeQuota(node, name string, value int64) (quota, error) {
	node = strings.TrimSuffix(node, "/")
	data, _, err := c.Client.Get(c.Context, limitPath(node))
	if codeOf(err) == client.ErrNoNode {
		q := quota{softCount: -1, softBytes: -1, hardCount: -1, hardBytes: -1}
		q[name] = value
		return q, c.createQuota(node, q)
	}
	if err != nil {
		return nil, err
	}
	q, err := parseQuota(string(data))
	if err != nil {
		return nil, err
	}
	q[name] = value
	if err := c.warn(node, q); err != nil {
		return nil, err
	}
	_, err = c.Client.Set(c.Context, limitPath(node), []byte(q.String()), client.AnyVersion)
	return q, err
}

// createQuota creates the two nodes of a quota; the server then counts.
func (c *Call) createQuota(node string, q quota) error {
	if err := c.Client.EnsurePath(c.Context, quotaRoot+node); err != nil {
		return err
	}
	if _, err := c.Client.Create(c.Context, limitPath(node), []byte(q.String())); err != nil {
		return err
	}
	nothing := quota{softCount: 0, softBytes: 0}
	if _, err := c.Client.Create(c.Context, usagePath(node), []byte(nothing.String())); err != nil {
		return err
	}
	return c.warn(node, q)
}

// warn prints what speaks against limits.
func (c *Call) warn(node string, q quota) error {
	used, err := c.readQuota(usagePath(node))
	if err != nil {
		return err
	}
	if c.JSON() {
		return nil
	}
	for _, w := range q.warnings(used) {
		fmt.Fprintln(c.Out, w)
	}
	return nil
}

func (c *Call) readQuota(path string) (quota, error) {
	data, _, err := c.Client.Get(c.Context, path)
	if err != nil {
		return nil, err
	}
	return parseQuota(string(data))
}

var listquotaCommand = &Command{
	Name: "listquota", Group: GroupAccess, Usage: "path", Summary: "Print the quota of a node and what is used of it.",
	Args: []Arg{ArgPath}, Min: 1,
	Run: runListquota,
}

func runListquota(c *Call) error {
	node := c.Path(0)
	c.Note("absolute path is %s", limitPath(node))
	limits, err := c.readQuota(limitPath(node))
	if codeOf(err) == client.ErrNoNode {
		return c.soft("quota for " + node + " does not exist.")
	}
	if err != nil {
		return err
	}
	used, err := c.readQuota(usagePath(node))
	if err != nil {
		return err
	}
	return c.Result(quotaAnswer{node, limits, used}, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "Output quota for %s %v\nOutput stat for %s %v\n", node, limits, node, used)
		return err
	})
}

var delquotaCommand = &Command{
	Name: "delquota", Group: GroupAccess, Usage: "[-n|-b|-N|-B] path", Summary: "Remove a quota, or one limit of it.",
	Flags: limitFlagList(""), OneOf: limitFlags,
	Args: []Arg{ArgPath}, Min: 1,
	Run: runDelquota,
}

func runDelquota(c *Call) error {
	node := c.Path(0)
	q, err := c.readQuota(limitPath(node))
	if codeOf(err) == client.ErrNoNode {
		return c.Result(pathAnswer{Path: node}, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "Quota does not exist for %s\n", node)
			return err
		})
	}
	if err != nil {
		return err
	}
	some := false
	for _, flag := range limitFlags {
		if c.Has(flag) {
			some, q[limits[flag]] = true, -1
		}
	}
	if !some {
		if err := c.dropQuota(node); err != nil {
			return err
		}
		return c.Done(pathAnswer{Path: node})
	}
	if _, err := c.Client.Set(c.Context, limitPath(node), []byte(q.String()), client.AnyVersion); err != nil {
		return err
	}
	return c.Done(quotaAnswer{Path: node, Limits: q})
}

// dropQuota deletes the nodes of a quota, and those above that are then
// empty.
func (c *Call) dropQuota(node string) error {
	at := quotaRoot + strings.TrimSuffix(node, "/")
	for _, name := range []string{limitNode, statNode} {
		if err := c.Client.Delete(c.Context, at+name, client.AnyVersion); err != nil && codeOf(err) != client.ErrNoNode {
			return err
		}
	}
	for ; len(at) > len(quotaRoot); at = path.Dir(at) {
		switch err := c.Client.Delete(c.Context, at, client.AnyVersion); {
		case err == nil:
		case codeOf(err) == client.ErrNotEmpty || codeOf(err) == client.ErrNoNode:
			return nil
		default:
			return err
		}
	}
	return nil
}
