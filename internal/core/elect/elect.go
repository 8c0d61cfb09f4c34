// Package elect finds a leader: ZooKeeper's fast leader election as a pure
// state machine. Notifications and ticks go in, notifications and a verdict
// come out.
//
// It owns the round (Java's logical clock), the proposal of this server, the
// votes it has heard, and the vote that is shown to others between two
// elections. It must never decide what a verdict leads to: connecting to the
// leader, giving up on it and looking again are its caller's business. It
// sends nothing itself, asks no clock and draws chance from a seed only.
//
// Source of the facts: FastLeaderElection and the election parts of
// QuorumPeer. What is done differently, and why, is said where it is done:
// rounds never go back (became), votes that are no longer held are forgotten
// (heardLooking, heardSettled), the wait for better votes has an end
// (settle), repeated votes that we beat are answered (heardLooking), the
// notification interval starts anew for a new voice (hurry), and a server
// does not lead on other servers' word without the data it was elected for
// (leads).
package elect

import (
	"cmp"
	"math"
	"slices"

	"quokka/internal/core/quorum"
	"quokka/internal/proto"
)

// A Vote says who should lead, and why. Zxid and PeerEpoch are the last zxid
// and the current epoch of that leader. While a server is LOOKING,
// ElectionEpoch is its round; afterwards it is the round in which the leader
// was found.
type Vote struct {
	Leader        proto.ServerID
	Zxid          proto.Zxid
	ElectionEpoch int64
	PeerEpoch     proto.Epoch
}

// A Send is a notification for another server.
type Send struct {
	To proto.ServerID
	N  proto.Notification
}

// Config is fixed at start. Times that are 0 get Java's defaults.
type Config struct {
	Me              proto.ServerID
	MinIntervalMS   int64  // between two broadcasts at first: zookeeper.fastleader.minNotificationInterval, 200
	MaxIntervalMS   int64  // and at most: zookeeper.fastleader.maxNotificationInterval, 60000
	FinalizeMS      int64  // the wait for better votes after a quorum (FastLeaderElection.finalizeWait), 200
	ObserverDelayMS int64  // an observer that lost its leader waits a random part of it: zookeeper.observer.election.DelayMs
	Seed            uint64 // of that random part
	ReconfigEnabled bool   // NewerConfig works; without it configurations in notifications are ignored
}

const (
	none      = math.MinInt64 // leader, zxid and epoch of who cannot be voted for
	untrusted = proto.Zxid(-1)
	// maxRound is more than any ensemble will see. A greater round is damage:
	// taking it over would leave no room for the next one.
	maxRound = int64(1) << 62
)

// An Election is the part of one server in all elections of its life.
type Election struct {
	cfg     Config
	members members
	state   proto.PeerState
	running bool // LOOKING, in a round; false before the first Look and after Leave
	decided bool

	round    int64
	own      Vote // the proposal of this server for itself
	vote     Vote // the proposal while LOOKING, then the verdict
	received ballots
	outside  ballots // of servers that are not LOOKING (outofelection)
	electors quorum.Acks

	interval   int64 // between broadcasts, now
	sendAt     int64
	finalizing bool
	finalizeAt int64

	kept     []letter // what came between Leave and Look, by sender
	answered []answer // to strangers, in the interval that began at answeredAt
	answerAt int64
	doubtAt  int64
	doubted  bool

	newer        string
	newerVersion uint64
	refused      uint64
	observed     bool // the last verdict was to observe
	chance       uint64
	sends        []Send
}

// New returns the election of a server that does not yet take part: it needs
// SetMembers, then Look.
func New(cfg Config) *Election {
	cfg.MinIntervalMS = cmp.Or(cfg.MinIntervalMS, 200)
	cfg.MaxIntervalMS = max(cmp.Or(cfg.MaxIntervalMS, 60000), cfg.MinIntervalMS)
	cfg.FinalizeMS = cmp.Or(cfg.FinalizeMS, 200)
	return &Election{cfg: cfg, vote: Vote{none, none, 0, none}, own: Vote{none, none, 0, none}, chance: cfg.Seed}
}

// SetMembers says who is in the ensemble: active is the configuration in
// force, next the last one seen. Participants of both vote. A quorum is
// needed in active, and in next too if its version is higher. A membership
// without a rule (see quorum.Membership.Rule) has no quorum. Votes heard so
// far are forgotten: a server that is LOOKING has to Look again.
func (e *Election) SetMembers(active, next quorum.Membership) {
	e.members = newMembers(e.cfg.Me, active, next)
	e.received, e.outside = e.received[:0], e.outside[:0]
	e.finalizing = false
	if e.newerVersion <= active.Version {
		e.newer, e.newerVersion = "", 0
	}
}

// Look begins a new round, as after a start or the end of a role. zxid is the
// last one of the log and must be durable; -1 says that the database may have
// been lost: such a server neither proposes itself nor counts votes, but
// joins a leader who is there already. peerEpoch is the current epoch.
func (e *Election) Look(now int64, zxid proto.Zxid, peerEpoch proto.Epoch) {
	e.state, e.running, e.decided, e.doubted = proto.Looking, true, false, false
	e.received, e.outside, e.finalizing = e.received[:0], e.outside[:0], false
	e.newer, e.newerVersion = "", 0
	e.round = min(e.round+1, maxRound)
	e.own = e.members.candidate(e.cfg.Me, zxid, peerEpoch)
	e.vote = e.own
	e.vote.ElectionEpoch = e.round
	if delay := e.observerDelay(); delay > 0 {
		e.interval, e.sendAt = 0, now+delay
	} else {
		e.interval = e.cfg.MinIntervalMS
		e.broadcast(now)
	}
	e.settle(now)
	kept := e.kept
	e.kept = nil
	for _, l := range kept {
		e.Vote(now, l.from, l.n)
	}
}

// observerDelay is how long an observer that lost its leader keeps quiet, so
// that not all of them come at once (Observer.waitForObserverElectionDelay).
func (e *Election) observerDelay() int64 {
	lost := e.observed
	e.observed = false
	if !lost || e.cfg.ObserverDelayMS <= 0 || e.members.votes(e.cfg.Me) {
		return 0
	}
	return int64(e.random() % uint64(e.cfg.ObserverDelayMS))
}

// random is splitmix64.
func (e *Election) random() uint64 {
	e.chance += 0x9e3779b97f4a7c15
	z := e.chance
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Leave says that the role which the last verdict led to has ended: the vote
// is no longer shown to anybody. Until Look, which may have to wait for the
// disk, the newest notification of each voter is kept.
func (e *Election) Leave() {
	e.state, e.running, e.decided, e.doubted = proto.Looking, false, false, false
}

// Designate takes a leader without an election: the one that a
// reconfiguration named (QuorumPeer.processReconfig, updateVote). zxid is
// that of the reconfiguration. The verdict is there at once. (Java shows -1
// as election epoch and, until the new leader is followed, as peer epoch.)
func (e *Election) Designate(leader proto.ServerID, zxid proto.Zxid, peerEpoch proto.Epoch) {
	e.electors.Clear()
	e.become(Vote{leader, zxid, e.round, peerEpoch})
}

// SetPeerEpoch updates the vote that is shown once the new epoch is
// established (leader) or UPTODATE has come (learner). Without it a server
// that looks later would see the members disagree for ever (ZOOKEEPER-1732,
// QuorumPeer.updateElectionVote).
func (e *Election) SetPeerEpoch(p proto.Epoch) {
	if e.decided {
		e.vote.PeerEpoch = p
	}
}

// Result returns the verdict, from when it is there until Look or Leave:
// LEADING, FOLLOWING or OBSERVING, and the vote.
func (e *Election) Result() (state proto.PeerState, v Vote, ok bool) {
	return e.state, e.vote, e.decided
}

// State returns what this server is doing.
func (e *Election) State() proto.PeerState { return e.state }

// Current returns the proposal while LOOKING, and then the verdict.
func (e *Election) Current() Vote { return e.vote }

// Round returns the logical clock. It never goes back while the process runs.
func (e *Election) Round() int64 { return e.round }

// Electors returns the servers whose votes made the verdict, ascending; none
// after Designate.
func (e *Election) Electors() []proto.ServerID { return e.electors.IDs() }

// Doubt returns when a voter last said that it is LOOKING although this
// server leads. A leader that waits too long for its epoch gives up then
// (Leader.reportLookingSid, zookeeper.leader.maxTimeToWaitForEpoch).
func (e *Election) Doubt() (at int64, ok bool) { return e.doubtAt, e.doubted }

// NewerConfig returns the text of a configuration newer than the active one
// that came while LOOKING. Notifications that carry it are not used: the
// caller adopts it by SetMembers and Look, or refuses it.
func (e *Election) NewerConfig() (text string, ok bool) { return e.newer, e.newer != "" }

// RefuseConfig says that what NewerConfig returned cannot be used. From now
// on notifications are used in spite of it.
func (e *Election) RefuseConfig() {
	e.refused = max(e.refused, e.newerVersion)
	e.newer, e.newerVersion = "", 0
}

// TakeSends returns the notifications to send, in order. They are valid until
// the next input.
func (e *Election) TakeSends() []Send {
	s := e.sends
	e.sends = e.sends[:0]
	return s
}

// Tick is to be called every few ms. It repeats what may have been lost, at
// growing intervals, and ends the wait for better votes.
func (e *Election) Tick(now int64) {
	switch {
	case !e.running:
	case e.finalizing:
		if now >= e.finalizeAt {
			e.elected()
		}
	case now >= e.sendAt:
		e.interval = min(max(2*e.interval, e.cfg.MinIntervalMS), e.cfg.MaxIntervalMS)
		e.broadcast(now)
	}
}

// propose changes the proposal and tells everybody.
func (e *Election) propose(now int64, v Vote) {
	v.ElectionEpoch = e.round
	e.vote = v
	e.finalizing = false
	e.broadcast(now)
}

// broadcast sends the proposal to all voters, this server being one of them
// or not.
func (e *Election) broadcast(now int64) {
	e.sendAt = now + e.interval
	if e.interval == 0 {
		e.interval, e.sendAt = e.cfg.MinIntervalMS, now+e.cfg.MinIntervalMS
	}
	for _, id := range e.members.voters {
		if id != e.cfg.Me {
			e.send(id, e.round)
		} else if e.members.votes(e.vote.Leader) && e.own.Zxid != untrusted {
			e.received.put(ballot{id, e.vote, proto.Looking, proto.NotificationVersion})
		}
	}
}

// send sends the current vote.
func (e *Election) send(to proto.ServerID, electionEpoch int64) {
	e.sends = append(e.sends, Send{to, proto.Notification{
		State: e.state, Leader: e.vote.Leader, Zxid: e.vote.Zxid, ElectionEpoch: electionEpoch, PeerEpoch: e.vote.PeerEpoch,
		Version: proto.NotificationVersion, Config: e.members.text,
	}})
}

// settle begins the wait for better votes when a quorum agrees with the
// proposal, and gives it up when that is over. Java starts the wait anew with
// every message; here it ends FinalizeMS after the quorum was there, and all
// that comes meanwhile is counted.
func (e *Election) settle(now int64) {
	switch agreed, _ := e.agree(); {
	case !agreed:
		e.finalizing = false
	case !e.finalizing:
		e.finalizing, e.finalizeAt = true, now+e.cfg.FinalizeMS
	}
}

// agree tells whether a quorum of this round is for the proposal.
func (e *Election) agree() (bool, quorum.Acks) {
	return e.members.agree(e.received, ballot{0, e.vote, proto.Looking, proto.NotificationVersion})
}

func (e *Election) elected() {
	agreed, electors := e.agree()
	e.finalizing = false
	if agreed {
		e.electors = electors
		e.become(e.vote)
	}
}

// become ends the election with a verdict. The round is kept when the one of
// the vote is lower: Java sets its clock back then, and votes that it cast in
// higher rounds are still under way (FLEBackwardElectionRoundTest).
func (e *Election) become(v Vote) {
	e.round = max(e.round, v.ElectionEpoch)
	e.vote, e.running, e.decided, e.finalizing, e.doubted = v, false, true, false, false
	e.received, e.outside, e.kept = e.received[:0], e.outside[:0], nil
	e.newer, e.newerVersion = "", 0
	e.state = e.members.learner
	if v.Leader == e.cfg.Me {
		e.state = proto.Leading
	}
	e.observed = e.state == proto.Observing
}

// A letter is a notification that is kept for later.
type letter struct {
	from proto.ServerID
	n    proto.Notification
}

func (e *Election) keep(from proto.ServerID, n proto.Notification) {
	i, found := slices.BinarySearchFunc(e.kept, from, func(l letter, id proto.ServerID) int { return cmp.Compare(l.from, id) })
	if !found {
		e.kept = slices.Insert(e.kept, i, letter{})
	}
	e.kept[i] = letter{from, n}
}
