package recipe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"quokka/client"
)

// A DoubleBarrier lets programs begin something together and end it together:
// Enter waits until enough have come, Leave until all have gone. Its nodes are
// those of Curator's DistributedDoubleBarrier and kazoo's DoubleBarrier: one
// ephemeral node for each member, and one named ready while they are inside.
//
// The number is a threshold, as in Curator: more may enter, and those who come
// while others are inside do not wait. A member whose session ends, or whose
// node somebody deletes, counts as gone: those who wait for others to come
// wait on, those who wait for it to leave do not. Do not enter again before
// all have left.
type DoubleBarrier struct {
	place
	members int
	o       Options
}

// NewDoubleBarrier returns the double barrier at path for so many members. It
// does not talk to the servers. Options.Reentrant means nothing here, and
// Options.Layout only whether the directory is persistent, as kazoo wants it.
func NewDoubleBarrier(c *client.Client, path string, members int, o Options) *DoubleBarrier {
	return &DoubleBarrier{place: newPlace(c, path, o), members: members, o: o}
}

const readyNode = "ready"

// Enter waits until enough members have entered. When it fails, the member is
// not inside and its node is deleted, in the background if need be; others may
// have counted it, though.
func (b *DoubleBarrier) Enter(ctx context.Context) (*Stay, error) {
	if err := b.clean(ctx); err != nil {
		return nil, b.wrap("enter", err)
	}
	n := &own{place: b.place, base: unique(), data: b.o.Data}
	if err := n.create(ctx); err != nil {
		n.discard()
		return nil, b.wrap("enter", err)
	}
	h := n.hold(ctx, readyNode, n.name)
	go h.g.watch(n.name)
	waiting, cancel := h.during(ctx)
	defer cancel()
	if err := b.await(waiting); err != nil {
		if lost := h.Err(); lost != nil {
			err = lost
		}
		h.g.end(ErrReleased)
		return nil, b.wrap("enter", err)
	}
	return &Stay{b: b, h: h, node: n.name}, nil
}

// clean removes a ready node that is left from members of whom none could
// leave. Otherwise the next one would enter alone.
func (b *DoubleBarrier) clean(ctx context.Context) error {
	if err := b.sync(ctx); err != nil {
		return err
	}
	names, err := b.list(ctx)
	if err != nil || len(names) != 1 || names[0] != readyNode {
		return err
	}
	return b.remove(ctx, readyNode)
}

// await waits for the ready node, or creates it.
func (b *DoubleBarrier) await(ctx context.Context) error {
	for {
		var there bool
		var w *client.Watch
		err := persist(ctx, b.c, func() (err error) {
			_, there, w, err = b.c.ExistsW(ctx, b.path(readyNode))
			return err
		})
		if err != nil {
			return err
		}
		if there {
			return w.Close()
		}
		names, err := b.list(ctx)
		if err == nil && len(names) >= b.members {
			_ = w.Close()
			return establish(ctx, b.c, b.path(readyNode), nil, b.acl)
		}
		if err == nil {
			_, err = w.Next(ctx)
		}
		_ = w.Close()
		if err != nil {
			return err
		}
	}
}

// A Stay is the time of a member inside a DoubleBarrier.
type Stay struct {
	b    *DoubleBarrier
	h    *Hold
	node string

	mu   sync.Mutex // held by Leave
	left bool
}

// Context returns a context that ends, with a cause that is ErrLost, when the
// member is not inside any more although it has not left: its session is over,
// or may be, or somebody has deleted its node. It ends with ErrReleased when
// Leave is called. See [Hold.Context].
func (s *Stay) Context() context.Context { return s.h.Context() }

// Err returns nil while the member is inside, and then why it is not.
func (s *Stay) Err() error { return s.h.Err() }

// Leave waits until all members have left. If ctx ends before, the member has
// left all the same: its node is deleted, in the background if need be, and
// nobody waits for it. Leaving again is no error.
func (s *Stay) Leave(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left {
		return nil
	}
	lost := s.h.Err()
	s.left = true
	s.h.g.settle(ErrReleased)
	if lost != nil {
		return s.b.wrap("leave", lost)
	}
	err := s.leave(ctx)
	if err != nil && !sessionOver(err) {
		n := own{place: s.b.place, name: s.node}
		n.discard()
	}
	return s.b.wrap("leave", err)
}

// leave has the first member by name wait for the last one, and all others,
// once their nodes are deleted, for the first one: each wait watches one node.
func (s *Stay) leave(ctx context.Context) error {
	inside := true
	for {
		names, err := s.b.list(ctx)
		if err != nil {
			return err
		}
		ready := slices.Contains(names, readyNode)
		names = slices.DeleteFunc(names, func(n string) bool { return n == readyNode })
		slices.Sort(names)
		mine := slices.Contains(names, s.node)
		switch {
		case inside && !mine:
			return fmt.Errorf("%w: somebody else deleted %s", ErrLost, s.b.path(s.node))
		case len(names) == 0 && ready:
			return s.b.remove(ctx, readyNode)
		case len(names) == 0:
			return nil
		case mine && len(names) == 1:
			return s.last(ctx, ready)
		case names[0] == s.node:
			err = s.b.gone(ctx, names[len(names)-1])
		default:
			if inside {
				err = s.b.remove(ctx, s.node)
				inside = false
			}
			if err == nil {
				err = s.b.gone(ctx, names[0])
			}
		}
		if err != nil {
			return err
		}
	}
}

// last deletes the last member's node and the ready node at once, so that
// nobody who enters sees one without the other.
func (s *Stay) last(ctx context.Context, ready bool) error {
	if ready {
		err := persist(ctx, s.b.c, func() error {
			_, err := s.b.c.Multi().Delete(s.b.path(readyNode), client.AnyVersion).Delete(s.b.path(s.node), client.AnyVersion).Commit(ctx)
			return err
		})
		if !errors.Is(err, client.ErrNoNode) {
			return err
		}
	}
	return s.b.remove(ctx, s.node)
}

func (b *DoubleBarrier) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("recipe: double barrier %s: %s: %w", b.dir, op, err)
}
