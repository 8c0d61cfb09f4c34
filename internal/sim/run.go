// Package sim is a world in one process under one seed: the members of an
// ensemble, their disks, the network between them, clients and a clock. It
// runs the product's own code from the member down to the bytes of the log,
// lets everything fail that fails in practice, and judges every step with
// package check.
//
// It owns time, chance and the devices' behaviour. Nothing in it depends on
// anything but its Options: a seed that fails, fails again. It must never
// help a server: what a server knows comes from its disk and its inputs.
// docs/simulation.md explains the faults, the invariants and how to replay.
package sim

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"

	"quokka/internal/core/quorum"
	"quokka/internal/core/zab"
	"quokka/internal/proto"
	"quokka/internal/sim/check"
)

// Times of the ensemble. All is about a tenth of what operators use.
const (
	tickMS    = 200
	initLimit = 10
	syncLimit = 5
	parkMS    = 2000

	readOnlyAfterMS = 400
	minTimeoutMS    = 2 * tickMS
	maxTimeoutMS    = 40 * tickMS

	wallBase proto.Millis = 1_700_000_000_000
)

// Options are what a run depends on.
type Options struct {
	Seed  uint64
	Steps int // events with faults; 0 is DefaultSteps

	Servers   int // voters; 0 lets the seed choose 3 or 5
	Observers int // -1 is none; 0 lets the seed choose

	Reconfig bool // the configuration changes while the run lasts

	Story   *Story    // a schedule instead of random faults
	Perturb int       // how many random faults to mix into the story
	Plant   Plant     // a bug to be found
	History int       // committed transactions that members keep in memory; at least 500
	Trace   io.Writer // every event, in words; nil is none
}

// DefaultSteps is the length of a run that does not say how long it is.
const DefaultSteps = 6000

// A Report is what a run has shown.
type Report struct {
	Seed       uint64
	Steps      int
	VirtualMS  int64
	Servers    int
	Elections  int // leaders that were established
	Committed  int // transactions
	Answered   int // requests of clients
	Counts     map[string]int
	Violations []check.Violation
	// History is what clients saw and what was committed, for other checkers.
	History *check.History
}

// ErrViolated is returned by Run when an invariant did not hold.
var ErrViolated = errors.New("an invariant does not hold")

// A world is one run.
type world struct {
	queue
	opt     Options
	rng     *rand.Rand
	plan    plan
	members quorum.Membership
	net     *network
	servers map[proto.ServerID]*server
	order   []*server
	ghost   *check.Ghost
	clients []*client
	work    work
	history check.History
	txns    map[uint64]*proto.Txn // by the history that ends with them

	conns     uint64
	steps     int
	elections int
	answered  int
	ending    bool
	traps     []*trap
	story     *Story
	expected  [][]string // of the story, in the end
	lastWrite *check.Op
	resting   micros // when the world began to come to rest
	counts    map[string]int
}

// Run lets one world live. The error says that it went wrong, and how; the
// report is there all the same.
func Run(o Options) (Report, error) {
	w := newWorld(o)
	w.begin()
	if o.Story != nil {
		w.tell(o.Story)
	} else {
		w.trouble()
	}
	w.finish()
	return w.report()
}

func newWorld(o Options) *world {
	if o.Steps == 0 {
		o.Steps = DefaultSteps
	}
	w := &world{
		opt: o, rng: rand.New(rand.NewPCG(o.Seed, 0x5eed)), servers: map[proto.ServerID]*server{},
		txns: map[uint64]*proto.Txn{}, counts: map[string]int{},
	}
	w.plan = newPlan(w.rng, &o)
	w.work.rng = w.rng
	w.history.Heard = map[proto.SessionID][]int64{}
	w.history.WallBase = wallBase
	// A follower answers its clients for syncLimit ticks after it was cut off,
	// and tells the leader of them every half tick.
	w.history.SlackMS = (syncLimit + 2) * tickMS
	w.net = newNetwork(w)
	w.members = membership(w.plan.voters, w.plan.observers)
	var others []proto.ServerID
	for _, m := range w.members.Servers {
		s := &server{w: w, id: m.ID, observer: m.Role == quorum.Observer}
		s.disk = newDevice(s)
		w.servers[m.ID] = s
		w.order = append(w.order, s)
		if s.observer {
			others = append(others, m.ID)
		}
	}
	rule, err := w.members.Rule()
	if err != nil {
		panic(fmt.Sprintf("sim: its own membership has no rule: %v", err))
	}
	w.ghost = check.NewGhost(rule, others...)
	return w
}

// membership is that of an ensemble with the servers 1 to voters+observers.
func membership(voters, observers int) quorum.Membership {
	var m quorum.Membership
	for i := range voters + observers {
		s := quorum.Server{
			ID: proto.ServerID(i + 1), Role: quorum.Participant,
			Addrs:  []quorum.ServerAddr{{Host: fmt.Sprintf("10.0.0.%d", i+1), QuorumPort: 2888, ElectionPort: 3888}},
			Client: quorum.HostPort{Host: "0.0.0.0", Port: 2181},
		}
		if i >= voters {
			s.Role = quorum.Observer
		}
		m.Servers = append(m.Servers, s)
	}
	return m
}

// begin starts all servers, and the clients.
func (w *world) begin() {
	w.tracef("seed %d: %d voters, %d observers, faults %v", w.opt.Seed, w.plan.voters, w.plan.observers, w.plan.faults)
	if w.opt.Story != nil {
		return // it says who does what
	}
	for _, s := range w.order {
		w.after(micros(w.rng.IntN(int(300*milli))), s.start)
	}
	for i := range w.plan.clients {
		c := &client{w: w, id: i + 1, timeout: int32(minTimeoutMS + w.rng.IntN(maxTimeoutMS-minTimeoutMS))}
		w.clients = append(w.clients, c)
		c.run()
	}
}

// clientDelay is how long a frame takes between a client and its server.
func (w *world) clientDelay() micros { return 50 + micros(w.rng.IntN(400)) }

// walk lets events happen until a condition holds; false when it does not
// come true in the given time, or an invariant breaks.
func (w *world) walk(within micros, until func() bool) bool {
	deadline := w.now + within
	for !until() {
		if w.now > deadline || w.broken() || !w.step() {
			return false
		}
		w.steps++
	}
	return true
}

// broken tells whether it makes no sense to go on.
func (w *world) broken() bool { return len(w.ghost.Violations()) > 0 }

// trouble is the part of a run in which things fail.
func (w *world) trouble() {
	w.schedule()
	w.walk(1000*second, func() bool { return w.steps >= w.opt.Steps })
}

// finish heals everything and demands that the ensemble comes to rest, then
// that it survives a power loss as it is.
func (w *world) finish() {
	w.ending = true
	w.heal()
	w.rest("L1")
	if w.broken() {
		return
	}
	w.tracef("power loss everywhere")
	for _, s := range w.order {
		s.stop(powerLost, "power loss at the end")
	}
	w.heal()
	w.rest("L1 after a power loss")
}

// heal ends all faults and starts every server.
func (w *world) heal() {
	w.tracef("all is healed")
	w.net.heal()
	for _, s := range w.order {
		s.disk.heal()
		s.thaw()
		s.start()
	}
}

// rest lets the ensemble come to rest and demands what must hold then.
func (w *world) rest(rule string) {
	w.resting = w.now
	for _, c := range w.clients {
		c.quiet = true
	}
	if len(w.clients) == 0 {
		w.clientOf(w.order[0])
	}
	if !w.walk(restTime, w.settled) {
		w.stuck(rule)
		return
	}
	if !w.walk(restTime, func() bool { return w.settled() && w.probe() }) {
		w.stuck(rule)
		return
	}
	w.same()
	w.expectations()
}

// restTime is how long an ensemble without faults may take to come to rest:
// elections with their longest interval between notifications, a leader that
// waits for its followers in vain, and all of it once more.
const restTime = 60 * second

func (w *world) stuck(rule string) {
	if w.broken() {
		return
	}
	for _, s := range w.order {
		w.violate(rule, s.id, "the ensemble does not come to rest: up=%v, %v, serving=%v, applied %v; committed is %v",
			s.up, s.phase, w.ghost.Serving(s.id), w.ghost.Applied(s.id).Zxid, w.ghost.Committed().Last().Zxid)
	}
	for _, c := range w.clients {
		if !c.attached || len(c.open) > 0 {
			w.violate(rule, 0, "%v has attached=%v and waits for %d answers", c, c.attached, len(c.open))
		}
	}
}

// settled tells whether there is one leader, everybody serves and has
// applied what is committed, and every client has its answers.
func (w *world) settled() bool {
	leaders := 0
	last := w.ghost.Committed().Last()
	for _, s := range w.inEnsemble() {
		if !s.up || !w.ghost.Serving(s.id) || w.ghost.Applied(s.id) != last {
			return false
		}
		if s.phase == proto.Leading {
			leaders++
		}
	}
	for _, c := range w.clients {
		if !c.attached || len(c.open) > 0 || !c.conn.server.alive(c.conn.life) {
			return false
		}
	}
	return leaders == 1
}

// probe makes a last write, again if its connection was lost, and tells
// whether it is answered.
func (w *world) probe() bool {
	if o := w.lastWrite; o != nil && o.Answered && o.Invoked >= int64(w.resting) {
		return true
	}
	c := w.clients[w.rng.IntN(len(w.clients))]
	c.ask(check.Action{Op: proto.OpCreate, Path: fmt.Sprintf("/probe%d", w.steps), Data: []byte("x")})
	w.lastWrite = c.open[len(c.open)-1]
	return false
}

// same demands that all servers have the same state, byte for byte.
func (w *world) same() {
	all := w.inEnsemble()
	want := dump(all[0])
	for _, s := range all[1:] {
		if got := dump(s); got != want {
			w.violate("D1", s.id, "its state differs from that of server %d:\n%s\nnot\n%s", all[0].id, got, want)
		}
	}
}

// inEnsemble are the servers that must come to rest. One that was taken out
// may, or may not.
func (w *world) inEnsemble() []*server {
	if !w.plan.reconfig {
		return w.order
	}
	rule := w.ghost.Active().Rule
	var all []*server
	for _, s := range w.order {
		if rule.IsVoter(s.id) {
			all = append(all, s)
		}
	}
	return all
}

func (w *world) violate(rule string, id proto.ServerID, format string, args ...any) {
	w.ghost.Violate(rule, id, format, args...)
	w.tracef("VIOLATION %s: %s", rule, fmt.Sprintf(format, args...))
}

func (w *world) count(what string) { w.counts[what]++ }

// written remembers the transaction at the end of a server's log.
func (w *world) written(id proto.ServerID, e *zab.Entry) {
	m := w.ghost.LastWritten(id)
	if w.tracing() && w.txns[m.Chain] == nil {
		w.tracef("%d proposes %v: %v of session %v, xid %d", id, m.Zxid, e.Txn.Op, e.Txn.Session, e.Txn.Cxid)
	}
	w.txns[m.Chain] = e.Txn
}

// report judges the history and sums up.
func (w *world) report() (Report, error) {
	for _, m := range w.ghost.Committed().After(0) {
		if t := w.txns[m.Chain]; t != nil {
			w.history.Committed = append(w.history.Committed, t)
		}
	}
	found := w.ghost.Violations()
	if len(found) == 0 {
		found = w.history.Judge()
	}
	r := Report{
		Seed: w.opt.Seed, Steps: w.steps, VirtualMS: w.now.ms(), Servers: len(w.order), Elections: w.elections,
		Committed: len(w.history.Committed), Answered: w.answered, Counts: w.counts, Violations: found, History: &w.history,
	}
	for _, v := range found {
		w.tracef("FOUND %v", v)
	}
	if len(found) > 0 {
		return r, fmt.Errorf("seed %d: %w: %v", w.opt.Seed, ErrViolated, found[0])
	}
	return r, nil
}

func (w *world) tracing() bool { return w.opt.Trace != nil }

// tracef writes one line of the trace.
func (w *world) tracef(format string, args ...any) {
	if w.opt.Trace == nil {
		return
	}
	fmt.Fprintf(w.opt.Trace, "%9.3f ms %6d  %s\n", float64(w.now)/1000, w.steps, fmt.Sprintf(format, args...))
}
