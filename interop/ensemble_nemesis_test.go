package interop

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// nemesis does harm to an ensemble under load: it cuts links in one or both directions, isolates servers, breaks
// connections, kills, stops and continues processes. What it does is drawn from a seed; when it happens depends on the
// servers.
type nemesis struct {
	e *ensemble
	r *rand.Rand
}

// harm is one thing that a nemesis can do. It returns what it has done.
type harm func(n *nemesis) string

var harms = []harm{
	(*nemesis).cutOneWay, (*nemesis).cutPair, (*nemesis).isolateLeader, (*nemesis).isolateAny, (*nemesis).cutRing,
	(*nemesis).breakConnections, (*nemesis).killLeader, (*nemesis).killAny, (*nemesis).killAll, (*nemesis).freezeLeader, (*nemesis).freezeAny,
	(*nemesis).killBehindCut,
}

func (n *nemesis) any() *ensembleMember { return n.e.members[n.r.IntN(len(n.e.members))] }

// leader is who says that it leads, or any server when none does.
func (n *nemesis) leader() *ensembleMember {
	for _, m := range n.e.awake() {
		if mode, _ := m.mode(); mode == "leader" {
			return m
		}
	}
	return n.any()
}

func (n *nemesis) cutOneWay() string {
	a, b := n.any(), n.any()
	if a == b {
		b = n.e.others(a)[0]
	}
	n.e.net.cut(a.id, b.id)
	return fmt.Sprintf("cut %d to %d", a.id, b.id)
}

func (n *nemesis) cutPair() string {
	a := n.any()
	b := n.e.others(a)[0]
	n.e.net.cutBoth(a.id, b.id)
	return fmt.Sprintf("cut %d and %d", a.id, b.id)
}

func (n *nemesis) isolateLeader() string {
	m := n.leader()
	n.e.net.isolate(m.id)
	return fmt.Sprintf("isolated the leader %d", m.id)
}

func (n *nemesis) isolateAny() string {
	m := n.any()
	n.e.net.isolate(m.id)
	return fmt.Sprintf("isolated %d", m.id)
}

// cutRing lets every server hear only one other.
func (n *nemesis) cutRing() string {
	for i, m := range n.e.members {
		n.e.net.cut(m.id, n.e.members[(i+1)%len(n.e.members)].id)
	}
	return "cut a ring"
}

func (n *nemesis) breakConnections() string {
	m := n.any()
	n.e.net.drop(m.id)
	return fmt.Sprintf("broke the connections of %d", m.id)
}

func (n *nemesis) kill(m *ensembleMember) string {
	if err := m.Kill(); err != nil {
		n.e.t.Error(err)
	}
	return fmt.Sprintf("killed %d", m.id)
}

func (n *nemesis) killLeader() string { return n.kill(n.leader()) + ", the leader" }
func (n *nemesis) killAny() string    { return n.kill(n.any()) }

func (n *nemesis) killAll() string {
	for _, m := range n.e.members {
		n.kill(m)
	}
	return "killed all"
}

func (n *nemesis) freezeLeader() string {
	m := n.leader()
	m.freeze()
	return fmt.Sprintf("stopped the leader %d", m.id)
}

func (n *nemesis) freezeAny() string {
	m := n.any()
	m.freeze()
	return fmt.Sprintf("stopped %d", m.id)
}

// killBehindCut isolates the leader, gives it time to write in vain, and kills it with what it could not send.
func (n *nemesis) killBehindCut() string {
	m := n.leader()
	n.e.net.isolate(m.id)
	rest(time.Duration(n.r.IntN(800)) * time.Millisecond)
	n.kill(m)
	n.e.net.drop(m.id)
	return fmt.Sprintf("killed %d while isolated", m.id)
}

// repair undoes everything.
func (n *nemesis) repair() {
	n.e.net.heal()
	for _, m := range n.e.members {
		switch {
		case !m.running():
			must(n.e.t, m.Launch())
		case m.frozen:
			m.thaw()
		}
	}
}

// work does harm for so long. Between two repairs there are one to three harms.
func (n *nemesis) work(l *load, length time.Duration) {
	end := time.Now().Add(length)
	for time.Now().Before(end) {
		var done []string
		for range 1 + n.r.IntN(3) {
			if len(n.e.awake()) == 0 {
				break
			}
			done = append(done, harms[n.r.IntN(len(harms))](n))
			rest(time.Duration(100+n.r.IntN(2500)) * time.Millisecond)
		}
		n.repair()
		began := time.Now()
		n.e.awaitAll()
		healthy := time.Since(began)
		l.awaitWrites(n.e.t, 30)
		n.e.t.Logf("at %v: %v; healthy again after %v, %d writes so far", l.h.now().Round(time.Millisecond), done,
			healthy.Round(time.Millisecond), l.acked.Load())
	}
}

// TestEnsembleNemesis checks every promise on a history that was made under partitions, kills and stops.
func TestEnsembleNemesis(t *testing.T) {
	seconds := environmentInt(t, "QUOKKA_INTEROP_NEMESIS", 40)
	for round := range environmentInt(t, "QUOKKA_INTEROP_NEMESIS_ROUNDS", 1) {
		seed := testSeed(t) + uint64(round)
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			eachMix(t, []string{"QQQ", "JQQ"}, func(t *testing.T, mix string) {
				e := startEnsemble(t, mix, ensembleOptions{proxied: true, snapCount: 1000})
				l := startLoad(t, e.addrs(), loadOptions{seed: seed, clients: 6, timeout: 2 * ensembleDeadline / 3})
				n := &nemesis{e: e, r: rand.New(rand.NewPCG(seed, 4711))}
				n.work(l, time.Duration(seconds)*time.Second)
				e.checkLoad(l, oursAlone(mix))
				e.checkRestart()
			})
		})
	}
}
