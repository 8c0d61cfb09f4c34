package subtree

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"quokka/client"
)

// Existing says what to do with nodes that the destination has already.
type Existing uint8

// The policies.
const (
	// Refuse counts every node that exists as a failure, and leaves it.
	Refuse Existing = iota
	// Skip leaves it as it is.
	Skip
	// Overwrite makes it equal.
	Overwrite
)

// TransferOptions say how one subtree is written over another place.
type TransferOptions struct {
	Limits
	Existing Existing
	// Delete deletes what the destination has and the source has not. Nodes
	// below one that could not be read at the source, and ephemeral ones, stay.
	Delete bool
	// Parents creates the nodes above the destination that are missing.
	Parents bool
	// Ephemerals writes ephemeral nodes, as persistent ones; otherwise they
	// are skipped.
	Ephemerals bool
	NoACL      bool // new nodes are open to everybody, ACLs of others stay
	NoCounters bool // sequence counters are left as they come out
	// MaxRaise is the most creates that one node's sequence counter may cost;
	// 0 is a million.
	MaxRaise int64
	DryRun   bool
	Kinds    Kinds // of the source
	Action   func(Action)
	Progress func(Report)
}

const defaultMaxRaise = 1_000_000

// An Action is a change that was made, or would be in a dry run.
type Action struct {
	Op    string // create, set, setACL, delete
	Path  string // in full, at the destination
	Bytes int    // of data
}

// Copy writes the subtree of one side to the other: data, ACLs, kinds as far
// as they are known, and sequence counters, so that the next sequential child
// gets a number that is greater than any at the source.
//
// What exists is overwritten only as long as nobody else changes it: every
// change is bound to the version that was compared. What could not be done is
// in the error, a [*PartialError]; the rest is done. Copy can be repeated after
// any error with Existing Skip or Overwrite, and then does what is missing.
//
// The source may change meanwhile. Its nodes are copied as they were when they
// were read, each for itself.
func Copy(ctx context.Context, from, to Side, o TransferOptions) (Report, error) {
	if err := refuseOverlap(ctx, from, to); err != nil {
		return Report{}, err
	}
	var vanished int64
	source := Walk(ctx, from.Client, from.Root, WalkOptions{
		Data: true, ACL: !o.NoACL, Kinds: o.Kinds, Vanished: func(string) { vanished++ },
	})
	r, err := Write(ctx, source, to, o)
	r.Vanished += vanished
	return r, err
}

// refuseOverlap refuses a copy into itself, which might not end. Two clients
// may reach the same servers, so it is nodes that are compared.
func refuseOverlap(ctx context.Context, from, to Side) error {
	a, b := full(from.Client, from.Root), full(to.Client, to.Root)
	both := a // what contains the other, as the server sees it
	switch {
	case Within(a, b):
		both = longer(a, to.Client.Root())
	case Within(b, a):
		both = longer(b, from.Client.Root())
	default:
		return nil
	}
	same := from.Client.Session().ID == to.Client.Session().ID
	if !same {
		var err error
		if same, err = sameServers(ctx, from.Client, to.Client, both); err != nil {
			return err
		}
	}
	if same {
		return fmt.Errorf("%s and %s overlap: one must not be a part of the other", from.Root, to.Root)
	}
	return nil
}

func longer(a, b string) string {
	if len(a) > len(b) {
		return a
	}
	return b
}

// below returns a path of the server as a client with a chroot names it.
func below(c *client.Client, path string) string {
	return orRoot(strings.TrimPrefix(path, strings.TrimSuffix(c.Root(), "/")))
}

func orRoot(path string) string {
	if path == "" {
		return "/"
	}
	return path
}

// sameServers tells whether two clients see the very same node at a path, or
// the same child of "/", which is as old as the server itself everywhere.
func sameServers(ctx context.Context, a, b *client.Client, path string) (bool, error) {
	look := []string{path}
	if path == "/" {
		names, _, err := a.Children(ctx, path)
		if err != nil {
			return false, err
		}
		look = look[:0]
		for _, name := range names {
			if len(look) < maxSamples && "/"+name != systemTree {
				look = append(look, "/"+name)
			}
		}
	}
	for _, path := range look {
		one, _, err := a.Exists(ctx, below(a, path))
		if err != nil {
			return false, err
		}
		two, _, err := b.Exists(ctx, below(b, path))
		if err != nil {
			return false, err
		}
		if one.Czxid != 0 && one.Czxid == two.Czxid && one.Ctime.Equal(two.Ctime) {
			return true, nil
		}
	}
	return false, nil
}

// maxSamples is how many nodes are compared at most.
const maxSamples = 10

// Write brings a stream of nodes, in the order of a walk and with data and
// ACLs, to a place on a server. It is what [Copy] does, for streams that come
// from elsewhere, such as an [Export].
func Write(ctx context.Context, source iter.Seq2[Node, error], to Side, o TransferOptions) (Report, error) {
	if o.MaxRaise <= 0 {
		o.MaxRaise = defaultMaxRaise
	}
	t := &transfer{ctx: ctx, to: to, o: o}
	if err := t.prepare(); err != nil {
		return t.r, err
	}
	t.w = newWriter(ctx, to.Client, o.Limits, t.settle)
	t.raiser = raiser{w: t.w, limit: o.MaxRaise, r: &t.r}
	pairs := find(ctx, source, to)
	if o.Delete && t.exists {
		pairs = merge(source, Walk(ctx, to.Client, to.Root, WalkOptions{Data: true, ACL: !o.NoACL}))
	}
	err := t.run(pairs)
	return t.r, err
}

// A transfer is a Write under way.
type transfer struct {
	ctx    context.Context
	to     Side
	o      TransferOptions
	w      *writer
	raiser raiser
	r      Report
	tick   ticker

	exists bool            // the destination's root did when we began
	above  trail[standing] // what is above the current node, at the destination
	blind  string          // the last node of the source that could not be read
}

// A standing is a node at the destination.
type standing struct {
	counter int64 // that it shall have; -1: no matter
	created int64 // creates it has seen, those under way included
	extra   bool  // the source has no such node
	version int32
}

// prepare sees to the nodes above the destination.
func (t *transfer) prepare() error {
	c, root := t.to.Client, t.to.Root
	if err := refuseSystem(c, root); err != nil {
		return err
	}
	_, ok, err := c.Exists(t.ctx, root)
	t.exists = ok
	switch {
	case err != nil:
		return err
	case ok && t.o.Existing == Refuse && root != "/":
		return &client.Error{Op: "create", Path: root, Code: client.ErrNodeExists}
	case ok:
		return nil
	}
	above := parentOf(root)
	_, ok, err = c.Exists(t.ctx, above)
	switch {
	case err != nil || ok:
		return err
	case !t.o.Parents:
		return &client.Error{Op: "create", Path: root, Code: client.ErrNoNode, Err: fmt.Errorf("%s does not exist, create it first or ask for parents", above)}
	case t.o.DryRun:
		return nil
	}
	return c.EnsurePath(t.ctx, above)
}

func (t *transfer) run(pairs iter.Seq2[pair, error]) error {
	for p, err := range pairs {
		if err != nil {
			return errors.Join(err, t.w.finish())
		}
		if err := t.above.leave(p.path(), t.leave); err != nil {
			return err
		}
		if err := t.pair(p); err != nil {
			return err
		}
		t.tick.tell(t.o.Progress, &t.r)
	}
	if err := t.above.leave("", t.leave); err != nil {
		return err
	}
	if err := errors.Join(t.raiser.flush(), t.w.finish()); err != nil {
		return err
	}
	return t.r.Err()
}

// errNoParent is the reason of what lies below a node that was not copied.
var errNoParent = errors.New("a node above it was not copied")

// pair does what one node needs.
func (t *transfer) pair(p pair) error {
	at := Join(t.to.Root, p.path())
	if p.left == nil {
		return t.extra(p.right)
	}
	n := p.left
	t.r.Seen++
	t.r.Bytes += int64(len(n.Data))
	switch {
	case n.Err != nil:
		t.blind = n.Path
		t.r.fail(at, "read the source of", n.Err)
		return nil
	case p.right != nil && p.right.Err != nil:
		t.r.fail(at, "read", p.right.Err)
		return nil
	case n.Kind == Ephemeral && !t.o.Ephemerals:
		t.blind = n.Path
		t.r.Skipped++
		return nil
	case p.right == nil && t.blind != "" && Within(t.blind, n.Path):
		t.r.fail(at, "create", errNoParent)
		return nil
	case !t.o.NoACL && masked(n.ACL):
		t.blind = n.Path
		t.r.fail(at, "copy the ACL of", errMasked)
		return nil
	case p.right == nil:
		return t.create(n, at)
	}
	t.enter(n, p.right)
	return t.update(n, p.right, at)
}

// enter remembers a node until everything below it is written.
func (t *transfer) enter(n, right *Node) {
	s := standing{counter: n.Counter}
	if t.o.NoCounters {
		s.counter = -1
	}
	if right != nil {
		s.created = right.Counter
	}
	t.above.enter(n.Path, s)
}

// leave is called when everything below a node is on its way.
func (t *transfer) leave(path string, s standing) error {
	at := Join(t.to.Root, path)
	switch {
	case s.extra:
		t.act("delete", at, 0)
		if t.o.DryRun {
			t.r.Deleted++
			return nil
		}
		return t.w.add(change{op: opDelete, path: at, version: s.version})
	case s.counter <= s.created:
		return nil
	case t.o.DryRun:
		t.r.Raised += s.counter - s.created
		return nil
	}
	return t.raiser.add(at, s.counter)
}

func (t *transfer) act(op, at string, size int) {
	if t.o.Action != nil {
		t.o.Action(Action{Op: op, Path: at, Bytes: size})
	}
}

// extra is given a node that only the destination has.
func (t *transfer) extra(n *Node) error {
	kept := n.Kind == Ephemeral || n.Err != nil || t.blind != "" && Within(t.blind, n.Path)
	if kept {
		t.r.Skipped++
		t.blindAbove(n.Path)
		return nil
	}
	t.above.enter(n.Path, standing{counter: -1, extra: true, version: n.Stat.Version})
	return nil
}

// blindAbove keeps the nodes above one that is kept.
func (t *transfer) blindAbove(path string) {
	for i, above := range t.above.paths {
		if t.above.items[i].extra && Within(above, path) {
			t.above.items[i] = standing{counter: -1}
			t.r.Skipped++
		}
	}
}

func (t *transfer) create(n *Node, at string) error {
	if up := t.above.top(); up != nil {
		up.created++
	}
	t.enter(n, nil)
	t.act("create", at, len(n.Data))
	if t.o.DryRun {
		t.r.Created++
		return nil
	}
	ch := change{op: opCreate, path: at, data: n.Data, options: kindOptions(n)}
	if !t.o.NoACL {
		ch.acl = n.ACL
	}
	return t.w.add(ch)
}

// update makes a node equal that exists.
func (t *transfer) update(n, right *Node, at string) error {
	switch {
	case t.o.Existing == Skip:
		t.r.Skipped++
		return nil
	case t.o.Existing == Refuse && n.Path == "/" && t.to.Root == "/":
		return nil // the root of all is always there
	case t.o.Existing == Refuse:
		t.r.fail(at, "create", client.ErrNodeExists)
		return nil
	case right.Kind == Ephemeral:
		t.r.fail(at, "overwrite", errors.New("it is an ephemeral node of somebody's session there"))
		return nil
	}
	data, acl := !sameData(n.Data, right.Data), !t.o.NoACL && !slices.Equal(n.ACL, right.ACL)
	if !data && !acl {
		t.r.Same++
	}
	if data {
		t.act("set", at, len(n.Data))
		if err := t.submit(change{op: opSet, path: at, data: n.Data, version: right.Stat.Version}); err != nil {
			return err
		}
	}
	if acl {
		t.act("setACL", at, 0)
		return t.submit(change{op: opSetACL, path: at, acl: n.ACL, version: right.Stat.Aversion})
	}
	return nil
}

// submit makes a change, or only counts it in a dry run.
func (t *transfer) submit(ch change) error {
	if t.o.DryRun {
		t.settle(&ch, nil)
		return nil
	}
	return t.w.add(ch)
}

// settle counts what became of a change.
func (t *transfer) settle(ch *change, err error) {
	switch {
	case errors.Is(err, client.ErrNoNode) && ch.op == opDelete:
		t.r.Vanished++
	case errors.Is(err, client.ErrBadVersion), errors.Is(err, client.ErrNodeExists), errors.Is(err, client.ErrNotEmpty):
		t.r.fail(ch.path, ch.op.String(), errors.Join(err, errMeanwhile))
	case err != nil:
		t.r.fail(ch.path, ch.op.String(), err)
	case ch.op == opCreate:
		t.r.Created++
	case ch.op == opSet:
		t.r.Updated++
	case ch.op == opSetACL:
		t.r.ACLs++
	case ch.op == opDelete:
		t.r.Deleted++
	case ch.op == opRaise:
		t.r.Raised += int64(ch.steps)
	}
}
