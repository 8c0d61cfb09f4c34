package state

import (
	"strings"
	"testing"

	"quokka/internal/proto"
)

func TestEveryOperationHasARow(t *testing.T) {
	rows := 0
	for _, r := range table {
		if r != nil {
			rows++
		}
	}
	if rows != len(proto.Ops) {
		t.Errorf("%d rows for %d operations", rows, len(proto.Ops))
	}
	for _, op := range proto.Ops {
		r := table.row(op)
		if r == nil {
			t.Errorf("%v has no row", op)
			continue
		}
		write := r.kind == Write || r.kind == Internal
		if write != (r.apply != nil) && !r.partOnly {
			t.Errorf("%v is %v, apply %v", op, r.kind, r.apply != nil)
		}
		if (r.kind == Read || r.kind == Sync) != (r.read != nil) {
			t.Errorf("%v is %v, read %v", op, r.kind, r.read != nil)
		}
		if strings.HasPrefix(op.String(), "unknown") {
			t.Errorf("%d has no name", int32(op))
		}
	}
}

func TestWhoMaySend(t *testing.T) {
	refused := map[proto.Op]bool{
		proto.OpNotification: true, proto.OpError: true, proto.OpCheck: true,
		proto.OpDeleteContainer: true, proto.OpCreateSession: true, 10: true, 23: true, 99: true, 108: true, -12: true,
		1 << 30: true, -1 << 31: true,
	}
	for op := proto.Op(-20); op < 200; op++ {
		known := table.row(op) != nil
		if got, want := FromClient(op), known && !refused[op]; got != want {
			t.Errorf("FromClient(%v) = %v", op, got)
		}
	}
	for op := range refused {
		if FromClient(op) {
			t.Errorf("a client may send %v", op)
		}
	}
}

func TestWrongDoorIsRefused(t *testing.T) {
	w := newWorld(t, options())
	for _, op := range append([]proto.Op{-12, 10, 99, 1000}, proto.Ops...) {
		r := table.row(op)
		if r == nil || r.prepare == nil || r.partOnly {
			if txn, code := w.s.Prepare(&Request{Session: me, Op: op}, w.zxid+1, 1); txn != nil || code != proto.Unimplemented {
				t.Errorf("Prepare(%v) = %v, %v", op, txn, code)
			}
		}
		if r == nil || r.read == nil {
			if _, code := w.s.Read(&ReadRequest{Op: op}, nil); code != proto.Unimplemented {
				t.Errorf("Read(%v) = %v", op, code)
			}
		}
	}
	if o := w.s.Apply(&proto.Txn{TxnHeader: proto.TxnHeader{Op: 99, Zxid: w.zxid + 1}}); o.Err != proto.Unimplemented {
		t.Errorf("Apply(99) = %v", o.Err)
	}
	if o := w.s.Apply(&proto.Txn{TxnHeader: proto.TxnHeader{Op: proto.OpCreate, Zxid: w.zxid + 2}}); o.Err != proto.Unimplemented {
		t.Errorf("Apply(create without body) = %v", o.Err)
	}
	if !NeedsExclusive(proto.OpRemoveWatches) || NeedsExclusive(proto.OpGetData) || NeedsExclusive(99) {
		t.Error("NeedsExclusive")
	}
}

func TestMalformedBodiesTakeNoZxid(t *testing.T) {
	w := newWorld(t, options())
	for _, op := range []proto.Op{
		proto.OpCreate, proto.OpCreate2, proto.OpCreateContainer, proto.OpCreateTTL, proto.OpDelete,
		proto.OpDeleteContainer, proto.OpSetData, proto.OpSetACL, proto.OpMulti, proto.OpReconfig,
	} {
		for _, body := range [][]byte{nil, {0}, {0, 0, 0, 9, 'x'}, {0xff, 0xff, 0xff, 0xfe}} {
			if txn, code := w.s.Prepare(&Request{Session: me, Op: op, Body: body}, w.zxid+1, 1); txn != nil || code != proto.MarshallingError {
				t.Errorf("%v with %x: %v, %v", op, body, txn, code)
			}
		}
	}
	w.flush()
	for _, op := range []proto.Op{
		proto.OpExists, proto.OpGetData, proto.OpGetACL, proto.OpGetChildren, proto.OpGetChildren2,
		proto.OpGetAllChildrenNumber, proto.OpGetEphemerals, proto.OpMultiRead, proto.OpSync,
		proto.OpSetWatches, proto.OpSetWatches2, proto.OpAddWatch, proto.OpCheckWatches, proto.OpRemoveWatches,
	} {
		if _, code, _ := w.read(1, op, []byte{0, 0, 0}); code != proto.MarshallingError {
			t.Errorf("%v: %v", op, code)
		}
	}
}
