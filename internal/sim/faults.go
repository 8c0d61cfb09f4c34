package sim

import (
	"math"
	"math/rand/v2"
	"slices"
	"syscall"

	"quokka/internal/disk/vfs"
	"quokka/internal/proto"
)

// A fault is one kind of trouble.
type fault string

// The faults there are.
const (
	faultKill      fault = "kill"      // a process dies, the machine goes on
	faultPower     fault = "power"     // a machine loses power
	faultStop      fault = "stop"      // a process ends in order
	faultFreeze    fault = "freeze"    // a process does not run for a while
	faultBreak     fault = "break"     // a connection breaks
	faultCut       fault = "cut"       // two servers do not reach each other
	faultOneWay    fault = "one way"   // one server does not reach another one
	faultPartition fault = "partition" // two halves do not reach each other
	faultIsolate   fault = "isolate"   // a server reaches nobody, mostly the leader
	faultSlowLink  fault = "slow link" // messages take long
	faultSlowDisk  fault = "slow disk" // an fsync takes long
	faultDisk      fault = "disk"      // a write or an fsync fails once
	faultFull      fault = "full"      // snapshots have no space
	faultAll       fault = "all"       // every machine loses power
	faultClients   fault = "clients"   // a client vanishes for a while
	faultLeader    fault = "leader"    // the leader loses power
	faultRolling   fault = "rolling"   // one server after the other ends in order and comes back
	faultFlapping  fault = "flapping"  // a link breaks several times in a row
	faultTrap      fault = "trap"      // something fails at a certain moment, see trap
	faultMajority  fault = "majority"  // more than half lose power
)

var allFaults = []fault{
	faultKill, faultPower, faultStop, faultFreeze, faultBreak, faultCut, faultOneWay, faultPartition, faultIsolate,
	faultSlowLink, faultSlowDisk, faultDisk, faultFull, faultAll, faultClients, faultLeader, faultRolling,
	faultFlapping, faultMajority, faultTrap, faultTrap, faultTrap,
}

// A plan is what a seed makes of a run. Not every run has every fault: a
// world in which everything fails all the time reaches few states.
type plan struct {
	voters, observers int
	clients           int
	faults            []fault
	every             micros // between two faults, on average
	heals             micros // how long a fault lasts, on average
	latency, fsync    micros // at most, mostly
	think             micros // of a client before its next request, on average
	snapCount         int
	diskDiff          bool
	reconfig          bool // clients change the ensemble
	purge             bool
	readOnly          bool
	noAutoCreate      bool
	maxCounter        uint32 // see zab.LeaderConfig; 0 is its default
	keep              int    // records that recovery keeps in memory
	images            int    // one disk in so many is looked at after it was written
}

func newPlan(rng *rand.Rand, o *Options) plan {
	p := plan{voters: o.Servers, observers: max(o.Observers, 0), clients: 2 + rng.IntN(3), images: 40}
	if p.voters == 0 {
		p.voters = 3 + 2*rng.IntN(2)
	}
	if o.Story != nil {
		p.voters, p.observers, p.clients = max(o.Story.Servers, 3), 0, 0
	} else if o.Observers == 0 && rng.IntN(3) == 0 {
		p.observers = 1
	}
	for _, f := range allFaults {
		if rng.IntN(3) == 0 {
			p.faults = append(p.faults, f)
		}
	}
	if len(p.faults) == 0 {
		p.faults = []fault{faultKill, faultPower}
	}
	p.every = between(rng, 20*milli, 2*second)
	p.heals = between(rng, 10*milli, 3*second)
	p.think = between(rng, 2*milli, 300*milli)
	p.latency = between(rng, 200, 30*milli)
	p.fsync = between(rng, 200, 50*milli)
	p.snapCount = 4 + rng.IntN(60)
	p.diskDiff = rng.IntN(3) > 0
	p.reconfig = o.Reconfig && o.Story == nil
	p.keep = 1 + rng.IntN(40)
	p.purge = rng.IntN(3) == 0
	if o.Story == nil && o.Seed%8 == 3 {
		p.maxCounter = 10 + uint32(o.Seed>>3%100) // not by chance: seeds stay what they were before there was this
	}
	return p
}

// between draws a time whose order of magnitude is as likely as any other.
func between(rng *rand.Rand, low, high micros) micros {
	return micros(float64(low) * math.Exp(rng.Float64()*math.Log(float64(high)/float64(low))))
}

// some is a random time of the given average.
func (w *world) some(average micros) micros { return micros(w.rng.ExpFloat64() * float64(average)) }

// schedule arranges one fault after the other.
func (w *world) schedule() {
	w.after(w.some(w.plan.every), func() {
		if w.ending {
			return
		}
		if w.plan.reconfig && w.rng.IntN(3) == 0 {
			w.reconfigure()
		}
		w.strike(w.plan.faults[w.rng.IntN(len(w.plan.faults))])
		w.schedule()
	})
}

func (w *world) anyServer() *server { return w.order[w.rng.IntN(len(w.order))] }

// victim is any server, but more often the leader.
func (w *world) victim() *server {
	if w.rng.IntN(2) == 0 {
		if l := w.leader(); l != nil {
			return l
		}
	}
	return w.anyServer()
}

// leader is a server that leads, nil if none does.
func (w *world) leader() *server {
	var found *server
	for _, s := range w.order {
		if s.up && s.phase == proto.Leading && (found == nil || w.ghost.Serving(s.id)) {
			found = s
		}
	}
	return found
}

// later undoes a fault after a while.
func (w *world) later(do func()) { w.after(w.some(w.plan.heals)+milli, do) }

// strike makes one fault happen.
func (w *world) strike(f fault) {
	w.count("fault " + string(f))
	w.tracef("fault: %s", f)
	switch f {
	case faultKill:
		w.crash(w.victim(), killed)
	case faultPower:
		w.crash(w.victim(), powerLost)
	case faultStop:
		w.crash(w.victim(), stopped)
	case faultLeader:
		if l := w.leader(); l != nil {
			w.crash(l, powerLost)
		}
	case faultAll:
		for _, s := range w.order {
			w.crash(s, powerLost)
		}
	case faultMajority:
		for _, i := range w.rng.Perm(len(w.order))[:len(w.order)/2+1] {
			w.crash(w.order[i], powerLost)
		}
	case faultRolling:
		w.rolling()
	case faultFreeze:
		s := w.victim()
		s.freeze()
		w.later(s.thaw)
	default:
		w.strikeDevices(f)
	}
}

// strikeDevices makes a fault of the network or of a disk happen.
func (w *world) strikeDevices(f fault) {
	s := w.victim()
	switch f {
	case faultBreak:
		w.breakAny()
	case faultFlapping:
		for i := range micros(5) {
			w.after(i*w.some(30*milli), w.breakAny)
		}
	case faultCut:
		o := w.anyServer()
		w.cut(pair{s.id, o.id}, pair{o.id, s.id})
	case faultOneWay:
		w.cut(pair{s.id, w.anyServer().id})
	case faultPartition:
		w.partition()
	case faultIsolate:
		for _, o := range w.order {
			w.cut(pair{s.id, o.id}, pair{o.id, s.id})
		}
	case faultSlowLink:
		p := pair{s.id, w.anyServer().id}
		w.net.slow[p] = w.some(200 * milli)
		w.later(func() { delete(w.net.slow, p) })
	case faultSlowDisk:
		s.disk.slow = w.some(100 * milli)
		w.later(func() { s.disk.slow = 0 })
	case faultDisk:
		s.disk.fail = []error{syscall.EIO, syscall.ENOSPC}[w.rng.IntN(2)]
		w.later(s.disk.heal)
		w.later(s.start)
	case faultFull:
		s.disk.full = true
		w.later(s.disk.heal)
	case faultClients:
		w.vanish()
	case faultTrap:
		w.setTrap()
	}
}

// crash ends a process and arranges its return.
func (w *world) crash(s *server, how ending) {
	s.stop(how, []string{"killed", "power loss", "stopped"}[how])
	w.later(s.start)
}

func (w *world) rolling() {
	at := micros(0)
	for _, s := range w.order {
		w.after(at, func() {
			if !w.ending {
				w.crash(s, stopped)
			}
		})
		at += w.some(w.plan.heals)
	}
}

func (w *world) breakAny() {
	if n := len(w.net.links); n > 0 {
		w.net.breakLink(w.net.links[w.rng.IntN(n)])
	}
}

// cut cuts directions, and heals them later.
func (w *world) cut(list ...pair) {
	list = slices.DeleteFunc(list, func(p pair) bool { return p.from == p.to })
	for _, p := range list {
		w.tracef("cut %d -> %d", p.from, p.to)
		w.net.setCut(p, true)
	}
	w.later(func() {
		for _, p := range list {
			w.tracef("healed %d -> %d", p.from, p.to)
			w.net.setCut(p, false)
		}
	})
}

// partition splits the servers in two.
func (w *world) partition() {
	perm := w.rng.Perm(len(w.order))
	n := 1 + w.rng.IntN(len(w.order)-1)
	var list []pair
	for _, i := range perm[:n] {
		for _, j := range perm[n:] {
			a, b := w.order[i].id, w.order[j].id
			list = append(list, pair{a, b}, pair{b, a})
		}
	}
	w.cut(list...)
}

// vanish makes a client silent until its session has expired, perhaps.
func (w *world) vanish() {
	if len(w.clients) == 0 {
		return // a story's, at its beginning
	}
	c := w.clients[w.rng.IntN(len(w.clients))]
	c.away = true
	if k := c.conn; k != nil {
		c.lost(k, "the client vanishes")
		if w.rng.IntN(2) == 0 {
			c.atServer(k, func() { k.server.drop(k) })
		}
	}
	w.after(w.some(micros(c.timeout)*milli), func() { c.away = false })
}

// heal makes a disk well again.
func (d *device) heal() { d.slow, d.fail, d.full = 0, nil, false }

// sampleImage recovers a copy of a disk now and then, as a power loss now
// would leave it.
func (w *world) sampleImage(d *device) {
	if w.rng.IntN(w.plan.images) != 0 || d.failing() {
		return
	}
	mode := []vfs.CrashMode{vfs.CrashLose, vfs.CrashRandom, vfs.CrashKeep}[w.rng.IntN(3)]
	r, err := d.image(w.rng, mode)
	if err != nil {
		w.violate("P4", d.s.id, "a power loss now (%v) would leave a disk that cannot be started from: %v", mode, err)
		return
	}
	w.count("image")
	w.ghost.CheckImage(d.s.id, max(r.restart.Applied, 0), r.state.Tree().Digest()^hashOf(r.state), r.accepted, r.current)
}
