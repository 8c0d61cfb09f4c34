package client

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"quokka/internal/jute"
	"quokka/internal/net/frame"
	"quokka/internal/proto"
)

// read takes frames from the server until there are no more.
func (s *session) read(l *link) error {
	for {
		b, err := l.frames.Next()
		if err != nil {
			return s.oversize(err)
		}
		if err := s.reply(b); err != nil {
			return err
		}
	}
}

// reply takes one frame. An error ends the connection.
func (s *session) reply(b []byte) error {
	h, body, err := proto.DecodeReplyHeader(b)
	if err != nil {
		return fmt.Errorf("reply header: %w", err)
	}
	switch h.Xid {
	case proto.XidEvent:
		return s.event(h, body)
	case proto.XidPing:
		s.pong()
		return nil
	case proto.XidAuth:
		return s.authReply(h)
	case proto.XidSetWatches:
		if h.Err != proto.OK {
			return fmt.Errorf("the server did not register the watches again: %w", Code(h.Err))
		}
		return nil
	}
	return s.answer(h, body)
}

// answer hands a reply to the oldest call that waits. Replies come in the
// order of requests.
func (s *session) answer(h proto.ReplyHeader, body []byte) error {
	s.mu.Lock()
	if len(s.pending) == 0 || s.pending[0].xid != h.Xid {
		s.mu.Unlock()
		return fmt.Errorf("a reply to request %d, which is not the oldest one", h.Xid)
	}
	c := s.pending[0]
	s.pending[0] = nil
	s.pending = s.pending[1:]
	// Only here: not by events, of which several may share a zxid and be cut
	// off from each other by a lost connection, and not by the replies to
	// setWatches, of which there may be several with one relative zxid.
	s.lastZxid = max(s.lastZxid, h.Zxid)
	s.link.useful = true
	s.heard(c.sentAt)
	gone := c.stage == ended
	c.stage, c.zxid = ended, Zxid(max(h.Zxid, 0))
	if w := c.arm; w != nil {
		s.disarm(c)
		s.armed(w, c.op, h.Err, gone)
	}
	var left error
	if len(s.pending) == 0 {
		left = s.link.leaving
	}
	s.mu.Unlock()
	if gone {
		return left
	}
	s.finish(c, c.decode(h.Err, body))
	if c.op == proto.OpCloseSession {
		return ErrClosed
	}
	return left
}

// armed registers a watch whose request the server has answered. Events that
// concern it come after that answer.
func (s *session) armed(w *Watch, op proto.Op, code proto.Code, gone bool) {
	switch {
	case code == proto.NoNode && op == proto.OpExists:
		w.kind = watchExist
	case code != proto.OK:
		return
	}
	s.watches.add(w)
	if gone { // nobody waits for it any more
		s.dropWatch(w)
	}
}

func (s *session) event(h proto.ReplyHeader, body []byte) error {
	d := jute.NewDecoder(body)
	typ := proto.EventType(d.Int())
	d.Int() // the state, always SyncConnected
	path := d.String()
	if d.Err() != nil {
		return fmt.Errorf("watch event: %w", d.Err())
	}
	if !strings.HasPrefix(path, "/") {
		return fmt.Errorf("watch event of %q, which is no path", path)
	}
	e := Event{Type: EventType(typ), Path: path, Zxid: Zxid(max(h.Zxid, 0))}
	s.mu.Lock()
	s.watches.fire(e)
	s.sweep(e.Path)
	s.mu.Unlock()
	if s.opts.Hooks.Event != nil {
		s.opts.Hooks.Event(e)
	}
	return nil
}

func (s *session) pong() {
	s.mu.Lock()
	begin := s.pingAt
	s.pingAt = time.Time{}
	s.heard(begin)
	s.mu.Unlock()
	if s.opts.Hooks.Ping != nil && !begin.IsZero() {
		s.opts.Hooks.Ping(time.Since(begin))
	}
}

// authReply takes the answer to a credential. They come in order among
// themselves, but may overtake other replies. A credential that is replayed
// and refused is the end; one that is new concerns who gave it only, although
// the server closes the connection as well.
func (s *session) authReply(h proto.ReplyHeader) error {
	s.mu.Lock()
	if len(s.pendingAuth) == 0 {
		s.mu.Unlock()
		return errors.New("an answer to a credential that was not given")
	}
	c := s.pendingAuth[0]
	s.pendingAuth = s.pendingAuth[1:]
	if c == nil || c.stage == ended {
		s.mu.Unlock()
		if h.Err != proto.OK && c == nil {
			return &Error{Op: proto.OpAuth.String(), Code: Code(h.Err)}
		}
		return nil
	}
	c.stage = ended
	if h.Err == proto.OK {
		s.remember(c.body)
	}
	s.mu.Unlock()
	s.finish(c, c.decode(h.Err, nil))
	return nil
}

// oversize tells the call whose reply is above the limit so. The stream
// cannot be read on, and the others see a lost connection.
func (s *session) oversize(err error) error {
	size, ok := errors.AsType[*frame.SizeError](err)
	if !ok || len(size.Head) < 4 {
		return err
	}
	cause := tooLarge{int(size.Length), size.Max, "reply", "MaxReply"}
	xid := int32(binary.BigEndian.Uint32(size.Head))
	s.mu.Lock()
	if len(s.pending) == 0 || s.pending[0].xid != xid || s.pending[0].stage == ended {
		s.mu.Unlock()
		return cause
	}
	c := s.pending[0]
	s.pending = s.pending[1:]
	c.stage = ended
	s.disarm(c)
	s.mu.Unlock()
	s.finish(c, c.failure(ErrMarshalling, cause, false))
	return cause
}
