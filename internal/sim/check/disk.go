package check

import (
	"quokka/internal/proto"
)

// OrderKind says what was ordered from a disk.
type OrderKind uint8

// The orders that change what a directory holds.
const (
	Append OrderKind = iota
	AcceptedEpoch
	CurrentEpoch
	Truncate
	Install
	NextConfig
	ActiveConfig
)

// order is one order that is not durable yet.
type order struct {
	kind   OrderKind
	mark   Mark
	epoch  proto.Epoch
	zxid   proto.Zxid
	log    Log // install
	config Config
}

// do carries an order out on a disk.
func (o *order) do(d *Disk) {
	switch o.kind {
	case Append:
		d.Log.Append(o.mark)
	case AcceptedEpoch:
		d.Accepted = o.epoch
	case CurrentEpoch:
		d.Current = o.epoch
	case Truncate:
		d.Log.Cut(o.zxid)
	case Install:
		d.Log = o.log.Upto(o.zxid)
	case NextConfig:
		d.Next = o.config
	case ActiveConfig:
		if o.config.Version > d.Active.Version {
			d.Active = o.config
		}
	}
}

func (g *Ghost) push(s *server, o order) {
	o.do(&s.written)
	s.pending = append(s.pending, o)
	g.dirty = true
}

// OrderAppend is told when a server orders a record to its log. Z5: it is
// the successor of the last one. Z3: its bytes are those that the leader of
// its epoch proposed.
func (g *Ghost) OrderAppend(id proto.ServerID, z proto.Zxid, raw []byte) {
	s := g.servers[id]
	last := s.written.Log.Last()
	if !Follows(last.Zxid, z) {
		g.violate("Z5", id, "orders %v to its log after %v", z, last.Zxid)
	}
	bytes := Mark{}.Next(z, raw).Chain
	if s.leading != nil && s.leading.established {
		g.propose(s, z, bytes)
	} else if was, ok := g.proposed[z]; !ok {
		g.violate("Z3", id, "logs %v, which no leader has proposed", z)
	} else if was != bytes {
		g.violate("Z3", id, "logs %v with other bytes than its leader proposed", z)
	}
	g.push(s, order{kind: Append, mark: last.Next(z, raw)})
}

// propose judges a leader's own record. Z6: everything committed in earlier
// epochs comes before it. A leader that was replaced and does not know it may
// go on proposing.
func (g *Ghost) propose(s *server, z proto.Zxid, bytes uint64) {
	if z.Epoch() != s.leading.epoch {
		g.violate("Z3", s.id, "proposes %v as the leader of epoch %d", z, s.leading.epoch)
	}
	if old := g.committed.At(proto.MakeZxid(s.leading.epoch, 0)); !s.written.Log.Has(old) {
		g.violate("Z6", s.id, "proposes %v but its log does not hold %v, which is committed", z, old.Zxid)
	}
	if was, ok := g.proposed[z]; ok && was != bytes {
		g.violate("Z3", s.id, "proposes %v for the second time", z)
	}
	g.proposed[z] = bytes
}

// OrderEpoch is told when a server orders an epoch file. Z11: neither ever
// decreases, and the accepted one is ahead.
func (g *Ghost) OrderEpoch(id proto.ServerID, kind OrderKind, e proto.Epoch) {
	s := g.servers[id]
	before := s.written
	if kind == AcceptedEpoch && e < before.Accepted || kind == CurrentEpoch && e < before.Current {
		g.violate("Z11", id, "an epoch decreases to %d; accepted %d, current %d", e, before.Accepted, before.Current)
	}
	g.push(s, order{kind: kind, epoch: e})
	if s.written.Accepted < s.written.Current {
		g.violate("Z11", id, "current epoch %d is above the accepted %d", s.written.Current, s.written.Accepted)
	}
	switch {
	case s.leading == nil:
	case kind == CurrentEpoch:
		g.reigns(s, e)
	default:
		g.decides(s, e)
	}
}

// OrderTruncate is told when a server cuts its log after z. Z9: nothing
// committed goes away.
func (g *Ghost) OrderTruncate(id proto.ServerID, z proto.Zxid) {
	s := g.servers[id]
	if last := g.common(s.written.Log); last.Zxid > z {
		g.violate("Z9", id, "truncates to %v, but %v of its log is committed", z, last.Zxid)
	}
	g.push(s, order{kind: Truncate, zxid: z})
}

// OrderInstall is told when a server replaces its state by another one's as
// of z, whose history is log. Z9: what it had of the committed history must be
// covered.
func (g *Ghost) OrderInstall(id proto.ServerID, z proto.Zxid, log Log) {
	s := g.servers[id]
	if last := g.common(s.written.Log); !log.Has(last) {
		g.violate("Z9", id, "a snapshot of %v replaces a log that holds %v, which is committed", z, last.Zxid)
	}
	g.push(s, order{kind: Install, zxid: z, log: log})
}

// Picture is the history of a server's state at z, for a snapshot of it.
func (g *Ghost) Picture(id proto.ServerID, z proto.Zxid) Log {
	return g.servers[id].written.Log.Upto(z)
}

// common is the longest prefix of a log that is committed.
func (g *Ghost) common(l Log) Mark {
	for i := len(l.marks) - 1; i >= 0; i-- {
		if g.committed.Has(l.marks[i]) {
			return l.marks[i]
		}
	}
	return Mark{}
}

// Done is told when the disk reports an order as done: all records up to z,
// or the oldest order of another kind.
func (g *Ghost) Done(id proto.ServerID, kind OrderKind, z proto.Zxid) {
	s := g.servers[id]
	found := false
	rest := s.pending[:0:0]
	for _, o := range s.pending {
		if found && kind != Append || o.kind != kind || kind == Append && o.mark.Zxid > z {
			rest = append(rest, o)
			continue
		}
		found = found || kind != Append || o.mark.Zxid == z
		o.do(&s.durable)
		g.dirty = true
		s.empty = s.empty && kind != CurrentEpoch // it has a leader's history again
	}
	s.pending = rest
	if !found {
		g.violate("P3", id, "the disk reports an order as done that it was not given (kind %d, %v)", kind, z)
	}
}

// Undone is told when the disk reports that it did not do an order, after
// all before it.
func (g *Ghost) Undone(id proto.ServerID, kind OrderKind) {
	s := g.servers[id]
	for len(s.pending) > 0 {
		o := s.pending[0]
		s.pending = s.pending[1:]
		if o.kind == kind {
			break
		}
		o.do(&s.durable)
	}
	s.written = s.durable.clone()
	for i := range s.pending {
		s.pending[i].do(&s.written)
	}
	g.dirty = true
}
