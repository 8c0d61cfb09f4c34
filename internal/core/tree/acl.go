package tree

import (
	"iter"
	"math"
	"slices"

	"quokka/internal/proto"
)

// openID is the ACL id of nodes without a list: everybody may do everything.
const openID int64 = -1

// aclEntry is an interned list. An entry that is not known stands for an id
// that nodes of a loaded snapshot refer to and its ACL table lacks
// (ZOOKEEPER-3306, ZOOKEEPER-4846): it denies everything until the node's
// list is set again.
type aclEntry struct {
	id    int64
	list  []proto.ACL // immutable; nil: the slot is open or unused
	known bool
}

// aclTable interns ACL lists (Java: ReferenceCountedACLCache). Lists are equal
// when they have the same entries in the same order. Ids count from 1 and are
// local to a server.
type aclTable struct {
	entries []aclEntry // slot 0 is "open"
	shared  bool       // a view has the entries: copy before writing
	refs    []int      // nodes that refer to a slot
	free    []uint32   // unused slots
	byID    map[int64]uint32
	byList  map[string]uint32 // by the list's serialized form
	last    int64             // greatest id ever used
	key     []byte            // scratch
}

func newACLTable() aclTable {
	return aclTable{
		entries: []aclEntry{{id: openID, known: true}},
		refs:    []int{0},
		byID:    map[int64]uint32{openID: 0},
		byList:  map[string]uint32{},
	}
}

// denyAll is what nodes with an unknown ACL id have: not empty, because Java
// takes an empty list for an open one, but granting nothing.
func denyAll() []proto.ACL {
	return []proto.ACL{{Perms: 0, ID: proto.ID{Scheme: "world", ID: "anyone"}}}
}

// acquire returns the slot of a list, which it copies if it is new, and
// counts a reference.
func (a *aclTable) acquire(list []proto.ACL) uint32 {
	if list == nil {
		return 0
	}
	a.key = proto.AppendACLs(a.key[:0], list)
	s, ok := a.byList[string(a.key)]
	if !ok {
		s = a.add(aclEntry{id: a.nextID(), list: slices.Clone(list), known: true})
		a.byList[string(a.key)] = s
	}
	a.refs[s]++
	return s
}

// nextID returns an id greater than any used before; after the greatest
// possible one it looks for a gap.
func (a *aclTable) nextID() int64 {
	id := a.last
	for range len(a.entries) + 1 {
		if id == math.MaxInt64 {
			id = 0
		}
		id++
		if _, used := a.byID[id]; !used {
			break
		}
	}
	return id
}

func (a *aclTable) add(e aclEntry) uint32 {
	a.unshare()
	s := uint32(len(a.entries))
	if k := len(a.free); k > 0 {
		s = a.free[k-1]
		a.free = a.free[:k-1]
		a.entries[s] = e
	} else {
		a.entries, a.refs = append(a.entries, e), append(a.refs, 0)
	}
	a.byID[e.id] = s
	a.last = max(a.last, e.id)
	return s
}

func (a *aclTable) unshare() {
	if a.shared {
		a.entries, a.shared = slices.Clone(a.entries), false
	}
}

// release takes a reference back and forgets a list that has none left.
func (a *aclTable) release(s uint32) {
	if s == 0 {
		return
	}
	if a.refs[s]--; a.refs[s] <= 0 {
		a.forget(s)
	}
}

func (a *aclTable) forget(s uint32) {
	a.unlist(s)
	delete(a.byID, a.entries[s].id)
	a.unshare()
	a.entries[s], a.refs[s] = aclEntry{}, 0
	a.free = append(a.free, s)
}

// unlist lets no new node get the list of a slot.
func (a *aclTable) unlist(s uint32) {
	if e := a.entries[s]; e.known {
		a.key = proto.AppendACLs(a.key[:0], e.list)
		if a.byList[string(a.key)] == s {
			delete(a.byList, string(a.key))
		}
	}
}

// load enters a list of a snapshot under its own id.
func (a *aclTable) load(id int64, list []proto.ACL) {
	if id == openID || list == nil {
		return
	}
	s, ok := a.byID[id]
	if ok {
		a.unlist(s)
		a.unshare()
		a.entries[s] = aclEntry{id: id, list: slices.Clone(list), known: true}
	} else {
		s = a.add(aclEntry{id: id, list: slices.Clone(list), known: true})
	}
	a.key = proto.AppendACLs(a.key[:0], list)
	a.byList[string(a.key)] = s
}

// refer counts a reference by id, reserving an id that is not known.
func (a *aclTable) refer(id int64) uint32 {
	s, ok := a.byID[id]
	if !ok {
		s = a.add(aclEntry{id: id, list: denyAll()})
	}
	if s != 0 {
		a.refs[s]++
	}
	return s
}

// purge forgets the lists nobody refers to, as Java does after loading.
func (a *aclTable) purge() {
	for s := 1; s < len(a.entries); s++ {
		if a.entries[s].list != nil && a.refs[s] == 0 {
			a.forget(uint32(s))
		}
	}
}

// lists goes through the known entries in ascending order of ids.
func lists(entries []aclEntry) iter.Seq2[int64, []proto.ACL] {
	return func(yield func(int64, []proto.ACL) bool) {
		var known []aclEntry
		for _, e := range entries[min(1, len(entries)):] {
			if e.known {
				known = append(known, e)
			}
		}
		slices.SortFunc(known, func(a, b aclEntry) int {
			if a.id < b.id {
				return -1
			}
			return 1
		})
		for _, e := range known {
			if !yield(e.id, e.list) {
				return
			}
		}
	}
}
