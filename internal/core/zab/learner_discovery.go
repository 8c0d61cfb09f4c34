package zab

import (
	"encoding/binary"
	"math"

	"quokka/internal/proto"
)

// LinkUp says that the connection to the leader stands: the learner says who
// it is, and up to which epoch it has promised to follow nobody older
// (Learner.registerWithLeader).
func (f *Learner) LinkUp(now int64) {
	f.now = now
	if f.ended() || f.phase != learnerConnecting {
		return
	}
	f.heard = now
	f.phase = learnerDiscovery
	kind := proto.PacketFollowerInfo
	if f.cfg.Observer {
		kind = proto.PacketObserverInfo
	}
	info := proto.LearnerInfo{
		Server: f.cfg.Me, Protocol: proto.LearnerProtocol, ConfigVersion: int64(f.active.Version), Quokka: true,
	}
	f.send(proto.QuorumPacket{
		Type: kind, Zxid: proto.MakeZxid(f.cfg.Accepted, 0), Data: proto.AppendLearnerInfo(nil, info),
	})
}

// learnerLeaderInfo promises the leader's epoch. The promise is on disk
// before it is given. Who has promised the same epoch before, perhaps to
// another leader, must not be counted by this one: -1 says so.
func learnerLeaderInfo(f *Learner, p proto.QuorumPacket) {
	if len(p.Data) < 4 || int32(binary.BigEndian.Uint32(p.Data)) < proto.LearnerProtocol {
		learnerTooOld(f, p)
		return
	}
	e := p.Zxid.Epoch()
	f.quokka = proto.QuokkaLeader(p.Data)
	switch {
	case e < f.cfg.Accepted:
		f.leave("the leader's epoch %d is less than the accepted epoch %d", e, f.cfg.Accepted)
	case e == f.cfg.Accepted:
		f.epoch = e
		f.ackEpoch(-1)
	default:
		f.epoch = e
		f.phase = learnerPromising
		f.order(Disk{Kind: DiskAcceptedEpoch, Epoch: e})
	}
}

// learnerTooOld handles leaders that begin with NEWLEADER or announce less
// than Zab 1.0.
func learnerTooOld(f *Learner, p proto.QuorumPacket) {
	f.leave("the leader sent %v without Zab 1.0: upgrade server %d to ZooKeeper 3.4 or later", p.Type, f.cfg.Leader)
}

// learnerNoZxid is reported instead of our last zxid to get a snapshot. A
// negative zxid other than -1 is below every record and every state, so no
// branch of LearnerHandler.syncFollower but the last, SNAP, can be taken,
// not even for an empty leader; -1 would do as well, but its sender is not
// counted (Leader.waitForEpochAck) and the ensemble might need it. 0 and
// (e,0) would not do: a leader that still has its first transaction, or one
// of e, in memory answers them with DIFF.
const learnerNoZxid proto.Zxid = -2

// ackEpoch sends ACKEPOCH with our last zxid and current, which is -1 if the
// leader must not count us.
//
// Whoever under-reports its history could be counted for a leader that has
// less. So a learner that asks for a snapshot is counted only if the vote
// that elected the leader shows that the leader has at least as much.
func (f *Learner) ackEpoch(current proto.Epoch) {
	f.cfg.Accepted = f.epoch
	f.phase = learnerChoosing
	last := f.h.Durable()
	if f.wantSnap {
		if f.aheadOfVote() {
			current = -1
		}
		last = learnerNoZxid
	}
	if current > math.MaxInt32 {
		f.leave("the current epoch %d does not fit into ACKEPOCH", current)
		return
	}
	f.send(proto.QuorumPacket{
		Type: proto.PacketAckEpoch, Zxid: last, Data: binary.BigEndian.AppendUint32(nil, uint32(int32(current))),
	})
}

// aheadOfVote compares as StateSummary.isMoreRecentThan does.
func (f *Learner) aheadOfVote() bool {
	if f.cfg.Current != f.cfg.LeaderEpoch {
		return f.cfg.Current > f.cfg.LeaderEpoch
	}
	return f.h.Last() > f.cfg.LeaderZxid
}
