package offline

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
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
	if c.o.Ask != nil {
		if err := c.ask(sides); err != nil {
			return err
		}
	} else {
		c.thresholds()
		for depth := range max(len(sides[0].levels), len(sides[1].levels)) {
			c.depth(sides, depth)
		}
	}
	_, err := fmt.Fprintln(c.out, "All layers compared.")
	return err
}

func (c *comparison) thresholds() {
	fmt.Fprintf(c.out, "Printing analysis for nodes difference larger than %d bytes or node count difference larger than %d.\n",
		c.o.Bytes, c.o.Nodes)
}

func (c *comparison) depth(sides [2]*layered, depth int) {
	fmt.Fprintf(c.out, "Analysis for depth %d\n", depth)
	c.layer(sides[0].level(depth), sides[1].level(depth))
}

// ask lets somebody choose what is compared next, as SnapshotComparer -i does:
// an empty line is the next level, a number another one, and a path the
// children of that node. It ends behind the last level, or with the input.
func (c *comparison) ask(sides [2]*layered) error {
	levels := max(len(sides[0].levels), len(sides[1].levels))
	in := bufio.NewScanner(c.o.Ask)
	for depth := 0; depth < levels; {
		fmt.Fprintf(c.out, "Current depth is %d\n- Press enter to print this level;\n- Type a number to go to a level and print it;\n"+
			"- Enter an absolute path, which begins with '/', to print the children of a node.\n", depth)
		if err := c.out.Flush(); err != nil || !in.Scan() {
			return errors.Join(err, in.Err())
		}
		c.thresholds()
		line := in.Text()
		n, err := strconv.Atoi(line)
		switch {
		case line == "":
			c.depth(sides, depth)
			depth++
		case line[0] == '/':
			c.childrenOf(sides, line)
		case err != nil || n < 0 || n >= levels:
			fmt.Fprintf(c.out, "%q is neither a path nor a level from 0 to %d.\n", line, levels-1)
		default:
			depth = n
			c.depth(sides, depth)
		}
		fmt.Fprintln(c.out)
	}
	return nil
}

func (c *comparison) childrenOf(sides [2]*layered, path string) {
	fmt.Fprintf(c.out, "Analysis for node %s\n", path)
	var lists [2][]layerNode
	found := false
	for i, s := range sides {
		if r := s.snap.Tree.FindString(path); r != 0 {
			found = true
			lists[i] = s.nodes(slices.Collect(s.snap.Tree.Children(r)))
		}
	}
	if !found {
		fmt.Fprintf(c.out, "Path %s is neither found in left tree nor right tree.\n", path)
		return
	}
	c.layer(lists[0], lists[1])
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
	return l.nodes(l.levels[depth])
}

// nodes are nodes by their labels.
func (l *layered) nodes(refs []tree.Ref) []layerNode {
	nodes := make([]layerNode, len(refs))
	for i, r := range refs {
		nodes[i] = layerNode{string(l.snap.Tree.AppendPath(nil, r)), l.sizes.bytes[r], l.sizes.nodes[r]}
	}
	slices.SortFunc(nodes, func(a, b layerNode) int { return strings.Compare(a.label, b.label) })
	return nodes
}

// layer compares two sorted lists.
func (c *comparison) layer(left, right []layerNode) {
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
}

func (c *comparison) debug(format string, args ...any) {
	if c.o.Debug {
		fmt.Fprintf(c.out, format, args...)
	}
}

// filtered tells what the thresholds hide to those who want to know.
func (c *comparison) filtered(format string, args ...any) {
	if c.o.Debug || c.o.Ask != nil {
		fmt.Fprintf(c.out, format, args...)
	}
}

func (c *comparison) lone(side string, n layerNode) {
	if n.bytes > c.o.Bytes || n.nodes > c.o.Nodes {
		fmt.Fprintf(c.out, "Node %s found only in %s tree. Descendant size: %d. Descendant count: %d\n", n.label, side, n.bytes, n.nodes)
		return
	}
	c.filtered("Filtered %s node %s of size %d\n", side, n.label, n.bytes)
}

func (c *comparison) inBoth(l, r layerNode) {
	bytes, nodes := r.bytes-l.bytes, r.nodes-l.nodes
	if max(bytes, -bytes) > c.o.Bytes || max(nodes, -nodes) > c.o.Nodes {
		fmt.Fprintf(c.out, "Node %s found in both trees. Delta: %d bytes, %d descendants\n", l.label, bytes, nodes)
		return
	}
	c.filtered("Filtered node %s of left size %d, right size %d\n", l.label, l.bytes, r.bytes)
}
