package zab

import (
	"fmt"
	"slices"

	"quokka/internal/proto"
)

// A History is what this server's log holds, as far as the roles need it:
// its newest entries in memory, and how far they are durable, applied and
// known to be committed. It outlives the roles: what is logged and not yet
// committed stays its pending end through an election, and the next role
// applies it or cuts it off. It must be used by one goroutine.
type History struct {
	keep    int
	base    proto.Zxid // of the record, or the snapshot, before the first entry
	entries []Entry    // unbroken from base on
	memory  []Entry    // where entries lie, unless that was given
	untrim  int        // how many more are appended before trim looks

	durable proto.Zxid
	applied proto.Zxid
	known   proto.Zxid
	floor   proto.Zxid
}

// MinKeep is the least number of applied entries that are held in memory
// (ZKDatabase.DEFAULT_COMMIT_LOG_COUNT).
const MinKeep = 500

// NewHistory returns the history of an empty log. It holds about the last
// keep applied entries in memory (zookeeper.commitLogCount), at least
// MinKeep.
func NewHistory(keep int) *History { return &History{keep: max(keep, MinKeep)} }

// NewLoneHistory returns the history of an empty log that nobody learns from:
// applied entries are let go of.
func NewLoneHistory() *History { return &History{} }

// Restart replaces what is held by what the disk and the state have now:
// after recovery, an installed snapshot, or a truncation that read anew.
// Entries are the newest records, unbroken, and the first is the successor
// of base, which is the zxid of a snapshot or of the record before. Without
// entries base is the last zxid. Floor says that the log on disk holds every
// record after it. All of it is durable. What is known to be committed stays
// known.
func (h *History) Restart(base proto.Zxid, entries []Entry, applied, floor proto.Zxid) {
	h.base, h.entries, h.memory = base, slices.Clone(entries), nil
	h.applied, h.floor = applied, floor
	if applied > h.Last() {
		h.base, h.entries = applied, nil // a snapshot that is newer than the log
	}
	h.durable = h.Last()
}

// Append adds an entry that was ordered to the log. It is an error unless
// the entry is the successor of the last one: the next of the same epoch, or
// the first of a later one.
func (h *History) Append(e Entry) error {
	if z := e.Zxid(); !successor(h.Last(), z) {
		return fmt.Errorf("zab: entry %v cannot follow %v: one between them is missing", z, h.Last())
	}
	h.trim()
	if len(h.entries) == cap(h.entries) {
		h.makeRoom()
	}
	h.entries = append(h.entries, e)
	return nil
}

// makeRoom moves the entries back to the front of their memory: what was
// trimmed has left room there. It is twice as much as they need at least, so
// that an entry is not moved often.
func (h *History) makeRoom() {
	n := len(h.entries)
	if cap(h.memory) < max(2*n, 1) || cap(h.memory) > max(16*n, 1<<12) {
		h.memory = make([]Entry, 0, max(4*n, 256))
	}
	all := h.memory[:cap(h.memory)]
	copy(all, h.entries)
	clear(all[n:])
	h.entries = all[:n]
}

// successor tells whether a log that ends with last may go on with z.
func successor(last, z proto.Zxid) bool {
	if z.Epoch() == last.Epoch() {
		return z == last+1
	}
	return z.Epoch() > last.Epoch() && z.Counter() == 1
}

// trim lets go of entries that are on disk and in the state and older than
// those to keep.
func (h *History) trim() {
	if h.untrim--; h.untrim > 0 {
		return // many at once, so that it costs little
	}
	h.untrim = max(h.keep/8, 64)
	n := h.index(min(h.applied, h.durable)) - h.keep
	if n <= 0 {
		return
	}
	h.base = h.entries[n-1].Zxid()
	clear(h.entries[:n])
	h.entries = h.entries[n:]
}

// index returns how many entries have a zxid up to z. The counters of an epoch
// have no gap, so it is mostly known where z has to be.
func (h *History) index(z proto.Zxid) int {
	if len(h.entries) == 0 {
		return 0
	}
	i := int(z-h.entries[0].Zxid()) + 1
	if i > 0 && i <= len(h.entries) && h.entries[i-1].Zxid() == z {
		return i
	}
	return h.search(z)
}

func (h *History) search(z proto.Zxid) int {
	i, found := slices.BinarySearchFunc(h.entries, z, func(e Entry, z proto.Zxid) int {
		return int(min(max(e.Zxid()-z, -1), 1))
	})
	if found {
		i++
	}
	return i
}

// Last returns the zxid of the last entry, durable or not.
func (h *History) Last() proto.Zxid {
	if len(h.entries) == 0 {
		return h.base
	}
	return h.entries[len(h.entries)-1].Zxid()
}

// Base returns the zxid before the first entry in memory.
func (h *History) Base() proto.Zxid { return h.base }

// Floor returns the zxid after which the log on disk holds every record.
func (h *History) Floor() proto.Zxid { return h.floor }

// Durable returns the zxid up to which the log is durable.
func (h *History) Durable() proto.Zxid { return h.durable }

// SetDurable records the disk's word that the log is durable up to z.
func (h *History) SetDurable(z proto.Zxid) { h.durable = max(h.durable, min(z, h.Last())) }

// Applied returns the zxid of the last entry that was handed to the state.
func (h *History) Applied() proto.Zxid { return h.applied }

// Known returns the highest zxid this process knows to be committed, by a
// leader's word or by its own quorum. That a record was in the log at start
// proves nothing.
func (h *History) Known() proto.Zxid { return h.known }

// SetKnown records that everything up to z is committed.
func (h *History) SetKnown(z proto.Zxid) { h.known = max(h.known, z) }

// Advance returns the entries after Applied up to z; they count as applied
// from now on. The slice is valid until the next Append.
func (h *History) Advance(z proto.Zxid) []Entry {
	from, to := h.index(h.applied), h.index(z)
	if to <= from {
		return nil
	}
	h.applied = h.entries[to-1].Zxid()
	return h.entries[from:to]
}

// Pending returns the entries after Applied. The slice is valid until the
// next Append.
func (h *History) Pending() []Entry { return h.entries[h.index(h.applied):] }

// Cut drops the entries after z, so that z is the last one. It does nothing
// and returns false if z is not in memory or more than z is applied.
func (h *History) Cut(z proto.Zxid) bool {
	n := h.index(z)
	at := h.base
	if n > 0 {
		at = h.entries[n-1].Zxid()
	}
	if at != z || z < h.applied {
		return false
	}
	clear(h.entries[n:])
	h.entries = h.entries[:n]
	h.durable = min(h.durable, z)
	return true
}

// Since returns all entries after z, if memory is unbroken from z on: z is
// an entry, the base, or the beginning (e,0) of an epoch between two
// entries. A state with such a zxid is that of a server which got the
// snapshot of an established leader of e (Leader.startZkServer), and holds
// all that was committed before e. The slice is valid until the next Append.
func (h *History) Since(z proto.Zxid) ([]Entry, bool) {
	if z < h.base || z > h.Last() {
		return nil, false
	}
	n := h.index(z)
	held := z == h.base || n > 0 && h.entries[n-1].Zxid() == z
	if !held && z.Counter() != 0 {
		return nil, false
	}
	return h.entries[n:], true
}

// Has tells whether memory holds the entry z. The log may hold it if it does
// not and z is not above Base.
func (h *History) Has(z proto.Zxid) bool {
	n := h.index(z)
	return n > 0 && h.entries[n-1].Zxid() == z
}

// Disowns tells that the configuration which the reconfiguration z proposed
// is certainly not to be completed by this server, whose current epoch is
// given: z is not in the log. It was cut off, or its proposer ended before it
// was logged; had it been committed, it would be here. Two kinds come without
// a record: that of an ensemble which had no version yet gets the one of a
// new epoch (ZOOKEEPER-1783), and a Java leader may go on with one that it
// has seen and whose record was cut off. The latter comes with NEWLEADER, so
// that our epoch is later than z.
func (h *History) Disowns(z proto.Zxid, current proto.Epoch) bool {
	return z.Counter() != 0 && current <= z.Epoch() && z > h.base && !h.Has(z)
}

// Below returns the greatest zxid in memory that is not above z; false if
// all are.
func (h *History) Below(z proto.Zxid) (proto.Zxid, bool) {
	if z < h.base {
		return 0, false
	}
	if n := h.index(z); n > 0 {
		return h.entries[n-1].Zxid(), true
	}
	return h.base, true
}
