package client

import (
	"context"
	"sync"
)

// A queue is unbounded, so that who puts something in never waits and nothing
// is lost, unless it has an overflow.
type queue[T any] struct {
	max      int      // more items than these are replaced; 0 for no limit
	overflow func() T // what replaces them

	mu     sync.Mutex
	items  []T
	err    error         // set when nothing more comes
	signal chan struct{} // has a token if there is something to see
}

func newQueue[T any](max int, overflow func() T) *queue[T] {
	return &queue[T]{max: max, overflow: overflow, signal: make(chan struct{}, 1)}
}

func (q *queue[T]) push(v T) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return
	}
	if q.max > 0 && len(q.items) >= q.max {
		clear(q.items)
		q.items = append(q.items[:0], q.overflow())
	}
	q.items = append(q.items, v)
	q.wake()
}

// close lets readers have what is queued and then err. With drop they get
// err at once.
func (q *queue[T]) close(err error, drop bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if drop {
		q.items = nil
	}
	if q.err == nil {
		q.err = err
	}
	q.wake()
}

func (q *queue[T]) wake() {
	select {
	case q.signal <- struct{}{}:
	default:
	}
}

// take returns the next item, or that there is none now.
func (q *queue[T]) take() (v T, ok bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		if q.err != nil {
			q.wake() // for other readers
		}
		return v, false, q.err
	}
	v = q.items[0]
	var zero T
	q.items[0] = zero
	q.items = q.items[1:]
	if len(q.items) == 0 {
		q.items = nil
	}
	if q.items != nil || q.err != nil {
		q.wake()
	}
	return v, true, nil
}

// next waits for the next item.
func (q *queue[T]) next(ctx context.Context) (T, error) {
	for {
		v, ok, err := q.take()
		if ok || err != nil {
			return v, err
		}
		select {
		case <-q.signal:
		case <-ctx.Done():
			return v, ctx.Err()
		}
	}
}
