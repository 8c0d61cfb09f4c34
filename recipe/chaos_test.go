package recipe

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"quokka/client"
	"quokka/quokkatest"
)

// chaos runs work with sessions whose connections break again and again, at
// requests that the seed chooses, until work returns.
func chaos(t *testing.T, sessions int, seed uint64, work func(w *world, c *client.Client, i int)) *world {
	t.Helper()
	addr := quokkatest.Start(t, 1).ConnectString()
	r := rand.New(rand.NewPCG(seed, 1))
	var wg sync.WaitGroup
	var first *world
	for i := range sessions {
		w := newWorld(t, addr)
		if first == nil {
			first = w
		}
		w.path = first.path
		own := rand.New(rand.NewPCG(r.Uint64(), r.Uint64()))
		over := make(chan struct{})
		wg.Go(func() { w.annoy(own, over) })
		wg.Go(func() {
			defer close(over)
			work(w, w.c, i)
		})
	}
	wg.Wait()
	return first
}

// annoy has another fault happen whenever one has.
func (w *world) annoy(r *rand.Rand, over <-chan struct{}) {
	for {
		w.in.arm(w.in.requests()+1+r.IntN(12), faults[r.IntN(3)])
		w.until("the fault has happened", func() bool {
			select {
			case <-over:
				return true
			default:
			}
			w.in.mu.Lock()
			defer w.in.mu.Unlock()
			return w.in.fired
		})
		select {
		case <-over:
			w.in.arm(0, cutBefore)
			return
		default:
		}
	}
}

// TestCounterInChaos loses and doubles nothing.
func TestCounterInChaos(t *testing.T) {
	t.Parallel()
	const adds = 60
	w := chaos(t, 3, 1, func(w *world, c *client.Client, _ int) {
		k := NewCounter(c, w.path, CounterOptions{})
		for range adds {
			if _, err := k.Add(w.ctx, 1); err != nil {
				w.Error(err)
			}
		}
		if err := k.Close(w.ctx); err != nil {
			w.Error(err)
		}
	})
	if v, err := NewCounter(w.other, w.path, CounterOptions{}).Get(w.ctx); v != 3*adds || err != nil {
		t.Errorf("%d, want %d: %v", v, 3*adds, err)
	}
	w.nothingLeft()
}

// TestQueueInChaos hands every item out once, by both ways, and in order for
// each that puts and takes.
func TestQueueInChaos(t *testing.T) {
	t.Parallel()
	const items = 40
	var mu sync.Mutex
	got := make(map[string]int)
	w := chaos(t, 3, 2, func(w *world, c *client.Client, i int) {
		q := NewQueue(c, w.path, QueueOptions{})
		for n := range items {
			if err := q.Put(w.ctx, []byte(strconv.Itoa(i*items+n))); err != nil {
				w.Error(err)
			}
		}
		for n := 0; ; n++ {
			var data []byte
			var err error
			if n%2 == 0 {
				var it *Item
				if it, err = q.TryTake(w.ctx); err == nil && n%8 == 0 {
					err = it.Return(w.ctx)
					it = nil
				}
				if err == nil && it != nil {
					data, err = it.Data, it.Done(w.ctx)
				}
			} else {
				var e Entry
				e, err = q.TryPop(w.ctx)
				data = e.Data
			}
			if errors.Is(err, ErrEmpty) {
				break
			}
			if err != nil {
				w.Error(err)
				break
			}
			if data != nil {
				mu.Lock()
				got[string(data)]++
				mu.Unlock()
			}
		}
		if err := q.Close(w.ctx); err != nil {
			w.Error(err)
		}
	})
	q := NewQueue(w.other, w.path, QueueOptions{})
	for {
		e, err := q.TryPop(w.ctx)
		if errors.Is(err, ErrEmpty) {
			break
		}
		w.must(err)
		got[string(e.Data)]++
	}
	w.must(q.Close(w.ctx))
	for n := range 3 * items {
		if s := strconv.Itoa(n); got[s] != 1 {
			t.Errorf("%s was handed out %d times", s, got[s])
		}
	}
	w.nothingLeft()
}

// TestWaitingTakersInChaos: no item lies there while somebody waits for one.
func TestWaitingTakersInChaos(t *testing.T) {
	t.Parallel()
	const items = 25
	w := chaos(t, 4, 3, func(w *world, c *client.Client, i int) {
		q := NewQueue(c, w.path, QueueOptions{})
		for n := range items {
			var err error
			if i%2 == 0 {
				err = q.Put(w.ctx, []byte{byte(i), byte(n)})
			} else {
				var it *Item
				if it, err = q.Take(w.ctx); err == nil {
					err = it.Done(w.ctx)
				}
			}
			if err != nil {
				w.Error(err)
				return
			}
		}
		if err := q.Close(w.ctx); err != nil {
			w.Error(err)
		}
	})
	if n := w.children(w.path + "/entries"); n != 0 {
		t.Errorf("%d items are left", n)
	}
	w.nothingLeft()
}

// TestPartitionerInChaos never lets two work on one partition, and ends with
// every partition owned.
func TestPartitionerInChaos(t *testing.T) {
	t.Parallel()
	s := newWorks()
	parts := names("p", 6)
	var shared atomic.Int32
	w := chaos(t, 3, 4, func(w *world, c *client.Client, i int) {
		name := "m" + strconv.Itoa(i)
		for round := range 3 {
			ctx, cancel := context.WithCancel(w.ctx)
			p := NewPartitioner(c, w.path, parts, quick(name))
			done := start(func() (struct{}, error) { return struct{}{}, p.Run(ctx, s.do(name)) })
			w.until("it has its share", func() bool { return s.counts()[name] >= 2 || len(done) > 0 })
			if round == 2 { // all together
				w.until("they share", func() bool { n := s.counts(); return n["m0"] == 2 && n["m1"] == 2 && n["m2"] == 2 })
				shared.Add(1)
				w.until("all have seen it", func() bool { return shared.Load() == 3 })
			}
			cancel()
			if r := <-done; !errors.Is(r.err, context.Canceled) {
				w.Error(r.err)
			}
		}
	})
	if len(s.twice) > 0 {
		t.Errorf("worked on twice: %v", s.twice)
	}
	w.nothingLeft()
}

// TestEnsembleLosesItsLeaderUnderLoad stops the leader while items move from
// one queue into a counter and another queue.
func TestEnsembleLosesItsLeaderUnderLoad(t *testing.T) {
	t.Parallel()
	servers := quokkatest.Start(t, 3)
	w := newWorld(t, servers.ConnectString())
	const items = 60
	in := NewQueue(w.other, w.path+"/in", QueueOptions{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := range items {
			if err := in.Put(w.ctx, []byte(strconv.Itoa(n))); err != nil {
				t.Error(err)
			}
			if n == items/2 {
				if err := servers.Stop(servers.Leader()); err != nil {
					t.Error(err)
				}
			}
		}
	})
	q, sum := NewQueue(w.c, w.path+"/in", QueueOptions{}), NewCounter(w.c, w.path+"/sum", CounterOptions{})
	for n := range items {
		it, err := q.Take(w.ctx)
		w.must(err)
		if string(it.Data) != strconv.Itoa(n) {
			t.Errorf("%s, want %d", it.Data, n)
		}
		_, err = sum.Add(w.ctx, int64(n))
		w.must(err)
		w.must(it.Done(w.ctx))
	}
	wg.Wait()
	if v, err := sum.Get(w.ctx); v != items*(items-1)/2 || err != nil {
		t.Errorf("%d: %v", v, err)
	}
	w.must(errors.Join(q.Close(w.ctx), in.Close(w.ctx), sum.Close(w.ctx)))
	w.nothingLeft()
}
