package subtree

import (
	"bytes"
	"context"
	"iter"
	"slices"

	"quokka/client"
)

// A Difference is a node in which two subtrees differ. Left or Right is nil
// if it is there on one side only; then the flags are not set.
type Difference struct {
	Path        string // below the roots
	Left, Right *Node
	Data        bool // the data differs
	ACL         bool // the ACL differs
	Kind        bool // one is ephemeral and the other is not, or the kinds differ as far as they are known
	Err         error
}

// DiffOptions say what counts as a difference.
type DiffOptions struct {
	NoData       bool
	NoACL        bool
	NoEphemerals bool // ephemeral nodes are as if they were not there
	Progress     func(Report)
}

// Diff compares two streams of nodes in the order of a walk, with data and
// ACLs: of [Walk], or of an [Export]. It yields the differences in that order.
// Nodes that change meanwhile are as they were when they were read, each for
// itself.
func Diff(left, right iter.Seq2[Node, error], o DiffOptions) iter.Seq2[Difference, error] {
	return func(yield func(Difference, error) bool) {
		var r Report
		var tick ticker
		for p, err := range merge(o.filter(left), o.filter(right)) {
			if err != nil {
				yield(Difference{}, err)
				return
			}
			r.Seen++
			tick.tell(o.Progress, &r)
			d := Difference{Path: p.path(), Left: p.left, Right: p.right, Err: p.unreadable()}
			if p.left != nil && p.right != nil && d.Err == nil {
				d.Data, d.ACL, d.Kind = o.compare(p.left, p.right)
				if !d.Data && !d.ACL && !d.Kind {
					continue
				}
			}
			if !yield(d, nil) {
				return
			}
		}
	}
}

// unreadable returns why a pair cannot be compared.
func (p pair) unreadable() error {
	for _, n := range []*Node{p.left, p.right} {
		if n != nil && n.Err != nil {
			return n.Err
		}
	}
	return nil
}

func (o DiffOptions) compare(l, r *Node) (data, acl, kind bool) {
	data = !o.NoData && !sameData(l.Data, r.Data)
	acl = !o.NoACL && !slices.Equal(l.ACL, r.ACL)
	return data, acl, l.Kind.differs(r.Kind) || l.Kind == TTL && r.Kind == TTL && l.TTL != r.TTL
}

// sameData tells no data and empty data apart, as servers do.
func sameData(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }

func (o DiffOptions) filter(nodes iter.Seq2[Node, error]) iter.Seq2[Node, error] {
	if !o.NoEphemerals {
		return nodes
	}
	return func(yield func(Node, error) bool) {
		for n, err := range nodes {
			if n.Kind == Ephemeral && err == nil {
				continue
			}
			if !yield(n, err) {
				return
			}
		}
	}
}

// DiffWalk returns the stream that [Diff] wants of a server's subtree.
func DiffWalk(ctx context.Context, s Side, o DiffOptions, kinds Kinds) iter.Seq2[Node, error] {
	return Walk(ctx, s.Client, s.Root, WalkOptions{Data: !o.NoData, ACL: !o.NoACL, Kinds: kinds})
}

// ACLText returns an ACL in the text that zkCli.sh takes: scheme:id:perms,
// separated by commas.
func ACLText(acl []client.ACL) string {
	var b []byte
	for i, a := range acl {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, a.String()...)
	}
	return string(b)
}
