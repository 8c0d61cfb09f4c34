package subtree

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"quokka/client"
	"quokka/quokkatest"
)

func TestWalkSeesEveryNodeInOrder(t *testing.T) {
	c := dial(t, quokkatest.Start(t, 1))
	for seed := range uint64(3) {
		f := grow(t, c, fmt.Sprintf("/w%d", seed), seed, 150)
		want := list(t, c, f.root)
		got := collect(t, Walk(t.Context(), c, f.root, WalkOptions{Data: true, ACL: true}))
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d: the walk has %d nodes, want %d, or they differ", seed, len(got), len(want))
		}
		if !slices.IsSortedFunc(got, func(a, b Node) int { return Compare(a.Path, b.Path) }) {
			t.Fatalf("seed %d: not in the order of Compare", seed)
		}
	}
	all := collect(t, Walk(t.Context(), c, "/", WalkOptions{}))
	for _, n := range all {
		if Within(systemTree, n.Path) {
			t.Errorf("the walk of / shows %s", n.Path)
		}
	}
	if want := list(t, c, "/"); len(all) != len(want) {
		t.Errorf("the walk of / has %d nodes, want %d", len(all), len(want))
	}
	if got := collect(t, Walk(t.Context(), c, systemTree, WalkOptions{})); len(got) < 3 {
		t.Errorf("a walk that begins at %s has %d nodes", systemTree, len(got))
	}
}

func TestWalkOfAWideNodeWithLargeData(t *testing.T) {
	c := dial(t, quokkatest.Start(t, 1))
	must(t, c.EnsurePath(t.Context(), "/wide"))
	p := c.Pipeline()
	for i := range 3 * window {
		p.Create(t.Context(), fmt.Sprintf("/wide/%d", i), nil)
	}
	must(t, c.EnsurePath(t.Context(), "/wide/large"))
	for i := range 40 { // more than is held ahead
		p.Create(t.Context(), fmt.Sprintf("/wide/large/%d", i), make([]byte, 1_000_000))
	}
	must(t, p.Wait(t.Context()))
	w := 0
	bytes := 0
	for n, err := range Walk(t.Context(), c, "/wide", WalkOptions{Data: true}) {
		must(t, err)
		w++
		bytes += len(n.Data)
	}
	if w != 3*window+42 || bytes != 40_000_000 {
		t.Fatalf("saw %d nodes with %d bytes", w, bytes)
	}
}

func TestWalkGoesNoFurtherThanAsked(t *testing.T) {
	c := dial(t, quokkatest.Start(t, 1))
	must(t, c.EnsurePath(t.Context(), "/r/a/b/c"))
	must(t, c.EnsurePath(t.Context(), "/r/x/y"))
	paths := func(o WalkOptions) (all []string) {
		for _, n := range collect(t, Walk(t.Context(), c, "/r", o)) {
			all = append(all, n.Path)
		}
		return all
	}
	if got := paths(WalkOptions{MaxDepth: 1}); !slices.Equal(got, []string{"/", "/a", "/x"}) {
		t.Errorf("one step down: %q", got)
	}
	prune := func(n Node) bool { return n.Path == "/a" && len(n.Children) == 1 }
	if got := paths(WalkOptions{Prune: prune}); !slices.Equal(got, []string{"/", "/a", "/x", "/x/y"}) {
		t.Errorf("pruned at /a: %q", got)
	}
	for _, err := range Walk(t.Context(), c, "/none", WalkOptions{}) {
		if !errors.Is(err, client.ErrNoNode) {
			t.Errorf("no root: %v", err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range Walk(ctx, c, "/r", WalkOptions{}) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	}
}

func TestWalkTellsWhatItMayNotRead(t *testing.T) {
	s := quokkatest.Start(t, 1)
	c, stranger := dial(t, s), s.Dial(t, client.Options{})
	must(t, c.EnsurePath(t.Context(), "/r/a"))
	_, err := c.Create(t.Context(), "/r/b", nil, client.WithACL(client.CreatorACL(client.PermAll)...))
	must(t, err)
	must(t, c.EnsurePath(t.Context(), "/r/b/c"))
	got := collect(t, Walk(t.Context(), stranger, "/r", WalkOptions{Data: true, ACL: true}))
	if len(got) != 3 || got[2].Path != "/b" || !errors.Is(got[2].Err, client.ErrNoAuth) || got[1].Err != nil {
		t.Errorf("saw %+v", got)
	}
}

// TestWalkSurvivesARestart takes the server away in the middle.
func TestWalkSurvivesARestart(t *testing.T) {
	s := quokkatest.Start(t, 1)
	c := dial(t, s)
	f := grow(t, c, "/r", 5, 300)
	p := c.Pipeline()
	for i := range 3 * window {
		p.Create(t.Context(), fmt.Sprintf("/r/wide%05d", i), []byte("d"))
	}
	must(t, p.Wait(t.Context()))
	want := list(t, c, f.root)
	var got []Node
	for n, err := range Walk(t.Context(), c, f.root, WalkOptions{Data: true, ACL: true}) {
		must(t, err)
		if len(got)%900 == 100 {
			must(t, s.Stop(0))
			must(t, s.Run(0))
		}
		got = append(got, n)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("the walk has %d nodes, want %d, or they differ", len(got), len(want))
	}
}

func TestWalkCountsWhatVanishes(t *testing.T) {
	c := dial(t, quokkatest.Start(t, 1))
	must(t, c.EnsurePath(t.Context(), "/r"))
	for i := range 4 * window {
		_, err := c.Create(t.Context(), fmt.Sprintf("/r/%05d", i), nil)
		must(t, err)
	}
	vanished, seen := 0, 0
	for n, err := range Walk(t.Context(), c, "/r", WalkOptions{Vanished: func(string) { vanished++ }}) {
		must(t, err)
		if n.Path == "/00000" { // the last ones are not asked for yet
			for i := 4*window - 10; i < 4*window; i++ {
				must(t, c.Delete(t.Context(), fmt.Sprintf("/r/%05d", i), client.AnyVersion))
			}
		}
		seen++
	}
	if seen != 4*window-10+1 || vanished != 10 {
		t.Errorf("saw %d nodes and %d vanish", seen, vanished)
	}
}

func TestCompareOrdersLikePathElements(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	random := func() string {
		var b strings.Builder
		for range 1 + r.IntN(4) {
			b.WriteString("/" + []string{"a", "a.b", "a!", "b", "a-", "ü", "z0"}[r.IntN(7)])
		}
		return b.String()
	}
	for range 5000 {
		a, b := random(), random()
		want := slices.Compare(strings.Split(a, "/"), strings.Split(b, "/"))
		if got := Compare(a, b); got < 0 != (want < 0) || got > 0 != (want > 0) {
			t.Fatalf("Compare(%q, %q) = %d, want the sign of %d", a, b, got, want)
		}
	}
	if Compare("/", "/a") >= 0 || Compare("/a", "/") <= 0 || Compare("/", "/") != 0 {
		t.Error("/ is not before everything")
	}
}

func TestCreatedCountsCreatesBeyondTheWrapOfCversion(t *testing.T) {
	for _, creates := range []int64{0, 1, 7, 1 << 30, 1<<30 + 1, 1<<31 - 1} {
		for _, children := range []int32{0, 1, 5} {
			if int64(children) > creates {
				continue
			}
			s := client.Stat{Cversion: int32(uint32(2*creates - int64(children))), NumChildren: children}
			if got := Created(s); got != creates {
				t.Errorf("%d creates and %d children: got %d", creates, children, got)
			}
		}
	}
}

// TestReadsComeAfterASync looks at the requests: a follower that is behind
// would show what is not true any more.
func TestReadsComeAfterASync(t *testing.T) {
	s := quokkatest.Start(t, 1)
	var mu sync.Mutex
	var ops []string
	c := s.Dial(t, client.Options{Hooks: client.Hooks{Request: func(r client.RequestInfo) {
		mu.Lock()
		defer mu.Unlock()
		ops = append(ops, r.Op+" "+r.Path)
	}}})
	must(t, c.EnsurePath(t.Context(), "/r/a"))
	mu.Lock()
	ops = nil
	mu.Unlock()
	collect(t, Walk(t.Context(), c, "/r", WalkOptions{Data: true, ACL: true}))
	collect(t, find(t.Context(), Walk(t.Context(), c, "/r", WalkOptions{}), Side{c, "/s"}))
	mu.Lock()
	defer mu.Unlock()
	syncs := 0
	for i, op := range ops {
		if op == "sync /" {
			syncs++
		}
		if i == 0 && syncs != 1 || strings.HasSuffix(op, " /s") && syncs != 3 { // two walks and what looks for counterparts
			t.Fatalf("request %d is %s after %d syncs, all are %q", i, op, syncs, ops)
		}
	}
	if syncs != 3 {
		t.Errorf("%d syncs in %q", syncs, ops)
	}
}
