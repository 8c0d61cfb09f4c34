package subtree

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"quokka/client"
)

// MoveOptions say how a subtree is moved.
type MoveOptions struct {
	Kinds  Kinds
	DryRun bool
	// Bytes is the largest transaction; 0 is 1,000,000, which the default
	// jute.maxbuffer lets pass.
	Bytes int
}

const defaultMoveBytes = 1_000_000

// errTooLarge refuses what does not fit into one transaction.
var errTooLarge = errors.New("it does not fit into one transaction: copy it, compare, and delete the old one")

// Move creates a subtree at another path and deletes the old one, in a single
// multi that is bound to the versions that were read: all or nothing. Sequence
// counters are raised in the same multi. Ephemeral nodes and what is too large
// are refused, and the error says so.
func Move(ctx context.Context, c *client.Client, from, to string, o MoveOptions) (Report, error) {
	var r Report
	if err := errors.Join(refuseSystem(c, from), refuseSystem(c, to)); err != nil {
		return r, err
	}
	if Within(from, to) || Within(to, from) {
		return r, fmt.Errorf("%s and %s overlap: one must not be a part of the other", from, to)
	}
	if o.Bytes <= 0 {
		o.Bytes = defaultMoveBytes
	}
	m, deletes, size := c.Multi(), []change(nil), 0
	var above trail[standing]
	leave := func(path string, s standing) error {
		ch := change{op: opRaise, path: Join(to, path), steps: int(max(0, s.counter-s.created))}
		if size += ch.cost(); size > o.Bytes {
			return errTooLarge
		}
		ch.part(m)
		r.Raised += int64(ch.steps)
		return nil
	}
	for n, err := range Walk(ctx, c, from, WalkOptions{Data: true, ACL: true, Kinds: o.Kinds}) {
		if err == nil {
			err = movable(&n, Join(from, n.Path))
		}
		if err == nil {
			err = above.leave(n.Path, leave)
		}
		if err != nil {
			return r, err
		}
		if up := above.top(); up != nil {
			up.created++
		}
		above.enter(n.Path, standing{counter: n.Counter})
		ch := change{op: opCreate, path: Join(to, n.Path), data: n.Data, acl: n.ACL, options: kindOptions(&n)}
		gone := change{op: opDelete, path: Join(from, n.Path), version: n.Stat.Version}
		if size += ch.cost() + gone.cost(); size > o.Bytes {
			return r, errTooLarge
		}
		ch.part(m)
		deletes = append(deletes, gone)
		r.Seen, r.Bytes = r.Seen+1, r.Bytes+int64(len(n.Data))
	}
	if err := above.leave("", leave); err != nil {
		return r, err
	}
	for _, gone := range slices.Backward(deletes) {
		gone.part(m)
	}
	if !o.DryRun {
		if _, err := m.Commit(ctx); err != nil {
			return Report{}, err
		}
	}
	r.Created, r.Deleted = r.Seen, r.Seen
	return r, nil
}

// movable returns why a node cannot be moved.
func movable(n *Node, at string) error {
	switch {
	case n.Err != nil:
		return n.Err
	case n.Kind == Ephemeral:
		return fmt.Errorf("%s is ephemeral: only its own session can create it elsewhere", at)
	case masked(n.ACL):
		return fmt.Errorf("%s: %w", at, errMasked)
	}
	return nil
}

// kindOptions returns what makes a node of the same kind.
func kindOptions(n *Node) []client.CreateOption {
	switch n.Kind {
	case Container:
		return []client.CreateOption{client.Container}
	case TTL:
		return []client.CreateOption{client.WithTTL(n.TTL)}
	}
	return nil
}
