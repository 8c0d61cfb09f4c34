package recipe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"quokka/client"
)

// A Discovery registers and finds instances of services. Its nodes are
// BASE/SERVICE/ID, with JSON as Curator's ServiceDiscovery and its
// JsonInstanceSerializer write it, so that programs in Java and in Go find
// each other.
type Discovery struct {
	base place
}

// DiscoveryOptions are how a [Discovery] differs from the usual. The zero
// value is good.
type DiscoveryOptions struct {
	// ACL is for the nodes that are made. Default: open to everybody.
	ACL []client.ACL
}

// NewDiscovery returns the services below base. It does not talk to the
// servers.
func NewDiscovery(c *client.Client, base string, o DiscoveryOptions) *Discovery {
	return &Discovery{base: place{c: c, dir: base, acl: o.ACL}}
}

// Register makes an instance known until [Registration.Unregister]. Without an
// ID it gets a random one, without Registered the present time. If there is a
// node of that ID, be it of another session, it is replaced: IDs are unique, so
// it is left from an earlier life of the program. Curator deletes it first;
// here that is one transaction with the creation.
//
// Dynamic instances end with the session. Until then the node is created again
// when somebody deletes it. Static and permanent ones stay when the session
// ends; whether they are there is looked after on every new connection.
//
// When Register fails, the instance is not registered; if the error is
// [client.Ambiguous] it may have been for a moment.
func (d *Discovery) Register(ctx context.Context, i Instance) (*Registration, error) {
	if i.ID == "" {
		i.ID = unique()
	}
	if i.Registered.IsZero() {
		i.Registered = time.Now()
	}
	if i.Type == "" {
		i.Type = Dynamic
	}
	n, err := d.node(i)
	if err != nil {
		return nil, d.wrap("register", err)
	}
	for range maxParents {
		if err = n.create(ctx); !errors.Is(err, client.ErrNodeExists) {
			break
		}
		n.over = true
	}
	if err != nil {
		n.discard()
		return nil, d.wrap("register", err)
	}
	return &Registration{d: d, i: i, k: keep(ctx, n, true)}, nil
}

// node returns the node of an instance, which does not exist yet.
func (d *Discovery) node(i Instance) (*own, error) {
	if i.Name == "" || strings.Contains(i.Name, "/") || strings.Contains(i.ID, "/") {
		return nil, fmt.Errorf("service %q, instance %q: these cannot be the names of nodes", i.Name, i.ID)
	}
	switch i.Type {
	case Dynamic, DynamicSequential, Static, Permanent:
	default:
		return nil, fmt.Errorf("instance %s: unknown service type %q", i.ID, i.Type)
	}
	data, err := json.Marshal(i)
	if err != nil {
		return nil, err
	}
	return &own{
		place: d.service(i.Name), base: i.ID, data: data, sequential: i.Type == DynamicSequential, persistent: !i.Type.dynamic(),
	}, nil
}

func (d *Discovery) service(name string) place {
	p := d.base
	p.dir = p.path(name)
	return p
}

// Names returns the names of the services that have had an instance, sorted.
func (d *Discovery) Names(ctx context.Context) ([]string, error) {
	names, err := d.base.list(ctx)
	slices.Sort(names)
	return names, d.wrap("names", err)
}

// Instances returns the instances of a service by their IDs, as far as the
// server that answers knows; it takes one request for each, all under way at
// once. If some nodes cannot be read, it returns the others, and an error that
// names those.
func (d *Discovery) Instances(ctx context.Context, name string) (all []Instance, err error) {
	at := d.service(name)
	err = persist(ctx, at.c, func() error {
		all, err = at.instances(ctx)
		return err
	})
	return all, d.wrap("instances", err)
}

func (p place) instances(ctx context.Context) ([]Instance, error) {
	names, err := p.list(ctx)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	pipe := p.c.Pipeline()
	var data []*client.Future[client.Data]
	for _, name := range names {
		data = append(data, pipe.Get(ctx, p.path(name)))
	}
	var all []Instance
	var bad []error
	for k, f := range data {
		d, err := f.Wait(ctx)
		if errors.Is(err, client.ErrNoNode) {
			continue
		}
		if err != nil {
			return nil, err
		}
		i, err := readInstance(p.path(names[k]), d.Data)
		if err != nil {
			bad = append(bad, err)
			continue
		}
		all = append(all, i)
	}
	return all, errors.Join(bad...)
}

func readInstance(path string, data []byte) (i Instance, err error) {
	if err := json.Unmarshal(data, &i); err != nil {
		return Instance{}, fmt.Errorf("%s: %w", path, err)
	}
	return i, nil
}

// Instance returns one instance, and whether there is one.
func (d *Discovery) Instance(ctx context.Context, name, id string) (Instance, bool, error) {
	at := d.service(name)
	var data []byte
	err := persist(ctx, at.c, func() (err error) {
		data, _, err = at.c.Get(ctx, at.path(id))
		return err
	})
	if errors.Is(err, client.ErrNoNode) {
		return Instance{}, false, nil
	}
	if err != nil {
		return Instance{}, false, d.wrap("instance", err)
	}
	i, err := readInstance(at.path(id), data)
	return i, err == nil, d.wrap("instance", err)
}

func (d *Discovery) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("recipe: discovery %s: %s: %w", d.base.dir, op, err)
}

// A Registration is an instance that is registered.
type Registration struct {
	d *Discovery
	i Instance
	k *keeper
}

// Instance returns the instance as it was registered, with its ID. Updates do
// not change it.
func (r *Registration) Instance() Instance { return r.i }

// Node returns the path of the instance's node.
func (r *Registration) Node() string { return r.k.node() }

// Update replaces what is said of the instance. Its name, ID and type must
// stay. To change an instance that somebody else wrote, begin with what
// [Discovery.Instance] returned: it keeps fields of newer versions of Curator.
// After an error that is [client.Ambiguous] it may be replaced.
func (r *Registration) Update(ctx context.Context, i Instance) error {
	if i.Type == "" {
		i.Type = Dynamic
	}
	if i.Name != r.i.Name || i.ID != r.i.ID || i.Type != r.i.Type {
		return r.d.wrap("update", fmt.Errorf("this is the %s instance %s/%s, not the %s instance %s/%s", r.i.Type, r.i.Name, r.i.ID, i.Type, i.Name, i.ID))
	}
	data, err := json.Marshal(i)
	if err == nil {
		err = r.k.set(ctx, data)
	}
	return r.d.wrap("update", err)
}

// Unregister ends the registration and deletes the node, whatever its type;
// when ctx ends before, in the background. To do it again, or to what is lost,
// is no error. Only if the session is over, a static or permanent instance
// stays, and Unregister fails.
func (r *Registration) Unregister(ctx context.Context) error {
	return r.d.wrap("unregister", r.k.leave(ctx))
}

// Context returns a context that ends when the registration does: with the
// cause ErrReleased after Unregister, and with ErrLost when the session is over
// or the node cannot be created again, because another one of the same ID has
// come. Of static and permanent instances the node then stays. It has the
// values of the context of Register, but not its end.
func (r *Registration) Context() context.Context { return r.k.ctx }

// Done is closed when the registration ends; Err then says why.
func (r *Registration) Done() <-chan struct{} { return r.k.ctx.Done() }

// Err returns nil while the registration lasts, and then what ended it.
func (r *Registration) Err() error { return r.k.err() }
