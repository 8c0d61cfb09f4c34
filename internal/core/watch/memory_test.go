package watch

import (
	"fmt"
	"runtime"
	"testing"
)

const million = 1_000_000

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestMemoryOfAMillionWatches bounds the bytes per watch, the text of the
// paths not counted.
func TestMemoryOfAMillionWatches(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second and 300 MB")
	}
	paths := make([]string, million)
	for i := range paths {
		paths[i] = fmt.Sprintf("/services/group%03d/member%06d", i%1000, i)
	}
	for name, c := range map[string]struct {
		add   func(w *Table, i int)
		limit uint64
	}{
		"1M paths with one watch":   {func(w *Table, i int) { w.Add(ConnID(i%1000), paths[i], Data) }, 170},
		"1000 paths with 1000 each": {func(w *Table, i int) { w.Add(ConnID(i/1000), paths[i%1000], Data) }, 100},
		"one path with 1M":          {func(w *Table, i int) { w.Add(ConnID(i), paths[0], Data|Child) }, 150},
	} {
		before := heap()
		w := New()
		for i := range million {
			c.add(w, i)
		}
		per := (heap() - before) / million
		t.Logf("%s: %d bytes per watch", name, per)
		if per > c.limit {
			t.Errorf("%s: %d bytes per watch, limit %d", name, per, c.limit)
		}
		runtime.KeepAlive(w)
	}
	runtime.KeepAlive(paths)
}

func BenchmarkAddAndFire(b *testing.B) {
	w := New()
	for i := range 100_000 {
		w.Add(ConnID(i%100), fmt.Sprintf("/n/%d", i), Data)
	}
	for b.Loop() {
		w.Add(5, "/n/x", Data)
		if len(w.DataChanged("/n/x")) != 1 {
			b.Fatal("no event")
		}
	}
}

func BenchmarkNobodyWatches(b *testing.B) {
	w := New()
	for i := range 100_000 {
		w.Add(ConnID(i%100), fmt.Sprintf("/n/%d", i), Data)
	}
	for b.Loop() {
		w.Created("/m/x")
	}
}

func BenchmarkFire10kWatchers(b *testing.B) {
	w := New()
	for b.Loop() {
		for c := range ConnID(10_000) {
			w.Add(c, "/n", Data)
		}
		w.DataChanged("/n")
	}
}
