package subtree

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"quokka/client"
	"quokka/quokkatest"
)

func exists(t *testing.T, c *client.Client, path string) bool {
	t.Helper()
	_, ok, err := c.Exists(t.Context(), path)
	must(t, err)
	return ok
}

func TestDeleteLeavesNothing(t *testing.T) {
	c := dial(t, quokkatest.Start(t, 1))
	for seed, l := range []Limits{{}, {Parts: 1}, {Parts: 7}, {Bytes: 300}} {
		f := grow(t, c, "/r", uint64(seed), 200)
		want := int64(len(list(t, c, f.root)))
		r, err := Delete(t.Context(), c, "/r", DeleteOptions{Limits: l})
		must(t, err)
		if r.Deleted != want || r.Failed != 0 || exists(t, c, "/r") {
			t.Errorf("limits %+v: %+v, want %d deleted", l, r, want)
		}
	}
	if _, err := Delete(t.Context(), c, "/r", DeleteOptions{}); !errors.Is(err, client.ErrNoNode) {
		t.Errorf("what does not exist: %v", err)
	}
}

func TestDeleteKeepsWhatTheServerOwns(t *testing.T) {
	c := dial(t, quokkatest.Start(t, 1))
	grow(t, c, "/a", 1, 50)
	must(t, c.EnsurePath(t.Context(), "/zookeeper/quota/a"))
	must(t, c.EnsurePath(t.Context(), "/zookeepers/b"))
	for _, path := range []string{"/zookeeper", "/zookeeper/quota", "/zookeeper/quota/a"} {
		if _, err := Delete(t.Context(), c, path, DeleteOptions{}); err == nil {
			t.Errorf("%s was deleted", path)
		}
	}
	_, err := Delete(t.Context(), c, "/", DeleteOptions{})
	must(t, err)
	names, _, err := c.Children(t.Context(), "/")
	must(t, err)
	if !slices.Equal(names, []string{"zookeeper"}) || !exists(t, c, "/zookeeper/quota/a") {
		t.Errorf("left are %q", names)
	}
	must(t, c.EnsurePath(t.Context(), "/sub/zookeeper/x")) // below a chroot that is a name like any other
	sub, err := c.Sub("/sub")
	must(t, err)
	if r, err := Delete(t.Context(), sub, "/", DeleteOptions{}); err != nil && !errors.Is(err, client.ErrNotEmpty) || exists(t, c, "/sub/zookeeper") {
		t.Errorf("below a chroot: %+v, %v", r, err)
	}
}

func TestDeleteDoesWhatItMayAndSaysWhatIsLeft(t *testing.T) {
	s := quokkatest.Start(t, 1)
	c, stranger := dial(t, s), s.Dial(t, client.Options{})
	for _, path := range []string{"/r/a/b", "/r/c/d", "/r/e/f/g"} {
		must(t, c.EnsurePath(t.Context(), path))
	}
	_, err := c.SetACL(t.Context(), "/r/c", append(client.WorldACL(client.PermRead), client.CreatorACL(client.PermAll)...), client.AnyVersion)
	must(t, err)
	r, err := Delete(t.Context(), stranger, "/r", DeleteOptions{})
	var partial *PartialError
	if !errors.As(err, &partial) || !errors.Is(err, client.ErrNoAuth) {
		t.Fatalf("got %v", err)
	}
	if r.Deleted != 5 || r.Failed != 3 || r.Failures[0].Path != "/r/c/d" || !strings.Contains(err.Error(), "delete /r/c/d: not permitted by the ACL") {
		t.Errorf("%+v: %v", r, err)
	}
	_, err = Delete(t.Context(), c, "/r", DeleteOptions{}) // goes on where it was
	must(t, err)
}

// TestDeleteWinsAgainstCreators lets others create nodes until the root is
// gone.
func TestDeleteWinsAgainstCreators(t *testing.T) {
	s := quokkatest.Start(t, 1)
	c := dial(t, s)
	grow(t, c, "/r", 1, 300)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var busy sync.WaitGroup
	for i := range 3 {
		other := dial(t, s)
		busy.Go(func() {
			for n := range 100_000 {
				_, err := other.Create(ctx, fmt.Sprintf("/r/new%d-%d", i, n), nil)
				if err != nil {
					return
				}
			}
		})
	}
	r, err := Delete(t.Context(), c, "/r", DeleteOptions{Rounds: 1000})
	cancel()
	busy.Wait()
	if err != nil || exists(t, c, "/r") {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestDeleteSurvivesARestartAndStopsWithItsContext(t *testing.T) {
	s := quokkatest.Start(t, 1)
	c := dial(t, s)
	must(t, c.EnsurePath(t.Context(), "/r"))
	p := c.Pipeline()
	for i := range 4000 {
		p.Create(t.Context(), fmt.Sprintf("/r/%05d", i), nil)
	}
	must(t, p.Wait(t.Context()))
	restarts := 0
	r, err := Delete(t.Context(), c, "/r", DeleteOptions{Limits: Limits{Parts: 20}, Progress: func(Report) {
		if restarts++; restarts%5 == 1 {
			must(t, s.Stop(0))
			must(t, s.Run(0))
		}
	}})
	if err != nil || r.Deleted+r.Vanished < 4001 || restarts < 6 || exists(t, c, "/r") {
		t.Errorf("%+v, %v", r, err)
	}
	grow(t, c, "/r", 2, 300)
	ctx, cancel := context.WithCancel(t.Context())
	_, err = Delete(ctx, c, "/r", DeleteOptions{Progress: func(Report) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestSetACLReachesEveryNode(t *testing.T) {
	s := quokkatest.Start(t, 1)
	c := dial(t, s)
	f := grow(t, c, "/r", 3, 200)
	all := int64(len(list(t, c, f.root)))
	acl := client.DigestACL(client.PermAll, "alice", "secret")
	r, err := SetACL(t.Context(), c, "/r", acl, client.AnyVersion, ACLOptions{})
	must(t, err)
	if r.ACLs != all {
		t.Errorf("%+v for %d nodes", r, all)
	}
	for _, n := range list(t, c, "/r") {
		if !slices.Equal(n.ACL, acl) {
			t.Fatalf("%s has %v", n.Path, n.ACL)
		}
	}
	if r, err := SetACL(t.Context(), c, "/r", acl, client.AnyVersion, ACLOptions{OnlyDifferent: true}); err != nil || r.ACLs != 0 || r.Same != all {
		t.Errorf("the second time: %+v, %v", r, err)
	}
	stranger := s.Dial(t, client.Options{})
	must(t, c.EnsurePath(t.Context(), "/open/a/b"))
	if r, err := SetACL(t.Context(), stranger, "/open", acl, client.AnyVersion, ACLOptions{}); err != nil || r.ACLs != 3 {
		t.Errorf("a list that shuts out who sets it: %+v, %v", r, err)
	}
	var failed []string
	note := func(f Failure) { failed = append(failed, f.Op+" "+f.Path) }
	r, err = SetACL(t.Context(), stranger, "/open", acl, client.AnyVersion, ACLOptions{Failed: note})
	if !errors.Is(err, client.ErrNoAuth) || !slices.Equal(failed, []string{"list the children of /open", "setACL /open"}) {
		t.Errorf("%+v, %v, %q", r, err, failed)
	}
	if _, err := SetACL(t.Context(), stranger, "/r", client.WorldACL(client.PermAll), client.AnyVersion, ACLOptions{}); !errors.Is(err, client.ErrNoAuth) {
		t.Errorf("a stranger: %v", err)
	}
}
