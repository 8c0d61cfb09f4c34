package clients

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"quokka/internal/jute"
	"quokka/internal/net/frame"
	"quokka/internal/proto"
)

// maxPipe bounds the requests of one connection that wait in its pipe; its
// reader stops reading until there is room.
const maxPipe = 8192

// run serves the connection until it is closed.
func (c *Conn) run() {
	defer c.srv.forget(c)
	defer c.Shut("the client is done")
	fr := frame.NewReader(c.nc, c.srv.opt.MaxFrame)
	if err := c.nc.SetReadDeadline(time.Now().Add(c.srv.opt.HandshakeTimeout)); err != nil {
		return
	}
	first, err := fr.Peek(4)
	if err != nil {
		c.countSessionless(err)
		return
	}
	if n, ok := c.srv.words.Is([4]byte(first)); ok {
		c.word(fr, string(first), n)
		return
	}
	if !c.handshake(fr) {
		return
	}
	c.serve(fr)
}

func (c *Conn) countSessionless(err error) {
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		c.srv.opt.Metrics.SessionlessExpired.Inc()
	}
}

func (c *Conn) word(fr *frame.Reader, word string, argLen int) {
	fr.Skip(4)
	arg, err := fr.Peek(argLen)
	if err != nil {
		return
	}
	c.received(0)
	if err := c.nc.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return
	}
	if err := c.srv.words.Answer(c.nc, word, arg, c); err != nil {
		c.srv.opt.Log.Debug("cannot answer a four-letter word", "word", word, "client", c.remote.String(), "error", err)
	}
}

// handshake reads the connect request and waits for its end.
func (c *Conn) handshake(fr *frame.Reader) bool {
	m := c.srv.opt.Metrics
	p, err := fr.Next()
	if err != nil {
		c.countSessionless(err)
		c.logFrame(err)
		return false
	}
	req, err := proto.DecodeConnectRequest(p)
	if err != nil {
		c.srv.opt.Log.Warn("closing a connection whose first bytes are no connect request",
			"client", c.remote.String(), "error", err)
		return false
	}
	req.Password = bytes.Clone(req.Password)
	c.hasReadOnly = req.HasReadOnly
	m.ConnectionRequest.Inc()
	c.received(len(p))
	c.asked = time.Now()
	c.srv.backend.Connect(c, req)
	c.srv.wg.Go(c.sender)
	select {
	case ok := <-c.attached:
		if !ok {
			<-c.done // the sender closes it when the answer is out
		}
		return ok && c.nc.SetReadDeadline(time.Time{}) == nil
	case <-c.done:
		return false
	}
}

// sender sends what others than the connection's reader put into the
// outgoing buffer.
func (c *Conn) sender() {
	defer c.srv.backend.Gone(c)
	for {
		select {
		case <-c.kick:
			c.flush()
		case <-c.done:
			return
		}
	}
}

func (c *Conn) received(n int) {
	c.heard.Store(c.srv.clock.Load())
	c.frames.Add(1)
	c.srv.opt.Metrics.PacketsReceived.Inc()
	c.srv.opt.Metrics.BytesReceived.Add(int64(4 + n))
}

func (c *Conn) serve(fr *frame.Reader) {
	for {
		p, err := fr.Next()
		if err != nil {
			if !c.isClosed() {
				c.srv.opt.Metrics.ConnectionDrop.Inc()
			}
			c.logFrame(err)
			return
		}
		c.received(len(p))
		h, body, err := proto.DecodeRequestHeader(p)
		if err != nil {
			c.srv.opt.Log.Warn("closing a connection that sent a frame without a request header",
				"client", c.remote.String(), "session", c.Session().String())
			return
		}
		if !c.dispatch(h, body) {
			c.flush()
			<-c.done
			return
		}
		if !fr.Ready() {
			c.flush()
		}
		if !c.admitted() {
			return
		}
	}
}

// dispatch sends a request on its way. It returns false when it was the last
// one of the connection.
func (c *Conn) dispatch(h proto.RequestHeader, body []byte) bool {
	class := c.srv.backend.Classify(h.Op)
	if !c.permitted(class) {
		c.refuse(h, proto.SessionClosedRequireSASLAuth, 0)
		return false
	}
	switch class {
	case Read:
		if c.wait(request{xid: h.Xid, op: h.Op, read: true}, body) {
			return true
		}
		c.srv.backend.Read(c, h.Xid, h.Op, body, time.Now())
	case Ordered, Close:
		body = append([]byte{}, body...)
		at := time.Now()
		c.mu.Lock()
		if c.closed {
			c.mu.Unlock()
			return false
		}
		c.pipe.Push(request{xid: h.Xid, op: h.Op, at: at})
		c.srv.outstanding.Add(1)
		c.mu.Unlock()
		c.srv.backend.Submit(c, h.Xid, h.Op, body, at)
		return class == Ordered
	case Auth:
		return c.authenticate(h, body)
	case SASL:
		// Without a SASL server Java answers with no token and no error, and
		// adds no identity (ZooKeeperServer.processSasl).
		c.End(jute.AppendBuffer(c.Begin(), nil), proto.ReplyHeader{Xid: h.Xid}, h.Op, time.Now())
	default:
		c.srv.opt.Log.Warn("closing a connection that sent a request of unknown type",
			"client", c.remote.String(), "session", c.Session().String(), "type", int32(h.Op))
		c.refuse(h, proto.Unimplemented, -1)
		return false
	}
	return true
}

// wait puts a read into the pipe if a pending request stands before it.
func (c *Conn) wait(r request, body []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pipe.Len() == 0 {
		return false
	}
	r.body = append([]byte{}, body...)
	r.auth, r.at = c.Auth(), time.Now()
	c.pipe.Push(r)
	return true
}

// permitted tells whether the client has an identity that enforced
// authentication asks for.
func (c *Conn) permitted(class Class) bool {
	need := c.srv.opt.RequireSchemes
	if len(need) == 0 || class == Auth || class == SASL {
		return true
	}
	return slices.ContainsFunc(c.Auth(), func(id proto.ID) bool { return slices.Contains(need, id.Scheme) })
}

// refuse answers at once and closes the connection.
func (c *Conn) refuse(h proto.RequestHeader, code proto.Code, zxid proto.Zxid) {
	const none = proto.OpNotification // it is not counted as what it asked for
	c.End(c.Begin(), proto.ReplyHeader{Xid: h.Xid, Zxid: zxid, Err: code}, none, time.Now())
	c.ShutWhenSent()
}

// authenticate answers an auth packet at once: such replies may overtake
// others, in Java too.
func (c *Conn) authenticate(h proto.RequestHeader, body []byte) bool {
	at := time.Now()
	d := jute.NewDecoder(body)
	p := proto.DecodeAuthPacket(&d)
	err := d.Err()
	if err == nil {
		err = c.srv.backend.Authenticate(c, p.Scheme, p.Auth)
	}
	if err != nil {
		c.srv.opt.Metrics.AuthFailed.Inc()
		c.srv.opt.Log.Warn("authentication failed, closing the connection", "client", c.remote.String(),
			"session", c.Session().String(), "scheme", p.Scheme, "error", err)
		c.refuse(h, proto.AuthFailed, 0)
		return false
	}
	c.End(c.Begin(), proto.ReplyHeader{Xid: h.Xid}, h.Op, at)
	return true
}

// admitted waits while the connection must not be read: its pipe is full, or
// the server has more outstanding requests than it may and this connection
// has some of them, or the client does not read its replies. It returns
// false when the connection is closed.
func (c *Conn) admitted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.closed {
		n := c.pipe.Len()
		switch {
		case n >= maxPipe, n > 0 && c.srv.outstanding.Load() > c.srv.opt.MaxOutstanding:
			c.throttled.Store(true)
			c.room.Wait()
			c.throttled.Store(false)
		case len(c.out) <= flushAt:
			return true
		case c.writing:
			c.room.Wait()
		default:
			c.mu.Unlock()
			c.flush()
			c.mu.Lock()
		}
	}
	return false
}

// flushAt is how many unsent bytes stop a connection from being read: its
// client must take the replies first.
const flushAt = 256 << 10

// CheckUnsent closes the connection when its client leaves too much unread.
func (c *Conn) CheckUnsent() {
	c.mu.Lock()
	n := len(c.out)
	c.mu.Unlock()
	if n > c.srv.opt.MaxUnsent {
		c.srv.opt.Log.Warn("closing the connection of a client that does not read its replies",
			"client", c.remote.String(), "session", c.Session().String(), "unsent_bytes", n)
		c.Shut("replies are not read")
	}
}

// logFrame says why a stream of frames ended, if there is something to say.
func (c *Conn) logFrame(err error) {
	var se *frame.SizeError
	if !errors.As(err, &se) {
		if !errors.Is(err, io.EOF) && !c.isClosed() {
			c.srv.opt.Log.Debug("client connection broke", "client", c.remote.String(),
				"session", c.Session().String(), "error", err)
		}
		return
	}
	op, path := headOf(se.Head)
	key := fmt.Sprint(c.remote.Addr(), c.Session(), path)
	if c.srv.oversized.first(key) {
		c.srv.opt.Log.Warn("closing the connection of a client whose request is too large; raise jute.maxbuffer on servers and clients if it is legitimate",
			"client", c.remote.String(), "session", c.Session().String(), "size", se.Length,
			"limit", se.Max, "operation", op, "path", path)
	}
}

func (c *Conn) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// headOf reads the operation and the path from the beginning of a frame.
func headOf(b []byte) (op, path string) {
	h, body, err := proto.DecodeRequestHeader(b)
	if err != nil {
		return "", ""
	}
	if len(body) < 4 {
		return h.Op.String(), ""
	}
	n := min(int(binary.BigEndian.Uint32(body)), len(body)-4, 200)
	return h.Op.String(), string(body[4 : 4+max(n, 0)])
}
