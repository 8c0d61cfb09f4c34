package sim

import (
	"quokka/internal/core/zab"
	"quokka/internal/proto"
)

// moment is a kind of place at which something may be made to fail: the
// seams between two events at which implementations have lost data.
type moment uint8

const (
	sending   moment = iota // a packet is handed to its link
	receiving               // a packet has come to its process
	ordering                // a disk was given an order
	finishing               // a disk has done an order
)

// A trap waits for a moment and then strikes the server there, or the other
// side of its link.
type trap struct {
	at     moment
	packet proto.PacketType
	disk   zab.DiskKind
	skip   int // let so many pass
	hit    func(w *world, s, peer *server)
}

// seams are the packets of discovery and synchronisation, and a few of the
// broadcast.
var seams = []proto.PacketType{
	proto.PacketFollowerInfo, proto.PacketLeaderInfo, proto.PacketAckEpoch, proto.PacketDiff, proto.PacketTrunc,
	proto.PacketSnap, proto.PacketProposal, proto.PacketCommit, proto.PacketNewLeader, proto.PacketAck,
	proto.PacketUpToDate, proto.PacketRevalidate, proto.PacketRequest, proto.PacketSync,
}

var diskSeams = []zab.DiskKind{
	zab.DiskAppend, zab.DiskAcceptedEpoch, zab.DiskCurrentEpoch, zab.DiskTruncate, zab.DiskInstall, zab.DiskRoll,
	zab.DiskBarrier,
}

// setTrap arms one.
func (w *world) setTrap() {
	t := &trap{
		at: moment(w.rng.IntN(4)), packet: seams[w.rng.IntN(len(seams))], disk: diskSeams[w.rng.IntN(len(diskSeams))],
		skip: w.rng.IntN(4),
	}
	how := []ending{killed, powerLost, powerLost}[w.rng.IntN(3)]
	switch w.rng.IntN(6) {
	case 0, 1:
		t.hit = func(w *world, s, _ *server) { w.crash(s, how) }
	case 2:
		t.hit = func(w *world, s, peer *server) { w.crash(peer, how) }
	case 3:
		t.hit = func(w *world, s, peer *server) { w.breakBetween(s, peer) }
	case 4:
		t.hit = func(w *world, s, peer *server) { w.cut(pair{s.id, peer.id}, pair{peer.id, s.id}) }
	case 5:
		t.hit = func(w *world, s, peer *server) {
			w.crash(s, how)
			w.crash(peer, how)
		}
	}
	w.traps = append(w.traps, t)
}

// packetPasses springs the traps that wait for a packet.
func (w *world) packetPasses(at moment, p proto.PacketType, s, peer *server) {
	if len(w.traps) > 0 {
		w.spring(s, peer, func(t *trap) bool { return t.at == at && t.packet == p })
	}
}

// diskPasses springs the traps that wait for an order. The peer is any other
// server.
func (w *world) diskPasses(at moment, k zab.DiskKind, s *server) {
	if len(w.traps) > 0 {
		w.spring(s, w.anyServer(), func(t *trap) bool { return t.at == at && t.disk == k })
	}
}

// spring strikes right after the step that is being made, before any other
// one.
func (w *world) spring(s, peer *server, caught func(*trap) bool) {
	if w.ending {
		return
	}
	kept := w.traps[:0]
	for _, t := range w.traps {
		if !caught(t) {
			kept = append(kept, t)
			continue
		}
		if t.skip > 0 {
			t.skip--
			kept = append(kept, t)
			continue
		}
		w.after(0, func() {
			if !w.ending {
				w.tracef("a trap springs at %d, peer %d", s.id, peer.id)
				w.count("trap")
				t.hit(w, s, peer)
			}
		})
	}
	clear(w.traps[len(kept):])
	w.traps = kept
}

func (w *world) breakBetween(a, b *server) {
	for _, l := range w.net.between(a.id, b.id) {
		w.net.breakLink(l)
	}
}
