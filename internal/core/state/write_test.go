package state

import (
	"bytes"
	"sync"
	"testing"

	"quokka/internal/jute"
	"quokka/internal/proto"
)

func TestDeleteCodes(t *testing.T) {
	w := newWorld(t, options())
	w.create("/a", "")
	w.create("/a/b", "")
	w.must(proto.OpCreate, createACL("/closed", "", 0, aclOf(proto.PermCreate, proto.ID{Scheme: "world", ID: "anyone"})))
	w.create("/closed/x", "")
	w.create("/zookeeper/foo", "")
	for _, c := range []struct {
		path    string
		version int32
		want    proto.Code
	}{
		{"", -1, proto.BadArguments},
		{"a", -1, proto.BadArguments},
		{"/a\x00", -1, proto.BadArguments},
		{"/", -1, proto.BadArguments},
		{"/zookeeper", -1, proto.BadArguments},
		{"/zookeeper/quota", -1, proto.BadArguments},
		{"/zookeeper/config", -1, proto.BadArguments},
		{"/no/x", -1, proto.NoNode},
		{"/no", -1, proto.NoNode},
		{"/a/", -1, proto.NoNode},
		{"//a", -1, proto.NoNode},
		{"/closed/x", -1, proto.NoAuth},
		{"/closed/no", -1, proto.NoAuth},
		{"/a", 7, proto.BadVersion},
		{"/a", 0, proto.NotEmpty},
		{"/a", -1, proto.NotEmpty},
		{"/a/b", 0, proto.OK},
		{"/a/b", 0, proto.NoNode},
		{"/a", -1, proto.OK},
		{"/zookeeper/foo", -1, proto.OK},
	} {
		if code, _ := w.do(proto.OpDelete, versioned(c.path, c.version)); code != c.want {
			t.Errorf("delete %q: %v, want %v", c.path, code, c.want)
		}
	}
}

func TestSetDataCodes(t *testing.T) {
	w := newWorld(t, options())
	w.create("/a", "")
	w.must(proto.OpCreate, createACL("/closed", "", 0, aclOf(proto.PermRead, proto.ID{Scheme: "world", ID: "anyone"})))
	for _, c := range []struct {
		path    string
		version int32
		want    proto.Code
	}{
		{"", -1, proto.BadArguments},
		{"a", -1, proto.BadArguments},
		{"/a/", -1, proto.BadArguments},
		{"/no", -1, proto.NoNode},
		{"/closed", 7, proto.NoAuth},
		{"/a", 7, proto.BadVersion},
		{"/a", 0, proto.OK},
		{"/a", 0, proto.BadVersion},
		{"/a", 1, proto.OK},
		{"/", -1, proto.OK},
	} {
		if code, _ := w.do(proto.OpSetData, setData(c.path, "x", c.version)); code != c.want {
			t.Errorf("setData %q: %v, want %v", c.path, code, c.want)
		}
	}
	before := w.stat("/a")
	o := w.must(proto.OpSetData, setData("/a", "abc", -1))
	before.Version, before.Mzxid, before.Mtime, before.DataLength = 3, w.zxid, w.now, 3
	if got := w.stat("/a"); got != before || o.Stat != before {
		t.Errorf("stat %+v, want %+v", got, before)
	}
	if got := w.s.AppendReply(nil, proto.OpSetData, o); !bytes.Equal(got, proto.AppendStat(nil, &before)) {
		t.Errorf("reply %x", got)
	}
}

// TestVersionOverflow: 3.9 does not leave out -1 (ZOOKEEPER-4743 is 3.10).
func TestVersionOverflow(t *testing.T) {
	w := newWorld(t, options())
	w.create("/a", "")
	w.s.tree.SetData("/a", nil, -2, w.zxid, w.now)
	for _, want := range []int32{-1, 0} {
		if o := w.must(proto.OpSetData, setData("/a", "", -1)); o.Stat.Version != want {
			t.Errorf("version %d, want %d", o.Stat.Version, want)
		}
	}
	w.s.tree.SetData("/a", nil, 1<<31-1, w.zxid, w.now)
	if o := w.must(proto.OpSetData, setData("/a", "", 1<<31-1)); o.Stat.Version != -1<<31 {
		t.Errorf("version %d", o.Stat.Version)
	}
}

func TestSetACL(t *testing.T) {
	w := newWorld(t, options())
	w.create("/a", "")
	w.auth = []proto.ID{bob}
	for _, c := range []struct {
		path    string
		acl     []proto.ACL
		version int32
		want    proto.Code
	}{
		{"a", openACL, -1, proto.BadArguments},
		{"/no", nil, -1, proto.InvalidACL},
		{"/no", openACL, -1, proto.NoNode},
		{"/a", openACL, 1, proto.BadVersion},
		{"/a", aclOf(proto.PermAll&^proto.PermAdmin, bob), 0, proto.OK},
		{"/a", openACL, 1, proto.NoAuth},
	} {
		if code, _ := w.do(proto.OpSetACL, setACL(c.path, c.acl, c.version)); code != c.want {
			t.Errorf("setACL %q %v: %v, want %v", c.path, c.acl, code, c.want)
		}
	}
	if st := w.stat("/a"); st.Aversion != 1 || st.Version != 0 || st.Mzxid != st.Czxid {
		t.Errorf("%+v", st)
	}
}

func TestSuperAndSkipACL(t *testing.T) {
	w := newWorld(t, options())
	w.must(proto.OpCreate, createACL("/a", "", 0, aclOf(proto.PermWrite, bob)))
	for _, c := range []struct {
		auth []proto.ID
		skip bool
		want proto.Code
	}{
		{nil, false, proto.NoAuth},
		{[]proto.ID{eve, local}, false, proto.NoAuth},
		{[]proto.ID{local, bob}, false, proto.OK},
		{[]proto.ID{{Scheme: "super"}}, false, proto.OK},
		{[]proto.ID{{Scheme: "other", ID: bob.ID}}, false, proto.NoAuth},
		{nil, true, proto.OK},
	} {
		w.auth, w.s.opts.SkipACL = c.auth, c.skip
		if code, _ := w.do(proto.OpSetData, setData("/a", "", -1)); code != c.want {
			t.Errorf("%v, skip %v: %v", c.auth, c.skip, code)
		}
	}
}

func TestDeleteContainerLooksAgain(t *testing.T) {
	w := newWorld(t, options())
	del := func(path string) proto.Code {
		_, code := w.prepare(&Request{Op: proto.OpDeleteContainer, Body: justPath(path)})
		w.flush()
		return code
	}
	w.must(proto.OpCreateContainer, create("/c", "", 0))
	w.must(proto.OpCreateTTL, createTTL("/t", 5, 100))
	w.create("/p", "")
	w.must(proto.OpCreate, create("/e", "", 1))
	for path, want := range map[string]proto.Code{
		"/no": proto.NoNode, "x": proto.BadArguments, "/zookeeper": proto.BadArguments,
		"/c": proto.BadVersion, "/t": proto.BadVersion, "/p": proto.BadVersion, "/e": proto.BadVersion,
	} {
		if got := del(path); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
	w.create("/c/x", "")
	if got := del("/c"); got != proto.NotEmpty {
		t.Error("with a child:", got)
	}
	w.must(proto.OpDelete, versioned("/c/x", -1))
	w.now += 101
	if got := w.s.ContainerCandidates(w.now, 500); len(got) != 2 || got[0] != "/c" || got[1] != "/t" {
		t.Fatalf("candidates %v", got)
	}
	// Refreshed or made anew, even if that is still pending (S80, S81).
	w.prepare(&Request{Session: me, Op: proto.OpSetData, Body: setData("/t", "", -1)})
	w.prepare(&Request{Session: me, Op: proto.OpDelete, Body: versioned("/c", -1)})
	w.prepare(&Request{Session: me, Op: proto.OpCreateContainer, Body: create("/c", "", 0)})
	if got := del("/t"); got != proto.BadVersion {
		t.Error("refreshed:", got)
	}
	if got := del("/c"); got != proto.BadVersion {
		t.Error("made anew:", got)
	}
	w.now += 600
	if got := w.s.ContainerCandidates(w.now, 0); len(got) != 1 {
		t.Errorf("candidates %v, a container without children waits for ever", got)
	}
	for _, path := range w.s.ContainerCandidates(w.now, 500) {
		if got := del(path); got != proto.OK || w.exists(path) {
			t.Error(path, got)
		}
	}
	if w.exists("/c") || w.exists("/t") {
		t.Error("still there")
	}
}

func TestReconfig(t *testing.T) {
	body := jute.AppendLong(jute.AppendString(jute.AppendString(jute.AppendString(nil, "server.2=h:1:2;3"), ""), ""), -1)
	o := options()
	w := newWorld(t, o)
	expect := func(want proto.Code) *Outcome {
		t.Helper()
		code, out := w.do(proto.OpReconfig, body)
		if code != want {
			t.Errorf("%v, want %v", code, want)
		}
		return out
	}
	expect(proto.ReconfigDisabled)
	w.s.opts.ReconfigEnabled, w.s.opts.Standalone = true, true
	expect(proto.Unimplemented)
	w.s.opts.Standalone = false
	expect(proto.Unimplemented)
	var asked proto.ReconfigRequest
	refusal := proto.NewConfigNoQuorum
	w.s.SetReconfigurer(func(r proto.ReconfigRequest, z proto.Zxid) ([]byte, proto.Code) {
		asked = r
		return []byte("version=" + z.String()), refusal
	})
	expect(proto.NewConfigNoQuorum)
	refusal = proto.OK
	expect(proto.NoAuth)
	w.auth = []proto.ID{{Scheme: "super"}}
	out := expect(proto.OK)
	st := w.stat("/zookeeper/config")
	if asked.Joining != "server.2=h:1:2;3" || st.Version != -1 || st.Mzxid != w.zxid {
		t.Errorf("asked %+v, stat %+v", asked, st)
	}
	want := proto.AppendStat(jute.AppendString(nil, "version="+w.zxid.String()), &st)
	if got := w.s.AppendReply(nil, proto.OpReconfig, out); !bytes.Equal(got, want) {
		t.Errorf("reply %q, want %q", got, want)
	}
}

// TestPendingChangesAreSeen decides against what is prepared, not applied.
func TestPendingChangesAreSeen(t *testing.T) {
	w := newWorld(t, options())
	for _, c := range []struct {
		op   proto.Op
		body []byte
		want proto.Code
	}{
		{proto.OpCreate, create("/a", "1", 0), proto.OK},
		{proto.OpCreate, create("/a", "1", 0), proto.NodeExists},
		{proto.OpCreate, create("/a/b", "", 0), proto.OK},
		{proto.OpDelete, versioned("/a", -1), proto.NotEmpty},
		{proto.OpSetData, setData("/a", "22", 0), proto.OK},
		{proto.OpSetData, setData("/a", "333", 0), proto.BadVersion},
		{proto.OpSetACL, setACL("/a", aclOf(proto.PermRead|proto.PermDelete, proto.ID{Scheme: "world", ID: "anyone"}), 0), proto.OK},
		{proto.OpSetData, setData("/a", "", -1), proto.NoAuth},
		{proto.OpCreate, create("/a/c", "", 0), proto.NoAuth},
		{proto.OpSetData, setData("/", "root", -1), proto.OK},
		{proto.OpDelete, versioned("/a/b", -1), proto.OK},
		{proto.OpDelete, versioned("/a", -1), proto.OK},
		{proto.OpSetData, setData("/a", "", -1), proto.NoNode},
		{proto.OpCreate, create("/a/c", "", 0), proto.NoNode},
		{proto.OpCreate, create("/a", "new", 1), proto.OK},
		{proto.OpCreate, create("/a/c", "", 0), proto.NoChildrenForEphemerals},
		{proto.OpSetData, setData("/a", "newer", 0), proto.OK},
	} {
		if _, code := w.prepare(&Request{Session: me, Op: c.op, Body: c.body}); code != c.want {
			t.Errorf("%v %q: %v, want %v", c.op, c.body, code, c.want)
		}
	}
	w.flush()
	if st := w.stat("/a"); st.Version != 1 || st.EphemeralOwner != me {
		t.Errorf("%+v", st)
	}
}

func TestDropPendingForgets(t *testing.T) {
	w := newWorld(t, options())
	w.create("/a", "")
	digest := w.s.tree.Digest()
	w.prepare(&Request{Session: me, Op: proto.OpDelete, Body: versioned("/a", -1)})
	w.prepare(&Request{Session: me, Op: proto.OpCreate, Body: create("/b", "", 0)})
	w.prepare(&Request{Session: me, Op: proto.OpCloseSession})
	w.pending = nil
	w.s.DropPending()
	txn, code := w.prepare(&Request{Session: me, Op: proto.OpCreateSession})
	if code != proto.OK || txn.Digest != digest {
		t.Errorf("%v, digest %#x, want %#x", code, txn.Digest, digest)
	}
	w.must(proto.OpDelete, versioned("/a", -1))
}

// TestRequestIsNotKept: bodies live in buffers that are used again.
func TestRequestIsNotKept(t *testing.T) {
	w := newWorld(t, options())
	body := create("/a", "hello", 0)
	txn, _ := w.s.Prepare(&Request{Session: me, Op: proto.OpCreate, Body: body}, w.zxid+1, 1)
	before := txn.AppendTo(nil)
	clear(body)
	if !bytes.Equal(before, txn.AppendTo(nil)) {
		t.Error("create aliases the body")
	}
	body = setData("/a", "world", -1)
	txn, _ = w.s.Prepare(&Request{Session: me, Op: proto.OpSetData, Body: body}, w.zxid+2, 1)
	before = txn.AppendTo(nil)
	clear(body)
	if !bytes.Equal(before, txn.AppendTo(nil)) {
		t.Error("setData aliases the body")
	}
}

func TestReplayTolerates(t *testing.T) {
	w := newWorld(t, options())
	w.create("/a", "1")
	txns := []*proto.Txn{
		{TxnHeader: proto.TxnHeader{Op: proto.OpCreate}, Body: &proto.CreateTxn{Path: "/a", Data: []byte("2"), ACL: openACL, ParentCversion: 9}},
		{TxnHeader: proto.TxnHeader{Op: proto.OpCreate}, Body: &proto.CreateTxn{Path: "/no/a", ACL: openACL}},
		{TxnHeader: proto.TxnHeader{Op: proto.OpDelete}, Body: &proto.DeleteTxn{Path: "/no"}},
		{TxnHeader: proto.TxnHeader{Op: proto.OpSetData}, Body: &proto.SetDataTxn{Path: "/no"}},
		{TxnHeader: proto.TxnHeader{Op: proto.OpSetACL}, Body: &proto.SetACLTxn{Path: "/no"}},
		{TxnHeader: proto.TxnHeader{Op: proto.OpCloseSession, Session: 99}, Body: &proto.CloseSessionTxn{Paths: []string{"/no", "/a"}}},
	}
	for i, txn := range txns {
		txn.Zxid = w.zxid + proto.Zxid(i) + 1
		if !w.s.Replay(txn) {
			t.Errorf("%v: digest", txn.Op)
		}
	}
	if w.exists("/a") || w.s.LastZxid() != w.zxid+proto.Zxid(len(txns)) || w.s.tree.Persisted(1).Cversion != 9 {
		t.Errorf("last %v, root %+v", w.s.LastZxid(), w.s.tree.Persisted(1))
	}
}

// TestPrepareBesideReads is for the race detector: reads hold the shared lock
// only, and Prepare none.
func TestPrepareBesideReads(t *testing.T) {
	w := newWorld(t, options())
	w.create("/a", "data")
	w.must(proto.OpCreate, create("/a/e", "", 1))
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			r := &ReadRequest{Session: me, Conn: 1}
			for range 200 {
				for _, op := range proto.Ops {
					if !NeedsExclusive(op) {
						r.Op, r.Body = op, pathWatch("/a", true)
						w.s.Read(r, nil)
					}
				}
			}
		})
	}
	for range 200 {
		w.prepare(&Request{Session: me, Op: proto.OpCreate, Body: create("/a/n", "", 2)})
		w.prepare(&Request{Session: me, Op: proto.OpSetData, Body: setData("/a", "x", -1)})
		w.prepare(&Request{Session: me, Op: proto.OpMulti, Body: multi(part(proto.OpDelete, versioned("/a/e", -1)), part(proto.OpCheck, versioned("/no", 1)))})
	}
	w.prepare(&Request{Session: me, Op: proto.OpCloseSession})
	wg.Wait()
	w.flush()
}
