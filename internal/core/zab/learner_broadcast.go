package zab

import (
	"encoding/binary"
	"slices"

	"quokka/internal/proto"
)

// entry reads the transaction of a packet and checks what holds in every
// phase. Proposals of older epochs belong to the leader's history, which is
// sent before NEWLEADER.
func (f *Learner) entry(p proto.QuorumPacket, raw []byte) (Entry, bool) {
	t, err := proto.DecodeTxn(raw)
	if err != nil {
		f.leave("the leader sent %v %v that cannot be read: %v", p.Type, p.Zxid, err)
		return Entry{}, false
	}
	z, e := t.Zxid, t.Zxid.Epoch()
	switch {
	case z != p.Zxid:
		f.leave("the leader sent %v %v with transaction %v", p.Type, p.Zxid, z)
	case z.Counter() == 0, e < 0, e > f.epoch, e < f.epoch && f.phase > learnerReceiving:
		f.leave("the leader of epoch %d sent %v %v %s", f.epoch, p.Type, z, learnerPhaseNames[f.phase])
	default:
		return Entry{Txn: t, Raw: raw}, true
	}
	return Entry{}, false
}

// append puts an entry into the log, unless one before it is missing. Java
// only warns of a gap after the synchronisation and, across epochs, in it.
func (f *Learner) append(e Entry) bool {
	last := f.h.Last()
	if err := f.h.Append(e); err != nil {
		f.note(NoteGap, e.Zxid(), "")
		if f.phase == learnerServing {
			f.leave("the leader sent transaction %v after %v: one between them is missing", e.Zxid(), last)
		} else {
			f.leaveForSnapshot("the leader sent transaction %v after %v: one between them is missing", e.Zxid(), last)
		}
		return false
	}
	return true
}

// followerProposal logs a proposal and notes that an ACK is owed for it.
func followerProposal(f *Learner, p proto.QuorumPacket) {
	e, ok := f.entry(p, p.Data)
	if !ok {
		return
	}
	config, ok := f.proposedConfig(e)
	if !ok || !f.inOrder(e) {
		return
	}
	if f.phase != learnerServing && e.Zxid() <= f.h.Last() {
		f.repeated(e)
		return
	}
	if !f.append(e) {
		return
	}
	if config != nil {
		f.setNext(*config) // on disk before the proposal that makes it pending
	}
	f.order(Disk{Kind: DiskAppend, Entry: e})
	f.open = append(f.open, e)
	f.owe(e.Zxid())
}

// inOrder checks that the proposals of the synchronisation ascend.
func (f *Learner) inOrder(e Entry) bool {
	if f.phase == learnerServing {
		return true
	}
	z := e.Zxid()
	if z <= f.streamed && z > f.committed {
		f.leave("the leader sent proposal %v after %v", z, f.streamed)
		return false
	}
	f.streamed = max(f.streamed, z)
	return true
}

// repeated handles a proposal which is in our log, or in the snapshot: what
// the leader forwards can overlap with the snapshot (ZOOKEEPER-3104), and a
// leader that we come back to repeats what is outstanding. If it waits for
// our ACK it gets one.
func (f *Learner) repeated(e Entry) {
	if f.differs(e) {
		f.leaveForSnapshot("the leader's transaction %v is not the one in our log", e.Zxid())
		return
	}
	if e.Zxid() > f.committed {
		f.owe(e.Zxid())
	}
}

// differs tells whether our log is seen to have another transaction with
// that zxid. Only headers are compared: Java leaves the digest away when it
// sends a transaction again after a change of its settings.
func (f *Learner) differs(e Entry) bool {
	z := e.Zxid()
	held, ok := f.h.Below(z)
	if !ok || z == f.h.Base() {
		return false // out of sight
	}
	rest, ok := f.h.Since(z - 1)
	return held != z || !ok || rest[0].Txn.TxnHeader != e.Txn.TxnHeader
}

// owe notes that the leader awaits an ACK for each single proposal
// (LearnerHandler.SyncLimitCheck, Leader.processAck).
func (f *Learner) owe(z proto.Zxid) {
	if !f.cfg.Observer {
		f.owed = append(f.owed, z)
	}
}

// payAcks acknowledges what is durable, once NEWLEADER is acknowledged
// (ZOOKEEPER-4685).
func (f *Learner) payAcks() {
	if f.phase < learnerAcked {
		return
	}
	for len(f.owed) > 0 && f.owed[0] <= f.h.Durable() {
		f.ack(f.owed[0])
		f.owed = f.owed[1:]
	}
}

// followerSyncCommit handles COMMIT before UPTODATE. What is in the snapshot
// may be committed again.
func followerSyncCommit(f *Learner, p proto.QuorumPacket) {
	if p.Zxid <= f.committed {
		return
	}
	if len(f.open) == 0 || f.open[0].Zxid() != p.Zxid {
		f.leave("the leader sent COMMIT %v %s, %s", p.Zxid, learnerPhaseNames[f.phase], f.openText())
		return
	}
	f.commitOpen()
}

// followerCommit commits the oldest open proposal. To commit another would
// make this server differ from its ensemble: it ends, as Java's does
// (FollowerZooKeeperServer.commit).
func followerCommit(f *Learner, p proto.QuorumPacket) {
	if len(f.open) == 0 || f.open[0].Zxid() != p.Zxid {
		f.stop(learnerExitCommit, "the leader sent COMMIT %v, %s", p.Zxid, f.openText())
		return
	}
	f.commitOpen()
	f.apply()
}

func (f *Learner) openText() string {
	if len(f.open) == 0 {
		return "but no proposal is open"
	}
	return "but the next open proposal is " + f.open[0].Zxid().String()
}

// commitOpen takes the leader's word that the oldest open proposal is
// committed. No ACK is needed for what came committed before NEWLEADER.
func (f *Learner) commitOpen() {
	f.committed = f.open[0].Zxid()
	f.open[0] = Entry{}
	f.open = f.open[1:]
	for f.phase == learnerReceiving && len(f.owed) > 0 && f.owed[0] <= f.committed {
		f.owed = f.owed[1:]
	}
}

// apply hands to the state what is committed and durable here. A state that
// ran ahead of its log would be more than a restart brings back, and its
// snapshots would hide a hole in the log (ZOOKEEPER-4882).
func (f *Learner) apply() {
	f.h.SetKnown(f.committed)
	f.out.Apply = append(f.out.Apply, f.h.Advance(min(f.committed, f.h.Durable()))...)
}

// followerCommitAndActivate commits a reconfiguration. This packet comes
// only from a leader with a quorum, so it counts at once, even in the
// synchronisation (ZOOKEEPER-2172).
func followerCommitAndActivate(f *Learner, p proto.QuorumPacket) {
	if f.phase != learnerServing && p.Zxid <= f.committed {
		return // it is in the snapshot; NEWLEADER brings the configuration
	}
	if len(f.open) == 0 || f.open[0].Zxid() != p.Zxid {
		if f.phase == learnerServing {
			followerCommit(f, p) // which refuses it
		} else {
			followerSyncCommit(f, p)
		}
		return
	}
	config, ok := f.proposedConfig(f.open[0])
	if !ok {
		return
	}
	if len(p.Data) < 8 || f.open[0].Txn.Op != proto.OpReconfig {
		f.leave("the leader sent COMMITANDACTIVATE %v that names no leader or commits no configuration", p.Zxid)
		return
	}
	f.commitOpen()
	leader := proto.ServerID(binary.BigEndian.Uint64(p.Data))
	f.heirs = append(slices.DeleteFunc(f.heirs, func(o heir) bool { return o.reconfig <= f.h.Applied() }), heir{p.Zxid, leader})
	if f.phase == learnerServing {
		f.apply()
	}
	if config != nil {
		f.activate(*config, leader)
	}
}

// observerProposal keeps a proposal until its commit comes: the log of an
// observer has committed transactions only. Old leaders send those that are
// outstanding, too, and INFORM later.
func observerProposal(f *Learner, p proto.QuorumPacket) {
	e, ok := f.entry(p, p.Data)
	if !ok || !f.inOrder(e) {
		return
	}
	if e.Zxid() <= f.h.Last() {
		f.repeated(e)
		return
	}
	f.shelf = append(f.shelf, e)
}

// observerCommit logs the oldest proposal that was kept.
func observerCommit(f *Learner, p proto.QuorumPacket) {
	switch {
	case p.Zxid <= f.committed:
	case len(f.open) > 0 && f.open[0].Zxid() == p.Zxid:
		f.commitOpen()
	case len(f.shelf) > 0 && f.shelf[0].Zxid() == p.Zxid:
		f.take(f.shelf[0])
	default:
		f.leave("the leader sent COMMIT %v %s without its proposal", p.Zxid, learnerPhaseNames[f.phase])
	}
}

// take logs a committed transaction.
func (f *Learner) take(e Entry) bool {
	z := e.Zxid()
	switch {
	case f.phase != learnerServing && z <= f.committed:
		if f.differs(e) {
			f.leaveForSnapshot("the leader's transaction %v is not the one in our log", z)
			return false
		}
	case len(f.open) > 0 && f.open[0].Zxid() == z && !f.differs(e):
		f.commitOpen()
	default:
		if !f.append(e) {
			return false
		}
		f.order(Disk{Kind: DiskAppend, Entry: e})
		f.committed = z
	}
	f.shelf = slices.DeleteFunc(f.shelf, func(kept Entry) bool { return kept.Zxid() <= z })
	if f.phase == learnerServing {
		f.apply()
	}
	return true
}

// observerInform logs a committed transaction; it is applied when durable.
func observerInform(f *Learner, p proto.QuorumPacket) {
	if e, ok := f.entry(p, p.Data); ok {
		f.take(e)
	}
}

// observerInformAndActivate does it with a reconfiguration.
func observerInformAndActivate(f *Learner, p proto.QuorumPacket) {
	if len(p.Data) < 8 {
		f.leave("the leader sent INFORMANDACTIVATE %v that names no leader", p.Zxid)
		return
	}
	e, ok := f.entry(p, p.Data[8:])
	if !ok {
		return
	}
	if e.Txn.Op != proto.OpReconfig {
		f.leave("the leader sent INFORMANDACTIVATE %v with %v", p.Zxid, e.Txn.Op)
		return
	}
	config, ok := f.proposedConfig(e)
	if ok && f.take(e) && config != nil {
		f.activate(*config, proto.ServerID(binary.BigEndian.Uint64(p.Data)))
	}
}
