package subtree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"quokka/client"
)

// Limits bound the multis that changes are gathered in.
type Limits struct {
	Parts int // changes; 0 is 500
	Bytes int // of the request; 0 is 512 KiB, half of the default jute.maxbuffer
}

const (
	defaultParts = 500
	defaultBytes = 512 << 10
	// What may be under way at a time, over all multis.
	maxUnderParts = 4000
	maxUnderBytes = 4 << 20
	// partCost is what a part of a multi takes besides path, data and ACL:
	// headers and lengths, rounded up.
	partCost = 40
)

func (l Limits) orDefault() Limits {
	if l.Parts <= 0 {
		l.Parts = defaultParts
	}
	if l.Bytes <= 0 {
		l.Bytes = defaultBytes
	}
	return l
}

// A change is one thing to be done to one node.
type change struct {
	op      changeOp
	path    string // in full
	data    []byte
	acl     []client.ACL
	options []client.CreateOption // of a create, without the ACL
	version int32                 // of set, delete; the aversion of a setACL
	steps   int                   // of a raise: creates
}

type changeOp uint8

const (
	opCreate changeOp = iota
	opSet
	opDelete
	opSetACL
	opRaise
)

var opNames = [...]string{"create", "set", "delete", "setACL", "raise the sequence counter of"}

func (op changeOp) String() string { return opNames[op] }

// cost estimates the bytes of the change in a multi, from above.
func (ch *change) cost() int {
	n := partCost + len(ch.path) + len(ch.data)
	for _, a := range ch.acl {
		n += 12 + len(a.Scheme) + len(a.ID)
	}
	if ch.op == opRaise {
		n = ch.steps * 2 * (partCost + len(ch.path) + len(raiseName) + 40)
	}
	return n
}

// parts returns how many parts of a multi the change is.
func (ch *change) parts() int { return max(1, 2*ch.steps) }

// A writer carries out changes in the order in which they are given, many at
// a time: gathered in multis, several of which are under way. When a multi
// fails, its changes are tried one by one, so that only those fail which have
// a reason to.
type writer struct {
	ctx    context.Context
	c      *client.Client
	l      Limits
	p      *client.Pipeline
	settle func(ch *change, err error) // called in order, for every change

	batch []change
	size  int
	count int

	under      []flight
	underParts int
	underBytes int
	losses     int // connections lost in a row
	redone     int // requests whose changes were tried one by one
}

// A flight is a request under way.
type flight struct {
	changes []change
	size    int
	parts   int
	redone  int // the writer's count when it was sent
	wait    func() error
}

func newWriter(ctx context.Context, c *client.Client, l Limits, settle func(*change, error)) *writer {
	return &writer{ctx: ctx, c: c, l: l.orDefault(), p: c.Pipeline(), settle: settle}
}

// add submits a change. Its error is one that ends everything: of the context
// or of the session.
func (w *writer) add(ch change) error {
	cost, parts := ch.cost(), ch.parts()
	if ch.op == opSetACL { // may not be part of a multi (protocol)
		return w.send([]change{ch}, cost, 1)
	}
	if len(w.batch) > 0 && (w.count+parts > w.l.Parts || w.size+cost > w.l.Bytes) {
		if err := w.flush(); err != nil {
			return err
		}
	}
	w.batch, w.size, w.count = append(w.batch, ch), w.size+cost, w.count+parts
	return nil
}

// flush sends what is gathered.
func (w *writer) flush() error {
	if len(w.batch) == 0 {
		return nil
	}
	batch, size, count := w.batch, w.size, w.count
	w.batch, w.size, w.count = nil, 0, 0
	return w.send(batch, size, count)
}

// send puts a request under way, when there is room for it.
func (w *writer) send(changes []change, size, parts int) error {
	for len(w.under) > 0 && (w.underParts+parts > maxUnderParts || w.underBytes+size > maxUnderBytes) {
		if err := w.land(); err != nil {
			return err
		}
	}
	w.under = append(w.under, flight{changes: changes, size: size, parts: parts, redone: w.redone, wait: w.start(changes)})
	w.underParts, w.underBytes = w.underParts+parts, w.underBytes+size
	return nil
}

// finish sends what is gathered and waits for everything.
func (w *writer) finish() error {
	if err := w.flush(); err != nil {
		return err
	}
	for len(w.under) > 0 {
		if err := w.land(); err != nil {
			return err
		}
	}
	return nil
}

// start sends changes. One alone goes without a multi, which leaves it the
// most room.
func (w *writer) start(changes []change) func() error {
	if len(changes) == 1 && changes[0].op != opRaise {
		return w.single(&changes[0])
	}
	m := w.c.Multi()
	for i := range changes {
		changes[i].part(m)
	}
	return waiter(w.ctx, w.p.Commit(w.ctx, m))
}

func waiter[T any](ctx context.Context, f *client.Future[T]) func() error {
	return func() error {
		_, err := f.Wait(ctx)
		return err
	}
}

func (w *writer) single(ch *change) func() error {
	switch ch.op {
	case opCreate:
		return waiter(w.ctx, w.p.Create(w.ctx, ch.path, ch.data, ch.createOptions()...))
	case opSet:
		return waiter(w.ctx, w.p.Set(w.ctx, ch.path, ch.data, ch.version))
	case opSetACL:
		return waiter(w.ctx, w.p.SetACL(w.ctx, ch.path, ch.acl, ch.version))
	case opDelete:
		return waiter(w.ctx, w.p.Delete(w.ctx, ch.path, ch.version))
	}
	m := w.c.Multi()
	ch.part(m)
	return waiter(w.ctx, w.p.Commit(w.ctx, m))
}

func (ch *change) createOptions() []client.CreateOption {
	if ch.acl == nil {
		return ch.options
	}
	return append(slices.Clip(ch.options), client.WithACL(ch.acl...))
}

func (ch *change) part(m *client.Multi) {
	switch ch.op {
	case opCreate:
		m.Create(ch.path, ch.data, ch.createOptions()...)
	case opSet:
		m.Set(ch.path, ch.data, ch.version)
	case opDelete:
		m.Delete(ch.path, ch.version)
	case opRaise:
		name := child(ch.path, raiseName)
		for range ch.steps {
			m.Create(name, nil)
			m.Delete(name, client.AnyVersion)
		}
	}
}

// land takes the answer to the oldest request.
func (w *writer) land() error {
	f := w.under[0]
	w.under = w.under[1:]
	w.underParts, w.underBytes = w.underParts-f.parts, w.underBytes-f.size
	err := f.wait()
	if err == nil {
		w.losses = 0
		for i := range f.changes {
			w.settle(&f.changes[i], nil)
		}
		return nil
	}
	if fatal := w.fatal(err); fatal != nil {
		return fatal
	}
	if len(f.changes) == 1 && !lost(err) && f.redone == w.redone {
		w.settle(&f.changes[0], err)
		return nil
	}
	w.redone++ // what was sent since may have failed only because this did
	return w.oneByOne(f.changes, err)
}

// fatal returns the error if no change can succeed any more.
func (w *writer) fatal(err error) error {
	for _, end := range []error{client.ErrSessionExpired, client.ErrClosed, client.ErrAuthFailed, client.ErrNotReadOnly} {
		if errors.Is(err, end) {
			return err
		}
	}
	return w.ctx.Err()
}

// oneByOne carries out changes whose request failed, in order, many under
// way. why is the reason; if that was a lost connection, some may have been
// carried out.
func (w *writer) oneByOne(changes []change, why error) error {
	maybe := lost(why)
	for len(changes) > 0 {
		if maybe {
			if w.losses++; w.losses > maxLosses {
				return fmt.Errorf("the connection was lost %d times without progress: %w", w.losses, why)
			}
			w.p = w.c.Pipeline()
		}
		left, err := w.round(changes, maybe)
		if err != nil {
			return err
		}
		if len(left) < len(changes) {
			w.losses = 0
		}
		changes, maybe = left, true
	}
	return nil
}

// round sends changes one by one and settles those that were answered. It
// returns the rest, in order.
func (w *writer) round(changes []change, maybe bool) ([]change, error) {
	waits := make([]func() error, len(changes))
	for i := range changes {
		waits[i] = w.single(&changes[i])
	}
	for i := range changes {
		err := waits[i]()
		if fatal := w.fatal(err); err != nil && fatal != nil {
			return nil, fatal
		}
		if lost(err) {
			return changes[i:], nil
		}
		if err != nil && maybe {
			done, lookErr := w.wasDone(&changes[i], err)
			if lookErr != nil {
				return nil, lookErr
			}
			if done {
				err = nil
			}
		}
		w.settle(&changes[i], err)
	}
	return nil, nil
}

// wasDone tells whether a change that failed did so because it had been
// carried out before, by a request whose answer was lost.
func (w *writer) wasDone(ch *change, err error) (bool, error) {
	switch {
	case ch.op == opDelete:
		return errors.Is(err, client.ErrNoNode), nil
	case ch.op == opCreate && errors.Is(err, client.ErrNodeExists),
		ch.op == opSet && errors.Is(err, client.ErrBadVersion):
		data, stat, err := w.c.Get(w.ctx, ch.path)
		if err != nil {
			return false, w.fatal(err)
		}
		if ch.op == opSet && stat.Version != ch.version+1 || ch.op == opCreate && stat.Version != 0 {
			return false, nil
		}
		return bytes.Equal(data, ch.data), nil
	case ch.op == opSetACL && errors.Is(err, client.ErrBadVersion):
		acl, stat, err := w.c.GetACL(w.ctx, ch.path)
		if err != nil {
			return false, w.fatal(err)
		}
		return stat.Aversion == ch.version+1 && slices.Equal(acl, ch.acl), nil
	}
	return false, nil
}
