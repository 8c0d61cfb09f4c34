package check

import (
	"slices"

	"quokka/internal/core/quorum"
	"quokka/internal/proto"
)

// A Config is a configuration of the ensemble, as far as elections go.
type Config struct {
	Version uint64
	Rule    quorum.Config
}

// OrderConfig is told when a server orders a configuration to be kept: the
// proposed one (NextConfig), or the active one (ActiveConfig).
func (g *Ghost) OrderConfig(id proto.ServerID, kind OrderKind, c Config) {
	g.dynamic = true
	g.push(g.servers[id], order{kind: kind, config: c})
}

// rules are those that a server needs a quorum of: of its active
// configuration, and of the proposed one if there is one. One whose
// transaction is not in the log was not committed, or it would be there.
func (d *Disk) rules() []quorum.Config {
	z := proto.Zxid(d.Next.Version)
	lost := z.Counter() != 0 && d.Log.At(z).Zxid != z
	if d.Next.Version <= d.Active.Version || lost {
		return []quorum.Config{d.Active.Rule}
	}
	return []quorum.Config{d.Active.Rule, d.Next.Rule}
}

// Active is the newest configuration that any server has activated.
func (g *Ghost) Active() Config {
	newest := g.order[0].written.Active
	for _, s := range g.order {
		if s.written.Active.Version > newest.Version {
			newest = s.written.Active
		}
	}
	return newest
}

// predictDynamic is predict for ensembles whose configuration changes: a set
// of servers can elect its best one if each of them counts the set as a
// quorum (R8).
func (g *Ghost) predictDynamic(rule, what string, disk func(*server) *Disk) {
	last := g.committed.Last()
	for set := 1; set < 1<<len(g.order); set++ {
		var q []proto.ServerID
		var acks quorum.Acks
		for i, s := range g.order {
			if set>>i&1 == 1 {
				q = append(q, s.id)
				acks.Add(s.id)
			}
		}
		if !g.electable(q, acks, disk) {
			continue
		}
		if w := g.winner(q, disk); w != nil && !disk(w).Log.Has(last) {
			g.violate(rule, w.id, "after %s the servers %v elect it with epoch %d and %v, and lose %v, which is committed",
				what, q, disk(w).Current, disk(w).Log.Last().Zxid, last.Zxid)
			return
		}
	}
}

// electable tells whether every server of a set takes part in elections and
// has a quorum in the set.
func (g *Ghost) electable(q []proto.ServerID, acks quorum.Acks, disk func(*server) *Disk) bool {
	return !slices.ContainsFunc(q, func(id proto.ServerID) bool {
		d := disk(g.servers[id])
		voter := false
		for _, r := range d.rules() {
			if !r.HasQuorum(acks) {
				return true
			}
			voter = voter || r.IsVoter(id)
		}
		return !voter
	})
}

// StartsWith is told when a process runs, after Starts, with the
// configurations it found. R4: it found those that were durable, or newer
// ones.
func (g *Ghost) StartsWith(id proto.ServerID, active, next Config) {
	s := g.servers[id]
	d := &s.durable
	if active.Version < d.Active.Version || max(next.Version, active.Version) < d.Next.Version {
		g.violate("R4", id, "recovered the configurations %x and %x; durable were %x and %x",
			active.Version, next.Version, d.Active.Version, d.Next.Version)
	}
	for _, d := range []*Disk{&s.durable, &s.written} {
		d.Active, d.Next = active, next
	}
	g.dirty = true
}
