package subtree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"quokka/client"
	"quokka/quokkatest"
)

func TestCopyMakesAnEqualTree(t *testing.T) {
	a, b := quokkatest.Start(t, 1), quokkatest.Start(t, 1)
	from, to := dial(t, a), dial(t, b)
	for seed, l := range []Limits{{}, {Parts: 3}, {Bytes: 400}} {
		root := fmt.Sprintf("/r%d", seed)
		f := grow(t, from, root, uint64(10+seed), 150)
		left := Side{from, root}
		for _, right := range []Side{{to, root}, {from, "/deep/copy" + root}} {
			r, err := Copy(t.Context(), left, right, TransferOptions{Limits: l, Parents: true, Ephemerals: true, Kinds: f.Kinds})
			must(t, err)
			var lasting []Difference
			for _, d := range diffs(t, left, right, DiffOptions{}) {
				if !d.Kind || d.Data || d.ACL || d.Left.Kind != Ephemeral {
					lasting = append(lasting, d)
				}
			}
			sameDifferences(t, "after the copy", lasting)
			if want := int64(len(list(t, from, root))); r.Created != want || r.Seen != want {
				t.Errorf("%+v for %d nodes", r, want)
			}
			counters(t, left, right)
		}
	}
}

// counters checks that the next sequential child at the destination has a
// number that is greater than any at the source.
func counters(t *testing.T, left, right Side) {
	t.Helper()
	for _, n := range list(t, left.Client, left.Root) {
		if n.Kind == Ephemeral {
			continue
		}
		next, err := right.Client.Create(t.Context(), Join(right.Root, n.Path)+"/next-", nil, client.Sequential)
		must(t, err)
		if want := fmt.Sprintf("%010d", n.Counter); next[len(next)-10:] < want {
			t.Fatalf("%s: the copy numbers its next child %s, the source has given numbers up to %s", n.Path, next, want)
		}
		must(t, right.Client.Delete(t.Context(), next, client.AnyVersion))
	}
}

func TestCopyLeavesEphemeralsOut(t *testing.T) {
	c := dial(t, quokkatest.Start(t, 1))
	f := grow(t, c, "/r", 4, 100)
	r, err := Copy(t.Context(), Side{c, "/r"}, Side{c, "/s"}, TransferOptions{})
	must(t, err)
	var ephemerals int64
	for _, k := range f.kinds {
		if k == Ephemeral {
			ephemerals++
		}
	}
	if r.Skipped != ephemerals || ephemerals == 0 {
		t.Errorf("%+v with %d ephemerals", r, ephemerals)
	}
	sameDifferences(t, "without ephemerals", diffs(t, Side{c, "/r"}, Side{c, "/s"}, DiffOptions{NoEphemerals: true}))
}

// TestCopyKeepsKinds sees containers and TTL nodes by what servers do to
// them.
func TestCopyKeepsKinds(t *testing.T) {
	a := quokkatest.Start(t, 1)
	b := quokkatest.StartWith(t, 1, quokkatest.Options{Settings: map[string]string{"znode.container.checkIntervalMs": "50"}})
	from, to := dial(t, a), dial(t, b)
	for _, path := range []string{"/r/container/child", "/r/ttl", "/r/plain/child"} {
		must(t, from.EnsurePath(t.Context(), path))
	}
	kinds := func(path string) (Kind, time.Duration, bool) {
		switch path {
		case "/container":
			return Container, 0, true
		case "/ttl":
			return TTL, 1e8, true
		}
		return 0, 0, false
	}
	_, err := Copy(t.Context(), Side{from, "/r"}, Side{to, "/r"}, TransferOptions{Kinds: kinds})
	must(t, err)
	eventually(t, "the TTL node is gone", func() bool { return !exists(t, to, "/r/ttl") })
	must(t, to.Delete(t.Context(), "/r/plain/child", client.AnyVersion))
	must(t, to.Delete(t.Context(), "/r/container/child", client.AnyVersion))
	eventually(t, "the container is gone", func() bool { return !exists(t, to, "/r/container") })
	if !exists(t, to, "/r/plain") {
		t.Error("the plain node is gone as well")
	}
}

func TestCopyOfLargeData(t *testing.T) {
	c := dial(t, quokkatest.Start(t, 1))
	must(t, c.EnsurePath(t.Context(), "/r"))
	for i, size := range []int{1_048_000, 600_000, 1_048_000, 300_000, 300_000, 10} {
		_, err := c.Create(t.Context(), fmt.Sprintf("/r/%d", i), bytes.Repeat([]byte{byte(i)}, size))
		must(t, err)
	}
	_, err := Copy(t.Context(), Side{c, "/r"}, Side{c, "/s"}, TransferOptions{})
	must(t, err)
	sameDifferences(t, "large data", diffs(t, Side{c, "/r"}, Side{c, "/s"}, DiffOptions{}))
	_, err = Copy(t.Context(), Side{c, "/r"}, Side{c, "/" + strings.Repeat("long", 200)}, TransferOptions{})
	if err == nil || !strings.Contains(err.Error(), "MaxRequest") {
		t.Errorf("data that does not fit any more: %v", err)
	}
}

func TestCopyRefusesToBeginInVain(t *testing.T) {
	s := quokkatest.Start(t, 1)
	c := dial(t, s)
	other, err := c.Sub("/r")
	must(t, err)
	must(t, c.EnsurePath(t.Context(), "/r/a/b"))
	must(t, c.EnsurePath(t.Context(), "/t"))
	for _, p := range []struct {
		from, to Side
		o        TransferOptions
		want     string
	}{
		{Side{c, "/r"}, Side{c, "/r/a/c"}, TransferOptions{}, "overlap"},
		{Side{c, "/r/a"}, Side{c, "/r"}, TransferOptions{Existing: Overwrite}, "overlap"},
		{Side{c, "/"}, Side{c, "/new"}, TransferOptions{}, "overlap"},
		{Side{c, "/r"}, Side{other, "/a"}, TransferOptions{Existing: Overwrite}, "overlap"},
		{Side{dial(t, s), "/r"}, Side{other, "/a"}, TransferOptions{Existing: Overwrite}, "overlap"},
		{Side{other, "/"}, Side{dial(t, s), "/r/new"}, TransferOptions{}, "overlap"},
		{Side{c, "/r"}, Side{c, "/t"}, TransferOptions{}, "node exists"},
		{Side{c, "/r"}, Side{c, "/none/t"}, TransferOptions{}, "/none does not exist"},
		{Side{c, "/none"}, Side{c, "/u"}, TransferOptions{}, "node does not exist"},
		{Side{c, "/r"}, Side{c, "/zookeeper/quota"}, TransferOptions{Existing: Overwrite}, "belongs to the server"},
	} {
		before := list(t, c, "/")
		if _, err := Copy(t.Context(), p.from, p.to, p.o); err == nil || !strings.Contains(err.Error(), p.want) {
			t.Errorf("%s to %s: %v, want %q", p.from.Root, p.to.Root, err, p.want)
		}
		if len(list(t, c, "/")) != len(before) {
			t.Errorf("%s to %s has written something", p.from.Root, p.to.Root)
		}
	}
}

func TestMirrorMakesEqualAndADryRunDoesNothing(t *testing.T) {
	a, b := quokkatest.Start(t, 1), quokkatest.Start(t, 1)
	from, to := dial(t, a), dial(t, b)
	left, right := Side{from, "/r"}, Side{to, "/r"}
	for seed := range uint64(4) {
		grow(t, from, "/r", seed, 120) // over what is there
		grow(t, to, "/r", 100+seed, 60)
		_, err := from.Set(t.Context(), "/r", fmt.Appendf(nil, "seed %d", seed), client.AnyVersion)
		must(t, err)
		o := TransferOptions{Existing: Overwrite, Delete: true, DryRun: true}
		var plan, done []string
		o.Action = func(a Action) { plan = append(plan, a.Op+" "+a.Path) }
		before := list(t, to, "/r")
		dry, err := Copy(t.Context(), left, right, o)
		must(t, err)
		if len(diffs(t, right, right, DiffOptions{})) != 0 || len(list(t, to, "/r")) != len(before) {
			t.Fatal("a dry run has changed something")
		}
		o.DryRun, o.Action = false, func(a Action) { done = append(done, a.Op+" "+a.Path) }
		r, err := Copy(t.Context(), left, right, o)
		must(t, err)
		if !slices.Equal(plan, done) || dry.Created != r.Created || dry.Updated != r.Updated || dry.ACLs != r.ACLs || dry.Deleted != r.Deleted || dry.Raised != r.Raised {
			t.Errorf("seed %d: done is %+v, the dry run said %+v", seed, r, dry)
		}
		for _, d := range diffs(t, left, right, DiffOptions{NoEphemerals: true}) {
			if d.Left != nil || !hasEphemeral(t, right, d.Path) { // nodes above somebody's ephemeral stay
				t.Fatalf("seed %d: still differs at %s", seed, d.Path)
			}
		}
		counters(t, left, right)
	}
}

func TestMirrorOfAWholeServer(t *testing.T) {
	from, to := dial(t, quokkatest.Start(t, 1)), dial(t, quokkatest.Start(t, 1))
	grow(t, from, "/a", 1, 100)
	grow(t, from, "/b", 2, 50)
	grow(t, to, "/a", 3, 50)
	for _, n := range list(t, to, "/") { // what belongs to a session stays, and keeps what is above it
		if n.Kind == Ephemeral {
			must(t, to.Delete(t.Context(), n.Path, client.AnyVersion))
		}
	}
	must(t, to.EnsurePath(t.Context(), "/c/d"))
	must(t, to.EnsurePath(t.Context(), "/zookeeper/quota/a"))
	_, err := from.Set(t.Context(), "/", []byte("root"), client.AnyVersion)
	must(t, err)
	left, right := Side{from, "/"}, Side{to, "/"}
	_, err = Copy(t.Context(), left, right, TransferOptions{Existing: Overwrite, Delete: true})
	must(t, err)
	sameDifferences(t, "whole servers", diffs(t, left, right, DiffOptions{NoEphemerals: true}))
	if !exists(t, to, "/zookeeper/quota/a") {
		t.Error("what the server keeps was deleted")
	}
	if _, err := Copy(t.Context(), left, Side{dial(t, quokkatest.Start(t, 1)), "/"}, TransferOptions{}); err != nil {
		t.Errorf("to an empty server, where only the root exists: %v", err)
	}
}

func hasEphemeral(t *testing.T, s Side, path string) bool {
	t.Helper()
	return slices.ContainsFunc(list(t, s.Client, Join(s.Root, path)), func(n Node) bool { return n.Kind == Ephemeral })
}

// TestMirrorDoesNotOverwriteWhatChangesMeanwhile changes nodes at the
// destination after they were compared.
func TestMirrorDoesNotOverwriteWhatChangesMeanwhile(t *testing.T) {
	s := quokkatest.Start(t, 1)
	c, other := dial(t, s), dial(t, s)
	for _, path := range []string{"/r/a", "/r/b", "/s/a", "/s/x", "/s/b"} {
		must(t, c.EnsurePath(t.Context(), path))
	}
	_, err := c.Set(t.Context(), "/r/a", []byte("ours"), client.AnyVersion)
	must(t, err)
	meddle := func(a Action) {
		switch a.Path {
		case "/s/a", "/s/x":
			_, err := other.Set(t.Context(), a.Path, []byte("theirs"), client.AnyVersion)
			must(t, err)
		}
	}
	r, err := Copy(t.Context(), Side{c, "/r"}, Side{c, "/s"}, TransferOptions{Existing: Overwrite, Delete: true, Action: meddle})
	if !errors.Is(err, errMeanwhile) || r.Failed != 2 {
		t.Fatalf("%+v, %v", r, err)
	}
	for _, path := range []string{"/s/a", "/s/x"} {
		if data, _, err := c.Get(t.Context(), path); err != nil || string(data) != "theirs" {
			t.Errorf("%s has %q, %v", path, data, err)
		}
	}
	r, err = Copy(t.Context(), Side{c, "/r"}, Side{c, "/s"}, TransferOptions{Existing: Overwrite, Delete: true})
	if err != nil || r.Updated != 1 || r.Deleted != 1 {
		t.Errorf("run again: %+v, %v", r, err)
	}
}

func TestMirrorKeepsWhatItCannotCompare(t *testing.T) {
	s := quokkatest.Start(t, 1)
	c, stranger := dial(t, s), s.Dial(t, client.Options{})
	must(t, c.EnsurePath(t.Context(), "/r/open/x"))
	must(t, c.EnsurePath(t.Context(), "/s/secret/y"))
	must(t, c.EnsurePath(t.Context(), "/s/masked/y"))
	_, err := c.Create(t.Context(), "/r/secret", nil, client.WithACL(client.CreatorACL(client.PermAll)...))
	must(t, err)
	readable := append(client.WorldACL(client.PermRead), client.CreatorACL(client.PermAll)...)
	_, err = c.Create(t.Context(), "/r/masked", nil, client.WithACL(readable...))
	must(t, err)
	must(t, c.EnsurePath(t.Context(), "/r/masked/z"))
	r, err := Copy(t.Context(), Side{stranger, "/r"}, Side{c, "/s"}, TransferOptions{Existing: Overwrite, Delete: true})
	if !errors.Is(err, errMasked) || !strings.Contains(err.Error(), "ADMIN") || r.Failed < 2 {
		t.Errorf("%+v, %v", r, err)
	}
	for _, path := range []string{"/s/open/x", "/s/secret/y", "/s/masked/y"} {
		if !exists(t, c, path) {
			t.Errorf("%s is gone", path)
		}
	}
}

func TestCopySurvivesRestartsAndCanBeRepeated(t *testing.T) {
	a, b := quokkatest.Start(t, 1), quokkatest.Start(t, 1)
	from, to := dial(t, a), dial(t, b)
	must(t, from.EnsurePath(t.Context(), "/r"))
	p := from.Pipeline()
	for i := range 40 {
		p.Create(t.Context(), fmt.Sprintf("/r/%02d", i), nil)
		for k := range 100 {
			p.Create(t.Context(), fmt.Sprintf("/r/%02d/%03d", i, k), fmt.Appendf(nil, "%d", k))
		}
	}
	must(t, p.Wait(t.Context()))
	calls := 0
	restart := func(Report) {
		if calls++; calls%4 == 1 {
			s := []*quokkatest.Servers{a, b}[calls/4%2]
			must(t, s.Stop(0))
			must(t, s.Run(0))
		}
	}
	left, right := Side{from, "/r"}, Side{to, "/r"}
	r, err := Copy(t.Context(), left, right, TransferOptions{Limits: Limits{Parts: 20}, Progress: restart})
	if err != nil || r.Created != 4041 || calls < 9 {
		t.Fatalf("%+v after %d calls, %v", r, calls, err)
	}
	sameDifferences(t, "after restarts", diffs(t, left, right, DiffOptions{}))

	half := Side{to, "/half"}
	ctx, cancel := context.WithCancel(t.Context())
	_, err = Copy(ctx, left, half, TransferOptions{Limits: Limits{Parts: 20}, Progress: func(r Report) {
		if r.Seen > 2000 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled: %v", err)
	}
	r, err = Copy(t.Context(), left, half, TransferOptions{Existing: Skip})
	if err != nil || r.Created == 0 || r.Skipped == 0 {
		t.Errorf("the rest: %+v, %v", r, err)
	}
	sameDifferences(t, "after the second run", diffs(t, left, half, DiffOptions{}))
}

func TestCountersAreRaisedAsFarAsAllowed(t *testing.T) {
	c := dial(t, quokkatest.Start(t, 1))
	must(t, c.EnsurePath(t.Context(), "/r/queue"))
	for range 1300 {
		at, err := c.Create(t.Context(), "/r/queue/n-", nil, client.Sequential)
		must(t, err)
		must(t, c.Delete(t.Context(), at, client.AnyVersion))
	}
	r, err := Copy(t.Context(), Side{c, "/r"}, Side{c, "/far"}, TransferOptions{MaxRaise: 1000})
	if !errors.Is(err, errTooFar) || r.Raised != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	r, err = Copy(t.Context(), Side{c, "/r"}, Side{c, "/s"}, TransferOptions{})
	must(t, err)
	if at, err := c.Create(t.Context(), "/s/queue/n-", nil, client.Sequential); r.Raised != 1300 || at != "/s/queue/n-0000001300" {
		t.Errorf("%+v, and then %s, %v", r, at, err)
	}
	r, err = Copy(t.Context(), Side{c, "/r"}, Side{c, "/t"}, TransferOptions{NoCounters: true})
	if err != nil || r.Raised != 0 {
		t.Errorf("without counters: %+v, %v", r, err)
	}
}
