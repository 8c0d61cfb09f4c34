package subtree

import (
	"context"
	"errors"
	"slices"

	"quokka/client"
)

// ACLOptions say how ACLs are set.
type ACLOptions struct {
	// OnlyDifferent reads each ACL first and leaves those alone that are
	// equal already, which makes a second run cheap for everybody.
	OnlyDifferent bool
	Progress      func(Report)
	// Failed is called for everything that was left undone.
	Failed func(Failure)
}

// SetACL gives every node of the subtree at root an ACL, if that has the
// version aversion or that is client.AnyVersion. The protocol has no
// setACL inside of a multi, so these are requests of their own, many of them
// under way. A node comes after all below it, so that a list which shuts out
// the session itself reaches them all. Nodes that are created meanwhile are not searched for: they have
// the ACL their creator chose. What could not be set is in the error, a
// [*PartialError].
func SetACL(ctx context.Context, c *client.Client, root string, acl []client.ACL, aversion int32, o ACLOptions) (Report, error) {
	p := &permitter{root: root, acl: acl, aversion: aversion, o: o}
	p.w = newWriter(ctx, c, Limits{}, p.settle)
	var tick ticker
	var above trail[bool]
	for n, err := range Walk(ctx, c, root, WalkOptions{ACL: o.OnlyDifferent, Vanished: func(string) { p.r.Vanished++ }}) {
		if err != nil {
			return p.r, errors.Join(err, p.w.finish())
		}
		p.r.Seen++
		tick.tell(o.Progress, &p.r)
		if err := above.leave(n.Path, p.leave); err != nil {
			return p.r, err
		}
		above.enter(n.Path, !o.OnlyDifferent || n.Err != nil || !slices.Equal(n.ACL, acl))
		if n.Err != nil { // it may be possible to set its ACL, but what is below is unknown
			p.fail(Join(root, n.Path), "list the children of", n.Err)
		}
	}
	if err := errors.Join(above.leave("", p.leave), p.w.finish()); err != nil {
		return p.r, err
	}
	return p.r, p.r.Err()
}

// A permitter is a SetACL under way.
type permitter struct {
	root     string
	acl      []client.ACL
	aversion int32
	o        ACLOptions
	w        *writer
	r        Report
}

// leave sets the ACL of a node, unless it is not wanted.
func (p *permitter) leave(path string, wanted bool) error {
	if !wanted {
		p.r.Same++
		return nil
	}
	return p.w.add(change{op: opSetACL, path: Join(p.root, path), acl: p.acl, version: p.aversion})
}

func (p *permitter) settle(ch *change, err error) {
	switch {
	case err == nil:
		p.r.ACLs++
	case errors.Is(err, client.ErrNoNode):
		p.r.Vanished++
	default:
		p.fail(ch.path, ch.op.String(), err)
	}
}

func (p *permitter) fail(path, op string, err error) {
	p.r.fail(path, op, err)
	if p.o.Failed != nil {
		p.o.Failed(Failure{Path: path, Op: op, Err: err})
	}
}
