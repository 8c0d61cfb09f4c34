package recipe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"quokka/client"
)

// A Counter is a number that many programs change, 64 bits wide. Every change
// is made exactly once, also when its answer was lost: to know, each Counter
// has an ephemeral node below the counter's own (receipt-…) from its first
// change until [Counter.Close]. As long as one is there, the counter's node
// cannot be deleted.
//
// A change fails with an error for which [client.Ambiguous] is true only if
// its answer was lost and then the session or the context ended (or somebody
// deleted the receipt): whether it was made cannot be told then. With every
// other error it was not made.
//
// Its methods may be called by many goroutines. They wait for each other; use
// one Counter each if that matters.
type Counter struct {
	c      *client.Client
	path   string
	o      CounterOptions
	ledger *ledger
}

// CounterOptions are how a [Counter] differs from the usual. The zero value
// is good.
type CounterOptions struct {
	// Format is how the value is written.
	Format CounterFormat
	// Initial is the value of a counter whose node does not exist or is
	// empty. All programs should agree on it.
	Initial int64
	// ACL is for the nodes that are made. Default: open to everybody.
	ACL []client.ACL
}

// A CounterFormat says how the value is written.
type CounterFormat int

// The formats.
const (
	// CounterText is decimal text, as kazoo's Counter writes it.
	CounterText CounterFormat = iota
	// Counter64 is 8 bytes, as Curator's DistributedAtomicLong writes them.
	Counter64
	// Counter32 is 4 bytes, as Curator's SharedCount and
	// DistributedAtomicInteger and kazoo's Counter with support_curator write
	// them.
	Counter32
)

// ErrOverflow says that a counter would leave the range of its format. It was
// not changed.
var ErrOverflow = errors.New("the counter would overflow")

// NewCounter returns the counter at path. It does not talk to the servers.
func NewCounter(c *client.Client, path string, o CounterOptions) *Counter {
	return &Counter{c: c, path: path, o: o, ledger: newLedger(c, path, 1, o.ACL)}
}

// Get returns the value. It has every change that was made by this session or
// was seen by it before; to see those that others have made up to now, call
// [client.Client.Sync] before.
func (k *Counter) Get(ctx context.Context) (int64, error) {
	v, _, err := k.read(ctx)
	return v, k.wrap("get", err)
}

// Add adds delta, which may be negative, and returns the sum.
func (k *Counter) Add(ctx context.Context, delta int64) (int64, error) {
	v, err := k.change(ctx, func(old int64) (int64, error) {
		sum := old + delta
		if (sum > old) != (delta > 0) && delta != 0 {
			return 0, ErrOverflow
		}
		return sum, nil
	})
	return v, k.wrap("add", err)
}

// Set sets the value, whatever it was.
func (k *Counter) Set(ctx context.Context, value int64) error {
	_, err := k.change(ctx, func(int64) (int64, error) { return value, nil })
	return k.wrap("set", err)
}

// CompareAndSet sets the value to value if it is old, and tells whether it
// was.
func (k *Counter) CompareAndSet(ctx context.Context, old, value int64) (bool, error) {
	fresh := false
	_, err := k.change(ctx, func(now int64) (int64, error) {
		switch {
		case now == old:
			return value, nil
		case fresh:
			return 0, errDiffers
		}
		fresh = true
		return 0, errStale
	})
	if errors.Is(err, errDiffers) {
		return false, nil
	}
	return err == nil, k.wrap("compare and set", err)
}

// Update replaces the value by what change makes of it, and returns that.
// change is called for each attempt; its error ends the Update.
func (k *Counter) Update(ctx context.Context, change func(old int64) (int64, error)) (int64, error) {
	v, err := k.change(ctx, change)
	return v, k.wrap("update", err)
}

var (
	errDiffers = errors.New("the value differs")
	errStale   = errors.New("the value may be an old one")
)

// change makes one change of the value.
func (k *Counter) change(ctx context.Context, next func(old int64) (int64, error)) (int64, error) {
	var pause backoff
	for {
		old, version, err := k.read(ctx)
		if err != nil {
			return 0, err
		}
		value, err := next(old)
		if errors.Is(err, errStale) {
			if err := (place{c: k.c, dir: k.path}).sync(ctx); err != nil {
				return 0, err
			}
			continue
		}
		if err != nil {
			return 0, err
		}
		data, err := k.encode(value)
		if err != nil {
			return 0, err
		}
		if version == absent {
			if err := k.create(ctx); err != nil {
				return 0, err
			}
			continue
		}
		err = k.ledger.commit(ctx, func(m *client.Multi) { m.Set(k.path, data, version) })
		switch {
		case err == nil:
			return value, nil
		case client.Ambiguous(err) || !errors.Is(err, client.ErrBadVersion) && !errors.Is(err, client.ErrNoNode):
			return 0, err
		}
		if err := pause.wait(ctx); err != nil {
			return 0, err
		}
	}
}

// absent is the version of a node that does not exist.
const absent int32 = -2

func (k *Counter) read(ctx context.Context) (value int64, version int32, err error) {
	d, err := again(ctx, k.c, func() (client.Data, error) {
		data, stat, err := k.c.Get(ctx, k.path)
		return client.Data{Data: data, Stat: stat}, err
	})
	if errors.Is(err, client.ErrNoNode) {
		return k.o.Initial, absent, nil
	}
	if err != nil {
		return 0, 0, err
	}
	value, err = k.decode(d.Data)
	return value, d.Stat.Version, err
}

// create makes the counter's node with the initial value.
func (k *Counter) create(ctx context.Context) error {
	data, err := k.encode(k.o.Initial)
	if err != nil {
		return err
	}
	return establish(ctx, k.c, k.path, data, k.o.ACL)
}

func (k *Counter) encode(v int64) ([]byte, error) {
	switch k.o.Format {
	case Counter64:
		return binary.BigEndian.AppendUint64(nil, uint64(v)), nil
	case Counter32:
		if int64(int32(v)) != v {
			return nil, ErrOverflow
		}
		return binary.BigEndian.AppendUint32(nil, uint32(int32(v))), nil
	}
	return strconv.AppendInt(nil, v, 10), nil
}

func (k *Counter) decode(b []byte) (int64, error) {
	switch {
	case len(b) == 0:
		return k.o.Initial, nil
	case k.o.Format == Counter64 && len(b) == 8:
		return int64(binary.BigEndian.Uint64(b)), nil
	case k.o.Format == Counter32 && len(b) == 4:
		return int64(int32(binary.BigEndian.Uint32(b))), nil
	case k.o.Format != CounterText:
		return 0, fmt.Errorf("the node has %d bytes: this is no counter in Curator's format of that width", len(b))
	}
	v, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		return 0, errors.New("the node's data is no whole number of 64 bits in decimal; is it in one of Curator's formats, or a float of kazoo?")
	}
	return v, nil
}

// Changes yields the value, and then every new value of which the session
// learns, until the loop or ctx ends; values that follow each other fast may
// be left out, the last one never is. When the session ends or the value
// cannot be read, the error is the last thing it yields.
func (k *Counter) Changes(ctx context.Context) iter.Seq2[int64, error] {
	return func(yield func(int64, error) bool) {
		var last int64
		for first := true; ; first = false {
			value, w, err := k.readW(ctx)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				yield(0, k.wrap("watch", err))
				return
			}
			more := !first && value == last || yield(value, nil)
			if last = value; more {
				_, err = w.Next(ctx)
			}
			_ = w.Close()
			if !more || ctx.Err() != nil {
				return
			}
			if err != nil {
				yield(0, k.wrap("watch", err))
				return
			}
		}
	}
}

// readW reads, and watches the node whether or not it exists.
func (k *Counter) readW(ctx context.Context) (int64, *client.Watch, error) {
	var data []byte
	var w *client.Watch
	for there := true; there; {
		err := persist(ctx, k.c, func() (err error) {
			data, _, w, err = k.c.GetW(ctx, k.path)
			if errors.Is(err, client.ErrNoNode) {
				_, there, w, err = k.c.ExistsW(ctx, k.path)
				return err
			}
			there = false
			return err
		})
		if err != nil {
			return 0, nil, err
		}
		if there { // it was created between the two
			_ = w.Close()
		}
	}
	value, err := k.decode(data)
	if err != nil {
		_ = w.Close()
	}
	return value, w, err
}

// Close deletes the Counter's receipt. The value stays. There must be no
// changes afterwards.
func (k *Counter) Close(ctx context.Context) error { return k.wrap("close", k.ledger.close(ctx)) }

func (k *Counter) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("recipe: counter %s: %s: %w", k.path, op, err)
}

// A backoff makes pauses that grow, of random length, so that those who have
// disturbed each other do not do so again.
type backoff struct{ n int }

const (
	firstBackoff = 2 * time.Millisecond
	maxBackoff   = 250 * time.Millisecond
)

func (b *backoff) wait(ctx context.Context) error {
	d := min(maxBackoff, firstBackoff<<min(b.n, 20))
	b.n++
	t := time.NewTimer(rand.N(d) + 1)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// establish creates a persistent node with data, and its parents, unless it
// exists.
func establish(ctx context.Context, c *client.Client, path string, data []byte, acl []client.ACL) error {
	parent := place{c: c, dir: parentPath(path), acl: acl}
	for range maxParents {
		err := persist(ctx, c, func() error {
			_, err := c.Create(ctx, path, data, parent.options()...)
			return err
		})
		if err == nil || errors.Is(err, client.ErrNodeExists) {
			return nil
		}
		if !errors.Is(err, client.ErrNoNode) {
			return err
		}
		if err := parent.ensure(ctx); err != nil {
			return err
		}
	}
	return fmt.Errorf("somebody else keeps deleting the parent of %s", path)
}

func parentPath(path string) string {
	if i := strings.LastIndexByte(path, '/'); i > 0 {
		return path[:i]
	}
	return "/"
}
