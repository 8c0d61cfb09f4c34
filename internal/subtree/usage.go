package subtree

import (
	"context"
	"iter"

	"quokka/client"
)

// A Usage is how much a subtree holds, its root included.
type Usage struct {
	Path       string // in full
	Depth      int    // below the root of the walk
	Nodes      int64
	Ephemerals int64
	Bytes      int64 // of data
	NameBytes  int64 // of paths, which servers keep as well
	Largest    int64 // bytes of data of the largest node
	Unreadable int64 // nodes the session may not read, with whatever is below them
}

func (u *Usage) add(o *Usage) {
	u.Nodes += o.Nodes
	u.Ephemerals += o.Ephemerals
	u.Bytes += o.Bytes
	u.NameBytes += o.NameBytes
	u.Largest = max(u.Largest, o.Largest)
	u.Unreadable += o.Unreadable
}

// Measure adds up the subtree at root and yields the Usage of every node down
// to depth, 0 being the root alone: children first, the root last.
func Measure(ctx context.Context, c *client.Client, root string, depth int, progress func(Report)) iter.Seq2[Usage, error] {
	return func(yield func(Usage, error) bool) {
		var above trail[Usage]
		leave := func(_ string, u Usage) error {
			if up := above.top(); up != nil {
				up.add(&u)
			}
			if u.Depth <= depth && !yield(u, nil) {
				return errStop
			}
			return nil
		}
		var r Report
		var tick ticker
		for n, err := range Walk(ctx, c, root, WalkOptions{}) {
			if err != nil {
				yield(Usage{}, err)
				return
			}
			r.Seen++
			tick.tell(progress, &r)
			if above.leave(n.Path, leave) != nil {
				return
			}
			above.enter(n.Path, measure(root, &n))
		}
		_ = above.leave("", leave)
	}
}

func measure(root string, n *Node) Usage {
	at := Join(root, n.Path)
	size := int64(n.Stat.DataLength)
	u := Usage{Path: at, Depth: Depth(n.Path), Nodes: 1, Bytes: size, NameBytes: int64(len(at)), Largest: size}
	if n.Kind == Ephemeral {
		u.Ephemerals = 1
	}
	if n.Err != nil {
		u.Unreadable = 1
	}
	return u
}
