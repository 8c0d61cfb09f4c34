package offline

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"quokka/internal/core/tree"
	"quokka/internal/proto"
	"quokka/internal/render"
)

// A NoNodeError says that a path is not in a state.
type NoNodeError struct {
	Path string
	Zxid proto.Zxid
}

func (e *NoNodeError) Error() string {
	return fmt.Sprintf("there is no node %s as of %v", e.Path, e.Zxid)
}

// find returns the node at a path.
func (s *State) find(path string) (tree.Ref, error) {
	if path != "/" {
		path = strings.TrimRight(path, "/")
	}
	if !strings.HasPrefix(path, "/") {
		return 0, fmt.Errorf("%q is no path: it must begin with /", path)
	}
	r := s.Tree.FindString(path)
	if r == 0 {
		return 0, &NoNodeError{Path: path, Zxid: s.Zxid}
	}
	return r, nil
}

// node is a node as JSON shows it.
func (s *State) node(r tree.Ref, withData bool) render.Node {
	stat := render.StatOf(s.Tree.Stat(r))
	stat.Ctime, stat.Mtime = safeTime(proto.Millis(stat.Ctime)), safeTime(proto.Millis(stat.Mtime))
	n := render.Node{Path: nodePath(s.Tree.AppendPath(nil, r)), Stat: &stat, ACL: aclsOf(effectiveACL(s.Tree, r))}
	if withData {
		n.Data = render.Of(s.Tree.Data(r))
	}
	return n
}

// effectiveACL spells out that a node without a list is open to all.
func effectiveACL(t *tree.Tree, r tree.Ref) []proto.ACL {
	if list := t.ACL(r); list != nil {
		return list
	}
	return []proto.ACL{{Perms: proto.PermAll, ID: proto.ID{Scheme: "world", ID: "anyone"}}}
}

// sortedChildren lists the children of a node by name.
func sortedChildren(t *tree.Tree, r tree.Ref) []tree.Ref {
	type child struct {
		ref  tree.Ref
		name string
	}
	children := make([]child, 0, t.NumChildren(r))
	for c := range t.Children(r) {
		children = append(children, child{c, string(t.AppendName(nil, c))})
	}
	slices.SortFunc(children, func(a, b child) int { return strings.Compare(a.name, b.name) })
	refs := make([]tree.Ref, len(children))
	for i, c := range children {
		refs[i] = c.ref
	}
	return refs
}

// List prints the names of a node's children.
func (s *State) List(path string, asJSON bool, out io.Writer) error {
	r, err := s.find(path)
	if err != nil {
		return err
	}
	names := []string{}
	for _, c := range sortedChildren(s.Tree, r) {
		names = append(names, string(s.Tree.AppendName(nil, c)))
	}
	if asJSON {
		return render.JSON(out, struct {
			Path     string     `json:"path"`
			Zxid     render.Hex `json:"asOf"`
			Children []string   `json:"children"`
		}{path, render.Hex(s.Zxid), names}, false)
	}
	w := bufio.NewWriter(out)
	for _, n := range names {
		fmt.Fprintln(w, render.Printable(n))
	}
	return w.Flush()
}

// Get prints the data of a node; as JSON with its metadata.
func (s *State) Get(path string, view render.View, asJSON bool, out io.Writer) error {
	r, err := s.find(path)
	if err != nil {
		return err
	}
	if asJSON {
		return render.JSON(out, s.node(r, true), false)
	}
	text, err := render.Show(s.Tree.Data(r), view)
	if err == nil {
		_, err = fmt.Fprintln(out, text)
	}
	return err
}

// Stat prints the metadata and the ACL of a node.
func (s *State) Stat(path string, asJSON bool, out io.Writer) error {
	r, err := s.find(path)
	if err != nil {
		return err
	}
	n := s.node(r, false)
	if asJSON {
		return render.JSON(out, n, false)
	}
	if err := n.Stat.Text(out, time.Local); err != nil {
		return err
	}
	if kind := s.Tree.Kind(r); kind == tree.Container || kind == tree.TTL {
		text := kind.String()
		if _, ttl := treeOptions.KindOf(s.Tree.Persisted(r).Owner); ttl > 0 {
			text += fmt.Sprintf(", %d ms", ttl)
		}
		fmt.Fprintf(out, "kind = %s\n", text)
	}
	for _, a := range n.ACL {
		if _, err := fmt.Fprintf(out, "acl = %v\n", a); err != nil {
			return err
		}
	}
	return nil
}

// PrintTree prints a node and what is below it, depth levels of it, or all with
// 0: names and sizes by indentation, or as JSON one node on each line.
func (s *State) PrintTree(path string, depth int, asJSON bool, out io.Writer) error {
	top, err := s.find(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(out, 64<<10)
	err = s.walk(top, func(r tree.Ref, level int) error {
		if asJSON {
			return render.JSON(w, s.node(r, true), false)
		}
		name := string(s.Tree.AppendName(nil, r))
		if level == 0 {
			name = nodePath(s.Tree.AppendPath(nil, r))
		}
		_, err := fmt.Fprintf(w, "%s%s  %s\n", strings.Repeat("  ", level), render.Printable(name), s.brief(r))
		return err
	}, depth)
	if ferr := w.Flush(); err == nil {
		err = ferr
	}
	return err
}

// brief is what a node is, in a few words.
func (s *State) brief(r tree.Ref) string {
	parts := []string{render.Bytes(int64(len(s.Tree.Data(r))))}
	if s.Tree.Data(r) == nil {
		parts[0] = "null"
	}
	if n := s.Tree.NumChildren(r); n > 0 {
		parts = append(parts, fmt.Sprintf("%d children", n))
	}
	switch k := s.Tree.Kind(r); k {
	case tree.Ephemeral:
		parts = append(parts, fmt.Sprintf("ephemeral of 0x%x", uint64(s.Tree.Persisted(r).Owner)))
	case tree.Container, tree.TTL:
		parts = append(parts, k.String())
	}
	return strings.Join(parts, ", ")
}

// walk visits a node and those below it, parents first, brothers by name. The
// tree may be deep, so that there is no recursion.
func (s *State) walk(top tree.Ref, visit func(r tree.Ref, level int) error, depth int) error {
	type item struct {
		ref   tree.Ref
		level int
	}
	stack := []item{{top, 0}}
	for len(stack) > 0 {
		it := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if err := visit(it.ref, it.level); err != nil {
			return err
		}
		if depth > 0 && it.level >= depth {
			continue
		}
		for _, c := range slices.Backward(sortedChildren(s.Tree, it.ref)) {
			stack = append(stack, item{c, it.level + 1})
		}
	}
	return nil
}

// Raw writes the data of a node as it is; of null, nothing.
func (s *State) Raw(path string, out io.Writer) error {
	r, err := s.find(path)
	if err == nil {
		_, err = out.Write(s.Tree.Data(r))
	}
	return err
}
