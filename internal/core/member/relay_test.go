package member

import (
	"slices"
	"testing"

	"quokka/internal/proto"
)

const twoObservers = threeVoters + "server.4=h:7:8:observer\nserver.5=h:9:10:observer\n"

// newRelayed has the observers 4 and 5 learn from followers.
func newRelayed(t *testing.T) *ensemble {
	e := newEnsembleOf(t, twoObservers, func(c *Config) { c.ObserverMasterPort = 11 })
	for _, p := range e.parties[3:] {
		if state, _ := p.m.Phase(); state != proto.Observing || e.masterOf(p) == e.leader() {
			t.Fatalf("server %d is %v and learns from %d, the leader is %d", p.id, state, p.m.LearnerMaster(), e.leader().id)
		}
	}
	return e
}

func (e *ensemble) masterOf(p *party) *party { return e.party(p.m.LearnerMaster()) }

// setUp returns an observer, the follower it learns from, and the other
// follower.
func (e *ensemble) setUp() (o, f, other *party) {
	o = e.party(4)
	f = e.masterOf(o)
	for _, p := range e.parties[:3] {
		if p != f && p != e.leader() {
			other = p
		}
	}
	return o, f, other
}

func TestSessionBehindARelay(t *testing.T) {
	e := newRelayed(t)
	o, f, _ := e.setUp()
	id := o.connect(1, 0, false)
	o.expect(1, "createSession ok")
	o.post(1, 1, proto.OpCreate, createBody("/e", 1))
	o.post(1, 2, proto.OpSync, pathBody("/"))
	e.settle()
	o.expect(1, "create ok", "sync ok")
	for _, p := range e.parties {
		if !p.has("/e") {
			t.Errorf("server %d lacks a node that was made through an observer", p.id)
		}
	}
	e.pass(10_000, 1)
	if !o.has("/e") {
		t.Error("a session that its observer has heard has expired")
	}
	if n := len(f.m.relay.touched); n > 1 {
		t.Errorf("%d touches are not passed on", n)
	}
	e.pass(10_000)
	if o.has("/e") || o.global(id) {
		t.Error("a silent session behind an observer lives on")
	}
	o.expect(1, "closed")
}

// TestSyncsBehindARelay has clients of a follower and of an observer behind
// it ask for syncs in turn: each gets its own answer.
func TestSyncsBehindARelay(t *testing.T) {
	e := newRelayed(t)
	o, f, _ := e.setUp()
	o.connect(1, 0, false)
	f.connect(2, 0, false)
	for i := range int32(4) {
		o.post(1, 2*i, proto.OpSync, pathBody("/"))
		f.post(2, 2*i, proto.OpCreate, createBody("/n", 2))
		f.post(2, 2*i+1, proto.OpSync, pathBody("/"))
		o.post(1, 2*i+1, proto.OpCreate, createBody("/n", 2))
	}
	e.settle()
	o.expect(1, "createSession ok", "sync ok", "create ok", "sync ok", "create ok", "sync ok", "create ok", "sync ok", "create ok")
	f.expect(2, "createSession ok", "create ok", "sync ok", "create ok", "sync ok", "create ok", "sync ok", "create ok", "sync ok")
	if f.m.waiting.Len()+len(f.m.asked) > 0 {
		t.Errorf("%d syncs and %d sessions are not answered", f.m.waiting.Len(), len(f.m.asked))
	}
}

// TestSessionMovesBehindARelay moves a session to the relay itself, and back:
// nothing that comes from where it was is executed any more, although the
// leader cannot tell.
func TestSessionMovesBehindARelay(t *testing.T) {
	e := newRelayed(t)
	o, f, _ := e.setUp()
	id := o.connect(1, 0, false)
	f.connect(2, id, false)
	f.expect(2, "attach")
	o.post(1, 1, proto.OpCreate, createBody("/late", 0))
	o.post(1, 2, proto.OpSync, pathBody("/"))
	f.post(2, 1, proto.OpCreate, createBody("/now", 0))
	e.settle()
	f.expect(2, "create ok")
	if f.has("/late") || !f.has("/now") {
		t.Error("a request from where the session was is executed, or that from where it is is not")
	}
	o.connect(3, id, false)
	o.expect(3, "attach")
	f.expect(2, "close")
	o.ask(3, 1, proto.OpCreate, createBody("/back", 0))
	o.expect(3, "create ok")
	second := e.party(5)
	second.connect(4, id, false)
	second.ask(4, 1, proto.OpCreate, createBody("/second", 0))
	second.expect(4, "attach", "create ok")
	o.connect(5, id+1, false)
	o.expect(5, "refuse")
}

// TestObserverChangesItsMaster loses the follower an observer learns from:
// it goes to the other one, and its clients can follow.
func TestObserverChangesItsMaster(t *testing.T) {
	e := newRelayed(t)
	o, f, other := e.setUp()
	id := o.connect(1, 0, false)
	e.isolate(f, true)
	e.until("it has another master", func() bool { return o.m.Serving() && e.masterOf(o) == other })
	o.expect(1, "createSession ok", "close") // it may have been at the master meanwhile, which no record tells
	o.connect(2, id, false)
	o.ask(2, 1, proto.OpCreate, createBody("/after", 0))
	o.expect(2, "attach", "create ok")
	if f.m.Serving() && f.m.Relay() != nil {
		t.Error("a server without a leader still serves observers")
	}
	e.isolate(f, false)
	e.until("all serve", e.allServe)
	if n := len(other.m.Relay().Learners()); n == 0 {
		t.Error("the observer has left its master")
	}
}

// TestObserverFindsNoMaster: no follower has the port open, so the observers
// learn from the leader in the end.
func TestObserverFindsNoMaster(t *testing.T) {
	e := newEnsembleOf(t, twoObservers, func(c *Config) {
		if c.Server > 3 {
			c.ObserverMasterPort = 11
		}
	})
	for _, o := range e.parties[3:] {
		if e.masterOf(o) != e.leader() {
			t.Errorf("server %d learns from %d", o.id, o.m.LearnerMaster())
		}
		if tries := slices.DeleteFunc(slices.Clone(o.notes), func(k NoteKind) bool { return k != NoteMaster }); len(tries) != 5 {
			t.Errorf("server %d looked for a master %d times, want two rounds of two and the leader", o.id, len(tries))
		}
	}
	e.party(4).connect(1, 0, false)
	e.party(4).expect(1, "createSession ok")
}

// newJavaObserver makes the relay take observer 4 for a Java server, and
// returns it, its master, and what that sends it from now on.
func newJavaObserver(t *testing.T) (e *ensemble, o, f *party, got *[]string) {
	e = newRelayed(t)
	o = e.party(4)
	e.java = o.id
	e.isolate(o, true)
	e.pass(3000)
	e.isolate(o, false)
	e.until("all serve", e.allServe)
	f, got = e.masterOf(o), new([]string)
	e.tap = func(from, to *party, q proto.QuorumPacket) {
		if from == f && to == o && q.Type != proto.PacketPing {
			*got = append(*got, q.Type.String())
		}
	}
	return e, o, f, got
}

// TestSyncOfAJavaObserver: CommitProcessor takes the answers to the requests
// of all sessions in their order, so a write that was sent after a sync must
// not be committed before that is answered.
func TestSyncOfAJavaObserver(t *testing.T) {
	e, o, f, got := newJavaObserver(t)
	o.connect(1, 0, false)
	o.connect(2, 0, false)
	*got, e.slow = nil, true // the leader waits for PINGs before it answers a sync
	for i := range int32(2) {
		o.post(1, 10*i+1, proto.OpSync, pathBody("/"))
		o.post(2, 10*i+1, proto.OpCreate, createBody("/n", 2))
		o.post(2, 10*i+2, proto.OpSync, pathBody("/"))
		o.post(1, 10*i+2, proto.OpCreate, createBody("/n", 2))
	}
	e.settle()
	if want := []string{"SYNC", "INFORM", "SYNC", "INFORM", "SYNC", "INFORM", "SYNC", "INFORM"}; !slices.Equal(*got, want) {
		t.Errorf("the observer got %v", *got)
	}
	o.expect(1, "createSession ok", "sync ok", "create ok", "sync ok", "create ok")
	o.expect(2, "createSession ok", "create ok", "sync ok", "create ok", "sync ok")
	if len(f.m.relay.behind) > 0 {
		t.Error("requests are held although all syncs are answered")
	}
}

// TestLateRequestOfAJavaObserver: a request of a session that has moved to
// the relay is not executed, and yet answered; the client at the relay does
// not get that answer for its own request with the same number.
func TestLateRequestOfAJavaObserver(t *testing.T) {
	e, o, f, got := newJavaObserver(t)
	id := o.connect(1, 0, false)
	f.connect(2, id, false)
	*got = nil
	o.post(1, 7, proto.OpCreate, createBody("/late", 0))
	o.m.At(e.time())
	for range 2 { // the request is on its way through the relay when the client there sends another
		o.effects()
		for _, do := range e.queue {
			do()
		}
		e.queue = nil
	}
	f.post(2, 7, proto.OpCreate, createBody("/now", 0))
	e.settle()
	f.expect(2, "attach", "create ok")
	if f.has("/late") || !f.has("/now") || len(f.m.ghosts) > 0 {
		t.Errorf("/late %v, /now %v, %d ghosts", f.has("/late"), f.has("/now"), len(f.m.ghosts))
	}
	if len(*got) != 2 {
		t.Errorf("the observer got %v, not an answer to each of two requests", *got)
	}
	o.expect(1, "createSession ok", "create "+proto.BadArguments.String())
}
