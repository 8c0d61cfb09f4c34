package subtree

import (
	"context"
	"errors"
	"iter"
	"slices"

	"quokka/client"
)

// WalkOptions say what a walk reads. The zero value reads every node's Stat
// and its children's names.
type WalkOptions struct {
	Data bool
	ACL  bool
	// MaxDepth is how many steps below the root the walk goes; 0 is no bound.
	MaxDepth int
	// MaxChildren is how many children of a node are read; 0 is all.
	MaxChildren int
	// System includes what a server keeps below /zookeeper.
	System bool
	// Prune tells not to go below a node. It sees path, Stat, Kind and
	// Children, before data and ACL are read.
	Prune func(Node) bool
	// Kinds corrects what the servers do not tell.
	Kinds Kinds
	// Vanished is called for nodes that were listed by their parent and gone
	// when they were read.
	Vanished func(path string)
}

const (
	// window is how many nodes are asked for ahead of the one that is
	// yielded. It hides the network's latency.
	window = 1024
	// maxAhead bounds the data in bytes and the names that are held for
	// nodes which are not yielded yet. The node in front is always read.
	maxAheadBytes = 16 << 20
	maxAheadNames = 200_000
	// maxLosses is how often in a row a connection may be lost without any
	// progress in between. A call waits for the next connection by itself.
	maxLosses = 5
)

// Walk yields the nodes of the subtree at root, a node before its children
// and siblings by the bytes of their names. It fails with client.ErrNoNode if
// there is no root. It sees what was written anywhere before it began. Reads
// are repeated when a connection is lost. A node that is created while the
// walk is under way is yielded if its parent was read later.
//
// What a server keeps below /zookeeper is left out unless root is there or
// System is set.
func Walk(ctx context.Context, c *client.Client, root string, o WalkOptions) iter.Seq2[Node, error] {
	return func(yield func(Node, error) bool) {
		w := &walker{ctx: ctx, c: c, root: root, o: o, p: upToDate(ctx, c)}
		w.head = &item{asked: w.ask("/")}
		for w.head != nil {
			n, ok, err := w.next()
			if err != nil {
				yield(Node{}, err)
				return
			}
			if ok && !yield(n, nil) {
				return
			}
		}
	}
}

// upToDate returns a Pipeline whose reads see all that was written anywhere
// before: a follower may be behind the server that somebody else has written
// to. A server without a quorum refuses that, and then is as it is.
func upToDate(ctx context.Context, c *client.Client) *client.Pipeline {
	p := c.Pipeline()
	p.Sync(ctx, "/")
	return p
}

// A walker reads ahead. What it is going to yield stands in a list in order:
// nodes that were asked for, and between them runs of names that were not
// yet.
type walker struct {
	ctx  context.Context
	c    *client.Client
	root string
	o    WalkOptions
	p    *client.Pipeline

	head   *item
	asking int   // nodes in the list that were asked for
	names  int   // in runs
	bytes  int64 // of data that was asked for and is not yielded
	idle   int   // nodes yielded since the last look ahead
	losses int
}

// An item is a node that was asked for, or a run of names.
type item struct {
	next  *item
	asked *asked
	above string // of the run
	names []string
}

// asked is a node under way: first its listing, whose Stat says how large the
// data is, then the rest.
type asked struct {
	node   Node
	list   *client.Future[client.Listing]
	data   *client.Future[client.Data]
	acl    *client.Future[client.Permissions]
	size   int64
	listed bool
	gone   error // that it does not exist
}

func (w *walker) ask(path string) *asked {
	w.asking++
	a := &asked{node: Node{Path: path, Counter: -1}}
	a.list = w.p.Children(w.ctx, Join(w.root, path))
	return a
}

// next takes the front off the list. ok is false if that was no node.
func (w *walker) next() (n Node, ok bool, err error) {
	if w.idle == 0 {
		w.lookAhead()
	}
	w.idle = (w.idle + 1) % (window / 8)
	front := w.head
	if front.asked == nil {
		w.lookAhead()
		if front = w.head; front == nil || front.asked == nil {
			return Node{}, false, nil
		}
	}
	a := front.asked
	if err := w.finish(front); err != nil {
		return Node{}, false, err
	}
	w.head = front.next
	w.asking--
	w.bytes -= a.size
	if a.gone != nil {
		if a.node.Path == "/" {
			return Node{}, false, a.gone
		}
		if w.o.Vanished != nil {
			w.o.Vanished(a.node.Path)
		}
		return Node{}, false, nil
	}
	return a.node, true, nil
}

// lookAhead goes through the list from the front, takes the answers that are
// there and asks for more.
func (w *walker) lookAhead() {
	var before *item
	for it := w.head; it != nil; it = it.next {
		if it.asked == nil {
			before = w.expand(before, it)
			if len(it.names) > 0 {
				return // there is no room for what is behind
			}
			w.link(before, it.next)
			continue
		}
		if a := it.asked; !a.listed && isDone(a.list.Done()) {
			if v, err := a.list.Wait(w.ctx); !lost(err) {
				w.take(it, v, err)
			}
		}
		if it.asked.listed {
			w.askRest(it.asked, it == w.head)
		}
		before = it
	}
}

// link makes next what follows an item, nil being before the first.
func (w *walker) link(before, next *item) {
	if before == nil {
		w.head = next
	} else {
		before.next = next
	}
}

// expand asks for names of a run as far as there is room, and puts them
// before it. It returns the last item before the run.
func (w *walker) expand(before, run *item) *item {
	for len(run.names) > 0 {
		full := w.asking >= window || w.names-len(run.names) > maxAheadNames
		if full && before != nil {
			break
		}
		it := &item{next: run, asked: w.ask(child(run.above, run.names[0]))}
		w.link(before, it)
		before = it
		run.names = run.names[1:]
		w.names--
	}
	return before
}

// finish waits until the front is read.
func (w *walker) finish(front *item) error {
	a := front.asked
	for {
		var err error
		if !a.listed {
			var v client.Listing
			if v, err = a.list.Wait(w.ctx); !lost(err) {
				err = w.take(front, v, err)
			}
		}
		if err == nil {
			w.askRest(a, true)
			err = w.takeRest(a)
		}
		if err == nil {
			w.losses = 0
			return nil
		}
		if w.losses++; !lost(err) || w.losses > maxLosses || w.ctx.Err() != nil {
			return err
		}
		w.again()
	}
}

// take is given the answer to a node's listing, and puts its children into
// the list. An error is one that ends the walk.
func (w *walker) take(it *item, v client.Listing, err error) error {
	a := it.asked
	switch {
	case errors.Is(err, client.ErrNoNode):
		a.listed, a.gone = true, err
		return nil
	case errors.Is(err, client.ErrNoAuth), errors.Is(err, client.ErrBadArguments) && a.node.Path != "/":
		a.listed, a.node.Err = true, err
		return nil
	case err != nil:
		return err
	}
	a.listed = true
	slices.Sort(v.Children)
	if !w.o.System && full(w.c, Join(w.root, a.node.Path)) == "/" {
		v.Children = slices.DeleteFunc(v.Children, func(name string) bool { return "/"+name == systemTree })
	}
	a.node.Children, a.node.Stat, a.node.Counter = v.Children, v.Stat, Created(v.Stat)
	w.classify(&a.node)
	names := v.Children
	if w.o.MaxChildren > 0 && len(names) > w.o.MaxChildren {
		names = names[:w.o.MaxChildren]
	}
	if len(names) == 0 || w.o.MaxDepth > 0 && Depth(a.node.Path) >= w.o.MaxDepth {
		return nil
	}
	if w.o.Prune != nil && w.o.Prune(a.node) {
		return nil
	}
	it.next = &item{next: it.next, above: a.node.Path, names: names}
	w.names += len(names)
	return nil
}

func (w *walker) classify(n *Node) {
	if n.Stat.EphemeralOwner != 0 {
		n.Kind = Ephemeral
	} else if w.o.Kinds != nil {
		if kind, ttl, ok := w.o.Kinds(n.Path); ok && kind != Ephemeral {
			n.Kind, n.TTL = kind, ttl
		}
	}
}

// askRest asks for data and ACL, if there is room for the data.
func (w *walker) askRest(a *asked, front bool) {
	if a.gone != nil || a.node.Err != nil {
		return
	}
	path, size := Join(w.root, a.node.Path), int64(a.node.Stat.DataLength)
	if w.o.Data && a.data == nil {
		if !front && w.bytes+size > maxAheadBytes {
			return
		}
		a.data, a.size = w.p.Get(w.ctx, path), size
		w.bytes += size
	}
	if w.o.ACL && a.acl == nil {
		a.acl = w.p.GetACL(w.ctx, path)
	}
}

// takeRest waits for data and ACL.
func (w *walker) takeRest(a *asked) error {
	if a.data != nil {
		v, err := a.data.Wait(w.ctx)
		if err == nil {
			a.node.Data, a.node.Stat, a.node.Counter = v.Data, v.Stat, Created(v.Stat)
		} else if err = a.refused(err); err != nil {
			return err
		}
	}
	if a.acl != nil {
		v, err := a.acl.Wait(w.ctx)
		if err == nil {
			a.node.ACL = v.ACL
		} else if err = a.refused(err); err != nil {
			return err
		}
	}
	return nil
}

// refused notes an error that concerns only the node, and returns any other.
func (a *asked) refused(err error) error {
	switch {
	case errors.Is(err, client.ErrNoNode):
		a.gone = err
	case errors.Is(err, client.ErrNoAuth):
		a.node.Err = err
	default:
		return err
	}
	return nil
}

// again asks anew for everything that has no answer, after a connection was
// lost.
func (w *walker) again() {
	w.p = upToDate(w.ctx, w.c)
	for it := w.head; it != nil; it = it.next {
		a := it.asked
		if a == nil {
			continue
		}
		path := Join(w.root, a.node.Path)
		if !a.listed {
			a.list = w.p.Children(w.ctx, path)
		}
		if a.data != nil && unanswered(w.ctx, a.data) {
			a.data = w.p.Get(w.ctx, path)
		}
		if a.acl != nil && unanswered(w.ctx, a.acl) {
			a.acl = w.p.GetACL(w.ctx, path)
		}
	}
}

func unanswered[T any](ctx context.Context, f *client.Future[T]) bool {
	if !isDone(f.Done()) {
		return true
	}
	_, err := f.Wait(ctx)
	return lost(err)
}

func isDone(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// lost tells whether a request has no answer because a connection broke.
func lost(err error) bool { return errors.Is(err, client.ErrConnectionLoss) }
