package clients

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"quokka/internal/proto"
)

// A Conn is one connection to a client port.
type Conn struct {
	srv    *Server
	nc     net.Conn
	id     uint64
	remote netip.AddrPort
	since  time.Time

	session   atomic.Int64
	timeoutMS atomic.Int32
	heard     atomic.Int64 // running time in ms when the client last sent something
	frames    atomic.Int64 // received: requests, or a four-letter word
	throttled atomic.Bool  // the reader does not read: too many outstanding requests
	auth      atomic.Pointer[[]proto.ID]

	asked    time.Time     // when the connect request came
	attached chan bool     // the end of the handshake
	kick     chan struct{} // wakes the writer
	done     chan struct{} // closed when the connection is

	mu          sync.Mutex // guards what follows; never held across a system call
	room        sync.Cond  // a request of the pipe was answered
	pipe        pipe
	out, spare  []byte // frames to send; the buffer sent before
	writing     bool   // somebody is sending
	attempt     attempt
	lastOut     bool // close when everything is sent
	closed      bool
	hasReadOnly bool
	readOnly    bool
	stats       Stats
}

// Stats are a connection's counts, as the words cons and stat show them.
type Stats struct {
	Received, Sent     int64
	LastOp             string
	LastCxid           int32 // -1 after crst
	LastZxid           int64 // -1 after crst
	LastResponse       time.Time
	Answers            int64
	LatencyMS, SumMS   int64
	MinMS, MaxMS       int64
	Queued             int
	UnsentBytes        int
	EstablishedSession bool
}

// unusedStats are the counts of a connection before its first request, as
// Java prints fields that nobody has set.
func unusedStats() Stats { return Stats{LastOp: "null"} }

// resetStats are the counts after crst (ServerCnxn.resetStats).
func resetStats() Stats { return Stats{LastOp: "NA", LastCxid: -1, LastZxid: -1} }

func newConn(s *Server, nc net.Conn) *Conn {
	c := &Conn{
		srv: s, nc: nc, id: s.lastID.Add(1), since: time.Now(),
		attached: make(chan bool, 1), kick: make(chan struct{}, 1), done: make(chan struct{}),
	}
	c.room.L = &c.mu
	c.attempt.use(nc)
	c.stats = unusedStats()
	c.heard.Store(s.clock.Load())
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		ap := a.AddrPort()
		c.remote = netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	c.auth.Store(&[]proto.ID{})
	return c
}

// ID returns the connection's number, which is never used again.
func (c *Conn) ID() uint64 { return c.id }

// Remote returns the client's address; an IPv4-mapped one as IPv4.
func (c *Conn) Remote() netip.AddrPort { return c.remote }

// RemoteString returns the client's address and port, for the log.
func (c *Conn) RemoteString() string { return c.remote.String() }

// Since returns when the connection was accepted.
func (c *Conn) Since() time.Time { return c.since }

// Session returns the attached session, or 0.
func (c *Conn) Session() proto.SessionID { return proto.SessionID(c.session.Load()) }

// TimeoutMS returns the session timeout negotiated on this connection.
func (c *Conn) TimeoutMS() int32 { return c.timeoutMS.Load() }

// Heard returns the running time in ms at which the client last sent
// something; that is now while the server does not read, because too many
// requests are outstanding: the client is not to blame for that silence.
func (c *Conn) Heard() int64 {
	if c.throttled.Load() {
		c.heard.Store(c.srv.clock.Load())
	}
	return c.heard.Load()
}

// Auth returns the client's identities. The slice is never changed.
func (c *Conn) Auth() []proto.ID { return *c.auth.Load() }

// SetAuth replaces the client's identities.
func (c *Conn) SetAuth(ids []proto.ID) { c.auth.Store(&ids) }

// Stats returns a copy of the connection's counts.
func (c *Conn) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	st := c.stats
	st.Received = c.frames.Load()
	st.Queued = c.pipe.Len()
	st.UnsentBytes = len(c.out)
	st.EstablishedSession = c.session.Load() != 0
	return st
}

// ResetStats zeroes the counts (word crst).
func (c *Conn) ResetStats() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.frames.Store(0)
	c.stats = resetStats()
}

// SetReadOnly makes the answer to the handshake say that only reads are
// served.
func (c *Conn) SetReadOnly() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.readOnly = true
}

// Attach ends the handshake: the session is the client's. The response goes
// out before anything else does. born is the zxid that made a new session; it
// is 0 when a client came back to an old one, which counts as no request.
func (c *Conn) Attach(id proto.SessionID, timeoutMS int32, password [proto.PasswordLen]byte, born proto.Zxid) {
	c.timeoutMS.Store(timeoutMS)
	c.session.Store(int64(id))
	if born != 0 {
		c.mu.Lock()
		c.measure(proto.ReplyHeader{Zxid: born}, proto.OpCreateSession, c.asked, true)
		c.mu.Unlock()
	}
	c.respond(proto.ConnectResponse{TimeoutMS: timeoutMS, SessionID: id, Password: password[:]})
	c.attached <- true
	c.Kick()
}

// Refuse ends the handshake: the client is told that its session is gone,
// and the connection is closed.
func (c *Conn) Refuse() {
	c.respond(proto.ConnectResponse{Password: make([]byte, proto.PasswordLen)})
	c.attached <- false
	c.ShutWhenSent()
}

func (c *Conn) respond(r proto.ConnectResponse) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r.HasReadOnly, r.ReadOnly = c.hasReadOnly, c.readOnly
	at := len(c.out)
	c.out = append(c.out, 0, 0, 0, 0)
	c.out = proto.AppendConnectResponse(c.out, &r)
	sealFrame(c.out, at)
	c.stats.Sent++
	c.srv.opt.Metrics.PacketsSent.Inc()
}

// Shut closes the connection now; what was not sent is lost.
func (c *Conn) Shut(why string) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closed = true
	c.abandon()
	c.room.Broadcast()
	c.mu.Unlock()
	close(c.done)
	_ = c.nc.Close() // the peer learns of it; there is nobody else to tell
	c.srv.opt.Log.Debug("closed client connection", "client", c.remote.String(),
		"session", c.Session().String(), "why", why)
}

// ShutWhenSent closes the connection when everything in its outgoing buffer
// is sent.
func (c *Conn) ShutWhenSent() {
	c.mu.Lock()
	c.lastOut = true
	c.mu.Unlock()
	c.Kick()
}
