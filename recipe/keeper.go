package recipe

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"quokka/client"
)

// A keeper keeps a node of this session in the tree: it tells when the node is
// lost, or creates it again.
type keeper struct {
	renews bool // the node is created again when somebody deletes it
	ctx    context.Context
	cancel context.CancelCauseFunc
	over   chan struct{} // closed when the goroutine has ended
	turn   chan struct{} // has a value while nobody changes n
	n      atomic.Pointer[own]
}

// keep takes over a node that was created. The context of the keeper has the
// values of ctx, but not its end.
func keep(ctx context.Context, n *own, renews bool) *keeper {
	k := &keeper{renews: renews, over: make(chan struct{}), turn: make(chan struct{}, 1)}
	k.turn <- struct{}{}
	k.n.Store(n)
	if n.doubt && n.sequential {
		go n.sweep()
	}
	k.ctx, k.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	go k.run()
	return k
}

func (k *keeper) run() {
	defer close(k.over)
	watch := k.watch
	if k.n.Load().persistent {
		watch = k.follow
	}
	if err := watch(); k.ctx.Err() == nil {
		k.cancel(err)
	}
}

// watch waits for deletions, until one ends the keeper or the session is over.
func (k *keeper) watch() error {
	for {
		n := k.n.Load()
		if err := n.vanish(k.ctx); err != nil {
			return fmt.Errorf("%w: %w", ErrLost, err)
		}
		if !k.renews {
			return fmt.Errorf("%w: somebody else deleted %s", ErrLost, n.path(n.name))
		}
		if err := k.renew(k.ctx, n); err != nil {
			return err
		}
	}
}

// follow looks after every reconnection whether a persistent node is there.
func (k *keeper) follow() error {
	first := true
	why := error(client.ErrClosed)
	for s := range k.n.Load().c.States(k.ctx) {
		if s.State.Final() && s.Err != nil {
			why = s.Err
		}
		if s.State != client.Connected || first {
			first = false
			continue
		}
		n := k.n.Load()
		_, ok, err := n.place.stat(k.ctx, n.name)
		if err == nil && !ok {
			err = k.renew(k.ctx, n)
		}
		if err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: %w", ErrLost, why)
}

// lock returns when nobody else changes the node.
func (k *keeper) lock(ctx context.Context) error {
	select {
	case <-k.turn:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (k *keeper) unlock() { k.turn <- struct{}{} }

// renew creates the node again, unless that was done since old was seen.
func (k *keeper) renew(ctx context.Context, old *own) error {
	if err := k.lock(ctx); err != nil {
		return err
	}
	defer k.unlock()
	if k.n.Load() != old {
		return nil
	}
	if err := k.replace(ctx, old.data); err != nil {
		return fmt.Errorf("%w: %s cannot be created again: %w", ErrLost, old.path(old.base), err)
	}
	return nil
}

// replace creates the node with data. Its caller has the turn. A node of this
// session that has the same name and data is the one: an earlier creation may
// have been carried out late.
func (k *keeper) replace(ctx context.Context, data []byte) error {
	old := k.n.Load()
	n := &own{
		place: old.place, base: old.base, data: data, sequential: old.sequential, persistent: old.persistent,
		doubt: !old.sequential && !old.persistent,
	}
	if err := n.create(ctx); err != nil {
		n.discard()
		return err
	}
	k.n.Store(n)
	return nil
}

// set replaces the node's data.
func (k *keeper) set(ctx context.Context, data []byte) error {
	if err := k.lock(ctx); err != nil {
		return err
	}
	defer k.unlock()
	if k.ctx.Err() != nil {
		return context.Cause(k.ctx)
	}
	n := k.n.Load()
	err := n.set(ctx, data)
	if errors.Is(err, client.ErrNoNode) && k.renews {
		return k.replace(ctx, data)
	}
	if err == nil || client.Ambiguous(err) {
		n.data = data
	}
	return err
}

// leave ends the keeper and deletes the node: when ctx ends before, in the
// background. If the session is over, an ephemeral node is gone.
func (k *keeper) leave(ctx context.Context) error {
	k.cancel(ErrReleased)
	<-k.over
	n := k.n.Load() // nobody renews any more
	err := n.delete(ctx)
	if err == nil || !n.persistent && sessionOver(err) {
		return nil
	}
	n.discard()
	return err
}

// node returns the path of the node.
func (k *keeper) node() string {
	n := k.n.Load()
	return n.path(n.name)
}

func (k *keeper) err() error {
	if k.ctx.Err() == nil {
		return nil
	}
	return context.Cause(k.ctx)
}
