package client

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"quokka/internal/proto"
)

// A session is what all views of a Client share. Its own goroutine (run.go)
// connects and changes the state; everything below mu is short and waits for
// nothing.
type session struct {
	opts   Options
	ring   *ring
	ctx    context.Context // ends with the session; its cause says why
	cancel context.CancelCauseFunc
	over   chan struct{} // closed when no goroutine is left
	wakeup chan struct{} // has a token if the writer may find something
	relist chan struct{} // has a token if there are new servers
	chroot string        // of the connect string

	mu        sync.Mutex
	id        proto.SessionID
	password  []byte
	timeout   time.Duration // as the server bounded it
	lastZxid  proto.Zxid    // of replies only, see answer
	writable  bool          // id is known to a server with a quorum
	now       StateChange
	observers map[*queue[StateChange]]struct{}
	lastDial  error // what was wrong with the last server tried
	final     error // no call is accepted any more
	closing   bool  // by Close or Detach

	link        *link // nil while no server is reached
	queue       []*call
	dead        int // calls in queue that were withdrawn
	pending     []*call
	pendingAuth []*call // nil for credentials that are replayed
	prelude     []byte  // goes out before the queue
	xid         int32
	auths       []Auth
	watches     watches
	noRemoval   bool      // the servers know no removeWatches
	pingAt      time.Time // of the ping under way
	contact     time.Time // see Client.LastContact
}

func newSession(servers []string, chroot string, o Options) *session {
	s := &session{
		opts: o, ring: newRing(servers, o), over: make(chan struct{}), wakeup: make(chan struct{}, 1),
		relist: make(chan struct{}, 1), chroot: chroot,
		password: make([]byte, proto.PasswordLen), timeout: o.SessionTimeout,
		observers: make(map[*queue[StateChange]]struct{}), auths: slices.Clone(o.Auth), watches: newWatches(),
	}
	if r := o.Resume; r != nil {
		s.id, s.password, s.lastZxid = proto.SessionID(r.ID), slices.Clone(r.Password), proto.Zxid(r.LastZxid)
		s.writable = true
		s.now.Session = r.ID
	}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	return s
}

func (s *session) wake() {
	select {
	case s.wakeup <- struct{}{}:
	default:
	}
}

// submit puts a call into the queue. The order in which calls come here is
// the order in which they are sent.
func (s *session) submit(c *call) {
	s.mu.Lock()
	err := s.final
	if err == nil && c.pipe != nil && c.pipe.broken {
		err = ErrConnectionLoss
	}
	if err != nil {
		c.stage = ended
		s.mu.Unlock()
		s.finish(c, c.refusal(err))
		return
	}
	if c.arm != nil {
		s.watches.arming[c.arm.path]++
	}
	s.queue = append(s.queue, c)
	s.mu.Unlock()
	s.wake()
}

// refusal is the error of a call that was not sent.
func (c *call) refusal(why error) error {
	var code Code
	if !errors.As(why, &code) {
		return c.failure(ErrConnectionLoss, why, false)
	}
	if e, ok := errors.AsType[*Error](why); ok {
		why = e.Err // the rest of it is said by c
	} else if why == code {
		why = nil
	}
	return c.failure(code, why, false)
}

// abandon withdraws a call for a caller who waits no longer. mine is false if
// the call has ended meanwhile.
func (s *session) abandon(c *call) (wasSent, mine bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch c.stage {
	case ended:
		return false, false
	case queued:
		s.disarm(c)
		if s.dead++; s.dead > 32 && s.dead > len(s.queue)/2 {
			s.queue = slices.DeleteFunc(s.queue, func(c *call) bool { return c.stage == ended })
			s.dead = 0
		}
	}
	c.stage = ended
	return c.wasSent, true
}

func (s *session) disarm(c *call) {
	if c.arm == nil {
		return
	}
	if s.watches.arming[c.arm.path]--; s.watches.arming[c.arm.path] <= 0 {
		delete(s.watches.arming, c.arm.path)
	}
	c.arm = nil
}

// heard notes that a server has answered what was sent at a time. One without
// a quorum does not count: those that have one do not learn of it. It must be
// called under mu.
func (s *session) heard(sent time.Time) {
	readOnly := s.link != nil && s.link.readOnly
	if !readOnly && sent.After(s.contact) {
		s.contact = sent
	}
}

// maxBatch is how many bytes are gathered for one write.
const maxBatch = 64 << 10

// fill appends frames to b: the prelude of a connection, then calls in the
// order of the queue. xids are given out here, under the lock that also makes
// the order (ZOOKEEPER-4796). Calls that end unsent are returned.
func (s *session) fill(b []byte) ([]byte, []*call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link.leaving != nil {
		return b, nil
	}
	if len(s.prelude) > 0 {
		b = append(b, s.prelude...)
		s.prelude = nil
	}
	var unsent []*call
	var now time.Time
	if len(s.queue) > 0 {
		now = time.Now()
	}
	for len(s.queue) > 0 && len(b) < maxBatch {
		c := s.queue[0]
		s.queue[0] = nil
		s.queue = s.queue[1:]
		switch {
		case c.stage == ended:
			s.dead = max(s.dead-1, 0)
		case c.pipe != nil && (c.pipe.broken || c.ctx.Err() != nil):
			c.pipe.broken, c.stage = true, ended
			unsent = append(unsent, c)
		default:
			c.sentAt = now
			b = s.send(b, c)
		}
	}
	if len(s.queue) == 0 {
		s.queue = nil
	}
	return b, unsent
}

// send appends the frame of a call and makes the call wait for its answer.
func (s *session) send(b []byte, c *call) []byte {
	c.stage, c.wasSent = sent, true
	switch {
	case c.op == proto.OpAuth:
		c.xid = proto.XidAuth
		s.pendingAuth = append(s.pendingAuth, c)
		return appendFrame(b, c.xid, c.op, c.body)
	case s.xid == math.MaxInt32:
		s.xid = 0
	}
	s.xid++
	c.xid = s.xid
	s.pending = append(s.pending, c)
	if c.arm != nil && c.op != proto.OpAddWatch {
		c.body[len(c.body)-1] = 1 // the record ends with the flag watch
		if s.watches.rides(c.arm) {
			c.body[len(c.body)-1] = 0
		}
	}
	return appendFrame(b, c.xid, c.op, c.body)
}

// detach takes leave of a connection: what was sent has an unknown outcome.
// It stays in the queue only if sending it twice does no harm. useful tells
// whether the connection has answered a call.
func (s *session) detach(err error) (useful bool) {
	s.mu.Lock()
	useful = s.link.useful
	if s.link.limit != nil {
		s.link.limit.Stop()
	}
	s.link, s.prelude, s.pingAt = nil, nil, time.Time{}
	var again, lost []*call
	for _, c := range slices.Concat(s.pendingAuth, s.pending) {
		switch {
		case c == nil:
		case c.stage == ended:
			s.disarm(c)
		case c.keep || c.retries > 0:
			c.retries--
			c.stage = queued
			again = append(again, c)
		default:
			c.stage = ended
			s.disarm(c)
			if c.pipe != nil {
				c.pipe.broken = true
			}
			lost = append(lost, c)
		}
	}
	s.pending, s.pendingAuth = nil, nil
	s.queue = slices.Concat(again, s.queue)
	s.mu.Unlock()
	for _, c := range lost {
		s.finish(c, c.failure(ErrConnectionLoss, err, true))
	}
	s.dropBroken()
	return useful
}

// dropBroken ends the queued calls of pipelines that have lost one.
func (s *session) dropBroken() {
	s.mu.Lock()
	var unsent []*call
	s.queue = slices.DeleteFunc(s.queue, func(c *call) bool {
		if c.stage != queued || c.pipe == nil || !c.pipe.broken {
			return false
		}
		c.stage = ended
		unsent = append(unsent, c)
		return true
	})
	s.mu.Unlock()
	for _, c := range unsent {
		s.finish(c, c.refusal(ErrConnectionLoss))
	}
}

// end is the end of the session: every call and every watch learns it.
func (s *session) end(why error) {
	s.mu.Lock()
	s.final = why
	calls := s.queue
	s.queue = nil
	calls = slices.DeleteFunc(calls, func(c *call) bool { return c.stage == ended })
	for _, c := range calls {
		c.stage = ended
	}
	s.watches.endAll(why)
	s.mu.Unlock()
	for _, c := range calls {
		s.finish(c, c.refusal(why))
	}
	state := Closed
	switch {
	case errors.Is(why, ErrSessionExpired):
		state = Expired
	case errors.Is(why, ErrAuthFailed):
		state = AuthFailed
	}
	s.enter(StateChange{State: state, Err: why})
}

// tooLarge is a frame above a limit.
type tooLarge struct {
	size, max int
	what      string
	option    string
}

func (e tooLarge) Error() string {
	return fmt.Sprintf("%s of %d bytes, the limit is %d (Options.%s)", e.what, e.size, e.max, e.option)
}
