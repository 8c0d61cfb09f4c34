// Package zab orders transactions: it numbers proposals, counts who holds
// them durably, and says which are committed.
//
// It is a pure state machine. It never assumes that a write reached a disk:
// Ack is called for a server, this one included, when that server's log is
// durable up to a zxid. Today it has the leader's broadcast phase; a
// standalone server is a leader whose quorum is itself.
package zab

import (
	"quokka/internal/core/quorum"
	"quokka/internal/proto"
)

// A Leader orders the proposals of one epoch. It must be used by one
// goroutine.
type Leader struct {
	voters   quorum.Config
	proposed proto.Zxid
	acks     ackTable
}

// NewLeader returns a Leader that continues after last, which is committed.
func NewLeader(voters quorum.Config, last proto.Zxid) *Leader {
	return &Leader{voters: voters, proposed: last, acks: ackTable{committed: last}}
}

// Next returns the zxid of the proposal to come.
func (l *Leader) Next() proto.Zxid { return l.proposed + 1 }

// Propose numbers a proposal: from now on it is outstanding until Ack
// reports it committed.
func (l *Leader) Propose() proto.Zxid {
	l.proposed++
	return l.proposed
}

// Proposed returns the zxid of the last proposal.
func (l *Leader) Proposed() proto.Zxid { return l.proposed }

// Committed returns the zxid up to which everything is committed.
func (l *Leader) Committed() proto.Zxid { return l.acks.committed }

// Ack records that the log of a server is durable up to z, and returns the
// zxid up to which everything is committed now. An ack for what was never
// proposed is refused.
func (l *Leader) Ack(from proto.ServerID, z proto.Zxid) (committed proto.Zxid, ok bool) {
	if z > l.proposed {
		return l.acks.committed, false
	}
	return l.acks.ack(l.voters, from, z), true
}
