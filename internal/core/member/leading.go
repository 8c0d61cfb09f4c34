package member

import (
	"quokka/internal/core/quorum"
	"quokka/internal/core/state"
	"quokka/internal/core/zab"
	"quokka/internal/jute"
	"quokka/internal/proto"
)

// here is the link of sessions whose clients came to the leader itself. They
// stay its own when the connection ends: what another server still forwards
// is older.
const here zab.Link = 1<<64 - 1

// leads tells whether proposals are possible.
func (m *Member) leads() bool {
	_, ok := m.leader.Next()
	return ok && m.begun
}

// takeOver makes a new leader responsible for all sessions: each gets its
// full timeout from now on.
func (m *Member) takeOver() {
	for id, timeout := range m.state.Sessions().All() {
		m.clock.Track(id, timeout, m.now.Running)
	}
	for id := range m.local {
		if !m.locals.clock.Tracked(id) {
			m.remote[id] = here
		}
	}
	m.forgetTouches()
	m.reaper = reaper{next: m.now.Running + m.cfg.ContainerCheckMS}
}

// propose turns a request into the next transaction. When it is false, the
// request is to be answered with the code, or, if that is OK, has to wait.
func (m *Member) propose(r *state.Request) (bool, proto.Code) {
	zxid, ok := m.leader.Next()
	if !ok {
		return false, proto.OK
	}
	txn, code := m.state.Prepare(r, zxid, m.now.Wall)
	if txn == nil {
		return false, code
	}
	m.proposed(txn)
	return true, proto.OK
}

func (m *Member) proposed(txn *proto.Txn) {
	e := zab.Entry{Txn: txn}
	if !m.cfg.Standalone {
		e.Raw = txn.AppendTo(nil)
	}
	m.leader.Propose(m.now.Running, e)
}

// up is a packet that is not Zab's own.
func (m *Member) up(u *zab.Up) {
	if m.phase == leading {
		m.fromLearner(u)
	} else if m.phase == learning {
		if m.relays(u.Link) {
			m.fromObserver(u)
		} else {
			m.fromLeader(&u.Packet)
		}
	}
}

func (m *Member) fromLearner(u *zab.Up) {
	switch u.Packet.Type {
	case proto.PacketPing:
		for _, t := range proto.DecodeSessionTouches(u.Packet.Data) {
			m.clock.Touch(t.Session, t.TimeoutMS, m.now.Running)
		}
	case proto.PacketRevalidate:
		m.revalidated(u)
	case proto.PacketRequest:
		m.forwarded(u.Link, u.Packet)
	}
}

// revalidated answers a learner whether a session is alive; if it is, it is
// the learner's from now on.
func (m *Member) revalidated(u *zab.Up) {
	touches := proto.DecodeSessionTouches(u.Packet.Data)
	if len(touches) == 0 {
		return
	}
	t := touches[0]
	if !m.give(t.Session, u.Link) {
		return // the learner gives the handshake up when its leader is gone
	}
	valid := m.clock.Touch(t.Session, t.TimeoutMS, m.now.Running)
	if c := m.local[t.Session]; valid && c != nil {
		m.noteConn(NoteMoved, t.Session, c.id)
		m.close(c)
	}
	m.leader.Reply(u.Link, proto.QuorumPacket{
		Type: proto.PacketRevalidate, Zxid: m.leader.Proposed(), Data: proto.AppendRevalidated(nil, t.Session, valid),
	})
}

// execute does what a learner's client asks for.
func (m *Member) execute(link zab.Link, r *heldRequest) {
	q := &r.request
	req := state.Request{Session: q.Session, Cxid: q.Cxid, Op: q.Op, Body: q.Body, Auth: r.auth}
	switch {
	case r.sync != nil:
		m.forwardedSync(r.sync)
		return
	case q.Op == proto.OpCreateSession:
		d := jute.NewDecoder(q.Body)
		req.TimeoutMS = d.Int()
		m.clock.Track(q.Session, req.TimeoutMS, m.now.Running)
		m.remote[q.Session] = link
	case r.late:
		req.SessionErr = proto.SessionMoved
	default:
		m.claim(link, &req)
	}
	if ok, code := m.propose(&req); !ok && code != proto.OK {
		// A learner answers its client from a transaction only.
		zxid, _ := m.leader.Next()
		m.proposed(&proto.Txn{
			TxnHeader: proto.TxnHeader{Session: req.Session, Cxid: req.Cxid, Zxid: zxid, Time: m.now.Wall, Op: proto.OpError},
			Body:      &proto.ErrorTxn{Err: code},
		})
	}
}

// claim refuses a request that comes through a server which is not the
// session's any more. A session nobody has asked for in this epoch belongs
// to the first server that does (SessionTrackerImpl.checkSession).
func (m *Member) claim(link zab.Link, r *state.Request) {
	if m.clock.Touch(r.Session, 0, m.now.Running) {
		if owner := m.remote[r.Session]; owner != 0 && owner != link {
			r.SessionErr = proto.SessionMoved
			return
		}
		m.remote[r.Session] = link
	} else {
		r.Local = m.mayBeLocal(r.Session)
	}
	if r.Op == proto.OpCloseSession {
		m.clock.SetClosing(r.Session)
	}
}

// reconfigure decides what a reconfig request would make of the ensemble
// (PrepRequestProcessor).
func (m *Member) reconfigure(r proto.ReconfigRequest, zxid proto.Zxid) ([]byte, proto.Code) {
	if m.phase != leading {
		return nil, proto.Unimplemented
	}
	active, next := m.leader.Members()
	if next.Version > active.Version {
		return nil, proto.ReconfigInProgress
	}
	now, code, why := active.Reconfigure(r, uint64(zxid), quorum.ReconfigOptions{
		MultiAddress: m.cfg.MultiAddress, StandaloneEnabled: m.cfg.StandaloneEnabled,
	})
	if code != proto.OK {
		m.out.Notes = append(m.out.Notes, Note{Kind: NoteReconfigRefused, Text: why})
		return nil, code
	}
	if !m.leader.QuorumSynced(now) {
		return nil, proto.NewConfigNoQuorum
	}
	return []byte(now.Text()), proto.OK
}
