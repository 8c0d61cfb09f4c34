package offline

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"quokka/internal/core/tree"
	"quokka/internal/proto"
	"quokka/internal/render"
)

// SummaryOptions say what of a tree is summed up.
type SummaryOptions struct {
	Path   string // where to begin
	Depth  int    // levels below it that are shown; 0 is all
	Top    int    // lines in each list of what is big; 0 leaves the lists out
	JSON   bool
	ByName bool // the children by name, not by size
}

// Summarize prints how many nodes and bytes are below each node that has
// children, in the layout of Java's SnapshotRecursiveSummary, the biggest first;
// then the biggest nodes, the parents with most children, and the sessions
// with most ephemerals.
func (s *State) Summarize(o SummaryOptions, out io.Writer) error {
	top, err := s.find(o.Path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(out, 64<<10)
	z := measure(s)
	if err = s.summaryTree(w, z, top, o); err == nil && o.Top > 0 {
		err = s.biggest(w, top, o)
	}
	if ferr := w.Flush(); err == nil {
		err = ferr
	}
	return err
}

// subtreeJSON is a line of the summary in JSON.
type subtreeJSON struct {
	Path     string `json:"path"`
	Children int    `json:"children"`
	Nodes    int64  `json:"descendants"`
	Bytes    int64  `json:"bytes"`
}

func (s *State) summaryTree(w *bufio.Writer, z sizes, top tree.Ref, o SummaryOptions) error {
	type item struct {
		ref   tree.Ref
		level int
	}
	stack := []item{{top, 0}}
	for len(stack) > 0 {
		it := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if s.Tree.NumChildren(it.ref) == 0 {
			continue
		}
		path := nodePath(s.Tree.AppendPath(nil, it.ref))
		if err := writeSubtree(w, path, it.level, s.Tree.NumChildren(it.ref), z.nodes[it.ref], z.bytes[it.ref], o.JSON); err != nil {
			return err
		}
		if o.Depth > 0 && it.level >= o.Depth {
			continue
		}
		children := sortedChildren(s.Tree, it.ref)
		if !o.ByName {
			slices.SortStableFunc(children, func(a, b tree.Ref) int {
				return cmp.Or(cmp.Compare(z.bytes[b], z.bytes[a]), cmp.Compare(z.nodes[b], z.nodes[a]))
			})
		}
		for _, c := range slices.Backward(children) {
			stack = append(stack, item{c, it.level + 1})
		}
	}
	if !o.JSON {
		fmt.Fprintln(w)
	}
	return nil
}

func writeSubtree(w io.Writer, path string, level, children int, nodes, bytes int64, asJSON bool) error {
	if asJSON {
		return render.JSON(w, subtreeJSON{path, children, nodes, bytes}, false)
	}
	tab := strings.Repeat("--", level)
	_, err := fmt.Fprintf(w, "%s %s\n%s   children: %d\n%s   data: %d\n", tab, render.Printable(path), tab, nodes, tab, bytes)
	return err
}

// ranked is something with a size, the biggest of which are wanted.
type ranked struct {
	name string
	size int64
}

// ranking keeps the n biggest.
type ranking struct {
	n   int
	all []ranked
}

func (k *ranking) add(size int64, name func() string) {
	if len(k.all) == k.n && size <= k.all[k.n-1].size {
		return
	}
	i, _ := slices.BinarySearchFunc(k.all, size, func(r ranked, size int64) int {
		if r.size >= size { // those that came first stay before equals
			return -1
		}
		return 1
	})
	k.all = slices.Insert(k.all, i, ranked{name(), size})
	k.all = k.all[:min(len(k.all), k.n)]
}

// biggest prints what is big below a node.
func (s *State) biggest(w *bufio.Writer, top tree.Ref, o SummaryOptions) error {
	nodes, parents, sessions := ranking{n: o.Top}, ranking{n: o.Top}, ranking{n: o.Top}
	err := s.walk(top, func(r tree.Ref, _ int) error {
		path := func() string { return nodePath(s.Tree.AppendPath(nil, r)) }
		if size := len(s.Tree.Data(r)); size > 0 {
			nodes.add(int64(size), path)
		}
		if n := s.Tree.NumChildren(r); n > 0 {
			parents.add(int64(n), path)
		}
		return nil
	}, 0)
	if err != nil {
		return err
	}
	for id, n := range s.Tree.EphemeralOwners() {
		sessions.add(int64(n), func() string { return s.sessionName(id) })
	}
	for _, list := range []struct {
		title, key string
		of         ranking
	}{
		{"Biggest nodes, bytes of data", "biggestNodes", nodes},
		{"Widest parents, children", "widestParents", parents},
		{"Sessions with most ephemerals, of the whole tree", "sessions", sessions},
	} {
		if err := writeRanking(w, list.title, list.key, list.of.all, o.JSON); err != nil {
			return err
		}
	}
	return nil
}

func (s *State) sessionName(id proto.SessionID) string {
	if _, known := s.Sessions.Timeout(id); known {
		return id.String()
	}
	return id.String() + " (not in the table of sessions)"
}

// rankJSON is a line of a list of what is big.
type rankJSON struct {
	List string `json:"list"`
	Name string `json:"name"`
	Size int64  `json:"size"`
}

func writeRanking(w io.Writer, title, key string, list []ranked, asJSON bool) error {
	if !asJSON {
		fmt.Fprintf(w, "%s:\n", title)
		if len(list) == 0 {
			fmt.Fprintln(w, "  none")
		}
	}
	for _, r := range list {
		var err error
		if asJSON {
			err = render.JSON(w, rankJSON{key, r.name, r.size}, false)
		} else {
			_, err = fmt.Fprintf(w, "%12d  %s\n", r.size, render.Printable(r.name))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
