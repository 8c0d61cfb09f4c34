package state

import (
	"testing"

	"quokka/internal/core/watch"
	"quokka/internal/jute"
	"quokka/internal/proto"
)

// armed makes conn 1 hold data, child and exists watches on /n and /n/c, conn 2
// a persistent and conn 3 a recursive watch on /n.
func armed(t *testing.T) *world {
	w := newWorld(t, options())
	for c := watch.ConnID(1); c <= 3; c++ {
		w.s.AddConn(c, nil)
	}
	w.create("/n", "")
	w.read(1, proto.OpGetData, pathWatch("/n", true))
	w.read(1, proto.OpGetChildren2, pathWatch("/n", true))
	w.read(1, proto.OpExists, pathWatch("/n/c", true))
	w.read(2, proto.OpAddWatch, pathInt("/n", proto.WatchPersistent))
	w.read(3, proto.OpAddWatch, pathInt("/n", proto.WatchPersistentRecursive))
	return w
}

func TestEventOrder(t *testing.T) {
	w := armed(t)
	for _, c := range []struct {
		op   proto.Op
		body []byte
		want string
	}{
		{proto.OpSetACL, setACL("/n", openACL, -1), ""},
		{proto.OpSetData, setData("/n", "", 9), ""},
		{proto.OpCreate, create("/n/c", "", 0),
			"1:NodeCreated /n/c; 3:NodeCreated /n/c; 1:NodeChildrenChanged /n; 2:NodeChildrenChanged /n"},
		{proto.OpSetData, setData("/n", "x", -1), "1:NodeDataChanged /n; 2:NodeDataChanged /n; 3:NodeDataChanged /n"},
		{proto.OpSetData, setData("/n", "x", -1), "2:NodeDataChanged /n; 3:NodeDataChanged /n"},
		{proto.OpMulti, multi(part(proto.OpSetData, setData("/n/c", "", -1)), part(proto.OpDelete, versioned("/n/c", -1))),
			"3:NodeDataChanged /n/c; 3:NodeDeleted /n/c; 2:NodeChildrenChanged /n"},
		{proto.OpMulti, multi(part(proto.OpSetData, setData("/n", "", -1)), part(proto.OpDelete, versioned("/no", -1))), ""},
		{proto.OpDelete, versioned("/n", -1), "2:NodeDeleted /n; 3:NodeDeleted /n"},
	} {
		_, o := w.do(c.op, c.body)
		if got := events(o.Events); got != c.want {
			t.Errorf("%v:\n got %s\nwant %s", c.op, got, c.want)
		}
	}
}

func TestRootIsSlash(t *testing.T) {
	w := newWorld(t, options())
	w.s.AddConn(1, nil)
	w.read(1, proto.OpGetChildren, pathWatch("/", true))
	w.read(1, proto.OpGetData, pathWatch("/", true))
	if got := events(w.create("/a", "").Events); got != "1:NodeChildrenChanged /" {
		t.Error(got)
	}
	if got := events(w.must(proto.OpSetData, setData("/", "", -1)).Events); got != "1:NodeDataChanged /" {
		t.Error(got)
	}
}

func TestCloseSessionFires(t *testing.T) {
	w := armed(t)
	w.must(proto.OpCreate, create("/n/e", "", 1))
	w.must(proto.OpCreate, create("/n/f", "", 1))
	o := w.must(proto.OpCloseSession, nil)
	want := "3:NodeDeleted /n/e; 2:NodeChildrenChanged /n; 3:NodeDeleted /n/f; 2:NodeChildrenChanged /n"
	if got := events(o.Events); got != want {
		t.Errorf(" got %s\nwant %s", got, want)
	}
}

// TestEventsNeedREAD: an event is for those who may read the node, or the
// parent whose children changed; the watch is used up all the same.
func TestEventsNeedREAD(t *testing.T) {
	w := newWorld(t, options())
	w.s.AddConn(1, []proto.ID{bob})
	w.s.AddConn(2, []proto.ID{eve})
	w.create("/p", "")
	all := func() {
		for c := watch.ConnID(1); c <= 2; c++ {
			w.s.Arm(c, []Arm{{"/p", watch.Child}, {"/p/x", watch.Data}})
		}
	}
	onlyBob := append(aclOf(proto.PermRead, bob), proto.ACL{Perms: proto.PermAll &^ proto.PermRead, ID: proto.ID{Scheme: "world", ID: "anyone"}})
	steps := []struct {
		op   proto.Op
		body []byte
		want string
	}{
		{proto.OpCreate, createACL("/p/x", "", 0, onlyBob), "1:NodeCreated /p/x; 1:NodeChildrenChanged /p; 2:NodeChildrenChanged /p"},
		{proto.OpSetData, setData("/p/x", "", -1), "1:NodeDataChanged /p/x"},
		{proto.OpDelete, versioned("/p/x", -1), "1:NodeDeleted /p/x; 1:NodeChildrenChanged /p; 2:NodeChildrenChanged /p"},
		{proto.OpSetACL, setACL("/p", onlyBob, -1), ""},
		{proto.OpCreate, create("/p/x", "", 0), "1:NodeCreated /p/x; 2:NodeCreated /p/x; 1:NodeChildrenChanged /p"},
		{proto.OpDelete, versioned("/p/x", -1), "1:NodeDeleted /p/x; 2:NodeDeleted /p/x; 1:NodeChildrenChanged /p"},
	}
	for i, c := range steps {
		all()
		_, o := w.do(c.op, c.body)
		if got := events(o.Events); got != c.want {
			t.Errorf("step %d:\n got %s\nwant %s", i, got, c.want)
		}
	}
	w.s.SetAuth(2, []proto.ID{bob})
	w.s.SetAuth(9, []proto.ID{bob})
	all()
	if got := events(w.create("/p/y", "").Events); got != "1:NodeChildrenChanged /p; 2:NodeChildrenChanged /p" {
		t.Error(got)
	}
	// The filtered watches on /p/x were consumed.
	w.s.RemoveConn(1)
	if n := w.s.watches.Count(); n != 1 {
		t.Errorf("%d watches left", n)
	}
	w.s.Arm(1, []Arm{{"/p", watch.Child}})
	if n := w.s.watches.Count(); n != 1 {
		t.Error("a connection that is gone armed a watch")
	}
}

func TestWhichReadsArm(t *testing.T) {
	w := newWorld(t, options())
	w.s.AddConn(1, nil)
	w.create("/a", "")
	w.must(proto.OpCreate, createACL("/closed", "", 0, aclOf(proto.PermWrite, bob)))
	count := 0
	for _, c := range []struct {
		op   proto.Op
		body []byte
		adds int
	}{
		{proto.OpExists, pathWatch("/a", false), 0},
		{proto.OpExists, pathWatch("/no", true), 1},
		{proto.OpExists, pathWatch("/closed", true), 0},
		{proto.OpGetData, pathWatch("/none", true), 0},
		{proto.OpGetData, pathWatch("/closed", true), 0},
		{proto.OpGetData, pathWatch("/a", true), 1},
		{proto.OpGetChildren, pathWatch("/none", true), 0},
		{proto.OpGetChildren, pathWatch("/a", true), 1},
		{proto.OpGetChildren2, pathWatch("/a", true), 0},
		{proto.OpAddWatch, pathInt("not a path", 0), 2},
		{proto.OpAddWatch, pathInt("/r", 1), 1},
		{proto.OpAddWatch, pathInt("/r", 2), 0},
	} {
		out, code, _ := w.read(1, c.op, c.body)
		count += c.adds
		if got := w.s.watches.Count(); got != count {
			t.Errorf("%v %q: %d watches, want %d", c.op, c.body, got, count)
		}
		if c.op == proto.OpAddWatch && (code == proto.OK) != (string(out) == "\x00\x00\x00\x00") {
			t.Errorf("addWatch: %v %x", code, out)
		}
	}
}

func TestCheckAndRemoveWatches(t *testing.T) {
	w := newWorld(t, options())
	w.s.AddConn(1, nil)
	w.create("/a", "")
	w.read(1, proto.OpGetData, pathWatch("/a", true))
	for _, c := range []struct {
		op   proto.Op
		kind int32
		want proto.Code
	}{
		{proto.OpCheckWatches, proto.WatcherData, proto.OK},
		{proto.OpCheckWatches, proto.WatcherAny, proto.OK},
		{proto.OpCheckWatches, proto.WatcherChildren, proto.NoWatcher},
		{proto.OpCheckWatches, 6, proto.MarshallingError},
		{proto.OpRemoveWatches, proto.WatcherPersistent, proto.NoWatcher},
		{proto.OpRemoveWatches, 0, proto.MarshallingError},
		{proto.OpRemoveWatches, proto.WatcherData, proto.OK},
		{proto.OpRemoveWatches, proto.WatcherData, proto.NoWatcher},
	} {
		if out, code, _ := w.read(1, c.op, pathInt("/a", c.kind)); code != c.want || len(out) != 0 {
			t.Errorf("%v %d: %v, want %v", c.op, c.kind, code, c.want)
		}
	}
}

func TestSetWatches(t *testing.T) {
	w := newWorld(t, options())
	w.s.AddConn(1, nil)
	w.create("/old", "")
	w.create("/oldkids", "")
	w.create("/oldkids/x", "")
	seen := w.zxid
	w.create("/new", "")
	w.must(proto.OpSetData, setData("/old", "", -1))
	w.must(proto.OpDelete, versioned("/oldkids/x", -1))
	w.create("/still", "")
	after := w.zxid
	request := func(rel proto.Zxid, lists ...[]string) []byte {
		b := jute.AppendLong(nil, int64(rel))
		for _, l := range lists {
			b = jute.AppendStrings(b, l)
		}
		return b
	}
	_, code, ev := w.read(1, proto.OpSetWatches, request(seen,
		[]string{"/gone", "/old", "/oldkids"}, []string{"/new", "/none"}, []string{"/gone", "/oldkids", "/old"}))
	want := "1:NodeDeleted /gone; 1:NodeDataChanged /old; 1:NodeCreated /new; 1:NodeDeleted /gone; 1:NodeChildrenChanged /oldkids"
	if got := events(ev); code != proto.OK || got != want {
		t.Errorf("%v\n got %s\nwant %s", code, got, want)
	}
	if n := w.s.watches.Count(); n != 3 { // data /oldkids, exists /none, child /old
		t.Errorf("%d watches", n)
	}
	_, code, ev = w.read(1, proto.OpSetWatches2, request(after, []string{"/old"}, nil, []string{"/oldkids"}, []string{"/gone"}, []string{"/deep"}))
	if code != proto.OK || len(ev) != 0 || w.s.watches.Count() != 3+2+2+1 {
		t.Errorf("%v, %v, %d watches", code, ev, w.s.watches.Count())
	}
	if got := events(w.create("/deep", "").Events); got != "1:NodeCreated /deep" {
		t.Error(got)
	}
}
