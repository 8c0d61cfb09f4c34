package subtree

import (
	"context"
	"errors"
	"iter"

	"quokka/client"
)

// A Side is a subtree of a server.
type Side struct {
	Client *client.Client
	Root   string
}

// A pair is a node of the left subtree, of the right one, or of both under
// the same path.
type pair struct {
	left, right *Node
}

func (p pair) path() string {
	if p.left != nil {
		return p.left.Path
	}
	return p.right.Path
}

// merge goes through two walks at once.
func merge(left, right iter.Seq2[Node, error]) iter.Seq2[pair, error] {
	return func(yield func(pair, error) bool) {
		nextLeft, stopLeft := iter.Pull2(left)
		defer stopLeft()
		nextRight, stopRight := iter.Pull2(right)
		defer stopRight()
		l, errL, okL := nextLeft()
		r, errR, okR := nextRight()
		for okL || okR {
			if err := errors.Join(errL, errR); err != nil {
				yield(pair{}, err)
				return
			}
			order := 0
			switch {
			case !okR:
				order = -1
			case !okL:
				order = 1
			default:
				order = Compare(l.Path, r.Path)
			}
			var p pair
			if order <= 0 {
				n := l
				p.left = &n
				l, errL, okL = nextLeft()
			}
			if order >= 0 {
				n := r
				p.right = &n
				r, errR, okR = nextRight()
			}
			if !yield(p, nil) {
				return
			}
		}
	}
}

// A finder looks for the counterparts of a stream of nodes without walking
// what else there is. Nodes below one that does not exist are not asked for.
type finder struct {
	ctx    context.Context
	to     Side
	p      *client.Pipeline
	queue  []*lookup
	bytes  int64
	absent string // the last path that does not exist
	losses int
}

// A lookup is a node with the requests for its counterpart.
type lookup struct {
	node Node
	size int64
	data *client.Future[client.Data] // nil: its parent does not exist
	acl  *client.Future[client.Permissions]
}

// find pairs every node of the left stream with what stands at its path on
// the other side.
func find(ctx context.Context, left iter.Seq2[Node, error], to Side) iter.Seq2[pair, error] {
	return func(yield func(pair, error) bool) {
		f := &finder{ctx: ctx, to: to, p: upToDate(ctx, to.Client)}
		for n, err := range left {
			if err != nil {
				yield(pair{}, err)
				return
			}
			f.ask(n)
			for len(f.queue) > window/2 || f.bytes > maxAheadBytes {
				if !f.yield(yield) {
					return
				}
			}
		}
		for len(f.queue) > 0 {
			if !f.yield(yield) {
				return
			}
		}
	}
}

// ask looks for a node. The data of its counterpart is thought to be about
// as large as its own.
func (f *finder) ask(n Node) {
	q := &lookup{node: n, size: int64(len(n.Data))}
	if f.absent == "" || !Within(f.absent, n.Path) {
		q.data = f.p.Get(f.ctx, Join(f.to.Root, n.Path))
		q.acl = f.p.GetACL(f.ctx, Join(f.to.Root, n.Path))
	}
	f.queue, f.bytes = append(f.queue, q), f.bytes+q.size
}

// yield gives out the pair in front.
func (f *finder) yield(yield func(pair, error) bool) bool {
	q := f.queue[0]
	f.queue, f.bytes = f.queue[1:], f.bytes-q.size
	p := pair{left: &q.node}
	right, err := f.answer(q)
	if err != nil {
		yield(p, err)
		return false
	}
	p.right = right
	if right == nil && !(f.absent != "" && Within(f.absent, q.node.Path)) {
		f.absent = q.node.Path
	}
	return yield(p, nil)
}

// answer waits for a counterpart. nil is none.
func (f *finder) answer(q *lookup) (*Node, error) {
	if q.data == nil {
		return nil, nil
	}
	n := &Node{Path: q.node.Path, Counter: -1}
	for {
		v, err := q.data.Wait(f.ctx)
		var a client.Permissions
		if err == nil {
			a, err = q.acl.Wait(f.ctx)
		}
		switch {
		case err == nil:
			f.losses = 0
			n.Data, n.ACL, n.Stat, n.Counter = v.Data, a.ACL, v.Stat, Created(v.Stat)
			if v.Stat.EphemeralOwner != 0 {
				n.Kind = Ephemeral
			}
			return n, nil
		case errors.Is(err, client.ErrNoNode):
			return nil, nil
		case errors.Is(err, client.ErrNoAuth):
			n.Err = err
			return n, nil
		case !lost(err) || f.losses >= maxLosses:
			return nil, err
		}
		f.losses++
		f.again(q)
	}
}

// again repeats, after a lost connection, everything that has no answer.
func (f *finder) again(front *lookup) {
	f.p = upToDate(f.ctx, f.to.Client)
	for _, q := range append([]*lookup{front}, f.queue...) {
		path := Join(f.to.Root, q.node.Path)
		if q.data != nil && unanswered(f.ctx, q.data) {
			q.data = f.p.Get(f.ctx, path)
		}
		if q.acl != nil && unanswered(f.ctx, q.acl) {
			q.acl = f.p.GetACL(f.ctx, path)
		}
	}
}
