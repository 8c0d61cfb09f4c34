package node

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"quokka/internal/core/member"
	"quokka/internal/core/session"
	"quokka/internal/core/state"
	"quokka/internal/core/tree"
	"quokka/internal/core/zab"
	"quokka/internal/disk/snap"
	"quokka/internal/journal"
	"quokka/internal/jute"
	"quokka/internal/metrics"
	"quokka/internal/proto"
)

type noSchemes struct{}

func (noSchemes) Known(string) bool                   { return false }
func (noSchemes) Valid(string, string) bool           { return false }
func (noSchemes) Authenticated(string) bool           { return false }
func (noSchemes) Matches(string, string, string) bool { return false }
func (noSchemes) User(string, string) string          { return "" }

// fakeLog remembers what it was told. Sync waits for gate, if there is one,
// and fails with err.
type fakeLog struct {
	mu      sync.Mutex
	appends int
	synced  int // appends that a Sync covered
	syncs   int
	rolls   int
	closed  bool
	gate    chan struct{}
	err     error
}

// Do is a disk on which everything of one call is one flush.
func (l *fakeLog) Do(orders []zab.Disk, done func(journal.Completion)) error {
	l.mu.Lock()
	var last proto.Zxid
	for _, o := range orders {
		switch o.Kind {
		case zab.DiskAppend:
			l.appends++
			last = o.Entry.Zxid()
		case zab.DiskRoll:
			l.rolls++
		}
	}
	n := l.appends
	l.mu.Unlock()
	if last == 0 {
		return nil
	}
	if l.gate != nil {
		<-l.gate
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	l.syncs++
	l.synced = n
	done(journal.Completion{Kind: zab.DiskAppend, Zxid: last, OK: true})
	return nil
}

func (l *fakeLog) Hold(*tree.Tree, *session.Table, proto.Zxid) zab.SnapshotID { return 0 }
func (l *fakeLog) Forget(zab.SnapshotID)                                      {}
func (l *fakeLog) Close() error                                               { l.mu.Lock(); defer l.mu.Unlock(); l.closed = true; return nil }

func (l *fakeLog) fail(err error) { l.mu.Lock(); defer l.mu.Unlock(); l.err = err }

func (l *fakeLog) counts() (appends, synced, syncs int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.appends, l.synced, l.syncs
}

// fakeSnaps reads the pictures it is given once gate lets it.
type fakeSnaps struct {
	mu    sync.Mutex
	gate  chan struct{}
	taken []takenSnapshot
}

type takenSnapshot struct {
	zxid     proto.Zxid
	paths    int
	newest   proto.Zxid // the highest czxid in it
	sessions int
}

func (s *fakeSnaps) SaveSnapshot(p snap.Picture, _ func(int64)) (snap.Info, error) {
	if s.gate != nil {
		<-s.gate
	}
	t := takenSnapshot{zxid: p.Zxid, sessions: len(p.Sessions)}
	for n := range p.View.Nodes() {
		t.paths++
		t.newest = max(t.newest, n.Stat.Czxid)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken = append(s.taken, t)
	return snap.Info{Zxid: p.Zxid}, nil
}

func (s *fakeSnaps) list() []takenSnapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]takenSnapshot{}, s.taken...)
}

// world is a running node over fake devices.
type world struct {
	t     *testing.T
	node  *Node
	log   *fakeLog
	snaps *fakeSnaps
	stop  context.CancelFunc
	done  chan error
	conns uint64
}

func newWorld(t *testing.T, change func(*Options)) *world {
	o := state.Options{
		Tree: tree.Options{ExtendedTypes: true}, Schemes: noSchemes{}, SkipACL: true, Digest: true,
		CloseSessionTxn: true, Standalone: true,
	}
	w := &world{t: t, log: &fakeLog{}, snaps: &fakeSnaps{}, done: make(chan error, 1)}
	opt := Options{
		Meter: &DiskMeter{},
		Member: member.Config{
			Server: 1, SessionPrefix: 1, Standalone: true, TickMS: 1000,
			MinTimeoutMS: 2000, MaxTimeoutMS: 20_000, SnapCount: 1 << 20, ContainerCheckMS: 60_000, ContainerPerMinute: 600,
		},
		State: state.New(o, tree.New(o.Tree), session.NewTable(), 0), Journal: w.log, Snapshots: w.snaps,
		TickInterval: 250 * time.Millisecond, TouchInterval: 250 * time.Millisecond,
		Metrics: metrics.NewServer(), Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	if change != nil {
		change(&opt)
	}
	w.node = New(opt)
	return w
}

func (w *world) run() *world {
	ctx, cancel := context.WithCancel(context.Background())
	w.stop = cancel
	go func() { w.done <- w.node.Run(ctx) }()
	return w
}

// end stops the node and returns Run's error.
func (w *world) end() error {
	w.stop()
	return <-w.done
}

// conn makes a connection and sends its handshake.
func (w *world) conn(r proto.ConnectRequest) *fakeConn {
	w.conns++
	c := &fakeConn{node: w.node, id: w.conns, heard: w.node.RunningMS()}
	w.node.Connect(c, r)
	return c
}

// fakeConn is a connection with a pipe, as the client port has it, that
// keeps what it is sent.
type fakeConn struct {
	node *Node
	id   uint64

	lock    sync.Mutex // held from Begin to End, as the outgoing buffer's
	mu      sync.Mutex // guards the rest
	session proto.SessionID
	timeout int32
	heard   int64
	auth    []proto.ID
	pipe    []fakeRequest
	got     []string
	shut    string
	refused bool

	readOnly bool
}

type fakeRequest struct {
	xid  int32
	op   proto.Op
	body []byte
	auth []proto.ID
	read bool
}

func (c *fakeConn) RemoteString() string { return "fake" }

func (c *fakeConn) ID() uint64 { return c.id }
func (c *fakeConn) Session() proto.SessionID {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session
}
func (c *fakeConn) TimeoutMS() int32 { c.mu.Lock(); defer c.mu.Unlock(); return c.timeout }
func (c *fakeConn) Heard() int64     { c.mu.Lock(); defer c.mu.Unlock(); return c.heard }
func (c *fakeConn) hear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = c.node.RunningMS()
}
func (c *fakeConn) Auth() []proto.ID       { c.mu.Lock(); defer c.mu.Unlock(); return c.auth }
func (c *fakeConn) SetAuth(ids []proto.ID) { c.mu.Lock(); defer c.mu.Unlock(); c.auth = ids }
func (c *fakeConn) Attach(id proto.SessionID, timeoutMS int32, password [proto.PasswordLen]byte, _ proto.Zxid) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session, c.timeout = id, timeoutMS
	if password != session.Password(id) {
		c.got = append(c.got, "wrong password")
	}
}
func (c *fakeConn) SetReadOnly() { c.mu.Lock(); defer c.mu.Unlock(); c.readOnly = true }
func (c *fakeConn) Refuse()      { c.mu.Lock(); defer c.mu.Unlock(); c.refused = true }
func (c *fakeConn) Shut(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shut == "" {
		c.shut = why
	}
}
func (c *fakeConn) ShutWhenSent() { c.Shut("sent") }
func (c *fakeConn) Kick()         {}
func (c *fakeConn) Send()         {}
func (c *fakeConn) CheckUnsent()  {}

func (c *fakeConn) Begin() []byte { c.lock.Lock(); return nil }

func (c *fakeConn) End(b []byte, h proto.ReplyHeader, op proto.Op, _ time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = append(c.got, reply(b, h, op))
	c.lock.Unlock()
}

// reply is a reply as text: a getData with its data, a whoAmI with its length.
func reply(b []byte, h proto.ReplyHeader, op proto.Op) string {
	s := fmt.Sprintf("%d %v at %v", h.Xid, op, h.Zxid)
	if h.Err != proto.OK {
		return s + fmt.Sprintf(" err %d", h.Err)
	}
	if op == proto.OpGetData {
		d := jute.NewDecoder(b)
		return s + " = " + string(d.Buffer())
	}
	if op == proto.OpWhoAmI {
		return s + fmt.Sprintf(" with %d bytes", len(b))
	}
	return s
}

func (c *fakeConn) Answer(b []byte, h proto.ReplyHeader) {
	c.mu.Lock()
	r := c.pipe[0]
	c.pipe = c.pipe[1:]
	c.mu.Unlock()
	h.Xid = r.xid
	c.End(b, h, r.op, time.Time{})
}

func (c *fakeConn) Drop() { c.mu.Lock(); defer c.mu.Unlock(); c.pipe = c.pipe[1:] }

func (c *fakeConn) NextRead() (xid int32, op proto.Op, body []byte, auth []proto.ID, at time.Time, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pipe) == 0 || !c.pipe[0].read {
		return 0, 0, nil, nil, time.Time{}, false
	}
	r := c.pipe[0]
	c.pipe = c.pipe[1:]
	return r.xid, r.op, r.body, r.auth, time.Time{}, true
}

func (c *fakeConn) Event(z proto.Zxid, t proto.EventType, path string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = append(c.got, fmt.Sprintf("event %v %s at %v", t, path, int64(z)))
}

// write submits an ordered request.
func (c *fakeConn) write(xid int32, op proto.Op, body []byte) {
	c.mu.Lock()
	c.pipe = append(c.pipe, fakeRequest{xid: xid, op: op})
	c.mu.Unlock()
	c.node.Submit(c, xid, op, body, time.Now())
}

// read executes a read, or lets it wait behind an own write.
func (c *fakeConn) read(xid int32, op proto.Op, body []byte) {
	c.mu.Lock()
	waits := len(c.pipe) > 0
	if waits {
		c.pipe = append(c.pipe, fakeRequest{xid: xid, op: op, body: body, auth: c.auth, read: true})
	}
	c.mu.Unlock()
	if !waits {
		c.node.Read(c, xid, op, body, time.Time{})
	}
}

// take returns what arrived since the last call.
func (c *fakeConn) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	got := c.got
	c.got = nil
	return got
}

func (c *fakeConn) why() string { c.mu.Lock(); defer c.mu.Unlock(); return c.shut }

func create(path, data string) []byte {
	return proto.AppendCreateRequest(nil, proto.OpCreate, &proto.CreateRequest{
		Path: path, Data: []byte(data), ACL: []proto.ACL{{Perms: proto.PermAll, ID: proto.ID{Scheme: "world", ID: "anyone"}}},
	})
}

func setData(path, data string) []byte {
	return proto.AppendSetDataRequest(nil, &proto.SetDataRequest{Path: path, Data: []byte(data), Version: -1})
}

func getData(path string, watch bool) []byte { return proto.AppendPathWatch(nil, path, watch) }
