package zab

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"quokka/internal/core/quorum"
	"quokka/internal/proto"
)

// A togetherNode is one server: its role, its history, and a disk that does
// its orders when it is told to. The state is the list of what was applied.
type togetherNode struct {
	id       proto.ServerID
	observer bool
	java     bool // its FOLLOWERINFO lacks the mark
	h        *History
	out      Effects
	leader   *Leader
	learner  *Learner
	relay    *Relay // of a follower, perhaps
	wantSnap bool
	frozen   int // steps until it hears of the world again

	queue             []Disk
	accepted, current proto.Epoch
	snap              togetherState // durable
	log               []Entry       // durable, after it
	state             togetherState
	received          map[SnapshotID]togetherState
}

// A togetherState is a state, and what led to it. Its zxid is that of the
// last entry, or a later (e,0).
type togetherState struct {
	zxid    proto.Zxid
	entries []Entry
}

// A togetherLink is one connection, with what is under way.
type togetherLink struct {
	id                Link
	learner, leader   *togetherNode
	f                 *Learner // role at its end
	l                 *Leader
	r                 *Relay           // instead of l, if that is a follower
	up, down          []togetherPacket // to the leader, to the learner
	accepted, carried bool             // by the leader; LinkUp was told
}

type togetherPacket struct {
	packet   proto.QuorumPacket
	snapshot *togetherState
}

// A togetherWorld is an ensemble without elections: who leads is drawn among
// those that may win. It knows everything that was ever committed.
type togetherWorld struct {
	t     *testing.T
	seed  uint64
	rng   *rand.Rand
	now   int64
	nodes []*togetherNode
	rule  quorum.Config
	m     quorum.Membership
	links []*togetherLink

	nextLink  Link
	nextCxid  int32
	snapshots SnapshotID
	committed []Entry
	reads     map[uint64]int // what was committed when a read came
	epochs    map[proto.Epoch]proto.ServerID
	counts    map[string]int
	calm      bool // nothing fails any more
}

func newTogetherWorld(t *testing.T, seed uint64, counts map[string]int) *togetherWorld {
	rng := rand.New(rand.NewPCG(seed, 3))
	w := &togetherWorld{t: t, seed: seed, rng: rng, epochs: map[proto.Epoch]proto.ServerID{}, nextLink: 1, counts: counts,
		reads: map[uint64]int{}}
	list, voters := "1,2,3", []proto.ServerID{1, 2, 3}
	if rng.IntN(3) == 0 {
		list, voters = "1,2,3,4,5", append(voters, 4, 5)
	}
	if rng.IntN(2) == 0 {
		list += ",8o,9o"
	}
	w.m, w.rule = members(t, list, 0), quorum.Majority(voters...)
	for _, s := range w.m.Servers {
		n := &togetherNode{id: s.ID, observer: s.Role == quorum.Observer, java: rng.IntN(4) == 0}
		w.restart(n)
		w.nodes = append(w.nodes, n)
	}
	return w
}

func (w *togetherWorld) failf(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("seed %d: %s", w.seed, fmt.Sprintf(format, args...))
}

// restart recovers a node from its disk. All that its log holds is applied.
func (w *togetherWorld) restart(n *togetherNode) {
	n.leader, n.learner, n.relay, n.queue, n.out = nil, nil, nil, nil, Effects{}
	n.received = map[SnapshotID]togetherState{}
	n.h = NewHistory(0)
	w.reload(n)
}

func (w *togetherWorld) reload(n *togetherNode) {
	n.state = togetherState{n.snap.zxid, slices.Concat(n.snap.entries, n.log)}
	if len(n.log) > 0 {
		n.state.zxid = n.log[len(n.log)-1].Zxid()
	}
	n.h.Restart(n.snap.zxid, n.log, n.state.zxid, n.snap.zxid)
}

// last is the end of the durable log.
func (n *togetherNode) last() proto.Zxid {
	if len(n.log) == 0 {
		return n.snap.zxid
	}
	return n.log[len(n.log)-1].Zxid()
}

func (n *togetherNode) idle() bool { return n.leader == nil && n.learner == nil }

// lead makes a node leader.
func (w *togetherWorld) lead(n *togetherNode) {
	n.leader = NewLeader(LeaderConfig{
		Me: n.id, Accepted: n.accepted, Current: n.current, Active: w.m, Next: w.m, TickMS: 600, InitLimit: 8, SyncLimit: 4,
		MaxCounter: 15,
	}, n.h, w.now, &n.out)
	w.collect(n)
}

// follow makes a node a learner of another, whatever that is now.
func (w *togetherWorld) follow(n, leader *togetherNode) {
	link := &togetherLink{id: w.nextLink, learner: n, leader: leader, l: leader.leader, r: leader.relay}
	w.nextLink++
	id := leader.id
	if link.r != nil {
		id = leader.learner.cfg.Leader
	}
	n.learner = NewLearner(LearnerConfig{
		Me: n.id, Leader: id, Link: FirstDialled + link.id, Observer: n.observer, Accepted: n.accepted, Current: n.current,
		Active: w.m, Next: w.m, TickMS: 600, InitLimit: 8, SyncLimit: 4, WantSnapshot: n.wantSnap,
		LeaderEpoch: leader.current, LeaderZxid: leader.h.Last(),
	}, n.h, w.now, &n.out)
	link.f = n.learner
	w.links = append(w.links, link)
}

// collect carries out what a node's role ordered, except for the disk, which
// takes its time.
func (w *togetherWorld) collect(n *togetherNode) {
	n.queue = append(n.queue, n.out.Disk...)
	for _, e := range n.out.Apply {
		if e.Zxid() <= n.state.zxid {
			w.failf("server %d applies %v in the state of %v", n.id, e.Zxid(), n.state.zxid)
		}
		n.state.entries, n.state.zxid = append(n.state.entries[:len(n.state.entries):len(n.state.entries)], e), e.Zxid()
	}
	if len(n.out.Apply) > 0 || n.leader != nil && n.leader.Established() {
		w.checkApplied(n)
	}
	if n.leader != nil {
		w.checkReads(n)
	}
	w.relay(n)
	sends, ups := slices.Clone(n.out.Sends), slices.Clone(n.out.Ups)
	n.out.Reset()
	for _, s := range sends {
		w.send(n, s)
	}
	for _, u := range ups {
		if n.learner != nil && u.Packet.Type == proto.PacketPing && u.Link >= FirstDialled {
			n.learner.Send(u.Packet)
			w.collect(n)
		}
	}
	w.checkEnd(n)
}

func (w *togetherWorld) checkEnd(n *togetherNode) {
	var end End
	switch {
	case n.leader != nil:
		end = n.leader.End()
	case n.learner != nil:
		end = n.learner.End()
	}
	if end.Kind == FailStop {
		w.failf("server %d stops: %s", n.id, end.Why)
	}
	if end.Kind == ToLooking {
		w.leave(n)
	}
}

// leave ends a node's role: its disk finishes, its links end.
func (w *togetherWorld) leave(n *togetherNode) {
	w.cut(func(l *togetherLink) bool { return l.learner == n || l.leader == n && l.l == n.leader }, n)
	for len(n.queue) > 0 {
		w.disk(n)
	}
	if n.learner != nil {
		n.wantSnap = n.learner.NeedSnapshot()
	}
	n.leader, n.learner, n.relay = nil, nil, nil
	n.out.Reset()
}

// cut ends links. Who is told to only hears of it, if it is another than n.
func (w *togetherWorld) cut(which func(*togetherLink) bool, n *togetherNode) {
	var gone []*togetherLink
	w.links = slices.DeleteFunc(w.links, func(l *togetherLink) bool {
		if which(l) {
			gone = append(gone, l)
			return true
		}
		return false
	})
	for _, l := range gone {
		if l.learner != n && l.learner.learner == l.f {
			l.f.LinkDown(w.now, "cut")
			w.collect(l.learner)
		}
		if l.accepted && l.leader != n && l.served() {
			l.tellDown(w.now)
			w.collect(l.leader)
		}
	}
}

// send puts an effect of a node on its link.
func (w *togetherWorld) send(n *togetherNode, s Send) {
	for _, l := range w.links {
		if l.learner == n && FirstDialled+l.id == s.Link && s.Kind == SendPacket {
			l.up = append(l.up, togetherPacket{packet: s.Packet})
			return
		}
		if l.leader != n || l.id != s.Link {
			continue
		}
		switch s.Kind {
		case SendPacket:
			l.down = append(l.down, togetherPacket{packet: s.Packet})
		case SendSnapshot:
			w.counts["SNAP"]++
			copied := togetherState{max(n.state.zxid, s.To), slices.Clone(n.state.entries)}
			l.down = append(l.down, togetherPacket{snapshot: &copied})
			l.streamed(w.now)
		case SendClose:
			w.cut(func(o *togetherLink) bool { return o == l }, nil)
		}
		return
	}
}

// disk does the oldest order of a node and reports it to its role.
func (w *togetherWorld) disk(n *togetherNode) {
	d := n.queue[0]
	n.queue = n.queue[1:]
	switch d.Kind {
	case DiskAppend:
		if !successor(n.last(), d.Entry.Zxid()) {
			w.failf("server %d logs %v after %v", n.id, d.Entry.Zxid(), n.last())
		}
		n.log = append(n.log[:len(n.log):len(n.log)], d.Entry)
		w.stored(n, func(l *Leader) { l.Durable(w.now, n.last()) }, func(f *Learner) { f.Durable(w.now, n.last()) })
	case DiskAcceptedEpoch, DiskCurrentEpoch:
		if d.Kind == DiskAcceptedEpoch {
			n.accepted = d.Epoch
		} else {
			n.current = d.Epoch
		}
		w.stored(n, func(l *Leader) { l.EpochStored(w.now, d.Kind, d.Epoch) },
			func(f *Learner) { f.EpochStored(w.now, d.Kind, d.Epoch) })
	case DiskTruncate:
		w.counts["TRUNC"]++
		ok := w.truncate(n, d)
		w.stored(n, nil, func(f *Learner) { f.Truncated(w.now, ok, "it is not in the log") })
	case DiskInstall:
		n.snap, n.log = n.received[d.Snapshot], nil
		w.checkQuorums()
		w.reload(n)
		w.stored(n, nil, func(f *Learner) { f.Installed(w.now) })
	}
}

func (w *togetherWorld) stored(n *togetherNode, leader func(*Leader), learner func(*Learner)) {
	switch {
	case n.leader != nil && leader != nil:
		leader(n.leader)
	case n.learner != nil && learner != nil:
		learner(n.learner)
	default:
		return
	}
	if ended := n.leader != nil && n.leader.ended() || n.learner != nil && n.learner.End().Kind != Goes; !ended {
		w.collect(n)
	}
}

func (w *togetherWorld) truncate(n *togetherNode, d Disk) bool {
	keep := 0
	for keep < len(n.log) && n.log[keep].Zxid() <= d.Zxid {
		keep++
	}
	if d.Zxid < n.snap.zxid || keep == 0 && d.Zxid != n.snap.zxid || keep > 0 && n.log[keep-1].Zxid() != d.Zxid {
		return false
	}
	// What is cut can be committed a moment ago, by others: the leader did
	// not count this server, and repeats the proposal.
	n.log = n.log[:keep]
	w.checkQuorums()
	if d.Reload {
		w.reload(n)
	}
	return true
}
