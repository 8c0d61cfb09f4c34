package member

import (
	"quokka/internal/core/zab"
	"quokka/internal/fifo"
	"quokka/internal/proto"
)

// syncs are what a leader knows of syncs that are not answered.
//
// What a session has sent behind a sync waits until that is answered: a
// learner could not put the answer in its place any more (CommitProcessor).
// And the syncs of one link are answered in the order they came, whosever
// they are: SYNC does not say which one it answers.
type syncs struct {
	lastID uint64
	proofs map[uint64]proof // who waits for the proof that this server leads
	behind map[sessionOnLink]*fifo.Queue[heldRequest]
	ofLink map[zab.Link]*fifo.Queue[*linkSync]
}

func newSyncs() syncs {
	return syncs{
		proofs: make(map[uint64]proof), behind: make(map[sessionOnLink]*fifo.Queue[heldRequest]),
		ofLink: make(map[zab.Link]*fifo.Queue[*linkSync]),
	}
}

// A proof is asked for a client here, or for a sync of a learner.
type proof struct {
	client *client
	sync   *linkSync
}

// A linkSync is the sync of a session that came on a link.
type linkSync struct {
	of     sessionOnLink // what waits for it
	asker  proto.SessionID
	queue  *fifo.Queue[*linkSync] // of the link
	proven bool
}

type sessionOnLink struct {
	link    zab.Link
	session proto.SessionID // 0: all of the link
}

// behindWhat says what is held behind a sync of a session. A Java learner
// takes the answers to the writes and syncs of all its sessions in the order
// of the requests (CommitProcessor.queuedWriteRequests): a commit that comes
// before the SYNC of an earlier request would be taken for somebody else's,
// and the learner would never answer again.
func (m *Member) behindWhat(link zab.Link, session proto.SessionID) sessionOnLink {
	if !m.leader.Quokka(link) {
		session = 0
	}
	return sessionOnLink{link, session}
}

// A heldRequest stands behind a sync of its session.
type heldRequest struct {
	request proto.ForwardedRequest
	auth    []proto.ID
	sync    *linkSync // of a sync
	late    bool      // the session has left the link since
}

// prove asks for proof that this server still leads.
func (m *Member) prove(p proof) uint64 {
	m.syncs.lastID++
	m.syncs.proofs[m.syncs.lastID] = p
	m.leader.Sync(m.now.Running, m.syncs.lastID)
	return m.syncs.lastID
}

// forwarded is a request of a learner's client.
func (m *Member) forwarded(link zab.Link, p proto.QuorumPacket) {
	q, err := proto.DecodeForwardedRequest(p.Data)
	if err != nil {
		return
	}
	of := m.behindWhat(link, q.Session)
	r := heldRequest{request: q, auth: p.Auth}
	if q.Op == proto.OpSync {
		queue := m.syncs.ofLink[link]
		if queue == nil {
			queue = &fifo.Queue[*linkSync]{}
			m.syncs.ofLink[link] = queue
		}
		r.sync = &linkSync{of: of, asker: q.Session, queue: queue}
		queue.Push(r.sync)
	}
	if held := m.syncs.behind[of]; held != nil {
		held.Push(r)
		return
	}
	m.execute(link, &r)
}

// leaveBehind follows a session that leaves a link: what it has sent there
// and was not executed is too late, even if the session comes back.
func (m *Member) leaveBehind(link zab.Link, session proto.SessionID) {
	if held := m.syncs.behind[m.behindWhat(link, session)]; held != nil {
		for i := range held.Len() {
			if r := held.At(i); r.request.Session == session {
				r.late = true
			}
		}
	}
}

// forwardedSync begins a sync; what its session sends from now on is held.
func (m *Member) forwardedSync(s *linkSync) {
	if m.syncs.behind[s.of] == nil {
		m.syncs.behind[s.of] = &fifo.Queue[heldRequest]{}
	}
	if m.remote[s.asker] == 0 && m.clock.Tracked(s.asker) {
		m.remote[s.asker] = s.of.link
	}
	m.prove(proof{sync: s})
}

// answerSyncs gives out the syncs that are proven. It is true when there
// were any.
func (m *Member) answerSyncs() bool {
	if m.phase != leading {
		return false
	}
	tokens := m.leader.Synced()
	for _, token := range tokens {
		p := m.syncs.proofs[token]
		delete(m.syncs.proofs, token)
		switch {
		case p.sync != nil:
			m.answerLink(p.sync)
		case m.clients[p.client.id] == p.client:
			m.synced(p.client, token)
		}
	}
	return len(tokens) > 0
}

// answerLink answers the syncs of a link that are proven and have none before
// them that is not.
func (m *Member) answerLink(s *linkSync) {
	s.proven = true
	for s.queue.Len() > 0 && (*s.queue.Peek()).proven {
		of := s.queue.Pop().of
		m.leader.Reply(of.link, proto.QuorumPacket{Type: proto.PacketSync})
		m.release(of)
	}
}

// release goes on with what a learner's session has sent behind its sync, up
// to the next one.
func (m *Member) release(of sessionOnLink) {
	held := m.syncs.behind[of]
	for held.Len() > 0 {
		r := held.Pop()
		m.execute(of.link, &r)
		if r.sync != nil {
			return
		}
	}
	delete(m.syncs.behind, of)
}
