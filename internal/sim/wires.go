package sim

import (
	"bytes"

	"quokka/internal/core/zab"
	"quokka/internal/disk/snap"
	"quokka/internal/proto"
)

// send carries out one order for a link.
func (s *server) send(o *zab.Send) {
	l := s.links[o.Link]
	if l == nil {
		return
	}
	from := l.endOf(s)
	if !from.open {
		return
	}
	switch o.Kind {
	case zab.SendPacket:
		s.put(l, from, o.Packet)
	case zab.SendSnapshot:
		s.sendSnapshot(l, from)
	case zab.SendHistory:
		s.sendHistory(l, from, o.From, o.To)
	case zab.SendClose:
		s.w.tracef("link %d: %d closes it: %s", l.id, s.id, o.Why)
		s.w.net.hangUp(l, from, o.Why)
	}
}

// put hands a packet to a link, and tells the ghost before.
func (s *server) put(l *link, from *side, p proto.QuorumPacket) {
	p.Data = bytes.Clone(p.Data)
	s.judge(l, from, &p)
	s.w.net.send(l, from, frame{packet: p})
}

func (s *server) judge(l *link, from *side, p *proto.QuorumPacket) {
	if s.w.tracing() && p.Type != proto.PacketPing {
		s.w.tracef("link %d: %d sends %v %v to %d", l.id, s.id, p.Type, p.Zxid, l.other(from).server.id)
	}
	if from == &l.leader {
		s.w.ghost.LeaderSends(&l.wire, p)
	} else {
		s.w.ghost.LearnerSends(&l.wire, p)
	}
	s.w.packetPasses(sending, p.Type, s, l.other(from).server)
}

// sendSnapshot streams the state as it is now.
func (s *server) sendSnapshot(l *link, from *side) {
	z := s.state.LastZxid()
	p := proto.QuorumPacket{Type: proto.PacketSnap, Zxid: z}
	view := s.state.Tree().View()
	defer view.Close()
	var body bytes.Buffer
	if err := snap.WriteBody(&body, snap.Picture{Sessions: s.state.Sessions().Snapshot(), View: view, Zxid: z}); err != nil {
		s.w.violate("snap", s.id, "cannot write a snapshot for a learner: %v", err)
		return
	}
	s.judge(l, from, &p)
	s.w.count("SNAP")
	s.w.net.send(l, from, frame{packet: p, snapshot: body.Bytes(), picture: s.w.ghost.Picture(s.id, z)})
}

// sendHistory streams records from the log on disk.
func (s *server) sendHistory(l *link, from *side, after, upTo proto.Zxid) {
	s.w.count("history")
	err := s.disk.store.History(after, upTo, func(z proto.Zxid, payload []byte) error {
		s.put(l, from, proto.QuorumPacket{Type: proto.PacketProposal, Zxid: z, Data: payload})
		s.put(l, from, proto.QuorumPacket{Type: proto.PacketCommit, Zxid: z})
		return nil
	})
	if err != nil {
		if !s.disk.failing() {
			s.w.violate("history", s.id, "cannot send the log from %v to %v: %v", after, upTo, err)
		}
		s.w.net.hangUp(l, from, "the log cannot be read")
	}
}

// received is a frame that has come to this process.
func (s *server) received(l *link, to *side, f frame) {
	s.w.packetPasses(receiving, f.packet.Type, s, l.other(to).server)
	if to == &l.leader {
		first := !l.greeted
		l.greeted = true
		s.post(func() {
			s.w.ghost.LeaderReceives(&l.wire, &f.packet)
			if first {
				s.member.LearnerUp(to.number, f.packet)
			} else {
				s.member.Packet(to.number, f.packet)
			}
		})
		return
	}
	if f.packet.Type == proto.PacketSnap {
		s.receivedSnapshot(l, to, f)
		return
	}
	if f.packet.Type == proto.PacketTrunc || f.packet.Type == proto.PacketDiff {
		s.w.count(f.packet.Type.String())
	}
	s.post(func() { s.member.Packet(to.number, f.packet) })
}

func (s *server) receivedSnapshot(l *link, to *side, f frame) {
	tr, sessions, err := snap.ReadBody(bytes.NewReader(f.snapshot), snap.Options{Tree: stateOptions().Tree})
	if err != nil {
		s.w.violate("snap", s.id, "cannot read a snapshot from its leader: %v", err)
		return
	}
	s.post(func() {
		id := s.disk.hold(tr, sessions, f.packet.Zxid, f.picture)
		if !s.member.SnapReceived(to.number, f.packet.Zxid, id) {
			s.disk.forget(id)
		}
	})
}
