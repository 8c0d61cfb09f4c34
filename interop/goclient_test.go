package interop

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-zookeeper/zk"
)

// quiet is a logger that says nothing.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

// goClient is a go-zookeeper/zk connection whose network can be cut.
type goClient struct {
	*zk.Conn
	events <-chan zk.Event
	cut    atomic.Bool
	mu     sync.Mutex
	conns  []net.Conn
}

func dialGo(addr string, timeout time.Duration) (*goClient, error) {
	c := &goClient{}
	conn, events, err := zk.Connect([]string{addr}, timeout, zk.WithDialer(c.dial), zk.WithLogger(quiet{}), zk.WithLogInfo(false))
	if err != nil {
		return nil, err
	}
	c.Conn, c.events = conn, events
	return c, c.awaitState(zk.StateHasSession)
}

func (c *goClient) dial(network, address string, timeout time.Duration) (net.Conn, error) {
	if c.cut.Load() {
		return nil, errors.New("the cable is cut")
	}
	conn, err := net.DialTimeout(network, address, timeout)
	if err == nil {
		c.mu.Lock()
		c.conns = append(c.conns, conn)
		c.mu.Unlock()
	}
	return conn, err
}

// sever cuts the network until mend.
func (c *goClient) sever() {
	c.cut.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		conn.Close()
	}
}

func (c *goClient) mend() { c.cut.Store(false) }

// awaitState takes session events until one has the state.
func (c *goClient) awaitState(state zk.State) error {
	limit := time.After(30 * time.Second)
	for {
		select {
		case e := <-c.events:
			if e.State == state && e.Type == zk.EventSession {
				return nil
			}
		case <-limit:
			return fmt.Errorf("state %v does not come, it is %v", state, c.State())
		}
	}
}

// goScenario is the run of one recorder with its two clients.
type goScenario struct {
	r         *recorder
	zk, other *goClient
}

func goStat(s *zk.Stat) any {
	if s == nil {
		return nil
	}
	return map[string]any{
		"czxid": s.Czxid, "mzxid": s.Mzxid, "pzxid": s.Pzxid, "ctime": s.Ctime, "mtime": s.Mtime, "version": s.Version,
		"cversion": s.Cversion, "aversion": s.Aversion, "ephemeralOwner": s.EphemeralOwner, "dataLength": s.DataLength, "numChildren": s.NumChildren,
	}
}

// result records a call's results, or its error alone.
func (g *goScenario) result(step string, err error, results ...any) {
	if err != nil {
		g.r.emit(step, map[string]string{"error": err.Error()})
		return
	}
	for i, r := range results {
		switch v := r.(type) {
		case *zk.Stat:
			results[i] = goStat(v)
		case []byte:
			results[i] = string(v)
		}
	}
	g.r.emit(step, results)
}

func (g *goScenario) create(step, path string, flags int32) {
	name, err := g.zk.Create(path, []byte("data"), flags, zk.WorldACL(zk.PermAll))
	g.result(step, err, name)
}

func (g *goScenario) get(c *goClient, step, path string) {
	data, stat, err := c.Get(path)
	g.result(step, err, data, stat)
}

func (g *goScenario) set(c *goClient, step, path, data string, version int32) {
	stat, err := c.Set(path, []byte(data), version)
	g.result(step, err, stat)
}

func (g *goScenario) nodes() {
	g.create("create", "/g", 0)
	g.create("create again", "/g", 0)
	g.create("create without parent", "/no/parent", 0)
	g.create("create ephemeral", "/g/e", zk.FlagEphemeral)
	g.create("create below ephemeral", "/g/e/x", 0)
	g.create("create sequence 0", "/g/s-", zk.FlagSequence)
	g.create("create sequence 1", "/g/s-", zk.FlagSequence)
	g.create("create ephemeral sequence", "/g/es-", zk.FlagSequence|zk.FlagEphemeral)
	name, err := g.zk.CreateContainer("/g/container", []byte("c"), zk.FlagContainer, zk.WorldACL(zk.PermAll))
	g.result("create container", err, name)
	name, err = g.zk.CreateTTL("/g/ttl", []byte("t"), zk.FlagTTL, zk.WorldACL(zk.PermAll), time.Hour)
	g.result("create ttl", err, name)
	g.get(g.zk, "get", "/g")
	g.get(g.zk, "get ephemeral", "/g/e")
	g.get(g.zk, "get missing", "/missing")
	ok, stat, err := g.zk.Exists("/g")
	g.result("exists", err, ok, stat)
	ok, stat, err = g.zk.Exists("/missing")
	g.result("exists missing", err, ok, stat)
	g.set(g.zk, "set", "/g", "v1", -1)
	g.set(g.zk, "set version", "/g", "v2", 1)
	g.set(g.zk, "set bad version", "/g", "v3", 1)
	children, stat, err := g.zk.Children("/g")
	slices.Sort(children)
	g.result("children", err, children, stat)
	_, _, err = g.zk.Children("/missing")
	g.result("children missing", err)
	g.result("delete not empty", g.zk.Delete("/g", -1))
	g.result("delete bad version", g.zk.Delete("/g/s-0000000001", 4))
	g.result("delete", g.zk.Delete("/g/s-0000000001", 0))
	g.result("delete missing", g.zk.Delete("/g/s-0000000001", 0))
	path, err := g.zk.Sync("/g")
	g.result("sync", err, path)
	_, err = g.zk.IncrementalReconfig([]string{"server.9=127.0.0.1:1:2;3"}, nil, -1)
	g.result("reconfig", err)
}

// event waits for one event of a watch channel and records it.
func (g *goScenario) event(step string, ch <-chan zk.Event) {
	select {
	case e := <-ch:
		g.r.emit(step, map[string]any{"type": e.Type.String(), "state": e.State.String(), "path": e.Path})
	case <-time.After(20 * time.Second):
		g.r.emit(step, "no event")
	}
}

func (g *goScenario) watches() error {
	if _, err := g.other.Create("/w", nil, 0, zk.WorldACL(zk.PermAll)); err != nil {
		return err
	}
	_, _, born, err1 := g.zk.ExistsW("/w/new")
	_, _, data, err2 := g.zk.GetW("/w")
	_, _, child, err3 := g.zk.ChildrenW("/w")
	_, err4 := g.other.Create("/w/new", nil, 0, zk.WorldACL(zk.PermAll))
	_, err5 := g.other.Set("/w", []byte("1"), -1)
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return err
	}
	g.event("watch created", born)
	g.event("watch child", child)
	g.event("watch data", data)
	_, _, gone, err1 := g.zk.GetW("/w/new")
	_, _, child, err2 = g.zk.ChildrenW("/w")
	err3 = g.other.Delete("/w/new", -1)
	g.event("watch deleted", gone)
	g.event("watch child deleted", child)
	return errors.Join(err1, err2, err3)
}
