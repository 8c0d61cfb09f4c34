package subtree

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"quokka/client"
	"quokka/quokkatest"
)

// dial opens a session that may read and write everything that grow makes.
func dial(t *testing.T, s *quokkatest.Servers) *client.Client {
	t.Helper()
	return s.Dial(t, client.Options{Auth: []client.Auth{{Scheme: "digest", Data: []byte("alice:secret")}}})
}

var oddNames = []string{
	"a", "b", "a.b", "a-b", "a b", "A", "...", "zookeeper", "ünï", "日本", "💾"[:0] + "x", "quo\"ted", "%2F", "-", "0000000007", "end\\", "tab,", "~",
}

// A forest is a random tree as it was made.
type forest struct {
	root  string
	kinds map[string]Kind // below root, where it is not persistent
	paths []string        // full
}

func (f *forest) Kinds(path string) (Kind, time.Duration, bool) {
	k, ok := f.kinds[path]
	return k, time.Hour, ok
}

// grow makes a random tree of n nodes under root, which is created.
func grow(t *testing.T, c *client.Client, root string, seed uint64, n int) *forest {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	f := &forest{root: root, kinds: make(map[string]Kind)}
	must(t, c.EnsurePath(t.Context(), root))
	parents := []string{root}
	for range n {
		above := parents[r.IntN(len(parents))]
		path := Join(above, fmt.Sprintf("/%s%d", oddNames[r.IntN(len(oddNames))], r.IntN(30)))
		var options []client.CreateOption
		kind := []Kind{Lasting, Lasting, Lasting, Container, TTL, Ephemeral}[r.IntN(6)]
		switch kind {
		case Container:
			options = append(options, client.Container)
		case TTL:
			options = append(options, client.WithTTL(time.Hour))
		case Ephemeral:
			options = append(options, client.Ephemeral)
		}
		acl := [][]client.ACL{
			client.WorldACL(client.PermAll), client.DigestACL(client.PermAll, "alice", "secret"),
			append(client.WorldACL(client.PermRead), client.CreatorACL(client.PermAll)...),
		}[r.IntN(3)]
		_, err := c.Create(t.Context(), path, randomData(r), append(options, client.WithACL(acl...))...)
		if errors.Is(err, client.ErrNodeExists) {
			continue
		}
		must(t, err)
		f.paths = append(f.paths, path)
		if kind != Lasting {
			f.kinds[strings.TrimPrefix(path, root)] = kind
		}
		if kind == Ephemeral {
			continue
		}
		parents = append(parents, path)
		for range r.IntN(4) { // numbers that are used up
			at, err := c.Create(t.Context(), path+"/n-", nil, client.Sequential)
			must(t, err)
			if r.IntN(2) == 0 {
				must(t, c.Delete(t.Context(), at, client.AnyVersion))
			}
		}
		if kind == Container { // with a child it is not deleted while the test runs
			_, err := c.Create(t.Context(), path+"/keep", nil)
			must(t, err)
		}
	}
	return f
}

func randomData(r *rand.Rand) []byte {
	switch r.IntN(5) {
	case 0:
		return nil
	case 1:
		return []byte{}
	case 2:
		return fmt.Appendf(nil, "text with \t tab, \"quotes\" and <html>\nsecond line ü %d", r.Uint32())
	case 3:
		b := make([]byte, r.IntN(200))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	return []byte("{\"k\": 1}")
}

// list reads a subtree in the simplest way, to compare with.
func list(t *testing.T, c *client.Client, root string) []Node {
	t.Helper()
	var all []Node
	var visit func(path string)
	visit = func(path string) {
		at := Join(root, path)
		names, _, err := c.Children(t.Context(), at)
		must(t, err)
		data, stat, err := c.Get(t.Context(), at)
		must(t, err)
		acl, _, err := c.GetACL(t.Context(), at)
		must(t, err)
		slices.Sort(names)
		names = slices.DeleteFunc(names, func(name string) bool { return Join(root, child(path, name)) == systemTree })
		n := Node{Path: path, Children: names, Data: data, ACL: acl, Stat: stat, Counter: Created(stat)}
		if stat.EphemeralOwner != 0 {
			n.Kind = Ephemeral
		}
		all = append(all, n)
		for _, name := range names {
			visit(child(path, name))
		}
	}
	visit("/")
	return all
}

func collect[T any](t *testing.T, seq func(func(T, error) bool)) []T {
	t.Helper()
	var all []T
	for v, err := range seq {
		must(t, err)
		all = append(all, v)
	}
	return all
}

func diffs(t *testing.T, left, right Side, o DiffOptions) []Difference {
	t.Helper()
	return collect(t, Diff(DiffWalk(t.Context(), left, o, nil), DiffWalk(t.Context(), right, o, nil), o))
}

func sameDifferences(t *testing.T, what string, got []Difference, want ...string) {
	t.Helper()
	var text []string
	for _, d := range got {
		text = append(text, d.Path)
	}
	if !slices.Equal(text, want) {
		t.Fatalf("%s: differences at %q, want %q", what, text, want)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits for a condition that the servers bring about.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for !holds() {
		select {
		case <-look.C:
		case <-ctx.Done():
			t.Fatalf("not reached: %s", what)
		}
	}
}
