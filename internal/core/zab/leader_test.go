package zab

import (
	"strings"
	"testing"

	"quokka/internal/proto"
)

// leaderOf2 is an established leader of the servers 1 to 3 with one follower,
// server 2 on link 12.
func leaderOf2(t *testing.T) *leaderWorld {
	w := &leaderWorld{t: t}
	w.begin(map[string]string{"log": "1.1-1.3", "static": ""})
	for _, line := range []string{"follower 12 2", "stored", "ackepoch 12 1 1.3", "stored", "ack 12 2.0"} {
		w.input(strings.Fields(line))
	}
	if !w.l.Established() || w.l.Epoch() != 2 {
		t.Fatalf("epoch %d is not established", w.l.Epoch())
	}
	w.take()
	return w
}

func TestLeaderKnowsItsLearners(t *testing.T) {
	w := leaderOf2(t)
	w.now = 70
	for _, line := range []string{"propose 2", "ack 12 2.1", "observer 14 4", "ackepoch 14 1 1.3"} {
		w.input(strings.Fields(line))
	}
	all := w.l.Learners()
	if len(all) != 2 {
		t.Fatalf("learners %v", all)
	}
	if want := (LearnerStatus{Link: 12, Server: 2, Synced: true, Acked: zx(t, "2.1")}); all[0] != want {
		t.Errorf("got %+v, want %+v", all[0], want)
	}
	if want := (LearnerStatus{Link: 14, Server: 4, Observer: true, SinceMS: 70}); all[1] != want {
		t.Errorf("got %+v, want %+v", all[1], want)
	}
}

func TestReplyGoesBehindWhatWasSent(t *testing.T) {
	w := leaderOf2(t)
	w.input([]string{"propose", "1"})
	w.l.Reply(12, proto.QuorumPacket{Type: proto.PacketSync})
	w.l.Reply(99, proto.QuorumPacket{Type: proto.PacketSync}) // nobody is there any more
	w.input([]string{"follower", "14", "3"})
	w.l.Reply(14, proto.QuorumPacket{Type: proto.PacketSync}) // it could not have asked
	got := strings.Join(w.take(), "\n")
	if !strings.Contains(got, "to 12: PROPOSAL 2.1; SYNC 0.0\n") || strings.Count(got, "SYNC") != 1 {
		t.Error(got)
	}
}

func TestQuorumSynced(t *testing.T) {
	w := leaderOf2(t)
	w.input(strings.Fields("observer 14 4"))
	w.input(strings.Fields("ackepoch 14 1 1.3"))
	w.input(strings.Fields("ack 14 2.0"))
	for list, want := range map[string]bool{
		"1,2,3": true, "1,2": true, "1": true, "2": true, "1,3": false, "3": false, "1,2,3,4,5": false,
		"1,4": false, // 4 is up to date as an observer, and would have to come as a follower
	} {
		if got := w.l.QuorumSynced(members(t, list, 9)); got != want {
			t.Errorf("%s: %v", list, got)
		}
	}
}

func TestLeaderStopsForWhatIsOutOfOrder(t *testing.T) {
	for name, entry := range map[string]Entry{
		"a gap":                       plainEntry(zx(t, "2.2")),
		"another epoch":               plainEntry(zx(t, "3.1")),
		"no configuration":            reconfigEntryWith(t, "2.1", "server.1"),
		"not a later configuration":   reconfigEntryWith(t, "2.1", membersText("1,2", 0)),
		"a configuration of nobody":   reconfigEntryWith(t, "2.1", "version=200000001"),
		"a configuration of observer": reconfigEntryWith(t, "2.1", membersText("1o", 0x200000001)),
	} {
		w := leaderOf2(t)
		w.l.Propose(0, entry)
		if w.l.End().Kind != FailStop {
			t.Errorf("%s: %v", name, w.l.End())
		}
		for _, d := range w.out.Disk {
			if d.Kind == DiskAppend {
				t.Errorf("%s: %v is logged", name, d.Entry.Zxid())
			}
		}
	}
}

func reconfigEntryWith(t *testing.T, z, config string) Entry {
	e := reconfigEntry(zx(t, z), "1,2")
	e.Txn.Body.(*proto.SetDataTxn).Data = []byte(config)
	return Entry{Txn: e.Txn, Raw: e.Txn.AppendTo(nil)}
}

func TestLeaderProposesOnlyWhenEstablished(t *testing.T) {
	w := &leaderWorld{t: t}
	w.begin(map[string]string{"log": "1.1-1.3", "static": ""})
	for _, line := range []string{"follower 12 2", "stored", "ackepoch 12 1 1.3", "stored"} {
		if _, ok := w.l.Next(); ok || w.l.Established() {
			t.Errorf("before %q it may propose", line)
		}
		w.input(strings.Fields(line))
	}
	w.input(strings.Fields("ack 12 2.0"))
	if z, ok := w.l.Next(); !ok || z != zx(t, "2.1") {
		t.Errorf("next is %v %v", z, ok)
	}
}

// TestOwnDiskIsWaitedFor: the leader's own history must be durable before it
// counts itself.
func TestOwnDiskIsWaitedFor(t *testing.T) {
	w := &leaderWorld{t: t}
	w.begin(map[string]string{"log": "1.1-1.3", "static": ""})
	w.h.durable = zx(t, "1.2")
	for _, line := range []string{"follower 12 2", "stored", "ackepoch 12 1 1.3", "stored", "ack 12 2.0"} {
		w.input(strings.Fields(line))
	}
	if w.l.Established() {
		t.Error("established by a history that is not durable here")
	}
	w.input([]string{"durable"})
	if !w.l.Established() {
		t.Error("not established")
	}
}
