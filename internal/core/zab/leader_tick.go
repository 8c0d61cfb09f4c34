package zab

import (
	"slices"
	"strconv"
	"strings"

	"quokka/internal/core/quorum"
	"quokka/internal/proto"
)

// beatsPerTick is how often a leader pings, in a tick.
const beatsPerTick = 2

func (l *Leader) initBeats() int64 { return int64(l.cfg.InitLimit) * beatsPerTick }
func (l *Leader) syncBeats() int64 { return int64(l.cfg.SyncLimit) * beatsPerTick }

// Tick says what time it is. It is called a few times per tick; each half
// tick is one beat. A process that was stopped for long sees one beat only,
// and so hears its learners before it judges them.
func (l *Leader) Tick(now int64) {
	if l.ended() || l.cfg.Standalone || now < l.next {
		return
	}
	half := max(l.cfg.TickMS/beatsPerTick, 1)
	l.next = max(l.next+half, now+half/2)
	l.beat++
	if l.phase != leaderBroadcasts {
		l.checkPhase()
	} else if l.beat%beatsPerTick == 0 {
		l.checkQuorum()
	}
	for _, p := range slices.Clone(l.pupils) {
		l.checkPupil(p)
	}
	l.syncWaiting(now)
	l.leaveIfAlone()
	if l.Established() {
		l.pingAll()
	}
}

// checkPhase ends a leader that could not get its quorum in time.
func (l *Leader) checkPhase() {
	if l.beat-l.since > l.initBeats() {
		l.fail(ToLooking, "%s", leaderTimeouts[l.phase])
	}
}

// checkQuorum ends a leader that does not hear of a quorum any more, or has
// been replaced for long enough.
func (l *Leader) checkQuorum() {
	var heard quorum.Acks
	heard.Add(l.cfg.Me)
	for _, p := range l.pupils {
		if !p.observer && l.beat <= l.deadline(p) {
			heard.Add(p.server)
		}
	}
	if l.retired && l.beat-l.retiredAt > l.syncBeats() {
		l.leave()
	}
	if l.hasQuorums(heard) {
		return
	}
	ids := make([]string, 0, heard.Len())
	for _, id := range heard.IDs() {
		ids = append(ids, strconv.FormatInt(int64(id), 10))
	}
	l.fail(ToLooking, "Not sufficient followers synced, only synced with sids: [ %s ]", strings.Join(ids, ","))
}

// deadline returns the beat until which a learner counts as present without
// a word (LearnerHandler.synced).
func (l *Leader) deadline(p *pupil) int64 {
	if p.phase < pupilSynced {
		return p.heard + l.initBeats() + l.syncBeats()
	}
	return p.heard + l.syncBeats()
}

// checkPupil ends the link of a learner that does not answer in time, or
// does not acknowledge a proposal (LearnerHandler.SyncLimitCheck).
func (l *Leader) checkPupil(p *pupil) {
	limit, silent := l.syncBeats(), l.beat-p.heard
	if p.phase < pupilSynced {
		limit = l.initBeats()
	}
	switch {
	case l.ended():
	case l.owesWord(p) && silent > limit:
		l.refuse(p, "server %d was silent for %d ms %s", p.server, silent*l.cfg.TickMS/beatsPerTick, pupilPhaseNames[p.phase])
	case l.owesAck(p):
		l.refuse(p, "Closing connection to server %d due to transaction timeout: it has not acknowledged %v", p.server, p.owed)
	}
}

// owesWord tells whether it is the learner's turn to say something.
func (l *Leader) owesWord(p *pupil) bool {
	return p.phase == pupilAsked || p.phase == pupilSyncing && p.streaming == 0 || p.phase == pupilUpToDate
}

// owesAck tells whether a proposal has not been acknowledged in time. One is
// watched at a time.
func (l *Leader) owesAck(p *pupil) bool {
	if p.observer || p.phase != pupilUpToDate {
		return false
	}
	if p.owed == 0 || p.acked >= p.owed {
		p.owed, p.owedSince = 0, l.beat
		if p.sent > max(p.acked, p.given) {
			p.owed = p.sent
		}
	}
	return p.owed != 0 && l.beat-p.owedSince > l.syncBeats()
}

// pingAll sends every learner that is up to date a PING. Java learners
// answer none before.
func (l *Leader) pingAll() {
	for _, p := range l.pupils {
		l.ping(p)
	}
}

func (l *Leader) ping(p *pupil) {
	if p.phase == pupilUpToDate {
		p.pings++
		l.send(p, proto.PacketPing, l.proposed, nil)
	}
}
