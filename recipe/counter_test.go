package recipe

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"quokka/client"
	"quokka/quokkatest"
)

// TestCounterUnderFaults changes a counter from two sessions. What was
// reported as done is in the sum exactly once, and what was reported as not
// done is not.
func TestCounterUnderFaults(t *testing.T) {
	t.Parallel()
	everyFault(t, func(w *world) {
		sick, healthy := NewCounter(w.c, w.path, CounterOptions{}), NewCounter(w.other, w.path, CounterOptions{})
		least, most := int64(0), int64(0)
		count := func(delta int64, err error) {
			done := w.ok(err)
			if done || client.Ambiguous(err) {
				most += delta
			}
			if done {
				least += delta
			}
		}
		for i := range int64(3) {
			_, err := sick.Add(w.sick, 1<<i)
			count(1<<i, err)
			_, err = healthy.Add(w.ctx, 100)
			w.must(err)
			least, most = least+100, most+100
		}
		_ = w.c.Sync(w.ctx, "/") // what was given up has happened by then, or never will
		now, err := healthy.Get(w.ctx)
		w.must(err)
		if now < least || now > most || now != least && now != most {
			w.Errorf("the value is %d, want %d or %d", now, least, most)
		}
		set, err := sick.CompareAndSet(w.sick, now, now+1000)
		after, _ := healthy.Get(w.ctx)
		if w.ok(err) && (!set || after != now+1000) || err != nil && !client.Ambiguous(err) && after != now {
			w.Errorf("compare and set: %v %v: %d to %d", set, err, now, after)
		}
		w.ok(sick.Close(w.ctx))
		w.must(healthy.Close(w.ctx))
		w.until("no receipts", func() bool { return w.children(w.path) == 0 || w.in.ended() })
	})
}

// TestCounterWhoseContextEnds: the caller learns that the outcome is unknown,
// and the next change is right all the same.
func TestCounterWhoseContextEnds(t *testing.T) {
	t.Parallel()
	servers := quokkatest.Start(t, 1)
	w := newWorld(t, servers.ConnectString())
	k := NewCounter(w.c, "/n", CounterOptions{})
	_, err := k.Add(w.ctx, 1)
	w.must(err)
	// The set of the next change is its second request; its answer is lost,
	// and there is no server to ask.
	w.in.arm(w.in.requests()+2, cutAfter)
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	done := start(func() (int64, error) { return k.Add(ctx, 10) })
	w.until("the change is made", func() bool {
		v, _ := NewCounter(w.other, "/n", CounterOptions{}).Get(w.ctx)
		return v == 11
	})
	w.must(servers.Stop(0))
	cancel()
	if r := <-done; r.err != nil && !client.Ambiguous(r.err) {
		t.Errorf("%d: %v, which is not ambiguous", r.v, r.err)
	}
	w.must(servers.Run(0))
	if v, err := k.Add(w.ctx, 100); v != 111 || err != nil {
		t.Errorf("%d: %v, want 111", v, err)
	}
	w.must(k.Close(w.ctx))
}

func TestCounterFormats(t *testing.T) {
	t.Parallel()
	c := quokkatest.Start(t, 1).Dial(t, client.Options{})
	ctx := t.Context()
	for i, tt := range []struct {
		format CounterFormat
		data   string // of the node; "-": there is none
		add    int64
		want   string
		err    error
	}{
		{CounterText, "-", 5, "12", nil},
		{CounterText, "", -8, "-1", nil},
		{CounterText, "41", 1, "42", nil},
		{CounterText, "9223372036854775807", 1, "", ErrOverflow},
		{CounterText, "-9223372036854775808", -1, "", ErrOverflow},
		{CounterText, "1.5", 1, "", errors.ErrUnsupported},
		{Counter64, "-", 1, "\x00\x00\x00\x00\x00\x00\x00\x08", nil},
		{Counter64, "\xff\xff\xff\xff\xff\xff\xff\xff", 2, "\x00\x00\x00\x00\x00\x00\x00\x01", nil},
		{Counter64, "1", 1, "", errors.ErrUnsupported},
		{Counter32, "", 1, "\x00\x00\x00\x08", nil},
		{Counter32, "\xff\xff\xff\xfe", 1, "\xff\xff\xff\xff", nil},
		{Counter32, "\x7f\xff\xff\xff", 1, "", ErrOverflow},
	} {
		path := fmt.Sprintf("/f%d", i)
		if tt.data != "-" {
			if _, err := c.Create(ctx, path, []byte(tt.data)); err != nil {
				t.Fatal(err)
			}
		}
		k := NewCounter(c, path, CounterOptions{Format: tt.format, Initial: 7})
		_, err := k.Add(ctx, tt.add)
		data, _, _ := c.Get(ctx, path)
		switch {
		case tt.err == nil && (err != nil || string(data) != tt.want):
			t.Errorf("%d: %q, want %q: %v", i, data, tt.want, err)
		case tt.err != nil && (err == nil || string(data) != tt.data), tt.err == ErrOverflow && !errors.Is(err, tt.err):
			t.Errorf("%d: %q: %v", i, data, err)
		}
		if err := k.Close(ctx); err != nil {
			t.Error(err)
		}
	}
}

func TestCounterAddsFromMany(t *testing.T) {
	t.Parallel()
	servers := quokkatest.Start(t, 3)
	var wg sync.WaitGroup
	for range 3 {
		c := servers.Dial(t, client.Options{})
		for range 2 {
			wg.Go(func() {
				k := NewCounter(c, "/a/b", CounterOptions{})
				for range 20 {
					if _, err := k.Add(t.Context(), 1); err != nil {
						t.Error(err)
					}
				}
				if err := k.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	c := servers.Dial(t, client.Options{})
	_ = c.Sync(t.Context(), "/a/b")
	if v, err := NewCounter(c, "/a/b", CounterOptions{}).Get(t.Context()); v != 120 || err != nil {
		t.Errorf("%d: %v, want 120", v, err)
	}
}

func TestCounterChanges(t *testing.T) {
	t.Parallel()
	c := quokkatest.Start(t, 1).Dial(t, client.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	k := NewCounter(c, "/k", CounterOptions{Initial: 3})
	want := []int64{3, 10, math.MinInt64}
	for v, err := range k.Changes(ctx) {
		if err != nil || v != want[0] {
			t.Fatalf("%d: %v, want %d", v, err, want[0])
		}
		if want = want[1:]; len(want) == 0 {
			break
		}
		if err := k.Set(ctx, want[0]); err != nil {
			t.Fatal(err)
		}
	}
	if same, err := k.CompareAndSet(ctx, 10, 11); same || err != nil {
		t.Errorf("%v: %v", same, err)
	}
	boom := errors.New("boom")
	if _, err := k.Update(ctx, func(int64) (int64, error) { return 0, boom }); !errors.Is(err, boom) {
		t.Error(err)
	}
	_ = k.Close(ctx)
}

// TestCounterWhoseReceiptIsDeleted: the next change makes another.
func TestCounterWhoseReceiptIsDeleted(t *testing.T) {
	t.Parallel()
	c := quokkatest.Start(t, 1).Dial(t, client.Options{})
	ctx := t.Context()
	k := NewCounter(c, "/k", CounterOptions{})
	for want := range int64(3) {
		if v, err := k.Add(ctx, 1); v != want+1 || err != nil {
			t.Fatal(v, err)
		}
		names, _, err := c.Children(ctx, "/k")
		if err != nil || len(names) != 1 {
			t.Fatal(names, err)
		}
		if want == 0 {
			_, err = c.Set(ctx, "/k/"+names[0], nil, client.AnyVersion)
		} else {
			err = c.Delete(ctx, "/k/"+names[0], client.AnyVersion)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := k.Close(ctx); err != nil {
		t.Error(err)
	}
}
