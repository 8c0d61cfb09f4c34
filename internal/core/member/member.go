// Package member is one server of an ensemble as one pure machine: it takes
// inputs (a request, a packet, a tick, the word that the log is durable) and
// gives out effects (append this, send that, apply, close a connection).
//
// It composes the election, the roles of Zab and the state machine, and owns
// what lies between them: the order of requests of each connection, the clock
// of sessions, and which connection a session belongs to. It has no
// goroutine, lock, clock or I/O; a driver calls it from one goroutine, does
// the effects of each device in order, and reports what is done. A standalone
// server is a member whose quorum is itself.
package member

import (
	"quokka/internal/core/elect"
	"quokka/internal/core/quorum"
	"quokka/internal/core/session"
	"quokka/internal/core/state"
	"quokka/internal/core/watch"
	"quokka/internal/core/zab"
	"quokka/internal/fifo"
	"quokka/internal/proto"
)

// Config is fixed at start.
type Config struct {
	Server        proto.ServerID
	SessionPrefix uint8 // high byte of session ids made here
	Standalone    bool  // no ensemble: zxids have epoch 0, and nobody is elected

	Members           Members     // of the ensemble
	Accepted, Current proto.Epoch // from the epoch files
	NoData            bool        // the database may have been lost: this server must not vote
	Restart           Restart     // what recovery found
	InitLimit         int         // ticks a learner may take to connect and synchronise
	SyncLimit         int         // ticks a learner may be silent
	Election          elect.Config
	History           int   // committed transactions kept in memory for learners (commitLogCount)
	ParkMS            int64 // how long clients are kept waiting for a leader
	ReconfigEnabled   bool
	MultiAddress      bool
	StandaloneEnabled bool // one participant alone would be a standalone server
	LeaderServes      bool // a leader serves clients, too

	// ObserverMasterPort, unless it is 0, has followers serve observers, and
	// observers look for such a follower at this port.
	ObserverMasterPort int

	LocalSessions   bool  // new sessions are local to their server
	UpgradeLocal    bool  // such a session becomes global when it makes an ephemeral
	ReadOnly        bool  // reads are served while there is no leader
	ReadOnlyAfterMS int64 // once the election has taken so long

	// MaxSnapSyncs, MaxDiffSyncs, MaxEpochWaitMS, DiskDiff, DiskHas and
	// MaxCounter are those of zab.LeaderConfig.
	MaxSnapSyncs, MaxDiffSyncs int
	MaxEpochWaitMS             int64
	DiskDiff                   func(from proto.Zxid) bool
	DiskHas                    func(z proto.Zxid) bool
	MaxCounter                 uint32

	TickMS                     int64
	MinTimeoutMS, MaxTimeoutMS int32 // bounds of session timeouts

	SnapCount int   // transactions between snapshots, about
	SnapBytes int64 // bytes of log between snapshots, about; 0 is no limit

	ContainerCheckMS   int64 // interval between looks for expired containers and TTL nodes
	ContainerPerMinute int64 // how many of them are deleted in a minute at most
	MaxNeverUsedMS     int64 // znode.container.maxNeverUsedIntervalMs; 0 is never

	Seed     uint64 // of the spread of snapshots
	Replayed int    // transactions that recovery took from the log
}

// A Restart says what disk and state hold: after recovery, and whenever the
// driver has read them anew. Entries are the newest records of the log, the
// first one the successor of Base; all records after Floor are on disk.
type Restart struct {
	Base    proto.Zxid
	Entries []zab.Entry
	Applied proto.Zxid
	Floor   proto.Zxid
}

// A Time is the moment an input happens.
type Time struct {
	Running int64        // ms of monotonic time that the process was running
	Wall    proto.Millis // the wall clock
}

// phase is what the member is at.
type phase uint8

const (
	atRest   phase = iota // before Start
	draining              // a role has ended: what it gave to the disk is being finished
	electing
	leading
	learning // as a follower or an observer
	stopped  // an invariant is broken
)

// A Member is one server. All methods belong to one goroutine.
type Member struct {
	cfg     Config
	state   *state.State
	now     Time
	members Members
	shown   quorum.Membership // in the state, when it was read last

	phase        phase
	election     *elect.Election
	leader       *zab.Leader    // while leading
	learner      *zab.Learner   // while learning
	observer     bool           // the learner is one
	link         zab.Link       // of the learner
	master       proto.ServerID // where it goes
	masters      masters
	relay        *relaying // of a follower that serves observers
	asked        []asker   // whom the leader's answers to REVALIDATE are for
	lastDialled  zab.Link
	history      *zab.History
	accepted     proto.Epoch
	current      proto.Epoch
	incarnation  uint64 // of the log
	barriers     int    // ordered and not reached
	lookingSince int64
	why          string         // why the last role ended
	designated   proto.ServerID // the leader that a reconfiguration has named
	wantSnapshot bool           // the next leader has to send one
	healed       proto.Epoch    // in which a snapshot was wanted because of a digest
	agreed       int            // transactions that were applied since without a difference
	fuzzyUntil   proto.Zxid     // up to here the leader\'s snapshot may hold more than its zxid says
	noData       bool
	roleOut      zab.Effects // the role writes here
	spare        zab.Effects

	mode     Mode
	parked   int64       // when parking began
	served   proto.Epoch // the epoch in which clients were served last
	starting bool        // the role is ready; clients are served once the effects so far are done
	begun    bool        // they are
	since    int64       // running time when that began

	clients     map[watch.ConnID]*client
	outstanding int                          // requests of all clients that wait
	touched     []touch                      // who was heard since the leader was told
	local       map[proto.SessionID]*client  // which connection here a session belongs to
	ghosts      map[proto.SessionID][]ghost  // what connections that are gone have on its way
	locals      locals                       // sessions that only this server knows
	clock       *session.Clock               // of all other sessions; the leader's
	closed      *session.Clock               // sessions that were closed a moment ago; the leader's
	remote      map[proto.SessionID]zab.Link // whose requests are the session's, as far as it is known; the leader's
	syncs       syncs                        // the leader's
	waiting     fifo.Queue[heldSync]         // a learner's: answers that wait for what is applied
	granted     int                          // how many of them the leader has given
	ids         session.IDs

	reaper  reaper
	snaps   snapshots
	out     Effects
	settled bool   // nothing waits to be handed on
	taken   [3]int // how many orders, decisions and packets the last Take has given
}

// New returns a member over a recovered state. Start must be the first input.
func New(cfg Config, s *state.State, now Time) *Member {
	m := &Member{
		cfg: cfg, state: s, now: now, members: cfg.Members,
		accepted: cfg.Accepted, current: cfg.Current, noData: cfg.NoData,
		history: newHistory(cfg), lastDialled: zab.FirstDialled,
		clients: make(map[watch.ConnID]*client), local: make(map[proto.SessionID]*client),
		ghosts: make(map[proto.SessionID][]ghost),
		locals: newLocals(cfg.TickMS),
		clock:  session.NewClock(cfg.TickMS), closed: session.NewClock(cfg.TickMS),
		ids:   session.NewIDs(cfg.SessionPrefix, int64(now.Wall)),
		snaps: newSnapshots(cfg),
	}
	m.restart(cfg.Restart)
	if !cfg.Standalone {
		m.election = elect.New(cfg.Election)
		s.SetReconfigurer(m.reconfigure)
	}
	return m
}

func newHistory(cfg Config) *zab.History {
	if cfg.Standalone {
		return zab.NewLoneHistory()
	}
	return zab.NewHistory(cfg.History)
}

// Start begins: a standalone server serves at once, a member of an ensemble
// looks for a leader.
func (m *Member) Start() {
	if m.cfg.Standalone {
		m.lead()
		return
	}
	m.mode = ModeClosed
	m.shown = m.shownConfig()
	m.membersChanged(m.cfg.Members)
	m.shownIsNext()
	m.look("")
}

// At tells the member what time it is. It comes before the inputs of that
// time.
func (m *Member) At(now Time) { m.now = now }

// Take returns the effects since the last call. They are valid until the
// next input.
func (m *Member) Take() Effects {
	if !m.settled {
		m.settle()
	}
	out := m.out
	m.out = Effects{
		Disk: spare(m.out.Disk, &m.taken[0]), Done: spare(m.out.Done, &m.taken[1]), Sends: spare(m.out.Sends, &m.taken[2]),
		Votes: m.out.Votes[:0], Dials: m.out.Dials[:0], Conns: m.out.Conns[:0], Notes: m.out.Notes[:0], Zab: m.out.Zab[:0],
	}
	return out
}

// spare empties a slice to be filled again. What it held the time before,
// when it had last entries, and does not hold now, is let go of.
func spare[T any](v []T, last *int) []T {
	if n := min(*last, cap(v)); n > len(v) {
		clear(v[len(v):n])
	}
	*last = len(v)
	if cap(v) > 1<<16 && cap(v) > 8*len(v) {
		return nil
	}
	return v[:0]
}

// Continue follows effects with Again, when they are done: the state is what
// it has to be before the first request is prepared.
func (m *Member) Continue() {
	if m.starting {
		m.serve()
	}
	m.settle()
}

// Tick is called a few times in TickMS. It moves on whatever waits for time.
func (m *Member) Tick() {
	switch m.phase {
	case electing:
		m.election.Tick(m.now.Running)
	case leading:
		m.leader.Tick(m.now.Running)
	case learning:
		m.learner.Tick(m.now.Running)
		if m.relay != nil {
			m.relay.zab.Tick(m.now.Running)
		}
	}
	m.elected()
	m.settle()
	m.beginReadOnly()
	if m.mode == ModePark && m.now.Running-m.parked >= m.cfg.ParkMS {
		m.closeClients()
	}
}

// Upkeep expires sessions and deletes what their owners left: containers
// without children and TTL nodes past their time. It follows the touches of
// its moment.
func (m *Member) Upkeep() {
	m.expireLocals()
	m.forgetClosed()
	if m.phase != leading || !m.leads() {
		return
	}
	for _, id := range m.clock.Expire(m.now.Running) {
		timeout, _ := m.clock.Timeout(id)
		m.note(NoteExpired, id, int64(timeout))
		m.closeSession(id)
	}
	m.reap()
	m.settle()
}

// Durable is the log's word that everything up to z is on disk, and how many
// bytes its current file has.
func (m *Member) Durable(incarnation uint64, z proto.Zxid, fileBytes int64) {
	if incarnation != m.incarnation {
		return
	}
	m.history.SetDurable(z)
	m.snaps.size(z, fileBytes)
	switch m.phase {
	case leading:
		m.leader.Durable(m.now.Running, z)
	case learning, draining:
		if m.learner != nil {
			m.learner.Durable(m.now.Running, z)
		}
	}
	m.settle()
}

// Proposed returns the zxid of the last transaction that was ordered.
func (m *Member) Proposed() proto.Zxid { return m.history.Last() }

// Outstanding returns how many requests wait for a commit.
func (m *Member) Outstanding() int { return m.outstanding }

// Members returns the servers of the ensemble.
func (m *Member) Members() Members { return m.members }

// Since returns the running time in ms at which the role became ready for
// clients. It is valid while they are served.
func (m *Member) Since() int64 { return m.since }

// Clock returns the expiry clock, to be read only. Only a leader's runs.
func (m *Member) Clock() *session.Clock { return m.clock }

func (m *Member) note(k NoteKind, id proto.SessionID, n int64) {
	m.out.Notes = append(m.out.Notes, Note{Kind: k, Session: id, N: n})
}
