package interop

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Failover measured beside Java, in one run with one client. It is no test of make test: set QUOKKA_INTEROP_FAILOVER=1,
// and QUOKKA_INTEROP_FAILOVER_ROUNDS and QUOKKA_INTEROP_FAILOVER_NODES for other than 5 rounds and a million znodes:
//
//	QUOKKA_INTEROP_FAILOVER=1 go test -count=1 -timeout 60m -v -run TestFailoverBenchmark ./interop

// failoverRow is one measurement: a value in milliseconds per round and make.
type failoverRow struct {
	what   string
	values map[implementation][]float64
}

// failoverTable collects rows in the order of their first value.
type failoverTable struct{ rows []*failoverRow }

func (f *failoverTable) add(kind implementation, what string, ms float64) {
	for _, r := range f.rows {
		if r.what == what {
			r.values[kind] = append(r.values[kind], ms)
			return
		}
	}
	f.rows = append(f.rows, &failoverRow{what, map[implementation][]float64{kind: {ms}}})
}

func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(list))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// String is the table as Markdown: medians, and the range in brackets.
func (f *failoverTable) String() string {
	cell := func(list []float64) string {
		if len(list) == 0 {
			return "–"
		}
		return fmt.Sprintf("%.0f (%.0f to %.0f)", median(list), slices.Min(list), slices.Max(list))
	}
	var b strings.Builder
	b.WriteString("| milliseconds, median (range) | Java | Quokka | Java / Quokka |\n|---|---|---|---|\n")
	for _, r := range f.rows {
		java, ours := r.values[javaMake], r.values[underTest()]
		ratio := "–"
		if m := median(ours); m > 0 && len(java) > 0 {
			ratio = fmt.Sprintf("%.1f", median(java)/m)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.what, cell(java), cell(ours), ratio)
	}
	return b.String()
}

// pulse writes as fast as one request at a time goes, on several connections that look for another server at once when
// theirs is lost. It keeps the moments of all successes.
type pulse struct {
	addrs   []string
	stopped chan struct{}
	group   sync.WaitGroup
	mu      sync.Mutex
	success []span
}

// span is a successful write: when it was sent and when it was answered.
type span struct{ sent, done time.Time }

const pulseClients = 4

func startPulse(t *testing.T, addrs []string) *pulse {
	t.Helper()
	p := &pulse{addrs: addrs, stopped: make(chan struct{})}
	must(t, poll(ensembleDeadline, func() error { return loadNodes(addrs[0], pulseClients) }))
	for i := range pulseClients {
		p.group.Go(func() { p.run(i) })
	}
	t.Cleanup(p.stop)
	must(t, p.awaitAfter(time.Now()))
	return p
}

func (p *pulse) stop() {
	select {
	case <-p.stopped:
	default:
		close(p.stopped)
	}
	p.group.Wait()
}

func (p *pulse) ended() bool {
	select {
	case <-p.stopped:
		return true
	default:
		return false
	}
}

// run uses a new session on every connection, so that nothing depends on how long a moved session takes.
func (p *pulse) run(i int) {
	retry := time.NewTicker(5 * time.Millisecond)
	defer retry.Stop()
	for n := i; !p.ended(); n++ {
		if c, err := dialRaw(p.addrs[n%len(p.addrs)], 0, nil, 30_000, 0); err == nil {
			p.write(c, fmt.Sprintf("%s/client%d", loadRoot, i))
			c.Close()
		}
		<-retry.C
	}
}

func (p *pulse) write(c *rawConn, path string) {
	for !p.ended() {
		sent := time.Now()
		r, err := c.call(opSetData, setBody(path, []byte("pulse"), -1))
		if err != nil || r.err != 0 {
			return
		}
		p.mu.Lock()
		p.success = append(p.success, span{sent, time.Now()})
		p.mu.Unlock()
	}
}

// firstAfter is the end of the first success that was sent after a moment.
func (p *pulse) firstAfter(moment time.Time) (time.Time, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.success {
		if s.sent.After(moment) {
			return s.done, true
		}
	}
	return time.Time{}, false
}

// longestGap is the longest time without a success in between two moments, counted from the last one before.
func (p *pulse) longestGap(from, to time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	times := []time.Time{to}
	last := time.Time{}
	for _, s := range p.success {
		switch {
		case s.done.Before(from) && s.done.After(last):
			last = s.done
		case s.done.After(from) && s.done.Before(to):
			times = append(times, s.done)
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	gap := time.Duration(0)
	for _, at := range times {
		gap, last = max(gap, at.Sub(last)), at
	}
	return gap
}

func (p *pulse) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.success)
}

func (p *pulse) awaitAfter(moment time.Time) error {
	return poll(ensembleDeadline, func() error {
		if _, ok := p.firstAfter(moment); !ok {
			return errors.New("no write succeeds")
		}
		return nil
	})
}

var electionTook = regexp.MustCompile(`LEADING - LEADER ELECTION TOOK - (\d+) MS`)

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// TestFailoverBenchmark measures both makes in turn and prints the table.
func TestFailoverBenchmark(t *testing.T) {
	if os.Getenv("QUOKKA_INTEROP_FAILOVER") == "" {
		t.Skip("a measurement, not a test: set QUOKKA_INTEROP_FAILOVER=1")
	}
	needMix(t, "JQ")
	rounds := environmentInt(t, "QUOKKA_INTEROP_FAILOVER_ROUNDS", 5)
	nodes := environmentInt(t, "QUOKKA_INTEROP_FAILOVER_NODES", 1_000_000)
	table := &failoverTable{}
	for _, tickMS := range []int{2000, 500} {
		for range rounds {
			for _, mix := range []string{"JJJ", "QQQ"} {
				t.Run(fmt.Sprint(mix, " tick ", tickMS), func(t *testing.T) { table.failover(t, mix, tickMS) })
			}
		}
	}
	for _, mix := range []string{"JJJ", "QQQ"} {
		t.Run("join "+mix, func(t *testing.T) { table.join(t, mix, nodes, rounds) })
	}
	t.Logf("%d rounds\n%s", rounds, table)
}

// firstWrite succeeds when any server takes a write.
func firstWrite(addrs []string) error {
	var all error
	for _, addr := range addrs {
		c, err := dialRaw(addr, 0, nil, 30_000, 0)
		if err == nil {
			var r reply
			r, err = c.call(opCreate, createBody("/first", nil, openACL, 0))
			c.Close()
			if err == nil && r.err != 0 {
				err = fmt.Errorf("err %d", r.err)
			}
		}
		if err == nil {
			return nil
		}
		all = errors.Join(all, err)
	}
	return all
}

// failover starts three servers, kills the leader twice, and stops it once with SIGTERM.
func (f *failoverTable) failover(t *testing.T, mix string, tickMS int) {
	e := newEnsemble(t, mix, ensembleOptions{tickMS: tickMS, extra: map[string]string{"initLimit": "10", "syncLimit": "5"}})
	kind := e.members[0].kind
	began := time.Now()
	for _, m := range e.members {
		must(t, m.Launch())
	}
	must(t, poll(ensembleDeadline, func() error { return firstWrite(e.addrs()) }))
	if tickMS == 2000 {
		f.add(kind, "start of three servers to the first write", milliseconds(time.Since(began)))
	}
	e.awaitAll()
	p := startPulse(t, e.addrs())
	for _, how := range []string{"kill -9", "kill -9", "SIGTERM"} {
		leader := e.awaitAll()
		rest(500 * time.Millisecond) // writes on every server
		marks := map[*ensembleMember]int64{}
		for _, m := range e.others(leader) {
			marks[m] = m.logMark()
		}
		moment := time.Now()
		must(t, map[string]func() error{"kill -9": leader.Kill, "SIGTERM": leader.Stop}[how]())
		e.awaitLeader()
		elected := time.Now()
		must(t, p.awaitAfter(elected))
		back, _ := p.firstAfter(elected)
		f.add(kind, fmt.Sprintf("no successful write after %s of the leader, tickTime %d", how, tickMS),
			milliseconds(p.longestGap(moment, back)))
		for m, mark := range marks {
			if found := electionTook.FindStringSubmatch(m.loggedSince(mark)); found != nil && how == "kill -9" {
				ms, _ := strconv.ParseFloat(found[1], 64) // digits
				f.add(kind, fmt.Sprintf("election after it, as logged, tickTime %d", tickMS), ms)
			}
		}
		must(t, leader.Launch())
		e.awaitAll()
	}
	p.stop()
}

// join fills an ensemble and lets a follower come back again and again with an empty disk, while writes go on.
func (f *failoverTable) join(t *testing.T, mix string, nodes, rounds int) {
	e := startEnsemble(t, mix, ensembleOptions{tickMS: 2000, extra: map[string]string{
		"initLimit": "100", "syncLimit": "20", "snapCount": "10000000", "preAllocSize": "65536"}})
	fillTree(t, e.awaitAll().Addr(), nodes)
	p := startPulse(t, e.addrs())
	for range rounds {
		m := e.follower(e.awaitAll())
		must(t, m.Kill())
		must(t, m.wipe())
		before := p.count()
		began := time.Now()
		must(t, m.Start())
		c, err := dialRaw(m.Addr(), 0, nil, 30_000, 0)
		must(t, err)
		r, err := c.call(opSync, packer{}.str("/"))
		if err != nil || r.err != 0 {
			t.Fatalf("sync through the new follower: err %d, %v", r.err, err)
		}
		took := time.Since(began)
		r, err = c.call(opGetAllChildren, packer{}.str("/fill"))
		if n := (&unpacker{b: r.body}).i32(); err != nil || int(n) < nodes {
			t.Errorf("%s has %d of %d nodes, %v", m.Name(), n, nodes, err)
		}
		c.Close()
		writes := p.count() - before
		f.add(m.kind, fmt.Sprintf("a follower with an empty disk joins a leader with %d znodes under writes", nodes), milliseconds(took))
		f.add(m.kind, "writes per second meanwhile (a rate, more is better)", float64(writes)/took.Seconds())
		e.awaitAll()
	}
	p.stop()
}

// fillTree makes so many znodes in multis, each in directories of a thousand.
func fillTree(t *testing.T, addr string, nodes int) {
	t.Helper()
	c, err := dialRaw(addr, 0, nil, 30_000, 0)
	must(t, err)
	defer c.closeSession()
	_, err = c.call(opCreate, createBody("/fill", nil, openACL, 0))
	must(t, err)
	const batch, window = 1000, 4
	sent, answered := 0, 0
	for answered < nodes {
		for sent < nodes && sent-answered < window*batch {
			dir := fmt.Sprintf("/fill/d%06d", sent/batch)
			ops := []subOp{{opCreate, createBody(dir, nil, openACL, 0)}}
			for i := range batch {
				ops = append(ops, subOp{opCreate, createBody(fmt.Sprintf("%s/n%04d", dir, i), []byte("0123456789abcdef0123456789abcdef"), openACL, 0)})
			}
			_, err := c.send(opMulti, multiBody(ops...))
			must(t, err)
			sent += batch
		}
		r, err := c.receive()
		if err != nil || r.err != 0 || multiCode(&unpacker{b: r.body}) != 0 {
			t.Fatalf("filling the tree: err %d, %v", r.err, err)
		}
		answered += batch
	}
}
