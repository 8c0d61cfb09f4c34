package fifo

import (
	"math/rand/v2"
	"testing"
)

func TestOrderAndMemory(t *testing.T) {
	var f Queue[int]
	rng := rand.New(rand.NewPCG(1, 2))
	in, out, most := 0, 0, 0
	for range 200_000 {
		if f.Len() != in-out {
			t.Fatalf("%d entries, want %d", f.Len(), in-out)
		}
		if f.Len() == 0 || f.Len() < 2000 && rng.IntN(2) == 0 {
			f.Push(in)
			in++
			continue
		}
		if got := *f.Peek(); got != out {
			t.Fatalf("peeked %d, want %d", got, out)
		}
		if got := f.Pop(); got != out {
			t.Fatalf("popped %d, want %d", got, out)
		}
		out++
		most = max(most, len(f.q))
	}
	if most > 8000 {
		t.Errorf("%d places for at most 2000 entries", most)
	}
}

func TestTakenEntriesAreForgotten(t *testing.T) {
	var f Queue[*int]
	f.Push(new(int))
	f.Push(new(int))
	f.Pop()
	if f.q[0] != nil {
		t.Error("a taken entry is still referenced")
	}
}
