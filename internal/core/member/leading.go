package member

import (
	"quokka/internal/core/quorum"
	"quokka/internal/core/state"
	"quokka/internal/core/zab"
	"quokka/internal/fifo"
	"quokka/internal/jute"
	"quokka/internal/proto"
)

// A remote is where the leader knows a session to be.
type remote struct {
	link    zab.Link // whose requests are the session's; 0 is not known yet
	syncing int      // syncs not answered
	held    fifo.Queue[proto.QuorumPacket]
}

// here is the link of sessions whose clients came to the leader itself. They
// stay its own when the connection ends: what another server still forwards
// is older.
const here zab.Link = 1<<64 - 1

// A syncOrigin is who waits for a sync: a client here, or a session at a
// learner.
type syncOrigin struct {
	client  *client
	link    zab.Link
	session proto.SessionID
}

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
		m.remoteOf(id).link = here
	}
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
		m.fromLeader(&u.Packet)
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
	valid := m.clock.Touch(t.Session, t.TimeoutMS, m.now.Running)
	if valid {
		if c := m.local[t.Session]; c != nil {
			m.noteConn(NoteMoved, t.Session, c.id)
			m.close(c)
		}
		r := m.remoteOf(t.Session)
		if r.link != u.Link { // what the old one's syncs hold back is too late
			r.link, r.syncing, r.held = u.Link, 0, fifo.Queue[proto.QuorumPacket]{}
		}
	}
	m.leader.Reply(u.Link, proto.QuorumPacket{
		Type: proto.PacketRevalidate, Zxid: u.Packet.Zxid, Data: proto.AppendRevalidated(nil, t.Session, valid),
	})
}

func (m *Member) remoteOf(id proto.SessionID) *remote {
	r := m.remote[id]
	if r == nil {
		r = &remote{}
		m.remote[id] = r
	}
	return r
}

// forwarded is a request of a learner's client.
func (m *Member) forwarded(link zab.Link, p proto.QuorumPacket) {
	q, err := proto.DecodeForwardedRequest(p.Data)
	if err != nil {
		return
	}
	r := m.remote[q.Session]
	if r != nil && r.syncing > 0 && r.link == link {
		r.held.Push(p)
		return
	}
	m.execute(link, &q, p.Auth)
}

func (m *Member) execute(link zab.Link, q *proto.ForwardedRequest, auth []proto.ID) {
	req := state.Request{Session: q.Session, Cxid: q.Cxid, Op: q.Op, Body: q.Body, Auth: auth}
	switch {
	case q.Op == proto.OpCreateSession:
		d := jute.NewDecoder(q.Body)
		req.TimeoutMS = d.Int()
		m.clock.Track(q.Session, req.TimeoutMS, m.now.Running)
		m.remoteOf(q.Session).link = link
	case q.Op == proto.OpSync:
		r := m.remoteOf(q.Session)
		if r.link == 0 {
			r.link = link
		}
		if r.link == link {
			r.syncing++
		}
		m.sync(syncOrigin{link: link, session: q.Session})
		return
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
		o := m.remoteOf(r.Session)
		if o.link != 0 && o.link != link {
			r.SessionErr = proto.SessionMoved
			return
		}
		o.link = link
	}
	if r.Op == proto.OpCloseSession {
		m.clock.SetClosing(r.Session)
	}
}

// sync asks for proof that this server still leads.
func (m *Member) sync(o syncOrigin) uint64 {
	m.lastID++
	m.syncs[m.lastID] = o
	m.leader.Sync(m.now.Running, m.lastID)
	return m.lastID
}

// answerSyncs gives out the syncs that are proved. It is true when there
// were any.
func (m *Member) answerSyncs() bool {
	if m.phase != leading {
		return false
	}
	tokens := m.leader.Synced()
	for _, token := range tokens {
		o := m.syncs[token]
		delete(m.syncs, token)
		if o.client != nil {
			if m.clients[o.client.id] == o.client {
				m.synced(o.client, token)
			}
			continue
		}
		m.leader.Reply(o.link, proto.QuorumPacket{Type: proto.PacketSync})
		m.release(o)
	}
	return len(tokens) > 0
}

// release goes on with what a learner's session has sent behind its sync.
func (m *Member) release(o syncOrigin) {
	r := m.remote[o.session]
	if r == nil || r.link != o.link {
		return
	}
	if r.syncing > 0 {
		r.syncing--
	}
	for r.syncing == 0 && r.held.Len() > 0 {
		p := r.held.Pop()
		if q, err := proto.DecodeForwardedRequest(p.Data); err == nil {
			m.execute(o.link, &q, p.Auth)
		}
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
