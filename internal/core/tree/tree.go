// Package tree is the data tree: znodes with data, stat and ACL, who is whose
// child, which are ephemeral, containers or TTL nodes, the quotas, and the
// digest over it all. A change of the tree is the effect of one transaction;
// whether it is allowed was decided before, in package state.
//
// It owns the memory of all znodes: fixed-size records without pointers in
// chunks, names and data in an arena, so that millions of znodes cost the
// garbage collector nearly nothing. A View is a picture of one moment that
// another goroutine may read while the tree goes on changing.
//
// It must never look at a clock, log, lock, or refuse a transaction for a
// reason that another server would not have: equal transactions must give
// equal trees. The facts are those of Java's DataTree.
package tree

import (
	"hash/maphash"
	"iter"
	"maps"
	"slices"

	"quokka/internal/proto"
)

// A Tree holds the znodes of one server. One goroutine may change it while
// nobody else reads; any number may read while nobody changes it.
type Tree struct {
	options Options
	nodes
	arena  arena
	index  index
	acls   aclTable
	count  int    // znodes
	size   int64  // bytes of all paths and data
	digest uint64 // sum of the digests of the znodes that count

	ephemerals map[proto.SessionID]map[Ref]struct{}
	containers map[Ref]struct{}
	ttls       map[Ref]struct{}

	quotas   map[string]*quota // by the path they limit
	warnings []QuotaWarning

	deferred []deferredBlob
	scratch  []byte // for stats
	path     []byte // for the path of the node in hand
}

// deferredBlob is a freed blob that a view may still see.
type deferredBlob struct {
	view uint64 // number of the newest view when it was freed
	blob handle
}

// New returns a tree that holds what every ZooKeeper tree has from the start:
// the root, /zookeeper, /zookeeper/quota and /zookeeper/config.
func New(o Options) *Tree {
	t := newRoot(o)
	t.addBuiltins()
	return t
}

func newRoot(o Options) *Tree {
	t := &Tree{
		options:    o,
		index:      index{seed: maphash.MakeSeed()},
		acls:       newACLTable(),
		ephemerals: map[proto.SessionID]map[Ref]struct{}{},
		containers: map[Ref]struct{}{},
		ttls:       map[Ref]struct{}{},
		quotas:     map[string]*quota{},
	}
	r := t.take() // the first one is rootRef
	n := t.mut(r)
	t.write(r, n, nil, []byte{})
	t.digestData(n, nil, nil)
	t.count = 1
	return t
}

// addBuiltins adds the built-in nodes that are missing.
func (t *Tree) addBuiltins() {
	zookeeper := t.builtin(rootRef, zookeeperPath, nil, 0)
	t.builtin(zookeeper, quotaPath, nil, 0)
	// The configuration is readable only, ZOOKEEPER-2014.
	read := []proto.ACL{{Perms: proto.PermRead, ID: proto.ID{Scheme: "world", ID: "anyone"}}}
	t.builtin(zookeeper, configPath, read, -1)
}

func (t *Tree) builtin(parent Ref, path string, acl []proto.ACL, aversion int32) Ref {
	if r := t.FindString(path); r != 0 {
		return r
	}
	nameLen := len(path) - len(proto.ParentOf(path)) - 1
	return t.attach(parent, []byte(path), nameLen, []byte{}, t.acls.acquire(acl), &proto.StatPersisted{Aversion: aversion})
}

// Find returns the znode at path, 0 if there is none. "" and "/" are the
// root. It does not allocate.
func (t *Tree) Find(path []byte) Ref { return find(t, path) }

// FindString is Find for a string.
func (t *Tree) FindString(path string) Ref { return find(t, path) }

// Stat returns a znode's stat as clients see it: the owner only of
// ephemerals, and a cversion that counts deletes as well as creates.
func (t *Tree) Stat(r Ref) proto.Stat {
	n := t.node(r)
	s := proto.Stat{
		Czxid: n.czxid, Mzxid: n.mzxid, Ctime: n.ctime, Mtime: n.mtime,
		Version: n.version, Cversion: 2*n.cversion - n.numChildren, Aversion: n.aversion,
		DataLength: max(n.dataLen, 0), NumChildren: n.numChildren, Pzxid: n.pzxid,
	}
	if k, _ := t.options.KindOf(n.owner); k == Ephemeral {
		s.EphemeralOwner = proto.SessionID(n.owner)
	}
	return s
}

// Persisted returns a znode's stat as it is stored.
func (t *Tree) Persisted(r Ref) proto.StatPersisted { return t.node(r).persisted() }

// NumChildren returns how many children a znode has.
func (t *Tree) NumChildren(r Ref) int { return int(t.node(r).numChildren) }

// Kind tells what ends a znode's life.
func (t *Tree) Kind(r Ref) Kind {
	k, _ := t.options.KindOf(t.node(r).owner)
	return k
}

// Data returns a znode's data, nil for null. It aliases the tree and is good
// only until the next change of it.
func (t *Tree) Data(r Ref) []byte { return t.arena.data(t.node(r)) }

// ACL returns a znode's access control list, which must not be changed; nil
// is open to everybody. A node whose list got lost has one that grants
// nothing.
func (t *Tree) ACL(r Ref) []proto.ACL { return t.acls.entries[t.node(r).acl].list }

// NodeDigest returns a znode's part of the digest, 0 if it does not count.
func (t *Tree) NodeDigest(r Ref) uint32 { return t.node(r).digest }

// Digest returns the digest of the whole tree: the sum modulo 2^64 of the
// digests of all nodes but those below /zookeeper. It is 0x51c6d660 when
// empty.
func (t *Tree) Digest() uint64 { return t.digest }

// Parent returns a znode's parent, 0 for the root.
func (t *Tree) Parent(r Ref) Ref { return t.node(r).parent }

// AppendName appends the last component of a znode's path; the root's is
// empty.
func (t *Tree) AppendName(b []byte, r Ref) []byte { return append(b, t.arena.name(t.node(r))...) }

// AppendPath appends a znode's path; the root's is empty.
func (t *Tree) AppendPath(b []byte, r Ref) []byte {
	length := 0
	for i := r; i != rootRef && i != 0; i = t.node(i).parent {
		length += 1 + int(t.node(i).nameLen)
	}
	b = slices.Grow(b, length)
	end := len(b) + length
	b = b[:end]
	for i := r; i != rootRef && i != 0; i = t.node(i).parent {
		name := t.arena.name(t.node(i))
		end -= copy(b[end-len(name):], name) + 1
		b[end] = '/'
	}
	return b
}

// Children goes through a znode's children in the order of their creation.
// The tree must not change meanwhile.
func (t *Tree) Children(r Ref) iter.Seq[Ref] {
	return func(yield func(Ref) bool) {
		for c := t.node(r).child; c != 0; c = t.node(c).next {
			if !yield(c) {
				return
			}
		}
	}
}

// Descendants returns how many znodes are below one. For the root it is
// known, else they are counted.
func (t *Tree) Descendants(r Ref) int {
	if r == rootRef {
		return t.count - 1
	}
	if r == 0 {
		return 0
	}
	n := -1 // the node itself
	for range t.subtree(r) {
		n++
	}
	return n
}

// subtree goes through a node and all below it, parents first.
func (t *Tree) subtree(top Ref) iter.Seq[Ref] {
	return func(yield func(Ref) bool) {
		for r := top; r != 0 && yield(r); {
			n := t.node(r)
			if n.child != 0 {
				r = n.child
				continue
			}
			for r != top && n.next == 0 {
				r = n.parent
				n = t.node(r)
			}
			if r == top {
				return
			}
			r = n.next
		}
	}
}

// NodeCount returns the number of znodes as Java reports it, with the root
// counted twice: an empty tree has 5.
func (t *Tree) NodeCount() int { return t.count + 1 }

// DataSize returns the bytes of all paths and data, like Java's
// approximateDataSize: an empty tree has 44.
func (t *Tree) DataSize() int64 { return t.size + 1 }

// Ephemerals returns the paths of a session's ephemerals, sorted.
func (t *Tree) Ephemerals(s proto.SessionID) []string {
	set := t.ephemerals[s]
	if len(set) == 0 {
		return nil
	}
	paths := make([]string, 0, len(set))
	var b []byte
	for r := range set {
		b = t.AppendPath(b[:0], r)
		paths = append(paths, string(b))
	}
	slices.Sort(paths)
	return paths
}

// EphemeralOwners goes through the sessions that have ephemerals, ascending,
// with the number they have.
func (t *Tree) EphemeralOwners() iter.Seq2[proto.SessionID, int] {
	return func(yield func(proto.SessionID, int) bool) {
		for _, s := range slices.Sorted(maps.Keys(t.ephemerals)) {
			if !yield(s, len(t.ephemerals[s])) {
				return
			}
		}
	}
}

// EphemeralCount returns the number of ephemerals.
func (t *Tree) EphemeralCount() int {
	n := 0
	for _, set := range t.ephemerals {
		n += len(set)
	}
	return n
}

// Containers goes through the containers in a stable order.
func (t *Tree) Containers() iter.Seq[Ref] { return sorted(t.containers) }

// TTLs goes through the TTL nodes in a stable order.
func (t *Tree) TTLs() iter.Seq[Ref] { return sorted(t.ttls) }

func sorted(set map[Ref]struct{}) iter.Seq[Ref] {
	return func(yield func(Ref) bool) {
		for _, r := range slices.Sorted(maps.Keys(set)) {
			if !yield(r) {
				return
			}
		}
	}
}
