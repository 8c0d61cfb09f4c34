package recipe

import (
	"context"
	"errors"
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

// TestSemaphoreUnderFaults has two sessions want two leases each of three.
func TestSemaphoreUnderFaults(t *testing.T) {
	for _, layout := range layouts {
		t.Run(layout.String(), func(t *testing.T) {
			t.Parallel()
			everyFault(t, func(w *world) {
				sick, healthy := NewSemaphore(w.c, w.path, 3, Options{Layout: layout}), NewSemaphore(w.other, w.path, 3, Options{Layout: layout})
				first, err := healthy.Acquire(w.ctx, 2)
				w.must(err)
				waiting := start(func() (*Hold, error) { return sick.Acquire(w.sick, 2) })
				w.until("it waits or has failed", func() bool {
					all, err := healthy.Waiters(w.ctx)
					return err == nil && len(all) == 1 || len(waiting) == 1
				})
				w.critical(first)
				w.must(first.Release(w.ctx))
				r := <-waiting
				last := start(func() (*Hold, error) { return healthy.Acquire(w.ctx, 2) })
				if w.ok(r.err) {
					w.critical(r.v)
					w.ok(r.v.Release(w.sick))
				}
				r = <-last
				w.must(r.err)
				w.critical(r.v)
				w.must(r.v.Release(w.ctx))
			})
		})
	}
}

func TestTrySemaphoreUnderFaults(t *testing.T) {
	t.Parallel()
	everyFault(t, func(w *world) {
		s := NewSemaphore(w.c, w.path, 2, Options{})
		h, err := s.TryAcquire(w.sick, 2)
		if w.ok(err) {
			if _, err := s.TryAcquire(w.sick, 1); err == nil || !errors.Is(err, ErrBusy) && w.ok(err) {
				w.Errorf("a third lease: %v", err)
			}
			w.ok(h.Release(w.sick))
		}
		h, err = NewSemaphore(w.other, w.path, 2, Options{}).Acquire(w.ctx, 2)
		w.must(err)
		w.must(h.Release(w.ctx))
	})
}

// TestSemaphoreIsNeverExceeded has many want different numbers of leases, with
// lost connections, and looks at the leases all the time.
func TestSemaphoreIsNeverExceeded(t *testing.T) {
	t.Parallel()
	const limit = 4
	addr := quokkatest.Start(t, 1).ConnectString()
	w := newWorld(t, addr)
	var inside, most atomic.Int32
	var wg sync.WaitGroup
	for i := range 6 {
		r := rand.New(rand.NewPCG(1, uint64(i)))
		in := &injector{t: t, addr: addr, chaos: func() (fault, bool) { return fault(r.IntN(3)), r.IntN(15) == 0 }}
		s := NewSemaphore(dialWith(t, addr, client.Options{SessionTimeout: sessionTimeout, Dial: in.dial}), w.path, limit, Options{})
		wg.Go(func() {
			for n := range 8 {
				n = (n+i)%limit + 1
				err := s.Do(w.ctx, n, func(ctx context.Context, h *Hold) error {
					now := inside.Add(int32(n))
					if now > limit || len(h.Paths()) != n {
						t.Errorf("%d leases", now)
					}
					most.Store(max(most.Load(), now))
					select {
					case <-ctx.Done():
					case <-time.After(time.Duration(n) * time.Millisecond): // that others come meanwhile
					}
					inside.Add(int32(-n))
					return ctx.Err()
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	w.until("all have had their turns", func() bool {
		if n := w.children(w.path + curatorLeases); n > limit {
			t.Errorf("%d leases", n)
		}
		select {
		case <-done:
			return true
		default:
			return false
		}
	})
	if most.Load() < 2 {
		t.Error("never two leases at a time")
	}
}

func TestSemaphoreLimits(t *testing.T) {
	t.Parallel()
	for _, layout := range layouts {
		w := newWorld(t, quokkatest.Start(t, 1).ConnectString())
		o := Options{Layout: layout, Data: []byte("me")}
		s := NewSemaphore(w.c, w.path, 3, o)
		for _, n := range []int{0, -1, 4} {
			if _, err := s.Acquire(w.ctx, n); !errors.Is(err, ErrLimit) {
				t.Errorf("%d leases: %v", n, err)
			}
		}
		h, err := s.Acquire(w.ctx, 3)
		w.must(err)
		all, err := s.Holders(w.ctx)
		if err != nil || len(all) != 3 || string(all[2].Data) != "me" || all[0].Session != w.c.Session().ID || len(h.Paths()) != 3 {
			t.Error(all, err)
		}
		if data, _, err := w.other.Get(w.ctx, w.path); string(data) != "3" || err != nil {
			t.Errorf("%q, %v", data, err)
		}
		if _, err := s.TryAcquire(w.ctx, 1); !errors.Is(err, ErrBusy) {
			t.Error(err)
		}
		if _, err := NewSemaphore(w.other, w.path, 2, o).Acquire(w.ctx, 1); !errors.Is(err, ErrLimit) {
			t.Error(err)
		}
		_, err = w.other.Set(w.ctx, w.path, []byte("4"), client.AnyVersion)
		w.must(err)
		more, err := NewSemaphore(w.other, w.path, 4, o).Acquire(w.ctx, 1)
		w.must(err)
		// Who deletes one lease of many ends the hold, which gives all back.
		w.must(w.other.Delete(w.ctx, h.Paths()[1], client.AnyVersion))
		<-h.Context().Done()
		if !errors.Is(h.Err(), ErrLost) {
			t.Error(h.Err())
		}
		w.must(h.Release(w.ctx))
		w.must(more.Release(w.ctx))
		_, err = w.other.Set(w.ctx, w.path, []byte("not a number"), client.AnyVersion)
		w.must(err)
		h, err = s.Acquire(w.ctx, 1)
		w.must(err)
		w.must(h.Release(w.ctx))
		w.nothingLeft()
	}
}

// Two that want all must not keep from each other what they have got.
func TestLargeWishesDoNotBlockEachOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quokkatest.Start(t, 1).ConnectString())
	a, b := NewSemaphore(w.c, w.path, 4, Options{Data: []byte("a")}), NewSemaphore(w.other, w.path, 4, Options{Data: []byte("b")})
	queue := func(want string) {
		t.Helper()
		w.until("they wait", func() bool {
			all, err := a.Waiters(w.ctx)
			w.must(err)
			var got strings.Builder
			for _, v := range all {
				got.WriteString(string(v.Data))
			}
			return got.String() == want
		})
	}
	h, err := a.Acquire(w.ctx, 2)
	w.must(err)
	queue("")
	all := start(func() (*Hold, error) { return a.Acquire(w.ctx, 4) })
	queue("a")
	more := start(func() (*Hold, error) { return b.Acquire(w.ctx, 3) })
	queue("ab")
	w.must(h.Release(w.ctx))
	r := <-all
	w.must(r.err)
	if len(more) > 0 {
		t.Error("seven leases of four")
	}
	w.must(r.v.Release(w.ctx))
	r = <-more
	w.must(r.err)
	w.must(r.v.Release(w.ctx))
}

// Who has lost its turn takes no lease, whatever it knows of that.
func TestLeasesAreTakenInTurn(t *testing.T) {
	t.Parallel()
	for _, layout := range layouts {
		w := newWorld(t, quokkatest.Start(t, 1).ConnectString())
		s := NewSemaphore(w.c, w.path, 2, Options{Layout: layout})
		h, err := s.Acquire(w.ctx, 2)
		w.must(err)
		turn, err := s.queue.Acquire(w.ctx)
		w.must(err)
		w.must(w.other.Delete(w.ctx, turn.Paths()[0], client.AnyVersion))
		k := s.leases.newClaim(layout)
		if err := s.take(w.ctx, turn, k, 2); !errors.Is(err, ErrLost) {
			t.Error(err)
		}
		if n := w.children(s.leases.dir); n != 2 {
			t.Errorf("%d leases", n)
		}
		waiting := start(func() (*Hold, error) { return s.Acquire(w.ctx, 1) })
		w.until("it waits", func() bool { return w.children(s.queue.dir) == 1 })
		all, err := s.Waiters(w.ctx)
		w.must(err)
		w.must(w.other.Delete(w.ctx, all[0].Path, client.AnyVersion))
		if r := <-waiting; !errors.Is(r.err, ErrLost) {
			t.Error(r.err)
		}
		w.must(h.Release(w.ctx))
		w.nothingLeft()
	}
}

// What was sent twice because an answer was lost is taken once.
func TestLeasesThatCameTwiceAreGivenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quokkatest.Start(t, 1).ConnectString())
	s := NewSemaphore(w.c, w.path, 2, Options{})
	turn, err := s.queue.Acquire(w.ctx)
	w.must(err)
	k := s.leases.newClaim(Curator)
	w.must(s.take(w.ctx, turn, k, 2))
	twin := *k
	twin.nodes = nil
	w.must(s.take(w.ctx, turn, &twin, 2))
	k.doubt = true
	w.must(s.settle(w.ctx, turn, k))
	names, _, err := w.other.Children(w.ctx, s.leases.dir)
	if slices.Sort(names); err != nil || !slices.Equal(names, k.nodes) {
		t.Error(names, k.nodes, err)
	}
	<-k.drop()
}
