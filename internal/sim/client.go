package sim

import (
	"fmt"

	"quokka/internal/core/session"
	"quokka/internal/core/watch"
	"quokka/internal/proto"
	"quokka/internal/sim/check"
)

// A client is a user of the ensemble: one session after the other, requests
// several at a time, and another server when the one it has does not answer.
type client struct {
	w       *world
	id      int
	session proto.SessionID
	timeout int32
	xid     int32
	seen    proto.Zxid // the highest header zxid

	conn     *conn
	attached bool
	heard    micros // from the server
	open     []*check.Op
	quiet    bool   // asks for nothing any more, but keeps its session
	thinks   micros // until then
	away     bool   // does nothing at all for a while
	pinned   *server

	remembered *conn // by a story
	version    int32
	tries      int
}

// run is the life of a client.
func (c *client) run() {
	c.w.after(min(c.w.some(c.w.plan.think), 100*milli), func() {
		c.run()
		c.watch()
		if c.quiet || !c.attached || c.w.now < c.thinks {
			return
		}
		c.thinks = c.w.now + c.w.some(c.w.plan.think)
		for range 1 + c.w.rng.IntN(3) { // several behind each other, now and then
			if len(c.open) < 4 && !c.quiet {
				c.ask(c.w.work.next(c))
			}
		}
	})
}

// watch keeps the connection alive, or gives it up.
func (c *client) watch() {
	switch {
	case c.away:
	case c.conn == nil:
		c.connect()
	case c.w.now-c.heard > micros(max(c.timeout, minTimeoutMS))*milli*2/3:
		c.leave("the server is silent")
	case c.attached && c.w.now-c.heard > micros(c.timeout)*milli/4:
		c.send(&call{})
	}
}

// connect tries a server, any one.
func (c *client) connect() {
	s := c.pinned
	if s == nil {
		s = c.w.anyServer()
	}
	c.w.conns++
	c.tries++
	k := &conn{id: watch.ConnID(c.w.conns), client: c, server: s, life: s.life}
	c.conn, c.attached, c.heard = k, false, c.w.now
	if !s.up {
		c.w.after(c.w.clientDelay(), func() { c.lost(k, "refused") })
		return
	}
	password := session.Password(c.session)
	r := proto.ConnectRequest{LastZxidSeen: c.seen, TimeoutMS: c.timeout, SessionID: c.session, Password: password[:]}
	c.atServer(k, func() { s.accept(k, r) })
}

// atServer lets something happen at the server, in order.
func (c *client) atServer(k *conn, do func()) {
	s := k.server
	at := c.w.now + c.w.clientDelay()
	k.up = max(k.up, at)
	c.w.at(k.up, func() {
		if s.alive(k.life) {
			s.post(do)
		}
	})
}

func (c *client) send(p *call) {
	k := c.conn
	c.atServer(k, func() { k.server.request(k, p) })
}

// ask sends a request.
func (c *client) ask(a check.Action) {
	c.xid++
	o := &check.Op{
		Session: c.session, Conn: uint64(c.conn.id), Xid: c.xid, Action: a, Invoked: int64(c.w.now),
	}
	c.w.history.Ops = append(c.w.history.Ops, o)
	c.open = append(c.open, o)
	if c.w.tracing() {
		c.w.tracef("client %d: %v asks server %d, xid %d: %v", c.id, c.session, c.conn.server.id, o.Xid, a)
	}
	c.send(&call{op: o})
	if a.Op == proto.OpCloseSession {
		c.quiet = true // for this session
	}
}

// connected is a handshake that succeeded.
func (c *client) connected(k *conn, id proto.SessionID, timeoutMS int32) {
	if c.conn != k {
		return
	}
	if c.session != 0 && c.session != id {
		c.w.violate("E5", k.server.id, "a client came with session %v and got %v", c.session, id)
	}
	c.w.tracef("client %d: has session %v at server %d", c.id, id, k.server.id)
	c.session, c.attached, c.heard, c.tries = id, true, c.w.now, 0
}

// refused is a handshake with a session that the server says is over.
func (c *client) refused(k *conn) {
	if c.conn != k {
		return
	}
	c.w.tracef("client %d: session %v has expired", c.id, c.session)
	c.w.history.Expired = append(c.w.history.Expired, check.Expiry{Session: c.session, At: c.w.now.ms()})
	c.w.count("expired")
	c.drop()
	c.newSession()
}

func (c *client) newSession() {
	c.session, c.xid, c.seen = 0, 0, 0
}

// answered is a reply.
func (c *client) answered(k *conn, o *check.Op, z proto.Zxid, a check.Answer) {
	if c.conn != k {
		return
	}
	if len(c.open) == 0 || c.open[0] != o {
		c.w.violate("G2", k.server.id, "%v of session %v is answered out of order", o.Action, o.Session)
		return
	}
	c.open = c.open[1:]
	if c.w.tracing() {
		c.w.tracef("client %d: xid %d is answered at %v: %v", c.id, o.Xid, z, a.Code)
	}
	o.Answered, o.Returned, o.Zxid, o.Answer = true, int64(c.w.now), z, a
	c.seen = max(c.seen, z)
	c.noteHeard(c.w.now.ms())
	if a.Code == proto.OK && a.Stat.Mzxid != 0 {
		c.version = a.Stat.Version
	}
	c.w.answered++
	if o.Action.Op == proto.OpCloseSession {
		c.newSession()
		c.quiet = c.w.ending
	}
}

// ponged is the answer to a ping, which the server heard at a time.
func (c *client) ponged(k *conn, at int64) {
	if c.conn == k {
		c.noteHeard(at)
	}
}

func (c *client) noteHeard(at int64) {
	c.heard = c.w.now
	h := c.w.history.Heard
	h[c.session] = append(h[c.session], at)
}

// lost is the end of a connection, as the client sees it.
func (c *client) lost(k *conn, why string) {
	if c.conn != k {
		return
	}
	c.w.tracef("client %d: connection to %d ends: %s", c.id, k.server.id, why)
	c.drop()
}

// leave is the client giving a connection up.
func (c *client) leave(why string) {
	k := c.conn
	c.lost(k, why)
	if c.w.rng.IntN(3) > 0 { // or its machine, or what is between, does not say so
		c.atServer(k, func() { k.server.drop(k) })
	}
}

// drop forgets the connection. What was not answered on it never will be.
func (c *client) drop() {
	if c.conn == nil {
		return
	}
	c.conn.gone = true
	for _, o := range c.open {
		if o.Action.Op == proto.OpCloseSession {
			c.newSession() // whether it is closed or not, it is not wanted any more
			c.quiet = c.w.ending
		}
	}
	c.conn, c.attached, c.open = nil, false, nil
}

func (c *client) String() string { return fmt.Sprintf("client %d", c.id) }
