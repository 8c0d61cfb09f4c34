package interop

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	loadRegisters = 5
	loadShared    = 3 // nodes that all clients create and delete
	loadRoot      = "/load"
)

// loadOptions vary a load. The zero value is a moderate one.
type loadOptions struct {
	clients int           // 0 means 5
	pause   time.Duration // between the bursts of one client; 0 means 12 ms
	seed    uint64
	timeout time.Duration // of the sessions; 0 means 40 s
}

// load is many sessions writing to an ensemble, whatever happens to its servers.
type load struct {
	h       *history
	clients []*loadClient
	stopped chan struct{}
	group   sync.WaitGroup
	acked   atomic.Int64 // successful writes so far
}

// loadClient is one client with one session at a time. It sends bursts of requests without waiting for the replies in
// between, and goes to another server when a connection breaks or stays silent.
type loadClient struct {
	l       *load
	id      int
	addrs   []string
	r       *rand.Rand
	o       loadOptions
	c       *rawConn
	session int64
	passwd  []byte
	xid     int32
	zxid    int64
	conns   int
	alive   time.Duration // when a server last answered
	calls   []*call
	losses  []loss
	opened  []int64
	closed  []int64

	versions [loadRegisters]int32 // as last seen
	nodes    []string             // own nodes that are thought to exist
	made     int
}

// loadPatience is how long a client waits for a reply before it tries another server.
const loadPatience = 4 * time.Second

// impatient is a connection whose reads and writes wait loadPatience at most.
type impatient struct{ net.Conn }

func (c impatient) SetReadDeadline(time.Time) error {
	return c.Conn.SetReadDeadline(time.Now().Add(loadPatience))
}

func (c impatient) SetWriteDeadline(time.Time) error {
	return c.Conn.SetWriteDeadline(time.Now().Add(loadPatience))
}

// startLoad makes the nodes that the load works on, and begins.
func startLoad(t *testing.T, addrs []string, o loadOptions) *load {
	t.Helper()
	if o.clients == 0 {
		o.clients = 5
	}
	if o.pause == 0 {
		o.pause = 12 * time.Millisecond
	}
	if o.timeout == 0 {
		o.timeout = 40 * time.Second
	}
	must(t, poll(ensembleDeadline, func() error { return loadNodes(addrs[0], o.clients) }))
	l := &load{h: &history{start: time.Now(), sessions: map[int64]bool{}}, stopped: make(chan struct{})}
	for i := range o.clients {
		l.clients = append(l.clients, &loadClient{l: l, id: i, addrs: addrs, o: o, r: rand.New(rand.NewPCG(o.seed, uint64(i)))})
	}
	for _, c := range l.clients {
		l.group.Go(c.run)
	}
	t.Cleanup(func() { l.finish() })
	must(t, poll(ensembleDeadline, func() error {
		if l.acked.Load() < int64(10*o.clients) {
			return errors.New("the load does not start")
		}
		return nil
	}))
	return l
}

// loadNodes makes what is there before the load; a second load finds it there.
func loadNodes(addr string, clients int) error {
	c, err := dialRaw(addr, 0, nil, 30_000, 0)
	if err != nil {
		return err
	}
	defer c.closeSession()
	paths := []string{loadRoot, loadRoot + "/queue", loadRoot + "/shared", loadRoot + "/ephemeral"}
	for i := range loadRegisters {
		paths = append(paths, registerPath(i))
	}
	for i := range clients {
		paths = append(paths, fmt.Sprintf("%s/client%d", loadRoot, i))
	}
	for _, path := range paths {
		if r, err := c.call(opCreate, createBody(path, []byte("new"), openACL, 0)); err != nil || r.err != 0 && r.err != errNodeExists {
			return fmt.Errorf("creating %s: err %d, %w", path, r.err, err)
		}
	}
	return nil
}

const (
	errNodeExists     int32 = -110
	errBadVersion     int32 = -103
	errNotEmpty       int32 = -111
	errNoEphemeralKid int32 = -108
)

func registerPath(i int) string { return fmt.Sprintf("%s/register%d", loadRoot, i) }

// finish ends the load and returns what was seen. The sessions stay open on the servers.
func (l *load) finish() *history {
	select {
	case <-l.stopped:
		return l.h
	default:
	}
	close(l.stopped)
	l.group.Wait()
	for _, c := range l.clients {
		l.h.calls = append(l.h.calls, c.calls...)
		l.h.losses = append(l.h.losses, c.losses...)
		for _, s := range c.opened {
			l.h.sessions[s] = true
		}
		for _, s := range c.closed {
			l.h.sessions[s] = false
		}
		for _, lost := range c.losses {
			l.h.sessions[lost.session] = false
		}
	}
	return l.h
}

// awaitWrites waits until so many more writes have succeeded.
func (l *load) awaitWrites(t *testing.T, more int64) {
	t.Helper()
	goal := l.acked.Load() + more
	must(t, poll(ensembleDeadline, func() error {
		if n := l.acked.Load(); n < goal {
			return fmt.Errorf("%d writes are acknowledged, %d were wanted", n, goal)
		}
		return nil
	}))
}

func (c *loadClient) run() {
	pause := time.NewTicker(c.o.pause)
	defer pause.Stop()
	for {
		select {
		case <-c.l.stopped:
			if c.c != nil {
				c.c.Close()
			}
			return
		case <-pause.C:
		}
		if c.c == nil {
			if c.connect() != nil {
				c.l.wait(50 * time.Millisecond)
			}
			continue
		}
		if err := c.burst(); err != nil {
			c.c.Close()
			c.c = nil
		}
	}
}

// wait waits, or less when the load ends.
func (l *load) wait(d time.Duration) {
	select {
	case <-l.stopped:
	case <-time.After(d):
	}
}

// connect attaches the session at a server drawn at random, or opens a new one when it is gone.
func (c *loadClient) connect() error {
	addr := c.addrs[c.r.IntN(len(c.addrs))]
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	patient := impatient{conn}
	raw := &rawConn{c: patient, r: bufio.NewReaderSize(patient, 1<<14), zxid: c.zxid, xid: c.xid}
	passwd := c.passwd
	if passwd == nil {
		passwd = make([]byte, 16)
	}
	hello := packer{}.i32(0).i64(c.zxid).i32(int32(c.o.timeout.Milliseconds())).i64(c.session).buf(passwd).flag(false)
	if err := raw.handshake(hello); err != nil {
		conn.Close()
		if errors.Is(err, errRefused) && c.session != 0 {
			if c.closing() {
				c.closed = append(c.closed, c.session)
			} else {
				c.losses = append(c.losses, loss{c.id, c.session, c.l.h.now() - c.alive, c.o.timeout})
			}
			c.forget()
		}
		return err
	}
	if raw.session != c.session {
		c.opened = append(c.opened, raw.session)
	}
	c.session, c.passwd = raw.session, raw.passwd
	c.c, c.alive = raw, c.l.h.now()
	c.conns++
	return nil
}

// burst sends a few requests and takes their replies. An error means that the connection is lost.
func (c *loadClient) burst() error {
	first := len(c.calls)
	for range 1 + c.r.IntN(5) {
		for _, q := range c.next() {
			if err := c.send(q); err != nil {
				return err
			}
		}
		if c.closing() {
			break
		}
	}
	for _, q := range c.calls[first:] {
		r, err := c.c.receive()
		if err != nil {
			return err
		}
		if r.xid != q.xid {
			return fmt.Errorf("xid %d answered to xid %d", r.xid, q.xid)
		}
		c.alive = c.l.h.now()
		if err := q.take(r, c.alive); err != nil {
			return err
		}
		c.zxid = max(c.zxid, r.zxid)
		c.learn(q)
	}
	if c.closing() {
		c.forget()
		c.closed = append(c.closed, c.calls[len(c.calls)-1].session)
		return errors.New("the session is closed")
	}
	return nil
}

// closing tells that the last request ended the session, or tried to.
func (c *loadClient) closing() bool {
	return len(c.calls) > 0 && c.calls[len(c.calls)-1].op == opCloseSession
}

// forget makes the next connection one of a new session.
func (c *loadClient) forget() { c.session, c.passwd, c.xid, c.nodes = 0, nil, 0, nil }

// send records a call before it can have any effect.
func (c *loadClient) send(q *call) error {
	q.client, q.session, q.conn = c.id, c.session, c.conns
	c.xid++
	q.xid = c.xid
	c.calls = append(c.calls, q)
	q.invoked = c.l.h.now()
	return c.c.writeFrame(append(packer{}.i32(q.xid).i32(q.op), q.body()...))
}

func single(s callStep) []*call { return []*call{{op: s.op, steps: []callStep{s}}} }

// next draws what to do; a read may come with the sync before it.
func (c *loadClient) next() []*call {
	c.made++
	value := fmt.Sprintf("c%d-%d-%x", c.id, c.made, c.session)
	register := c.r.IntN(loadRegisters)
	own := fmt.Sprintf("%s/client%d/", loadRoot, c.id)
	switch draw := c.r.IntN(100); {
	case draw < 16:
		return single(callStep{op: opSetData, path: registerPath(register), value: value, version: -1})
	case draw < 32:
		return single(callStep{op: opSetData, path: registerPath(register), value: value, version: c.versions[register]})
	case draw < 42:
		return single(callStep{op: opGetData, path: registerPath(register)})
	case draw < 46:
		s := &call{op: opSync, steps: []callStep{{op: opSync, path: registerPath(register)}}}
		return []*call{s, {op: opGetData, steps: []callStep{{op: opGetData, path: registerPath(register)}}, sync: s}}
	case draw < 54:
		return single(callStep{op: opCreate, path: own + value, value: value})
	case draw < 66 && len(c.nodes) > 0:
		i := c.r.IntN(len(c.nodes))
		path := c.nodes[i]
		c.nodes = append(c.nodes[:i], c.nodes[i+1:]...)
		return single(callStep{op: opDelete, path: path, version: int32(c.r.IntN(2)) - 1})
	case draw < 73:
		return single(callStep{op: opCreate2, path: loadRoot + "/queue/" + "item-", value: value, flags: 2})
	case draw < 80:
		return single(callStep{op: opCreate, path: loadRoot + "/ephemeral/" + value, value: value, flags: 1})
	case draw < 90:
		return []*call{{op: opMulti, steps: []callStep{
			{op: opCheck, path: registerPath(register), version: c.versions[register]},
			{op: opSetData, path: registerPath(register), value: value, version: -1},
			{op: opCreate, path: own + "multi-" + value, value: value},
		}}}
	case draw < 99:
		path := fmt.Sprintf("%s/shared/node%d", loadRoot, c.r.IntN(loadShared))
		if draw%2 == 0 {
			return single(callStep{op: opCreate, path: path, value: value})
		}
		return single(callStep{op: opDelete, path: path, version: -1})
	case c.r.IntN(4) == 0 && c.made > 200:
		return []*call{{op: opCloseSession}}
	}
	return single(callStep{op: opSetData, path: own + "missing", value: value, version: -1})
}

// learn remembers what helps to draw operations that succeed.
func (c *loadClient) learn(q *call) {
	if q.isWrite() && q.code == 0 {
		c.l.acked.Add(1)
	}
	if q.code != 0 {
		return
	}
	for _, s := range q.steps {
		switch s.op {
		case opCreate, opCreate2:
			switch {
			case q.op == opMulti:
				c.nodes = append(c.nodes, s.path)
			case !strings.HasPrefix(s.path, loadRoot+"/shared"):
				c.nodes = append(c.nodes, q.name)
			}
		case opGetData, opSetData:
			var register int
			if n, _ := fmt.Sscanf(s.path, registerPath(0)[:len(registerPath(0))-1]+"%d", &register); n == 1 && q.op != opMulti {
				c.versions[register] = q.stat.version
			}
		}
	}
}
