// Package node drives a member: one goroutine feeds it inputs and does its
// effects on the devices, which are the log writer, the state under its
// lock, the snapshot writer and the client connections.
//
// It owns the inbox, the state lock and the goroutines around the member. It
// decides nothing of the protocol. No lock is held across anything that can
// block.
package node

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"quokka/internal/core/member"
	"quokka/internal/core/state"
	"quokka/internal/core/watch"
	"quokka/internal/core/zab"
	"quokka/internal/disk/snap"
	"quokka/internal/metrics"
	"quokka/internal/proto"
)

// Conn is a client's connection as the node uses it.
type Conn interface {
	ID() uint64
	RemoteString() string // the client's address and port, for the log
	Session() proto.SessionID
	TimeoutMS() int32
	Heard() int64
	Auth() []proto.ID
	SetAuth(ids []proto.ID)

	// SetReadOnly makes the answer to the handshake say that only reads are
	// served.
	SetReadOnly()
	Attach(id proto.SessionID, timeoutMS int32, password [proto.PasswordLen]byte, born proto.Zxid)
	Refuse()
	Shut(why string)
	ShutWhenSent()

	// Begin locks the outgoing buffer and returns it with room for a reply's
	// header; End or Answer completes the reply. Answer is for the oldest
	// pending request, which Drop gives up and whose followers NextRead
	// hands out.
	Begin() []byte
	End(b []byte, h proto.ReplyHeader, op proto.Op, at time.Time)
	Answer(b []byte, h proto.ReplyHeader)
	Drop()
	NextRead() (xid int32, op proto.Op, body []byte, auth []proto.ID, at time.Time, ok bool)
	Event(z proto.Zxid, t proto.EventType, path string)
	// Send sends what can be sent without waiting, and wakes the
	// connection's writer for the rest; Kick leaves all to the writer.
	Send()
	Kick()
	CheckUnsent()
}

// Snapshots writes snapshots.
type Snapshots interface {
	SaveSnapshot(p snap.Picture, progress func(bytes int64)) (snap.Info, error)
}

// Options are the node's devices and limits.
type Options struct {
	Member        member.Config
	State         *state.State
	Journal       Journal
	Meter         *DiskMeter // what Journal tells of its work
	History       History    // of a member of an ensemble, as Peers
	Peers         Peers
	SnapOptions   snap.Options // for snapshots of a leader
	Snapshots     Snapshots
	Digest        bool          // snapshots carry the tree's digest
	LastProcessed bool          // and their last zxid (since 3.9)
	TickInterval  time.Duration // how often the member gets a Tick
	TouchInterval time.Duration // how often it is told which clients were heard
	ClockObserver func(runningMS int64)
	Metrics       *metrics.Server
	Logger        *slog.Logger
}

// A Node is a running member.
type Node struct {
	opt    Options
	log    *slog.Logger
	inbox  inbox
	member *member.Member // the loop's
	clock  runningClock   // the loop's

	mu      sync.RWMutex // the state lock: shared to read, exclusive to apply
	state   *state.State
	conns   map[watch.ConnID]Conn
	scratch []byte // of the holder of mu, exclusive
	digests digestLog

	watchMu sync.Mutex // guards Arm among those who hold mu shared

	gate      *gate
	role      atomic.Int32     // proto.PeerState
	listening bool             // the loop's: learners are let in
	relaying  bool             // the loop's: observers are let in
	diverged  proto.Zxid       // the loop's: after which the state was not what it should be
	received  []zab.SnapshotID // the loop's: held by the journal for this role
	fence     uint64           // of the state: snapshots of one that was replaced are not written

	writer   diskWriter
	snapping atomic.Bool
	stopping chan struct{} // closed when the loop has ended
	touched  []Conn        // the loop's: connections that got something to send
	dirty    map[watch.ConnID]struct{}
	wg       sync.WaitGroup
	reads    sync.Pool

	quotaLogged time.Time // the loop's: when exceeded quotas were logged last
}

// New returns a Node that does nothing yet; Run makes it work.
func New(opt Options) *Node {
	n := &Node{
		opt: opt, log: opt.Logger, state: opt.State,
		conns: make(map[watch.ConnID]Conn), dirty: make(map[watch.ConnID]struct{}),
		inbox: newInbox(), stopping: make(chan struct{}), gate: newGate(),
	}
	n.reads.New = func() any { return new(state.ReadRequest) }
	n.clock.start(time.Now(), opt.TouchInterval)
	n.writer = diskWriter{node: n, wake: make(chan struct{}, 1)}
	return n
}

// Classify says how a request travels: read, ordered, or not at all.
func Classify(op proto.Op) state.Kind {
	if !state.FromClient(op) {
		return state.Refused
	}
	return state.KindOf(op)
}

// Connect starts a handshake.
func (n *Node) Connect(c Conn, r proto.ConnectRequest) {
	n.inbox.post(input{kind: inputConnect, conn: c, connect: &r})
}

// Submit posts a request that has to be ordered, and came in at the given
// time. The body is the node's.
func (n *Node) Submit(c Conn, xid int32, op proto.Op, body []byte, at time.Time) {
	n.opt.Metrics.PrepQueued.Inc()
	n.inbox.post(input{kind: inputRequest, conn: c, at: at, request: state.Request{
		Session: c.Session(), Conn: watch.ConnID(c.ID()), Cxid: xid, Op: op, Body: body, Auth: c.Auth(),
	}})
}

// Gone says that a connection is closed.
func (n *Node) Gone(c Conn) {
	n.inbox.post(input{kind: inputGone, conn: c})
}

// SetAuth replaces the identities of a connection.
func (n *Node) SetAuth(c Conn, ids []proto.ID) {
	if !n.admitted() {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.state.SetAuth(watch.ConnID(c.ID()), ids)
	c.SetAuth(ids)
}

// View runs f while the state does not change. f must be short and must not
// block: everybody's writes wait for it.
func (n *Node) View(f func(*state.State)) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	f(n.state)
}

// Watches runs f while the watch table does not change, under the same
// condition as View.
func (n *Node) Watches(f func(*watch.Table)) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	n.watchMu.Lock()
	defer n.watchMu.Unlock()
	f(n.state.Watches())
}

// Inspect runs f on the loop, where the member may be read, and waits for
// it. It is false when the node has stopped.
func (n *Node) Inspect(f func(*member.Member)) bool {
	done := make(chan struct{})
	if !n.inbox.post(input{kind: inputInspect, inspect: func() { f(n.member); close(done) }}) {
		return false
	}
	<-done
	return true
}

// Digests returns the tree digests of the last zxids divisible by 128,
// oldest first (DataTree.digestLog).
func (n *Node) Digests() []DigestEntry {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.digests.all()
}

// RunningMS returns the running time as of the last tick.
func (n *Node) RunningMS() int64 { return n.clock.last.Load() }
