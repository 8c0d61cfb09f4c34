package elect

import (
	"slices"

	"quokka/internal/core/quorum"
	"quokka/internal/proto"
)

// members are those of an ensemble as an election needs them.
type members struct {
	active, next quorum.Config
	joint        bool             // a quorum of next is needed, too
	voters       []proto.ServerID // of both, ascending
	version      uint64           // of active
	text         string           // of active, for notifications
	learner      proto.PeerState  // what this server is under another leader
}

func newMembers(me proto.ServerID, active, next quorum.Membership) members {
	m := members{joint: next.Version > active.Version, version: active.Version, text: active.Text(), learner: proto.Following}
	m.active, m.next = rule(active), rule(next)
	m.voters = slices.Concat(m.active.Voters(), m.next.Voters())
	slices.Sort(m.voters)
	m.voters = slices.Compact(m.voters)
	s, known := active.Server(me)
	if !known {
		s, known = next.Server(me) // who joins; a server without a line is a participant that does not vote
	}
	if known && s.Role == quorum.Observer {
		m.learner = proto.Observing
	}
	return m
}

// rule is the voting rule; one that cannot be had has no voters.
func rule(m quorum.Membership) quorum.Config {
	c, err := m.Rule()
	if err != nil {
		return quorum.Config{}
	}
	return c
}

// votes tells whether a server is a voter of the active or the next
// configuration.
func (m *members) votes(id proto.ServerID) bool {
	_, ok := slices.BinarySearch(m.voters, id)
	return ok
}

// weight returns the weight of a server, in the active configuration if it
// votes there. (Java knows the active one only and fails for the others.)
func (m *members) weight(id proto.ServerID) int64 {
	if m.active.IsVoter(id) {
		return m.active.Weight(id)
	}
	return m.next.Weight(id)
}

// candidate is what this server proposes for itself. Who does not vote in the
// active configuration cannot lead. Who votes in the next one only still says
// what it has: its vote counts there, and must not go to a leader that has
// less. (Java does so for participants; an observer that is about to become
// one says nothing.)
func (m *members) candidate(me proto.ServerID, zxid proto.Zxid, epoch proto.Epoch) Vote {
	switch {
	case m.active.IsVoter(me):
		return Vote{Leader: me, Zxid: zxid, PeerEpoch: epoch}
	case m.votes(me):
		return Vote{Leader: none, Zxid: zxid, PeerEpoch: epoch}
	}
	return Vote{Leader: none, Zxid: none, PeerEpoch: none}
}

// agree tells whether the ballots that are the same as b are a quorum in
// every configuration that counts, and whose they are.
func (m *members) agree(all ballots, b ballot) (bool, quorum.Acks) {
	acks := all.of(b)
	return m.active.HasQuorum(acks) && (!m.joint || m.next.HasQuorum(acks)), acks
}
