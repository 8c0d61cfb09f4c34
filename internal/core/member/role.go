package member

import (
	"math"

	"quokka/internal/core/elect"
	"quokka/internal/core/session"
	"quokka/internal/core/zab"
	"quokka/internal/fifo"
	"quokka/internal/proto"
)

// look ends what was and goes for an election. First the disk finishes what
// the last role gave it: a vote must carry the last record that is durable,
// and nothing of an old role may be written into a new one's log
// (ZOOKEEPER-2845, ZOOKEEPER-4712).
func (m *Member) look(why string) {
	m.why = why
	m.phase = draining
	m.barriers++
	m.out.Disk = append(m.out.Disk, zab.Disk{Kind: zab.DiskBarrier, Incarnation: m.incarnation})
}

// Drained says that the disk has done everything before a barrier.
func (m *Member) Drained() {
	m.barriers--
	if m.barriers > 0 || m.phase != draining {
		return
	}
	m.phase, m.lookingSince = electing, m.now.Running
	m.out.Notes = append(m.out.Notes, Note{Kind: NoteLooking, Text: m.why})
	zxid := m.history.Last()
	if m.noData {
		zxid = -1
	}
	if m.learner != nil {
		if end := m.learner.End(); end.Kind == zab.FailStop {
			m.leave(end) // the disk's last words say that memory and disk disagree
			return
		}
		m.wantSnapshot = m.wantSnapshot || m.learner.NeedSnapshot()
		m.learner = nil
	}
	m.dropProposed()
	m.election.Look(m.now.Running, zxid, m.current)
	if m.designated != 0 {
		m.election.Designate(m.designated, zxid, m.current)
		m.designated = 0
	}
	m.elected()
}

// Vote is a message of the election.
func (m *Member) Vote(from proto.ServerID, n proto.Notification) {
	m.election.Vote(m.now.Running, from, n)
	m.elected()
	if m.phase == leading && n.State == proto.Looking {
		m.leader.Looking(m.now.Running, from)
	}
	m.settle()
}

// elected sends what the election wants sent, and begins a role once it has
// a verdict.
func (m *Member) elected() {
	if m.election == nil {
		return
	}
	m.out.Votes = append(m.out.Votes, m.election.TakeSends()...)
	if m.phase != electing {
		return
	}
	if text, ok := m.election.NewerConfig(); ok {
		if m.adopt(text) {
			m.look("a newer configuration of the ensemble was seen")
			return
		}
		m.election.RefuseConfig()
	}
	state, vote, ok := m.election.Result()
	if !ok {
		return
	}
	m.endReadOnly()
	took := m.now.Running - m.lookingSince
	n := Note{Server: vote.Leader, N: took}
	switch state {
	case proto.Leading:
		n.Kind = NoteLeading
		m.out.Notes = append(m.out.Notes, n)
		m.lead()
	case proto.Following, proto.Observing:
		n.Kind = NoteFollowing
		if state == proto.Observing {
			n.Kind = NoteObserving
		}
		m.out.Notes = append(m.out.Notes, n)
		m.follow(vote, state == proto.Observing)
	}
}

func (m *Member) lead() {
	m.phase, m.begun = leading, false
	m.remote, m.syncs = make(map[proto.SessionID]zab.Link), newSyncs()
	m.clock, m.closed = session.NewClock(m.cfg.TickMS), session.NewClock(m.cfg.TickMS)
	m.leader = zab.NewLeader(zab.LeaderConfig{
		Me: m.cfg.Server, Standalone: m.cfg.Standalone, Accepted: m.accepted, Current: m.current,
		Active: m.members.Active, Next: m.members.Next, ReconfigEnabled: m.cfg.ReconfigEnabled,
		TickMS: m.cfg.TickMS, InitLimit: m.cfg.InitLimit, SyncLimit: m.cfg.SyncLimit,
		MultiAddress: m.cfg.MultiAddress, MaxSnapSyncs: m.cfg.MaxSnapSyncs, MaxDiffSyncs: m.cfg.MaxDiffSyncs,
		MaxEpochWaitMS: m.cfg.MaxEpochWaitMS, MaxCounter: m.cfg.MaxCounter, DiskDiff: m.cfg.DiskDiff, DiskHas: m.cfg.DiskHas,
	}, m.history, m.now.Running, &m.roleOut)
	m.settle()
}

func (m *Member) follow(vote elect.Vote, observer bool) {
	m.phase, m.begun, m.observer = learning, false, observer
	m.lastDialled++
	m.link = m.lastDialled
	m.dial(vote.Leader)
	m.learner = zab.NewLearner(zab.LearnerConfig{
		Me: m.cfg.Server, Leader: vote.Leader, Link: m.link, Observer: observer,
		Accepted: m.accepted, Current: m.current, Active: m.members.Active, Next: m.members.Next,
		ReconfigEnabled: m.cfg.ReconfigEnabled, MultiAddress: m.cfg.MultiAddress,
		TickMS: m.cfg.TickMS, InitLimit: m.cfg.InitLimit, SyncLimit: m.cfg.SyncLimit,
		WantSnapshot: m.wantSnapshot, LeaderEpoch: vote.PeerEpoch, LeaderZxid: vote.Zxid,
	}, m.history, m.now.Running, &m.roleOut)
	m.settle()
}

// settle hands on what the role has ordered, and follows it when it has
// ended or become ready.
func (m *Member) settle() {
	m.settled = true
	for m.handOn() {
		continue
	}
	var end zab.End
	var now Members
	ready := false
	switch m.phase {
	case leading:
		end, ready = m.leader.End(), m.leader.Established()
		now.Active, now.Next = m.leader.Members()
	case learning:
		end, ready = m.learner.End(), m.learner.Ready()
		now.Active, now.Next = m.learner.Members()
	default:
		return
	}
	if !m.cfg.Standalone && (now.Active.Version != m.members.Active.Version || now.Next.Version != m.members.Next.Version) {
		m.membersChanged(now)
	}
	switch {
	case end.Kind != zab.Goes:
		m.leave(end)
	case ready && !m.begun && !m.starting:
		m.starting, m.out.Again = true, true
	}
}

// handOn takes one round of the role's orders; handling them may make it
// order more. It is false when there was nothing.
func (m *Member) handOn() bool {
	e := &m.roleOut
	if len(e.Disk)+len(e.Apply)+len(e.Sends)+len(e.Ups)+len(e.Notes) == 0 {
		return m.answerSyncs()
	}
	m.roleOut, m.spare = m.spare, m.roleOut
	e = &m.spare
	for i := range e.Disk {
		m.order(&e.Disk[i])
	}
	for i := range e.Apply {
		m.committed(e.Apply[i].Txn)
	}
	m.relayApplied(e.Apply)
	if m.phase == learning {
		m.releaseSyncs()
	}
	m.out.Sends = append(m.out.Sends, e.Sends...)
	m.out.Zab = append(m.out.Zab, e.Notes...)
	for i := range e.Ups {
		m.up(&e.Ups[i])
	}
	e.Reset()
	return true
}

// order gives the disk an order, with the incarnation of the log it is for.
func (m *Member) order(d *zab.Disk) {
	if d.Kind == zab.DiskTruncate || d.Kind == zab.DiskInstall {
		m.incarnation++
	}
	d.Incarnation = m.incarnation
	m.out.Disk = append(m.out.Disk, *d)
	if d.Kind == zab.DiskAppend && m.snaps.logged(d.Entry.Zxid()) {
		m.out.Disk = append(m.out.Disk, zab.Disk{Kind: zab.DiskRoll, Incarnation: m.incarnation})
	}
}

// leave ends the role.
func (m *Member) leave(end zab.End) {
	if end.Kind == zab.FailStop {
		m.phase, m.out.Stop = stopped, end
		m.closeClients()
		return
	}
	m.designated = end.Designated
	m.suspend()
	if m.leader != nil {
		for _, l := range m.leader.Learners() {
			m.out.Sends = append(m.out.Sends, zab.Send{Link: l.Link, Kind: zab.SendClose, Why: end.Why})
		}
	} else {
		m.out.Sends = append(m.out.Sends, zab.Send{Link: m.link, Kind: zab.SendClose, Why: end.Why})
	}
	m.endRelay(end.Why)
	m.leader, m.starting = nil, false // a learner may still hear from the disk
	m.election.Leave()
	m.waiting, m.granted = fifo.Queue[heldSync]{}, 0
	m.remote, m.syncs = nil, syncs{}
	m.clock = session.NewClock(m.cfg.TickMS)
	m.roleOut.Reset()
	m.state.DropPending()
	m.look(end.Why)
}

// roleMode is what clients get from the role once it is ready.
func (m *Member) roleMode() Mode {
	if m.phase == leading && !m.cfg.LeaderServes && !m.cfg.Standalone {
		return ModeClosed
	}
	return ModeServe
}

// LearnerUp is a learner that came to this leader with its first packet.
func (m *Member) LearnerUp(link zab.Link, first proto.QuorumPacket) {
	if m.phase != leading {
		m.out.Sends = append(m.out.Sends, zab.Send{Link: link, Kind: zab.SendClose, Why: "this server does not lead"})
		return
	}
	m.leader.Connected(m.now.Running, link, first)
	m.settle()
}

// LinkUp says that a connection to the leader stands.
func (m *Member) LinkUp(link zab.Link) {
	if m.phase == learning && link == m.link {
		m.learner.LinkUp(m.now.Running)
	} else {
		m.out.Sends = append(m.out.Sends, zab.Send{Link: link, Kind: zab.SendClose, Why: "nobody needs it any more"})
	}
	m.settle()
}

// Packet is a packet on a link, other than the first one of a learner and
// SNAP.
func (m *Member) Packet(link zab.Link, p proto.QuorumPacket) {
	switch {
	case m.phase == leading && link < zab.FirstDialled:
		m.leader.Packet(m.now.Running, link, p)
	case m.phase == learning && link == m.link:
		m.learner.Packet(m.now.Running, p)
	case m.relays(link):
		m.relay.zab.Packet(m.now.Running, link, p)
	}
	m.settle()
}

// LinkDown says that a link has ended, or could not be made.
func (m *Member) LinkDown(link zab.Link, why string) {
	switch {
	case m.phase == leading && link < zab.FirstDialled:
		m.leader.LinkDown(m.now.Running, link)
		delete(m.syncs.ofLink, link)
	case m.phase == learning && link == m.link:
		m.learner.LinkDown(m.now.Running, why)
	case m.relays(link):
		m.observerDown(link)
	}
	m.settle()
}

// SnapReceived says that the leader's snapshot of z has come whole.
func (m *Member) SnapReceived(link zab.Link, z proto.Zxid, id zab.SnapshotID) bool {
	if m.phase != learning || link != m.link {
		return false
	}
	m.learner.SnapReceived(m.now.Running, z, id)
	m.settle()
	return true
}

// EpochStored says that an epoch file is durable.
func (m *Member) EpochStored(kind zab.DiskKind, e proto.Epoch) {
	if kind == zab.DiskAcceptedEpoch {
		m.accepted = max(m.accepted, e)
	} else {
		m.current = max(m.current, e)
	}
	switch m.phase {
	case leading:
		m.leader.EpochStored(m.now.Running, kind, e)
	case learning:
		m.learner.EpochStored(m.now.Running, kind, e)
	}
	m.settle()
}

// Truncated says how a truncation went. With r, disk and state were read
// anew; without, the log was only cut. When ok is false nothing was done.
func (m *Member) Truncated(ok bool, why string, r *Restart) {
	m.reread(r)
	if m.learner != nil {
		m.learner.Truncated(m.now.Running, ok, why)
	}
	m.settle()
}

// Installed says that a received snapshot is durable and is the state.
func (m *Member) Installed(r *Restart) {
	m.reread(r)
	m.wantSnapshot = false
	m.fuzzyUntil = math.MaxInt64 // a Java leader goes on applying while it sends; where that ends is known when we serve
	if m.learner != nil {
		m.learner.Installed(m.now.Running)
	}
	m.settle()
}

// reread follows a state that was replaced: connections watch what is gone,
// so their clients have to come again.
func (m *Member) reread(r *Restart) {
	if r == nil {
		return
	}
	m.restart(*r)
	m.shown = m.shownConfig()
	m.closeClients()
	if !m.cfg.ReconfigEnabled {
		m.out.Members = &m.members // /zookeeper/config shows this server's own (Learner.syncWithLeader)
	}
}

func (m *Member) restart(r Restart) { m.history.Restart(r.Base, r.Entries, r.Applied, r.Floor) }

// Streamed says that a snapshot or old log records are sent as a whole.
func (m *Member) Streamed(link zab.Link) {
	if m.phase == leading {
		m.leader.Streamed(m.now.Running, link)
	} else if m.relays(link) {
		m.relay.zab.Streamed(link)
	}
	m.settle()
}

// Heard says that the leader's snapshot is still coming in.
func (m *Member) Heard(link zab.Link) {
	if m.phase == learning && link == m.link {
		m.learner.Heard(m.now.Running)
	}
}

// healAgainAfter is how many transactions must have been applied without a
// difference before another one is taken for a new fault of this server.
const healAgainAfter = 1000

// Diverged says that the state after a transaction is not what the leader has
// promised. This server takes no part with such a state: it gets the
// leader's. If it still differs then, it is the leader's word that is wrong
// (some Java releases log wrong digests), and getting it again would not help.
func (m *Member) Diverged(z proto.Zxid) {
	if m.phase != learning {
		return
	}
	again := m.healed == m.learner.Epoch() && m.agreed < healAgainAfter
	m.agreed = 0
	if again {
		return
	}
	m.healed = m.learner.Epoch()
	m.wantSnapshot = true
	m.noteDiverged(z)
	m.leave(zab.End{Kind: zab.ToLooking, Why: "the state differs from the leader's: it has to be sent anew"})
	m.closeClients()
}

func (m *Member) noteDiverged(z proto.Zxid) {
	m.out.Notes = append(m.out.Notes, Note{Kind: NoteDiverged, N: int64(z)})
}

// Phase tells the state of this server as its peers see it, and the server
// it follows, 0 if none.
func (m *Member) Phase() (state proto.PeerState, leader proto.ServerID) {
	switch m.phase {
	case leading:
		return proto.Leading, m.cfg.Server
	case learning:
		_, v, _ := m.election.Result()
		if m.observer {
			return proto.Observing, v.Leader
		}
		return proto.Following, v.Leader
	}
	return proto.Looking, 0
}

// Leader returns the role of a leader, nil in others; to be read only.
func (m *Member) Leader() *zab.Leader { return m.leader }

// Serving tells whether clients are served.
func (m *Member) Serving() bool { return m.mode == ModeServe }
