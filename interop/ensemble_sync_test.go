package interop

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// syncMode is how a leader brings a learner to its own history.
type syncMode string

const (
	syncDiff  syncMode = "DIFF"
	syncTrunc syncMode = "TRUNC"
	syncSnap  syncMode = "SNAP"
)

// learnerWords are what a learner logs (Learner.syncWithLeader), leaderWords what a leader does (LearnerHandler), which
// mentions one kind of TRUNC only when it is asked for details.
var (
	learnerWords = map[syncMode]string{
		syncDiff: "Getting a diff from the leader", syncTrunc: "Truncating log to get in sync with the leader",
		syncSnap: "Getting a snapshot from leader",
	}
	leaderWords = map[syncMode]string{syncDiff: "Sending DIFF", syncTrunc: "", syncSnap: "Sending snapshot"}
)

// syncMarks remember where the logs ended before a learner came.
type syncMarks struct {
	learner, leader             *ensembleMember
	learnerOffset, leaderOffset int64
}

func markSync(learner, leader *ensembleMember) syncMarks {
	return syncMarks{learner, leader, learner.logMark(), leader.logMark()}
}

// expect checks in the logs which way was taken. A learner of ours logs it in Java's words.
func (s syncMarks) expect(t *testing.T, allowed ...syncMode) {
	t.Helper()
	learner, leader := s.learner.loggedSince(s.learnerOffset), s.leader.loggedSince(s.leaderOffset)
	var taken []syncMode
	for mode, words := range learnerWords {
		if strings.Contains(learner, words) {
			taken = append(taken, mode)
		}
	}
	if len(taken) != 1 || !slices.Contains(allowed, taken[0]) {
		t.Errorf("%s joined %s by %v, not by %v", s.learner.Name(), s.leader.Name(), taken, allowed)
		return
	}
	words := leaderWords[taken[0]]
	if s.leader.kind == quokkaMake {
		words = fmt.Sprintf("mode=\"%s", taken[0]) // ours says it in the line "Synchronizing with Learner sid"
	}
	if !strings.Contains(leader, words) {
		t.Errorf("%s joined %s by %s, but the leader does not log %q", s.learner.Name(), s.leader.Name(), taken[0], words)
	}
}

// aheadMode is what a learner gets that has transactions which its leader does not know, when there are no newer ones:
// Java cuts them off. Ours sends Java a snapshot, because Java may keep them in a snapshot of its own (ZOOKEEPER-1549).
func aheadMode(leader, learner *ensembleMember) syncMode {
	if leader.kind == quokkaMake && learner.kind == javaMake {
		return syncSnap
	}
	return syncTrunc
}

// divergedModes are the same when the leader has transactions of a later epoch: Java does not cut across epochs.
func divergedModes(leader, learner *ensembleMember) []syncMode {
	if leader.kind == quokkaMake && learner.kind == quokkaMake {
		return []syncMode{syncTrunc, syncSnap}
	}
	return []syncMode{syncSnap}
}

// syncWriter writes nodes with data over one session, many at a time.
type syncWriter struct {
	t    *testing.T
	dir  string
	made int
}

func (w *syncWriter) write(addr string, n int) {
	w.t.Helper()
	c, err := dialRaw(addr, 0, nil, 30_000, 0)
	must(w.t, err)
	defer c.closeSession()
	if w.made == 0 {
		_, err := c.call(opCreate, createBody(w.dir, nil, openACL, 0))
		must(w.t, err)
	}
	const window = 50
	for n > 0 {
		part := min(window, n)
		for range part {
			w.made++
			_, err := c.send(opCreate, createBody(fmt.Sprintf("%s/n%06d", w.dir, w.made), make([]byte, 100), openACL, 0))
			must(w.t, err)
		}
		for range part {
			r, err := c.receive()
			if err != nil || r.err != 0 {
				w.t.Fatalf("writing through %s: err %d, %v", addr, r.err, err)
			}
		}
		n -= part
	}
}

// TestEnsembleSync brings followers and deposed leaders back by DIFF, SNAP and TRUNC, with each kind on both ends.
func TestEnsembleSync(t *testing.T) {
	eachMix(t, []string{"JJQ", "QQJ", "QQQ"}, func(t *testing.T, mix string) {
		// A negative factor keeps leaders from sending old logs instead of snapshots; 500 is what they hold in memory.
		e := startEnsemble(t, mix, ensembleOptions{snapCount: 300, extra: map[string]string{
			"snapshotSizeFactor": "-1", "commitLogCount": "500"}})
		w := &syncWriter{t: t, dir: "/sync"}
		w.write(e.members[2].Addr(), 20)
		e.returnAfter(w, e.members[0], 100, syncDiff)
		e.returnAfter(w, e.members[0], 1200, syncSnap)
		e.returnWiped(w, e.members[0])
		leader := e.awaitAll()
		e.returnAhead(w, leader)
		e.compareTrees()
		e.checkDigests()
		e.stopAll()
		e.checkRestart()
	})
}

// returnAfter stops a follower, writes, and lets it come back.
func (e *ensemble) returnAfter(w *syncWriter, m *ensembleMember, writes int, want syncMode) {
	e.t.Helper()
	must(e.t, m.Stop())
	leader := e.awaitAll()
	w.write(leader.Addr(), writes)
	marks := markSync(m, leader)
	must(e.t, m.Start())
	marks.expect(e.t, want)
	e.compareTrees()
}

// returnWiped lets a follower come back without its data.
func (e *ensemble) returnWiped(w *syncWriter, m *ensembleMember) {
	e.t.Helper()
	must(e.t, m.Kill())
	must(e.t, m.wipe())
	leader := e.awaitAll()
	marks := markSync(m, leader)
	must(e.t, m.Start())
	marks.expect(e.t, syncSnap)
	w.write(m.Addr(), 10)
	e.compareTrees()
}

// returnAhead gives a leader transactions that nobody else gets, and lets it come back when others have gone on
// without them: its followers are stopped while it writes, it is killed, the others go on, and it returns. The
// followers must not read in between what waits in their sockets, so they are killed where they stand.
func (e *ensemble) returnAhead(w *syncWriter, old *ensembleMember) {
	e.t.Helper()
	rest := e.others(old)
	for _, m := range rest {
		m.freeze()
	}
	writeInVain(e.t, old)
	must(e.t, old.Kill())
	for _, m := range rest {
		must(e.t, m.Kill())
	}
	for _, m := range rest {
		must(e.t, m.Launch())
	}
	leader := e.awaitAll()
	marks := markSync(old, leader)
	must(e.t, old.Start())
	marks.expect(e.t, aheadMode(leader, old))
	w.write(old.Addr(), 10)
	for path := range e.compareTrees() {
		if strings.HasPrefix(path, "/vain") {
			e.t.Errorf("%s came back, which no quorum ever had", path)
		}
	}
}

// writeInVain asks a leader without followers for a session, which is never answered but gets into its log.
func writeInVain(t *testing.T, leader *ensembleMember) {
	t.Helper()
	before, err := readTxns(leader.DataDir())
	must(t, err)
	c, err := dialRaw(leader.Addr(), 0, nil, 30_000, 0)
	if err == nil {
		t.Fatalf("session %#x was opened without a quorum", c.session)
	}
	must(t, poll(ensembleDeadline, func() error {
		after, err := readTxns(leader.DataDir())
		if err == nil && len(after) <= len(before) {
			err = errors.New("nothing is logged")
		}
		return err
	}))
}

// TestEnsembleVainWrites is the same with writes of a session that was open before, while the ensemble keeps its
// other servers running: they go on from SIGSTOP with a new leader.
func TestEnsembleVainWrites(t *testing.T) {
	eachMix(t, []string{"JJQ", "QQJ", "QQQ"}, func(t *testing.T, mix string) {
		e := startEnsemble(t, mix, ensembleOptions{proxied: true})
		w := &syncWriter{t: t, dir: "/sync"}
		w.write(e.members[2].Addr(), 20)
		old := e.awaitAll()
		c, err := dialRaw(old.Addr(), 0, nil, 30_000, 0)
		must(t, err)
		defer c.Close()
		e.net.isolate(old.id)
		for i := range 10 {
			_, err := c.send(opCreate, createBody(fmt.Sprintf("/vain%d", i), nil, openACL, 0))
			must(t, err)
		}
		must(t, poll(ensembleDeadline, func() error { return hasTxn(old, opCreate, "/vain9") }))
		must(t, old.Kill())
		e.net.drop(old.id)
		e.net.heal()
		leader := e.awaitAll()
		w.write(leader.Addr(), 10)
		marks := markSync(old, leader)
		must(t, old.Start())
		marks.expect(t, divergedModes(leader, old)...)
		for path := range e.compareTrees() {
			if strings.HasPrefix(path, "/vain") {
				t.Errorf("%s came back, which no quorum ever had", path)
			}
		}
		e.checkDigests()
		e.stopAll()
		e.checkRestart()
	})
}

// hasTxn looks for a transaction in the log of a running server.
func hasTxn(m *ensembleMember, op int32, path string) error {
	list, err := readTxns(m.DataDir())
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(list, func(x txn) bool { return x.op == op && (&unpacker{b: x.body}).str() == path }) {
		return fmt.Errorf("%s has not logged %q", m.Name(), path)
	}
	return nil
}
