package recipe

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"quokka/client"
	"quokka/quokkatest"
)

func TestBarrierUnderFaults(t *testing.T) {
	t.Parallel()
	everyFault(t, func(w *world) {
		sick, healthy := NewBarrier(w.c, w.path), NewBarrier(w.other, w.path)
		w.ok(sick.Create(w.sick))
		w.must(healthy.Create(w.ctx))
		sicks := start(func() (struct{}, error) { return struct{}{}, sick.Wait(w.sick) })
		healthys := start(func() (struct{}, error) { return struct{}{}, healthy.Wait(w.ctx) })
		if len(healthys) > 0 {
			w.Error("it did not wait")
		}
		there, err := sick.Remove(w.sick)
		if w.ok(err) && !there {
			w.Error("there was no barrier to be removed")
		}
		if err != nil {
			_, err = healthy.Remove(w.ctx)
			w.must(err)
		}
		w.must((<-healthys).err)
		w.ok((<-sicks).err)
		w.must(healthy.Wait(w.ctx))
	})
}

func TestBarrierWaits(t *testing.T) {
	t.Parallel()
	c := quokkatest.Start(t, 1).Dial(t, client.Options{})
	b := NewBarrier(c, "/deep/barrier")
	if there, err := b.Remove(t.Context()); there || err != nil {
		t.Errorf("%v %v", there, err)
	}
	if err := b.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	if err := b.Create(t.Context()); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	waiting := start(func() (struct{}, error) { return struct{}{}, b.Wait(ctx) })
	cancel()
	if r := <-waiting; !errors.Is(r.err, context.Canceled) {
		t.Error(r.err)
	}
}

// TestDoubleBarrierUnderFaults has three members, one of which suffers. If its
// session is ended, a fourth takes its place.
func TestDoubleBarrierUnderFaults(t *testing.T) {
	t.Parallel()
	everyFault(t, func(w *world) {
		sick, healthy := NewDoubleBarrier(w.c, w.path, 3, Options{}), NewDoubleBarrier(w.other, w.path, 3, Options{})
		enter := func(b *DoubleBarrier) <-chan result[*Stay] {
			return start(func() (*Stay, error) { return b.Enter(w.ctx) })
		}
		a, b, c := enter(healthy), start(func() (*Stay, error) { return sick.Enter(w.sick) }), enter(healthy)
		r := <-b
		if !w.ok(r.err) {
			b = enter(healthy)
			r = <-b
			w.must(r.err)
		}
		stays := []*Stay{r.v}
		for _, ch := range []<-chan result[*Stay]{a, c} {
			r := <-ch
			w.must(r.err)
			stays = append(stays, r.v)
		}
		var wg sync.WaitGroup
		for _, s := range stays {
			wg.Go(func() {
				if s.b == sick {
					w.ok(s.Leave(w.sick))
				} else if err := s.Leave(w.ctx); err != nil {
					w.Error(err)
				}
			})
		}
		wg.Wait()
		w.until("all is tidy", func() bool { return w.children(w.path) == 0 })
	})
}

func TestDoubleBarrierWaitsForAll(t *testing.T) {
	t.Parallel()
	c := quokkatest.Start(t, 1).Dial(t, client.Options{})
	b := NewDoubleBarrier(c, "/db", 3, Options{})
	for round := range 3 {
		var inside sync.WaitGroup
		order := make(chan string, 100)
		inside.Add(3)
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() {
				order <- "come"
				s, err := b.Enter(t.Context())
				if err != nil {
					t.Error(err)
					inside.Done()
					return
				}
				order <- "in"
				inside.Done()
				inside.Wait()
				order <- "go"
				if err := s.Leave(t.Context()); err != nil {
					t.Errorf("%d: %v", i, err)
				}
				order <- "out"
				if err := s.Leave(t.Context()); err != nil || !errors.Is(s.Err(), ErrReleased) {
					t.Error(err, s.Err())
				}
				if why := context.Cause(s.Context()); !errors.Is(why, ErrReleased) {
					t.Errorf("the context ended with %v", why)
				}
			})
		}
		wg.Wait()
		close(order)
		var got []string
		for s := range order {
			got = append(got, s)
		}
		want := "[come come come in in in go go go out out out]"
		if fmt.Sprint(got) != want {
			t.Errorf("round %d: %v", round, got)
		}
	}
}

// TestDoubleBarrierWhoseMembersDied lets nobody in alone afterwards, and does
// not wait for the dead.
func TestDoubleBarrierWhoseMembersDied(t *testing.T) {
	t.Parallel()
	servers := quokkatest.Start(t, 1)
	c, dead := servers.Dial(t, client.Options{}), servers.Dial(t, client.Options{})
	b := NewDoubleBarrier(c, "/db", 2, Options{})
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	other := start(func() (*Stay, error) { return NewDoubleBarrier(dead, "/db", 2, Options{}).Enter(ctx) })
	s, err := b.Enter(ctx)
	if r := <-other; err != nil || r.err != nil {
		t.Fatal(err, r.err)
	}
	leaving := start(func() (struct{}, error) { return struct{}{}, s.Leave(ctx) })
	_ = dead.Close()
	if r := <-leaving; r.err != nil {
		t.Error(r.err)
	}
	// Both die inside: ready stays.
	if _, err := c.Create(ctx, "/db/ready", nil); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithCancel(ctx)
	alone := start(func() (*Stay, error) { return b.Enter(short) })
	for names, _, _ := c.Children(ctx, "/db"); len(names) != 1 || names[0] == readyNode; names, _, _ = c.Children(ctx, "/db") {
		if len(alone) > 0 {
			t.Fatal("it entered alone")
		}
	}
	cancel()
	if r := <-alone; !errors.Is(r.err, context.Canceled) {
		t.Error(r.err)
	}
	for names, _, _ := c.Children(ctx, "/db"); len(names) != 0; names, _, _ = c.Children(ctx, "/db") {
	}
	// A member whose node somebody deletes is told.
	lost := start(func() (*Stay, error) { return b.Enter(ctx) })
	for {
		names, _, _ := c.Children(ctx, "/db")
		if len(names) == 1 {
			_ = c.Delete(ctx, "/db/"+names[0], client.AnyVersion)
			break
		}
	}
	if r := <-lost; !errors.Is(r.err, ErrLost) {
		t.Error(r.err)
	}
}
