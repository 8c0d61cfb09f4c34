package elect

import (
	"cmp"
	"slices"

	"quokka/internal/core/quorum"
	"quokka/internal/proto"
)

// A ballot is the last vote heard of a server, and in which state it was.
type ballot struct {
	from    proto.ServerID
	vote    Vote
	state   proto.PeerState
	version int32 // of the notification
}

// same tells whether two ballots are for the same leader (Vote.equals). Among
// servers that are LOOKING everything must be the same. Others are compared
// by leader and epoch only, as zxid and round may differ between those who
// elected a leader and those who joined it (ZOOKEEPER-1805); and by the
// leader alone if just one of the two is of a release that does not update
// its epoch (version 0, ZOOKEEPER-1732).
func (b ballot) same(o ballot) bool {
	if b.state == proto.Looking || o.state == proto.Looking {
		return b.vote == o.vote
	}
	if (b.version > 0) != (o.version > 0) {
		return b.vote.Leader == o.vote.Leader
	}
	return b.vote.Leader == o.vote.Leader && b.vote.PeerEpoch == o.vote.PeerEpoch
}

// ballots holds one ballot of each server, by server.
type ballots []ballot

func (s ballots) find(from proto.ServerID) (int, bool) {
	return slices.BinarySearchFunc(s, from, func(b ballot, id proto.ServerID) int { return cmp.Compare(b.from, id) })
}

// put replaces the ballot of a server and returns the one before.
func (s *ballots) put(b ballot) (old ballot, had bool) {
	i, found := s.find(b.from)
	if !found {
		*s = slices.Insert(*s, i, b)
		return ballot{}, false
	}
	old = (*s)[i]
	(*s)[i] = b
	return old, true
}

// drop forgets the ballot of a server.
func (s *ballots) drop(from proto.ServerID) {
	if i, found := s.find(from); found {
		*s = slices.Delete(*s, i, i+1)
	}
}

// of returns whose ballots are the same as b.
func (s ballots) of(b ballot) quorum.Acks {
	var acks quorum.Acks
	for _, other := range s {
		if b.same(other) {
			acks.Add(other.from)
		}
	}
	return acks
}

// claims tells whether a server itself said that it leads.
func (s ballots) claims(leader proto.ServerID) bool {
	i, found := s.find(leader)
	return found && s[i].state == proto.Leading
}
