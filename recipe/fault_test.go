package recipe

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"quokka/client"
	"quokka/quokkatest"
)

// A world is what one run of a scenario has.
type world struct {
	*testing.T
	ctx   context.Context // of what nothing befalls
	sick  context.Context // of the calls of c
	c     *client.Client  // the fault befalls it
	other *client.Client  // nothing befalls it
	path  string          // which is fresh; nothing exists there
	in    *injector

	register string // what holders of the lock write to
	inside   atomic.Int32
	ends     bool // sessions are ended at random
	mu       sync.Mutex
	trail    []written
}

// written is a write of a holder to the register.
type written struct {
	at    client.Zxid
	token int64
}

const (
	sessionTimeout = 30 * time.Second
	// Everything a scenario waits for must come within this.
	patience = 60 * time.Second
)

// everyFault runs a scenario once to count the requests of w.c, and then once
// for every request and every fault. At the end of each run no ephemeral node
// may be left of its sessions, and what holders wrote must be in the order of
// their tokens.
func everyFault(t *testing.T, scenario func(w *world)) {
	t.Helper()
	addr := quokkatest.Start(t, 1).ConnectString()
	n := 0
	run := func(name string, at int, kind fault) bool {
		return t.Run(name, func(t *testing.T) {
			w := newWorld(t, addr)
			w.in.arm(at, kind)
			scenario(w)
			w.in.arm(0, kind)
			w.nothingLeft()
			w.checkTrail()
			if at == 0 {
				n = w.in.requests()
			}
		})
	}
	if !run("no fault", 0, 0) || n == 0 {
		t.Fatalf("without a fault, after %d requests", n)
	}
	for _, kind := range faults {
		for at := 1; at <= n; at++ {
			run(fmt.Sprintf("%v %d", kind, at), at, kind)
		}
	}
}

// everyTwoFaults runs a scenario, which makes n requests or a few more, with
// every pair of requests whose answers are lost.
func everyTwoFaults(t *testing.T, n int, scenario func(w *world)) {
	t.Helper()
	addr := quokkatest.Start(t, 1).ConnectString()
	kinds := []fault{cutAfter, cutAtOnce}
	for first := 1; first <= n; first++ {
		for second := first + 1; second <= n+3; second++ {
			for i := range kinds {
				t.Run(fmt.Sprintf("%v %d, %v %d", kinds[i], first, kinds[1-i], second), func(t *testing.T) {
					w, count := newWorld(t, addr), 0
					w.in.mu.Lock()
					w.in.chaos = func() (fault, bool) {
						count++
						if count == first {
							return kinds[i], true
						}
						return kinds[1-i], count == second
					}
					w.in.mu.Unlock()
					scenario(w)
					w.nothingLeft()
					w.checkTrail()
				})
			}
		}
	}
}

var worlds atomic.Int32

func newWorld(t *testing.T, addr string) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	sick, giveUp := context.WithCancel(ctx)
	n := worlds.Add(1)
	w := &world{
		T: t, ctx: ctx, sick: sick, path: fmt.Sprintf("/w%d/x", n), register: fmt.Sprintf("/register%d", n),
		in: &injector{addr: addr, t: t, cancel: giveUp},
	}
	w.c = dialWith(t, addr, client.Options{SessionTimeout: sessionTimeout, Dial: w.in.dial})
	w.in.c.Store(w.c)
	w.other = dialWith(t, addr, client.Options{SessionTimeout: sessionTimeout})
	_, err := w.other.Create(ctx, w.register, nil)
	w.must(err)
	return w
}

func dialWith(t testing.TB, addr string, o client.Options) *client.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := client.Dial(ctx, addr, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// ok tells whether a call of w.c with w.sick succeeded. It may only fail if
// the fault has ended the session or w.sick, and then only because of that.
func (w *world) ok(err error) bool {
	w.Helper()
	if err == nil {
		return true
	}
	over := errors.Is(err, ErrLost) || errors.Is(err, client.ErrSessionExpired)
	if !((w.in.ended() || w.ends) && over || w.in.gaveUp() && errors.Is(err, context.Canceled)) {
		w.Errorf("%v (session ended by the test: %v)", err, w.in.ended())
	}
	return false
}

// until waits for a condition that the servers fulfil.
func (w *world) until(what string, done func() bool) {
	w.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for !done() {
		select {
		case <-look.C:
		case <-w.ctx.Done():
			w.Fatalf("waited in vain: %s", what)
		}
	}
}

// children returns how many nodes there are in a directory.
func (w *world) children(dir string) int {
	w.Helper()
	names, _, err := w.other.Children(w.ctx, dir)
	if err != nil && !errors.Is(err, client.ErrNoNode) {
		w.Fatal(err)
	}
	return len(names)
}

// critical is what the holder of an exclusive lock does: it is alone, and
// writes to the register.
func (w *world) critical(h *Hold) {
	w.Helper()
	if n := w.inside.Add(1); n > 1 && !w.in.ended() && !w.ends {
		w.Errorf("%d holders at a time", n)
	}
	defer w.inside.Add(-1)
	for {
		results, err := h.Commit(w.ctx, h.Multi().Set(w.register, fmt.Append(nil, h.Token()), client.AnyVersion))
		if errors.Is(err, client.ErrConnectionLoss) {
			continue // writing it twice does no harm
		}
		if w.ok(err) {
			w.mu.Lock()
			w.trail = append(w.trail, written{results[0].Stat.Mzxid, h.Token()})
			w.mu.Unlock()
		}
		return
	}
}

// checkTrail looks for a holder that wrote after one with a larger token.
func (w *world) checkTrail() {
	w.Helper()
	slices.SortFunc(w.trail, func(a, b written) int { return int(a.at - b.at) })
	if !slices.IsSortedFunc(w.trail, func(a, b written) int { return int(a.token - b.token) }) {
		w.Errorf("writes in the order of their zxids, with tokens: %v", w.trail)
	}
}

// nothingLeft waits until the sessions have no ephemeral node.
func (w *world) nothingLeft() {
	w.Helper()
	w.nothingOf(w.c)
	w.nothingOf(w.other)
}

// nothingOf waits until a session has no ephemeral node.
func (w *world) nothingOf(c *client.Client) {
	w.Helper()
	w.until("ephemeral nodes go", func() bool {
		left, err := c.GetEphemerals(w.ctx, "/")
		switch {
		case err == nil:
			return len(left) == 0
		case !errors.Is(err, client.ErrConnectionLoss) && !errors.Is(err, client.ErrSessionExpired):
			w.Error(err)
			return true
		}
		return errors.Is(err, client.ErrSessionExpired)
	})
}

// A result is what a call that was started returns.
type result[T any] struct {
	v   T
	err error
}

// start calls in the background.
func start[T any](call func() (T, error)) <-chan result[T] {
	ch := make(chan result[T], 1)
	go func() {
		v, err := call()
		ch <- result[T]{v, err}
	}()
	return ch
}

// TestMain fails if goroutines of the package outlive all tests.
func TestMain(m *testing.M) {
	code := m.Run()
	var left []string
	for range 500 {
		if left = leaks(); len(left) == 0 {
			os.Exit(code)
		}
		<-time.After(10 * time.Millisecond)
	}
	fmt.Printf("goroutines are left:\n%s\n", strings.Join(left, "\n\n"))
	os.Exit(1)
}

// leaks returns the stacks that have a frame of the package or the client.
func leaks() (all []string) {
	b := make([]byte, 4<<20)
	for stack := range strings.SplitSeq(string(b[:runtime.Stack(b, true)]), "\n\n") {
		for line := range strings.SplitSeq(stack, "\n") {
			ours := strings.Contains(line, "/recipe/") || strings.Contains(line, "/client/")
			if ours && strings.Contains(line, ".go:") && !strings.Contains(line, "_test.go:") {
				all = append(all, stack)
				break
			}
		}
	}
	return all
}
