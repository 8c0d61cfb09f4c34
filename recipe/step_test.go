package recipe

import (
	"context"
	"errors"
	"testing"
	"time"

	"quokka/client"
	"quokka/quokkatest"
)

func TestPersist(t *testing.T) {
	t.Parallel()
	c := quokkatest.Start(t, 1).Dial(t, client.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	// steps returns a step that fails with one error after the other.
	steps := func(all ...error) (step func() error, left func() int) {
		return func() error {
			err := all[0]
			all = all[1:]
			return err
		}, func() int { return len(all) }
	}
	step, left := steps(client.ErrConnectionLoss, client.ErrThrottled, client.ErrSessionMoved, client.ErrNotReadOnly, nil, nil)
	if err := persist(ctx, c, step); err != nil || left() != 1 {
		t.Error(err, left())
	}
	step, left = steps(client.ErrConnectionLoss, client.ErrNoNode, nil)
	if err := persist(ctx, c, step); err != client.ErrNoNode || left() != 1 {
		t.Error(err, left())
	}
	cancel()
	step, _ = steps(client.ErrConnectionLoss)
	if err := persist(ctx, c, step); !errors.Is(err, context.Canceled) || !errors.Is(err, client.ErrConnectionLoss) {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	step, _ = steps(client.ErrConnectionLoss)
	if err := persist(t.Context(), c, step); !errors.Is(err, client.ErrClosed) {
		t.Error(err)
	}
}

func TestGoneIsOnlyWhatIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quokkatest.Start(t, 1).ConnectString())
	p := newPlace(w.c, w.path, Options{})
	w.must(p.ensure(w.ctx))
	_, err := w.other.Create(w.ctx, p.path("a"), nil)
	w.must(err)
	gone := start(func() (struct{}, error) { return struct{}{}, p.gone(w.ctx, "a") })
	armed := func() bool {
		ok, err := w.c.HasWatches(w.ctx, p.path("a"), client.DataWatches)
		w.must(err)
		return ok
	}
	w.until("it is watched", armed)
	_, err = w.other.Set(w.ctx, p.path("a"), nil, client.AnyVersion)
	w.must(err)
	w.until("it is watched again", armed)
	w.must(w.c.RemoveWatches(w.ctx, p.path("a"), client.DataWatches))
	w.until("it is watched again", armed)
	if len(gone) > 0 {
		t.Fatal("it is there")
	}
	w.must(w.other.Delete(w.ctx, p.path("a"), client.AnyVersion))
	w.must((<-gone).err)
	w.must(p.gone(w.ctx, "a"))
	ctx, cancel := context.WithCancel(w.ctx)
	cancel()
	if err := p.gone(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// Servers before 3.5 know neither containers nor a create that returns the
// node's Stat.
func TestOldServers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quokkatest.Start(t, 1).ConnectString())
	w.in.mu.Lock()
	w.in.old = true
	w.in.mu.Unlock()
	l := NewLock(w.c, w.path, Options{})
	h, err := l.Acquire(w.ctx)
	w.must(err)
	node, ok, err := w.other.Exists(w.ctx, h.Paths()[0])
	if !ok || err != nil || int64(node.Czxid) != h.Token() {
		t.Errorf("token %d, created by %d: %v", h.Token(), node.Czxid, err)
	}
	w.critical(h)
	w.must(h.Release(w.ctx))
	w.nothingLeft()
}

// What comes after the last look of a call that gave up is found by another.
func TestWhatComesVeryLate(t *testing.T) {
	t.Parallel()
	addr := quokkatest.Start(t, 1).ConnectString()
	w := newWorld(t, addr)
	p := newPlace(dialWith(t, addr, client.Options{SessionTimeout: 1500 * time.Millisecond}), w.path, Options{})
	w.must(p.ensure(w.ctx))
	k := p.newClaim(Curator)
	k.doubt = true
	<-k.drop()
	_, err := p.c.Create(w.ctx, p.path(k.mark+curatorLock), nil, client.Ephemeral, client.Sequential)
	w.must(err)
	w.until("it goes", func() bool { return w.children(w.path) == 0 })
	if p.c.Err() != nil {
		t.Error("with the session")
	}
}
