package zab

import (
	"slices"
	"strconv"

	"quokka/internal/core/quorum"
	"quokka/internal/proto"
)

// synchronise begins the phase in which learners get the leader's history.
// Its own acknowledgement counts now: the epoch is durable, and so is its
// log.
func (l *Leader) synchronise(now int64) {
	l.enter(leaderSynchronises)
	l.countMyself()
	l.syncWaiting(now)
	l.establishIfAcked(now)
}

// countMyself adds this server to those that hold the initial history, if
// its disk does.
func (l *Leader) countMyself() {
	if l.phase == leaderSynchronises && l.h.Durable() >= l.initial {
		l.newAcks.Add(l.cfg.Me)
	}
}

// syncWaiting looks again at the learners whose synchronisation waits for
// something.
func (l *Leader) syncWaiting(now int64) {
	waits := func(p *pupil) bool { return p.phase == pupilWaiting }
	if l.phase < leaderSynchronises || l.ended() || !slices.ContainsFunc(l.pupils, waits) {
		return
	}
	for _, p := range slices.Clone(l.pupils) {
		if waits(p) {
			l.syncPupil(now, p)
		}
	}
}

// syncPupil synchronises a learner, if it may be now. Learners that no
// quorum needs wait until the initial history is committed.
func (l *Leader) syncPupil(now int64, p *pupil) {
	if l.ended() || l.phase < leaderBroadcasts && !l.votes(p) {
		return
	}
	ask := syncAsk{
		peer: p.last, quokka: p.quokka, established: l.phase == leaderBroadcasts,
		epoch: l.epoch, current: l.cfg.Current, urgent: l.urgent(p),
		diskDiff: l.cfg.DiskDiff, diskHas: l.cfg.DiskHas,
	}
	plan := planSync(l.h, ask)
	switch {
	case plan.kind == syncRefuse:
		l.refuse(p, "server %d cannot be synchronised: %s", p.server, plan.why)
	case plan.kind != syncHold && !throttled(l.pupils, p, plan.kind, l.cfg.MaxSnapSyncs, l.cfg.MaxDiffSyncs):
		l.beginSync(p, plan)
	}
}

// urgent tells whether a learner has been on hold long enough: until half of
// what a quorum may take, and then for a tick.
func (l *Leader) urgent(p *pupil) bool {
	if l.phase == leaderBroadcasts {
		return l.beat-max(p.waits, l.since) >= beatsPerTick
	}
	return l.beat-l.since >= l.initBeats()/2
}

// throttled tells whether an observer must wait for the synchronisation of
// others (LearnerSyncThrottler).
func throttled(pupils []*pupil, p *pupil, kind syncKind, maxSnaps, maxDiffs int) bool {
	limit := maxDiffs
	if kind == syncSnap {
		limit = maxSnaps
	}
	if !p.observer || limit <= 0 {
		return false
	}
	for _, other := range pupils {
		if other.phase == pupilSyncing && (other.kind == syncSnap) == (kind == syncSnap) {
			limit--
		}
	}
	return limit <= 0
}

// beginSync sends what the plan says, the proposals that are not committed,
// and NEWLEADER. Live traffic follows from now on.
func (l *Leader) beginSync(p *pupil, plan syncPlan) {
	l.note(Note{Kind: NoteSync, Server: p.server, Zxid: p.last, Text: plan.kind.String() + ": " + plan.why})
	p.heard = l.beat
	p.startSync(l.out, plan)
	if !l.sendSince(p, plan.from) {
		return
	}
	config := l.seen
	if p.observer {
		// Learners activate what NEWLEADER brings. A participant knows from
		// the proposal that it is pending; an observer is not sent that.
		config = l.active
	}
	l.send(p, proto.PacketNewLeader, proto.MakeZxid(l.epoch, 0), []byte(config.Text()))
}

// startSync sends what a plan begins with: DIFF, TRUNC or SNAP, and what is
// on disk only.
func (p *pupil) startSync(out *Effects, plan syncPlan) {
	p.phase, p.kind, p.acked = pupilSyncing, plan.kind, 0
	p.sent = max(plan.from, p.last, 0)
	switch plan.kind {
	case syncDiff:
		p.send(out, proto.PacketDiff, plan.zxid, nil)
	case syncTrunc:
		p.sent = plan.from
		p.send(out, proto.PacketTrunc, plan.zxid, nil)
	case syncSnap:
		p.streaming++
		p.sent = plan.from
		out.Sends = append(out.Sends, Send{Link: p.link, Kind: SendSnapshot, From: plan.from, To: plan.zxid})
	}
	if plan.disk {
		p.streaming++
		out.Sends = append(out.Sends, Send{Link: p.link, Kind: SendHistory, From: plan.diskAt, To: plan.from})
	}
	p.given = p.sent
}

// sendSince sends the entries after a zxid (LearnerHandler.syncFollower,
// Leader.startForwarding). What is not committed goes to participants only.
// Before the leader is established its whole history counts as committed:
// learners apply it when a quorum has it.
func (l *Leader) sendSince(p *pupil, from proto.Zxid) bool {
	committed := l.initial
	if l.phase == leaderBroadcasts {
		committed = l.h.Applied()
	}
	rest, ok := l.h.Since(from)
	if !ok {
		l.fail(FailStop, "the history has no %v, after which server %d is to be synchronised", from, p.server)
		return false
	}
	for _, e := range rest {
		z := e.Zxid()
		if z > committed && p.observer {
			return true
		}
		l.send(p, proto.PacketProposal, z, e.Raw)
		p.sent = z
		if z <= committed {
			p.given = z
			l.send(p, proto.PacketCommit, z, nil)
		}
	}
	return true
}

// Streamed says that a snapshot or history for a learner is sent as a whole:
// from now on the learner is expected to answer in time.
func (l *Leader) Streamed(_ int64, link Link) {
	if p := l.pupil(link); p != nil && p.streaming > 0 {
		p.streaming--
		p.heard = l.beat
	}
}

// leaderSyncAck takes an ACK of a learner that has not acknowledged
// NEWLEADER. Releases up to 3.8.4 may acknowledge proposals before it
// (ZOOKEEPER-4685): these are kept, and count with the one of NEWLEADER,
// since only that says that the learner's epoch is durable.
func leaderSyncAck(l *Leader, now int64, p *pupil, q proto.QuorumPacket) {
	if q.Zxid != proto.MakeZxid(l.epoch, 0) {
		l.takeAck(p, q.Zxid)
		return
	}
	p.phase = pupilSynced
	l.note(Note{Kind: NoteSynced, Server: p.server, N: now - p.came})
	if !p.observer {
		l.newAcks.Add(p.server)
		l.acks.raise(p.server, p.acked)
	}
	l.establishIfAcked(now)
	if l.phase == leaderBroadcasts && p.phase == pupilSynced {
		l.sendUpToDate(p)
		l.advance(now)
	}
	l.syncWaiting(now)
}

// sendUpToDate tells a learner that it may serve clients.
func (l *Leader) sendUpToDate(p *pupil) {
	p.phase, p.heard = pupilUpToDate, l.beat
	l.send(p, proto.PacketUpToDate, -1, nil)
}

// establishIfAcked makes this server the leader once a quorum holds its
// history (Leader.waitForNewLeaderAck, startZkServer).
func (l *Leader) establishIfAcked(now int64) {
	if l.phase != leaderSynchronises || !l.hasQuorums(l.newAcks) {
		return
	}
	l.enter(leaderBroadcasts)
	l.commitInitial()
	l.proposed = proto.MakeZxid(l.epoch, 0)
	l.acks.commit(l.proposed)
	l.acks.raise(l.cfg.Me, l.h.Durable())
	l.note(Note{Kind: NoteEstablished, Zxid: l.proposed, Text: serverList(l.newAcks)})
	if l.seen.Version > l.active.Version {
		heir := l.designate(l.seen, l.newAcks)
		l.activate()
		if heir != l.cfg.Me {
			l.retire(heir)
		}
	}
	l.acks.require(l.proposed+1, l.rules...)
	for _, p := range l.pupils {
		if p.phase == pupilSynced {
			l.sendUpToDate(p)
		}
	}
	l.syncWaiting(now)
	l.answerReads()
	l.leaveIfAlone()
}

// commitInitial commits what the log held when this server became leader.
func (l *Leader) commitInitial() {
	l.out.Apply = append(l.out.Apply, l.h.Advance(l.initial)...)
	l.acks.commit(l.initial)
	l.h.SetKnown(l.initial)
}

// hasQuorums tells whether servers are a quorum of every configuration that
// counts now.
func (l *Leader) hasQuorums(set quorum.Acks) bool {
	return !slices.ContainsFunc(l.rules, func(r quorum.Config) bool { return !r.HasQuorum(set) })
}

// serverList is a set of servers as Java's log shows it.
func serverList(set quorum.Acks) string {
	var b []byte
	for i, id := range set.IDs() {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(id), 10)
	}
	return string(b)
}
