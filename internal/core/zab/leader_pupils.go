package zab

import (
	"fmt"
	"slices"

	"quokka/internal/core/quorum"
	"quokka/internal/proto"
)

// pupilPhase is how far a learner has come, as its leader sees it.
type pupilPhase uint8

const (
	pupilCame     pupilPhase = iota // FOLLOWERINFO or OBSERVERINFO came
	pupilAsked                      // LEADERINFO is sent
	pupilWaiting                    // ACKEPOCH came; its synchronisation did not begin
	pupilSyncing                    // NEWLEADER is sent
	pupilSynced                     // it acknowledged NEWLEADER
	pupilUpToDate                   // UPTODATE is sent
	pupilPhases
)

var pupilPhaseNames = [pupilPhases]string{
	"before LEADERINFO", "before ACKEPOCH", "before its synchronisation", "in its synchronisation", "before UPTODATE",
	"in broadcast",
}

// A pupil is a learner as its leader sees it: one link of one server
// (LearnerHandler).
type pupil struct {
	link     Link
	server   proto.ServerID
	observer bool
	quokka   bool
	accepted proto.Epoch
	phase    pupilPhase
	came     int64 // ms
	heard    int64 // beat of the last packet, or of the phase's begin
	waits    int64 // beat since when its synchronisation is on hold

	last      proto.Zxid // end of its log, from ACKEPOCH
	kind      syncKind
	streaming int        // snapshots and histories that are not sent yet
	sent      proto.Zxid // last transaction that went over the link
	given     proto.Zxid // last that its synchronisation brought as committed: no ACK is owed up to it
	acked     proto.Zxid

	owed      proto.Zxid // proposal whose acknowledgement is watched; 0 is none
	owedSince int64      // beat

	pings, echoes uint64 // PINGs sent, and answered in their order
	asked         uint64 // PINGs sent before the current round of reads
}

// LearnerStatus is what is known of a learner.
type LearnerStatus struct {
	Link     Link
	Server   proto.ServerID
	Observer bool
	Synced   bool       // UPTODATE is sent
	Acked    proto.Zxid // last proposal it acknowledged
	SinceMS  int64      // when it came
}

// Learners returns the learners, the oldest link first.
func (l *Leader) Learners() []LearnerStatus { return statusOf(l.pupils) }

func statusOf(pupils []*pupil) []LearnerStatus {
	all := make([]LearnerStatus, len(pupils))
	for i, p := range pupils {
		all[i] = LearnerStatus{p.link, p.server, p.observer, p.phase == pupilUpToDate, p.acked, p.came}
	}
	return all
}

func (l *Leader) pupil(link Link) *pupil { return pupilOf(l.pupils, link) }

func pupilOf(pupils []*pupil, link Link) *pupil {
	for _, p := range pupils {
		if p.link == link {
			return p
		}
	}
	return nil
}

// votes tells whether a learner belongs to a quorum that the leader needs.
func (l *Leader) votes(p *pupil) bool {
	return !p.observer && slices.ContainsFunc(l.rules, func(r quorum.Config) bool { return r.IsVoter(p.server) })
}

// send puts a packet on a learner's link.
func (l *Leader) send(p *pupil, kind proto.PacketType, z proto.Zxid, data []byte) {
	p.send(l.out, kind, z, data)
}

func (p *pupil) send(out *Effects, kind proto.PacketType, z proto.Zxid, data []byte) {
	out.Sends = append(out.Sends, Send{Link: p.link, Packet: proto.QuorumPacket{Type: kind, Zxid: z, Data: data}})
}

// Reply puts a packet of the member itself (SYNC, REVALIDATE) on a link,
// after everything that was sent before. It is dropped if the learner is
// gone.
func (l *Leader) Reply(link Link, q proto.QuorumPacket) {
	if p := l.pupil(link); p != nil && p.phase == pupilUpToDate {
		l.out.Sends = append(l.out.Sends, Send{Link: link, Packet: q})
	}
}

// refuse ends a link because of what the learner is or did.
func (l *Leader) refuse(p *pupil, format string, args ...any) {
	why := fmt.Sprintf(format, args...)
	l.note(Note{Kind: NoteLearnerRefused, Server: p.server, Zxid: p.last, Text: why})
	l.out.Sends = append(l.out.Sends, Send{Link: p.link, Kind: SendClose, Why: why})
	l.forget(p)
}

// LinkDown says that a link has ended.
func (l *Leader) LinkDown(now int64, link Link) {
	p := l.pupil(link)
	if p == nil || l.ended() {
		return
	}
	l.note(Note{Kind: NoteLearnerGone, Server: p.server})
	l.forget(p)
	l.syncWaiting(now)
	l.leaveIfAlone()
}

// forget removes a link, and what was counted because of it: a server that
// comes again may have lost what it acknowledged.
func (l *Leader) forget(p *pupil) {
	i := slices.Index(l.pupils, p)
	if i < 0 {
		return
	}
	l.pupils = slices.Delete(l.pupils, i, i+1)
	if !p.observer {
		l.acks.drop(p.server)
		l.epochAcks.Remove(p.server)
		l.newAcks.Remove(p.server)
	}
}

// takesProposals tells whether live traffic goes to a learner: its
// synchronisation has begun.
func (p *pupil) takesProposals() bool { return p.phase >= pupilSyncing }
