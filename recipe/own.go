package recipe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"quokka/client"
)

// An own is a node of this session under a name that others may want too, or
// that must be a certain one, so that a claim's mark cannot say whose it is.
// It is told by its session and its data instead.
type own struct {
	place
	name       string // with its number, once created, if it is sequential
	base       string // the name that was asked for
	data       []byte
	sequential bool
	persistent bool
	with       string      // a node that must exist when this one is created
	over       bool        // in place of another node of that name
	stat       client.Stat // as of its creation, without that of ZooKeeper 3.4
	doubt      bool        // a creation's answer is missing
}

// create creates the node, in a directory that is made if it is missing. If
// somebody else has the name it fails with ErrNodeExists.
func (n *own) create(ctx context.Context) error {
	var flags []client.CreateOption
	if !n.persistent {
		flags = append(flags, client.Ephemeral)
	}
	if n.sequential {
		flags = append(flags, client.Sequential)
	}
	for range maxParents {
		err := persist(ctx, n.c, func() error {
			if n.doubt && n.sequential {
				if found, err := n.find(ctx); found || err != nil {
					return err
				}
			}
			err := n.attempt(ctx, flags)
			n.doubt = n.doubt || client.Ambiguous(err)
			return err
		})
		if !errors.Is(err, client.ErrNoNode) {
			return err
		}
		if err := n.ensure(ctx); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s was deleted %d times by somebody else while a node was to be created in it", n.dir, maxParents)
}

// errGone says that own.with does not exist.
var errGone = errors.New("it is gone")

func (n *own) attempt(ctx context.Context, flags []client.CreateOption) error {
	err := n.request(ctx, flags)
	if !errors.Is(err, client.ErrNodeExists) || !n.doubt {
		return err
	}
	mine, is := n.mine(ctx, n.base)
	switch {
	case errors.Is(is, client.ErrNoNode):
		return client.ErrConnectionLoss // it has gone meanwhile: once more
	case is != nil:
		return is
	case mine:
		return nil
	}
	return err
}

func (n *own) request(ctx context.Context, flags []client.CreateOption) error {
	if n.over {
		return n.overwrite(ctx, flags)
	}
	if n.with != "" {
		_, err := n.c.Multi().Check(n.with, client.AnyVersion).Create(n.path(n.base), n.data, n.options(flags...)...).Commit(ctx)
		if e, ok := errors.AsType[*client.MultiError](err); ok && e.Index == 0 && errors.Is(err, client.ErrNoNode) {
			return errGone
		}
		if err == nil {
			n.name = n.base
		}
		return err
	}
	path, stat, err := n.c.CreateStat(ctx, n.path(n.base), n.data, n.options(flags...)...)
	if errors.Is(err, client.ErrUnimplemented) { // before ZooKeeper 3.5
		path, err = n.c.Create(ctx, n.path(n.base), n.data, n.options(flags...)...)
	}
	if err == nil {
		n.name, n.stat = n.place.name(path), stat
	}
	return err
}

// overwrite deletes the node of that name and creates this one in the same
// transaction: who has it now and creates it again at once must not be first.
func (n *own) overwrite(ctx context.Context, flags []client.CreateOption) error {
	m := n.c.Multi().Delete(n.path(n.base), client.AnyVersion).Create(n.path(n.base), n.data, n.options(flags...)...)
	_, err := m.Commit(ctx)
	n.over = false // when it is asked again, the node may be this one
	if e, ok := errors.AsType[*client.MultiError](err); ok && e.Index == 0 && errors.Is(err, client.ErrNoNode) {
		return client.ErrConnectionLoss // it has gone meanwhile: once more
	}
	if err == nil {
		n.name = n.base
	}
	return err
}

// mine tells whether the node of that name is this one, or the one whose
// creation was not answered. It then takes it over.
func (n *own) mine(ctx context.Context, name string) (bool, error) {
	data, stat, err := n.c.Get(ctx, n.path(name))
	switch {
	case err != nil:
		return false, err
	case n.stat.Czxid != 0:
		return n.stat.Czxid == stat.Czxid, nil
	case !bytes.Equal(data, n.data) || !n.persistent && stat.EphemeralOwner != n.c.Session().ID:
		return false, nil
	}
	n.name, n.stat = name, stat
	return true, nil
}

// delete deletes the node. When an answer is lost it looks whose node has the
// name before it asks again: somebody else may have come.
func (n *own) delete(ctx context.Context) error {
	doubt, probe := false, *n // others may look at n meanwhile
	err := persist(ctx, n.c, func() error {
		if doubt {
			if mine, err := probe.mine(ctx, n.name); !mine || err != nil {
				return err
			}
		}
		err := n.c.Delete(ctx, n.path(n.name), client.AnyVersion)
		doubt = doubt || client.Ambiguous(err)
		return err
	})
	if errors.Is(err, client.ErrNoNode) {
		return nil
	}
	return err
}

// find looks for a sequential node whose creation was not answered.
func (n *own) find(ctx context.Context) (bool, error) {
	if err := n.sync(ctx); err != nil {
		return false, err
	}
	names, err := n.list(ctx)
	if err != nil {
		return false, err
	}
	for _, name := range names {
		if rest, ok := strings.CutPrefix(name, n.base); !ok || len(rest) != sequenceDigits {
			continue
		}
		mine, err := n.mine(ctx, name)
		if mine || err != nil && !errors.Is(err, client.ErrNoNode) {
			return mine, err
		}
	}
	return false, nil
}

// sessionOver tells whether an error says that the session is over, and with
// it its ephemeral nodes.
func sessionOver(err error) bool {
	return errors.Is(err, client.ErrSessionExpired) || errors.Is(err, client.ErrClosed)
}

// vanish waits until the node does not exist, or is another one of the same
// name: one that was deleted and created between two looks.
func (n *own) vanish(ctx context.Context) error {
	created := n.stat.Czxid
	return n.until(ctx, n.name, func(stat client.Stat) bool {
		if created == 0 && (n.persistent || stat.EphemeralOwner == n.c.Session().ID) {
			created = stat.Czxid
		}
		return stat.Czxid != created
	})
}

// set replaces the node's data. It names the version it replaces, so that a
// request which is carried out late does not replace what came after it.
func (n *own) set(ctx context.Context, data []byte) error {
	doubt := false
	return persist(ctx, n.c, func() error {
		stat, err := n.c.Set(ctx, n.path(n.name), data, n.stat.Version)
		if err == nil {
			n.stat.Version = stat.Version
			return nil
		}
		doubt = doubt || client.Ambiguous(err)
		if !errors.Is(err, client.ErrBadVersion) {
			return err
		}
		now, stat, err := n.c.Get(ctx, n.path(n.name))
		if err != nil {
			return err
		}
		n.stat.Version = stat.Version
		if doubt && bytes.Equal(now, data) {
			return nil
		}
		return client.ErrConnectionLoss // somebody else has set it: once more
	})
}

// discard deletes the node in the background, for as long as the session
// lives, if it was created or may have been.
func (n *own) discard() {
	switch {
	case n.name != "":
		go func() { _ = n.delete(context.Background()) }()
	case n.doubt:
		go n.sweep()
	}
}

// sweep deletes nodes that were created although no answer came, now and,
// since a creation may still be under way, a while later.
func (n *own) sweep() {
	if n.strays() != nil {
		return
	}
	timer := time.NewTimer(n.c.SessionTimeout() / 3)
	defer timer.Stop()
	select {
	case <-timer.C:
		_ = n.strays()
	case <-n.c.Done():
	}
}

// strays deletes what was created without an answer, but for the node itself.
func (n *own) strays() error {
	ctx := context.Background() // calls end with the session
	if err := n.sync(ctx); err != nil {
		return err
	}
	names := []string{n.base}
	if n.sequential {
		all, err := n.list(ctx)
		if err != nil {
			return err
		}
		names = slices.DeleteFunc(all, func(s string) bool {
			rest, ok := strings.CutPrefix(s, n.base)
			return !ok || len(rest) != sequenceDigits
		})
	}
	for _, name := range names {
		stray := own{place: n.place, data: n.data, persistent: n.persistent}
		if name == n.name {
			continue
		}
		if mine, err := stray.mine(ctx, name); mine && err == nil {
			_ = stray.delete(ctx)
		}
	}
	return nil
}

// hold makes a Hold of the node, which ends with the session but not with the
// node: who calls it watches that. When it ends it deletes nodes.
func (n *own) hold(ctx context.Context, kind string, nodes ...string) *Hold {
	k := &claim{place: n.place, mark: n.name, nodes: nodes, token: n.stat.Czxid}
	return k.take(ctx, heldKey{n.c, n.path(n.name), kind})
}

// settle ends all Holds and leaves the nodes to the caller.
func (g *grip) settle(cause error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.dropped != nil {
		return
	}
	g.stop(cause)
	done := make(chan struct{})
	close(done)
	g.dropped = done
}
