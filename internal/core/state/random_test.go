package state

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"quokka/internal/core/watch"
	"quokka/internal/proto"
)

// A player sends random requests to a State and to two models: one decides
// when a request is prepared, the other when it is applied.
type player struct {
	*world
	rnd           *rand.Rand
	ahead, behind *model
	queue         []played
	applied       map[proto.Op]int // by code: how much was really tested
	failed        map[proto.Code]int
}

type played struct {
	request Request
	txn     *proto.Txn
	want    modelResult
}

var (
	playerPaths = []string{
		"/", "/a", "/b", "/c", "/a/a", "/a/b", "/b/a", "/b/b", "/a/a/a", "/a/a/b", "/zookeeper", "/zookeeper/config",
		"/zookeeper/x", "/a", "/b", "/a/a", "/a/b", "/a", "/b", "/c", "/a/a", "/a/b", "/b/a", "/b/b", "/", "", "a", "/a/", "/a//b",
	}
	playerAuths = [][]proto.ID{nil, {bob}, {local, eve}, {{Scheme: "super"}}, nil}
	playerACLs  = [][]proto.ACL{
		openACL, openACL, openACL, openACL, openACL, openACL, aclOf(proto.PermAll, bob),
		{{Perms: proto.PermRead | proto.PermCreate, ID: proto.ID{Scheme: "world", ID: "anyone"}}, {Perms: proto.PermAll, ID: eve}},
		{{Perms: proto.PermAll &^ proto.PermRead, ID: proto.ID{Scheme: "world", ID: "anyone"}}}, {},
	}
)

func pick[T any](r *rand.Rand, v []T) T { return v[r.IntN(len(v))] }

func (p *player) request(parts bool) (proto.Op, []byte) {
	path := pick(p.rnd, playerPaths)
	version := int32(p.rnd.IntN(5)) - 2
	if version < 0 {
		version = -1
	}
	data := fmt.Sprint(p.rnd.IntN(1000))
	switch n := p.rnd.IntN(20); {
	case n < 4:
		return proto.OpSetData, setData(path, data, version)
	case n < 8:
		return proto.OpDelete, versioned(path, version)
	case n < 9 && !parts:
		return proto.OpSetACL, setACL(path, pick(p.rnd, playerACLs[:9]), version)
	case n < 10 && parts:
		return proto.OpCheck, versioned(path, version)
	case n < 12 && !parts:
		var ops []proto.MultiOp
		for range p.rnd.IntN(5) {
			op, body := p.request(true)
			ops = append(ops, part(op, body))
		}
		return proto.OpMulti, multi(ops...)
	case n < 13 && !parts:
		if due := p.s.ContainerCandidates(p.now, 500); len(due) > 0 {
			path = pick(p.rnd, due)
		}
		return proto.OpDeleteContainer, justPath(path)
	case n < 14 && !parts && p.rnd.IntN(8) == 0:
		return proto.OpCloseSession, nil
	case n < 15:
		return proto.OpCreateTTL, createTTL(path, int32(p.rnd.IntN(7)), int64(p.rnd.IntN(40)))
	case n < 16:
		return proto.OpCreateContainer, createACL(path, data, int32(p.rnd.IntN(7)), pick(p.rnd, playerACLs))
	}
	op := pick(p.rnd, []proto.Op{proto.OpCreate, proto.OpCreate2})
	return op, createACL(path, data, int32(p.rnd.IntN(5)), pick(p.rnd, playerACLs))
}

// prepareOne sends one request, and compares the decision.
func (p *player) prepareOne() {
	op, body := p.request(false)
	r := Request{Session: me + proto.SessionID(p.rnd.IntN(3)), Op: op, Body: body, Auth: pick(p.rnd, playerAuths)}
	if !p.ahead.sessions[r.Session] && p.rnd.IntN(3) > 0 {
		r.Op, op = proto.OpCreateSession, proto.OpCreateSession
	}
	if op == proto.OpDeleteContainer {
		r.Session, r.Auth = 0, nil
	}
	p.now += pick(p.rnd, []proto.Millis{0, 0, 0, 5, 5, 50, 300})
	txn, code := p.prepare(&r)
	p.pending = nil
	want := p.ahead.exec(&r, p.zxid, p.now)
	if txn == nil {
		if want.code != code {
			p.t.Fatalf("%v %q: %v without txn, model %v", op, body, code, want.code)
		}
		return
	}
	if op != proto.OpMulti && code != want.code {
		p.t.Fatalf("%v %q: %v, model %v", op, body, code, want.code)
	}
	if digest := p.ahead.digest(); txn.HasDigest && txn.Digest != digest {
		p.t.Fatalf("%v %q: digest %#x, model %#x", op, body, txn.Digest, digest)
	}
	p.queue = append(p.queue, played{r, txn, want})
	p.failed[want.code]++
}

// applyOne applies the oldest transaction, and compares what it did.
func (p *player) applyOne() {
	q := p.queue[0]
	p.queue = p.queue[1:]
	o := p.apply(q.txn)
	want := p.behind.exec(&q.request, q.txn.Zxid, q.txn.Time)
	if want.code != q.want.code || want.path != q.want.path {
		p.t.Fatalf("the models differ: %+v and %+v", q.want, want)
	}
	where := fmt.Sprintf("%v %q -> %v", q.request.Op, q.request.Body, q.txn.Op)
	if o.Err != want.code {
		p.t.Fatalf("%s: %v, model %v", where, o.Err, want.code)
	}
	if got, want := events(o.Events), events(want.events); got != want {
		p.t.Fatalf("%s: events\n got %s\nwant %s", where, got, want)
	}
	if len(o.Parts) != len(want.parts) {
		p.t.Fatalf("%s: %d parts, want %d", where, len(o.Parts), len(want.parts))
	}
	for i := range o.Parts {
		p.same(where, &o.Parts[i], want.parts[i])
	}
	if q.txn.Op != proto.OpError {
		p.same(where, &o.Result, want)
	}
	p.applied[q.txn.Op]++
}

func (p *player) same(where string, got *Result, want modelResult) {
	if got.Op != want.op || got.Err != want.code || got.Path != want.path {
		p.t.Fatalf("%s: got %+v, want %+v", where, got, want)
	}
	stat := got.Op != proto.OpCreate && got.Err == proto.OK
	if stat && got.Stat != want.stat {
		p.t.Fatalf("%s:\n got %+v\nwant %+v", where, got.Stat, want.stat)
	}
}

// look reads something, perhaps with a watch.
func (p *player) look() {
	path, watching := pick(p.rnd, playerPaths), p.rnd.IntN(2) == 0
	conn := watch.ConnID(1 + p.rnd.IntN(3))
	p.auth = p.behind.auth[conn]
	n := p.behind.nodes[path]
	op := pick(p.rnd, []proto.Op{proto.OpExists, proto.OpGetData, proto.OpGetChildren2})
	kind := watch.Data
	want := proto.OK
	switch {
	case path == "":
		return
	case n == nil:
		want = proto.NoNode
	case !may(n.acl, proto.PermRead, p.auth):
		want = proto.NoAuth
	}
	if op == proto.OpGetChildren2 {
		kind = watch.Child
	}
	out, code, _ := p.read(conn, op, pathWatch(path, watching))
	if code != want {
		p.t.Fatalf("%v %s: %v, model %v", op, path, code, want)
	}
	if watching && (want == proto.OK || want == proto.NoNode && op == proto.OpExists) {
		p.behind.watches[modelWatch{conn, path, kind}] = true
	}
	if code == proto.OK {
		st := p.behind.stat(path)
		if s := proto.AppendStat(nil, &st); !slices.Equal(out[len(out)-len(s):], s) {
			p.t.Fatalf("%v %s: %x, stat should be %+v", op, path, out, st)
		}
	}
}

func (p *player) addWatch() {
	conn, path, mode := watch.ConnID(1+p.rnd.IntN(3)), pick(p.rnd, playerPaths[:12]), int32(p.rnd.IntN(2))
	p.read(conn, proto.OpAddWatch, pathInt(path, mode))
	p.behind.watches[modelWatch{conn, path, []watch.Kind{watch.Persistent, watch.Recursive}[mode]}] = true
}

func (p *player) compare() {
	if n := p.s.tree.NodeCount(); n != len(p.behind.nodes)+1 {
		p.t.Fatalf("%d nodes, model %d", n, len(p.behind.nodes)+1)
	}
	for path, n := range p.behind.nodes {
		ref := p.s.tree.FindString(path)
		if ref == 0 || p.s.tree.Persisted(ref) != n.stat || string(p.s.tree.Data(ref)) != n.data || p.s.tree.Stat(ref) != p.behind.stat(path) {
			p.t.Fatalf("%s: %d %+v, model %+v", path, ref, p.s.tree.Persisted(ref), n)
		}
		if !slices.Equal(p.s.tree.ACL(ref), n.acl) {
			p.t.Fatalf("%s: ACL %v, model %v", path, p.s.tree.ACL(ref), n.acl)
		}
	}
	if p.s.tree.Digest() != p.behind.digest() {
		p.t.Fatal("digest")
	}
}

func play(t testing.TB, seed uint64, steps int) *player {
	defer func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	}()
	o := options()
	o.EnforceQuota = false
	p := &player{
		world: newWorld(t, o), rnd: rand.New(rand.NewPCG(seed, 1)),
		ahead: newModel(), behind: newModel(),
		applied: map[proto.Op]int{}, failed: map[proto.Code]int{},
	}
	for c := watch.ConnID(1); c <= 3; c++ {
		p.behind.auth[c] = playerAuths[c]
		p.s.AddConn(c, playerAuths[c])
	}
	for _, m := range []*model{p.ahead, p.behind} {
		m.sessions[me] = true
	}
	depth := 1 + p.rnd.IntN(12)
	for range steps {
		switch p.rnd.IntN(8) {
		case 0:
			p.look()
		case 1:
			if p.rnd.IntN(4) == 0 {
				p.addWatch()
			}
		default:
			p.prepareOne()
		}
		for len(p.queue) > p.rnd.IntN(depth) {
			p.applyOne()
		}
	}
	for len(p.queue) > 0 {
		p.applyOne()
	}
	p.flush() // nothing may be left
	p.compare()
	return p
}

func TestAgainstModel(t *testing.T) {
	applied, failed := map[proto.Op]int{}, map[proto.Code]int{}
	for seed := range uint64(200) {
		p := play(t, seed, 400)
		for op, n := range p.applied {
			applied[op] += n
		}
		for code, n := range p.failed {
			failed[code] += n
		}
	}
	t.Log(applied)
	t.Log(failed)
	for _, op := range []proto.Op{proto.OpCreate, proto.OpCreate2, proto.OpCreateContainer, proto.OpCreateTTL, proto.OpDelete,
		proto.OpDeleteContainer, proto.OpSetData, proto.OpSetACL, proto.OpMulti, proto.OpCloseSession, proto.OpCreateSession, proto.OpError} {
		if applied[op] < 20 {
			t.Errorf("%v happened only %d times", op, applied[op])
		}
	}
	for _, code := range []proto.Code{proto.NoNode, proto.NoAuth, proto.BadVersion, proto.NoChildrenForEphemerals, proto.NodeExists,
		proto.NotEmpty, proto.SessionExpired, proto.InvalidACL, proto.BadArguments} {
		if failed[code] < 20 {
			t.Errorf("%v happened only %d times", code, failed[code])
		}
	}
}
