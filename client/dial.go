package client

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"quokka/internal/net/frame"
	"quokka/internal/proto"
)

// connect tries servers until the session is attached to one, or is over.
func (s *session) connect() (*link, error) {
	for {
		if s.ctx.Err() != nil {
			return nil, context.Cause(s.ctx)
		}
		select {
		case <-s.relist: // the next server comes from the new list already
		default:
		}
		server := s.ring.next()
		begin := time.Now()
		l, err := s.attempt(server)
		if s.opts.Hooks.Dial != nil {
			s.opts.Hooks.Dial(DialInfo{Server: server, Took: time.Since(begin), Err: err})
		}
		if err == nil {
			return l, nil
		}
		if over := ending(err); over != nil {
			return nil, over
		}
		s.opts.Logger.Debug("zookeeper server not reached", "server", server, "error", err)
		s.mu.Lock()
		s.lastDial = fmt.Errorf("%s: %w", server, err)
		s.mu.Unlock()
		if _, gone := errors.AsType[unlisted](err); gone {
			continue // which is not the fault of the servers there are now
		}
		if err := s.pause(s.ring.failed(tooLate(err))); err != nil {
			return nil, err
		}
	}
}

// attempt connects to one server and attaches the session.
func (s *session) attempt(server string) (*link, error) {
	life, stop := context.WithCancelCause(s.ctx)
	defer stop(nil)
	s.ring.begin(server, stop)
	defer s.ring.done()
	count, _ := s.ring.size()
	n := time.Duration(count)
	reach := s.opts.DialTimeout
	if reach == 0 {
		reach = min(max(s.timeout/3/n, time.Second), 5*time.Second)
	}
	ctx, cancel := context.WithTimeout(life, s.longer(reach))
	conn, err := s.dial(ctx, server)
	cancel()
	if err != nil {
		if life.Err() != nil {
			err = context.Cause(life)
		}
		return nil, err
	}
	kept := context.AfterFunc(life, func() { _ = conn.Close() })
	l, err := s.greet(conn, server, s.longer(max(s.timeout/3/n, 2*time.Second)))
	if !kept() && err == nil {
		err = context.Cause(life)
	}
	if err != nil {
		_ = conn.Close()
		if life.Err() != nil {
			err = context.Cause(life)
		}
		return nil, err
	}
	return l, nil
}

// longer doubles a wait with every round in which a server took too long. One
// that refuses does not count: it says nothing about the network, and a server
// that starts may first refuse, and then take a connection that it never
// answers (seen with Java's 3.8).
func (s *session) longer(d time.Duration) time.Duration {
	_, slow := s.ring.size()
	return min(d<<min(slow, 5), max(d, s.opts.SessionTimeout))
}

// tooLate tells whether an attempt ended because time was up.
func tooLate(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return errors.Is(err, context.DeadlineExceeded) || ok && ne.Timeout()
}

// dial reaches a server by any of its addresses, and by TLS if that is wanted.
func (s *session) dial(ctx context.Context, server string) (net.Conn, error) {
	conn, err := s.dialTCP(ctx, server)
	if err != nil || s.opts.TLS == nil {
		return conn, err
	}
	cfg, err := s.opts.TLS()
	if err == nil && cfg == nil {
		err = errors.New("Options.TLS returned no configuration")
	}
	if err == nil {
		if cfg.ServerName == "" {
			cfg = cfg.Clone()
			cfg.ServerName, _, _ = net.SplitHostPort(server)
		}
		secure := tls.Client(conn, cfg)
		if err = secure.HandshakeContext(ctx); err == nil {
			return secure, nil
		}
	}
	_ = conn.Close()
	return nil, fmt.Errorf("TLS: %w", err)
}

func (s *session) dialTCP(ctx context.Context, server string) (net.Conn, error) {
	if s.opts.Resolve == nil {
		return s.opts.Dial(ctx, "tcp", server)
	}
	host, port, err := net.SplitHostPort(server)
	if err != nil {
		return nil, err
	}
	addrs, err := s.ring.resolve(ctx, host, s.opts.Resolve)
	if err != nil {
		return nil, err
	}
	for i, a := range addrs {
		addrs[i] = net.JoinHostPort(a, port)
	}
	return race(ctx, addrs, s.opts.Dial)
}

// greet opens or re-attaches the session on a new connection, and
// authenticates by SASL.
func (s *session) greet(conn net.Conn, server string, wait time.Duration) (*link, error) {
	_ = conn.SetDeadline(time.Now().Add(wait))
	source := &patientReader{conn, wait}
	l := &link{conn: conn, server: server, frames: frame.NewReader(source, s.opts.MaxReply)}
	s.mu.Lock()
	rq := proto.ConnectRequest{
		LastZxidSeen: s.lastZxid, TimeoutMS: int32(s.opts.SessionTimeout / time.Millisecond),
		Password: make([]byte, proto.PasswordLen), ReadOnly: s.opts.ReadOnly, HasReadOnly: true,
	}
	if s.writable { // an id given by a server without quorum is known to nobody else
		rq.SessionID, rq.Password = s.id, s.password
	}
	s.mu.Unlock()
	b := proto.AppendConnectRequest(make([]byte, 4), &rq)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	begin := time.Now()
	if _, err := conn.Write(b); err != nil {
		return nil, err
	}
	payload, err := l.frames.Next()
	if err != nil {
		return nil, fmt.Errorf("no answer to the connect request: %w", err)
	}
	rp, err := proto.DecodeConnectResponse(payload)
	switch {
	case err != nil:
		return nil, fmt.Errorf("connect response: %w", err)
	case rp.TimeoutMS <= 0 && rq.SessionID != 0:
		return nil, &Error{Op: "connect", Code: ErrSessionExpired}
	case rp.TimeoutMS <= 0:
		return nil, errors.New("the server gave no session")
	}
	rp.Password = slices.Clone(rp.Password) // it lies where the next frame will
	l.readOnly, l.timeout = rp.ReadOnly, time.Duration(rp.TimeoutMS)*time.Millisecond
	if err := s.saslLogin(l); err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Time{})
	source.wait = l.patience()
	s.adopt(&rp, begin)
	return l, nil
}

// adopt takes over what the server said about the session, when it was asked
// at a time.
func (s *session) adopt(rp *proto.ConnectResponse, asked time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.id, s.password = rp.SessionID, rp.Password
	s.timeout = time.Duration(rp.TimeoutMS) * time.Millisecond
	s.writable = s.writable || !rp.ReadOnly
	if !rp.ReadOnly {
		s.heard(asked)
	}
}
