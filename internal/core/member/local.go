package member

import (
	"maps"
	"slices"

	"quokka/internal/core/session"
	"quokka/internal/core/state"
	"quokka/internal/jute"
	"quokka/internal/proto"
)

// locals are the sessions that only this server knows (LocalSessionTracker,
// UpgradeableSessionTracker): no transaction opens or closes them, and this
// server's clock ends them. They own no ephemerals. Other than in Java they
// outlive a change of the leader, as long as the process lives: nothing that
// the leader knew was theirs.
type locals struct {
	clock     *session.Clock
	upgrading map[proto.SessionID]int32 // timeouts of those whose createSession is not applied yet
	// first and last are the first and the last id that was made here for a
	// local session; 0 is none. All between them were, too.
	first, last proto.SessionID
}

func newLocals(tickMS int64) locals {
	return locals{clock: session.NewClock(tickMS), upgrading: make(map[proto.SessionID]int32)}
}

// opensLocally tells whether new sessions are local.
func (m *Member) opensLocally() bool {
	return m.mode == ModeReadOnly || m.cfg.LocalSessions && !m.cfg.Standalone
}

// openLocal completes the handshake of a new session at once.
func (m *Member) openLocal(c *client) {
	if m.locals.first == 0 {
		m.locals.first = c.session
	}
	m.locals.last = c.session
	m.locals.clock.Track(c.session, c.timeoutMS, m.now.Running)
	m.attached(c)
}

// attachLocal gives a local session to a new connection. It is false if the
// session is none.
func (m *Member) attachLocal(c *client) bool {
	if !m.locals.clock.Tracked(c.session) {
		return false
	}
	if m.locals.clock.Touch(c.session, c.timeoutMS, m.now.Running) {
		m.attached(c)
	} else {
		m.refuse(c, NoteInvalid)
	}
	return true
}

// sendLocal does what a request of a local session needs before it goes on
// its way. It decides those that stay here, and is false if the request has
// to wait.
func (m *Member) sendLocal(w *request) bool {
	w.Local = m.locals.clock.Tracked(w.Session)
	switch {
	case !w.Local:
	case w.Op == proto.OpCloseSession:
		m.locals.clock.SetClosing(w.Session)
		w.decided, w.code = true, proto.OK
	case !makesEphemeral(w.Op, w.Body):
	case m.cfg.UpgradeLocal:
		if !m.upgrade(w.Session) {
			return false
		}
		w.Local = false
	case w.Op != proto.OpMulti:
		// Of a multi the leader refuses the part, with SessionExpired.
		w.decided, w.code = true, proto.EphemeralOnLocalSession
	}
	return true
}

// makesEphemeral tells whether a request would make its session the owner of
// an ephemeral (QuorumZooKeeperServer.checkUpgradeSession). What is no record
// is refused elsewhere.
func makesEphemeral(op proto.Op, body []byte) bool {
	switch op {
	case proto.OpCreate, proto.OpCreate2:
		d := jute.NewDecoder(body)
		r := proto.DecodeCreateRequest(&d, op)
		return d.Err() == nil && (r.Flags == proto.FlagEphemeral || r.Flags == proto.FlagEphemeralSequential)
	case proto.OpMulti:
		parts, err := proto.DecodeMulti(body, op)
		return err == nil && slices.ContainsFunc(parts, func(p proto.MultiOp) bool {
			return p.Op != proto.OpMulti && makesEphemeral(p.Op, p.Body)
		})
	}
	return false
}

// upgrade makes a local session global: its createSession goes before the
// request that needs it. It gets the timeout that its client has now. It is
// false if a leader cannot propose at the moment.
func (m *Member) upgrade(id proto.SessionID) bool {
	timeout, _ := m.locals.clock.Timeout(id)
	r := state.Request{
		Session: id, Op: proto.OpCreateSession, TimeoutMS: timeout, Body: jute.AppendInt(nil, timeout),
	}
	if m.phase == leading {
		if _, ok := m.leader.Next(); !ok {
			return false
		}
		m.clock.Track(id, timeout, m.now.Running)
		m.keepHere(id)
		m.propose(&r)
	} else {
		m.forward(&r)
	}
	m.locals.clock.Forget(id)
	m.locals.upgrading[id] = timeout
	m.note(NoteUpgrading, id, int64(timeout))
	return true
}

// becameGlobal follows the createSession or closeSession of a session:
// whatever it was here, it is no local one.
func (m *Member) becameGlobal(id proto.SessionID) {
	m.locals.clock.Forget(id)
	delete(m.locals.upgrading, id)
}

// returnLocals comes before clients are served in a new role. A session whose
// createSession is not applied by now is local still: the leader that was to
// propose it is gone.
func (m *Member) returnLocals() {
	for _, id := range slices.Sorted(maps.Keys(m.locals.upgrading)) {
		if _, ok := m.state.Sessions().Timeout(id); !ok {
			m.locals.clock.Track(id, m.locals.upgrading[id], m.now.Running)
		}
		delete(m.locals.upgrading, id)
	}
	m.restartLocals()
}

// restartLocals gives all local sessions their full timeout, after a time in
// which nobody was served.
func (m *Member) restartLocals() {
	var all []proto.SessionID
	for _, ids := range m.locals.clock.Buckets() {
		all = append(all, ids...)
	}
	for _, id := range all {
		m.locals.clock.Touch(id, 0, m.now.Running)
	}
}

// expireLocals ends the local sessions that were silent for too long.
func (m *Member) expireLocals() {
	if !m.serves() {
		return
	}
	for _, id := range m.locals.clock.Expire(m.now.Running) {
		timeout, _ := m.locals.clock.Timeout(id)
		m.note(NoteExpired, id, int64(timeout))
		m.locals.clock.Forget(id)
		if c := m.local[id]; c != nil {
			m.close(c)
		}
	}
}

// Locals returns the clock of the sessions that only this server knows, to be
// read only.
func (m *Member) Locals() *session.Clock { return m.locals.clock }

// mayBeLocal tells whether a session that the leader does not know may be a
// local one of the server that forwards for it (LeaderSessionTracker.
// checkSession). One that was closed a moment ago is none: its server may not
// have heard of that yet.
func (m *Member) mayBeLocal(id proto.SessionID) bool {
	_, global := m.state.Sessions().Timeout(id)
	return m.cfg.LocalSessions && !global && !m.clock.Tracked(id) && !m.closed.Tracked(id) &&
		uint8(uint64(id)>>56) != m.cfg.SessionPrefix
}

// rememberClosed keeps in mind that a session is over until no server can
// forward anything of it any more: one that is silent for that long has lost
// its link.
func (m *Member) rememberClosed(id proto.SessionID) {
	if m.cfg.LocalSessions && m.phase == leading {
		m.closed.Track(id, int32(min(2*int64(m.cfg.SyncLimit)*m.cfg.TickMS, 1<<30)), m.now.Running)
	}
}

func (m *Member) forgetClosed() {
	for _, id := range m.closed.Expire(m.now.Running) {
		m.closed.Forget(id)
	}
}
