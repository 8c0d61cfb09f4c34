package state

import (
	"fmt"
	"strings"
	"testing"

	"quokka/internal/core/session"
	"quokka/internal/core/tree"
	"quokka/internal/core/watch"
	"quokka/internal/jute"
	"quokka/internal/proto"
)

// schemes are digest and ip, and one without users.
type schemes struct{}

func (schemes) Known(s string) bool         { return s == "digest" || s == "ip" }
func (schemes) Authenticated(s string) bool { return s == "digest" }
func (schemes) Valid(scheme, id string) bool {
	return scheme == "ip" && id != "" || strings.Count(id, ":") == 1
}
func (schemes) Matches(_, id, want string) bool { return id == want }
func (schemes) User(scheme, id string) string {
	user, _, _ := strings.Cut(id, ":")
	return user
}

func options() Options {
	return Options{
		Tree: tree.Options{ExtendedTypes: true}, Schemes: schemes{}, EnforceQuota: true,
		Digest: true, CloseSessionTxn: true, MaxNeverUsedMS: 500,
	}
}

var (
	openACL = []proto.ACL{{Perms: proto.PermAll, ID: proto.ID{Scheme: "world", ID: "anyone"}}}
	bob     = proto.ID{Scheme: "digest", ID: "bob:hash"}
	eve     = proto.ID{Scheme: "digest", ID: "eve:hash"}
	local   = proto.ID{Scheme: "ip", ID: "127.0.0.1"}
)

func aclOf(perms int32, id proto.ID) []proto.ACL { return []proto.ACL{{Perms: perms, ID: id}} }

// A world drives one State: it counts zxids and milliseconds, and applies what
// it prepared when told to.
type world struct {
	t       testing.TB
	s       *State
	zxid    proto.Zxid
	now     proto.Millis
	pending []*proto.Txn
	auth    []proto.ID
}

const me proto.SessionID = 0x100000000000007

func newWorld(t testing.TB, o Options) *world {
	w := &world{t: t, s: New(o, tree.New(o.Tree), session.NewTable(), 0), now: 1_000_000, zxid: proto.MakeZxid(1, 0)}
	w.open(me)
	return w
}

func (w *world) open(id proto.SessionID) {
	w.t.Helper()
	w.prepare(&Request{Session: id, Op: proto.OpCreateSession, TimeoutMS: 4000})
	w.flush()
}

// prepare prepares a request; a transaction joins the pending ones.
func (w *world) prepare(r *Request) (*proto.Txn, proto.Code) {
	w.t.Helper()
	w.now++
	t, code := w.s.Prepare(r, w.zxid+1, w.now)
	if t == nil {
		return nil, code
	}
	w.zxid++
	if t.Zxid != w.zxid || t.Time != w.now || t.Session != r.Session || t.Cxid != r.Cxid {
		w.t.Fatalf("header %+v of %+v", t.TxnHeader, r)
	}
	if (t.Op == proto.OpError) != (code != proto.OK) {
		w.t.Fatalf("txn %v with code %v", t.Op, code)
	}
	w.pending = append(w.pending, t)
	return t, code
}

// flush applies all pending transactions, through their encoding, and returns
// the last outcome.
func (w *world) flush() *Outcome {
	w.t.Helper()
	var o *Outcome
	for _, t := range w.pending {
		o = w.apply(t)
	}
	w.pending = w.pending[:0]
	if n := w.s.Pending(); n != 0 || len(w.s.over.records) != 0 || len(w.s.over.ephemerals) != 0 ||
		len(w.s.opening) != 0 || len(w.s.closing) != 0 || len(w.s.over.loaded) != 0 || len(w.s.over.undo) != 0 {
		w.t.Fatalf("%d changes left behind: %+v", n, w.s.over)
	}
	return o
}

func (w *world) apply(t *proto.Txn) *Outcome {
	w.t.Helper()
	again, err := proto.DecodeTxn(t.AppendTo(nil))
	if err != nil {
		w.t.Fatalf("%v: %v", t, err)
	}
	o := w.s.Apply(again)
	if o.DigestMismatch {
		w.t.Fatalf("digest after %v %+v is %#x, promised %#x", t.Op, t.Body, o.Digest, t.Digest)
	}
	if w.s.LastZxid() != t.Zxid {
		w.t.Fatalf("LastZxid is %v after %v", w.s.LastZxid(), t.Zxid)
	}
	return o
}

// do prepares and applies one request of the session me.
func (w *world) do(op proto.Op, body []byte) (proto.Code, *Outcome) {
	w.t.Helper()
	t, code := w.prepare(&Request{Session: me, Cxid: 5, Op: op, Body: body, Auth: w.auth})
	if t == nil {
		return code, nil
	}
	o := w.flush()
	if o.Err != code && op != proto.OpMulti {
		w.t.Fatalf("%v: prepared %v, applied %v", op, code, o.Err)
	}
	return code, o
}

// must does a request that has to succeed.
func (w *world) must(op proto.Op, body []byte) *Outcome {
	w.t.Helper()
	code, o := w.do(op, body)
	if code != proto.OK {
		w.t.Fatalf("%v: %v", op, code)
	}
	return o
}

func (w *world) create(path, data string) *Outcome {
	w.t.Helper()
	return w.must(proto.OpCreate2, create(path, data, 0))
}

func (w *world) stat(path string) proto.Stat {
	w.t.Helper()
	ref := w.s.tree.FindString(path)
	if ref == 0 {
		w.t.Fatalf("no %s", path)
	}
	return w.s.tree.Stat(ref)
}

func (w *world) exists(path string) bool { return w.s.tree.FindString(path) != 0 }

// read answers a read and arms its watches.
func (w *world) read(conn watch.ConnID, op proto.Op, body []byte) ([]byte, proto.Code, []Event) {
	w.t.Helper()
	r := &ReadRequest{Session: me, Conn: conn, Op: op, Body: body, Auth: w.auth}
	out, code := w.s.Read(r, []byte("before"))
	if string(out[:6]) != "before" || code != proto.OK && len(out) != 6 {
		w.t.Fatalf("%v: %v with %q", op, code, out)
	}
	w.s.Arm(conn, r.Arm)
	return out[6:], code, r.Events
}

// Bodies of requests.

func create(path, data string, flags int32) []byte {
	return createACL(path, data, flags, openACL)
}

func createACL(path, data string, flags int32, acl []proto.ACL) []byte {
	return proto.AppendCreateRequest(nil, proto.OpCreate,
		&proto.CreateRequest{Path: path, Data: []byte(data), ACL: acl, Flags: flags})
}

func createTTL(path string, flags int32, ttl int64) []byte {
	return proto.AppendCreateRequest(nil, proto.OpCreateTTL,
		&proto.CreateRequest{Path: path, Data: []byte{}, ACL: openACL, Flags: flags, TTL: ttl})
}

func versioned(path string, version int32) []byte {
	return proto.AppendPathVersion(nil, proto.PathVersion{Path: path, Version: version})
}

func setData(path, data string, version int32) []byte {
	return proto.AppendSetDataRequest(nil, &proto.SetDataRequest{Path: path, Data: []byte(data), Version: version})
}

func setACL(path string, acl []proto.ACL, version int32) []byte {
	return jute.AppendInt(proto.AppendACLs(jute.AppendString(nil, path), acl), version)
}

func pathWatch(path string, watch bool) []byte { return proto.AppendPathWatch(nil, path, watch) }

func justPath(path string) []byte { return jute.AppendString(nil, path) }

func pathInt(path string, n int32) []byte { return jute.AppendInt(jute.AppendString(nil, path), n) }

func multi(parts ...proto.MultiOp) []byte {
	var b []byte
	for _, p := range parts {
		b = proto.AppendMultiHeader(b, proto.MultiHeader{Op: p.Op, Err: -1})
		b = append(b, p.Body...)
	}
	return proto.AppendMultiHeader(b, proto.MultiEnd)
}

func part(op proto.Op, body []byte) proto.MultiOp { return proto.MultiOp{Op: op, Body: body} }

// events renders events as "1:NodeCreated /a".
func events(ev []Event) string {
	var b strings.Builder
	for _, e := range ev {
		fmt.Fprintf(&b, "%d:%v %s; ", e.Conn, e.Type, e.Path)
	}
	return strings.TrimSuffix(b.String(), "; ")
}
