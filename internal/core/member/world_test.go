package member

import (
	"fmt"
	"testing"

	"quokka/internal/core/session"
	"quokka/internal/core/state"
	"quokka/internal/core/tree"
	"quokka/internal/core/watch"
	"quokka/internal/core/zab"
	"quokka/internal/jute"
	"quokka/internal/proto"
)

// noSchemes are no authentication schemes: everybody may do everything here.
type noSchemes struct{}

func (noSchemes) Known(string) bool                   { return false }
func (noSchemes) Valid(string, string) bool           { return false }
func (noSchemes) Authenticated(string) bool           { return false }
func (noSchemes) Matches(string, string, string) bool { return false }
func (noSchemes) User(string, string) string          { return "" }

const (
	self        proto.ServerID = 1
	incarnation                = 0
	wallBase    proto.Millis   = 1_700_000_000_000
)

func testConfig() Config {
	return Config{
		Server: self, SessionPrefix: 1, Standalone: true,
		TickMS: 1000, MinTimeoutMS: 2000, MaxTimeoutMS: 20_000, SnapCount: 100_000,
		ContainerCheckMS: 60_000, ContainerPerMinute: 600, Seed: 1,
	}
}

// A world drives a member as the node does, with devices that are slices.
type world struct {
	t     testing.TB
	cfg   Config
	state *state.State
	m     *Member
	now   int64

	logged  proto.Zxid // handed to the log
	durable proto.Zxid // reported by it
	ids     []proto.SessionID
}

func newWorld(t testing.TB, cfg Config) *world {
	o := state.Options{
		Tree: tree.Options{ExtendedTypes: true}, Schemes: noSchemes{}, SkipACL: true, Digest: true,
		CloseSessionTxn: true, Standalone: true,
	}
	w := &world{t: t, cfg: cfg, state: state.New(o, tree.New(o.Tree), session.NewTable(), 0)}
	w.start()
	return w
}

// start makes a member over the state, as after a restart. What was logged
// and not applied is lost, which a recovery would not do: tests apply first.
func (w *world) start() {
	w.state.DropPending()
	w.cfg.Restart = Restart{Base: w.state.LastZxid(), Applied: w.state.LastZxid()}
	w.m = New(w.cfg, w.state, w.time())
	w.m.Start()
	if !w.m.Take().Again {
		w.t.Fatal("a standalone server does not serve at once")
	}
	w.m.Continue()
}

func (w *world) time() Time { return Time{Running: w.now, Wall: wallBase + proto.Millis(w.now)} }

func (w *world) at(ms int64) {
	w.now = ms
	w.m.At(w.time())
}

// name gives a session a short name, in the order of their creation.
func (w *world) name(id proto.SessionID) string {
	for i, known := range w.ids {
		if known == id {
			return fmt.Sprintf("s%d", i+1)
		}
	}
	if id == 0 {
		return "none"
	}
	w.ids = append(w.ids, id)
	return fmt.Sprintf("s%d", len(w.ids))
}

// take carries out the effects and returns them as text.
func (w *world) take() []string {
	w.t.Helper()
	var lines []string
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	e := w.m.Take()
	for _, l := range e.Disk {
		if l.Kind == zab.DiskRoll {
			say("log: roll")
			continue
		}
		t := l.Entry.Txn
		if t.Zxid != w.logged+1 {
			w.t.Fatalf("logged %v after %v", t.Zxid, w.logged)
		}
		w.logged = t.Zxid
		say("log: %v %v %s", t.Zxid, t.Op, w.name(t.Session))
	}
	for i := range e.Done {
		say("done: %s", w.done(&e.Done[i]))
	}
	for _, c := range e.Conns {
		say("conn: %s", w.conn(c))
	}
	for _, n := range e.Notes {
		kind := [...]string{"expired", "invalid", "wrong password", "future", "orphans", "reaped", "looking", "leading"}[n.Kind]
		say("note: %s %s conn=%d n=%d", kind, w.name(n.Session), n.Conn, n.N)
	}
	return lines
}

// done applies what is decided, and describes it.
func (w *world) done(d *Done) string {
	w.t.Helper()
	s := fmt.Sprintf("%v", d.Origin.Op)
	if d.Origin.Conn != 0 {
		s += fmt.Sprintf(" to %d", d.Origin.Conn)
	}
	if d.Txn != nil {
		if d.Txn.Zxid > w.durable {
			w.t.Fatalf("%v is done but only %v is durable", d.Txn.Zxid, w.durable)
		}
		o := w.state.Apply(d.Txn)
		s += fmt.Sprintf(" at %v: %v", d.Txn.Zxid, o.ReplyCode(d.Origin.Op))
		if d.Origin.Op == proto.OpCreateSession {
			if d.Password != session.Password(d.Txn.Session) {
				w.t.Errorf("session %v got the password %x", d.Txn.Session, d.Password)
			}
			s += fmt.Sprintf(" %s timeout=%d", w.name(d.Txn.Session), d.Txn.Body.(*proto.CreateSessionTxn).TimeoutMS)
		}
	} else {
		s += fmt.Sprintf(": %v", d.Code)
	}
	if d.Closed != 0 {
		s += fmt.Sprintf(" closes %d", d.Closed)
	}
	if d.Dropped {
		s += " dropped"
	}
	if d.Snapshot {
		s += " snapshot"
	}
	return s
}

func (w *world) conn(c Conn) string {
	switch c.Kind {
	case ConnAttach:
		if c.Password != session.Password(c.Session) {
			w.t.Errorf("session %v got the password %x", c.Session, c.Password)
		}
		return fmt.Sprintf("attach %d to %s timeout=%d", c.ID, w.name(c.Session), c.TimeoutMS)
	case ConnRefuse:
		return fmt.Sprintf("refuse %d", c.ID)
	}
	return fmt.Sprintf("close %d", c.ID)
}

// sync makes everything durable that was handed to the log so far.
func (w *world) sync() {
	w.durable = w.logged
	w.m.Durable(incarnation, w.durable, int64(w.durable)*100)
}

func (w *world) request(conn watch.ConnID, id proto.SessionID, xid int32, op proto.Op, body []byte) {
	w.m.Request(&state.Request{Conn: conn, Session: id, Cxid: xid, Op: op, Body: body})
}

func createBody(path string, flags int32) []byte {
	return proto.AppendCreateRequest(nil, proto.OpCreate, &proto.CreateRequest{
		Path: path, Flags: flags, ACL: []proto.ACL{{Perms: proto.PermAll, ID: proto.ID{Scheme: "world", ID: "anyone"}}},
	})
}

func deleteBody(path string) []byte {
	return proto.AppendPathVersion(nil, proto.PathVersion{Path: path, Version: -1})
}

func pathBody(path string) []byte { return jute.AppendString(nil, path) }

func passwordOf(id proto.SessionID) []byte {
	p := session.Password(id)
	return p[:]
}
