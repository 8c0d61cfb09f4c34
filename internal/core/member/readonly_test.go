package member

import (
	"slices"
	"testing"

	"quokka/internal/core/watch"
	"quokka/internal/proto"
)

func readOnlyAlone(c *Config)      { c.ReadOnly = true }
func readOnlyWithLocals(c *Config) { c.ReadOnly, c.LocalSessions, c.UpgradeLocal = true, true, true }

// alone is an ensemble of which two servers are gone, and the third, which
// followed, serves reads.
func alone(t *testing.T, change func(*Config)) (*ensemble, *party) {
	t.Helper()
	e := newEnsemble(t, change)
	p := e.follower()
	for _, o := range e.parties {
		if o != p {
			e.isolate(o, true)
		}
	}
	e.until("it is read-only", p.m.ReadOnly)
	return e, p
}

// together lets all servers find each other again.
func (e *ensemble) together() {
	for _, p := range e.parties {
		e.isolate(p, false)
	}
	e.until("all serve", func() bool { return e.leader() != nil && e.allServe() })
}

func TestReadOnlyServesThoseWhoAcceptIt(t *testing.T) {
	for name, change := range map[string]func(*Config){"alone": readOnlyAlone, "local sessions": readOnlyWithLocals} {
		t.Run(name, func(t *testing.T) {
			e, p := alone(t, change)
			before := len(p.logged)
			p.connect(1, 0, false)
			p.expect(1, "close")
			id := p.connect(2, 0, true)
			p.expect(2, "attach read-only")
			for xid, op := range []proto.Op{
				proto.OpCreate, proto.OpCreate2, proto.OpCreateTTL, proto.OpCreateContainer, proto.OpDelete,
				proto.OpSetData, proto.OpSetACL, proto.OpReconfig, proto.OpMulti, proto.OpCheck, proto.OpSync,
			} {
				p.ask(2, int32(xid), op, nil)
				p.expect(2, op.String()+" "+proto.NotReadOnly.String())
			}
			p.m.Gone(2, id)
			p.connect(3, id, true)
			p.expect(3, "attach read-only")
			p.ask(3, 1, proto.OpCloseSession, nil)
			p.expect(3, "closeSession ok")
			p.connect(4, id, true)
			p.expect(4, "refuse read-only")
			p.connect(5, 0, true)
			e.pass(8000)
			p.expect(5, "attach read-only", "close") // it expired
			if len(p.logged) != before || p.state.Sessions().Len() != 0 || p.m.Locals().Len() != 0 {
				t.Errorf("logged %v, %d global and %d local sessions", p.ops(before), p.state.Sessions().Len(), p.m.Locals().Len())
			}
		})
	}
}

// A session that may be alive at the other servers is not said to be over.
func TestReadOnlyDoesNotJudgeGlobalSessions(t *testing.T) {
	e := newEnsemble(t, readOnlyWithLocals)
	p := e.follower()
	global := p.connect(1, 0, false)
	p.ask(1, 1, proto.OpCreate, createBody("/e", ephemeral))
	local := p.connect(2, 0, false)
	upgrading := p.connect(3, 0, false)
	for _, o := range e.parties {
		if o != p {
			o.cut = true
		}
	}
	e.links = map[linkEnd]linkEnd{}
	p.ask(3, 1, proto.OpCreate, createBody("/f", ephemeral))
	p.m.LinkDown(p.m.link, "cut")
	e.until("it is read-only", p.m.ReadOnly)
	for c, x := range map[proto.SessionID]string{
		global: "close", local: "attach read-only", upgrading: "close", 0x1234: "close",
	} {
		p.connect(10, c, true)
		p.expect(10, x)
	}
	if p.has("/f") {
		t.Error("what is not known to be committed is shown")
	}
	for _, o := range e.parties { // they have lost each other for a moment, too
		if o != p {
			o.m.LinkDown(o.m.link, "cut")
		}
	}
	e.together()
	p.connect(11, local, false)
	p.expect(11, "attach")
	p.ask(11, 1, proto.OpCreate, createBody("/g", ephemeral))
	p.expect(11, "create ok")
}

// S22: what a read-only server does leaves no trace in its history, and it
// votes as before.
func TestReadOnlyChangesNoHistory(t *testing.T) {
	e, p := alone(t, readOnlyAlone)
	last, applied, votes := p.m.history.Last(), p.m.history.Applied(), len(p.voted)
	vote := p.voted[votes-1]
	for c := range 5 {
		p.connect(watch.ConnID(c+1), 0, true)
	}
	p.ask(2, 1, proto.OpCloseSession, nil)
	e.pass(120_000)
	if len(p.voted) == votes || slices.ContainsFunc(p.voted[votes:], func(z proto.Zxid) bool { return z != vote }) {
		t.Errorf("it votes with %v after %v", p.voted[votes:], vote)
	}
	if p.m.history.Last() != last || p.m.history.Applied() != applied || p.state.LastZxid() != applied {
		t.Errorf("the history ends at %v, applied %v", p.m.history.Last(), p.m.history.Applied())
	}
	p.connect(9, 0, true)
	e.together()
	p.expect(9, "attach read-only", "close")
	id := p.sessions[9]
	p.connect(10, id, false)
	p.expect(10, "refuse") // without local sessions it ended with the reads
	p.connect(11, 0, false)
	p.ask(11, 1, proto.OpCreate, createBody("/a", 0))
	p.expect(11, "createSession ok", "create ok")
	for _, o := range e.parties {
		if !o.has("/a") || !slices.Equal(o.ops(0), p.ops(0)) {
			t.Errorf("server %d has another history: %v", o.id, o.ops(0))
		}
	}
}

// A write that is logged and not committed is not shown, and is not lost.
func TestReadOnlyShowsWhatIsCommitted(t *testing.T) {
	e := newEnsemble(t, readOnlyAlone)
	l := e.leader()
	l.connect(1, 0, false)
	for _, o := range e.parties {
		if o != l {
			e.isolate(o, true)
		}
	}
	l.post(1, 1, proto.OpCreate, createBody("/a", 0))
	e.settle()
	e.until("it is read-only", l.m.ReadOnly)
	if l.has("/a") || l.logged[len(l.logged)-1].Op != proto.OpCreate {
		t.Errorf("shown %v, logged %v", l.has("/a"), l.ops(0))
	}
	e.together()
	e.pass(1000)
	for _, o := range e.parties {
		if o.has("/a") != e.parties[0].has("/a") {
			t.Error("the servers differ")
		}
	}
}

func TestReadOnlyIsAskedForAndWaits(t *testing.T) {
	e := newEnsemble(t, func(*Config) {})
	p := e.follower()
	for _, o := range e.parties {
		if o != p {
			e.isolate(o, true)
		}
	}
	e.pass(60_000)
	if slices.Contains(p.modes, ModeReadOnly) {
		t.Error("it is read-only though nobody asked for it")
	}
	e = newEnsemble(t, readOnlyAlone)
	p = e.follower()
	for _, o := range e.parties {
		if o != p {
			e.isolate(o, true)
		}
	}
	e.until("it looks", func() bool { s, _ := p.m.Phase(); return s == proto.Looking })
	e.pass(1900)
	if p.m.ReadOnly() {
		t.Error("it does not wait for a leader")
	}
	e.pass(300)
	if !p.m.ReadOnly() {
		t.Error("it waits too long")
	}
}

// A server whose database may be lost has nothing to show.
func TestReadOnlyNeedsData(t *testing.T) {
	e := newEnsemble(t, readOnlyAlone)
	p := e.follower()
	p.m.noData = true
	for _, o := range e.parties {
		e.isolate(o, true)
	}
	e.pass(20_000)
	if p.m.ReadOnly() || !e.parties[0].m.ReadOnly() && !e.parties[1].m.ReadOnly() {
		t.Error("the wrong servers are read-only")
	}
}
