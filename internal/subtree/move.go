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
	if err := errors.Join(refuseSystem(c, from), refuseSystem(c, to)); err != nil {
		return Report{}, err
	}
	if Within(from, to) || Within(to, from) {
		return Report{}, fmt.Errorf("%s and %s overlap: one must not be a part of the other", from, to)
	}
	m := &move{from: from, to: to, left: o.Bytes, multi: c.Multi()}
	if m.left <= 0 {
		m.left = defaultMoveBytes
	}
	for n, err := range Walk(ctx, c, from, WalkOptions{Data: true, ACL: true, Kinds: o.Kinds}) {
		if err == nil {
			err = m.node(&n)
		}
		if err != nil {
			return Report{}, err
		}
	}
	if err := m.above.leave("", m.leave); err != nil {
		return Report{}, err
	}
	for _, gone := range slices.Backward(m.deletes) {
		gone.part(m.multi)
	}
	if !o.DryRun {
		if _, err := m.multi.Commit(ctx); err != nil {
			return Report{}, err
		}
	}
	m.r.Created, m.r.Deleted = m.r.Seen, m.r.Seen
	return m.r, nil
}

// A move is the multi of a Move as it grows.
type move struct {
	from, to string
	left     int // bytes that there is room for
	multi    *client.Multi
	deletes  []change // come last, the lowest nodes first
	above    trail[standing]
	r        Report
}

// room takes bytes away.
func (m *move) room(n int) error {
	if m.left -= n; m.left < 0 {
		return errTooLarge
	}
	return nil
}

// node adds the create of a node at its new place.
func (m *move) node(n *Node) error {
	if err := movable(n, Join(m.from, n.Path)); err != nil {
		return err
	}
	if err := m.above.leave(n.Path, m.leave); err != nil {
		return err
	}
	if up := m.above.top(); up != nil {
		up.created++
	}
	m.above.enter(n.Path, standing{counter: n.Counter})
	ch := change{op: opCreate, path: Join(m.to, n.Path), data: n.Data, acl: n.ACL, options: kindOptions(n)}
	gone := change{op: opDelete, path: Join(m.from, n.Path), version: n.Stat.Version}
	if err := m.room(ch.cost() + gone.cost()); err != nil {
		return err
	}
	ch.part(m.multi)
	m.deletes = append(m.deletes, gone)
	m.r.Seen, m.r.Bytes = m.r.Seen+1, m.r.Bytes+int64(len(n.Data))
	return nil
}

// leave raises the counter of a node whose children are all there.
func (m *move) leave(path string, s standing) error {
	if s.counter <= s.created {
		return nil
	}
	ch := change{op: opRaise, path: Join(m.to, path), steps: int(s.counter - s.created)}
	if err := m.room(ch.cost()); err != nil {
		return err
	}
	ch.part(m.multi)
	m.r.Raised += int64(ch.steps)
	return nil
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
