package recipe

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"quokka/client"
)

// A Group is a set of members that come and go: each has an ephemeral node in
// the group's directory for as long as it is a member.
type Group struct {
	place
	o GroupOptions
}

// GroupOptions are how a [Group] differs from the usual. The zero value is
// good.
type GroupOptions struct {
	// Layout is how nodes are named.
	Layout GroupLayout
	// Rejoin creates a member's node again when somebody deletes it while the
	// session lives. Without it the member is told, and is no member any more.
	Rejoin bool
	// ACL is for the nodes that are made. Default: open to everybody.
	ACL []client.ACL
}

// A GroupLayout says how the nodes of a [Group] are named. All programs of a
// group must use the same.
type GroupLayout int

// The layouts.
const (
	// CuratorGroup is that of Curator's GroupMember: a node has the member's
	// name, which is unique, and its data. It is the default.
	CuratorGroup GroupLayout = iota
	// KazooParty is that of kazoo's Party: the name is the node's data, and
	// there is no other data. Several members may have one name.
	KazooParty
	// KazooShallowParty is that of kazoo's ShallowParty: the name is a part of
	// the node's name; there is no data. Several members may have one name.
	KazooShallowParty
)

// A Member is who is in a [Group].
type Member struct {
	Name    string           // as it was given to Join
	Data    []byte           // of KazooParty and KazooShallowParty: none
	Node    string           // the path
	Session client.SessionID // whose end ends the membership
	Since   time.Time        // when it joined, by the servers' clock
	Token   int64            // larger for those who joined later
}

// NewGroup returns the group at path. It does not talk to the servers.
func NewGroup(c *client.Client, path string, o GroupOptions) *Group {
	p := place{c: c, dir: path, acl: o.ACL, keep: o.Layout != CuratorGroup}
	return &Group{place: p, o: o}
}

const partyMark = "__party__"

// Join makes the caller a member. In the layout CuratorGroup names are unique:
// if another session has the name, which may be the one this program had
// before it was started anew, Join waits until it has not; if this session
// has it already, Join fails with ErrNodeExists. When Join fails, the caller is
// no member.
func (g *Group) Join(ctx context.Context, name string, data []byte) (*Membership, error) {
	n, err := g.node(name, data)
	if err != nil {
		return nil, g.wrap("join", err)
	}
	for {
		err := n.create(ctx)
		if err == nil {
			break
		}
		if errors.Is(err, client.ErrNodeExists) {
			if err = g.taken(ctx, n.base); err == nil {
				continue
			}
		}
		n.discard()
		return nil, g.wrap("join", err)
	}
	return &Membership{g: g, name: name, k: keep(ctx, n, g.o.Rejoin)}, nil
}

// taken waits until a name is free, which this session must not have.
func (g *Group) taken(ctx context.Context, name string) error {
	stat, ok, err := g.stat(ctx, name)
	switch {
	case err != nil || !ok:
		return err
	case stat.EphemeralOwner == g.c.Session().ID:
		return fmt.Errorf("this session has joined under the name %s already: %w", name, client.ErrNodeExists)
	case stat.EphemeralOwner == 0:
		return fmt.Errorf("%s is no member's node, it is persistent: %w", g.path(name), client.ErrNodeExists)
	}
	if err := g.gone(ctx, name); err != nil {
		return fmt.Errorf("the session %v has the name %s: %w", stat.EphemeralOwner, name, err)
	}
	return nil
}

func (g *Group) node(name string, data []byte) (*own, error) {
	n := &own{place: g.place, base: name, data: data}
	switch {
	case g.o.Layout == CuratorGroup && (name == "" || strings.Contains(name, "/")):
		return nil, fmt.Errorf("the name %q cannot be that of a node", name)
	case g.o.Layout == CuratorGroup:
		return n, nil
	case len(data) > 0:
		return nil, errors.New("members in kazoo's layouts have a name and no data")
	case g.o.Layout == KazooShallowParty && strings.Contains(name, "/"):
		return nil, fmt.Errorf("the name %q cannot be in that of a node", name)
	}
	n.data, n.base = []byte(name), unique()+partyMark
	if g.o.Layout == KazooShallowParty {
		n.base = unique() + "-" + name
	}
	return n, nil
}

// Members returns who is in the group, by age, as far as the server that
// answers knows. It takes one request for each member, all under way at once.
func (g *Group) Members(ctx context.Context) (all []Member, err error) {
	err = persist(ctx, g.c, func() error {
		all, err = g.members(ctx)
		return err
	})
	return all, g.wrap("members", err)
}

func (g *Group) members(ctx context.Context) ([]Member, error) {
	names, err := g.list(ctx)
	if err != nil {
		return nil, err
	}
	p := g.c.Pipeline()
	var nodes []string
	var data []*client.Future[client.Data]
	for _, name := range names {
		if g.isMember(name) {
			nodes = append(nodes, g.path(name))
			data = append(data, p.Get(ctx, g.path(name)))
		}
	}
	var all []Member
	for i, f := range data {
		d, err := f.Wait(ctx)
		switch {
		case err == nil:
			all = append(all, g.member(client.Node{Path: nodes[i], Data: d.Data, Stat: d.Stat}))
		case !errors.Is(err, client.ErrNoNode):
			return nil, err
		}
	}
	byAge(all)
	return all, nil
}

func byAge(all []Member) {
	slices.SortFunc(all, func(a, b Member) int { return int(max(-1, min(1, a.Token-b.Token))) })
}

// isMember tells whether a node is one of the layout.
func (g *Group) isMember(name string) bool {
	switch g.o.Layout {
	case KazooParty:
		return strings.Contains(name, partyMark)
	case KazooShallowParty:
		id, _, ok := strings.Cut(name, "-")
		_, err := hex.DecodeString(id)
		return ok && err == nil
	}
	return true
}

func (g *Group) member(n client.Node) Member {
	m := Member{
		Name: g.name(n.Path), Data: n.Data, Node: n.Path, Session: n.Stat.EphemeralOwner, Since: n.Stat.Ctime,
		Token: int64(n.Stat.Czxid),
	}
	switch g.o.Layout {
	case KazooParty:
		m.Name, m.Data = string(n.Data), nil
	case KazooShallowParty:
		_, m.Name, _ = strings.Cut(m.Name, "-")
		m.Data = nil
	}
	return m
}

// Changes yields who is in the group, by age, at once and after every change:
// of members or of their data. What follows fast may be yielded as one change;
// the newest state is never left out. It ends with the loop and with ctx; when
// the session ends, the error of that is the last thing it yields. It needs
// ZooKeeper 3.6 or later.
func (g *Group) Changes(ctx context.Context) iter.Seq2[[]Member, error] {
	return func(yield func([]Member, error) bool) {
		for nodes, err := range snapshots(ctx, g.c, g.dir) {
			var all []Member
			for _, n := range nodes {
				if g.isMember(g.name(n.Path)) {
					all = append(all, g.member(n))
				}
			}
			byAge(all)
			if !yield(all, g.wrap("changes", err)) {
				return
			}
		}
	}
}

func (g *Group) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("recipe: group %s: %s: %w", g.dir, op, err)
}

// snapshots yields the children of a node, at once and after every change.
func snapshots(ctx context.Context, c *client.Client, dir string) iter.Seq2[[]client.Node, error] {
	return func(yield func([]client.Node, error) bool) {
		inside, cancel := context.WithCancel(ctx)
		defer cancel()
		cache, err := openCache(inside, c, dir)
		if err != nil {
			if ctx.Err() == nil {
				yield(nil, err)
			}
			return
		}
		defer cache.Close()
		dirty := make(chan error, 1)
		go follow(inside, cache, dirty)
		var last []client.Node
		for first := true; ; first = false {
			now := childrenOf(cache, dir)
			same := slices.EqualFunc(now, last, func(a, b client.Node) bool {
				return a.Path == b.Path && a.Stat.Czxid == b.Stat.Czxid && a.Stat.Mzxid == b.Stat.Mzxid
			})
			if last = now; (first || !same) && !yield(now, nil) {
				return
			}
			select {
			case err, ok := <-dirty:
				if ctx.Err() != nil {
					return
				}
				if !ok {
					err = context.Cause(ctx)
				}
				if err != nil {
					yield(nil, err)
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// openCache is Client.Cache over lost connections.
func openCache(ctx context.Context, c *client.Client, path string) (k *client.Cache, err error) {
	err = persist(ctx, c, func() error {
		k, err = c.Cache(ctx, path)
		return err
	})
	return k, err
}

// follow says when a cache has changed since it was last said, and closes
// changed when no more changes will come, after the error that is the reason.
func follow(ctx context.Context, cache *client.Cache, changed chan error) {
	defer close(changed)
	for _, err := range cache.Changes(ctx) {
		if err != nil {
			select { // what waits there is of no interest any more
			case <-changed:
			default:
			}
			changed <- err
			return
		}
		select {
		case changed <- nil:
		default:
		}
	}
}

// childrenOf returns the nodes right below dir.
func childrenOf(cache *client.Cache, dir string) []client.Node {
	p := place{dir: dir}
	var all []client.Node
	for _, name := range cache.Children(dir) {
		if n, ok := cache.Get(p.path(name)); ok {
			all = append(all, n)
		}
	}
	return all
}

// A Membership is being in a [Group].
type Membership struct {
	g    *Group
	name string
	k    *keeper
}

// Name returns the member's name.
func (m *Membership) Name() string { return m.name }

// Node returns the path of the member's node.
func (m *Membership) Node() string { return m.k.node() }

// Context returns a context that ends when the membership does: with the cause
// ErrReleased after Leave, and with ErrLost when the session is over, or when
// somebody has deleted the node and GroupOptions.Rejoin is not set. It has the
// values of the context of Join, but not its end. While no server is reached
// nobody can know whether the session is over; the context then goes on.
func (m *Membership) Context() context.Context { return m.k.ctx }

// Done is closed when the membership ends; Err then says why.
func (m *Membership) Done() <-chan struct{} { return m.k.ctx.Done() }

// Err returns nil while the membership lasts, and then what ended it.
func (m *Membership) Err() error { return m.k.err() }

// SetData replaces the member's data, in the layout CuratorGroup. After an
// error that is [client.Ambiguous] it may be replaced.
func (m *Membership) SetData(ctx context.Context, data []byte) error {
	if m.g.o.Layout != CuratorGroup {
		return m.g.wrap("set data", errors.New("members in kazoo's layouts have no data"))
	}
	return m.g.wrap("set data", m.k.set(ctx, data))
}

// Leave ends the membership. When ctx ends before the node is deleted, it is
// deleted in the background. Leaving again, or what is lost, is no error.
func (m *Membership) Leave(ctx context.Context) error { return m.g.wrap("leave", m.k.leave(ctx)) }
