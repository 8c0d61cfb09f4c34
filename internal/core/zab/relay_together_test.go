package zab

import "quokka/internal/proto"

// Some followers of a togetherWorld relay: observers may learn from them.
// That what they apply is a prefix of what is committed, and that they come
// to the end, is checked as with everybody else.

// relay has a follower that is ready serve observers, and tell them what it
// has applied.
func (w *togetherWorld) relay(n *togetherNode) {
	switch {
	case n.relay != nil:
		n.relay.Applied(n.out.Apply)
	case n.learner != nil && n.learner.Ready() && !n.observer && n.id != 2:
		n.relay = NewRelay(RelayConfig{Me: n.id, TickMS: 600, InitLimit: 8, SyncLimit: 4, MaxSnapSyncs: 1}, n.learner, n.h, w.now, &n.out)
	}
	if n.observer && n.learner != nil && len(n.out.Apply) > 0 {
		for _, l := range w.links {
			if l.f == n.learner && l.r != nil {
				w.counts["relayed"] += len(n.out.Apply)
			}
		}
	}
}

// served tells whether the role at the leader's end of a link is still there.
func (l *togetherLink) served() bool {
	return l.l != nil && l.leader.leader == l.l || l.r != nil && l.leader.relay == l.r
}

func (l *togetherLink) connect(now int64, first proto.QuorumPacket) {
	if l.r != nil {
		l.r.Connected(now, l.id, first)
	} else {
		l.l.Connected(now, l.id, first)
	}
}

func (l *togetherLink) pass(now int64, p proto.QuorumPacket) {
	if l.r != nil {
		l.r.Packet(now, l.id, p)
	} else {
		l.l.Packet(now, l.id, p)
	}
}

func (l *togetherLink) tellDown(now int64) {
	if l.r != nil {
		l.r.LinkDown(l.id)
	} else {
		l.l.LinkDown(now, l.id)
	}
}

func (l *togetherLink) streamed(now int64) {
	if l.r != nil {
		l.r.Streamed(l.id)
	} else {
		l.l.Streamed(now, l.id)
	}
}
