package sim

import (
	"slices"
	"strings"

	"quokka/internal/core/member"
	"quokka/internal/core/state"
	"quokka/internal/core/watch"
	"quokka/internal/jute"
	"quokka/internal/proto"
	"quokka/internal/sim/check"
)

// A conn is a connection between a client and a server. The server's part
// is what package net/clients does: requests are answered in their order, a
// read waits for the writes before it, and while there is no leader nothing
// is taken from the connection.
type conn struct {
	id     watch.ConnID
	client *client
	server *server
	life   int // of the server

	// The server's part.
	session   proto.SessionID
	timeoutMS int32
	heard     int64 // running time
	attached  bool
	closed    bool // by the server
	pipe      []*call
	held      []*call // came while the server was parked

	up micros // when the last frame from the client arrives

	// The way back to the client.
	last micros
	gone bool // the client does not listen any more
}

// A call is one frame of a client.
type call struct {
	op *check.Op // nil is a ping
}

// toClient lets something happen at the client, after everything before.
func (c *conn) toClient(do func()) {
	w := c.server.w
	c.last = max(c.last, w.now+w.clientDelay())
	w.at(c.last, func() {
		if !c.gone {
			do()
		}
	})
}

// serverGone is the end of the server's process.
func (c *conn) serverGone(power bool) {
	c.closed = true
	if !power {
		c.toClient(func() { c.client.lost(c, "its server is gone") })
	}
}

// accept is a handshake that reaches the server.
func (s *server) accept(c *conn, r proto.ConnectRequest) {
	s.conns[c.id] = c
	c.heard = s.time().Running
	s.member.Connect(c.id, r)
}

// drop is the end of a connection reaching the server.
func (s *server) drop(c *conn) {
	if s.conns[c.id] != c {
		return
	}
	delete(s.conns, c.id)
	s.member.Gone(c.id, c.session)
}

// tell carries out the member's order about a connection.
func (s *server) tell(o *member.Conn) {
	c := s.conns[o.ID]
	if c == nil {
		return
	}
	switch o.Kind {
	case member.ConnAttach:
		s.attach(c, o.Session, o.TimeoutMS)
	case member.ConnRefuse:
		s.shut(c, func() { c.client.refused(c) })
	case member.ConnClose:
		s.shut(c, func() { c.client.lost(c, "the server closes it") })
	}
}

func (s *server) attach(c *conn, id proto.SessionID, timeoutMS int32) {
	c.session, c.timeoutMS, c.attached = id, timeoutMS, true
	c.toClient(func() { c.client.connected(c, id, timeoutMS) })
}

// shut ends a connection from the server's side.
func (s *server) shut(c *conn, tell func()) {
	if c.closed {
		return
	}
	c.closed = true
	delete(s.conns, c.id)
	c.toClient(tell)
	id, session := c.id, c.session
	s.post(func() { s.member.Gone(id, session) })
}

// setMode is what clients get from now on.
func (s *server) setMode(m member.Mode) {
	s.mode = m
	if m != member.ModeServe {
		return
	}
	for _, c := range s.sortedConns() {
		if len(c.held) > 0 {
			s.post(func() { s.resume(c) })
		}
	}
}

// resume reads what waited, before anything that comes now.
func (s *server) resume(c *conn) {
	for len(c.held) > 0 && s.mode == member.ModeServe && !c.closed {
		k := c.held[0]
		c.held = c.held[1:]
		s.frame(c, k)
	}
}

// request is a frame of a client that the server reads.
func (s *server) request(c *conn, k *call) {
	if c.closed || s.conns[c.id] != c {
		return
	}
	if s.mode != member.ModeServe || len(c.held) > 0 {
		c.held = append(c.held, k)
		return
	}
	s.frame(c, k)
}

// frame is a frame whose turn has come.
func (s *server) frame(c *conn, k *call) {
	c.heard = s.time().Running
	if k.op == nil {
		now := s.w.now.ms()
		c.toClient(func() { c.client.ponged(c, now) })
		return
	}
	c.pipe = append(c.pipe, k)
	if kind := state.KindOf(k.op.Action.Op); kind == state.Write || kind == state.Sync {
		s.member.Request(&state.Request{
			Session: c.session, Conn: c.id, Cxid: k.op.Xid, Op: k.op.Action.Op, Body: encode(&k.op.Action),
		})
		return
	}
	s.readOn(c)
}

// readOn executes the reads at the head of the pipe.
func (s *server) readOn(c *conn) {
	for len(c.pipe) > 0 && state.KindOf(c.pipe[0].op.Action.Op) == state.Read {
		k := c.pipe[0]
		c.pipe = c.pipe[1:]
		s.read(c, k.op)
	}
}

func (s *server) read(c *conn, o *check.Op) {
	r := state.ReadRequest{Session: c.session, Conn: c.id, Op: o.Action.Op, Body: encode(&o.Action)}
	body, code := s.state.Read(&r, nil)
	answer := decodeRead(o.Action.Op, body)
	answer.Code = code
	s.reply(c, o, answer)
}

func (s *server) reply(c *conn, o *check.Op, a check.Answer) {
	z := s.state.LastZxid()
	c.toClient(func() { c.client.answered(c, o, z, a) })
}

// answer replies to the connection from which an applied transaction came.
func (s *server) answer(d *member.Done, o *state.Outcome) {
	if c := s.conns[d.Origin.Conn]; c != nil {
		switch {
		case d.Dropped:
			c.pipe = dropFirst(c.pipe)
		case d.Origin.Op == proto.OpCreateSession:
			s.attach(c, d.Txn.Session, d.Txn.Body.(*proto.CreateSessionTxn).TimeoutMS)
		default:
			s.replyWrite(c, d, o)
		}
	}
	if d.Closed != 0 && d.Closed != d.Origin.Conn {
		if c := s.conns[d.Closed]; c != nil {
			s.shut(c, func() { c.client.lost(c, "its session is closed") })
		}
	}
}

func (s *server) replyWrite(c *conn, d *member.Done, o *state.Outcome) {
	if len(c.pipe) == 0 || c.pipe[0].op.Action.Op != d.Origin.Op || c.pipe[0].op.Xid != d.Txn.Cxid {
		s.w.violate("G2", s.id, "answers %v cxid %d to a connection whose oldest request is another one", d.Origin.Op, d.Txn.Cxid)
		return
	}
	k := c.pipe[0]
	c.pipe = c.pipe[1:]
	a := check.Answer{Code: o.ReplyCode(d.Origin.Op), Path: o.Path, Stat: o.Stat}
	for i := range o.Parts {
		a.Parts = append(a.Parts, o.Parts[i].Err)
	}
	if d.Origin.Op != proto.OpCreate && d.Origin.Op != proto.OpCreate2 {
		a.Path = ""
	}
	s.reply(c, k.op, a)
	if d.Origin.Op == proto.OpCloseSession {
		s.shut(c, func() { c.client.lost(c, "it closed its session") })
		return
	}
	s.readOn(c)
}

func dropFirst(pipe []*call) []*call {
	if len(pipe) == 0 {
		return pipe
	}
	return pipe[1:]
}

// answerLocal answers a request that became no transaction.
func (s *server) answerLocal(d *member.Done) {
	c := s.conns[d.Origin.Conn]
	if c == nil || len(c.pipe) == 0 {
		return
	}
	k := c.pipe[0]
	c.pipe = c.pipe[1:]
	if !d.Dropped {
		s.reply(c, k.op, check.Answer{Code: d.Code})
	}
	s.readOn(c)
}

// touch tells the member which clients were heard, and closes connections
// that were silent for their session's whole timeout.
func (s *server) touch() {
	now := s.time().Running
	for _, c := range s.sortedConns() {
		if !c.attached {
			continue
		}
		s.member.Touch(c.id, c.session, c.timeoutMS, c.heard)
		if now-c.heard > int64(c.timeoutMS)+tickMS {
			s.shut(c, func() { c.client.lost(c, "nothing was heard for the session timeout") })
		}
	}
}

// encode makes the body of a request.
func encode(a *check.Action) []byte {
	switch a.Op {
	case proto.OpCreate, proto.OpCreate2:
		return proto.AppendCreateRequest(nil, a.Op, &proto.CreateRequest{
			Path: a.Path, Data: a.Data, Flags: a.Flags,
			ACL: []proto.ACL{{Perms: proto.PermAll, ID: proto.ID{Scheme: "world", ID: "anyone"}}},
		})
	case proto.OpSetData:
		return proto.AppendSetDataRequest(nil, &proto.SetDataRequest{Path: a.Path, Data: a.Data, Version: a.Version})
	case proto.OpDelete, proto.OpCheck:
		return proto.AppendPathVersion(nil, proto.PathVersion{Path: a.Path, Version: a.Version})
	case proto.OpMulti:
		var b []byte
		for i := range a.Parts {
			b = proto.AppendMultiHeader(b, proto.MultiHeader{Op: a.Parts[i].Op, Err: -1})
			b = append(b, encode(&a.Parts[i])...)
		}
		return proto.AppendMultiHeader(b, proto.MultiEnd)
	case proto.OpReconfig:
		return encodeReconfig(a)
	case proto.OpSync:
		return jute.AppendString(nil, a.Path)
	case proto.OpGetData, proto.OpGetChildren2, proto.OpExists:
		return proto.AppendPathWatch(nil, a.Path, false)
	}
	return nil
}

// encodeReconfig makes the body of a reconfig from words: "leaving 3" or
// "joining server.3=...".
func encodeReconfig(a *check.Action) []byte {
	kind, what, _ := strings.Cut(a.Path, " ")
	joining, leaving := jute.AppendBuffer(nil, nil), jute.AppendBuffer(nil, nil)
	if kind == "leaving" {
		leaving = jute.AppendString(nil, what)
	} else {
		joining = jute.AppendString(nil, what)
	}
	b := append(joining, leaving...)
	b = jute.AppendBuffer(b, nil) // new members
	return jute.AppendLong(b, -1)
}

// decodeRead reads the body of a reply.
func decodeRead(op proto.Op, body []byte) check.Answer {
	var a check.Answer
	if len(body) == 0 {
		return a
	}
	d := jute.NewDecoder(body)
	switch op {
	case proto.OpGetData:
		a.Data = slices.Clone(d.Buffer())
	case proto.OpGetChildren2:
		a.Children = d.Strings()
		slices.Sort(a.Children)
	}
	a.Stat = proto.DecodeStat(&d)
	return a
}
