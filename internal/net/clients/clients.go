// Package clients is the client port: it accepts connections, tells
// four-letter words from sessions, reads requests and sends replies.
//
// It owns each connection's socket, its pipe (the order of replies) and its
// outgoing buffer. It knows no operation's meaning: reads and writes are
// handed to a Backend, which answers into the pipe. It must never let a slow
// client hold up anyone but itself.
package clients

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"quokka/internal/metrics"
	"quokka/internal/proto"
)

// Class says how a request travels.
type Class uint8

// The classes of requests.
const (
	Refused Class = iota // unknown or internal: answered -6, then the connection is closed
	Read                 // executed at once by the connection's own goroutine
	Ordered              // passes the loop: writes and sync
	Close                // closeSession: as Ordered, and the last of its connection
	Auth
	SASL
)

// Backend is what the client port needs from the server behind it.
type Backend interface {
	// Classify says how a request with this operation code travels.
	Classify(op proto.Op) Class
	// Connect starts a handshake; Attach or Refuse on c ends it.
	Connect(c *Conn, r proto.ConnectRequest)
	// Submit posts an Ordered or Close request whose slot is in c's pipe,
	// and which came in at the given time. The body is not used by anyone
	// else.
	Submit(c *Conn, xid int32, op proto.Op, body []byte, at time.Time)
	// Read executes a read that came in at the given time and appends its
	// reply to c.
	Read(c *Conn, xid int32, op proto.Op, body []byte, at time.Time)
	// Authenticate adds identities to c.
	Authenticate(c *Conn, scheme string, data []byte) error
	// Gone says that c is closed. It is called once, for every connection
	// that Connect was called for.
	Gone(c *Conn)
}

// Words answers four-letter words.
type Words interface {
	// Is tells whether the first bytes of a connection are a word, and how
	// many bytes of argument follow it.
	Is(first [4]byte) (argLen int, ok bool)
	// Answer writes the answer to a word.
	Answer(w io.Writer, word string, arg []byte, c *Conn) error
}

// Options are the limits of the client port.
type Options struct {
	MaxFrame         int           // bytes, jute.maxbuffer
	MaxPerIP         int           // maxClientCnxns; 0 is no limit
	MaxTotal         int           // maxCnxns; 0 is no limit
	MaxOutstanding   int64         // globalOutstandingLimit
	MaxUnsent        int           // bytes of replies and events a client may leave unread
	HandshakeTimeout time.Duration // nio.sessionlessCnxnTimeout
	RequireSchemes   []string      // enforce.auth.schemes; empty is off
	KeepAlive        bool          // clientTcpKeepAlive
	Metrics          *metrics.Server
	Log              *slog.Logger
}

// Server serves one or more client ports.
type Server struct {
	opt     Options
	backend Backend
	words   Words

	outstanding atomic.Int64 // Ordered requests not answered yet, of all connections
	clock       atomic.Int64 // ms of running time, set by the loop; see SetClock
	lastID      atomic.Uint64

	mu      sync.Mutex
	conns   map[*Conn]struct{}
	perIP   map[netip.Addr]int
	closing bool
	wg      sync.WaitGroup

	oversized oversizeLog
}

// New returns a Server that has no port yet.
func New(opt Options, backend Backend, words Words) *Server {
	return &Server{
		opt: opt, backend: backend, words: words,
		conns: make(map[*Conn]struct{}), perIP: make(map[netip.Addr]int),
		oversized: oversizeLog{seen: make(map[string]struct{})},
	}
}

// SetClock tells the running time in milliseconds, by which connections
// remember when they were last heard.
func (s *Server) SetClock(ms int64) { s.clock.Store(ms) }

// Outstanding returns how many requests wait for the loop.
func (s *Server) Outstanding() int64 { return s.outstanding.Load() }

// Conns returns the open connections, in no order.
func (s *Server) Conns() []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := make([]*Conn, 0, len(s.conns))
	for c := range s.conns {
		v = append(v, c)
	}
	return v
}

// Len returns the number of open connections.
func (s *Server) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// admit counts a new connection against the limits, or tells why it is
// refused, in the words of Java's NIOServerCnxnFactory; there is nothing to
// tell while the server is closing.
func (s *Server) admit(c *Conn) (ok bool, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ip := c.remote.Addr()
	switch {
	case s.closing:
		return false, ""
	case s.opt.MaxTotal > 0 && len(s.conns) >= s.opt.MaxTotal:
		return false, fmt.Sprintf("Too many connections max allowed is %d (maxCnxns)", s.opt.MaxTotal)
	case s.opt.MaxPerIP > 0 && s.perIP[ip] >= s.opt.MaxPerIP:
		return false, fmt.Sprintf("Too many connections from %s - max is %d (maxClientCnxns)", ip, s.opt.MaxPerIP)
	}
	s.conns[c] = struct{}{}
	s.perIP[ip]++
	return true, ""
}

func (s *Server) forget(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	ip := c.remote.Addr()
	if s.perIP[ip]--; s.perIP[ip] <= 0 {
		delete(s.perIP, ip)
	}
}

// Run serves l until ctx is done, then closes l and every connection and
// returns when all of their goroutines have ended.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { s.shutdown(l) })
	defer stop()
	var err error
	for {
		var nc net.Conn
		if nc, err = l.Accept(); err == nil {
			s.start(nc)
			continue
		}
		if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
			err = nil
			break
		}
		s.opt.Log.Warn("cannot accept a connection", "error", err)
		if !pause(ctx, 100*time.Millisecond) { // out of file descriptors, most likely
			err = nil
			break
		}
	}
	s.shutdown(l)
	s.wg.Wait()
	return err
}

func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func (s *Server) shutdown(l net.Listener) {
	_ = l.Close() // nothing is lost with a listener
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	for _, c := range s.Conns() {
		c.Shut("server is stopping")
	}
}

func (s *Server) start(nc net.Conn) {
	c := newConn(s, nc)
	if ok, why := s.admit(c); !ok {
		s.opt.Metrics.ConnectionRejected.Inc()
		if why != "" {
			s.opt.Log.Warn(why, "client", c.remote.String(), "open", s.Len())
		}
		_ = nc.Close()
		return
	}
	if tc, ok := nc.(*net.TCPConn); ok {
		_ = tc.SetKeepAlive(s.opt.KeepAlive)
	}
	s.wg.Go(c.run)
}

// oversizeLog remembers whose oversized request was logged already, so that
// a client that sends it again after every reconnect fills no disk.
type oversizeLog struct {
	mu   sync.Mutex
	seen map[string]struct{}
}

func (o *oversizeLog) first(key string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, ok := o.seen[key]; ok {
		return false
	}
	if len(o.seen) >= 1000 {
		clear(o.seen)
	}
	o.seen[key] = struct{}{}
	return true
}
