package client

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"quokka/internal/net/frame"
	"quokka/internal/proto"
)

// A link is a connection with the session attached to it.
type link struct {
	conn     net.Conn
	frames   *frame.Reader
	server   string
	readOnly bool
	timeout  time.Duration // negotiated
	ctx      context.Context
	cancel   context.CancelCauseFunc

	// guarded by session.mu
	useful  bool        // it has answered a call
	leaving error       // why it ends when what was sent is answered
	limit   *time.Timer // ends it all the same
}

// maxPingInterval is the longest time between pings, whatever the session
// timeout (ClientCnxn.SendThread).
const maxPingInterval = 10 * time.Second

// steady is how long a connection on which nothing is asked must last for its
// server to count as good.
const steady = time.Second

// run is the session's own goroutine. It returns when no other is left.
func (s *session) run() {
	defer close(s.over)
	var wg sync.WaitGroup
	if s.opts.FollowConfig {
		wg.Go(s.follow)
	}
	why := s.live()
	s.end(why)
	s.cancel(why)
	wg.Wait()
}

// live connects until the session is over, and says why it is.
func (s *session) live() error {
	for {
		l, err := s.connect()
		if err != nil {
			return err
		}
		s.attach(l)
		state := Connected
		if l.readOnly {
			state = ConnectedReadOnly
		}
		s.enter(StateChange{State: state, Server: l.server})
		begin := time.Now()
		err = s.serve(l)
		useful := s.detach(err)
		if over := ending(err); over != nil {
			return over
		}
		s.enter(StateChange{State: Connecting, Err: fmt.Errorf("%s: %w", l.server, err)})
		if better, ok := errors.AsType[betterServer](err); ok {
			s.ring.prefer(better.server)
		} else if _, moving := errors.AsType[newServers](err); moving {
			continue // the ring knows where to
		} else if useful || time.Since(begin) >= steady {
			s.ring.worked()
		} else if err := s.pause(s.ring.failed(false)); err != nil {
			return err
		}
	}
}

// ending returns what ends the session, out of an error that ended a
// connection or an attempt.
func ending(err error) error {
	if errors.Is(err, ErrSessionExpired) || errors.Is(err, ErrAuthFailed) || errors.Is(err, ErrClosed) {
		return err
	}
	return nil
}

// serve reads and writes until the connection or the session ends.
func (s *session) serve(l *link) error {
	defer l.cancel(nil)
	var wg sync.WaitGroup
	wg.Go(func() { l.cancel(s.write(l)) })
	wg.Go(func() { l.cancel(s.read(l)) })
	if l.readOnly {
		wg.Go(func() {
			if better := s.search(l.ctx, l.server); better != "" {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.depart(betterServer{better})
			}
		})
	}
	<-l.ctx.Done()
	_ = l.conn.Close()
	wg.Wait()
	return context.Cause(l.ctx)
}

// write sends what is queued, and a ping when nothing was for a third of the
// session timeout.
func (s *session) write(l *link) error {
	interval := min(l.timeout/3, maxPingInterval)
	timer := time.NewTimer(interval)
	defer timer.Stop()
	last := time.Now()
	var b []byte
	for {
		b = s.gather(b[:0])
		if len(b) == 0 {
			select {
			case <-s.wakeup:
				continue
			case <-l.ctx.Done():
				return l.ctx.Err()
			case <-timer.C:
			}
			if idle := time.Since(last); idle < interval {
				timer.Reset(interval - idle)
				continue
			}
			timer.Reset(interval)
			b = s.ping(b)
		}
		_ = l.conn.SetWriteDeadline(time.Now().Add(l.patience()))
		if _, err := l.conn.Write(b); err != nil {
			return err
		}
		last = time.Now()
		if cap(b) > 16*maxBatch {
			b = nil
		}
	}
}

// gather is fill, and ends the calls that it is too late for.
func (s *session) gather(b []byte) []byte {
	b, unsent := s.fill(b)
	for _, c := range unsent {
		if err := c.ctx.Err(); err != nil {
			s.finish(c, c.failure(0, err, false))
		} else {
			s.finish(c, c.refusal(ErrConnectionLoss))
		}
	}
	return b
}

// patience is how long a server may be silent: two thirds of the session
// timeout, so that a third is left to find another one.
func (l *link) patience() time.Duration { return l.timeout * 2 / 3 }

func (s *session) ping(b []byte) []byte {
	s.mu.Lock()
	if s.pingAt.IsZero() {
		s.pingAt = time.Now()
	}
	s.mu.Unlock()
	return appendFrame(b, proto.XidPing, proto.OpPing, nil)
}

// A patient reader gives up when nothing at all comes for a while. A large
// reply may take as long as it likes, as long as it goes on.
type patientReader struct {
	conn net.Conn
	wait time.Duration
}

func (r *patientReader) Read(b []byte) (int, error) {
	if err := r.conn.SetReadDeadline(time.Now().Add(r.wait)); err != nil {
		return 0, err
	}
	n, err := r.conn.Read(b)
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		err = fmt.Errorf("the server was silent for %v: %w", r.wait, err)
	}
	return n, err
}

// pause waits, unless the session ends meanwhile or there are new servers.
func (s *session) pause(d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-s.relist:
		return nil
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
}

// appendFrame appends a frame with a request.
func appendFrame(b []byte, xid int32, op proto.Op, body []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(8+len(body)))
	b = proto.AppendRequestHeader(b, proto.RequestHeader{Xid: xid, Op: op})
	return append(b, body...)
}
