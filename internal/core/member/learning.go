package member

import (
	"quokka/internal/core/state"
	"quokka/internal/proto"
)

// A heldSync is the leader's answer to a sync: it holds here once everything
// committed before it is applied.
type heldSync struct {
	client *client
	ready  bool
	zxid   proto.Zxid
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
	m.learner.Send(proto.QuorumPacket{
		Type: proto.PacketRevalidate, Zxid: -1,
		Data: proto.AppendSessionTouch(nil, proto.SessionTouch{Session: c.session, TimeoutMS: c.timeoutMS}),
	})
}

// askSync remembers whose sync the leader is asked for; it answers in order.
func (m *Member) askSync(c *client) { m.waiting = append(m.waiting, heldSync{client: c}) }

func (m *Member) fromLeader(p *proto.QuorumPacket) {
	switch p.Type {
	case proto.PacketPing:
		m.learner.Send(proto.QuorumPacket{Type: proto.PacketPing, Zxid: p.Zxid, Data: m.touches()})
	case proto.PacketSync:
		for i := range m.waiting {
			if !m.waiting[i].ready {
				m.waiting[i].ready, m.waiting[i].zxid = true, m.learner.Committed()
				break
			}
		}
		m.releaseSyncs()
	case proto.PacketRevalidate:
		m.answerRevalidate(p.Data)
	}
}

// touches are the sessions that were heard since the leader was told last.
func (m *Member) touches() []byte {
	data := []byte{}
	for _, c := range m.sortedClients() {
		if c.handshake == connected && c.heard > c.reported {
			data = proto.AppendSessionTouch(data, proto.SessionTouch{Session: c.session, TimeoutMS: c.timeoutMS})
			c.reported = c.heard
		}
	}
	return data
}

// releaseSyncs completes the syncs whose moment is applied.
func (m *Member) releaseSyncs() {
	for len(m.waiting) > 0 && m.waiting[0].ready && m.waiting[0].zxid <= m.history.Applied() {
		c := m.waiting[0].client
		m.waiting = m.waiting[1:]
		if m.clients[c.id] == c {
			m.synced(c, 0)
		}
	}
}

// answerRevalidate completes the oldest handshake that waits for the session.
func (m *Member) answerRevalidate(data []byte) {
	id, valid, err := proto.DecodeRevalidated(data)
	if err != nil {
		return
	}
	for _, c := range m.sortedClients() {
		if c.session != id || c.handshake != asking {
			continue
		}
		if valid {
			m.attached(c)
		} else {
			m.refuse(c, NoteInvalid)
		}
		return
	}
}
