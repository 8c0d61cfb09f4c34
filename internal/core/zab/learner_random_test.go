package zab

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"quokka/internal/proto"
)

var learnerSeeds = flag.Int("learner-seeds", 3000, "seeds of TestLearnerFollowsLegalLeaders")

// A learnerLeader is a model of a leader that keeps to the protocol: it
// decides how to synchronise, proposes and commits. Its log is its initial
// history, which begins with all that was ever committed, and its proposals.
type learnerLeader struct {
	epoch       proto.Epoch
	log         []Entry
	initial     int // entries of the initial history
	committed   int // entries; counts from initial on once established
	established bool
	planned     bool // the learner is synchronised or on the way
	acked       bool // it acknowledged NEWLEADER
	upToDate    bool
	queue       []func()     // what is on the wire
	awaits      []proto.Zxid // proposals that the learner must acknowledge
}

// A learnerTrial is one learner through several leaders and broken links.
type learnerTrial struct {
	*learnerWorld
	seed      uint64
	rng       *rand.Rand
	l         *learnerLeader
	committed []Entry // by any leader's quorum
	prev      proto.Zxid
	applied   int // entries seen in state
	promises  map[proto.Zxid]bool
	down      bool
	final     bool // round: nothing breaks any more
}

// TestLearnerFollowsLegalLeaders runs learners against leaders that keep to
// the protocol, with the disk at any pace and links that break anywhere. The
// world checks that nothing is acknowledged before it is durable, in the
// right order; the trial, that the log is a prefix of the leader's when
// NEWLEADER is acknowledged, that the state is always a prefix of what is
// committed, that nothing committed is lost, and that it ends up to date.
func TestLearnerFollowsLegalLeaders(t *testing.T) {
	kinds := map[string]int{}
	for seed := range uint64(*learnerSeeds) {
		trial := newLearnerTrial(t, seed)
		for round := range 6 {
			trial.final = round == 5
			trial.round(kinds)
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
	}
	for _, want := range []string{"DIFF", "TRUNC", "TRUNC kept", "SNAP", "SNAP again", "down"} {
		if kinds[want] < *learnerSeeds/100 {
			t.Errorf("%s was tried %d times only: %v", want, kinds[want], kinds)
		}
	}
}

func newLearnerTrial(t *testing.T, seed uint64) *learnerTrial {
	r := rand.New(rand.NewPCG(seed, 7))
	var common []Entry // committed in epochs 1, 3, 5
	for e := proto.Epoch(1); e <= 5; e += 2 {
		for c := range uint32(r.IntN(5)) {
			common = append(common, learnerEntry(proto.MakeZxid(e, c+1), 1))
		}
	}
	has := r.IntN(len(common) + 1)
	var base proto.Zxid
	cut := 0
	if has > 0 && r.IntN(2) == 0 {
		cut = 1 + r.IntN(has)
		base = common[cut-1].Zxid()
	}
	log := slices.Clone(common[cut:has])
	last := base
	if len(log) > 0 {
		last = log[len(log)-1].Zxid()
	}
	applied := last
	if r.IntN(2) == 0 && (has == len(common) || common[has].Zxid().Epoch() > last.Epoch()) {
		log = learnerPhantoms(r, log, last)
		if r.IntN(2) == 0 && len(log) > 0 {
			applied = log[len(log)-1].Zxid() // a restart
		}
	} else if n := r.IntN(len(log) + 1); n < len(log) {
		applied = max(base, log[n].Zxid())
	}
	w := newLearnerWorld(t, base, log, applied)
	w.current = max(w.last().Epoch(), proto.Epoch(r.IntN(6)))
	w.accepted = max(w.current, proto.Epoch(r.IntN(8)))
	w.cfg.Observer = r.IntN(4) == 0
	trial := &learnerTrial{learnerWorld: w, seed: seed, rng: r, committed: common, prev: applied, promises: map[proto.Zxid]bool{}}
	trial.elect(max(7, w.accepted))
	return trial
}

// learnerPhantoms adds proposals of leaders that failed, of the last epoch
// or an even one after it.
func learnerPhantoms(r *rand.Rand, log []Entry, last proto.Zxid) []Entry {
	for range 1 + r.IntN(3) {
		z := last + 1
		if last.Counter() == 0 || last.Epoch()%2 == 1 && r.IntN(3) == 0 {
			z = proto.MakeZxid((last.Epoch()/2+1)*2, 1)
		}
		log, last = append(log, learnerEntry(z, 9)), z
	}
	return log
}

// elect makes a new leader, whose log has all that is committed and perhaps
// some of what the last one had proposed.
func (w *learnerTrial) elect(e proto.Epoch) {
	log := slices.Clone(w.committed)
	if w.l != nil && len(w.l.log) > len(log) {
		log = slices.Clone(w.l.log[:len(log)+w.rng.IntN(len(w.l.log)-len(log)+1)])
	}
	w.l = &learnerLeader{epoch: e, log: log, initial: len(log)}
}

// round is one role: from the connection until it breaks, or for the last
// one until all is quiet.
func (w *learnerTrial) round(kinds map[string]int) {
	if w.f != nil && w.rng.IntN(3) > 0 {
		w.elect(max(w.l.epoch, w.accepted) + 1 + proto.Epoch(w.rng.IntN(2)))
	}
	if w.f != nil {
		w.cfg.WantSnapshot = w.f.NeedSnapshot()
	}
	if w.f != nil && w.rng.IntN(5) == 0 { // a new process, which applies all of its log
		kinds["restart"]++
		w.cfg.WantSnapshot = false
		w.h = NewHistory(0)
		w.h.Restart(w.base, w.log, w.last(), w.base)
		w.prev = w.last()
	}
	w.cfg.LeaderEpoch, w.cfg.LeaderZxid = w.current, w.h.Last()
	w.l.planned, w.l.acked, w.l.upToDate, w.l.queue, w.l.awaits = false, false, false, nil, nil
	w.down = false
	w.start()
	w.f.LinkUp(w.now)
	w.queueUp(w.packet(proto.PacketLeaderInfo, proto.MakeZxid(w.l.epoch, 0),
		binary.BigEndian.AppendUint32(nil, uint32(proto.LearnerProtocol))))
	w.observe(kinds)
	for range 400 {
		if w.f.ended() || w.t.Failed() {
			break
		}
		w.event()
		w.observe(kinds)
	}
	w.settle(kinds)
}

func (w *learnerTrial) packet(kind proto.PacketType, z proto.Zxid, data []byte) func() {
	return func() { w.f.Packet(w.now, proto.QuorumPacket{Type: kind, Zxid: z, Data: data}) }
}

// event lets one thing happen.
func (w *learnerTrial) event() {
	w.now++
	switch n := w.rng.IntN(100); {
	case n < 40:
		if len(w.l.queue) > 0 {
			deliver := w.l.queue[0]
			w.l.queue = w.l.queue[1:]
			deliver()
		}
	case n < 70:
		if len(w.queue) > 0 {
			w.work()
		}
	case n < 80:
		w.propose()
	case n < 90:
		w.commit()
	case n < 94:
		w.establish()
	case n < 98 || w.final:
		w.f.Tick(w.now)
	default:
		w.down = true
		w.f.LinkDown(w.now, "reset")
	}
}

// work lets the disk do one thing, which can replace the state.
func (w *learnerTrial) work() {
	kind := w.queue[0].Kind
	w.refuse = ""
	if !w.final && w.rng.IntN(8) == 0 {
		w.refuse = "there is no snapshot before it"
	}
	w.step()
	if kind == DiskTruncate || kind == DiskInstall {
		w.prev, w.applied = w.h.Applied(), len(w.state)
	}
}

func (w *learnerTrial) propose() {
	if !w.l.established || len(w.l.log) > w.l.initial+8 {
		return
	}
	z := proto.MakeZxid(w.l.epoch, uint32(len(w.l.log)-w.l.initial+1))
	e := learnerEntry(z, 1)
	w.l.log = append(w.l.log, e)
	if w.l.planned && !w.cfg.Observer {
		w.l.awaits = append(w.l.awaits, z)
		w.queueUp(w.packet(proto.PacketProposal, z, e.Raw))
	}
}

func (w *learnerTrial) commit() {
	if !w.l.established || w.l.committed == len(w.l.log) {
		return
	}
	e := w.l.log[w.l.committed]
	w.l.committed++
	w.committed = append(w.committed, e)
	switch {
	case !w.l.planned:
	case w.cfg.Observer:
		w.queueUp(w.packet(proto.PacketInform, e.Zxid(), e.Raw))
	default:
		w.queueUp(w.packet(proto.PacketCommit, e.Zxid(), nil))
	}
}

// establish gives the leader its quorum: its history is committed.
func (w *learnerTrial) establish() {
	if !w.l.established {
		w.l.established = true
		w.l.committed = w.l.initial
		w.committed = slices.Clone(w.l.log[:w.l.initial])
	}
	if w.l.acked && !w.l.upToDate {
		w.l.upToDate = true
		w.queueUp(w.packet(proto.PacketUpToDate, -1, nil))
	}
}

// observe takes the effects, checks them against the truth, and lets the
// leader read what was sent.
func (w *learnerTrial) observe(kinds map[string]int) {
	w.t.Helper()
	w.take()
	for _, z := range w.state[w.applied:] {
		i := learnerIndex(w.committed, z)
		if i < 0 || i == 0 && w.prev != 0 || i > 0 && w.prev.Counter() != 0 && w.committed[i-1].Zxid() != w.prev {
			w.t.Errorf("applied %v after %v, committed %d", z, w.prev, len(w.committed))
		}
		w.prev = z
	}
	w.applied = len(w.state)
	sent := w.sent
	w.sent = nil
	for _, s := range sent {
		switch {
		case s.Kind != SendPacket:
		case s.Packet.Type == proto.PacketAckEpoch:
			kinds[w.plan(s.Packet.Zxid)]++
		case s.Packet.Type == proto.PacketAck && s.Packet.Zxid.Counter() == 0:
			if !w.l.acked {
				w.prefix()
			}
			w.l.acked = true
		case s.Packet.Type == proto.PacketAck:
			w.promises[s.Packet.Zxid] = true
			if learnerIndex(w.l.log, s.Packet.Zxid) < 0 {
				w.t.Errorf("acknowledged %v, which the leader does not have", s.Packet.Zxid)
			}
		}
	}
	if w.f.Ready() && w.h.Applied() > 0 && w.h.Applied().Counter() > 0 && learnerIndex(w.committed, w.h.Applied()) < 0 {
		w.t.Errorf("clients see %v, which is not committed", w.h.Applied())
	}
	known := w.h.Known()
	if len(w.committed) == 0 && known > 0 || len(w.committed) > 0 && known > w.committed[len(w.committed)-1].Zxid() && known.Counter() != 0 {
		w.t.Errorf("%v is held to be committed, it is not", known)
	}
}

func learnerIndex(log []Entry, z proto.Zxid) int {
	i, ok := slices.BinarySearchFunc(log, z, func(e Entry, z proto.Zxid) int { return int(e.Zxid() - z) })
	if !ok {
		return -1
	}
	return i
}

// prefix checks that the durable log is the beginning of the leader's.
func (w *learnerTrial) prefix() {
	w.t.Helper()
	from := 0
	if w.base > 0 {
		from = learnerIndex(w.l.log, w.base) + 1
		if from == 0 {
			w.t.Errorf("the snapshot %v is not of the leader's history", w.base)
			return
		}
	}
	for i, e := range w.log {
		if from+i >= len(w.l.log) || w.l.log[from+i].Txn.TxnHeader != e.Txn.TxnHeader {
			w.t.Errorf("log after %v: %v is not as the leader's", w.base, e.Zxid())
			return
		}
	}
	if n := w.l.initial; n > 0 && w.last() < w.l.log[n-1].Zxid() {
		w.t.Errorf("NEWLEADER is acknowledged, and the log ends at %v", w.last())
	}
}

// plan decides how to synchronise a learner, and queues the stream.
func (w *learnerTrial) plan(peer proto.Zxid) string {
	l := w.l
	l.planned = true
	top := l.committed // what is sent with COMMIT
	if !l.established {
		top = l.initial
	}
	at := learnerIndex(l.log, peer)
	kind := "DIFF"
	switch {
	case peer < 0:
		kind = "SNAP again"
	case w.rng.IntN(8) == 0 && (at < 0 || at < top):
		kind = "SNAP"
	case peer == 0:
	case at >= top:
		kind, at = "TRUNC kept", top-1
	case at < 0:
		kind, at = w.common()
	}
	from := at + 1
	z := func(n int) proto.Zxid {
		if n == 0 {
			return 0
		}
		return l.log[n-1].Zxid()
	}
	switch kind {
	case "DIFF":
		w.queueUp(w.packet(proto.PacketDiff, max(z(top), peer), nil))
	case "TRUNC", "TRUNC kept":
		w.queueUp(w.packet(proto.PacketTrunc, z(from), nil))
	default:
		from = w.snapshot(top, z)
	}
	for i, e := range l.log[from:] {
		if from+i < top {
			w.queueUp(w.packet(proto.PacketProposal, e.Zxid(), e.Raw), w.packet(proto.PacketCommit, e.Zxid(), nil))
		} else if !w.cfg.Observer {
			l.awaits = append(l.awaits, e.Zxid())
			w.queueUp(w.packet(proto.PacketProposal, e.Zxid(), e.Raw))
		} else if w.rng.IntN(2) == 0 { // as by an old leader
			w.queueUp(w.packet(proto.PacketProposal, e.Zxid(), e.Raw))
		}
	}
	w.queueUp(w.packet(proto.PacketNewLeader, proto.MakeZxid(l.epoch, 0), nil))
	return kind
}

func (w *learnerTrial) queueUp(do ...func()) { w.l.queue = append(w.l.queue, do...) }

// snapshot queues one. A leader that is not established may not have applied
// all of its history; the rest follows. What is forwarded can overlap.
func (w *learnerTrial) snapshot(top int, z func(int) proto.Zxid) (from int) {
	at := top
	if w.rng.IntN(4) == 0 && at > 0 {
		at -= w.rng.IntN(min(at, 3))
	}
	zxid := z(at)
	w.queueUp(func() { w.f.SnapReceived(w.now, zxid, 1) })
	return max(0, at-w.rng.IntN(3))
}

// common finds where the log of the learner leaves the leader's.
func (w *learnerTrial) common() (kind string, at int) {
	at = learnerIndex(w.l.log, w.base)
	if at < 0 && w.base > 0 {
		return "SNAP", -1
	}
	for _, e := range w.log {
		if at+1 >= len(w.l.log) || w.l.log[at+1].Txn.TxnHeader != e.Txn.TxnHeader {
			break
		}
		at++
	}
	return "TRUNC", at
}

// settle ends a round: the disk does what it was ordered, memory and disk
// agree, and what was acknowledged and is committed is there.
func (w *learnerTrial) settle(kinds map[string]int) {
	w.t.Helper()
	switch end := w.f.End(); {
	case end.Kind == Goes:
	case w.down:
		kinds["down"]++
	case strings.HasSuffix(end.Why, "trying again"):
		kinds["again"]++
	case strings.Contains(end.Why, "cannot be truncated"):
		kinds["cannot"]++
	default:
		w.t.Errorf("it left a good leader: %+v", end)
	}
	if w.final && !w.f.ended() {
		for range 200 {
			w.establish()
			for len(w.queue) > 0 {
				w.work()
				w.observe(kinds)
			}
			if len(w.l.queue) > 0 && !w.f.ended() {
				deliver := w.l.queue[0]
				w.l.queue = w.l.queue[1:]
				deliver()
			}
			w.observe(kinds)
		}
		if n := len(w.committed); !w.f.ended() && (!w.f.Ready() || n > 0 && w.h.Applied() < w.committed[n-1].Zxid()) {
			w.t.Errorf("not up to date: applied %v, %s", w.h.Applied(), learnerPhaseNames[w.f.phase])
		}
		for _, z := range w.l.awaits {
			if !w.f.ended() && !slices.Contains(w.acked, z) {
				w.t.Errorf("%v is not acknowledged", z)
			}
		}
	}
	for len(w.queue) > 0 {
		w.work()
		w.observe(kinds)
	}
	if w.h.Last() != w.last() || w.h.Durable() != w.last() {
		w.t.Errorf("memory ends at %v, %v durable; the disk at %v", w.h.Last(), w.h.Durable(), w.last())
	}
	for _, e := range w.committed {
		z := e.Zxid()
		if z > w.base && (w.promises[z] || z <= w.h.Known()) && learnerIndex(w.log, z) < 0 {
			w.t.Errorf("%v is committed, and lost", z)
		}
	}
}

// learnerMischief drives a learner with what data says: any packet at any
// time, with any zxid, and answers of the disk to questions nobody asked.
func learnerMischief(t testing.TB, data []byte) {
	next := func() int {
		if len(data) == 0 {
			return 0
		}
		b := data[0]
		data = data[1:]
		return int(b)
	}
	w := newLearnerWorld(t, proto.MakeZxid(1, 0), []Entry{learnerEntry(proto.MakeZxid(1, 1), 1), learnerEntry(proto.MakeZxid(1, 2), 1)},
		proto.MakeZxid(1, uint32(next()%3)))
	w.accepted, w.current = proto.Epoch(1+next()%2), 1
	w.cfg.Observer = next()%3 == 0
	w.start()
	w.f.LinkUp(0)
	zxid := func() proto.Zxid {
		n := next()
		if n > 250 {
			return proto.Zxid(n - 253)
		}
		return proto.MakeZxid(proto.Epoch(n>>4&3), uint32(n&7))
	}
	for len(data) > 0 && !w.f.ended() {
		switch n := next() % 32; n {
		case 20, 21, 22, 23:
			if len(w.queue) > 0 {
				w.step()
			}
		case 24:
			w.f.SnapReceived(w.now, zxid(), 1)
		case 25:
			w.now += int64(next()) * 10
			w.f.Tick(w.now)
		case 26: // the way to broadcast
			w.input([]string{"LEADERINFO", "2"})
			w.runDisk(nil)
			w.input([]string{"DIFF", "1.2"})
		case 27:
			w.input([]string{"NEWLEADER", "2.0"})
			w.runDisk(nil)
		case 28:
			w.f.Send(proto.QuorumPacket{Type: proto.PacketRequest})
		default:
			z := zxid()
			w.f.Packet(w.now, learnerMischiefPacket(proto.PacketType(n), z, next()))
		}
		w.take()
	}
	if w.f.ended() && w.f.End().Why == "" {
		t.Error("no reason for the end")
	}
}

func learnerMischiefPacket(kind proto.PacketType, z proto.Zxid, how int) proto.QuorumPacket {
	p := proto.QuorumPacket{Type: kind, Zxid: z}
	switch how % 6 {
	case 0, 1:
		p.Data = learnerEntry(z, 1).Raw
	case 2:
		p.Data = learnerReconfig(z, "1,2,3,4").Raw
	case 3:
		p.Data = slices.Concat(binary.BigEndian.AppendUint64(nil, uint64(how/6)), learnerReconfig(z, "1,2o,3").Raw)
	case 4:
		p.Data = fmt.Appendf(nil, "server.1=h:1:2\nversion=%x", how)
	}
	return p
}

// TestLearnerBearsIllegalLeaders: whatever a leader sends, nothing panics,
// nothing false is acknowledged, and every end has a reason.
func TestLearnerBearsIllegalLeaders(t *testing.T) {
	for seed := range uint64(20_000) {
		r := rand.New(rand.NewPCG(seed, 8))
		data := make([]byte, 10+r.IntN(150))
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		data = append([]byte{byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32()), 26}, data...)
		learnerMischief(t, data)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func FuzzLearner(f *testing.F) {
	f.Add([]byte{1, 0, 1, 26, 2, 33, 0, 27, 4, 33, 0, 12, 0, 0})
	f.Add([]byte{1, 0, 0, 26, 8, 33, 0, 19, 34, 3, 27})
	f.Fuzz(func(t *testing.T, data []byte) { learnerMischief(t, data) })
}
