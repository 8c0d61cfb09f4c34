package zab

import (
	"quokka/internal/core/quorum"
	"quokka/internal/proto"
)

// An ackTable holds how far each server's log is durable. A log is durable
// in order, so an ack for a zxid covers all before it.
type ackTable struct {
	committed proto.Zxid
	durable   []ack // of voters that have acked in this epoch
}

type ack struct {
	from proto.ServerID
	upTo proto.Zxid
}

// ack raises a server's mark and returns what is committed now: the largest
// zxid that a quorum holds.
func (t *ackTable) ack(voters quorum.Config, from proto.ServerID, z proto.Zxid) proto.Zxid {
	if !voters.IsVoter(from) {
		return t.committed
	}
	t.raise(from, z)
	for _, candidate := range t.durable {
		if candidate.upTo > t.committed && voters.HasQuorum(t.holders(candidate.upTo)) {
			t.committed = candidate.upTo
		}
	}
	return t.committed
}

func (t *ackTable) raise(from proto.ServerID, z proto.Zxid) {
	for i := range t.durable {
		if t.durable[i].from == from {
			t.durable[i].upTo = max(t.durable[i].upTo, z)
			return
		}
	}
	t.durable = append(t.durable, ack{from, z})
}

// holders returns the servers whose logs hold z durably.
func (t *ackTable) holders(z proto.Zxid) quorum.Acks {
	var set quorum.Acks
	for _, a := range t.durable {
		if a.upTo >= z {
			set.Add(a.from)
		}
	}
	return set
}
