package zab

import (
	"bytes"
	"cmp"
	"flag"
	"slices"
	"testing"

	"quokka/internal/core/quorum"
	"quokka/internal/proto"
)

var togetherSeeds = flag.Int("together-seeds", 100, "seeds of TestLeaderAndLearnersTogether")

// TestLeaderAndLearnersTogether lets servers lead and follow each other
// while links break, processes and disks lose what they have not flushed,
// and everybody is as slow as can be. At every step all that is committed
// must be what the winner of any election of a quorum has on its disk, every
// state must be a prefix of it, and no epoch has two leaders. In the end,
// when nothing fails any more, all have the same.
func TestLeaderAndLearnersTogether(t *testing.T) {
	counts := map[string]int{}
	for seed := range uint64(*togetherSeeds) {
		w := newTogetherWorld(t, seed, counts)
		for range 3000 {
			w.step()
		}
		w.calm = true
		w.settle()
	}
	t.Logf("%v", counts)
	for _, kind := range []string{"established", "committed", "SNAP", "TRUNC", "crash", "rollover", "read", "relayed"} {
		if counts[kind] == 0 {
			t.Errorf("never seen: %s (%v)", kind, counts)
		}
	}
}

// step does one random thing.
func (w *togetherWorld) step() {
	n := w.nodes[w.rng.IntN(len(w.nodes))]
	for _, n := range w.nodes {
		n.frozen = max(0, n.frozen-1)
	}
	switch k := w.rng.IntN(100); {
	case k < 45:
		w.deliver()
	case k < 65:
		if len(n.queue) > 0 {
			w.disk(n)
		}
	case k < 75:
		w.tick(n)
	case k < 83:
		w.propose(n)
	case k < 87:
		w.read(n)
	case k < 92:
		w.elect()
	case k < 97:
		w.join(n)
	case w.calm:
	case k < 98:
		if len(w.links) > 0 {
			l := w.links[w.rng.IntN(len(w.links))]
			w.cut(func(o *togetherLink) bool { return o == l }, nil)
		}
	case k == 98 && w.rng.IntN(2) == 0:
		w.crash(n)
	case k == 99 && w.rng.IntN(4) == 0:
		w.freeze(n)
	}
	if w.rng.IntN(5) == 0 {
		w.checkQuorums()
	}
}

// settle runs without failures until all servers have the same log.
func (w *togetherWorld) settle() {
	for i := range 60000 {
		w.step()
		if i%500 == 0 && w.settled() {
			return
		}
	}
	for _, n := range w.nodes {
		role := "idle"
		if n.leader != nil {
			role = "leader"
		} else if n.learner != nil {
			role = "learner " + learnerPhaseNames[n.learner.phase]
		}
		w.t.Logf("server %d: %s, accepted %d, current %d, log to %v, state %v, wants snapshot %v",
			n.id, role, n.accepted, n.current, n.last(), n.state.zxid, n.wantSnap)
	}
	w.failf("the servers do not agree after a long calm")
}

func (w *togetherWorld) settled() bool {
	for _, n := range w.nodes {
		ready := n.leader != nil && n.leader.Established() || n.learner != nil && n.learner.Ready()
		if !ready || len(n.state.entries) < len(w.committed)-20 {
			return false
		}
	}
	return len(w.committed) > 0
}

// deliver brings the oldest packet of some link to its end.
func (w *togetherWorld) deliver() {
	if len(w.links) == 0 {
		return
	}
	l := w.links[w.rng.IntN(len(w.links))]
	if !l.carried {
		if l.carried = l.served(); !l.carried {
			w.cut(func(o *togetherLink) bool { return o == l }, nil)
			return
		}
		l.f.LinkUp(w.now)
		w.collect(l.learner)
		return
	}
	if up := w.rng.IntN(2) == 0; up && len(l.up) > 0 {
		p := l.up[0].packet
		l.up = l.up[1:]
		w.toLeader(l, p)
	} else if !up && len(l.down) > 0 {
		p := l.down[0]
		l.down = l.down[1:]
		w.toLearner(l, p)
	}
}

func (w *togetherWorld) toLeader(l *togetherLink, p proto.QuorumPacket) {
	if l.accepted {
		l.pass(w.now, p)
	} else {
		l.accepted = true
		if l.learner.java {
			p.Data = p.Data[:20]
		}
		l.connect(w.now, p)
	}
	w.collect(l.leader)
}

func (w *togetherWorld) toLearner(l *togetherLink, p togetherPacket) {
	if p.snapshot != nil {
		w.snapshots++
		l.learner.received[w.snapshots] = *p.snapshot
		l.f.SnapReceived(w.now, p.snapshot.zxid, w.snapshots)
	} else {
		l.f.Packet(w.now, p.packet)
	}
	w.collect(l.learner)
}

func (w *togetherWorld) tick(n *togetherNode) {
	w.now += int64(w.rng.IntN(12))
	switch {
	case n.frozen > 0:
	case n.leader != nil:
		n.leader.Tick(w.now)
	case n.learner != nil:
		n.learner.Tick(w.now)
		if n.relay != nil {
			n.relay.Tick(w.now)
		}
	default:
		return
	}
	w.collect(n)
}

func (w *togetherWorld) propose(n *togetherNode) {
	if n.leader == nil || n.frozen > 0 || n.leader.Proposed()-n.leader.Committed() > 8 {
		return // a proposal of a leader that is cut off would keep its reads waiting
	}
	z, ok := n.leader.Next()
	if !ok || w.calm && z.Counter() > 10 {
		return // in the end no epoch is used up
	}
	w.nextCxid++
	txn := &proto.Txn{
		TxnHeader: proto.TxnHeader{Session: proto.SessionID(n.id), Cxid: w.nextCxid, Zxid: z, Op: proto.OpSetData},
		Body:      &proto.SetDataTxn{Path: "/x"},
	}
	n.leader.Propose(w.now, Entry{Txn: txn, Raw: txn.AppendTo(nil)})
	if n.leader.usedUp() {
		w.counts["rollover"]++
	}
	w.collect(n)
}

// read asks a leader, which may be one no more, for everything that was
// committed by now.
func (w *togetherWorld) read(n *togetherNode) {
	if n.leader == nil || !n.leader.Established() {
		return
	}
	token := uint64(len(w.reads) + 1)
	w.reads[token] = len(w.committed)
	n.leader.Sync(w.now, token)
	w.collect(n)
}

func (w *togetherWorld) checkReads(n *togetherNode) {
	for _, token := range n.leader.Synced() {
		w.counts["read"]++
		if have := len(n.state.entries); have < w.reads[token] {
			w.failf("server %d answers a read from the state of %d transactions, but %d were committed before it", n.id, have, w.reads[token])
		}
	}
}

// elect draws a quorum of the voters that have no role; the most recent of
// them leads, and some follow it. When nothing fails, nobody is elected beside
// a leader that everybody hears of.
func (w *togetherWorld) elect() {
	if w.calm && slices.ContainsFunc(w.nodes, func(n *togetherNode) bool { return n.leader != nil }) {
		return
	}
	var idle []*togetherNode
	var set quorum.Acks
	for _, i := range w.rng.Perm(len(w.nodes)) {
		if n := w.nodes[i]; n.idle() && !n.observer && !w.rule.HasQuorum(set) {
			idle = append(idle, n)
			set.Add(n.id)
		}
	}
	if !w.rule.HasQuorum(set) {
		return
	}
	best := slices.MaxFunc(idle, byVote)
	w.lead(best)
	for _, n := range idle {
		if n != best && (w.calm || w.rng.IntN(6) > 0) {
			w.follow(n, best)
		}
	}
}

func byVote(a, b *togetherNode) int {
	return cmp.Or(cmp.Compare(a.current, b.current), cmp.Compare(a.last(), b.last()), cmp.Compare(a.id, b.id))
}

// join lets a server without a role follow some leader, perhaps an old one.
func (w *togetherWorld) join(n *togetherNode) {
	leader := w.nodes[w.rng.IntN(len(w.nodes))]
	relayed := n.observer && leader.relay != nil
	if n.idle() && (leader.leader != nil || relayed) && leader.frozen == 0 {
		w.follow(n, leader)
	}
}

// freeze cuts a leader off without its knowledge: it goes on leading.
func (w *togetherWorld) freeze(n *togetherNode) {
	if n.leader == nil {
		return
	}
	w.counts["freeze"]++
	n.frozen = 1500
	leader := n.leader
	n.leader = nil // so that it is not told
	w.cut(func(l *togetherLink) bool { return l.leader == n && l.l == leader }, n)
	n.leader = leader
}

// crash loses what was not flushed, and starts the process again.
func (w *togetherWorld) crash(n *togetherNode) {
	w.counts["crash"]++
	n.queue = nil
	leader := n.leader
	n.leader, n.learner = nil, nil
	w.cut(func(l *togetherLink) bool { return l.learner == n || l.leader == n && l.l == leader }, n)
	w.restart(n)
}

// checkApplied checks what a role applied: a leader's becomes committed, and
// continues what is; a learner's must be committed.
func (w *togetherWorld) checkApplied(n *togetherNode) {
	have := n.state.entries
	for i := range min(len(have), len(w.committed)) {
		if !bytes.Equal(have[i].Raw, w.committed[i].Raw) {
			w.failf("server %d applied %v where %v is committed", n.id, have[i].Zxid(), w.committed[i].Zxid())
		}
	}
	if n.leader == nil {
		if len(n.out.Apply) > 0 && len(have) > len(w.committed) {
			w.failf("server %d applied %v, which is not committed", n.id, n.state.zxid)
		}
		return
	}
	e := n.leader.Epoch()
	if was, ok := w.epochs[e]; ok && was != n.id {
		w.failf("epoch %d is led by %d and %d", e, was, n.id)
	} else if !ok {
		w.counts["established"]++
		w.epochs[e] = n.id
		if len(have) < len(w.committed) {
			w.failf("server %d leads epoch %d without %v", n.id, e, w.committed[len(have)].Zxid())
		}
	}
	if len(have) > len(w.committed) {
		w.counts["committed"] += len(have) - len(w.committed)
		w.committed = slices.Clone(have)
		w.checkQuorums()
	}
}

// checkQuorums: whoever wins an election, with the disks as they are, has
// everything that is committed.
func (w *togetherWorld) checkQuorums() {
	for set := range 1 << len(w.nodes) {
		var ids quorum.Acks
		var in []*togetherNode
		for i, n := range w.nodes {
			if set>>i&1 == 1 && !n.observer {
				ids.Add(n.id)
				in = append(in, n)
			}
		}
		if !w.rule.HasQuorum(ids) {
			continue
		}
		best := slices.MaxFunc(in, byVote)
		if n := len(best.snap.entries) + len(best.log); n < len(w.committed) {
			w.failf("of %v server %d would win with %d entries, but %d are committed", ids.IDs(), best.id, n, len(w.committed))
		}
		i := len(w.committed) - 1
		if i < 0 || i < len(best.snap.entries) {
			continue
		}
		if e := best.log[i-len(best.snap.entries)]; !bytes.Equal(e.Raw, w.committed[i].Raw) {
			w.failf("of %v server %d would win with %v where %v is committed", ids.IDs(), best.id, e.Zxid(), w.committed[i].Zxid())
		}
	}
}
