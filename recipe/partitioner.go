package recipe

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/url"
	"slices"
	"sync"
	"time"

	"quokka/client"
)

// A Partitioner divides names, the partitions, among the programs that run one
// on the same path, and divides them anew when programs come and go. All must
// be given the same partitions and the same PartitionerOptions.Assign.
//
// A partition is owned by holding its lock, so it has never two owners (read
// [Hold] about programs that were paused), and each owner's [Hold.Token] is
// larger than those before it. When a partition is to move, its owner is told
// by the end of the context that its work runs with, and the lock is released
// when the work has returned; only then another program begins.
//
// As kazoo's SetPartitioner does, it keeps members in PATH/party and locks in
// PATH/locks. Programs with both can share partitions if the ones in Go use
// [RoundRobin], and every member has a name of its own.
//
// It needs ZooKeeper 3.6 or later.
type Partitioner struct {
	c          *client.Client
	path       string
	partitions []string
	o          PartitionerOptions
	group      *Group
	locks      place

	mu      sync.Mutex
	state   PartitionerState
	owned   []string
	changed chan struct{} // closed when state or owned changes
}

// PartitionerOptions are how a [Partitioner] differs from the usual. The zero
// value is good.
type PartitionerOptions struct {
	// Name is the member's name, which no other member may have. Default: a
	// random one.
	Name string
	// Settle is how long the members must stay the same before partitions
	// are divided among them. It avoids moves when many programs start, or
	// one is started anew. Default: 1 s; negative: none.
	Settle time.Duration
	// Assign returns the owner of each partition. It must return the same to
	// all members that call it with the same arguments, in any order; owners
	// may lack partitions, and have some whose owner is no member. Default:
	// an even division that moves as few partitions as possible.
	Assign func(members, partitions []string, owners map[string]string) map[string]string
	// ACL is for the nodes that are made. Default: open to everybody.
	ACL []client.ACL
}

// RoundRobin divides partitions as kazoo's SetPartitioner does: sorted, one
// after the other to the sorted members. It moves many when members change.
func RoundRobin(members, partitions []string, _ map[string]string) map[string]string {
	members, partitions = slices.Sorted(slices.Values(members)), slices.Sorted(slices.Values(partitions))
	target := make(map[string]string, len(partitions))
	for i, p := range partitions {
		if len(members) > 0 {
			target[p] = members[i%len(members)]
		}
	}
	return target
}

// A PartitionerState is what a [Partitioner] is doing.
type PartitionerState int

// The states, with the names that kazoo gives them.
const (
	// Allocating: it waits for members to settle, or for partitions that
	// others still own. It is also the state before Run.
	Allocating PartitionerState = iota
	// Acquired: it owns all partitions it should own, and no other.
	Acquired
	// Releasing: it waits for work to return, to release partitions.
	Releasing
	// Stopped: Run has returned. kazoo calls that failure.
	Stopped
)

// String returns the state in words.
func (s PartitionerState) String() string {
	switch s {
	case Allocating:
		return "allocating"
	case Acquired:
		return "acquired"
	case Releasing:
		return "releasing"
	case Stopped:
		return "stopped"
	}
	return "unknown"
}

// A Partition is one that is owned.
type Partition struct {
	Name string // as the Partitioner was given it
	// Hold is the ownership: its Token and its guarded writes are for the
	// work. The Partitioner releases it.
	Hold *Hold
}

// NewPartitioner returns the partitioner at path. It does not talk to the
// servers.
func NewPartitioner(c *client.Client, path string, partitions []string, o PartitionerOptions) *Partitioner {
	if o.Name == "" {
		o.Name = unique()
	}
	if o.Settle == 0 {
		o.Settle = time.Second
	}
	if o.Assign == nil {
		o.Assign = assign
	}
	locks := place{c: c, dir: path, acl: o.ACL, keep: true}
	locks.dir = locks.path("locks")
	return &Partitioner{
		c: c, path: path, partitions: slices.Compact(slices.Sorted(slices.Values(partitions))), o: o,
		group:   NewGroup(c, place{dir: path}.path("party"), GroupOptions{Layout: KazooShallowParty, Rejoin: true, ACL: o.ACL}),
		locks:   locks,
		changed: make(chan struct{}),
	}
}

// State returns what the partitioner is doing.
func (p *Partitioner) State() PartitionerState {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

// Owned returns the partitions that are owned, sorted.
func (p *Partitioner) Owned() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.owned)
}

// States yields the present state with the partitions that are owned, and then
// every change of one or the other; what follows fast may be left out, the last
// one never is. It ends with ctx, with the loop, and after Stopped.
func (p *Partitioner) States(ctx context.Context) iter.Seq2[PartitionerState, []string] {
	return func(yield func(PartitionerState, []string) bool) {
		for {
			p.mu.Lock()
			state, owned, changed := p.state, slices.Clone(p.owned), p.changed
			p.mu.Unlock()
			if !yield(state, owned) || state == Stopped {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}
}

func (p *Partitioner) publish(state PartitionerState, owned []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state == state && slices.Equal(p.owned, owned) {
		return
	}
	p.state, p.owned = state, owned
	close(p.changed)
	p.changed = make(chan struct{})
}

// Owners returns who owns which partition now, by the names of the members. A
// partition that nobody owns is left out. The locks of kazoo have no name: what
// a member with kazoo owns belongs to "".
func (p *Partitioner) Owners(ctx context.Context) (map[string]string, error) {
	owners := make(map[string]string)
	for _, name := range p.partitions {
		all, err := p.lock(name).Contenders(ctx)
		if err != nil {
			return nil, p.wrap(err)
		}
		if len(all) > 0 {
			owners[name] = string(all[0].Data)
		}
	}
	return owners, nil
}

func (p *Partitioner) lock(partition string) *Lock {
	return NewLock(p.c, p.locks.path(nodeName(partition)), Options{Layout: Kazoo, Data: []byte(p.o.Name), ACL: p.o.ACL})
}

// nodeName makes a node's name of any text.
func nodeName(s string) string {
	switch s {
	case ".":
		return "%2E"
	case "..":
		return "%2E%2E"
	}
	return url.PathEscape(s)
}

func (p *Partitioner) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("recipe: partitioner %s: %w", p.path, err)
}

// Run joins the members, and runs work for every partition that falls to this
// one, each in a goroutine of its own, until ctx or the session ends or a work
// returns an error, which Run then returns. The context of a work ends when
// the partition must be given up: work should return soon, for another member
// waits for it. If work returns nil before, the partition stays owned.
//
// When Run returns, all works have returned, and all partitions are given up,
// in the background if no server is reached. Run must be called once.
func (p *Partitioner) Run(ctx context.Context, work func(ctx context.Context, part *Partition) error) error {
	defer func() { p.publish(Stopped, nil) }()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	m, err := p.group.Join(ctx, p.o.Name, nil)
	if err != nil {
		return p.wrap(err)
	}
	err = p.rounds(ctx, m, work)
	// All works have returned: the member may leave.
	gone, stop := context.WithTimeout(context.WithoutCancel(ctx), p.c.SessionTimeout()/3)
	defer stop()
	_ = m.Leave(gone)
	return p.wrap(err)
}

func (p *Partitioner) rounds(ctx context.Context, m *Membership, work func(ctx context.Context, part *Partition) error) error {
	if err := p.locks.ensure(ctx); err != nil {
		return err
	}
	cache, err := openCache(ctx, p.c, p.path)
	if err != nil {
		return err
	}
	defer cache.Close()
	r := &rounds{p: p, work: work, cache: cache, parts: make(map[string]*part), news: make(chan news)}
	return r.run(ctx, m)
}

// A part is a partition that is owned, or for which its lock is asked.
type part struct {
	hold    *Hold
	cancel  context.CancelFunc // of the work
	revoked bool               // the work was told to return
	idle    bool               // it has
}

// news is what a goroutine of rounds tells.
type news struct {
	name  string
	hold  *Hold // the lock was acquired
	ended bool  // the work has returned
	freed bool  // the lock was released
	err   error
}

// rounds owns the state of a Run. Only its own goroutine touches it; others
// send news.
type rounds struct {
	p       *Partitioner
	work    func(ctx context.Context, part *Partition) error
	cache   *client.Cache
	parts   map[string]*part
	news    chan news
	asking  int      // goroutines that ask for a lock
	waiting int      // goroutines that will send news
	members []string // who have settled
	seen    []string // who were there when last looked
	pause   backoff
}

// maxAsking is how many locks are asked for at a time.
const maxAsking = 16

func (r *rounds) run(ctx context.Context, m *Membership) error {
	dirty := make(chan error, 1)
	inside, cancel := context.WithCancel(ctx)
	defer cancel()
	go follow(inside, r.cache, dirty)
	settle := time.NewTimer(max(r.p.o.Settle, 0))
	retry := time.NewTimer(time.Hour)
	defer settle.Stop()
	defer retry.Stop()
	var failed error
	for failed == nil {
		var n news
		select {
		case failed = <-dirty:
			if now := r.present(); !slices.Equal(now, r.seen) {
				r.seen = now
				settle.Reset(max(r.p.o.Settle, 0))
			}
		case <-settle.C:
			r.members = r.seen
		case <-retry.C:
		case n = <-r.news:
			failed = r.take(ctx, n)
			if errors.Is(n.err, ErrBusy) {
				retry.Reset(r.pause.length())
			}
		case <-m.Done():
			failed = m.Err()
		case <-ctx.Done():
			failed = context.Cause(ctx)
		}
		if failed == nil {
			r.divide(ctx)
		}
	}
	r.end(ctx)
	return failed
}

// present returns the members.
func (r *rounds) present() []string {
	var all []string
	for _, n := range childrenOf(r.cache, r.p.group.dir) {
		if name := r.p.group.name(n.Path); r.p.group.isMember(name) {
			all = append(all, r.p.group.member(n).Name)
		}
	}
	slices.Sort(all)
	return all
}

// holder returns the data of the first contender for a partition's lock, and
// whether there is one.
func (r *rounds) holder(partition string) (string, bool) {
	dir := r.p.locks.path(nodeName(partition))
	line := inOrder(r.cache.Children(dir), []string{curatorLock, kazooLock})
	if len(line) == 0 {
		return "", false
	}
	n, _ := r.cache.Get(place{dir: dir}.path(line[0]))
	return string(n.Data), true
}

// divide revokes what should not be owned, and asks for what should.
func (r *rounds) divide(ctx context.Context) {
	owners := make(map[string]string)
	for _, name := range r.p.partitions {
		who, ok := r.holder(name)
		if own := r.parts[name]; own != nil && !own.revoked && (own.hold != nil || !ok) {
			who, ok = r.p.o.Name, true // the cache does not know yet
		}
		if ok {
			owners[name] = who
		}
	}
	complete, releasing := slices.Contains(r.members, r.p.o.Name), false
	if complete {
		target := r.p.o.Assign(r.members, r.p.partitions, owners)
		for _, name := range r.p.partitions {
			own, mine := r.parts[name], target[name] == r.p.o.Name
			_, held := owners[name]
			switch {
			case mine && own == nil && !held && r.asking < maxAsking:
				r.ask(ctx, name)
			case !mine && own != nil && own.hold != nil:
				r.revoke(name, own)
			}
			complete = complete && mine == (r.parts[name] != nil && r.parts[name].hold != nil)
		}
	}
	var owned []string
	for name, own := range r.parts {
		releasing = releasing || own.revoked
		if own.hold != nil && !own.revoked {
			owned = append(owned, name)
		}
	}
	slices.Sort(owned)
	switch {
	case releasing:
		r.p.publish(Releasing, owned)
	case complete:
		r.p.publish(Acquired, owned)
	default:
		r.p.publish(Allocating, owned)
	}
}

// ask tries to get a lock that seems to be free.
func (r *rounds) ask(ctx context.Context, name string) {
	r.parts[name] = &part{}
	r.asking++
	r.waiting++
	go func() {
		h, err := r.p.lock(name).TryAcquire(ctx)
		r.news <- news{name: name, hold: h, err: err}
	}()
}

// take takes news over.
func (r *rounds) take(ctx context.Context, n news) error {
	r.waiting--
	own := r.parts[n.name]
	switch {
	case n.ended:
		own.idle = true
		if n.err != nil {
			return n.err
		}
		own.revoked = true // or its hold is lost
		r.release(own, n.name)
	case n.freed:
		delete(r.parts, n.name)
	case n.err != nil:
		r.asking--
		delete(r.parts, n.name)
		if !errors.Is(n.err, ErrBusy) && !errors.Is(n.err, ErrLost) {
			return n.err
		}
	default:
		r.asking--
		r.pause = backoff{}
		r.begin(ctx, n.name, n.hold)
	}
	return nil
}

// begin runs the work for a partition. It also watches the hold of a work that
// has returned early.
func (r *rounds) begin(ctx context.Context, name string, h *Hold) {
	inside, cancel := h.during(ctx)
	r.parts[name] = &part{hold: h, cancel: cancel}
	r.waiting++
	go func() {
		err := r.work(inside, &Partition{Name: name, Hold: h})
		if err == nil {
			<-inside.Done()
		}
		if inside.Err() != nil {
			err = nil
		}
		r.news <- news{name: name, ended: true, err: err}
	}()
}

// revoke has the work return. Its news follows.
func (r *rounds) revoke(name string, own *part) {
	if own.revoked {
		return
	}
	own.revoked = true
	own.cancel()
}

// release gives up the lock of a work that has returned.
func (r *rounds) release(own *part, name string) {
	r.waiting++
	own.cancel()
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), r.p.c.SessionTimeout()/3)
		defer cancel()
		_ = own.hold.Release(ctx) // otherwise it goes on in the background
		r.news <- news{name: name, freed: true}
	}()
}

// end has all works return, and gives everything up.
func (r *rounds) end(ctx context.Context) {
	for name, own := range r.parts {
		switch {
		case own.hold == nil:
		case own.idle:
			if !own.revoked {
				r.release(own, name)
			}
		default:
			r.revoke(name, own)
		}
	}
	for r.waiting > 0 {
		n := <-r.news
		if n.hold != nil { // it was acquired too late
			r.asking--
			r.waiting--
			r.parts[n.name] = &part{hold: n.hold, cancel: func() {}, revoked: true}
			r.release(r.parts[n.name], n.name)
			continue
		}
		_ = r.take(ctx, n)
	}
}

func (b *backoff) length() time.Duration {
	d := min(maxBackoff, firstBackoff<<min(b.n, 20))
	b.n++
	return rand.N(d) + 1
}
