package cli

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"quokka/internal/jute"
	"quokka/internal/proto"
)

const (
	benchReadBuffer = 128 << 10 // bytes, to begin with
	benchMaxReply   = 64 << 20  // longest reply believed, in bytes; children of a large directory
	dialTimeout     = 10 * time.Second
)

// benchConn is one session. While a phase runs, its writer owns out, its
// reader owns in, and they meet in the atomic counters; between phases the
// caller of call owns both.
type benchConn struct {
	server  string
	conn    net.Conn
	timeout time.Duration // negotiated
	clock   func() int64

	in         []byte // bytes read, from inBegin to inEnd
	inBegin    int
	inEnd      int
	out        []byte
	ring       []inFlight // by sequence number
	zxid       proto.Zxid // of the last reply
	write      sync.Mutex // who holds it may write to conn
	sent, done atomic.Uint64
	lastWrite  atomic.Int64 // by clock
	finished   atomic.Bool  // the writer of the phase sends no more
	stalled    atomic.Bool  // the keeper closed the connection
	detached   atomic.Bool  // a lockstep has the socket, and sees to stalls itself
	wake       chan struct{}
}

// inFlight is what is remembered of a request until its reply comes.
type inFlight struct {
	at  int64 // by the clock, when it was written
	op  proto.Op
	ops int32 // nodes it is about
}

// connectSession dials a server and opens a session.
func connectSession(ctx context.Context, server string, timeout time.Duration, clock func() int64) (*benchConn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	conn, err := d.DialContext(ctx, "tcp", server)
	if err != nil {
		return nil, fmt.Errorf("bench: connect to %s: %w: is a server running there?", server, err)
	}
	c := &benchConn{server: server, conn: conn, clock: clock, in: make([]byte, benchReadBuffer), wake: make(chan struct{}, 1)}
	if err := c.handshake(timeout); err != nil {
		return nil, errors.Join(fmt.Errorf("bench: open a session on %s: %w", server, err), conn.Close())
	}
	return c, nil
}

func (c *benchConn) handshake(timeout time.Duration) error {
	if err := c.conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	c.out = proto.AppendConnectRequest(append(c.out[:0], 0, 0, 0, 0), &proto.ConnectRequest{
		TimeoutMS: int32(timeout.Milliseconds()), Password: make([]byte, proto.PasswordLen), HasReadOnly: true,
	})
	binary.BigEndian.PutUint32(c.out, uint32(len(c.out)-4))
	if _, err := c.conn.Write(c.out); err != nil {
		return err
	}
	frame, err := c.readFrame()
	if err != nil {
		return err
	}
	r, err := proto.DecodeConnectResponse(frame)
	if err != nil {
		return err
	}
	if r.TimeoutMS <= 0 || r.SessionID == 0 {
		return errors.New("the server refused it")
	}
	c.timeout = time.Duration(r.TimeoutMS) * time.Millisecond
	c.lastWrite.Store(c.clock())
	return c.conn.SetDeadline(time.Time{})
}

// xidOf numbers requests from 1 to the largest positive xid, and again.
func xidOf(seq uint64) int32 { return int32(seq%(1<<31-1)) + 1 }

// beginFrame appends the head of a request; endFrame fills in its length.
func beginFrame(b []byte, seq uint64, op proto.Op) []byte {
	return proto.AppendRequestHeader(append(b, 0, 0, 0, 0), proto.RequestHeader{Xid: xidOf(seq), Op: op})
}

func endFrame(b []byte, start int) {
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-4))
}

// nextFrame returns the next whole frame of what was read, nil if there is
// none. It is valid until the next fill.
func (c *benchConn) nextFrame() ([]byte, error) {
	have := c.in[c.inBegin:c.inEnd]
	if len(have) < 4 {
		return nil, nil
	}
	n := int(int32(binary.BigEndian.Uint32(have)))
	if n < 0 || n > benchMaxReply {
		return nil, fmt.Errorf("%s sent a frame of %d bytes: is it a ZooKeeper server?", c.server, n)
	}
	if len(have) < 4+n {
		return nil, nil
	}
	c.inBegin += 4 + n
	return have[4 : 4+n], nil
}

// fill reads as much as there is, once.
func (c *benchConn) fill() error {
	n, err := c.conn.Read(c.room())
	c.inEnd += n
	if n > 0 {
		return nil
	}
	return c.readError(err)
}

// room returns where the next bytes read belong.
func (c *benchConn) room() []byte {
	if c.inBegin > 0 {
		c.inEnd = copy(c.in, c.in[c.inBegin:c.inEnd])
		c.inBegin = 0
	}
	if c.inEnd == len(c.in) {
		c.in = append(c.in, make([]byte, len(c.in))...)
	}
	return c.in[c.inEnd:]
}

func (c *benchConn) readError(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%s closed the connection", c.server)
	}
	return err
}

func (c *benchConn) readFrame() ([]byte, error) {
	for {
		frame, err := c.nextFrame()
		if frame != nil || err != nil {
			return frame, err
		}
		if err := c.fill(); err != nil {
			return nil, err
		}
	}
}

// call sends one request and waits for its reply; no phase may be running.
// The body is valid until the next call.
func (c *benchConn) call(op proto.Op, body func(b []byte) []byte) ([]byte, proto.Code, error) {
	seq := c.sent.Add(1) - 1
	defer c.done.Store(seq + 1)
	frame := beginFrame(nil, seq, op)
	if body != nil {
		frame = body(frame)
	}
	endFrame(frame, 0)
	c.write.Lock()
	_, err := c.conn.Write(frame)
	c.write.Unlock()
	c.lastWrite.Store(c.clock())
	if err != nil {
		return nil, 0, fmt.Errorf("send %v to %s: %w", op, c.server, err)
	}
	if err := c.conn.SetReadDeadline(time.Now().Add(c.timeout)); err != nil {
		return nil, 0, err
	}
	for {
		frame, err := c.readFrame()
		if err != nil {
			return nil, 0, fmt.Errorf("wait for the reply to %v from %s: %w", op, c.server, err)
		}
		h, rest, err := proto.DecodeReplyHeader(frame)
		if err != nil || (h.Xid != proto.XidPing && h.Xid != xidOf(seq)) {
			return nil, 0, fmt.Errorf("%s answered xid %d to %v with xid %d (%v)", c.server, h.Xid, op, xidOf(seq), err)
		}
		if h.Xid != proto.XidPing {
			return rest, h.Err, c.conn.SetReadDeadline(time.Time{})
		}
	}
}

// createNode creates one persistent node that is open to everybody.
func (c *benchConn) createNode(path string, data []byte) (proto.Code, error) {
	_, code, err := c.call(proto.OpCreate, func(b []byte) []byte {
		return appendCreateTail(jute.AppendString(b, path), data)
	})
	return code, err
}

// children returns the names of a node's children.
func (c *benchConn) children(path string) ([]string, error) {
	body, code, err := c.call(proto.OpGetChildren, func(b []byte) []byte { return proto.AppendPathWatch(b, path, false) })
	if err != nil {
		return nil, err
	}
	if code != proto.OK {
		return nil, fmt.Errorf("getChildren %s: %w", path, code)
	}
	d := jute.NewDecoder(body)
	names := d.Strings()
	return names, d.Err()
}

// ping keeps the session alive, unless somebody is just writing.
func (c *benchConn) ping() {
	if !c.write.TryLock() {
		return
	}
	defer c.write.Unlock()
	frame := proto.AppendRequestHeader([]byte{0, 0, 0, 8}, proto.RequestHeader{Xid: proto.XidPing, Op: proto.OpPing})
	if _, err := c.conn.Write(frame); err == nil { // the reader meets the same error and reports it
		c.lastWrite.Store(c.clock())
	}
}

// close ends the session and the connection. If that fails the server ends
// the session when its timeout is over.
func (c *benchConn) close() {
	if !c.stalled.Load() {
		_, _, _ = c.call(proto.OpCloseSession, nil)
	}
	_ = c.conn.Close()
}
