package recipe

import (
	"context"
	"errors"
	"fmt"

	"quokka/client"
)

// A RWLock is held by any number of readers or by one writer. Nobody
// overtakes: a reader waits for every writer that asked before it, a writer for
// everybody who did.
//
// A reader cannot become a writer, since two that try would wait for each
// other for ever; a writer can become a reader, see Downgrade.
type RWLock struct {
	read, write *Lock
}

var (
	readers = []string{curatorRead, kazooRead}
	writers = []string{curatorWrite, kazooLock}
)

// NewRWLock returns the read-write lock at a path. Nothing is sent until it is
// used.
//
// With Options.Reentrant, Read().Acquire succeeds at once with a context that
// comes from a Hold of Write(). That Hold of both sides is then shared with
// nobody until the writing one is released.
func NewRWLock(c *client.Client, path string, o Options) *RWLock {
	readKind, writeKind := curatorRead, curatorWrite
	if o.Layout == Kazoo {
		readKind, writeKind = kazooRead, kazooLock
	}
	all := append(readers[:len(readers):len(readers)], writers...)
	p := newPlace(c, path, o)
	return &RWLock{
		read:  &Lock{place: p, o: o, title: "read lock", kind: readKind, blockers: writers, kinds: all, twin: &twin{writeKind, true}},
		write: &Lock{place: p, o: o, title: "write lock", kind: writeKind, blockers: all, kinds: all, twin: &twin{readKind, false}},
	}
}

// Read returns the side that is shared.
func (l *RWLock) Read() *Lock { return l.read }

// Write returns the side that is exclusive.
func (l *RWLock) Write() *Lock { return l.write }

// Downgrade turns a Hold of Write() into one of Read(), without anybody
// writing in between. h is released at once, whatever comes of it; when
// Downgrade fails, nothing is held. The Token stays the same. It fails with
// ErrHeld, and changes nothing, if h was entered again and not released.
func (l *RWLock) Downgrade(ctx context.Context, h *Hold) (*Hold, error) {
	if h.key != (heldKey{l.write.c, l.write.dir, l.write.kind}) {
		return nil, l.read.failure(errors.New("what is to be downgraded is no Hold of this lock's Write()"))
	}
	if err := h.Err(); err != nil {
		return nil, err
	}
	finish, err := h.surrender()
	if err != nil {
		return nil, l.read.failure(err)
	}
	k, err := l.read.beside(ctx, h.g.k, func(m *client.Multi, path string) *client.Multi {
		return m.Delete(path, client.AnyVersion)
	})
	finish(err == nil)
	if err != nil {
		return nil, err
	}
	return k.hold(ctx, l.read.kind), nil
}

// enterTwin deals with a context that holds the other side.
func (l *Lock) enterTwin(ctx context.Context) (*Hold, error) {
	if l.twin == nil {
		return nil, nil
	}
	held, ok := ctx.Value(heldKey{l.c, l.dir, l.twin.kind}).(*Hold)
	switch {
	case !ok || held.Err() != nil:
		return nil, nil
	case !l.twin.write:
		return nil, l.failure(fmt.Errorf("%w for reading: release it before", ErrHeld))
	case !l.o.Reentrant:
		return nil, l.failure(fmt.Errorf("%w for writing: use Downgrade, or set Options.Reentrant", ErrHeld))
	}
	k, err := l.beside(ctx, held.g.k, func(m *client.Multi, path string) *client.Multi {
		return m.Check(path, client.AnyVersion)
	})
	if err != nil {
		return nil, err
	}
	return k.hold(ctx, l.kind), nil
}

// beside makes a reader's node with the number of the writer's node w, so that
// it has w's place among all others (as Curator's ReadLock does). The servers
// do that only while w is there, which then also is part of the multi.
func (l *Lock) beside(ctx context.Context, w *claim, part func(m *client.Multi, path string) *client.Multi) (*claim, error) {
	k, path := l.newClaim(l.o.Layout), w.path(w.nodes[0])
	name := k.mark + l.kind + w.nodes[0][len(w.mark+l.twin.kind):]
	err := k.make(ctx, 1, func() error {
		m := l.c.Multi().Create(k.path(name), l.o.Data, l.options(client.Ephemeral)...)
		_, err := part(m, path).Commit(ctx)
		failed, ok := errors.AsType[*client.MultiError](err)
		switch {
		case ok && failed.Index == 1 && errors.Is(err, client.ErrNoNode):
			return w.lost(w.nodes[0])
		case ok && failed.Index == 0 && errors.Is(err, client.ErrNodeExists): // carried out late
			err = nil
		}
		if err == nil {
			k.nodes = []string{name}
		}
		return err
	})
	k.token = w.token
	if err != nil {
		k.drop()
		return nil, l.failure(err)
	}
	return k, nil
}

// surrender ends a Hold whose node is to be exchanged for another. finish must
// be called: it says whether the node is gone, or is to be deleted.
func (h *Hold) surrender() (finish func(gone bool), err error) {
	g := h.g
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case h.ctx.Err() != nil:
		return nil, context.Cause(h.ctx)
	case len(g.holds) > 1:
		return nil, fmt.Errorf("%w: it was entered again and not released", ErrHeld)
	}
	dropped := make(chan struct{})
	g.stop(ErrReleased)
	g.dropped = dropped
	return func(gone bool) {
		if gone {
			close(dropped)
			return
		}
		done := g.k.drop()
		go func() {
			<-done
			close(dropped)
		}()
	}, nil
}
