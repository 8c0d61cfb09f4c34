package zab

import (
	"testing"

	"quokka/internal/proto"
)

// TestSyncDecision is the table of what a leader sends to whom, beside
// LearnerHandlerTest. The leader's log has 1.1-1.9 and 3.1-3.9, memory
// begins after base, everything up to applied is committed.
func TestSyncDecision(t *testing.T) {
	type leader struct {
		base, floor, applied string
		established          bool
		disk                 string // the log from here on is small enough; "" is no use of it
		log                  string
	}
	all := leader{base: "0", floor: "0", applied: "3.9", established: true, log: "1.1-1.9,3.1-3.9"}
	short := leader{base: "3.4", floor: "1.4", applied: "3.9", established: true, disk: "1.4", log: "3.5-3.9"}
	empty := leader{base: "1.9", floor: "1.9", applied: "1.9", established: true}
	pending := leader{base: "0", floor: "0", applied: "3.6", established: true, log: "1.1-1.9,3.1-3.9"}
	fresh := leader{base: "0", floor: "0", applied: "3.6", log: "1.1-1.9,3.1-3.9"}
	with := func(l leader, change func(*leader)) leader {
		change(&l)
		return l
	}
	for _, c := range []struct {
		name   string
		leader leader
		peer   string
		quokka string // kind, zxid of the packet, where memory begins
		java   string
	}{
		{"the same", all, "3.9", "DIFF 3.9 after 3.9", "DIFF 3.9 after 3.9"},
		{"in range", all, "3.2", "DIFF 3.9 after 3.2", "DIFF 3.9 after 3.2"},
		{"in an older epoch", all, "1.9", "DIFF 3.9 after 1.9", "DIFF 3.9 after 1.9"},
		{"at the base", all, "0", "DIFF 3.9 after 0.0", "DIFF 3.9 after 0.0"},
		{"end of an epoch diverged", all, "1.11", "TRUNC 1.9 after 1.9", "SNAP 4.0 after 3.9"},
		{"unknown epoch", all, "2.3", "SNAP 0.0 after 3.9", "SNAP 4.0 after 3.9"},
		{"begins an epoch between", all, "2.0", "DIFF 3.9 after 2.0", "DIFF 3.9 after 2.0"},
		{"begins an epoch that is known", all, "3.0", "DIFF 3.9 after 3.0", "DIFF 3.9 after 3.0"},
		{"ahead", all, "3.11", "TRUNC 3.9 after 3.9", "SNAP 4.0 after 3.9"},
		{"begins this epoch", all, "4.0", "DIFF 4.0 after 3.9", "DIFF 4.0 after 3.9"},
		{"of this epoch, unknown", all, "4.1", "REFUSE", "REFUSE"},
		{"of a later epoch", all, "5.0", "REFUSE", "REFUSE"},
		{"wants a snapshot", all, "-1", "SNAP 0.0 after 3.9", "SNAP 4.0 after 3.9"},

		{"older than memory, no disk", with(short, func(l *leader) { l.disk = "" }), "3.3", "SNAP 0.0 after 3.9", "SNAP 4.0 after 3.9"},
		{"older than memory, in the log", short, "3.3", "DIFF 3.9 disk 3.3 after 3.4", "DIFF 3.9 disk 3.3 after 3.4"},
		{"older than memory, log too large", with(short, func(l *leader) { l.disk = "3.4" }), "3.3", "SNAP 0.0 after 3.9", "SNAP 4.0 after 3.9"},
		{"older than the floor", short, "1.3", "SNAP 0.0 after 3.9", "SNAP 4.0 after 3.9"},
		{"in the log, the log says", short, "1.4", "DIFF 3.9 disk 1.4 after 3.4", "DIFF 3.9 disk 1.4 after 3.4"},
		{"perhaps not in the log", short, "1.8", "SNAP 0.0 after 3.9", "SNAP 4.0 after 3.9"},
		{"begins an epoch on disk", short, "3.0", "DIFF 3.9 disk 3.0 after 3.4", "DIFF 3.9 disk 3.0 after 3.4"},

		{"empty memory, the same", empty, "1.9", "DIFF 1.9 after 1.9", "DIFF 1.9 after 1.9"},
		{"empty memory, behind", empty, "1.8", "SNAP 0.0 after 1.9", "SNAP 4.0 after 1.9"},
		{"empty memory, ahead", empty, "1.10", "TRUNC 1.9 after 1.9", "SNAP 4.0 after 1.9"},
		{"empty memory, begins a known epoch", empty, "2.0", "DIFF 2.0 after 1.9", "DIFF 2.0 after 1.9"},
		{"memory is a state without a transaction", with(empty, func(l *leader) { l.base, l.applied = "2.0", "2.0" }), "2.5",
			"SNAP 0.0 after 2.0", "SNAP 4.0 after 2.0"},

		{"has proposals", with(pending, func(l *leader) {}), "3.8", "TRUNC 3.6 after 3.6", "HOLD"},
		{"has what is committed", pending, "3.6", "DIFF 3.6 after 3.6", "DIFF 3.6 after 3.6"},
		{"not established: history counts", fresh, "3.7", "DIFF 3.9 after 3.7", "DIFF 3.9 after 3.7"},
		{"not established: ahead", fresh, "3.11", "TRUNC 3.9 after 3.9", "HOLD"},
		{"not established: diverged, but covered", fresh, "1.11", "TRUNC 1.9 after 1.9", "SNAP 0.0 after 3.6"},
		{"not established: diverged elsewhere", with(fresh, func(l *leader) { l.applied = "1.9" }), "2.3", "SNAP 0.0 after 1.9", "HOLD"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := NewHistory(0)
			var log []Entry
			if c.leader.log != "" {
				log = plainEntries(zxList(t, c.leader.log))
			}
			h.Restart(zx(t, c.leader.base), log, zx(t, c.leader.base), zx(t, c.leader.floor))
			h.Advance(zx(t, c.leader.applied))
			ask := syncAsk{peer: zx(t, c.peer), established: c.leader.established, epoch: 4, current: 3}
			if c.leader.disk != "" {
				ask.diskDiff = func(z proto.Zxid) bool { return z >= zx(t, c.leader.disk) }
				ask.diskHas = func(z proto.Zxid) bool { return z == zx(t, "1.4") }
			}
			for name, want := range map[string]string{"quokka": c.quokka, "java": c.java} {
				ask.quokka = name == "quokka"
				if got := planText(planSync(h, ask)); got != want {
					t.Errorf("%s: %s, want %s", name, got, want)
				}
			}
		})
	}
}

func planText(p syncPlan) string {
	text := p.kind.String()
	if p.kind == syncHold || p.kind == syncRefuse {
		return text
	}
	text += " " + zxText(p.zxid)
	if p.disk {
		text += " disk " + zxText(p.diskAt)
	}
	return text + " after " + zxText(p.from)
}

// TestUrgentSync is what a Java learner gets when waiting did not help.
func TestUrgentSync(t *testing.T) {
	h := NewHistory(0)
	h.Restart(0, plainEntries(zxList(t, "1.1-1.9,3.1-3.9")), zx(t, "3.6"), 0)
	for _, c := range []struct {
		peer        string
		established bool
		want        string
	}{
		{"3.8", true, "SNAP 4.0 after 3.6"},
		{"3.11", false, "TRUNC 3.9 after 3.9"},
		{"4.1", true, "REFUSE"},
	} {
		ask := syncAsk{peer: zx(t, c.peer), established: c.established, epoch: 4, current: 3, urgent: true}
		if got := planText(planSync(h, ask)); got != c.want {
			t.Errorf("%s: %s, want %s", c.peer, got, c.want)
		}
	}
}

// TestSyncKeepsWhatIsCommon checks planSync against the logs themselves: a
// learner's log is a piece of common history with another end, and after the
// plan it must be the leader's.
func TestSyncKeepsWhatIsCommon(t *testing.T) {
	for _, quokka := range []bool{true, false} {
		for _, established := range []bool{true, false} {
			checkAllPeers(t, quokka, established)
		}
	}
}

// checkAllPeers tries every leader log of epochs 1 and 3 with every learner
// log that split off from it in epoch 1, 2 or 3.
func checkAllPeers(t *testing.T, quokka, established bool) {
	for ones := range uint32(4) {
		for threes := range uint32(3) {
			leader := chain(ones, 0, threes)
			for keep := range len(leader) + 1 {
				for extra := range uint32(3) {
					for epoch := proto.Epoch(1); epoch <= 3; epoch++ {
						if peer, ok := splitOff(leader[:keep], epoch, extra); ok {
							checkPeer(t, leader, peer, keep, quokka, established)
						}
					}
				}
			}
		}
	}
}

func chain(counts ...uint32) []proto.Zxid {
	var log []proto.Zxid
	for i, n := range counts {
		for c := range n {
			log = append(log, proto.MakeZxid(proto.Epoch(i+1), c+1))
		}
	}
	return log
}

// splitOff adds entries of an epoch that the leader does not have. In the
// epoch of the common end they follow it; a later one begins anew.
func splitOff(common []proto.Zxid, epoch proto.Epoch, extra uint32) ([]proto.Zxid, bool) {
	log := append([]proto.Zxid(nil), common...)
	from := proto.MakeZxid(epoch, 1)
	if n := len(log); n > 0 {
		if log[n-1].Epoch() > epoch {
			return nil, false
		}
		if log[n-1].Epoch() == epoch {
			from = log[n-1] + 1
		}
	}
	for i := range extra {
		log = append(log, from+proto.Zxid(i))
	}
	return log, true
}

func checkPeer(t *testing.T, leader, peer []proto.Zxid, common int, quokka, established bool) {
	t.Helper()
	last := proto.Zxid(0)
	if len(peer) > 0 {
		last = peer[len(peer)-1]
	}
	for _, z := range leader[common:] {
		if z.Epoch() == last.Epoch() && len(peer) > common {
			return // two leaders of one epoch would have made these logs
		}
	}
	h := NewHistory(0)
	h.Restart(0, plainEntries(leader), 0, 0)
	if established {
		h.Advance(h.Last())
	}
	plan := planSync(h, syncAsk{peer: last, quokka: quokka, established: established, epoch: 4, current: 3})
	switch plan.kind {
	case syncDiff:
		if len(peer) != common {
			t.Errorf("leader %v: peer %v gets DIFF", leader, peer)
		}
	case syncTrunc:
		if !quokka || int(plan.zxid.Counter()) == 0 || common == 0 || plan.zxid != peer[common-1] {
			t.Errorf("leader %v: peer %v gets TRUNC %v", leader, peer, plan.zxid)
		}
	case syncSnap:
		if !quokka && max(plan.zxid, h.Applied()) < last {
			t.Errorf("leader %v: peer %v gets a snapshot below its end", leader, peer)
		}
	case syncRefuse:
		t.Errorf("leader %v: peer %v is refused: %s", leader, peer, plan.why)
	}
}
