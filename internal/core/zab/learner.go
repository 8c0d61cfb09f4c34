package zab

import (
	"fmt"

	"quokka/internal/core/quorum"
	"quokka/internal/proto"
)

// LearnerConfig is what a Learner is told when its role begins.
type LearnerConfig struct {
	Me       proto.ServerID
	Leader   proto.ServerID
	Link     Link // the connection that is being made to the leader
	Observer bool // sends OBSERVERINFO, votes on nothing, acknowledges no proposal

	Accepted proto.Epoch // as the files acceptedEpoch and currentEpoch have them
	Current  proto.Epoch

	Active          quorum.Membership
	Next            quorum.Membership // last seen; the version of Active if none is pending
	ReconfigEnabled bool
	MultiAddress    bool

	TickMS    int64
	InitLimit int // ticks the leader may be silent before it declares us up to date
	SyncLimit int // ticks it may be silent afterwards

	// WantSnapshot is NeedSnapshot of the Learner before: a leader ordered
	// what this log cannot do, and only a snapshot helps.
	WantSnapshot bool
	// LeaderEpoch and LeaderZxid are of the vote that won: the history that
	// the leader said it has. They are used with WantSnapshot only.
	LeaderEpoch proto.Epoch
	LeaderZxid  proto.Zxid
}

// learnerPhase is how far a learner has come. What packets are right in
// which phase stands in followerTable and observerTable.
type learnerPhase uint8

const (
	learnerConnecting learnerPhase = iota // no connection yet
	learnerDiscovery                      // FOLLOWERINFO is sent, LEADERINFO is to come
	learnerPromising                      // acceptedEpoch is on its way to the disk
	learnerChoosing                       // ACKEPOCH is sent; DIFF, TRUNC or SNAP is to come
	learnerReceiving                      // the transactions we lack, until NEWLEADER
	learnerAdopting                       // NEWLEADER is read: log, then currentEpoch become durable
	learnerAcked                          // NEWLEADER is acknowledged, UPTODATE is to come
	learnerServing                        // broadcast
	learnerPhases
)

var learnerPhaseNames = [learnerPhases]string{
	"before it is connected", "in discovery", "while the epoch is stored", "before the synchronisation",
	"in the synchronisation", "while the epoch is adopted", "before UPTODATE", "in broadcast",
}

// learnerWork is what makes packets wait.
type learnerWork uint8

const (
	learnerIdle       learnerWork = iota
	learnerCovering               // a snapshot below the end of our log waits for NEWLEADER: see cover
	learnerTruncating             // the disk does
	learnerInstalling             // the disk does
)

// A Learner is a server that follows or observes a leader (Java Learner,
// Follower, Observer). It must be used by one goroutine. The data of packets
// handed to it is kept.
//
// It promises: nothing is acknowledged before it is durable; the log is
// durable before currentEpoch, currentEpoch before NEWLEADER is acknowledged,
// and nothing else is sent before that. Only what is durable here and a
// leader with a quorum has committed is applied: what a leader brings in the
// synchronisation counts as committed at UPTODATE, since before that its
// leadership may fail.
type Learner struct {
	cfg LearnerConfig
	h   *History
	out *Effects

	now, heard int64 // ms; heard: the last sign of life of the leader
	phase      learnerPhase
	end        End
	epoch      proto.Epoch // of the leader, from LEADERINFO
	quokka     bool        // the leader is a Quokka server
	wantSnap   bool

	work   learnerWork
	target proto.Zxid           // what the log ends with when the work is done
	snap   SnapshotID           // while covering
	held   []proto.QuorumPacket // arrived meanwhile

	streamed  proto.Zxid   // of the last PROPOSAL in the synchronisation
	committed proto.Zxid   // as far as the leader's word goes
	open      []Entry      // in the log and after committed
	shelf     []Entry      // observer: proposals whose commit has not come; not in the log
	owed      []proto.Zxid // proposals to acknowledge once they are durable

	adopt        proto.Zxid // the log must be durable up to here to adopt the epoch
	epochOrdered bool

	active, next quorum.Membership
	offered      *quorum.Membership // of NEWLEADER; active from UPTODATE on
	heirs        []heir             // who leads after reconfigurations that are committed; those of late
}

// NewLearner returns a Learner that waits for its connection. Its log must
// be at rest: everything that was ordered before is durable.
func NewLearner(cfg LearnerConfig, h *History, now int64, out *Effects) *Learner {
	return &Learner{
		cfg: cfg, h: h, out: out, now: now, heard: now, wantSnap: cfg.WantSnapshot, active: cfg.Active, next: cfg.Next,
	}
}

// Ready tells whether the leader declared us up to date and nothing is
// applied that may not be committed, as it can be after a restart: clients
// can be served.
func (f *Learner) Ready() bool {
	return f.phase == learnerServing && f.committed >= f.h.Applied() && !f.ended()
}

// Quokka tells whether the leader is a Quokka server.
func (f *Learner) Quokka() bool { return f.quokka }

// Epoch returns the leader's epoch, 0 before it is known.
func (f *Learner) Epoch() proto.Epoch { return f.epoch }

// Members returns the active configuration and the last seen one.
func (f *Learner) Members() (active, next quorum.Membership) { return f.active, f.next }

// End tells whether and how the role ended.
func (f *Learner) End() End { return f.end }

// NeedSnapshot tells whether the next Learner must ask for a snapshot
// (LearnerConfig.WantSnapshot). It is valid when the role has ended and its
// work on the disk was reported.
func (f *Learner) NeedSnapshot() bool { return f.wantSnap }

// Packet takes a packet of the leader. For SNAP see SnapReceived.
func (f *Learner) Packet(now int64, p proto.QuorumPacket) {
	if f.ended() {
		return
	}
	f.now, f.heard = now, now
	if f.work != learnerIdle {
		f.held = append(f.held, p)
		f.cover(p)
		return
	}
	f.dispatch(p)
}

// dispatch hands a packet to its handler.
func (f *Learner) dispatch(p proto.QuorumPacket) {
	table := &followerTable
	if f.cfg.Observer {
		table = &observerTable
	}
	table.handler(p.Type, f.phase)(f, p)
}

// release dispatches the packets that waited for the disk.
func (f *Learner) release() {
	f.heard = f.now
	for len(f.held) > 0 && f.work == learnerIdle && !f.ended() {
		p := f.held[0]
		f.held[0] = proto.QuorumPacket{}
		f.held = f.held[1:]
		f.dispatch(p)
	}
	if len(f.held) == 0 {
		f.held = nil
	}
}

// Heard says that bytes of the leader arrived which are not a whole packet:
// the body of a snapshot, which can take longer than initLimit.
func (f *Learner) Heard(now int64) { f.now, f.heard = now, now }

// LinkDown says that the connection is lost, or could not be made.
func (f *Learner) LinkDown(now int64, why string) {
	f.now = now
	if !f.ended() {
		f.end = End{Kind: ToLooking, Why: "the connection to the leader is lost: " + why}
	}
}

// Durable says that the log is durable up to z.
func (f *Learner) Durable(now int64, z proto.Zxid) {
	f.now = now
	if z = min(z, f.h.Last()); z > f.h.Durable() {
		f.h.SetDurable(z)
	}
	if f.ended() {
		return
	}
	f.adoptEpoch()
	f.payAcks()
	if f.phase == learnerServing {
		f.apply()
	}
}

// EpochStored says that an epoch file is durable.
func (f *Learner) EpochStored(now int64, kind DiskKind, e proto.Epoch) {
	f.now = now
	if f.ended() || e != f.epoch {
		return
	}
	switch {
	case kind == DiskAcceptedEpoch && f.phase == learnerPromising:
		f.heard = now
		f.ackEpoch(f.cfg.Current)
	case kind == DiskCurrentEpoch && f.phase == learnerAdopting && f.epochOrdered:
		f.heard = now
		f.ackNewLeader()
	}
}

// Tick ends the role when the leader was silent for too long. As long as the
// leader waits for our disk, it has no reason to speak.
func (f *Learner) Tick(now int64) {
	f.now = now
	if f.ended() {
		return
	}
	if f.work >= learnerTruncating || f.phase == learnerPromising || f.phase == learnerAdopting {
		f.heard = now
		return
	}
	name, ticks := "initLimit", f.cfg.InitLimit
	if f.phase == learnerServing {
		name, ticks = "syncLimit", f.cfg.SyncLimit
	}
	if silent := now - f.heard; silent >= int64(ticks)*f.cfg.TickMS {
		f.leave("the leader was silent for %d ms %s: %s is %d ticks", silent, learnerPhaseNames[f.phase], name, ticks)
	}
}

// Send puts a packet of the member's own (REQUEST, REVALIDATE, the answer to
// PING) on the link, after all that was sent before. Until NEWLEADER is
// acknowledged it is dropped: a leader ends a link whose first packet after
// the synchronisation is another (LearnerHandler.run).
func (f *Learner) Send(p proto.QuorumPacket) {
	if !f.ended() && f.phase >= learnerAcked {
		f.send(p)
	}
}

func (f *Learner) send(p proto.QuorumPacket) {
	f.out.Sends = append(f.out.Sends, Send{Link: f.cfg.Link, Packet: p})
}

func (f *Learner) ack(z proto.Zxid) { f.send(proto.QuorumPacket{Type: proto.PacketAck, Zxid: z}) }

func (f *Learner) order(d Disk) { f.out.Disk = append(f.out.Disk, d) }

func (f *Learner) note(kind NoteKind, z proto.Zxid, text string) {
	f.out.Notes = append(f.out.Notes, Note{Kind: kind, Server: f.cfg.Leader, Zxid: z, Text: text})
}

func (f *Learner) ended() bool { return f.end.Kind != Goes }

// leave goes back to the election.
func (f *Learner) leave(format string, args ...any) {
	f.finish(End{Kind: ToLooking, Why: fmt.Sprintf(format, args...)})
}

// leaveForSnapshot goes back to the election and asks the next leader, the
// same one perhaps, for a snapshot.
func (f *Learner) leaveForSnapshot(format string, args ...any) {
	f.wantSnap = true
	f.leave(format+"; a snapshot will be asked for", args...)
}

// stop ends the process.
func (f *Learner) stop(exit int, format string, args ...any) {
	f.finish(End{Kind: FailStop, Why: fmt.Sprintf(format, args...), Exit: exit})
}

// finish ends the role and the link. A broken invariant may still come to
// light after that, when the disk reports.
func (f *Learner) finish(end End) {
	over := f.ended()
	if over && (end.Kind != FailStop || f.end.Kind == FailStop) {
		return
	}
	f.end = end
	f.held = nil
	if over {
		return
	}
	f.out.Sends = append(f.out.Sends, Send{Link: f.cfg.Link, Kind: SendClose, Why: end.Why})
}

// The exit codes of Java (ExitCode).
const (
	learnerExitCommit = 12 // UNMATCHED_TXN_COMMIT
	learnerExitPacket = 13 // QUORUM_PACKET_ERROR
)
