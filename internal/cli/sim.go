package cli

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"quokka/internal/sim"
)

type simCmd struct {
	Seed      uint64 `help:"What the run depends on; the first one with --seeds."`
	Steps     int    `help:"Events with faults."`
	Seeds     int    `help:"How many seeds to run, one after the other." default:"1"`
	Servers   int    `help:"Voters; 0 lets the seed choose 3 or 5." default:"0"`
	Observers int    `help:"Observers; -1 is none, 0 lets the seed choose." default:"0"`
	Story     string `help:"Run a schedule by the beginning of its name (S01) instead of random faults; \"list\" lists them."`
	Perturb   int    `help:"How many random faults to mix into the story." default:"0"`
	Plant     string `help:"A bug to plant, which must be found; \"list\" lists them."`
	Trace     bool   `help:"Print every event."`
}

// Run simulates an ensemble with faults, and judges it.
func (c *simCmd) Run(e *env) error {
	if c.Story == "list" || c.Plant == "list" {
		return listSims(e.Out, c.Story == "list")
	}
	o := sim.Options{
		Steps: c.Steps, Servers: c.Servers, Observers: c.Observers, Perturb: c.Perturb, Plant: sim.Plant(c.Plant),
	}
	if c.Plant != "" && !slices.Contains(sim.Plants, o.Plant) {
		return fmt.Errorf("there is no planted bug %q; --plant list names them", c.Plant)
	}
	if c.Story != "" {
		i := slices.IndexFunc(sim.Stories, func(s sim.Story) bool { return strings.HasPrefix(s.Name, c.Story) })
		if i < 0 {
			return fmt.Errorf("there is no story %q; --story list names them", c.Story)
		}
		o.Story = &sim.Stories[i]
	}
	if c.Trace {
		o.Trace = e.Out
	}
	for i := range max(c.Seeds, 1) {
		if e.ctx.Err() != nil {
			return nil
		}
		o.Seed = c.Seed + uint64(i)
		if err := c.one(e, o); err != nil {
			return err
		}
	}
	return nil
}

func (c *simCmd) one(e *env, o sim.Options) error {
	r, err := sim.Run(o)
	if err != nil && !errors.Is(err, sim.ErrViolated) {
		return err
	}
	fmt.Fprintf(e.Out, "seed %d: %d servers, %d steps, %d ms of their time, %d leaders, %d transactions, %d answers\n",
		r.Seed, r.Servers, r.Steps, r.VirtualMS, r.Elections, r.Committed, r.Answered)
	if c.Seeds <= 1 {
		for _, name := range slices.Sorted(maps.Keys(r.Counts)) {
			fmt.Fprintf(e.Out, "  %-24s %d\n", name, r.Counts[name])
		}
	}
	for _, v := range r.Violations {
		fmt.Fprintln(e.Out, "FOUND", v)
	}
	if err != nil {
		return fmt.Errorf("seed %d: %w; replay it with: quokka sim --seed %d --trace", r.Seed, err, r.Seed)
	}
	return nil
}

func listSims(w io.Writer, stories bool) error {
	if stories {
		for _, s := range sim.Stories {
			fmt.Fprintln(w, s.Name)
		}
		return nil
	}
	for _, p := range sim.Plants {
		fmt.Fprintln(w, p)
	}
	return nil
}
