package recipe

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"quokka/client"
	"quokka/quokkatest"
)

var layouts = []Layout{Curator, Kazoo}

// TestLockUnderFaults has a healthy session hold the lock before and after
// the one that suffers.
func TestLockUnderFaults(t *testing.T) {
	t.Parallel()
	everyFault(t, func(w *world) {
		sick, healthy := NewLock(w.c, w.path, Options{}), NewLock(w.other, w.path, Options{Layout: Kazoo})
		lockInTurn(w, sick, healthy)
	})
}

func TestLockUnderTwoFaults(t *testing.T) {
	t.Parallel()
	everyTwoFaults(t, 8, func(w *world) {
		lockInTurn(w, NewLock(w.c, w.path, Options{}), NewLock(w.other, w.path, Options{}))
	})
}

// lockInTurn has sick and healthy hold one exclusive lock in turn.
func lockInTurn(w *world, sick, healthy *Lock) {
	first, err := healthy.Acquire(w.ctx)
	w.must(err)
	waiting := start(func() (*Hold, error) { return sick.Acquire(w.sick) })
	w.until("it waits or has failed", func() bool { return w.children(w.path) == 2 || len(waiting) == 1 })
	w.critical(first)
	w.must(first.Release(w.ctx))
	r := <-waiting
	last := start(func() (*Hold, error) { return healthy.Acquire(w.ctx) })
	if w.ok(r.err) {
		w.critical(r.v)
		w.ok(r.v.Release(w.sick))
	}
	r = <-last
	w.must(r.err)
	w.critical(r.v)
	w.must(r.v.Release(w.ctx))
}

// TestFirstUseUnderFaults has nobody else there, nor any directory.
func TestFirstUseUnderFaults(t *testing.T) {
	t.Parallel()
	everyFault(t, func(w *world) {
		l := NewLock(w.c, w.path, Options{Layout: Kazoo})
		for range 2 {
			w.ok(l.Do(w.sick, func(_ context.Context, h *Hold) error {
				w.critical(h)
				return nil
			}))
		}
		w.must(NewLock(w.other, w.path, Options{}).Do(w.ctx, func(_ context.Context, h *Hold) error {
			w.critical(h)
			return nil
		}))
	})
}

func TestTryAcquireUnderFaults(t *testing.T) {
	t.Parallel()
	everyFault(t, func(w *world) {
		sick, healthy := NewLock(w.c, w.path, Options{}), NewLock(w.other, w.path, Options{})
		h, err := sick.TryAcquire(w.sick)
		if w.ok(err) {
			second, err := healthy.TryAcquire(w.ctx)
			switch {
			case err == nil && w.in.ended():
				w.must(second.Release(w.ctx))
			case !errors.Is(err, ErrBusy):
				w.Errorf("a second holder: %v", err)
			}
			w.critical(h)
			w.ok(h.Release(w.sick))
		}
		first, err := healthy.Acquire(w.ctx)
		w.must(err)
		if _, err := sick.TryAcquire(w.sick); err == nil || !errors.Is(err, ErrBusy) && w.ok(err) {
			w.Errorf("a second holder: %v", err)
		}
		w.must(first.Release(w.ctx))
	})
}

// A creation whose answer is lost is not repeated: the contender keeps its
// place in the queue.
func TestLostCreationIsFoundAgain(t *testing.T) {
	t.Parallel()
	addr := quokkatest.Start(t, 1).ConnectString()
	for _, layout := range layouts {
		w := newWorld(t, addr)
		w.must(w.other.EnsurePath(w.ctx, w.path))
		w.in.arm(1, cutAfter)
		h, err := NewLock(w.c, w.path, Options{Layout: layout}).Acquire(w.ctx)
		w.must(err)
		names, stat, err := w.other.Children(w.ctx, w.path)
		if err != nil || len(names) != 1 || stat.Cversion != 1 || w.in.requests() < 4 {
			t.Error(names, stat.Cversion, err)
		}
		node, _, err := w.other.Exists(w.ctx, h.Paths()[0])
		if err != nil || int64(node.Czxid) != h.Token() {
			t.Errorf("token %d, created by %d: %v", h.Token(), node.Czxid, err)
		}
	}
}

// What an old connection carried may reach the servers after its client has
// looked for it on a new one.
func TestLateCreationBlocksNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quokkatest.Start(t, 1).ConnectString())
	p := newPlace(w.c, w.path, Options{})
	k := p.newClaim(Curator)
	k.doubt = true
	w.must(p.ensure(w.ctx))
	late := func() {
		t.Helper()
		_, err := w.c.Create(w.ctx, p.path(k.mark+curatorLock), nil, client.Ephemeral, client.Sequential)
		w.must(err)
	}
	late()
	k.nodes = []string{"x"} // find has seen none
	w.must(func() error {   // the second attempt
		path, err := w.c.Create(w.ctx, p.path(k.mark+curatorLock), nil, client.Ephemeral, client.Sequential)
		k.nodes = []string{p.name(path)}
		return err
	}())
	late()
	l := NewLock(w.c, w.path, Options{})
	w.must(k.turn(w.ctx, k.nodes[0], l.before(k.nodes[0])))
	if n := w.children(w.path); n != 1 {
		t.Errorf("%d nodes", n)
	}
	late()
	<-k.drop()
	if n := w.children(w.path); n != 0 {
		t.Errorf("%d nodes", n)
	}
}

// TestLockStress has many contenders with random faults, ends of sessions
// among them.
func TestLockStress(t *testing.T) {
	t.Parallel()
	addr := quokkatest.Start(t, 1).ConnectString()
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newWorld(t, addr)
			w.ends = true
			var held atomic.Int32
			var wg sync.WaitGroup
			for i := range 6 {
				r := rand.New(rand.NewPCG(seed, uint64(i)))
				wg.Go(func() {
					for n := 0; n < 15 && !t.Failed(); {
						n += contend(w, r, addr, layouts[i%2], &held, 15-n)
					}
				})
			}
			wg.Wait()
			w.checkTrail()
			w.until("the lock is free", func() bool { return w.children(w.path) == 0 })
			if held.Load() != 6*15 || len(w.trail) == 0 {
				t.Errorf("held %d times, %d writes", held.Load(), len(w.trail))
			}
		})
	}
}

// contend acquires a lock n times with one session, which may end, and
// returns how often it did.
func contend(w *world, r *rand.Rand, addr string, layout Layout, held *atomic.Int32, n int) int {
	in := &injector{t: w.T, addr: addr, cancel: func() {}}
	c := dialWith(w.T, addr, client.Options{SessionTimeout: sessionTimeout, Dial: in.dial})
	defer c.Close()
	in.c.Store(c)
	theirs := rand.New(rand.NewPCG(r.Uint64(), 0))
	in.mu.Lock()
	in.chaos = func() (fault, bool) {
		if theirs.IntN(100) == 0 {
			return []fault{endBefore, endAfter}[theirs.IntN(2)], true
		}
		return fault(theirs.IntN(3)), theirs.IntN(12) == 0
	}
	in.mu.Unlock()
	l := NewLock(c, w.path, Options{Layout: layout})
	for i := range n {
		ctx, cancel := context.WithTimeout(w.ctx, time.Duration(5+r.IntN(1000))*time.Millisecond)
		h, err := l.Acquire(ctx)
		switch {
		case c.Err() != nil:
			cancel()
			return i
		case err == nil:
			held.Add(1)
			w.critical(h)
			_ = h.Release(w.ctx)
		case !errors.Is(err, context.DeadlineExceeded):
			w.Error(err)
		default:
			held.Add(1) // it has had its chance
		}
		cancel()
	}
	w.nothingOf(c) // a Client that is closed without a connection leaves its session to expire
	return n
}

// TestInOrderAndOneAtATime has contenders of both layouts queue up: each
// leaver wakes the next, and nobody else.
func TestInOrderAndOneAtATime(t *testing.T) {
	t.Parallel()
	addr := quokkatest.Start(t, 1).ConnectString()
	w := newWorld(t, addr)
	const waiters = 5
	var woken atomic.Int32
	first, err := NewLock(w.other, w.path, Options{Data: []byte("first")}).Acquire(w.ctx)
	w.must(err)
	got := make(chan *Hold)
	for i := range waiters {
		o := client.Options{Hooks: client.Hooks{Event: func(client.Event) { woken.Add(1) }}}
		l := NewLock(dialWith(t, addr, o), w.path, Options{Layout: layouts[i%2], Data: fmt.Append(nil, i)})
		go func() {
			h, err := l.Acquire(w.ctx)
			if err != nil {
				t.Error(err)
			}
			got <- h
		}()
		w.until("it waits", func() bool { return w.children(w.path) == i+2 })
	}
	all, err := NewLock(w.other, w.path, Options{}).Contenders(w.ctx)
	w.must(err)
	var who strings.Builder
	for _, c := range all {
		who.WriteString(" " + string(c.Data))
	}
	if who.String() != " first 0 1 2 3 4" || all[0].Token != first.Token() || all[0].Session != w.other.Session().ID || all[0].Since.IsZero() {
		t.Error(who.String(), all[0])
	}
	tokens := []int64{first.Token()}
	h := first
	for i := range waiters {
		woken.Store(0)
		w.must(h.Release(w.ctx))
		h = <-got
		tokens = append(tokens, h.Token())
		// Who releases may hear of its own node's deletion.
		if n := woken.Load(); n > 2 {
			t.Errorf("%d were woken by the release of number %d", n, i)
		}
		if h.Token() != all[i+1].Token {
			t.Errorf("number %d has token %d, want %d", i, h.Token(), all[i+1].Token)
		}
	}
	if !slices.IsSorted(tokens) {
		t.Error(tokens)
	}
	w.must(h.Release(w.ctx))
}

func TestLockPermissions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quokkatest.Start(t, 1).ConnectString())
	acl := client.DigestACL(client.PermAll, "a", "b")
	_, err := NewLock(w.c, w.path, Options{ACL: acl}).TryAcquire(w.ctx)
	if !errors.Is(err, client.ErrNoAuth) { // neither a shorter wait nor a loop
		t.Error(err)
	}
	w.must(w.c.AddAuth(w.ctx, "digest", []byte("a:b")))
	h, err := NewLock(w.c, w.path, Options{ACL: acl}).Acquire(w.ctx)
	w.must(err)
	got, _, err := w.c.GetACL(w.ctx, h.Paths()[0])
	if err != nil || !slices.Equal(got, acl) {
		t.Error(got, err)
	}
	_, err = NewLock(w.other, w.path, Options{ACL: acl}).Acquire(w.ctx)
	if !errors.Is(err, client.ErrNoAuth) {
		t.Error(err)
	}
	w.must(h.Release(w.ctx))
	if _, err := NewLock(w.c, "no/path", Options{}).Acquire(w.ctx); !errors.Is(err, client.ErrBadArguments) {
		t.Error(err)
	}
}
