// Package fifo is a queue that reuses its memory. It owns nothing but its
// entries and has no lock: whoever owns the queue guards it.
package fifo

// A Queue hands out what was pushed, oldest first. The zero Queue is empty.
type Queue[T any] struct {
	q    []T
	head int
}

// Len returns how many entries wait.
func (f *Queue[T]) Len() int { return len(f.q) - f.head }

// Peek returns the oldest entry, which stays; there must be one. It is valid
// until the next Push or Pop.
func (f *Queue[T]) Peek() *T { return &f.q[f.head] }

// At returns the entry that i others are ahead of, which stays; i must be
// less than Len. It is valid until the next Push or Pop.
func (f *Queue[T]) At(i int) *T { return &f.q[f.head+i] }

// Push appends an entry.
func (f *Queue[T]) Push(v T) {
	if f.head > 0 && f.head == len(f.q) {
		f.q, f.head = f.q[:0], 0
	}
	f.q = append(f.q, v)
}

// Pop takes the oldest entry out; there must be one.
func (f *Queue[T]) Pop() T {
	v := f.q[f.head]
	clear(f.q[f.head : f.head+1])
	f.head++
	if f.head >= compactAt && f.head*2 >= len(f.q) {
		n := copy(f.q, f.q[f.head:])
		clear(f.q[n:])
		f.q, f.head = f.q[:n], 0
	}
	return v
}

// compactAt is how many taken places a queue that never runs empty keeps.
const compactAt = 1024
