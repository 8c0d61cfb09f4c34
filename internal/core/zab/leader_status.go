package zab

// ProposalSizes are the bytes of the last, the smallest and the greatest
// proposal of a leader as learners are sent them, -1 before the first
// (Leader.getProposalStats).
type ProposalSizes struct{ Last, Min, Max int }

func (s *ProposalSizes) add(bytes int) {
	s.Last, s.Max = bytes, max(s.Max, bytes)
	if s.Min < 0 || bytes < s.Min {
		s.Min = bytes
	}
}

// ProposalSizes returns the sizes of what was proposed.
func (l *Leader) ProposalSizes() ProposalSizes { return l.sizes }

// PendingSyncs returns how many calls of Sync are not answered
// (Leader.getNumPendingSyncs).
func (l *Leader) PendingSyncs() int {
	r := &l.reads
	return len(r.waiting) + len(r.asked) + len(r.proven) + len(r.answered)
}

// Quokka tells whether the learner at a link is a Quokka server.
func (l *Leader) Quokka(link Link) bool {
	for _, p := range l.pupils {
		if p.link == link {
			return p.quokka
		}
	}
	return false
}
