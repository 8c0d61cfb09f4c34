package recipe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"quokka/client"
)

// A Semaphore gives out a limited number of leases. Who asks stands in a
// queue; only the first in it looks at the leases, and takes all it wants at
// once, so that two that want many cannot block each other with what each has
// got so far.
type Semaphore struct {
	o      Options
	limit  int
	root   place // whose data is the limit
	queue  *Lock
	leases place
}

// ErrLimit says that somebody uses the semaphore with another limit, or that
// more leases are wanted than there are.
var ErrLimit = errors.New("not within the semaphore's limit")

const (
	curatorQueue  = "/locks" // InterProcessSemaphoreV2
	curatorLeases = "/leases"
	curatorLease  = "lease-"
	kazooQueue    = "-__lock__" // Semaphore
)

// NewSemaphore returns the semaphore at a path, with limit leases. Nothing is
// sent until it is used.
//
// The limit is kept as the data of the path's node, as kazoo does, and who
// comes with another one fails with ErrLimit. Data that is no number is left
// alone, and then nobody compares. Curator neither writes nor reads it. To
// change the limit, set the data.
func NewSemaphore(c *client.Client, path string, limit int, o Options) *Semaphore {
	s := &Semaphore{o: o, limit: limit, root: newPlace(c, path, o)}
	queue, leases := path+curatorQueue, path+curatorLeases
	if o.Layout == Kazoo {
		queue, leases = path+kazooQueue, path
	}
	s.queue, s.leases = NewLock(c, queue, Options{Layout: o.Layout, Data: o.Data, ACL: o.ACL}), newPlace(c, leases, o)
	s.queue.title = "queue of semaphore"
	return s
}

// Acquire waits until n leases are held. When it fails, because ctx or the
// session ends, none is. Release gives all of them back.
func (s *Semaphore) Acquire(ctx context.Context, n int) (*Hold, error) {
	return s.acquire(ctx, n, s.queue.Acquire, s.room)
}

// TryAcquire takes n leases if they are free and nobody else is just asking,
// and otherwise fails with ErrBusy.
func (s *Semaphore) TryAcquire(ctx context.Context, n int) (*Hold, error) {
	return s.acquire(ctx, n, s.queue.TryAcquire, func(ctx context.Context, k *claim, n int) error {
		names, err := s.leases.list(ctx)
		if err == nil && len(names)+n > s.limit {
			err = ErrBusy
		}
		return err
	})
}

// Do runs work while n leases are held. The context that work gets ends with
// ctx and with the hold. Do fails with ErrLost if work succeeds but a lease was
// lost before its end.
func (s *Semaphore) Do(ctx context.Context, n int, work func(ctx context.Context, h *Hold) error) error {
	return do(ctx, func(ctx context.Context) (*Hold, error) { return s.Acquire(ctx, n) }, work)
}

func (s *Semaphore) acquire(ctx context.Context, n int, queue func(context.Context) (*Hold, error),
	room func(ctx context.Context, k *claim, n int) error) (*Hold, error) {
	if n < 1 || n > s.limit {
		return nil, s.failure(fmt.Errorf("%w: %d leases of %d are wanted", ErrLimit, n, s.limit))
	}
	if err := s.agree(ctx); err != nil {
		return nil, s.failure(err)
	}
	turn, err := queue(ctx)
	if err != nil {
		return nil, err
	}
	defer turn.g.end(ErrReleased) // nobody waits for it
	inside, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(turn.ctx, func() { cancel(turn.Err()) })()
	k := s.leases.newClaim(s.o.Layout)
	err = room(inside, k, n)
	if err == nil {
		err = s.take(inside, turn, k, n)
	}
	if err == nil && k.doubt {
		err = s.settle(ctx, turn, k)
	}
	if err != nil {
		k.drop()
		if lost := turn.Err(); ctx.Err() == nil && errors.Is(lost, ErrLost) {
			return nil, lost
		}
		return nil, s.failure(err)
	}
	return k.hold(ctx, curatorLease), nil
}

// agree compares the limit with that of others, or writes it.
func (s *Semaphore) agree(ctx context.Context) error {
	for {
		err := persist(ctx, s.root.c, func() error {
			data, stat, err := s.root.c.Get(ctx, s.root.dir)
			if err != nil {
				return err
			}
			if len(data) == 0 {
				_, err = s.root.c.Set(ctx, s.root.dir, strconv.AppendInt(nil, int64(s.limit), 10), stat.Version)
				return err
			}
			if theirs, err := strconv.Atoi(string(data)); err == nil && theirs != s.limit {
				return fmt.Errorf("%w: the limit is %d here and %d for others", ErrLimit, s.limit, theirs)
			}
			return nil
		})
		switch {
		case errors.Is(err, client.ErrNoNode):
			if err := s.root.ensure(ctx); err != nil {
				return err
			}
		case !errors.Is(err, client.ErrBadVersion):
			return err
		}
	}
}

// room waits until there are n leases to be had. Only who is first in the
// queue does that, so a watch on all leases wakes nobody else.
func (s *Semaphore) room(ctx context.Context, k *claim, n int) error {
	for {
		var names []string
		var w *client.Watch
		err := persist(ctx, s.leases.c, func() (err error) {
			names, _, w, err = s.leases.c.ChildrenW(ctx, s.leases.dir)
			return err
		})
		switch {
		case errors.Is(err, client.ErrNoNode):
			return nil
		case err != nil:
			return err
		case len(names)+n <= s.limit:
			return w.Close()
		}
		_, err = w.Next(ctx)
		_ = w.Close()
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
}

// take creates the leases, if it is still our turn when the servers do.
func (s *Semaphore) take(ctx context.Context, turn *Hold, k *claim, n int) error {
	return k.make(ctx, n, func() error {
		m := turn.Multi()
		for i := range n {
			switch {
			case s.o.Layout != Kazoo:
				m.Create(k.path(k.mark+curatorLease), s.o.Data, k.options(client.Ephemeral, client.Sequential)...)
			case i == 0:
				m.Create(k.path(k.mark), s.o.Data, k.options(client.Ephemeral)...)
			default:
				m.Create(k.path(k.mark+"-"+strconv.Itoa(i)), s.o.Data, k.options(client.Ephemeral)...)
			}
		}
		results, err := turn.Commit(ctx, m)
		switch {
		case errors.Is(err, ErrLost):
			return fmt.Errorf("%w: the place in the queue is gone", ErrLost) // not the directory, as ErrNoNode would say
		case errors.Is(err, client.ErrNodeExists): // carried out late
			k.doubt = true
			_, err = k.find(ctx)
			return err
		case err != nil:
			return err
		}
		k.nodes = nil
		for _, r := range results {
			k.nodes = append(k.nodes, k.name(r.Path))
		}
		return nil
	})
}

// settle sees to it that what take has sent is not carried out twice: it
// cannot be any more when the turn is over, and until then it can be found.
func (s *Semaphore) settle(ctx context.Context, turn *Hold, k *claim) error {
	err := turn.Release(ctx)
	if err == nil {
		err = k.sync(ctx)
	}
	if err != nil {
		return err
	}
	names, err := k.list(ctx)
	if err == nil {
		_, err = k.strays(ctx, names)
	}
	return err
}

// Holders returns the leases that are held, those of one Hold beside each
// other.
func (s *Semaphore) Holders(ctx context.Context) ([]Contender, error) {
	names, err := s.leases.list(ctx)
	if err != nil {
		return nil, s.failure(err)
	}
	slices.Sort(names)
	var all []Contender
	for _, n := range names {
		v, ok, err := s.leases.contender(ctx, n)
		if err != nil {
			return nil, s.failure(err)
		}
		if ok {
			all = append(all, v)
		}
	}
	return all, nil
}

// Waiters returns who stands in the queue, in the order of their turns.
func (s *Semaphore) Waiters(ctx context.Context) ([]Contender, error) { return s.queue.Contenders(ctx) }

func (s *Semaphore) failure(err error) error {
	return fmt.Errorf("recipe: semaphore %s: %w", s.root.dir, err)
}
