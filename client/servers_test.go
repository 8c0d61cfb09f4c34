package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"quokka/internal/proto"
)

// TestClientsSpreadEvenly moves many clients from one list to another and
// counts who is where, as the published simulation of the rules does.
func TestClientsSpreadEvenly(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, x := range []struct{ before, after string }{
		{"a,b,c", "a,b,c,d,e"}, {"a,b,c,d,e", "a,b,c"}, {"a,b,c", "d,e,f"}, {"a,b,c", "a,d,e"}, {"a,b,c,d", "c,d,e"},
		{"a,b", "b,c,d,e,f"}, {"a", "b"}, {"a,b,c", "b,c,a"},
	} {
		before, after := strings.Split(x.before, ","), strings.Split(x.after, ",")
		const each = 4_000
		load := make(map[string]int)
		moved := 0
		for i := range each * len(after) {
			r := newRing(before, Options{})
			server := before[i%len(before)]
			if r.replace(after, server, rng.Float64) {
				moved++
				server = r.next()
			}
			load[server]++
		}
		for _, server := range after {
			if n := load[server]; n < each*92/100 || n > each*108/100 {
				t.Errorf("%s to %s: %d clients at %s, want about %d: %v", x.before, x.after, n, server, each, load)
			}
		}
		if len(load) != len(after) {
			t.Errorf("%s to %s: %v", x.before, x.after, load)
		}
		if x.after == "b,c,a" && moved > 0 {
			t.Errorf("%d clients moved although the servers are the same", moved)
		}
	}
}

func TestARebalancedClientTriesEveryServer(t *testing.T) {
	for _, after := range []string{"b", "b,c", "a,b,c,d,e", "c,d,e"} {
		list := strings.Split(after, ",")
		r := newRing([]string{"a", "b", "c"}, Options{MaxBackoff: time.Second, SessionTimeout: long})
		if !r.replace(list, "a", func() float64 { return 0.3 }) {
			t.Fatalf("%s: it stays", after)
		}
		var tried []string
		for i := range list {
			tried = append(tried, r.next())
			if wait := r.failed(false); (wait > 0) != (i == len(list)-1) {
				t.Errorf("%s: a pause of %v after %d servers", after, wait, i+1)
			}
		}
		if slices.Sort(tried); !slices.Equal(tried, list) {
			t.Errorf("%s: tried %v", after, tried)
		}
	}
}

// A move loses no answer: what was sent is waited for, what comes later goes
// to the next server.
func TestMovingLosesNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, p := fakeClient(f, "a/root", f.options(long))
		first := async(func() (Stat, error) { return c.Set(t.Context(), "/1", nil, -1) })
		xid, _ := p.want(proto.OpSetData)
		if err := c.SetServers("b,c/root"); err != nil {
			t.Fatal(err)
		}
		if err := c.SetServers("b"); err != nil { // once more, while it waits
			t.Fatal(err)
		}
		second := async(func() (Stat, error) { return c.Set(t.Context(), "/2", nil, -1) })
		synctest.Wait()
		if c.Server() != "a:2181" || !slices.Equal(c.Servers(), []string{"b:2181"}) {
			t.Error(c.Server(), c.Servers())
		}
		p.reply(xid, 5, proto.OK, stat(5))
		p.gone()
		if st, err := first(); err != nil || st.Mzxid != 5 {
			t.Error(st, err)
		}
		q := f.accept(long)
		if q.addr != "b:2181" || q.hi.SessionID != 0x77 || q.hi.LastZxidSeen != 5 {
			t.Errorf("%s: %+v", q.addr, q.hi)
		}
		q.serveOne(proto.OpSetData, 6, proto.OK, stat(6))
		if st, err := second(); err != nil || st.Mzxid != 6 {
			t.Error(st, err)
		}
		end(c, q)
	})
}

func TestASilentServerDoesNotStopAMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, p := fakeClient(f, "a", f.options(long))
		call := async(func() (Stat, error) { return c.Set(t.Context(), "/1", nil, -1) })
		p.want(proto.OpSetData)
		begin := time.Now()
		if err := c.SetServers("b"); err != nil {
			t.Fatal(err)
		}
		if _, err := call(); !Ambiguous(err) || time.Since(begin) != long/3 {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		end(c, f.accept(long))
	})
}

func TestAListWithOurServerKeepsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, p := fakeClient(f, "a", f.options(long))
		for range 20 {
			if err := c.SetServers("a"); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if c.Server() != "a:2181" || len(f.dials) != 0 {
			t.Error(c.Server())
		}
		end(c, p)
	})
}

// New servers are tried at once, whatever the old ones were being given.
func TestNewServersEndDialsAndPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		o := f.options(time.Minute)
		o.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if addr == "hangs:2181" {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return f.dial(ctx, network, addr)
		}
		c, err := New("hangs", o)
		if err != nil {
			t.Fatal(err)
		}
		f.set("down:2181", errDown)
		time.Sleep(time.Millisecond)
		begin := time.Now()
		if err := c.SetServers("down"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // now it pauses
		if got := f.log(begin); !slices.Equal(got, []string{"down:2181 0s"}) {
			t.Error(got)
		}
		if err := c.SetServers("up"); err != nil {
			t.Fatal(err)
		}
		p := f.accept(time.Minute)
		if at := time.Since(begin); at != 0 || p.addr != "up:2181" {
			t.Errorf("%s after %v", p.addr, at)
		}
		end(c, p)
	})
}

// The list changes while the answer to connect is on its way.
func TestAServerTakenOffTheListMeanwhileIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, err := New("a", f.options(long))
		if err != nil {
			t.Fatal(err)
		}
		p := f.next()
		p.frame()
		if err := c.SetServers("b"); err != nil {
			t.Fatal(err)
		}
		p.gone()
		end(c, f.accept(long))
	})
}

func TestListsThatAreRefused(t *testing.T) {
	c, err := New("a/x", Options{Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errDown }})
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range []string{"", "a:0", "a/y", "/x"} {
		if err := c.SetServers(list); err == nil {
			t.Errorf("%q was taken", list)
		}
	}
	sub, err := c.Sub("/s")
	if err != nil || sub.SetServers("b,b/x") != nil || !slices.Equal(c.Servers(), []string{"b:2181"}) {
		t.Error(err, c.Servers())
	}
	_ = c.Close()
	if err := c.SetServers("a"); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

func TestConfigurations(t *testing.T) {
	text := "server.2=127.0.0.1:2:3:participant;127.0.0.1:9\nserver.1=zk1:2888:3888|zk1b:1:2:participant;0.0.0.0:2181\n" +
		"server.10=[fe80::1]:1:2:observer;2182\ngroup.1=1:2\nweight.1=1\nserver.3=zk3:1:2\nserver.4=zk4:1:2:participant;[::]:5\nversion=1000000a\n"
	c, err := ParseConfig([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := []Member{
		{1, true, "zk1:2181"}, {2, true, "127.0.0.1:9"}, {3, true, ""}, {4, true, "zk4:5"}, {10, false, "[fe80::1]:2182"},
	}
	if !slices.Equal(c.Members, want) || c.Version != 0x1000000a {
		t.Errorf("%+v", c)
	}
	if got := c.ConnectString(); got != "zk1:2181,127.0.0.1:9,zk4:5,[fe80::1]:2182" {
		t.Error(got)
	}
	if c, err := ParseConfig(nil); err != nil || c.ConnectString() != "" {
		t.Error(c, err)
	}
	for _, bad := range []string{"server.x=a:1:2", "server.1=a:1:2;x", "server.1=a:1:2;1:2:3", "version=zz", "server.1=;1", "server.1=;,:1", "server.1=a:1:2;b/c:1"} {
		if c, err := ParseConfig([]byte(bad)); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %+v, %v", bad, c, err)
		}
	}
}

func FuzzConfig(f *testing.F) {
	f.Add("server.1=a:1:2:participant;0.0.0.0:2181\nversion=0")
	f.Add("server.0=;,:0001")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseConfig([]byte(text))
		if s := c.ConnectString(); err == nil && s != "" {
			if _, root, err := parseServers(s); err != nil || root != "" {
				t.Errorf("%q gives %q: %q, %v", text, s, root, err)
			}
		}
	})
}

// TestConfigurationIsFollowed: the list comes from the servers, and what
// cannot be read changes nothing.
func TestConfigurationIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		o := f.options(long)
		o.FollowConfig = true
		c, p := fakeClient(f, "a", o)
		config := func(hosts ...string) []byte {
			var text strings.Builder
			for i, h := range hosts {
				fmt.Fprintf(&text, "server.%d=%s:1:2:participant;2181\n", i+1, h)
			}
			return node(text.String()+"version=1", 2)
		}
		p.serveOne(proto.OpGetData, 2, proto.OK, config("a", "b"))
		synctest.Wait()
		// Whether it moves is a matter of chance.
		if c.Server() == "" {
			p = f.accept(long)
			p.setWatches(proto.OpSetWatches)
		} else if !slices.Equal(c.Servers(), []string{"a:2181", "b:2181"}) {
			t.Error(c.Servers())
		}
		p.event(proto.EventNodeDataChanged, configPath, 3)
		p.serveOne(proto.OpGetData, 3, proto.OK, node("server.1=nonsense;", 3))
		xid, _ := p.want(proto.OpRemoveWatches)
		p.reply(xid, 3, proto.OK, nil)
		p.serveOne(proto.OpGetData, 3, proto.OK, config("c"))
		p.gone()
		q := f.accept(long)
		if q.addr != "c:2181" || q.hi.SessionID != 0x77 {
			t.Errorf("%s, %+v", q.addr, q.hi)
		}
		q.setWatches(proto.OpSetWatches)
		end(c, q)
	})
}
