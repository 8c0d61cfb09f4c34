package interop

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"quokka/client"
	"quokka/recipe"
)

// background runs a call of the Go library; what it returns waits for the end.
func background[T any](b *bench, call func(ctx context.Context) (T, error)) (wait func() T) {
	type outcome struct {
		v   T
		err error
	}
	ch := make(chan outcome, 1)
	go func() {
		v, err := call(b.ctx)
		ch <- outcome{v, err}
	}()
	return func() T {
		b.t.Helper()
		o := <-ch
		must(b.t, o.err)
		return o.v
	}
}

// barrier lets each side hold the other one back.
func barrier(b *bench) {
	at := func(ms int) args { return args{"path": "/deep/barrier", "ms": ms} }
	g := recipe.NewBarrier(b.c, "/deep/barrier")
	for range 3 {
		must(b.t, g.Create(b.ctx))
		if do[bool](b, "them", "barrier.wait", at(50)) {
			b.t.Fatal("they pass the barrier of Go")
		}
		waits := start[bool](b, "them", "barrier.wait", at(20_000))
		if there, err := g.Remove(b.ctx); !there || err != nil {
			b.t.Fatal(there, err)
		}
		if !waits() {
			b.t.Fatal("they do not pass a barrier that Go has removed")
		}
		do[any](b, "them", "barrier.set", at(0))
		soon, cancel := context.WithTimeout(b.ctx, 50*time.Millisecond)
		if err := g.Wait(soon); err == nil {
			b.t.Fatal("Go passes their barrier")
		}
		cancel()
		passes := background(b, func(ctx context.Context) (struct{}, error) { return struct{}{}, g.Wait(ctx) })
		do[any](b, "them", "barrier.remove", at(0))
		passes()
	}
}

// doubleBarrier lets three members in and out together, the last one being of each side in turn.
func doubleBarrier(b *bench) {
	c := b.dial()
	for round := range 4 {
		path := fmt.Sprintf("/double%d", round)
		at := args{"path": path, "members": 3, "ms": 20_000}
		g := recipe.NewDoubleBarrier(c, path, 3, recipe.Options{Layout: recipe.Kazoo})
		enter := func(ctx context.Context) (*recipe.Stay, error) { return g.Enter(ctx) }
		var inside func() *recipe.Stay
		if round%2 == 0 {
			inside = background(b, enter)
		}
		one := start[bool](b, "they1", "double.enter", at)
		var two func() bool
		if round%2 == 1 {
			two = start[bool](b, "they2", "double.enter", at)
		}
		b.eventually("two to wait", func() (bool, error) {
			names, _, err := b.c.Children(b.ctx, path)
			return len(names) == 2 && !slices.Contains(names, "ready"), ignoreNoNode(err)
		})
		if two == nil {
			two = start[bool](b, "they2", "double.enter", at)
		} else {
			inside = background(b, enter)
		}
		stay := inside()
		if !one() || !two() {
			b.t.Fatal("they are not inside")
		}
		leaves := background(b, func(ctx context.Context) (struct{}, error) { return struct{}{}, stay.Leave(ctx) })
		out1, out2 := start[bool](b, "they1", "double.leave", at), start[bool](b, "they2", "double.leave", at)
		leaves()
		if !out1() || !out2() {
			b.t.Fatal("they do not leave")
		}
	}
}

// counts lets two of each side add at a time.
func (b *bench) counts(path string, format recipe.CounterFormat, op string, more args) {
	b.t.Helper()
	const rounds = 30
	at := args{"path": path, "rounds": rounds, "delta": 3}
	maps.Copy(at, more)
	var wg sync.WaitGroup
	for i := range 2 {
		k := recipe.NewCounter(b.dial(), path, recipe.CounterOptions{Format: format})
		wg.Go(func() {
			for range rounds {
				if _, err := k.Add(b.ctx, 2); err != nil {
					b.t.Error(err)
					return
				}
			}
			if err := k.Close(b.ctx); err != nil {
				b.t.Error(err)
			}
		})
		wg.Go(func() {
			if err := b.call(b.ctx, fmt.Sprintf("they%d", i), b.addr, op, at, nil); err != nil {
				b.t.Error(err)
			}
		})
	}
	wg.Wait()
	k := recipe.NewCounter(b.c, path, recipe.CounterOptions{Format: format})
	if n, err := k.Get(b.ctx); n != 2*rounds*(2+3) || err != nil {
		b.t.Errorf("%d, %v", n, err)
	}
	must(b.t, k.Set(b.ctx, -7))
	at["rounds"] = 1
	if n := do[int64](b, "they0", op, at); n != -4 {
		b.t.Errorf("-7 and 3 is %d", n)
	}
}

func curatorAtomicLong(b *bench)  { b.counts("/n/atomic", recipe.Counter64, "atomic.add", nil) }
func curatorSharedCount(b *bench) { b.counts("/n/shared", recipe.Counter32, "shared.add", nil) }

func kazooCounter(b *bench) {
	b.counts("/n/text", recipe.CounterText, "counter.add", nil)
	b.counts("/n/curator", recipe.Counter32, "counter.add", args{"curator": true})
}

// roll returns the names and data of a group's members.
func (b *bench) roll(g *recipe.Group) string {
	b.t.Helper()
	all, err := g.Members(b.ctx)
	must(b.t, err)
	var list []string
	for _, m := range all {
		list = append(list, m.Name+"="+string(m.Data))
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

func curatorGroup(b *bench) {
	at := func(data string) args { return args{"path": "/group", "data": data} }
	g := recipe.NewGroup(b.c, "/group", recipe.GroupOptions{})
	do[any](b, "curator1", "group.join", at("one"))
	m, err := g.Join(b.ctx, "go", []byte("two"))
	must(b.t, err)
	do[any](b, "curator2", "group.join", at("three"))
	theirs := func() string {
		var list []string
		all := do[map[string]string](b, "curator1", "group.members", at("one"))
		for _, name := range slices.Sorted(maps.Keys(all)) {
			list = append(list, name+"="+all[name])
		}
		return strings.Join(list, " ")
	}
	both := func(want string) {
		b.t.Helper()
		b.eventually("both to see "+want, func() (bool, error) { return b.roll(g) == want && theirs() == want, nil })
	}
	both("curator1=one curator2=three go=two")
	must(b.t, m.SetData(b.ctx, []byte("new")))
	both("curator1=one curator2=three go=new")
	do[any](b, "curator2", "group.leave", at(""))
	both("curator1=one go=new")
	must(b.t, m.Leave(b.ctx))
	both("curator1=one")
	do[any](b, "curator1", "group.leave", at(""))
}

func kazooParty(b *bench) {
	for layout, shallow := range map[recipe.GroupLayout]bool{recipe.KazooParty: false, recipe.KazooShallowParty: true} {
		at := args{"path": fmt.Sprintf("/party/%v", shallow), "shallow": shallow}
		g := recipe.NewGroup(b.c, at["path"].(string), recipe.GroupOptions{Layout: layout})
		do[any](b, "kazoo1", "party.join", at)
		m, err := g.Join(b.ctx, "go", nil)
		must(b.t, err)
		do[any](b, "kazoo2", "party.join", at)
		both := func(names ...string) {
			b.t.Helper()
			b.eventually(fmt.Sprint("both to see ", names), func() (bool, error) {
				return slices.Equal(do[[]string](b, "kazoo1", "party.members", at), names) && b.roll(g) == strings.Join(names, "= ")+"=", nil
			})
		}
		both("go", "kazoo1", "kazoo2")
		do[any](b, "kazoo2", "party.leave", at)
		both("go", "kazoo1")
		must(b.t, m.Leave(b.ctx))
		both("kazoo1")
	}
}

// partition runs a member of a partitioner until stop is called.
func (b *bench) partition(name string, at args) (p *recipe.Partitioner, stop func()) {
	c := b.dial()
	p = recipe.NewPartitioner(c, at["path"].(string), at["set"].([]string), recipe.PartitionerOptions{
		Name: name, Settle: 200 * time.Millisecond, Assign: recipe.RoundRobin,
	})
	ctx, cancel := context.WithCancel(b.ctx)
	done := make(chan error, 1)
	go func() {
		done <- p.Run(ctx, func(ctx context.Context, part *recipe.Partition) error {
			mine := at["witness"].(string) + "/" + part.Name
			if _, err := c.Create(b.ctx, mine, nil, client.Ephemeral); err != nil { // somebody else has it
				return err
			}
			<-ctx.Done()
			return c.Delete(b.ctx, mine, client.AnyVersion)
		})
	}()
	return p, func() {
		b.t.Helper()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			b.t.Errorf("%s ended: %v", name, err)
		}
	}
}

// kazooPartitioner divides seven partitions among members of both sides that come and go.
func kazooPartitioner(b *bench) {
	at := args{"path": "/parts", "witness": b.newWitness("/w/parts"), "set": strings.Split("p0 p1 p2 p3 p4 p5 p6", " ")}
	a, stopA := b.partition("go-a", at)
	theirs := func() string { return strings.Join(do[[]string](b, "kazoo-b", "partition.owned", at), " ") }
	theirs() // which begins
	b.eventually("two members to share", func() (bool, error) {
		return strings.Join(a.Owned(), " ") == "p0 p2 p4 p6" && theirs() == "p1 p3 p5", nil
	})
	owners, err := a.Owners(b.ctx)
	if err != nil || owners["p0"] != "go-a" || owners["p1"] != "" || len(owners) != 7 { // kazoo's locks have no name
		b.t.Errorf("owners %v, %v", owners, err)
	}
	c, stopC := b.partition("z-go", at)
	b.eventually("three members to share", func() (bool, error) {
		return strings.Join(a.Owned(), " ") == "p0 p3 p6" && theirs() == "p1 p4" && strings.Join(c.Owned(), " ") == "p2 p5", nil
	})
	stopA()
	b.eventually("two members to share again", func() (bool, error) {
		return theirs() == "p0 p2 p4 p6" && strings.Join(c.Owned(), " ") == "p1 p3 p5", nil
	})
	do[any](b, "kazoo-b", "partition.stop", at)
	b.eventually("the last one to own all", func() (bool, error) { return len(c.Owned()) == 7, nil })
	stopC()
}
