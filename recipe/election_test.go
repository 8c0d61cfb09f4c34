package recipe

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"quokka/client"
	"quokka/quokkatest"
)

var electionLayouts = []Layout{Curator, Selector, Kazoo}

func TestCampaignUnderFaults(t *testing.T) {
	t.Parallel()
	everyFault(t, func(w *world) {
		sick, healthy := NewElection(w.c, w.path, Options{Data: []byte("sick")}), NewElection(w.other, w.path, Options{Layout: Selector})
		first, err := healthy.Campaign(w.ctx)
		w.must(err)
		waiting := start(func() (*Leadership, error) { return sick.Campaign(w.sick) })
		w.until("it is a candidate or has failed", func() bool { return w.children(w.path) == 2 || len(waiting) == 1 })
		w.must(first.Resign(w.ctx))
		r := <-waiting
		if w.ok(r.err) {
			w.critical(r.v.Hold)
			if who, ok, err := sick.Leader(w.sick); w.ok(err) && (!ok || string(who.Data) != "sick") && !w.in.ended() {
				w.Error(who, ok)
			}
			w.ok(r.v.Resign(w.sick))
		}
		w.must(healthy.Do(w.ctx, func(_ context.Context, l *Leadership) error {
			w.critical(l.Hold)
			return nil
		}))
	})
}

// TestObserveUnderFaults has the one that suffers look on: it must see the
// leader that stays.
func TestObserveUnderFaults(t *testing.T) {
	t.Parallel()
	everyFault(t, func(w *world) {
		seen := make(chan string, 100)
		go func() {
			defer close(seen)
			for v, err := range NewElection(w.c, w.path, Options{}).Observe(w.sick) {
				if err != nil {
					w.ok(err)
					return
				}
				if seen <- string(v.Data); string(v.Data) == "last" {
					return
				}
			}
		}()
		see := func(want string) {
			for got := range seen {
				if got == want {
					return
				}
			}
			w.ok(fmt.Errorf("%w: %w: never saw %q", ErrLost, context.Canceled, want))
		}
		see("")
		for _, who := range []string{"first", "last"} {
			l, err := NewElection(w.other, w.path, Options{Data: []byte(who)}).Campaign(w.ctx)
			w.must(err)
			see(who)
			w.must(l.Resign(w.ctx))
		}
	})
}

func TestElection(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quokkatest.Start(t, 1).ConnectString())
	watcher := NewElection(w.other, w.path, Options{})
	if who, ok, err := watcher.Leader(w.ctx); ok || err != nil {
		t.Error(who, ok, err)
	}
	var led [3]<-chan result[*Leadership]
	for i, layout := range electionLayouts {
		e := NewElection(w.c, w.path, Options{Layout: layout, Data: fmt.Append(nil, i)})
		led[i] = start(func() (*Leadership, error) { return e.Campaign(w.ctx) })
		w.until("it is a candidate", func() bool { return w.children(w.path) == i+1 })
	}
	all, err := watcher.Candidates(w.ctx)
	if err != nil || len(all) != 3 {
		t.Fatal(all, err)
	}
	var seen strings.Builder
	next := 0
	for v, err := range watcher.Observe(w.ctx) {
		w.must(err)
		seen.WriteString(string(v.Data) + ",")
		if v.Path == "" {
			break
		}
		r := <-led[next]
		w.must(r.err)
		if next++; v.Token != r.v.Token() || v.Token != all[0].Token || v.Session != w.c.Session().ID {
			t.Error(v, r.v.Token())
		}
		all = all[1:]
		w.must(r.v.Resign(w.ctx))
	}
	if seen.String() != "0,1,2,," {
		t.Error(seen.String())
	}
	for _, err := range watcher.Observe(w.ctx) {
		if err != nil {
			if !errors.Is(err, client.ErrClosed) {
				t.Error(err)
			}
			return
		}
		w.must(w.other.Close())
	}
	t.Error("the end was not told")
}

// The directory and a candidate come between the two looks of an observer.
func TestObserverMissesNoBeginning(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quokkatest.Start(t, 1).ConnectString())
	n := 0
	w.in.mu.Lock()
	w.in.chaos = func() (fault, bool) {
		if n++; n == 3 { // list, list with a watch, exists
			l, err := NewElection(w.other, w.path, Options{Data: []byte("me")}).Campaign(w.ctx)
			if err != nil || l.Err() != nil {
				t.Error(l, err)
			}
		}
		return 0, false
	}
	w.in.mu.Unlock()
	seen := 0
	for v, err := range NewElection(w.c, w.path, Options{}).Observe(w.ctx) {
		w.must(err)
		if seen++; string(v.Data) == "me" {
			break
		}
	}
	if seen != 2 || n < 4 {
		t.Errorf("%d leaders, %d requests", seen, n)
	}
}
