package member

import (
	"crypto/subtle"

	"quokka/internal/core/session"
	"quokka/internal/core/state"
	"quokka/internal/core/watch"
	"quokka/internal/jute"
	"quokka/internal/proto"
)

// Connect is a client's handshake on a new connection. It is answered by a
// Conn effect, or for a new session by the Done of its createSession.
//
// A wrong password is looked at before anything happens to the connection
// that has the session now, unlike in Java.
func (m *Member) Connect(conn watch.ConnID, r proto.ConnectRequest) {
	if !m.serves() || m.refusesReadOnly(&r) {
		if m.mode == ModeReadOnly {
			m.noteConn(NoteNotReadOnly, r.SessionID, conn)
		}
		m.out.Conns = append(m.out.Conns, Conn{Kind: ConnClose, ID: conn})
		return
	}
	// All of earlier epochs is applied here, so a client may have seen their
	// leader's zxid of the epoch as such.
	if last := max(m.state.LastZxid(), proto.MakeZxid(m.served, 0)); r.LastZxidSeen > last {
		m.out.Notes = append(m.out.Notes, Note{Kind: NoteFuture, Session: r.SessionID, Conn: conn, N: int64(r.LastZxidSeen)})
		m.out.Conns = append(m.out.Conns, Conn{Kind: ConnClose, ID: conn})
		return
	}
	timeout := min(max(r.TimeoutMS, m.cfg.MinTimeoutMS), m.cfg.MaxTimeoutMS)
	c := &client{id: conn, session: r.SessionID, timeoutMS: timeout, heard: m.now.Running}
	switch {
	case r.SessionID == 0:
		m.openSession(c)
	case m.mode == ModeReadOnly:
		m.attachReadOnly(c, r.Password)
	default:
		m.attach(c, r.Password)
	}
	m.settle()
}

func (m *Member) openSession(c *client) {
	id := m.ids.Next()
	for m.known(id) { // the wall clock was set back before this start
		id = m.ids.Next()
	}
	c.session = id
	if m.opensLocally() {
		m.openLocal(c)
		return
	}
	m.clients[c.id], m.local[id] = c, c
	if m.phase == learning {
		m.forward(&state.Request{Session: id, Op: proto.OpCreateSession, Body: jute.AppendInt(nil, c.timeoutMS)})
		return
	}
	m.clock.Track(id, c.timeoutMS, m.now.Running)
	m.keepHere(id)
	if ok, _ := m.propose(&state.Request{Session: id, Conn: c.id, Op: proto.OpCreateSession, TimeoutMS: c.timeoutMS}); !ok {
		m.clock.Forget(id)
		delete(m.remote, id)
		m.close(c)
	}
}

// keepHere makes a session the leader's own.
func (m *Member) keepHere(id proto.SessionID) {
	if !m.cfg.Standalone {
		m.remote[id] = here
	}
}

func (m *Member) known(id proto.SessionID) bool {
	_, known := m.state.Sessions().Timeout(id)
	return known || m.clock.Tracked(id) || m.locals.clock.Tracked(id) || m.local[id] != nil
}

// attach gives a session to a new connection, if it is alive and the client
// knows its password. Whether it is alive the leader knows.
func (m *Member) attach(c *client, password []byte) {
	if !knowsPassword(c.session, password) {
		m.refuse(c, NoteWrongPassword)
		return
	}
	if m.attachLocal(c) {
		return
	}
	if m.phase == learning {
		if old := m.local[c.session]; old != nil {
			m.close(old) // what it still brings would pass for the new one's
		}
		c.handshake = asking
		m.clients[c.id] = c
		m.revalidate(c)
		return
	}
	if !m.cfg.Standalone && !m.give(c.session, here) {
		m.out.Conns = append(m.out.Conns, Conn{Kind: ConnClose, ID: c.id})
		return
	}
	if !m.clock.Touch(c.session, c.timeoutMS, m.now.Running) {
		m.refuse(c, NoteInvalid)
		return
	}
	c.since = m.leader.Proposed()
	m.attached(c)
}

func knowsPassword(id proto.SessionID, password []byte) bool {
	want := session.Password(id)
	return subtle.ConstantTimeCompare(password, want[:]) == 1
}

// attached completes a handshake. The connection that had the session so far
// is closed.
func (m *Member) attached(c *client) {
	if old := m.local[c.session]; old != nil && old != c {
		m.close(old)
	}
	c.handshake = connected
	m.clients[c.id], m.local[c.session] = c, c
	m.relayOwner(c.session, here)
	m.listTouch(c)
	m.out.Conns = append(m.out.Conns, Conn{
		Kind: ConnAttach, ID: c.id, Session: c.session, TimeoutMS: c.timeoutMS, Password: session.Password(c.session),
		ReadOnly: m.mode == ModeReadOnly,
	})
}

func (m *Member) refuse(c *client, why NoteKind) {
	delete(m.clients, c.id)
	m.noteConn(why, c.session, c.id)
	m.out.Conns = append(m.out.Conns, Conn{Kind: ConnRefuse, ID: c.id, ReadOnly: m.mode == ModeReadOnly})
}

// Touch says that the client of a session was heard on a connection at the
// given running time. Touches of a moment come before the Tick of that moment.
// A connection that the session has left says nothing of it any more: it was
// silent for long, most likely, and would make the session expire.
func (m *Member) Touch(conn watch.ConnID, id proto.SessionID, timeoutMS int32, heard int64) {
	c := m.local[id]
	if c == nil || c.id != conn {
		return
	}
	if heard > c.heard {
		c.heard = heard
		m.listTouch(c)
	}
	if timeoutMS != 0 {
		c.timeoutMS = timeoutMS
	}
	if !m.locals.clock.Touch(id, timeoutMS, heard) && m.phase == leading {
		m.clock.Touch(id, timeoutMS, max(heard, m.since)) // all got their full timeout when this server took over
	}
}

// Gone says that a connection is closed. Its session lives on until it
// expires or its client attaches elsewhere.
func (m *Member) Gone(conn watch.ConnID, _ proto.SessionID) {
	if c := m.clients[conn]; c != nil {
		m.disown(c)
	}
}

// closeSession orders the end of a session that its client did not ask for.
func (m *Member) closeSession(id proto.SessionID) {
	m.propose(&state.Request{Session: id, Op: proto.OpCloseSession})
}

// orphans ends the ephemerals whose session is unknown; a leader does that
// before it serves (ZooKeeperServer.loadData).
func (m *Member) orphans() {
	if m.phase != leading {
		return
	}
	for id := range m.state.Tree().EphemeralOwners() {
		if _, ok := m.state.Sessions().Timeout(id); !ok {
			m.note(NoteOrphans, id, 0)
			m.closeSession(id)
		}
	}
}
