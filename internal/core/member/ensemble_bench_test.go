package member

import (
	"testing"

	"quokka/internal/core/state"
	"quokka/internal/core/watch"
	"quokka/internal/proto"
)

// manyClients is an ensemble with that many clients on a follower.
func manyClients(b *testing.B, n int) (*realm, *host) {
	r := newRealm(b, realmOptions{servers: 3, leaderServes: true, parkMS: 2000})
	for _, h := range r.hosts {
		h.start()
	}
	r.run(1000)
	for i := range n {
		r.connect(watch.ConnID(i+1), r.hosts[0], proto.ConnectRequest{TimeoutMS: 20_000})
	}
	r.settle()
	r.said = nil
	if len(r.hosts[0].m.local) != n {
		b.Fatalf("%d of %d clients are here", len(r.hosts[0].m.local), n)
	}
	return r, r.hosts[0]
}

// BenchmarkTouches is what a follower with 10,000 clients does for each PING
// of its leader when one in a hundred was heard.
func BenchmarkTouches(b *testing.B) {
	r, h := manyClients(b, 10_000)
	h.m.touches()
	for b.Loop() {
		r.now++
		for i := range 100 {
			p := r.conns[watch.ConnID(i*100+1)]
			h.m.Touch(p.id, p.session, 0, r.now)
		}
		if got := len(h.m.touches()); got != 100*12 {
			b.Fatalf("%d bytes", got)
		}
	}
}

// BenchmarkForwardedWrites is the way of a write through a follower with
// 10,000 clients, its leader and back, without disks and network.
func BenchmarkForwardedWrites(b *testing.B) {
	r, h := manyClients(b, 10_000)
	xid := int32(0)
	body := deleteBody("/none")
	for b.Loop() {
		xid++
		p := r.conns[watch.ConnID(xid%10_000+1)]
		p.slots = append(p.slots, slot{xid: xid, op: proto.OpDelete})
		h.m.Request(&state.Request{Conn: p.id, Session: p.session, Cxid: xid, Op: proto.OpDelete, Body: body})
		h.effects()
		for len(p.slots) > 0 {
			for _, w := range r.wires {
				r.deliver(w, 0)
				r.deliver(w, 1)
			}
			for _, o := range r.hosts {
				o.work()
			}
		}
		r.said = nil
	}
}
