package member

import (
	"fmt"
	"slices"
	"testing"

	"quokka/internal/core/elect"
	"quokka/internal/core/quorum"
	"quokka/internal/core/session"
	"quokka/internal/core/state"
	"quokka/internal/core/tree"
	"quokka/internal/core/watch"
	"quokka/internal/core/zab"
	"quokka/internal/proto"
)

// An ensemble is three members with a perfect network and perfect disks; what
// is sent arrives at once and in order, unless a server is cut off. Snapshots
// are not transferred, so servers must not fall behind.
type ensemble struct {
	t       *testing.T
	now     int64
	parties []*party
	queue   []func()
	links   map[linkEnd]linkEnd
	relayed map[linkEnd]bool // ends at a follower that serves observers
	java    proto.ServerID   // its first packets have no mark of Quokka
	tap     func(from, to *party, q proto.QuorumPacket)
	slow    bool     // PINGs arrive when nothing else is left to arrive
	pings   []func() // those
}

type linkEnd struct {
	server proto.ServerID
	link   zab.Link
}

// A party is one server with its devices.
type party struct {
	e        *ensemble
	id       proto.ServerID
	m        *Member
	state    *state.State
	cut      bool
	accepted zab.Link
	got      map[watch.ConnID][]string // what each connection was told
	sessions map[watch.ConnID]proto.SessionID
	logged   []*proto.Txn
	modes    []Mode
	notes    []NoteKind
	voted    []proto.Zxid // the zxids of its own votes
}

const threeVoters = "server.1=h:1:2:participant\nserver.2=h:3:4:participant\nserver.3=h:5:6:participant\n"

func membersIn(t *testing.T, text string) quorum.Membership {
	m, err := quorum.ParseMembership(text, false)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func newEnsemble(t *testing.T, change func(*Config)) *ensemble {
	return newEnsembleOf(t, threeVoters, change)
}

// newEnsembleOf is an ensemble of other servers, which are numbered from 1.
func newEnsembleOf(t *testing.T, servers string, change func(*Config)) *ensemble {
	e := &ensemble{t: t, links: map[linkEnd]linkEnd{}, relayed: map[linkEnd]bool{}}
	members := membersIn(t, servers)
	for id := proto.ServerID(1); id <= proto.ServerID(len(members.Servers)); id++ {
		cfg := testConfig()
		cfg.Standalone, cfg.Server, cfg.SessionPrefix = false, id, uint8(id)
		cfg.Members = Members{Active: members, Next: members}
		cfg.InitLimit, cfg.SyncLimit, cfg.ParkMS, cfg.LeaderServes = 10, 5, 2000, true
		cfg.Election = elect.Config{Me: id, Seed: uint64(id)}
		cfg.ReadOnlyAfterMS = 2000
		change(&cfg)
		o := state.Options{Tree: tree.Options{ExtendedTypes: true}, Schemes: noSchemes{}, SkipACL: true, CloseSessionTxn: true}
		p := &party{e: e, id: id, got: map[watch.ConnID][]string{}, sessions: map[watch.ConnID]proto.SessionID{}}
		p.state = state.New(o, tree.New(o.Tree), session.NewTable(), 0)
		p.m = New(cfg, p.state, e.time())
		e.parties = append(e.parties, p)
	}
	for _, p := range e.parties {
		p.m.Start()
	}
	e.until("a leader", func() bool { return e.leader() != nil && e.allServe() })
	return e
}

func (e *ensemble) time() Time { return Time{Running: e.now, Wall: wallBase + proto.Millis(e.now)} }

func (e *ensemble) party(id proto.ServerID) *party { return e.parties[id-1] }

func (e *ensemble) leader() *party {
	for _, p := range e.parties {
		if s, _ := p.m.Phase(); s == proto.Leading && p.m.Serving() && !p.cut {
			return p
		}
	}
	return nil
}

// follower is a server that serves, and does not lead.
func (e *ensemble) follower() *party {
	for _, p := range e.parties {
		if s, _ := p.m.Phase(); s == proto.Following && p.m.Serving() && !p.cut {
			return p
		}
	}
	e.t.Fatal("nobody follows")
	return nil
}

func (e *ensemble) allServe() bool {
	return !slices.ContainsFunc(e.parties, func(p *party) bool { return !p.cut && !p.m.Serving() })
}

// settle does effects and delivers what they send until nothing is left.
func (e *ensemble) settle() {
	for range 100_000 {
		for _, p := range e.parties {
			p.effects()
		}
		if len(e.queue) == 0 {
			e.queue, e.pings = e.pings, nil
		}
		if len(e.queue) == 0 {
			return
		}
		do := e.queue[0]
		e.queue = e.queue[1:]
		do()
	}
	e.t.Fatal("it does not come to rest")
}

// pass lets time go by. Connections that are listed in heard are not silent.
func (e *ensemble) pass(ms int64, heard ...watch.ConnID) {
	for end := e.now + ms; e.now < end; {
		e.now += 50
		for _, p := range e.parties {
			p.m.At(e.time())
			for _, c := range heard {
				if id := p.sessions[c]; id != 0 {
					p.m.Touch(c, id, 0, e.now)
				}
			}
			p.m.Tick()
			p.m.Upkeep()
			e.settle()
		}
	}
}

func (e *ensemble) until(what string, ok func() bool) {
	e.t.Helper()
	for range 2000 {
		if ok() {
			return
		}
		e.pass(50)
	}
	e.t.Fatalf("in vain until %s", what)
}

// isolate cuts a server off from the others, or lets it back.
func (e *ensemble) isolate(p *party, cut bool) {
	p.cut = cut
	if !cut {
		return
	}
	for a, b := range e.links {
		if a.server == p.id || b.server == p.id {
			delete(e.links, a)
			e.queue = append(e.queue, func() { e.party(a.server).m.LinkDown(a.link, "cut") })
		}
	}
}

func (p *party) effects() {
	out := p.m.Take()
	p.disk(out.Disk)
	for i := range out.Done {
		p.done(&out.Done[i])
	}
	for _, v := range out.Votes {
		p.vote(v)
	}
	for _, d := range out.Dials {
		p.dial(d)
	}
	for i := range out.Sends {
		p.send(out.Sends[i])
	}
	for _, c := range out.Conns {
		p.conn(c)
	}
	if out.Mode != ModeSame {
		p.modes = append(p.modes, out.Mode)
	}
	for _, n := range out.Notes {
		p.notes = append(p.notes, n.Kind)
	}
	if out.Stop.Kind == zab.FailStop {
		p.e.t.Fatalf("server %d stops: %s", p.id, out.Stop.Why)
	}
	if out.Again {
		p.m.Continue()
		p.effects()
	}
}

func (p *party) disk(orders []zab.Disk) {
	for _, d := range orders {
		switch d.Kind {
		case zab.DiskAppend:
			p.logged = append(p.logged, d.Entry.Txn)
			p.later(func() { p.m.Durable(d.Incarnation, d.Entry.Zxid(), 0) })
		case zab.DiskAcceptedEpoch, zab.DiskCurrentEpoch:
			p.later(func() { p.m.EpochStored(d.Kind, d.Epoch) })
		case zab.DiskBarrier:
			p.later(p.m.Drained)
		case zab.DiskTruncate:
			keep := slices.IndexFunc(p.logged, func(t *proto.Txn) bool { return t.Zxid > d.Zxid })
			if keep < 0 || d.Reload {
				p.e.t.Fatalf("server %d cannot truncate to %v", p.id, d.Zxid)
			}
			p.logged = p.logged[:keep]
			p.later(func() { p.m.Truncated(true, "", nil) })
		case zab.DiskInstall:
			p.e.t.Fatal("a snapshot is not foreseen")
		}
	}
}

func (p *party) later(do func()) { p.e.queue = append(p.e.queue, do) }

func (p *party) vote(v elect.Send) {
	if v.N.State == proto.Looking && v.N.Leader == p.id {
		p.voted = append(p.voted, v.N.Zxid)
	}
	to := p.e.party(v.To)
	if p.cut || to.cut {
		return
	}
	p.later(func() { to.m.Vote(p.id, v.N) })
}

func (p *party) dial(d Dial) {
	to := p.e.party(d.To)
	state, _ := to.m.Phase()
	open := state == proto.Leading && len(d.Addrs) == 0 || to.m.Relay() != nil && len(d.Addrs) > 0
	if p.cut || to.cut || !open {
		p.later(func() { p.m.LinkDown(d.Link, "refused") })
		return
	}
	to.accepted++
	a, b := linkEnd{p.id, d.Link}, linkEnd{to.id, to.accepted}
	p.e.links[a], p.e.links[b] = b, a
	p.e.relayed[b] = len(d.Addrs) > 0
	p.later(func() { p.m.LinkUp(d.Link) })
}

func (p *party) send(s zab.Send) {
	here := linkEnd{p.id, s.Link}
	there, ok := p.e.links[here]
	if !ok {
		return
	}
	to := p.e.party(there.server)
	switch s.Kind {
	case zab.SendPacket:
		first := s.Packet.Type == proto.PacketFollowerInfo || s.Packet.Type == proto.PacketObserverInfo
		if first && p.id == p.e.java {
			s.Packet.Data = s.Packet.Data[:20]
		}
		if p.e.tap != nil {
			p.e.tap(p, to, s.Packet)
		}
		arrive := func() {
			switch {
			case first && p.e.relayed[there]:
				to.m.ObserverUp(there.link, s.Packet)
			case first:
				to.m.LearnerUp(there.link, s.Packet)
			default:
				to.m.Packet(there.link, s.Packet)
			}
		}
		if p.e.slow && s.Packet.Type == proto.PacketPing {
			p.e.pings = append(p.e.pings, arrive)
			return
		}
		p.later(arrive)
	case zab.SendClose:
		delete(p.e.links, here)
		delete(p.e.links, there)
		p.later(func() { to.m.LinkDown(there.link, s.Why) })
	default:
		p.e.t.Fatalf("server %d sends %d, which is not foreseen", p.id, s.Kind)
	}
}

func (p *party) done(d *Done) {
	code := d.Code
	if d.Txn != nil {
		o := p.state.Apply(d.Txn)
		code = o.ReplyCode(d.Origin.Op)
		if d.Origin.Op == proto.OpCreateSession && d.Origin.Conn != 0 {
			p.sessions[d.Origin.Conn] = d.Txn.Session
		}
	}
	if d.Origin.Conn != 0 {
		p.tell(d.Origin.Conn, fmt.Sprintf("%v %s", d.Origin.Op, code.String()))
	}
	if d.Closed != 0 {
		p.tell(d.Closed, "closed")
	}
}

func (p *party) tell(c watch.ConnID, text string) { p.got[c] = append(p.got[c], text) }

func (p *party) conn(c Conn) {
	text := [...]string{"attach", "refuse", "close"}[c.Kind]
	if c.ReadOnly {
		text += " read-only"
	}
	if c.Kind == ConnAttach {
		p.sessions[c.ID] = c.Session
	}
	p.tell(c.ID, text)
}

// connect opens a connection, for a new session if id is 0, and returns its
// session.
func (p *party) connect(c watch.ConnID, id proto.SessionID, readOnly bool) proto.SessionID {
	p.m.At(p.e.time())
	p.m.Connect(c, proto.ConnectRequest{TimeoutMS: 4000, SessionID: id, Password: passwordOf(id), ReadOnly: readOnly})
	p.e.settle()
	return p.sessions[c]
}

// ask sends a request and lets everything happen that comes of it.
func (p *party) ask(c watch.ConnID, xid int32, op proto.Op, body []byte) {
	p.post(c, xid, op, body)
	p.e.settle()
}

func (p *party) post(c watch.ConnID, xid int32, op proto.Op, body []byte) {
	p.m.Request(&state.Request{Conn: c, Session: p.sessions[c], Cxid: xid, Op: op, Body: body})
}

// expect compares what a connection was told since the last time.
func (p *party) expect(c watch.ConnID, want ...string) {
	p.e.t.Helper()
	if got := p.got[c]; !slices.Equal(got, want) {
		p.e.t.Errorf("connection %d was told %q, not %q", c, got, want)
	}
	delete(p.got, c)
}

// ops are the operations in the log after the first so many, with sessions
// by name.
func (p *party) ops(from int) []string {
	var all []string
	for _, t := range p.logged[from:] {
		all = append(all, fmt.Sprintf("%v %v %d", t.Op, t.Session, t.Cxid))
	}
	return all
}

func (p *party) global(id proto.SessionID) bool {
	_, ok := p.state.Sessions().Timeout(id)
	return ok
}

func (p *party) has(path string) bool { return p.state.Tree().FindString(path) != 0 }
