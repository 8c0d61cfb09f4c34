package check

import "quokka/internal/proto"

// Check judges the ensemble as it is after a step. It does nothing if
// nothing changed that it looks at.
//
// P1: whichever quorum is left after a power loss everywhere, the server
// that wins its election holds all that is committed. The same must hold if
// no power is lost and every disk finishes what it was given (P2).
func (g *Ghost) Check() {
	if !g.dirty {
		return
	}
	g.dirty = false
	g.predict("P1", "a power loss", func(s *server) *Disk { return &s.durable })
	g.predict("P2", "an election", func(s *server) *Disk { return &s.written })
}

func (g *Ghost) predict(rule, what string, disk func(*server) *Disk) {
	if g.dynamic {
		g.predictDynamic(rule, what, disk)
		return
	}
	last := g.committed.Last()
	for _, q := range g.quorums {
		w := g.winner(q, disk)
		if w == nil || disk(w).Log.Has(last) {
			continue
		}
		d := disk(w)
		g.violate(rule, w.id, "after %s the servers %v elect it with epoch %d and %v, and lose %v, which is committed",
			what, q, d.Current, d.Log.Last().Zxid, last.Zxid)
		return
	}
}

// winner is the server of a quorum that its election makes leader.
func (g *Ghost) winner(q []proto.ServerID, disk func(*server) *Disk) *server {
	var best *server
	for _, id := range q {
		s := g.servers[id]
		if s.empty {
			return nil // it is not counted, so this is no quorum
		}
		if best == nil || better(disk(s), disk(best), s.id, best.id) {
			best = s
		}
	}
	return best
}

func better(a, b *Disk, x, y proto.ServerID) bool {
	az, bz := a.Log.Last().Zxid, b.Log.Last().Zxid
	// A crash between the log and the epoch file leaves a log that is ahead.
	// Whoever holds a record of an epoch holds all that came before, so
	// recovery may take that epoch for the current one.
	ae, be := max(a.Current, az.Epoch()), max(b.Current, bz.Epoch())
	switch {
	case ae != be:
		return ae > be
	case az != bz:
		return az > bz
	}
	return x > y
}

// Voted is told when a server sends a notification. P2: a vote for itself
// carries its last durable record and its current epoch, nothing of its
// memory goes beyond, and (F2) its clock does not go back.
func (g *Ghost) Voted(id proto.ServerID, n *proto.Notification) {
	s := g.servers[id]
	switch n.State {
	case proto.Looking:
		if n.ElectionEpoch < s.clock {
			g.violate("F2", id, "its election clock goes back from %d to %d", s.clock, n.ElectionEpoch)
		}
		s.clock = n.ElectionEpoch
		if n.Leader == id && n.Zxid != -1 {
			g.ownVote(s, n)
		}
	case proto.Leading, proto.Following:
		if s.serving && n.PeerEpoch != s.durable.Current {
			g.violate("F6", id, "says %v with epoch %d, but its epoch is %d", n.State, n.PeerEpoch, s.durable.Current)
		}
	}
}

func (g *Ghost) ownVote(s *server, n *proto.Notification) {
	d := &s.durable
	if n.Zxid != d.Log.Last().Zxid || n.PeerEpoch != d.Current {
		g.violate("P2", s.id, "votes for itself with epoch %d and %v; durable are epoch %d and %v",
			n.PeerEpoch, n.Zxid, d.Current, d.Log.Last().Zxid)
	}
	if w := s.written.Log.Last(); w != d.Log.Last() {
		g.violate("P2", s.id, "votes while its disk has not finished: durable %v, ordered %v", d.Log.Last().Zxid, w.Zxid)
	}
	if !d.Log.Has(s.applied) {
		g.violate("P2", s.id, "votes with %v in memory, which its disk does not hold", s.applied.Zxid)
	}
}
