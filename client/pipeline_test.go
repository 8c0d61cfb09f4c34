package client

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"quokka/internal/proto"
)

func TestPipelineIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.set("a:2181", errDown)
		c, err := New("a", f.options(long))
		if err != nil {
			t.Fatal(err)
		}
		line := c.Pipeline()
		for range maxPipeline {
			line.Get(t.Context(), "/")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := line.Get(ctx, "/").Wait(t.Context()); !errors.Is(err, context.DeadlineExceeded) || Ambiguous(err) {
			t.Error(err)
		}
		if err := line.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		_ = c.Close()
		if err := line.Wait(t.Context()); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
}

// A request whose context ends before it is sent leaves a hole: nothing
// behind it may be sent.
func TestPipelineBreaksAtAHole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.set("a:2181", errDown)
		c, err := New("a", f.options(long))
		if err != nil {
			t.Fatal(err)
		}
		line := c.Pipeline()
		ctx, cancel := context.WithCancel(t.Context())
		hole := line.Delete(ctx, "/a", AnyVersion)
		behind := line.Set(t.Context(), "/b", nil, AnyVersion)
		cancel()
		f.set("a:2181", nil)
		p := f.accept(long)
		if _, err := hole.Wait(t.Context()); !errors.Is(err, context.Canceled) || Ambiguous(err) {
			t.Error(err)
		}
		<-behind.Done()
		if _, err := behind.Wait(t.Context()); !errors.Is(err, ErrConnectionLoss) || Ambiguous(err) {
			t.Error(err)
		}
		end(c, p)
	})
}

func TestUnsentPartOfAPipelineEndsWithTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, p := fakeClient(f, "a", f.options(long))
		line := c.Pipeline()
		first := line.Create(t.Context(), "/a", make([]byte, 100<<10)) // too much for the pipe
		synctest.Wait()
		second := line.CreateStat(t.Context(), "/b", nil)
		third := line.Sync(t.Context(), "/")
		p.lose()
		if _, err := first.Wait(t.Context()); !Ambiguous(err) {
			t.Error(err)
		}
		for _, done := range []<-chan struct{}{second.Done(), third.Done()} {
			<-done
		}
		if _, err := second.Wait(t.Context()); !errors.Is(err, ErrConnectionLoss) || Ambiguous(err) {
			t.Error(err)
		}
		end(c, f.accept(long))
	})
}

func TestCallsGivenUpAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.set("a:2181", errDown)
		c, err := New("a", f.options(long))
		if err != nil {
			t.Fatal(err)
		}
		for range 1000 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			if _, _, err := c.Get(ctx, "/"); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			cancel()
		}
		c.s.mu.Lock()
		n := len(c.s.queue)
		c.s.mu.Unlock()
		if n > 100 {
			t.Errorf("%d calls are kept", n)
		}
		_ = c.Close()
	})
}

func TestHooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		o := f.options(long)
		var dials []error
		var requests []RequestInfo
		var events []Event
		o.Hooks = Hooks{
			Dial:    func(i DialInfo) { dials = append(dials, i.Err) },
			Request: func(i RequestInfo) { requests = append(requests, i) },
			Event:   func(e Event) { events = append(events, e) },
		}
		f.set("a:2181", errDown)
		c, err := New("a/root", o)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		f.set("a:2181", nil)
		p := f.accept(long)
		w := get(c, p, "/x", 5)
		if w.Path() != "/x" || c.Root() != "/root" {
			t.Error(w.Path(), c.Root())
		}
		p.event(proto.EventNodeDeleted, "/root/x", 6)
		call := async(func() (Stat, error) { return c.Set(t.Context(), "/x", nil, 3) })
		time.Sleep(time.Second)
		p.serveOne(proto.OpSetData, 7, proto.NoNode, nil)
		_, err = call()
		end(c, p)
		if len(dials) != 2 || dials[0] == nil || dials[1] != nil || !slices.Equal(events, []Event{{EventDeleted, "/root/x", 6}}) {
			t.Error(dials, events)
		}
		r := requests[1]
		if len(requests) != 3 || r.Op != "setData" || r.Path != "/x" || r.Took != time.Second || r.Zxid != 7 ||
			r.Bytes == 0 || !errors.Is(err, ErrNoNode) || !errors.Is(r.Err, ErrNoNode) {
			t.Errorf("%+v", requests)
		}
	})
}
