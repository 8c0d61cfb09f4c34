// Package member is one server of an ensemble as one pure machine: it takes
// inputs (a request, a tick, the word that the log is durable) and gives out
// effects (append this, apply that, close a connection).
//
// It owns the order of requests, the clock of sessions, and which connection
// a session belongs to. It has no goroutine, lock, clock or I/O; a driver
// calls it from one goroutine, does the effects of each device in order, and
// reports what is durable. A standalone server is a member whose quorum is
// itself.
package member

import (
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
	Voters        quorum.Config

	TickMS                     int64
	MinTimeoutMS, MaxTimeoutMS int32 // bounds of session timeouts

	SnapCount int   // transactions between snapshots, about
	SnapBytes int64 // bytes of log between snapshots, about; 0 is no limit

	ContainerCheckMS   int64 // interval between looks for expired containers and TTL nodes
	ContainerPerMinute int64 // how many of them are deleted in a minute at most
	MaxNeverUsedMS     int64 // znode.container.maxNeverUsedIntervalMs; 0 is never

	Seed        uint64 // of the spread of snapshots
	Incarnation uint64 // of the log: completions of another one are dropped
	Replayed    int    // transactions that recovery took from the log
}

// A Time is the moment an input happens.
type Time struct {
	Running int64        // ms of monotonic time that the process was running
	Wall    proto.Millis // the wall clock
}

// A Member is one server. All methods belong to one goroutine.
type Member struct {
	cfg    Config
	state  *state.State
	leader *zab.Leader
	clock  *session.Clock
	ids    session.IDs
	now    Time

	owner   map[proto.SessionID]watch.ConnID // which connection a session belongs to
	pending fifo.Queue[Done]                 // requests in the order of their answers
	reaper  reaper
	snaps   snapshots
	out     Effects
}

// New returns a member over a recovered state. Every session of the state
// gets its full timeout from now on, and ephemerals whose session is unknown
// are on their way to be deleted (ZooKeeperServer.loadData).
func New(cfg Config, s *state.State, now Time) *Member {
	m := &Member{
		cfg: cfg, state: s, now: now,
		leader: zab.NewLeader(cfg.Voters, s.LastZxid()),
		clock:  session.NewClock(cfg.TickMS),
		ids:    session.NewIDs(cfg.SessionPrefix, int64(now.Wall)),
		owner:  make(map[proto.SessionID]watch.ConnID),
		reaper: reaper{next: now.Running + cfg.ContainerCheckMS},
		snaps:  newSnapshots(cfg),
	}
	for id, timeout := range s.Sessions().All() {
		m.clock.Track(id, timeout, now.Running)
	}
	for id := range s.Tree().EphemeralOwners() {
		if _, ok := s.Sessions().Timeout(id); !ok {
			m.note(NoteOrphans, id, 0)
			m.closeSession(id)
		}
	}
	return m
}

// At tells the member what time it is. It comes before the inputs of that
// time.
func (m *Member) At(now Time) { m.now = now }

// Take returns the effects since the last call. They are valid until the
// next input.
func (m *Member) Take() Effects {
	out := m.out
	m.out.Log, m.out.Done = m.out.Log[:0], m.out.Done[:0]
	m.out.Conns, m.out.Notes = m.out.Conns[:0], m.out.Notes[:0]
	return out
}

// Request is a write or a sync of a connection.
func (m *Member) Request(r *state.Request) {
	if m.owner[r.Session] != r.Conn {
		// The session moved to another connection, or the connection is
		// closed already: nothing of it is executed any more.
		m.out.Conns = append(m.out.Conns, Conn{Kind: ConnClose, ID: r.Conn})
		m.push(Done{Origin: Origin{Conn: r.Conn, Op: r.Op}, Dropped: true})
		return
	}
	if state.KindOf(r.Op) == state.Sync {
		m.push(Done{Origin: Origin{Conn: r.Conn, Op: r.Op, Body: r.Body}})
		return
	}
	if r.Op == proto.OpCloseSession {
		m.clock.SetClosing(r.Session)
	}
	m.propose(r)
}

// propose turns a request into the next transaction, or into an answer when
// it cannot become one.
func (m *Member) propose(r *state.Request) {
	origin := Origin{Conn: r.Conn, Op: r.Op}
	txn, code := m.state.Prepare(r, m.leader.Next(), m.now.Wall)
	if txn == nil {
		m.push(Done{Origin: origin, Code: code})
		return
	}
	m.leader.Propose()
	m.out.Log = append(m.out.Log, Log{Txn: txn})
	m.push(Done{Txn: txn, Origin: origin})
	if m.snaps.logged(txn.Zxid) {
		m.out.Log = append(m.out.Log, Log{Roll: true})
	}
}

// Durable is the log's word that everything up to z is on disk, and how many
// bytes its current file has.
func (m *Member) Durable(incarnation uint64, z proto.Zxid, fileBytes int64) {
	if incarnation != m.cfg.Incarnation {
		return
	}
	m.leader.Ack(m.cfg.Server, z)
	m.snaps.size(z, fileBytes)
	m.release()
}

// push appends to the order of answers; what waits for nothing is answered
// at once.
func (m *Member) push(d Done) {
	m.pending.Push(d)
	m.release()
}

// release hands out everything that has no uncommitted transaction at or
// before it.
func (m *Member) release() {
	committed := m.leader.Committed()
	for m.pending.Len() > 0 {
		d := m.pending.Peek()
		if d.Txn != nil && d.Txn.Zxid > committed {
			return
		}
		done := m.pending.Pop()
		if done.Txn != nil {
			m.committed(&done)
		}
		m.out.Done = append(m.out.Done, done)
	}
}

// committed completes what a committed transaction means here.
func (m *Member) committed(d *Done) {
	t := d.Txn
	switch t.Op {
	case proto.OpCloseSession:
		d.Closed = m.owner[t.Session]
		m.clock.Forget(t.Session)
		delete(m.owner, t.Session)
	case proto.OpCreateSession:
		d.Password = session.Password(t.Session)
	}
	d.Snapshot = m.snaps.applied(t.Zxid)
}

// Proposed returns the zxid of the last transaction that was ordered.
func (m *Member) Proposed() proto.Zxid { return m.leader.Proposed() }

// Outstanding returns how many requests wait for a commit.
func (m *Member) Outstanding() int { return m.pending.Len() }

// Clock returns the expiry clock, to be read only.
func (m *Member) Clock() *session.Clock { return m.clock }

func (m *Member) note(k NoteKind, id proto.SessionID, n int64) {
	m.out.Notes = append(m.out.Notes, Note{Kind: k, Session: id, N: n})
}
