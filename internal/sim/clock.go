package sim

import "container/heap"

// micros is virtual time in microseconds since the run began.
type micros int64

const (
	milli  micros = 1000
	second micros = 1000 * milli
)

func (t micros) ms() int64 { return int64(t / milli) }

// An event is something that will happen at a time. Events of the same time
// happen in the order they were made.
type event struct {
	at  micros
	seq uint64
	do  func()
}

// A queue is the events to come, the next one first.
type queue struct {
	now    micros
	seq    uint64
	events eventHeap
}

// after arranges that do is called when d has passed.
func (q *queue) after(d micros, do func()) { q.at(q.now+max(d, 0), do) }

func (q *queue) at(t micros, do func()) {
	q.seq++
	heap.Push(&q.events, event{at: t, seq: q.seq, do: do})
}

// step lets the next event happen; false when there is none.
func (q *queue) step() bool {
	if len(q.events) == 0 {
		return false
	}
	e := heap.Pop(&q.events).(event)
	q.now = e.at
	e.do()
	return true
}

type eventHeap []event

func (h eventHeap) Len() int { return len(h) }
func (h eventHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].seq < h[j].seq
}
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *eventHeap) Push(x any)   { *h = append(*h, x.(event)) }
func (h *eventHeap) Pop() any {
	old := *h
	n := len(old) - 1
	e := old[n]
	old[n] = event{}
	*h = old[:n]
	return e
}
