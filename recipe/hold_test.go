package recipe

import (
	"context"
	"errors"
	"testing"
	"time"

	"quokka/client"
	"quokka/quokkatest"
)

// TestSilenceEndsAHold has a holder lose touch with the servers: it must have
// stopped when the next one holds, although nobody has told it anything.
func TestSilenceEndsAHold(t *testing.T) {
	t.Parallel()
	addr := quokkatest.Start(t, 1).ConnectString()
	end := func(t *testing.T, silent bool) {
		in := &injector{t: t, addr: addr}
		c := dialWith(t, addr, client.Options{SessionTimeout: 3 * time.Second, Dial: in.dial})
		w := newWorld(t, addr)
		h, err := NewLock(c, w.path, Options{}).Acquire(w.ctx)
		w.must(err)
		waiting := start(func() (*Hold, error) { return NewLock(w.other, w.path, Options{}).Acquire(w.ctx) })
		in.freeze()
		if !silent { // a connection that breaks tells at once
			in.mu.Lock()
			in.chaos = func() (fault, bool) { return cutBefore, true }
			in.frozen = false
			in.mu.Unlock()
			_, _, _ = c.Exists(w.ctx, "/")
			in.freeze()
		}
		select {
		case <-h.Context().Done():
		case r := <-waiting:
			t.Fatalf("the next one holds: %v %v", r.v, r.err)
		}
		if err := h.Err(); !errors.Is(err, ErrLost) || c.Err() != nil {
			t.Error(err, c.Err())
		}
		r := <-waiting
		w.must(r.err)
		if r.v.Token() <= h.Token() {
			t.Errorf("tokens %d, %d", h.Token(), r.v.Token())
		}
		if _, err := h.Set(w.ctx, w.register, nil, -1); !errors.Is(err, ErrLost) {
			t.Error(err)
		}
		w.must(r.v.Release(w.ctx))
	}
	t.Run("silent", func(t *testing.T) { t.Parallel(); end(t, true) })
	t.Run("broken", func(t *testing.T) { t.Parallel(); end(t, false) })
}

// A connection that is lost for a moment ends nothing.
func TestReconnectionKeepsAHold(t *testing.T) {
	t.Parallel()
	s := quokkatest.Start(t, 1)
	w, c := newWorld(t, s.ConnectString()), s.Dial(t, client.Options{SessionTimeout: time.Minute})
	h, err := NewLock(c, w.path, Options{}).Acquire(w.ctx)
	w.must(err)
	w.must(s.Stop(0))
	w.must(s.Run(0))
	w.must(s.WaitServing())
	w.must(c.WaitConnected(w.ctx))
	w.critical(h)
	if h.Err() != nil {
		t.Error(h.Err())
	}
	w.must(h.Release(w.ctx))
	w.nothingOf(c)
}

func TestSomebodyDeletesTheNode(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quokkatest.Start(t, 1).ConnectString())
	l := NewLock(w.c, w.path, Options{})
	h, err := l.Acquire(w.ctx)
	w.must(err)
	waiting := start(func() (*Hold, error) { return l.Acquire(w.ctx) })
	w.until("it waits", func() bool { return w.children(w.path) == 2 })
	all, err := l.Contenders(w.ctx)
	w.must(err)
	w.must(w.other.Delete(w.ctx, all[1].Path, -1))
	w.must(w.other.Delete(w.ctx, h.Paths()[0], -1))
	<-h.Context().Done()
	if err := h.Err(); !errors.Is(err, ErrLost) {
		t.Error(err)
	}
	if r := <-waiting; !errors.Is(r.err, ErrLost) {
		t.Errorf("who was sent away: %v", r.err)
	}
	w.must(h.Release(w.ctx))
	if err := h.Err(); !errors.Is(err, ErrLost) {
		t.Errorf("after the release: %v", err)
	}
}

// TestGuards has a holder write late: when the next one holds.
func TestGuards(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quokkatest.Start(t, 1).ConnectString())
	h, err := NewLock(w.c, w.path, Options{}).Acquire(w.ctx)
	w.must(err)
	path, err := h.Create(w.ctx, w.register+"/a-", []byte("1"), client.Sequential)
	w.must(err)
	stat, err := h.Set(w.ctx, path, []byte("2"), 0)
	if err != nil || stat.Version != 1 {
		t.Error(stat, err)
	}
	if _, err := h.Set(w.ctx, path, nil, 7); !errors.Is(err, client.ErrBadVersion) || errors.Is(err, ErrLost) {
		t.Error(err)
	}
	if _, err := h.Set(w.ctx, "/missing", nil, -1); !errors.Is(err, client.ErrNoNode) || errors.Is(err, ErrLost) {
		t.Error(err)
	}
	results, err := h.Commit(w.ctx, h.Multi().Set(path, nil, -1).Delete(path, -1))
	if err != nil || len(results) != 2 || results[0].Stat.Version != 2 {
		t.Error(results, err)
	}
	// The server's word counts, not what the holder knows.
	late := h.Guard(w.c.Multi().Set(w.register, []byte("late"), -1))
	w.must(w.other.Delete(w.ctx, h.Paths()[0], -1))
	next, err := NewLock(w.other, w.path, Options{}).Acquire(w.ctx)
	w.must(err)
	if _, err := late.Commit(w.ctx); !errors.Is(err, client.ErrNoNode) {
		t.Error(err)
	}
	<-h.Context().Done()
	if err := h.Delete(w.ctx, w.register, -1); !errors.Is(err, ErrLost) {
		t.Error(err)
	}
	w.must(next.Release(w.ctx))
	if err := next.Delete(w.ctx, w.register, -1); !errors.Is(err, ErrReleased) {
		t.Error(err)
	}
}

type key struct{}

func TestContexts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quokkatest.Start(t, 1).ConnectString())
	l := NewLock(w.c, w.path, Options{})
	ctx, cancel := context.WithCancel(context.WithValue(w.ctx, key{}, 7))
	h, err := l.Acquire(ctx)
	w.must(err)
	cancel()
	if h.Context().Value(key{}) != 7 || h.Err() != nil {
		t.Error(h.Context().Value(key{}), h.Err())
	}
	if _, err := l.Acquire(h.Context()); !errors.Is(err, ErrHeld) {
		t.Error(err)
	}
	if err := h.Release(ctx); err != nil && !errors.Is(err, context.Canceled) { // and is released nevertheless
		t.Error(err)
	}
	h, err = l.Acquire(w.ctx)
	w.must(err)
	short, cancel := context.WithTimeout(w.ctx, 10*time.Millisecond)
	defer cancel()
	if _, err := l.Acquire(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	w.must(h.Release(w.ctx))
	w.must(h.Release(w.ctx))
	if !errors.Is(h.Err(), ErrReleased) || !errors.Is(context.Cause(h.Context()), ErrReleased) {
		t.Error(h.Err())
	}
	h, err = l.Acquire(h.Context())
	if !errors.Is(err, context.Canceled) {
		t.Error(h, err)
	}
	w.nothingLeft()
}

func TestReentrance(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quokkatest.Start(t, 1).ConnectString())
	l := NewLock(w.c, w.path, Options{Reentrant: true})
	outer, err := l.Acquire(w.ctx)
	w.must(err)
	inner, err := l.Acquire(outer.Context())
	w.must(err)
	third, err := l.TryAcquire(inner.Context())
	w.must(err)
	if inner.Token() != outer.Token() || third.Token() != outer.Token() || w.children(w.path) != 1 {
		t.Error("it was acquired twice")
	}
	busy := func() {
		t.Helper()
		if _, err := l.TryAcquire(w.ctx); !errors.Is(err, ErrBusy) {
			t.Error(err)
		}
	}
	w.must(inner.Release(w.ctx))
	w.must(inner.Release(w.ctx))
	busy()
	w.must(outer.Release(w.ctx))
	busy()
	if !errors.Is(outer.Err(), ErrReleased) || third.Err() != nil {
		t.Error(outer.Err(), third.Err())
	}
	w.must(third.Release(w.ctx))
	h, err := l.TryAcquire(w.ctx)
	w.must(err)
	again, err := l.Acquire(h.Context())
	w.must(err)
	w.must(w.other.Delete(w.ctx, h.Paths()[0], -1))
	<-h.Context().Done()
	<-again.Context().Done()
	if !errors.Is(h.Err(), ErrLost) || !errors.Is(again.Err(), ErrLost) {
		t.Error(h.Err(), again.Err())
	}
}

func TestDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quokkatest.Start(t, 1).ConnectString())
	l := NewLock(w.c, w.path, Options{Reentrant: true})
	failed := errors.New("failed")
	err := l.Do(w.ctx, func(ctx context.Context, h *Hold) error {
		return l.Do(ctx, func(ctx context.Context, h *Hold) error { return failed })
	})
	if err != failed || w.children(w.path) != 0 {
		t.Error(err, w.children(w.path))
	}
	err = l.Do(w.ctx, func(ctx context.Context, h *Hold) error {
		w.must(w.other.Delete(w.ctx, h.Paths()[0], -1))
		<-ctx.Done()
		if !errors.Is(context.Cause(ctx), ErrLost) {
			t.Error(context.Cause(ctx))
		}
		return nil
	})
	if !errors.Is(err, ErrLost) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(w.ctx)
	err = l.Do(ctx, func(ctx context.Context, h *Hold) error {
		cancel()
		<-ctx.Done()
		return context.Cause(ctx)
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	w.nothingLeft()
	func() {
		defer func() { _ = recover() }()
		_ = l.Do(w.ctx, func(context.Context, *Hold) error { panic("work") })
	}()
	if n := w.children(w.path); n != 0 {
		t.Errorf("%d nodes after a panic", n)
	}
	w.must(w.c.Close())
	if err := l.Do(w.ctx, nil); !errors.Is(err, client.ErrClosed) {
		t.Error(err)
	}
}

// TestEnsembleLosesItsLeader has a holder and a waiter go on.
func TestEnsembleLosesItsLeader(t *testing.T) {
	t.Parallel()
	s := quokkatest.Start(t, 3)
	w := newWorld(t, s.ConnectString())
	h, err := NewLock(w.c, w.path, Options{}).Acquire(w.ctx)
	w.must(err)
	waiting := start(func() (*Hold, error) { return NewLock(w.other, w.path, Options{}).Acquire(w.ctx) })
	w.until("it waits", func() bool { return w.children(w.path) == 2 })
	w.must(s.Stop(s.Leader()))
	w.critical(h)
	w.must(h.Release(w.ctx))
	r := <-waiting
	w.must(r.err)
	w.critical(r.v)
	w.must(r.v.Release(w.ctx))
	w.nothingLeft()
	w.checkTrail()
}
