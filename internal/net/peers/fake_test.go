package peers

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"quokka/internal/core/quorum"
	"quokka/internal/proto"
)

// patience is how long a test waits for what must come; what must not come
// is never waited for.
const patience = 20 * time.Second

// An event is one call of a Sink.
type event struct {
	kind   string // vote, accepted, up, packet, snap, down
	link   uint64
	server proto.ServerID
	vote   proto.Notification
	packet proto.QuorumPacket
	from   Arrival
	body   string
	why    error
}

// A recorder is a Sink that hands its calls to a test.
type recorder struct {
	t        *testing.T
	events   chan event
	snapshot func(r io.Reader) (string, error) // nil: SNAP bodies of 5 bytes
}

func newRecorder(t *testing.T) *recorder {
	return &recorder{t: t, events: make(chan event, 100_000)}
}

func (r *recorder) Notification(from proto.ServerID, n proto.Notification) {
	r.events <- event{kind: "vote", server: from, vote: n}
}

func (r *recorder) Accepted(link uint64, from Arrival, first proto.QuorumPacket) {
	r.events <- event{kind: "accepted", link: link, from: from, packet: first}
}
func (r *recorder) Up(link uint64) { r.events <- event{kind: "up", link: link} }
func (r *recorder) Packet(link uint64, q proto.QuorumPacket) {
	r.events <- event{kind: "packet", link: link, packet: q}
}

func (r *recorder) Snapshot(link uint64, z proto.Zxid, in io.Reader) error {
	body := make([]byte, 5)
	_, err := io.ReadFull(in, body)
	if r.snapshot != nil {
		var s string
		s, err = r.snapshot(io.MultiReader(bytes.NewReader(body), in))
		body = []byte(s)
	}
	r.events <- event{kind: "snap", link: link, packet: proto.QuorumPacket{Zxid: z}, body: string(body), why: err}
	return err
}
func (r *recorder) Down(link uint64, why error) {
	r.events <- event{kind: "down", link: link, why: why}
}

// next returns the next call, which must be of the given kind.
func (r *recorder) next(kind string) event {
	r.t.Helper()
	select {
	case e := <-r.events:
		if e.kind != kind {
			r.t.Fatalf("want %s, got %+v", kind, e)
		}
		return e
	case <-time.After(patience):
		r.t.Fatalf("no %s came", kind)
	}
	return event{}
}

// vote returns the next call, which must be a notification of round n.
func (r *recorder) vote(from proto.ServerID, round int64) {
	r.t.Helper()
	e := r.next("vote")
	if e.server != from || e.vote.ElectionEpoch != round {
		r.t.Fatalf("want a vote of %d in round %d, got %+v", from, round, e)
	}
}

// quiet checks that no call is left.
func (r *recorder) quiet() {
	r.t.Helper()
	select {
	case e := <-r.events:
		r.t.Fatalf("not expected: %+v", e)
	default:
	}
}

// ballot is a notification of round n.
func ballot(n int64) []byte {
	return proto.AppendNotification(nil, &proto.Notification{Leader: 1, ElectionEpoch: n, Config: "version=0"})
}

// lines is a log that a test can read.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

// count returns how many lines contain text.
func (l *lines) count(text string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.SplitSeq(l.b.String(), "\n") {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lines) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// A running is Peers under test, on free ports of the loopback.
type running struct {
	*Peers
	sink *recorder
	log  *lines
	self quorum.Server
	stop func()
}

// start runs Peers until the test ends, or stop.
func start(t *testing.T, o Options, servers ...quorum.Server) *running {
	t.Helper()
	sink, log := newRecorder(t), &lines{}
	o.Log = log.logger()
	if o.ElectionAddrs == nil {
		o.ElectionAddrs = []string{"127.0.0.1:0"}
	}
	if o.QuorumAddrs == nil {
		o.QuorumAddrs = []string{"127.0.0.1:0"}
	}
	p, err := New(o, sink)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := p.Bind(ctx); err != nil {
		t.Fatal(err)
	}
	election, quorums, _ := p.Addrs()
	r := &running{Peers: p, sink: sink, log: log, self: server(o.Me, portOf(quorums[0]), portOf(election[0]))}
	p.SetServers(append(servers, r.self))
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			all := make([]byte, 1<<20)
			t.Errorf("Run does not return\n%s", all[:runtime.Stack(all, true)])
		}
	})
	t.Cleanup(r.stop)
	return r
}

func server(id proto.ServerID, quorumAt, electionAt int) quorum.Server {
	return quorum.Server{ID: id, Addrs: []quorum.ServerAddr{{Host: "127.0.0.1", QuorumPort: quorumAt, ElectionPort: electionAt}}}
}

func portOf(a net.Addr) int { return int(netip.MustParseAddrPort(a.String()).Port()) }

// introduceAll tells every one of them of all.
func introduceAll(all ...*running) {
	var servers []quorum.Server
	for _, r := range all {
		servers = append(servers, r.self)
	}
	for _, r := range all {
		r.SetServers(servers)
	}
}

// A raw is one end of a socket that a test plays itself.
type raw struct {
	t *testing.T
	net.Conn
}

func newRaw(t *testing.T, c net.Conn) *raw {
	t.Helper()
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &raw{t, c}
}

func dialRaw(t *testing.T, port int) *raw {
	t.Helper()
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	return newRaw(t, c)
}

func (r *raw) write(b ...[]byte) {
	r.t.Helper()
	if _, err := r.Write(bytes.Join(b, nil)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *raw) read(n int) []byte {
	r.t.Helper()
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		r.t.Fatalf("read %d bytes: %v", n, err)
	}
	return b
}

// round reads a notification and returns its round.
func (r *raw) round() int64 {
	r.t.Helper()
	b := r.read(int(binary.BigEndian.Uint32(r.read(4))))
	n, err := proto.DecodeNotification(b)
	if err != nil {
		r.t.Fatal(err)
	}
	return n.ElectionEpoch
}

// ended waits for the end of the stream, and returns what came before it.
func (r *raw) ended() []byte {
	r.t.Helper()
	b, err := io.ReadAll(r)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		r.t.Fatalf("the connection is not closed: %v", err)
	}
	return b
}

func framed(b []byte) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...) }

// listenRaw plays another server's port.
func listenRaw(t *testing.T) (net.Listener, int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, portOf(l.Addr())
}

func acceptRaw(t *testing.T, l net.Listener) *raw {
	t.Helper()
	_ = l.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return newRaw(t, c)
}

// A wire is a network of pipes, for tests in which time must not pass.
type wire struct {
	mu    sync.Mutex
	hosts map[string]netip.Addr
	ports map[netip.AddrPort]*wirePort
	dead  map[netip.Addr]bool // swallow connection requests
	dials map[netip.AddrPort][]time.Time
}

func newWire() *wire {
	return &wire{
		hosts: make(map[string]netip.Addr), ports: make(map[netip.AddrPort]*wirePort),
		dead: make(map[netip.Addr]bool), dials: make(map[netip.AddrPort][]time.Time),
	}
}

func (w *wire) network() Network { return Network{Lookup: w.lookup, Dial: w.dial, Listen: w.listen} }

func (w *wire) lookup(_ context.Context, host string) ([]netip.Addr, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if a, ok := w.hosts[host]; ok {
		return []netip.Addr{a}, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

func (w *wire) dial(ctx context.Context, _ string, to netip.AddrPort) (net.Conn, error) {
	w.mu.Lock()
	w.dials[to] = append(w.dials[to], time.Now())
	dead, l := w.dead[to.Addr()], w.ports[to]
	w.mu.Unlock()
	if dead {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if l == nil {
		return nil, syscall.ECONNREFUSED
	}
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (w *wire) listen(_ context.Context, address string) (net.Listener, error) {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	l := &wirePort{at: at, conns: make(chan net.Conn, 100), done: make(chan struct{})}
	w.ports[at] = l
	return l, nil
}

func (w *wire) dialled(to string) []time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dials[netip.MustParseAddrPort(to)]
}

type wirePort struct {
	at    netip.AddrPort
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *wirePort) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *wirePort) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}
func (l *wirePort) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.at) }

// nextOf returns the next call of a kind, passing over votes.
func (r *recorder) nextOf(kind string) event {
	r.t.Helper()
	e := r.nextNot("vote")
	if e.kind != kind {
		r.t.Fatalf("want %s, got %+v", kind, e)
	}
	return e
}

// nextNot returns the next call that is not of a kind.
func (r *recorder) nextNot(kind string) event {
	r.t.Helper()
	limit := time.After(patience)
	for {
		select {
		case e := <-r.events:
			if e.kind != kind {
				return e
			}
		case <-limit:
			r.t.Fatal("nothing came")
		}
	}
}
