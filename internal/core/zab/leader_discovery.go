package zab

import (
	"encoding/binary"
	"math"

	"quokka/internal/core/quorum"
	"quokka/internal/proto"
)

// Connected takes a new link and its first packet, FOLLOWERINFO or
// OBSERVERINFO (LearnerHandler.run).
func (l *Leader) Connected(now int64, link Link, first proto.QuorumPacket) {
	p := &pupil{
		link: link, came: now, heard: l.beat, accepted: first.Zxid.Epoch(),
		observer: first.Type == proto.PacketObserverInfo,
	}
	if l.ended() || l.cfg.Standalone {
		l.refuse(p, "this server does not lead an ensemble")
		return
	}
	if first.Type != proto.PacketFollowerInfo && !p.observer {
		l.refuse(p, "the first packet is %v, want FOLLOWERINFO or OBSERVERINFO", first.Type)
		return
	}
	info, err := proto.DecodeLearnerInfo(first.Data)
	if err != nil {
		l.refuse(p, "%v", err)
		return
	}
	p.server, p.quokka = info.Server, info.Quokka
	if !l.admits(p, info) {
		return
	}
	l.replace(p)
	l.pupils = append(l.pupils, p)
	l.note(Note{Kind: NoteFollowerInfo, Server: p.server, Zxid: first.Zxid, N: info.ConfigVersion})
	switch {
	case l.phase == leaderBroadcasts && l.outgrown(p):
		l.fail(ToLooking, "server %d has accepted epoch %d and cannot follow epoch %d: a new one is needed", p.server, p.accepted, l.epoch)
	case l.phase == leaderDiscovery:
		l.chooseEpoch()
	case l.phase >= leaderElecting:
		l.sendLeaderInfo(p)
	}
}

// admits tells whether a server may be a learner here, and refuses it
// otherwise.
func (l *Leader) admits(p *pupil, info proto.LearnerInfo) bool {
	switch {
	case info.Protocol < proto.LearnerProtocol:
		l.refuse(p, "server %d speaks a protocol older than Zab 1.0 (%#x): upgrade it to ZooKeeper 3.4 or later", info.Server, info.Protocol)
	case info.Server == l.cfg.Me:
		l.refuse(p, "server %d has the id of this leader: correct its myid", info.Server)
	case info.ConfigVersion > 0 && uint64(info.ConfigVersion) > l.active.Version:
		l.refuse(p, "Follower is ahead of the leader (has a later activated configuration)")
	case p.accepted < 0 || p.accepted >= math.MaxInt32:
		l.refuse(p, "server %d has accepted epoch %d: there is none above it", info.Server, p.accepted)
	default:
		return true
	}
	return false
}

// outgrown tells whether a member of the ensemble has accepted a later epoch
// than this leader's, from a leader that nothing became of. It could not join
// as long as this one leads. (Java leaves it outside.) That is not abused by
// a server that is cut off: for every epoch a quorum must have met.
func (l *Leader) outgrown(p *pupil) bool {
	_, member := l.active.Server(p.server)
	return member && p.accepted > l.epoch
}

// replace ends the older link of a server that has a new one: what it says
// there does not count any more (ZOOKEEPER-3240).
func (l *Leader) replace(p *pupil) {
	for _, old := range l.pupils {
		if old.server == p.server {
			l.refuse(old, "server %d has connected again", p.server)
			return
		}
	}
}

// discover begins the search for an epoch.
func (l *Leader) discover() {
	l.enter(leaderDiscovery)
	l.chooseEpoch()
}

// chooseEpoch takes an epoch above every one that the servers connected now
// have accepted, as soon as they and this server are a quorum
// (Leader.getEpochToPropose).
func (l *Leader) chooseEpoch() {
	connected := quorum.Acks{}
	connected.Add(l.cfg.Me)
	highest := max(l.cfg.Accepted, l.cfg.Current, l.initial.Epoch())
	for _, p := range l.pupils {
		highest = max(highest, p.accepted)
		if !p.observer {
			connected.Add(p.server)
		}
	}
	if !l.rule.HasQuorum(connected) {
		return
	}
	l.epoch = highest + 1
	l.enter(leaderPromising)
	l.out.Disk = append(l.out.Disk, Disk{Kind: DiskAcceptedEpoch, Epoch: l.epoch})
}

// EpochStored says that an epoch file is durable.
func (l *Leader) EpochStored(now int64, kind DiskKind, e proto.Epoch) {
	if l.ended() || e != l.epoch {
		return
	}
	switch {
	case kind == DiskAcceptedEpoch && l.phase == leaderPromising:
		l.announce()
	case kind == DiskCurrentEpoch && l.phase == leaderAdopting:
		l.synchronise(now)
	}
}

// announce tells the learners of the epoch. A first configuration, which has
// no version yet, gets the epoch's as its version (ZOOKEEPER-1783).
func (l *Leader) announce() {
	l.enter(leaderElecting)
	l.note(Note{Kind: NoteNewEpoch, Zxid: proto.MakeZxid(l.epoch, 0)})
	if l.cfg.ReconfigEnabled && l.active.Version == 0 && l.seen.Version == 0 {
		l.seen.Version = uint64(proto.MakeZxid(l.epoch, 0))
		l.out.Disk = append(l.out.Disk, Disk{Kind: DiskNextConfig, Config: l.seen.Text()})
		if !l.setRules() {
			return
		}
	}
	for _, p := range l.pupils {
		l.sendLeaderInfo(p)
	}
	l.epochAcks.Add(l.cfg.Me)
	l.electIfAcked()
}

func (l *Leader) sendLeaderInfo(p *pupil) {
	p.phase, p.heard = pupilAsked, l.beat
	l.send(p, proto.PacketLeaderInfo, proto.MakeZxid(l.epoch, 0), proto.AppendLeaderInfo(nil))
}

// leaderAckEpoch takes a learner's answer to the epoch: its own epoch, and
// the end of its log (Leader.waitForEpochAck). The epoch is -1 when the
// learner had promised itself to this epoch already: it is not counted then.
// Neither is one with the zxid -1, which does not know its log.
func leaderAckEpoch(l *Leader, now int64, p *pupil, q proto.QuorumPacket) {
	if len(q.Data) < 4 {
		l.refuse(p, "ACKEPOCH of server %d has no epoch", p.server)
		return
	}
	current := proto.Epoch(int32(binary.BigEndian.Uint32(q.Data)))
	p.last, p.phase, p.waits = q.Zxid, pupilWaiting, l.beat
	if l.phase == leaderElecting && current >= 0 {
		if current > l.cfg.Current || current == l.cfg.Current && p.last > l.initial {
			l.refuse(p, "Follower is ahead of the leader: it has epoch %d and zxid %v, the leader %d and %v",
				current, p.last, l.cfg.Current, l.initial)
			return
		}
		if p.last != -1 && !p.observer {
			l.epochAcks.Add(p.server)
			l.electIfAcked()
		}
	}
	if l.phase >= leaderSynchronises {
		l.syncPupil(now, p)
	}
}

// electIfAcked makes the epoch this server's own once a quorum has answered.
func (l *Leader) electIfAcked() {
	if l.phase == leaderElecting && l.rule.HasQuorum(l.epochAcks) {
		l.enter(leaderAdopting)
		l.out.Disk = append(l.out.Disk, Disk{Kind: DiskCurrentEpoch, Epoch: l.epoch})
	}
}

// Looking says that a voter still looks for a leader. If this one has had no
// quorum for long, it gives way to another election
// (Leader.reportLookingSid, ZOOKEEPER-3109).
func (l *Leader) Looking(now int64, server proto.ServerID) {
	late := l.cfg.MaxEpochWaitMS > 0 && now-l.start > l.cfg.MaxEpochWaitMS
	if l.ended() || l.phase != leaderDiscovery || !late || !l.rule.IsVoter(server) {
		return
	}
	for _, p := range l.pupils {
		if p.server == server {
			return
		}
	}
	l.fail(ToLooking, "Quit leading due to voter %d changed mind", server)
}
