package recipe

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"quokka/client"
	"quokka/quokkatest"
)

func instanceNames(all []Instance) string {
	var s []string
	for _, i := range all {
		s = append(s, fmt.Sprintf("%s:%d", i.ID, i.Port))
	}
	return fmt.Sprint(s)
}

func TestDiscoveryUnderFaults(t *testing.T) {
	t.Parallel()
	for _, typ := range []ServiceType{Dynamic, DynamicSequential, Static} {
		t.Run(string(typ), func(t *testing.T) {
			t.Parallel()
			everyFault(t, func(w *world) {
				sick, healthy := NewDiscovery(w.c, w.path, DiscoveryOptions{}), NewDiscovery(w.other, w.path, DiscoveryOptions{})
				list := func() string {
					all, err := healthy.Instances(w.ctx, "web")
					w.must(err)
					return instanceNames(all)
				}
				r, err := sick.Register(w.sick, Instance{Name: "web", ID: "1", Port: 80, Type: typ})
				if w.ok(err) {
					i := r.Instance()
					i.Port = 81
					if err = r.Update(w.sick, i); !w.ok(err) && w.in.gaveUp() {
						w.must(r.Update(w.ctx, i))
					}
					if got := list(); err == nil && got != "[1:81]" && !w.in.ended() {
						w.Errorf("instances %s", got)
					}
					if typ != Static {
						if err := w.other.Delete(w.ctx, r.Node(), client.AnyVersion); err != nil && !errors.Is(err, client.ErrNoNode) {
							w.Error(err)
						}
						w.until("it is back, or has ended", func() bool { return r.Err() != nil || list() == "[1:81]" })
					}
					if err := r.Unregister(w.ctx); typ == Static {
						w.ok(err)
					} else {
						w.must(err)
					}
				}
				if typ == Static && w.in.ended() { // it outlives the session
					_ = w.other.Delete(w.ctx, w.path+"/web/1", client.AnyVersion)
				}
				w.until("none is left", func() bool { return list() == "[]" })
			})
		})
	}
}

// Another one of the same ID takes an instance's place, and the first is told,
// however fast it creates its node again.
func TestRegisterReplaces(t *testing.T) {
	t.Parallel()
	servers := quokkatest.Start(t, 1)
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	d := NewDiscovery(servers.Dial(t, client.Options{}), "/base", DiscoveryOptions{})
	o := NewDiscovery(servers.Dial(t, client.Options{}), "/base", DiscoveryOptions{})
	for range 50 {
		first, err := d.Register(ctx, Instance{Name: "s", ID: "i"})
		if err != nil {
			t.Fatal(err)
		}
		if first.Instance().Registered.IsZero() {
			t.Error("no time of registration")
		}
		second, err := o.Register(ctx, Instance{Name: "s", ID: "i", Port: 2})
		if err != nil {
			t.Fatal(err)
		}
		<-first.Done()
		if why := context.Cause(first.Context()); !errors.Is(why, ErrLost) {
			t.Errorf("the context ended with %v", why)
		}
		if i, ok, err := o.Instance(ctx, "s", "i"); err != nil || !ok || i.Port != 2 || !errors.Is(first.Err(), ErrLost) {
			t.Fatal(i, ok, err, first.Err())
		}
		if err := second.Unregister(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDiscoveryTypes(t *testing.T) {
	t.Parallel()
	servers := quokkatest.Start(t, 1)
	c, other := servers.Dial(t, client.Options{}), servers.Dial(t, client.Options{})
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	d := NewDiscovery(c, "/base", DiscoveryOptions{})
	for _, tt := range []struct {
		typ       ServiceType
		node      string
		ephemeral bool
	}{
		{"", "/base/s/i", true}, {DynamicSequential, "/base/s/i000000000", true}, {Static, "/base/s/i", false}, {Permanent, "/base/s/i", false},
	} {
		r, err := d.Register(ctx, Instance{Name: "s", ID: "i", Type: tt.typ})
		if err != nil {
			t.Fatal(err)
		}
		_, stat, err := other.Get(ctx, r.Node())
		owner := client.SessionID(0)
		if tt.ephemeral {
			owner = c.Session().ID
		}
		if err != nil || !strings.HasPrefix(r.Node(), tt.node) || stat.EphemeralOwner != owner {
			t.Errorf("%s: %s %+v: %v", tt.typ, r.Node(), stat, err)
		}
		if err := r.Unregister(ctx); err != nil || !errors.Is(r.Err(), ErrReleased) {
			t.Error(err, r.Err())
		}
	}
	if names, err := d.Names(ctx); fmt.Sprint(names) != "[s]" || err != nil {
		t.Error(names, err)
	}
	if _, ok, err := d.Instance(ctx, "s", "i"); ok || err != nil {
		t.Error(ok, err)
	}
	for _, bad := range []Instance{{}, {Name: "a/b"}, {Name: "a", ID: "a/b"}, {Name: "a", Type: "OTHER"}, {Name: "a", Payload: Payload{JSON: []byte("{")}}} {
		if r, err := d.Register(ctx, bad); err == nil {
			t.Errorf("registered %+v", r.Instance())
		}
	}
	r, err := d.Register(ctx, Instance{Name: "s"})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Update(ctx, Instance{Name: "s", ID: "other"}); err == nil {
		t.Error("updated to another ID")
	}
	_ = c.Close()
	<-r.Done()
	if !errors.Is(r.Err(), ErrLost) {
		t.Error(r.Err())
	}
}

// TestDiscoveryStaticComesBack looks after a static instance on every new
// connection.
func TestDiscoveryStaticComesBack(t *testing.T) {
	t.Parallel()
	servers := quokkatest.Start(t, 1)
	p := servers.Dial(t, client.Options{})
	w := newWorld(t, servers.ConnectString())
	r, err := NewDiscovery(w.c, "/base", DiscoveryOptions{}).Register(w.ctx, Instance{Name: "s", ID: "i", Type: Static})
	w.must(err)
	w.must(p.Delete(w.ctx, "/base/s/i", client.AnyVersion))
	w.in.arm(w.in.requests()+1, cutBefore)
	_, _, _ = w.c.Exists(w.ctx, "/") // the connection breaks
	w.until("it is back", func() bool {
		_, ok, err := p.Exists(w.ctx, "/base/s/i")
		w.must(err)
		return ok
	})
	w.must(r.Unregister(w.ctx))
}

// TestDiscoveryReadsCurator reads what Curator writes, and what it cannot read
// it names.
func TestDiscoveryReadsCurator(t *testing.T) {
	t.Parallel()
	c := quokkatest.Start(t, 1).Dial(t, client.Options{})
	ctx := t.Context()
	d := NewDiscovery(c, "/base", DiscoveryOptions{})
	if err := c.EnsurePath(ctx, "/base/web"); err != nil {
		t.Fatal(err)
	}
	const java = `{"name":"web","id":"a","address":"h","port":80,"sslPort":null,"payload":{"@class":"x.Details","weight":3},` +
		`"registrationTimeUTC":1700000000000,"serviceType":"DYNAMIC","uriSpec":{"parts":[{"value":"scheme","variable":true},` +
		`{"value":"://","variable":false},{"value":"address","variable":true}]},"enabled":true,"new":1}`
	for id, data := range map[string]string{"a": java, "b": "no JSON"} {
		if _, err := c.Create(ctx, "/base/web/"+id, []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	all, err := d.Instances(ctx, "web")
	if len(all) != 1 || err == nil || !strings.Contains(err.Error(), "/base/web/b") {
		t.Fatalf("%+v: %v", all, err)
	}
	var details struct{ Weight int }
	if err := all[0].Payload.Decode(&details); err != nil || details.Weight != 3 || all[0].Payload.Class != "x.Details" {
		t.Errorf("%+v: %v", details, err)
	}
	if uri := all[0].URI(nil); uri != "http://h" {
		t.Error(uri)
	}
	invalid := 0
	p, err := d.Provider(ctx, "web", ProviderOptions{Invalid: func(string, error) { invalid++ }})
	if err != nil || invalid != 1 || len(p.All()) != 1 {
		t.Errorf("%d invalid: %v", invalid, err)
	}
	if err := p.Close(); err != nil || p.Err() != nil {
		t.Error(err, p.Err())
	}
	if _, _, err := d.Instance(ctx, "web", "b"); err == nil {
		t.Error("read what is no instance")
	}
}

func TestProviderFollows(t *testing.T) {
	t.Parallel()
	servers := quokkatest.Start(t, 1)
	c, watcher := servers.Dial(t, client.Options{}), servers.Dial(t, client.Options{})
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	d := NewDiscovery(c, "/base", DiscoveryOptions{})
	p, err := NewDiscovery(watcher, "/base", DiscoveryOptions{}).Provider(ctx, "web", ProviderOptions{
		Filter: func(i Instance) bool { return i.Port != 9 },
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Pick(); !errors.Is(err, ErrNoInstance) {
		t.Error(err)
	}
	var a, b *Registration
	register := func(id string, port int) *Registration {
		r, err := d.Register(ctx, Instance{Name: "web", ID: id, Port: port})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	step, steps := 0, []struct {
		all, choice string
		next        func()
	}{
		{"[]", "[]", func() { a = register("a", 1) }},
		{"[a:1]", "[a:1]", func() { b = register("b", 2) }},
		{"[a:1 b:2]", "[a:1 b:2]", func() { i := a.Instance(); i.Disabled = true; _ = a.Update(ctx, i) }},
		{"[a:1 b:2]", "[b:2]", func() { i := b.Instance(); i.Port = 9; _ = b.Update(ctx, i) }},
		{"[a:1 b:9]", "[]", func() { _ = a.Unregister(ctx) }},
		{"[b:9]", "[]", func() { _ = watcher.Close() }},
	}
	for all := range p.Changes(ctx) {
		if step < len(steps) && instanceNames(all) == steps[step].all && instanceNames(p.Instances()) == steps[step].choice {
			steps[step].next()
			step++
		}
	}
	<-p.Done()
	if step != len(steps) || !errors.Is(p.Err(), ErrLost) || instanceNames(p.All()) != "[b:9]" {
		t.Errorf("it ended after %d steps: %v", step, p.Err())
	}
	_ = p.Close()
	_ = b.Unregister(ctx)
}

func TestStrategies(t *testing.T) {
	all := []Instance{{ID: "a"}, {ID: "b"}, {ID: "c"}}
	pick := func(s Strategy, all []Instance, n int) (ids string) {
		for range n {
			ids += all[s.Pick(all)].ID
		}
		return ids
	}
	if got := pick(NewRoundRobin(), all, 7); got != "abcabca" {
		t.Error(got)
	}
	seen := pick(NewRandom(), all, 200)
	if !strings.Contains(seen, "a") || !strings.Contains(seen, "b") || !strings.Contains(seen, "c") {
		t.Error(seen)
	}
	s := NewSticky(NewRoundRobin())
	if got := pick(s, all, 3) + pick(s, all[1:], 3) + pick(s, all, 2); got != "aaaccccc" {
		t.Error(got)
	}
}

// TestProviderLeavesOutWhatFails keeps an instance out for a while after two
// errors.
func TestProviderLeavesOutWhatFails(t *testing.T) {
	t.Parallel()
	c := quokkatest.Start(t, 1).Dial(t, client.Options{})
	ctx := t.Context()
	d := NewDiscovery(c, "/base", DiscoveryOptions{})
	for _, id := range []string{"a", "b"} {
		if _, err := d.Register(ctx, Instance{Name: "s", ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	p, err := d.Provider(ctx, "s", ProviderOptions{ErrorWindow: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	bad := p.All()[0]
	p.NoteError(bad)
	if n := len(p.Instances()); n != 2 {
		t.Errorf("%d instances after one error", n)
	}
	p.NoteError(bad)
	for range 4 {
		if i, err := p.Pick(); err != nil || i.ID != "b" {
			t.Error(i, err)
		}
	}
	p.mu.Lock()
	p.faults[keyOf(bad)].first = time.Now().Add(-time.Hour)
	p.mu.Unlock()
	if n := len(p.Instances()); n != 2 {
		t.Errorf("%d instances after the window", n)
	}
}
