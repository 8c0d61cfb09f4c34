package cli

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"quokka/internal/jute"
	"quokka/internal/proto"
)

// quickBench returns a Bench with the defaults of the command line, bounded by
// requests.
func quickBench(t testing.TB, s *fakeServer, args ...string) *Bench {
	t.Helper()
	b := new(Bench)
	parser, err := kong.New(b)
	if err != nil {
		t.Fatal(err)
	}
	args = append([]string{"--requests=500", "--warmup=2ms", "--keys=50", "--size=20", "--prefix=/b"}, args...)
	if s != nil {
		args = append(args, "--servers="+s.listener.Addr().String())
	}
	if _, err := parser.Parse(args); err != nil {
		t.Fatal(err)
	}
	return b
}

type benchReport struct {
	Results []benchResult `json:"results"`
}

func runBench(t *testing.T, b *Bench) (map[string]benchResult, error) {
	t.Helper()
	b.JSON = true
	var out bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	runErr := b.Run(ctx, &out)
	var doc benchReport
	if out.Len() > 0 {
		if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
			t.Fatalf("%v in %s", err, out.String())
		}
	}
	byName := map[string]benchResult{}
	for _, r := range doc.Results {
		byName[r.Workload] = r
	}
	return byName, runErr
}

func TestBenchDefaults(t *testing.T) {
	s := startFake(t, 30000, nil)
	results, err := runBench(t, quickBench(t, s))
	if err != nil || len(results) != 4 || results["create"].Ops+results["set"].Ops+results["get"].Ops+results["mixed"].Ops != 2000 {
		t.Errorf("%v, %+v", err, results)
	}
	b := new(Bench)
	parser, err := kong.New(b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(nil); err != nil {
		t.Fatal(err)
	}
	if err := b.check(); err != nil || b.Duration != 10*time.Second || !b.Cleanup {
		t.Errorf("%v, %+v", err, b)
	}
}

func TestBenchRunsEveryWorkload(t *testing.T) {
	s := startFake(t, 30000, nil)
	for _, args := range [][]string{
		{"--sessions=3", "--pipeline=16"}, {"--sessions=2"}, {"--batch=1", "--pipeline=64", "--fanout=7"},
	} {
		args = append(args, "create", "set", "get", "mixed", "delete", "fill", "--nodes=1001", "--threads=2")
		results, err := runBench(t, quickBench(t, s, args...))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"create", "set", "get", "mixed", "delete", "fill"} {
			want := int64(500)
			if name == "fill" {
				want = 1001
			}
			r := results[name]
			if r.Ops != want || r.Errors != 0 || r.P50 > r.P999 || r.P999 > r.Max || r.Max <= 0 || r.Mean > r.Max {
				t.Errorf("%v: %+v", args, r)
			}
		}
		if left := s.left(); !slices.Equal(left, []string{"/"}) {
			t.Errorf("%v: %d nodes are left: %.200v", args, len(left)-1, left)
		}
	}
}

func TestBenchForATime(t *testing.T) {
	s := startFake(t, 30000, nil)
	var out strings.Builder
	b := quickBench(t, s, "--requests=0", "--duration=30ms", "--pipeline=10", "--no-cleanup", "get")
	if err := b.Run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	if len(s.left()) != 53 || !strings.Contains(out.String(), "\nget ") { // root, prefix, key and 50
		t.Errorf("%d nodes, report:\n%s", len(s.left()), out.String())
	}
}

func TestBenchCutShort(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := startFake(t, 30000, func(n int, _ proto.Op, frame []byte) []byte {
		if n == 300 {
			cancel()
		}
		return frame
	})
	var out strings.Builder
	err := quickBench(t, s, "--requests=1000000000", "get", "set").Run(ctx, &out)
	if !errors.Is(err, context.Canceled) || !strings.Contains(out.String(), "\nget ") || strings.Contains(out.String(), "\nset ") {
		t.Errorf("%v, report:\n%s", err, out.String())
	}
	if left := s.left(); len(left) != 1 {
		t.Errorf("%d nodes are left", len(left)-1)
	}
}

func TestBenchReportsErrorReplies(t *testing.T) {
	s := startFake(t, 30000, func(n int, op proto.Op, frame []byte) []byte {
		if op == proto.OpSetData && n%10 == 0 {
			return proto.AppendReplyHeader(nil, proto.ReplyHeader{
				Xid: int32(binary.BigEndian.Uint32(frame)), Zxid: proto.Zxid(binary.BigEndian.Uint64(frame[4:])), Err: proto.BadVersion,
			})
		}
		return frame
	})
	results, err := runBench(t, quickBench(t, s, "--warmup=0s", "--pipeline=7", "set"))
	if err == nil || !strings.Contains(err.Error(), "50 replies were errors") {
		t.Errorf("err = %v", err)
	}
	if r := results["set"]; r.Ops != 450 || r.Errors != 50 || r.ErrorCodes["BadVersion"] != 50 {
		t.Errorf("%+v", r)
	}
}

func TestBenchSeesFailedMultis(t *testing.T) {
	s := startFake(t, 30000, func(_ int, op proto.Op, frame []byte) []byte {
		if op == proto.OpMulti {
			return append(frame[:16], failedMulti(5, 3, proto.NoAuth)...)
		}
		return frame
	})
	results, err := runBench(t, quickBench(t, s, "--nodes=1000", "fill"))
	if r := results["fill"]; err == nil || r.Ops != 0 || r.ErrorCodes["NoAuth"] != 10 {
		t.Errorf("%v, %+v", err, r)
	}
}

// A server that breaks the protocol ends the run with an error that says how.
func TestBenchAndBrokenServers(t *testing.T) {
	spoilGet := func(change func(frame []byte) []byte) func(int, proto.Op, []byte) []byte {
		return func(n int, op proto.Op, frame []byte) []byte {
			if op == proto.OpGetData && n > 100 {
				return change(frame)
			}
			return frame
		}
	}
	for want, change := range map[string]func(frame []byte) []byte{
		"out of order":      func(f []byte) []byte { f[3]++; return f },
		"went back in time": func(f []byte) []byte { clear(f[4:12]); return f },
		"bytes, want":       func(f []byte) []byte { return f[:len(f)-1] },
		"did not reply":     func([]byte) []byte { return nil },
		"ends too early":    func(f []byte) []byte { return f[:7] },
	} {
		for _, pipeline := range []string{"--pipeline=5", "--pipeline=1"} {
			s := startFake(t, 200, spoilGet(change))
			_, err := runBench(t, quickBench(t, s, pipeline, "--sessions=3", "get"))
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: want an error with %q, got %v", pipeline, want, err)
			}
		}
	}
}

// A server that goes away is noticed at once, also by sessions that wait for
// each reply.
func TestBenchAndLostConnections(t *testing.T) {
	for _, pipeline := range []string{"--pipeline=5", "--pipeline=1"} {
		s := startFake(t, 30000, nil)
		s.hangUpAfter = 200
		_, err := runBench(t, quickBench(t, s, pipeline, "--sessions=3", "get"))
		if err == nil || !strings.Contains(err.Error(), "closed the connection") && !strings.Contains(err.Error(), "reset") {
			t.Errorf("%s: %v", pipeline, err)
		}
	}
}

// Requests and replies that are larger than the sockets' buffers travel as
// well, and the sessions can be used again afterwards.
func TestBenchWithLargeNodes(t *testing.T) {
	s := startFake(t, 30000, nil)
	results, err := runBench(t, quickBench(t, s, "--sessions=3", "--size=1048576", "--keys=2", "--requests=12", "set", "get", "create"))
	if err != nil || results["set"].Ops != 12 || results["get"].Ops != 12 || results["create"].Ops != 12 {
		t.Errorf("%v, %+v", err, results)
	}
	if left := s.left(); len(left) != 1 {
		t.Errorf("%d nodes are left", len(left)-1)
	}
}

func TestBenchWillNotUseWhatExists(t *testing.T) {
	s := startFake(t, 30000, nil)
	s.nodes["/b"], s.nodes["/b/precious"] = nil, nil
	if _, err := runBench(t, quickBench(t, s, "get")); !errors.Is(err, proto.NodeExists) {
		t.Errorf("err = %v", err)
	}
	if _, err := runBench(t, quickBench(t, s, "get", "--prefix=/no/b")); !errors.Is(err, proto.NoNode) {
		t.Errorf("err = %v", err)
	}
	if len(s.left()) != 3 {
		t.Errorf("nodes are %v", s.left())
	}
}

func TestBenchRefusesBadOptions(t *testing.T) {
	for _, args := range [][]string{
		{"--sessions=0"}, {"--pipeline=0"}, {"--size=-1"}, {"--reads=1.1"}, {"--requests=0", "--duration=0s"},
		{"--timeout=1ms"}, {"nothing"}, {"delete"}, {"delete", "create"}, {"--servers="}, {"--batch=0"},
	} {
		if err := quickBench(t, nil, args...).Run(t.Context(), &strings.Builder{}); err == nil {
			t.Errorf("%v was accepted", args)
		}
	}
}

func TestKeepAlivePings(t *testing.T) {
	s := startFake(t, 60, nil)
	start := time.Now()
	clock := func() int64 { return int64(time.Since(start)) }
	c, err := connectSession(t.Context(), s.listener.Addr().String(), time.Second, clock)
	if err != nil {
		t.Fatal(err)
	}
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		keepAlive([]*benchConn{c}, stop)
		close(ended)
	}()
	late := time.After(10 * time.Second)
	for range cap(s.pings) {
		select {
		case <-s.pings:
		case <-late:
			t.Fatal("no pings")
		}
	}
	if _, code, err := c.call(proto.OpSync, func(b []byte) []byte { return jute.AppendString(b, "/") }); err != nil || code != proto.OK {
		t.Errorf("a call after pings: %v, %v", code, err)
	}
	close(stop)
	<-ended
	c.close()
	if c.stalled.Load() {
		t.Error("an idle session counts as stalled")
	}
}

func TestSourcesAndRepliesDoNotAllocate(t *testing.T) {
	b := &benchRun{Bench: *quickBench(t, nil, "--nodes=1000000"), payload: randomBytes(1, 20), created: make([]int64, 1)}
	for _, w := range workloads() {
		if w.name == "delete" {
			b.created[0] = 1000
		}
		src, buf := w.source(b, 0), make([]byte, 0, 1<<20)
		if n := testing.AllocsPerRun(100, func() { buf, _, _ = src.next(buf[:0], 7) }); n > 0 {
			t.Errorf("%s: %v allocations per request", w.name, n)
		}
	}
	c := &benchConn{ring: make([]inFlight, 1), wake: make(chan struct{}, 1), clock: func() int64 { return 5000 }}
	frame := proto.AppendReplyHeader([]byte{0, 0, 0, 16}, proto.ReplyHeader{Xid: 1})
	c.ring[0] = inFlight{op: proto.OpDelete, ops: 1}
	tally := newTally()
	if n := testing.AllocsPerRun(100, func() {
		c.in, c.inBegin, c.inEnd = frame, 0, len(frame)
		c.done.Store(0)
		c.sent.Store(1)
		if err := c.takeReplies(5000, 0, tally); err != nil {
			t.Error(err)
		}
	}); n > 0 || tally.ops != 101 {
		t.Errorf("%v allocations per reply, %d ops", n, tally.ops)
	}
}

func TestBenchResult(t *testing.T) {
	t1, t2 := newTally(), newTally()
	for ms := int64(1); ms <= 1000; ms++ {
		t1.add(ms*1e6, 1, proto.OK)
	}
	t2.add(5e9, 3, proto.OK)
	t2.add(1, 1, proto.NoNode)
	t1.merge(t2)
	r := newBenchResult("x", t1, 2*time.Second, time.Second)
	if r.Ops != 1003 || r.Requests != 1001 || r.Errors != 1 || r.ErrorCodes["NoNode"] != 1 || r.OpsPerSecond != 501.5 {
		t.Errorf("%+v", r)
	}
	near := func(got, want float64) bool { return math.Abs(got-want) <= want/100 }
	if !near(r.P50, 501) || !near(r.P90, 901) || !near(r.P99, 991) || !near(r.P999, 1000) || r.Max != 5000 ||
		math.Abs(r.Mean-505500.0/1001) > 1e-9 {
		t.Errorf("%+v", r)
	}
}

func TestXids(t *testing.T) {
	for seq, want := range map[uint64]int32{0: 1, 1: 2, math.MaxInt32 - 1: math.MaxInt32, math.MaxInt32: 1} {
		if got := xidOf(seq); got != want {
			t.Errorf("xidOf(%d) = %d", seq, got)
		}
	}
}

func FuzzMultiError(f *testing.F) {
	f.Add(failedMulti(3, 1, proto.NoNode))
	f.Add(proto.AppendMultiHeader(nil, proto.MultiEnd))
	f.Fuzz(func(t *testing.T, body []byte) {
		if code, err := multiError(body); err != nil && code != proto.OK {
			t.Fatalf("both %v and %v", code, err)
		}
	})
}
