package member

import (
	"quokka/internal/proto"
)

// A server that finds no leader for a while may serve reads of what it has to
// clients that accept that (ReadOnlyZooKeeperServer). It shows what is
// applied, and nothing is logged, voted for or forgotten because of it: what
// its clients do is no transaction, and their sessions are local
// (ZOOKEEPER-3526).

// serves tells whether requests are answered, be it that they are refused.
func (m *Member) serves() bool { return m.mode == ModeServe || m.mode == ModeReadOnly }

// ReadOnly tells whether only reads are served.
func (m *Member) ReadOnly() bool { return m.mode == ModeReadOnly }

// beginReadOnly begins to serve reads when it is time. Connections of the
// last role, which wait for a leader, are ended.
func (m *Member) beginReadOnly() {
	switch {
	case !m.cfg.ReadOnly, m.mode == ModeReadOnly, m.phase != electing, m.noData:
		return
	case m.now.Running-m.lookingSince < m.cfg.ReadOnlyAfterMS:
		return
	}
	m.closeClients()
	m.mode, m.out.Mode, m.since = ModeReadOnly, ModeReadOnly, m.now.Running
	m.restartLocals() // one that is being upgraded may be global by now, for all that is known here
	m.out.Notes = append(m.out.Notes, Note{Kind: NoteReadOnly})
}

// endReadOnly ends it: there is a leader. Without local sessions, those that
// were opened meanwhile are over.
func (m *Member) endReadOnly() {
	if m.mode != ModeReadOnly {
		return
	}
	m.closeClients()
	if !m.cfg.LocalSessions {
		m.locals = newLocals(m.cfg.TickMS)
	}
}

// refusesReadOnly tells whether a client is not served because it does not
// say that reads are enough.
func (m *Member) refusesReadOnly(r *proto.ConnectRequest) bool {
	return m.mode == ModeReadOnly && !r.ReadOnly
}

// attachReadOnly gives a local session to a new connection. Whether a global
// one is alive only a leader knows: its client has to look for one, and so
// has that of a session which may be global. Only of sessions that were local
// here it is known that they are over.
func (m *Member) attachReadOnly(c *client, password []byte) {
	switch {
	case !knowsPassword(c.session, password):
		m.refuse(c, NoteWrongPassword)
	case m.attachLocal(c):
	case m.wasLocal(c.session):
		m.refuse(c, NoteInvalid)
	default:
		m.noteConn(NoteGlobalInReadOnly, c.session, c.id)
		m.out.Conns = append(m.out.Conns, Conn{Kind: ConnClose, ID: c.id})
	}
}

// wasLocal tells whether a session was a local one here, and nothing else.
func (m *Member) wasLocal(id proto.SessionID) bool {
	if _, global := m.state.Sessions().Timeout(id); global {
		return false
	}
	_, upgrading := m.locals.upgrading[id]
	return !upgrading && m.locals.first != 0 && m.locals.first <= id && id <= m.locals.last
}

// sendReadOnly decides a request while there is no leader.
func (m *Member) sendReadOnly(w *request) {
	w.decided, w.code = true, proto.NotReadOnly
	if w.Op == proto.OpCloseSession {
		m.locals.clock.SetClosing(w.Session)
		w.code = proto.OK
	}
}
