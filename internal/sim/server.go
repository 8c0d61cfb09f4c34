package sim

import (
	"cmp"
	"maps"
	"slices"

	"quokka/internal/core/elect"
	"quokka/internal/core/member"
	"quokka/internal/core/state"
	"quokka/internal/core/tree"
	"quokka/internal/core/watch"
	"quokka/internal/core/zab"
	"quokka/internal/journal"
	"quokka/internal/proto"
)

// A server is one member of the ensemble with its devices. Its process comes
// and goes; each life has a number, and what was meant for an earlier one is
// lost.
type server struct {
	w        *world
	id       proto.ServerID
	observer bool

	up       bool
	life     int
	frozen   bool
	frozenAt micros
	lost     micros // time that the process was not running
	wasDown  string // why it is down, for the trace

	inbox     []func()
	scheduled bool

	member    *member.Member
	state     *state.State
	disk      *device
	phase     proto.PeerState
	mode      member.Mode
	listening bool
	accepted  uint64 // number of the last link that came in
	links     map[zab.Link]*link
	conns     map[watch.ConnID]*conn
	sessions  uint64 // a hash over the sessions of state
}

// alive tells whether the process is still the one of that life.
func (s *server) alive(life int) bool { return s.up && s.life == life }

// time is what the process's clocks say; the running one stands still while
// the process is frozen.
func (s *server) time() member.Time {
	return member.Time{
		Running: (s.w.now - s.lost).ms(),
		Wall:    wallBase + proto.Millis(s.w.now.ms()),
	}
}

// post puts an input into the process's inbox.
func (s *server) post(do func()) {
	if !s.up {
		return
	}
	s.inbox = append(s.inbox, do)
	s.wake()
}

func (s *server) wake() {
	if s.scheduled || s.frozen || !s.up || len(s.inbox) == 0 {
		return
	}
	s.scheduled = true
	life := s.life
	s.w.after(micros(10+s.w.rng.IntN(150)), func() {
		if s.alive(life) {
			s.scheduled = false
			s.handle()
		}
	})
}

// handle takes what is in the inbox, mostly all of it, and does the effects
// once.
func (s *server) handle() {
	if s.frozen {
		return
	}
	n := len(s.inbox)
	if n > 1 && s.w.rng.IntN(4) == 0 {
		n = 1 + s.w.rng.IntN(n)
	}
	batch := s.inbox[:n:n]
	s.inbox = s.inbox[n:]
	s.member.At(s.time())
	life := s.life
	for _, do := range batch {
		do()
		if !s.alive(life) {
			return
		}
	}
	s.do()
	s.wake()
}

// start runs the process: it recovers what its disk holds and begins.
func (s *server) start() {
	if s.up {
		return
	}
	s.life++
	s.up, s.frozen, s.scheduled, s.lost = true, false, false, 0
	s.inbox, s.accepted = nil, 0
	s.links, s.conns = map[zab.Link]*link{}, map[watch.ConnID]*conn{}
	s.phase, s.mode, s.listening = proto.Looking, member.ModeClosed, false
	r, err := s.disk.open()
	if err != nil {
		s.up = false
		s.wasDown = "cannot start"
		if s.disk.failing() {
			s.w.tracef("%d cannot start, its disk fails: %v", s.id, err)
			return
		}
		s.w.violate("start", s.id, "cannot start: %v", err)
		return
	}
	s.state = r.state
	s.hashSessions()
	s.w.tracef("%d starts, life %d: last %v, epochs %d/%d", s.id, s.life, r.restart.Applied, r.accepted, r.current)
	s.w.ghost.Starts(s.id, max(r.restart.Applied, 0), s.digest(), r.accepted, r.current)
	s.w.ghost.StartsWith(s.id, ghostly(r.members.Active), ghostly(r.members.Next))
	s.member = member.New(s.config(r), s.state, s.time())
	s.member.Start() // it may know more configurations from its state
	s.do()
	s.w.net.reset(s)
	s.w.net.reconnect(s)
	s.tick(s.life)
}

// config is the member's. Times are a tenth of what operators use, so that
// a run sees more of everything.
func (s *server) config(r *recovered) member.Config {
	return member.Config{
		Server: s.id, SessionPrefix: uint8(s.id),
		Members:  r.members,
		Accepted: r.accepted, Current: r.current, NoData: r.noData, Restart: r.restart,
		InitLimit: initLimit, SyncLimit: syncLimit,
		Election: elect.Config{
			Me: s.id, MinIntervalMS: 20, MaxIntervalMS: 2000, FinalizeMS: 20, ObserverDelayMS: 20,
			Seed: s.w.rng.Uint64(), ReconfigEnabled: s.w.plan.reconfig,
		},
		History: s.w.opt.History, ParkMS: parkMS, LeaderServes: true,
		ReconfigEnabled: s.w.plan.reconfig,
		ReadOnly:        s.w.plan.readOnly, ReadOnlyAfterMS: readOnlyAfterMS,
		DiskDiff: s.disk.diff, DiskHas: s.disk.has, MaxCounter: s.w.plan.maxCounter,
		TickMS: tickMS, MinTimeoutMS: minTimeoutMS, MaxTimeoutMS: maxTimeoutMS,
		SnapCount: s.w.plan.snapCount, ContainerCheckMS: 60_000, ContainerPerMinute: 600,
		Seed: s.w.rng.Uint64(), Replayed: len(r.restart.Entries),
	}
}

// stateOptions are the same on all servers.
func stateOptions() state.Options {
	return state.Options{
		Tree: tree.Options{}, Schemes: noSchemes{}, SkipACL: true, Digest: true, CloseSessionTxn: true,
		ReconfigEnabled: true,
	}
}

// noSchemes are no authentication schemes: everybody may do everything here.
type noSchemes struct{}

func (noSchemes) Known(string) bool                   { return false }
func (noSchemes) Valid(string, string) bool           { return false }
func (noSchemes) Authenticated(string) bool           { return false }
func (noSchemes) Matches(string, string, string) bool { return false }
func (noSchemes) User(string, string) string          { return "" }

// tick drives the member's clock while the process lives.
func (s *server) tick(life int) {
	every := micros(tickMS) * milli / 4
	s.w.after(every-micros(s.w.rng.IntN(int(every/8))), func() {
		if !s.alive(life) {
			return
		}
		s.tick(life)
		if s.frozen {
			return
		}
		s.member.At(s.time())
		s.touch()
		s.member.Tick()
		s.member.Upkeep()
		s.do()
	})
}

// freeze stops the process without ending it; its connections stay, and
// what comes for it waits.
func (s *server) freeze() {
	if s.up && !s.frozen {
		s.frozen, s.frozenAt = true, s.w.now
		s.w.tracef("%d freezes", s.id)
	}
}

// thaw lets the process go on. Its running clock has not moved meanwhile.
func (s *server) thaw() {
	if s.up && s.frozen {
		s.frozen = false
		s.lost += s.w.now - s.frozenAt
		s.w.tracef("%d thaws", s.id)
		s.wake()
	}
}

// ending is how a process ends.
type ending uint8

const (
	killed    ending = iota // the machine goes on: what was written is in the page cache
	powerLost               // what was not synced may be lost, in whole or in part
	stopped                 // in order: the disk finishes what it was given
)

// stop ends the process.
func (s *server) stop(how ending, why string) {
	if !s.up {
		return
	}
	s.w.tracef("%d ends: %s", s.id, why)
	s.up, s.frozen, s.listening, s.wasDown = false, false, false, why
	s.w.ghost.Stops(s.id)
	s.disk.end(how)
	s.w.net.abandon(s, how == powerLost)
	for _, id := range slices.Sorted(maps.Keys(s.conns)) {
		s.conns[id].serverGone(how == powerLost)
	}
	s.inbox, s.links, s.conns, s.member, s.state = nil, nil, nil, nil, nil
}

// do carries effects out until there are no more.
func (s *server) do() {
	life := s.life
	for range 1000 {
		e := s.member.Take()
		s.effects(&e)
		if !s.alive(life) || !e.Again {
			return
		}
		s.member.Continue()
	}
	s.w.violate("L1", s.id, "its member asks to be continued without an end")
}

// effects does everything in the order that the member wants. What the
// ghost is told of comes before what it allows.
func (s *server) effects(e *member.Effects) {
	phase, leader := s.member.Phase()
	if phase == proto.Leading && s.phase != phase {
		s.w.tracef("%d leads", s.id)
		s.w.ghost.Leads(s.id)
	}
	for i := range e.Zab {
		if n := &e.Zab[i]; n.Kind == zab.NoteEstablished {
			s.w.tracef("%d is established: %v", s.id, n.Zxid)
			s.w.elections++
			s.w.ghost.Established(s.id, n.Zxid.Epoch())
		}
	}
	s.disk.order(e.Disk)
	for i := range e.Done {
		s.done(&e.Done[i])
	}
	for i := range e.Votes {
		if n := &e.Votes[i].N; s.w.opt.Plant == PlantOldVote && n.State == proto.Looking && n.Leader == s.id {
			n.Zxid = min(n.Zxid, s.state.LastZxid())
		}
		s.w.ghost.Voted(s.id, &e.Votes[i].N)
		s.w.net.notify(s, e.Votes[i].To, e.Votes[i].N)
	}
	for _, d := range e.Dials {
		s.w.net.dial(s, d.Link, d.To, 5)
	}
	for i := range e.Sends {
		s.send(&e.Sends[i])
	}
	s.told(e)
	if s.phase != phase {
		s.w.tracef("%d is %v (leader %d)", s.id, phase, leader)
		if phase == proto.Looking {
			s.w.ghost.Looks(s.id)
		}
		s.phase = phase
		s.listening = phase == proto.Leading
	}
	if e.Stop.Kind == zab.FailStop {
		s.w.violate("failstop", s.id, "stops itself: %s", e.Stop.Why)
		s.stop(killed, "it stopped itself: "+e.Stop.Why)
	}
	s.w.ghost.Check()
}

// told handles the notes, and what is about clients.
func (s *server) told(e *member.Effects) {
	for i := range e.Zab {
		n := &e.Zab[i]
		if s.w.tracing() {
			s.w.tracef("%d notes %d server=%d %v %s", s.id, n.Kind, n.Server, n.Zxid, n.Text)
		}
	}
	for i := range e.Notes {
		if n := &e.Notes[i]; s.w.tracing() {
			s.w.tracef("%d notes %d session=%v server=%d n=%d %s", s.id, n.Kind, n.Session, n.Server, n.N, n.Text)
		}
	}
	if e.Mode == member.ModeServe {
		s.w.ghost.Serves(s.id)
	}
	if e.Mode != member.ModeSame {
		s.setMode(e.Mode)
	}
	for i := range e.Conns {
		s.tell(&e.Conns[i])
	}
}

// done applies a transaction, or answers a request without one.
func (s *server) done(d *member.Done) {
	if d.Txn == nil {
		s.answerLocal(d)
		return
	}
	t := d.Txn
	if s.phase == proto.Leading {
		s.w.ghost.Commits(s.id, t.Zxid)
	}
	o := s.state.Apply(t)
	if t.Op == proto.OpCreateSession || t.Op == proto.OpCloseSession {
		s.hashSessions()
	}
	s.w.ghost.Apply(s.id, t.Zxid, s.digest())
	if o.DigestMismatch {
		s.w.violate("D2", s.id, "the digest after %v is %x, the transaction says %x", t.Zxid, o.Digest, t.Digest)
	}
	s.answer(d, o)
	if d.Snapshot {
		s.disk.snapshot()
	}
}

// digest is that of the tree and the sessions.
func (s *server) digest() uint64 { return s.state.Tree().Digest() ^ s.sessions }

func (s *server) hashSessions() { s.sessions = hashOf(s.state) }

func hashOf(st *state.State) uint64 {
	var sum uint64
	for id, timeout := range st.Sessions().All() {
		x := uint64(id)*0x9e3779b97f4a7c15 ^ uint64(timeout)<<17
		x ^= x >> 29
		sum += x * 0xbf58476d1ce4e5b9
	}
	return sum << 1
}

// replace takes the state over that the disk has now.
func (s *server) replace(r *journal.Restart) {
	s.state.Install(r.Tree, r.Sessions, r.Applied)
	s.hashSessions()
	s.w.ghost.Reloads(s.id, r.Applied, s.digest())
}

// sortedConns returns the connections of clients in the order they were made.
func (s *server) sortedConns() []*conn {
	all := slices.Collect(maps.Values(s.conns))
	slices.SortFunc(all, func(a, b *conn) int { return cmp.Compare(a.id, b.id) })
	return all
}
