package zab

import (
	"fmt"

	"quokka/internal/proto"
)

// syncKind is how a learner is brought to the leader's history.
type syncKind uint8

const (
	syncDiff   syncKind = iota // send what it lacks
	syncTrunc                  // it cuts off what the leader does not have, and gets the rest
	syncSnap                   // it gets the whole state
	syncHold                   // not now: ask again when more is committed
	syncRefuse                 // it has what it cannot have
)

func (k syncKind) String() string {
	return [...]string{"DIFF", "TRUNC", "SNAP", "HOLD", "REFUSE"}[k]
}

// A syncAsk is what the decision depends on, beside the leader's history.
type syncAsk struct {
	peer        proto.Zxid // last zxid of the learner's log; negative: it wants the whole state
	quokka      bool       // the learner is a Quokka server
	established bool       // the leader is: only then its whole initial history is committed
	epoch       proto.Epoch
	current     proto.Epoch                // the leader's current epoch when it was elected
	urgent      bool                       // holding has lasted long enough
	diskDiff    func(from proto.Zxid) bool // is the log after from worth sending
	diskHas     func(zxid proto.Zxid) bool // is there a record with this zxid
}

// A syncPlan is the decision. The learner is sent the entries after from:
// those that are committed, or count as such because they are the initial
// history, with a COMMIT each.
type syncPlan struct {
	kind   syncKind
	zxid   proto.Zxid // of the packet DIFF or TRUNC; SNAP: its least zxid
	from   proto.Zxid
	disk   bool // DIFF: first the records in (diskFrom, from] of the log on disk
	diskAt proto.Zxid
	why    string
}

// planSync decides how a learner is synchronised
// (LearnerHandler.syncFollower, with other answers where Java's lose data).
//
// A learner that is not Quokka is never told to truncate while there is
// another way: its snapshots may hold what it truncates (ZOOKEEPER-1549,
// 4837). A snapshot makes it forget its log only if its zxid is not below
// the end of that log, so for one that is ahead it must wait until the
// leader is established and may name the beginning of its epoch, which is
// above everything older.
func planSync(h *History, ask syncAsk) syncPlan {
	top := h.Last()
	if ask.established {
		top = h.Applied()
	}
	peer := ask.peer
	if peer < 0 {
		return planSnap(h, ask, "it asks for a snapshot")
	}
	if beginsKnownEpoch(h, ask) {
		return syncPlan{kind: syncDiff, zxid: peer, from: h.Last(), why: "it holds all that was committed before its epoch"}
	}
	if rest, ok := h.Since(peer); ok {
		return planHeld(h, ask, top, len(rest))
	}
	if peer > h.Last() && peer.Epoch() >= ask.epoch {
		return syncPlan{kind: syncRefuse, why: fmt.Sprintf("it has %v, which the leader of epoch %d did not propose", peer, ask.epoch)}
	}
	if peer < h.Base() {
		return planOld(h, ask, top)
	}
	return planDiverged(h, ask)
}

// beginsKnownEpoch tells whether the learner's zxid is the beginning (e,0) of
// an epoch that was established, and above the leader's last entry. Such a
// learner got its state from the leader of e, and nobody has proposed
// anything since.
func beginsKnownEpoch(h *History, ask syncAsk) bool {
	known := ask.current
	if ask.established {
		known = ask.epoch
	}
	return ask.peer > h.Last() && ask.peer.Counter() == 0 && ask.peer.Epoch() <= known
}

// planHeld is for a learner whose last zxid is in the leader's history.
func planHeld(h *History, ask syncAsk, top proto.Zxid, rest int) syncPlan {
	peer := ask.peer
	if peer <= top {
		plan := syncPlan{kind: syncDiff, zxid: top, from: peer, why: "its last zxid is known"}
		if rest == 0 {
			plan.zxid = peer
		}
		return plan
	}
	// It was here before, and its log goes beyond what is committed. Its
	// acks for that do not count any more, so it gets the proposals again.
	switch {
	case ask.quokka && top.Counter() != 0:
		return syncPlan{kind: syncTrunc, zxid: top, from: top, why: "its log ends in proposals that are not committed"}
	case !ask.quokka && !ask.urgent:
		return syncPlan{kind: syncHold, why: "its log ends in proposals that are not committed yet"}
	}
	return planSnap(h, ask, "its log ends in proposals that are not committed")
}

// planOld is for a learner whose last zxid is older than what is in memory.
// The log on disk is used only if the learner's last record is in it: the
// zxids of an epoch have no gap, so every one between the floor and the base
// of the same epoch is; of other epochs the log itself must say.
func planOld(h *History, ask syncAsk, top proto.Zxid) syncPlan {
	peer := ask.peer
	if ask.diskDiff == nil || peer < h.Floor() {
		return planSnap(h, ask, "the log does not go back to its last zxid")
	}
	held := peer.Counter() == 0 || peer.Epoch() == h.Base().Epoch()
	if !held && (ask.diskHas == nil || !ask.diskHas(peer)) {
		return planSnap(h, ask, "its last zxid is not known to be in the log")
	}
	if !ask.diskDiff(peer) {
		return planSnap(h, ask, "the log since its last zxid is too large")
	}
	return syncPlan{kind: syncDiff, zxid: top, from: h.Base(), disk: true, diskAt: peer, why: "the log on disk holds its last zxid"}
}

// planDiverged is for a learner whose last zxid lies in the leader's range
// or above it, and is not in the leader's history. Only within one epoch the
// greatest common zxid is known: its log holds every zxid of that epoch up
// to its last.
func planDiverged(h *History, ask syncAsk) syncPlan {
	common, ok := h.Below(ask.peer)
	ok = ok && common.Counter() != 0 && common.Epoch() == ask.peer.Epoch()
	why := fmt.Sprintf("%v is not in the leader's history", ask.peer)
	trunc := syncPlan{kind: syncTrunc, zxid: common, from: common, why: why}
	switch {
	case ask.quokka && ok:
		return trunc
	case ask.quokka || ask.established || ask.peer <= h.Applied():
		return planSnap(h, ask, why)
	case !ask.urgent:
		return syncPlan{kind: syncHold, why: why}
	case ok:
		trunc.why = why + ", and without this server there is no quorum"
		return trunc
	}
	return syncPlan{kind: syncRefuse, why: why + ", and no snapshot can replace it before a quorum is synchronised"}
}

// planSnap sends the state. To a server that is not Quokka an established
// leader names at least the beginning of its epoch, as Java does.
func planSnap(h *History, ask syncAsk, why string) syncPlan {
	plan := syncPlan{kind: syncSnap, from: h.Applied(), why: why}
	if ask.established && !ask.quokka {
		plan.zxid = proto.MakeZxid(ask.epoch, 0)
	}
	return plan
}
