package state

import (
	"testing"

	"quokka/internal/core/watch"
	"quokka/internal/proto"
)

// FuzzRequests throws any body at any operation, as write and as read: no
// panic, nothing left in the overlay, and the digest as promised.
func FuzzRequests(f *testing.F) {
	for _, body := range [][]byte{
		nil, create("/a", "x", 0), create("/x", "", 3), createTTL("/t", 5, 9), versioned("/a", -1), setData("/a", "y", -1),
		setACL("/a", openACL, -1), pathWatch("/a", true), pathInt("/a", 1), justPath("/"),
		multi(part(proto.OpCreate, create("/m", "", 2)), part(proto.OpCheck, versioned("/a", 7))),
		multi(part(proto.OpGetData, pathWatch("/", true))),
		createACL("/x", "", 0, []proto.ACL{{Perms: 1, ID: proto.ID{Scheme: "auth"}}, {Perms: 31, ID: bob}}),
	} {
		for i := range proto.Ops {
			f.Add(byte(i), body, byte(i))
		}
	}
	f.Fuzz(func(t *testing.T, which byte, body []byte, second byte) {
		w := newWorld(t, options())
		w.auth = []proto.ID{bob}
		w.s.AddConn(1, w.auth)
		w.create("/a", "1")
		for _, n := range []byte{which, second} {
			op := proto.Ops[int(n)%len(proto.Ops)]
			w.prepare(&Request{Session: me, Op: op, Body: body, Auth: w.auth})
			r := &ReadRequest{Session: me, Conn: 1, Op: op, Body: body, Auth: w.auth}
			w.s.Read(r, nil)
			w.s.Arm(1, r.Arm)
		}
		for _, txn := range w.pending {
			op, o := txn.Op, w.apply(txn)
			w.s.AppendReply(nil, op, o)
		}
		w.pending = nil
		w.flush()
	})
}

// FuzzPlay plays by a seed, deeper than the test does.
func FuzzPlay(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { play(t, seed, 300) })
}

// FuzzApply lets any transaction that can be decoded reach the tree, as a log
// or a leader might send it.
func FuzzApply(f *testing.F) {
	p := play(f, 3, 0)
	for _, r := range []Request{
		{Op: proto.OpCreate, Body: create("/a", "x", 1)}, {Op: proto.OpCreateTTL, Body: createTTL("/a", 5, 1)},
		{Op: proto.OpSetData, Body: setData("/", "x", -1)}, {Op: proto.OpCloseSession},
		{Op: proto.OpMulti, Body: multi(part(proto.OpCreate, create("/m", "", 2)), part(proto.OpDelete, versioned("/m", 7)))},
		{Op: proto.OpDelete, Body: versioned("/a", -1)},
	} {
		r.Session = me
		txn, _ := p.s.Prepare(&r, 77, 5)
		f.Add(txn.AppendTo(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		txn, err := proto.DecodeTxn(b)
		if err != nil {
			return
		}
		w := newWorld(t, options())
		w.create("/a", "1")
		w.s.AddConn(1, nil)
		w.s.Arm(1, []Arm{{"/", watch.Recursive}})
		for _, op := range []proto.Op{txn.Op, proto.OpMulti} {
			w.s.AppendReply(nil, op, w.s.Apply(txn))
		}
		w.s.Replay(txn)
	})
}
