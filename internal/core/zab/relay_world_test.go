package zab

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"quokka/internal/proto"
)

// A relayWorld is a follower that is ready, of leader 1, and its relay. Only
// what the relay says is shown.
type relayWorld struct {
	t    testing.TB
	h    *History
	out  Effects
	f    *Learner
	r    *Relay
	now  int64
	sent map[Link]proto.Zxid // last transaction on each link
}

const relayMe, relayLeads proto.ServerID = 2, 1

// begin makes a relay:
//
//	relay [members=1,2,3,8o,9o] [version=ZXID] [epoch=2] [log=1.1-1.4,2.1] [base=ZXID] [floor=ZXID] [disk=ZXID] [snaps=N]
//
// disk: as for a leader.
func (w *relayWorld) begin(o map[string]string) {
	option := func(name, otherwise string) string {
		if s, ok := o[name]; ok {
			return s
		}
		return otherwise
	}
	var log []Entry
	if o["log"] != "" {
		log = plainEntries(zxList(w.t, o["log"]))
	}
	base := zx(w.t, option("base", "0"))
	w.h, w.sent = NewHistory(0), map[Link]proto.Zxid{}
	w.h.Restart(base, log, base, zx(w.t, option("floor", option("base", "0"))))
	w.h.Advance(w.h.Last())
	m := members(w.t, option("members", "1,2,3,8o,9o"), uint64(zx(w.t, option("version", "0"))))
	w.f = NewLearner(LearnerConfig{
		Me: relayMe, Leader: relayLeads, Link: FirstDialled, Active: m, Next: m, ReconfigEnabled: true,
		TickMS: leaderTickMS, InitLimit: 10, SyncLimit: 5,
	}, w.h, 0, &w.out)
	var epoch int
	fmt.Sscan(option("epoch", "2"), &epoch)
	w.join(proto.Epoch(epoch))
	cfg := RelayConfig{Me: relayMe, TickMS: leaderTickMS, InitLimit: 10, SyncLimit: 5}
	fmt.Sscan(option("snaps", "0"), &cfg.MaxSnapSyncs)
	if from, ok := o["disk"]; ok {
		cfg.DiskDiff = func(z proto.Zxid) bool { return z >= zx(w.t, from) }
		cfg.DiskHas = func(z proto.Zxid) bool { return z == zx(w.t, from) }
	}
	w.r = NewRelay(cfg, w.f, w.h, 0, &w.out)
}

// join makes the follower ready.
func (w *relayWorld) join(e proto.Epoch) {
	f, first := w.f, proto.MakeZxid(e, 0)
	version := binary.BigEndian.AppendUint32(nil, uint32(proto.LearnerProtocol))
	f.LinkUp(0)
	f.Packet(0, proto.QuorumPacket{Type: proto.PacketLeaderInfo, Zxid: first, Data: version})
	f.EpochStored(0, DiskAcceptedEpoch, e)
	f.Packet(0, proto.QuorumPacket{Type: proto.PacketDiff, Zxid: w.h.Last()})
	f.Packet(0, proto.QuorumPacket{Type: proto.PacketNewLeader, Zxid: first})
	f.EpochStored(0, DiskCurrentEpoch, e)
	f.Packet(0, proto.QuorumPacket{Type: proto.PacketUpToDate})
	if !f.Ready() {
		w.t.Fatalf("the follower is not ready: %v", f.End())
	}
	w.out.Reset()
}

// take tells the relay what is applied, and returns what it orders as text.
// It checks that no observer gets what is not applied, or a transaction out
// of its order.
func (w *relayWorld) take() []string {
	w.t.Helper()
	w.r.Applied(w.out.Apply)
	var lines []string
	links, sends := []Link{}, map[Link][]string{}
	for _, s := range w.out.Sends {
		if s.Link >= FirstDialled {
			continue // the follower's own
		}
		if sends[s.Link] == nil {
			links = append(links, s.Link)
		}
		sends[s.Link] = append(sends[s.Link], w.text(s))
	}
	for _, link := range links {
		lines = append(lines, fmt.Sprintf("to %d: %s", link, strings.Join(sends[link], "; ")))
	}
	for _, u := range w.out.Ups {
		if u.Link < FirstDialled {
			lines = append(lines, fmt.Sprintf("up: %v of server %d", u.Packet.Type, u.Server))
		}
	}
	for _, n := range w.out.Notes {
		if n.Kind >= NoteFollowerInfo && n.Kind <= NoteLearnerRefused {
			lines = append(lines, "note: "+noteText(n))
		}
	}
	w.out.Reset()
	return lines
}

func (w *relayWorld) text(s Send) string {
	p := s.Packet
	switch {
	case s.Kind != SendPacket:
		if s.Kind != SendClose {
			w.sent[s.Link] = max(s.From, s.To)
		}
		if s.Kind == SendHistory {
			w.sent[s.Link] = s.To
		}
		return (&leaderWorld{t: w.t}).sent(s)
	case p.Type == proto.PacketProposal, p.Type == proto.PacketInform, p.Type == proto.PacketInformAndActivate:
		if p.Zxid > w.h.Applied() || p.Zxid <= w.sent[s.Link] {
			w.t.Fatalf("observer on %d gets %v after %v, applied is %v", s.Link, p.Zxid, w.sent[s.Link], w.h.Applied())
		}
		w.sent[s.Link] = p.Zxid
	case p.Type == proto.PacketNewLeader:
		m := learnerMembership(w.t, string(p.Data))
		return "NEWLEADER " + zxText(p.Zxid) + " " + membersName(m)
	case p.Type == proto.PacketUpToDate:
		return "UPTODATE"
	}
	if p.Type == proto.PacketInformAndActivate {
		return fmt.Sprintf("%v %s leader=%d", p.Type, zxText(p.Zxid), int64(binary.BigEndian.Uint64(p.Data)))
	}
	return fmt.Sprintf("%v %s", p.Type, zxText(p.Zxid))
}

// input is one line of a transcript:
//
//	observer LINK SERVER [accepted=E] [java] [protocol=N] [config=ZXID]   a new link; so is follower
//	ackepoch LINK ZXID
//	ack LINK ZXID
//	packet LINK TYPE
//	down, streamed, reply LINK
//	proposal ZXID [MEMBERS]       of the leader to the follower, perhaps a reconfiguration
//	commit ZXID [LEADER]          LEADER: COMMITANDACTIVATE
//	durable                       the follower's log is
//	tick [HALVES]
func (w *relayWorld) input(f []string) {
	w.t.Helper()
	number := func(i int) (n int64) {
		if i < len(f) {
			n = (&leaderWorld{t: w.t}).number(f[i])
		}
		return n
	}
	link := func() Link { return Link(number(1)) }
	switch f[0] {
	case "observer", "follower":
		w.r.Connected(w.now, link(), relayFirst(w.t, f))
	case "ackepoch":
		w.r.Packet(w.now, link(), proto.QuorumPacket{Type: proto.PacketAckEpoch, Zxid: zx(w.t, f[2]), Data: []byte{0, 0, 0, 0}})
	case "ack":
		w.r.Packet(w.now, link(), proto.QuorumPacket{Type: proto.PacketAck, Zxid: zx(w.t, f[2])})
	case "packet":
		w.r.Packet(w.now, link(), proto.QuorumPacket{Type: learnerPacketType(w.t, f[2])})
	case "down":
		w.r.LinkDown(link())
	case "streamed":
		w.r.Streamed(link())
	case "reply":
		w.r.Reply(link(), proto.QuorumPacket{Type: proto.PacketSync})
	case "proposal":
		e := plainEntry(zx(w.t, f[1]))
		if len(f) > 2 {
			e = reconfigEntry(e.Zxid(), f[2])
		}
		w.f.Packet(w.now, proto.QuorumPacket{Type: proto.PacketProposal, Zxid: e.Zxid(), Data: e.Raw})
	case "commit":
		q := proto.QuorumPacket{Type: proto.PacketCommit, Zxid: zx(w.t, f[1])}
		if len(f) > 2 {
			q.Type, q.Data = proto.PacketCommitAndActivate, binary.BigEndian.AppendUint64(nil, uint64(number(2)))
		}
		w.f.Packet(w.now, q)
	case "durable":
		w.f.Durable(w.now, w.h.Last())
	case "tick":
		for range max(number(1), 1) {
			w.now += leaderTickMS / beatsPerTick
			w.r.Tick(w.now)
		}
	default:
		w.t.Fatalf("no such input: %v", f)
	}
}

func relayFirst(t testing.TB, f []string) proto.QuorumPacket {
	o := leaderOptions(f[3:])
	server, accepted, protocol := int64(0), int64(0), int64(proto.LearnerProtocol)
	fmt.Sscan(f[2], &server)
	fmt.Sscan(o["accepted"], &accepted)
	if s, ok := o["protocol"]; ok {
		fmt.Sscan(s, &protocol)
	}
	info := proto.LearnerInfo{Server: proto.ServerID(server), Protocol: int32(protocol), Quokka: !slices.Contains(f, "java")}
	if s, ok := o["config"]; ok {
		info.ConfigVersion = int64(zx(t, s))
	}
	kind := proto.PacketObserverInfo
	if f[0] == "follower" {
		kind = proto.PacketFollowerInfo
	}
	return proto.QuorumPacket{Type: kind, Zxid: proto.MakeZxid(proto.Epoch(accepted), 0), Data: proto.AppendLearnerInfo(nil, info)}
}
