package member

import (
	"quokka/internal/core/quorum"
	"quokka/internal/core/zab"
	"quokka/internal/proto"
)

// adopt takes over a newer configuration that another server has told of.
func (m *Member) adopt(text string) bool {
	c, err := quorum.ParseMembership(text, m.cfg.MultiAddress)
	if err != nil || c.Version <= m.members.Active.Version || !m.cfg.ReconfigEnabled {
		return false
	}
	m.out.Disk = append(m.out.Disk, zab.Disk{Kind: zab.DiskConfig, Incarnation: m.incarnation, Config: text})
	m.membersChanged(Members{Active: c, Next: c})
	return true
}

// membersChanged tells everybody who the servers are now.
func (m *Member) membersChanged(now Members) {
	m.members = now
	m.out.Members = &m.members
	if m.election != nil {
		m.election.SetMembers(now.Active, now.Next)
	}
}

// dropProposed takes a proposed configuration back that is not to be completed,
// before an election: it would need a quorum of it, too, and nobody else
// knows it any more. This server has not acknowledged it, or it was not
// committed; else its record would be in the log, or its text in the state.
func (m *Member) dropProposed() {
	if m.shownIsNext() || m.members.Next.Version <= m.members.Active.Version {
		return
	}
	z := proto.Zxid(m.members.Next.Version)
	if !m.history.Disowns(z, m.current) && !m.forgotBelow(z) {
		return
	}
	text := m.members.Active.Text()
	m.out.Disk = append(m.out.Disk, zab.Disk{Kind: zab.DiskNextConfig, Incarnation: m.incarnation, Config: text})
	m.membersChanged(Members{Active: m.members.Active, Next: m.members.Active})
}

// forgotBelow is History.Disowns for reconfigurations that are too old to be
// in memory. The state that was read from the disk, or sent by a leader, shows
// the last one that is in it, and the log what follows.
func (m *Member) forgotBelow(z proto.Zxid) bool {
	return z.Counter() != 0 && z <= m.history.Base() && m.current <= z.Epoch() &&
		proto.Zxid(m.shown.Version) < z && m.cfg.DiskHas != nil && !m.cfg.DiskHas(z)
}

// shownConfig returns the configuration in the state, an empty one if there is
// none.
func (m *Member) shownConfig() quorum.Membership {
	tree := m.state.Tree()
	r := tree.FindString("/zookeeper/config")
	if r == 0 {
		return quorum.Membership{}
	}
	c, err := quorum.ParseMembership(string(tree.Data(r)), m.cfg.MultiAddress)
	if err != nil {
		return quorum.Membership{}
	}
	return c
}

// shownIsNext takes a configuration that the state shows, and the files do
// not have, for a proposed one: a snapshot may hold a reconfiguration whose
// order to this disk was still on its way, and that of a leader may come
// before its word of the configuration. Without it this server could be
// elected by a quorum that is none any more, and with more than those have
// who know better. A server that never had a version may be a new one with a
// copy of other data.
func (m *Member) shownIsNext() bool {
	now := m.members
	if !m.cfg.ReconfigEnabled || now.Active.Version == 0 || m.shown.Version <= max(now.Active.Version, now.Next.Version) {
		return false
	}
	m.out.Disk = append(m.out.Disk, zab.Disk{Kind: zab.DiskNextConfig, Incarnation: m.incarnation, Config: m.shown.Text()})
	m.membersChanged(Members{Active: now.Active, Next: m.shown})
	return true
}
