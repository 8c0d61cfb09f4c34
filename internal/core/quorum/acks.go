package quorum

import (
	"slices"

	"quokka/internal/proto"
)

// Acks is a small set of servers, such as those that acknowledged a
// proposal. The zero value is empty. A copy shares its servers with the
// original: change only one of the two.
type Acks struct{ ids []proto.ServerID } // ascending

// Add puts a server in and tells whether it was not there yet.
func (a *Acks) Add(id proto.ServerID) bool {
	i, found := slices.BinarySearch(a.ids, id)
	if !found {
		a.ids = slices.Insert(a.ids, i, id)
	}
	return !found
}

// Remove takes a server out and tells whether it was there.
func (a *Acks) Remove(id proto.ServerID) bool {
	i, found := slices.BinarySearch(a.ids, id)
	if found {
		a.ids = slices.Delete(a.ids, i, i+1)
	}
	return found
}

// Has tells whether a server is in the set.
func (a Acks) Has(id proto.ServerID) bool {
	_, found := slices.BinarySearch(a.ids, id)
	return found
}

// Len returns the number of servers in the set.
func (a Acks) Len() int { return len(a.ids) }

// Clear empties the set and keeps its memory.
func (a *Acks) Clear() { a.ids = a.ids[:0] }

// IDs returns the servers in ascending order.
func (a Acks) IDs() []proto.ServerID { return slices.Clone(a.ids) }
