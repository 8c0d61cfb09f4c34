package client

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"quokka/internal/jute"
	"quokka/internal/proto"
)

// A fake is a server that does what a test tells it, frame by frame, on pipes
// instead of sockets so that testing/synctest may own the clock.
type fake struct {
	t     *testing.T
	dials chan *peer // every connection, unless down
	mu    sync.Mutex
	down  map[string]error // servers that cannot be reached
	tried []string         // every server that was tried
	times []time.Time
}

func newFake(t *testing.T) *fake {
	return &fake{t: t, dials: make(chan *peer, 100), down: make(map[string]error)}
}

// options let a Client dial the fake.
func (f *fake) options(timeout time.Duration) Options {
	return Options{SessionTimeout: timeout, Dial: f.dial}
}

func (f *fake) dial(_ context.Context, _, addr string) (net.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tried = append(f.tried, addr)
	f.times = append(f.times, time.Now())
	if err := f.down[addr]; err != nil {
		return nil, err
	}
	ours, theirs := net.Pipe()
	f.dials <- &peer{t: f.t, conn: ours, addr: addr}
	return theirs, nil
}

func (f *fake) set(addr string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down[addr] = err
}

// log returns which servers were tried, and how long after start.
func (f *fake) log(start time.Time) (all []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, s := range f.tried {
		all = append(all, fmt.Sprintf("%s %v", s, f.times[i].Sub(start)))
	}
	return all
}

var errDown = errors.New("connection refused")

// A peer is the server's end of one connection.
type peer struct {
	t    *testing.T
	conn net.Conn
	addr string
	hi   proto.ConnectRequest
}

// next returns the next connection.
func (f *fake) next() *peer {
	f.t.Helper()
	p := <-f.dials
	f.t.Cleanup(func() { _ = p.conn.Close() })
	return p
}

// accept takes the next connection and attaches the session to it.
func (f *fake) accept(timeout time.Duration) *peer {
	f.t.Helper()
	p := f.next()
	p.greet(proto.ConnectResponse{TimeoutMS: int32(timeout / time.Millisecond), SessionID: 0x77, Password: make([]byte, 16)})
	return p
}

func (p *peer) greet(r proto.ConnectResponse) {
	p.t.Helper()
	hi, err := proto.DecodeConnectRequest(p.frame())
	if err != nil {
		p.t.Fatal(err)
	}
	p.hi = hi
	p.hi.Password = slices.Clone(hi.Password)
	r.HasReadOnly = true
	p.write(proto.AppendConnectResponse(nil, &r))
}

func (p *peer) frame() []byte {
	p.t.Helper()
	b, err := p.read()
	if err != nil {
		p.t.Fatal(err)
	}
	return b
}

func (p *peer) read() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(p.conn, head[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint32(head[:]))
	_, err := io.ReadFull(p.conn, b)
	return b, err
}

// gone waits until the client has closed the connection.
func (p *peer) gone() {
	p.t.Helper()
	for {
		if _, err := p.read(); err != nil {
			return
		}
	}
}

func (p *peer) write(b []byte) {
	p.t.Helper()
	b = append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
	if _, err := p.conn.Write(b); err != nil {
		p.t.Fatal(err)
	}
}

// want reads a request, which must be op.
func (p *peer) want(op proto.Op) (xid int32, body []byte) {
	p.t.Helper()
	h, body, err := proto.DecodeRequestHeader(p.frame())
	if err != nil || h.Op != op {
		p.t.Fatalf("request %v, want %v: %v", h.Op, op, err)
	}
	return h.Xid, body
}

func (p *peer) reply(xid int32, zxid proto.Zxid, code proto.Code, body []byte) {
	p.t.Helper()
	p.write(append(proto.AppendReplyHeader(nil, proto.ReplyHeader{Xid: xid, Zxid: zxid, Err: code}), body...))
}

func (p *peer) event(typ proto.EventType, path string, zxid proto.Zxid) {
	p.t.Helper()
	p.reply(proto.XidEvent, zxid, proto.OK, proto.AppendWatcherEvent(nil, typ, path))
}

// pong answers pings, for as long as nothing else comes.
func (p *peer) pong() {
	p.t.Helper()
	xid, _ := p.want(proto.OpPing)
	p.reply(xid, 1, proto.OK, nil)
}

func stat(zxid proto.Zxid) []byte { return proto.AppendStat(nil, &proto.Stat{Mzxid: zxid}) }

func node(data string, zxid proto.Zxid) []byte {
	return append(jute.AppendBuffer(nil, []byte(data)), stat(zxid)...)
}

// closing answers closeSession.
func (p *peer) closing() {
	p.t.Helper()
	xid, _ := p.want(proto.OpCloseSession)
	p.reply(xid, 99, proto.OK, nil)
	p.gone()
}

// fakeClient starts a Client and its first connection.
func fakeClient(f *fake, servers string, o Options) (*Client, *peer) {
	f.t.Helper()
	c, err := New(servers, o)
	if err != nil {
		f.t.Fatal(err)
	}
	p := f.accept(o.SessionTimeout)
	if err := c.WaitConnected(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	return c, p
}

// end closes the client, whose last connection is p.
func end(c *Client, p *peer) {
	p.t.Helper()
	if err := c.WaitConnected(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(p.closing)
	_ = c.Close()
	wg.Wait()
}

// lose breaks a connection, and waits until the client knows.
func (p *peer) lose() {
	_ = p.conn.Close()
	synctest.Wait()
}

// async is a call under way.
func async[T any](call func() (T, error)) func() (T, error) {
	type answer struct {
		v   T
		err error
	}
	ch := make(chan answer, 1)
	go func() {
		v, err := call()
		ch <- answer{v, err}
	}()
	return func() (T, error) { a := <-ch; return a.v, a.err }
}
