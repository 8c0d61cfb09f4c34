package elect

import (
	"math/rand/v2"
	"slices"
	"testing"

	"quokka/internal/proto"
)

var (
	three     = []string{"1", "2", "3"}
	five      = []string{"1", "2", "3", "4", "5"}
	observed  = []string{"1", "2", "3", "4:observer", "5:observer"}
	grouped   = []string{"1", "2", "3", "4", "5", "6", "group.1=1:2", "group.2=3:4", "group.3=5:6", "weight.6=0"}
	ensembles = [][]string{three, five, observed, grouped}
)

// TestUndisturbed checks that servers which start about the same time agree
// within two seconds, whatever they have.
func TestUndisturbed(t *testing.T) {
	var slowest int64
	for seed := range uint64(400) {
		w := newWorld(t, seed, ensembles[seed%4]...)
		for _, n := range w.nodes {
			if w.rule.IsVoter(n.id) { // what an observer has is committed: voters have it, too
				n.current = proto.Epoch(w.rng.IntN(3))
				n.accepted = n.current
				n.zxid = proto.MakeZxid(n.current, uint32(w.rng.IntN(3)))
			}
			w.start(n, w.rng.Int64N(300))
		}
		w.run(2000, nil)
		if !w.agreed() || t.Failed() {
			t.Fatalf("seed %d: no agreement: %v", seed, w)
		}
		for _, n := range w.nodes {
			slowest = max(slowest, n.since)
		}
	}
	t.Logf("the slowest verdict came after %d ms", slowest)
}

// TestBestWins checks that when all start at once the leader is the one with
// the best vote of those that may lead.
func TestBestWins(t *testing.T) {
	for seed := range uint64(200) {
		w := newWorld(t, seed, ensembles[seed%4]...)
		var best Vote
		for _, n := range w.nodes {
			if w.rule.Weight(n.id) > 0 {
				n.current = proto.Epoch(w.rng.IntN(2))
				n.accepted = n.current
				n.zxid = proto.MakeZxid(n.current, uint32(w.rng.IntN(2)))
				if v := (Vote{n.id, n.zxid, 0, n.current}); compareVotes(v, best) > 0 {
					best = v
				}
			}
			w.start(n, 0)
		}
		for w.now < 2000 && !w.agreed() && !t.Failed() {
			w.run(step, nil)
		}
		if _, v, ok := w.nodes[0].e.Result(); !ok || v.Leader != best.Leader {
			t.Fatalf("seed %d: want the leader %s: %v", seed, best.text(), w)
		}
	}
}

// TestRandomSchedules checks F1 to F7, and that no leader is established
// without what was committed, while servers crash, lose their databases and
// links are cut and lossy; and that all agree in bounded time afterwards. A
// server that was alone for long repeats itself once a minute, thus the
// bound.
func TestRandomSchedules(t *testing.T) {
	var slowest int64
	epochs := 0
	for seed := range uint64(160) {
		w := newWorld(t, seed, ensembles[seed%4]...)
		for _, n := range w.nodes {
			w.start(n, w.rng.Int64N(2000))
		}
		w.loss, w.delay = w.rng.IntN(40), 1+w.rng.Int64N(300)
		w.run(40000, w.fault)
		w.heal()
		healed := w.now
		for w.now < healed+65000 && !w.agreed() && !t.Failed() {
			w.run(step, nil)
		}
		if t.Failed() || !w.agreed() {
			t.Fatalf("seed %d: %v", seed, w)
		}
		slowest = max(slowest, w.now-healed)
		epochs += len(w.leaders)
	}
	t.Logf("%d leaders; the slowest agreement took %d ms", epochs, slowest)
}

// fault does something bad now and then.
func (w *world) fault() {
	n := w.nodes[w.rng.IntN(len(w.nodes))]
	a := w.nodes[w.rng.IntN(len(w.nodes))].id
	switch w.rng.IntN(600) {
	case 0, 1:
		if n.up {
			w.crash(n)
		}
	case 2, 3, 4, 5, 6, 7:
		if !n.up {
			w.restart(n)
		}
	case 8, 9:
		w.links[[2]proto.ServerID{n.id, a}].cut = n.id != a
	case 10, 11, 12, 13, 14:
		w.links[[2]proto.ServerID{n.id, a}].cut = false
	case 15:
		if n.up && n.lookAt == 0 {
			w.giveUp(n, w.rng.Int64N(1000))
		}
	case 16, 17:
		if n.up {
			w.input(n, func() { n.e.Vote(w.now, 99, wild(w.rng)) })
		}
	}
}

// restart sometimes comes without the data, but for one server at a time
// only.
func (w *world) restart(n *node) {
	if w.rng.IntN(4) == 0 && !slices.ContainsFunc(w.nodes, func(o *node) bool { return o.lost }) {
		n.lost, n.zxid, n.current, n.accepted = true, 0, 0, 0
	}
	w.start(n, w.rng.Int64N(500))
}

func (w *world) heal() {
	w.loss, w.delay = 0, 20
	for _, l := range w.links {
		l.cut = false
	}
	for _, n := range w.nodes {
		if !n.up {
			w.start(n, 0)
		}
	}
}

// wild is a notification of any content.
func wild(rng *rand.Rand) proto.Notification {
	number := func() int64 {
		return []int64{none, -1, 0, 1, 2, 3, 99, rng.Int64(), -rng.Int64()}[rng.IntN(9)]
	}
	return proto.Notification{
		State: proto.PeerState(rng.IntN(6) - 1), Leader: proto.ServerID(number()), Zxid: proto.Zxid(number()),
		ElectionEpoch: number(), PeerEpoch: proto.Epoch(number()), Version: int32(rng.IntN(4)),
		Config: []string{"", "version=", "version=7", "x\nversion=ffffffffffffffff"}[rng.IntN(4)],
	}
}

// TestAnyNotification gives notifications of any content from anybody: no
// panic, the round does not go back, and the server still finds its peers.
func TestAnyNotification(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 6))
		e := New(Config{Me: 1, ReconfigEnabled: seed%2 == 0})
		m := makeMembers(t, ensembles[seed%4]...)
		e.SetMembers(m, m)
		var now, round int64
		for range 300 {
			now += rng.Int64N(300)
			switch rng.IntN(12) {
			case 0:
				e.Look(now, proto.Zxid(rng.Int64N(9)-1), proto.Epoch(rng.Int64N(3)))
			case 1:
				e.Leave()
			case 2:
				e.RefuseConfig()
			case 3:
				e.Tick(now)
			default:
				e.Vote(now, proto.ServerID(rng.Int64N(9)), wild(rng))
			}
			if e.Round() < round {
				t.Fatalf("seed %d: the round goes back from %d to %d", seed, round, e.Round())
			}
			round = e.Round()
			if _, v, ok := e.Result(); ok && !e.members.votes(v.Leader) {
				t.Fatalf("seed %d: %s was found", seed, v.text())
			}
		}
	}
}
