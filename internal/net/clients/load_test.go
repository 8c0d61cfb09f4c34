package clients

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"quokka/internal/proto"
)

// A connection with something outstanding is not read on while the server has
// more outstanding requests than it may; others may have one each.
func TestOutstandingLimit(t *testing.T) {
	p := open(t, func(o *Options, b *fakeBackend) { o.MaxOutstanding = 5; b.hold = true })
	a, b := p.attached(), p.attached()
	for i := range int32(20) {
		a.frame(packet(i, proto.OpCreate, "a"))
	}
	wait(t, "a is throttled", func() bool { return p.backend.submitted() == 6 })
	b.frame(packet(1, proto.OpCreate, "b"), packet(2, proto.OpCreate, "b"))
	wait(t, "b is throttled", func() bool { return p.backend.submitted() == 7 })
	p.srv.SetClock(5000)
	for _, c := range p.srv.Conns() {
		if c.Heard() != 5000 {
			t.Errorf("heard at %d: the server does not read, the client is not silent", c.Heard())
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range int32(20) {
			a.reply(i, 7, proto.OK)
		}
		b.reply(1, 7, proto.OK)
		b.reply(2, 7, proto.OK)
	}()
	for answered := false; !answered; {
		p.backend.release(1)
		select {
		case <-done:
			answered = true
		default:
		}
	}
	if n := p.srv.Outstanding(); n != 0 {
		t.Errorf("%d outstanding", n)
	}
}

// A reader that was stopped goes on when the loop takes the last waiting read
// out of its pipe, though others still have too much outstanding.
func TestThrottledConnectionGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := &fakeBackend{hold: true}
		srv := New(Options{
			MaxFrame: 4000, MaxOutstanding: 1, MaxUnsent: 1 << 20, HandshakeTimeout: time.Minute, Metrics: fuzzMetrics, Log: fuzzLog,
		}, backend, fakeWords{})
		dial := func() (*peer, *Conn) {
			ours, theirs := net.Pipe()
			srv.start(theirs)
			c := &peer{t, ours}
			c.frame(hello)
			c.next()
			all := srv.Conns()
			return c, slices.MaxFunc(all, func(x, y *Conn) int { return cmp.Compare(x.id, y.id) })
		}
		a, conn := dial()
		b, _ := dial()
		b.frame(packet(1, proto.OpCreate, "b"), packet(2, proto.OpCreate, "b"))
		synctest.Wait()
		a.frame(packet(1, proto.OpCreate, "a"))
		synctest.Wait()
		conn.mu.Lock() // as if it had come before the limit was passed
		conn.pipe.Push(request{xid: 2, op: proto.OpGetData, read: true, at: time.Now()})
		conn.mu.Unlock()
		conn.Answer(conn.Begin(), proto.ReplyHeader{Zxid: 7})
		synctest.Wait() // its reader sees that the read waits still
		xid, op, body, _, at, ok := conn.NextRead()
		if !ok {
			t.Fatal("no read waits")
		}
		backend.Read(conn, xid, op, body, at)
		conn.Kick()
		a.reply(1, 7, proto.OK)
		a.reply(2, 7, proto.OK)
		a.frame(packet(-2, proto.OpPing, ""))
		a.reply(-2, 7, proto.OK)
		for _, c := range srv.Conns() { // b is not read, and would not see its end
			c.Shut("end")
		}
		srv.wg.Wait()
	})
}

// Requests of a connection that ends are outstanding no more.
func TestClosedConnectionsOweNothing(t *testing.T) {
	p := open(t, func(_ *Options, b *fakeBackend) { b.hold = true })
	for range 3 {
		c := p.attached()
		c.frame(packet(1, proto.OpCreate, "a"), packet(2, proto.OpGetData, "b"), packet(3, proto.OpCreate, "c"))
		wait(t, "they are submitted", func() bool { return p.srv.Outstanding() == 2 })
		_ = c.Close()
		wait(t, "they are given up", func() bool { return p.srv.Outstanding() == 0 })
	}
	p.backend.release(-1) // the loop answers them all the same
	if n := p.srv.Outstanding(); n != 0 {
		t.Errorf("%d outstanding", n)
	}
}

func TestLimitsOfConnections(t *testing.T) {
	p := open(t, func(o *Options, _ *fakeBackend) { o.MaxPerIP = 2 })
	a, b := p.attached(), p.attached()
	p.dial().closed()
	_ = a.Close()
	wait(t, "it is forgotten", func() bool { return p.srv.Len() == 1 })
	p.attached()
	_ = b
	if n := p.srv.opt.Metrics.ConnectionRejected.Load(); n != 1 {
		t.Errorf("%d rejected", n)
	}
	p = open(t, func(o *Options, _ *fakeBackend) { o.MaxTotal = 1 })
	p.attached()
	p.dial().closed()
}

// A client that asks for much and takes nothing is not read on: its replies
// do not fill the memory, and nobody waits for it.
func TestSlowReaderIsHeldUp(t *testing.T) {
	p := open(t, func(_ *Options, b *fakeBackend) { b.size = 100 << 10 })
	slow := p.attached()
	conn := p.srv.Conns()[0]
	const n = 1000
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for i := range int32(n) {
			slow.frame(packet(i, proto.OpGetData, ""))
		}
	}()
	<-sent
	var most int
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for range 100 {
		most = max(most, conn.Stats().UnsentBytes)
		<-look.C
	}
	if most > 2*flushAt {
		t.Errorf("%d bytes wait for a client that does not read", most)
	}
	other := p.attached()
	for i := range int32(10) {
		other.frame(packet(i, proto.OpGetData, ""))
		other.reply(i, 7, proto.OK)
	}
	for i := range int32(n) {
		if body := slow.reply(i, 7, proto.OK); len(body) != 100<<10 {
			t.Fatalf("reply of %d bytes", len(body))
		}
	}
}

// Events come unasked: who does not take them is disconnected.
func TestSlowWatcherIsDisconnected(t *testing.T) {
	p := open(t, func(o *Options, _ *fakeBackend) { o.MaxUnsent = 1 << 20 })
	p.attached()
	conn := p.srv.Conns()[0]
	for range 1 << 20 {
		if conn.isClosed() {
			break
		}
		conn.Event(1, proto.EventNodeDataChanged, "/a/path/of/some/length")
		conn.Kick()
		conn.CheckUnsent()
	}
	if !conn.isClosed() {
		t.Error("it is still connected")
	}
}

// The loop never waits for a client: what the socket does not take, the writer
// sends, and nothing is lost, doubled or out of order.
func TestSendDoesNotWait(t *testing.T) {
	p := open(t, func(o *Options, _ *fakeBackend) { o.MaxUnsent = 64 << 20 })
	c := p.attached()
	conn := p.srv.Conns()[0]
	ours, theirs := conn.nc.(*net.TCPConn), c.Conn.(*net.TCPConn)
	if err := errors.Join(ours.SetWriteBuffer(64<<10), theirs.SetReadBuffer(64<<10)); err != nil {
		t.Fatal(err)
	}
	const n = 5000
	path := "/" + strings.Repeat("x", 400) // few enough bytes to be sent at once; the sockets' buffers cannot take them all
	for z := range proto.Zxid(n) {
		conn.Event(z, proto.EventNodeDataChanged, path)
		conn.Send()
	}
	if conn.Stats().UnsentBytes == 0 {
		t.Error("the sockets have taken everything")
	}
	for z := range proto.Zxid(n) {
		h, _, err := proto.DecodeReplyHeader(c.next())
		if err != nil || h.Xid != proto.XidEvent || h.Zxid != z {
			t.Fatalf("event %v: %+v, %v", z, h, err)
		}
	}
	if conn.isClosed() {
		t.Error("it is closed")
	}
}

// So is one whose reads wait behind a write and add up to too much.
func TestTooManyRepliesAtOnce(t *testing.T) {
	p := open(t, func(o *Options, b *fakeBackend) { o.MaxUnsent = 1 << 20; b.hold, b.size = true, 100<<10 })
	c := p.attached()
	conn := p.srv.Conns()[0]
	c.frame(packet(0, proto.OpCreate, "a"))
	for i := range int32(100) {
		c.frame(packet(i+1, proto.OpGetData, ""))
	}
	wait(t, "the reads wait", func() bool { return conn.Stats().Queued == 101 })
	p.backend.release(-1)
	if !conn.isClosed() || conn.Stats().UnsentBytes > 2<<20 {
		t.Errorf("closed %v, %d bytes unsent", conn.isClosed(), conn.Stats().UnsentBytes)
	}
}

// countingListener counts the writes to its connections.
type countingListener struct {
	net.Listener
	writes atomic.Int64
}

type countingConn struct {
	net.Conn
	l *countingListener
}

func (l *countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return countingConn{c, l}, err
}

func (c countingConn) Write(b []byte) (int, error) {
	c.l.writes.Add(1)
	return c.Conn.Write(b)
}

func TestManyRepliesFewWrites(t *testing.T) {
	p := open(t, func(_ *Options, b *fakeBackend) { b.hold = true })
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &countingListener{Listener: inner}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- New(p.srv.opt, p.backend, fakeWords{}).Run(ctx, l) }()
	p.addr = inner.Addr().String()
	c := p.attached()
	l.writes.Store(0)
	var reads, writes [][]byte
	for i := range int32(100) {
		reads = append(reads, packet(i, proto.OpGetData, fmt.Sprint(i)))
		writes = append(writes, packet(i, proto.OpCreate, fmt.Sprint(i)))
	}
	c.frame(reads...)
	for i := range int32(100) {
		c.reply(i, 7, proto.OK)
	}
	if n := l.writes.Load(); n > 5 {
		t.Errorf("%d writes for 100 replies to reads", n)
	}
	c.frame(writes...)
	wait(t, "all are submitted", func() bool { return p.backend.submitted() == 100 })
	l.writes.Store(0)
	p.backend.release(-1)
	for i := range int32(100) {
		c.reply(i, 7, proto.OK)
	}
	if n := l.writes.Load(); n > 60 {
		t.Errorf("%d writes for 100 replies to writes", n)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestStatsOfAConnection(t *testing.T) {
	p := open(t, nil)
	c := p.attached()
	conn := p.srv.Conns()[0]
	if st := conn.Stats(); st.LastCxid != 0 || st.LastZxid != 6 || st.LastOp != "SESS" || st.Received != 1 || st.Sent != 1 {
		t.Errorf("at the start %+v", st)
	}
	c.frame(packet(-4, proto.OpAuth, authBody("digest", "me")))
	c.reply(-4, 0, proto.OK)
	if st := conn.Stats(); st.LastOp != "SESS" || st.Answers != 1 || st.Sent != 2 {
		t.Errorf("an auth is no request: %+v", st)
	}
	c.frame(packet(5, proto.OpCreate, "a"))
	c.reply(5, 7, proto.OK)
	c.frame(packet(-2, proto.OpPing, ""))
	c.reply(-2, 7, proto.OK)
	if st := conn.Stats(); st.LastCxid != 5 || st.LastZxid != 7 || st.LastOp != "PING" || st.Received != 4 || st.Sent != 4 {
		t.Errorf("later %+v", st)
	}
	conn.ResetStats()
	if st := conn.Stats(); st.Received != 0 || st.Sent != 0 || st.LastCxid != -1 || st.LastZxid != -1 {
		t.Errorf("reset %+v", st)
	}
	_ = c.Close()
	wait(t, "it is forgotten", func() bool { return p.srv.Len() == 0 })
	if n := p.srv.opt.Metrics.ConnectionDrop.Load(); n != 1 {
		t.Errorf("%d connections dropped", n)
	}
}

// Stopping while clients are busy: Run returns at once, with nothing left
// (port.left).
func TestStopWhileBusy(t *testing.T) {
	p := open(t, func(_ *Options, b *fakeBackend) { b.size = 50 << 10 })
	for i := range 8 {
		c := p.attached()
		go func() {
			for j := range int32(1 << 20) {
				op := proto.OpGetData
				if i%2 == 0 {
					op = proto.OpCreate
				}
				if _, err := c.Write(framed(packet(j, op, ""))); err != nil {
					return
				}
			}
		}()
		if i%4 != 0 { // the others do not read
			go func() { _, _ = io.Copy(io.Discard, c) }()
		}
	}
	wait(t, "they are busy", func() bool { return p.backend.submitted() > 1000 })
	begin := time.Now()
	p.srv.mu.Lock()
	n := len(p.srv.conns)
	p.srv.mu.Unlock()
	if n != 8 {
		t.Errorf("%d connections", n)
	}
	p.stop() // counts goroutines: those of this test end with their connections
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("stopping took %v", took)
	}
}

// FuzzConn sends arbitrary bytes instead of the handshake, and after it.
func FuzzConn(f *testing.F) {
	f.Add([]byte("ruok"), []byte{})
	f.Add(framed(hello), framed(packet(1, proto.OpGetData, "x"), packet(2, proto.OpCloseSession, "")))
	f.Add(framed(hello), framed(packet(-4, proto.OpAuth, authBody("digest", "a")), packet(1, 99, "")))
	f.Add(framed(hello), framed(packet(1, proto.OpSASL, ""), packet(2, proto.OpCreate, "y"), []byte("a")))
	f.Fuzz(func(t *testing.T, first, then []byte) {
		for _, in := range [][]byte{first, append(framed(hello), append(first, then...)...)} {
			p := &port{t: t, backend: &fakeBackend{}, log: &syncBuffer{}}
			o := Options{MaxFrame: 4000, MaxOutstanding: 3, MaxUnsent: 1 << 20, HandshakeTimeout: time.Minute}
			o.Metrics, o.Log = fuzzMetrics, fuzzLog
			p.srv = New(o, p.backend, fakeWords{})
			ours, theirs := net.Pipe()
			read := make(chan struct{})
			go func() { _, _ = io.Copy(io.Discard, ours); close(read) }()
			p.srv.start(theirs)
			_, _ = ours.Write(in) // fails once the server closes
			_ = ours.Close()
			p.srv.wg.Wait()
			<-read
			if n := p.srv.Len(); n != 0 || p.srv.Outstanding() != 0 || p.backend.gone != len(p.backend.connects) {
				t.Errorf("%d connections, %d outstanding, %d of %d gone", n, p.srv.Outstanding(), p.backend.gone, len(p.backend.connects))
			}
		}
	})
}
