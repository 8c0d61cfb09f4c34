package recipe

import (
	"context"
	"errors"
	"strings"
	"testing"

	"quokka/client"
	"quokka/quokkatest"
)

// TestReaderUnderFaults has the one that suffers read between two writers.
func TestReaderUnderFaults(t *testing.T) {
	t.Parallel()
	everyFault(t, func(w *world) {
		sick, healthy := NewRWLock(w.c, w.path, Options{}), NewRWLock(w.other, w.path, Options{Layout: Kazoo})
		lockInTurn(w, sick.Read(), healthy.Write())
	})
}

// TestWriterUnderFaults has it write between a reader and a writer.
func TestWriterUnderFaults(t *testing.T) {
	t.Parallel()
	everyFault(t, func(w *world) {
		sick, healthy := NewRWLock(w.c, w.path, Options{Layout: Kazoo}), NewRWLock(w.other, w.path, Options{})
		reader, err := healthy.Read().Acquire(w.ctx)
		w.must(err)
		waiting := start(func() (*Hold, error) { return sick.Write().Acquire(w.sick) })
		w.until("it waits or has failed", func() bool { return w.children(w.path) == 2 || len(waiting) == 1 })
		w.must(reader.Release(w.ctx))
		r := <-waiting
		last := start(func() (*Hold, error) { return healthy.Write().Acquire(w.ctx) })
		if w.ok(r.err) {
			w.critical(r.v)
			w.ok(r.v.Release(w.sick))
		}
		r = <-last
		w.must(r.err)
		w.critical(r.v)
		w.must(r.v.Release(w.ctx))
	})
}

// TestDowngradeUnderFaults has a writer become a reader while another writer
// waits, who must not write in between.
func TestDowngradeUnderFaults(t *testing.T) {
	t.Parallel()
	everyFault(t, func(w *world) {
		sick, healthy := NewRWLock(w.c, w.path, Options{}), NewRWLock(w.other, w.path, Options{})
		h, err := sick.Write().Acquire(w.sick)
		var waiting <-chan result[*Hold]
		if w.ok(err) {
			waiting = start(func() (*Hold, error) { return healthy.Write().Acquire(w.ctx) })
			w.until("it waits, or need not", func() bool { return w.children(w.path) == 2 || len(waiting) == 1 })
			w.critical(h)
			r, err := sick.Downgrade(w.sick, h)
			if h.Err() == nil {
				w.Error("the writer still holds")
			}
			if w.ok(err) {
				if len(waiting) == 1 && !w.in.ended() {
					w.Error("another one writes")
				}
				w.critical(r)
				w.ok(r.Release(w.sick))
			}
		} else {
			waiting = start(func() (*Hold, error) { return healthy.Write().Acquire(w.ctx) })
		}
		r := <-waiting
		w.must(r.err)
		w.critical(r.v)
		w.must(r.v.Release(w.ctx))
	})
}

// TestNobodyOvertakes queues up readers and writers of both layouts.
func TestNobodyOvertakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quokkatest.Start(t, 1).ConnectString())
	var holds [7]<-chan result[*Hold]
	for i, c := range "rrwrrwr" {
		l := NewRWLock(w.c, w.path, Options{Layout: layouts[i%2]})
		side := l.Read()
		if c == 'w' {
			side = l.Write()
		}
		holds[i] = start(func() (*Hold, error) { return side.Acquire(w.ctx) })
		w.until("it waits", func() bool { return w.children(w.path) == i+1 })
	}
	all, err := NewRWLock(w.c, w.path, Options{}).Read().Contenders(w.ctx)
	w.must(err)
	var kinds strings.Builder
	for _, c := range all {
		if c.Shared {
			kinds.WriteByte('r')
		} else {
			kinds.WriteByte('w')
		}
	}
	if kinds.String() != "rrwrrwr" {
		t.Error(kinds.String())
	}
	for _, some := range [][]int{{0, 1}, {2}, {3, 4}, {5}, {6}} {
		var inside []*Hold
		for _, i := range some {
			r := <-holds[i]
			w.must(r.err)
			inside = append(inside, r.v)
		}
		for i, ch := range holds {
			if i > some[len(some)-1] && len(ch) > 0 {
				t.Errorf("number %d holds with %v", i, some)
			}
		}
		for _, h := range inside {
			w.must(h.Release(w.ctx))
		}
	}
}

func TestDowngrade(t *testing.T) {
	t.Parallel()
	for _, layout := range layouts {
		w := newWorld(t, quokkatest.Start(t, 1).ConnectString())
		l := NewRWLock(w.c, w.path, Options{Layout: layout, Reentrant: true, Data: []byte("me")})
		h, err := l.Write().Acquire(w.ctx)
		w.must(err)
		again, err := l.Write().Acquire(h.Context())
		w.must(err)
		if _, err := l.Downgrade(w.ctx, h); !errors.Is(err, ErrHeld) || h.Err() != nil {
			t.Error(err, h.Err())
		}
		w.must(again.Release(w.ctx))
		writer := start(func() (*Hold, error) { return l.Write().Acquire(w.ctx) })
		w.until("it waits", func() bool { return w.children(w.path) == 2 })
		late := start(func() (*Hold, error) { return l.Read().Acquire(w.ctx) })
		w.until("it waits", func() bool { return w.children(w.path) == 3 })
		r, err := l.Downgrade(w.ctx, h)
		w.must(err)
		if !errors.Is(h.Err(), ErrReleased) || r.Token() != h.Token() || len(writer)+len(late) != 0 {
			t.Error(h.Err(), r.Token(), h.Token())
		}
		w.must(h.Release(w.ctx))
		if _, err := l.Downgrade(w.ctx, h); !errors.Is(err, ErrReleased) {
			t.Error(err)
		}
		if _, err := l.Downgrade(w.ctx, r); err == nil {
			t.Error("a reader was downgraded")
		}
		w.must(r.Release(w.ctx))
		last := <-writer
		w.must(last.err)
		if last.v.Token() <= r.Token() {
			t.Error(last.v.Token(), r.Token())
		}
		w.must(w.other.Delete(w.ctx, last.v.Paths()[0], -1))
		if _, err := l.Downgrade(w.ctx, last.v); !errors.Is(err, ErrLost) {
			t.Error(err)
		}
		reader := <-late
		w.must(reader.err)
		w.must(reader.v.Release(w.ctx))
		w.nothingLeft()
	}
}

func TestBothSides(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quokkatest.Start(t, 1).ConnectString())
	plain, l := NewRWLock(w.c, w.path, Options{}), NewRWLock(w.c, w.path, Options{Reentrant: true})
	writing, err := l.Write().Acquire(w.ctx)
	w.must(err)
	if _, err := plain.Read().Acquire(writing.Context()); !errors.Is(err, ErrHeld) {
		t.Error(err)
	}
	reading, err := l.Read().Acquire(writing.Context())
	w.must(err)
	if _, err := l.Write().Acquire(reading.Context()); err != nil {
		t.Error(err) // that is entered again: the context holds both
	}
	other := NewRWLock(w.other, w.path, Options{})
	if _, err := other.Read().TryAcquire(w.ctx); !errors.Is(err, ErrBusy) {
		t.Error(err)
	}
	w.must(w.other.Delete(w.ctx, writing.Paths()[0], client.AnyVersion))
	<-writing.Context().Done()
	if reading.Err() != nil {
		t.Error(reading.Err())
	}
	if _, err := l.Write().Acquire(reading.Context()); !errors.Is(err, ErrHeld) {
		t.Error(err)
	}
	shared, err := other.Read().TryAcquire(w.ctx)
	w.must(err)
	if _, err := other.Write().TryAcquire(w.ctx); !errors.Is(err, ErrBusy) {
		t.Error(err)
	}
	w.must(shared.Release(w.ctx))
	w.must(reading.Release(context.Background()))
	w.nothingLeft()
}
