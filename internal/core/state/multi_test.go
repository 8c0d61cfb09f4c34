package state

import (
	"bytes"
	"testing"

	"quokka/internal/jute"
	"quokka/internal/proto"
)

func TestMultiSeesItself(t *testing.T) {
	w := newWorld(t, options())
	_, o := w.do(proto.OpMulti, multi(
		part(proto.OpCreate, create("/a", "1", 0)),
		part(proto.OpCreate2, create("/a/s", "", 2)),
		part(proto.OpCreate, create("/a/s", "", 2)),
		part(proto.OpSetData, setData("/a", "22", 0)),
		part(proto.OpCheck, versioned("/a", 1)),
		part(proto.OpDelete, versioned("/a/s0000000000", -1)),
		part(proto.OpCreateContainer, create("/a/s0000000000", "", 0)),
		part(proto.OpCreateTTL, createTTL("/t", 5, 9)),
		part(proto.OpCreate, create("/e", "", 1)),
		part(proto.OpDelete, versioned("/e", -1)),
		part(proto.OpCreate, create("/e", "", 1)),
	))
	if o.Err != proto.OK || o.ReplyCode(proto.OpMulti) != proto.OK {
		t.Fatalf("%+v", o)
	}
	st := proto.Stat{Czxid: w.zxid, Mzxid: w.zxid, Pzxid: w.zxid, Ctime: w.now, Mtime: w.now}
	a := st
	a.Version, a.DataLength, a.NumChildren, a.Cversion = 1, 2, 2, 2 // two creates so far
	head := func(op proto.Op) []byte { return proto.AppendMultiHeader(nil, proto.MultiHeader{Op: op}) }
	want := bytes.Join([][]byte{
		head(proto.OpCreate), justPath("/a"),
		head(proto.OpCreate2), proto.AppendStat(justPath("/a/s0000000000"), &st),
		head(proto.OpCreate), justPath("/a/s0000000001"),
		head(proto.OpSetData), proto.AppendStat(nil, &a),
		head(proto.OpCheck),
		head(proto.OpDelete),
		head(proto.OpCreate2), proto.AppendStat(justPath("/a/s0000000000"), &st),
		head(proto.OpCreate2), proto.AppendStat(justPath("/t"), &st),
		head(proto.OpCreate), justPath("/e"),
		head(proto.OpDelete),
		head(proto.OpCreate), justPath("/e"),
		proto.AppendMultiHeader(nil, proto.MultiEnd),
	}, nil)
	if got := w.s.AppendReply(nil, proto.OpMulti, o); !bytes.Equal(got, want) {
		t.Errorf("reply\n%x, want\n%x", got, want)
	}
}

func TestFailedMultiDoesNothing(t *testing.T) {
	w := newWorld(t, options())
	w.create("/a", "1")
	w.create("/a/old", "")
	digest := w.s.tree.Digest()
	// Pending before it, also on the parent it will touch.
	w.prepare(&Request{Session: me, Op: proto.OpCreate, Body: create("/a/n", "", 2)})
	w.prepare(&Request{Session: me, Op: proto.OpSetData, Body: setData("/a", "zwei", -1)})
	ahead, records := w.s.over.treeDigest(), len(w.s.over.records)
	txn, code := w.prepare(&Request{Session: me, Op: proto.OpMulti, Body: multi(
		part(proto.OpCreate, create("/a/n", "", 3)),
		part(proto.OpSetData, setData("/a", "drei", 1)),
		part(proto.OpDelete, versioned("/a/old", 0)),
		part(proto.OpCreate, create("/a/old", "", 1)),
		part(proto.OpCheck, versioned("/a/n0000000001", 5)),
		part(proto.OpCreate, create("/b", "", 0)),
	)})
	if code != proto.OK || txn.Op != proto.OpMulti || !txn.HasDigest || txn.Digest != ahead {
		t.Errorf("%v: %+v", code, txn)
	}
	if w.s.over.treeDigest() != ahead || len(w.s.over.records) != records || digest == ahead {
		t.Errorf("overlay changed: %+v", w.s.over)
	}
	// The next sequence number is that of before (ZOOKEEPER-1624).
	seq, _ := w.prepare(&Request{Session: me, Op: proto.OpCreate, Body: create("/a/n", "", 2)})
	if got := seq.Body.(*proto.CreateTxn).Path; got != "/a/n0000000002" {
		t.Error(got)
	}
	for i, txn := range w.pending {
		o := w.apply(txn)
		if i != 2 {
			continue
		}
		var want []byte
		for _, code := range []proto.Code{0, 0, 0, 0, proto.BadVersion, proto.RuntimeInconsistency} {
			want = proto.AppendMultiHeader(want, proto.MultiHeader{Op: proto.OpError, Err: code})
			want = jute.AppendInt(want, int32(code))
		}
		want = proto.AppendMultiHeader(want, proto.MultiEnd)
		got := w.s.AppendReply(nil, proto.OpMulti, o)
		if !bytes.Equal(got, want) || o.ReplyCode(proto.OpMulti) != proto.OK || o.Err != proto.BadVersion || len(o.Events) != 0 {
			t.Errorf("%v %v\n got %x\nwant %x", o.Err, o.ReplyCode(proto.OpMulti), got, want)
		}
	}
	w.pending = nil
	if w.exists("/b") || w.exists("/a/n0000000003") || !w.exists("/a/old") || w.stat("/a").Version != 1 {
		t.Error("something happened")
	}
	w.pending = nil
	w.flush()
}

func TestMultiCorners(t *testing.T) {
	w := newWorld(t, options())
	_, o := w.do(proto.OpMulti, multi())
	if got := w.s.AppendReply(nil, proto.OpMulti, o); !bytes.Equal(got, proto.AppendMultiHeader(nil, proto.MultiEnd)) || o.Err != proto.OK {
		t.Errorf("empty: %x, %v", got, o.Err)
	}
	_, o = w.do(proto.OpMulti, multi(part(proto.OpCheck, versioned("/", -1)), part(proto.OpCheck, versioned("/no", -1))))
	if o.Err != proto.NoNode {
		t.Errorf("checks: %+v", o)
	}
	for _, op := range []proto.Op{proto.OpSetACL, proto.OpGetData, proto.OpReconfig, proto.OpDeleteContainer, proto.OpCloseSession} {
		if code, o := w.do(proto.OpMulti, multi(part(op, pathWatch("/", false)))); code != proto.MarshallingError || o != nil {
			t.Errorf("%v in multi: %v", op, code)
		}
	}
	if code, _ := w.do(proto.OpMulti, multi(part(proto.OpCreate, create("/a", "", 9)))); code != proto.MarshallingError {
		t.Errorf("bad flag: %v", code)
	}
	// A moved session shows in the header, for the connection to be closed.
	txn, _ := w.prepare(&Request{Session: me, SessionErr: proto.SessionMoved, Op: proto.OpMulti, Body: multi(part(proto.OpDelete, versioned("/a", -1)))})
	if o := w.apply(txn); o.ReplyCode(proto.OpMulti) != proto.SessionMoved {
		t.Errorf("moved: %+v", o)
	}
	w.pending = nil
	w.flush()
	// An error of the whole multi is the header's.
	o = w.s.Apply(&proto.Txn{TxnHeader: proto.TxnHeader{Op: proto.OpError, Zxid: w.zxid + 1}, Body: &proto.ErrorTxn{Err: proto.MarshallingError}})
	if o.ReplyCode(proto.OpMulti) != proto.MarshallingError || len(w.s.AppendReply(nil, proto.OpMulti, o)) != 0 {
		t.Errorf("%+v", o)
	}
}
