package interop

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
)

// TestGoClient runs the go-zookeeper/zk scenario.
func TestGoClient(t *testing.T) {
	compareScenario(t, "go", func(t *testing.T, r *recorder) error {
		g := &goScenario{r: r}
		for _, c := range []**goClient{&g.zk, &g.other} {
			var err error
			if *c, err = dialGo(r.server.Addr(), 10*time.Second); err != nil {
				return err
			}
			t.Cleanup((*c).Close)
		}
		g.nodes()
		if err := g.watches(); err != nil {
			return err
		}
		if err := g.acls(); err != nil {
			return err
		}
		g.multis()
		for _, step := range []func() error{g.restarts, g.expiry, g.scans} {
			if err := step(); err != nil {
				return err
			}
		}
		return nil
	})
}

func (g *goScenario) createACL(c *goClient, step, path string, acl []zk.ACL) {
	name, err := c.Create(path, []byte("s"), 0, acl)
	g.result(step, err, name)
}

func (g *goScenario) acls() error {
	alice, err := dialGo(g.r.server.Addr(), 10*time.Second)
	if err != nil {
		return err
	}
	defer alice.Close()
	g.result("auth", alice.AddAuth("digest", []byte("alice:secret")))
	g.createACL(alice, "acl auth", "/a", zk.AuthACL(zk.PermAll))
	acl, stat, err := alice.GetACL("/a")
	g.result("acl expanded", err, acl, stat)
	g.get(alice, "acl allowed", "/a")
	g.get(g.zk, "acl denied get", "/a")
	g.set(g.zk, "acl denied set", "/a", "x", -1)
	_, _, err = g.zk.Children("/a")
	g.result("acl denied children", err)
	ok, stat, err := g.zk.Exists("/a")
	g.result("acl denied exists", err, ok, stat)
	_, _, err = g.zk.GetACL("/a")
	g.result("acl denied get acl", err)
	g.createACL(g.zk, "acl denied create", "/a/x", zk.WorldACL(zk.PermAll))
	_, err = g.zk.SetACL("/a", zk.WorldACL(zk.PermAll), -1)
	g.result("acl denied set acl", err)
	g.createACL(g.zk, "acl auth of nobody", "/nobody", zk.AuthACL(zk.PermAll))
	g.createACL(g.zk, "acl empty", "/bad", nil)
	g.createACL(g.zk, "acl bad scheme", "/bad", []zk.ACL{{Perms: 31, Scheme: "nosuch", ID: "x"}})
	g.createACL(g.zk, "acl ip", "/ip", []zk.ACL{{Perms: 31, Scheme: "ip", ID: "127.0.0.1"}})
	g.set(g.zk, "acl ip allows", "/ip", "x", -1)
	g.createACL(g.zk, "acl other ip", "/ip2", []zk.ACL{{Perms: 31, Scheme: "ip", ID: "10.0.0.0/8"}})
	g.set(g.zk, "acl other ip denies", "/ip2", "x", -1)
	g.createACL(g.zk, "acl world read", "/ro", zk.WorldACL(zk.PermRead))
	g.set(g.zk, "acl world read denies", "/ro", "x", -1)
	stat, err = alice.SetACL("/a", zk.WorldACL(zk.PermRead), 4)
	g.result("set acl bad version", err, stat)
	stat, err = alice.SetACL("/a", zk.WorldACL(zk.PermRead), 0)
	g.result("set acl", err, stat)
	acl, stat, err = g.zk.GetACL("/a")
	g.result("acl after set acl", err, acl, stat)
	return nil
}

func (g *goScenario) multi(step string, ops ...any) {
	list, err := g.zk.Multi(ops...)
	out := []any{}
	for _, r := range list {
		out = append(out, map[string]any{"stat": goStat(r.Stat), "string": r.String, "error": fmt.Sprint(r.Error)})
	}
	g.r.emit(step, map[string]any{"results": out, "error": fmt.Sprint(err)})
}

func (g *goScenario) multis() {
	open := zk.WorldACL(zk.PermAll)
	g.multi("multi",
		&zk.CreateRequest{Path: "/t", Acl: open},
		&zk.CreateRequest{Path: "/t/s-", Data: []byte("1"), Acl: open, Flags: zk.FlagSequence},
		&zk.SetDataRequest{Path: "/t", Data: []byte("2"), Version: 0},
		&zk.CheckVersionRequest{Path: "/t", Version: 1},
		&zk.DeleteRequest{Path: "/t/s-0000000000", Version: -1})
	g.multi("multi failed",
		&zk.SetDataRequest{Path: "/t", Data: []byte("never"), Version: -1},
		&zk.CheckVersionRequest{Path: "/t", Version: 7},
		&zk.DeleteRequest{Path: "/t", Version: -1})
	g.get(g.zk, "after multi", "/t")
	g.multi("multi empty")
}

// settled repeats a read until the connection works again.
func (g *goScenario) settled() error {
	return poll(30*time.Second, func() error {
		_, _, err := g.zk.Exists("/")
		return err
	})
}

func (g *goScenario) restarts() error {
	session := g.zk.SessionID()
	g.create("live", "/live", zk.FlagEphemeral)
	for _, how := range []string{"restart", "kill"} {
		_, _, watch, err := g.zk.GetW("/live")
		if err := errors.Join(err, g.r.control(how), g.settled()); err != nil {
			return err
		}
		g.result(how+" keeps the session", nil, g.zk.SessionID() == session)
		g.get(g.zk, how+" keeps ephemerals", "/live")
		g.set(g.zk, how+" accepts writes", "/live", how, -1)
		g.event(how+" keeps watches", watch)
	}
	return nil
}

func (g *goScenario) expiry() error {
	mortal, err := dialGo(g.r.server.Addr(), time.Second)
	if err != nil {
		return err
	}
	defer mortal.Close()
	if _, err := mortal.Create("/orphan", nil, zk.FlagEphemeral, zk.WorldACL(zk.PermAll)); err != nil {
		return err
	}
	_, _, gone, err := g.zk.ExistsW("/orphan")
	if err != nil {
		return err
	}
	mortal.sever()
	g.event("orphan expired", gone)
	mortal.mend()
	g.result("expired client is told so", mortal.awaitState(zk.StateExpired))
	return nil
}

// scans waits for the removal of an emptied container and of a short TTL node.
func (g *goScenario) scans() error {
	_, err := g.zk.CreateTTL("/g/short", nil, zk.FlagTTL, zk.WorldACL(zk.PermAll), 100*time.Millisecond)
	g.result("short ttl", err)
	_, _, gone, err := g.zk.ExistsW("/g/short")
	if err != nil {
		return err
	}
	g.event("short ttl gone", gone)
	g.create("child of container", "/g/container/x", 0)
	_, _, gone, err = g.zk.ExistsW("/g/container")
	g.result("empty the container", errors.Join(err, g.zk.Delete("/g/container/x", -1)))
	g.event("container gone", gone)
	return nil
}
