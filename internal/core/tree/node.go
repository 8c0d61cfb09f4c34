package tree

import (
	"slices"

	"quokka/internal/proto"
)

// A Ref is the handle of a znode, 0 for none. It is valid until that node is
// deleted; then it may come to mean another one.
type Ref uint32

const rootRef Ref = 1

// node is all there is to a znode but its name and data. It has no pointers:
// the garbage collector does not look into it.
type node struct {
	czxid, mzxid, pzxid       proto.Zxid
	ctime, mtime              proto.Millis
	owner                     int64
	version, cversion         int32 // cversion: children ever created
	aversion                  int32
	parent, next, prev, child Ref    // prev of a first child is the last one; next of the last is 0
	numChildren               int32  //
	acl                       uint32 // slot of the ACL table
	prefix                    uint32 // CRC-32 of path and data, 0 where the digest does not count
	digest                    uint32 // CRC-32 of path, data and stat, likewise
	blob                      handle // name, then data
	nameLen                   uint32
	dataLen                   int32 // -1 = null
}

const (
	chunkBits = 6
	chunkLen  = 1 << chunkBits
)

// A chunk is the unit of copy-on-write.
type chunk struct {
	nodes [chunkLen]node
	epoch uint64 // number of the newest view when this copy was made; that view and older ones do not see it
	fresh uint64 // bit set of the nodes whose blob was written since
}

// nodes owns the chunks and tells which of them views share.
type nodes struct {
	chunks []*chunk
	free   Ref // chained by next
	views  uint64
	open   []uint64 // numbers of the open views, ascending
	latest uint64   // the last of them, 0 = none
}

// node returns a node for reading; the pointer goes stale with the next mut
// of a node in the same chunk.
func (s *nodes) node(r Ref) *node { return &s.chunks[r>>chunkBits].nodes[r&(chunkLen-1)] }

// mut returns a node for writing, parting it from the views that share it.
func (s *nodes) mut(r Ref) *node {
	c := s.chunks[r>>chunkBits]
	if c.epoch < s.latest {
		c = &chunk{nodes: c.nodes, epoch: s.views}
		s.chunks[r>>chunkBits] = c
	}
	return &c.nodes[r&(chunkLen-1)]
}

// take returns a zeroed node.
func (s *nodes) take() Ref {
	if s.free == 0 {
		s.grow()
	}
	r := s.free
	n := s.mut(r)
	s.free = n.next
	*n = node{}
	return r
}

func (s *nodes) grow() {
	base := Ref(len(s.chunks)) << chunkBits
	c := &chunk{epoch: s.views}
	s.chunks = append(s.chunks, c)
	for i := chunkLen - 1; i >= 0; i-- {
		if r := base + Ref(i); r != 0 {
			c.nodes[i].next = s.free
			s.free = r
		}
	}
}

// drop puts a node back.
func (s *nodes) drop(r Ref) {
	*s.mut(r) = node{next: s.free}
	s.free = r
}

// setFresh notes that the blob of a node in a chunk parted from all views was
// just written.
func (s *nodes) setFresh(r Ref) { s.chunks[r>>chunkBits].fresh |= 1 << (r & (chunkLen - 1)) }

// seen tells whether an open view may see the blob of a node, which must have
// been the argument of mut.
func (s *nodes) seen(r Ref) bool {
	return s.latest != 0 && s.chunks[r>>chunkBits].fresh&(1<<(r&(chunkLen-1))) == 0
}

func (s *nodes) openView() uint64 {
	s.views++
	s.latest = s.views
	s.open = append(s.open, s.views)
	return s.views
}

// closeView returns the number of the oldest view that is still open, or a
// number greater than any.
func (s *nodes) closeView(number uint64) (oldest uint64) {
	if i, ok := slices.BinarySearch(s.open, number); ok {
		s.open = slices.Delete(s.open, i, i+1)
	}
	if len(s.open) == 0 {
		s.latest = 0
		return s.views + 1
	}
	s.latest = s.open[len(s.open)-1]
	return s.open[0]
}

// name returns the bytes of a node's name.
func (b *blobs) name(n *node) []byte { return b.get(n.blob, int(n.nameLen)) }

// data returns the bytes of a node's data, nil for null.
func (b *blobs) data(n *node) []byte {
	if n.dataLen < 0 {
		return nil
	}
	return b.get(n.blob, int(n.nameLen)+int(n.dataLen))[n.nameLen:]
}

func (n *node) persisted() proto.StatPersisted {
	return proto.StatPersisted{
		Czxid: n.czxid, Mzxid: n.mzxid, Ctime: n.ctime, Mtime: n.mtime,
		Version: n.version, Cversion: n.cversion, Aversion: n.aversion, Owner: n.owner, Pzxid: n.pzxid,
	}
}

func (n *node) setPersisted(s *proto.StatPersisted) {
	n.czxid, n.mzxid, n.pzxid, n.ctime, n.mtime = s.Czxid, s.Mzxid, s.Pzxid, s.Ctime, s.Mtime
	n.version, n.cversion, n.aversion, n.owner = s.Version, s.Cversion, s.Aversion, s.Owner
}
