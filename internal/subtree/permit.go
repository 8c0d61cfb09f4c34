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
	// Set is called for every node whose ACL was set, in the order of the
	// walk, with its full path.
	Set func(path string)
	// Failed is called for every one whose ACL was not, in the same order.
	Failed func(Failure)
}

// SetACL gives every node of the subtree at root an ACL, if that has the
// version aversion or that is client.AnyVersion. The protocol has no
// setACL inside of a multi, so these are requests of their own, many of them
// under way. Nodes that are created meanwhile are not searched for: they have
// the ACL their creator chose. What could not be set is in the error, a
// [*PartialError].
func SetACL(ctx context.Context, c *client.Client, root string, acl []client.ACL, aversion int32, o ACLOptions) (Report, error) {
	var r Report
	w := newWriter(ctx, c, Limits{}, func(ch *change, err error) {
		switch {
		case err == nil:
			r.ACLs++
			if o.Set != nil {
				o.Set(ch.path)
			}
		case errors.Is(err, client.ErrNoNode):
			r.Vanished++
		default:
			r.fail(ch.path, ch.op.String(), err)
			if o.Failed != nil {
				o.Failed(Failure{Path: ch.path, Op: ch.op.String(), Err: err})
			}
		}
	})
	var tick ticker
	for n, err := range Walk(ctx, c, root, WalkOptions{ACL: o.OnlyDifferent, Vanished: func(string) { r.Vanished++ }}) {
		if err != nil {
			return r, errors.Join(err, w.finish())
		}
		r.Seen++
		tick.tell(o.Progress, &r)
		if o.OnlyDifferent && n.Err == nil && slices.Equal(n.ACL, acl) {
			r.Same++
			continue
		}
		if err := w.add(change{op: opSetACL, path: Join(root, n.Path), acl: acl, version: aversion}); err != nil {
			return r, err
		}
		if n.Err != nil { // it may be possible to set the ACL, but what is below is unknown
			r.fail(Join(root, n.Path), "list the children of", n.Err)
		}
	}
	if err := w.finish(); err != nil {
		return r, err
	}
	return r, r.Err()
}
