package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"quokka/client"
	"quokka/quokkatest"
)

// record collects the states of a session until it is over.
func record(c *client.Client) (all func() string) {
	var list []string
	done := make(chan struct{})
	go func() {
		defer close(done)
		for v := range c.States(context.Background()) {
			list = append(list, v.State.String())
		}
	}()
	return func() string {
		<-done
		return strings.Join(list, ", ")
	}
}

// eventually repeats a call whose answer may be lost, which must do no harm.
func eventually(t *testing.T, call func() error) {
	t.Helper()
	err := call()
	for range 1000 {
		if !errors.Is(err, client.ErrConnectionLoss) {
			break
		}
		err = call()
	}
	must(t, err)
}

func TestServerKilled(t *testing.T) {
	onAll(t, 1, func(t *testing.T, f fixture) {
		ctx, c := short(t), dial(t, f.ConnectString(), client.Options{SessionTimeout: 20 * time.Second, Auth: []client.Auth{{Scheme: "digest", Data: []byte("a:b")}}})
		states := record(c)
		must(t, c.AddAuth(ctx, "digest", []byte("c:d")))
		_, err := c.Create(ctx, "/e", []byte("1"), client.Ephemeral, client.WithACL(client.DigestACL(client.PermAll, "a", "b")...))
		must(t, err)
		_, err = c.Create(ctx, "/f", []byte("2"), client.WithACL(client.DigestACL(client.PermAll, "c", "d")...))
		must(t, err)
		id := c.Session().ID
		must(t, f.Stop(0))
		waiting := make(chan error)
		go func() {
			_, _, err := c.Get(ctx, "/e") // waits for the server
			for errors.Is(err, client.ErrConnectionLoss) {
				_, _, err = c.Get(ctx, "/e")
			}
			waiting <- err
		}()
		must(t, f.Run(0))
		must(t, <-waiting)
		eventually(t, func() error { _, _, err := c.Get(ctx, "/f"); return err })
		st, ok, err := c.Exists(ctx, "/e")
		if !ok || err != nil || st.EphemeralOwner != id || c.Session().ID != id {
			t.Error(ok, err, st, c.Session())
		}
		must(t, c.Close())
		if got := states(); !strings.HasPrefix(got, "connected, connecting, connected") || !strings.HasSuffix(got, "closed") {
			t.Error(got)
		}
		want(t, c.Err(), client.ErrClosed)
		_, _, err = c.Get(ctx, "/e")
		want(t, err, client.ErrClosed)
	})
}

func TestSessionMovesToAnotherServer(t *testing.T) {
	onAll(t, 3, func(t *testing.T, f fixture) {
		ctx, c := short(t), dial(t, f.ConnectString(), client.Options{SessionTimeout: 20 * time.Second, RetryReads: 20})
		_, err := c.Create(ctx, "/e", nil, client.Ephemeral)
		must(t, err)
		w, err := c.Watch(ctx, "/e")
		must(t, err)
		id, before := c.Session().ID, c.Server()
		for i := range 3 {
			if f.Addr(i) == before {
				must(t, f.Stop(i))
			}
		}
		_, ok, err := c.Exists(ctx, "/e")
		if !ok || err != nil || c.Session().ID != id || c.Server() == before {
			t.Error(ok, err, c.Server(), before)
		}
		same(t, events(t, w, 1), "gap /e")
		eventually(t, func() error { _, err := c.Set(ctx, "/e", nil, -1); return err })
		same(t, strings.ReplaceAll(events(t, w, 1), "gap", "data changed"), "data changed /e")
	})
}

func TestFrozenServerIsLeft(t *testing.T) {
	onEach(t, func(t *testing.T, f fixture) {
		p, q := newProxy(t, f.Addr(0)), newProxy(t, f.Addr(0))
		q.refuse(true)
		ctx, c := short(t), dial(t, p.addr()+","+q.addr(), client.Options{SessionTimeout: 3 * time.Second, RetryReads: 3})
		_, err := c.Create(ctx, "/e", nil, client.Ephemeral)
		must(t, err)
		q.refuse(false)
		p.freeze()
		begin := time.Now()
		_, ok, err := c.Exists(ctx, "/e")
		if !ok || err != nil || c.Server() != q.addr() {
			t.Error(ok, err, c.Server())
		}
		if took := time.Since(begin); took < time.Second || took > 2900*time.Millisecond {
			t.Errorf("found out after %v", took)
		}
	})
}

func TestExpiryIsDefinite(t *testing.T) {
	onEach(t, func(t *testing.T, f fixture) {
		p := newProxy(t, f.Addr(0))
		ctx, c := short(t), dial(t, p.addr(), client.Options{SessionTimeout: 500 * time.Millisecond})
		other := dial(t, f.ConnectString(), client.Options{})
		_, err := c.Create(ctx, "/e", nil, client.Ephemeral)
		must(t, err)
		_, _, w, err := c.GetW(ctx, "/e")
		must(t, err)
		states := record(c)
		_, _, gone, err := other.ExistsW(ctx, "/e")
		must(t, err)
		p.refuse(true)
		same(t, events(t, gone, 1), "deleted /e")
		pending := make(chan error)
		go func() { _, _, err := c.Get(ctx, "/"); pending <- err }()
		p.refuse(false)
		want(t, <-pending, client.ErrSessionExpired)
		<-c.Done()
		want(t, c.Err(), client.ErrSessionExpired)
		_, err = w.Next(ctx)
		want(t, err, client.ErrSessionExpired)
		same(t, states(), "connected, connecting, expired")
		_, err = c.Create(ctx, "/again", nil)
		want(t, err, client.ErrSessionExpired)
		must(t, c.Close())
	})
}

func TestDetachAndResume(t *testing.T) {
	onEach(t, func(t *testing.T, f fixture) {
		ctx, c := short(t), dial(t, f.ConnectString(), client.Options{SessionTimeout: 10 * time.Second})
		_, err := c.Create(ctx, "/e", nil, client.Ephemeral)
		must(t, err)
		s := c.Detach()
		if strings.Contains(fmt.Sprint(s), string(s.Password)) {
			t.Error("the password is printed")
		}
		d := dial(t, f.ConnectString(), client.Options{Resume: &s})
		if st, ok, err := d.Exists(ctx, "/e"); !ok || err != nil || st.EphemeralOwner != s.ID {
			t.Error(st, ok, err)
		}
		must(t, d.Close())
		_, err = client.Dial(ctx, f.ConnectString(), client.Options{Resume: &s})
		want(t, err, client.ErrSessionExpired)
		s.Password[0]++
		_, err = client.Dial(ctx, f.ConnectString(), client.Options{Resume: &s})
		want(t, err, client.ErrSessionExpired)
	})
}

// TestLostAnswersAreAmbiguous: writes in flight when the connection is
// cut are never repeated, and the error says that nobody knows.
func TestLostAnswersAreAmbiguous(t *testing.T) {
	onEach(t, func(t *testing.T, f fixture) {
		p := newProxy(t, f.Addr(0))
		ctx, c := short(t), dial(t, p.addr(), client.Options{RetryReads: 100})
		must(t, c.EnsurePath(ctx, "/n"))
		var done, lost atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 100 {
					_, err := c.Create(ctx, "/n/s-", nil, client.Sequential)
					switch {
					case err == nil:
						done.Add(1)
					case client.Ambiguous(err) && errors.Is(err, client.ErrConnectionLoss):
						lost.Add(1)
					default:
						t.Error(err)
					}
				}
			})
		}
		for range 10 {
			_, _, err := c.Get(ctx, "/n")
			if err != nil {
				t.Error(err)
			}
			p.cut()
		}
		wg.Wait()
		_, st, err := c.Children(ctx, "/n")
		must(t, err)
		if n := st.NumChildren; n < done.Load() || n > done.Load()+lost.Load() {
			t.Errorf("%d nodes of %d answered and %d unknown", n, done.Load(), lost.Load())
		}
	})
}

// TestPipelineBreaks cuts connections under pipelines: what was done is a
// beginning of what was asked for.
func TestPipelineBreaks(t *testing.T) {
	onEach(t, func(t *testing.T, f fixture) {
		p := newProxy(t, f.Addr(0))
		ctx, c := short(t), dial(t, p.addr(), client.Options{RetryReads: 10})
		for round := range 20 {
			dir := fmt.Sprintf("/%d", round)
			eventually(t, func() error { return c.EnsurePath(ctx, dir) })
			line := c.Pipeline()
			var all []*client.Future[client.Created]
			for i := range 500 {
				all = append(all, line.Create(ctx, fmt.Sprintf("%s/%04d", dir, i), nil))
				if i == 20*round {
					p.cut()
				}
			}
			_ = line.Wait(ctx)
			names, _, err := c.Children(ctx, dir)
			must(t, err)
			made := make(map[string]bool)
			for _, name := range names {
				made[name] = true
			}
			for i, fut := range all {
				_, err := fut.Wait(ctx)
				if there := made[fmt.Sprintf("%04d", i)]; there != (i < len(names)) || there && err != nil && !client.Ambiguous(err) || !there && err == nil {
					t.Fatalf("round %d: %d of 500 nodes, %d there: %v, error %v", round, len(names), i, there, err)
				}
			}
		}
	})
}

// TestReconnectStorm loses 1,000 connections at once.
func TestReconnectStorm(t *testing.T) {
	onEach(t, func(t *testing.T, f fixture) {
		const n = 1000
		p := newProxy(t, f.Addr(0))
		ctx := short(t)
		all := make([]*client.Client, n)
		var wg sync.WaitGroup
		each := func(do func(i int) error) {
			t.Helper()
			for i := range n {
				wg.Go(func() {
					if err := do(i); err != nil {
						t.Errorf("client %d: %v", i, err)
					}
				})
			}
			wg.Wait()
		}
		each(func(i int) (err error) {
			all[i], err = client.Dial(ctx, p.addr(), client.Options{SessionTimeout: 30 * time.Second, RetryReads: 20})
			if err == nil {
				_, err = all[i].Create(ctx, fmt.Sprintf("/%d", i), nil, client.Ephemeral)
			}
			return err
		})
		begin := time.Now()
		p.cut()
		each(func(i int) error {
			st, ok, err := all[i].Exists(ctx, fmt.Sprintf("/%d", i))
			if err == nil && (!ok || st.EphemeralOwner != all[i].Session().ID) {
				err = errors.New("the session is another one")
			}
			return err
		})
		t.Logf("all are back after %v", time.Since(begin))
		each(func(i int) error { return all[i].Close() })
		_, ok, err := dial(t, f.ConnectString(), client.Options{}).Exists(ctx, "/7")
		if ok || err != nil {
			t.Error("ephemeral nodes outlive their sessions", err)
		}
	})
}

// TestManyGoroutinesOneSession is the order of xids (ZOOKEEPER-4796).
func TestManyGoroutinesOneSession(t *testing.T) {
	onEach(t, func(t *testing.T, f fixture) {
		ctx, c := short(t), dial(t, f.ConnectString(), client.Options{})
		must(t, c.EnsurePath(ctx, "/g"))
		var wg sync.WaitGroup
		for i := range 30 {
			wg.Go(func() {
				path := fmt.Sprintf("/g/%d", i)
				_, err := c.Create(ctx, path, nil)
				for v := range int32(100) {
					if err == nil {
						_, err = c.Set(ctx, path, fmt.Append(nil, v), v)
					}
					var b []byte
					if err == nil {
						b, _, err = c.Get(ctx, path)
					}
					if err != nil || string(b) != fmt.Sprint(v) {
						t.Errorf("%s: %s, %v", path, b, err)
						return
					}
				}
			})
		}
		wg.Wait()
	})
}

func TestCloseWhileRequestsPend(t *testing.T) {
	onEach(t, func(t *testing.T, f fixture) {
		ctx, c := short(t), dial(t, f.ConnectString(), client.Options{})
		line := c.Pipeline()
		var all []*client.Future[client.Created]
		for range 500 {
			all = append(all, line.Create(ctx, "/p-", nil, client.Sequential))
		}
		must(t, c.Close())
		for _, fut := range all { // they were asked for before
			if _, err := fut.Wait(ctx); err != nil {
				t.Fatal(err)
			}
		}
		late := line.Create(ctx, "/late", nil)
		_, err := late.Wait(ctx)
		want(t, err, client.ErrClosed)
	})
}

// withoutQuorum are settings of servers that go on without one.
var withoutQuorum = map[string]string{"localSessionsEnabled": "true", "localSessionsUpgradingEnabled": "true"}

// TestReadOnlyServer lets a server lose its quorum.
func TestReadOnlyServer(t *testing.T) {
	for _, g := range []target{
		{"quokka", func(t *testing.T, n int) fixture {
			settings := maps.Clone(withoutQuorum)
			settings["readonlymode.enabled"] = "true"
			return quokkatest.StartWith(t, n, quokkatest.Options{Settings: settings})
		}},
		{"java", func(t *testing.T, n int) fixture {
			return startJavaWith(t, n, withoutQuorum, "-Dreadonlymode.enabled=true")
		}},
	} {
		t.Run(g.name, func(t *testing.T) {
			checkLeaks(t)
			readOnlyServer(t, g.start(t, 3))
		})
	}
}

func readOnlyServer(t *testing.T, f fixture) {
	o := client.Options{ReadOnly: true, SessionTimeout: 20 * time.Second, RetryReads: 50, MaxBackoff: 200 * time.Millisecond}
	ctx, c := short(t), dial(t, f.ConnectString(), o)
	_, err := c.Create(ctx, "/a", []byte("1"))
	must(t, err)
	must(t, c.Sync(ctx, "/a"))
	must(t, c.Close())
	last := dial(t, f.Addr(2), o) // it has the node, too, before the others go
	must(t, last.Sync(ctx, "/a"))
	must(t, last.Close())
	must(t, f.Stop(0))
	must(t, f.Stop(1))
	awaitReadOnly(t, f.Addr(2))
	c, err = client.Dial(ctx, f.ConnectString(), o)
	must(t, err)
	defer c.Close()
	if c.State() != client.ConnectedReadOnly {
		t.Fatal(c.State())
	}
	b, _, w, err := c.GetW(ctx, "/a")
	if string(b) != "1" || err != nil {
		t.Error(string(b), err)
	}
	_, err = c.Set(ctx, "/a", nil, -1)
	want(t, err, client.ErrNotReadOnly)
	must(t, f.Run(0))
	must(t, f.Run(1))
	for v := range c.States(ctx) {
		if v.State == client.Connected {
			break
		}
	}
	eventually(t, func() error { _, err := c.Set(ctx, "/a", nil, -1); return err })
	same(t, events(t, w, 1), "data changed /a")
}

// awaitReadOnly asks a server until it says that it has no quorum.
func awaitReadOnly(t *testing.T, addr string) {
	t.Helper()
	ctx := short(t)
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for ctx.Err() == nil {
		if conn, err := net.Dial("tcp", addr); err == nil {
			_, _ = io.WriteString(conn, "isro")
			b, _ := io.ReadAll(conn)
			_ = conn.Close()
			if string(b) == "ro" {
				return
			}
		}
		<-look.C
	}
	t.Fatal("the server does not become read-only")
}
