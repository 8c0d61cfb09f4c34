package member

import (
	"slices"

	"quokka/internal/core/state"
	"quokka/internal/core/zab"
	"quokka/internal/proto"
)

// A heldSync is the leader's answer to a sync: it holds here once everything
// committed before it is applied.
type heldSync struct {
	client *client    // or
	link   zab.Link   // of an observer that is served here
	zxid   proto.Zxid // when the leader has answered
}

// forward sends a client's request to the leader.
func (m *Member) forward(r *state.Request) {
	q := proto.ForwardedRequest{Session: r.Session, Cxid: r.Cxid, Op: r.Op, Body: r.Body}
	m.learner.Send(proto.QuorumPacket{
		Type: proto.PacketRequest, Zxid: -1, Data: proto.AppendForwardedRequest(nil, &q), Auth: r.Auth,
	})
}

// revalidate asks the leader whether a session is alive.
func (m *Member) revalidate(c *client) {
	m.asked = append(m.asked, asker{session: c.session, client: c})
	m.learner.Send(proto.QuorumPacket{
		Type: proto.PacketRevalidate, Zxid: -1,
		Data: proto.AppendSessionTouch(nil, proto.SessionTouch{Session: c.session, TimeoutMS: c.timeoutMS}),
	})
}

// askSync remembers whose sync the leader is asked for; it answers in order.
func (m *Member) askSync(c *client) { m.waiting.Push(heldSync{client: c}) }

func (m *Member) fromLeader(p *proto.QuorumPacket) {
	switch p.Type {
	case proto.PacketPing:
		m.learner.Send(proto.QuorumPacket{Type: proto.PacketPing, Zxid: p.Zxid, Data: m.touches()})
	case proto.PacketSync:
		if m.granted < m.waiting.Len() {
			m.waiting.At(m.granted).zxid = m.learner.Committed()
			m.granted++
		}
		m.releaseSyncs()
	case proto.PacketRevalidate:
		m.answerRevalidate(p)
	}
}

// A touch is a session that was heard on a connection.
type touch struct {
	client *client
	proto.SessionTouch
}

// listTouch notes that the leader is to be told of a client. It is told even
// if the connection is gone by then.
func (m *Member) listTouch(c *client) {
	if c.listed || m.phase == leading || c.handshake != connected {
		return
	}
	c.listed = true
	m.touched = append(m.touched, touch{c, proto.SessionTouch{Session: c.session, TimeoutMS: c.timeoutMS}})
}

// touches are the sessions that were heard since the leader was told last.
func (m *Member) touches() []byte {
	data := []byte{}
	for i := range m.touched {
		t := &m.touched[i]
		if t.client.listed = false; !m.locals.clock.Tracked(t.Session) {
			data = proto.AppendSessionTouch(data, t.SessionTouch)
		}
	}
	m.forgetTouches()
	return m.relayTouches(data)
}

func (m *Member) forgetTouches() {
	for i := range m.touched {
		m.touched[i].client.listed = false
	}
	clear(m.touched)
	m.touched = m.touched[:0]
}

// releaseSyncs completes the syncs whose moment is applied.
func (m *Member) releaseSyncs() {
	for m.granted > 0 && m.waiting.Peek().zxid <= m.history.Applied() {
		w := m.waiting.Pop()
		m.granted--
		switch c := w.client; {
		case c == nil:
			m.relaySynced(w.link)
		case m.clients[c.id] == c:
			m.synced(c, 0)
		}
	}
}

// answerRevalidate gives the leader's word on a session to the oldest that
// asked for it: the leader answers in order, even for who is gone.
func (m *Member) answerRevalidate(p *proto.QuorumPacket) {
	id, valid, err := proto.DecodeRevalidated(p.Data)
	if err != nil {
		return
	}
	i := slices.IndexFunc(m.asked, func(a asker) bool { return a.session == id })
	if i < 0 {
		return
	}
	a := m.asked[i]
	if m.asked[i] = (asker{}); i == 0 {
		m.asked = m.asked[1:]
	} else {
		m.asked = slices.Delete(m.asked, i, i+1)
	}
	switch c := a.client; {
	case c == nil:
		m.relayRevalidated(a.link, id, valid, p)
	case m.clients[c.id] != c:
	case valid:
		c.since = max(p.Zxid, 0)
		m.attached(c)
	default:
		m.refuse(c, NoteInvalid)
	}
}
