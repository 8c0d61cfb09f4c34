package tree

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"quokka/internal/proto"
)

var anyone = []proto.ACL{{Perms: proto.PermAll, ID: proto.ID{Scheme: "world", ID: "anyone"}}}

// The digests were seen in the transactions of a Java 3.8.0 ensemble.
func TestDigestIsJavas(t *testing.T) {
	tr := New(Options{})
	step := func(name string, code proto.Code, want uint64) {
		t.Helper()
		if code != proto.OK || tr.Digest() != want {
			t.Fatalf("%s: %v, digest %#x, want %#x", name, code, tr.Digest(), want)
		}
	}
	step("empty", proto.OK, 0x51c6d660)
	step("create", tr.Create("/k", []byte("hello"), anyone, 0, 1, 0x100000002, 0x1a203b9b173), 0x1545eafae)
	step("ephemeral", tr.Create("/k/e", []byte{}, anyone, 0x100000f63690000, 1, 0x100000003, 0x1a203b9b17c), 0x24049070f)
	step("setData", tr.SetData("/k", []byte("v2"), 1, 0x100000004, 0x1a203b9b180), 0x2dd358e05)
	k := tr.FindString("/k")
	s := tr.Persisted(k)
	if got := Digest("/k", []byte("v2"), &s); got != tr.NodeDigest(k) {
		t.Errorf("Digest = %#x, cached %#x", got, tr.NodeDigest(k))
	}
	step("setData of the config", tr.SetData("/zookeeper/config", []byte("x"), 1, 5, 5), 0x2dd358e05)
	if Digest("/", nil, &s) != Digest("", nil, &s) {
		t.Error("/ is not the root")
	}
}

func TestEmptyTreeIsJavas(t *testing.T) {
	tr := New(Options{})
	if tr.NodeCount() != 5 || tr.DataSize() != 44 || tr.Descendants(rootRef) != 3 {
		t.Errorf("count %d, size %d, below the root %d", tr.NodeCount(), tr.DataSize(), tr.Descendants(rootRef))
	}
	for path, aversion := range map[string]int32{"/": 0, "/zookeeper": 0, "/zookeeper/quota": 0, "/zookeeper/config": -1} {
		r := tr.FindString(path)
		if s := tr.Persisted(r); s != (proto.StatPersisted{Aversion: aversion}) || tr.Data(r) == nil || len(tr.Data(r)) != 0 {
			t.Errorf("%s: %+v, data %q", path, s, tr.Data(r))
		}
	}
	acl := tr.ACL(tr.FindString("/zookeeper/config"))
	if len(acl) != 1 || acl[0].Perms != proto.PermRead || tr.ACL(rootRef) != nil {
		t.Errorf("config %v, root %v", acl, tr.ACL(rootRef))
	}
	tr.SetConfig([]byte("server.1=x"), 0x500000001)
	r := tr.FindString("/zookeeper/config")
	if s := tr.Stat(r); s.Version != -1 || s.Mzxid != 0x500000001 || s.Czxid != 0 || string(tr.Data(r)) != "server.1=x" {
		t.Errorf("config %+v %q", s, tr.Data(r))
	}
}

func TestFindKnowsPathsOnly(t *testing.T) {
	tr := New(Options{})
	tr.Create("/a", nil, nil, 0, -1, 1, 1)
	tr.Create("/a/b", nil, nil, 0, -1, 2, 2)
	for _, p := range []string{"a", "a/b", "//", "/a/", "/a//b", "/b", "/a/b/c", "/a/b/", "//a"} {
		if tr.FindString(p) != 0 || tr.Find([]byte(p)) != 0 {
			t.Errorf("%q found", p)
		}
	}
	for p, want := range map[string]proto.Code{
		"": proto.NodeExists, "/": proto.NodeExists, "x": proto.BadArguments, "/a/": proto.BadArguments, "/x/y": proto.NoNode, "//x": proto.BadArguments, "/a//x": proto.BadArguments, "/a//b/x": proto.NoNode,
	} {
		if got := tr.Create(p, nil, nil, 0, -1, 3, 3); got != want {
			t.Errorf("create %q: %v, want %v", p, got, want)
		}
	}
	for _, p := range []string{"", "/", "x", "/a/", "/x/y"} {
		if got := tr.Delete(p, 3); got != proto.NoNode {
			t.Errorf("delete %q: %v", p, got)
		}
	}
	long := "/" + strings.Repeat("n", 300)
	tr.Create(long, nil, nil, 0, -1, 4, 4)
	b := []byte(long)
	if n := testing.AllocsPerRun(100, func() { tr.FindString(long); tr.Find(b) }); n != 0 {
		t.Errorf("Find allocates %v times", n)
	}
}

func TestKinds(t *testing.T) {
	plain, extended, emulated := Options{}, Options{ExtendedTypes: true}, Options{ExtendedTypes: true, Emulate353TTL: true}
	old := ContainerOwner | 1<<50 | 5
	for _, c := range []struct {
		o     Options
		owner int64
		kind  Kind
		ttl   int64
	}{
		{plain, 0, Persistent, 0}, {plain, ContainerOwner, Container, 0}, {plain, 0x100000f63690000, Ephemeral, 0},
		{plain, TTLOwner(5), Ephemeral, 0}, {extended, TTLOwner(5), TTL, 5}, {extended, TTLOwner(MaxTTL), TTL, MaxTTL},
		{extended, TTLOwner(5) | 1<<40, Ephemeral, 0}, {extended, ContainerOwner, Container, 0}, {extended, old, Ephemeral, 0},
		{emulated, old, TTL, 5}, {emulated, ContainerOwner, Container, 0}, {emulated, 7, Ephemeral, 0},
		{Options{Emulate353TTL: true}, old, Ephemeral, 0},
	} {
		if k, ttl := c.o.KindOf(c.owner); k != c.kind || ttl != c.ttl {
			t.Errorf("%+v, %#x: %v %d, want %v %d", c.o, uint64(c.owner), k, ttl, c.kind, c.ttl)
		}
	}
	tr := New(extended)
	tr.Create("/t", nil, nil, TTLOwner(8), -1, 1, 1)
	if k := tr.Kind(tr.FindString("/t")); k != TTL || k.String() != "ttl" || tr.Kind(rootRef).String() != "persistent" {
		t.Errorf("/t is %v", k)
	}
	if uint64(TTLOwner(1)) != 0xff00000000000001 {
		t.Errorf("TTLOwner(1) = %#x", uint64(TTLOwner(1)))
	}
}

func TestParentOnlyMovesForward(t *testing.T) {
	tr := New(Options{})
	parent := func() (int32, proto.Zxid) { s := tr.Persisted(rootRef); return s.Cversion, s.Pzxid }
	check := func(what string, cversion int32, pzxid proto.Zxid) {
		t.Helper()
		if c, p := parent(); c != cversion || p != pzxid {
			t.Fatalf("%s: cversion %d, pzxid %v", what, c, p)
		}
	}
	tr.Create("/a", []byte("1"), nil, 0, 5, 10, 1)
	check("create", 5, 10)
	if tr.Create("/a", []byte("2"), nil, ContainerOwner, 7, 12, 1) != proto.NodeExists || string(tr.Data(tr.FindString("/a"))) != "1" {
		t.Fatal("created twice")
	}
	check("replayed create of a container", 7, 12)
	tr.Create("/b", nil, nil, 0, 6, 11, 1)
	check("replayed older create", 7, 12)
	tr.Delete("/gone", 20)
	check("delete of what is gone", 7, 20)
	tr.Delete("/b", 15)
	check("older delete", 7, 20)
	tr.Create("/max", nil, nil, 0, math.MaxInt32, 30, 1)
	tr.Create("/wrapped", nil, nil, 0, math.MinInt32, 31, 1)
	check("wrapped", math.MaxInt32, 30)
}

func TestDeleteTakesChildrenOfTheFutureAlong(t *testing.T) {
	tr := New(Options{})
	before := tr.Digest()
	s := tr.Persisted(rootRef)
	tr.Create("/a", nil, anyone, 0, s.Cversion, 0, 1)
	tr.Create("/a/b", []byte("x"), anyone, 9, -1, 0, 2)
	tr.Create("/a/b/c", []byte("y"), anyone, ContainerOwner, -1, 0, 3)
	if tr.Delete("/a", 0) != proto.OK || tr.NodeCount() != 5 || tr.EphemeralCount() != 0 || tr.Digest() != before || tr.DataSize() != 44 {
		t.Errorf("count %d, ephemerals %d, digest %x, size %d", tr.NodeCount(), tr.EphemeralCount(), tr.Digest(), tr.DataSize())
	}
	if len(slices.Collect(tr.Containers())) != 0 {
		t.Error("container left")
	}
	consistent(t, tr)
}

func TestChildrenComeInTheOrderOfCreation(t *testing.T) {
	tr := New(Options{})
	tr.Create("/p", nil, nil, 0, -1, 1, 1)
	for _, n := range []string{"c", "a", "b", "d"} {
		tr.Create("/p/"+n, nil, nil, 0, -1, 1, 1)
	}
	tr.Delete("/p/c", 2)
	tr.Delete("/p/d", 3)
	tr.Create("/p/c", nil, nil, 0, -1, 4, 1)
	var got []byte
	for r := range tr.Children(tr.FindString("/p")) {
		got = tr.AppendName(got, r)
	}
	if string(got) != "abc" {
		t.Errorf("children %s", got)
	}
}

func TestLostACLDeniesUntilSetAgain(t *testing.T) {
	b := NewBuilder(Options{})
	b.AddACL(7, []proto.ACL{{Perms: 1}})
	b.AddACL(7, anyone) // the later one counts
	b.AddACL(8, []proto.ACL{{Perms: 8}})
	for _, n := range []struct {
		path string
		id   int64
	}{{"", -1}, {"/a", 7}, {"/lost", 9}, {"/lost2", 9}} {
		if err := b.Add([]byte(n.path), nil, n.id, proto.StatPersisted{}); err != nil {
			t.Fatal(err)
		}
	}
	tr, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	lost, lost2 := tr.FindString("/lost"), tr.FindString("/lost2")
	if acl := tr.ACL(lost); len(acl) != 1 || acl[0].Perms != 0 {
		t.Errorf("lost ACL is %v", acl)
	}
	v := tr.View()
	defer v.Close()
	for id := range v.ACLs() {
		if id != 1 && id != 7 && id != 10 {
			t.Errorf("the lost ACL, or one that nobody has, is listed: %d", id)
		}
	}
	tr.Create("/lost", nil, anyone, 0, -1, 5, 5)
	tr.SetACL("/lost2", nil, 1)
	if acl := tr.ACL(lost); len(acl) != 1 || acl[0].Perms != proto.PermAll || tr.ACL(lost2) != nil {
		t.Errorf("restored to %v and %v", acl, tr.ACL(lost2))
	}
	tr.Create("/new", nil, []proto.ACL{{Perms: 1}}, 0, -1, 6, 6)
	if acl := tr.ACL(tr.FindString("/new")); acl[0].Perms != 1 {
		t.Errorf("the list that lost its id came back as %v", acl)
	}
	if id := tr.acls.entries[tr.node(tr.FindString("/new")).acl].id; id <= 9 {
		t.Errorf("id %d was used before", id)
	}
	consistent(t, tr)
}

func TestACLIdsDoNotOverflow(t *testing.T) {
	b := NewBuilder(Options{})
	b.AddACL(math.MaxInt64, anyone)
	b.AddACL(1, []proto.ACL{})
	_ = b.Add([]byte("/a"), nil, math.MaxInt64, proto.StatPersisted{})
	_ = b.Add([]byte("/b"), nil, 1, proto.StatPersisted{})
	tr, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	if a, b := tr.ACL(tr.FindString("/a")), tr.ACL(tr.FindString("/b")); len(a) != 1 || b == nil || len(b) != 0 {
		t.Errorf("lists %v, %v", a, b)
	}
	consistent(t, tr)
}

func TestBuilderRefusesDamage(t *testing.T) {
	for _, paths := range [][]string{{"x"}, {"/a/b"}, {"/a", "/a"}, {"/"}, {"/a", "/a/"}, {"//a"}} {
		b := NewBuilder(Options{})
		var err error
		for _, p := range paths {
			err = b.Add([]byte(p), nil, -1, proto.StatPersisted{})
		}
		if _, final := b.Finish(); err == nil || !errors.Is(final, err) {
			t.Errorf("%q: %v, %v", paths, err, final)
		}
	}
	b := NewBuilder(Options{})
	if _, err := b.Finish(); err != nil {
		t.Error(err)
	}
	if _, err := b.Finish(); err == nil {
		t.Error("finished twice")
	}
	if b.Add([]byte("/a"), nil, -1, proto.StatPersisted{}) == nil {
		t.Error("added to a finished tree")
	}
}
