package recipe

import (
	"context"
	"errors"
	"io"
	"iter"

	"quokka/client"
)

// An Election makes one of many candidates the leader, until it resigns or
// its session ends; then the one that has waited longest is next. It is a Lock
// under another name, with means to see who leads.
type Election struct {
	lock *Lock
}

// NewElection returns the election at a path. Nothing is sent until it is
// used. With Layout Curator the candidates are those of Curator's LeaderLatch,
// with Selector those of its LeaderSelector; Curator itself does not let the
// two meet. Options.Data is what Curator calls the participant's id.
func NewElection(c *client.Client, path string, o Options) *Election {
	kinds := []string{curatorLatch, curatorLock, kazooLock}
	l := &Lock{place: newPlace(c, path, o), o: o, title: "election", kind: curatorLatch, blockers: kinds, kinds: kinds}
	switch o.Layout {
	case Selector:
		l.kind = curatorLock
	case Kazoo:
		l.kind = kazooLock
	}
	return &Election{lock: l}
}

// A Leadership is the Hold of who leads. All that is said there is true here:
// a leader that has lost its leadership does not know it at once.
type Leadership struct {
	*Hold
}

// Resign is Release: the leadership ends at once, and the next candidate
// leads when Resign returns nil.
func (l *Leadership) Resign(ctx context.Context) error { return l.Release(ctx) }

// Campaign becomes a candidate and waits until it leads. When it fails,
// because ctx or the session ends, it is a candidate no more.
func (e *Election) Campaign(ctx context.Context) (*Leadership, error) {
	h, err := e.lock.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	return &Leadership{h}, nil
}

// Do runs work while it leads, once. The context that work gets ends with ctx
// and with the leadership. Do fails with ErrLost if work succeeds but the
// leadership was lost before its end.
func (e *Election) Do(ctx context.Context, work func(ctx context.Context, l *Leadership) error) error {
	return e.lock.Do(ctx, func(ctx context.Context, h *Hold) error { return work(ctx, &Leadership{h}) })
}

// Leader returns who leads, by what the servers say. ok is false if nobody
// does.
func (e *Election) Leader(ctx context.Context) (leader Contender, ok bool, err error) {
	leader, err = e.leader(ctx)
	return leader, err == nil && leader.Path != "", err
}

// Candidates returns who leads and who waits for it, in that order.
func (e *Election) Candidates(ctx context.Context) ([]Contender, error) {
	return e.lock.Contenders(ctx)
}

// leader returns the first candidate, which has no Path if there is none.
func (e *Election) leader(ctx context.Context) (Contender, error) {
	for {
		names, err := e.lock.list(ctx)
		if err != nil {
			return Contender{}, e.lock.failure(err)
		}
		all := inOrder(names, e.lock.kinds)
		if len(all) == 0 {
			return Contender{}, nil
		}
		v, ok, err := e.lock.contender(ctx, all[0])
		if err != nil {
			return Contender{}, e.lock.failure(err)
		}
		if ok {
			return v, nil
		}
	}
}

// Observe yields who leads, and then every new leader; a Contender without a
// Path when nobody does. Leaders that follow each other fast may be left out,
// the last one never is. It goes on until the loop ends, or ctx or the session
// does: then it yields the error of that.
func (e *Election) Observe(ctx context.Context) iter.Seq2[Contender, error] {
	return func(yield func(Contender, error) bool) {
		last := "-"
		for {
			v, err := e.leader(ctx)
			if err != nil {
				yield(v, err)
				return
			}
			if v.Path != last && !yield(v, nil) {
				return
			}
			last = v.Path
			if v.Path == "" {
				err = e.candidate(ctx)
			} else {
				err = e.lock.gone(ctx, e.lock.name(v.Path))
			}
			if err != nil {
				yield(Contender{}, e.lock.failure(err))
				return
			}
		}
	}
}

// candidate waits until there may be one.
func (e *Election) candidate(ctx context.Context) error {
	var names []string
	var made bool // between the two calls
	var w *client.Watch
	p := e.lock.place
	err := persist(ctx, p.c, func() (err error) {
		names, _, w, err = p.c.ChildrenW(ctx, p.dir)
		if errors.Is(err, client.ErrNoNode) {
			_, made, w, err = p.c.ExistsW(ctx, p.dir)
		}
		return err
	})
	if err != nil {
		return err
	}
	defer w.Close()
	if made || len(inOrder(names, e.lock.kinds)) > 0 {
		return nil
	}
	if _, err := w.Next(ctx); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}
