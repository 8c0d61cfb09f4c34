package zab

import (
	"slices"

	"quokka/internal/proto"
)

// A relayRule says who handles a packet of an observer in the phases
// from..to. In all other phases it is out of turn.
type relayRule struct {
	from, to pupilPhase
	do       func(r *Relay, now int64, p *pupil, q proto.QuorumPacket)
}

// relayTable is LearnerHandler.run and ObserverMaster. Types without a row
// are ignored once an observer is up to date, as Java does, if only leaders
// send them or nobody does.
var relayTable = map[proto.PacketType]relayRule{
	proto.PacketAckEpoch:     {pupilAsked, pupilAsked, relayAckEpoch},
	proto.PacketAck:          {pupilSyncing, pupilUpToDate, relayAck},
	proto.PacketRequest:      {pupilUpToDate, pupilUpToDate, relayUp},
	proto.PacketRevalidate:   {pupilUpToDate, pupilUpToDate, relayUp},
	proto.PacketPing:         {pupilUpToDate, pupilUpToDate, relayUp},
	proto.PacketFollowerInfo: {pupilPhases, pupilPhases, nil},
	proto.PacketObserverInfo: {pupilPhases, pupilPhases, nil},
}

// Packet takes a packet of an observer. Those of links that are not known,
// or known no more, are dropped.
func (r *Relay) Packet(now int64, link Link, q proto.QuorumPacket) {
	p := pupilOf(r.pupils, link)
	if p == nil {
		return
	}
	p.heard = r.beat
	rule, ok := relayTable[q.Type]
	switch {
	case ok && rule.from <= p.phase && p.phase <= rule.to:
		rule.do(r, now, p, q)
	case ok || p.phase < pupilUpToDate:
		r.refuse(p, "%v of server %d is out of turn %s", q.Type, p.server, pupilPhaseNames[p.phase])
	}
}

// relayUp hands a packet to the member.
func relayUp(r *Relay, _ int64, p *pupil, q proto.QuorumPacket) {
	r.out.Ups = append(r.out.Ups, Up{Link: p.link, Server: p.server, Packet: q})
}

// relayAckEpoch takes the end of an observer's log. What epoch it is in does
// not matter: the leader is established (ObserverMaster.waitForEpochAck).
func relayAckEpoch(r *Relay, _ int64, p *pupil, q proto.QuorumPacket) {
	p.last, p.phase = q.Zxid, pupilWaiting
	r.syncPupil(p)
}

// relayAck takes the ACK of NEWLEADER, and later the one of UPTODATE.
// Observers acknowledge nothing else (ObserverMaster.processAck).
func relayAck(r *Relay, now int64, p *pupil, q proto.QuorumPacket) {
	if q.Zxid != proto.MakeZxid(r.f.Epoch(), 0) {
		r.refuse(p, "server %d acknowledged %v: an observer acknowledges no proposal", p.server, q.Zxid)
		return
	}
	if p.phase == pupilUpToDate {
		return
	}
	p.phase = pupilUpToDate
	r.note(Note{Kind: NoteSynced, Server: p.server, N: now - p.came})
	p.send(r.out, proto.PacketUpToDate, -1, nil)
	r.syncWaiting()
}

// syncWaiting looks again at the observers whose synchronisation waits for
// others, or for this server.
func (r *Relay) syncWaiting() {
	waits := func(p *pupil) bool { return p.phase == pupilWaiting }
	if !slices.ContainsFunc(r.pupils, waits) {
		return
	}
	for _, p := range slices.Clone(r.pupils) {
		if waits(p) {
			r.syncPupil(p)
		}
	}
}

// syncPupil synchronises an observer, if it may be now.
func (r *Relay) syncPupil(p *pupil) {
	plan := r.plan(p)
	if plan.kind == syncHold || throttled(r.pupils, p, plan.kind, r.cfg.MaxSnapSyncs, r.cfg.MaxDiffSyncs) {
		return
	}
	if plan.kind == syncRefuse {
		r.refuse(p, "server %d cannot be synchronised: %s", p.server, plan.why)
		return
	}
	rest, ok := r.h.Since(plan.from)
	if !ok {
		r.refuse(p, "server %d cannot be synchronised: the history has no %v", p.server, plan.from)
		return
	}
	r.note(Note{Kind: NoteSync, Server: p.server, Zxid: p.last, Text: plan.kind.String() + ": " + plan.why})
	p.heard = r.beat
	p.startSync(r.out, plan)
	for _, e := range rest {
		z := e.Zxid()
		if z > r.h.Applied() {
			break
		}
		p.send(r.out, proto.PacketProposal, z, e.Raw)
		p.send(r.out, proto.PacketCommit, z, nil)
		p.sent = z
	}
	p.send(r.out, proto.PacketNewLeader, proto.MakeZxid(r.f.Epoch(), 0), []byte(r.active().Text()))
}

// plan decides as an established leader does, whose history is what is
// applied here. An observer that was served by another server can be ahead
// of this one: what it has of this epoch is committed, and must not be cut
// off as ObserverMaster does. It waits.
func (r *Relay) plan(p *pupil) syncPlan {
	epoch := r.f.Epoch()
	ask := syncAsk{
		peer: p.last, quokka: p.quokka, established: true, epoch: epoch, current: epoch,
		diskDiff: r.cfg.DiskDiff, diskHas: r.cfg.DiskHas,
	}
	ahead := p.last > r.h.Applied() && p.last.Epoch() == epoch
	if ahead && !beginsKnownEpoch(r.h, ask) {
		return syncPlan{kind: syncHold, why: "it is ahead of this server"}
	}
	return planSync(r.h, ask)
}
