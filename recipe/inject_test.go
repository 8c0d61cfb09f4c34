package recipe

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"quokka/client"
)

// A fault is what befalls a session at one of its requests.
type fault int

const (
	cutBefore fault = iota // the connection breaks, the request is not sent
	cutAfter               // it is carried out, and then the connection breaks without an answer
	cutAtOnce              // it is sent and the connection breaks: the server may see it late, or never
	endBefore              // the session is ended by somebody else before it is sent
	endAfter               // it is carried out, and then the session is ended without an answer
	giveUp                 // the context w.sick ends when it is sent
)

var faults = []fault{cutBefore, cutAfter, cutAtOnce, endBefore, endAfter, giveUp}

func (f fault) String() string {
	return [...]string{"cut before", "cut after", "cut at once", "end before", "end after", "give up"}[f]
}

// An injector counts the requests of a session and has the fault happen at
// one of them. Requests are what an application asks for: no connect, ping,
// setWatches or closeSession.
type injector struct {
	t      testing.TB
	addr   string
	c      atomic.Pointer[client.Client]
	cancel context.CancelFunc // of w.sick

	mu     sync.Mutex
	count  int
	at     int // from 1; 0 for never
	kind   fault
	fired  bool
	chaos  func() (fault, bool) // decides for every request, instead of at and kind
	frozen bool                 // nothing goes in or out
	old    bool                 // servers are as before 3.5: they know no create2 and no containers
}

func (in *injector) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if in.isFrozen() {
		return nil, errFault
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &faultConn{Conn: conn, in: in}, nil
}

// next counts a request, and tells whether a fault is due.
func (in *injector) next() (kind fault, due bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.count++
	if in.chaos != nil {
		return in.chaos()
	}
	due = in.at > 0 && in.count >= in.at && !in.fired
	in.fired = in.fired || due
	return in.kind, due
}

// freeze makes the servers silent, without closing connections.
func (in *injector) freeze() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.frozen = true
}

func (in *injector) isFrozen() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.frozen
}

func (in *injector) arm(at int, kind fault) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.at, in.kind, in.fired = at, kind, false
}

func (in *injector) requests() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.count
}

func (in *injector) isOld() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.old
}

// ended tells whether the fault has ended the session.
func (in *injector) ended() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.fired && (in.kind == endBefore || in.kind == endAfter)
}

// gaveUp tells whether the fault has ended w.sick.
func (in *injector) gaveUp() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.fired && in.kind == giveUp
}

// end ends the session, as an administrator would: its client learns of it
// when its connection is closed.
func (in *injector) end() {
	s := in.c.Load().Session()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	k, err := client.Dial(ctx, in.addr, client.Options{Resume: &s})
	if err == nil {
		err = k.Close()
	}
	if err != nil {
		in.t.Errorf("the session could not be ended: %v", err)
	}
}

// A faultConn is a connection that sees frames.
type faultConn struct {
	net.Conn
	in      *injector
	wrote   bool         // the connect request
	read    bool         // its answer
	swallow atomic.Int32 // the xid of the reply that is not delivered
	ends    atomic.Bool  // and then the session is ended
	buf     []byte
}

const (
	opCloseSession    = -11
	opCreate2         = 15
	opCreateContainer = 19
	opUnknown         = 9999
	frameHead         = 4
)

var errFault = errors.New("the connection was cut by the test")

func (c *faultConn) Write(b []byte) (int, error) {
	n := 0
	for n < len(b) {
		size := frameHead + int(binary.BigEndian.Uint32(b[n:]))
		if err := c.send(b[n : n+size]); err != nil {
			return n, err
		}
		n += size
	}
	return n, nil
}

func (c *faultConn) send(frame []byte) error {
	if c.in.isFrozen() {
		return nil
	}
	first := !c.wrote
	c.wrote = true
	if !first {
		xid, op := int32(binary.BigEndian.Uint32(frame[4:])), int32(binary.BigEndian.Uint32(frame[8:]))
		if c.in.isOld() && (op == opCreate2 || op == opCreateContainer) {
			frame = slices.Clone(frame)
			binary.BigEndian.PutUint32(frame[8:], opUnknown)
		}
		if xid > 0 && op != opCloseSession {
			if kind, due := c.in.next(); due {
				return c.befall(kind, xid, frame)
			}
		}
	}
	_, err := c.Conn.Write(frame)
	return err
}

// befall has a fault happen to a request.
func (c *faultConn) befall(kind fault, xid int32, frame []byte) error {
	switch kind {
	case cutBefore:
		_ = c.Close()
		return errFault
	case cutAtOnce:
		_, _ = c.Conn.Write(frame)
		_ = c.Close()
		return errFault
	case endBefore:
		c.in.end()
	case giveUp:
		c.in.cancel()
	case cutAfter, endAfter:
		c.ends.Store(kind == endAfter)
		c.swallow.Store(xid)
	}
	_, err := c.Conn.Write(frame)
	return err
}

func (c *faultConn) Read(b []byte) (int, error) {
	for len(c.buf) == 0 {
		if err := c.receive(); err != nil {
			return 0, err
		}
	}
	n := copy(b, c.buf)
	c.buf = c.buf[n:]
	return n, nil
}

func (c *faultConn) receive() error {
	head := make([]byte, frameHead)
	if _, err := io.ReadFull(c.Conn, head); err != nil {
		return err
	}
	frame := append(head, make([]byte, binary.BigEndian.Uint32(head))...)
	if _, err := io.ReadFull(c.Conn, frame[frameHead:]); err != nil {
		return err
	}
	first := !c.read
	c.read = true
	if xid := c.swallow.Load(); !first && xid != 0 && int32(binary.BigEndian.Uint32(frame[4:])) == xid {
		if c.ends.Load() {
			c.in.end()
		}
		_ = c.Close()
		return errFault
	}
	if !c.in.isFrozen() {
		c.buf = frame
	}
	return nil
}
