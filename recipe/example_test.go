package recipe_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"quokka/client"
	"quokka/quokkatest"
	"quokka/recipe"
)

// session starts a server for an example and connects to it.
func session() (context.Context, *client.Client, func()) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	servers, err := quokkatest.New(1, quokkatest.Options{})
	if err != nil {
		panic(err)
	}
	c, err := client.Dial(ctx, servers.ConnectString(), client.Options{})
	if err != nil {
		panic(err)
	}
	return ctx, c, func() {
		_ = c.Close()
		_ = servers.Close()
		cancel()
	}
}

func ExampleLock_Do() {
	ctx, c, stop := session()
	defer stop()
	lock := recipe.NewLock(c, "/locks/report", recipe.Options{Data: []byte("host-1")})
	err := lock.Do(ctx, func(ctx context.Context, h *recipe.Hold) error {
		// ctx ends when the lock is lost: pass it on.
		fmt.Println("nobody else is here", ctx.Err())
		return nil
	})
	fmt.Println(err)
	// Output:
	// nobody else is here <nil>
	// <nil>
}

func ExampleLock_Acquire() {
	ctx, c, stop := session()
	defer stop()
	_, _ = c.Create(ctx, "/balance", []byte("5"))
	h, err := recipe.NewLock(c, "/locks/balance", recipe.Options{}).Acquire(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer h.Release(ctx)
	// What is in ZooKeeper is written only if the lock is still held then.
	_, err = h.Set(ctx, "/balance", []byte("4"), client.AnyVersion)
	fmt.Println(err)
	// What is elsewhere gets the token, and refuses smaller ones from then on.
	fmt.Println(h.Token() > 0)
	// Output:
	// <nil>
	// true
}

func ExampleLock_TryAcquire() {
	ctx, c, stop := session()
	defer stop()
	lock := recipe.NewLock(c, "/locks/cleanup", recipe.Options{})
	h, err := lock.TryAcquire(ctx)
	fmt.Println(err)
	_, err = lock.TryAcquire(ctx)
	fmt.Println(errors.Is(err, recipe.ErrBusy))
	fmt.Println(h.Release(ctx))
	// Output:
	// <nil>
	// true
	// <nil>
}

func ExampleHold_Commit() {
	ctx, c, stop := session()
	defer stop()
	_, _ = c.Create(ctx, "/from", []byte("5"))
	_, _ = c.Create(ctx, "/to", []byte("0"))
	h, err := recipe.NewLock(c, "/locks/accounts", recipe.Options{}).Acquire(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = c.Delete(ctx, h.Paths()[0], client.AnyVersion) // the session has expired, say
	_, err = h.Commit(ctx, c.Multi().Set("/from", []byte("4"), 0).Set("/to", []byte("1"), 0))
	fmt.Println(errors.Is(err, recipe.ErrLost))
	// Output: true
}

func ExampleRWLock() {
	ctx, c, stop := session()
	defer stop()
	lock := recipe.NewRWLock(c, "/locks/table", recipe.Options{})
	writing, err := lock.Write().Acquire(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	// Read what was written before anybody changes it, and let others read.
	reading, err := lock.Downgrade(ctx, writing)
	if err != nil {
		fmt.Println(err)
		return
	}
	another, err := lock.Read().Acquire(ctx)
	fmt.Println(err)
	_, err = lock.Write().TryAcquire(ctx)
	fmt.Println(errors.Is(err, recipe.ErrBusy))
	_ = another.Release(ctx)
	_ = reading.Release(ctx)
	// Output:
	// <nil>
	// true
}

func ExampleSemaphore() {
	ctx, c, stop := session()
	defer stop()
	licences := recipe.NewSemaphore(c, "/licences", 10, recipe.Options{Data: []byte("host-1")})
	h, err := licences.Acquire(ctx, 3)
	if err != nil {
		fmt.Println(err)
		return
	}
	holders, err := licences.Holders(ctx)
	fmt.Println(len(holders), string(holders[0].Data), err)
	_, err = licences.TryAcquire(ctx, 8)
	fmt.Println(errors.Is(err, recipe.ErrBusy))
	fmt.Println(h.Release(ctx))
	// Output:
	// 3 host-1 <nil>
	// true
	// <nil>
}

func ExampleElection_Campaign() {
	ctx, c, stop := session()
	defer stop()
	election := recipe.NewElection(c, "/leader", recipe.Options{Data: []byte("host-1")})
	leadership, err := election.Campaign(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	// Lead until leadership.Context() ends, then campaign again.
	who, ok, err := election.Leader(ctx)
	fmt.Println(string(who.Data), ok, err)
	fmt.Println(leadership.Resign(ctx))
	// Output:
	// host-1 true <nil>
	// <nil>
}

func ExampleElection_Observe() {
	ctx, c, stop := session()
	defer stop()
	election := recipe.NewElection(c, "/leader", recipe.Options{Data: []byte("host-1")})
	for leader, err := range election.Observe(ctx) {
		switch {
		case err != nil: // ctx or the session has ended
			fmt.Println(err)
			return
		case leader.Path == "":
			fmt.Println("nobody leads")
			if _, err := election.Campaign(ctx); err != nil { // in another process, usually
				fmt.Println(err)
				return
			}
		default:
			fmt.Println(string(leader.Data), "leads")
			return
		}
	}
	// Output:
	// nobody leads
	// host-1 leads
}
