package tree

import "quokka/internal/proto"

// split cuts a path into that of the parent and the name. The root and what
// is not a path have no name.
func split[S string | []byte](path S) (parent, name S, ok bool) {
	i := len(path) - 1
	for i >= 0 && path[i] != '/' {
		i--
	}
	if i < 0 || i == len(path)-1 || path[0] != '/' || i > 0 && path[i-1] == '/' {
		return parent, name, false
	}
	return path[:i], path[i+1:], true
}

// Create adds a znode. data and acl are copied; nil data is null, a nil list
// is open to everybody. owner is 0, a session, ContainerOwner or TTLOwner.
// parentCversion is what the transaction says the parent's cversion becomes;
// -1 (logs of ZooKeeper 3.3) is one more than it is. The parent's cversion
// and pzxid only ever grow.
//
// It returns NoNode when there is no parent, BadArguments for what is not a
// path, and NodeExists when the znode is there: with transactions replayed on
// a snapshot that already has their effects this is expected, so the parent's
// cversion and pzxid are raised all the same (ZOOKEEPER-1046, ZOOKEEPER-3249;
// Java does so for plain creates only), and a lost ACL is restored
// (ZOOKEEPER-4846). Data and stat of the existing node stay.
func (t *Tree) Create(path string, data []byte, acl []proto.ACL, owner int64, parentCversion int32, zxid proto.Zxid, now proto.Millis) proto.Code {
	parentPath, name, ok := split(path)
	if !ok {
		if path == "" || path == "/" {
			return proto.NodeExists
		}
		return proto.BadArguments
	}
	parent := t.FindString(parentPath)
	if parent == 0 {
		return proto.NoNode
	}
	t.raiseCversion(parent, parentPath, parentCversion, zxid)
	if r := lookup(t, parent, name); r != 0 {
		t.repairACL(r, acl)
		return proto.NodeExists
	}
	t.path = append(t.path[:0], path...)
	t.attach(parent, t.path, len(name), data, t.acls.acquire(acl), &proto.StatPersisted{
		Czxid: zxid, Mzxid: zxid, Pzxid: zxid, Ctime: now, Mtime: now, Owner: owner,
	})
	t.quotaCreated(path, len(data))
	return proto.OK
}

func (t *Tree) raiseCversion(parent Ref, path string, cversion int32, zxid proto.Zxid) {
	now := t.node(parent).cversion
	if cversion == -1 {
		cversion = now + 1
	}
	if cversion <= now {
		return
	}
	n := t.mut(parent)
	n.cversion = cversion
	n.pzxid = max(n.pzxid, zxid)
	t.digestStat(n, CountsInDigest(path))
}

func (t *Tree) repairACL(r Ref, acl []proto.ACL) {
	old := t.node(r).acl
	if t.acls.entries[old].known {
		return
	}
	t.mut(r).acl = t.acls.acquire(acl)
	t.acls.release(old)
}

// attach makes a new child of parent, whose name is the last nameLen bytes of
// path; slot is a reference to an ACL that passes to the node.
func (t *Tree) attach(parent Ref, path []byte, nameLen int, data []byte, slot uint32, s *proto.StatPersisted) Ref {
	name := path[len(path)-nameLen:]
	r := t.take()
	t.link(parent, r)
	n := t.mut(r)
	n.acl = slot
	n.setPersisted(s)
	t.write(r, n, name, data)
	t.digestData(n, path, data)
	t.index.insert(tagOf(&t.index, parent, name), r)
	t.own(r, s.Owner)
	t.count++
	t.size += int64(len(path) + len(data))
	return r
}

// link makes r the last child of parent.
func (t *Tree) link(parent, r Ref) {
	p := t.mut(parent)
	p.numChildren++
	first := p.child
	last := r
	if first == 0 {
		p.child = r
	} else {
		last = t.node(first).prev
		t.mut(last).next = r
		t.mut(first).prev = r
	}
	n := t.mut(r)
	n.parent, n.prev, n.next = parent, last, 0
}

func (t *Tree) unlink(r Ref) {
	n := *t.node(r)
	p := t.mut(n.parent)
	p.numChildren--
	if p.child != r {
		t.mut(n.prev).next = n.next
	} else {
		p.child = n.next
	}
	if n.next != 0 {
		t.mut(n.next).prev = n.prev
	} else if first := t.node(n.parent).child; first != 0 {
		t.mut(first).prev = n.prev // the new last child
	}
}

// own enters a node into the index of its kind.
func (t *Tree) own(r Ref, owner int64) {
	switch k, _ := t.options.KindOf(owner); k {
	case Ephemeral:
		s := proto.SessionID(owner)
		if t.ephemerals[s] == nil {
			t.ephemerals[s] = map[Ref]struct{}{}
		}
		t.ephemerals[s][r] = struct{}{}
	case Container:
		t.containers[r] = struct{}{}
	case TTL:
		t.ttls[r] = struct{}{}
	}
}

func (t *Tree) disown(r Ref, owner int64) {
	switch k, _ := t.options.KindOf(owner); k {
	case Ephemeral:
		s := proto.SessionID(owner)
		delete(t.ephemerals[s], r)
		if len(t.ephemerals[s]) == 0 {
			delete(t.ephemerals, s)
		}
	case Container:
		delete(t.containers, r)
	case TTL:
		delete(t.ttls, r)
	}
}

// write puts name and data of a node, which was got from mut, into a new blob
// and gives the old one back. Both may alias the old blob.
func (t *Tree) write(r Ref, n *node, name, data []byte) {
	old := n.blob
	blob, mem := t.arena.alloc(len(name) + len(data))
	copy(mem[copy(mem, name):], data)
	t.discard(r, old)
	n.blob, n.nameLen, n.dataLen = blob, uint32(len(name)), int32(len(data))
	if data == nil {
		n.dataLen = -1
	}
	t.setFresh(r)
}

// discard frees the blob of a node, which was got from mut, now or when the
// last view that may see it is closed.
func (t *Tree) discard(r Ref, blob handle) {
	if blob == 0 {
		return
	}
	if t.seen(r) {
		t.deferred = append(t.deferred, deferredBlob{t.views, blob})
		return
	}
	t.arena.release(blob)
}

// Delete removes a znode. The parent's pzxid is raised even when the znode is
// gone already (ZOOKEEPER-3125). It returns NoNode when the parent or the
// znode is not there, and for the root, which cannot be removed.
//
// Children go with it: a znode can have some only when the transaction is
// replayed on a snapshot that has effects of later ones, which then create
// them again.
func (t *Tree) Delete(path string, zxid proto.Zxid) proto.Code {
	parentPath, name, ok := split(path)
	if !ok {
		return proto.NoNode
	}
	parent := t.FindString(parentPath)
	if parent == 0 {
		return proto.NoNode
	}
	if zxid > t.node(parent).pzxid {
		n := t.mut(parent)
		n.pzxid = zxid
		t.digestStat(n, CountsInDigest(parentPath))
	}
	r := lookup(t, parent, name)
	if r == 0 {
		return proto.NoNode
	}
	for leaf := t.firstLeaf(r); leaf != r; leaf = t.firstLeaf(r) {
		t.remove(string(t.AppendPath(nil, leaf)), leaf)
	}
	t.remove(path, r)
	return proto.OK
}

func (t *Tree) firstLeaf(r Ref) Ref {
	for t.node(r).child != 0 {
		r = t.node(r).child
	}
	return r
}

// remove takes a childless node out.
func (t *Tree) remove(path string, r Ref) {
	t.unlink(r)
	n := t.mut(r)
	dataLen := int(max(n.dataLen, 0))
	t.index.remove(tagOf(&t.index, n.parent, t.arena.name(n)), r)
	t.disown(r, n.owner)
	t.acls.release(n.acl)
	t.digest -= uint64(n.digest)
	t.count--
	t.size -= int64(len(path) + dataLen)
	t.discard(r, n.blob)
	t.drop(r)
	t.quotaDeleted(path, dataLen)
}

// SetData replaces a znode's data, which are copied; nil is null. version is
// the new one. It returns NoNode when the znode is not there.
func (t *Tree) SetData(path string, data []byte, version int32, zxid proto.Zxid, now proto.Millis) proto.Code {
	r := t.FindString(path)
	if r == 0 {
		return proto.NoNode
	}
	if path == "/" {
		path = ""
	}
	n := t.mut(r)
	before := int(max(n.dataLen, 0))
	n.version, n.mzxid, n.mtime = version, zxid, now
	t.path = append(t.path[:0], path...)
	t.digestData(n, t.path, data)
	t.replace(r, data)
	t.quotaChanged(path, r, before)
	return proto.OK
}

// replace writes a node's data and nothing else.
func (t *Tree) replace(r Ref, data []byte) {
	n := t.mut(r)
	t.size += int64(len(data)) - int64(max(n.dataLen, 0))
	t.write(r, n, t.arena.name(n), data)
}

// SetACL replaces a znode's access control list, which is copied; nil is open
// to everybody. version is the new aversion. It returns NoNode when the znode
// is not there.
func (t *Tree) SetACL(path string, acl []proto.ACL, version int32) proto.Code {
	r := t.FindString(path)
	if r == 0 {
		return proto.NoNode
	}
	n := t.mut(r)
	old := n.acl
	n.acl, n.aversion = t.acls.acquire(acl), version
	t.acls.release(old)
	t.digestStat(n, CountsInDigest(path))
	return proto.OK
}

// SetConfig overwrites /zookeeper/config with the configuration a server
// starts with (Java: ZKDatabase.initConfigInZKDatabase): its mzxid is the
// version of the configuration, its version -1. Java also sets mtime to the
// wall clock of the moment, which differs from server to server; here it
// stays.
func (t *Tree) SetConfig(data []byte, version proto.Zxid) {
	t.addBuiltins()
	t.SetData(configPath, data, -1, version, t.node(t.FindString(configPath)).mtime)
}
