package clients

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"quokka/internal/metrics"
	"quokka/internal/proto"
)

// fakeBackend answers reads with their body and ordered requests with none,
// at once or when release is called.
type fakeBackend struct {
	mu       sync.Mutex
	hold     bool // ordered requests wait for release
	refuse   bool // handshakes are refused
	readOnly bool // and answered as by a read-only server
	held     []func()
	bodies   []string // of ordered requests
	connects []proto.ConnectRequest
	gone     int
	size     int // of the reply to a read; 0 is its body
}

func (b *fakeBackend) Classify(op proto.Op) Class {
	switch op {
	case proto.OpPing, proto.OpGetData:
		return Read
	case proto.OpCreate, proto.OpSync:
		return Ordered
	case proto.OpCloseSession:
		return Close
	case proto.OpAuth:
		return Auth
	case proto.OpSASL:
		return SASL
	}
	return Refused
}

func (b *fakeBackend) Connect(c *Conn, r proto.ConnectRequest) {
	b.mu.Lock()
	b.connects = append(b.connects, r)
	refuse := b.refuse
	if b.readOnly {
		c.SetReadOnly()
	}
	b.mu.Unlock()
	if refuse {
		c.Refuse()
		return
	}
	id, born := r.SessionID, proto.Zxid(0)
	if id == 0 {
		id, born = proto.SessionID(c.ID()), 6
	}
	c.Attach(id, r.TimeoutMS, [16]byte{1, 2, 3}, born)
}

func (b *fakeBackend) Submit(c *Conn, _ int32, op proto.Op, body []byte, _ time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bodies = append(b.bodies, string(body))
	answer := func() {
		c.Answer(c.Begin(), proto.ReplyHeader{Zxid: 7})
		for {
			xid, op, body, _, at, ok := c.NextRead()
			if !ok {
				break
			}
			b.Read(c, xid, op, body, at)
		}
		if op == proto.OpCloseSession {
			c.ShutWhenSent()
		}
		c.Send()
	}
	if b.hold {
		b.held = append(b.held, answer)
		return
	}
	answer()
}

func (b *fakeBackend) Read(c *Conn, xid int32, op proto.Op, body []byte, at time.Time) {
	if b.size > 0 {
		body = make([]byte, b.size)
	}
	c.End(append(c.Begin(), body...), proto.ReplyHeader{Xid: xid, Zxid: 7}, op, at)
}

func (b *fakeBackend) Authenticate(c *Conn, scheme string, data []byte) error {
	if scheme != "digest" {
		return errors.New("no such scheme")
	}
	c.SetAuth(append(slices.Clone(c.Auth()), proto.ID{Scheme: scheme, ID: string(data)}))
	return nil
}

func (b *fakeBackend) Gone(*Conn) { b.mu.Lock(); defer b.mu.Unlock(); b.gone++ }

// release answers n held requests, or all with -1.
func (b *fakeBackend) release(n int) {
	for {
		b.mu.Lock()
		if len(b.held) == 0 || n == 0 {
			b.mu.Unlock()
			return
		}
		f := b.held[0]
		b.held = b.held[1:]
		n--
		b.mu.Unlock()
		f()
	}
}

func (b *fakeBackend) submitted() int { b.mu.Lock(); defer b.mu.Unlock(); return len(b.bodies) }

// fakeWords knows ruok and stmk.
type fakeWords struct{}

func (fakeWords) Is(first [4]byte) (int, bool) {
	switch string(first[:]) {
	case "ruok":
		return 0, true
	case "stmk":
		return 8, true
	}
	return 0, false
}

func (fakeWords) Answer(w io.Writer, word string, arg []byte, _ *Conn) error {
	_, err := io.WriteString(w, word+":"+string(arg))
	return err
}

// port is a client port under test.
type port struct {
	t       *testing.T
	srv     *Server
	backend *fakeBackend
	addr    string
	stop    func()
	log     *syncBuffer
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}
func (s *syncBuffer) String() string { s.mu.Lock(); defer s.mu.Unlock(); return s.b.String() }

func open(t *testing.T, change func(*Options, *fakeBackend)) *port {
	t.Helper()
	p := &port{t: t, backend: &fakeBackend{}, log: &syncBuffer{}}
	o := Options{
		MaxFrame: 4000, MaxOutstanding: 1000, MaxUnsent: 8 << 20, HandshakeTimeout: 10 * time.Second,
		Metrics: metrics.NewServer(), Log: slog.New(slog.NewTextHandler(p.log, nil)),
	}
	if change != nil {
		change(&o, p.backend)
	}
	p.srv = New(o, p.backend, fakeWords{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	before := runtime.NumGoroutine()
	done := make(chan error, 1)
	go func() { done <- p.srv.Run(ctx, l) }()
	p.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("Run does not return")
		}
		p.left(before)
	})
	t.Cleanup(p.stop)
	return p
}

// left checks that nothing is left of the port.
func (p *port) left(before int) {
	wait(p.t, "goroutines end", func() bool { return runtime.NumGoroutine() <= before })
	if n := p.srv.Len(); n != 0 || len(p.srv.perIP) != 0 {
		p.t.Errorf("%d connections, %v addresses left", n, p.srv.perIP)
	}
	if n := p.srv.Outstanding(); n != 0 {
		p.t.Errorf("%d requests outstanding", n)
	}
	p.backend.mu.Lock()
	defer p.backend.mu.Unlock()
	if p.backend.gone != len(p.backend.connects) {
		p.t.Errorf("Gone for %d of %d connections", p.backend.gone, len(p.backend.connects))
	}
}

// wait polls until ok, for ten seconds at most.
func wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	look, end := time.NewTicker(time.Millisecond), time.After(10*time.Second)
	defer look.Stop()
	for !ok() {
		select {
		case <-end:
			t.Fatalf("waited in vain until %s", what)
		case <-look.C:
		}
	}
}

// peer is a client on the wire.
type peer struct {
	t *testing.T
	net.Conn
}

func (p *port) dial() *peer {
	p.t.Helper()
	c, err := net.Dial("tcp", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return &peer{p.t, c}
}

// attached is a client with a session.
func (p *port) attached() *peer {
	p.t.Helper()
	c := p.dial()
	c.frame(hello)
	if b := c.next(); len(b) != 36 {
		p.t.Fatalf("connect response %x", b)
	}
	return c
}

var hello = proto.AppendConnectRequest(nil, &proto.ConnectRequest{TimeoutMS: 10_000, Password: make([]byte, 16)})

func framed(payloads ...[]byte) []byte {
	var b []byte
	for _, p := range payloads {
		b = binary.BigEndian.AppendUint32(b, uint32(len(p)))
		b = append(b, p...)
	}
	return b
}

func packet(xid int32, op proto.Op, body string) []byte {
	return append(proto.AppendRequestHeader(nil, proto.RequestHeader{Xid: xid, Op: op}), body...)
}

func (c *peer) send(b []byte) {
	c.t.Helper()
	if _, err := c.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

func (c *peer) frame(payloads ...[]byte) { c.t.Helper(); c.send(framed(payloads...)) }

// next reads a frame; nil is the end of the stream.
func (c *peer) next() []byte {
	c.t.Helper()
	var head [4]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		if err == io.EOF || strings.Contains(err.Error(), "reset") {
			return nil
		}
		c.t.Fatal(err)
	}
	b := make([]byte, binary.BigEndian.Uint32(head[:]))
	if _, err := io.ReadFull(c, b); err != nil {
		c.t.Fatal(err)
	}
	return b
}

// reply expects a reply with this header and returns its body.
func (c *peer) reply(xid int32, zxid proto.Zxid, code proto.Code) string {
	c.t.Helper()
	b := c.next()
	if b == nil {
		c.t.Fatalf("closed, want the reply to %d", xid)
	}
	h, body, err := proto.DecodeReplyHeader(b)
	if err != nil || h != (proto.ReplyHeader{Xid: xid, Zxid: zxid, Err: code}) {
		c.t.Fatalf("reply %+v (%v), want xid %d, zxid %v, err %d", h, err, xid, zxid, code)
	}
	return string(body)
}

func (c *peer) closed() {
	c.t.Helper()
	if b := c.next(); b != nil {
		c.t.Fatalf("got %x, want the connection to be closed", b)
	}
}

// What fuzzing shares: its inputs need no instruments of their own.
var (
	fuzzMetrics = metrics.NewServer()
	fuzzLog     = slog.New(slog.NewTextHandler(io.Discard, nil))
)
