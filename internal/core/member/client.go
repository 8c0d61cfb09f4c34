package member

import (
	"maps"
	"slices"

	"quokka/internal/core/session"
	"quokka/internal/core/state"
	"quokka/internal/core/watch"
	"quokka/internal/fifo"
	"quokka/internal/proto"
)

// handshake says how far a connection has come.
type handshake uint8

const (
	opening   handshake = iota // its createSession is under way
	asking                     // the leader is asked whether the session is alive
	connected                  // it has a session
)

// A client is one connection of a client to this server.
type client struct {
	id        watch.ConnID
	session   proto.SessionID
	timeoutMS int32
	handshake handshake
	since     proto.Zxid // what the leader had proposed when it gave the session to this connection
	heard     int64      // when, as told by Touch
	listed    bool       // in Member.touched

	waiting fifo.Queue[request] // in the order of their answers
	sent    int                 // how many of them are on their way
	flown   int                 // how many were on their way to a leader that is lost
	syncing int                 // how many of those are syncs that hold back what follows
}

// A request waits for its commit or its answer.
type request struct {
	state.Request
	zxid    proto.Zxid // of its transaction, when it was proposed here
	sync    uint64     // of a sync: the number the leader knows it by
	decided bool       // to be answered with code once it is the oldest
	code    proto.Code
}

// A ghost is a request on its way whose connection is gone. Its transaction
// must not be taken for the answer to another request of the session, whose
// client may count its requests anew on each connection.
type ghost struct {
	zxid  proto.Zxid
	cxid  int32
	op    proto.Op
	until proto.Zxid // its transaction comes up to here or never; 0: not known
}

// answers tells whether a transaction is that of a request. This server knows
// what it proposed; what another one proposes is known by its cxid, as the
// requests of a session are executed in order (CommitProcessor).
func (g ghost) answers(t *proto.Txn) bool {
	if g.zxid != 0 {
		return g.zxid == t.Zxid
	}
	return g.cxid == t.Cxid && (g.op == t.Op || t.Op == proto.OpError)
}

func (r *request) trace() ghost { return ghost{zxid: r.zxid, cxid: r.Cxid, op: r.Op} }

// Request is a write or a sync of a connection. What a leader proposes for it
// is handed on with the next input that is no request, or by Take: requests
// come many at a time.
func (m *Member) Request(r *state.Request) {
	c := m.clients[r.Conn]
	if c == nil || c.handshake != connected || c.session != r.Session {
		// The session moved to another connection, or the connection is
		// closed already: nothing of it is executed any more.
		m.out.Conns = append(m.out.Conns, Conn{Kind: ConnClose, ID: r.Conn})
		m.out.Done = append(m.out.Done, Done{Origin: Origin{Conn: r.Conn, Op: r.Op}, Dropped: true})
		return
	}
	c.waiting.Push(request{Request: *r})
	m.outstanding++
	m.pump(c)
	if m.settled = m.phase != leading; m.settled {
		m.settle()
	}
}

// pump sends what may be sent: in order, and nothing behind a sync that is
// not answered, since an answer to that would come too late.
func (m *Member) pump(c *client) {
	for m.serves() && c.sent < c.waiting.Len() && c.syncing == 0 {
		w := c.waiting.At(c.sent)
		c.sent++
		if !m.send(c, w) {
			c.sent--
			break
		}
	}
	m.answer(c)
}

// send starts a request on its way; false says that it has to wait.
func (m *Member) send(c *client, w *request) bool {
	if m.mode == ModeReadOnly {
		m.sendReadOnly(w)
		return true
	}
	if ok := m.sendLocal(w); !ok || w.decided {
		return ok
	}
	if m.phase == learning {
		if w.Op == proto.OpSync {
			c.syncing++
			m.askSync(c)
		}
		m.forward(&w.Request)
		return true
	}
	if state.KindOf(w.Op) == state.Sync {
		if !m.cfg.Standalone {
			c.syncing++
		}
		w.sync = m.prove(proof{client: c})
		return true
	}
	if w.Op == proto.OpCloseSession {
		m.clock.SetClosing(w.Session)
	}
	ok, code := m.propose(&w.Request)
	if !ok && code == proto.OK {
		return false
	}
	if !ok {
		w.decided, w.code = true, code
	} else {
		w.zxid = m.leader.Proposed()
	}
	return true
}

// answer gives out the oldest requests that need no transaction.
func (m *Member) answer(c *client) {
	for c.waiting.Len() > 0 && c.waiting.Peek().decided {
		w := m.pop(c)
		if w.Op == proto.OpCloseSession && w.code == proto.OK { // of a local session
			m.disown(c)
		}
		m.out.Done = append(m.out.Done, Done{Origin: Origin{Conn: c.id, Op: w.Op, Body: w.Body}, Code: w.code})
	}
}

// pop takes out the oldest request, which is answered.
func (m *Member) pop(c *client) request {
	c.sent, c.flown = max(c.sent-1, 0), max(c.flown-1, 0)
	m.outstanding--
	return c.waiting.Pop()
}

// synced completes a sync on its way.
func (m *Member) synced(c *client, number uint64) {
	for i := range c.sent {
		if w := c.waiting.At(i); w.sync == number && state.KindOf(w.Op) == state.Sync && !w.decided {
			w.decided, w.code = true, proto.OK
			break
		}
	}
	if c.syncing > 0 {
		c.syncing--
	}
	m.pump(c)
}

// committed is a transaction to be applied: it completes the request it came
// from, if that was made here.
func (m *Member) committed(t *proto.Txn) {
	d := Done{Txn: t, Origin: Origin{Op: t.Op}, Fuzzy: t.Zxid <= m.fuzzyUntil}
	m.agreed++
	if isMove(t) {
		m.movedAway(t)
	} else if haunted, c := m.haunted(t), m.local[t.Session]; c != nil && !haunted {
		m.complete(c, &d)
	}
	switch t.Op {
	case proto.OpCloseSession:
		if c := m.local[t.Session]; c != nil {
			d.Closed = c.id
			m.disown(c)
		}
		m.clock.Forget(t.Session)
		m.becameGlobal(t.Session)
		m.rememberClosed(t.Session)
		delete(m.remote, t.Session)
		delete(m.ghosts, t.Session)
	case proto.OpCreateSession:
		d.Password = session.Password(t.Session)
		m.becameGlobal(t.Session)
		if m.phase == leading && !m.clock.Tracked(t.Session) {
			m.clock.Track(t.Session, t.Body.(*proto.CreateSessionTxn).TimeoutMS, m.now.Running)
		}
	}
	d.Snapshot = m.snaps.applied(t.Zxid)
	m.out.Done = append(m.out.Done, d)
	if c := m.clients[d.Origin.Conn]; c != nil {
		m.answer(c)
	}
}

// complete finds out whether the transaction is what the connection of its
// session waits for (CommitProcessor matches by cxid, too).
func (m *Member) complete(c *client, d *Done) {
	t := d.Txn
	if c.handshake == opening {
		if t.Op == proto.OpCreateSession {
			c.handshake = connected
			d.Origin = Origin{Conn: c.id, Op: proto.OpCreateSession}
			m.listTouch(c)
		}
		return
	}
	if m.cfg.Standalone {
		m.syncedBefore(c, t.Zxid)
	}
	if max(c.sent, c.flown) == 0 {
		return
	}
	w := c.waiting.Peek()
	if w.decided || state.KindOf(w.Op) == state.Sync || t.Zxid <= c.since || !w.trace().answers(t) {
		return // what is not after since was asked for elsewhere
	}
	d.Origin = Origin{Conn: c.id, Op: w.Op}
	m.pop(c)
	if refusedAsMoved(t.Body) {
		// Another server has the session now. There is no answer to that; the
		// client is told by the end of the connection (FinalRequestProcessor).
		d.Dropped = true
		m.noteConn(NoteMoved, t.Session, c.id)
		m.close(c)
	}
}

// refusedAsMoved tells whether a request failed because its session is at
// another server now.
func refusedAsMoved(body proto.TxnBody) bool {
	switch b := body.(type) {
	case *proto.ErrorTxn:
		return b.Err == proto.SessionMoved
	case *proto.MultiTxn:
		return slices.ContainsFunc(b.Parts, func(p proto.MultiPart) bool { return refusedAsMoved(p.Body) })
	}
	return false
}

// syncedBefore completes the syncs that stand before a transaction which is
// committed: there is nobody else to ask.
func (m *Member) syncedBefore(c *client, z proto.Zxid) {
	for i := range c.sent {
		w := c.waiting.At(i)
		if w.zxid >= z {
			break
		}
		if w.zxid == 0 && state.KindOf(w.Op) == state.Sync {
			w.decided = true
		}
	}
	m.answer(c)
}

// haunted tells whether a transaction belongs to a connection that is gone.
func (m *Member) haunted(t *proto.Txn) bool {
	all := m.ghosts[t.Session]
	if len(all) == 0 {
		return false
	}
	g := all
	for len(g) > 0 && g[0].until != 0 && t.Zxid > g[0].until {
		g = g[1:]
	}
	i := slices.IndexFunc(g, func(o ghost) bool { return o.answers(t) })
	if g = g[i+1:]; len(g) == 0 { // what was before it does not come any more
		delete(m.ghosts, t.Session)
	} else if len(g) < len(all) {
		m.ghosts[t.Session] = g
	}
	return i >= 0
}

// disown takes a connection's session from it.
func (m *Member) disown(c *client) {
	for i := range max(c.sent, c.flown) {
		if w := c.waiting.At(i); !w.decided && state.KindOf(w.Op) != state.Sync {
			m.ghosts[c.session] = append(m.ghosts[c.session], w.trace())
		}
	}
	m.outstanding -= c.waiting.Len()
	c.sent, c.flown, c.waiting = 0, 0, fifo.Queue[request]{}
	if m.local[c.session] == c {
		delete(m.local, c.session)
		if m.locals.clock.Closing(c.session) {
			m.locals.clock.Forget(c.session)
		}
	}
	delete(m.clients, c.id)
}

// close ends a connection.
func (m *Member) close(c *client) {
	m.disown(c)
	m.out.Conns = append(m.out.Conns, Conn{Kind: ConnClose, ID: c.id})
}

// serve begins to serve clients in the role that is ready now. Connections
// that waited for it go on where they were.
func (m *Member) serve() {
	m.starting, m.begun, m.since = false, true, m.now.Running
	epoch := proto.Epoch(0)
	m.returnLocals()
	switch m.phase {
	case leading:
		epoch = m.leader.Epoch()
		m.takeOver()
	case learning:
		epoch = m.learner.Epoch()
		m.noData, m.masters.tries = false, 0
		m.beginRelay()
	default:
		return
	}
	if m.election != nil {
		m.election.SetPeerEpoch(epoch)
	}
	m.fuzzyUntil = min(m.fuzzyUntil, m.history.Last())
	if m.mode == ModePark && (epoch != m.served+1 || m.roleMode() != ModeServe) {
		// The leader is the same, or there was another in between: it may
		// have given the sessions away, and what waits here would be executed
		// after what their clients did elsewhere.
		m.closeClients()
	}
	m.layGhosts(epoch)
	m.served, m.mode = epoch, m.roleMode()
	m.out.Mode = m.mode
	for _, c := range m.sortedClients() {
		for i := range c.flown {
			c.waiting.At(i).zxid = 0 // it is no proposal of anybody
		}
		c.flown = 0
		m.pump(c)
	}
	m.orphans()
}

// layGhosts forgets requests of connections that are gone: all that earlier
// epochs have proposed is decided now, and all that this one has proposed of
// them before is in the log.
func (m *Member) layGhosts(epoch proto.Epoch) {
	if epoch != m.served {
		clear(m.ghosts)
		return
	}
	for _, g := range m.ghosts {
		for i := range g {
			g[i].until = m.history.Last()
		}
	}
}

// suspend keeps connections open while there is no leader. Handshakes that
// hang on the old one are given up.
//
// What waits here is sent to the next leader. That is right only if no client
// can have done anything elsewhere that this server does not learn of before
// it serves again: hence the records of moves, which only a Quokka leader
// makes, and the rule about epochs in serve.
func (m *Member) suspend() {
	if m.mode != ModeServe {
		return
	}
	m.mode, m.out.Mode, m.parked = ModePark, ModePark, m.now.Running
	if m.phase == learning && !m.learner.Quokka() {
		m.closeClients()
		return
	}
	for _, c := range m.sortedClients() {
		if c.handshake != connected {
			m.close(c)
			continue
		}
		// What is on its way is committed by the next leader, and then found
		// again, or by none: its link is gone, and so is its proposal.
		for i := range c.sent {
			w := c.waiting.At(i)
			w.sync, w.decided = 0, false
		}
		c.flown, c.sent, c.syncing = c.sent, 0, 0
	}
}

// closeClients ends every connection: there is nothing to wait for.
func (m *Member) closeClients() {
	for _, c := range m.sortedClients() {
		m.close(c)
	}
	if m.mode != ModeServe || m.phase == stopped {
		m.mode, m.out.Mode = ModeClosed, ModeClosed
	}
}

// sortedClients returns the connections in the order they were made.
func (m *Member) sortedClients() []*client {
	ids := slices.Sorted(maps.Keys(m.clients))
	v := make([]*client, len(ids))
	for i, id := range ids {
		v[i] = m.clients[id]
	}
	return v
}

func (m *Member) noteConn(k NoteKind, id proto.SessionID, conn watch.ConnID) {
	m.out.Notes = append(m.out.Notes, Note{Kind: k, Session: id, Conn: conn})
}
