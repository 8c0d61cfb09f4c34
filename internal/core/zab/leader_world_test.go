package zab

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"quokka/internal/core/quorum"
	"quokka/internal/proto"
)

const leaderTickMS = 1000

// zx is a zxid such as 5.7, epoch and counter in decimal, or a negative
// number.
func zx(t testing.TB, s string) proto.Zxid {
	t.Helper()
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n <= 0 {
		return proto.Zxid(n)
	}
	e, c, _ := strings.Cut(s, ".")
	epoch, err := strconv.ParseInt(e, 10, 32)
	counter, err2 := strconv.ParseUint(c, 10, 32)
	if err != nil || err2 != nil {
		t.Fatalf("%q is no zxid such as 5.7", s)
	}
	return proto.MakeZxid(proto.Epoch(epoch), uint32(counter))
}

func zxText(z proto.Zxid) string {
	if z < 0 {
		return strconv.FormatInt(int64(z), 10)
	}
	return fmt.Sprintf("%d.%d", z.Epoch(), z.Counter())
}

// zxList reads 1.1-1.4,2.1.
func zxList(t testing.TB, s string) []proto.Zxid {
	t.Helper()
	var all []proto.Zxid
	for part := range strings.SplitSeq(s, ",") {
		from, to, ranged := strings.Cut(part, "-")
		if !ranged {
			to = from
		}
		for z := zx(t, from); z <= zx(t, to); z++ {
			all = append(all, z)
		}
	}
	return all
}

func plainEntry(z proto.Zxid) Entry {
	txn := &proto.Txn{
		TxnHeader: proto.TxnHeader{Zxid: z, Op: proto.OpSetData},
		Body:      &proto.SetDataTxn{Path: "/x", Data: []byte(zxText(z))},
	}
	return Entry{Txn: txn, Raw: txn.AppendTo(nil)}
}

func plainEntries(zxids []proto.Zxid) []Entry {
	all := make([]Entry, len(zxids))
	for i, z := range zxids {
		all[i] = plainEntry(z)
	}
	return all
}

func reconfigEntry(z proto.Zxid, members string) Entry {
	txn := &proto.Txn{
		TxnHeader: proto.TxnHeader{Zxid: z, Op: proto.OpReconfig},
		Body:      &proto.SetDataTxn{Path: "/zookeeper/config", Data: []byte(membersText(members, uint64(z))), Version: -1},
	}
	return Entry{Txn: txn, Raw: txn.AppendTo(nil)}
}

// membersText is the text of a configuration: 1,2,3o are two participants
// and an observer, 3@9 has the quorum port 9.
func membersText(members string, version uint64) string {
	var b strings.Builder
	for m := range strings.SplitSeq(members, ",") {
		m, observes := strings.CutSuffix(m, "o")
		role := quorum.Participant
		if observes {
			role = quorum.Observer
		}
		id, port, moved := strings.Cut(m, "@")
		if !moved {
			port = "2888"
		}
		fmt.Fprintf(&b, "server.%s=h%s:%s:3888:%s\n", id, id, port, role)
	}
	return b.String() + "version=" + strconv.FormatUint(version, 16)
}

func members(t testing.TB, list string, version uint64) quorum.Membership {
	t.Helper()
	m, err := quorum.ParseMembership(membersText(list, version), false)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// membersName is 2.5[1 2 3o], version and servers.
func membersName(m quorum.Membership) string {
	var ids []string
	for _, s := range m.Servers {
		id := strconv.FormatInt(int64(s.ID), 10)
		if s.Role == quorum.Observer {
			id += "o"
		}
		ids = append(ids, id)
	}
	return fmt.Sprintf("%s[%s]", zxText(proto.Zxid(m.Version)), strings.Join(ids, " "))
}

// A leaderWorld is a leader, and a text of what it orders. It checks what a
// leader promises with every effect.
type leaderWorld struct {
	t   testing.TB
	cfg LeaderConfig
	h   *History
	out Effects
	l   *Leader
	now int64

	accepted, current proto.Epoch // durable
	applied           proto.Zxid
	said              End
}

// take empties the effects and returns them as text: orders to the disk,
// what is applied, what each link gets, notes, answered reads and the end.
func (w *leaderWorld) take() []string {
	w.t.Helper()
	var lines []string
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for _, d := range w.out.Disk {
		say("disk: %s", w.disk(d))
	}
	for _, e := range w.out.Apply {
		if e.Zxid() <= w.applied {
			w.t.Fatalf("%v is applied after %v", e.Zxid(), w.applied)
		}
		w.applied = e.Zxid()
		say("apply: %s", zxText(w.applied))
	}
	links, sends := []Link{}, map[Link][]string{}
	for _, s := range w.out.Sends {
		if sends[s.Link] == nil {
			links = append(links, s.Link)
		}
		sends[s.Link] = append(sends[s.Link], w.sent(s))
	}
	for _, link := range links {
		say("to %d: %s", link, strings.Join(sends[link], "; "))
	}
	for _, u := range w.out.Ups {
		say("up: %v of server %d", u.Packet.Type, u.Server)
	}
	for _, n := range w.out.Notes {
		say("note: %s", noteText(n))
	}
	if tokens := w.l.Synced(); len(tokens) > 0 {
		say("reads: %v", tokens)
	}
	if end := w.l.End(); end != w.said {
		kind := map[EndKind]string{ToLooking: "looking", FailStop: "fail stop"}[end.Kind]
		say("end: %s: %s (designated %d)", kind, end.Why, end.Designated)
		w.said = end
	}
	w.out.Reset()
	return lines
}

func (w *leaderWorld) disk(d Disk) string {
	switch d.Kind {
	case DiskAppend:
		return "append " + zxText(d.Entry.Zxid())
	case DiskAcceptedEpoch:
		return fmt.Sprintf("acceptedEpoch %d", d.Epoch)
	case DiskCurrentEpoch:
		return fmt.Sprintf("currentEpoch %d", d.Epoch)
	case DiskNextConfig, DiskConfig:
		m, err := quorum.ParseMembership(d.Config, false)
		if err != nil {
			w.t.Fatal(err)
		}
		return map[DiskKind]string{DiskNextConfig: "next config ", DiskConfig: "config "}[d.Kind] + membersName(m)
	}
	w.t.Fatalf("a leader ordered %v", d.Kind)
	return ""
}

// sent is the text of a Send. What a leader says is checked against what is
// durable.
func (w *leaderWorld) sent(s Send) string {
	w.t.Helper()
	switch s.Kind {
	case SendSnapshot:
		return fmt.Sprintf("SNAP(state %s, at least %s)", zxText(s.From), zxText(s.To))
	case SendHistory:
		return fmt.Sprintf("HISTORY(%s..%s]", zxText(s.From), zxText(s.To))
	case SendClose:
		return "close"
	}
	p := s.Packet
	switch p.Type {
	case proto.PacketLeaderInfo:
		if w.accepted != p.Zxid.Epoch() {
			w.t.Fatalf("LEADERINFO %v, but acceptedEpoch is %d", p.Zxid, w.accepted)
		}
	case proto.PacketNewLeader:
		if w.current != p.Zxid.Epoch() {
			w.t.Fatalf("NEWLEADER %v, but currentEpoch is %d", p.Zxid, w.current)
		}
		m, err := quorum.ParseMembership(string(p.Data), false)
		if err != nil {
			w.t.Fatal(err)
		}
		return "NEWLEADER " + zxText(p.Zxid) + " " + membersName(m)
	case proto.PacketCommit, proto.PacketInform:
		if w.l.Established() && p.Zxid > w.applied {
			w.t.Fatalf("%v %v, but the leader has applied %v", p.Type, p.Zxid, w.applied)
		}
	case proto.PacketCommitAndActivate, proto.PacketInformAndActivate:
		return fmt.Sprintf("%v %s leader=%d", p.Type, zxText(p.Zxid), int64(binary.BigEndian.Uint64(p.Data)))
	case proto.PacketUpToDate:
		return "UPTODATE"
	}
	return fmt.Sprintf("%v %s", p.Type, zxText(p.Zxid))
}

func noteText(n Note) string {
	switch n.Kind {
	case NoteNewEpoch:
		return "new epoch " + zxText(n.Zxid)
	case NoteEstablished:
		return "established " + zxText(n.Zxid)
	case NoteFollowerInfo:
		return fmt.Sprintf("server %d came", n.Server)
	case NoteSync:
		return fmt.Sprintf("server %d at %s gets %s", n.Server, zxText(n.Zxid), n.Text)
	case NoteSynced:
		return fmt.Sprintf("server %d is synchronised after %d ms", n.Server, n.N)
	case NoteLearnerGone:
		return fmt.Sprintf("server %d is gone", n.Server)
	case NoteLearnerRefused:
		return fmt.Sprintf("refused server %d: %s", n.Server, n.Text)
	case NoteConfig:
		return "config is active"
	}
	return fmt.Sprintf("note %d of no leader", n.Kind)
}
