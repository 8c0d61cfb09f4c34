package check

import (
	"quokka/internal/core/quorum"
	"quokka/internal/proto"
)

// Starts is told when a process runs, with what its recovery found. It may
// find any state that the disk went through since the last durable one, and
// nothing else (P4, P5). digest is that of the recovered state.
func (g *Ghost) Starts(id proto.ServerID, last proto.Zxid, digest uint64, accepted, current proto.Epoch) {
	s := g.servers[id]
	d, ok := g.recovered(s, last, digest)
	if !ok {
		g.violate("P4", id, "recovered %v with digest %x, which is no state its disk can hold: durable was %v, written %v",
			last, digest, s.durable.Log.Last().Zxid, s.written.Log.Last().Zxid)
		d = s.durable.clone()
		d.Log.Cut(last)
	}
	if accepted < s.durable.Accepted || current < s.durable.Current || accepted > max(s.written.Accepted, last.Epoch()) {
		g.violate("Z11", id, "recovered the epochs %d and %d; durable were %d and %d",
			accepted, current, s.durable.Accepted, s.durable.Current)
	}
	d.Accepted, d.Current = accepted, current
	d.Active, d.Next = s.durable.Active, s.durable.Next // a snapshot may be ahead of them
	if accepted < current || current < last.Epoch() {
		g.violate("Z11", id, "recovered accepted epoch %d, current epoch %d and last zxid %v", accepted, current, last)
	}
	s.durable, s.written, s.pending = d, d.clone(), nil
	s.applied, s.serving, s.leading, s.clock, s.up = d.Log.Last(), false, nil, 0, true
	g.dirty = true
}

// CheckImage judges what recovery makes of a picture of a disk, without the
// server being concerned.
func (g *Ghost) CheckImage(id proto.ServerID, last proto.Zxid, digest uint64, accepted, current proto.Epoch) {
	s := g.servers[id]
	if _, ok := g.recovered(s, last, digest); !ok {
		g.violate("P4", id, "a power loss now would leave %v with digest %x; durable is %v, written %v",
			last, digest, s.durable.Log.Last().Zxid, s.written.Log.Last().Zxid)
	}
	if accepted < s.durable.Accepted || current < s.durable.Current {
		g.violate("Z11", id, "a power loss now would leave the epochs %d and %d; durable are %d and %d",
			accepted, current, s.durable.Accepted, s.durable.Current)
	}
}

// recovered finds the state with this zxid and digest among those that the
// disk can hold: the durable one and what each pending order makes of it. A
// truncation in progress may have stopped at any record after its target.
func (g *Ghost) recovered(s *server, last proto.Zxid, digest uint64) (Disk, bool) {
	d := s.durable.clone()
	if g.isState(d.Log, last, digest) {
		return d, true
	}
	for i := range s.pending {
		o := &s.pending[i]
		if o.kind == Truncate {
			for _, m := range d.Log.After(o.zxid) {
				if g.isState(d.Log.Upto(m.Zxid), last, digest) {
					d.Log.Cut(m.Zxid)
					return d, true
				}
			}
		}
		o.do(&d)
		if g.isState(d.Log, last, digest) {
			return d, true
		}
	}
	return d, false
}

func (g *Ghost) isState(l Log, last proto.Zxid, digest uint64) bool {
	m := l.Last()
	if m.Zxid != last {
		return false
	}
	want, known := g.states[m.Chain]
	if !known {
		g.states[m.Chain] = digest
	}
	return !known || want == digest
}

// Stops is told when a process ends, however it does.
func (g *Ghost) Stops(id proto.ServerID) {
	s := g.servers[id]
	s.up, s.serving, s.leading = false, false, nil
}

// Wiped is told when a server's directory is lost. trusted says that it may
// vote at once all the same.
func (g *Ghost) Wiped(id proto.ServerID, trusted bool) {
	s := g.servers[id]
	d := Disk{Active: g.order[0].durable.Active}
	s.durable, s.written, s.pending = d, d, nil
	s.applied, s.empty = Mark{}, !trusted
	g.dirty = true
}

// Apply is told when a server applies the transaction z of its log, with the
// digest of the state after it. D1: equal histories make equal states. Z2,
// Z4: what a serving server applies is committed, in that order.
func (g *Ghost) Apply(id proto.ServerID, z proto.Zxid, digest uint64) {
	s := g.servers[id]
	m := s.written.Log.At(z)
	if m.Zxid != z {
		g.violate("Z3", id, "applies %v, which is not in its log", z)
		return
	}
	if before := s.written.Log.At(z - 1); before != s.applied {
		g.violate("Z5", id, "applies %v after %v, but its log has %v before it", z, s.applied.Zxid, before.Zxid)
	}
	s.applied = m
	g.state(s, digest)
	if s.serving && !g.committed.Has(m) {
		g.violate("Z4", id, "serves clients with %v applied, which is not committed", z)
	}
}

// Reloads is told when a server's state is replaced by what its disk holds.
func (g *Ghost) Reloads(id proto.ServerID, z proto.Zxid, digest uint64) {
	s := g.servers[id]
	s.applied = s.written.Log.At(z)
	if s.applied.Zxid != z {
		g.violate("P2", id, "reloads its state as of %v, but its disk has %v", z, s.applied.Zxid)
	}
	g.state(s, digest)
}

func (g *Ghost) state(s *server, digest uint64) {
	if want, known := g.states[s.applied.Chain]; known && want != digest {
		g.violate("D1", s.id, "its state at %v has digest %x, elsewhere it is %x", s.applied.Zxid, digest, want)
	}
	g.states[s.applied.Chain] = digest
}

// Serves is told when a server begins to execute clients' requests.
func (g *Ghost) Serves(id proto.ServerID) {
	s := g.servers[id]
	s.serving = true
	if !g.committed.Has(s.applied) {
		g.violate("Z4", id, "begins to serve with %v applied, which is not committed", s.applied.Zxid)
	}
}

// Looks is told when a server leaves its role.
func (g *Ghost) Looks(id proto.ServerID) {
	s := g.servers[id]
	s.serving, s.leading = false, nil
}

// Leads is told when a server begins to lead, not knowing its epoch yet.
func (g *Ghost) Leads(id proto.ServerID) {
	s := g.servers[id]
	s.leading = &reign{
		initial: s.written.Log.Last(), infos: map[proto.ServerID]proto.Epoch{id: s.written.Accepted},
	}
	s.leading.synced.Add(id)
}

// reigns judges a leader that has its quorum of ACKEPOCH. Z1: nobody else
// has the epoch. Z12: the quorums are quorums.
func (g *Ghost) reigns(s *server, e proto.Epoch) {
	if other, ok := g.leaders[e]; ok && other != s.id {
		g.violate("Z1", s.id, "leads epoch %d, which server %d has led", e, other)
	}
	g.leaders[e] = s.id
	s.leading.epoch = e
	acks := s.leading.acks
	if !s.written.Active.Rule.HasQuorum(with(acks, s.id)) {
		g.violate("Z12", s.id, "takes epoch %d with the ACKEPOCH of %v", e, acks.IDs())
	}
	if !g.outrun(e) && !s.written.Log.Has(g.committed.Last()) {
		g.violate("Z7", s.id, "takes epoch %d but its log does not hold %v, which is committed", e, g.committed.Last().Zxid)
	}
}

// outrun tells whether a later epoch was taken. Who takes an older one then,
// because its process did not run meanwhile, has a quorum that left it: it
// cannot be established, and need not have what was committed since.
func (g *Ghost) outrun(e proto.Epoch) bool {
	for other := range g.leaders {
		if other > e {
			return true
		}
	}
	return false
}

func with(a quorum.Acks, id proto.ServerID) quorum.Acks {
	var all quorum.Acks
	for _, i := range a.IDs() {
		all.Add(i)
	}
	all.Add(id)
	return all
}

// Established is told when a leader has its quorum of followers. Z7, Z8: its
// log holds what is committed, and from now on all of its initial history is.
func (g *Ghost) Established(id proto.ServerID, e proto.Epoch) {
	s := g.servers[id]
	r := s.leading
	if r == nil || r.epoch != e {
		g.violate("Z1", id, "is established in epoch %d, which it did not take", e)
		return
	}
	r.established = true
	for _, rule := range s.written.rules() {
		if !rule.HasQuorum(r.synced) {
			g.violate("Z12", id, "is established in epoch %d with the NEWLEADER acks of %v", e, r.synced.IDs())
		}
	}
	if d := s.durable; d.Current != e || !d.Log.Has(r.initial) {
		g.violate("P3", id, "is established in epoch %d, but its own history or epoch is not durable", e)
	}
	if !s.written.Log.Has(g.committed.Last()) {
		g.violate("Z7", id, "is established in epoch %d but its log does not hold %v, which is committed",
			e, g.committed.Last().Zxid)
		return
	}
	g.extend(s.written.Log, r.initial.Zxid)
}

// extend takes a part of a log into C*.
func (g *Ghost) extend(l Log, upTo proto.Zxid) {
	for _, m := range l.After(g.committed.Last().Zxid) {
		if m.Zxid > upTo {
			break
		}
		g.committed.Append(m)
		g.dirty = true
	}
}

// Commits is told when a leader says that everything up to z is committed.
// Z8: C* only grows.
func (g *Ghost) Commits(id proto.ServerID, z proto.Zxid) {
	s := g.servers[id]
	m := s.written.Log.At(z)
	switch {
	case m.Zxid != z:
		g.violate("Z3", id, "commits %v, which is not in its log", z)
	case g.committed.Has(m):
	case s.leading == nil || !s.leading.established:
		// It tells a learner of its initial history, of which a quorum may not
		// know yet: the learner does not serve before UPTODATE.
		if m.Zxid > initial(s).Zxid {
			g.violate("Z12", id, "commits %v before it is established", z)
		}
	case !s.written.Log.Has(g.committed.Last()) || m.Zxid < g.committed.Last().Zxid:
		g.violate("Z8", id, "commits %v, but %v is committed and not in its history", z, g.committed.Last().Zxid)
	default:
		g.extend(s.written.Log, z)
	}
}

func initial(s *server) Mark {
	if s.leading == nil {
		return Mark{}
	}
	return s.leading.initial
}
