package offline

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"quokka/internal/core/tree"
)

// layers compares the trees level by level in the layout of Java's
// SnapshotComparer: a node is told if the bytes or the number of nodes below it
// differ by more than the thresholds. The lines about how long it took are left
// out.
func (c *comparison) layers() error {
	sides := [2]*layered{newLayered(c.a), newLayered(c.b)}
	for _, s := range sides {
		fmt.Fprintf(c.out, "Deserialized snapshot in %s\n", filepath.Base(s.snap.Info.Path))
	}
	for _, s := range sides {
		if err := s.counts(c.out); err != nil {
			return err
		}
	}
	fmt.Fprintf(c.out, "Printing analysis for nodes difference larger than %d bytes or node count difference larger than %d.\n",
		c.o.Bytes, c.o.Nodes)
	for depth := range max(len(sides[0].levels), len(sides[1].levels)) {
		fmt.Fprintf(c.out, "Analysis for depth %d\n", depth)
		if err := c.layer(sides[0].level(depth), sides[1].level(depth)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(c.out, "All layers compared.")
	return err
}

// layered is a tree by levels.
type layered struct {
	snap   *Snapshot
	sizes  sizes
	levels [][]tree.Ref
}

func newLayered(s *Snapshot) *layered {
	l := &layered{snap: s, sizes: measure(s.State())}
	for level := []tree.Ref{s.Tree.FindString("/")}; len(level) > 0; {
		l.levels = append(l.levels, level)
		var next []tree.Ref
		for _, r := range level {
			next = slices.AppendSeq(next, s.Tree.Children(r))
		}
		level = next
	}
	return l
}

func (l *layered) counts(w io.Writer) error {
	nodes := 0
	for _, level := range l.levels {
		nodes += len(level)
	}
	fmt.Fprintf(w, "Node count: %d\nTotal size: %d\nMax depth: %d\n", nodes, l.sizes.bytes[l.levels[0][0]], len(l.levels))
	for i, level := range l.levels {
		fmt.Fprintf(w, "Count of nodes at depth %d: %d\n", i, len(level))
	}
	_, err := fmt.Fprintln(w)
	return err
}

// layerNode is a node of one level; the root's label is empty.
type layerNode struct {
	label        string
	bytes, nodes int64
}

// level lists the nodes of a level by their labels.
func (l *layered) level(depth int) []layerNode {
	if depth >= len(l.levels) {
		return nil
	}
	nodes := make([]layerNode, len(l.levels[depth]))
	for i, r := range l.levels[depth] {
		nodes[i] = layerNode{string(l.snap.Tree.AppendPath(nil, r)), l.sizes.bytes[r], l.sizes.nodes[r]}
	}
	slices.SortFunc(nodes, func(a, b layerNode) int { return strings.Compare(a.label, b.label) })
	return nodes
}

// layer compares two sorted lists.
func (c *comparison) layer(left, right []layerNode) error {
	for len(left) > 0 || len(right) > 0 {
		order := 0
		switch {
		case len(left) == 0:
			order = 1
		case len(right) == 0:
			order = -1
		default:
			order = strings.Compare(left[0].label, right[0].label)
			c.debug("Comparing %s to %s\n%s\n", left[0].label, right[0].label, [3]string{"left is less", "same", "right is less"}[order+1])
		}
		switch {
		case order < 0:
			c.lone("left", left[0])
			left = left[1:]
		case order > 0:
			c.lone("right", right[0])
			right = right[1:]
		default:
			c.inBoth(left[0], right[0])
			left, right = left[1:], right[1:]
		}
	}
	return nil
}

func (c *comparison) debug(format string, args ...any) {
	if c.o.Debug {
		fmt.Fprintf(c.out, format, args...)
	}
}

func (c *comparison) lone(side string, n layerNode) {
	if n.bytes > c.o.Bytes || n.nodes > c.o.Nodes {
		fmt.Fprintf(c.out, "Node %s found only in %s tree. Descendant size: %d. Descendant count: %d\n", n.label, side, n.bytes, n.nodes)
		return
	}
	c.debug("Filtered %s node %s of size %d\n", side, n.label, n.bytes)
}

func (c *comparison) inBoth(l, r layerNode) {
	bytes, nodes := r.bytes-l.bytes, r.nodes-l.nodes
	if max(bytes, -bytes) > c.o.Bytes || max(nodes, -nodes) > c.o.Nodes {
		fmt.Fprintf(c.out, "Node %s found in both trees. Delta: %d bytes, %d descendants\n", l.label, bytes, nodes)
		return
	}
	c.debug("Filtered node %s of left size %d, right size %d\n", l.label, l.bytes, r.bytes)
}
