package recipe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"quokka/client"
	"quokka/quokkatest"
)

func memberNames(all []Member) (s []string) {
	for _, m := range all {
		s = append(s, m.Name+"="+string(m.Data))
	}
	return s
}

func TestGroupUnderFaults(t *testing.T) {
	t.Parallel()
	everyFault(t, func(w *world) {
		sick, healthy := NewGroup(w.c, w.path, GroupOptions{Rejoin: true}), NewGroup(w.other, w.path, GroupOptions{})
		b, err := healthy.Join(w.ctx, "b", []byte("1"))
		w.must(err)
		a, err := sick.Join(w.sick, "a", []byte("1"))
		if w.ok(err) {
			err = a.SetData(w.sick, []byte("2"))
			if w.ok(err) {
				all, err := healthy.Members(w.ctx)
				w.must(err)
				if got := fmt.Sprint(memberNames(all)); got != "[b=1 a=2]" && !w.in.ended() {
					w.Errorf("members %s", got)
				}
			}
			if w.in.gaveUp() {
				w.must(a.SetData(w.ctx, []byte("2")))
			}
			// Somebody deletes the node: it comes back with its data.
			if err := w.other.Delete(w.ctx, w.path+"/a", client.AnyVersion); err != nil && !w.in.ended() {
				w.Error(err)
			}
			w.until("it is back or has ended", func() bool {
				all, err := healthy.Members(w.ctx)
				w.must(err)
				return a.Err() != nil || slices.Contains(memberNames(all), "a=2")
			})
			if err := a.Err(); err != nil {
				w.ok(err)
			}
			w.must(a.Leave(w.ctx))
		}
		w.until("the member is gone", func() bool {
			all, err := healthy.Members(w.ctx)
			w.must(err)
			return fmt.Sprint(memberNames(all)) == "[b=1]"
		})
		w.must(b.Leave(w.ctx))
	})
}

func TestGroupLayouts(t *testing.T) {
	t.Parallel()
	c := quokkatest.Start(t, 1).Dial(t, client.Options{})
	ctx := t.Context()
	for i, tt := range []struct {
		layout      GroupLayout
		node, data  string // a pattern of the node's name, and its data
		memberNames string
	}{
		{CuratorGroup, "m1", "d", "[m1=d]"},
		{KazooParty, "????????????????????????????????__party__", "m1", "[m1=]"},
		{KazooShallowParty, "????????????????????????????????-m1", "m1", "[m1=]"},
	} {
		g := NewGroup(c, fmt.Sprintf("/g%d", i), GroupOptions{Layout: tt.layout})
		data := []byte("d")
		if tt.layout != CuratorGroup {
			if _, err := g.Join(ctx, "m1", data); err == nil {
				t.Error("data in a layout that has none")
			}
			data = nil
		}
		m, err := g.Join(ctx, "m1", data)
		if err != nil {
			t.Fatal(err)
		}
		if m.Name() != "m1" {
			t.Errorf("joined as %q", m.Name())
		}
		stored, stat, err := c.Get(ctx, m.Node())
		if err != nil || string(stored) != tt.data || stat.EphemeralOwner != c.Session().ID {
			t.Errorf("%q %+v: %v", stored, stat, err)
		}
		if name := g.name(m.Node()); !matches(tt.node, name) {
			t.Errorf("node %s, want %s", name, tt.node)
		}
		if _, err := c.Create(ctx, g.path("x_y"), nil); err != nil && tt.layout != CuratorGroup {
			t.Error(err)
		}
		all, err := g.Members(ctx)
		if tt.layout == CuratorGroup {
			all = slices.DeleteFunc(all, func(m Member) bool { return m.Name == "x_y" })
		}
		if err != nil || fmt.Sprint(memberNames(all)) != tt.memberNames || all[0].Session != c.Session().ID {
			t.Errorf("%+v: %v", all, err)
		}
		if err := m.Leave(ctx); err != nil || !errors.Is(m.Err(), ErrReleased) || !errors.Is(context.Cause(m.Context()), ErrReleased) {
			t.Error(err, m.Err())
		}
	}
}

func matches(pattern, s string) bool {
	if len(pattern) != len(s) {
		return false
	}
	for i := range pattern {
		if pattern[i] != '?' && pattern[i] != s[i] {
			return false
		}
	}
	return true
}

// TestGroupNameIsUnique: another session waits for the name, and this one is
// told that it has it.
func TestGroupNameIsUnique(t *testing.T) {
	t.Parallel()
	servers := quokkatest.Start(t, 1)
	c, old := servers.Dial(t, client.Options{}), servers.Dial(t, client.Options{})
	ctx := t.Context()
	if _, err := NewGroup(old, "/g", GroupOptions{}).Join(ctx, "a", nil); err != nil {
		t.Fatal(err)
	}
	g := NewGroup(c, "/g", GroupOptions{})
	waiting := start(func() (*Membership, error) { return g.Join(ctx, "a", nil) })
	_ = old.Close()
	r := <-waiting
	if r.err != nil {
		t.Fatal(r.err)
	}
	if _, err := g.Join(ctx, "a", nil); !errors.Is(err, client.ErrNodeExists) {
		t.Errorf("joined twice: %v", err)
	}
	if _, err := c.Create(ctx, "/g/p", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Join(ctx, "p", nil); !errors.Is(err, client.ErrNodeExists) {
		t.Errorf("joined in place of a persistent node: %v", err)
	}
	if _, err := g.Join(ctx, "a/b", nil); err == nil {
		t.Error("a name with a slash")
	}
	// Without Rejoin the deletion of the node is the end, and is told.
	if err := c.Delete(ctx, r.v.Node(), client.AnyVersion); err != nil {
		t.Fatal(err)
	}
	<-r.v.Done()
	if err := r.v.Err(); !errors.Is(err, ErrLost) {
		t.Error(err)
	}
	if err := r.v.SetData(ctx, nil); !errors.Is(err, ErrLost) {
		t.Error(err)
	}
}

func TestGroupChanges(t *testing.T) {
	t.Parallel()
	servers := quokkatest.Start(t, 1)
	c, watcher := servers.Dial(t, client.Options{}), servers.Dial(t, client.Options{})
	ctx := t.Context()
	g := NewGroup(c, "/g", GroupOptions{})
	var a, b *Membership
	var err error
	step := 0
	steps := []struct {
		want string
		next func()
	}{
		{"[]", func() { a, err = g.Join(ctx, "a", []byte("1")) }},
		{"[a=1]", func() { b, err = g.Join(ctx, "b", nil) }},
		{"[a=1 b=]", func() { err = a.SetData(ctx, []byte("2")) }},
		{"[a=2 b=]", func() { err = a.Leave(ctx) }},
		{"[b=]", func() { _ = watcher.Close() }},
	}
	for all, failed := range NewGroup(watcher, "/g", GroupOptions{}).Changes(ctx) {
		switch {
		case step == len(steps) && failed != nil:
			step++
		case failed != nil:
			t.Fatal(failed)
		case step < len(steps) && fmt.Sprint(memberNames(all)) == steps[step].want:
			steps[step].next()
			step++
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if step != len(steps)+1 {
		t.Errorf("it ended after %d steps", step)
	}
	_ = b.Leave(ctx)
}
