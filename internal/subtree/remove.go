package subtree

import (
	"context"
	"errors"

	"quokka/client"
)

// DeleteOptions say how a subtree is deleted.
type DeleteOptions struct {
	Limits
	// KeepRoot leaves the root itself.
	KeepRoot bool
	// Rounds is how often the subtree is walked anew because nodes were
	// created meanwhile; 0 is 10.
	Rounds int
	// Progress is called now and then with what was done so far.
	Progress func(Report)
}

const defaultRounds = 10

// Delete deletes the subtree at root, children first, in multis of bounded
// size. Nodes that somebody creates meanwhile are deleted as well, unless they
// do so for longer than Rounds. A node that may not be deleted stays, and so
// do those above it; everything else goes, and the error, a [*PartialError],
// says what stayed. Called again after any error, Delete goes on where it was.
//
// A root that does not exist is client.ErrNoNode. Of "/" everything is
// deleted but itself and what the server keeps below /zookeeper.
func Delete(ctx context.Context, c *client.Client, root string, o DeleteOptions) (Report, error) {
	if err := refuseSystem(c, root); err != nil {
		return Report{}, err
	}
	if o.Rounds <= 0 {
		o.Rounds = defaultRounds
	}
	d := &deleter{ctx: ctx, c: c, root: root, o: o}
	for round := range o.Rounds {
		before := d.r.Deleted + d.r.Vanished
		d.r.Failed, d.r.Failures, d.retry = 0, nil, false
		err := d.round()
		if round > 0 && errors.Is(err, client.ErrNoNode) {
			d.r.Failed, d.r.Failures, err = 0, nil, nil // gone meanwhile
		}
		if err != nil {
			return d.r, err
		}
		if !d.retry || d.r.Deleted+d.r.Vanished == before {
			break
		}
	}
	return d.r, d.r.Err()
}

type deleter struct {
	ctx   context.Context
	c     *client.Client
	root  string
	o     DeleteOptions
	r     Report
	tick  ticker
	retry bool // a node had children that the walk did not know
}

// round walks the subtree once and deletes what it sees.
func (d *deleter) round() error {
	w := newWriter(d.ctx, d.c, d.o.Limits, d.settle)
	var above trail[struct{}]
	leave := func(path string, _ struct{}) error {
		if at := Join(d.root, path); at != "/" && !(path == "/" && d.o.KeepRoot) {
			return w.add(change{op: opDelete, path: at, version: client.AnyVersion})
		}
		return nil
	}
	vanished := func(string) { d.r.Vanished++ }
	for n, err := range Walk(d.ctx, d.c, d.root, WalkOptions{Vanished: vanished}) {
		if err != nil {
			return errors.Join(err, w.finish())
		}
		d.r.Seen++
		d.tick.tell(d.o.Progress, &d.r)
		if err := above.leave(n.Path, leave); err != nil {
			return err
		}
		above.enter(n.Path, struct{}{})
	}
	if err := above.leave("", leave); err != nil {
		return err
	}
	return w.finish()
}

func (d *deleter) settle(ch *change, err error) {
	switch {
	case err == nil:
		d.r.Deleted++
	case errors.Is(err, client.ErrNoNode):
		d.r.Vanished++
	case errors.Is(err, client.ErrNotEmpty):
		d.retry = true
		fallthrough
	default:
		d.r.fail(ch.path, ch.op.String(), err)
	}
}

// A ticker spaces out the calls of a Progress function.
type ticker int

// progressEvery is how many nodes lie between two calls.
const progressEvery = 256

func (t *ticker) tell(progress func(Report), r *Report) {
	if *t++; progress != nil && *t%progressEvery == 0 {
		progress(*r)
	}
}
