package zab

import (
	"encoding/binary"
	"strconv"
	"strings"
	"testing"

	"quokka/internal/proto"
	"quokka/internal/transcript"
)

// TestLeaderTranscripts replays testdata/leader_*.txt: a line at the margin
// is an input, the indented lines below it are the effects. What the inputs
// mean is said at leaderWorld.input.
func TestLeaderTranscripts(t *testing.T) {
	transcript.Run(t, "testdata/leader_*.txt", func(t *testing.T) transcript.Step {
		var w *leaderWorld
		return func(words []string) []string {
			if words[0] == "leader" {
				w = &leaderWorld{t: t}
				w.begin(leaderOptions(words[1:]))
			} else {
				w.input(words)
			}
			return w.take()
		}
	})
}

func leaderOptions(fields []string) map[string]string {
	o := map[string]string{}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, "=")
		o[name] = value
	}
	return o
}

// begin makes a leader:
//
//	leader [me=1] [members=1,2,3] [version=0] [next=MEMBERS@ZXID] [static]
//	  [log=1.1-1.4,2.1] [base=ZXID] [applied=ZXID] [floor=ZXID]
//	  [accepted=E] [current=E] [disk=ZXID] [maxcounter=N] [snaps=N] [standalone]
//
// static: no reconfiguration. disk: the log from there on is small, and has
// the records of the log and of the zxid itself.
func (w *leaderWorld) begin(o map[string]string) {
	zxid := func(name string, otherwise proto.Zxid) proto.Zxid {
		if s, ok := o[name]; ok {
			return zx(w.t, s)
		}
		return otherwise
	}
	number := func(name string, otherwise int64) int64 {
		if s, ok := o[name]; ok {
			return w.number(s)
		}
		return otherwise
	}
	base := zxid("base", 0)
	var log []Entry
	if o["log"] != "" {
		log = plainEntries(zxList(w.t, o["log"]))
	}
	w.h = NewHistory(0)
	w.h.Restart(base, log, base, zxid("floor", base))
	w.h.Advance(zxid("applied", w.h.Last()))
	w.applied = w.h.Applied()
	list := o["members"]
	if list == "" {
		list = "1,2,3"
	}
	active := members(w.t, list, uint64(zxid("version", 0)))
	next := active
	if text, version, ok := strings.Cut(o["next"], ":"); ok {
		next = members(w.t, text, uint64(zx(w.t, version)))
	}
	_, static := o["static"]
	_, standalone := o["standalone"]
	last := int64(w.h.Last().Epoch())
	w.cfg = LeaderConfig{
		Me: proto.ServerID(number("me", 1)), Standalone: standalone,
		Accepted: proto.Epoch(number("accepted", last)), Current: proto.Epoch(number("current", last)),
		Active: active, Next: next, ReconfigEnabled: !static, TickMS: leaderTickMS, InitLimit: 10, SyncLimit: 5,
		MaxCounter: uint32(number("maxcounter", 0)), MaxSnapSyncs: int(number("snaps", 0)), MaxEpochWaitMS: number("epochwait", 0),
	}
	if from, ok := o["disk"]; ok {
		w.cfg.DiskDiff = func(z proto.Zxid) bool { return z >= zx(w.t, from) }
		w.cfg.DiskHas = func(z proto.Zxid) bool { return z == zx(w.t, from) }
	}
	w.accepted, w.current = w.cfg.Accepted, w.cfg.Current
	w.l = NewLeader(w.cfg, w.h, w.now, &w.out)
}

func (w *leaderWorld) number(s string) int64 {
	w.t.Helper()
	n, err := strconv.ParseInt(s, 0, 64)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// input is one line of a transcript:
//
//	follower LINK SERVER [accepted=E] [java] [protocol=N] [config=ZXID]   a new link
//	observer LINK SERVER ...
//	ackepoch LINK EPOCH ZXID
//	ack LINK ZXID
//	pong LINK                     answers a PING
//	packet LINK TYPE              any other packet, by its number
//	down LINK
//	streamed LINK
//	stored                        the epoch file that was ordered last is durable
//	durable [ZXID]                the log is, or all of it
//	propose [N]
//	reconfig MEMBERS
//	read TOKEN
//	tick [HALVES]
//	sleep MS                      the process is stopped
//	looking SERVER
func (w *leaderWorld) input(f []string) {
	w.t.Helper()
	switch f[0] {
	case "follower", "observer":
		w.come(f)
	case "ackepoch":
		data := binary.BigEndian.AppendUint32(nil, uint32(w.number(f[2])))
		w.packet(f[1], proto.QuorumPacket{Type: proto.PacketAckEpoch, Zxid: zx(w.t, f[3]), Data: data})
	case "ack":
		w.packet(f[1], proto.QuorumPacket{Type: proto.PacketAck, Zxid: zx(w.t, f[2])})
	case "pong":
		w.packet(f[1], proto.QuorumPacket{Type: proto.PacketPing, Zxid: w.l.Proposed(), Data: []byte{}})
	case "packet":
		w.packet(f[1], proto.QuorumPacket{Type: proto.PacketType(w.number(f[2]))})
	case "down":
		w.l.LinkDown(w.now, Link(w.number(f[1])))
	case "streamed":
		w.l.Streamed(w.now, Link(w.number(f[1])))
	default:
		w.ownInput(f)
	}
}

// ownInput is the part of input that comes from the server itself.
func (w *leaderWorld) ownInput(f []string) {
	w.t.Helper()
	count := int64(1)
	if len(f) > 1 && (f[0] == "propose" || f[0] == "tick") {
		count = w.number(f[1])
	}
	switch f[0] {
	case "stored":
		if w.l.Epoch() != w.accepted {
			w.accepted = w.l.Epoch()
			w.l.EpochStored(w.now, DiskAcceptedEpoch, w.accepted)
		} else {
			w.current = w.l.Epoch()
			w.l.EpochStored(w.now, DiskCurrentEpoch, w.current)
		}
	case "durable":
		z := w.h.Last()
		if len(f) > 1 {
			z = zx(w.t, f[1])
		}
		w.l.Durable(w.now, z)
	case "propose":
		for range count {
			z, ok := w.l.Next()
			if !ok {
				w.t.Fatalf("%v: the leader may not propose", f)
			}
			w.l.Propose(w.now, plainEntry(z))
		}
	case "reconfig":
		z, _ := w.l.Next()
		w.l.Propose(w.now, reconfigEntry(z, f[1]))
	case "read":
		w.l.Sync(w.now, uint64(w.number(f[1])))
	case "tick":
		for range count {
			w.now += leaderTickMS / beatsPerTick
			w.l.Tick(w.now)
		}
	case "sleep":
		w.now += w.number(f[1])
	case "looking":
		w.l.Looking(w.now, proto.ServerID(w.number(f[1])))
	default:
		w.t.Fatalf("no such input: %v", f)
	}
}

func (w *leaderWorld) packet(link string, p proto.QuorumPacket) {
	w.l.Packet(w.now, Link(w.number(link)), p)
}

func (w *leaderWorld) come(f []string) {
	o := leaderOptions(f[3:])
	info := proto.LearnerInfo{Server: proto.ServerID(w.number(f[2])), Protocol: proto.LearnerProtocol, Quokka: true}
	if _, ok := o["java"]; ok {
		info.Quokka = false
	}
	if s, ok := o["protocol"]; ok {
		info.Protocol = int32(w.number(s))
	}
	if s, ok := o["config"]; ok {
		info.ConfigVersion = int64(zx(w.t, s))
	}
	accepted := w.cfg.Accepted
	if s, ok := o["accepted"]; ok {
		accepted = proto.Epoch(w.number(s))
	}
	kind := map[string]proto.PacketType{"follower": proto.PacketFollowerInfo, "observer": proto.PacketObserverInfo}[f[0]]
	w.l.Connected(w.now, Link(w.number(f[1])), proto.QuorumPacket{
		Type: kind, Zxid: proto.MakeZxid(accepted, 0), Data: proto.AppendLearnerInfo(nil, info),
	})
}
