package zab

import (
	"math"

	"quokka/internal/core/quorum"
	"quokka/internal/proto"
)

// An ackTable holds how far each server's log is durable, and which quorums
// proposals need. A log is durable in order, so an ack for a zxid covers all
// before it.
type ackTable struct {
	committed proto.Zxid // by commit: it only grows
	terms     []ackTerm  // ascending
	marks     []mark
	scratch   quorum.Acks
}

// An ackTerm says that proposals from a zxid on, up to the next term, need a
// quorum of each of the rules. Which rules those are is settled when a
// proposal is made: while a reconfiguration is pending, the old and the new.
type ackTerm struct {
	from  proto.Zxid
	rules []quorum.Config
}

type mark struct {
	server proto.ServerID
	upTo   proto.Zxid
}

// require makes proposals from a zxid on need quorums of the rules.
func (t *ackTable) require(from proto.Zxid, rules ...quorum.Config) {
	if n := len(t.terms); n > 0 && t.terms[n-1].from == from {
		t.terms = t.terms[:n-1]
	}
	t.terms = append(t.terms, ackTerm{from, rules})
}

// raise records that the log of a server is durable up to z. Who is no voter
// may have a mark, too: a reconfiguration may make it one.
func (t *ackTable) raise(server proto.ServerID, z proto.Zxid) {
	for i := range t.marks {
		if t.marks[i].server == server {
			t.marks[i].upTo = max(t.marks[i].upTo, z)
			return
		}
	}
	t.marks = append(t.marks, mark{server, z})
}

// drop forgets what a server has acknowledged: it left, and what it will
// have when it comes again is not known.
func (t *ackTable) drop(server proto.ServerID) {
	for i := range t.marks {
		if t.marks[i].server == server {
			t.marks = append(t.marks[:i], t.marks[i+1:]...)
			return
		}
	}
}

// of returns how far the log of a server is durable, 0 if it is not known.
func (t *ackTable) of(server proto.ServerID) proto.Zxid {
	for _, m := range t.marks {
		if m.server == server {
			return m.upTo
		}
	}
	return 0
}

// committable returns the largest zxid up to which every proposal has its
// quorums.
func (t *ackTable) committable() proto.Zxid {
	z := t.committed
	for i, term := range t.terms {
		end := proto.Zxid(math.MaxInt64)
		if i+1 < len(t.terms) {
			end = t.terms[i+1].from - 1
		}
		if end <= z {
			continue
		}
		z = max(z, min(t.held(term.rules), end))
		if z < end {
			break
		}
	}
	return z
}

// commit records that everything up to z is committed, and forgets the terms
// that are over.
func (t *ackTable) commit(z proto.Zxid) {
	t.committed = max(t.committed, z)
	for len(t.terms) > 1 && t.terms[1].from <= t.committed+1 {
		t.terms = t.terms[1:]
	}
}

// held returns the largest zxid that a quorum of each rule holds.
func (t *ackTable) held(rules []quorum.Config) proto.Zxid {
	z := proto.Zxid(math.MaxInt64)
	for _, rule := range rules {
		best := t.committed
		for _, m := range t.marks {
			if m.upTo > best && rule.HasQuorum(t.holders(m.upTo)) {
				best = m.upTo
			}
		}
		z = min(z, best)
	}
	return z
}

// holders returns the servers whose logs hold z. It is valid until the next
// call.
func (t *ackTable) holders(z proto.Zxid) quorum.Acks {
	t.scratch.Clear()
	for _, m := range t.marks {
		if m.upTo >= z {
			t.scratch.Add(m.server)
		}
	}
	return t.scratch
}
