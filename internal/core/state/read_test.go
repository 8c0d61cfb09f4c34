package state

import (
	"bytes"
	"slices"
	"testing"

	"quokka/internal/jute"
	"quokka/internal/proto"
)

func TestReadCodes(t *testing.T) {
	w := newWorld(t, options())
	w.must(proto.OpCreate, createACL("/admin", "", 0, aclOf(proto.PermAdmin, bob)))
	w.must(proto.OpCreate, createACL("/write", "", 0, aclOf(proto.PermWrite, bob)))
	w.auth = []proto.ID{bob}
	for _, c := range []struct {
		op   proto.Op
		path string
		want proto.Code
	}{
		{proto.OpExists, "/no", proto.NoNode},
		{proto.OpExists, "/\x00", proto.BadArguments},
		{proto.OpExists, "/admin", proto.NoAuth},
		{proto.OpExists, "no", proto.NoNode},
		{proto.OpExists, "/", proto.OK},
		{proto.OpGetData, "/no", proto.NoNode},
		{proto.OpGetData, "/write", proto.NoAuth},
		{proto.OpGetData, "/admin/", proto.NoNode},
		{proto.OpGetData, "//", proto.NoNode},
		{proto.OpGetData, "", proto.OK},
		{proto.OpGetChildren, "/no", proto.NoNode},
		{proto.OpGetChildren, "/write", proto.NoAuth},
		{proto.OpGetChildren2, "/no", proto.NoNode},
		{proto.OpGetChildren2, "/write", proto.NoAuth},
		{proto.OpGetAllChildrenNumber, "/no", proto.NoNode},
		{proto.OpGetAllChildrenNumber, "/write", proto.NoAuth},
		{proto.OpGetACL, "/no", proto.NoNode},
		{proto.OpGetACL, "/write", proto.NoAuth},
		{proto.OpGetACL, "/admin", proto.OK},
	} {
		if _, code, _ := w.read(1, c.op, pathWatch(c.path, false)); code != c.want {
			t.Errorf("%v %q: %v, want %v", c.op, c.path, code, c.want)
		}
	}
	null := jute.AppendBool(jute.AppendInt(nil, -1), false)
	for _, op := range []proto.Op{proto.OpExists, proto.OpGetData, proto.OpGetChildren, proto.OpGetACL} {
		if _, code, _ := w.read(1, op, null); code != proto.MarshallingError {
			t.Errorf("%v of null: %v", op, code)
		}
	}
}

func TestReadBodies(t *testing.T) {
	w := newWorld(t, options())
	w.create("/a", "data")
	w.create("/a/b", "")
	w.create("/a/c", "")
	w.create("/a/c/d", "")
	st := w.stat("/a")
	stat := proto.AppendStat(nil, &st)
	kids := jute.AppendStrings(nil, []string{"b", "c"})
	join := func(b ...[]byte) []byte { return slices.Concat(b...) }
	for _, c := range []struct {
		op         proto.Op
		body, want []byte
	}{
		{proto.OpExists, pathWatch("/a", false), stat},
		{proto.OpGetData, pathWatch("/a", false), join(jute.AppendString(nil, "data"), stat)},
		{proto.OpGetChildren, pathWatch("/a", false), kids},
		{proto.OpGetChildren2, pathWatch("/a", false), join(kids, stat)},
		{proto.OpGetAllChildrenNumber, justPath("/a"), jute.AppendInt(nil, 3)},
		{proto.OpGetAllChildrenNumber, justPath("/"), jute.AppendInt(nil, 7)},
		{proto.OpGetAllChildrenNumber, justPath(""), jute.AppendInt(nil, 8)},
		{proto.OpGetACL, justPath("/a"), join(proto.AppendACLs(nil, openACL), stat)},
		{proto.OpSync, justPath("/any thing"), justPath("/any thing")},
		{proto.OpSync, jute.AppendInt(nil, -1), jute.AppendInt(nil, -1)},
	} {
		if got, code, _ := w.read(1, c.op, c.body); code != proto.OK || !bytes.Equal(got, c.want) {
			t.Errorf("%v %q: %v\n got %x\nwant %x", c.op, c.body, code, got, c.want)
		}
	}
	got, _, _ := w.read(1, proto.OpGetACL, justPath("/"))
	if root := w.stat("/"); !bytes.Equal(got, proto.AppendStat(proto.AppendACLs(nil, openACL), &root)) {
		t.Errorf("ACL of /: %x", got)
	}
}

func TestGetACLMasksDigests(t *testing.T) {
	w := newWorld(t, options())
	acl := []proto.ACL{{Perms: proto.PermAll, ID: bob}, {Perms: proto.PermRead, ID: eve}, {Perms: 1, ID: local}}
	w.must(proto.OpCreate, createACL("/a", "", 0, acl))
	read := func() []proto.ACL {
		got, _, _ := w.read(1, proto.OpGetACL, justPath("/a"))
		d := jute.NewDecoder(got)
		return proto.DecodeACLs(&d)
	}
	w.auth = []proto.ID{bob}
	if got := read(); !slices.Equal(got, acl) {
		t.Errorf("admin: %v", got)
	}
	w.auth = []proto.ID{eve}
	acl[0].ID.ID, acl[1].ID.ID = "bob:x", "eve:x"
	if got := read(); !slices.Equal(got, acl) {
		t.Errorf("reader: %v", got)
	}
}

func TestGetEphemerals(t *testing.T) {
	w := newWorld(t, options())
	w.create("/a", "")
	for _, path := range []string{"/ab", "/a/c", "/b"} {
		w.must(proto.OpCreate, create(path, "", 1))
	}
	for prefix, want := range map[string][]string{
		"": {"/a/c", "/ab", "/b"}, "/": {"/a/c", "/ab", "/b"}, " \t": {"/a/c", "/ab", "/b"},
		"/a": {"/a/c", "/ab"}, "/a/": {"/a/c"}, "a": nil, " /a": nil,
	} {
		got, _, _ := w.read(1, proto.OpGetEphemerals, justPath(prefix))
		if d := jute.NewDecoder(got); !slices.Equal(d.Strings(), want) {
			t.Errorf("%q: %q", prefix, got)
		}
	}
	got, code, _ := w.read(1, proto.OpGetEphemerals, jute.AppendInt(nil, -1))
	if d := jute.NewDecoder(got); code != proto.OK || d.Int() != 3 {
		t.Errorf("null: %v %q", code, got)
	}
}

func TestWhoAmI(t *testing.T) {
	w := newWorld(t, options())
	w.auth = []proto.ID{local, bob, {Scheme: "gone", ID: "x"}}
	want := jute.AppendInt(nil, 3)
	for _, id := range []proto.ID{local, {Scheme: "digest", ID: "bob"}, {Scheme: "gone"}} {
		want = proto.AppendID(want, id)
	}
	if got, _, _ := w.read(1, proto.OpWhoAmI, nil); !bytes.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestMultiRead(t *testing.T) {
	w := newWorld(t, options())
	w.s.AddConn(1, nil)
	w.create("/a", "data")
	w.create("/a/b", "")
	w.must(proto.OpCreate, createACL("/closed", "", 0, aclOf(proto.PermWrite, bob)))
	st := w.stat("/a")
	got, code, _ := w.read(1, proto.OpMultiRead, multi(
		part(proto.OpGetData, pathWatch("/a", true)), part(proto.OpGetData, pathWatch("/no", true)),
		part(proto.OpGetChildren, pathWatch("/a", true)), part(proto.OpGetChildren, pathWatch("/closed", true)),
	))
	want := proto.AppendMultiHeader(nil, proto.MultiHeader{Op: proto.OpGetData})
	want = proto.AppendStat(jute.AppendString(want, "data"), &st)
	want = jute.AppendInt(proto.AppendMultiHeader(want, proto.MultiHeader{Op: proto.OpError, Err: proto.NoNode}), int32(proto.NoNode))
	want = jute.AppendStrings(proto.AppendMultiHeader(want, proto.MultiHeader{Op: proto.OpGetChildren}), []string{"b"})
	want = jute.AppendInt(proto.AppendMultiHeader(want, proto.MultiHeader{Op: proto.OpError, Err: proto.NoAuth}), int32(proto.NoAuth))
	want = proto.AppendMultiHeader(want, proto.MultiEnd)
	if code != proto.OK || !bytes.Equal(got, want) {
		t.Errorf("%v\n got %x\nwant %x", code, got, want)
	}
	if n := w.s.watches.Count(); n != 0 {
		t.Errorf("%d watches: the flags inside a multiRead mean nothing", n)
	}
	if _, code, _ := w.read(1, proto.OpMultiRead, multi(part(proto.OpDelete, versioned("/a", -1)))); code != proto.MarshallingError {
		t.Error(code)
	}
}

func TestReadsDoNotAllocate(t *testing.T) {
	w := newWorld(t, options())
	w.create("/a", "data")
	w.create("/a/b", "")
	w.create("/a/c", "")
	out := make([]byte, 0, 1024)
	for _, op := range []proto.Op{proto.OpExists, proto.OpGetData, proto.OpGetChildren, proto.OpGetChildren2} {
		r := &ReadRequest{Session: me, Op: op, Body: pathWatch("/a", false), Auth: w.auth}
		if n := testing.AllocsPerRun(100, func() { w.s.Read(r, out) }); n != 0 {
			t.Errorf("%v allocates %v times", op, n)
		}
	}
}
