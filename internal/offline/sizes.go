package offline

import (
	"quokka/internal/core/tree"
)

// sizes are the numbers of nodes and bytes of data below each node of a tree,
// by Ref.
type sizes struct {
	nodes []int64 // the node itself is not counted
	bytes []int64 // its own data are
}

// measure goes over a tree once, children before their parents.
func measure(s *State) sizes {
	var order []tree.Ref
	top := tree.Ref(0)
	_ = s.walk(s.Tree.FindString("/"), func(r tree.Ref, _ int) error { // visit returns no error
		order = append(order, r)
		top = max(top, r)
		return nil
	}, 0)
	z := sizes{nodes: make([]int64, top+1), bytes: make([]int64, top+1)}
	for i := len(order) - 1; i >= 0; i-- {
		r := order[i]
		z.bytes[r] += int64(len(s.Tree.Data(r)))
		if p := s.Tree.Parent(r); p != 0 {
			z.nodes[p] += z.nodes[r] + 1
			z.bytes[p] += z.bytes[r]
		}
	}
	return z
}
