package recipe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"

	"quokka/client"
	"quokka/quokkatest"
)

// TestQueueTakeUnderFaults puts two items and takes them by both ways of a
// locking queue. No item that was put is lost, and none is done twice.
func TestQueueTakeUnderFaults(t *testing.T) {
	t.Parallel()
	everyFault(t, func(w *world) {
		sick, healthy := NewQueue(w.c, w.path, QueueOptions{}), NewQueue(w.other, w.path, QueueOptions{})
		unsure := map[string]bool{} // may be done
		done := map[string]bool{}
		var put []string
		for _, s := range []string{"a", "b", "c"} {
			err := sick.Put(w.sick, []byte(s))
			switch {
			case w.ok(err):
				put = append(put, s)
			case client.Ambiguous(err):
				unsure[s] = true
			}
		}
		w.must(healthy.Put(w.ctx, []byte("last")))
		put = append(put, "last")
		consume := func(q *Queue) bool {
			ctx := w.ctx
			if q == sick {
				ctx = w.sick
			}
			it, err := q.TryTake(ctx)
			if errors.Is(err, ErrEmpty) || !w.ok(err) {
				return false
			}
			s := string(it.Data)
			if done[s] && !unsure[s] {
				w.Errorf("%s was handed out again", s)
			}
			switch err := it.Done(ctx); {
			case w.ok(err):
				done[s] = true
			case client.Ambiguous(err):
				unsure[s] = true
			}
			return true
		}
		if it, err := sick.Take(w.sick); w.ok(err) {
			if string(it.Data) != "a" && !w.in.ended() {
				w.Errorf("the first is %q", it.Data)
			}
			w.ok(it.Return(w.sick))
		}
		for range 2 {
			consume(sick)
		}
		w.ok(sick.Close(w.ctx))
		w.until("the rest is taken", func() bool {
			for consume(healthy) {
			}
			n, err := healthy.Len(w.ctx)
			w.must(err)
			return n == 0
		})
		for _, s := range put {
			if !done[s] && !unsure[s] {
				w.Errorf("%s is lost", s)
			}
		}
		w.must(healthy.Close(w.ctx))
	})
}

// TestQueuePopUnderFaults: every item is popped once, or may have been popped
// by the one that was told so.
func TestQueuePopUnderFaults(t *testing.T) {
	t.Parallel()
	everyFault(t, func(w *world) {
		sick, healthy := NewQueue(w.c, w.path, QueueOptions{}), NewQueue(w.other, w.path, QueueOptions{})
		w.must(healthy.PutAll(w.ctx, []byte("a"), []byte("b"), []byte("c"), []byte("d")))
		got := map[string]int{}
		unsure := ""
		for i := range 4 {
			if i%2 == 1 {
				e, err := healthy.Pop(w.ctx)
				w.must(err)
				got[string(e.Data)]++
				continue
			}
			e, err := sick.Pop(w.sick)
			switch {
			case w.ok(err):
				got[string(e.Data)]++
			case client.Ambiguous(err):
				unsure = string(e.Data)
			}
		}
		for {
			e, err := healthy.TryPop(w.ctx)
			if errors.Is(err, ErrEmpty) {
				break
			}
			w.must(err)
			got[string(e.Data)]++
		}
		for _, s := range []string{"a", "b", "c", "d"} {
			if got[s] != 1 && (s != unsure || got[s] != 0) {
				w.Errorf("%s was popped %d times, unsure is %q", s, got[s], unsure)
			}
		}
		w.ok(sick.Close(w.ctx))
		w.must(healthy.Close(w.ctx))
	})
}

// TestQueueWaitUnderFaults has two takers wait at an empty queue. Each item
// that is put wakes one, whatever befalls the other.
func TestQueueWaitUnderFaults(t *testing.T) {
	t.Parallel()
	everyFault(t, func(w *world) {
		sick, healthy := NewQueue(w.c, w.path, QueueOptions{}), NewQueue(w.other, w.path, QueueOptions{})
		a := start(func() (*Item, error) { return sick.Take(w.sick) })
		w.until("it watches or has failed", func() bool { return w.children(w.path+"/quokka/turn") == 1 || len(a) == 1 })
		b := start(func() (*Item, error) { return healthy.Take(w.ctx) })
		w.must(healthy.Put(w.ctx, []byte("1")))
		w.must(healthy.Put(w.ctx, []byte("2")))
		r := <-b
		w.must(r.err)
		w.must(r.v.Done(w.ctx))
		r = <-a
		if !w.ok(r.err) || !w.ok(r.v.Done(w.sick)) {
			if r.err == nil && w.in.gaveUp() {
				w.must(r.v.Done(w.ctx)) // it is still claimed, or done
			}
			it, err := healthy.TryTake(w.ctx)
			if !errors.Is(err, ErrEmpty) {
				w.must(err)
				w.must(it.Done(w.ctx))
			}
		}
		w.must(healthy.Close(w.ctx))
		w.ok(sick.Close(w.ctx))
		w.until("the queue is empty", func() bool { return w.children(w.path+"/entries") == 0 })
	})
}

// TestItemCommitUnderFaults: the change is made if and only if the item is
// removed.
func TestItemCommitUnderFaults(t *testing.T) {
	t.Parallel()
	everyFault(t, func(w *world) {
		sick, healthy := NewQueue(w.c, w.path, QueueOptions{}), NewQueue(w.other, w.path, QueueOptions{})
		w.must(healthy.Put(w.ctx, []byte("x")))
		it, err := sick.Take(w.sick)
		if w.ok(err) {
			err := it.Commit(w.sick, w.c.Multi().Create(w.path+"/result", nil))
			_ = w.c.Sync(w.ctx, "/")
			_, made, _ := w.other.Exists(w.ctx, w.path+"/result")
			if n := w.children(w.path + "/entries"); made != (n == 0) || err == nil && !made {
				w.Errorf("made %v, %d items left: %v", made, n, err)
			}
			w.ok(err)
		}
		w.must(healthy.Close(w.ctx))
	})
}

func TestQueueLayouts(t *testing.T) {
	t.Parallel()
	c := quokkatest.Start(t, 1).Dial(t, client.Options{})
	ctx := t.Context()
	for i, tt := range []struct {
		layout          QueueLayout
		entries, claims string // after the path
		names           []string
		data            string
	}{
		{KazooLockingQueue, "/entries", "/taken", []string{"entry-100-0000000000", "entry-100-0000000001"}, "x"},
		{KazooQueue, "", "-quokka/taken", []string{"entry-100-0000000000", "entry-100-0000000001"}, "x"},
		{CuratorQueue, "", "-locks", []string{"queue-0000000000", "queue-0000000001"}, "\x00\x01\x00\x01\x01\x00\x00\x00\x01x\x02"},
		{CuratorSimpleQueue, "", "-quokka/taken", []string{"qn-0000000000", "qn-0000000001"}, "x"},
	} {
		path := fmt.Sprintf("/q%d", i)
		o := QueueOptions{Layout: tt.layout}
		if tt.layout == CuratorQueue {
			o.Claims = path + "-locks"
		}
		q := NewQueue(c, path, o)
		if err := q.PutAll(ctx, []byte("x"), []byte("y")); err != nil {
			t.Fatal(err)
		}
		names, _, err := c.Children(ctx, path+tt.entries)
		slices.Sort(names)
		if err != nil || !slices.Equal(names, tt.names) {
			t.Errorf("%d: %q: %v", i, names, err)
		}
		if data, _, err := c.Get(ctx, path+tt.entries+"/"+tt.names[0]); err != nil || string(data) != tt.data {
			t.Errorf("%d: %q: %v", i, data, err)
		}
		it, err := q.Take(ctx)
		if err != nil || string(it.Data) != "x" || it.Name != tt.names[0] {
			t.Fatalf("%d: %+v: %v", i, it, err)
		}
		if _, stat, err := c.Get(ctx, path+tt.claims+"/"+it.Name); err != nil || stat.EphemeralOwner != c.Session().ID {
			t.Errorf("%d: no claim: %v", i, err)
		}
		if e, err := q.Peek(ctx); err != nil || string(e.Data) != "y" {
			t.Errorf("%d: %+v: %v", i, e, err)
		}
		if e, err := q.TryPop(ctx); err != nil || string(e.Data) != "y" {
			t.Errorf("%d: %+v: %v", i, e, err)
		}
		if _, err := q.TryPop(ctx); !errors.Is(err, ErrEmpty) {
			t.Errorf("%d: %v", i, err)
		}
		if _, err := q.Peek(ctx); !errors.Is(err, ErrEmpty) {
			t.Errorf("%d: %v", i, err)
		}
		if n, err := q.Len(ctx); n != 1 || err != nil {
			t.Errorf("%d: %d items: %v", i, n, err)
		}
		if err := it.Done(ctx); err != nil || !errors.Is(it.Err(), ErrReleased) {
			t.Errorf("%d: %v %v", i, err, it.Err())
		}
		if err := errors.Join(it.Done(ctx), it.Return(ctx), q.Close(ctx)); err != nil {
			t.Error(err)
		}
	}
}

func TestQueueIsFIFO(t *testing.T) {
	t.Parallel()
	c := quokkatest.Start(t, 1).Dial(t, client.Options{})
	ctx := t.Context()
	q := NewQueue(c, "/q", QueueOptions{})
	if _, err := q.TryTake(ctx); !errors.Is(err, ErrEmpty) {
		t.Error(err)
	}
	for i := range 30 {
		if err := q.Put(ctx, []byte(strconv.Itoa(i))); err != nil {
			t.Fatal(err)
		}
	}
	first, err := q.Take(ctx)
	if err != nil || string(first.Data) != "0" {
		t.Fatal(first, err)
	}
	for i := 1; i < 30; i++ {
		e, err := q.Pop(ctx)
		if err != nil || string(e.Data) != strconv.Itoa(i) {
			t.Fatalf("%s, want %d: %v", e.Data, i, err)
		}
		if i == 5 {
			if err := first.Return(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	if e, err := q.Pop(ctx); err != nil || string(e.Data) != "0" {
		t.Errorf("what was returned: %s: %v", e.Data, err)
	}
	// One that waits gets what is put, and one whose context ends gets nothing.
	short, cancel := context.WithCancel(ctx)
	waiting := start(func() (Entry, error) { return q.Pop(short) })
	cancel()
	if r := <-waiting; !errors.Is(r.err, context.Canceled) {
		t.Errorf("%s: %v", r.v.Data, r.err)
	}
	waiting = start(func() (Entry, error) { return q.Pop(ctx) })
	if err := q.Put(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if r := <-waiting; r.err != nil || len(r.v.Data) != 0 {
		t.Error(r.v, r.err)
	}
	if err := q.Close(ctx); err != nil {
		t.Error(err)
	}
}

// TestQueueManyTakers: every item is handed out once, also those of a taker
// whose session ends.
func TestQueueManyTakers(t *testing.T) {
	t.Parallel()
	servers := quokkatest.Start(t, 1)
	ctx := t.Context()
	const items = 90
	var mu sync.Mutex
	done := make(map[string]int)
	var wg sync.WaitGroup
	finish, stop := context.WithTimeout(ctx, patience)
	defer stop()
	for i := range 3 {
		c := servers.Dial(t, client.Options{})
		q := NewQueue(c, "/q", QueueOptions{})
		for range 3 {
			wg.Go(func() {
				for {
					it, err := q.Take(finish)
					if err != nil {
						if finish.Err() == nil && i != 0 {
							t.Error(err)
						}
						return
					}
					if i == 0 { // it takes some and dies
						_ = c.Close()
						return
					}
					if err := it.Done(ctx); err != nil {
						t.Error(err)
					}
					mu.Lock()
					done[string(it.Data)]++
					if len(done) == items {
						stop()
					}
					mu.Unlock()
				}
			})
		}
	}
	p := NewQueue(servers.Dial(t, client.Options{}), "/q", QueueOptions{})
	for i := range items {
		if err := p.Put(ctx, []byte(strconv.Itoa(i))); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	for s, n := range done {
		if n != 1 {
			t.Errorf("%s was done %d times", s, n)
		}
	}
	if len(done) != items {
		t.Errorf("%d items were done", len(done))
	}
}

func TestItemIsLost(t *testing.T) {
	t.Parallel()
	c := quokkatest.Start(t, 1).Dial(t, client.Options{})
	ctx := t.Context()
	q := NewQueue(c, "/q", QueueOptions{})
	if err := q.PutAll(ctx, []byte("a"), []byte("b")); err != nil {
		t.Fatal(err)
	}
	a, err := q.Take(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(ctx, "/q/taken/"+a.Name, client.AnyVersion); err != nil {
		t.Fatal(err)
	}
	<-a.Context().Done()
	if err := a.Done(ctx); !errors.Is(err, ErrLost) || !errors.Is(context.Cause(a.Context()), ErrLost) {
		t.Error(err)
	}
	// The item itself is deleted by somebody.
	b, err := q.Take(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(ctx, "/q/entries/"+b.Name, client.AnyVersion); err != nil {
		t.Fatal(err)
	}
	if err := b.Done(ctx); !errors.Is(err, ErrLost) {
		t.Error(err)
	}
	// A change that fails leaves the item claimed.
	it, err := q.TryTake(ctx)
	if err != nil || it.Name != a.Name {
		t.Fatal(it, err)
	}
	if err := it.Commit(ctx, c.Multi().Check("/none", 0)); !errors.Is(err, client.ErrNoNode) || it.Err() != nil {
		t.Error(err, it.Err())
	}
	if err := it.Done(ctx); err != nil {
		t.Error(err)
	}
}

func TestPriorityQueue(t *testing.T) {
	t.Parallel()
	c := quokkatest.Start(t, 1).Dial(t, client.Options{})
	ctx := t.Context()
	for i, o := range []QueueOptions{{}, {Layout: KazooQueue, Slack: 1}, {Layout: CuratorQueue}, {Slack: 2}} {
		q := NewPriorityQueue(c, fmt.Sprintf("/p%d", i), o)
		for _, p := range []int{200, 5, 100, 5} {
			if err := q.Put(ctx, p, fmt.Append(nil, p)); err != nil {
				t.Fatal(err)
			}
		}
		var got []int
		for n := range 5 {
			e, err := q.TryPop(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if e.Err != nil || string(e.Data) != strconv.Itoa(e.Priority) {
				t.Errorf("%+v", e)
			}
			got = append(got, e.Priority)
			if n == 0 { // a better one comes
				if err := q.Put(ctx, 1, []byte("1")); err != nil {
					t.Fatal(err)
				}
			}
		}
		want := []int{5, 1, 5, 100, 200}
		if o.Slack == 2 {
			want = []int{5, 5, 1, 100, 200}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%+v: %v", o, got)
		}
		if err := q.Close(ctx); err != nil {
			t.Error(err)
		}
	}
	for _, n := range []int{-1, 1000} {
		if err := NewPriorityQueue(c, "/p", QueueOptions{}).Put(ctx, n, nil); err == nil {
			t.Errorf("priority %d", n)
		}
	}
	if _, err := NewPriorityQueue(c, "/p", QueueOptions{Layout: CuratorSimpleQueue}).TryPop(ctx); err == nil {
		t.Error("priorities in a layout that has none")
	}
}

// TestQueueOfCuratorsNodes takes what putMulti writes, and what is broken.
func TestQueueOfCuratorsNodes(t *testing.T) {
	t.Parallel()
	c := quokkatest.Start(t, 1).Dial(t, client.Options{})
	ctx := t.Context()
	if err := c.EnsurePath(ctx, "/q"); err != nil {
		t.Fatal(err)
	}
	for _, data := range []string{"\x00\x01\x00\x01\x01\x00\x00\x00\x01a\x01\x00\x00\x00\x01b\x02", "broken", "\x00\x01\x00\x01\x02"} {
		if _, err := c.Create(ctx, "/q/queue-", []byte(data), client.Sequential); err != nil {
			t.Fatal(err)
		}
	}
	q := NewQueue(c, "/q", QueueOptions{Layout: CuratorQueue})
	for _, want := range []string{`"a" ["b"] true`, `"broken" [] false`, `"" [] true`} {
		e, err := q.Pop(ctx)
		if got := fmt.Sprintf("%q %q %v", e.Data, e.More, e.Err == nil); err != nil || got != want {
			t.Errorf("%s, want %s: %v", got, want, err)
		}
	}
	_ = q.Close(ctx)
}
