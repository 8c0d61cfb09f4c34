package member

import (
	"fmt"
	"slices"
	"testing"

	"quokka/internal/core/watch"
	"quokka/internal/proto"
)

func withLocals(c *Config)     { c.LocalSessions, c.UpgradeLocal = true, true }
func withoutUpgrade(c *Config) { c.LocalSessions = true }

const ephemeral = proto.FlagEphemeral

// parts is a multi of creates: a path with the mark "e:" is an ephemeral.
func parts(paths ...string) []byte {
	var b []byte
	for _, path := range paths {
		flags := int32(0)
		if path[0] == 'e' {
			path, flags = path[2:], ephemeral
		}
		b = proto.AppendMultiHeader(b, proto.MultiHeader{Op: proto.OpCreate, Err: -1})
		b = append(b, createBody(path, flags)...)
	}
	return proto.AppendMultiHeader(b, proto.MultiEnd)
}

// eachSide runs a test with a client at the leader, and with one at a follower.
func eachSide(t *testing.T, change func(*Config), run func(t *testing.T, e *ensemble, p *party)) {
	t.Run("leader", func(t *testing.T) { e := newEnsemble(t, change); run(t, e, e.leader()) })
	t.Run("follower", func(t *testing.T) { e := newEnsemble(t, change); run(t, e, e.follower()) })
}

func TestALocalSessionIsNoTransaction(t *testing.T) {
	eachSide(t, withLocals, func(t *testing.T, e *ensemble, p *party) {
		before := len(p.logged)
		id := p.connect(1, 0, false)
		p.expect(1, "attach")
		if len(p.logged) != before || p.global(id) || p.m.Locals().Len() != 1 {
			t.Errorf("after the handshake: %v, global %v, %d local", p.ops(before), p.global(id), p.m.Locals().Len())
		}
		p.ask(1, 7, proto.OpCreate, createBody("/a", 0))
		p.ask(1, 8, proto.OpSync, pathBody("/a"))
		p.ask(1, 9, proto.OpMulti, parts("/b", "/c"))
		p.ask(1, 10, proto.OpDelete, deleteBody("/none"))
		p.expect(1, "create ok", "sync ok", "multi ok", "delete NoNode")
		want := []string{fmt.Sprintf("create %v 7", id), fmt.Sprintf("multi %v 9", id), fmt.Sprintf("error %v 10", id)}
		if got := p.ops(before); !slices.Equal(got, want) {
			t.Errorf("logged %q, want %q", got, want)
		}
		p.ask(1, 11, proto.OpCloseSession, nil)
		p.expect(1, "closeSession ok")
		if len(p.logged) != before+3 || p.m.Locals().Len() != 0 {
			t.Errorf("after closeSession: %v, %d local", p.ops(before), p.m.Locals().Len())
		}
		if got := len(e.leader().m.remote); got != 0 {
			t.Errorf("the leader remembers %d sessions it does not know", got)
		}
	})
}

func TestALocalSessionExpiresByItsServersClock(t *testing.T) {
	eachSide(t, withLocals, func(t *testing.T, e *ensemble, p *party) {
		before := len(p.logged)
		id := p.connect(1, 0, false)
		p.connect(2, 0, false)
		e.pass(3900, 1)
		if p.m.Locals().Len() != 2 {
			t.Fatal("a session expired early")
		}
		e.pass(3000, 1)
		p.expect(2, "attach", "close")
		if p.m.Locals().Len() != 1 || len(p.logged) != before {
			t.Errorf("%d sessions left, logged %v", p.m.Locals().Len(), p.ops(before))
		}
		p.m.Gone(1, id)
		p.connect(3, id, false)
		p.expect(3, "attach")
		e.pass(6000)
		p.connect(4, id, false)
		p.expect(4, "refuse")
	})
}

func TestALocalSessionIsUnknownElsewhere(t *testing.T) {
	eachSide(t, withLocals, func(t *testing.T, e *ensemble, p *party) {
		id := p.connect(1, 0, false)
		other := e.parties[p.id%3]
		other.connect(2, id, false)
		other.expect(2, "refuse")
		p.connect(3, id, false)
		p.expect(3, "attach")
		p.expect(1, "attach", "close") // its session is on another connection here
		p.ask(3, 1, proto.OpCreate, createBody("/e", ephemeral))
		p.expect(3, "create ok")
		other.connect(4, id, false)
		other.expect(4, "attach") // global now
		p.ask(3, 2, proto.OpCreate, createBody("/late", 0))
		if p.has("/late") {
			t.Error("a session that has moved still writes where it was")
		}
	})
}

// S83: the createSession stands before what needs it, and both among the
// other requests of the session, in order.
func TestUpgrade(t *testing.T) {
	for name, body := range map[string][]byte{"create": createBody("/e", ephemeral), "multi": parts("/p", "e:/e")} {
		t.Run(name, func(t *testing.T) {
			eachSide(t, withLocals, func(t *testing.T, e *ensemble, p *party) {
				before := len(p.logged)
				id := p.connect(1, 0, false)
				op := map[string]proto.Op{"create": proto.OpCreate, "multi": proto.OpMulti}[name]
				p.post(1, 5, proto.OpCreate, createBody("/a", 0))
				p.post(1, 6, op, body)
				p.post(1, 7, proto.OpCreate, createBody("/f", ephemeral))
				p.ask(1, 8, proto.OpDelete, deleteBody("/a"))
				p.expect(1, "attach", "create ok", name+" ok", "create ok", "delete ok")
				want := []string{
					fmt.Sprintf("create %v 5", id), fmt.Sprintf("createSession %v 0", id),
					fmt.Sprintf("%s %v 6", name, id), fmt.Sprintf("create %v 7", id), fmt.Sprintf("delete %v 8", id),
				}
				if got := p.ops(before); !slices.Equal(got, want) {
					t.Errorf("logged %q, want %q", got, want)
				}
				for _, o := range e.parties {
					if timeout, _ := o.state.Sessions().Timeout(id); timeout != 4000 || o.m.Locals().Len() != 0 {
						t.Errorf("server %d: timeout %d, %d local", o.id, timeout, o.m.Locals().Len())
					}
				}
				e.pass(8000, 1)
				if !p.has("/e") {
					t.Error("it expired though its client was heard")
				}
				e.pass(8000)
				if p.has("/e") || p.global(id) {
					t.Error("the leader does not expire it")
				}
			})
		})
	}
}

func TestWithoutUpgradeThereAreNoEphemerals(t *testing.T) {
	eachSide(t, withoutUpgrade, func(t *testing.T, e *ensemble, p *party) {
		id := p.connect(1, 0, false)
		p.post(1, 1, proto.OpCreate, createBody("/a", 0))
		p.post(1, 2, proto.OpCreate2, createBody("/e", proto.FlagEphemeralSequential))
		p.ask(1, 3, proto.OpMulti, parts("/b", "e:/f"))
		p.ask(1, 4, proto.OpCreate, createBody("/g", 0))
		p.expect(1, "attach", "create ok", "create2 Ephemeral node on local session", "multi ok", "create ok")
		if p.has("/b") || p.has("/f") || !p.has("/g") || p.global(id) {
			t.Error("the tree is not what it should be")
		}
	})
}

// A new leader does not know local sessions; their server still does, and
// what it did not get an answer for it sends again.
func TestLocalSessionsOutliveTheLeader(t *testing.T) {
	e := newEnsemble(t, withLocals)
	old, p := e.leader(), e.follower()
	id := p.connect(1, 0, false)
	e.isolate(old, true)
	e.until("a new leader", func() bool { return e.leader() != nil && e.allServe() })
	e.pass(3000, 1)
	p.ask(1, 1, proto.OpCreate, createBody("/e", ephemeral))
	p.expect(1, "attach", "create ok")
	if !p.global(id) {
		t.Error("it was not upgraded")
	}
}

// Nobody is blamed for the silence of a server that does not serve.
func TestLocalSessionsOutliveAnOutage(t *testing.T) {
	e := newEnsemble(t, withLocals)
	l := e.leader()
	id := l.connect(1, 0, false)
	for _, o := range e.parties {
		e.isolate(o, true)
	}
	l.post(1, 1, proto.OpCreate, createBody("/a", 0)) // nobody hears of it
	l.post(1, 2, proto.OpSetData, []byte{1})
	e.pass(300)
	for _, o := range e.parties {
		e.isolate(o, o != l && o != e.parties[l.id%3]) // the one that does not know it cannot win
	}
	e.until("two serve", func() bool { return e.leader() != nil && e.allServe() })
	e.pass(500, 1)
	l.expect(1, "attach", "create ok", "setData MarshallingError")
	l.ask(1, 3, proto.OpCreate, createBody("/b", 0))
	l.expect(1, "create ok")
	for _, o := range e.parties {
		e.isolate(o, true)
	}
	e.pass(20_000)
	l.expect(1, "close")
	e.together()
	l.connect(2, id, false)
	l.expect(2, "attach")
}

// The createSession of an upgrade is lost with its leader: the session is
// upgraded again (ZOOKEEPER-2926).
func TestAnUpgradeLostWithItsLeader(t *testing.T) {
	e := newEnsemble(t, withLocals)
	old, p := e.leader(), e.follower()
	id := p.connect(1, 0, false)
	e.links = map[linkEnd]linkEnd{} // what is sent now is lost
	p.ask(1, 1, proto.OpCreate, createBody("/e", ephemeral))
	p.expect(1, "attach")
	e.isolate(old, true)
	for _, o := range e.parties {
		o.m.LinkDown(o.m.link, "lost")
	}
	e.until("a new leader", func() bool { return e.leader() != nil && e.allServe() })
	e.pass(500, 1)
	p.expect(1, "create ok")
	if !p.global(id) || !p.has("/e") || len(p.m.locals.upgrading) != 0 || p.m.Locals().Len() != 0 {
		t.Errorf("global %v, upgrading %v, %d local", p.global(id), p.m.locals.upgrading, p.m.Locals().Len())
	}
}

// What a server forwards of a session that is closed meanwhile is not taken
// for a local session's.
func TestAClosedSessionIsNotTakenForALocalOne(t *testing.T) {
	e := newEnsemble(t, withLocals)
	l, p := e.leader(), e.follower()
	id := p.connect(1, 0, false)
	p.ask(1, 1, proto.OpCreate, createBody("/e", ephemeral))
	l.m.closeSession(id)
	l.m.settle()
	e.settle()
	for _, f := range []proto.ForwardedRequest{
		{Session: id, Cxid: 2, Op: proto.OpCreate, Body: createBody("/late", 0)},
		{Session: id + 1000, Cxid: 2, Op: proto.OpCreate, Body: createBody("/local", 0)},
		{Session: proto.SessionID(int64(l.id)<<56 + 1), Cxid: 2, Op: proto.OpCreate, Body: createBody("/own", 0)},
	} {
		l.m.forwarded(l.accepted, proto.QuorumPacket{Type: proto.PacketRequest, Data: proto.AppendForwardedRequest(nil, &f)})
	}
	l.m.settle()
	e.settle()
	if !l.has("/local") || l.has("/own") {
		t.Error("a session that nobody knows is local if it is not the leader's")
	}
	if l.has("/late") || l.has("/e") {
		t.Error("a closed session has written")
	}
	e.pass(30_000)
	if l.m.closed.Len() != 0 {
		t.Error("closed sessions are never forgotten")
	}
}

// Random clients at all servers: no ephemeral is owned by a session that is
// not global, all answers come in order, and all servers agree (E1, E10).
func TestLocalSessionsAtRandom(t *testing.T) {
	for seed := range uint64(30) {
		e := newEnsemble(t, withLocals)
		r := &localRun{ensemble: e, rng: seed, next: 1}
		for range 200 {
			r.step()
		}
		e.pass(60_000)
		for _, p := range e.parties {
			if p.m.Locals().Len() != 0 || p.state.Sessions().Len() != 0 || len(p.m.locals.upgrading) != 0 {
				t.Errorf("seed %d: server %d keeps %d local and %d global sessions", seed, p.id, p.m.Locals().Len(), p.state.Sessions().Len())
			}
			if p.m.Outstanding() != 0 {
				t.Errorf("seed %d: server %d has %d requests left", seed, p.id, p.m.Outstanding())
			}
		}
		if n := len(e.leader().m.remote); n != 0 {
			t.Errorf("seed %d: the leader keeps %d sessions in mind", seed, n)
		}
	}
}

type localRun struct {
	*ensemble
	rng  uint64
	next watch.ConnID
	xid  int32
}

func (r *localRun) draw(n int) int {
	r.rng = r.rng*6364136223846793005 + 1442695040888963407
	return int(r.rng >> 33 % uint64(n))
}

func (r *localRun) step() {
	p := r.parties[r.draw(3)]
	var open []watch.ConnID
	for c := range r.next {
		if p.m.clients[c] != nil {
			open = append(open, c)
		}
	}
	r.xid++
	switch n := r.draw(10); {
	case n < 3 || len(open) == 0:
		p.connect(r.next, 0, false)
		r.next++
	case n < 4:
		c := open[r.draw(len(open))]
		p.m.Gone(c, p.sessions[c])
		r.parties[r.draw(3)].connect(r.next, p.sessions[c], false)
		r.next++
	case n < 5:
		p.post(open[r.draw(len(open))], r.xid, proto.OpCloseSession, nil)
	case n < 6:
		r.pass(int64(r.draw(2000)), open...)
	default:
		path := fmt.Sprintf("/n%d", r.draw(20))
		p.post(open[r.draw(len(open))], r.xid, proto.OpCreate, createBody(path, int32(r.draw(2))))
	}
	if r.draw(2) == 0 {
		r.settle()
		r.check()
	}
}

func (r *localRun) check() {
	for _, p := range r.parties {
		for id := range p.state.Tree().EphemeralOwners() {
			if !p.global(id) {
				r.t.Fatalf("server %d: %v owns ephemerals and is not global", p.id, id)
			}
		}
		for id, c := range p.m.local {
			if p.m.locals.clock.Tracked(id) && p.global(id) {
				r.t.Fatalf("server %d: %v of connection %d is local and global", p.id, id, c.id)
			}
		}
	}
}
