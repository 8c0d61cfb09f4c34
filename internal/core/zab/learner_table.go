package zab

import "quokka/internal/proto"

// A learnerHandler does what a packet asks for.
type learnerHandler func(f *Learner, p proto.QuorumPacket)

// A learnerRule says who handles a packet in the phases from..to. In all
// other phases the packet is a violation, and the learner leaves.
type learnerRule struct {
	from, to learnerPhase
	do       learnerHandler
}

// learnerUnknown is the row of packets whose type we do not know. Java's
// Learner passes over them.
const learnerUnknown proto.PacketType = 0

// learnerTypes is the number of rows: that of learnerUnknown and the packets.
const learnerTypes = proto.PacketInformAndActivate + 1

// learnerTable has the rules for each type of packet. A type without rules
// is never right.
type learnerTable [learnerTypes][]learnerRule

// handler returns who handles a packet.
func (t *learnerTable) handler(kind proto.PacketType, phase learnerPhase) learnerHandler {
	if kind < learnerUnknown || kind >= learnerTypes {
		kind = learnerUnknown
	}
	for _, r := range t[kind] {
		if r.from <= phase && phase <= r.to {
			return r.do
		}
	}
	return learnerRefuse
}

// followerTable is Learner.syncWithLeader and Follower.processPacket.
var followerTable = learnerTable{
	learnerUnknown: {
		{learnerReceiving, learnerAdopting, learnerIgnore},
		{learnerAcked, learnerServing, learnerUp},
	},
	proto.PacketRequest:  {},
	proto.PacketProposal: {{learnerReceiving, learnerServing, followerProposal}},
	proto.PacketAck:      {},
	proto.PacketCommit: {
		{learnerReceiving, learnerAcked, followerSyncCommit},
		{learnerServing, learnerServing, followerCommit},
	},
	proto.PacketPing: {
		{learnerChoosing, learnerAdopting, learnerIgnore}, // an answer would come before the ACK of NEWLEADER
		{learnerAcked, learnerServing, learnerUp},
	},
	proto.PacketRevalidate:        {{learnerServing, learnerServing, learnerUp}},
	proto.PacketSync:              {{learnerServing, learnerServing, learnerUp}},
	proto.PacketInform:            {},
	proto.PacketCommitAndActivate: {{learnerReceiving, learnerServing, followerCommitAndActivate}},
	proto.PacketNewLeader: {
		{learnerDiscovery, learnerDiscovery, learnerTooOld},
		{learnerReceiving, learnerReceiving, learnerNewLeader},
	},
	proto.PacketFollowerInfo: {},
	proto.PacketUpToDate:     {{learnerAcked, learnerAcked, learnerUpToDate}},
	proto.PacketDiff:         {{learnerChoosing, learnerChoosing, learnerDiff}},
	proto.PacketTrunc:        {{learnerChoosing, learnerChoosing, learnerTrunc}},
	proto.PacketSnap:         {}, // see Learner.SnapReceived
	proto.PacketObserverInfo: {},
	proto.PacketLeaderInfo: {
		{learnerDiscovery, learnerDiscovery, learnerLeaderInfo},
	},
	proto.PacketAckEpoch:          {},
	proto.PacketInformAndActivate: {},
}

// observerTable is the same for Learner.syncWithLeader and
// Observer.processPacket.
var observerTable = learnerTable{
	learnerUnknown: followerTable[learnerUnknown],
	proto.PacketProposal: {
		{learnerReceiving, learnerAcked, observerProposal},
		{learnerServing, learnerServing, learnerIgnore},
	},
	proto.PacketCommit: {
		{learnerReceiving, learnerAcked, observerCommit},
		{learnerServing, learnerServing, learnerIgnore},
	},
	proto.PacketInform:            {{learnerReceiving, learnerServing, observerInform}},
	proto.PacketInformAndActivate: {{learnerReceiving, learnerServing, observerInformAndActivate}},
	proto.PacketCommitAndActivate: {},

	proto.PacketPing:         followerTable[proto.PacketPing],
	proto.PacketRevalidate:   followerTable[proto.PacketRevalidate],
	proto.PacketSync:         followerTable[proto.PacketSync],
	proto.PacketNewLeader:    followerTable[proto.PacketNewLeader],
	proto.PacketUpToDate:     followerTable[proto.PacketUpToDate],
	proto.PacketDiff:         followerTable[proto.PacketDiff],
	proto.PacketTrunc:        followerTable[proto.PacketTrunc],
	proto.PacketSnap:         {},
	proto.PacketLeaderInfo:   followerTable[proto.PacketLeaderInfo],
	proto.PacketRequest:      {},
	proto.PacketAck:          {},
	proto.PacketFollowerInfo: {},
	proto.PacketObserverInfo: {},
	proto.PacketAckEpoch:     {},
}

// learnerRefuse handles what a leader must not send now.
func learnerRefuse(f *Learner, p proto.QuorumPacket) {
	f.leave("the leader sent %v %s", p.Type, learnerPhaseNames[f.phase])
}

// learnerIgnore handles what is of no use to us.
func learnerIgnore(*Learner, proto.QuorumPacket) {}

// learnerUp handles what is the member's business.
func learnerUp(f *Learner, p proto.QuorumPacket) {
	f.out.Ups = append(f.out.Ups, Up{Link: f.cfg.Link, Server: f.cfg.Leader, Packet: p})
}
