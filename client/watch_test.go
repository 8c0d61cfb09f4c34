package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"quokka/client"
)

func TestOneShotWatches(t *testing.T) {
	onEach(t, func(t *testing.T, f fixture) {
		ctx, c, other := short(t), dial(t, f.ConnectString(), client.Options{}), dial(t, f.ConnectString(), client.Options{})
		_, ok, created, err := c.ExistsW(ctx, "/w")
		if ok || err != nil {
			t.Fatal(ok, err)
		}
		_, _, none, err := c.GetW(ctx, "/w")
		if none != nil || !errors.Is(err, client.ErrNoNode) {
			t.Fatal(none, err)
		}
		_, err = other.Create(ctx, "/w", nil)
		must(t, err)
		same(t, events(t, created, 1), "created /w")
		if _, err := created.Next(ctx); err != io.EOF {
			t.Error(err)
		}
		_, _, data, err := c.GetW(ctx, "/w")
		must(t, err)
		_, _, again, err := c.GetW(ctx, "/w")
		must(t, err)
		_, _, kids, err := c.ChildrenW(ctx, "/w")
		must(t, err)
		_, err = other.Set(ctx, "/w", nil, -1)
		must(t, err)
		same(t, events(t, data, 1)+events(t, again, 1), "data changed /wdata changed /w")
		_, err = other.Create(ctx, "/w/x", nil)
		must(t, err)
		same(t, events(t, kids, 1), "children changed /w")
		_, ok, gone, err := c.ExistsW(ctx, "/w/x")
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		_, _, kids, err = c.ChildrenW(ctx, "/w/x")
		must(t, err)
		must(t, other.Delete(ctx, "/w/x", -1))
		same(t, events(t, gone, 1)+events(t, kids, 1), "deleted /w/xdeleted /w/x")
	})
}

func TestPersistentWatches(t *testing.T) {
	onEach(t, func(t *testing.T, f fixture) {
		ctx, c, other := short(t), dial(t, f.ConnectString(), client.Options{}), dial(t, f.ConnectString(), client.Options{})
		node, err := c.Watch(ctx, "/p")
		must(t, err)
		tree, err := c.WatchTree(ctx, "/")
		must(t, err)
		for _, path := range []string{"/p", "/p/a", "/p/a/b"} {
			_, err := other.Create(ctx, path, nil)
			must(t, err)
		}
		for _, path := range []string{"/p", "/p/a/b"} {
			_, err := other.Set(ctx, path, []byte("1"), -1)
			must(t, err)
		}
		for _, path := range []string{"/p/a/b", "/p/a", "/p"} {
			must(t, other.Delete(ctx, path, -1))
		}
		same(t, events(t, node, 5), "created /p, children changed /p, data changed /p, children changed /p, deleted /p")
		same(t, events(t, tree, 8), "created /p, created /p/a, created /p/a/b, data changed /p, data changed /p/a/b, "+
			"deleted /p/a/b, deleted /p/a, deleted /p")
	})
}

// TestOneShotBesidePersistent arms both on one path: servers before 3.9 keep
// one mode only, and neither may be lost.
func TestOneShotBesidePersistent(t *testing.T) {
	onEach(t, func(t *testing.T, f fixture) {
		ctx, c := short(t), dial(t, f.ConnectString(), client.Options{})
		must(t, c.EnsurePath(ctx, "/b"))
		w, err := c.Watch(ctx, "/b")
		must(t, err)
		for i := range 3 {
			_, _, once, err := c.GetW(ctx, "/b")
			must(t, err)
			_, _, kids, err := c.ChildrenW(ctx, "/b")
			must(t, err)
			_, err = c.Set(ctx, "/b", nil, -1)
			must(t, err)
			_, err = c.Create(ctx, fmt.Sprintf("/b/%d", i), nil)
			must(t, err)
			same(t, events(t, once, 1), "data changed /b")
			same(t, events(t, kids, 1), "children changed /b")
			same(t, events(t, w, 2), "data changed /b, children changed /b")
		}
		_, _, once, err := c.GetW(ctx, "/b")
		must(t, err)
		must(t, w.Close())
		_, err = c.Set(ctx, "/b", nil, -1)
		must(t, err)
		same(t, events(t, once, 1), "data changed /b")
		absent(t, c, "/b")
	})
}

// absent waits until the server knows no watch of c on path.
func absent(t *testing.T, c *client.Client, path string) {
	t.Helper()
	ctx := short(t)
	for {
		ok, err := c.HasWatches(ctx, path, client.AnyWatches)
		must(t, err)
		if !ok {
			return
		}
	}
}

func TestCloseRemovesTheWatch(t *testing.T) {
	onEach(t, func(t *testing.T, f fixture) {
		ctx, c := short(t), dial(t, f.ConnectString(), client.Options{})
		must(t, c.EnsurePath(ctx, "/r"))
		arm := map[string]func() (*client.Watch, error){
			"data": func() (*client.Watch, error) { _, _, w, err := c.GetW(ctx, "/r"); return w, err },
			"kids": func() (*client.Watch, error) { _, _, w, err := c.ChildrenW(ctx, "/r"); return w, err },
			"node": func() (*client.Watch, error) { return c.Watch(ctx, "/r") },
			"tree": func() (*client.Watch, error) { return c.WatchTree(ctx, "/r") },
		}
		for name, one := range arm {
			w, err := one()
			must(t, err)
			twin, err := one()
			must(t, err)
			must(t, w.Close())
			must(t, w.Close())
			if ok, err := c.HasWatches(ctx, "/r", client.AnyWatches); !ok || err != nil {
				t.Errorf("%s: the twin's watch is gone: %v", name, err)
			}
			if _, err := w.Next(ctx); err != io.EOF {
				t.Errorf("%s: %v", name, err)
			}
			must(t, twin.Close())
			if ok, err := c.HasWatches(ctx, "/r", client.AnyWatches); ok || err != nil {
				t.Errorf("%s: the watch is still there: %v", name, err)
			}
		}
		data, err := arm["data"]()
		must(t, err)
		kids, err := arm["kids"]()
		must(t, err)
		must(t, data.Close())
		if ok, err := c.HasWatches(ctx, "/r", client.DataWatches); ok || err != nil {
			t.Error("the data watch is still there", err)
		}
		want(t, c.RemoveWatches(ctx, "/r", client.ChildWatches), nil)
		if _, err := kids.Next(ctx); err != io.EOF {
			t.Error(err)
		}
		want(t, c.RemoveWatches(ctx, "/r", client.AnyWatches), client.ErrNoWatcher)
	})
}

// TestRemovalAgainstEventsUnderWay: events and removals cross.
func TestRemovalAgainstEventsUnderWay(t *testing.T) {
	onEach(t, func(t *testing.T, f fixture) {
		ctx, c, other := short(t), dial(t, f.ConnectString(), client.Options{}), dial(t, f.ConnectString(), client.Options{})
		must(t, c.EnsurePath(ctx, "/x"))
		busy, stop := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for busy.Err() == nil {
				_, _ = other.Set(ctx, "/x", nil, -1)
			}
		}()
		for range 100 {
			w, err := c.WatchTree(ctx, "/x")
			must(t, err)
			same(t, events(t, w, 1), "data changed /x")
			must(t, w.Close())
		}
		stop()
		<-done
		absent(t, c, "/x")
		_, _, err := c.Get(ctx, "/x")
		want(t, err, nil)
	})
}

func TestWatchesSurviveALostConnection(t *testing.T) {
	onEach(t, func(t *testing.T, f fixture) {
		p := newProxy(t, f.Addr(0))
		ctx, c, other := short(t), dial(t, p.addr(), client.Options{RetryReads: 5}), dial(t, f.ConnectString(), client.Options{})
		must(t, c.EnsurePath(ctx, "/g/kept"))
		must(t, c.EnsurePath(ctx, "/g/changed"))
		must(t, c.EnsurePath(ctx, "/g/replaced"))
		get := func(path string) *client.Watch { _, _, w, err := c.GetW(ctx, path); must(t, err); return w }
		kept, changed, replaced := get("/g/kept"), get("/g/changed"), get("/g/replaced")
		_, _, absent, err := c.ExistsW(ctx, "/g/absent")
		must(t, err)
		_, _, later, err := c.ExistsW(ctx, "/g/later")
		must(t, err)
		_, _, kids, err := c.ChildrenW(ctx, "/g")
		must(t, err)
		node, err := c.Watch(ctx, "/g/kept")
		must(t, err)
		tree, err := c.WatchTree(ctx, "/g")
		must(t, err)
		p.refuse(true)
		_, err = other.Set(ctx, "/g/changed", nil, -1)
		must(t, err)
		must(t, other.Delete(ctx, "/g/replaced", -1))
		for _, path := range []string{"/g/replaced", "/g/absent", "/g/later"} {
			_, err = other.Create(ctx, path, nil)
			must(t, err)
		}
		must(t, other.Delete(ctx, "/g/absent", -1)) // created and deleted unseen: still armed
		p.refuse(false)
		same(t, events(t, changed, 1), "data changed /g/changed")
		same(t, events(t, replaced, 1), "data changed /g/replaced")
		same(t, events(t, later, 1), "created /g/later")
		same(t, events(t, kids, 1), "children changed /g")
		same(t, events(t, node, 1), "gap /g/kept")
		// What fires the one-shot watches is in the tree, too.
		same(t, events(t, tree, 4), "gap /g, data changed /g/changed, data changed /g/replaced, created /g/later")
		_, _, err = c.Get(ctx, "/g") // after that the watches are in place
		must(t, err)
		_, err = other.Set(ctx, "/g/kept", nil, -1)
		must(t, err)
		_, err = other.Create(ctx, "/g/absent", nil)
		must(t, err)
		same(t, events(t, kept, 1), "data changed /g/kept")
		same(t, events(t, absent, 1), "created /g/absent")
		same(t, events(t, node, 1), "data changed /g/kept")
		same(t, events(t, tree, 2), "data changed /g/kept, created /g/absent")
	})
}

// TestManyWatchesSurvive has more paths than one request may hold (ZOOKEEPER-706).
func TestManyWatchesSurvive(t *testing.T) {
	onEach(t, func(t *testing.T, f fixture) {
		const n = 15_000
		p := newProxy(t, f.Addr(0))
		ctx, c := short(t), dial(t, p.addr(), client.Options{SessionTimeout: 20 * time.Second, RetryReads: 5})
		long := strings.Repeat("x", 100)
		all := make([]*client.Watch, n)
		work := make(chan int)
		done := make(chan error)
		for range 50 {
			go func() {
				var err error
				for i := range work {
					if err == nil {
						_, _, all[i], err = c.ExistsW(ctx, fmt.Sprintf("/%s%06d", long, i))
					}
				}
				done <- err
			}()
		}
		for i := range n {
			work <- i
		}
		close(work)
		for range 50 {
			must(t, <-done)
		}
		p.cut()
		for _, i := range []int{0, n / 2, n - 1} {
			path := fmt.Sprintf("/%s%06d", long, i)
			_, err := c.Create(ctx, path, nil)
			for client.Ambiguous(err) {
				_, err = c.Create(ctx, path, nil)
			}
			if err != nil && !errors.Is(err, client.ErrNodeExists) {
				t.Fatal(err)
			}
			same(t, events(t, all[i], 1), "created "+path)
		}
	})
}

func TestChannelsAndIterators(t *testing.T) {
	onEach(t, func(t *testing.T, f fixture) {
		ctx, c := short(t), dial(t, f.ConnectString(), client.Options{})
		must(t, c.EnsurePath(ctx, "/c"))
		w, err := c.Watch(ctx, "/c")
		must(t, err)
		ch := w.Chan(ctx)
		for range 100 {
			_, err := c.Set(ctx, "/c", nil, -1)
			must(t, err)
		}
		for range 100 {
			if e := <-ch; e.Type != client.EventDataChanged {
				t.Fatal(e)
			}
		}
		must(t, w.Close())
		if _, open := <-ch; open {
			t.Error("the channel of a closed watch is open")
		}
		w, err = c.Watch(ctx, "/c")
		must(t, err)
		must(t, c.Delete(ctx, "/c", -1))
		must(t, c.Close())
		var got []string
		for e, err := range w.Events(ctx) {
			if err != nil {
				want(t, err, client.ErrClosed)
				got = append(got, "end")
				continue
			}
			got = append(got, e.String())
		}
		same(t, strings.Join(got, ", "), "deleted /c, end")
	})
}

func TestAFullQueueSaysSo(t *testing.T) {
	onEach(t, func(t *testing.T, f fixture) {
		ctx, c := short(t), dial(t, f.ConnectString(), client.Options{MaxWatchQueue: 10})
		must(t, c.EnsurePath(ctx, "/q"))
		w, err := c.Watch(ctx, "/q")
		must(t, err)
		for range 15 {
			_, err := c.Set(ctx, "/q", nil, -1)
			must(t, err)
		}
		same(t, events(t, w, 6), "gap /q"+strings.Repeat(", data changed /q", 5))
	})
}
