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
	var r Report
	failed := func(ch *change, op string, err error) {
		r.fail(ch.path, op, err)
		if o.Failed != nil {
			o.Failed(Failure{Path: ch.path, Op: op, Err: err})
		}
	}
	w := newWriter(ctx, c, Limits{}, func(ch *change, err error) {
		switch {
		case err == nil:
			r.ACLs++
		case errors.Is(err, client.ErrNoNode):
			r.Vanished++
		default:
			failed(ch, ch.op.String(), err)
		}
	})
	var tick ticker
	var above trail[bool]
	leave := func(path string, wanted bool) error {
		if !wanted {
			r.Same++
			return nil
		}
		return w.add(change{op: opSetACL, path: Join(root, path), acl: acl, version: aversion})
	}
	for n, err := range Walk(ctx, c, root, WalkOptions{ACL: o.OnlyDifferent, Vanished: func(string) { r.Vanished++ }}) {
		if err != nil {
			return r, errors.Join(err, w.finish())
		}
		r.Seen++
		tick.tell(o.Progress, &r)
		if err := above.leave(n.Path, leave); err != nil {
			return r, err
		}
		above.enter(n.Path, !o.OnlyDifferent || n.Err != nil || !slices.Equal(n.ACL, acl))
		if n.Err != nil { // it may be possible to set its ACL, but what is below is unknown
			failed(&change{path: Join(root, n.Path)}, "list the children of", n.Err)
		}
	}
	if err := errors.Join(above.leave("", leave), w.finish()); err != nil {
		return r, err
	}
	return r, r.Err()
}
