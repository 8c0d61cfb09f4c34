package recipe

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"quokka/client"
)

// An Item is an entry of a [Queue] that was taken: nobody else is given it
// until it is returned or its claim is lost.
type Item struct {
	Entry
	q *Queue
	n *own
	h *Hold

	mu   sync.Mutex // held while it is done or returned
	over bool       // it is not claimed any more
	done bool       // because it was done
	lost error      // of a Done whose outcome is not known yet
}

// Take claims the first item that nobody has claimed. It waits for one if
// there is none. When Take fails, nothing stays claimed.
//
// Programs with other libraries respect claims in the layouts KazooLockingQueue
// and CuratorQueue, in the latter if they have a lockPath. Where they do not,
// they may take the same item.
func (q *Queue) Take(ctx context.Context) (it *Item, err error) {
	err = q.wait(ctx, func(name string) (bool, error) {
		it, err = q.claim(ctx, name)
		return it != nil, err
	})
	return it, q.wrap("take", err)
}

// TryTake is Take, but fails with ErrEmpty instead of waiting.
func (q *Queue) TryTake(ctx context.Context) (it *Item, err error) {
	err = q.try(ctx, func(name string) (bool, error) {
		it, err = q.claim(ctx, name)
		return it != nil, err
	})
	return it, q.wrap("take", err)
}

// claim claims an item, and returns nil if somebody else has it.
func (q *Queue) claim(ctx context.Context, name string) (*Item, error) {
	if err := q.prepare(ctx); err != nil {
		return nil, err
	}
	q.mu.Lock()
	q.claimN++
	data := fmt.Appendf(nil, "%s-%d", q.id, q.claimN)
	q.mu.Unlock()
	n := &own{place: q.claims, base: name, data: data, with: q.entries.path(name)}
	err := n.create(ctx)
	if err == nil {
		var d client.Data
		if d, err = q.read(ctx, name); err == nil {
			it := &Item{Entry: q.entry(name, d.Data), q: q, n: n, h: n.hold(ctx, "item")}
			go it.watch()
			return it, nil
		}
	}
	n.discard()
	if errors.Is(err, errGone) || errors.Is(err, client.ErrNodeExists) || errors.Is(err, client.ErrNoNode) {
		err = nil
	}
	return nil, err
}

// watch ends the item when its claim is deleted or the session is over.
func (it *Item) watch() {
	ctx := it.h.g.ctx
	err := it.n.vanish(ctx)
	it.mu.Lock() // who deletes it himself says so first
	defer it.mu.Unlock()
	if it.over {
		return
	}
	it.over = true
	switch {
	case ctx.Err() != nil: // no server has answered for too long
		go func() { _ = it.n.delete(context.Background()) }()
	case err != nil:
		it.h.g.settle(fmt.Errorf("%w: %w", ErrLost, err))
	case it.lost != nil && it.consumed(ctx):
		it.finish()
	default:
		it.h.g.settle(fmt.Errorf("%w: somebody else deleted %s", ErrLost, it.n.path(it.n.name)))
	}
}

// consumed tells whether a Done whose answer was lost was carried out.
func (it *Item) consumed(ctx context.Context) bool {
	gone, err := it.gone(ctx)
	return gone && err == nil
}

// finish notes that it is done.
func (it *Item) finish() {
	it.over, it.done = true, true
	it.h.g.settle(ErrReleased)
}

// Context returns a context that ends, with a cause that is ErrLost, when the
// item may be given to somebody else: the session is over, or may be, since no
// server has answered for five sixths of its timeout, or somebody has deleted
// the claim. It ends with ErrReleased after Done and Return. It has the values
// of the context of Take, but not its end. See [Hold] for what it cannot do.
func (it *Item) Context() context.Context { return it.h.Context() }

// Err returns nil while the item is claimed, and then why it is not.
func (it *Item) Err() error { return it.h.Err() }

// Done removes the item from the queue. If it returns nil, the item is removed
// and nobody else is given it. If the claim was lost before, it fails with
// ErrLost and the item is not removed: somebody else may have it. If the error
// is [client.Ambiguous], the session or ctx has ended before the outcome could
// be known; in the latter case call Done again. After other errors the item is
// still claimed. Done after a Done that succeeded is no error.
func (it *Item) Done(ctx context.Context) error { return it.Commit(ctx, it.q.c.Multi()) }

// Commit is Done together with other changes: either the item is removed and
// the changes are made, both once, or neither. The multi must come from the
// Client of the Queue, and must not be used again. If the error is
// [client.Ambiguous] and the session lives, a Done that returns nil means that
// either this Commit or the Done was carried out: the changes tell which.
func (it *Item) Commit(ctx context.Context, m *client.Multi) error {
	it.mu.Lock()
	defer it.mu.Unlock()
	if it.done {
		return nil
	}
	if it.over {
		return it.q.wrap("done", it.h.Err())
	}
	others := m.Len()
	m.Delete(it.n.path(it.n.name), client.AnyVersion).Delete(it.q.entries.path(it.Name), client.AnyVersion)
	err := persist(ctx, it.q.c, func() error { return it.attempt(ctx, m) })
	part, ok := errors.AsType[*client.MultiError](err)
	switch {
	case err == nil:
		it.finish()
	case ok && part.Index >= others && errors.Is(err, client.ErrNoNode):
		err = fmt.Errorf("%w: somebody else deleted %s", ErrLost, part.Err.Path)
		it.over = true
		it.h.g.settle(err)
		it.n.discard()
	case it.lost != nil && !client.Ambiguous(err):
		err = unknown(it.lost, err)
	}
	return it.q.wrap("done", err)
}

// attempt removes the item, unless an attempt whose answer was lost has.
func (it *Item) attempt(ctx context.Context, m *client.Multi) error {
	if it.lost != nil {
		if gone, err := it.gone(ctx); gone || err != nil {
			return err
		}
	}
	_, err := m.Commit(ctx)
	switch {
	case client.Ambiguous(err):
		it.lost = err
	case err != nil && it.lost != nil && it.consumed(ctx):
		return nil // it was carried out between the look and now
	}
	return err
}

// gone tells whether the item is not in the queue any more.
func (it *Item) gone(ctx context.Context) (bool, error) {
	if err := it.q.entries.sync(ctx); err != nil {
		return false, err
	}
	_, ok, err := it.q.entries.stat(ctx, it.Name)
	return err == nil && !ok, err
}

// Return gives the item back: it is the first to be taken for whoever sees it.
// If ctx ends before, it is given back in the background. To return it again,
// or one that is done or lost, is no error.
func (it *Item) Return(ctx context.Context) error {
	it.mu.Lock()
	defer it.mu.Unlock()
	if it.over {
		return nil
	}
	it.over = true
	it.h.g.settle(ErrReleased)
	err := it.n.delete(ctx)
	if err == nil || sessionOver(err) {
		return nil
	}
	it.n.discard()
	return it.q.wrap("return", err)
}
