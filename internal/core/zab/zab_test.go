package zab

import (
	"testing"

	"quokka/internal/core/quorum"
	"quokka/internal/proto"
)

func TestStandaloneCommitsWhatItsDiskHolds(t *testing.T) {
	l := NewLeader(quorum.Standalone(1), 41)
	if l.Next() != 42 || l.Propose() != 42 || l.Propose() != 43 || l.Proposed() != 43 {
		t.Fatalf("proposed %v", l.Proposed())
	}
	if l.Committed() != 41 {
		t.Errorf("committed %v before any ack", l.Committed())
	}
	if c, ok := l.Ack(1, 42); !ok || c != 42 {
		t.Errorf("after the ack of 42: %v %v", c, ok)
	}
	if c, ok := l.Ack(1, 44); ok || c != 42 {
		t.Errorf("an ack for what was never proposed: %v %v", c, ok)
	}
	if c, _ := l.Ack(1, 41); c != 42 {
		t.Errorf("a late ack took a commit back: %v", c)
	}
	if c, _ := l.Ack(1, 43); c != 43 {
		t.Errorf("after the ack of 43: %v", c)
	}
}

func TestMajorityCommitsTheLargestZxidItHolds(t *testing.T) {
	l := NewLeader(quorum.Majority(1, 2, 3), 0)
	for range 10 {
		l.Propose()
	}
	for i, step := range []struct {
		from       proto.ServerID
		upTo, want proto.Zxid
	}{
		{1, 4, 0},  // own disk only
		{9, 10, 0}, // not a voter
		{2, 2, 2},  // 1 and 2 hold 2
		{3, 9, 4},  // 1 and 3 hold 4
		{2, 7, 7},  // 2 and 3 hold 7
		{2, 5, 7},  // an older ack arrives late
		{1, 10, 9}, // 1 and 3 hold 9
	} {
		if got, ok := l.Ack(step.from, step.upTo); !ok || got != step.want {
			t.Errorf("step %d: ack of %v by %d: committed %v (%v), want %v", i, step.upTo, step.from, got, ok, step.want)
		}
	}
}
