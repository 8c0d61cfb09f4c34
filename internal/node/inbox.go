package node

import (
	"sync"
	"sync/atomic"
	"time"

	"quokka/internal/core/state"
	"quokka/internal/core/zab"
	"quokka/internal/journal"
	"quokka/internal/proto"
)

type inputKind uint8

const (
	inputConnect inputKind = iota
	inputRequest
	inputGone
	inputDisk
	inputSnapshot // a snapshot is written, or was given up
	inputView     // a picture of the state is not needed any more
	inputInspect
	inputVote
	inputLearner  // a learner's first packet
	inputObserver // the same, on the port for observers
	inputLinkUp
	inputPacket
	inputSnapReceived
	inputLinkDown
	inputStreamed // a snapshot or old records were sent as a whole
	inputHeard    // a snapshot is coming in
)

// An input is one thing the loop is told. Every request of a client and every
// packet of a server is copied into the queue as one, so what comes rarely, or
// once for many, is behind pointers.
type input struct {
	kind    inputKind
	conn    Conn
	at      time.Time // when a request was posted
	request state.Request
	link    zab.Link
	packet  proto.QuorumPacket

	connect  *proto.ConnectRequest
	disk     *journal.Completion
	done     func() // snapshot, view: gives the view back
	inspect  func()
	server   proto.ServerID // of a vote
	vote     *proto.Notification
	zxid     proto.Zxid // of a received snapshot
	snapshot zab.SnapshotID
	why      string // a link is down
}

// inbox is the loop's queue. Posting never blocks; what can pile up is
// bounded where it comes from (outstanding requests, connections).
type inbox struct {
	mu     sync.Mutex
	q      []input
	closed bool
	wake   chan struct{}
}

func newInbox() inbox { return inbox{wake: make(chan struct{}, 1)} }

// post appends an input; it is false when the loop has ended.
func (b *inbox) post(in input) bool {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return false
	}
	b.q = append(b.q, in)
	first := len(b.q) == 1
	b.mu.Unlock()
	if first {
		select {
		case b.wake <- struct{}{}:
		default:
		}
	}
	return true
}

// take returns everything posted, and takes an emptied slice back for use.
func (b *inbox) take(spare []input) []input {
	b.mu.Lock()
	defer b.mu.Unlock()
	q := b.q
	b.q = spare[:0]
	return q
}

// close refuses further inputs and returns those that were still queued.
func (b *inbox) close() []input {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return b.q
}

// runningClock counts the milliseconds during which the process was running.
// When it was stopped or starved for long, that time does not count, so that
// clients whose pings wait in the socket buffers are heard before their
// sessions are judged.
type runningClock struct {
	at       time.Time
	interval time.Duration
	running  time.Duration
	last     atomic.Int64 // running, in ms
}

func (c *runningClock) start(now time.Time, interval time.Duration) {
	c.at, c.interval = now, interval
}

// advance moves the clock on, by at most four intervals at a time. It
// returns the running time in ms, and how long of the real time was left
// out.
func (c *runningClock) advance(now time.Time) (ms int64, lost time.Duration) {
	step := max(now.Sub(c.at), 0)
	c.at = now
	if limit := 4 * c.interval; step > limit {
		lost = step - limit
		step = limit
	}
	c.running += step
	ms = c.running.Milliseconds()
	c.last.Store(ms)
	return ms, lost
}
