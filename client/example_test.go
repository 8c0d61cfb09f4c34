package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"quokka/client"
	"quokka/quokkatest"
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

func ExampleDial() {
	servers, err := quokkatest.New(1, quokkatest.Options{}) // yours are there already
	if err != nil {
		fmt.Println(err)
		return
	}
	defer servers.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := client.Dial(ctx, servers.ConnectString(), client.Options{SessionTimeout: 10 * time.Second, RetryReads: 3})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	fmt.Println(c.State(), c.SessionTimeout())
	// Output: connected 10s
}

func ExampleClient_Create() {
	ctx, c, stop := session()
	defer stop()
	// A node that is gone when this session is.
	path, err := c.Create(ctx, "/worker-", []byte("host:1234"), client.Ephemeral, client.Sequential)
	fmt.Println(path, err)
	// A node, if it is not there yet, whose parents need not be there either.
	fmt.Println(c.EnsurePath(ctx, "/app/config"))
	_, err = c.Create(ctx, "/app/config", nil)
	fmt.Println(errors.Is(err, client.ErrNodeExists))
	// Output:
	// /worker-0000000000 <nil>
	// <nil>
	// true
}

func ExampleClient_Set() {
	ctx, c, stop := session()
	defer stop()
	_, _ = c.Create(ctx, "/counter", []byte("5"))
	// Read, change, and write only if nobody else has meanwhile.
	for {
		data, stat, err := c.Get(ctx, "/counter")
		if err != nil {
			fmt.Println(err)
			return
		}
		var n int
		_, _ = fmt.Sscan(string(data), &n)
		_, err = c.Set(ctx, "/counter", fmt.Append(nil, n+1), stat.Version)
		if errors.Is(err, client.ErrBadVersion) {
			continue
		}
		fmt.Println(n+1, err)
		return
	}
	// Output: 6 <nil>
}

func ExampleClient_Children() {
	ctx, c, stop := session()
	defer stop()
	_ = c.EnsurePath(ctx, "/fruit/apple")
	_ = c.EnsurePath(ctx, "/fruit/pear")
	names, stat, err := c.Children(ctx, "/fruit")
	slices.Sort(names)
	fmt.Println(names, stat.NumChildren, err)
	// Output: [apple pear] 2 <nil>
}

func ExampleClient_GetW() {
	ctx, c, stop := session()
	defer stop()
	_, _ = c.Create(ctx, "/config", []byte("old"))
	data, _, watch, err := c.GetW(ctx, "/config")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer watch.Close()
	fmt.Println(string(data))
	_, _ = c.Set(ctx, "/config", []byte("new"), client.AnyVersion) // somebody else, usually
	event, err := watch.Next(ctx)
	fmt.Println(event, err)
	// Output:
	// old
	// data changed /config <nil>
}

func ExampleClient_WatchTree() {
	ctx, c, stop := session()
	defer stop()
	watch, err := c.WatchTree(ctx, "/services")
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = c.EnsurePath(ctx, "/services/web")
	_ = c.Delete(ctx, "/services/web", client.AnyVersion)
	for event, err := range watch.Events(ctx) {
		if err != nil { // the session is over
			fmt.Println(err)
			return
		}
		fmt.Println(event)
		if event.Type == client.EventDeleted {
			_ = watch.Close()
		}
	}
	// Output:
	// created /services
	// created /services/web
	// deleted /services/web
}

func ExampleClient_Multi() {
	ctx, c, stop := session()
	defer stop()
	_, _ = c.Create(ctx, "/from", []byte("5"))
	_, _ = c.Create(ctx, "/to", []byte("0"))
	_, err := c.Multi().Set("/from", []byte("4"), 0).Set("/to", []byte("1"), 0).Commit(ctx)
	fmt.Println(err)
	_, err = c.Multi().Check("/from", 0).Delete("/to", client.AnyVersion).Commit(ctx)
	fmt.Println(err)
	// Output:
	// <nil>
	// part 0 of a multi: zookeeper: check /from: version does not match
}

func ExampleClient_Pipeline() {
	ctx, c, stop := session()
	defer stop()
	p := c.Pipeline()
	p.Create(ctx, "/big", nil)
	for i := range 1000 {
		p.Create(ctx, fmt.Sprintf("/big/%d", i), nil)
	}
	last := p.Children(ctx, "/big")
	fmt.Println(p.Wait(ctx))
	list, err := last.Wait(ctx)
	fmt.Println(len(list.Children), err)
	// Output:
	// <nil>
	// 1000 <nil>
}

func ExampleClient_Cache() {
	ctx, c, stop := session()
	defer stop()
	_ = c.EnsurePath(ctx, "/members/a")
	cache, err := c.Cache(ctx, "/members")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cache.Close()
	fmt.Println(cache.Children("/members"))
	_, _ = c.Create(ctx, "/members/b", nil)
	for change, err := range cache.Changes(ctx) { // first what is there, then what happens
		if err != nil || change.Node.Path == "/members/b" {
			fmt.Println(change.Type, change.Node.Path, err)
			break
		}
	}
	fmt.Println(cache.Children("/members"))
	// Output:
	// [a]
	// added /members/b <nil>
	// [a b]
}

func ExampleClient_Sub() {
	ctx, c, stop := session()
	defer stop()
	_ = c.EnsurePath(ctx, "/tenants/blue")
	blue, err := c.Sub("/tenants/blue")
	if err != nil {
		fmt.Println(err)
		return
	}
	_, _ = blue.Create(ctx, "/x", nil)
	_, ok, err := c.Exists(ctx, "/tenants/blue/x")
	fmt.Println(ok, err)
	// Output: true <nil>
}

func ExampleClient_SetServers() {
	servers, err := quokkatest.New(3, quokkatest.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer servers.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c, err := client.Dial(ctx, servers.Addr(0), client.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	session := c.Session().ID
	// The first server is going to be taken away.
	fmt.Println(c.SetServers(servers.Addr(1) + "," + servers.Addr(2)))
	for change := range c.States(ctx) {
		if change.State == client.Connected && change.Server != servers.Addr(0) {
			fmt.Println(change.State, change.Session == session)
			break
		}
	}
	// Output:
	// <nil>
	// connected true
}

func ExampleClient_AddAuth() {
	ctx, c, stop := session()
	defer stop()
	_ = c.AddAuth(ctx, "digest", []byte("ann:secret"))
	_, err := c.Create(ctx, "/private", nil, client.WithACL(client.CreatorACL(client.PermAll)...))
	fmt.Println(err)
	acl, _, err := c.GetACL(ctx, "/private")
	fmt.Println(acl, err)
	// Output:
	// <nil>
	// [digest:ann:7RJfAeIvrl4zdj6sS2fXrQHDvHM=:cdrwa] <nil>
}

func ExampleAmbiguous() {
	ctx, c, stop := session()
	defer stop()
	// Nobody knows whether a create was carried out whose answer is lost. A
	// name of one's own makes it possible to look.
	path := "/job-7f3a"
	_, err := c.Create(ctx, path, nil)
	for client.Ambiguous(err) && c.Err() == nil {
		_, err = c.Create(ctx, path, nil)
		if errors.Is(err, client.ErrNodeExists) {
			err = nil // it was
		}
	}
	fmt.Println(err)
	// Output: <nil>
}

func ExampleClient_States() {
	ctx, c, stop := session()
	defer stop()
	go func() { _ = c.Close() }()
	for change := range c.States(ctx) {
		if change.State.Final() { // Expired: dial again, the ephemeral nodes are gone
			fmt.Println(change.State)
		}
	}
	<-c.Done()
	fmt.Println(errors.Is(c.Err(), client.ErrClosed))
	// Output:
	// closed
	// true
}
