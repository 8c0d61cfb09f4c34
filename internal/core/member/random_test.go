package member

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"quokka/internal/core/watch"
	"quokka/internal/core/zab"
	"quokka/internal/proto"
)

// actor is what a random run knows of one connection.
type actor struct {
	id      watch.ConnID
	session proto.SessionID
	open    bool
	sent    []string // requests not answered yet, oldest first
	xid     int32
}

// run is a random schedule: clients come, send, move and go, time passes, the
// log reports when it likes.
type run struct {
	*world
	rng     *rand.Rand
	clients []*actor
	touched map[proto.SessionID]int64 // when its owner was heard last
	timeout map[proto.SessionID]int64
	next    watch.ConnID
}

// TestRandomSchedules checks over random inputs that every request is
// answered exactly once and in its connection's order, that nothing is
// applied before it is durable (world.done), that no session expires before
// its time, and that no ephemeral outlives its session.
func TestRandomSchedules(t *testing.T) {
	for seed := range uint64(200) {
		cfg := testConfig()
		cfg.SnapCount = 20
		r := &run{
			world: newWorld(t, cfg), rng: rand.New(rand.NewPCG(seed, 1)), next: 1,
			touched: map[proto.SessionID]int64{}, timeout: map[proto.SessionID]int64{},
		}
		for range 400 {
			r.step()
			r.effects()
		}
		r.sync()
		r.effects()
		for _, c := range r.clients {
			if len(c.sent) > 0 {
				t.Errorf("connection %d never got an answer to %v", c.id, c.sent)
			}
		}
		if n := r.m.Outstanding(); n != 0 {
			t.Errorf("%d requests are outstanding at the end", n)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func (r *run) step() {
	switch n := r.rng.IntN(100); {
	case n < 8 || len(r.clients) == 0:
		r.connectRandom()
	case n < 12:
		c := r.pick()
		c.open, c.sent = false, nil
		r.m.Gone(c.id, c.session)
	case n < 60:
		r.sendRandom(r.pick())
	case n < 75:
		z := r.durable + proto.Zxid(r.rng.IntN(int(r.logged-r.durable)+1))
		r.durable = z
		r.m.Durable(incarnation, z, int64(z)*50)
	case n < 80:
		r.m.Durable(incarnation+1, r.logged, 0)
	default:
		r.at(r.now + r.rng.Int64N(900))
		for _, c := range r.clients {
			if c.open && c.session != 0 && r.rng.IntN(3) > 0 {
				heard := r.now - r.rng.Int64N(50)
				r.m.Touch(c.id, c.session, 0, heard)
				if o := r.m.local[c.session]; o != nil && o.id == c.id && !r.m.clock.Closing(c.session) {
					r.touched[c.session] = heard
				}
			}
		}
		r.m.Tick()
		r.m.Upkeep()
	}
}

func (r *run) pick() *actor { return r.clients[r.rng.IntN(len(r.clients))] }

func (r *run) connectRandom() {
	c := &actor{id: r.next}
	r.next++
	req := proto.ConnectRequest{TimeoutMS: int32(r.rng.IntN(8000))}
	if len(r.ids) > 0 && r.rng.IntN(2) == 0 {
		req.SessionID = r.ids[r.rng.IntN(len(r.ids))]
		req.Password = passwordOf(req.SessionID)
		if r.rng.IntN(4) == 0 {
			req.Password[3]++
		}
	}
	r.clients = append(r.clients, c)
	r.m.Connect(c.id, req)
}

func (r *run) sendRandom(c *actor) {
	if !c.open {
		return // a connection that is closed reads nothing
	}
	c.xid++
	path := fmt.Sprintf("/%d", r.rng.IntN(6))
	switch r.rng.IntN(8) {
	case 0:
		c.sent = append(c.sent, fmt.Sprintf("sync /%d", c.xid))
		r.request(c.id, c.session, c.xid, proto.OpSync, pathBody(fmt.Sprintf("/%d", c.xid)))
	case 1:
		c.sent = append(c.sent, "malformed")
		r.request(c.id, c.session, c.xid, proto.OpSetData, []byte{1})
	case 2:
		c.sent = append(c.sent, fmt.Sprintf("write %d", c.xid))
		r.request(c.id, c.session, c.xid, proto.OpDelete, deleteBody(path))
	case 3:
		if r.rng.IntN(6) == 0 {
			c.sent = append(c.sent, fmt.Sprintf("write %d", c.xid))
			r.request(c.id, c.session, c.xid, proto.OpCloseSession, nil)
		}
	default:
		c.sent = append(c.sent, fmt.Sprintf("write %d", c.xid))
		r.request(c.id, c.session, c.xid, proto.OpCreate, createBody(path, int32(r.rng.IntN(2))))
	}
}

// effects takes the effects and checks them.
func (r *run) effects() {
	e := r.m.Take()
	for _, l := range e.Disk {
		if l.Kind == zab.DiskAppend {
			r.logged = l.Entry.Zxid()
			r.name(l.Entry.Txn.Session)
		}
	}
	for i := range e.Done {
		r.answered(&e.Done[i])
	}
	for _, o := range e.Conns {
		c := r.clients[o.ID-1]
		switch {
		case o.Kind != ConnAttach:
			c.open, c.sent = false, nil
		case !c.open:
			c.open, c.session = true, o.Session
			r.touched[o.Session], r.timeout[o.Session] = r.now, int64(o.TimeoutMS)
		}
	}
	for _, n := range e.Notes {
		if n.Kind == NoteExpired && r.now < r.touched[n.Session]+r.timeout[n.Session] {
			r.t.Errorf("%s expired at %d, was heard at %d, its timeout is %d",
				r.name(n.Session), r.now, r.touched[n.Session], r.timeout[n.Session])
		}
	}
}

func (r *run) answered(d *Done) {
	r.done(d) // applies it
	for id := range r.state.Tree().EphemeralOwners() {
		if _, open := r.state.Sessions().Timeout(id); !open {
			r.t.Fatalf("ephemerals of %s outlive it: %v", r.name(id), r.state.Tree().Ephemerals(id))
		}
	}
	if d.Closed != 0 {
		c := r.clients[d.Closed-1]
		c.open = false
		if c.id != d.Origin.Conn {
			c.sent = nil // nobody is there to be answered
		}
	}
	if d.Origin.Conn == 0 {
		return
	}
	c := r.clients[d.Origin.Conn-1]
	if d.Origin.Op == proto.OpCreateSession {
		id := d.Txn.Session
		c.open, c.session = true, id
		timeout, _ := r.m.clock.Timeout(id)
		r.touched[id], r.timeout[id] = max(r.touched[id], 0), int64(timeout)
		return
	}
	got := "malformed"
	if d.Dropped {
		got = "dropped"
	} else if d.Txn != nil {
		got = fmt.Sprintf("write %d", d.Txn.Cxid)
	} else if d.Origin.Op == proto.OpSync {
		got = "sync " + string(d.Origin.Body[4:])
	}
	if len(c.sent) == 0 || c.sent[0] != got && got != "dropped" {
		r.t.Fatalf("connection %d got the answer to %q, waits for %v", c.id, got, c.sent)
	}
	c.sent = slices.Delete(c.sent, 0, 1)
	if d.Closed == c.id {
		c.sent = nil
	}
}
