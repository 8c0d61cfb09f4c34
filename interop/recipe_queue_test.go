package interop

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"quokka/client"
	"quokka/recipe"
)

func ignoreNoNode(err error) error {
	if errors.Is(err, client.ErrNoNode) {
		return nil
	}
	return err
}

func item(i int) string { return fmt.Sprintf("item %d, ä", i) }

// pops takes n items and returns them in their order.
func (b *bench) pops(q *recipe.Queue, n int) []string {
	b.t.Helper()
	var all []string
	for range n {
		e, err := q.Pop(b.ctx)
		must(b.t, err)
		all = append(all, string(e.Data))
	}
	return all
}

func (b *bench) empty(q *recipe.Queue) {
	b.t.Helper()
	if e, err := q.TryPop(b.ctx); !errors.Is(err, recipe.ErrEmpty) {
		b.t.Errorf("the queue has %q, %v", e.Data, err)
	}
	must(b.t, q.Close(b.ctx))
}

const items = 20

func numbered() (all []string) {
	for i := range items {
		all = append(all, item(i))
	}
	return all
}

func curatorSimpleQueue(b *bench) {
	at := func(s string) args { return args{"path": "/q", "item": s, "ms": 10_000} }
	q := recipe.NewQueue(b.c, "/q", recipe.QueueOptions{Layout: recipe.CuratorSimpleQueue})
	for _, s := range numbered() {
		must(b.t, q.Put(b.ctx, []byte(s)))
	}
	for _, s := range numbered() {
		if got := do[string](b, "curator1", "simple.poll", at("")); got != s {
			b.t.Fatalf("Curator takes %q, want %q", got, s)
		}
	}
	for _, s := range numbered() {
		do[any](b, "curator1", "simple.offer", at(s))
	}
	if got := b.pops(q, items); !slices.Equal(got, numbered()) {
		b.t.Errorf("Go takes %q", got)
	}
	waits := start[string](b, "curator1", "simple.poll", at(""))
	must(b.t, q.Put(b.ctx, []byte("late")))
	if got := waits(); got != "late" {
		b.t.Errorf("Curator takes %q", got)
	}
	b.empty(q)
}

func curatorQueue(b *bench) {
	q := recipe.NewQueue(b.c, "/q", recipe.QueueOptions{Layout: recipe.CuratorQueue})
	var all [][]byte
	for _, s := range numbered() {
		all = append(all, []byte(s))
	}
	must(b.t, q.PutAll(b.ctx, all...))
	if got := do[[]string](b, "curator1", "queue.consume", args{"path": "/q", "rounds": items}); !slices.Equal(got, numbered()) {
		b.t.Errorf("Curator takes %q", got)
	}
	for _, s := range numbered() {
		do[any](b, "curator2", "queue.put", args{"path": "/q", "item": s})
	}
	if got := b.pops(q, items); !slices.Equal(got, numbered()) {
		b.t.Errorf("Go takes %q", got)
	}
	b.empty(q)
}

// twoTake puts items, and has Go and a peer take them at a time: each item comes once.
func (b *bench) twoTake(put func(s string) error, q *recipe.Queue, theirs func(ctx context.Context) ([]string, error)) {
	b.t.Helper()
	const n = 60
	for i := range n {
		must(b.t, put(item(i)))
	}
	mine, err := q.Take(b.ctx) // both sides get something, however fast the other is
	must(b.t, err)
	ours := []string{string(mine.Data)}
	var wg sync.WaitGroup
	var their []string
	wg.Go(func() {
		var err error
		if their, err = theirs(b.ctx); err != nil {
			b.t.Error(err)
		}
	})
	b.eventually("them to take something", func() (bool, error) {
		left, err := q.Len(b.ctx)
		return left < n, err
	})
	must(b.t, mine.Done(b.ctx))
	for left := 1; left > 0; {
		it, err := q.TryTake(b.ctx)
		switch {
		case errors.Is(err, recipe.ErrEmpty):
		case err != nil:
			b.t.Fatal(err)
		default:
			ours = append(ours, string(it.Data))
			must(b.t, it.Done(b.ctx))
		}
		left, err = q.Len(b.ctx)
		must(b.t, err)
	}
	wg.Wait()
	count := make(map[string]int)
	for _, s := range slices.Concat(ours, their) {
		count[s]++
	}
	for i := range n {
		if count[item(i)] != 1 {
			b.t.Errorf("%q came %d times", item(i), count[item(i)])
		}
	}
	if len(ours)+len(their) != n || len(their) == 0 {
		b.t.Errorf("Go took %d items, they %d of %d", len(ours), len(their), n)
	}
	must(b.t, q.Close(b.ctx))
}

func curatorQueueOfTwo(b *bench) {
	q := recipe.NewQueue(b.c, "/q", recipe.QueueOptions{Layout: recipe.CuratorQueue, Claims: "/claims"})
	put := func(s string) error { return q.Put(b.ctx, []byte(s)) }
	b.twoTake(put, q, func(ctx context.Context) (all []string, err error) {
		at := args{"path": "/q", "lock": "/claims", "rounds": 1000, "idle": 1000}
		return all, b.call(ctx, "curator1", b.addr, "queue.consume", at, &all)
	})
}

func curatorPriorityQueue(b *bench) {
	q := recipe.NewPriorityQueue(b.c, "/q", recipe.QueueOptions{Layout: recipe.CuratorQueue})
	order := []int{5, -2, 0, 1 << 30, -1 << 31, 5}
	var want []string
	for _, p := range slices.Sorted(slices.Values(order)) {
		want = append(want, fmt.Sprint(p))
	}
	for _, p := range order {
		must(b.t, q.Put(b.ctx, p, fmt.Append(nil, p)))
	}
	if got := do[[]string](b, "curator1", "priority.consume", args{"path": "/q", "rounds": len(order)}); !slices.Equal(got, want) {
		b.t.Errorf("Curator takes %q", got)
	}
	for _, p := range order {
		do[any](b, "curator2", "priority.put", args{"path": "/q", "item": fmt.Sprint(p), "priority": p})
	}
	if got := b.pops(q.Queue, len(order)); !slices.Equal(got, want) {
		b.t.Errorf("Go takes %q", got)
	}
	b.empty(q.Queue)
}

func kazooQueue(b *bench) {
	at := func(s string, priority int) args { return args{"path": "/q", "item": s, "priority": priority} }
	q := recipe.NewPriorityQueue(b.c, "/q", recipe.QueueOptions{Layout: recipe.KazooQueue})
	must(b.t, q.Put(b.ctx, 200, []byte("c")))
	do[any](b, "kazoo1", "queue.put", at("b", 100))
	must(b.t, q.Put(b.ctx, 7, []byte("a")))
	do[any](b, "kazoo1", "queue.put", at("d", 200))
	if n := do[int](b, "kazoo1", "queue.len", at("", 0)); n != 4 {
		b.t.Errorf("kazoo sees %d items", n)
	}
	got := do[string](b, "kazoo1", "queue.get", at("", 0)) + strings.Join(b.pops(q.Queue, 2), "") + do[string](b, "kazoo1", "queue.get", at("", 0))
	if got != "abcd" {
		b.t.Errorf("items come as %q", got)
	}
	if left := do[*string](b, "kazoo1", "queue.get", at("", 0)); left != nil {
		b.t.Errorf("kazoo takes %q", *left)
	}
	b.empty(q.Queue)
}

// kazooLockingQueue looks at claims from both sides.
func kazooLockingQueue(b *bench) {
	at := func(s string) args { return args{"path": "/q", "item": s, "ms": 10_000} }
	q := recipe.NewQueue(b.c, "/q", recipe.QueueOptions{})
	must(b.t, q.Put(b.ctx, []byte("a")))
	do[any](b, "kazoo1", "locking.put", at("b"))
	must(b.t, q.Put(b.ctx, []byte("c")))
	mine, err := q.Take(b.ctx)
	must(b.t, err)
	if got := string(mine.Data) + do[string](b, "kazoo1", "locking.get", at("")); got != "ab" {
		b.t.Errorf("Go and kazoo claim %q", got)
	}
	third, err := q.Take(b.ctx)
	must(b.t, err)
	if _, err := q.TryTake(b.ctx); !errors.Is(err, recipe.ErrEmpty) || string(third.Data) != "c" {
		b.t.Errorf("%q, and what kazoo has claimed: %v", third.Data, err)
	}
	must(b.t, third.Done(b.ctx))
	waits := start[string](b, "kazoo2", "locking.get", at(""))
	must(b.t, mine.Return(b.ctx))
	if got := waits(); got != "a" {
		b.t.Errorf("kazoo gets %q after Go has returned a", got)
	}
	if !do[bool](b, "kazoo1", "locking.consume", at("")) || !do[bool](b, "kazoo2", "locking.consume", at("")) {
		b.t.Error("kazoo cannot consume what it has claimed")
	}
	if n, err := q.Len(b.ctx); n != 0 || err != nil {
		b.t.Errorf("%d items are left: %v", n, err)
	}
	must(b.t, q.Close(b.ctx))
}

func kazooLockingQueueOfTwo(b *bench) {
	q := recipe.NewQueue(b.c, "/q", recipe.QueueOptions{})
	put := func(s string) error {
		return b.call(b.ctx, "kazoo1", b.addr, "locking.put", args{"path": "/q", "item": s}, nil)
	}
	b.twoTake(put, q, func(ctx context.Context) (all []string, err error) {
		for {
			var s *string
			err := b.call(ctx, "kazoo2", b.addr, "locking.get", args{"path": "/q", "ms": 1000}, &s)
			if err != nil || s == nil {
				return all, err
			}
			all = append(all, *s)
			if err := b.call(ctx, "kazoo2", b.addr, "locking.consume", args{"path": "/q"}, nil); err != nil {
				return all, err
			}
		}
	})
}
