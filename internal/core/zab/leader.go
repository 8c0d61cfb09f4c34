package zab

import (
	"fmt"
	"math"

	"quokka/internal/core/quorum"
	"quokka/internal/proto"
)

// LeaderConfig is what a Leader is told when its role begins.
type LeaderConfig struct {
	Me         proto.ServerID
	Standalone bool // not an ensemble: nobody to wait for, and no epochs

	Accepted proto.Epoch // as the files acceptedEpoch and currentEpoch have them
	Current  proto.Epoch

	Active          quorum.Membership
	Next            quorum.Membership // last seen; the version of Active if none is pending
	ReconfigEnabled bool
	MultiAddress    bool

	TickMS    int64
	InitLimit int // ticks that each phase before the broadcast, and a learner's synchronisation, may take
	SyncLimit int // ticks that a learner may be silent, or owe an acknowledgement

	// MaxSnapSyncs and MaxDiffSyncs bound how many learners are synchronised
	// at once before an observer must wait (leader.maxConcurrentSnapSyncs,
	// leader.maxConcurrentDiffSyncs). 0 is no bound. Participants never wait.
	MaxSnapSyncs, MaxDiffSyncs int

	// MaxEpochWaitMS is after how much time without an epoch a voter that
	// looks for another leader ends this one
	// (zookeeper.leader.maxTimeToWaitForEpoch). 0 and less: never.
	MaxEpochWaitMS int64

	// DiskDiff tells whether the log on disk after a zxid is small enough
	// to be sent instead of a snapshot (zookeeper.snapshotSizeFactor), and
	// DiskHas whether the log holds a record with just this zxid. Without
	// the first no learner is synchronised from disk; without the second
	// only those whose last epoch is still in memory.
	DiskDiff func(from proto.Zxid) bool
	DiskHas  func(z proto.Zxid) bool

	// MaxCounter is the counter of zxids that is not used any more, a new
	// epoch is begun instead; 0 is 0xffffffff (ZOOKEEPER-1277).
	MaxCounter uint32
}

// leaderPhase is how far a leader has come.
type leaderPhase uint8

const (
	leaderDiscovery    leaderPhase = iota // waits for a quorum of learners, to choose an epoch above theirs
	leaderPromising                       // acceptedEpoch is on its way to the disk
	leaderElecting                        // LEADERINFO is sent; waits for a quorum of ACKEPOCH
	leaderAdopting                        // currentEpoch is on its way to the disk
	leaderSynchronises                    // waits for a quorum that acknowledges NEWLEADER
	leaderBroadcasts                      // established
)

// leaderTimeouts are the reasons in Java's words, for the phases that wait
// for learners.
var leaderTimeouts = [...]string{
	"Timeout while waiting for epoch from quorum", "Timeout while waiting for acceptedEpoch to be stored",
	"Timeout while waiting for epoch to be acked by quorum", "Timeout while waiting for currentEpoch to be stored",
	"Timeout while waiting for NEWLEADER to be acked by quorum",
}

// A Leader orders the transactions of one epoch. It must be used by one
// goroutine. The data of packets and entries handed to it is kept.
//
// It promises: the epoch is above every one that a quorum has accepted, and
// durable before anybody is told; its own history becomes committed only
// when a quorum holds it durably; proposals are committed in order, each
// when a quorum of every configuration that counts for it holds it durably.
// This server counts like any other, when its own disk says so; a quorum of
// others commits without it. Who is no voter, or observes, is in no quorum.
type Leader struct {
	cfg LeaderConfig
	h   *History
	out *Effects

	phase leaderPhase
	end   End
	beat  int64 // half ticks that were seen; deadlines count in them
	next  int64 // ms when the next one is
	since int64 // beat when the phase began
	start int64 // ms when the role began

	epoch     proto.Epoch
	epochAcks quorum.Acks // who answered LEADERINFO
	newAcks   quorum.Acks // who acknowledged NEWLEADER
	initial   proto.Zxid  // end of the history this server led with
	proposed  proto.Zxid
	acks      ackTable

	active, seen quorum.Membership // seen: last seen, the pending one if its version is greater
	rule         quorum.Config     // of active
	rules        []quorum.Config   // of active, and of seen if it is pending
	reconfig     proto.Zxid        // of the proposal that made seen; 0 if there is none
	retired      bool              // a reconfiguration made another server leader: nothing is committed here
	heir         proto.ServerID    // that server
	retiredAt    int64             // beat

	pupils []*pupil // by age
	reads  readQueue
	sizes  ProposalSizes
}

// NewLeader returns the leader of a server that won the election. Its log
// must be at rest: everything that was ordered before is durable.
func NewLeader(cfg LeaderConfig, h *History, now int64, out *Effects) *Leader {
	if cfg.MaxCounter == 0 {
		cfg.MaxCounter = math.MaxUint32
	}
	l := &Leader{
		cfg: cfg, h: h, out: out, next: now + cfg.TickMS/2, start: now, initial: h.Last(), proposed: h.Last(),
		active: cfg.Active, seen: cfg.Next, sizes: ProposalSizes{Last: -1, Min: -1, Max: -1},
	}
	l.acks.committed = h.Applied()
	if cfg.Standalone {
		l.alone()
		return l
	}
	next := proto.Zxid(l.seen.Version)
	if !cfg.ReconfigEnabled || l.seen.Version <= l.active.Version || h.Disowns(next, cfg.Current) {
		l.seen = l.active
	}
	if !l.setRules() {
		return l
	}
	if !l.rule.IsVoter(cfg.Me) {
		l.fail(ToLooking, "server %d is not a participant of the configuration: it cannot lead", cfg.Me)
		return l
	}
	l.discover()
	return l
}

// alone makes a leader that is its own quorum and goes on in the last epoch.
// What its log holds is committed.
func (l *Leader) alone() {
	l.rule = quorum.Standalone(l.cfg.Me)
	l.rules = []quorum.Config{l.rule}
	l.phase, l.epoch = leaderBroadcasts, l.initial.Epoch()
	l.acks.require(0, l.rule)
	l.commitInitial()
}

// setRules computes the voting rules of the configurations, false if they
// have none.
func (l *Leader) setRules() bool {
	configs := []quorum.Membership{l.active}
	if l.seen.Version > l.active.Version {
		configs = append(configs, l.seen)
	}
	l.rules = nil // a new slice: the terms of earlier proposals hold the old one
	for _, m := range configs {
		rule, err := m.Rule()
		if err != nil || len(rule.Voters()) == 0 {
			l.fail(FailStop, "configuration %x has no quorum (%v): it needs participants", m.Version, err)
			return false
		}
		l.rules = append(l.rules, rule)
	}
	l.rule = l.rules[0]
	return true
}

// Established tells whether a quorum is synchronised.
func (l *Leader) Established() bool { return l.phase == leaderBroadcasts && !l.ended() }

// Epoch returns the leader's epoch, 0 before it is chosen.
func (l *Leader) Epoch() proto.Epoch { return l.epoch }

// Proposed returns the zxid of the last proposal, or what this server's log
// held before.
func (l *Leader) Proposed() proto.Zxid { return l.proposed }

// Committed returns the zxid up to which everything is committed, as far as
// this server knows.
func (l *Leader) Committed() proto.Zxid { return l.acks.committed }

// End tells whether and how the role ended.
func (l *Leader) End() End { return l.end }

// Members returns the active configuration and the last seen one. While
// their versions differ a reconfiguration is pending.
func (l *Leader) Members() (active, next quorum.Membership) { return l.active, l.seen }

func (l *Leader) ended() bool { return l.end.Kind != Goes }

// fail ends the role.
func (l *Leader) fail(kind EndKind, format string, args ...any) {
	if l.ended() {
		return
	}
	l.end = End{Kind: kind, Why: fmt.Sprintf(format, args...), Designated: l.heir}
	for _, p := range l.pupils {
		l.out.Sends = append(l.out.Sends, Send{Link: p.link, Kind: SendClose, Why: l.end.Why})
	}
	l.pupils = nil
}

func (l *Leader) enter(phase leaderPhase) { l.phase, l.since = phase, l.beat }

func (l *Leader) note(n Note) { l.out.Notes = append(l.out.Notes, n) }
