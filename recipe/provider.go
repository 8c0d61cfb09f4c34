package recipe

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"quokka/client"
)

// A Provider knows the instances of one service, follows their changes, and
// chooses one when asked, without asking a server. While no server is reached
// it goes on with what it knows, and also when the session has ended: then it
// follows no more, see [Provider.Done].
type Provider struct {
	name   string
	at     place
	o      ProviderOptions
	cache  *client.Cache
	cancel context.CancelFunc
	over   chan struct{} // closed when it follows no more

	mu      sync.Mutex
	known   map[string]reading // by path
	all     []Instance         // by path; replaced, never changed
	faults  map[instanceKey]*errorCount
	changed chan struct{} // closed when all is replaced
	err     error
}

// ProviderOptions are how a [Provider] chooses. The zero value is good.
type ProviderOptions struct {
	// Strategy chooses. Default: NewRoundRobin().
	Strategy Strategy
	// Filter, if not nil, says which instances may be chosen.
	Filter func(Instance) bool
	// MaxErrors is how many errors of an instance, as told to NoteError, keep
	// it from being chosen, until ErrorWindow after the first of them has
	// passed. Default: 2 in 30 s, as in Curator.
	MaxErrors int
	// ErrorWindow is how long an error counts; see MaxErrors.
	ErrorWindow time.Duration
	// Invalid, if not nil, is called for each node that cannot be read, once
	// for each of its versions. It must return soon.
	Invalid func(node string, err error)
}

// ErrNoInstance says that a service has no instance that may be chosen.
var ErrNoInstance = errors.New("recipe: there is no instance of the service")

type reading struct {
	mzxid client.Zxid
	i     Instance
	ok    bool
}

// An instanceKey tells an instance from one that is registered later under
// the same ID.
type instanceKey struct {
	name, id   string
	registered int64
}

func keyOf(i Instance) instanceKey { return instanceKey{i.Name, i.ID, i.Registered.UnixMilli()} }

// A errorCount counts errors since the first one.
type errorCount struct {
	first time.Time
	n     int
}

// Provider returns a Provider of a service once it knows its instances. The
// service need not have any. ctx bounds only the beginning. It needs ZooKeeper
// 3.6 or later.
func (d *Discovery) Provider(ctx context.Context, name string, o ProviderOptions) (*Provider, error) {
	if o.Strategy == nil {
		o.Strategy = NewRoundRobin()
	}
	if o.MaxErrors == 0 {
		o.MaxErrors = 2
	}
	if o.ErrorWindow == 0 {
		o.ErrorWindow = 30 * time.Second
	}
	at := d.service(name)
	cache, err := openCache(ctx, at.c, at.dir)
	if err != nil {
		return nil, d.wrap("provider", err)
	}
	p := &Provider{
		name: name, at: at, o: o, cache: cache, over: make(chan struct{}), changed: make(chan struct{}),
		known: make(map[string]reading), faults: make(map[instanceKey]*errorCount),
	}
	p.read()
	inside, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p.cancel = cancel
	go p.run(inside)
	return p, nil
}

func (p *Provider) run(ctx context.Context) {
	defer close(p.over)
	dirty := make(chan error, 1)
	go follow(ctx, p.cache, dirty)
	for err := range dirty {
		if err != nil && ctx.Err() == nil {
			p.mu.Lock()
			p.err = fmt.Errorf("recipe: discovery %s: %w: %w", p.at.dir, ErrLost, err)
			p.mu.Unlock()
		}
		p.read()
	}
}

// read takes over what the cache has.
func (p *Provider) read() {
	known := make(map[string]reading)
	var all []Instance
	for _, n := range childrenOf(p.cache, p.at.dir) {
		r, ok := p.known[n.Path]
		if !ok || r.mzxid != n.Stat.Mzxid {
			i, err := readInstance(n.Path, n.Data)
			r = reading{n.Stat.Mzxid, i, err == nil}
			if err != nil && p.o.Invalid != nil {
				p.o.Invalid(n.Path, err)
			}
		}
		known[n.Path] = r
		if r.ok {
			all = append(all, r.i)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	same := len(known) == len(p.known)
	for path, r := range known {
		same = same && p.known[path].mzxid == r.mzxid
	}
	if same {
		return
	}
	p.known, p.all = known, all
	close(p.changed)
	p.changed = make(chan struct{})
}

// All returns all instances, those that are disabled or had errors included.
// It must not be changed.
func (p *Provider) All() []Instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all
}

// Instances returns the instances that may be chosen.
func (p *Provider) Instances() []Instance {
	p.mu.Lock()
	all := p.all
	down := make(map[instanceKey]bool)
	for key, f := range p.faults {
		if time.Since(f.first) >= p.o.ErrorWindow {
			delete(p.faults, key)
		} else if f.n >= p.o.MaxErrors {
			down[key] = true
		}
	}
	p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(all), func(i Instance) bool {
		return i.Disabled || down[keyOf(i)] || p.o.Filter != nil && !p.o.Filter(i)
	})
}

// Pick chooses an instance for one use. It fails with ErrNoInstance if there
// is none that may be chosen.
func (p *Provider) Pick() (Instance, error) {
	all := p.Instances()
	if len(all) == 0 {
		return Instance{}, fmt.Errorf("%w: %s: %d are registered", ErrNoInstance, p.name, len(p.All()))
	}
	return all[p.o.Strategy.Pick(all)], nil
}

// NoteError says that an instance was chosen and did not serve.
func (p *Provider) NoteError(i Instance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.faults[keyOf(i)]
	if f == nil || time.Since(f.first) >= p.o.ErrorWindow {
		f = &errorCount{first: time.Now()}
		p.faults[keyOf(i)] = f
	}
	f.n++
}

// Changes yields all instances, at once and after every change; what follows
// fast may be left out, the newest state never is. It ends with ctx, with the
// loop, and when the Provider follows no more.
func (p *Provider) Changes(ctx context.Context) iter.Seq[[]Instance] {
	return func(yield func([]Instance) bool) {
		for {
			p.mu.Lock()
			all, changed := p.all, p.changed
			p.mu.Unlock()
			if !yield(all) {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			case <-p.over:
				select {
				case <-changed: // the last change
				default:
					return
				}
			}
		}
	}
}

// Done is closed when the Provider follows no more; Err then says why.
func (p *Provider) Done() <-chan struct{} { return p.over }

// Err returns nil while the Provider follows and after Close, and ErrLost when
// the session has ended.
func (p *Provider) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// Close ends the Provider. What it knows can still be used.
func (p *Provider) Close() error {
	p.cancel()
	err := p.cache.Close()
	<-p.over
	return err
}

// A Strategy chooses one of several instances, of which there is at least one.
// Its methods may be called by many goroutines.
type Strategy interface {
	// Pick returns an index.
	Pick(all []Instance) int
}

type roundRobin struct{ n atomic.Uint64 }

// NewRoundRobin returns a Strategy that takes one after the other.
func NewRoundRobin() Strategy { return new(roundRobin) }

func (s *roundRobin) Pick(all []Instance) int { return int((s.n.Add(1) - 1) % uint64(len(all))) }

type random struct{}

// NewRandom returns a Strategy that takes any.
func NewRandom() Strategy { return random{} }

func (random) Pick(all []Instance) int { return rand.IntN(len(all)) }

type sticky struct {
	first Strategy
	mu    sync.Mutex
	last  instanceKey
}

// NewSticky returns a Strategy that takes the same as before for as long as it
// is there, and then the one that another Strategy chooses.
func NewSticky(first Strategy) Strategy { return &sticky{first: first} }

func (s *sticky) Pick(all []Instance) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(all, func(i Instance) bool { return keyOf(i) == s.last })
	if i < 0 {
		i = s.first.Pick(all)
		s.last = keyOf(all[i])
	}
	return i
}
