package tree

import (
	"bytes"
	"maps"
	"reflect"
	"slices"
	"testing"

	"quokka/internal/proto"
)

// same fails the test unless the tree is what the naive one says.
func same(t *testing.T, tr *Tree, m *naive) {
	t.Helper()
	size := int64(1)
	for p, want := range m.nodes {
		size += int64(len(p) + len(want.data))
		r := tr.FindString(p)
		if r == 0 || tr.Find([]byte(p)) != r || string(tr.AppendPath(nil, r)) != p {
			t.Fatalf("%q: found %d, path %q", p, r, tr.AppendPath(nil, r))
		}
		sameNode(t, tr, r, p, &want, m)
	}
	if tr.NodeCount() != len(m.nodes)+1 || tr.DataSize() != size || tr.Digest() != m.digest() {
		t.Fatalf("count %d, size %d, digest %x; want %d, %d, %x",
			tr.NodeCount(), tr.DataSize(), tr.Digest(), len(m.nodes)+1, size, m.digest())
	}
	sameKinds(t, tr, m)
	for q := range tr.Quotas() {
		if q.Usage != m.usage(q.Path) || q.Limits != ParseLimits(m.nodes[quotaPath+q.Path+"/"+limitsName].data) {
			t.Fatalf("quota %+v, want usage %+v", q, m.usage(q.Path))
		}
	}
	consistent(t, tr)
}

func sameNode(t *testing.T, tr *Tree, r Ref, p string, want *naiveNode, m *naive) {
	t.Helper()
	if got := tr.Stat(r); got != m.stat(p) {
		t.Fatalf("%q: stat %+v, want %+v", p, got, m.stat(p))
	}
	if got := tr.Persisted(r); got != want.stat {
		t.Fatalf("%q: stored stat %+v, want %+v", p, got, want.stat)
	}
	if got := tr.Data(r); !bytes.Equal(got, want.data) || (got == nil) != (want.data == nil) {
		t.Fatalf("%q: data %q, want %q", p, got, want.data)
	}
	acl := want.acl
	if want.lost {
		acl = denyAll()
	}
	if got := tr.ACL(r); !slices.Equal(got, acl) || (got == nil) != (acl == nil) {
		t.Fatalf("%q: acl %v, want %v", p, got, acl)
	}
	if got := tr.NodeDigest(r); CountsInDigest(p) && got != Digest(p, want.data, &want.stat) || !CountsInDigest(p) && got != 0 {
		t.Fatalf("%q: digest %x", p, got)
	}
	if got := paths(tr, tr.Children(r)); !slices.Equal(got, m.children(p)) || tr.NumChildren(r) != len(got) {
		t.Fatalf("%q: children %q, want %q", p, got, m.children(p))
	}
	below := 0
	for q := range m.nodes {
		if len(q) > len(p) && q[:len(p)] == p && q[len(p)] == '/' {
			below++
		}
	}
	if got := tr.Descendants(r); got != below {
		t.Fatalf("%q: %d descendants, want %d", p, got, below)
	}
}

func sameKinds(t *testing.T, tr *Tree, m *naive) {
	t.Helper()
	owners := map[proto.SessionID]int{}
	for _, p := range m.ofKind(Ephemeral, 0) {
		owners[proto.SessionID(m.nodes[p].stat.Owner)]++
	}
	if got := maps.Collect(tr.EphemeralOwners()); !maps.Equal(got, owners) {
		t.Fatalf("owners %v, want %v", got, owners)
	}
	for s := range owners {
		if got := tr.Ephemerals(s); !slices.Equal(got, m.ofKind(Ephemeral, int64(s))) {
			t.Fatalf("ephemerals of %v: %q", s, got)
		}
	}
	if got := tr.EphemeralCount(); got != len(m.ofKind(Ephemeral, 0)) {
		t.Fatalf("%d ephemerals", got)
	}
	if got := paths(tr, tr.Containers()); !slices.Equal(got, m.ofKind(Container, 0)) {
		t.Fatalf("containers %q", got)
	}
	if got := paths(tr, tr.TTLs()); !slices.Equal(got, m.ofKind(TTL, 0)) {
		t.Fatalf("TTL nodes %q", got)
	}
}

func paths(tr *Tree, refs func(func(Ref) bool)) (s []string) {
	for r := range refs {
		s = append(s, string(tr.AppendPath(nil, r)))
	}
	slices.Sort(s)
	return s
}

// consistent checks what no user of the tree sees: that nothing leaks.
func consistent(t *testing.T, tr *Tree) {
	t.Helper()
	blobs, refs := len(tr.deferred), make([]int, len(tr.acls.refs))
	for r := range tr.subtree(rootRef) {
		n := tr.node(r)
		if n.blob != 0 {
			blobs++
		}
		if n.acl != 0 {
			refs[n.acl]++
		}
		if n.child != 0 && tr.node(tr.node(n.child).prev).next != 0 {
			t.Fatalf("the ring of the children of %q is broken", tr.AppendPath(nil, r))
		}
	}
	live := len(tr.arena.big) - len(tr.arena.freeBig)
	for _, m := range tr.arena.meta {
		live += int(m.live)
	}
	if live != blobs {
		t.Fatalf("%d blobs in the arena, %d in use", live, blobs)
	}
	if !reflect.DeepEqual(refs, tr.acls.refs) {
		t.Fatalf("ACL references %v, want %v", tr.acls.refs, refs)
	}
	if in := len(tr.acls.byID) + len(tr.acls.free); in != len(tr.acls.entries) {
		t.Fatalf("%d of %d ACL slots accounted for", in, len(tr.acls.entries))
	}
	used := 0
	for i := range tr.index.segments {
		used += tr.index.segments[i].used
	}
	if used != tr.count-1 {
		t.Fatalf("%d nodes in the index of %d", used, tr.count)
	}
}

// sameView fails the test unless the view is what the naive tree was.
func sameView(t *testing.T, v *View, m *naive) {
	t.Helper()
	acls := maps.Collect(v.ACLs())
	acls[-1] = nil
	seen := map[string]bool{}
	for n := range v.Nodes() {
		p := string(n.Path)
		want, ok := m.nodes[p]
		if !ok || seen[p] || p != "" && !seen[proto.ParentOf(p)] {
			t.Fatalf("view: %q unexpected", p)
		}
		seen[p] = true
		if n.Stat != want.stat || !bytes.Equal(n.Data, want.data) || (n.Data == nil) != (want.data == nil) {
			t.Fatalf("view: %q is %q %+v, want %+v", p, n.Data, n.Stat, want)
		}
		if acl, ok := acls[n.ACLID]; ok == want.lost || ok && !slices.Equal(acl, want.acl) || (acl == nil) != (want.acl == nil && ok || want.lost) {
			t.Fatalf("view: %q has acl %d %v, want %v", p, n.ACLID, acl, want.acl)
		}
	}
	if len(seen) != len(m.nodes) || v.Len() != len(seen) || v.Digest() != m.digest() {
		t.Fatalf("view: %d nodes, digest %x; want %d, %x", len(seen), v.Digest(), len(m.nodes), m.digest())
	}
}
