package interop

import (
	"fmt"
	"testing"
)

// TestEnsembleObserver has an observer of either kind under a leader of either kind, with clients on it: it follows
// everything, comes back after a time away, survives the loss of the leader, and is no voter.
func TestEnsembleObserver(t *testing.T) {
	eachMix(t, []string{"JJJQ", "QQQJ", "QQQQ"}, func(t *testing.T, mix string) {
		e := startEnsemble(t, mix, ensembleOptions{observers: 1, snapCount: 1000})
		observer := e.members[3]
		expectMode(t, observer, "observer")
		l := startLoad(t, e.addrs(), loadOptions{seed: testSeed(t)})
		l.awaitWrites(t, 200)
		must(t, observer.Kill())
		l.awaitWrites(t, 200)
		must(t, observer.Launch())
		e.awaitAll()
		expectMode(t, observer, "observer")
		leader := e.awaitAll()
		must(t, leader.Kill())
		l.awaitWrites(t, 100)
		must(t, leader.Launch())
		leader = e.awaitAll()
		if n, err := leader.metric("zk_synced_observers"); err != nil || n != 1 {
			t.Errorf("%s counts %d observers, %v", leader.Name(), n, err)
		}
		l.awaitWrites(t, 50)
		e.checkLoad(l, oursAlone(mix))
		e.checkRestart()
		e.checkNoVote(observer)
	})
}

// checkNoVote leaves one voter and the observer, who must not go on.
func (e *ensemble) checkNoVote(observer *ensembleMember) {
	e.t.Helper()
	for _, m := range e.voters()[1:] {
		must(e.t, m.Kill())
	}
	must(e.t, poll(ensembleDeadline, func() error {
		for _, m := range e.awake() {
			if mode, err := m.mode(); err == nil {
				return fmt.Errorf("%s still serves as %s with one of three voters", m.Name(), mode)
			}
		}
		return nil
	}))
	for _, m := range e.voters()[1:] {
		must(e.t, m.Launch())
	}
	e.awaitAll()
	expectMode(e.t, observer, "observer")
}

func expectMode(t *testing.T, m *ensembleMember, want string) {
	t.Helper()
	if mode, err := m.mode(); mode != want {
		t.Errorf("%s has mode %q, not %q (%v)", m.Name(), mode, want, err)
	}
}

// TestEnsembleObserverMaster lets an observer learn from a follower instead of the leader (observerMasterPort).
func TestEnsembleObserverMaster(t *testing.T) {
	eachMix(t, []string{"JJJQ", "QQQJ"}, func(t *testing.T, mix string) {
		e := startEnsemble(t, mix, ensembleOptions{observers: 1, ownHosts: true, extra: map[string]string{
			"observerMasterPort": fmt.Sprint(steadyPort(t))}})
		observer := e.members[3]
		l := startLoad(t, e.addrs(), loadOptions{seed: testSeed(t)})
		l.awaitWrites(t, 200)
		e.expectObserverBehindFollower()
		for _, m := range e.voters() { // each restart of the one it learns from moves the observer to another
			must(t, m.Stop())
			l.awaitWrites(t, 50)
			must(t, m.Launch())
			e.awaitAll()
		}
		expectMode(t, observer, "observer")
		e.expectObserverBehindFollower()
		e.checkLoad(l, oursAlone(mix))
	})
}

func (e *ensemble) expectObserverBehindFollower() {
	e.t.Helper()
	leader := e.awaitAll()
	must(e.t, poll(ensembleDeadline, func() error {
		if n, err := leader.metric("zk_synced_observers"); err != nil || n != 0 {
			return fmt.Errorf("the leader %s has %d observers, %v", leader.Name(), n, err)
		}
		total := int64(0)
		for _, m := range e.voters() {
			if n, err := m.metric("zk_synced_observers"); err == nil {
				total += n
			}
		}
		if total != 1 {
			return fmt.Errorf("all followers together have %d observers", total)
		}
		return nil
	}))
}
