package elect

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"quokka/internal/core/quorum"
	"quokka/internal/proto"
)

// world is an ensemble of elections over a network that delays, loses and
// reorders (each link keeps its order), with just enough of Zab to lead and
// follow: who is elected must find a quorum of followers that have no more
// than itself, gets a new epoch, and commits what a quorum has.
type world struct {
	t     *testing.T
	rng   *rand.Rand
	now   int64
	rule  quorum.Config
	nodes []*node // by id, ascending

	links map[[2]proto.ServerID]*link
	loss  int   // of 100 notifications
	delay int64 // at most

	committed proto.Zxid
	leaders   map[proto.Epoch]proto.ServerID
	cast      map[proto.ServerID]map[Vote]bool // votes that servers ever held
}

type link struct {
	cut   bool
	queue []parcel
}

type parcel struct {
	at int64
	n  proto.Notification
}

type node struct {
	id       proto.ServerID
	members  quorum.Membership
	e        *Election
	up       bool
	zxid     proto.Zxid // of the log, which contains all that the leaders before had
	current  proto.Epoch
	accepted proto.Epoch
	lost     bool // the database; zxid -1 until synchronised

	lookAt     int64 // draining until then; 0 is not
	since      int64 // of the role
	synced     bool
	alone      int64 // since when a leader has no quorum, or a learner no leader; 0 is not
	round      int64
	proposal   Vote
	proposalAt int64
}

const step = 10 // ms

func newWorld(t *testing.T, seed uint64, lines ...string) *world {
	m := makeMembers(t, lines...)
	rule, err := m.Rule()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, rng: rand.New(rand.NewPCG(seed, 5)), rule: rule, delay: 20, links: map[[2]proto.ServerID]*link{},
		leaders: map[proto.Epoch]proto.ServerID{}, cast: map[proto.ServerID]map[Vote]bool{},
	}
	for _, s := range m.Servers {
		w.nodes = append(w.nodes, &node{id: s.ID, members: m})
		w.cast[s.ID] = map[Vote]bool{}
		for _, o := range m.Servers {
			w.links[[2]proto.ServerID{s.ID, o.ID}] = &link{}
		}
	}
	return w
}

func (w *world) node(id proto.ServerID) *node {
	for _, n := range w.nodes {
		if n.id == id {
			return n
		}
	}
	return nil
}

func (w *world) connected(a, b proto.ServerID) bool {
	return !w.links[[2]proto.ServerID{a, b}].cut && !w.links[[2]proto.ServerID{b, a}].cut
}

// start starts a server and lets it look after a while.
func (w *world) start(n *node, after int64) {
	n.e = New(Config{Me: n.id, Seed: w.rng.Uint64(), ObserverDelayMS: 200})
	n.e.SetMembers(n.members, n.members)
	n.up, n.round = true, 0
	w.giveUp(n, after)
}

func (w *world) crash(n *node) {
	n.up, n.synced = false, false
	for _, o := range w.nodes {
		w.links[[2]proto.ServerID{o.id, n.id}].queue = nil
	}
}

// giveUp ends a role; the disk takes a while until the server may look.
func (w *world) giveUp(n *node, drain int64) {
	n.e.Leave()
	n.lookAt = w.now + step + drain
	n.synced, n.alone = false, 0
}

// run lets ms pass.
func (w *world) run(ms int64, each func()) {
	for end := w.now + ms; w.now < end && !w.t.Failed(); {
		w.now += step
		w.deliver()
		for _, n := range w.nodes {
			if n.up {
				w.turn(n)
			}
		}
		if each != nil {
			each()
		}
	}
}

func (w *world) deliver() {
	for _, to := range w.nodes {
		for _, from := range w.nodes {
			l := w.links[[2]proto.ServerID{from.id, to.id}]
			for len(l.queue) > 0 && l.queue[0].at <= w.now {
				p := l.queue[0]
				l.queue = l.queue[1:]
				if to.up && !l.cut {
					w.input(to, func() { to.e.Vote(w.now, from.id, p.n) })
				}
			}
		}
	}
}

func (w *world) turn(n *node) {
	if n.lookAt != 0 {
		if w.now >= n.lookAt {
			n.lookAt = 0
			w.input(n, func() { n.e.Look(w.now, n.shown(), n.current) })
		}
		return
	}
	waiting, before := n.e.finalizing, n.e.vote
	w.input(n, func() { n.e.Tick(w.now) })
	switch state, v, ok := n.e.Result(); {
	case ok && waiting && n.since == w.now:
		w.checkElected(n, before, v)
	case !ok:
	case state == proto.Leading:
		w.lead(n)
	default:
		w.follow(n, v.Leader)
	}
}

// shown is the zxid that a server votes with.
func (n *node) shown() proto.Zxid {
	if n.lost {
		return untrusted
	}
	return n.zxid
}

// input gives something to the election of a server and checks what comes
// out.
func (w *world) input(n *node, f func()) {
	_, _, was := n.e.Result()
	f()
	if n.e.Round() < n.round {
		w.t.Errorf("F2: the round of %d goes back from %d to %d", n.id, n.round, n.e.Round())
	}
	n.round = n.e.Round()
	if v := n.e.Current(); v != n.proposal {
		n.proposal, n.proposalAt = v, w.now
		w.cast[n.id][v] = true
	}
	if _, v, is := n.e.Result(); is && !was {
		n.since = w.now
		w.checkVerdict(n, v)
	}
	for _, s := range n.e.TakeSends() {
		w.post(n, s)
	}
}

func (w *world) post(n *node, s Send) {
	v := Vote{s.N.Leader, s.N.Zxid, s.N.ElectionEpoch, s.N.PeerEpoch}
	w.cast[n.id][v] = true
	if s.N.State == proto.Looking && w.rule.Weight(n.id) > 0 {
		if own := (Vote{n.id, n.shown(), 0, n.current}); compareVotes(v, own) < 0 {
			w.t.Errorf("F1: %d votes for %s, which is less than its own %s", n.id, v.text(), own.text())
		}
	}
	if l := w.links[[2]proto.ServerID{n.id, s.To}]; l != nil && !l.cut && w.rng.IntN(100) >= w.loss {
		at := w.now + 1 + w.rng.Int64N(w.delay)
		if len(l.queue) > 0 {
			at = max(at, l.queue[len(l.queue)-1].at)
		}
		l.queue = append(l.queue, parcel{at, s.N})
	}
}

// checkVerdict checks what holds for every verdict.
func (w *world) checkVerdict(n *node, v Vote) {
	var acks quorum.Acks
	for _, id := range n.e.Electors() {
		if !w.rule.IsVoter(id) {
			w.t.Errorf("F7: %d counted %d, which does not vote", n.id, id)
		}
		acks.Add(id)
	}
	if !w.rule.HasQuorum(acks) {
		w.t.Errorf("%d found a leader with %v, which is no quorum", n.id, acks.IDs())
	}
	if v.Zxid == untrusted || w.rule.Weight(v.Leader) == 0 {
		w.t.Errorf("F5: %d found the leader %s", n.id, v.text())
	}
	if v.Leader == n.id && n.lost {
		w.t.Errorf("F5: %d leads without its data", n.id)
	}
}

// checkElected checks a verdict by votes of servers that are LOOKING.
func (w *world) checkElected(n *node, proposal, v Vote) {
	if v != proposal || v.ElectionEpoch != n.e.Round() {
		w.t.Errorf("F3: %d proposes %s in round %d and elects %s", n.id, proposal.text(), n.e.Round(), v.text())
	}
	if w.now-n.proposalAt < 200 {
		w.t.Errorf("F4: %d changed its proposal at %d and decides at %d", n.id, n.proposalAt, w.now)
	}
	for _, id := range n.e.Electors() {
		if !w.cast[id][v] {
			w.t.Errorf("F1: %d counts %d for %s, which never voted so", n.id, id, v.text())
		}
	}
}

// supporters are a leader and those who follow it.
func (w *world) supporters(n *node, synced bool) []*node {
	var found []*node
	for _, f := range w.nodes {
		if !f.up || f.lookAt != 0 || !w.rule.IsVoter(f.id) || !w.connected(n.id, f.id) {
			continue
		}
		if _, v, ok := f.e.Result(); f == n || ok && v.Leader == n.id && (f.synced || !synced) {
			found = append(found, f)
		}
	}
	return found
}

func (w *world) isQuorum(nodes []*node) bool {
	var acks quorum.Acks
	for _, n := range nodes {
		acks.Add(n.id)
	}
	return w.rule.HasQuorum(acks)
}

func (w *world) lead(n *node) {
	if !n.synced {
		w.establish(n)
		return
	}
	synced := w.supporters(n, true)
	if !w.isQuorum(synced) {
		w.lonely(n)
		return
	}
	n.alone = 0
	if w.rng.IntN(3) > 0 {
		return
	}
	n.zxid = max(n.zxid+1, proto.MakeZxid(n.current, 1))
	have := []*node{n}
	for _, f := range synced {
		if f != n && w.rng.IntN(3) > 0 {
			f.zxid = n.zxid
			have = append(have, f)
		}
	}
	if w.isQuorum(have) {
		w.committed = n.zxid
	}
}

// establish makes a new epoch if a quorum follows.
func (w *world) establish(n *node) {
	followers := w.supporters(n, false)
	followers = slices.DeleteFunc(followers, func(f *node) bool { return f.lost })
	if !w.isQuorum(followers) {
		if w.now-n.since > 1500 {
			w.giveUp(n, w.rng.Int64N(60))
		}
		return
	}
	epoch := proto.Epoch(0)
	for _, f := range followers {
		epoch = max(epoch, f.accepted+1)
		if compareVotes(Vote{0, f.zxid, 0, f.current}, Vote{0, n.zxid, 0, n.current}) > 0 {
			w.giveUp(n, w.rng.Int64N(60)) // a learner is ahead
			return
		}
	}
	if other, ok := w.leaders[epoch]; ok {
		w.t.Errorf("both %d and %d lead epoch %d", other, n.id, epoch)
	}
	if n.zxid < w.committed {
		w.t.Errorf("%d leads with %s, but %s is committed", n.id, n.zxid, w.committed)
	}
	w.leaders[epoch] = n.id
	n.current = epoch
	for _, f := range followers {
		f.accepted = epoch
		w.synchronise(f, n)
	}
	w.committed = n.zxid
}

func (w *world) synchronise(f, leader *node) {
	f.zxid, f.current, f.accepted = leader.zxid, leader.current, max(f.accepted, leader.current)
	f.lost, f.synced, f.alone = false, true, 0
	f.e.SetPeerEpoch(leader.current)
}

func (w *world) follow(n *node, leader proto.ServerID) {
	l := w.node(leader)
	state, leads := proto.Looking, false
	if l != nil && l.up && l.lookAt == 0 {
		state, _, leads = l.e.Result()
	}
	leads = leads && state == proto.Leading && w.connected(n.id, leader)
	switch {
	case !leads, n.synced && l.current != n.current:
		w.lonely(n)
	case n.synced:
		n.alone = 0
	case l.synced && w.rng.IntN(10) == 0 && l.current >= n.accepted:
		w.synchronise(n, l)
	case w.now-n.since > 2000:
		w.giveUp(n, w.rng.Int64N(60))
	}
}

// lonely gives up after half a second.
func (w *world) lonely(n *node) {
	if n.alone == 0 {
		n.alone = w.now
	} else if w.now-n.alone > 500 {
		w.giveUp(n, w.rng.Int64N(60))
	}
}

// agreed tells whether all servers that are up have one leader, which leads,
// and show the same epoch (F6).
func (w *world) agreed() bool {
	var leader *node
	for _, n := range w.nodes {
		if state, _, ok := n.e.Result(); n.up && ok && state == proto.Leading {
			if leader != nil {
				return false
			}
			leader = n
		}
	}
	for _, n := range w.nodes {
		_, v, ok := n.e.Result()
		if n.up && (leader == nil || !ok || !n.synced || v.Leader != leader.id || v.PeerEpoch != leader.current) {
			return false
		}
	}
	return true
}

func (w *world) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "at %d, committed %s:", w.now, w.committed)
	for _, n := range w.nodes {
		fmt.Fprintf(&text, "\n  %d up=%v lost=%v log=%s epoch=%d synced=%v: %s %s", n.id, n.up, n.lost, n.zxid, n.current, n.synced,
			n.e.State(), n.e.Current().text())
	}
	return text.String()
}
