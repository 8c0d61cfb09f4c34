package zab

import (
	"slices"

	"quokka/internal/proto"
)

// learnerDiff begins a synchronisation in which only what we lack is sent.
// The packet's zxid says nothing of what we have (ZOOKEEPER-2355); if it is
// less than our last one, the rest of our log is not committed yet.
func learnerDiff(f *Learner, p proto.QuorumPacket) {
	if f.wantSnap {
		f.leaveForSnapshot("the leader answers with DIFF %v although our log cannot be continued", p.Zxid)
		return
	}
	f.note(NoteGettingDiff, p.Zxid, "")
	f.receive(min(p.Zxid, f.h.Last()))
}

// receive begins to take proposals. All up to z is in the leader's history;
// what our log has after it is open, even if a restart has applied it.
func (f *Learner) receive(z proto.Zxid) {
	f.phase = learnerReceiving
	f.committed = max(z, f.h.Base())
	f.streamed = f.committed
	if prev, ok := f.h.Below(f.committed); ok {
		rest, _ := f.h.Since(prev)
		f.open = slices.Clone(rest)
	}
}

// learnerTrunc begins a synchronisation in which the end of our log is cut
// off before we get what we lack.
func learnerTrunc(f *Learner, p proto.QuorumPacket) {
	z := p.Zxid
	switch {
	case f.wantSnap:
		f.leaveForSnapshot("the leader answers with TRUNC %v although our log cannot be cut", z)
	case z < 0 || z > f.h.Last():
		f.leaveForSnapshot("the leader orders to truncate a log that ends at %v to %v", f.h.Last(), z)
	case z < f.h.Base() && z.Epoch() == f.epoch:
		// It will have committed more, or it will fail and all be history.
		f.leave("the leader orders to truncate its own proposals after %v, not all of which are in memory: trying again", z)
	case z == f.h.Last() || f.proposedByLeader(z):
		f.note(NoteTruncating, z, "nothing is cut: what follows was proposed by this leader")
		f.receive(z)
	case z < f.h.Known():
		f.stop(learnerExitPacket, "the leader orders to truncate the log to %v, but %v is committed", z, f.h.Known())
	default:
		f.truncate(z)
	}
}

// proposedByLeader tells whether all of our log after z are proposals of
// this very leader: only one server leads in an epoch. It sends us TRUNC
// when we come back to it while they are outstanding, or committed a moment
// ago (syncFollower looks at what it has applied), and then proposes them
// again. They stay, since it may have counted our acknowledgments, and the
// repetitions are acknowledged without writing them again.
func (f *Learner) proposedByLeader(z proto.Zxid) bool {
	prev, ok := f.h.Below(z)
	if !ok {
		return false
	}
	rest, _ := f.h.Since(prev)
	return len(rest) > 0 && rest[0].Zxid().Epoch() == f.epoch
}

// truncate orders the truncation. What is applied must not stay in memory
// when it leaves the log: the state is read anew then. A zxid (e,0) is that
// of a leader which got the snapshot of the epoch e before its first
// transaction; if our log has this transaction, it has all before it.
func (f *Learner) truncate(z proto.Zxid) {
	target := z
	if prev, ok := f.h.Below(z); ok && prev != z {
		rest, _ := f.h.Since(prev)
		if z.Counter() != 0 || len(rest) == 0 || rest[0].Zxid().Epoch() != z.Epoch() {
			f.leaveForSnapshot("the leader orders to truncate the log to %v, which is not in it", z)
			return
		}
		target = prev
	}
	f.note(NoteTruncating, target, "")
	f.work, f.target = learnerTruncating, target
	f.order(Disk{Kind: DiskTruncate, Zxid: target, Reload: target < f.h.Applied()})
}

// Truncated answers DiskTruncate, even when the role has ended meanwhile.
// With ok the log on disk is cut, and if the state had to be read anew, the
// history is restarted. Without it nothing has changed, neither on disk nor
// in memory.
func (f *Learner) Truncated(now int64, ok bool, why string) {
	f.now = now
	if f.work != learnerTruncating {
		return
	}
	f.work = learnerIdle
	if !ok {
		f.leaveForSnapshot("the log cannot be truncated to %v: %s", f.target, why)
		return
	}
	if f.h.Last() > f.target {
		f.h.Cut(f.target)
	}
	if f.h.Last() != f.target {
		f.stop(learnerExitPacket, "the log was truncated to %v, but memory has %v", f.target, f.h.Last())
	}
	f.resume()
}

// SnapReceived takes a snapshot that was received whole, packet SNAP and
// body. A snapshot that is refused is not ordered to be installed, and not
// needed any more.
func (f *Learner) SnapReceived(now int64, z proto.Zxid, s SnapshotID) {
	if f.ended() {
		return
	}
	f.now, f.heard = now, now
	switch {
	case f.phase != learnerChoosing || f.work != learnerIdle:
		f.leave("the leader sent SNAP %s", learnerPhaseNames[f.phase])
	case z < 0 || z.Epoch() > f.epoch:
		f.leave("the leader of epoch %d sent a snapshot with zxid %v", f.epoch, z)
	case z < f.h.Known():
		// A leader that has not applied yet what it has committed.
		f.leave("the leader sent a snapshot with zxid %v, but %v is committed: trying again", z, f.h.Known())
	case z < f.h.Last():
		f.note(NoteGettingSnap, z, "")
		f.work, f.target, f.snap = learnerCovering, z, s
	default:
		f.note(NoteGettingSnap, z, "")
		f.install(z, s)
	}
}

func (f *Learner) install(z proto.Zxid, s SnapshotID) {
	f.work, f.target = learnerInstalling, z
	f.order(Disk{Kind: DiskInstall, Zxid: z, Snapshot: s})
}

// cover decides about a snapshot below the end of our log. Installing it
// takes the rest of the log away, in which something can be committed with
// our acknowledgment. Whatever of it is committed is in the leader's history,
// and if the snapshot does not cover it the leader sends it until NEWLEADER:
// then the snapshot is refused, since for a moment it would be on one disk
// less. What the leader does not send is not committed.
func (f *Learner) cover(p proto.QuorumPacket) {
	if f.work != learnerCovering {
		return
	}
	held, _ := f.h.Below(p.Zxid)
	switch {
	case p.Type == proto.PacketNewLeader:
		f.install(f.target, f.snap)
	case p.Type == proto.PacketProposal && p.Zxid > f.target && (held == p.Zxid || p.Zxid <= f.h.Base()):
		f.work = learnerIdle
		f.leave("the leader's snapshot %v lacks %v, which is in its log and in ours: trying again", f.target, p.Zxid)
	}
}

// Installed answers DiskInstall, even when the role has ended meanwhile: the
// snapshot is durable and the state, and the history is restarted.
func (f *Learner) Installed(now int64) {
	f.now = now
	if f.work != learnerInstalling {
		return
	}
	f.work = learnerIdle
	f.wantSnap = false
	if f.h.Last() != f.target || f.h.Applied() != f.target {
		f.stop(learnerExitPacket, "a snapshot of %v was installed, but memory has %v", f.target, f.h.Last())
	}
	f.resume()
}

// resume goes on after the work of the disk.
func (f *Learner) resume() {
	if f.ended() {
		return
	}
	f.receive(f.target)
	f.release()
}

// learnerNewLeader ends the synchronisation: the leader's history is sent.
// Its configuration, perhaps not active yet, comes along.
func learnerNewLeader(f *Learner, p proto.QuorumPacket) {
	if want := proto.MakeZxid(f.epoch, 0); p.Zxid != want {
		f.leave("the leader sent NEWLEADER %v, its epoch is %d", p.Zxid, f.epoch)
		return
	}
	if !f.offer(p.Data) {
		return
	}
	f.phase = learnerAdopting
	f.adopt = f.h.Last()
	f.adoptEpoch()
}

// adoptEpoch stores currentEpoch once the log is durable that the epoch
// stands for: who has it on disk wins elections against those who do not,
// and must not have less (ZOOKEEPER-4643, ZOOKEEPER-4646). It is stored even
// if it is there already, since the answer says that the configuration of
// NEWLEADER is on disk, too.
func (f *Learner) adoptEpoch() {
	if f.phase != learnerAdopting || f.epochOrdered || f.h.Durable() < f.adopt {
		return
	}
	f.epochOrdered = true
	f.order(Disk{Kind: DiskCurrentEpoch, Epoch: f.epoch})
}

// ackNewLeader says that the leader's history and its epoch are durable. An
// observer says it too: LearnerHandler waits for it, and does not count it.
func (f *Learner) ackNewLeader() {
	f.cfg.Current = f.epoch
	f.phase = learnerAcked
	f.ack(proto.MakeZxid(f.epoch, 0))
	f.payAcks()
}

// learnerUpToDate begins the broadcast: a quorum has adopted the leader's
// history, so what it called committed is committed.
func learnerUpToDate(f *Learner, _ proto.QuorumPacket) {
	f.phase = learnerServing
	f.shelf = nil
	f.apply()
	f.activateOffered()
	if f.ended() {
		return
	}
	f.ack(proto.MakeZxid(f.epoch, 0))
	f.note(NoteUpToDate, f.h.Last(), "")
}
