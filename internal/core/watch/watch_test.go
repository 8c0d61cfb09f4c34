package watch

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"quokka/internal/proto"
)

// show writes events as "conn:type path", joined by commas.
func show(events []Event) string {
	var b []string
	for _, e := range events {
		b = append(b, fmt.Sprintf("%d:%s %s", e.Conn, strings.TrimPrefix(e.Type.String(), "Node"), e.Path))
	}
	return strings.Join(b, ", ")
}

func change(t *Table, what, path string) []Event {
	switch what {
	case "create":
		return t.Created(path)
	case "delete":
		return t.Deleted(path)
	}
	return t.DataChanged(path)
}

// TestTransitions holds, for each mode and change, the event of a first and of
// a second time, and the modes left.
func TestTransitions(t *testing.T) {
	for _, c := range []struct {
		kind          Kind
		watched       string
		change, path  string
		first, second string
		left          Kind
	}{
		{Data, "/n", "create", "/n", "1:Created /n", "", 0},
		{Data, "/n", "set", "/n", "1:DataChanged /n", "", 0},
		{Data, "/n", "delete", "/n", "1:Deleted /n", "", 0},
		{Data, "/n", "create", "/n/c", "", "", Data},
		{Data, "/n", "set", "/n/c", "", "", Data},
		{Child, "/n", "create", "/n", "", "", Child},
		{Child, "/n", "set", "/n", "", "", Child},
		{Child, "/n", "delete", "/n", "1:Deleted /n", "", 0},
		{Child, "/n", "create", "/n/c", "1:ChildrenChanged /n", "", 0},
		{Child, "/n", "delete", "/n/c", "1:ChildrenChanged /n", "", 0},
		{Child, "/", "create", "/n", "1:ChildrenChanged /", "", 0},
		{Data | Child, "/n", "delete", "/n", "1:Deleted /n", "", 0},
		{Data | Child, "/n", "set", "/n", "1:DataChanged /n", "", Child},
		{Data | Child, "/n", "delete", "/n/c", "1:ChildrenChanged /n", "", Data},
		{Persistent, "/n", "create", "/n", "1:Created /n", "1:Created /n", Persistent},
		{Persistent, "/n", "delete", "/n", "1:Deleted /n", "1:Deleted /n", Persistent},
		{Persistent, "/n", "create", "/n/c", "1:ChildrenChanged /n", "1:ChildrenChanged /n", Persistent},
		{Persistent, "/n", "set", "/n/c", "", "", Persistent},
		{Persistent, "/n", "create", "/n/c/d", "", "", Persistent},
		{Recursive, "/n", "create", "/n", "1:Created /n", "1:Created /n", Recursive},
		{Recursive, "/n", "set", "/n/c/d", "1:DataChanged /n/c/d", "1:DataChanged /n/c/d", Recursive},
		{Recursive, "/n", "delete", "/n/c", "1:Deleted /n/c", "1:Deleted /n/c", Recursive},
		{Recursive, "/", "create", "/n/c", "1:Created /n/c", "1:Created /n/c", Recursive},
		{Recursive, "/n", "set", "/nn", "", "", Recursive},
		{Recursive, "/", "set", "/", "1:DataChanged /", "1:DataChanged /", Recursive},
		{Data | Persistent, "/n", "set", "/n", "1:DataChanged /n", "1:DataChanged /n", Persistent},
		{Data | Recursive, "/n", "set", "/n", "1:DataChanged /n", "1:DataChanged /n", Recursive},
		{Child | Recursive, "/n", "create", "/n/c",
			"1:Created /n/c, 1:ChildrenChanged /n", "1:Created /n/c", Recursive},
	} {
		name := fmt.Sprintf("%04b on %s, %s %s", c.kind, c.watched, c.change, c.path)
		w := New()
		w.Add(1, c.watched, c.kind)
		if got := show(change(w, c.change, c.path)); got != c.first {
			t.Errorf("%s: first %q, want %q", name, got, c.first)
		}
		if got := show(change(w, c.change, c.path)); got != c.second {
			t.Errorf("%s: second %q, want %q", name, got, c.second)
		}
		var left Kind
		if e := w.find(1, c.watched); e != 0 {
			left = w.entries.at(e).kind
		}
		if left != c.left {
			t.Errorf("%s: left %04b, want %04b", name, left, c.left)
		}
	}
}

// The order one connection sees, as captured from a Java server.
func TestOrderOfEvents(t *testing.T) {
	w := New()
	arm := func() {
		w.Add(1, "/p/n", Data|Child)
		w.Add(1, "/p", Child)
	}
	arm()
	if got, want := show(w.Deleted("/p/n")), "1:Deleted /p/n, 1:ChildrenChanged /p"; got != want {
		t.Errorf("delete: %s", got)
	}
	arm()
	if got, want := show(w.Created("/p/n")), "1:Created /p/n, 1:ChildrenChanged /p"; got != want {
		t.Errorf("create: %s", got)
	}
}

func TestManyWatchersHearOnceInOrder(t *testing.T) {
	w := New()
	for _, c := range []ConnID{7, 3, 9, 1} {
		w.Add(c, "/a/b", Data)
	}
	w.Add(9, "/", Recursive)
	w.Add(9, "/a", Recursive)
	w.Add(2, "/a", Recursive)
	w.Add(4, "/a", Data)
	if got := w.Trigger(proto.EventNodeDataChanged, "/a/b", []ConnID{3, 5}, []ConnID{42}); !slices.Equal(got, []ConnID{42, 1, 2, 7, 9}) {
		t.Errorf("notified %v", got)
	}
	if got := w.Trigger(proto.EventNodeDataChanged, "/a/b", nil, nil); !slices.Equal(got, []ConnID{2, 9}) {
		t.Errorf("the second time %v", got)
	}
}

func TestCheckAndRemove(t *testing.T) {
	types := map[int32]Kind{
		proto.WatcherChildren: Child, proto.WatcherData: Data, proto.WatcherAny: 15,
		proto.WatcherPersistent: Persistent, proto.WatcherPersistentRecursive: Recursive,
	}
	for kind := Kind(1); kind < 16; kind++ {
		for typ, modes := range types {
			w := New()
			w.Add(1, "/n", kind)
			w.Add(2, "/n", 15)
			want := proto.OK
			if kind&modes == 0 {
				want = proto.NoWatcher
			}
			if found, code := w.Check(1, "/n", typ); code != want || found != (want == proto.OK) {
				t.Errorf("Check %04b for type %d: %v, %v", kind, typ, found, code)
			}
			if code := w.Remove(1, "/n", typ); code != want {
				t.Errorf("Remove %04b for type %d: %v", kind, typ, code)
			}
			if found, _ := w.Check(1, "/n", typ); found {
				t.Errorf("%04b: type %d is there after Remove", kind, typ)
			}
			if found, _ := w.Check(1, "/n", proto.WatcherAny); found != (kind&^modes != 0) {
				t.Errorf("%04b: Remove of type %d took too much or too little", kind, typ)
			}
			if found, _ := w.Check(2, "/n", typ); !found {
				t.Errorf("Remove of type %d hit another connection", typ)
			}
		}
	}
	for _, typ := range []int32{0, 6, -1} {
		if code := New().Remove(1, "/n", typ); code != proto.MarshallingError {
			t.Errorf("type %d: %v", typ, code)
		}
	}
}

func TestReports(t *testing.T) {
	w := New()
	w.Add(2, "/b", Data)
	w.Add(1, "/b", Recursive)
	w.Add(1, "/a", Persistent)
	w.Add(3, "/c", Child) // not in the data table
	if c, p, n := w.Summary(); c != 2 || p != 2 || n != 3 {
		t.Errorf("summary %d %d %d", c, p, n)
	}
	if w.Count() != 5 { // the persistent one counts in both tables
		t.Errorf("count %d", w.Count())
	}
	var byPath, byConn []string
	for p, conns := range w.ByPath {
		byPath = append(byPath, fmt.Sprint(p, conns))
	}
	for c, paths := range w.ByConn {
		byConn = append(byConn, fmt.Sprint(c, paths))
	}
	if got := strings.Join(byPath, " "); got != "/b[1 2] /a[1]" {
		t.Errorf("by path: %s", got)
	}
	if got := strings.Join(byConn, " "); got != "2 [/b] 1 [/a /b]" {
		t.Errorf("by connection: %s", got)
	}
}

func TestRemoveConnLeavesNothing(t *testing.T) {
	w := New()
	for i := range 3000 {
		w.Add(ConnID(i%7), fmt.Sprintf("/n%d", i%1000), Kind(1+i%15))
	}
	for c := range ConnID(7) {
		w.RemoveConn(c)
	}
	if w.Count() != 0 || len(w.index)+len(w.pathIndex)+len(w.connIndex) != 0 ||
		w.entries.used+w.paths.used+w.conns.used != 0 || w.recursive != 0 {
		t.Errorf("left over: %+v", w)
	}
	if len(w.entries.chunks) > 1 {
		t.Errorf("%d chunks are kept", len(w.entries.chunks))
	}
}

func TestOddPathsEnd(t *testing.T) {
	w := New()
	w.Add(1, "/", Recursive)
	for _, p := range []string{"", "/", "a", "a/b", "//", "/a//b"} {
		w.Created(p)
		w.Deleted(p)
		w.DataChanged(p)
	}
}
