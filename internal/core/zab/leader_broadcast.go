package zab

import (
	"quokka/internal/proto"
)

// Next returns the zxid of the proposal to come; false if this server may
// not propose now: it is not established, or not leader any more, or the
// counter of its epoch is used up.
func (l *Leader) Next() (proto.Zxid, bool) {
	if !l.Established() || l.retired {
		return 0, false
	}
	if l.usedUp() {
		return proto.MakeZxid(l.epoch+1, 1), l.cfg.Standalone
	}
	return l.proposed + 1, true
}

// usedUp tells whether the epoch has no counter left. The last one, all
// bits set, is never used (Leader.propose, ZOOKEEPER-1277).
func (l *Leader) usedUp() bool { return uint64(l.proposed.Counter())+1 >= uint64(l.cfg.MaxCounter) }

// Propose orders an entry, which has the zxid that Next returned: it goes to
// the log and to the participants, and is committed when quorums hold it.
func (l *Leader) Propose(now int64, e Entry) {
	z, ok := l.Next()
	if l.ended() {
		return
	}
	if !ok || z != e.Zxid() {
		l.fail(FailStop, "proposal %v is out of order: the next is %v (%v)", e.Zxid(), z, ok)
		return
	}
	if e.Txn.Op == proto.OpReconfig && !l.cfg.Standalone && !l.proposeReconfig(e) {
		return
	}
	if err := l.h.Append(e); err != nil {
		l.fail(FailStop, "%v", err)
		return
	}
	l.proposed, l.epoch = z, z.Epoch()
	l.sizes.add(len(e.Raw))
	l.out.Disk = append(l.out.Disk, Disk{Kind: DiskAppend, Entry: e})
	for _, p := range l.pupils {
		if p.takesProposals() && !p.observer {
			l.send(p, proto.PacketProposal, z, e.Raw)
			p.sent = z
		}
	}
}

// Durable is the disk's word that this server's log is durable up to z: its
// own acknowledgement.
func (l *Leader) Durable(now int64, z proto.Zxid) {
	l.h.SetDurable(z)
	if l.ended() {
		return
	}
	if l.phase == leaderSynchronises {
		l.countMyself()
		l.establishIfAcked(now)
		return
	}
	l.acks.raise(l.cfg.Me, l.h.Durable())
	l.advance(now)
}

// leaderAck takes an ACK of a learner whose synchronisation is over
// (Leader.processAck).
func leaderAck(l *Leader, now int64, p *pupil, q proto.QuorumPacket) {
	if q.Zxid == proto.MakeZxid(l.epoch, 0) {
		return // of UPTODATE
	}
	if l.takeAck(p, q.Zxid) && !p.observer {
		l.acks.raise(p.server, p.acked)
		l.advance(now)
	}
}

// takeAck records an acknowledgement. Learners acknowledge what they were
// sent, in its order; anything else ends the link.
func (l *Leader) takeAck(p *pupil, z proto.Zxid) bool {
	if z.Counter() == 0 || z > p.sent || z < p.acked {
		l.refuse(p, "server %d acknowledged %v: it was sent up to %v, and acknowledged %v before", p.server, z, p.sent, p.acked)
		l.leaveIfAlone()
		return false
	}
	p.acked = z
	return true
}

// advance commits what has its quorums by now, in order.
func (l *Leader) advance(now int64) {
	was := l.acks.committed
	for l.phase == leaderBroadcasts && !l.retired && !l.ended() {
		z := min(l.acks.committable(), l.proposed)
		if l.reconfig > l.acks.committed {
			z = min(z, l.reconfig)
		}
		if z <= l.acks.committed {
			break
		}
		l.commit(z)
	}
	if l.acks.committed == was || l.ended() {
		return
	}
	l.syncWaiting(now)
	l.answerReads()
	if !l.cfg.Standalone && l.usedUp() && l.acks.committed == l.proposed {
		l.fail(ToLooking, "zxid lower 32 bits have rolled over, forcing re-election, and therefore new epoch start")
	}
}

// commit commits everything up to z, which is not beyond a pending
// reconfiguration.
func (l *Leader) commit(z proto.Zxid) {
	l.acks.commit(z)
	l.h.SetKnown(z)
	for _, e := range l.h.Advance(z) {
		l.out.Apply = append(l.out.Apply, e)
		if e.Zxid() == l.reconfig {
			l.commitReconfig(e)
			continue
		}
		for _, p := range l.pupils {
			l.sendCommit(p, e)
		}
	}
}

// sendCommit tells a learner of a committed entry: observers see it for the
// first time.
func (l *Leader) sendCommit(p *pupil, e Entry) {
	switch {
	case !p.takesProposals():
	case p.observer:
		l.send(p, proto.PacketInform, e.Zxid(), e.Raw)
		p.sent = e.Zxid()
	default:
		l.send(p, proto.PacketCommit, e.Zxid(), nil)
	}
}
