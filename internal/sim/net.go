package sim

import (
	"quokka/internal/core/zab"
	"quokka/internal/proto"
	"quokka/internal/sim/check"
)

// A pair is one direction between two servers.
type pair struct{ from, to proto.ServerID }

// A network carries what servers send each other. Within a link, in one
// direction, nothing is lost, doubled or overtaken; between links everything
// is. A direction that is cut holds what is sent until it is healed, as TCP
// does, and a link that breaks loses what was on its way, from some point on.
type network struct {
	w     *world
	cut   map[pair]bool
	slow  map[pair]micros // what it takes beyond the usual
	links []*link         // open ones, oldest first
	mail  map[pair]*mailbox
	hold  map[pair]proto.PacketType // what does not get through, nor anything behind it
	made  int
}

func newNetwork(w *world) *network {
	return &network{w: w, cut: map[pair]bool{}, slow: map[pair]micros{}, mail: map[pair]*mailbox{}, hold: map[pair]proto.PacketType{}}
}

// delay is how long one message takes.
func (n *network) delay(p pair) micros {
	d := 50 + micros(n.w.rng.IntN(int(n.w.plan.latency)))
	if n.w.rng.IntN(50) == 0 {
		d += micros(n.w.rng.IntN(int(20 * milli)))
	}
	return d + n.slow[p]
}

// A frame is one thing on its way through a link.
type frame struct {
	at       micros
	packet   proto.QuorumPacket
	snapshot []byte    // its body, when packet is SNAP
	picture  check.Log // the history it has
	end      string    // not "": the other side closed, and why
}

// A side is one end of a link.
type side struct {
	server *server
	life   int // of the server
	number zab.Link
	open   bool    // the process may use it
	coming []frame // on the way to it
	busy   bool    // the delivery of the first one is arranged
}

// A link is one connection from a learner (who dialled) to a leader.
type link struct {
	id      int
	learner side
	leader  side
	greeted bool // the leader's process knows of it
	wire    check.Wire
}

func (l *link) other(e *side) *side {
	if e == &l.learner {
		return &l.leader
	}
	return &l.learner
}

func (n *network) pairTo(l *link, e *side) pair {
	return pair{l.other(e).server.id, e.server.id}
}

// dial connects a learner to a server's quorum port: five tries, 100 ms apart.
func (n *network) dial(s *server, number zab.Link, to proto.ServerID, tries int) {
	life := s.life
	w := n.w
	target := w.servers[to]
	there, back := pair{s.id, to}, pair{to, s.id}
	w.after(n.delay(there)+n.delay(back), func() {
		if !s.alive(life) {
			return
		}
		if target != nil && target.up && target.listening && !n.cut[there] && !n.cut[back] {
			n.connect(s, number, target)
			return
		}
		if tries <= 1 {
			s.post(func() { s.member.LinkDown(number, "cannot connect") })
			return
		}
		w.after(100*milli, func() {
			if s.alive(life) {
				n.dial(s, number, to, tries-1)
			}
		})
	})
}

func (n *network) connect(s *server, number zab.Link, target *server) {
	n.made++
	target.accepted++
	l := &link{
		id:      n.made,
		learner: side{server: s, life: s.life, number: number, open: true},
		leader:  side{server: target, life: target.life, number: zab.Link(target.accepted), open: true},
		wire:    check.Wire{Leader: target.id, Learner: s.id},
	}
	n.links = append(n.links, l)
	s.links[number] = l
	target.links[l.leader.number] = l
	n.w.tracef("link %d: %d connects to %d", l.id, s.id, target.id)
	s.post(func() { s.member.LinkUp(number) })
}

// endOf is the side of a link that a server holds.
func (l *link) endOf(s *server) *side {
	if l.learner.server == s {
		return &l.learner
	}
	return &l.leader
}

// send puts a frame on the way to the other side.
func (n *network) send(l *link, from *side, f frame) {
	to := l.other(from)
	f.at = n.w.now + n.delay(n.pairTo(l, to))
	if k := len(to.coming); k > 0 {
		f.at = max(f.at, to.coming[k-1].at)
	}
	to.coming = append(to.coming, f)
	n.arrange(l, to)
}

func (n *network) arrange(l *link, to *side) {
	if to.busy || len(to.coming) == 0 || n.cut[n.pairTo(l, to)] {
		return
	}
	to.busy = true
	n.w.at(max(to.coming[0].at, n.w.now), func() { n.arrive(l, to) })
}

// arrive hands the first frame over, unless it is held by a cut.
func (n *network) arrive(l *link, to *side) {
	to.busy = false
	if n.cut[n.pairTo(l, to)] || len(to.coming) == 0 {
		return
	}
	f := to.coming[0]
	if t, ok := n.hold[n.pairTo(l, to)]; ok && t == f.packet.Type && f.end == "" {
		return
	}
	to.coming = to.coming[1:]
	if to.open && to.server.alive(to.life) {
		if f.end != "" {
			n.shut(l, to, f.end)
		} else {
			to.server.received(l, to, f)
		}
	}
	n.arrange(l, to)
}

// shut ends one side: its process is told once.
func (n *network) shut(l *link, e *side, why string) {
	if !e.open {
		return
	}
	e.open = false
	s := e.server
	if s.alive(e.life) && (e == &l.learner || l.greeted) {
		number := e.number
		s.post(func() {
			delete(s.links, number)
			if e == &l.leader {
				n.w.ghost.LearnerGone(&l.wire)
			}
			s.member.LinkDown(number, why)
		})
	}
	n.forget()
}

// hangUp is a process closing its side: what it sent before arrives.
func (n *network) hangUp(l *link, e *side, why string) {
	if !e.open {
		return
	}
	n.send(l, e, frame{end: why})
	n.shut(l, e, "closed by this side: "+why)
}

// abandon is the end of a process. Its kernel closes its connections, unless
// the power is gone.
func (n *network) abandon(s *server, power bool) {
	for _, l := range n.links {
		e := l.endOf(s)
		if e.server != s || !e.open {
			continue
		}
		e.open = false
		if power {
			n.lose(l, l.other(e))
			continue
		}
		n.send(l, e, frame{end: "connection closed by the other side"})
	}
	n.forget()
}

// lose drops the end of what is on the way to e.
func (n *network) lose(l *link, e *side) {
	if k := len(e.coming); k > 0 {
		e.coming = e.coming[:n.w.rng.IntN(k+1)]
	}
}

// reset tells the peers of a server that came back that their connections to
// its last life are gone.
func (n *network) reset(s *server) {
	for _, l := range n.links {
		if e := l.endOf(s); e.server == s && !e.open && l.other(e).open {
			n.send(l, e, frame{end: "connection reset by peer"})
		}
	}
}

// breakLink ends a link in the middle of what it carries.
func (n *network) breakLink(l *link) {
	n.w.tracef("link %d between %d and %d breaks", l.id, l.learner.server.id, l.leader.server.id)
	for _, e := range []*side{&l.learner, &l.leader} {
		n.lose(l, e)
		at := n.w.now
		if k := len(e.coming); k > 0 {
			at = e.coming[k-1].at
		}
		e.coming = append(e.coming, frame{at: at, end: "connection reset"})
		n.arrange(l, e)
	}
}

// sever ends the links between two servers at once, with all they carry.
func (n *network) sever(a, b proto.ServerID) {
	for _, l := range n.between(a, b) {
		for _, e := range []*side{&l.learner, &l.leader} {
			e.coming = nil
			n.shut(l, e, "connection reset")
		}
	}
}

// between returns the open links between two servers.
func (n *network) between(a, b proto.ServerID) []*link {
	var all []*link
	for _, l := range n.links {
		x, y := l.learner.server.id, l.leader.server.id
		if x == a && y == b || x == b && y == a {
			all = append(all, l)
		}
	}
	return all
}

// forget drops the links that nobody uses any more.
func (n *network) forget() {
	kept := n.links[:0]
	for _, l := range n.links {
		if l.learner.open || l.leader.open {
			kept = append(kept, l)
		}
	}
	clear(n.links[len(kept):])
	n.links = kept
}

// setCut cuts a direction or heals it.
func (n *network) setCut(p pair, cut bool) {
	if n.cut[p] == cut {
		return
	}
	n.cut[p] = cut
	if !cut {
		n.flow(p)
		n.resend(p)
	}
}

// flow lets go on what was held in a direction.
func (n *network) flow(p pair) {
	for _, l := range n.between(p.from, p.to) {
		if n.pairTo(l, &l.learner) == p {
			n.arrange(l, &l.learner)
		} else {
			n.arrange(l, &l.leader)
		}
	}
}

// heal undoes all cuts and slowness.
func (n *network) heal() {
	for _, a := range n.w.order {
		for _, b := range n.w.order {
			n.setCut(pair{a.id, b.id}, false)
		}
	}
	clear(n.slow)
	n.release()
}

// release lets go on what was held by its type.
func (n *network) release() {
	for _, a := range n.w.order {
		for _, b := range n.w.order {
			p := pair{a.id, b.id}
			if _, held := n.hold[p]; held {
				delete(n.hold, p)
				n.flow(p)
			}
		}
	}
}

// A mailbox is what one server's election has for another one: one message
// at most, the newest. It is delivered when that is possible, and again when
// a connection is made anew.
type mailbox struct {
	last    proto.Notification
	life    int // of the sender
	pending bool
	flying  bool
}

// notify sends a notification.
func (n *network) notify(s *server, to proto.ServerID, v proto.Notification) {
	p := pair{s.id, to}
	m := n.mail[p]
	if m == nil {
		m = &mailbox{}
		n.mail[p] = m
	}
	m.last, m.life, m.pending = v, s.life, true
	n.fly(p, m)
}

func (n *network) fly(p pair, m *mailbox) {
	if m.flying || !m.pending || n.cut[p] {
		return
	}
	m.flying = true
	n.w.after(n.delay(p), func() {
		m.flying = false
		from, to := n.w.servers[p.from], n.w.servers[p.to]
		if n.cut[p] || !m.pending || !from.alive(m.life) || to == nil || !to.up {
			return // it waits for better times
		}
		m.pending = false
		v := m.last
		to.post(func() { to.member.Vote(p.from, v) })
	})
}

// resend is what happens when a connection is made anew.
func (n *network) resend(p pair) {
	m := n.mail[p]
	if m == nil || !n.w.servers[p.from].alive(m.life) {
		return
	}
	m.pending = true
	n.fly(p, m)
}

// reconnect resends everything to and from a server that came up.
func (n *network) reconnect(s *server) {
	for _, o := range n.w.order {
		if o != s {
			n.resend(pair{o.id, s.id})
		}
	}
}
