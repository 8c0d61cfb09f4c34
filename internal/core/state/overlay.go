package state

import (
	"quokka/internal/core/tree"
	"quokka/internal/proto"
)

// An overlay holds what prepared but unapplied transactions will have changed
// in the tree: the latest state of every path touched, and the digest the tree
// will have. Prepare decides against tree plus overlay, so that requests need
// not wait for each other.
//
// Each change is queued with its zxid. When the transaction is applied the
// change leaves the queue, and with the last one of a path its record goes:
// from then on the tree tells the same. (PrepRequestProcessor,
// ZooKeeperServer.outstandingChanges.)
type overlay struct {
	tree    *tree.Tree
	digests bool
	records map[string]*record
	queue   []change // changes not applied, in order of zxid
	head    int      // of the queue
	digest  uint64   // of the tree when all is applied; valid while the queue is not empty

	// While one request is prepared:
	loaded []*record // records made for it, pending or not
	undo   []undo    // changes a multi has made, to take back
	trail  bool      // keep undo

	free       []*record
	ephemerals map[proto.SessionID]int // pending changes that create an ephemeral
}

// A record is one path as it will be. Of a path without pending changes it is
// a copy of what the tree says, made for one request.
type record struct {
	path     string // the root is ""
	zxid     proto.Zxid
	pending  bool // in overlay.records
	exists   bool
	children int32
	stat     proto.StatPersisted
	acl      []proto.ACL
	ref      tree.Ref
	owned    bool // data holds the node's data; otherwise the tree has it at ref
	data     []byte
	digest   uint32 // of the node; 0 if it does not exist or does not count
}

type change struct {
	zxid  proto.Zxid
	rec   *record
	owner proto.SessionID // of the ephemeral it creates
}

type undo struct {
	rec *record
	was record
}

// reset forgets all pending changes.
func (o *overlay) reset(t *tree.Tree, digests bool) {
	*o = overlay{
		tree: t, digests: digests,
		records: map[string]*record{}, ephemerals: map[proto.SessionID]int{},
	}
}

// begin starts a request.
func (o *overlay) begin() {
	if o.head == len(o.queue) {
		o.queue, o.head = o.queue[:0], 0
		o.digest = o.tree.Digest()
	}
}

// release ends a request: records that only served to look go back.
func (o *overlay) release() {
	for i, r := range o.loaded {
		if !r.pending {
			o.recycle(r)
		}
		o.loaded[i] = nil
	}
	o.loaded = o.loaded[:0]
}

// maxFree bounds the records kept for reuse, so that a burst is given back.
const maxFree = 4096

func (o *overlay) recycle(r *record) {
	*r = record{}
	if len(o.free) < maxFree {
		o.free = append(o.free, r)
	}
}

// look returns the path as all prepared transactions will leave it. The
// record lives until release unless touch makes it pending.
func (o *overlay) look(path string) *record {
	if path == "/" {
		path = ""
	}
	if r := o.records[path]; r != nil {
		return r
	}
	r := o.take()
	r.path = path
	o.loaded = append(o.loaded, r)
	if ref := o.tree.FindString(path); ref != 0 {
		r.exists, r.ref = true, ref
		r.stat = o.tree.Persisted(ref)
		r.acl = o.tree.ACL(ref)
		r.children = int32(o.tree.NumChildren(ref))
		if o.digests && tree.CountsInDigest(path) {
			r.digest = o.tree.NodeDigest(ref)
		}
	}
	return r
}

func (o *overlay) take() *record {
	n := len(o.free)
	if n == 0 {
		return new(record)
	}
	r := o.free[n-1]
	o.free[n-1] = nil
	o.free = o.free[:n-1]
	return r
}

// bytes returns the node's data as it will be, valid until the next Apply.
func (o *overlay) bytes(r *record) []byte {
	if r.owned {
		return r.data
	}
	return o.tree.Data(r.ref)
}

// touch announces that the transaction zxid changes the record, which the
// caller then does; creates is the session whose ephemeral that makes, or 0.
// set must follow.
func (o *overlay) touch(r *record, zxid proto.Zxid, creates proto.SessionID) {
	if o.trail {
		o.undo = append(o.undo, undo{rec: r, was: *r})
	}
	if r.zxid != zxid || !r.pending || creates != 0 {
		o.queue = append(o.queue, change{zxid: zxid, rec: r, owner: creates})
		if creates != 0 {
			o.ephemerals[creates]++
		}
	}
	if !r.pending {
		r.pending = true
		o.records[r.path] = r
	}
	r.zxid = zxid
}

// set brings the digests up to what the record has become.
func (o *overlay) set(r *record) {
	if !o.digests || !tree.CountsInDigest(r.path) {
		return
	}
	var d uint32
	if r.exists {
		d = tree.Digest(r.path, o.bytes(r), &r.stat)
	}
	o.digest += uint64(d) - uint64(r.digest)
	r.digest = d
}

// create puts a node where none is.
func (o *overlay) create(r *record, zxid proto.Zxid, now proto.Millis, owner int64, data []byte, acl []proto.ACL, ephemeral bool) {
	var creates proto.SessionID
	if ephemeral {
		creates = proto.SessionID(owner)
	}
	o.touch(r, zxid, creates)
	r.exists, r.owned, r.data, r.acl, r.children, r.ref = true, true, data, acl, 0, 0
	r.stat = proto.StatPersisted{Czxid: zxid, Mzxid: zxid, Pzxid: zxid, Ctime: now, Mtime: now, Owner: owner}
	o.set(r)
}

// remove takes the node away and tells its parent.
func (o *overlay) remove(r, parent *record, zxid proto.Zxid) {
	o.touch(parent, zxid, 0)
	parent.children--
	parent.stat.Pzxid = max(parent.stat.Pzxid, zxid)
	o.set(parent)
	o.touch(r, zxid, 0)
	r.exists, r.owned, r.data, r.acl, r.children, r.ref = false, false, nil, nil, 0, 0
	o.set(r)
}

// applied drops the changes of transactions up to zxid.
func (o *overlay) applied(zxid proto.Zxid) {
	for o.head < len(o.queue) && o.queue[o.head].zxid <= zxid {
		c := &o.queue[o.head]
		if c.owner != 0 {
			o.countEphemeral(c.owner)
		}
		if r := c.rec; r.pending && r.zxid == c.zxid {
			delete(o.records, r.path)
			o.recycle(r)
		}
		o.queue[o.head] = change{}
		o.head++
	}
	if o.head > 1024 && o.head > len(o.queue)/2 {
		n := copy(o.queue, o.queue[o.head:])
		clear(o.queue[n:])
		o.queue, o.head = o.queue[:n], 0
	}
}

func (o *overlay) countEphemeral(s proto.SessionID) {
	if o.ephemerals[s]--; o.ephemerals[s] <= 0 {
		delete(o.ephemerals, s)
	}
}

// mark and rollback frame a multi: rollback takes back all since mark and
// leaves no trace of it, not in a parent either (ZOOKEEPER-1624,
// ZOOKEEPER-2052).
func (o *overlay) mark() (queued int, digest uint64) {
	o.trail = true
	return len(o.queue), o.digest
}

func (o *overlay) rollback(queued int, digest uint64) {
	for i := len(o.undo) - 1; i >= 0; i-- {
		u := &o.undo[i]
		if !u.was.pending {
			delete(o.records, u.rec.path)
		}
		*u.rec = u.was
	}
	for i := queued; i < len(o.queue); i++ {
		if c := &o.queue[i]; c.owner != 0 {
			o.countEphemeral(c.owner)
		}
		o.queue[i] = change{}
	}
	o.queue = o.queue[:queued]
	o.digest = digest
	o.unmark()
}

// unmark ends a multi without taking anything back.
func (o *overlay) unmark() {
	clear(o.undo)
	o.undo, o.trail = o.undo[:0], false
}

func (o *overlay) treeDigest() uint64 { return o.digest }

func (o *overlay) len() int { return len(o.queue) - o.head }
