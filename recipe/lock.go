package recipe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"quokka/client"
)

// A Lock is held by one contender at a time, in the order in which they asked.
//
// Contenders meet as ephemeral sequential nodes in the directory that is the
// lock's path; the one with the lowest number holds. Each watches only the one
// before it. A Lock is shared by as many goroutines as like it: it has no
// state of its own, every Acquire is a contender.
type Lock struct {
	place
	o        Options
	title    string   // for errors
	kind     string   // of own nodes
	blockers []string // kinds that own nodes wait for
	kinds    []string // of all contenders
	twin     *twin    // of a lock that has two sides
}

// A twin is the other side of a read-write lock.
type twin struct {
	kind  string // of its nodes
	write bool   // it is the writing side
}

// Options are what a recipe may be told. The zero value is good.
type Options struct {
	// Layout is how nodes are named. Default: Curator.
	Layout Layout
	// Data is the data of the contender's node, which others see by
	// Contenders: who it is.
	Data []byte
	// ACL is that of all nodes that are created, missing directories
	// included. Default: open to everybody. Contenders need the permissions to
	// read the directory and to create and delete in it.
	ACL []client.ACL
	// Reentrant lets Acquire succeed at once when its context comes from a
	// Hold of the same lock, see [Hold.Context]. The lock is free when all
	// of these Holds are released. Without it, such an Acquire fails with
	// ErrHeld instead of waiting for ever.
	Reentrant bool
}

// NewLock returns the lock at a path. Nothing is sent until it is used.
func NewLock(c *client.Client, path string, o Options) *Lock {
	kinds := []string{curatorLock, kazooLock}
	l := &Lock{place: newPlace(c, path, o), o: o, title: "lock", kind: curatorLock, blockers: kinds, kinds: kinds}
	if o.Layout == Kazoo {
		l.kind = kazooLock
	}
	return l
}

// Acquire waits until the lock is held. When it fails, because ctx or the
// session ends, nothing of it stays behind.
//
// Somebody who deletes the node of a contender that waits sends it away: its
// Acquire fails with ErrLost.
func (l *Lock) Acquire(ctx context.Context) (*Hold, error) {
	return l.acquire(ctx, func(k *claim, before func([]string) (string, bool)) error {
		return k.turn(ctx, k.nodes[0], before)
	})
}

// TryAcquire takes the lock if nobody holds it or waits for it, and otherwise
// fails with ErrBusy.
func (l *Lock) TryAcquire(ctx context.Context) (*Hold, error) {
	if h, err := l.enter(ctx); h != nil || err != nil {
		return h, err
	}
	names, err := l.list(ctx)
	if err != nil {
		return nil, l.failure(err)
	}
	for _, n := range names { // often enough that saves the writing
		if _, ok := sequence(n, l.blockers); ok {
			return nil, l.failure(ErrBusy)
		}
	}
	return l.acquire(ctx, func(k *claim, before func([]string) (string, bool)) error {
		first, err := k.first(ctx, k.nodes[0], before)
		if err == nil && first != "" {
			err = ErrBusy
		}
		return err
	})
}

// Do runs work while the lock is held. The context that work gets ends with
// ctx and with the hold. Do fails with ErrLost if work succeeds but the lock
// was lost before its end.
func (l *Lock) Do(ctx context.Context, work func(ctx context.Context, h *Hold) error) error {
	return do(ctx, l.Acquire, work)
}

// acquire becomes a contender, and waits as wait says.
func (l *Lock) acquire(ctx context.Context, wait func(k *claim, before func([]string) (string, bool)) error) (*Hold, error) {
	if h, err := l.enter(ctx); h != nil || err != nil {
		return h, err
	}
	k := l.newClaim(l.o.Layout)
	err := k.create(ctx, l.kind, l.o.Data, client.Ephemeral, client.Sequential)
	if err == nil {
		err = wait(k, l.before(k.nodes[0]))
	}
	if err != nil {
		dropped := k.drop()
		if errors.Is(err, ErrBusy) { // the caller may count on it
			select {
			case <-dropped:
			case <-ctx.Done():
			}
		}
		return nil, l.failure(err)
	}
	return k.hold(ctx, l.kind), nil
}

// before returns who stands before a node.
func (l *Lock) before(own string) func(names []string) (string, bool) {
	n, _ := sequence(own, []string{l.kind})
	return func(names []string) (string, bool) { return predecessor(names, n, l.blockers) }
}

// enter takes what the context holds already.
func (l *Lock) enter(ctx context.Context) (*Hold, error) {
	key := heldKey{l.c, l.dir, l.kind}
	held, ok := ctx.Value(key).(*Hold)
	switch {
	case !ok || held.Err() != nil:
		return l.enterTwin(ctx)
	case !l.o.Reentrant:
		return nil, l.failure(fmt.Errorf("%w: set Options.Reentrant if that is meant", ErrHeld))
	}
	return held.g.again(ctx, key), nil
}

func (l *Lock) failure(err error) error { return fmt.Errorf("recipe: %s %s: %w", l.title, l.dir, err) }

// A Contender is who holds or waits.
type Contender struct {
	Path    string           // of its node
	Data    []byte           // Options.Data, if it is written in Go
	Token   int64            // its Hold's, now or when its turn comes
	Session client.SessionID // whose end ends it
	Since   time.Time        // when it came, by the servers' clock
	Shared  bool             // it only wants to read, of a RWLock
}

// Contenders returns who holds the lock and who waits for it, in that order.
func (l *Lock) Contenders(ctx context.Context) ([]Contender, error) {
	all, err := l.contenders(ctx, l.kinds)
	if err != nil {
		return nil, l.failure(err)
	}
	return all, nil
}

// contenders reads the nodes of some kinds in a directory.
func (p place) contenders(ctx context.Context, kinds []string) ([]Contender, error) {
	names, err := p.list(ctx)
	if err != nil {
		return nil, err
	}
	var all []Contender
	for _, n := range inOrder(names, kinds) {
		v, ok, err := p.contender(ctx, n)
		if err != nil {
			return nil, err
		}
		if ok {
			_, v.Shared = sequence(n, readers)
			all = append(all, v)
		}
	}
	return all, nil
}

// contender reads one node; it may have gone meanwhile.
func (p place) contender(ctx context.Context, name string) (v Contender, ok bool, err error) {
	err = persist(ctx, p.c, func() error {
		data, stat, err := p.c.Get(ctx, p.path(name))
		if errors.Is(err, client.ErrNoNode) {
			return nil
		}
		ok = err == nil
		v = Contender{Path: p.path(name), Data: data, Token: int64(stat.Czxid), Session: stat.EphemeralOwner, Since: stat.Ctime}
		return err
	})
	return v, ok, err
}
