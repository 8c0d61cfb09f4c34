package zab

import (
	"encoding/binary"
	"fmt"
	"slices"

	"quokka/internal/core/quorum"
	"quokka/internal/proto"
)

// RelayConfig is what a Relay is told when it begins.
type RelayConfig struct {
	Me        proto.ServerID
	TickMS    int64
	InitLimit int // ticks an observer may take to answer before it is synchronised
	SyncLimit int // ticks it may be silent afterwards

	// MaxSnapSyncs, MaxDiffSyncs, DiskDiff and DiskHas are those of
	// LeaderConfig.
	MaxSnapSyncs, MaxDiffSyncs int
	DiskDiff                   func(from proto.Zxid) bool
	DiskHas                    func(z proto.Zxid) bool
}

// A Relay is the part of a follower that serves observers in its leader's
// place (ObserverMaster). It must be used by one goroutine, from the moment
// its follower is ready until that role ends.
//
// It promises: an observer gets what its follower has applied, and nothing
// else, in the same order and without a hole. Observers are counted nowhere,
// so that the epoch and its configuration are the follower's to tell: they
// are established already.
type Relay struct {
	cfg    RelayConfig
	f      *Learner
	h      *History
	out    *Effects
	beat   int64 // half ticks that were seen; deadlines count in them
	next   int64 // ms when the next one is
	pupils []*pupil
}

// NewRelay returns the relay of a follower that is ready. The history is the
// follower's, and the effects are written where its own are.
func NewRelay(cfg RelayConfig, f *Learner, h *History, now int64, out *Effects) *Relay {
	return &Relay{cfg: cfg, f: f, h: h, out: out, next: now + cfg.TickMS/beatsPerTick}
}

// Learners returns the observers, the oldest link first.
func (r *Relay) Learners() []LearnerStatus { return statusOf(r.pupils) }

// Quokka tells whether the observer at a link is a Quokka server.
func (r *Relay) Quokka(link Link) bool {
	p := pupilOf(r.pupils, link)
	return p != nil && p.quokka
}

// Connected takes a new link and its first packet, OBSERVERINFO
// (LearnerHandler.run).
func (r *Relay) Connected(now int64, link Link, first proto.QuorumPacket) {
	p := &pupil{link: link, came: now, heard: r.beat, accepted: first.Zxid.Epoch(), observer: true}
	if first.Type != proto.PacketObserverInfo {
		r.refuse(p, "the first packet is %v: a follower serves observers only", first.Type)
		return
	}
	info, err := proto.DecodeLearnerInfo(first.Data)
	if err != nil {
		r.refuse(p, "%v", err)
		return
	}
	p.server, p.quokka = info.Server, info.Quokka
	if !r.admits(p, info) {
		return
	}
	for _, old := range r.pupils {
		if old.server == p.server {
			r.refuse(old, "server %d has connected again", p.server)
			break
		}
	}
	r.pupils = append(r.pupils, p)
	r.note(Note{Kind: NoteFollowerInfo, Server: p.server, Zxid: first.Zxid, N: info.ConfigVersion})
	p.phase = pupilAsked
	// Without the mark of a Quokka leader: that promises a record of every
	// session that changes its server, but a leader sees no change between
	// this server and those behind it.
	version := binary.BigEndian.AppendUint32(nil, uint32(proto.LearnerProtocol))
	p.send(r.out, proto.PacketLeaderInfo, proto.MakeZxid(r.f.Epoch(), 0), version)
}

// admits tells whether a server may observe here, and refuses it otherwise.
// One that has seen more of the ensemble than this follower finds another
// server, or comes again.
func (r *Relay) admits(p *pupil, info proto.LearnerInfo) bool {
	switch active := r.active(); {
	case info.Protocol < proto.LearnerProtocol:
		r.refuse(p, "server %d speaks a protocol older than Zab 1.0 (%#x): upgrade it to ZooKeeper 3.4 or later", info.Server, info.Protocol)
	case info.Server == r.cfg.Me:
		r.refuse(p, "server %d has the id of this server: correct its myid", info.Server)
	case info.ConfigVersion > 0 && uint64(info.ConfigVersion) > active.Version:
		r.refuse(p, "Follower is ahead of the leader (has a later activated configuration)")
	case p.accepted < 0 || p.accepted > r.f.Epoch():
		r.refuse(p, "server %d has accepted epoch %d, this server follows the leader of epoch %d", info.Server, p.accepted, r.f.Epoch())
	default:
		return true
	}
	return false
}

// Applied says what this server has applied: observers get it. It comes
// before anything else is done with the relay.
func (r *Relay) Applied(entries []Entry) {
	for _, e := range entries {
		z := e.Zxid()
		q := proto.QuorumPacket{Type: proto.PacketInform, Zxid: z, Data: e.Raw}
		if e.Txn.Op == proto.OpReconfig {
			q.Type = proto.PacketInformAndActivate
			q.Data = append(binary.BigEndian.AppendUint64(nil, uint64(r.f.heir(z))), e.Raw...)
		}
		for _, p := range r.pupils {
			if p.takesProposals() && z > p.sent {
				p.send(r.out, q.Type, z, q.Data)
				p.sent = z
			}
		}
	}
	if len(entries) > 0 {
		r.syncWaiting()
	}
}

// Reply puts a packet of the member itself (SYNC, REVALIDATE) on a link,
// after everything that was sent before. It is dropped if the observer is
// gone.
func (r *Relay) Reply(link Link, q proto.QuorumPacket) {
	if p := pupilOf(r.pupils, link); p != nil && p.phase == pupilUpToDate {
		r.out.Sends = append(r.out.Sends, Send{Link: link, Packet: q})
	}
}

// Streamed says that a snapshot or history for an observer is sent as a
// whole.
func (r *Relay) Streamed(link Link) {
	if p := pupilOf(r.pupils, link); p != nil && p.streaming > 0 {
		p.streaming--
		p.heard = r.beat
	}
}

// LinkDown says that a link has ended.
func (r *Relay) LinkDown(link Link) {
	if p := pupilOf(r.pupils, link); p != nil {
		r.note(Note{Kind: NoteLearnerGone, Server: p.server})
		r.forget(p)
	}
}

// Tick says what time it is. It is called a few times per tick; each half
// tick is one beat, and a PING. A process that was stopped for long sees one
// beat only, and so hears its observers before it judges them.
func (r *Relay) Tick(now int64) {
	if now < r.next {
		return
	}
	half := max(r.cfg.TickMS/beatsPerTick, 1)
	r.next = max(r.next+half, now+half/2)
	r.beat++
	for _, p := range slices.Clone(r.pupils) {
		limit, silent := int64(r.cfg.SyncLimit)*beatsPerTick, r.beat-p.heard
		if p.phase < pupilUpToDate {
			limit = int64(r.cfg.InitLimit) * beatsPerTick
		}
		if silent > limit && p.streaming == 0 {
			r.refuse(p, "server %d: nothing came for %d ms %s", p.server, silent*r.cfg.TickMS/beatsPerTick, pupilPhaseNames[p.phase])
		}
	}
	r.syncWaiting()
	for _, p := range r.pupils {
		if p.phase == pupilUpToDate {
			p.send(r.out, proto.PacketPing, r.h.Applied(), nil)
		}
	}
}

func (r *Relay) active() quorum.Membership {
	active, _ := r.f.Members()
	return active
}

// refuse ends a link because of what the observer is or did.
func (r *Relay) refuse(p *pupil, format string, args ...any) {
	why := fmt.Sprintf(format, args...)
	r.note(Note{Kind: NoteLearnerRefused, Server: p.server, Zxid: p.last, Text: why})
	r.out.Sends = append(r.out.Sends, Send{Link: p.link, Kind: SendClose, Why: why})
	r.forget(p)
}

func (r *Relay) forget(p *pupil) {
	r.pupils = slices.DeleteFunc(r.pupils, func(o *pupil) bool { return o == p })
}

func (r *Relay) note(n Note) { r.out.Notes = append(r.out.Notes, n) }
