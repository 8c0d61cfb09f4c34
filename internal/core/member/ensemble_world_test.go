package member

import (
	"fmt"
	"slices"
	"strings"
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

// A realm is an ensemble of real members in one process. The network is
// wires that are first in, first out, the disks are queues; nothing moves
// unless a test says so.
type realm struct {
	t       testing.TB
	options realmOptions
	seed    uint64
	members quorum.Membership
	now     int64
	hosts   []*host
	wires   []*wire
	votes   []vote
	cuts    map[[2]proto.ServerID]bool // both ways
	holds   map[[2]proto.ServerID]bool // from, to
	conns   map[watch.ConnID]*pipe
	ids     []proto.SessionID
	history map[proto.Zxid]*proto.Txn // all that was ever applied anywhere
	said    []string

	restless  int                                      // how often settle found no end
	talkative bool                                     // clients that are not silent are heard all the time
	check     func(h *host, d *Done, o *state.Outcome) // after each Done that is applied
	reads     func(p *pipe, w slot, at proto.Zxid)     // a read was answered
	expired   func(h *host, id proto.SessionID)
}

type realmOptions struct {
	servers      int
	observers    int // the last ones
	leaderServes bool
	reconfig     bool
	noData       proto.ServerID
	parkMS       int64
}

// A host is one server: a member, its state, its disk.
type host struct {
	r        *realm
	id       proto.ServerID
	m        *Member // nil: the process does not run
	state    *state.State
	applied  []*proto.Txn // what the state is made of
	nextLink zab.Link
	mode     Mode
	heldUp   bool // the disk does nothing

	queue             []zab.Disk
	snap              picture     // on disk
	log               []zab.Entry // on disk, after snap
	accepted, current proto.Epoch
	received          map[zab.SnapshotID]picture
	lastReceived      zab.SnapshotID
	diverged          proto.Zxid
}

// A picture is a snapshot, as the transactions that lead to it.
type picture struct {
	zxid proto.Zxid
	txns []*proto.Txn
}

// A wire is a connection to a quorum port. Its end 0 has dialled.
type wire struct {
	ends  [2]wireEnd
	queue [2][]parcel // to the end
	not   int64       // before this time nothing arrives
}

type wireEnd struct {
	host *host
	m    *Member // the process; another one has another
	link zab.Link
	gone bool
}

type parcel struct {
	kind   parcelKind
	packet proto.QuorumPacket
	snap   picture
}

type parcelKind uint8

const (
	parcelDial parcelKind = iota
	parcelUp
	parcelFirst
	parcelPacket
	parcelSnap
	parcelClose
)

type vote struct {
	from, to proto.ServerID
	n        proto.Notification
}

// A pipe is a client's connection to a server, as net/clients has it.
type pipe struct {
	id      watch.ConnID
	host    *host
	session proto.SessionID
	timeout int32
	open    bool // attached
	closed  bool
	refused bool
	silent  bool   // a story's client that says nothing more
	inbox   []slot // sent by the client, not read by the server
	slots   []slot // read, and not answered
	heard   int64
	got     func(w slot, d *Done, o *state.Outcome) // told of each answer but reads'
}

// A slot is a request of a client.
type slot struct {
	xid  int32
	op   proto.Op
	body []byte
	tag  string
	seq  int
	from proto.Zxid // a sync's: what was known to be committed when it was sent
}

func newRealm(t testing.TB, o realmOptions) *realm {
	r := &realm{
		t: t, options: o, cuts: map[[2]proto.ServerID]bool{}, holds: map[[2]proto.ServerID]bool{},
		conns: map[watch.ConnID]*pipe{}, history: map[proto.Zxid]*proto.Txn{},
	}
	var text strings.Builder
	for id := 1; id <= o.servers; id++ {
		role := "participant"
		if id > o.servers-o.observers {
			role = "observer"
		}
		fmt.Fprintf(&text, "server.%d=h%d:2888:3888:%s;0.0.0.0:2181\n", id, id, role)
	}
	var err error
	if r.members, err = quorum.ParseMembership(text.String(), false); err != nil {
		t.Fatal(err)
	}
	for id := 1; id <= o.servers; id++ {
		r.hosts = append(r.hosts, &host{r: r, id: proto.ServerID(id), nextLink: 1, received: map[zab.SnapshotID]picture{}})
	}
	return r
}

func (r *realm) host(id proto.ServerID) *host { return r.hosts[id-1] }

func (r *realm) time() Time { return Time{Running: r.now, Wall: wallBase + proto.Millis(r.now)} }

func (r *realm) say(format string, args ...any) {
	r.said = append(r.said, fmt.Sprintf(format, args...))
}

// name gives a session a short name, in the order of their appearance.
func (r *realm) name(id proto.SessionID) string {
	if id == 0 {
		return "none"
	}
	i := slices.Index(r.ids, id)
	if i < 0 {
		i = len(r.ids)
		r.ids = append(r.ids, id)
	}
	return fmt.Sprintf("s%d", i+1)
}

func (h *host) stateOptions() state.Options {
	return state.Options{
		Tree: tree.Options{ExtendedTypes: true}, Schemes: noSchemes{}, SkipACL: true, Digest: !h.r.options.reconfig,
		CloseSessionTxn: true, ReconfigEnabled: h.r.options.reconfig,
	}
}

func (h *host) config() Config {
	cfg := testConfig()
	cfg.Standalone, cfg.Server, cfg.SessionPrefix = false, h.id, uint8(h.id)
	cfg.Members = Members{Active: h.r.members, Next: h.r.members}
	cfg.Accepted, cfg.Current = h.accepted, h.current
	cfg.InitLimit, cfg.SyncLimit, cfg.ParkMS = 5, 3, h.r.options.parkMS
	cfg.LeaderServes, cfg.ReconfigEnabled, cfg.StandaloneEnabled = h.r.options.leaderServes, h.r.options.reconfig, true
	cfg.Election = elect.Config{Me: h.id, Seed: uint64(h.id), ReconfigEnabled: h.r.options.reconfig}
	cfg.NoData = h.r.options.noData == h.id
	cfg.Restart = h.restart()
	return cfg
}

// restart is what the disk holds; all of it is applied.
func (h *host) restart() Restart {
	last := h.snap.zxid
	if n := len(h.log); n > 0 {
		last = h.log[n-1].Zxid()
	}
	return Restart{Base: h.snap.zxid, Entries: h.log, Applied: last, Floor: h.snap.zxid}
}

// start begins a process that recovers what the disk holds.
func (h *host) start() {
	h.state = h.load(h.onDisk())
	h.m = New(h.config(), h.state, h.r.time())
	h.mode, h.queue, h.diverged = ModeClosed, nil, 0
	h.m.Start()
	h.effects()
}

func (h *host) onDisk() picture {
	p := picture{h.snap.zxid, slices.Clone(h.snap.txns)}
	for _, e := range h.log {
		p.txns, p.zxid = append(p.txns, e.Txn), e.Zxid()
	}
	return p
}

// load makes a state of a picture.
func (h *host) load(p picture) *state.State {
	o := h.stateOptions()
	s := state.New(o, tree.New(o.Tree), session.NewTable(), 0)
	s.SetConfig(h.r.members.Text(), 0)
	for _, txn := range p.txns {
		s.Apply(txn)
	}
	h.applied = slices.Clone(p.txns)
	return s
}

// install replaces the state of a running server.
func (h *host) install(p picture) {
	s := h.load(p)
	h.state.Install(s.Tree(), s.Sessions(), p.zxid)
}

// crash ends a process. What the disk did not do is lost.
func (h *host) crash() {
	h.m, h.queue, h.mode = nil, nil, ModeClosed
	for _, w := range h.r.wires {
		for i, end := range w.ends {
			if end.host == h {
				w.broken(1 - i)
			}
		}
	}
	h.r.sweep()
	h.r.votes = slices.DeleteFunc(h.r.votes, func(v vote) bool { return v.from == h.id || v.to == h.id })
	for _, p := range h.r.pipes() {
		if p.host == h {
			p.shut()
		}
	}
}

// pipes are the connections by age.
func (r *realm) pipes() []*pipe {
	all := make([]*pipe, 0, len(r.conns))
	for _, p := range r.conns {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *pipe) int { return int(a.id) - int(b.id) })
	return all
}

// effects does what a member wants done, as node does.
func (h *host) effects() {
	for range 1000 {
		e := h.m.Take()
		h.do(&e)
		if h.m == nil {
			return
		}
		if h.diverged != 0 {
			z := h.diverged
			h.diverged = 0
			h.m.Diverged(z)
			continue
		}
		if !e.Again {
			return
		}
		h.m.Continue()
	}
	h.r.t.Fatalf("server %d never comes to rest", h.id)
}

func (h *host) do(e *Effects) {
	h.queue = append(h.queue, e.Disk...)
	for i := range e.Done {
		h.done(&e.Done[i])
	}
	for _, v := range e.Votes {
		h.r.vote(vote{h.id, v.To, v.N})
	}
	if e.Members != nil {
		h.state.SetConfig(e.Members.Active.Text(), proto.Zxid(e.Members.Active.Version))
	}
	for _, d := range e.Dials {
		w := &wire{ends: [2]wireEnd{{h, h.m, d.Link, false}, {host: h.r.host(d.To)}}}
		w.queue[1] = []parcel{{kind: parcelDial}}
		h.r.wires = append(h.r.wires, w)
	}
	for i := range e.Sends {
		h.send(&e.Sends[i])
	}
	if e.Mode != ModeSame && e.Mode != h.mode {
		h.mode = e.Mode
		h.r.say("%d: %s", h.id, [...]string{"", "serves", "serves reads", "parks its clients", "serves nobody"}[e.Mode])
	}
	for _, c := range e.Conns {
		h.tell(c)
	}
	for _, n := range e.Notes {
		h.note(n)
	}
	if e.Stop.Kind == zab.FailStop {
		h.r.t.Fatalf("server %d stops: %s", h.id, e.Stop.Why)
	}
}

func (h *host) tell(c Conn) {
	p := h.r.conns[c.ID]
	if p == nil || p.closed {
		return
	}
	switch c.Kind {
	case ConnAttach:
		p.attach(c.Session, c.TimeoutMS)
	case ConnRefuse:
		h.r.say("%d: refuses %d", h.id, c.ID)
		p.refused = true
		p.shut()
	default:
		h.r.say("%d: closes %d", h.id, c.ID)
		p.shut()
	}
}

var noteTexts = map[NoteKind]string{
	NoteExpired: "expired", NoteInvalid: "invalid", NoteWrongPassword: "wrong password", NoteFuture: "future",
	NoteOrphans: "orphans", NoteLooking: "looks", NoteLeading: "leads", NoteFollowing: "follows", NoteObserving: "observes",
	NoteDiverged: "diverged", NoteReconfigRefused: "reconfiguration refused", NoteMoved: "moved",
}

func (h *host) note(n Note) {
	s := noteTexts[n.Kind]
	switch n.Kind {
	case NoteLooking:
		if n.Text != "" {
			s += ": " + n.Text
		}
	case NoteFollowing, NoteObserving:
		s += fmt.Sprintf(" %d", n.Server)
	case NoteLeading:
	case NoteDiverged:
		s += fmt.Sprintf(" after %v", proto.Zxid(n.N))
	case NoteReconfigRefused:
		s += ": " + n.Text
	default:
		s += " " + h.r.name(n.Session)
	}
	h.r.say("%d: %s", h.id, s)
	if n.Kind == NoteExpired && h.r.expired != nil {
		h.r.expired(h, n.Session)
	}
}
