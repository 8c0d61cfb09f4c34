package interop

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"quokka/client"
	"quokka/recipe"
)

// TestRecipesWithCurator has Go and Apache Curator share recipes.
func TestRecipesWithCurator(t *testing.T) {
	p := startCurator(t)
	for _, m := range []implementation{quokkaMake, javaMake} {
		s := startServer(t, m, serverOptions{})
		for _, test := range curatorTests {
			t.Run(string(m)+"/"+test.name, func(t *testing.T) { test.run(p.on(t, s.Addr(), test.name)) })
		}
	}
}

// TestRecipesWithKazoo has Go and kazoo share recipes.
func TestRecipesWithKazoo(t *testing.T) {
	p := startKazoo(t)
	for _, m := range []implementation{quokkaMake, javaMake} {
		s := startServer(t, m, serverOptions{})
		for _, test := range kazooTests {
			t.Run(string(m)+"/"+test.name, func(t *testing.T) { test.run(p.on(t, s.Addr(), test.name)) })
		}
	}
}

type recipeTest struct {
	name string
	run  func(b *bench)
}

var curatorTests = []recipeTest{
	{"lock", curatorLock}, {"dead holder", curatorDeadHolder}, {"lock in turn", curatorLockInTurn}, {"rwlock", curatorRWLock}, {"semaphore", curatorSemaphore},
	{"latch", curatorLatch}, {"latch leader", curatorLatchLeader}, {"selector", curatorSelector},
	{"barrier", barrier}, {"double barrier", doubleBarrier}, {"atomic long", curatorAtomicLong}, {"shared count", curatorSharedCount},
	{"group", curatorGroup}, {"simple queue", curatorSimpleQueue}, {"queue", curatorQueue}, {"queue of two", curatorQueueOfTwo},
	{"priority queue", curatorPriorityQueue}, {"discovery", curatorDiscovery},
}

var kazooTests = []recipeTest{
	{"lock", kazooLock}, {"dead holder", kazooDeadHolder}, {"lock in turn", kazooLockInTurn}, {"rwlock", kazooRWLock}, {"semaphore", kazooSemaphore},
	{"election", kazooElection}, {"barrier", barrier}, {"double barrier", doubleBarrier}, {"counter", kazooCounter},
	{"party", kazooParty}, {"queue", kazooQueue}, {"locking queue", kazooLockingQueue}, {"locking queue of two", kazooLockingQueueOfTwo},
	{"partitioner", kazooPartitioner},
}

// turnsOf makes a contender of a Go function that takes one turn.
func (b *bench) turnsOf(name, path string, one func(ctx context.Context, w *witness) error) contender {
	w := &witness{c: b.dial(), path: path, actor: name}
	return contender{name, func(ctx context.Context, rounds int) error {
		for i := range rounds {
			if err := one(ctx, w); err != nil {
				return fmt.Errorf("turn %d: %w", i, err)
			}
		}
		return nil
	}}
}

// goLock is a contender for a lock.
func (b *bench) goLock(name, path string, w string, layout recipe.Layout) contender {
	l := recipe.NewLock(b.dial(), path, recipe.Options{Layout: layout, Data: []byte(name)})
	return b.turnsOf(name, w, func(ctx context.Context, w *witness) error {
		return l.Do(ctx, func(ctx context.Context, h *recipe.Hold) error { return w.alone(ctx, sequenceOf(h.Paths()[0])) })
	})
}

const turns = 25

func curatorLock(b *bench) {
	w := b.newWitness("/w/lock")
	at := args{"path": "/lock", "witness": w}
	b.contend(w, turns, b.goLock("go1", "/lock", w, recipe.Curator), b.theirs("curator1", "mutex.turns", at),
		b.goLock("go2", "/lock", w, recipe.Curator), b.theirs("curator2", "mutex.turns", at))
}

func kazooLock(b *bench) {
	w := b.newWitness("/w/lock")
	at := args{"path": "/lock", "witness": w}
	b.contend(w, turns, b.goLock("go1", "/lock", w, recipe.Kazoo), b.theirs("kazoo1", "mutex.turns", at),
		b.goLock("go2", "/lock", w, recipe.Kazoo), b.theirs("kazoo2", "mutex.turns", at))
}

func curatorLockInTurn(b *bench) { lockInTurn(b, recipe.Curator) }

func kazooLockInTurn(b *bench) {
	lockInTurn(b, recipe.Kazoo)
	l := recipe.NewLock(b.c, "/turn", recipe.Options{Layout: recipe.Kazoo, Data: []byte("go")})
	h, err := l.Acquire(b.ctx)
	must(b.t, err)
	waits := start[bool](b, "kazoo1", "mutex.acquire", args{"path": "/turn", "ms": 20_000})
	b.eventually("kazoo to see both contenders", func() (bool, error) {
		return slices.Equal(do[[]string](b, "kazoo2", "mutex.contenders", args{"path": "/turn"}), []string{"go", "kazoo1"}), nil
	})
	must(b.t, h.Release(b.ctx))
	if !waits() {
		b.t.Error("kazoo does not get the lock")
	}
	do[any](b, "kazoo1", "mutex.release", args{"path": "/turn"})
}

// lockInTurn is one lock, handed from one language to the other.
func lockInTurn(b *bench, layout recipe.Layout) {
	at := func(ms int) args { return args{"path": "/turn", "ms": ms} }
	l := recipe.NewLock(b.c, "/turn", recipe.Options{Layout: layout})
	for range 5 {
		if !do[bool](b, "them", "mutex.acquire", at(10_000)) {
			b.t.Fatal("they do not get a lock that is free")
		}
		if _, err := l.TryAcquire(b.ctx); !errors.Is(err, recipe.ErrBusy) {
			b.t.Fatalf("a lock that they hold: %v", err)
		}
		soon, cancel := context.WithTimeout(b.ctx, 50*time.Millisecond)
		if _, err := l.Acquire(soon); !errors.Is(err, context.DeadlineExceeded) {
			b.t.Fatalf("a lock that they hold: %v", err)
		}
		cancel()
		got := make(chan *recipe.Hold)
		go func() {
			h, err := l.Acquire(b.ctx)
			if err != nil {
				b.t.Error(err)
			}
			got <- h
		}()
		b.eventually("two contenders", func() (bool, error) {
			all, err := l.Contenders(b.ctx)
			return len(all) == 2, err
		})
		do[any](b, "them", "mutex.release", at(0))
		h := <-got
		if h == nil {
			b.t.FailNow()
		}
		if do[bool](b, "them", "mutex.acquire", at(50)) {
			b.t.Fatal("they get a lock that Go holds")
		}
		must(b.t, h.Release(b.ctx))
	}
}

func curatorDeadHolder(b *bench) { deadHolder(b, recipe.Curator) }

// kazooDeadHolder has kazoo's process die, too.
func kazooDeadHolder(b *bench) {
	deadHolder(b, recipe.Kazoo)
	doomed := *b
	doomed.peer = startKazoo(b.t)
	at := args{"path": "/dead", "ms": 10_000, "timeout": 2.0}
	if !do[bool](&doomed, "doomed", "mutex.acquire", at) {
		b.t.Fatal("kazoo does not get a lock that is free")
	}
	l := recipe.NewLock(b.c, "/dead", recipe.Options{Layout: recipe.Kazoo})
	must(b.t, doomed.kill())
	begin := time.Now()
	h, err := l.Acquire(b.ctx)
	must(b.t, err)
	if took := time.Since(begin); took > 8*time.Second {
		b.t.Errorf("Go got the lock %v after the death of its holder, whose session lasted 2s", took)
	}
	must(b.t, h.Release(b.ctx))
}

// deadHolder lets a Go program die that holds a lock: they get it when its session has ended, not before.
func deadHolder(b *bench, layout recipe.Layout) {
	doomed, err := client.Dial(b.ctx, b.addr, client.Options{SessionTimeout: 2 * time.Second})
	must(b.t, err)
	_, err = recipe.NewLock(doomed, "/dead", recipe.Options{Layout: layout}).Acquire(b.ctx)
	must(b.t, err)
	waits := start[bool](b, "them", "mutex.acquire", args{"path": "/dead", "ms": 20_000})
	b.eventually("two contenders", func() (bool, error) {
		names, _, err := b.c.Children(b.ctx, "/dead")
		return len(names) == 2, err
	})
	begin := time.Now()
	s := doomed.Detach() // no word to the server, as with a machine that dies
	if !waits() {
		b.t.Fatal("they do not get the lock of the dead")
	}
	if took := time.Since(begin); took < time.Second || took > 8*time.Second {
		b.t.Errorf("they got the lock %v after the death of its holder, whose session lasted 2s", took)
	}
	if _, err := client.Dial(b.ctx, b.addr, client.Options{Resume: &s}); !errors.Is(err, client.ErrSessionExpired) {
		b.t.Errorf("the session of the dead: %v", err)
	}
	do[any](b, "them", "mutex.release", args{"path": "/dead"})
}

// goRW is a contender for one side of a read-write lock.
func (b *bench) goRW(name, path string, w string, layout recipe.Layout, write bool) contender {
	l := recipe.NewRWLock(b.dial(), path, recipe.Options{Layout: layout})
	side := l.Read()
	if write {
		side = l.Write()
	}
	return b.turnsOf(name, w, func(ctx context.Context, w *witness) error {
		return side.Do(ctx, func(ctx context.Context, h *recipe.Hold) error {
			if write {
				return w.alone(ctx, -1)
			}
			return w.shared(ctx, 1000)
		})
	})
}

func curatorRWLock(b *bench) {
	w := b.newWitness("/w/rw")
	at := func(write bool) args { return args{"path": "/rw", "witness": w, "write": write} }
	b.contend(w, turns, b.goRW("go-reads", "/rw", w, recipe.Curator, false), b.theirs("they-read", "rw.turns", at(false)),
		b.goRW("go-writes", "/rw", w, recipe.Curator, true), b.theirs("they-write", "rw.turns", at(true)))
}

// kazooRWLock has no reader of kazoo 2.8 wait while there are writers behind it: it would wait for them, too, and they
// for it (its issue 649, mended in 2.9).
func kazooRWLock(b *bench) {
	w := b.newWitness("/w/rw")
	at := args{"path": "/rw", "witness": w, "write": true}
	b.contend(w, turns, b.goRW("go-reads", "/rw", w, recipe.Kazoo, false), b.theirs("they-write1", "rw.turns", at),
		b.goRW("go-writes", "/rw", w, recipe.Kazoo, true), b.theirs("they-write2", "rw.turns", at))
	l := recipe.NewRWLock(b.c, "/turn", recipe.Options{Layout: recipe.Kazoo})
	read := args{"path": "/turn", "write": false, "ms": 20_000}
	for range 3 {
		if !do[bool](b, "they", "rw.acquire", read) {
			b.t.Fatal("kazoo cannot read although nobody writes")
		}
		h, err := l.Read().Acquire(b.ctx)
		must(b.t, err)
		if _, err := l.Write().TryAcquire(b.ctx); !errors.Is(err, recipe.ErrBusy) {
			b.t.Fatalf("writing while two read: %v", err)
		}
		must(b.t, h.Release(b.ctx))
		if _, err := l.Write().TryAcquire(b.ctx); !errors.Is(err, recipe.ErrBusy) {
			b.t.Fatalf("writing while kazoo reads: %v", err)
		}
		do[any](b, "they", "rw.release", read)
		h, err = l.Write().Acquire(b.ctx)
		must(b.t, err)
		waits := start[bool](b, "they", "rw.acquire", read)
		b.eventually("kazoo to wait", func() (bool, error) {
			names, _, err := b.c.Children(b.ctx, "/turn")
			return len(names) == 2, err
		})
		must(b.t, h.Release(b.ctx))
		if !waits() {
			b.t.Fatal("kazoo cannot read after Go has written")
		}
		do[any](b, "they", "rw.release", read)
	}
}

// goSemaphore is a contender for a lease.
func (b *bench) goSemaphore(name, path string, w string, layout recipe.Layout, limit int) contender {
	s := recipe.NewSemaphore(b.dial(), path, limit, recipe.Options{Layout: layout, Data: []byte(name)})
	return b.turnsOf(name, w, func(ctx context.Context, w *witness) error {
		return s.Do(ctx, 1, func(ctx context.Context, h *recipe.Hold) error { return w.shared(ctx, limit) })
	})
}

func curatorSemaphore(b *bench) { semaphore(b, recipe.Curator) }

func kazooSemaphore(b *bench) {
	semaphore(b, recipe.Kazoo)
	s := recipe.NewSemaphore(b.c, "/semaphore", 2, recipe.Options{Layout: recipe.Kazoo, Data: []byte("go")})
	h, err := s.Acquire(b.ctx, 2)
	must(b.t, err)
	if got := do[[]string](b, "kazoo1", "semaphore.holders", args{"path": "/semaphore", "limit": 2}); !slices.Equal(got, []string{"go", "go"}) {
		b.t.Errorf("kazoo sees the holders %q", got)
	}
	must(b.t, h.Release(b.ctx))
}

func semaphore(b *bench, layout recipe.Layout) {
	w := b.newWitness("/w/semaphore")
	at := args{"path": "/semaphore", "witness": w, "limit": 2}
	b.contend(w, turns, b.goSemaphore("go1", "/semaphore", w, layout, 2), b.theirs("they1", "semaphore.turns", at),
		b.goSemaphore("go2", "/semaphore", w, layout, 2), b.theirs("they2", "semaphore.turns", at))
}

// goElection is a contender for leadership.
func (b *bench) goElection(name, path string, w string, layout recipe.Layout) contender {
	e := recipe.NewElection(b.dial(), path, recipe.Options{Layout: layout, Data: []byte(name)})
	return b.turnsOf(name, w, func(ctx context.Context, w *witness) error {
		return e.Do(ctx, func(ctx context.Context, l *recipe.Leadership) error {
			n := int64(-1)
			if layout == recipe.Kazoo {
				n = sequenceOf(l.Paths()[0])
			}
			return w.alone(ctx, n)
		})
	})
}

func curatorLatch(b *bench) { election(b, recipe.Curator, "latch.turns") }
func kazooElection(b *bench) {
	election(b, recipe.Kazoo, "election.turns")
	e := recipe.NewElection(b.c, "/election", recipe.Options{Layout: recipe.Kazoo, Data: []byte("go")})
	l, err := e.Campaign(b.ctx)
	must(b.t, err)
	if got := do[[]string](b, "they1", "election.contenders", args{"path": "/election"}); !slices.Equal(got, []string{"go"}) {
		b.t.Errorf("kazoo sees the contenders %q", got)
	}
	must(b.t, l.Resign(b.ctx))
}

func election(b *bench, layout recipe.Layout, op string) {
	w := b.newWitness("/w/election")
	at := args{"path": "/election", "witness": w}
	b.contend(w, 12, b.goElection("go1", "/election", w, layout), b.theirs("they1", op, at),
		b.goElection("go2", "/election", w, layout), b.theirs("they2", op, at))
}

// curatorLatchLeader looks at who leads from both sides.
func curatorLatchLeader(b *bench) {
	at := args{"path": "/latch", "ms": 20_000}
	e := recipe.NewElection(b.c, "/latch", recipe.Options{Layout: recipe.Curator, Data: []byte("go")})
	do[any](b, "curator1", "latch.start", at)
	if !do[bool](b, "curator1", "latch.await", at) {
		b.t.Fatal("Curator does not lead although it is alone")
	}
	leader, ok, err := e.Leader(b.ctx)
	if err != nil || !ok || string(leader.Data) != "curator1" {
		b.t.Errorf("Go sees the leader %q, %v, %v", leader.Data, ok, err)
	}
	led := make(chan *recipe.Leadership)
	go func() {
		l, err := e.Campaign(b.ctx)
		if err != nil {
			b.t.Error(err)
		}
		led <- l
	}()
	b.eventually("two candidates", func() (bool, error) {
		all, err := e.Candidates(b.ctx)
		return len(all) == 2, err
	})
	if got := do[[]string](b, "curator1", "latch.participants", at); !slices.Equal(got, []string{"curator1*", "go"}) {
		b.t.Errorf("Curator sees %q", got)
	}
	do[any](b, "curator1", "latch.close", at)
	l := <-led
	if l == nil {
		b.t.FailNow()
	}
	do[any](b, "curator1", "latch.start", at)
	b.eventually("Curator to be the second", func() (bool, error) {
		got := do[[]string](b, "curator1", "latch.participants", at)
		return strings.Join(got, " ") == "go* curator1", nil
	})
	must(b.t, l.Resign(b.ctx))
	if !do[bool](b, "curator1", "latch.await", at) {
		b.t.Error("Curator does not lead after Go has resigned")
	}
	do[any](b, "curator1", "latch.close", at)
}

func curatorSelector(b *bench) {
	election(b, recipe.Selector, "selector.turns")
	e := recipe.NewElection(b.c, "/election", recipe.Options{Layout: recipe.Selector, Data: []byte("go")})
	l, err := e.Campaign(b.ctx)
	must(b.t, err)
	if got := do[[]string](b, "they1", "selector.participants", args{"path": "/election"}); !slices.Equal(got, []string{"go*"}) {
		b.t.Errorf("Curator sees %q", got)
	}
	must(b.t, l.Resign(b.ctx))
}
