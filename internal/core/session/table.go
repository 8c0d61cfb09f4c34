package session

import (
	"cmp"
	"iter"
	"slices"

	"quokka/internal/proto"
)

// An Entry is one global session as it is stored.
type Entry struct {
	ID        proto.SessionID
	TimeoutMS int32
}

// A Table is the replicated set of global sessions with the timeouts they
// were created with. Only transactions change it. It is not safe for
// concurrent use.
type Table struct{ timeout map[proto.SessionID]int32 }

// NewTable returns an empty Table.
func NewTable() *Table { return &Table{timeout: map[proto.SessionID]int32{}} }

// Put adds a session, or gives it another timeout.
func (t *Table) Put(id proto.SessionID, timeoutMS int32) { t.timeout[id] = timeoutMS }

// Remove takes a session out and tells whether it was there.
func (t *Table) Remove(id proto.SessionID) bool {
	_, ok := t.timeout[id]
	delete(t.timeout, id)
	return ok
}

// Timeout returns a session's timeout in milliseconds, and whether there is
// such a session.
func (t *Table) Timeout(id proto.SessionID) (int32, bool) {
	ms, ok := t.timeout[id]
	return ms, ok
}

// Len returns the number of sessions.
func (t *Table) Len() int { return len(t.timeout) }

// All yields the sessions by ascending id. The table may change meanwhile.
func (t *Table) All() iter.Seq2[proto.SessionID, int32] {
	return func(yield func(proto.SessionID, int32) bool) {
		for _, e := range t.Snapshot() {
			if !yield(e.ID, e.TimeoutMS) {
				return
			}
		}
	}
}

// Snapshot returns a copy of all sessions by ascending id.
func (t *Table) Snapshot() []Entry {
	all := make([]Entry, 0, len(t.timeout))
	for id, ms := range t.timeout {
		all = append(all, Entry{ID: id, TimeoutMS: ms})
	}
	slices.SortFunc(all, func(a, b Entry) int { return cmp.Compare(a.ID, b.ID) })
	return all
}
