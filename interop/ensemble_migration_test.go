package interop

import "testing"

// TestEnsembleMigration turns three Java servers into three of ours, one by one on the same data directories and under
// load, and back again. Sessions, ephemerals and everything acknowledged must survive every step.
func TestEnsembleMigration(t *testing.T) {
	t.Parallel()
	needMix(t, "JQ")
	e := startEnsemble(t, "JJJ", ensembleOptions{snapCount: 500})
	keeper := keepSession(t, e.addrs())
	l := startLoad(t, e.addrs(), loadOptions{seed: testSeed(t)})
	for i, to := range []implementation{underTest(), javaMake} {
		for range e.members {
			e.replaceOne(l, to, i)
			keeper.check(t)
		}
		t.Logf("all servers are of the make %s; %d writes so far", to, l.acked.Load())
	}
	e.checkLoad(l, false)
	e.checkRestart()
}

// replaceOne swaps a server that was swapped only so often, a follower while there is one: the leader goes last, as an
// operator would do it.
func (e *ensemble) replaceOne(l *load, to implementation, swaps int) {
	e.t.Helper()
	leader := e.awaitAll()
	next := leader
	for _, m := range e.others(leader) {
		if m.swaps == swaps {
			next = m
		}
	}
	l.awaitWrites(e.t, 100)
	must(e.t, next.Stop())
	next.swap(to)
	l.awaitWrites(e.t, 100)
	must(e.t, next.Launch())
	e.awaitAll()
	l.awaitWrites(e.t, 100)
	e.checkDigests()
}

// TestEnsembleMigrationKilled is the same for servers that died, with the directories as kill -9 leaves them: each is
// followed by one of the other make, the leader first.
func TestEnsembleMigrationKilled(t *testing.T) {
	t.Parallel()
	needMix(t, "JQ")
	e := startEnsemble(t, "JQJ", ensembleOptions{snapCount: 500})
	l := startLoad(t, e.addrs(), loadOptions{seed: testSeed(t) + 1})
	for range 4 {
		l.awaitWrites(t, 100)
		leader := e.awaitAll()
		must(t, leader.Kill())
		if leader.kind == javaMake {
			leader.swap(underTest())
		} else {
			leader.swap(javaMake)
		}
		l.awaitWrites(t, 100)
		must(t, leader.Launch())
		e.awaitAll()
	}
	e.checkLoad(l, false)
	e.checkRestart()
}
