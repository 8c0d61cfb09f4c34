package member

import (
	"crypto/subtle"

	"quokka/internal/core/session"
	"quokka/internal/core/state"
	"quokka/internal/core/watch"
	"quokka/internal/proto"
)

// Connect is a client's handshake on a new connection. It is answered by a
// Conn effect, or for a new session by the Done of its createSession.
//
// A wrong password is looked at before anything happens to the connection
// that has the session now, unlike in Java.
func (m *Member) Connect(conn watch.ConnID, r proto.ConnectRequest) {
	if r.LastZxidSeen > m.state.LastZxid() {
		m.out.Notes = append(m.out.Notes, Note{Kind: NoteFuture, Session: r.SessionID, Conn: conn, N: int64(r.LastZxidSeen)})
		m.out.Conns = append(m.out.Conns, Conn{Kind: ConnClose, ID: conn})
		return
	}
	timeout := min(max(r.TimeoutMS, m.cfg.MinTimeoutMS), m.cfg.MaxTimeoutMS)
	if r.SessionID == 0 {
		m.openSession(conn, timeout)
		return
	}
	m.attach(conn, r.SessionID, r.Password, timeout)
}

func (m *Member) openSession(conn watch.ConnID, timeoutMS int32) {
	id := m.ids.Next()
	for m.clock.Tracked(id) { // the wall clock was set back before this start
		id = m.ids.Next()
	}
	m.owner[id] = conn
	m.clock.Track(id, timeoutMS, m.now.Running)
	m.propose(&state.Request{Session: id, Conn: conn, Op: proto.OpCreateSession, TimeoutMS: timeoutMS})
}

func (m *Member) attach(conn watch.ConnID, id proto.SessionID, password []byte, timeoutMS int32) {
	want := session.Password(id)
	kind := NoteInvalid
	if subtle.ConstantTimeCompare(password, want[:]) != 1 {
		kind = NoteWrongPassword
	} else if m.clock.Touch(id, timeoutMS, m.now.Running) {
		if old, ok := m.owner[id]; ok && old != conn {
			m.out.Conns = append(m.out.Conns, Conn{Kind: ConnClose, ID: old})
		}
		m.owner[id] = conn
		m.out.Conns = append(m.out.Conns, Conn{Kind: ConnAttach, ID: conn, Session: id, TimeoutMS: timeoutMS, Password: want})
		return
	}
	m.out.Notes = append(m.out.Notes, Note{Kind: kind, Session: id, Conn: conn})
	m.out.Conns = append(m.out.Conns, Conn{Kind: ConnRefuse, ID: conn})
}

// Touch says that the client of a session was heard on a connection at the
// given running time. Touches of a moment come before the Tick of that moment.
// A connection that the session has left says nothing of it any more: it was
// silent for long, most likely, and would make the session expire.
func (m *Member) Touch(conn watch.ConnID, id proto.SessionID, timeoutMS int32, heard int64) {
	if m.owner[id] == conn {
		m.clock.Touch(id, timeoutMS, heard)
	}
}

// Gone says that a connection is closed. Its session lives on until it
// expires or its client attaches elsewhere.
func (m *Member) Gone(conn watch.ConnID, id proto.SessionID) {
	if m.owner[id] == conn {
		delete(m.owner, id)
	}
}

// Tick expires sessions and deletes what their owners left: containers
// without children and TTL nodes past their time.
func (m *Member) Tick() {
	for _, id := range m.clock.Expire(m.now.Running) {
		timeout, _ := m.clock.Timeout(id)
		m.note(NoteExpired, id, int64(timeout))
		m.closeSession(id)
	}
	m.reap()
}

// closeSession orders the end of a session that its client did not ask for.
func (m *Member) closeSession(id proto.SessionID) {
	m.propose(&state.Request{Session: id, Op: proto.OpCloseSession})
}
