package check

import (
	"encoding/binary"
	"fmt"

	"quokka/internal/core/quorum"
	"quokka/internal/proto"
)

// stage is how far a link between a leader and a learner has come.
type stage uint8

const (
	silent stage = iota // nothing was sent
	informed
	discovering   // LEADERINFO
	acked         // ACKEPOCH
	synchronising // DIFF, TRUNC or SNAP
	announced     // NEWLEADER
	live          // UPTODATE
)

// A Wire watches the packets of one link, in the order in which each side
// sends them, and knows which ones are against the protocol.
type Wire struct {
	Leader, Learner proto.ServerID
	Observer        bool

	at         stage
	epoch      proto.Epoch
	learner    proto.Zxid   // of ACKEPOCH
	last       proto.Zxid   // the learner's log will end with
	proposals  []proto.Zxid // sent and not committed
	ackedEpoch bool         // NEWLEADER is acknowledged
	ackedUpTo  proto.Zxid
}

// FromLearner judges a packet of the learner; "" is well.
func (w *Wire) FromLearner(p *proto.QuorumPacket) string {
	switch p.Type {
	case proto.PacketFollowerInfo, proto.PacketObserverInfo:
		if w.at != silent {
			return "introduces itself twice"
		}
		w.at, w.Observer = informed, p.Type == proto.PacketObserverInfo
	case proto.PacketAckEpoch:
		if w.at != discovering {
			return "acknowledges an epoch that was not announced"
		}
		w.at, w.learner = acked, p.Zxid
	case proto.PacketAck:
		return w.ack(p.Zxid)
	case proto.PacketPing, proto.PacketRequest, proto.PacketRevalidate:
		if w.at < announced {
			return "is not synchronised yet"
		}
	default:
		return "is not for a learner to send"
	}
	return ""
}

func (w *Wire) ack(z proto.Zxid) string {
	switch {
	case w.at < announced:
		return "acknowledges before NEWLEADER"
	case z == proto.MakeZxid(w.epoch, 0):
		w.ackedEpoch = true
	case z.Counter() == 0:
		return "acknowledges another epoch"
	case !w.ackedEpoch:
		return "overtakes the ACK of NEWLEADER"
	case w.Observer:
		return "an observer acknowledges a proposal"
	case z <= w.ackedUpTo:
		return fmt.Sprintf("is not above the last one, %v", w.ackedUpTo)
	case z > w.last:
		return fmt.Sprintf("is for a proposal that was not sent; the last one is %v", w.last)
	default:
		w.ackedUpTo = z
	}
	return ""
}

// FromLeader judges a packet of the leader; "" is well.
func (w *Wire) FromLeader(p *proto.QuorumPacket) string {
	switch p.Type {
	case proto.PacketLeaderInfo:
		if w.at != informed {
			return "comes outside discovery"
		}
		w.at, w.epoch = discovering, p.Zxid.Epoch()
	case proto.PacketDiff, proto.PacketTrunc, proto.PacketSnap:
		if w.at != acked {
			return "comes outside synchronisation"
		}
		w.at = synchronising
		w.last = p.Zxid
		if p.Type == proto.PacketDiff {
			w.last = w.learner
		}
	case proto.PacketNewLeader:
		if w.at != synchronising || p.Zxid != proto.MakeZxid(w.epoch, 0) {
			return "comes at the wrong time or for another epoch"
		}
		w.at = announced
	case proto.PacketUpToDate:
		if w.at != announced {
			return "comes before NEWLEADER"
		}
		w.at = live
	case proto.PacketPing, proto.PacketRevalidate, proto.PacketSync:
		if w.at < announced {
			return "comes before NEWLEADER"
		}
	default:
		return w.txn(p)
	}
	return ""
}

// txn judges what moves the learner's log.
func (w *Wire) txn(p *proto.QuorumPacket) string {
	if w.at < synchronising {
		return "comes before synchronisation"
	}
	switch p.Type {
	case proto.PacketProposal:
		if w.Observer && w.at == live {
			return "a proposal for an observer"
		}
		return w.proposal(p.Zxid)
	case proto.PacketInform, proto.PacketInformAndActivate:
		if !w.Observer {
			return "is for observers"
		}
		if s := w.proposal(p.Zxid); s != "" {
			return s
		}
		return w.commit(p.Zxid)
	case proto.PacketCommit, proto.PacketCommitAndActivate:
		return w.commit(p.Zxid)
	}
	return "is not for a leader to send"
}

func (w *Wire) proposal(z proto.Zxid) string {
	switch {
	case z <= w.last && w.at < live: // what a snapshot holds already
		return ""
	case !Follows(w.last, z):
		return fmt.Sprintf("is not the successor of %v", w.last)
	}
	w.last = z
	w.proposals = append(w.proposals, z)
	return ""
}

func (w *Wire) commit(z proto.Zxid) string {
	if len(w.proposals) == 0 || w.proposals[0] > z {
		if w.at < live {
			return "" // a snapshot holds it
		}
		return "no proposal waits for it"
	}
	if w.proposals[0] != z {
		return fmt.Sprintf("but %v is the next one", w.proposals[0])
	}
	w.proposals = w.proposals[1:]
	return ""
}

// LearnerSends is told when a learner hands a packet to its link. Z11 and P3:
// what it reveals is durable.
func (g *Ghost) LearnerSends(w *Wire, p *proto.QuorumPacket) {
	s := g.servers[w.Learner]
	if why := w.FromLearner(p); why != "" {
		g.violate("illegal", s.id, "%v %v to its leader %d: %s", p.Type, p.Zxid, w.Leader, why)
	}
	switch p.Type {
	case proto.PacketFollowerInfo, proto.PacketObserverInfo:
		if p.Zxid.Epoch() != s.durable.Accepted {
			g.violate("Z11", s.id, "says that it has accepted epoch %d, durable is %d", p.Zxid.Epoch(), s.durable.Accepted)
		}
	case proto.PacketAckEpoch:
		g.acksEpoch(s, w, p)
	case proto.PacketAck:
		g.acks(s, w, p.Zxid)
	}
}

// acksEpoch judges ACKEPOCH. Z13: with an epoch that it accepted before, a
// follower does not count.
func (g *Ghost) acksEpoch(s *server, w *Wire, p *proto.QuorumPacket) {
	d := &s.durable
	if d.Accepted < w.epoch {
		g.violate("Z11", s.id, "acknowledges epoch %d, durable is %d", w.epoch, d.Accepted)
	}
	if len(p.Data) != 4 {
		g.violate("illegal", s.id, "ACKEPOCH with %d bytes", len(p.Data))
		return
	}
	if e := int32(binary.BigEndian.Uint32(p.Data)); e != -1 && proto.Epoch(e) != d.Current {
		g.violate("Z11", s.id, "says that its current epoch is %d, durable is %d", e, d.Current)
	}
	if p.Zxid > d.Log.Last().Zxid {
		g.violate("P2", s.id, "says that its last record is %v, durable is %v", p.Zxid, d.Log.Last().Zxid)
	}
}

// acks judges an ACK. P3: what it acknowledges is durable. Z10: a learner
// that acknowledges NEWLEADER has the leader's history and nothing else.
func (g *Ghost) acks(s *server, w *Wire, z proto.Zxid) {
	d := &s.durable
	if z.Counter() != 0 {
		if d.Log.At(z).Zxid != z {
			g.violate("P3", s.id, "acknowledges %v; durable is %v", z, d.Log.Last().Zxid)
		}
		return
	}
	if d.Current != w.epoch {
		g.violate("P3", s.id, "acknowledges NEWLEADER of epoch %d with the current epoch %d on disk", w.epoch, d.Current)
	}
	leader := g.servers[w.Leader]
	r := leader.leading
	if r == nil || r.epoch != w.epoch {
		return // the leader has gone
	}
	if !w.Observer && !d.Log.Has(r.initial) {
		g.violate("P3", s.id, "acknowledges NEWLEADER of epoch %d without its history up to %v on disk; durable is %v",
			w.epoch, r.initial.Zxid, d.Log.Last().Zxid)
	}
	if !leader.written.Log.Has(s.written.Log.Last()) {
		g.violate("Z10", s.id, "acknowledges NEWLEADER with %v in its log, which leader %d does not have",
			s.written.Log.Last().Zxid, w.Leader)
	}
}

// LeaderSends is told when a leader hands a packet to a link.
func (g *Ghost) LeaderSends(w *Wire, p *proto.QuorumPacket) {
	s := g.servers[w.Leader]
	if why := w.FromLeader(p); why != "" {
		g.violate("illegal", s.id, "%v %v to its learner %d: %s", p.Type, p.Zxid, w.Learner, why)
	}
	switch p.Type {
	case proto.PacketLeaderInfo:
		g.announces(s, p.Zxid.Epoch())
	case proto.PacketNewLeader:
		if s.durable.Current != p.Zxid.Epoch() {
			g.violate("Z11", s.id, "sends NEWLEADER of epoch %d with the current epoch %d on disk", p.Zxid.Epoch(), s.durable.Current)
		}
	case proto.PacketCommit, proto.PacketInform, proto.PacketCommitAndActivate, proto.PacketInformAndActivate:
		g.Commits(s.id, p.Zxid)
	}
}

// announces judges LEADERINFO: the leader itself has accepted the epoch.
func (g *Ghost) announces(s *server, e proto.Epoch) {
	if s.durable.Accepted != e {
		g.violate("Z11", s.id, "announces epoch %d, but has accepted epoch %d on disk", e, s.durable.Accepted)
	}
}

// decides judges a leader's choice of an epoch. Z12: it is above every one
// that a quorum, with the leader in it, had accepted. Who comes later may have
// accepted the same one, and then does not count (Z13).
func (g *Ghost) decides(s *server, e proto.Epoch) {
	r := s.leading
	if r.decided {
		return
	}
	r.decided = true
	for id, accepted := range r.infos {
		if e <= accepted {
			g.violate("Z12", s.id, "takes epoch %d, which server %d has accepted already", e, id)
		}
	}
	if !s.written.Active.Rule.HasQuorum(r.informed()) {
		g.violate("Z12", s.id, "takes epoch %d with the FOLLOWERINFO of %v", e, r.informed().IDs())
	}
}

// votes tells whether somebody has a vote in one of a leader's
// configurations.
func (g *Ghost) votes(leader *server, id proto.ServerID) bool {
	for _, r := range leader.written.rules() {
		if r.IsVoter(id) {
			return true
		}
	}
	return false
}

func (r *reign) informed() quorum.Acks {
	var set quorum.Acks
	for id := range r.infos {
		set.Add(id)
	}
	return set
}

// LearnerGone is told when a leader hears that a link is down.
func (g *Ghost) LearnerGone(w *Wire) {
	s := g.servers[w.Leader]
	if r := s.leading; r != nil && !r.decided && !s.written.Active.Rule.HasQuorum(r.informed()) {
		delete(r.infos, w.Learner)
	}
}

// LeaderReceives is told when a learner's packet reaches its leader.
func (g *Ghost) LeaderReceives(w *Wire, p *proto.QuorumPacket) {
	s := g.servers[w.Leader]
	r := s.leading
	if r == nil {
		return
	}
	switch p.Type {
	case proto.PacketFollowerInfo:
		// The epoch is chosen as soon as there is a quorum; who comes later, or
		// while it is being stored, is not asked.
		if !r.decided && g.votes(s, w.Learner) && !s.written.Active.Rule.HasQuorum(r.informed()) {
			r.infos[w.Learner] = p.Zxid.Epoch()
		}
	case proto.PacketAckEpoch:
		g.counts(s, w, p)
	case proto.PacketAck:
		if p.Zxid.Counter() == 0 && p.Zxid.Epoch() == r.epoch && !w.Observer && g.votes(s, w.Learner) {
			r.synced.Add(w.Learner)
		}
	}
}

// counts notes an ACKEPOCH that reaches a leader. Z14: it must not take the
// epoch once somebody who counts is ahead of it; reigns is judged later, so
// the follower ahead is taken out of the quorum here.
func (g *Ghost) counts(s *server, w *Wire, p *proto.QuorumPacket) {
	if w.Observer || !g.votes(s, w.Learner) || len(p.Data) != 4 {
		return
	}
	e := proto.Epoch(int32(binary.BigEndian.Uint32(p.Data)))
	if e == -1 {
		return
	}
	last := s.durable.Log.Last().Zxid
	if e > s.durable.Current || e == s.durable.Current && p.Zxid > last {
		if s.leading.epoch == 0 {
			return // Z14: it does not count
		}
	}
	s.leading.acks.Add(w.Learner)
}
