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
	if m.members.Next.Version <= m.members.Active.Version {
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
		m.shown < z && m.cfg.DiskHas != nil && !m.cfg.DiskHas(z)
}

// shownConfig returns the version of the configuration in the state, 0 if
// there is none.
func (m *Member) shownConfig() proto.Zxid {
	tree := m.state.Tree()
	r := tree.FindString("/zookeeper/config")
	if r == 0 {
		return 0
	}
	c, err := quorum.ParseMembership(string(tree.Data(r)), m.cfg.MultiAddress)
	if err != nil {
		return 0
	}
	return proto.Zxid(c.Version)
}
