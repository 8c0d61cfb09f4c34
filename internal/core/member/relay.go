package member

import (
	"maps"
	"slices"

	"quokka/internal/core/quorum"
	"quokka/internal/core/zab"
	"quokka/internal/fifo"
	"quokka/internal/proto"
)

// A relaying is what a follower keeps to serve observers in its leader's
// place (ObserverMaster). To the leader their clients are this server's.
type relaying struct {
	zab     *zab.Relay
	touched map[proto.SessionID]int32    // timeouts of sessions that observers have heard; the leader is to be told
	owner   map[proto.SessionID]zab.Link // whose requests are the session's, or here; as far as it is known

	// What a Java observer sends behind a sync is held until that is
	// answered: see behindWhat.
	behind map[zab.Link]*fifo.Queue[proto.QuorumPacket]
}

// An asker waits for the leader's word on a session: a client here, or an
// observer. The leader answers in the order it is asked.
type asker struct {
	session proto.SessionID
	client  *client  // or
	link    zab.Link // of an observer
}

// beginRelay lets observers in, if this server is a follower that is ready.
func (m *Member) beginRelay() {
	if m.phase != learning || m.observer || m.cfg.ObserverMasterPort <= 0 {
		return
	}
	m.relay = &relaying{
		zab: zab.NewRelay(zab.RelayConfig{
			Me: m.cfg.Server, TickMS: m.cfg.TickMS, InitLimit: m.cfg.InitLimit, SyncLimit: m.cfg.SyncLimit,
			MaxSnapSyncs: m.cfg.MaxSnapSyncs, MaxDiffSyncs: m.cfg.MaxDiffSyncs,
			DiskDiff: m.cfg.DiskDiff, DiskHas: m.cfg.DiskHas,
		}, m.learner, m.history, m.now.Running, &m.roleOut),
		touched: make(map[proto.SessionID]int32), owner: make(map[proto.SessionID]zab.Link),
		behind: make(map[zab.Link]*fifo.Queue[proto.QuorumPacket]),
	}
}

// endRelay ends the links of all observers, with the role they depend on.
func (m *Member) endRelay(why string) {
	m.asked = nil
	if m.relay == nil {
		return
	}
	for _, l := range m.relay.zab.Learners() {
		m.out.Sends = append(m.out.Sends, zab.Send{Link: l.Link, Kind: zab.SendClose, Why: why})
	}
	m.relay = nil
}

// Relay returns the part of a follower that serves observers, nil if there
// is none; to be read only.
func (m *Member) Relay() *zab.Relay {
	if m.relay == nil {
		return nil
	}
	return m.relay.zab
}

// ObserverUp is an observer that came to this server's port for observers
// with its first packet.
func (m *Member) ObserverUp(link zab.Link, first proto.QuorumPacket) {
	if m.relay == nil {
		m.out.Sends = append(m.out.Sends, zab.Send{Link: link, Kind: zab.SendClose, Why: "this server is no follower that is ready"})
		return
	}
	m.relay.zab.Connected(m.now.Running, link, first)
	m.settle()
}

// relays tells whether a link is one of an observer that is served here.
func (m *Member) relays(link zab.Link) bool { return m.relay != nil && link < zab.FirstDialled }

// observerDown says that a link of an observer has ended. Its sessions
// belong to whoever asks for them next.
func (m *Member) observerDown(link zab.Link) {
	m.relay.zab.LinkDown(link)
	delete(m.relay.behind, link)
	maps.DeleteFunc(m.relay.owner, func(_ proto.SessionID, owner zab.Link) bool { return owner == link })
}

// relayApplied gives observers what is applied here.
func (m *Member) relayApplied(entries []zab.Entry) {
	if m.relay == nil {
		return
	}
	for i := range entries {
		if t := entries[i].Txn; t.Op == proto.OpCloseSession {
			delete(m.relay.owner, t.Session)
			delete(m.relay.touched, t.Session)
		}
	}
	m.relay.zab.Applied(entries)
}

// fromObserver is a packet that is the leader's business: it is passed on,
// and the answers find their way back.
func (m *Member) fromObserver(u *zab.Up) {
	switch u.Packet.Type {
	case proto.PacketPing:
		for _, t := range proto.DecodeSessionTouches(u.Packet.Data) {
			m.relay.touched[t.Session] = t.TimeoutMS
		}
	case proto.PacketRevalidate:
		if touches := proto.DecodeSessionTouches(u.Packet.Data); len(touches) > 0 {
			m.asked = append(m.asked, asker{session: touches[0].Session, link: u.Link})
			m.learner.Send(u.Packet)
		}
	case proto.PacketRequest:
		if held := m.relay.behind[u.Link]; held != nil {
			held.Push(u.Packet)
			return
		}
		m.relayRequest(u.Link, u.Packet)
	}
}

// relayRequest passes a request on.
func (m *Member) relayRequest(link zab.Link, p proto.QuorumPacket) {
	q, err := proto.DecodeForwardedRequest(p.Data)
	if err != nil {
		return
	}
	quokka := m.relay.zab.Quokka(link)
	switch {
	case q.Op == proto.OpSync:
		if !quokka {
			m.relay.behind[link] = &fifo.Queue[proto.QuorumPacket]{}
		}
		m.waiting.Push(heldSync{link: link})
	case m.relayClaim(link, q.Session):
	case quokka:
		return // its client is gone, and it does not miss the answer
	default:
		p.Data = m.relayVoid(&q)
	}
	m.learner.Send(p)
}

// relaySynced answers a sync of an observer, and passes on what it has sent
// behind it, up to the next one.
func (m *Member) relaySynced(link zab.Link) {
	if m.relay == nil {
		return
	}
	m.relay.zab.Reply(link, proto.QuorumPacket{Type: proto.PacketSync})
	held := m.relay.behind[link]
	delete(m.relay.behind, link)
	for held != nil && held.Len() > 0 {
		m.relayRequest(link, held.Pop())
		if m.relay.behind[link] != nil {
			m.relay.behind[link] = held
			return
		}
	}
}

// relayVoid makes of a request that must not be executed one that fails and
// has the same answer: none would stop a Java observer for good, which
// awaits the answers to all requests in their order.
func (m *Member) relayVoid(q *proto.ForwardedRequest) []byte {
	if c := m.local[q.Session]; c != nil {
		flies := false // its own request with this cxid is answered first
		for i := range c.sent {
			flies = flies || c.waiting.At(i).Cxid == q.Cxid
		}
		if !flies {
			m.ghosts[q.Session] = append(m.ghosts[q.Session], ghost{cxid: q.Cxid, op: proto.OpDelete})
		}
	}
	return proto.AppendForwardedRequest(nil, &proto.ForwardedRequest{
		Session: q.Session, Cxid: q.Cxid, Op: proto.OpDelete,
		Body: proto.AppendPathVersion(nil, proto.PathVersion{Path: "/", Version: -1}),
	})
}

// relayClaim tells whether a request comes from where its session is. To the
// leader all sessions at this server and behind it are this server's, so
// that it is here that a late request of one which has moved must be caught.
// (ObserverMaster lets it pass.)
func (m *Member) relayClaim(link zab.Link, id proto.SessionID) bool {
	owner := m.relay.owner[id]
	if owner == 0 && m.local[id] != nil {
		owner = here
	}
	if owner == 0 {
		m.relayOwner(id, link)
		return true
	}
	return owner == link
}

// relayOwner notes where a session is now. Those that are in no state are
// new, or an observer's own, and nobody else can have them.
func (m *Member) relayOwner(id proto.SessionID, link zab.Link) {
	if m.relay == nil {
		return
	}
	if _, known := m.state.Sessions().Timeout(id); known {
		m.relay.owner[id] = link
	}
}

// relayTouches appends the sessions that observers have heard.
func (m *Member) relayTouches(data []byte) []byte {
	if m.relay == nil {
		return data
	}
	for _, id := range slices.Sorted(maps.Keys(m.relay.touched)) {
		data = proto.AppendSessionTouch(data, proto.SessionTouch{Session: id, TimeoutMS: m.relay.touched[id]})
	}
	clear(m.relay.touched)
	return data
}

// relayRevalidated passes the leader's word on a session to the observer
// that asked for it.
func (m *Member) relayRevalidated(link zab.Link, id proto.SessionID, valid bool, p *proto.QuorumPacket) {
	if m.relay == nil {
		return
	}
	if valid {
		if c := m.local[id]; c != nil {
			m.noteConn(NoteMoved, id, c.id)
			m.close(c)
		}
		m.relayOwner(id, link)
	}
	m.relay.zab.Reply(link, *p)
}

// masters is where an observer looks for a server to learn from, while it
// has an observerMasterPort (QuorumPeer.findLearnerMaster).
type masters struct {
	list  []proto.ServerID // the voters, in an order of this server's own
	next  int
	tries int // since this server was synchronised
}

// masterRounds is how often an observer tries all followers before it goes
// to the leader.
const masterRounds = 2

// dial asks for the link of a learner: to the leader, or for an observer with
// an observerMasterPort to this port of one voter after the other. The
// leader has no such port open, so it is left out; when there is no follower
// at all, or all were tried, the observer learns from the leader as others
// do, which is more than Java's would.
func (m *Member) dial(leader proto.ServerID) {
	d := Dial{Link: m.link, To: leader}
	if m.observer && m.cfg.ObserverMasterPort > 0 {
		if s, ok := m.nextMaster(leader); ok {
			d.To = s.ID
			for _, a := range s.Addrs {
				d.Addrs = append(d.Addrs, quorum.HostPort{Host: a.Host, Port: m.cfg.ObserverMasterPort})
			}
		}
		m.out.Notes = append(m.out.Notes, Note{Kind: NoteMaster, Server: d.To})
	}
	m.master = d.To
	m.out.Dials = append(m.out.Dials, d)
}

func (m *Member) nextMaster(leader proto.ServerID) (quorum.Server, bool) {
	voters := m.members.Active.Participants()
	k := &m.masters
	same := len(k.list) == len(voters)
	for _, s := range voters {
		same = same && slices.Contains(k.list, s.ID)
	}
	if !same {
		m.shuffleMasters(voters)
	}
	if k.tries >= masterRounds*(len(k.list)-1) {
		k.tries = 0
		return quorum.Server{}, false
	}
	for range k.list {
		id := k.list[k.next%len(k.list)]
		k.next++
		if s, ok := m.members.Active.Server(id); ok && id != leader {
			k.tries++
			return s, true
		}
	}
	return quorum.Server{}, false
}

// shuffleMasters draws an order, so that observers spread over the voters.
func (m *Member) shuffleMasters(voters []quorum.Server) {
	k := &m.masters
	*k = masters{}
	rng := m.cfg.Seed ^ uint64(m.cfg.Server)<<32
	for i, s := range voters {
		k.list = append(k.list, s.ID)
		j := random(&rng) % uint64(i+1)
		k.list[i], k.list[j] = k.list[j], k.list[i]
	}
}

// LearnerMaster returns the server that this one learns from, 0 if none: for
// an observer that need not be the leader.
func (m *Member) LearnerMaster() proto.ServerID {
	if m.phase != learning {
		return 0
	}
	return m.master
}
