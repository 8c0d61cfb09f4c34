package watch

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"quokka/internal/proto"
)

// A naive Table: a flat list, and the two tables of Java in so many words.
type naive struct{ watches []naiveWatch }

type naiveWatch struct {
	conn  ConnID
	path  string
	child bool   // in the child table
	mode  string // "standard", "persistent", "recursive"
}

func (n *naive) add(w naiveWatch) {
	if !slices.Contains(n.watches, w) {
		n.watches = append(n.watches, w)
	}
}

func (n *naive) addKind(c ConnID, path string, k Kind) {
	if k&Data != 0 {
		n.add(naiveWatch{c, path, false, "standard"})
	}
	if k&Child != 0 {
		n.add(naiveWatch{c, path, true, "standard"})
	}
	if k&Persistent != 0 {
		n.add(naiveWatch{c, path, false, "persistent"})
		n.add(naiveWatch{c, path, true, "persistent"})
	}
	if k&Recursive != 0 {
		n.add(naiveWatch{c, path, false, "recursive"})
	}
}

func (n *naive) remove(gone func(naiveWatch) bool) bool {
	before := len(n.watches)
	n.watches = slices.DeleteFunc(n.watches, gone)
	return len(n.watches) < before
}

// trigger is triggerWatch of one of Java's tables.
func (n *naive) trigger(child bool, path string) []ConnID {
	var told []ConnID
	for _, w := range n.watches {
		above := w.mode == "recursive" && (w.path == "/" || strings.HasPrefix(path, w.path+"/"))
		if w.child == child && (w.path == path || above) && !slices.Contains(told, w.conn) {
			told = append(told, w.conn)
		}
	}
	n.remove(func(w naiveWatch) bool { return w.child == child && w.path == path && w.mode == "standard" })
	return told
}

func (n *naive) change(what, path string) []Event {
	var out []Event
	tell := func(e proto.EventType, p string, conns []ConnID) {
		slices.Sort(conns)
		for _, c := range slices.Compact(conns) {
			out = append(out, Event{c, e, p})
		}
	}
	parent := path[:max(1, strings.LastIndex(path, "/"))]
	switch what {
	case "set":
		tell(proto.EventNodeDataChanged, path, n.trigger(false, path))
		return out
	case "create":
		tell(proto.EventNodeCreated, path, n.trigger(false, path))
	case "delete":
		tell(proto.EventNodeDeleted, path, append(n.trigger(false, path), n.trigger(true, path)...))
	}
	tell(proto.EventNodeChildrenChanged, parent, n.trigger(true, parent))
	return out
}

// entries returns "conn path" of each entry of one of Java's tables, sorted.
func (n *naive) entries(child bool) []string {
	var all []string
	for _, w := range n.watches {
		if w.child == child {
			all = append(all, fmt.Sprint(w.conn, w.path))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func TestAgainstNaive(t *testing.T) {
	paths := []string{"/", "/a", "/b", "/a/a", "/a/b", "/ab", "/a/a/c"}
	rapid.Check(t, func(t *rapid.T) {
		w, n := New(), &naive{}
		for range rapid.IntRange(1, 120).Draw(t, "steps") {
			c := ConnID(rapid.IntRange(1, 5).Draw(t, "conn"))
			path := rapid.SampledFrom(paths).Draw(t, "path")
			switch op := rapid.SampledFrom([]string{"add", "add", "add", "set", "create", "delete", "remove", "gone"}).Draw(t, "op"); op {
			case "add":
				k := Kind(rapid.IntRange(0, 15).Draw(t, "kind"))
				w.Add(c, path, k)
				n.addKind(c, path, k)
			case "remove":
				compareRemove(t, w, n, c, path)
			case "gone":
				w.RemoveConn(c)
				n.remove(func(x naiveWatch) bool { return x.conn == c })
			default:
				if path == "/" && op != "set" {
					continue
				}
				if got, want := show(change(w, op, path)), show(n.change(op, path)); got != want {
					t.Fatalf("%s %s: %q, want %q", op, path, got, want)
				}
			}
			compare(t, w, n)
		}
	})
}

func compareRemove(t *rapid.T, w *Table, n *naive, c ConnID, path string) {
	typ := int32(rapid.IntRange(1, 5).Draw(t, "type"))
	found, checked := w.Check(c, path, typ)
	code := w.Remove(c, path, typ)
	removed := n.remove(func(x naiveWatch) bool {
		if x.conn != c || x.path != path {
			return false
		}
		switch typ {
		case proto.WatcherChildren:
			return x.child && x.mode == "standard"
		case proto.WatcherData:
			return !x.child && x.mode == "standard"
		case proto.WatcherPersistent:
			return x.mode == "persistent"
		case proto.WatcherPersistentRecursive:
			return x.mode == "recursive"
		}
		return true
	})
	if removed != found || removed != (code == proto.OK) || code != checked {
		t.Fatalf("Remove type %d: check %v %v, code %v, want %v", typ, found, checked, code, removed)
	}
}

func compare(t *rapid.T, w *Table, n *naive) {
	data, child := n.entries(false), n.entries(true)
	if got, want := w.Count(), len(data)+len(child); got != want {
		t.Fatalf("count %d, want %d", got, want)
	}
	var byPath, byConn []string
	paths, conns := 0, 0
	for p, ids := range w.ByPath {
		paths++
		for _, c := range ids {
			byPath = append(byPath, fmt.Sprint(c, p))
		}
	}
	for c, names := range w.ByConn {
		conns++
		for _, p := range names {
			byConn = append(byConn, fmt.Sprint(c, p))
		}
	}
	slices.Sort(byPath)
	slices.Sort(byConn)
	if !slices.Equal(byPath, data) || !slices.Equal(byConn, data) {
		t.Fatalf("by path %v, by connection %v, want %v", byPath, byConn, data)
	}
	if c, p, total := w.Summary(); c != conns || p != paths || total != len(data) {
		t.Fatalf("summary %d %d %d, want %d %d %d", c, p, total, conns, paths, len(data))
	}
}
