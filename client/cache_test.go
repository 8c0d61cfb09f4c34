package client_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"quokka/client"
)

// listing is a Cache as text.
func listing(k *client.Cache) string {
	var all []string
	for _, n := range k.Nodes() {
		all = append(all, n.Path+"="+string(n.Data))
	}
	return strings.Join(all, " ")
}

// truth reads what a Cache should hold.
func truth(t *testing.T, c *client.Client, path string) string {
	t.Helper()
	ctx := short(t)
	var all []string
	var walk func(path string)
	walk = func(path string) {
		b, _, err := c.Get(ctx, path)
		if err != nil {
			return
		}
		all = append(all, path+"="+string(b))
		names, _, err := c.Children(ctx, path)
		must(t, err)
		for _, name := range names {
			walk(strings.TrimSuffix(path, "/") + "/" + name)
		}
	}
	walk(path)
	slices.SortFunc(all, func(a, b string) int {
		return strings.Compare(a[:strings.IndexByte(a, '=')], b[:strings.IndexByte(b, '=')])
	})
	return strings.Join(all, " ")
}

// settle waits until a Cache holds want.
func settle(t *testing.T, k *client.Cache, want string) {
	t.Helper()
	look, end := time.NewTicker(time.Millisecond), time.After(20*time.Second)
	defer look.Stop()
	for listing(k) != want {
		select {
		case <-look.C:
		case <-end:
			t.Fatalf("the cache has\n%s\nwant\n%s", listing(k), want)
		}
	}
}

func TestCacheFollows(t *testing.T) {
	onEach(t, func(t *testing.T, f fixture) {
		ctx, c, other := short(t), dial(t, f.ConnectString(), client.Options{}), dial(t, f.ConnectString(), client.Options{})
		empty, err := c.Cache(ctx, "/c")
		must(t, err)
		same(t, listing(empty), "")
		must(t, other.EnsurePath(ctx, "/c/a/b"))
		_, err = other.Create(ctx, "/c/secret", nil, client.WithACL(client.DigestACL(client.PermAll, "x", "y")...))
		must(t, err)
		_, err = other.Set(ctx, "/c/a", []byte("1"), -1)
		must(t, err)
		k, err := c.Cache(ctx, "/c")
		must(t, err)
		same(t, listing(k), "/c= /c/a=1 /c/a/b=")
		settle(t, empty, "/c= /c/a=1 /c/a/b=")
		must(t, other.Delete(ctx, "/c/a/b", -1))
		_, err = other.Create(ctx, "/c/n", []byte("2"))
		must(t, err)
		settle(t, k, "/c= /c/a=1 /c/n=2")
		if got := k.Children("/c"); !slices.Equal(got, []string{"a", "n"}) || k.Len() != 3 {
			t.Error(got, k.Len())
		}
		var got []string
		for v, err := range k.Changes(ctx) {
			must(t, err)
			got = append(got, v.Type.String()+" "+v.Node.Path)
			switch len(got) {
			case 3:
				_, err := other.Set(ctx, "/c/a", []byte("3"), -1)
				must(t, err)
			case 4:
				must(t, other.Delete(ctx, "/c/n", -1))
			}
			if len(got) == 5 {
				break
			}
		}
		same(t, strings.Join(got, ", "), "added /c, added /c/a, added /c/n, updated /c/a, removed /c/n")
		must(t, k.Close())
		must(t, k.Close())
		if n, ok := k.Get("/c/a"); !ok || string(n.Data) != "3" || k.Err() != nil {
			t.Error(n, ok, k.Err())
		}
		must(t, c.Close())
		for _, err := range empty.Changes(ctx) {
			if err != nil {
				want(t, err, client.ErrClosed)
			}
		}
		<-empty.Done()
		want(t, empty.Err(), client.ErrClosed)
	})
}

// TestCacheCatchesUp changes a tree at random while connections come and go.
func TestCacheCatchesUp(t *testing.T) {
	onEach(t, func(t *testing.T, f fixture) {
		p := newProxy(t, f.Addr(0))
		ctx, other := short(t), dial(t, f.ConnectString(), client.Options{})
		c := dial(t, p.addr(), client.Options{RetryReads: 20, MaxWatchQueue: 50})
		must(t, other.EnsurePath(ctx, "/t"))
		root, err := c.Sub("/t")
		must(t, err)
		k, err := root.Cache(ctx, "/")
		must(t, err)
		rng := rand.New(rand.NewPCG(1, 2))
		for round := range 30 {
			if round%3 == 1 {
				p.refuse(true)
			}
			for range 60 {
				path := fmt.Sprintf("/t/%d/%d/%d", rng.IntN(5), rng.IntN(4), rng.IntN(4))
				path = path[:len(path)-2*rng.IntN(3)]
				switch rng.IntN(4) {
				case 0:
					_ = other.Delete(ctx, path, -1)
				case 1:
					_, _ = other.Set(ctx, path, fmt.Append(nil, rng.IntN(100)), -1)
				default:
					_, _ = other.Create(ctx, path, fmt.Append(nil, round))
				}
				if rng.IntN(40) == 0 {
					p.cut()
				}
			}
			p.refuse(false)
			view, err := other.Sub("/t")
			must(t, err)
			settle(t, k, truth(t, view, "/"))
		}
		must(t, k.Close())
	})
}
