package zab

import (
	"testing"

	"quokka/internal/proto"
)

// TestLeaderTableIsComplete: every packet has a meaning in every phase.
func TestLeaderTableIsComplete(t *testing.T) {
	for kind := proto.PacketRequest; kind <= proto.PacketInformAndActivate; kind++ {
		row, ok := leaderTable[kind]
		if !ok {
			t.Errorf("%v has no row", kind)
		}
		for phase, handler := range row {
			if handler == nil {
				t.Errorf("%v has no handler %s", kind, pupilPhaseNames[phase])
			}
		}
	}
	if len(leaderTable) != int(proto.PacketInformAndActivate) {
		t.Errorf("%d rows, want one for each of %d packets", len(leaderTable), proto.PacketInformAndActivate)
	}
}

// TestLeaderSurvivesAnything feeds every packet in every phase, with data
// that no learner sends.
func TestLeaderSurvivesAnything(t *testing.T) {
	for phase := range pupilPhases {
		for kind := proto.PacketType(-1); kind <= 99; kind++ {
			for _, data := range [][]byte{nil, {}, {1}, {0, 0, 0, 1, 2}} {
				w := &leaderWorld{t: t}
				w.begin(map[string]string{"log": "1.1-1.3", "static": ""})
				reach(w, phase)
				w.l.Packet(0, 12, proto.QuorumPacket{Type: kind, Zxid: 77, Data: data})
				w.l.Tick(1000)
				w.take()
				if w.l.End().Kind == FailStop {
					t.Fatalf("%v in phase %d: %s", kind, phase, w.l.End().Why)
				}
			}
		}
	}
}

// reach brings the learner 2 on link 12 into a phase.
func reach(w *leaderWorld, phase pupilPhase) {
	for i, line := range [][]string{
		{"follower", "12", "2"}, {"stored"}, {"ackepoch", "12", "1", "1.3"}, {"stored"}, {"ack", "12", "2.0"},
	} {
		if i <= int(phase) || phase == pupilUpToDate {
			w.input(line)
		}
	}
	if phase == pupilSynced {
		w.l.pupils[0].phase = pupilSynced // it lasts only while a quorum is missing
	}
}
