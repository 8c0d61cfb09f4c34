package subtree

import (
	"errors"

	"quokka/client"
)

// raiseName is the child that is created and deleted again in one multi to
// raise a node's count of creates. Nobody ever sees it, but watches of the
// children fire.
const raiseName = "quokka-raises-the-sequence-counter"

// A raiser brings sequence counters up. The protocol has no request for
// that; what numbers sequential children is how many creates a node has seen.
// So as many children as are missing are created, and each is deleted in the
// same multi. That costs two parts of a multi for each number. When a connection
// is lost meanwhile, a counter may end higher than asked for, never lower.
type raiser struct {
	w     *writer
	limit int64 // the most creates for one node
	r     *Report
	queue []raise
}

// A raise is a node whose counter is to be at least what.
type raise struct {
	path string
	what int64
}

// maxRaises is how many nodes are looked at together.
const maxRaises = 1000

// errTooFar refuses to raise a counter by more than was allowed.
var errTooFar = errors.New("its counter is further behind than may be made up for: allow more")

func (x *raiser) add(path string, what int64) error {
	if what <= 0 {
		return nil
	}
	x.queue = append(x.queue, raise{path, what})
	if len(x.queue) < maxRaises {
		return nil
	}
	return x.flush()
}

// flush compares the counters of the queued nodes with what they shall be and
// raises them. All creates before are finished then, so the comparison is
// exact.
func (x *raiser) flush() error {
	if len(x.queue) == 0 {
		return nil
	}
	if err := x.w.finish(); err != nil {
		return err
	}
	queue := x.queue
	x.queue = nil
	p := x.w.c.Pipeline()
	looks := make([]*client.Future[client.Existence], len(queue))
	for i, q := range queue {
		looks[i] = p.Exists(x.w.ctx, q.path)
	}
	for i, q := range queue {
		v, err := looks[i].Wait(x.w.ctx)
		if lost(err) { // of the pipeline; a call alone waits for a connection
			v.Stat, v.Exists, err = x.w.c.Exists(x.w.ctx, q.path)
		}
		switch {
		case err != nil && x.w.fatal(err) != nil:
			return err
		case err != nil:
			x.r.fail(q.path, opRaise.String(), err)
		case v.Exists:
			if err := x.raise(q, Created(v.Stat)); err != nil {
				return err
			}
		}
	}
	return x.w.finish()
}

// raise submits what brings one counter up.
func (x *raiser) raise(q raise, now int64) error {
	missing := q.what - now
	switch {
	case missing <= 0:
		return nil
	case missing > x.limit:
		x.r.fail(q.path, opRaise.String(), errTooFar)
		return nil
	}
	for now < q.what {
		steps := min(q.what-now, x.most(q.path))
		now += steps
		if err := x.w.add(change{op: opRaise, path: q.path, steps: int(steps)}); err != nil {
			return err
		}
	}
	return nil
}

// most returns how many steps fit into a multi.
func (x *raiser) most(path string) int64 {
	one := change{op: opRaise, path: path, steps: 1}
	return int64(max(1, min(x.w.l.Parts/2, x.w.l.Bytes/one.cost())))
}
