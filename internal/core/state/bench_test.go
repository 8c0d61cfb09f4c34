package state

import (
	"strconv"
	"testing"

	"quokka/internal/proto"
)

// benchWorld has a parent with a thousand children.
func benchWorld(b *testing.B) *world {
	w := newWorld(b, options())
	w.create("/app", "")
	for i := range 1000 {
		w.create("/app/node-"+strconv.Itoa(i), "0123456789")
	}
	return w
}

// run prepares depth requests at a time and applies them.
func (w *world) run(b *testing.B, depth int, r func(i int) *Request) {
	b.ReportAllocs()
	txns := make([]*proto.Txn, 0, depth)
	for i := 0; b.Loop(); i++ {
		w.zxid++
		txn, code := w.s.Prepare(r(i), w.zxid, w.now)
		if code != proto.OK {
			b.Fatal(code)
		}
		if txns = append(txns, txn); len(txns) == depth {
			for _, txn := range txns {
				if o := w.s.Apply(txn); o.DigestMismatch || o.Err != proto.OK {
					b.Fatalf("%+v", o)
				}
			}
			txns = txns[:0]
		}
	}
}

func BenchmarkSetData(b *testing.B) {
	for _, depth := range []int{1, 100} {
		b.Run("pipelined="+strconv.Itoa(depth), func(b *testing.B) {
			w := benchWorld(b)
			bodies := make([][]byte, 1000)
			for i := range bodies {
				bodies[i] = setData("/app/node-"+strconv.Itoa(i), string(make([]byte, 100)), -1)
			}
			r := &Request{Session: me, Op: proto.OpSetData}
			w.run(b, depth, func(i int) *Request {
				r.Body = bodies[i%1000]
				return r
			})
		})
	}
}

func BenchmarkCreate(b *testing.B) {
	for _, depth := range []int{1, 100} {
		b.Run("pipelined="+strconv.Itoa(depth), func(b *testing.B) {
			w := benchWorld(b)
			r := &Request{Session: me, Op: proto.OpCreate, Body: create("/app/s-", string(make([]byte, 100)), proto.FlagPersistentSequential)}
			w.run(b, depth, func(int) *Request { return r })
		})
	}
}

func BenchmarkMulti10(b *testing.B) {
	w := benchWorld(b)
	var ops []proto.MultiOp
	for i := range 10 {
		ops = append(ops, part(proto.OpSetData, setData("/app/node-"+strconv.Itoa(i), "0123456789", -1)))
	}
	r := &Request{Session: me, Op: proto.OpMulti, Body: multi(ops...)}
	w.run(b, 1, func(int) *Request { return r })
}

func BenchmarkRead(b *testing.B) {
	w := benchWorld(b)
	for _, op := range []proto.Op{proto.OpExists, proto.OpGetData, proto.OpGetChildren2} {
		b.Run(op.String(), func(b *testing.B) {
			b.ReportAllocs()
			path := "/app/node-17"
			if op == proto.OpGetChildren2 {
				path = "/app"
			}
			r := &ReadRequest{Session: me, Op: op, Body: pathWatch(path, false)}
			out := make([]byte, 0, 1<<16)
			for b.Loop() {
				if _, code := w.s.Read(r, out); code != proto.OK {
					b.Fatal(code)
				}
			}
		})
	}
}
