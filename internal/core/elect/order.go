package elect

import "cmp"

// compareVotes orders votes by what their leaders have: the epoch first, then
// the log, then the number of the server. Rounds do not count. Comparison is
// signed: who cannot be voted for (the lowest numbers) never wins.
func compareVotes(a, b Vote) int {
	return cmp.Or(cmp.Compare(a.PeerEpoch, b.PeerEpoch), cmp.Compare(a.Zxid, b.Zxid), cmp.Compare(a.Leader, b.Leader))
}

// better tells whether a vote beats another one. A leader of weight 0 never
// does (FastLeaderElection.totalOrderPredicate, ZOOKEEPER-498).
func (e *Election) better(v, than Vote) bool {
	return e.members.weight(v.Leader) > 0 && compareVotes(v, than) > 0
}

// leads tells whether other servers' word that this one leads may be taken:
// in the round in which they say so (as Java's checkLeader), by a server that
// votes and still has what it was elected for. A server that came back
// without its data must not lead, although those who follow it have not
// noticed yet.
func (e *Election) leads(v Vote) bool {
	return v.ElectionEpoch == e.round && e.own.Leader == e.cfg.Me && e.own.Zxid != untrusted && compareVotes(v, e.own) <= 0
}

// overrates tells whether a vote is for this server as it was before it lost
// its data, or had the end of its log cut off. Nobody may be elected for what
// it does not have: a new round makes the others forget. (Java takes such a
// vote over as its own.)
func (e *Election) overrates(v Vote) bool {
	return v.Leader == e.cfg.Me && e.own.Leader == e.cfg.Me && compareVotes(v, e.own) > 0
}
