package zab

import "quokka/internal/proto"

// A pupilHandler takes a packet of a learner.
type pupilHandler func(l *Leader, now int64, p *pupil, q proto.QuorumPacket)

// leaderTable says what a packet means in each phase of the learner that
// sent it. Types without a row are ignored once a learner is up to date, as
// Java does, and out of turn before.
var leaderTable = map[proto.PacketType][pupilPhases]pupilHandler{
	//                          came        asked        waiting    syncing    synced     up to date
	proto.PacketAckEpoch:     {outOfTurn, leaderAckEpoch, outOfTurn, outOfTurn, outOfTurn, outOfTurn},
	proto.PacketAck:          {outOfTurn, outOfTurn, outOfTurn, leaderSyncAck, leaderAck, leaderAck},
	proto.PacketRequest:      {outOfTurn, outOfTurn, outOfTurn, outOfTurn, outOfTurn, leaderUp},
	proto.PacketRevalidate:   {outOfTurn, outOfTurn, outOfTurn, outOfTurn, outOfTurn, leaderUp},
	proto.PacketPing:         {outOfTurn, outOfTurn, outOfTurn, outOfTurn, outOfTurn, leaderPing},
	proto.PacketFollowerInfo: {outOfTurn, outOfTurn, outOfTurn, outOfTurn, outOfTurn, outOfTurn},
	proto.PacketObserverInfo: {outOfTurn, outOfTurn, outOfTurn, outOfTurn, outOfTurn, outOfTurn},

	// What only leaders send.
	proto.PacketLeaderInfo:        {outOfTurn, outOfTurn, outOfTurn, outOfTurn, outOfTurn, outOfTurn},
	proto.PacketDiff:              {outOfTurn, outOfTurn, outOfTurn, outOfTurn, outOfTurn, outOfTurn},
	proto.PacketTrunc:             {outOfTurn, outOfTurn, outOfTurn, outOfTurn, outOfTurn, outOfTurn},
	proto.PacketSnap:              {outOfTurn, outOfTurn, outOfTurn, outOfTurn, outOfTurn, outOfTurn},
	proto.PacketNewLeader:         {outOfTurn, outOfTurn, outOfTurn, outOfTurn, outOfTurn, outOfTurn},
	proto.PacketUpToDate:          {outOfTurn, outOfTurn, outOfTurn, outOfTurn, outOfTurn, outOfTurn},
	proto.PacketProposal:          {outOfTurn, outOfTurn, outOfTurn, outOfTurn, outOfTurn, outOfTurn},
	proto.PacketCommit:            {outOfTurn, outOfTurn, outOfTurn, outOfTurn, outOfTurn, outOfTurn},
	proto.PacketCommitAndActivate: {outOfTurn, outOfTurn, outOfTurn, outOfTurn, outOfTurn, outOfTurn},
	proto.PacketInform:            {outOfTurn, outOfTurn, outOfTurn, outOfTurn, outOfTurn, outOfTurn},
	proto.PacketInformAndActivate: {outOfTurn, outOfTurn, outOfTurn, outOfTurn, outOfTurn, outOfTurn},
	proto.PacketSync:              {outOfTurn, outOfTurn, outOfTurn, outOfTurn, outOfTurn, outOfTurn},
}

// Packet takes a packet of a learner. Those of links that are not known, or
// known no more, are dropped.
func (l *Leader) Packet(now int64, link Link, q proto.QuorumPacket) {
	p := l.pupil(link)
	if p == nil || l.ended() {
		return
	}
	p.heard = l.beat
	if row, ok := leaderTable[q.Type]; ok {
		row[p.phase](l, now, p, q)
	} else if p.phase < pupilUpToDate {
		outOfTurn(l, now, p, q)
	}
}

// outOfTurn ends the link of a learner that does not keep to the protocol.
func outOfTurn(l *Leader, now int64, p *pupil, q proto.QuorumPacket) {
	l.refuse(p, "%v of server %d is out of turn %s", q.Type, p.server, pupilPhaseNames[p.phase])
	l.syncWaiting(now)
	l.leaveIfAlone()
}

// leaderUp hands a packet to the member.
func leaderUp(l *Leader, _ int64, p *pupil, q proto.QuorumPacket) {
	l.out.Ups = append(l.out.Ups, Up{Link: p.link, Server: p.server, Packet: q})
}

// leaderPing takes the echo of a PING. They come in the order of the PINGs.
func leaderPing(l *Leader, now int64, p *pupil, q proto.QuorumPacket) {
	if p.echoes < p.pings {
		p.echoes++
	}
	leaderUp(l, now, p, q)
	l.answerReads()
}
