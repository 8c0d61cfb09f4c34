package state

import (
	"bytes"
	"testing"

	"quokka/internal/core/tree"
	"quokka/internal/jute"
	"quokka/internal/proto"
)

func TestCreateCodes(t *testing.T) {
	w := newWorld(t, options())
	w.create("/a", "")
	w.must(proto.OpCreate, create("/e", "", proto.FlagEphemeral))
	w.must(proto.OpCreate, createACL("/closed", "", 0, aclOf(proto.PermRead, proto.ID{Scheme: "world", ID: "anyone"})))
	for _, c := range []struct {
		op   proto.Op
		body []byte
		want proto.Code
	}{
		{proto.OpCreate, create("/x", "", -1), proto.BadArguments},
		{proto.OpCreate, create("/x", "", 7), proto.BadArguments},
		{proto.OpCreate, create("/x", "", proto.FlagPersistentTTL), proto.BadArguments},
		{proto.OpCreateContainer, create("/x", "", proto.FlagPersistentSequentialTTL), proto.BadArguments},
		{proto.OpCreateTTL, createTTL("/x", proto.FlagPersistentTTL, 0), proto.BadArguments},
		{proto.OpCreateTTL, createTTL("/x", proto.FlagPersistentTTL, -1), proto.BadArguments},
		{proto.OpCreateTTL, createTTL("/x", proto.FlagPersistentTTL, tree.MaxTTL+1), proto.BadArguments},
		{proto.OpCreateTTL, createTTL("/x", 0, -1), proto.BadArguments},
		{proto.OpCreateTTL, createTTL("/x", proto.FlagContainer, -1), proto.BadArguments},
		{proto.OpCreateTTL, createTTL("/x", 0, 5), proto.BadArguments},
		{proto.OpCreate, create("", "", 0), proto.BadArguments},
		{proto.OpCreate, create("x", "", 0), proto.BadArguments},
		{proto.OpCreate, create("/x\x00", "", 0), proto.BadArguments},
		{proto.OpCreate, createACL("/no/x", "", 0, nil), proto.InvalidACL},
		{proto.OpCreate, createACL("/no/x", "", 0, []proto.ACL{}), proto.InvalidACL},
		{proto.OpCreate, createACL("/x", "", 0, aclOf(31, proto.ID{Scheme: "world", ID: "me"})), proto.InvalidACL},
		{proto.OpCreate, createACL("/x", "", 0, aclOf(31, proto.ID{Scheme: "none", ID: "me"})), proto.InvalidACL},
		{proto.OpCreate, createACL("/x", "", 0, aclOf(31, proto.ID{Scheme: "digest", ID: "me"})), proto.InvalidACL},
		{proto.OpCreate, createACL("/x", "", 0, aclOf(31, proto.ID{Scheme: "auth"})), proto.InvalidACL},
		{proto.OpCreate, create("/no/x", "", 0), proto.NoNode},
		{proto.OpCreate, create("a/x", "", 0), proto.NoNode},
		{proto.OpCreate, create("/closed/x", "", 0), proto.NoAuth},
		{proto.OpCreate, create("/a/", "", 0), proto.BadArguments},
		{proto.OpCreate, create("/a/.", "", 0), proto.BadArguments},
		{proto.OpCreate, create("//", "", 0), proto.BadArguments},
		{proto.OpCreate, create("/a", "", 0), proto.NodeExists},
		{proto.OpCreate, create("/", "", 0), proto.NodeExists},
		{proto.OpCreate, create("/e/x", "", 0), proto.NoChildrenForEphemerals},
		{proto.OpCreate, create("/zookeeper/foo", "", 0), proto.OK},
	} {
		before := w.s.tree.Digest()
		code, o := w.do(c.op, c.body)
		if code != c.want {
			t.Errorf("%v %q: %v, want %v", c.op, c.body, code, c.want)
		}
		if o.Err != code || code != proto.OK && o.Digest != before {
			t.Errorf("%v %q: outcome %+v", c.op, c.body, o)
		}
	}
}

func TestCreateStatsOfNodeAndParent(t *testing.T) {
	w := newWorld(t, options())
	w.create("/p", "")
	parent := w.stat("/p")
	o := w.create("/p/c", "12345")
	want := proto.Stat{Czxid: w.zxid, Mzxid: w.zxid, Pzxid: w.zxid, Ctime: w.now, Mtime: w.now, DataLength: 5}
	if o.Path != "/p/c" || o.Stat != want || w.stat("/p/c") != want {
		t.Errorf("node: %+v, want %+v", o.Stat, want)
	}
	parent.Cversion, parent.NumChildren, parent.Pzxid = 1, 1, w.zxid
	if got := w.stat("/p"); got != parent {
		t.Errorf("parent: %+v, want %+v", got, parent)
	}
	w.must(proto.OpDelete, versioned("/p/c", -1))
	parent.Cversion, parent.NumChildren, parent.Pzxid = 2, 0, w.zxid
	if got := w.stat("/p"); got != parent {
		t.Errorf("parent after delete: %+v, want %+v", got, parent)
	}
}

func TestNullDataStaysNull(t *testing.T) {
	w := newWorld(t, options())
	body := proto.AppendCreateRequest(nil, proto.OpCreate, &proto.CreateRequest{Path: "/n", ACL: openACL})
	w.must(proto.OpCreate, body)
	out, _, _ := w.read(1, proto.OpGetData, pathWatch("/n", false))
	if d := jute.NewDecoder(out); d.Int() != -1 {
		t.Errorf("data of /n: %x", out)
	}
	w.create("/m", "")
	out, _, _ = w.read(1, proto.OpGetData, pathWatch("/m", false))
	if d := jute.NewDecoder(out); d.Int() != 0 {
		t.Errorf("data of /m: %x", out)
	}
}

// TestKindsOfNodes pins which operation and flag make what; the digest of each
// is checked when it is applied.
func TestKindsOfNodes(t *testing.T) {
	w := newWorld(t, options())
	for _, c := range []struct {
		op   proto.Op
		body []byte
		path string
		kind tree.Kind
	}{
		{proto.OpCreate, create("/0", "", 0), "/0", tree.Persistent},
		{proto.OpCreate, create("/1", "", 1), "/1", tree.Ephemeral},
		{proto.OpCreate, create("/s", "", 2), "/s0000000002", tree.Persistent},
		{proto.OpCreate2, create("/s", "", 3), "/s0000000003", tree.Ephemeral},
		{proto.OpCreate, create("/4", "", 4), "/4", tree.Persistent},
		{proto.OpCreateContainer, create("/c0", "", 0), "/c0", tree.Container},
		{proto.OpCreateContainer, create("/c1", "", 1), "/c1", tree.Container},
		{proto.OpCreateContainer, create("/c2", "", 2), "/c20000000007", tree.Container},
		{proto.OpCreateContainer, create("/c3", "", 3), "/c30000000008", tree.Container},
		{proto.OpCreateContainer, create("/c4", "", 4), "/c4", tree.Container},
		{proto.OpCreateTTL, createTTL("/t5", 5, 7), "/t5", tree.TTL},
		{proto.OpCreateTTL, createTTL("/t6", 6, tree.MaxTTL), "/t60000000011", tree.TTL},
	} {
		o := w.must(c.op, c.body)
		ref := w.s.tree.FindString(o.Path)
		if want := c.path; o.Path != want || ref == 0 || w.s.tree.Kind(ref) != c.kind {
			t.Errorf("%v: made %q of kind %v, want %q %v", c.op, o.Path, w.s.tree.Kind(ref), want, c.kind)
		}
		if st := w.s.tree.Stat(ref); (st.EphemeralOwner == me) != (c.kind == tree.Ephemeral) {
			t.Errorf("%s: owner %v", o.Path, st.EphemeralOwner)
		}
	}
}

func TestReplyBodies(t *testing.T) {
	w := newWorld(t, options())
	o := w.must(proto.OpCreate, create("/k", "hello", 0))
	if got := w.s.AppendReply(nil, proto.OpCreate, o); !bytes.Equal(got, []byte("\x00\x00\x00\x02/k")) {
		t.Errorf("create: %x", got)
	}
	o = w.must(proto.OpSetACL, setACL("/k", openACL, -1))
	st := w.stat("/k")
	if got := w.s.AppendReply(nil, proto.OpSetACL, o); !bytes.Equal(got, proto.AppendStat(nil, &st)) {
		t.Errorf("setACL: %x", got)
	}
	for _, op := range []proto.Op{proto.OpCreate2, proto.OpCreateContainer} {
		o = w.must(op, create("/"+op.String(), "x", 0))
		st = w.stat(o.Path)
		if got := w.s.AppendReply(nil, op, o); !bytes.Equal(got, proto.AppendStat(justPath(o.Path), &st)) {
			t.Errorf("%v: %x", op, got)
		}
	}
	o = w.must(proto.OpDelete, versioned("/k", -1))
	if got := w.s.AppendReply(nil, proto.OpDelete, o); len(got) != 0 {
		t.Errorf("delete: %x", got)
	}
	_, o = w.do(proto.OpDelete, versioned("/k", -1))
	if got := w.s.AppendReply(nil, proto.OpDelete, o); len(got) != 0 || o.ReplyCode(proto.OpDelete) != proto.NoNode {
		t.Errorf("failed delete: %x %v", got, o.ReplyCode(proto.OpDelete))
	}
}

func TestSequenceNumbersCountCreates(t *testing.T) {
	w := newWorld(t, options())
	w.create("/q", "")
	next := func() string {
		return w.must(proto.OpCreate, create("/q/n-", "", proto.FlagPersistentSequential)).Path
	}
	if got := next(); got != "/q/n-0000000000" {
		t.Error(got)
	}
	w.must(proto.OpDelete, versioned("/q/n-0000000000", -1))
	if got := next(); got != "/q/n-0000000001" {
		t.Error(got)
	}
	w.create("/q/other", "")
	for range 3 { // in flight
		w.prepare(&Request{Session: me, Op: proto.OpCreate, Body: create("/q/", "", proto.FlagPersistentSequential)})
	}
	if o := w.flush(); o.Path != "/q/0000000005" {
		t.Error(o.Path)
	}
	for n, want := range map[int32]string{0: "0000000000", 1<<31 - 1: "2147483647", -1 << 31: "-2147483648", -5: "-000000005"} {
		if got := sequenced("/", n); got != "/"+want {
			t.Errorf("sequenced %d: %s", n, got)
		}
	}
}

// TestSequenceOverflow: the number of creates does not pass 2^31-1, so names
// collide from then on, as in Java, and the digest stays right.
func TestSequenceOverflow(t *testing.T) {
	w := newWorld(t, options())
	w.create("/q", "")
	w.s.tree.Create("/q/x", nil, nil, 0, 1<<31-2, w.zxid, w.now)
	if got := w.must(proto.OpCreate, create("/q/", "", 2)).Path; got != "/q/2147483646" {
		t.Error(got)
	}
	if got := w.must(proto.OpCreate, create("/q/", "", 2)).Path; got != "/q/2147483647" {
		t.Error(got)
	}
	if code, _ := w.do(proto.OpCreate, create("/q/", "", 2)); code != proto.NodeExists {
		t.Error(code)
	}
	w.create("/q/other", "")
}

func TestTTLNeedsExtendedTypes(t *testing.T) {
	o := options()
	o.Tree.ExtendedTypes = false
	w := newWorld(t, o)
	if code, _ := w.do(proto.OpCreateTTL, createTTL("/t", 5, 7)); code != proto.Unimplemented {
		t.Error(code)
	}
	if code, _ := w.do(proto.OpCreateTTL, createTTL("/t", 0, -1)); code != proto.BadArguments {
		t.Error("createTTL without TTL:", code)
	}
	// What a Java leader lets pass has no effect here.
	out := w.s.Apply(&proto.Txn{
		TxnHeader: proto.TxnHeader{Op: proto.OpCreateTTL, Zxid: w.zxid + 1},
		Body:      &proto.CreateTTLTxn{Path: "/t", ACL: openACL, TTL: -1},
	})
	if out.Err != proto.BadArguments || w.exists("/t") {
		t.Errorf("%+v", out)
	}
}

func TestACLFixUp(t *testing.T) {
	w := newWorld(t, options())
	w.auth = []proto.ID{local, bob, eve}
	w.must(proto.OpCreate, createACL("/a", "", 0, []proto.ACL{
		{Perms: 1, ID: local}, {Perms: 31, ID: proto.ID{Scheme: "auth", ID: "whatever"}}, {Perms: 1, ID: local}, {Perms: 3, ID: bob},
	}))
	want := []proto.ACL{{Perms: 1, ID: local}, {Perms: 31, ID: bob}, {Perms: 31, ID: eve}, {Perms: 3, ID: bob}}
	got := w.s.tree.ACL(w.s.tree.FindString("/a"))
	if !bytes.Equal(proto.AppendACLs(nil, got), proto.AppendACLs(nil, want)) {
		t.Errorf("got %v, want %v", got, want)
	}
	w.auth = []proto.ID{local}
	if code, _ := w.do(proto.OpSetACL, setACL("/a", aclOf(31, proto.ID{Scheme: "auth"}), -1)); code != proto.InvalidACL {
		t.Error(code)
	}
}

func TestQuota(t *testing.T) {
	w := newWorld(t, options())
	w.create("/q", "12345")
	w.create("/zookeeper/quota/q", "")
	w.create("/zookeeper/quota/q/zookeeper_limits", "count=1,bytes=1=;byteHardLimit=10;countHardLimit=3")
	w.create("/zookeeper/quota/q/zookeeper_stats", "")
	w.create("/q/1", "1234")
	for _, c := range []struct {
		op   proto.Op
		body []byte
		want proto.Code
	}{
		{proto.OpCreate, create("/q/2", "12", 0), proto.QuotaExceeded},
		{proto.OpSetData, setData("/q/1", "123456", -1), proto.QuotaExceeded},
		{proto.OpSetData, setData("/q/1", "123456", 99), proto.QuotaExceeded}, // before the version
		{proto.OpSetData, setData("/q/1", "12345", -1), proto.OK},
		{proto.OpCreate, create("/q/2", "", 0), proto.OK},
		{proto.OpCreate, create("/q/3", "", 0), proto.QuotaExceeded},
		{proto.OpDelete, versioned("/q/2", -1), proto.OK},
		{proto.OpCreate, create("/q/3", "", 0), proto.OK},
	} {
		if code, _ := w.do(c.op, c.body); code != c.want {
			t.Errorf("%v %q: %v, want %v", c.op, c.body, code, c.want)
		}
	}
	out, _, _ := w.read(1, proto.OpGetData, pathWatch("/zookeeper/quota/q/zookeeper_stats", false))
	if d := jute.NewDecoder(out); d.String() != "count=3,bytes=10" {
		t.Errorf("stats: %q", out)
	}
	w.s.opts.EnforceQuota = false
	w.create("/q/4", "123456789")
}
