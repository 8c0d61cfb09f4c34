package member

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"quokka/internal/core/state"
	"quokka/internal/core/watch"
	"quokka/internal/proto"
)

var (
	chaosSeed  = flag.Uint64("chaos.seed", 0, "run this seed of TestEnsembleRandomSchedules only, and tell all")
	chaosSeeds = flag.Uint64("chaos.seeds", 600, "how many seeds TestEnsembleRandomSchedules runs")
)

// chaos is a random schedule over an ensemble, and what must hold of it.
type chaos struct {
	*realm
	rng     *rand.Rand
	clients []*actorOf
	asked   map[string]*ask // by path
	order   []*ask
	next    watch.ConnID
	acked   proto.Zxid // highest of all answers
	calm    bool       // nothing fails any more
	counts  map[string]int
}

// An actorOf is a client: one session at a time, one connection at a time,
// and perhaps older ones whose server has not noticed.
type actorOf struct {
	id      int
	session proto.SessionID
	pipe    *pipe
	xid     int32
	seq     int
	seen    proto.Zxid
	from    int // number of the session
}

// An ask is a create of a path that nobody else creates.
type ask struct {
	client *actorOf
	path   string
	seq    int
	pipe   *pipe
	zxid   proto.Zxid // of the answer
	code   proto.Code
	ran    proto.Zxid // of its transaction
}

// TestEnsembleRandomSchedules checks over random inputs what clients may
// rely on: see (*chaos).judge.
func TestEnsembleRandomSchedules(t *testing.T) {
	if *chaosSeed != 0 {
		runChaos(t, *chaosSeed, map[string]int{}, true)
		return
	}
	counts := map[string]int{}
	for seed := range *chaosSeeds {
		runChaos(t, seed+1, counts, false)
		if t.Failed() {
			t.Fatalf("seed %d", seed+1)
		}
	}
	for _, what := range []string{"crash", "cut", "answer", "attach", "moved", "sync", "parked"} {
		if counts[what] == 0 && *chaosSeeds >= 400 {
			t.Errorf("no %s in all seeds", what)
		}
	}
	t.Log(counts)
}

func runChaos(t *testing.T, seed uint64, counts map[string]int, loud bool) {
	rng := rand.New(rand.NewPCG(seed, 7))
	o := realmOptions{servers: 3, leaderServes: rng.IntN(5) > 0, parkMS: 2000}
	if rng.IntN(4) == 0 {
		o.servers, o.observers = 4, 1
	}
	c := &chaos{realm: newRealm(t, o), rng: rng, asked: map[string]*ask{}, next: 1, counts: counts}
	c.realm.check, c.realm.reads, c.realm.seed = c.applied, c.readDone, seed
	for i := range 4 {
		c.clients = append(c.clients, &actorOf{id: i})
	}
	for _, h := range c.hosts {
		h.start()
	}
	c.run(3000)
	for range 700 {
		c.step()
		c.tell(loud)
	}
	c.heal()
	c.tell(loud)
	c.judge()
}

func (c *chaos) tell(loud bool) {
	for _, s := range c.said {
		if loud {
			c.t.Logf("%6d %s", c.now, s)
		}
		if strings.Contains(s, "diverged") {
			c.t.Errorf("%s", s)
		}
		if strings.Contains(s, "parks") {
			c.counts["parked"]++
		} else if strings.Contains(s, ": moved") {
			c.counts["moved"]++
		} else if strings.Contains(s, "attaches") {
			c.counts["attach"]++
		}
	}
	c.said = nil
}

func (c *chaos) step() {
	switch k := c.rng.IntN(1000); {
	case k < 500:
		c.moveSome()
	case k < 800:
		c.act(c.clients[c.rng.IntN(len(c.clients))])
	case k < 970:
		c.now += int64(c.rng.IntN(120))
		for _, h := range c.hosts {
			if h.m != nil && c.rng.IntN(8) > 0 {
				h.tick()
			}
		}
	case k < 978:
		a, b := proto.ServerID(1+c.rng.IntN(len(c.hosts))), proto.ServerID(1+c.rng.IntN(len(c.hosts)))
		if a != b {
			c.counts["cut"]++
			c.say("cut %d %d", a, b)
			c.cut(a, b, c.rng.IntN(3) > 0)
		}
	case k < 990:
		clear(c.cuts)
	default:
		c.fault()
	}
}

func (c *chaos) fault() {
	h := c.hosts[c.rng.IntN(len(c.hosts))]
	switch {
	case h.m == nil:
		c.say("start %d", h.id)
		h.start()
	case c.rng.IntN(3) == 0:
		c.counts["crash"]++
		c.say("crash %d", h.id)
		h.crash()
	default:
		h.heldUp = !h.heldUp
	}
}

// moveSome lets the network, the disks and the servers' readers go on.
func (c *chaos) moveSome() {
	if c.rng.IntN(6) == 0 {
		c.settle()
		return
	}
	for range 6 {
		if len(c.votes) > 0 {
			c.deliverVote(c.rng.IntN(len(c.votes)))
		}
		if n := len(c.wires); n > 0 {
			c.deliver(c.wires[c.rng.IntN(n)], c.rng.IntN(2))
		}
		if h := c.hosts[c.rng.IntN(len(c.hosts))]; !h.heldUp {
			h.work()
		}
	}
	if all := c.pipes(); len(all) > 0 {
		all[c.rng.IntN(len(all))].read(1 + c.rng.IntN(3))
	}
	if c.rng.IntN(20) == 0 {
		c.sweep()
	}
}

// act has a client do something.
func (c *chaos) act(a *actorOf) {
	p := a.pipe
	switch {
	case p == nil || p.closed:
		if p != nil && p.refused {
			a.session, a.from = 0, a.from+1
		}
		c.attach(a)
	case !p.open:
		if c.rng.IntN(10) == 0 {
			a.pipe = nil // it gives up
		}
	case c.rng.IntN(40) == 0:
		a.pipe = nil // its server does not notice
	case c.rng.IntN(60) == 0:
		p.shut()
		a.pipe = nil
	default:
		c.send(a)
	}
}

func (c *chaos) attach(a *actorOf) {
	h := c.hosts[c.rng.IntN(len(c.hosts))]
	if h.m == nil || h.mode != ModeServe {
		return
	}
	q := proto.ConnectRequest{TimeoutMS: 4000, SessionID: a.session, LastZxidSeen: a.seen}
	if a.session != 0 {
		q.Password = passwordOf(a.session)
	}
	if c.rng.IntN(3) == 0 {
		a.xid = 0 // another process takes over
	}
	p := c.connect(c.next, h, q)
	c.next++
	p.got = func(w slot, d *Done, o *state.Outcome) { c.answered(a, p, w, d, o) }
	a.pipe = p
}

func (c *chaos) send(a *actorOf) {
	p := a.pipe
	if a.session != p.session {
		a.session, a.from = p.session, a.from+1
	}
	p.heard = c.now
	for range 1 + c.rng.IntN(3) {
		a.xid++
		a.seq++
		w := slot{xid: a.xid, seq: a.seq, from: c.acked}
		switch k := c.rng.IntN(20); {
		case k < 3:
			w.op, w.body, w.tag = proto.OpSync, pathBody("/"), "sync"
		case k < 6:
			w.op, w.body, w.tag = proto.OpExists, jutePathWatch("/"), "exists"
		case k == 6 && c.rng.IntN(5) == 0:
			w.op, w.tag = proto.OpCloseSession, "close"
		default:
			path := fmt.Sprintf("/%d-%d", a.id, a.seq)
			w.op, w.body, w.tag = proto.OpCreate, createBody(path, int32(c.rng.IntN(2))), path
			k := &ask{client: a, path: path, seq: a.seq, pipe: p}
			c.asked[path] = k
			c.order = append(c.order, k)
		}
		p.inbox = append(p.inbox, w)
		if w.op == proto.OpCloseSession {
			a.pipe, a.session = nil, 0
			return
		}
	}
}

func jutePathWatch(path string) []byte { return append(pathBody(path), 0) }

// answered is what a client sees, if it is there still.
func (c *chaos) answered(a *actorOf, p *pipe, w slot, d *Done, o *state.Outcome) {
	c.counts["answer"]++
	if w.op == proto.OpSync {
		c.counts["sync"]++
		if at := p.host.state.LastZxid(); at < w.from {
			c.t.Errorf("a sync of connection %d is answered at %v; before it was sent %v was known", p.id, at, w.from)
		}
	}
	if d.Txn == nil {
		return
	}
	c.acked = max(c.acked, d.Txn.Zxid)
	if k := c.asked[w.tag]; k != nil {
		k.zxid, k.code = d.Txn.Zxid, o.ReplyCode(w.op)
		if k.code == proto.OK && o.Path != k.path {
			c.t.Errorf("connection %d asked for %s and is told of %s", p.id, k.path, o.Path)
		}
	}
	if a.pipe == p {
		c.sees(a, d.Txn.Zxid)
	}
}

func (c *chaos) readDone(p *pipe, w slot, at proto.Zxid) {
	for _, a := range c.clients {
		if a.pipe == p {
			c.sees(a, at)
		}
	}
}

func (c *chaos) sees(a *actorOf, z proto.Zxid) {
	if z < a.seen {
		c.t.Errorf("client %d sees %v after %v", a.id, z, a.seen)
	}
	a.seen = z
}

// applied is called for all that is decided on a server.
func (c *chaos) applied(h *host, d *Done, _ *state.Outcome) {
	if d.Txn == nil || d.Txn.Op != proto.OpCloseSession {
		return
	}
	h.checkEphemerals()
}

func (h *host) checkEphemerals() {
	for id := range h.state.Tree().EphemeralOwners() {
		if _, open := h.state.Sessions().Timeout(id); !open {
			h.r.t.Errorf("server %d: ephemerals of %v outlive it: %v", h.id, id, h.state.Tree().Ephemerals(id))
		}
	}
}

// heal ends all faults and lets everything come to rest.
func (c *chaos) heal() {
	c.calm = true
	clear(c.cuts)
	for _, h := range c.hosts {
		h.heldUp = false
		if h.m == nil {
			h.start()
		}
	}
	c.counts["restless"] += c.restless
	c.restless = 0
	for range 150 {
		for _, a := range c.clients {
			if a.pipe != nil {
				a.pipe.heard = c.now
			}
		}
		c.run(100)
	}
	if c.restless > 0 {
		c.t.Errorf("the ensemble never comes to rest")
	}
}

// judge looks at the outcome.
func (c *chaos) judge() {
	c.judgeRest()
	c.judgeHistory()
	for _, k := range c.order {
		if k.zxid == 0 {
			continue
		}
		txn := c.history[k.zxid]
		_, made := txn.Body.(*proto.CreateTxn)
		switch {
		case k.code == proto.OK && k.ran != k.zxid:
			c.t.Errorf("%s is answered at %v, and was made at %v", k.path, k.zxid, k.ran)
		case k.code != proto.OK && made:
			c.t.Errorf("%s is answered with %v, and was made", k.path, k.code)
		}
	}
}

// judgeRest says that all requests are answered or their connections closed,
// and all servers have the same state.
func (c *chaos) judgeRest() {
	first := c.hosts[0]
	for _, h := range c.hosts {
		if n := h.m.Outstanding(); n != 0 {
			c.t.Errorf("server %d has %d requests outstanding", h.id, n)
		}
		if h.mode != ModeServe && c.options.leaderServes {
			c.t.Errorf("server %d serves nobody", h.id)
		}
		if h.state.LastZxid() != first.state.LastZxid() || h.state.Tree().Digest() != first.state.Tree().Digest() {
			c.t.Errorf("server %d is at %v, server %d at %v, or their trees differ",
				h.id, h.state.LastZxid(), first.id, first.state.LastZxid())
		}
		h.checkEphemerals()
		c.judgeMemory(h)
	}
	for _, p := range c.pipes() {
		if !p.closed && (len(p.inbox) > 0 || len(p.slots) > 0 || !p.open) {
			c.t.Errorf("connection %d of server %d (open %v) waits: %v %v", p.id, p.host.id, p.open, p.slots, p.inbox)
		}
	}
}

// judgeMemory says that a member remembers nothing for ever.
func (c *chaos) judgeMemory(h *host) {
	m := h.m
	if n := len(m.syncs.proofs) + len(m.syncs.behind) + len(m.asked) + m.waiting.Len(); n > 0 {
		c.t.Errorf("server %d remembers %d proofs, what is behind %d syncs, %d askers, %d syncs",
			h.id, len(m.syncs.proofs), len(m.syncs.behind), len(m.asked), m.waiting.Len())
	}
	for id := range m.ghosts {
		if _, open := h.state.Sessions().Timeout(id); !open {
			c.t.Errorf("server %d remembers ghosts of %s, which is closed", h.id, c.name(id))
		}
	}
	for id := range m.remote {
		if _, open := h.state.Sessions().Timeout(id); !open {
			c.t.Errorf("server %d knows where %s is, which is closed", h.id, c.name(id))
		}
	}
	open := 0
	for _, p := range c.pipes() {
		if p.host == h && !p.closed {
			open++
		}
	}
	if len(m.clients) != open {
		c.t.Errorf("server %d knows %d clients, %d are there", h.id, len(m.clients), open)
	}
	if leads, _ := m.Phase(); leads == proto.Leading && m.clock.Len() != h.state.Sessions().Len() {
		c.t.Errorf("server %d watches over %d sessions, there are %d", h.id, m.clock.Len(), h.state.Sessions().Len())
	}
}

func (w slot) String() string { return fmt.Sprintf("%d %s", w.xid, w.tag) }

// judgeHistory says that every request was carried out once at most, those
// of a session in their order, and those of a connection without gap.
func (c *chaos) judgeHistory() {
	last := map[proto.SessionID]*ask{}
	made := c.hosts[0].applied
	for _, txn := range made {
		t, ok := txn.Body.(*proto.CreateTxn)
		if !ok {
			continue
		}
		k := c.asked[t.Path]
		if k == nil || k.ran != 0 {
			c.t.Errorf("%s is made at %v, and before at %v", t.Path, txn.Zxid, k.ran)
			continue
		}
		k.ran = txn.Zxid
		if prev := last[txn.Session]; prev != nil && prev.seq > k.seq {
			c.t.Errorf("%s (%v, connection %d) is made after %s (%v, connection %d)",
				k.path, k.ran, k.pipe.id, prev.path, prev.ran, prev.pipe.id)
		}
		last[txn.Session] = k
	}
	missing := map[*pipe]*ask{}
	for _, k := range c.order {
		if k.ran == 0 && missing[k.pipe] == nil {
			missing[k.pipe] = k
		} else if gap := missing[k.pipe]; k.ran != 0 && gap != nil {
			c.t.Errorf("connection %d: %s was made without %s before it", k.pipe.id, k.path, gap.path)
		}
	}
}
