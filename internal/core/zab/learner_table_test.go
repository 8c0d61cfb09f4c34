package zab

import (
	"testing"

	"quokka/internal/proto"
)

// TestLearnerTablesAreComplete: each type of packet has rules, empty ones
// perhaps, and no phase has two.
func TestLearnerTablesAreComplete(t *testing.T) {
	for name, table := range map[string]*learnerTable{"follower": &followerTable, "observer": &observerTable} {
		for kind := range learnerTypes {
			rules := table[kind]
			if rules == nil {
				t.Errorf("%s: no rules for %v", name, kind)
			}
			for phase := range learnerPhases {
				n := 0
				for _, r := range rules {
					if r.from <= phase && phase <= r.to {
						n++
					}
					if r.do == nil || r.from > r.to || r.to >= learnerPhases {
						t.Errorf("%s: bad rule for %v", name, kind)
					}
				}
				if n > 1 {
					t.Errorf("%s: %d rules for %v %s", name, n, kind, learnerPhaseNames[phase])
				}
			}
		}
	}
}

// TestLearnerTakesNothingBeforeItSpoke: a leader's first packet answers ours.
func TestLearnerTakesNothingBeforeItSpoke(t *testing.T) {
	for kind := range learnerTypes {
		w := newLearnerWorld(t, 0, nil, 0)
		w.start()
		w.f.Packet(0, proto.QuorumPacket{Type: kind})
		if w.f.End().Kind != ToLooking || w.f.End().Why == "" {
			t.Errorf("%v: %+v", kind, w.f.End())
		}
	}
}

// TestLearnerIsSilentAfterItsEnd: no input does anything then, except that
// late answers of the disk keep the history right.
func TestLearnerIsSilentAfterItsEnd(t *testing.T) {
	w := newLearnerWorld(t, 0, []Entry{learnerEntry(proto.MakeZxid(1, 1), 1)}, 0)
	w.start()
	w.f.LinkUp(0)
	w.f.LinkDown(0, "reset")
	w.take()
	w.f.LinkUp(1)
	w.f.LinkDown(1, "again")
	w.f.Packet(1, proto.QuorumPacket{Type: proto.PacketLeaderInfo})
	w.f.SnapReceived(1, 5, 1)
	w.f.EpochStored(1, DiskAcceptedEpoch, 0)
	w.f.Durable(1, 99)
	w.f.Truncated(1, false, "no")
	w.f.Installed(1)
	w.f.Send(proto.QuorumPacket{Type: proto.PacketRequest})
	w.f.Tick(1_000_000)
	if got := w.take(); len(got) > 0 || w.f.End().Why != "the connection to the leader is lost: reset" {
		t.Errorf("%v, %+v", got, w.f.End())
	}
}
