package member

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"quokka/internal/core/watch"
	"quokka/internal/jute"
	"quokka/internal/proto"
	"quokka/internal/transcript"
)

// TestEnsembleStories replays testdata/ensemble_*.txt: a line at the margin
// is an input, the indented lines below it are what the servers say. What the
// inputs mean is said at the function input.
func TestEnsembleStories(t *testing.T) {
	transcript.Run(t, "testdata/ensemble_*.txt", func(t *testing.T) transcript.Step {
		var s *story
		return func(words []string) []string {
			if s == nil || words[0] == "ensemble" {
				s = newStory(t, words)
			} else {
				s.input(words)
			}
			if s.restless > 0 {
				t.Fatalf("%v: the ensemble never comes to rest", words)
			}
			said := s.said
			s.said = nil
			return said
		}
	})
}

// A story is a realm that is moved by lines of text.
type story struct {
	*realm
	f []string
}

func newStory(t *testing.T, f []string) *story {
	o := realmOptions{leaderServes: true, parkMS: 4000}
	s := &story{f: f}
	for _, word := range f[1:] {
		name, value, _ := strings.Cut(word, "=")
		n, _ := strconv.Atoi(value)
		switch name {
		case "observers":
			o.observers = n
		case "leaderserves":
			o.leaderServes = value != "no"
		case "reconfig":
			o.reconfig = true
		case "nodata":
			o.noData = proto.ServerID(n)
		case "park":
			o.parkMS = int64(n)
		default:
			o.servers, _ = strconv.Atoi(name)
		}
	}
	s.realm = newRealm(t, o)
	s.talkative = true
	return s
}

// input is one line of a story:
//
//	ensemble N [observers=N] [leaderserves=no] [reconfig] [nodata=N] [park=MS]
//	start N...                     processes; the disk holds what it held
//	crash N...
//	run MS                         time passes, and everything moves
//	settle                         everything moves, and no time passes
//	connect CONN N [SESSION] [badpassword] [seen=ZXID]
//	send CONN XID OP [PATH]        create, ephemeral, delete, sync, exists, close, joining=, leaving=
//	leave CONN...                  the client closes it
//	silent CONN...                 nothing is heard of the client, and the server does not notice
//	cut N N, break N N, heal       the network between two servers; cut: they have to find out
//	hold N N, release              what the first sends to the second waits
//	step N N [COUNT]               that much of it arrives
//	disk N hold|go
//	diverge N PATH                 a node that only this server has
//	show [N...]                    what the servers are and have
//	sizes N                        what a member remembers
func (s *story) input(f []string) {
	s.t.Helper()
	s.f = f
	switch f[0] {
	case "start":
		s.each(func(n int64) { s.host(proto.ServerID(n)).start() })
	case "crash":
		s.each(func(n int64) { s.host(proto.ServerID(n)).crash() })
	case "run":
		s.run(s.number(1))
	case "settle":
		s.settle()
	case "cut", "break":
		s.cut(s.server(1), s.server(2), f[0] == "break")
	case "heal":
		clear(s.cuts)
	case "hold":
		s.holds[[2]proto.ServerID{s.server(1), s.server(2)}] = true
	case "release":
		clear(s.holds)
	case "step":
		s.stepWire()
	case "disk":
		s.host(s.server(1)).heldUp = f[2] == "hold"
	default:
		s.inputClient()
	}
}

func (s *story) inputClient() {
	s.t.Helper()
	switch s.f[0] {
	case "connect":
		s.open()
	case "send":
		s.request()
	case "leave":
		s.each(func(n int64) { s.conns[watch.ConnID(n)].shut() })
	case "silent":
		s.each(func(n int64) { s.conns[watch.ConnID(n)].silent = true })
	case "diverge":
		h := s.host(s.server(1))
		if code := h.state.Tree().Create(s.f[2], nil, nil, 0, -1, h.state.LastZxid(), wallBase); code != proto.OK {
			s.t.Fatalf("%v: %v", s.f, code)
		}
	case "show":
		s.show()
	case "sizes":
		m := s.host(s.server(1)).m
		s.say("clients %d, sessions here %d, outstanding %d, touched %d, ghosts %d, asked %d, held syncs %d, remote %d, proofs %d, behind %d, links with syncs %d",
			len(m.clients), len(m.local), m.Outstanding(), len(m.touched), len(m.ghosts), len(m.asked), m.waiting.Len(),
			len(m.remote), len(m.syncs.proofs), len(m.syncs.behind), len(m.syncs.ofLink))
	default:
		s.t.Fatalf("no such input: %v", s.f)
	}
}

func (s *story) number(i int) int64 {
	s.t.Helper()
	if i >= len(s.f) {
		s.t.Fatalf("%v: a number is missing", s.f)
	}
	n, err := strconv.ParseInt(s.f[i], 0, 64)
	if err != nil {
		s.t.Fatalf("%v: %v", s.f, err)
	}
	return n
}

func (s *story) server(i int) proto.ServerID { return proto.ServerID(s.number(i)) }

func (s *story) each(do func(n int64)) {
	for i := range s.f[1:] {
		do(s.number(i + 1))
	}
}

func (s *story) open() {
	q := proto.ConnectRequest{TimeoutMS: 6000}
	bad := false
	for _, o := range s.f[3:] {
		if z, ok := strings.CutPrefix(o, "seen="); ok {
			e, c, _ := strings.Cut(z, ".")
			epoch, _ := strconv.Atoi(e)
			counter, _ := strconv.Atoi(c)
			q.LastZxidSeen = proto.MakeZxid(proto.Epoch(epoch), uint32(counter))
		} else if o == "badpassword" {
			bad = true
		} else {
			n, _ := strconv.Atoi(o[1:])
			q.SessionID = s.ids[n-1]
			q.Password = passwordOf(q.SessionID)
		}
	}
	if bad {
		q.Password = make([]byte, proto.PasswordLen)
	}
	s.connect(watch.ConnID(s.number(1)), s.host(s.server(2)), q)
}

func (s *story) request() {
	p := s.conns[watch.ConnID(s.number(1))]
	w := slot{xid: int32(s.number(2)), tag: strings.Join(s.f[3:], " ")}
	path := ""
	if len(s.f) > 4 {
		path = s.f[4]
	}
	name, value, _ := strings.Cut(s.f[3], "=")
	switch name {
	case "create":
		w.op, w.body = proto.OpCreate, createBody(path, 0)
	case "ephemeral":
		w.op, w.body = proto.OpCreate, createBody(path, proto.FlagEphemeral)
	case "delete":
		w.op, w.body = proto.OpDelete, deleteBody(path)
	case "sync":
		w.op, w.body = proto.OpSync, pathBody("/")
	case "exists":
		w.op, w.body = proto.OpExists, jutePathWatch(path)
	case "malformed":
		w.op, w.body = proto.OpSetData, []byte{1}
	case "close":
		w.op = proto.OpCloseSession
	case "joining":
		w.op, w.body = proto.OpReconfig, reconfigBody(value, "")
	case "leaving":
		w.op, w.body = proto.OpReconfig, reconfigBody("", value)
	default:
		s.t.Fatalf("no such request: %v", s.f)
	}
	if p.closed {
		s.say("%d is closed", p.id)
		return
	}
	p.inbox = append(p.inbox, w)
	p.read(1)
}

func reconfigBody(joining, leaving string) []byte {
	b := jute.AppendString(jute.AppendString(nil, joining), leaving)
	return jute.AppendLong(jute.AppendString(b, ""), -1)
}

// stepWire delivers from one server to another, and says what.
func (s *story) stepWire() {
	from, to, n := s.server(1), s.server(2), int64(1)
	if len(s.f) > 3 {
		n = s.number(3)
	}
	key := [2]proto.ServerID{from, to}
	was := s.holds[key]
	delete(s.holds, key)
	for ; n > 0; n-- {
		for _, w := range slices.Clone(s.wires) {
			for end := range 2 {
				if w.ends[end].host.id == to && w.ends[1-end].host.id == from && len(w.queue[end]) > 0 {
					p := w.queue[end][0]
					s.say("%d > %d: %s", from, to, p.text(s.realm))
					s.deliver(w, end)
				}
			}
		}
	}
	s.holds[key] = was
}

func (p *parcel) text(r *realm) string {
	if p.kind != parcelPacket && p.kind != parcelFirst {
		return [...]string{"dial", "connected", "", "", "SNAP", "end"}[p.kind]
	}
	s := fmt.Sprint(p.packet.Type)
	switch p.packet.Type {
	case proto.PacketRequest:
		q, _ := proto.DecodeForwardedRequest(p.packet.Data)
		return fmt.Sprintf("%s %s %d %v", s, r.name(q.Session), q.Cxid, q.Op)
	case proto.PacketRevalidate:
		if len(p.packet.Data) == 12 {
			return s + " " + r.name(proto.DecodeSessionTouches(p.packet.Data)[0].Session)
		}
		id, ok, _ := proto.DecodeRevalidated(p.packet.Data)
		return fmt.Sprintf("%s %s %v", s, r.name(id), ok)
	case proto.PacketPing:
		for _, t := range proto.DecodeSessionTouches(p.packet.Data) {
			s += " " + r.name(t.Session)
		}
		return s
	case proto.PacketSync:
		return s
	}
	return s + " " + short(p.packet.Zxid)
}

func (s *story) show() {
	for _, h := range s.hosts {
		if len(s.f) > 1 && !slices.Contains(s.f[1:], strconv.Itoa(int(h.id))) {
			continue
		}
		if h.m == nil {
			s.say("%d: down", h.id)
			continue
		}
		phase, leader := h.m.Phase()
		var nodes, sessions []string
		for _, name := range h.children() {
			nodes = append(nodes, "/"+name)
		}
		for id := range h.state.Sessions().All() {
			sessions = append(sessions, s.name(id))
		}
		slices.Sort(sessions)
		s.say("%d: %v %d at %s, nodes %v, sessions %v", h.id, phase, leader, short(h.state.LastZxid()), nodes, sessions)
	}
}
