package client

import (
	"context"
	"errors"
	"io"
	"iter"
)

// A State is where a session is in its life.
type State int

// The states. The last three are final.
const (
	// Connecting: no server is reached, calls wait.
	Connecting State = iota
	// Connected: a server answers.
	Connected
	// ConnectedReadOnly: a server answers that has no quorum, see
	// Options.ReadOnly. Writes fail with ErrNotReadOnly.
	ConnectedReadOnly
	// Expired: the servers have ended the session.
	Expired
	// AuthFailed: a server refused a credential.
	AuthFailed
	// Closed: the Client was closed or detached.
	Closed
)

// String returns the state in words.
func (s State) String() string {
	switch s {
	case Connecting:
		return "connecting"
	case Connected:
		return "connected"
	case ConnectedReadOnly:
		return "connected read-only"
	case Expired:
		return "expired"
	case AuthFailed:
		return "authentication failed"
	case Closed:
		return "closed"
	}
	return "unknown"
}

// Up tells whether a server answers.
func (s State) Up() bool { return s == Connected || s == ConnectedReadOnly }

// Final tells whether the session is over.
func (s State) Final() bool { return s >= Expired }

// A StateChange is a step in a session's life.
type StateChange struct {
	State   State     // the new state
	Server  string    // as in the connect string, if there is one
	Session SessionID // 0 before the first connection
	Err     error     // why the connection or the session ended
}

// States yields the present state and then every change, none left out,
// until the session is over, the loop ends or ctx does.
func (c *Client) States(ctx context.Context) iter.Seq[StateChange] {
	return func(yield func(StateChange) bool) {
		q := c.s.subscribe()
		defer c.s.unsubscribe(q)
		for {
			v, err := q.next(ctx)
			if err != nil || !yield(v) {
				return
			}
		}
	}
}

// State returns the present state.
func (c *Client) State() State {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	return c.s.now.State
}

// Server returns the server that answers now, as it stands in the connect
// string, or "".
func (c *Client) Server() string {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	return c.s.now.Server
}

// WaitConnected waits until a server answers. It fails if the session ends
// before, or ctx does; the error then says what was wrong with the last
// server that was tried.
func (c *Client) WaitConnected(ctx context.Context) error {
	for v := range c.States(ctx) {
		if v.State.Up() {
			return nil
		}
	}
	if err := c.Err(); err != nil {
		return err
	}
	c.s.mu.Lock()
	last := c.s.lastDial
	c.s.mu.Unlock()
	return &Error{Op: "connect", Err: errors.Join(context.Cause(ctx), last)}
}

func (s *session) subscribe() *queue[StateChange] {
	q := newQueue[StateChange](0, nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	q.push(s.now)
	if s.now.State.Final() {
		q.close(io.EOF, false)
		return q
	}
	s.observers[q] = struct{}{}
	return q
}

func (s *session) unsubscribe(q *queue[StateChange]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.observers, q)
}

// enter changes the state. Only the session's own goroutine calls it, so that
// hook, log and observers see one order.
func (s *session) enter(v StateChange) {
	s.mu.Lock()
	v.Session = SessionID(s.id)
	s.now = v
	for q := range s.observers {
		q.push(v)
		if v.State.Final() {
			q.close(io.EOF, false)
			delete(s.observers, q)
		}
	}
	s.mu.Unlock()
	if s.opts.Hooks.State != nil {
		s.opts.Hooks.State(v)
	}
	log := s.opts.Logger.With("session", v.Session)
	switch v.State {
	case Connecting:
		log.Info("zookeeper connection lost", "error", v.Err)
	case Connected, ConnectedReadOnly:
		log.Info("zookeeper connected", "server", v.Server, "read_only", v.State == ConnectedReadOnly)
	default:
		log.Info("zookeeper session is over", "state", v.State.String(), "error", v.Err)
	}
}
