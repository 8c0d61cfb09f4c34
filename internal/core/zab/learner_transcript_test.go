package zab

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"quokka/internal/proto"
	"quokka/internal/transcript"
)

// TestLearnerTranscripts replays testdata/learner_*.txt: a line at the
// margin is an input, the indented lines below it are the effects. What the
// inputs mean is said at learnerWorld.input.
func TestLearnerTranscripts(t *testing.T) {
	transcript.Run(t, "testdata/learner_*.txt", func(t *testing.T) transcript.Step {
		var w *learnerWorld
		return func(words []string) []string {
			if words[0] == "server" {
				w = learnerServer(t, words[1:])
				return nil
			}
			over := w.f != nil && words[0] != "follow" && w.f.ended()
			effects := w.input(words)
			if !over && w.f.ended() {
				effects = append(effects, learnerEndText(w.f))
			}
			return effects
		}
	})
}

func learnerEndText(f *Learner) string {
	end := f.End()
	text := "end: back to the election"
	if end.Kind == FailStop {
		text = fmt.Sprintf("end: the process stops with %d", end.Exit)
	}
	if end.Designated != 0 {
		text += fmt.Sprintf(", %d is to lead", end.Designated)
	}
	if f.NeedSnapshot() {
		text += ", a snapshot is needed"
	}
	return text
}

// learnerServer makes the server of a story: "server base=4.0 log=4.1,4.2
// applied=4.1 known=4.1 accepted=4 current=4 members=1,2,3 version=4.0
// observer noreconfig". The log defaults to all applied.
func learnerServer(t *testing.T, options []string) *learnerWorld {
	var base, known, version proto.Zxid
	var log []Entry
	applied := proto.Zxid(-1)
	members, accepted, current := "1,2,3", int64(0), int64(0)
	flags := map[string]bool{}
	for _, o := range options {
		name, value, ok := strings.Cut(o, "=")
		switch name {
		case "base":
			base = learnerZxid(t, value)
		case "log":
			for z := range strings.SplitSeq(value, ",") {
				log = append(log, learnerEntry(learnerZxid(t, z), 1))
			}
		case "applied":
			applied = learnerZxid(t, value)
		case "known":
			known = learnerZxid(t, value)
		case "accepted":
			accepted, _ = strconv.ParseInt(value, 10, 64)
		case "current":
			current, _ = strconv.ParseInt(value, 10, 64)
		case "members":
			members = value
		case "version":
			version = learnerZxid(t, value)
		default:
			if ok {
				t.Fatalf("no such option: %s", o)
			}
			flags[o] = true
		}
	}
	if applied < 0 {
		applied = base
		if len(log) > 0 {
			applied = log[len(log)-1].Zxid()
		}
	}
	w := newLearnerWorld(t, base, log, applied)
	w.accepted, w.current = proto.Epoch(accepted), proto.Epoch(current)
	w.h.SetKnown(known)
	w.cfg.Observer, w.cfg.ReconfigEnabled = flags["observer"], !flags["noreconfig"]
	w.cfg.Active = learnerMembership(t, learnerConfigText(members, version))
	w.cfg.Next = w.cfg.Active
	return w
}

// input is one line of a transcript:
//
//	follow [vote=EPOCH,ZXID]   a new role; what the last one needed is carried on
//	up, down WHY               the link
//	TYPE ZXID [ARGUMENT]       a packet: LEADERINFO 5, PROPOSAL 5.1 [config=1,2,3 | by=2], COMMITANDACTIVATE 5.1 leader=3,
//	                           INFORM 5.1, NEWLEADER 5.0 [config=1,2,3 version=5.0], UPTODATE, PING 5.1, unknown
//	snapshot ZXID ID           SNAP with its body
//	disk [N]                   the disk does N orders, or all
//	disk cannot WHY            the disk does not truncate
//	member TYPE                the member sends a packet
//	heard, at MS, tick         time
//	show                       what is where
func (w *learnerWorld) input(f []string) []string {
	w.t.Helper()
	switch f[0] {
	case "follow":
		if w.f != nil {
			w.cfg.WantSnapshot = w.f.NeedSnapshot()
			w.cfg.Active, w.cfg.Next = w.f.Members()
		}
		w.cfg.LeaderEpoch, w.cfg.LeaderZxid = 0, 0
		if v, ok := strings.CutPrefix(f[len(f)-1], "vote="); ok {
			e, z, _ := strings.Cut(v, ",")
			n, _ := strconv.Atoi(e)
			w.cfg.LeaderEpoch, w.cfg.LeaderZxid = proto.Epoch(n), learnerZxid(w.t, z)
		}
		w.start()
	case "up":
		w.f.LinkUp(w.now)
	case "down":
		w.f.LinkDown(w.now, strings.Join(f[1:], " "))
	case "snapshot":
		id, _ := strconv.Atoi(f[2])
		w.f.SnapReceived(w.now, learnerZxid(w.t, f[1]), SnapshotID(id))
	case "disk":
		return w.runDisk(f[1:])
	case "member":
		w.f.Send(proto.QuorumPacket{Type: learnerPacketType(w.t, f[1]), Zxid: -1})
	case "at":
		w.now, _ = strconv.ParseInt(f[1], 10, 64)
	case "heard":
		w.f.Heard(w.now)
	case "tick":
		w.f.Tick(w.now)
	case "show":
		return append(w.take(), w.show())
	default:
		w.f.Packet(w.now, learnerPacket(w.t, f))
	}
	return w.take()
}

func (w *learnerWorld) runDisk(args []string) []string {
	n := len(w.queue)
	if len(args) > 1 && args[0] == "cannot" {
		w.refuse = strings.Join(args[1:], " ")
	} else if len(args) == 1 {
		n, _ = strconv.Atoi(args[0])
	}
	var lines []string
	for ; n > 0 || len(args) == 0 && len(w.queue) > 0; n-- {
		w.step()
		lines = append(lines, w.take()...)
	}
	return lines
}

func (w *learnerWorld) show() string {
	var log, state []string
	for _, e := range w.log {
		log = append(log, learnerZxidText(e.Zxid()))
	}
	for _, z := range w.state {
		state = append(state, learnerZxidText(z))
	}
	active, next := w.f.Members()
	return fmt.Sprintf("disk: base %s log %v accepted %d current %d; memory: last %s applied %s known %s; state %v; ready %v; config %s next %s",
		learnerZxidText(w.base), log, w.accepted, w.current, learnerZxidText(w.h.Last()), learnerZxidText(w.h.Applied()),
		learnerZxidText(w.h.Known()), state, w.f.Ready(), learnerZxidText(proto.Zxid(active.Version)), learnerZxidText(proto.Zxid(next.Version)))
}

func learnerPacketType(t testing.TB, name string) proto.PacketType {
	for kind := proto.PacketRequest; kind <= proto.PacketInformAndActivate; kind++ {
		if kind.String() == name {
			return kind
		}
	}
	if name == "unknown" {
		return 77
	}
	t.Fatalf("no such packet: %s", name)
	return 0
}

func learnerPacket(t testing.TB, f []string) proto.QuorumPacket {
	p := proto.QuorumPacket{Type: learnerPacketType(t, f[0]), Zxid: -1}
	options := map[string]string{}
	for _, o := range f[1:] {
		name, value, ok := strings.Cut(o, "=")
		if ok {
			options[name] = value
		} else if p.Type == proto.PacketLeaderInfo {
			p.Zxid = learnerZxid(t, o+".0")
		} else {
			p.Zxid = learnerZxid(t, o)
		}
	}
	by, _ := strconv.Atoi(options["by"])
	e := learnerEntry(p.Zxid, max(by, 1))
	if c := options["config"]; c != "" {
		e = learnerReconfig(p.Zxid, c)
	}
	leader, _ := strconv.Atoi(options["leader"])
	named := binary.BigEndian.AppendUint64(nil, uint64(leader))
	switch p.Type {
	case proto.PacketLeaderInfo:
		p.Data = binary.BigEndian.AppendUint32(nil, uint32(proto.LearnerProtocol))
	case proto.PacketProposal, proto.PacketInform:
		p.Data = e.Raw
	case proto.PacketCommitAndActivate:
		p.Data = named
	case proto.PacketInformAndActivate:
		p.Data = slices.Concat(named, e.Raw)
	case proto.PacketNewLeader:
		if c := options["config"]; c != "" {
			p.Data = []byte(learnerConfigText(c, learnerZxid(t, options["version"])))
		}
	}
	if raw, ok := options["data"]; ok {
		p.Data = []byte(raw)
	}
	return p
}
