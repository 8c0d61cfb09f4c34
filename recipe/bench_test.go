package recipe

import (
	"testing"

	"quokka/client"
	"quokka/quokkatest"
)

// BenchmarkLock acquires and releases a lock that nobody else wants.
func BenchmarkLock(b *testing.B) {
	c := quokkatest.Start(b, 1).Dial(b, client.Options{})
	l := NewLock(c, "/lock", Options{})
	for b.Loop() {
		h, err := l.Acquire(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if err := h.Release(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHandover has several sessions take turns.
func BenchmarkHandover(b *testing.B) {
	s := quokkatest.Start(b, 1)
	b.SetParallelism(4) // times the two processors
	b.RunParallel(func(p *testing.PB) {
		l := NewLock(s.Dial(b, client.Options{}), "/lock", Options{})
		for p.Next() {
			h, err := l.Acquire(b.Context())
			if err != nil {
				b.Error(err)
				return
			}
			_ = h.Release(b.Context())
		}
	})
}
