package zab

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"quokka/internal/core/quorum"
	"quokka/internal/proto"
)

const (
	learnerMe     proto.ServerID = 2
	learnerLeads  proto.ServerID = 3
	learnerTickMS                = 1000
	learnerLink                  = FirstDialled + 5
)

// A learnerWorld is a learner with its disk and its state. The disk does its
// orders one by one when it is told to. What a learner promises is checked
// with every effect.
type learnerWorld struct {
	t   testing.TB
	cfg LearnerConfig
	h   *History
	out Effects
	f   *Learner
	now int64

	queue    []Disk // ordered, not done
	base     proto.Zxid
	log      []Entry // durable, after the snapshot base
	accepted proto.Epoch
	current  proto.Epoch
	refuse   string // why the disk does not truncate

	state    []proto.Zxid // applied transactions of this process
	sent     []Send       // until somebody takes them
	promised bool         // ACKEPOCH is sent
	adopted  bool         // NEWLEADER is acknowledged
	acked    []proto.Zxid // all that were acknowledged in this role
	current1 int32        // epoch of the ACKEPOCH
	closed   bool
}

// learnerZxid reads 5.7, epoch and counter in decimal.
func learnerZxid(t testing.TB, s string) proto.Zxid {
	t.Helper()
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n < 0 {
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

func learnerZxidText(z proto.Zxid) string {
	if z < 0 {
		return strconv.FormatInt(int64(z), 10)
	}
	return fmt.Sprintf("%d.%d", z.Epoch(), z.Counter())
}

// learnerEntry makes the transaction z as the leader called by makes it.
func learnerEntry(z proto.Zxid, by int) Entry {
	txn := &proto.Txn{
		TxnHeader: proto.TxnHeader{Session: proto.SessionID(by), Zxid: z, Op: proto.OpSetData},
		Body:      &proto.SetDataTxn{Path: "/x", Data: []byte(learnerZxidText(z))},
	}
	return Entry{Txn: txn, Raw: txn.AppendTo(nil)}
}

// learnerConfigText is the configuration with the version z. Members are
// such as "1 2 3o", o an observer, 3@9 one with another port.
func learnerConfigText(members string, z proto.Zxid) string {
	var b strings.Builder
	for m := range strings.FieldsSeq(strings.ReplaceAll(members, ",", " ")) {
		role, port := "participant", "2888"
		if id, ok := strings.CutSuffix(m, "o"); ok {
			m, role = id, "observer"
		}
		if id, other, ok := strings.Cut(m, "@"); ok {
			m, port = id, other
		}
		fmt.Fprintf(&b, "server.%s=h%s:%s:3888:%s\n", m, m, port, role)
	}
	return b.String() + "version=" + strconv.FormatUint(uint64(z), 16)
}

func learnerReconfig(z proto.Zxid, members string) Entry {
	txn := &proto.Txn{
		TxnHeader: proto.TxnHeader{Session: 1, Zxid: z, Op: proto.OpReconfig},
		Body:      &proto.SetDataTxn{Path: "/zookeeper/config", Data: []byte(learnerConfigText(members, z)), Version: -1},
	}
	return Entry{Txn: txn, Raw: txn.AppendTo(nil)}
}

func learnerMembership(t testing.TB, text string) quorum.Membership {
	t.Helper()
	m, err := quorum.ParseMembership(text, false)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// newLearnerWorld has a log of base and entries, of which all up to applied
// are in the state.
func newLearnerWorld(t testing.TB, base proto.Zxid, log []Entry, applied proto.Zxid) *learnerWorld {
	members := learnerMembership(t, learnerConfigText("1 2 3", 0))
	w := &learnerWorld{t: t, h: NewHistory(0), base: base, log: slices.Clone(log), cfg: LearnerConfig{
		Me: learnerMe, Leader: learnerLeads, Link: learnerLink, Active: members, Next: members, ReconfigEnabled: true,
		TickMS: learnerTickMS, InitLimit: 10, SyncLimit: 5,
	}}
	w.h.Restart(base, w.log, applied, base)
	return w
}

// start begins a role. The epochs are those of the disk.
func (w *learnerWorld) start() {
	w.cfg.Accepted, w.cfg.Current = w.accepted, w.current
	w.promised, w.adopted, w.closed, w.acked = false, false, false, nil
	w.f = NewLearner(w.cfg, w.h, w.now, &w.out)
}

// last is where the durable log ends.
func (w *learnerWorld) last() proto.Zxid {
	if len(w.log) == 0 {
		return w.base
	}
	return w.log[len(w.log)-1].Zxid()
}

// step carries out the oldest order of the disk and reports it.
func (w *learnerWorld) step() {
	d := w.queue[0]
	w.queue = w.queue[1:]
	switch d.Kind {
	case DiskAppend:
		if !successor(w.last(), d.Entry.Zxid()) {
			w.t.Fatalf("the disk was to write %v after %v", d.Entry.Zxid(), w.last())
		}
		w.log = append(w.log, d.Entry)
		if len(w.queue) == 0 || w.queue[0].Kind != DiskAppend {
			w.f.Durable(w.now, w.last()) // for many at once
		}
	case DiskAcceptedEpoch:
		if d.Epoch <= w.accepted {
			w.t.Fatalf("acceptedEpoch %d after %d", d.Epoch, w.accepted)
		}
		w.accepted = d.Epoch
		w.f.EpochStored(w.now, d.Kind, d.Epoch)
	case DiskCurrentEpoch:
		if d.Epoch > w.accepted || d.Epoch < w.current || d.Epoch < w.last().Epoch() {
			w.t.Fatalf("currentEpoch %d after %d, accepted %d, log %v", d.Epoch, w.current, w.accepted, w.last())
		}
		w.current = d.Epoch
		w.f.EpochStored(w.now, d.Kind, d.Epoch)
	case DiskTruncate:
		w.truncate(d)
	case DiskInstall:
		w.base, w.log = d.Zxid, nil
		w.state = nil
		w.h.Restart(d.Zxid, nil, d.Zxid, d.Zxid)
		w.f.Installed(w.now)
	}
}

func (w *learnerWorld) truncate(d Disk) {
	if w.refuse != "" {
		w.f.Truncated(w.now, false, w.refuse)
		return
	}
	i := slices.IndexFunc(w.log, func(e Entry) bool { return e.Zxid() > d.Zxid })
	if d.Zxid < w.base || i < 0 || i == 0 && w.base != d.Zxid || i > 0 && w.log[i-1].Zxid() != d.Zxid {
		w.f.Truncated(w.now, false, "it is not in the log")
		return
	}
	w.log = slices.Clip(w.log[:i])
	if d.Reload {
		w.state = slices.DeleteFunc(w.state, func(z proto.Zxid) bool { return z > d.Zxid })
		w.h.Restart(w.base, w.log, d.Zxid, w.base)
	}
	w.f.Truncated(w.now, true, "")
}

// take moves the effects out, checks them, and returns them as text.
func (w *learnerWorld) take() []string {
	w.t.Helper()
	var lines []string
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for _, n := range w.out.Notes {
		kind := map[NoteKind]string{
			NoteGettingDiff: "DIFF", NoteGettingSnap: "SNAP", NoteTruncating: "TRUNC", NoteUpToDate: "up to date",
			NoteGap: "gap", NoteConfig: "config",
		}[n.Kind]
		say("note: %s %s", kind, learnerZxidText(n.Zxid))
	}
	for _, d := range w.out.Disk {
		if d.Kind == DiskCurrentEpoch && w.last() < w.f.adopt {
			w.t.Errorf("currentEpoch %d is ordered, the log is durable up to %v, not %v", d.Epoch, w.last(), w.f.adopt)
		}
		w.queue = append(w.queue, d)
		say("disk: %s", learnerDiskText(d))
	}
	for _, e := range w.out.Apply {
		if e.Zxid() > w.last() {
			w.t.Errorf("%v is applied, the log ends at %v", e.Zxid(), w.last())
		}
		w.state = append(w.state, e.Zxid())
		say("apply: %s", learnerZxidText(e.Zxid()))
	}
	for _, s := range w.out.Sends {
		w.check(s)
		w.sent = append(w.sent, s)
		say("%s", learnerSendText(s))
	}
	for _, u := range w.out.Ups {
		say("up: %v %s", u.Packet.Type, learnerZxidText(u.Packet.Zxid))
	}
	w.out.Reset()
	return lines
}

func learnerDiskText(d Disk) string {
	z := learnerZxidText(d.Zxid)
	version := func() string {
		_, v, _ := strings.Cut(d.Config, "version=")
		n, _ := strconv.ParseUint(v, 16, 64)
		return learnerZxidText(proto.Zxid(n))
	}
	switch d.Kind {
	case DiskAppend:
		return "append " + learnerZxidText(d.Entry.Zxid())
	case DiskAcceptedEpoch:
		return fmt.Sprintf("acceptedEpoch %d", d.Epoch)
	case DiskCurrentEpoch:
		return fmt.Sprintf("currentEpoch %d", d.Epoch)
	case DiskTruncate:
		return fmt.Sprintf("truncate %s reload=%v", z, d.Reload)
	case DiskInstall:
		return fmt.Sprintf("install %s snapshot=%d", z, d.Snapshot)
	case DiskNextConfig:
		return "next config " + version()
	case DiskConfig:
		return "config " + version()
	}
	return fmt.Sprintf("order %d", d.Kind)
}

func learnerSendText(s Send) string {
	if s.Kind == SendClose {
		return "close: " + s.Why
	}
	p := s.Packet
	text := fmt.Sprintf("send: %v %s", p.Type, learnerZxidText(p.Zxid))
	switch p.Type {
	case proto.PacketAckEpoch:
		return fmt.Sprintf("%s current=%d", text, learnerInt32(p.Data))
	case proto.PacketFollowerInfo, proto.PacketObserverInfo:
		info, err := proto.DecodeLearnerInfo(p.Data)
		return fmt.Sprintf("%s server=%d config=%x quokka=%v %v", text, info.Server, info.ConfigVersion, info.Quokka, err)
	}
	return text
}

func learnerInt32(b []byte) int32 {
	return int32(b[0])<<24 | int32(b[1])<<16 | int32(b[2])<<8 | int32(b[3])
}

// check holds what is sent against what is durable: an acknowledged
// transaction with all before it; for NEWLEADER the log first, the epoch
// second, the ACK third; for ACKEPOCH the promise.
func (w *learnerWorld) check(s Send) {
	w.t.Helper()
	p := s.Packet
	switch {
	case w.closed:
		w.t.Errorf("%s after the end", learnerSendText(s))
	case s.Kind == SendClose:
		w.closed = true
	case p.Type == proto.PacketAckEpoch:
		w.promised, w.current1 = true, learnerInt32(p.Data)
		if w.accepted != w.f.Epoch() {
			w.t.Errorf("ACKEPOCH for %d, accepted on disk is %d", w.f.Epoch(), w.accepted)
		}
		if again := w.cfg.Accepted == w.f.Epoch(); again && w.current1 != -1 {
			w.t.Errorf("ACKEPOCH says %d for an epoch that was promised before", w.current1)
		}
	case p.Type == proto.PacketAck && p.Zxid.Counter() == 0:
		w.adopted = true
		if w.current != p.Zxid.Epoch() || w.f.adopt > w.last() {
			w.t.Errorf("ACK of NEWLEADER %v: currentEpoch on disk is %d, log ends at %v, not %v",
				p.Zxid, w.current, w.last(), w.f.adopt)
		}
	case p.Type == proto.PacketAck:
		if !w.adopted || p.Zxid > w.last() || len(w.acked) > 0 && p.Zxid <= w.acked[len(w.acked)-1] || w.cfg.Observer {
			w.t.Errorf("ACK of %v: adopted %v, durable %v, acked %v", p.Zxid, w.adopted, w.last(), w.acked)
		}
		w.acked = append(w.acked, p.Zxid)
	}
}
