package state

import (
	"slices"
	"testing"

	"quokka/internal/proto"
)

func paths(t *proto.Txn) []string { return t.Body.(*proto.CloseSessionTxn).Paths }

func TestUnknownSessionMayNotWrite(t *testing.T) {
	w := newWorld(t, options())
	for op, body := range map[proto.Op][]byte{
		proto.OpCreate: create("/a", "", 0), proto.OpDelete: versioned("/a", -1), proto.OpSetData: setData("/a", "", -1),
		proto.OpSetACL: setACL("/a", openACL, -1),
	} {
		if _, code := w.prepare(&Request{Session: 99, Op: op, Body: body}); code != proto.SessionExpired {
			t.Errorf("%v: %v", op, code)
		}
		if _, code := w.prepare(&Request{Session: me, SessionErr: proto.SessionMoved, Op: op, Body: body}); code != proto.SessionMoved {
			t.Errorf("%v: %v", op, code)
		}
	}
	// A local session may do all but own an ephemeral.
	if _, code := w.prepare(&Request{Session: 99, Local: true, Op: proto.OpCreate, Body: create("/a", "", 0)}); code != proto.OK {
		t.Error(code)
	}
	for _, op := range []proto.Op{proto.OpCreate, proto.OpCreateContainer} {
		if _, code := w.prepare(&Request{Session: 99, Local: true, Op: op, Body: create("/b", "", 1)}); code != proto.SessionExpired {
			t.Errorf("%v: %v", op, code)
		}
	}
	// It becomes global, and its create follows at once.
	w.prepare(&Request{Session: 99, Op: proto.OpCreateSession, TimeoutMS: 5})
	if _, code := w.prepare(&Request{Session: 99, Op: proto.OpCreate, Body: create("/b", "", 1)}); code != proto.OK {
		t.Error(code)
	}
	w.flush()
	if got := w.s.tree.Ephemerals(99); len(got) != 1 {
		t.Error(got)
	}
}

// TestCloseSessionIsOrdered: nothing of a session happens after its close,
// and the close knows what is pending (S40, ZOOKEEPER-1208).
func TestCloseSessionIsOrdered(t *testing.T) {
	w := newWorld(t, options())
	w.create("/p", "")
	for _, path := range []string{"/p/1", "/p/2", "/p/3"} {
		w.must(proto.OpCreate, create(path, "", 1))
	}
	w.prepare(&Request{Session: me, Op: proto.OpDelete, Body: versioned("/p/1", -1)})
	w.prepare(&Request{Session: me, Op: proto.OpCreate, Body: create("/p/0", "", 1)})
	w.prepare(&Request{Session: me, Op: proto.OpDelete, Body: versioned("/p/2", -1)})
	w.prepare(&Request{Session: me, Op: proto.OpCreate, Body: create("/p/2", "", 1)}) // again
	w.prepare(&Request{Session: me, Op: proto.OpDelete, Body: versioned("/p/3", -1)})
	w.prepare(&Request{Session: me, Op: proto.OpCreate, Body: create("/p/3", "", 0)}) // as something else
	txn, _ := w.prepare(&Request{Session: me, Op: proto.OpCloseSession})
	if got := paths(txn); !slices.Equal(got, []string{"/p/0", "/p/2"}) {
		t.Errorf("closes %v", got)
	}
	if !w.s.Closing(me) {
		t.Error("not closing")
	}
	if _, code := w.prepare(&Request{Session: me, Op: proto.OpCreate, Body: create("/p/9", "", 1)}); code != proto.SessionExpired {
		t.Error(code)
	}
	if txn, _ := w.prepare(&Request{Session: me, Op: proto.OpCloseSession}); len(paths(txn)) != 0 {
		t.Errorf("second close: %v", paths(txn))
	}
	w.flush()
	if _, ok := w.s.sessions.Timeout(me); ok || w.s.Closing(me) || !w.exists("/p/3") || w.s.tree.EphemeralCount() != 0 {
		t.Error("after close")
	}
	if st := w.stat("/p"); st.NumChildren != 1 {
		t.Errorf("%+v", st)
	}
	if _, code := w.prepare(&Request{Session: me, Op: proto.OpCreate, Body: create("/p/9", "", 0)}); code != proto.SessionExpired {
		t.Error(code)
	}
	// A close of what is closed does not touch what others made since (S41).
	const other = me + 1
	w.open(other)
	w.prepare(&Request{Session: other, Op: proto.OpCreate, Body: create("/p/2", "", 1)})
	if txn, code := w.prepare(&Request{Session: me, Op: proto.OpCloseSession}); code != proto.OK || len(paths(txn)) != 0 {
		t.Errorf("third close: %v %v", paths(txn), code)
	}
	w.flush()
	if !w.exists("/p/2") {
		t.Error("/p/2 gone")
	}
}

func TestCloseSessionWithoutList(t *testing.T) {
	o := options()
	o.CloseSessionTxn = false
	w := newWorld(t, o)
	w.must(proto.OpCreate, create("/e", "", 1))
	txn, _ := w.prepare(&Request{Session: me, Op: proto.OpCloseSession})
	if txn.Body != nil || txn.HasDigest {
		t.Errorf("%+v", txn)
	}
	w.open(me + 1)
	if w.exists("/e") {
		t.Error("/e is left")
	}
}

func TestOrphansAreClosed(t *testing.T) {
	w := newWorld(t, options())
	w.must(proto.OpCreate, create("/e", "", 1))
	w.s.sessions.Remove(me)
	txn, _ := w.prepare(&Request{Session: me, Op: proto.OpCloseSession})
	if got := paths(txn); len(got) != 1 {
		t.Error(got)
	}
	w.flush()
	// Extra ephemerals that the list does not name go too.
	w.open(me)
	w.must(proto.OpCreate, create("/e", "", 1))
	w.s.Apply(&proto.Txn{TxnHeader: proto.TxnHeader{Op: proto.OpCloseSession, Session: me, Zxid: w.zxid + 1}, Body: &proto.CloseSessionTxn{}})
	if w.exists("/e") {
		t.Error("/e is left")
	}
}
