package session

import (
	"iter"
	"math"
	"slices"

	"quokka/internal/proto"
)

// A Clock tells which sessions have been silent for longer than their
// timeout. Sessions are kept in buckets, one per tick, so that touching one
// costs a map look-up and mostly nothing else (server.ExpiryQueue). A session
// expires between its timeout and its timeout plus one tick after the last
// touch. All times are milliseconds of one monotonic clock, handed in by the
// caller. It is not safe for concurrent use.
type Clock struct {
	tick     int64
	sessions map[proto.SessionID]*tracked
	buckets  map[int64]*bucket // by the time at which they expire
	first    int64             // no bucket expires before
	spare    []*bucket         // emptied, to be used again
}

type tracked struct {
	timeoutMS int32
	closing   bool // closing sessions are in no bucket
	pos       int  // place in the bucket
	bucket    *bucket
}

type bucket struct {
	expiry int64
	ids    []proto.SessionID
	of     []*tracked // parallel to ids
}

// NewClock returns a Clock with buckets of tickMS (tickTime); less than 1
// counts as 1.
func NewClock(tickMS int64) *Clock {
	return &Clock{
		tick: max(tickMS, 1), sessions: map[proto.SessionID]*tracked{}, buckets: map[int64]*bucket{},
	}
}

// Track begins to watch over a session; one that is known is touched, and
// stays closing if it is.
func (c *Clock) Track(id proto.SessionID, timeoutMS int32, now int64) {
	if c.sessions[id] == nil {
		c.sessions[id] = &tracked{timeoutMS: timeoutMS}
	}
	c.Touch(id, timeoutMS, now)
}

// Touch gives a session its full timeout from now on. A timeoutMS of 0 keeps
// the one given last. It is false if the session is unknown or closing.
func (c *Clock) Touch(id proto.SessionID, timeoutMS int32, now int64) bool {
	s := c.sessions[id]
	if s == nil || s.closing {
		return false
	}
	if timeoutMS != 0 {
		s.timeoutMS = timeoutMS
	}
	expiry := ((now+int64(max(s.timeoutMS, 0)))/c.tick + 1) * c.tick
	if s.bucket == nil || s.bucket.expiry != expiry {
		c.leave(s)
		c.enter(id, s, expiry)
	}
	return true
}

func (c *Clock) enter(id proto.SessionID, s *tracked, expiry int64) {
	b := c.buckets[expiry]
	if b == nil {
		b = c.newBucket(expiry)
		c.buckets[expiry] = b
		c.first = min(c.first, expiry)
	}
	s.bucket, s.pos = b, len(b.ids)
	b.ids = append(b.ids, id)
	b.of = append(b.of, s)
}

func (c *Clock) newBucket(expiry int64) *bucket {
	if n := len(c.spare); n > 0 {
		b := c.spare[n-1]
		c.spare = c.spare[:n-1]
		b.expiry = expiry
		return b
	}
	return &bucket{expiry: expiry}
}

// leave takes a session out of its bucket; the last one takes its place.
func (c *Clock) leave(s *tracked) {
	b := s.bucket
	if b == nil {
		return
	}
	last := len(b.ids) - 1
	b.ids[s.pos], b.of[s.pos] = b.ids[last], b.of[last]
	b.of[s.pos].pos = s.pos
	b.of[last] = nil
	b.ids, b.of = b.ids[:last], b.of[:last]
	s.bucket = nil
	if last == 0 {
		c.retire(b)
	}
}

// retire takes an empty bucket out of use. A few are kept, as the steady
// state makes one and empties one per tick.
func (c *Clock) retire(b *bucket) {
	delete(c.buckets, b.expiry)
	if len(c.spare) < 2 {
		c.spare = append(c.spare, b)
	}
}

// SetClosing marks a session as being closed: it can no longer be touched
// and does not expire. It is false if the session is unknown or marked already.
func (c *Clock) SetClosing(id proto.SessionID) bool {
	s := c.sessions[id]
	if s == nil || s.closing {
		return false
	}
	s.closing = true
	c.leave(s)
	return true
}

// Closing tells whether a session is marked as being closed.
func (c *Clock) Closing(id proto.SessionID) bool {
	s := c.sessions[id]
	return s != nil && s.closing
}

// Tracked tells whether a session is known, closing or not.
func (c *Clock) Tracked(id proto.SessionID) bool { return c.sessions[id] != nil }

// Timeout returns the timeout in milliseconds a session was last touched
// with, and whether it is known.
func (c *Clock) Timeout(id proto.SessionID) (int32, bool) {
	s := c.sessions[id]
	if s == nil {
		return 0, false
	}
	return s.timeoutMS, true
}

// Len returns the number of sessions known, closing ones included.
func (c *Clock) Len() int { return len(c.sessions) }

// Forget stops watching over a session.
func (c *Clock) Forget(id proto.SessionID) {
	if s := c.sessions[id]; s != nil {
		c.leave(s)
		delete(c.sessions, id)
	}
}

// Expire marks the sessions of all buckets due at now as closing and returns
// their ids, earlier buckets first, ascending within one; nil if none is due.
// Asking too often costs nothing.
func (c *Clock) Expire(now int64) []proto.SessionID {
	if now < c.first {
		return nil
	}
	c.first = math.MaxInt64
	var due []proto.SessionID
	for _, expiry := range c.expiries() {
		if expiry > now {
			c.first = expiry
			break
		}
		b := c.buckets[expiry]
		start := len(due)
		due = append(due, b.ids...)
		slices.Sort(due[start:])
		for _, s := range b.of {
			s.closing, s.bucket = true, nil
		}
		delete(c.buckets, expiry)
	}
	return due
}

// expiries returns the times at which buckets expire, ascending. There are
// at most as many as the longest timeout has ticks.
func (c *Clock) expiries() []int64 {
	all := make([]int64, 0, len(c.buckets))
	for expiry := range c.buckets {
		all = append(all, expiry)
	}
	slices.Sort(all)
	return all
}

// Buckets yields the time at which each bucket expires, ascending, with the
// ids in it, ascending too (the word dump). The slice is valid until the next
// step.
func (c *Clock) Buckets() iter.Seq2[int64, []proto.SessionID] {
	return func(yield func(int64, []proto.SessionID) bool) {
		var ids []proto.SessionID
		for _, expiry := range c.expiries() {
			ids = append(ids[:0], c.buckets[expiry].ids...)
			slices.Sort(ids)
			if !yield(expiry, ids) {
				return
			}
		}
	}
}
