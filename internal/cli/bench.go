package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"quokka/internal/proto"
)

// Bench is the command "quokka bench": a load generator for any server that
// speaks ZooKeeper's protocol. It creates its nodes under one prefix that may
// not exist before, and takes them away again.
//
// Each session keeps Pipeline requests in flight: the load is closed, so while
// a server stands still it counts one long latency per request in flight, and
// not the requests that would have come meanwhile. The generator is built to
// need much less CPU than a server, since both often share a machine: it
// writes many requests and reads many replies with one system call, drives
// sessions that wait for each reply from one thread, and allocates nothing per
// request.
type Bench struct {
	Workloads []string      `arg:"" optional:"" help:"What to measure, in this order: create, set, get, mixed (see --reads), delete (what create made), fill (see --nodes). Default: create set get mixed."`
	Servers   []string      `help:"Addresses of the servers; sessions are dealt out in turn." default:"127.0.0.1:2181" placeholder:"HOST:PORT"`
	Sessions  int           `help:"Number of sessions, each on its own connection." default:"1"`
	Pipeline  int           `help:"Requests each session keeps in flight; 1 waits for every reply. More are refilled by quarters." default:"1"`
	Size      int           `help:"Bytes of data in a node." default:"1024"`
	Keys      int           `help:"Number of nodes that set, get and mixed use." default:"1000"`
	Reads     float64       `help:"Share of reads in mixed, from 0 to 1." default:"0.8"`
	Duration  time.Duration `help:"Time per workload." default:"10s"`
	Requests  int64         `help:"Requests per workload, instead of a time." default:"0"`
	Warmup    time.Duration `help:"Time each workload runs before it counts; not for delete and fill." default:"1s"`
	Nodes     int           `help:"Number of nodes that fill creates." default:"1000000"`
	Fanout    int           `help:"Nodes per directory that fill creates." default:"1000"`
	Batch     int           `help:"Creates per request of fill; more than 1 makes it a multi." default:"100"`
	Prefix    string        `help:"Node to create and work under. It must not exist, its parent must. Default: /quokka-bench- and the process id." placeholder:"PATH"`
	Cleanup   bool          `help:"Delete the nodes at the end." default:"true" negatable:""`
	Timeout   time.Duration `help:"Session timeout to ask for; also how long to wait for a reply." default:"30s"`
	Seed      uint64        `help:"Seed of the data and of the order of keys." default:"1"`
	Threads   int           `help:"Threads that may run at a time." default:"1"`
	JSON      bool          `help:"Write one JSON document instead of a table." name:"json"`
}

// A workload is a row of the table of what can be measured.
type workload struct {
	name   string
	warmup bool                                       // can run for a while before it counts
	before func(*benchRun) error                      // makes the nodes it needs; may be nil
	source func(b *benchRun, session int) benchSource // the requests of one session
	depth  int                                        // least number of requests in flight
	whole  bool                                       // runs until its source ends, not for a time
}

// workloads returns the table of what can be measured.
func workloads() []workload {
	return []workload{
		{name: "create", warmup: true, before: (*benchRun).makeCreateDirs, source: (*benchRun).createSource},
		{name: "set", warmup: true, before: (*benchRun).makeKeys, source: keySource(0)},
		{name: "get", warmup: true, before: (*benchRun).makeKeys, source: keySource(1)},
		{name: "mixed", warmup: true, before: (*benchRun).makeKeys,
			source: func(b *benchRun, i int) benchSource { return keySource(b.Reads)(b, i) }},
		{name: "delete", source: (*benchRun).deleteSource},
		{name: "fill", before: (*benchRun).makeFillDirs, source: (*benchRun).fillSource, depth: fillDepth, whole: true},
	}
}

// benchRun is what one Run works with.
type benchRun struct {
	Bench
	clock   func() int64 // monotonic nanoseconds
	conns   []*benchConn
	payload []byte
	created []int64 // nodes made by create, by session
	out     benchPrinter
}

// Run measures the workloads and writes a row for each to out. It returns an
// error also if any reply was an error. When ctx ends, the workload that is
// running is cut short and reported, and the nodes are still deleted.
func (b *Bench) Run(ctx context.Context, out io.Writer) error {
	r := &benchRun{Bench: *b}
	if len(r.Workloads) == 0 {
		r.Workloads = []string{"create", "set", "get", "mixed"}
	}
	if err := r.check(); err != nil {
		return err
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(b.Threads))
	start := time.Now()
	r.clock = func() int64 { return int64(time.Since(start)) }
	if r.Prefix == "" {
		r.Prefix = fmt.Sprintf("/quokka-bench-%d", os.Getpid())
	}
	r.payload = randomBytes(r.Seed, r.Size)
	r.created = make([]int64, r.Sessions)
	r.out = benchPrinter{w: out, json: r.JSON}
	defer r.disconnect()
	if err := r.connect(ctx); err != nil {
		return err
	}
	if code, err := r.conns[0].createNode(r.Prefix, nil); err != nil || code != proto.OK {
		return r.prefixError(code, err)
	}
	return r.runWatched(ctx)
}

// prefixError says what to do when the prefix cannot be created.
func (b *benchRun) prefixError(code proto.Code, err error) error {
	hint := "choose another --prefix"
	switch {
	case err != nil:
		return err
	case code == proto.NoNode:
		hint = "create its parent first, or " + hint
	}
	return fmt.Errorf("bench: create %s: %w: %s", b.Prefix, code, hint)
}

// check refuses options that make no sense.
func (b *Bench) check() error {
	const most = 1 << 20
	for _, o := range []struct {
		name      string
		v         int64
		low, high int64
	}{
		{"sessions", int64(b.Sessions), 1, most}, {"pipeline", int64(b.Pipeline), 1, most},
		{"size", int64(b.Size), 0, most}, {"keys", int64(b.Keys), 1, 1 << 30},
		{"nodes", int64(b.Nodes), 1, 1 << 30}, {"fanout", int64(b.Fanout), 1, 1 << 30},
		{"batch", int64(b.Batch), 1, most}, {"threads", int64(b.Threads), 1, 1024},
		{"requests", b.Requests, 0, 1 << 50}, {"timeout", int64(b.Timeout), int64(time.Second), int64(time.Hour)},
		{"warmup", int64(b.Warmup), 0, int64(time.Hour)}, {"duration", int64(b.Duration), 0, int64(24 * time.Hour)},
	} {
		if o.v < o.low || o.v > o.high {
			return fmt.Errorf("bench: --%s is %d: want %d to %d", o.name, o.v, o.low, o.high)
		}
	}
	if b.Reads < 0 || b.Reads > 1 {
		return fmt.Errorf("bench: --reads is %v: want 0 to 1", b.Reads)
	}
	if len(b.Servers) == 0 {
		return errors.New("bench: want at least one of --servers")
	}
	if b.Requests == 0 && b.Duration == 0 {
		return errors.New("bench: want a --duration or a number of --requests above 0")
	}
	for i, name := range b.Workloads {
		if _, err := findWorkload(name); err != nil {
			return err
		}
		if name == "delete" && !slices.Contains(b.Workloads[:i], "create") {
			return errors.New("bench: delete removes what create made: name create before it")
		}
	}
	return nil
}

func findWorkload(name string) (workload, error) {
	all := workloads()
	i := slices.IndexFunc(all, func(w workload) bool { return w.name == name })
	if i >= 0 {
		return all[i], nil
	}
	var names []string
	for _, w := range all {
		names = append(names, w.name)
	}
	return workload{}, fmt.Errorf("bench: there is no workload %q: want some of %s", name, strings.Join(names, ", "))
}

// measureAll runs the workloads, then deletes the nodes.
func (b *benchRun) measureAll(ctx context.Context) error {
	b.out.begin(&b.Bench)
	err := b.measureEach(ctx)
	if b.Cleanup {
		began := b.clock()
		n, cleanErr := b.cleanup()
		if cleanErr != nil {
			cleanErr = fmt.Errorf("bench: clean up: %w: delete %s by hand", cleanErr, b.Prefix)
		} else {
			b.out.cleaned(n, time.Duration(b.clock()-began))
		}
		err = errors.Join(err, cleanErr)
	} else {
		b.out.kept(b.Prefix)
	}
	return errors.Join(err, b.out.end())
}

func (b *benchRun) measureEach(ctx context.Context) error {
	var bad int64
	for _, name := range b.Workloads {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		w, err := findWorkload(name)
		if err != nil {
			return err
		}
		res, err := b.measure(ctx, w)
		if err != nil {
			return fmt.Errorf("bench: %s: %w", name, err)
		}
		bad += res.Errors
		b.out.row(res)
	}
	if bad > 0 {
		return fmt.Errorf("bench: %d replies were errors", bad)
	}
	return nil
}

// measure runs one workload: what it needs, its warmup, and what counts.
func (b *benchRun) measure(ctx context.Context, w workload) (*benchResult, error) {
	if w.before != nil {
		if err := w.before(b); err != nil {
			return nil, err
		}
	}
	sources := make([]benchSource, len(b.conns))
	for i := range sources {
		sources[i] = w.source(b, i)
	}
	p := phase{conns: b.conns, sources: sources, depth: max(b.Pipeline, w.depth), clock: b.clock,
		size: b.Size, threads: b.Threads}
	early := newTally()
	if w.warmup && b.Warmup > 0 {
		p.length = b.Warmup
		t, err := p.run(ctx)
		if err != nil {
			return nil, err
		}
		early = t
	}
	p.length = b.Duration
	if b.Requests > 0 && !w.whole {
		p.length = 0
		for i := range sources {
			share := (b.Requests + int64(len(sources)-1-i)) / int64(len(sources))
			p.sources[i] = &limited{source: sources[i], left: share}
		}
	}
	if w.whole {
		p.length = 0
	}
	cpu, began := cpuTime(), b.clock()
	t, err := p.run(ctx)
	if err != nil {
		return nil, err
	}
	t.addErrors(early)
	return newBenchResult(w.name, t, time.Duration(b.clock()-began), cpuTime()-cpu), nil
}
