package sim

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
)

var (
	seeds  = flag.Int("seeds", 2000, "how many seeds to run")
	first  = flag.Uint64("first", 0, "the first seed")
	steps  = flag.Int("steps", 0, "steps of a run; 0 is the default")
	events = flag.Bool("events", false, "write the events of the first seed to standard output")
)

// run runs one seed and reports what it violates.
func run(t *testing.T, o Options) Report {
	t.Helper()
	r, err := Run(o)
	if err != nil {
		t.Errorf("%v\nreplay: go test ./internal/sim -run '%s' -seeds 1 -first %d -events", err, t.Name(), o.Seed)
	}
	return r
}

// tally adds up what runs have shown. It is used by several goroutines.
type tally struct {
	mu        sync.Mutex
	elections int
	committed int
	counts    map[string]int
}

func (s *tally) add(r Report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.elections += r.Elections
	s.committed += r.Committed
	for what, n := range r.Counts {
		s.counts[what] += n
	}
}

// TestSeeds is the exploration: each seed is another ensemble with other
// faults.
func TestSeeds(t *testing.T) {
	n := uint64(*seeds)
	if testing.Short() {
		n = min(n, 200)
	}
	if *events {
		run(t, Options{Seed: *first, Steps: *steps, Trace: os.Stdout})
		return
	}
	const groups = 4
	sum := tally{counts: map[string]int{}}
	t.Run("all", func(t *testing.T) {
		for g := range uint64(groups) {
			t.Run(fmt.Sprint(g), func(t *testing.T) {
				t.Parallel()
				for seed := g; seed < n && !t.Failed(); seed += groups {
					sum.add(run(t, Options{Seed: *first + seed, Steps: *steps}))
				}
			})
		}
	})
	t.Logf("%d elections, %d transactions, %v", sum.elections, sum.committed, sum.counts)
	if t.Failed() || n < 200 {
		return
	}
	// What the runs are for must have happened.
	for _, what := range []string{"DIFF", "SNAP", "TRUNC", "history", "image", "snapshot", "expired", "trap"} {
		if sum.counts[what] == 0 {
			t.Errorf("no run has had a %s", what)
		}
	}
	for _, f := range allFaults {
		if sum.counts["fault "+string(f)] == 0 {
			t.Errorf("no run has had the fault %q", f)
		}
	}
}

// The same with an ensemble whose configuration changes.
func TestReconfigurations(t *testing.T) {
	n := uint64(*seeds) / 10
	o := Options{Reconfig: true, Steps: *steps}
	if *events {
		o.Seed, o.Trace = *first, os.Stdout
		run(t, o)
		return
	}
	sum := tally{counts: map[string]int{}}
	for seed := range n {
		o.Seed = *first + seed
		sum.add(run(t, o))
		if t.Failed() {
			return
		}
	}
	t.Logf("%d elections, %d transactions, %v", sum.elections, sum.committed, sum.counts)
}

// Seeds that have found bugs. What a seed does changes with the product, so
// each bug has a test beside its code, too.
func TestSeedsThatFoundBugs(t *testing.T) {
	for _, o := range []Options{
		{Seed: 1384, Reconfig: true},  // zab: what follows a reconfiguration waits for those who leave
		{Seed: 997, Reconfig: true},   // member: a proposed configuration that nobody else knows
		{Seed: 21151, Reconfig: true}, // elect: a voter to be, in a later round, and its leader
		{Seed: 100777},                // the check: a process stands still and takes its epoch too late
		{Seed: 33191, Reconfig: true}, // member: a snapshot with a reconfiguration that no file has
	} {
		run(t, o)
	}
}

// A story must hold as it is told, and its invariants with random faults
// mixed in.
func TestStories(t *testing.T) {
	for i := range Stories {
		st := &Stories[i]
		name, _, _ := strings.Cut(st.Name, " ")
		t.Run(name, func(t *testing.T) {
			var out *os.File
			if *events {
				out = os.Stdout
			}
			for seed := range uint64(10) {
				o := Options{Seed: *first + seed, Story: st}
				if out != nil {
					o.Trace = out
				}
				run(t, o)
				if t.Failed() || out != nil {
					return
				}
			}
			for seed := range uint64(20) {
				run(t, Options{Seed: *first + seed, Story: st, Perturb: 1 + int(seed%3)})
			}
		})
	}
}

// Every planted bug must be found soon: this measures the simulator itself.
func TestPlantsAreFound(t *testing.T) {
	const budget = 150
	for _, p := range Plants {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(budget) {
				if _, err := Run(Options{Seed: seed, Plant: p}); err != nil {
					t.Logf("after %d runs: %v", seed+1, err)
					return
				}
			}
			t.Errorf("not found in %d runs", budget)
		})
	}
}

// The same seed is the same run, event by event.
func TestSeedRepeats(t *testing.T) {
	for seed := range uint64(5) {
		var a, b strings.Builder
		_, errA := Run(Options{Seed: seed, Steps: 2000, Trace: &a})
		_, errB := Run(Options{Seed: seed, Steps: 2000, Trace: &b})
		if a.String() != b.String() || fmt.Sprint(errA) != fmt.Sprint(errB) {
			t.Errorf("seed %d: two runs differ", seed)
		}
		if a.Len() < 1000 {
			t.Errorf("seed %d: the trace has %d bytes only", seed, a.Len())
		}
	}
}
