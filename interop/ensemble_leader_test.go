package interop

import (
	"strings"
	"testing"
	"time"
)

// allMixes are one and two of ours among three, with either kind leading first, and ours alone.
var allMixes = []string{"QJJ", "JJQ", "JQQ", "QQJ", "QQQ"}

// oursAlone tells mixes in which a sync is exact whoever leads.
func oursAlone(mix string) bool { return !strings.Contains(mix, "J") && underTest() == quokkaMake }

func testSeed(t *testing.T) uint64 { return uint64(environmentInt(t, "QUOKKA_INTEROP_SEED", 1)) }

// TestEnsembleLeaderKilled kills the leader with SIGKILL under load, twice, so that leaders of both kinds fall, then
// stops one with SIGSTOP until the others have a new one and lets it go on, and at last restarts all servers one by one.
func TestEnsembleLeaderKilled(t *testing.T) {
	eachMix(t, allMixes, func(t *testing.T, mix string) {
		e := startEnsemble(t, mix, ensembleOptions{snapCount: 1000})
		keeper := keepSession(t, e.addrs())
		l := startLoad(t, e.addrs(), loadOptions{seed: testSeed(t)})
		for range 2 {
			l.awaitWrites(t, 150)
			old := e.awaitAll()
			must(t, old.Kill())
			began := time.Now()
			e.awaitLeader()
			l.awaitWrites(t, 50)
			t.Logf("%s was killed; %v until there were new writes", old.Name(), time.Since(began).Round(time.Millisecond))
			must(t, old.Launch())
			e.awaitAll()
		}
		e.freezeLeader(l)
		for _, m := range e.members {
			l.awaitWrites(t, 50)
			must(t, m.Stop())
			l.awaitWrites(t, 50)
			must(t, m.Launch())
			e.awaitAll()
		}
		keeper.check(t)
		e.checkLoad(l, oursAlone(mix))
		e.checkRestart()
	})
}

// freezeLeader stops the leader's process until another leads and writes go on, and lets it find out.
func (e *ensemble) freezeLeader(l *load) {
	e.t.Helper()
	old := e.awaitAll()
	old.freeze()
	e.awaitLeader()
	l.awaitWrites(e.t, 50)
	old.thaw()
	l.awaitWrites(e.t, 50)
	e.awaitAll()
}

// checkRestart starts all servers of an ensemble that is down, and expects the same tree on each as before the last
// stop of each.
func (e *ensemble) checkRestart() {
	e.t.Helper()
	e.startAll()
	first := e.compareTrees()
	e.checkDigests()
	e.stopAll()
	e.startAll()
	second := e.compareTrees()
	e.reportDifferences("the ensemble", "the ensemble after another restart", withoutEphemerals(first), withoutEphemerals(second))
}

// withoutEphemerals leaves out what sessions that nobody holds any more may lose at any time, and what that changes.
func withoutEphemerals(tree ensembleTree) ensembleTree {
	left := ensembleTree{}
	for path, n := range tree {
		if n.stat.owner == 0 && path != loadRoot+"/ephemeral" {
			left[path] = n
		}
	}
	return left
}
