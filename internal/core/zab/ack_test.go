package zab

import (
	"math/rand/v2"
	"testing"

	"quokka/internal/core/quorum"
	"quokka/internal/proto"
)

// A naiveProposal counts its own acks and knows its own rules, as Java's
// Leader.Proposal does.
type naiveProposal struct {
	z     proto.Zxid
	rules []quorum.Config
	acks  map[proto.ServerID]bool
}

func (p naiveProposal) committed() bool {
	var set quorum.Acks
	for id, acked := range p.acks {
		if acked {
			set.Add(id)
		}
	}
	for _, r := range p.rules {
		if !r.HasQuorum(set) {
			return false
		}
	}
	return true
}

// TestAcksAgainstSingleProposals compares the table with proposals that are
// counted one by one and committed in order, while configurations change and
// servers come and go.
func TestAcksAgainstSingleProposals(t *testing.T) {
	for seed := range uint64(400) {
		rng := rand.New(rand.NewPCG(seed, 1))
		m := &ackModel{t: t, rng: rng, rules: []quorum.Config{randomRule(rng)}}
		m.table.require(1, m.rules...)
		for range 200 {
			m.step()
		}
	}
}

func randomRule(rng *rand.Rand) quorum.Config {
	if rng.IntN(3) > 0 {
		ids := rng.Perm(7)[:1+rng.IntN(6)]
		voters := make([]proto.ServerID, len(ids))
		for i, id := range ids {
			voters[i] = proto.ServerID(id + 1)
		}
		return quorum.Majority(voters...)
	}
	c, err := quorum.Hierarchical([]quorum.Group{
		{ID: 1, Members: []proto.ServerID{1, 2, 3}}, {ID: 2, Members: []proto.ServerID{4, 5}}, {ID: 3, Members: []proto.ServerID{6, 7}},
	}, map[proto.ServerID]int64{1: int64(rng.IntN(4)), 4: 2})
	if err != nil {
		panic(err)
	}
	return c
}

type ackModel struct {
	t     *testing.T
	rng   *rand.Rand
	table ackTable

	rules     []quorum.Config
	proposals []naiveProposal
	committed proto.Zxid
	marks     [8]proto.Zxid
}

func (m *ackModel) step() {
	server := 1 + m.rng.IntN(7)
	switch m.rng.IntN(8) {
	case 0, 1, 2: // propose
		p := naiveProposal{proto.Zxid(len(m.proposals) + 1), m.rules, map[proto.ServerID]bool{}}
		m.proposals = append(m.proposals, p)
	case 3: // another configuration begins, or is there
		if m.rules = m.rules[len(m.rules)-1:]; m.rng.IntN(2) == 0 {
			m.rules = []quorum.Config{m.rules[0], randomRule(m.rng)}
		}
		m.table.require(proto.Zxid(len(m.proposals)+1), m.rules...)
	case 4: // a link is lost
		if m.rng.IntN(4) == 0 {
			m.marks[server] = 0
			m.table.drop(proto.ServerID(server))
			for _, p := range m.proposals {
				delete(p.acks, proto.ServerID(server))
			}
		}
	default:
		if z := proto.Zxid(m.rng.IntN(len(m.proposals) + 1)); z > m.marks[server] {
			m.marks[server] = z
			m.table.raise(proto.ServerID(server), z)
			for _, p := range m.proposals[:z] {
				p.acks[proto.ServerID(server)] = true
			}
		}
	}
	for int(m.committed) < len(m.proposals) && m.proposals[m.committed].committed() {
		m.committed++
	}
	got := min(m.table.committable(), proto.Zxid(len(m.proposals)))
	if got != m.committed {
		m.t.Fatalf("committable %d, one by one it is %d", got, m.committed)
	}
	m.table.commit(got)
	if of := m.table.of(proto.ServerID(server)); of != m.marks[server] {
		m.t.Fatalf("the mark of %d is %d, want %d", server, of, m.marks[server])
	}
}
