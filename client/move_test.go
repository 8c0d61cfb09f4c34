package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"quokka/client"
	"quokka/quokkatest"
)

// reconfigurable ensembles may be changed by everybody.
var reconfigurable = map[string]string{"reconfigEnabled": "true", "skipACL": "yes"}

var ensembles = []target{
	{"quokka", func(t *testing.T, n int) fixture {
		return quokkatest.StartWith(t, n, quokkatest.Options{Settings: reconfigurable})
	}},
	{"java", func(t *testing.T, n int) fixture { return startJavaWith(t, n, reconfigurable) }},
}

// TestServersAreChangedUnderLoad moves a session around while writes are
// under way: none of them fails, and none is lost.
func TestServersAreChangedUnderLoad(t *testing.T) {
	onAll(t, 3, func(t *testing.T, f fixture) {
		ctx, c := short(t), dial(t, f.Addr(0), client.Options{SessionTimeout: 20 * time.Second})
		_, err := c.Create(ctx, "/n", nil, client.Ephemeral)
		must(t, err)
		w, err := c.Watch(ctx, "/n")
		must(t, err)
		id := c.Session().ID
		writing, stop := context.WithCancel(ctx)
		written := make(chan int32)
		go func() {
			var n int32
			for ; writing.Err() == nil; n++ {
				if st, err := c.Set(ctx, "/n", fmt.Append(nil, n), n); err != nil || st.Version != n+1 {
					t.Errorf("write %d: version %d, %v", n, st.Version, err)
					break
				}
			}
			written <- n
		}()
		for i := range 6 {
			addr := f.Addr((i + 1) % 3)
			must(t, c.SetServers(addr))
			for v := range c.States(ctx) {
				if v.State == client.Connected && v.Server == addr {
					break
				}
			}
		}
		stop()
		n := <-written
		st, ok, err := c.Exists(ctx, "/n")
		if !ok || err != nil || st.Version != n || st.EphemeralOwner != id || c.Session().ID != id {
			t.Error(ok, err, st, n, c.Session())
		}
		for gaps := 0; gaps < 6; {
			e, err := w.Next(ctx)
			must(t, err)
			if e.Type == client.EventGap {
				gaps++
			}
		}
	})
}

// TestClientsFollowReconfiguration takes the leader's clients to the others
// when their server is removed, and lets them know one that comes back.
func TestClientsFollowReconfiguration(t *testing.T) {
	for _, g := range ensembles {
		t.Run(g.name, func(t *testing.T) {
			checkLeaks(t)
			f := g.start(t, 3)
			ctx, admin := short(t), dial(t, f.Addr(0)+","+f.Addr(1), client.Options{SessionTimeout: 20 * time.Second, RetryReads: 20})
			c := dial(t, f.Addr(2), client.Options{SessionTimeout: 20 * time.Second, FollowConfig: true})
			text, _, err := admin.GetConfig(ctx)
			must(t, err)
			cfg, err := client.ParseConfig(text)
			must(t, err)
			if got := strings.Split(cfg.ConnectString(), ","); !slices.Equal(got, []string{f.Addr(0), f.Addr(1), f.Addr(2)}) {
				t.Fatalf("%s: %v", text, got)
			}
			id := c.Session().ID
			_, err = c.Create(ctx, "/e", nil, client.Ephemeral)
			must(t, err)
			has := func(c client.Config) bool { return strings.Contains(c.ConnectString(), f.Addr(2)) }
			reconfigure(t, admin, client.Reconfig{Leaving: []string{"3"}, Version: cfg.Version}, func(c client.Config) bool { return !has(c) })
			soon(t, func() bool {
				return !slices.Contains(c.Servers(), f.Addr(2)) && c.Server() != f.Addr(2) && c.State().Up()
			})
			eventually(t, func() error { _, _, err := c.Exists(ctx, "/e"); return err })
			if c.Session().ID != id {
				t.Error(c.Session(), id)
			}
			_, _, err = admin.Reconfig(ctx, client.Reconfig{Leaving: []string{"1"}, Version: cfg.Version})
			want(t, err, client.ErrBadVersion)
			var again string
			for line := range strings.Lines(string(text)) {
				if strings.HasPrefix(line, "server.3=") {
					again = strings.TrimSpace(line)
				}
			}
			reconfigure(t, admin, client.Reconfig{Joining: []string{again}, Version: -1}, has)
			soon(t, func() bool { return slices.Contains(c.Servers(), f.Addr(2)) })
			eventually(t, func() error { _, _, err := c.Exists(ctx, "/e"); return err })
			if c.Session().ID != id || len(c.Servers()) != 3 {
				t.Error(c.Session(), c.Servers())
			}
		})
	}
}

// reconfigure changes the ensemble, and waits until it agrees to. done tells
// by a configuration whether it has: the leader that leaves may take its
// answer along.
func reconfigure(t *testing.T, c *client.Client, r client.Reconfig, done func(client.Config) bool) {
	t.Helper()
	ctx := short(t)
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		text, _, err := c.Reconfig(ctx, r)
		if client.Ambiguous(err) {
			text, _, err = c.GetConfig(ctx)
		}
		switch {
		case errors.Is(err, client.ErrNewConfigNoQuorum) || errors.Is(err, client.ErrReconfigInProgress): // the others are behind
		case err != nil:
			t.Fatal(err)
		default:
			cfg, err := client.ParseConfig(text)
			must(t, err)
			if done(cfg) {
				return
			}
		}
		<-look.C
	}
}

// soon waits for a condition.
func soon(t *testing.T, ok func() bool) {
	t.Helper()
	ctx := short(t)
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for !ok() {
		select {
		case <-look.C:
		case <-ctx.Done():
			t.Fatal("it does not come")
		}
	}
}

// TestStolenSession has two Clients of one session: the one whose server has
// lost it writes nothing, and is told so.
func TestStolenSession(t *testing.T) {
	onAll(t, 3, func(t *testing.T, f fixture) {
		p := newProxy(t, f.Addr(0))
		ctx, c := short(t), dial(t, p.addr(), client.Options{SessionTimeout: 20 * time.Second})
		_, err := c.Create(ctx, "/s", nil, client.Ephemeral)
		must(t, err)
		s := c.Session()
		p.freeze() // or it would take the session back
		thief := dial(t, f.Addr(1), client.Options{SessionTimeout: 20 * time.Second, Resume: &s})
		_, err = thief.Set(ctx, "/s", []byte("thief"), 0)
		must(t, err)
		thief.Detach()
		late := make(chan error)
		go func() { _, err := c.Set(ctx, "/s", []byte("late"), 0); late <- err }()
		p.thaw()
		err = <-late
		if !errors.Is(err, client.ErrSessionMoved) && !errors.Is(err, client.ErrConnectionLoss) && !errors.Is(err, client.ErrBadVersion) {
			t.Errorf("a write by a session that has moved: %v", err)
		}
		other := dial(t, f.Addr(2), client.Options{})
		must(t, other.Sync(ctx, "/s"))
		b, st, err := other.Get(ctx, "/s")
		if string(b) != "thief" || st.Version != 1 || err != nil {
			t.Errorf("%q, version %d, %v", b, st.Version, err)
		}
		eventually(t, func() error { _, _, err := c.Get(ctx, "/s"); return err })
		if c.Session().ID != s.ID {
			t.Error(c.Session(), s)
		}
	})
}

// jaas is a server's section with one user.
const jaas = "Server {\n  org.apache.zookeeper.server.auth.DigestLoginModule required user_bob=\"b0b's secret\";\n};\n"

func TestDigestMD5WithJava(t *testing.T) {
	checkLeaks(t)
	file := filepath.Join(t.TempDir(), "jaas.conf")
	must(t, os.WriteFile(file, []byte(jaas), 0o600))
	f := startJavaWith(t, 1, map[string]string{"authProvider.1": "org.apache.zookeeper.server.auth.SASLAuthenticationProvider"},
		"-Djava.security.auth.login.config="+file)
	p := newProxy(t, f.Addr(0))
	ctx, c := short(t), dial(t, p.addr(), client.Options{SASL: client.DigestMD5("bob", "b0b's secret"), RetryReads: 5})
	who, err := c.WhoAmI(ctx)
	must(t, err)
	if !slices.Contains(who, client.Identity{Scheme: "sasl", User: "bob"}) {
		t.Error(who)
	}
	_, err = c.Create(ctx, "/bob", []byte("1"), client.WithACL(client.ACL{Perms: client.PermAll, Scheme: "sasl", ID: "bob"}))
	must(t, err)
	_, _, err = dial(t, f.ConnectString(), client.Options{}).Get(ctx, "/bob")
	want(t, err, client.ErrNoAuth)
	p.cut() // and once more on the next connection
	b, _, err := c.Get(ctx, "/bob")
	if string(b) != "1" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	for _, bad := range [][2]string{{"bob", "wrong"}, {"eve", "unheard-of"}} {
		_, err = client.Dial(ctx, f.ConnectString(), client.Options{SASL: client.DigestMD5(bad[0], bad[1])})
		want(t, err, client.ErrAuthFailed)
		if strings.Contains(err.Error(), bad[1]) {
			t.Error("the password is in the error:", err)
		}
	}
}

// TestTLSWithJava has a server that demands a certificate and takes its
// subject for the client's name.
func TestTLSWithJava(t *testing.T) {
	checkLeaks(t)
	dir := t.TempDir()
	client.Certify(t, dir, "bob")
	file := func(name string) string { return filepath.Join(dir, name) }
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	secure := l.Addr().String()
	must(t, l.Close())
	_, port, err := net.SplitHostPort(secure)
	must(t, err)
	startJavaWith(t, 1, map[string]string{
		"serverCnxnFactory": "org.apache.zookeeper.server.NettyServerCnxnFactory", "secureClientPort": port,
		"ssl.keyStore.location": file("server.pem"), "ssl.keyStore.type": "PEM",
		"ssl.trustStore.location": file("ca.pem"), "ssl.trustStore.type": "PEM", "ssl.clientAuth": "need",
	})
	ctx, p := short(t), newProxy(t, secure)
	o := client.Options{TLS: client.TLSFiles(file("ca.pem"), file("cert.pem"), file("key.pem")), RetryReads: 5}
	c := dial(t, p.addr(), o)
	for range 2 {
		who, err := c.WhoAmI(ctx)
		must(t, err)
		if !slices.Contains(who, client.Identity{Scheme: "x509", User: "CN=bob"}) {
			t.Error(who)
		}
		p.cut()
	}
	for _, o := range []client.Options{{}, {TLS: client.TLSFiles(file("ca.pem"), "", "")}, {TLS: client.TLSFiles("", file("cert.pem"), file("key.pem"))}} {
		limit, cancel := context.WithTimeout(ctx, 400*time.Millisecond)
		defer cancel()
		if _, err := client.Dial(limit, secure, o); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a connection without certificate or authority: %v", err)
		}
	}
}
