package member

import (
	"slices"

	"quokka/internal/core/zab"
	"quokka/internal/proto"
)

func pair(a, b proto.ServerID) [2]proto.ServerID { return [2]proto.ServerID{min(a, b), max(a, b)} }

func (r *realm) vote(v vote) {
	if !r.cuts[pair(v.from, v.to)] && r.host(v.to).m != nil {
		r.votes = append(r.votes, v)
	}
}

// cut parts two servers: what is under way between them is lost. They are
// told that their connections are broken, or they are not.
func (r *realm) cut(a, b proto.ServerID, told bool) {
	r.cuts[pair(a, b)] = true
	for _, w := range r.wires {
		if pair(w.ends[0].host.id, w.ends[1].host.id) != pair(a, b) {
			continue
		}
		for end := range 2 {
			if w.queue[end] = nil; told {
				w.queue[end] = []parcel{{kind: parcelClose}}
			} else {
				w.ends[end].gone = true
			}
		}
	}
	r.votes = slices.DeleteFunc(r.votes, func(v vote) bool { return pair(v.from, v.to) == pair(a, b) })
}

// broken tells an end that the other is gone, and nothing else any more.
func (w *wire) broken(end int) {
	w.queue[end] = []parcel{{kind: parcelClose}}
	w.queue[1-end] = nil
	w.ends[1-end].gone = true
}

// send puts something on a wire, if it is there still.
func (h *host) send(s *zab.Send) {
	for _, w := range h.r.wires {
		for i := range w.ends {
			if e := &w.ends[i]; e.host == h && e.m == h.m && e.link == s.Link && !e.gone {
				h.put(w, 1-i, s)
				return
			}
		}
	}
}

func (h *host) put(w *wire, to int, s *zab.Send) {
	switch s.Kind {
	case zab.SendPacket:
		k := parcelPacket
		if to == 1 && (s.Packet.Type == proto.PacketFollowerInfo || s.Packet.Type == proto.PacketObserverInfo) {
			k = parcelFirst
		}
		w.queue[to] = append(w.queue[to], parcel{kind: k, packet: s.Packet})
	case zab.SendSnapshot:
		p := picture{max(h.state.LastZxid(), s.To), slices.Clone(h.applied)}
		w.queue[to] = append(w.queue[to], parcel{kind: parcelSnap, snap: p})
		h.m.Streamed(s.Link)
	case zab.SendHistory:
		h.r.t.Fatalf("server %d sends records from disk", h.id)
	case zab.SendClose:
		w.queue[to] = append(w.queue[to], parcel{kind: parcelClose})
		w.queue[1-to] = nil
		w.ends[1-to].gone = true
	}
}

// deliver brings the next parcel to an end of a wire; false if there is none,
// or it is held up.
func (r *realm) deliver(w *wire, end int) bool {
	to, from := &w.ends[end], w.ends[1-end].host
	if len(w.queue[end]) == 0 || r.now < w.not || r.holds[[2]proto.ServerID{from.id, to.host.id}] {
		return false
	}
	p := w.queue[end][0]
	w.queue[end] = w.queue[end][1:]
	if p.kind == parcelDial {
		r.accept(w)
		return true
	}
	if to.host.m == nil || to.m != to.host.m || to.gone {
		return true
	}
	to.host.m.At(r.time())
	to.host.receive(to, &p)
	if p.kind == parcelClose {
		to.gone = true
		if !w.ends[1-end].gone {
			w.broken(1 - end)
			to.gone = true
		}
	}
	to.host.effects()
	return true
}

// accept lets a server that leads take a connection; others refuse it.
func (r *realm) accept(w *wire) {
	h := w.ends[1].host
	leads := false
	if h.m != nil && !r.cuts[pair(h.id, w.ends[0].host.id)] {
		s, _ := h.m.Phase()
		leads = s == proto.Leading
	}
	if !leads {
		w.broken(0)
		w.not = r.now + 100 // it takes a while until one gives up
		return
	}
	w.ends[1].m, w.ends[1].link = h.m, h.nextLink
	h.nextLink++
	w.queue[0] = append(w.queue[0], parcel{kind: parcelUp})
}

func (h *host) receive(e *wireEnd, p *parcel) {
	switch p.kind {
	case parcelUp:
		h.m.LinkUp(e.link)
	case parcelFirst:
		h.m.LearnerUp(e.link, p.packet)
	case parcelPacket:
		h.m.Packet(e.link, p.packet)
	case parcelSnap:
		h.lastReceived++
		h.received[h.lastReceived] = p.snap
		if !h.m.SnapReceived(e.link, p.snap.zxid, h.lastReceived) {
			delete(h.received, h.lastReceived)
		}
	case parcelClose:
		h.m.LinkDown(e.link, "closed")
	}
}

// deliverVote brings the i-th vote to its server.
func (r *realm) deliverVote(i int) {
	v := r.votes[i]
	r.votes = slices.Delete(r.votes, i, i+1)
	h := r.host(v.to)
	if h.m == nil {
		return
	}
	h.m.At(r.time())
	h.m.Vote(v.from, v.n)
	h.effects()
}

// sweep forgets wires that both ends have let go of.
func (r *realm) sweep() {
	r.wires = slices.DeleteFunc(r.wires, func(w *wire) bool {
		live := func(e wireEnd, q []parcel) bool { return e.host.m != nil && !e.gone && (len(q) > 0 || e.m == e.host.m) }
		return !live(w.ends[0], w.queue[0]) && !live(w.ends[1], w.queue[1])
	})
}

// settle moves all there is until nothing moves any more. Servers that try
// again and again what cannot be now are left alone after a while.
func (r *realm) settle() {
	for range 150 {
		if !r.moveAll() {
			r.sweep()
			return
		}
	}
	r.restless++
}

func (r *realm) moveAll() bool {
	moved := false
	for len(r.votes) > 0 {
		r.deliverVote(0)
		moved = true
	}
	for _, w := range slices.Clone(r.wires) {
		for end := range 2 {
			for r.deliver(w, end) {
				moved = true
			}
		}
	}
	for _, h := range r.hosts {
		for !h.heldUp && h.work() {
			moved = true
		}
	}
	for _, p := range r.pipes() {
		moved = p.read(100) || moved
	}
	r.sweep()
	return moved
}

// run lets time go by.
func (r *realm) run(ms int64) {
	r.settle()
	for end := r.now + ms; r.now < end; {
		r.now = min(r.now+100, end)
		for _, h := range r.hosts {
			if h.m != nil {
				h.tick()
			}
		}
		r.settle()
	}
}
