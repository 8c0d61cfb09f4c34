package elect

import (
	"slices"
	"strconv"
	"strings"

	"quokka/internal/proto"
)

// Vote is a notification of another server. Any content is safe; what makes
// no sense is dropped.
func (e *Election) Vote(now int64, from proto.ServerID, n proto.Notification) {
	switch {
	case from == e.cfg.Me || n.ElectionEpoch > maxRound:
	case n.State < proto.Looking || n.State > proto.Observing:
	case e.running && e.isNewer(n):
	case !e.members.votes(from):
		e.answerStranger(now, from, n)
	case e.running:
		e.count(now, from, n)
	case !e.decided:
		e.keep(from, n)
	case n.State == proto.Looking:
		e.send(from, e.vote.ElectionEpoch)
		if e.state == proto.Leading {
			e.doubtAt, e.doubted = now, true
		}
	}
}

// isNewer notes a configuration that is newer than the active one; the
// notification is not used then.
func (e *Election) isNewer(n proto.Notification) bool {
	if !e.cfg.ReconfigEnabled || n.Version < 2 {
		return false
	}
	version, ok := configVersion(n.Config)
	if !ok || version <= e.members.version || version <= e.refused {
		return false
	}
	if version > e.newerVersion {
		e.newer, e.newerVersion = n.Config, version
	}
	return true
}

// configVersion reads the line "version=HEX", which stands last.
func configVersion(text string) (uint64, bool) {
	hex, found := strings.CutPrefix(text[strings.LastIndexByte(text, '\n')+1:], "version=")
	if !found {
		return 0, false
	}
	version, err := strconv.ParseUint(hex, 16, 63)
	return version, err == nil
}

// An answer is what a stranger was told.
type answer struct {
	to    proto.ServerID
	state proto.PeerState
	vote  Vote
	round int64
}

const maxAnswers = 256 // remembered

// answerStranger tells a server that does not vote (an observer, one that
// wants to join, one of another ensemble) what this one thinks, and does not
// count what it says. Java answers always; two servers that take each other
// for strangers never stop then. Here only who is LOOKING gets an answer, and
// the same one not again before MinIntervalMS.
func (e *Election) answerStranger(now int64, from proto.ServerID, n proto.Notification) {
	if n.State != proto.Looking || !e.running && !e.decided {
		return
	}
	if now-e.answerAt >= e.cfg.MinIntervalMS || len(e.answered) >= maxAnswers {
		e.answered, e.answerAt = e.answered[:0], now
	}
	a := answer{from, e.state, e.vote, e.round}
	if !slices.Contains(e.answered, a) {
		e.answered = append(e.answered, a)
		e.send(from, e.round)
	}
}

// count handles the notification of a voter while this server is LOOKING.
func (e *Election) count(now int64, from proto.ServerID, n proto.Notification) {
	if n.State == proto.Looking && n.ElectionEpoch < e.round {
		e.send(from, e.round) // it lags behind
	}
	if !e.members.votes(n.Leader) {
		if n.State == proto.Looking && n.Leader == none {
			e.catchUp(now, n.ElectionEpoch)
		}
		return
	}
	b := ballot{from, Vote{n.Leader, n.Zxid, n.ElectionEpoch, n.PeerEpoch}, n.State, n.Version}
	switch n.State {
	case proto.Looking:
		e.heardLooking(now, b)
	case proto.Following, proto.Leading:
		e.heardSettled(now, b)
	}
}

// heardLooking counts the vote of a server that is LOOKING. What it said
// before about a leader it had is no longer true.
//
// A vote that is the first or the same again although ours is better comes from
// a server that did not hear us, such as one that still had its leader when we
// lost ours: it is told, for our next broadcast may be a minute away, and even
// the least wait is as long as an election. (Java waits.)
func (e *Election) heardLooking(now int64, b ballot) {
	e.outside.drop(b.from)
	if e.own.Zxid == untrusted || b.vote.Zxid == untrusted {
		return
	}
	told := false // by a broadcast
	switch {
	case b.vote.ElectionEpoch < e.round:
		return
	case e.overrates(b.vote):
		e.round = min(b.vote.ElectionEpoch+1, maxRound)
		e.received = e.received[:0]
		e.propose(now, e.own)
		return
	case b.vote.ElectionEpoch > e.round:
		e.round = b.vote.ElectionEpoch
		e.received = e.received[:0]
		if e.better(b.vote, e.own) {
			e.propose(now, b.vote)
		} else {
			e.propose(now, e.own)
		}
		told = true
	case e.better(b.vote, e.vote):
		e.propose(now, b.vote)
		told = true
	}
	old, had := e.received.put(b)
	if !had {
		e.hurry(now)
	}
	if !told && (!had || old == b) && e.better(e.vote, b.vote) {
		e.send(b.from, e.round)
	}
	e.settle(now)
}

// catchUp begins the round of a voter that votes for nobody yet: it will be in
// the active configuration only when the next one is. Until our vote is of its
// round it does not take it over.
func (e *Election) catchUp(now, round int64) {
	if round <= e.round || e.own.Zxid == untrusted {
		return
	}
	e.round = round
	e.received = e.received[:0]
	e.propose(now, e.own)
}

// hurry starts the notification interval anew because a server was heard for
// the first time in this round: with it there may be a quorum, and it may not
// have heard us. (In Java the interval only grows, and after a long partition
// servers that came back wait up to a minute for each other.)
func (e *Election) hurry(now int64) {
	e.interval = min(e.interval, e.cfg.MinIntervalMS)
	e.sendAt = min(e.sendAt, now+e.cfg.MinIntervalMS)
}

// heardSettled counts the word of a server that follows or leads. A leader is
// joined if a quorum is for it and it says itself that it leads; otherwise
// servers might elect one that is dead over and over (checkLeader).
func (e *Election) heardSettled(now int64, b ballot) {
	if b.vote.ElectionEpoch == e.round {
		e.received.put(b)
		if e.join(e.received, b) {
			return
		}
	} else {
		e.received.drop(b.from) // what it voted for in this round it does not hold any more
	}
	e.outside.put(b)
	if !e.join(e.outside, b) {
		e.settle(now)
	}
}

// join ends the election if a quorum of the ballots is for the leader of b. To
// follow it one of the active configuration is enough: it is the leader who
// must have quorums, and the next configuration may be one that only this
// server has in its log, since its proposer died. (Java wants both, and such a
// server stays outside as long as that leader leads.)
func (e *Election) join(all ballots, b ballot) bool {
	leads := b.vote.Leader == e.cfg.Me
	agreed, electors := e.members.agree(all, b)
	if !leads {
		agreed = e.members.active.HasQuorum(electors)
	}
	if !agreed || leads && !e.leads(b.vote) || !leads && !all.claims(b.vote.Leader) {
		return false
	}
	e.electors = electors
	e.become(b.vote)
	return true
}
