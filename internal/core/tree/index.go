package tree

import "hash/maphash"

// index finds a child by parent and name: open addressing with linear
// probing. It is divided into segments that grow one at a time, so that no
// single insertion has to move a million entries.
type index struct {
	seed     maphash.Seed
	segments [segments]segment
}

const (
	segments    = 64
	segmentBits = 6
	minSlots    = 8
)

type segment struct {
	slots []slot // a power of two, or none
	used  int
}

// A slot holds a node and 32 bits of the hash of its key: the upper
// segmentBits choose the segment, the lower ones the place.
type slot struct {
	tag uint32
	ref Ref // 0 = empty
}

// tagOf hashes a key. The seed is random for each tree, so that a client
// cannot choose names that collide.
func tagOf[S string | []byte](x *index, parent Ref, name S) uint32 {
	var h uint64
	switch v := any(name).(type) { // does not allocate: v does not escape
	case string:
		h = maphash.String(x.seed, v)
	case []byte:
		h = maphash.Bytes(x.seed, v)
	}
	h = (h ^ uint64(parent)) * 0x9e3779b97f4a7c15
	return uint32(h >> 32)
}

// insert adds a node that is not yet there.
func (x *index) insert(tag uint32, r Ref) {
	s := &x.segments[tag>>(32-segmentBits)]
	if (s.used+1)*4 > len(s.slots)*3 {
		s.grow()
	}
	s.put(slot{tag, r})
	s.used++
}

func (s *segment) put(e slot) {
	mask := uint32(len(s.slots) - 1)
	i := e.tag & mask
	for s.slots[i].ref != 0 {
		i = (i + 1) & mask
	}
	s.slots[i] = e
}

func (s *segment) grow() {
	old := s.slots
	s.slots = make([]slot, max(2*len(old), minSlots))
	for _, e := range old {
		if e.ref != 0 {
			s.put(e)
		}
	}
}

// remove takes a node out and closes the gap, so that there are no
// tombstones.
func (x *index) remove(tag uint32, r Ref) {
	s := &x.segments[tag>>(32-segmentBits)]
	if s.used == 0 {
		return
	}
	mask := uint32(len(s.slots) - 1)
	i := tag & mask
	for s.slots[i].ref != r {
		if s.slots[i].ref == 0 {
			return
		}
		i = (i + 1) & mask
	}
	for j := (i + 1) & mask; s.slots[j].ref != 0; j = (j + 1) & mask {
		if home := s.slots[j].tag & mask; (j-home)&mask >= (j-i)&mask {
			s.slots[i] = s.slots[j]
			i = j
		}
	}
	s.slots[i] = slot{}
	s.used--
	if len(s.slots) > 4*minSlots && s.used*8 < len(s.slots) {
		s.shrink()
	}
}

func (s *segment) shrink() {
	old := s.slots
	s.slots = make([]slot, len(old)/2)
	for _, e := range old {
		if e.ref != 0 {
			s.put(e)
		}
	}
}

// lookup returns the child of that name, 0 if there is none.
func lookup[S string | []byte](t *Tree, parent Ref, name S) Ref {
	tag := tagOf(&t.index, parent, name)
	s := &t.index.segments[tag>>(32-segmentBits)]
	if s.used == 0 {
		return 0
	}
	mask := uint32(len(s.slots) - 1)
	for i := tag & mask; s.slots[i].ref != 0; i = (i + 1) & mask {
		if s.slots[i].tag != tag {
			continue
		}
		r := s.slots[i].ref
		if n := t.node(r); n.parent == parent && string(t.arena.name(n)) == string(name) {
			return r
		}
	}
	return 0
}

// find resolves a path; "" and "/" are the root.
func find[S string | []byte](t *Tree, path S) Ref {
	if len(path) == 0 || len(path) == 1 && path[0] == '/' {
		return rootRef
	}
	if path[0] != '/' {
		return 0
	}
	r := rootRef
	for from := 1; r != 0 && from <= len(path); {
		to := from
		for to < len(path) && path[to] != '/' {
			to++
		}
		r = lookup(t, r, path[from:to])
		from = to + 1
	}
	return r
}
