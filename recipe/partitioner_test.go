package recipe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"quokka/client"
	"quokka/quokkatest"
)

// works counts who works on which partition.
type works struct {
	mu    sync.Mutex
	now   map[string][]string // members by partition
	begun map[string]int      // how often work on it began
	twice []string
}

func newWorks() *works {
	return &works{now: make(map[string][]string), begun: make(map[string]int)}
}

func (s *works) enter(part, member string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun[part]++
	if s.now[part] = append(s.now[part], member); len(s.now[part]) > 1 {
		s.twice = append(s.twice, fmt.Sprint(part, s.now[part]))
	}
}

func (s *works) leave(part, member string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.now[part], member)
	s.now[part] = slices.Delete(s.now[part], i, i+1)
}

func (s *works) do(member string) func(context.Context, *Partition) error {
	return func(ctx context.Context, p *Partition) error {
		s.enter(p.Name, member)
		defer s.leave(p.Name, member)
		<-ctx.Done()
		return nil
	}
}

// counts returns how many partitions each member works on.
func (s *works) counts() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := make(map[string]int)
	for _, members := range s.now {
		for _, m := range members {
			n[m]++
		}
	}
	return n
}

func (s *works) total() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.begun {
		n += b
	}
	return n
}

func quick(name string) PartitionerOptions { return PartitionerOptions{Name: name, Settle: -1} }

// TestPartitionerUnderFaults: no partition is worked on twice at a time, and
// each one is owned in the end, whatever befalls one of two members.
func TestPartitionerUnderFaults(t *testing.T) {
	t.Parallel()
	everyFault(t, func(w *world) {
		s := newWorks()
		names := []string{"p", "q", "r"}
		run := func(c *client.Client, name string) (context.CancelFunc, <-chan result[struct{}]) {
			ctx, cancel := context.WithCancel(w.ctx)
			if c == w.c {
				ctx, cancel = context.WithCancel(w.sick)
			}
			p := NewPartitioner(c, w.path, names, quick(name))
			return cancel, start(func() (struct{}, error) {
				return struct{}{}, p.Run(ctx, func(ctx context.Context, part *Partition) error {
					if name == "sick" {
						s.enter(part.Name, name)
						defer s.leave(part.Name, name)
						w.critical2(part)
						<-ctx.Done()
						return nil
					}
					return s.do(name)(ctx, part)
				})
			})
		}
		stopHealthy, healthy := run(w.other, "healthy")
		w.until("one has all", func() bool { return s.counts()["healthy"] == 3 })
		stopSick, sick := run(w.c, "sick")
		w.until("they share, or one has failed", func() bool {
			n := s.counts()
			return n["healthy"]+n["sick"] == 3 && n["sick"] == 1 || len(sick) == 1
		})
		stopSick()
		if r := <-sick; !errors.Is(r.err, context.Canceled) {
			w.ok(r.err)
		}
		w.until("one has all again", func() bool { return s.counts()["healthy"] == 3 })
		stopHealthy()
		if r := <-healthy; !errors.Is(r.err, context.Canceled) {
			w.Error(r.err)
		}
		if len(s.twice) > 0 && !w.in.ended() {
			w.Errorf("worked on twice: %v", s.twice)
		}
	})
}

// critical2 writes with the partition's token, if it is still held.
func (w *world) critical2(part *Partition) {
	_, err := part.Hold.Set(w.ctx, w.register, fmt.Append(nil, part.Hold.Token()), client.AnyVersion)
	if err != nil && !errors.Is(err, client.ErrConnectionLoss) {
		w.ok(err)
	}
}

func TestPartitionerMovesFew(t *testing.T) {
	t.Parallel()
	servers := quokkatest.Start(t, 1)
	ctx, done := context.WithTimeout(t.Context(), patience)
	defer done()
	w := &world{T: t, ctx: ctx}
	s := newWorks()
	parts := names("p", 10)
	parts[0], parts[1] = "..", "a/b c"
	var stops []context.CancelFunc
	var ends []<-chan result[struct{}]
	var all []*Partitioner
	begun := 0
	for i, want := range []string{"map[m0:10]", "map[m0:5 m1:5]", "map[m0:4 m1:3 m2:3]"} {
		name := fmt.Sprintf("m%d", i)
		p := NewPartitioner(servers.Dial(t, client.Options{}), "/p", parts, quick(name))
		member, stop := context.WithCancel(ctx)
		stops, all = append(stops, stop), append(all, p)
		ends = append(ends, start(func() (struct{}, error) { return struct{}{}, p.Run(member, s.do(name)) }))
		w.until(want, func() bool { return fmt.Sprint(s.counts()) == want })
		// Only what the new one has was begun again.
		if begun += s.counts()[name]; s.total() != begun {
			t.Errorf("%d works were begun, want %d", s.total(), begun)
		}
	}
	for _, p := range all {
		for state, owned := range p.States(ctx) {
			if state == Acquired && len(owned) == s.counts()[p.o.Name] {
				break
			}
		}
	}
	owners, err := all[1].Owners(ctx)
	if err != nil || len(owners) != 10 || !slices.Contains(all[0].Owned(), "..") || owners[".."] != "m0" {
		t.Errorf("%v: %v", owners, err)
	}
	_ = all[2].c.Close() // one dies
	w.until("two share", func() bool { return fmt.Sprint(s.counts()) == "map[m0:5 m1:5]" })
	if begun += 3; s.total() != begun {
		t.Errorf("%d works were begun, want %d", s.total(), begun)
	}
	for i, stop := range stops {
		stop()
		err := (<-ends[i]).err
		if i == 2 && !errors.Is(err, client.ErrClosed) || i != 2 && !errors.Is(err, context.Canceled) {
			t.Errorf("%d: %v", i, err)
		}
		if all[i].State() != Stopped || len(all[i].Owned()) > 0 {
			t.Errorf("%d: %v %v", i, all[i].State(), all[i].Owned())
		}
	}
	for _, twice := range s.twice {
		// Who closes its Client first ends the session before its works know.
		if !strings.Contains(twice, "[m2 ") {
			t.Errorf("worked on twice: %s", twice)
		}
	}
}

// TestPartitionerWorkReturns: an early end keeps the partition, an error ends
// the Run, and a lock that somebody deletes is acquired again.
func TestPartitionerWorkReturns(t *testing.T) {
	t.Parallel()
	c := quokkatest.Start(t, 1).Dial(t, client.Options{})
	ctx, done := context.WithTimeout(t.Context(), patience)
	defer done()
	boom := errors.New("boom")
	p := NewPartitioner(c, "/p", []string{"x"}, quick("m"))
	begun := 0
	var last *Partition
	err := p.Run(ctx, func(_ context.Context, part *Partition) error {
		if last != nil && part.Hold.Token() <= last.Hold.Token() {
			t.Errorf("token %d after %d", part.Hold.Token(), last.Hold.Token())
		}
		last = part
		switch begun++; begun {
		case 1: // it returns; then somebody deletes the lock's node
			go func() {
				for state := range p.States(ctx) {
					if state == Acquired {
						_ = c.Delete(ctx, part.Hold.Paths()[0], client.AnyVersion)
						return
					}
				}
			}()
			return nil
		}
		return boom
	})
	if !errors.Is(err, boom) || begun != 2 {
		t.Errorf("%v after %d works", err, begun)
	}
	if names, _, err := c.Children(ctx, "/p/party"); len(names) != 0 || err != nil {
		t.Errorf("members %v: %v", names, err)
	}
	if owners, err := p.Owners(ctx); len(owners) != 0 || err != nil {
		t.Errorf("owners %v: %v", owners, err)
	}
}

// TestPartitionerWaitsForWork does not give a partition to another member
// before the work has returned.
func TestPartitionerWaitsForWork(t *testing.T) {
	t.Parallel()
	servers := quokkatest.Start(t, 1)
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	w := &world{T: t, ctx: ctx}
	hold, told := make(chan struct{}), make(chan string, 2)
	s := newWorks()
	o := quick("a")
	o.Assign = RoundRobin
	a := NewPartitioner(servers.Dial(t, client.Options{}), "/p", []string{"x", "y"}, o)
	first := start(func() (struct{}, error) {
		return struct{}{}, a.Run(ctx, func(ctx context.Context, part *Partition) error {
			s.enter(part.Name, "a")
			defer s.leave(part.Name, "a")
			<-ctx.Done()
			told <- part.Name
			<-hold
			return nil
		})
	})
	w.until("it has both", func() bool { return s.counts()["a"] == 2 })
	o.Name = "b"
	b := NewPartitioner(servers.Dial(t, client.Options{}), "/p", []string{"x", "y"}, o)
	second := start(func() (struct{}, error) { return struct{}{}, b.Run(ctx, s.do("b")) })
	if name := <-told; name != "y" {
		t.Errorf("%s is given up, want y", name)
	}
	w.until("it is releasing", func() bool { return a.State() == Releasing })
	if s.counts()["b"] != 0 || b.State() == Acquired {
		t.Error("it was taken before it was given up")
	}
	close(hold)
	w.until("they share", func() bool { return a.State() == Acquired && b.State() == Acquired && s.counts()["b"] == 1 })
	stop()
	<-first
	<-second
	if len(s.twice) > 0 {
		t.Errorf("worked on twice: %v", s.twice)
	}
}

func TestRoundRobin(t *testing.T) {
	got := RoundRobin([]string{"b", "a"}, []string{"z", "x", "y"}, nil)
	if fmt.Sprint(got) != "map[x:a y:b z:a]" || len(RoundRobin(nil, []string{"x"}, nil)) != 0 {
		t.Error(got)
	}
}
