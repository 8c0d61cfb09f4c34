package recipe

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"quokka/client"
)

// A Queue hands out items in the order in which they were put, to any number
// of programs. Order is that of beginning: two programs that take at the same
// time may end in any order, and an item that was returned, or whose taker's
// session has ended, comes again when it is seen again, at the latest when all
// those that were seen before it are taken.
//
// There are two ways to take. [Queue.Take] leaves the item in the queue under
// a claim, an ephemeral node, until [Item.Done]: no item is lost, and one
// whose taker dies is handed out again. It is handed out to one at a time as
// long as nobody works on after its [Item.Context] has ended. [Queue.Pop]
// removes the item in one step: it is never handed out twice, and is lost with
// a program that dies before it has worked on it.
//
// Put and Pop are done exactly once over lost connections. Only if the answer
// is lost and then the session or the context ends is the outcome unknown; the
// error then is [client.Ambiguous].
//
// A taker lists the queue once and then works its list off. When the queue is
// empty, takers stand in line for the only place at which it is watched, so
// that an item wakes one of them.
//
// The queue has a few nodes of its own beside those of its layout, see
// [QueueOptions.Aux]. Its methods may be called by many goroutines.
type Queue struct {
	c       *client.Client
	o       QueueOptions
	f       queueFormat
	bad     error // what is wrong with the options
	entries place
	claims  place
	ledger  *ledger
	turn    *Lock         // whose holder watches
	local   chan struct{} // has a value while no goroutine stands in line
	id      string        // of this Queue, for claims
	slack   int           // how many items may be taken by one listing; 0: all

	mu     sync.Mutex
	line   []rank // what was listed and not yet tried
	taken  int    // from line
	claimN int    // claims so far
	ready  bool   // the directories are there
}

// QueueOptions are how a queue differs from the usual. The zero value is good.
type QueueOptions struct {
	// Layout is where the nodes lie and what they look like.
	Layout QueueLayout
	// Claims is the directory of claims for the layouts that have no place
	// for them; for CuratorQueue it is what Curator calls lockPath. Default:
	// AUX/taken.
	Claims string
	// Aux is the directory of nodes that only this package knows: receipts,
	// the line of takers, and claims. Default: PATH/quokka for
	// KazooLockingQueue, and PATH-quokka for the others, whose directory must
	// have nothing but items.
	Aux string
	// Slack, of a PriorityQueue, is how many items are taken by one listing
	// of the queue: so many may be taken before one that is put later with a
	// better priority. 0 lists the queue for each item, which is slow for
	// long queues. A Queue always works off all it has listed.
	Slack int
	// ACL is for the nodes that are made. Default: open to everybody.
	ACL []client.ACL
}

// ErrEmpty is what a Try method returns when there is no item that is not
// taken.
var ErrEmpty = errors.New("recipe: the queue is empty")

// NewQueue returns the queue at path. It does not talk to the servers.
func NewQueue(c *client.Client, path string, o QueueOptions) *Queue {
	q := newQueue(c, path, o, false)
	return q
}

// maxReceipts is how many Puts and Pops of one Queue are under way at a time.
const maxReceipts = 16

func newQueue(c *client.Client, path string, o QueueOptions, priorities bool) *Queue {
	q := &Queue{c: c, o: o, id: unique(), local: make(chan struct{}, 1)}
	q.local <- struct{}{}
	q.f, q.bad = o.Layout.format(priorities)
	at := func(dir string) place { return place{c: c, dir: dir, acl: o.ACL, keep: true} }
	q.entries = at(path)
	if o.Aux == "" {
		o.Aux = path + "-quokka"
	}
	if q.claims = at(o.Aux + "/taken"); o.Layout == KazooLockingQueue {
		q.entries, q.claims = at(path+"/entries"), at(path+"/taken")
		if q.o.Aux == "" {
			o.Aux = path + "/quokka"
		}
	}
	if o.Claims != "" {
		q.claims = at(o.Claims)
	}
	q.ledger = newLedger(c, o.Aux+"/receipts", maxReceipts, o.ACL)
	q.turn = NewLock(c, o.Aux+"/turn", Options{Layout: Kazoo, ACL: o.ACL})
	return q
}

// Put adds an item.
func (q *Queue) Put(ctx context.Context, data []byte) error {
	return q.put(ctx, DefaultPriority, data)
}

// PutAll adds items in this order, all or none, with nothing between them.
// Together they must fit into one request, see client.Options.MaxRequest.
func (q *Queue) PutAll(ctx context.Context, items ...[]byte) error {
	return q.put(ctx, DefaultPriority, items...)
}

func (q *Queue) put(ctx context.Context, priority int, items ...[]byte) error {
	if q.bad != nil {
		return q.wrap("put", q.bad)
	}
	if len(items) == 0 {
		return nil
	}
	path := q.entries.path(q.f.prefix + q.f.priority(priority))
	return q.wrap("put", q.commit(ctx, func(m *client.Multi) {
		for _, data := range items {
			m.Create(path, q.f.pack(data), q.entries.options(client.Sequential)...)
		}
	}))
}

// commit makes changes once, in directories that are made if they are missing.
func (q *Queue) commit(ctx context.Context, build func(m *client.Multi)) error {
	for range maxParents {
		if err := q.prepare(ctx); err != nil {
			return err
		}
		err := q.ledger.commit(ctx, build)
		if client.Ambiguous(err) || !errors.Is(err, client.ErrNoNode) {
			return err
		}
		if e, ok := errors.AsType[*client.MultiError](err); ok && e.Err.Op == "delete" {
			return err // the item is gone, not a directory
		}
		if there, gone := q.missing(ctx); there || gone != nil {
			return errors.Join(err, gone)
		}
	}
	return fmt.Errorf("somebody else deletes the directories of the queue: %w", client.ErrNoNode)
}

// prepare makes the directories.
func (q *Queue) prepare(ctx context.Context) error {
	q.mu.Lock()
	ready := q.ready
	q.mu.Unlock()
	if ready {
		return nil
	}
	for _, p := range []place{q.entries, q.claims, {c: q.c, dir: q.ledger.dir, acl: q.o.ACL, keep: true}} {
		if err := p.ensure(ctx); err != nil {
			return err
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ready = true
	return nil
}

// missing tells whether all directories are there; if not, they are prepared
// again.
func (q *Queue) missing(ctx context.Context) (there bool, err error) {
	for _, p := range []place{q.entries, q.claims, {c: q.c, dir: q.ledger.dir}} {
		if err := persist(ctx, q.c, func() (err error) {
			_, there, err = q.c.Exists(ctx, p.dir)
			return err
		}); err != nil {
			return false, err
		}
		if !there {
			q.mu.Lock()
			defer q.mu.Unlock()
			q.ready = false
			return false, nil
		}
	}
	return true, nil
}

// An Entry is what an item says.
type Entry struct {
	Name string // of its node
	Data []byte // what was put
	// More are further items in the same node. Only Curator's putMulti makes
	// such nodes.
	More     [][]byte
	Priority int // of the layouts that have priorities
	// Err says why the data could not be taken apart, in the layout
	// CuratorQueue. Data is then all that stands in the node.
	Err error
}

func (q *Queue) entry(name string, data []byte) Entry {
	r, _ := q.f.rank(name)
	e := Entry{Name: name, Data: data, Priority: r.priority}
	items, err := q.f.unpack(data)
	switch {
	case err != nil:
		e.Err = fmt.Errorf("recipe: queue: item %s: %w", q.entries.path(name), err)
	case len(items) == 0:
		e.Data = nil
	default:
		e.Data, e.More = items[0], items[1:]
	}
	return e
}

// Pop removes the first item and returns it. It waits for one if there is
// none. If the error is [client.Ambiguous], the Entry is the one that may have
// been removed.
//
// In the layouts KazooQueue and CuratorSimpleQueue, and in CuratorQueue without
// a lockPath, programs with other libraries only know this way.
func (q *Queue) Pop(ctx context.Context) (e Entry, err error) {
	err = q.wait(ctx, func(name string) (ok bool, err error) {
		e, ok, err = q.popName(ctx, name)
		return ok, err
	})
	return e, q.wrap("pop", err)
}

// TryPop is Pop, but fails with ErrEmpty instead of waiting.
func (q *Queue) TryPop(ctx context.Context) (e Entry, err error) {
	err = q.try(ctx, func(name string) (ok bool, err error) {
		e, ok, err = q.popName(ctx, name)
		return ok, err
	})
	return e, q.wrap("pop", err)
}

// popName removes one item, unless somebody else has it. That nobody claims it
// is a condition which a multi cannot state, but a claim for no time can.
func (q *Queue) popName(ctx context.Context, name string) (Entry, bool, error) {
	d, err := q.read(ctx, name)
	if errors.Is(err, client.ErrNoNode) {
		return Entry{}, false, nil
	}
	if err != nil {
		return Entry{}, false, err
	}
	err = q.commit(ctx, func(m *client.Multi) {
		m.Delete(q.entries.path(name), d.Stat.Version)
		m.Create(q.claims.path(name), []byte(q.id), q.claims.options(client.Ephemeral)...)
		m.Delete(q.claims.path(name), client.AnyVersion)
	})
	switch {
	case err == nil || client.Ambiguous(err):
		return q.entry(name, d.Data), err == nil, err
	case errors.Is(err, client.ErrNoNode), errors.Is(err, client.ErrNodeExists), errors.Is(err, client.ErrBadVersion):
		return Entry{}, false, nil
	}
	return Entry{}, false, err
}

func (q *Queue) read(ctx context.Context, name string) (d client.Data, err error) {
	err = persist(ctx, q.c, func() error {
		d.Data, d.Stat, err = q.c.Get(ctx, q.entries.path(name))
		return err
	})
	return d, err
}

// Peek returns the first item that is not taken, and leaves it. If there is
// none it fails with ErrEmpty.
func (q *Queue) Peek(ctx context.Context) (Entry, error) {
	if q.bad != nil {
		return Entry{}, q.wrap("peek", q.bad)
	}
	line, err := q.look(ctx)
	for _, r := range line {
		var d client.Data
		d, err = q.read(ctx, r.name)
		if err == nil {
			return q.entry(r.name, d.Data), nil
		}
		if !errors.Is(err, client.ErrNoNode) {
			break
		}
	}
	if err == nil || errors.Is(err, client.ErrNoNode) {
		err = ErrEmpty
	}
	return Entry{}, q.wrap("peek", err)
}

// Len returns how many items there are, those that are taken and not done
// included, as far as the server that answers knows.
func (q *Queue) Len(ctx context.Context) (int, error) {
	at := place{c: q.c, dir: parentPath(q.entries.dir)}
	stat, ok, err := at.stat(ctx, at.name(q.entries.dir))
	if err != nil || !ok {
		return 0, q.wrap("len", err)
	}
	return int(stat.NumChildren), nil
}

// Close deletes the Queue's receipts. Items that were taken stay so. There
// must be no calls afterwards.
func (q *Queue) Close(ctx context.Context) error { return q.wrap("close", q.ledger.close(ctx)) }

func (q *Queue) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("recipe: queue %s: %s: %w", q.entries.dir, op, err)
}

// look lists the items that are not taken.
func (q *Queue) look(ctx context.Context) ([]rank, error) {
	names, err := q.entries.list(ctx)
	if err != nil {
		return nil, err
	}
	taken, err := q.claims.list(ctx)
	if err != nil {
		return nil, err
	}
	return q.free(names, taken), nil
}

func (q *Queue) free(names, taken []string) []rank {
	not := make(map[string]bool, len(taken))
	for _, name := range taken {
		not[name] = true
	}
	var rest []string
	for _, name := range names {
		if !not[name] {
			rest = append(rest, name)
		}
	}
	return q.f.inLine(rest)
}

// relist replaces the list that is worked off.
func (q *Queue) relist(line []rank) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.line, q.taken = line, 0
}

// next returns the first item of the list, which no other goroutine of this
// Queue then tries.
func (q *Queue) next() (string, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.line) == 0 || q.slack > 0 && q.taken >= q.slack {
		return "", false
	}
	name := q.line[0].name
	q.line = q.line[1:]
	return name, true
}

// maxMisses is how many items in a row may be gone before the list is thought
// to be too old.
const maxMisses = 8

// work tries the items of the list.
func (q *Queue) work(take func(name string) (bool, error)) (bool, error) {
	for range maxMisses {
		name, ok := q.next()
		if !ok {
			return false, nil
		}
		ok, err := take(name)
		if ok {
			q.mu.Lock()
			q.taken++
			q.mu.Unlock()
		}
		if ok || err != nil {
			return ok, err
		}
	}
	q.relist(nil)
	return false, nil
}

// try takes an item if there is one.
func (q *Queue) try(ctx context.Context, take func(name string) (bool, error)) error {
	if q.bad != nil {
		return q.bad
	}
	if ok, err := q.work(take); ok || err != nil {
		return err
	}
	for {
		line, err := q.look(ctx)
		if err != nil {
			return err
		}
		if len(line) == 0 {
			return ErrEmpty
		}
		q.relist(line)
		if ok, err := q.work(take); ok || err != nil {
			return err
		}
	}
}

// wait takes an item, and waits for one.
func (q *Queue) wait(ctx context.Context, take func(name string) (bool, error)) error {
	for {
		if err := q.try(ctx, take); !errors.Is(err, ErrEmpty) {
			return err
		}
		if ok, err := q.stand(ctx, take); ok || err != nil {
			return err
		}
	}
}

// stand stands in line for the place at which the queue is watched. A holder
// of that place who is cut off keeps it until its session ends; so those in
// line look for themselves now and then, and stand again.
func (q *Queue) stand(ctx context.Context, take func(name string) (bool, error)) (bool, error) {
	select {
	case <-q.local:
		defer func() { q.local <- struct{}{} }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	timeout := q.c.SessionTimeout()
	short, cancel := context.WithTimeout(ctx, timeout/4+rand.N(timeout/4+1))
	defer cancel()
	h, err := q.turn.Acquire(short)
	if err != nil {
		if ctx.Err() == nil && q.c.Err() == nil && (short.Err() != nil || errors.Is(err, ErrLost)) {
			return false, nil
		}
		return false, err
	}
	defer h.g.end(ErrReleased)
	inside, leave := h.during(ctx)
	defer leave()
	ok, err := q.watch(inside, take)
	if !ok && err != nil && ctx.Err() == nil && h.Err() != nil && q.c.Err() == nil && !client.Ambiguous(err) {
		return false, nil // somebody has deleted the node in the line, or no server has answered for long
	}
	return ok, err
}

// watch waits for items, and for claims that go.
func (q *Queue) watch(ctx context.Context, take func(name string) (bool, error)) (bool, error) {
	for {
		line, entries, claims, err := q.lookW(ctx)
		if err != nil {
			return false, err
		}
		q.relist(line)
		ok, err := q.work(take)
		if !ok && err == nil && len(line) == 0 {
			err = either(ctx, entries, claims)
		}
		_ = entries.Close()
		_ = claims.Close()
		if ok || err != nil {
			return ok, err
		}
	}
}

// lookW is look, and arms watches.
func (q *Queue) lookW(ctx context.Context) (line []rank, entries, claims *client.Watch, err error) {
	list := func(p place, w **client.Watch) (names []string, err error) {
		err = persist(ctx, q.c, func() error {
			names, _, *w, err = q.c.ChildrenW(ctx, p.dir)
			return err
		})
		return names, err
	}
	for range maxParents {
		if err := q.prepare(ctx); err != nil {
			return nil, nil, nil, err
		}
		var names, taken []string
		if names, err = list(q.entries, &entries); err == nil {
			if taken, err = list(q.claims, &claims); err == nil {
				return q.free(names, taken), entries, claims, nil
			}
			_ = entries.Close()
		}
		if !errors.Is(err, client.ErrNoNode) {
			break
		}
		if _, err := q.missing(ctx); err != nil {
			return nil, nil, nil, err
		}
	}
	return nil, nil, nil, err
}

// either waits until one of two watches has an event.
func either(ctx context.Context, a, b *client.Watch) error {
	inside, cancel := context.WithCancel(ctx)
	defer cancel()
	first := make(chan error, 2)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for _, w := range []*client.Watch{a, b} {
		wg.Go(func() {
			_, err := w.Next(inside)
			first <- err
		})
	}
	return <-first
}
