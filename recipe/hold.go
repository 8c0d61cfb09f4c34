package recipe

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"quokka/client"
)

// The errors of this package. They come wrapped; compare with errors.Is.
var (
	// ErrLost says that something is not held any more, or not queued for
	// any more, although nobody gave it up: the session is over or may be, or
	// somebody deleted the node.
	ErrLost = errors.New("lost")
	// ErrReleased is why the context of a Hold ended that was released.
	ErrReleased = errors.New("recipe: released")
	// ErrBusy is what a Try method returns when it would have to wait.
	ErrBusy = errors.New("somebody else holds it")
	// ErrHeld says that waiting would last for ever, because the context
	// comes from a Hold of the same lock.
	ErrHeld = errors.New("held already by the context that asks for it")
)

// A Hold is something that is held: a lock, leases of a semaphore, leadership.
//
// # When it ends
//
// Its Context ends when it is released, and before that, with a cause that is
// ErrLost, when the session is over, when somebody deleted its node, and when
// no server has answered for five sixths of the session timeout. The last is a
// precaution: the servers give the lock to the next one when the session
// timeout is over, and a holder that hears nothing must have stopped by then.
// A lost connection alone ends nothing.
//
// # What it cannot do
//
// That is a matter of clocks, and of a program that is running to see them. A
// program that is stopped by its machine, or whose request was long under way,
// may act when somebody else is the holder. There are two ways to be safe from
// that. What is written to ZooKeeper goes through Commit, Set, Create and
// Delete, which fail unless it is still held. Everything else gets the Token,
// and refuses a Token that is smaller than the largest it has seen.
type Hold struct {
	g      *grip
	key    heldKey
	ctx    context.Context
	cancel context.CancelCauseFunc
	once   sync.Once
}

// A grip is what the Holds share that hold the same thing, by having entered
// it again.
type grip struct {
	k      *claim
	ctx    context.Context // ends with the hold
	cancel context.CancelFunc

	mu      sync.Mutex
	holds   map[*Hold]struct{}
	timer   *time.Timer
	dropped <-chan struct{} // set when it has ended; closed when the nodes are gone
}

// heldKey is where a context has the Hold of a lock.
type heldKey struct {
	c    *client.Client
	dir  string
	kind string
}

// hold makes a Hold of a claim. It ends when one of the nodes is deleted.
func (k *claim) hold(ctx context.Context, kind string) *Hold {
	h := k.take(ctx, heldKey{k.c, k.dir, kind})
	for _, n := range k.nodes {
		go h.g.watch(n)
	}
	return h
}

// take makes a Hold of a claim whose nodes somebody else watches. Its context
// has the values of ctx, but not its end: that is of the waiting.
func (k *claim) take(ctx context.Context, key heldKey) *Hold {
	g := &grip{k: k, holds: make(map[*Hold]struct{})}
	g.ctx, g.cancel = context.WithCancel(context.WithoutCancel(ctx))
	h := g.again(ctx, key)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.timer = time.AfterFunc(g.left(), g.check)
	return h
}

// again returns another Hold, or nil if there is nothing to be held any more.
func (g *grip) again(ctx context.Context, key heldKey) *Hold {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.dropped != nil {
		return nil
	}
	h := &Hold{g: g, key: key}
	h.ctx, h.cancel = context.WithCancelCause(context.WithValue(context.WithoutCancel(ctx), key, h))
	g.holds[h] = struct{}{}
	return h
}

// watch waits for the deletion of a node, or the end of the session. When the
// hold ends for another reason the node is deleted, so that nothing else needs
// to end the waiting.
func (g *grip) watch(name string) {
	if g.ctx.Err() != nil { // held for a moment only
		return
	}
	if err := g.k.gone(context.Background(), name); err != nil {
		g.end(fmt.Errorf("recipe: %s: %w: %w", g.k.dir, ErrLost, err))
		return
	}
	g.end(fmt.Errorf("recipe: %s: %w", g.k.dir, g.k.lost(name)))
}

// left returns how long it may be held if no server answers any more. The
// sixth is for clocks that do not run alike, for a server that dies before it
// has told the others that we live, and for those who hear of the end to act
// on it.
func (g *grip) left() time.Duration {
	t := g.k.c.SessionTimeout()
	return time.Until(g.k.c.LastContact().Add(t - t/6))
}

// check ends the hold if no server has answered for too long.
func (g *grip) check() {
	left := g.left()
	if left <= 0 {
		since := g.k.c.LastContact().Format(time.StampMilli)
		g.end(fmt.Errorf("recipe: %s: %w: no server has answered since %s, the session may be over", g.k.dir, ErrLost, since))
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.dropped == nil {
		g.timer.Reset(left)
	}
}

// end ends all Holds, and only then deletes the nodes.
func (g *grip) end(cause error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.dropped != nil {
		return
	}
	g.stop(cause)
	g.dropped = g.k.drop()
}

// stop ends all Holds. It must be called under mu.
func (g *grip) stop(cause error) {
	for h := range g.holds {
		h.cancel(cause)
	}
	g.cancel()
	if g.timer != nil {
		g.timer.Stop()
	}
}

// Context returns a context that ends with the hold; context.Cause says why.
// It has the values of the context that the hold was acquired with, but does
// not end with it. Who passes it on to Acquire of the same lock enters the lock
// again, if Options.Reentrant allows that.
func (h *Hold) Context() context.Context { return h.ctx }

// Err returns nil while it is held, and then why it is not: an error that is
// ErrReleased or ErrLost.
func (h *Hold) Err() error {
	if h.ctx.Err() == nil {
		return nil
	}
	return context.Cause(h.ctx)
}

// Token returns the fencing token: the zxid of the creation of the node that
// holds. Of two holders of the same lock the later one has the larger Token.
// Holders of a shared lock or of a semaphore have different Tokens, which say
// nothing about their order.
func (h *Hold) Token() int64 { return int64(h.g.k.token) }

// Paths returns the nodes that hold: one, or for a semaphore one per lease.
func (h *Hold) Paths() []string {
	var all []string
	for _, n := range h.g.k.nodes {
		all = append(all, h.g.k.path(n))
	}
	return all
}

// Release ends the hold. The Context ends at once; then the node is deleted.
// Release waits for that until ctx ends, and returns the error of ctx if it is
// not done by then; it goes on in the background, so a ctx that has ended is
// no reason not to call it. Releasing again, or what is lost, is no error.
func (h *Hold) Release(ctx context.Context) error {
	g := h.g
	h.once.Do(func() {
		h.cancel(ErrReleased)
		g.mu.Lock()
		delete(g.holds, h)
		last := len(g.holds) == 0
		g.mu.Unlock()
		if last {
			g.end(ErrReleased)
		}
	})
	g.mu.Lock()
	dropped := g.dropped
	g.mu.Unlock()
	if dropped == nil { // others have entered
		return nil
	}
	select {
	case <-dropped:
		return nil
	case <-g.k.c.Done():
		return nil
	default:
	}
	select {
	case <-dropped:
	case <-g.k.c.Done():
	case <-ctx.Done():
		return fmt.Errorf("recipe: release of %s goes on in the background: %w", g.k.dir, ctx.Err())
	}
	return nil
}
