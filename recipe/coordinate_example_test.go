package recipe_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"quokka/client"
	"quokka/recipe"
)

func ExampleBarrier() {
	ctx, c, stop := session()
	defer stop()
	b := recipe.NewBarrier(c, "/migration")
	_ = b.Create(ctx)
	done := make(chan error)
	go func() { done <- b.Wait(ctx) }() // usually in other programs
	removed, err := b.Remove(ctx)
	fmt.Println(removed, err, <-done)
	// Output: true <nil> <nil>
}

func ExampleDoubleBarrier() {
	ctx, c, stop := session()
	defer stop()
	b := recipe.NewDoubleBarrier(c, "/step", 2, recipe.Options{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			stay, err := b.Enter(ctx) // returns when both are there
			if err != nil {
				return
			}
			fmt.Println("working", stay.Err())
			_ = stay.Leave(ctx) // returns when both are done
		})
	}
	wg.Wait()
	// Output:
	// working <nil>
	// working <nil>
}

func ExampleQueue_Take() {
	ctx, c, stop := session()
	defer stop()
	q := recipe.NewQueue(c, "/jobs", recipe.QueueOptions{})
	defer q.Close(ctx)
	_ = q.Put(ctx, []byte("job 1"))
	item, err := q.Take(ctx) // waits for an item
	if err != nil {
		fmt.Println(err)
		return
	}
	// Work with item.Context(): it ends when somebody else may get the item.
	fmt.Printf("%s\n", item.Data)
	// The result is written, and the item removed, both or neither.
	fmt.Println(item.Commit(ctx, c.Multi().Create("/result-1", []byte("42"))))
	_, err = q.TryTake(ctx)
	fmt.Println(err)
	// Output:
	// job 1
	// <nil>
	// recipe: queue /jobs/entries: take: recipe: the queue is empty
}

func ExamplePriorityQueue() {
	ctx, c, stop := session()
	defer stop()
	q := recipe.NewPriorityQueue(c, "/jobs", recipe.QueueOptions{})
	defer q.Close(ctx)
	_ = q.Put(ctx, 500, []byte("tidy up"))
	_ = q.Put(ctx, 1, []byte("put out the fire"))
	for range 2 {
		e, err := q.Pop(ctx)
		fmt.Printf("%s %v\n", e.Data, err)
	}
	// Output:
	// put out the fire <nil>
	// tidy up <nil>
}

func ExampleCounter() {
	ctx, c, stop := session()
	defer stop()
	n := recipe.NewCounter(c, "/visitors", recipe.CounterOptions{})
	defer n.Close(ctx)
	sum, err := n.Add(ctx, 5)
	if client.Ambiguous(err) {
		// The session or ctx ended before it could be known whether 5 was added.
		return
	}
	was, _ := n.CompareAndSet(ctx, 5, 7)
	now, _ := n.Get(ctx)
	fmt.Println(sum, was, now)
	// Output: 5 true 7
}

func ExampleGroup() {
	ctx, c, stop := session()
	defer stop()
	g := recipe.NewGroup(c, "/workers", recipe.GroupOptions{Rejoin: true})
	m, err := g.Join(ctx, "worker-1", []byte("10.0.0.1:8000"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for members, err := range g.Changes(ctx) {
		if err != nil || len(members) == 0 {
			break
		}
		fmt.Printf("%s at %s\n", members[0].Name, members[0].Data)
		_ = m.Leave(ctx)
	}
	// Output: worker-1 at 10.0.0.1:8000
}

func ExamplePartitioner() {
	ctx, c, stop := session()
	defer stop()
	p := recipe.NewPartitioner(c, "/shards", []string{"a", "b", "c"}, recipe.PartitionerOptions{Name: "m1", Settle: time.Millisecond})
	ctx, cancel := context.WithCancel(ctx)
	over := make(chan error)
	go func() {
		over <- p.Run(ctx, func(ctx context.Context, part *recipe.Partition) error {
			// Work on part.Name until it is to move to another member.
			<-ctx.Done()
			return nil
		})
	}()
	for state, owned := range p.States(ctx) {
		if state == recipe.Acquired {
			fmt.Println(owned)
			break
		}
	}
	cancel()
	fmt.Println(<-over)
	// Output:
	// [a b c]
	// recipe: partitioner /shards: context canceled
}

func ExampleDiscovery() {
	ctx, c, stop := session()
	defer stop()
	d := recipe.NewDiscovery(c, "/services", recipe.DiscoveryOptions{})
	spec, _ := recipe.ParseURISpec("{scheme}://{address}:{port}/api")
	details, _ := recipe.NewPayload("com.example.Details", map[string]int{"weight": 3})
	r, err := d.Register(ctx, recipe.Instance{Name: "web", Address: "10.0.0.1", Port: 8080, URISpec: spec, Payload: details})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Unregister(ctx)

	p, err := d.Provider(ctx, "web", recipe.ProviderOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	i, err := p.Pick()
	var weights struct{ Weight int }
	_ = i.Payload.Decode(&weights)
	fmt.Println(i.URI(nil), weights.Weight, err)
	// Output: http://10.0.0.1:8080/api 3 <nil>
}

func ExampleGroup_Members() {
	ctx, c, stop := session()
	defer stop()
	g := recipe.NewGroup(c, "/party", recipe.GroupOptions{Layout: recipe.KazooParty})
	for _, name := range []string{"a", "b"} {
		if _, err := g.Join(ctx, name, nil); err != nil {
			fmt.Println(err)
			return
		}
	}
	all, err := g.Members(ctx)
	for _, m := range all {
		fmt.Println(m.Name)
	}
	fmt.Println(err)
	// Output:
	// a
	// b
	// <nil>
}
