package recipe

import (
	"testing"
)

// TestLockUnderFaults has a healthy session hold the lock before and after
// the one that suffers.
func TestLockUnderFaults(t *testing.T) {
	t.Parallel()
	everyFault(t, func(w *world) {
		sick, healthy := NewLock(w.c, w.path, Options{}), NewLock(w.other, w.path, Options{})
		first, err := healthy.Acquire(w.ctx)
		w.must(err)
		waiting := start(func() (*Hold, error) { return sick.Acquire(w.ctx) })
		w.until("it waits or has failed", func() bool { return w.children(w.path) == 2 || len(waiting) == 1 })
		w.critical(first)
		w.must(first.Release(w.ctx))
		r := <-waiting
		last := start(func() (*Hold, error) { return healthy.Acquire(w.ctx) })
		if w.ok(r.err) {
			w.critical(r.v)
			w.must(r.v.Release(w.ctx))
		}
		r = <-last
		w.must(r.err)
		w.critical(r.v)
		w.must(r.v.Release(w.ctx))
	})
}
