// Package watch knows who waits for which path in which mode, and tells whom
// a change reaches.
//
// It owns the watches of one server's connections and nothing else: it does
// not know the tree, decides no permission and sends nothing. What it returns
// depends only on the calls made, never on a map's order.
//
// The modes follow ZooKeeper 3.9, where they live side by side as bits, so
// that firing a standard watch leaves a persistent one of the same connection
// on the same path alone (ZOOKEEPER-4466, ZOOKEEPER-4471). Source of the facts:
// server.watch.WatchManager, server.watch.WatchStats and server.DataTree.
package watch

import (
	"slices"

	"quokka/internal/proto"
)

// A ConnID names a connection; it is never used for another one.
type ConnID uint64

// A Kind is a set of watch modes of one connection on one path.
type Kind uint8

// The modes. Java keeps two tables, "data" and "child": Data and Recursive
// are entries of the first, Child of the second, Persistent of both.
const (
	Data       Kind = 1 << iota // standard, from getData and exists
	Child                       // standard, from getChildren
	Persistent                  // addWatch mode 0
	Recursive                   // addWatch mode 1
)

const (
	inDataTable  = Data | Persistent | Recursive
	inChildTable = Child | Persistent
)

// A Table holds the watches of a server. The zero Table is not ready; use New.
// It is not safe for concurrent use.
//
// One entry stands for all modes of one connection on one path. Entries,
// paths and connections live in slabs and point to each other by index: an
// entry is in the list of its path and in the list of its connection, and
// every step, also leaving both lists, is O(1). A lone watch on a path of its
// own costs about 150 bytes besides the text of the path.
type Table struct {
	paths     slab[pathRec]
	conns     slab[connRec]
	entries   slab[entry]
	pathIndex map[string]uint32
	connIndex map[ConnID]uint32
	index     map[pair]uint32 // path and connection to their entry

	data      int // entries of the data table
	child     int // entries of the child table
	dataPaths int // paths with an entry of the data table
	dataConns int // connections with one
	recursive int // entries with the mode Recursive

	conn   []ConnID // scratch of the triggers
	events []Event  // result of Created, Deleted, DataChanged
}

type pair struct{ path, conn uint32 }

type pathRec struct {
	name      string
	head      uint32 // first entry
	data      uint32 // entries of the data table
	recursive uint32 // entries with the mode Recursive
}

type connRec struct {
	id   ConnID
	head uint32
	data uint32
}

type entry struct {
	path, conn         uint32
	pathPrev, pathNext uint32
	connPrev, connNext uint32
	kind               Kind
}

// New returns an empty Table.
func New() *Table {
	return &Table{
		pathIndex: map[string]uint32{}, connIndex: map[ConnID]uint32{}, index: map[pair]uint32{},
	}
}

// Add gives connection c the modes k on path, besides those it has. The path
// is kept: it must not be part of a larger buffer.
func (t *Table) Add(c ConnID, path string, k Kind) {
	if k == 0 {
		return
	}
	p, ok := t.pathIndex[path]
	if !ok {
		p = t.paths.alloc(pathRec{name: path})
		t.pathIndex[path] = p
	}
	n, ok := t.connIndex[c]
	if !ok {
		n = t.conns.alloc(connRec{id: c})
		t.connIndex[c] = n
	}
	e, ok := t.index[pair{p, n}]
	if !ok {
		e = t.entries.alloc(entry{path: p, conn: n})
		t.index[pair{p, n}] = e
		t.linkPath(e)
		t.linkConn(e)
	}
	t.setKind(e, t.entries.at(e).kind|k)
}

// find returns the entry of c on path, 0 if there is none.
func (t *Table) find(c ConnID, path string) uint32 {
	p, n := t.pathIndex[path], t.connIndex[c]
	if p == 0 || n == 0 {
		return 0
	}
	return t.index[pair{p, n}]
}

// setKind changes the modes of an entry, keeps all counts, and frees the
// entry when no mode is left.
func (t *Table) setKind(e uint32, k Kind) {
	rec := t.entries.at(e)
	was := rec.kind
	if was == k {
		return
	}
	rec.kind = k
	p, c := t.paths.at(rec.path), t.conns.at(rec.conn)
	t.child += has(k, inChildTable) - has(was, inChildTable)
	if d := has(k, inDataTable) - has(was, inDataTable); d != 0 {
		t.data += d
		t.dataPaths += step(&p.data, d)
		t.dataConns += step(&c.data, d)
	}
	if d := has(k, Recursive) - has(was, Recursive); d != 0 {
		t.recursive += d
		step(&p.recursive, d)
		if d > 0 && rec.pathPrev != 0 {
			t.unlinkPath(e)
			t.linkPath(e)
		}
	}
	if k == 0 {
		t.drop(e)
	}
}

func has(k, modes Kind) int {
	if k&modes != 0 {
		return 1
	}
	return 0
}

// step adds d, 1 or -1, to the count n and returns how the number of counts
// above zero changes.
func step(n *uint32, d int) int {
	if d > 0 {
		*n++
		if *n == 1 {
			return 1
		}
		return 0
	}
	*n--
	if *n == 0 {
		return -1
	}
	return 0
}

// drop frees an entry without modes, and its path and connection when it was
// their last.
func (t *Table) drop(e uint32) {
	rec := *t.entries.at(e)
	t.unlinkPath(e)
	t.unlinkConn(e)
	delete(t.index, pair{rec.path, rec.conn})
	if t.entries.free(e) { // a map does not shrink either
		t.index = map[pair]uint32{}
	}
	if p := t.paths.at(rec.path); p.head == 0 {
		delete(t.pathIndex, p.name)
		if t.paths.free(rec.path) {
			t.pathIndex = map[string]uint32{}
		}
	}
	if c := t.conns.at(rec.conn); c.head == 0 {
		delete(t.connIndex, c.id)
		t.conns.free(rec.conn)
	}
}

// linkPath puts an entry in front of its path's list. Entries with the mode
// Recursive come to the front, so that a walk over ancestors ends early.
func (t *Table) linkPath(e uint32) {
	rec := t.entries.at(e)
	p := t.paths.at(rec.path)
	rec.pathPrev, rec.pathNext = 0, p.head
	if p.head != 0 {
		t.entries.at(p.head).pathPrev = e
	}
	p.head = e
}

func (t *Table) unlinkPath(e uint32) {
	rec := t.entries.at(e)
	if rec.pathPrev != 0 {
		t.entries.at(rec.pathPrev).pathNext = rec.pathNext
	} else {
		t.paths.at(rec.path).head = rec.pathNext
	}
	if rec.pathNext != 0 {
		t.entries.at(rec.pathNext).pathPrev = rec.pathPrev
	}
}

func (t *Table) linkConn(e uint32) {
	rec := t.entries.at(e)
	c := t.conns.at(rec.conn)
	rec.connPrev, rec.connNext = 0, c.head
	if c.head != 0 {
		t.entries.at(c.head).connPrev = e
	}
	c.head = e
}

func (t *Table) unlinkConn(e uint32) {
	rec := t.entries.at(e)
	if rec.connPrev != 0 {
		t.entries.at(rec.connPrev).connNext = rec.connNext
	} else {
		t.conns.at(rec.conn).head = rec.connNext
	}
	if rec.connNext != 0 {
		t.entries.at(rec.connNext).connPrev = rec.connPrev
	}
}

// modesOf returns the modes that a watcher type of checkWatches and
// removeWatches is about (DataTree.containsWatcher, DataTree.removeWatch).
func modesOf(watcherType int32) (Kind, bool) {
	switch watcherType {
	case proto.WatcherChildren:
		return Child, true
	case proto.WatcherData:
		return Data, true
	case proto.WatcherAny:
		return Data | Child | Persistent | Recursive, true
	case proto.WatcherPersistent:
		return Persistent, true
	case proto.WatcherPersistentRecursive:
		return Recursive, true
	}
	return 0, false
}

// Check tells whether c has a watch of that type on path, as checkWatches
// asks. The code is OK, NoWatcher, or MarshallingError for a type that does
// not exist (Watcher.WatcherType.fromInt).
func (t *Table) Check(c ConnID, path string, watcherType int32) (bool, proto.Code) {
	modes, ok := modesOf(watcherType)
	if !ok {
		return false, proto.MarshallingError
	}
	e := t.find(c, path)
	if e == 0 || t.entries.at(e).kind&modes == 0 {
		return false, proto.NoWatcher
	}
	return true, proto.OK
}

// Remove takes the watches of that type from c on path, as removeWatches
// asks; the codes are those of Check. No event comes of it.
func (t *Table) Remove(c ConnID, path string, watcherType int32) proto.Code {
	found, code := t.Check(c, path, watcherType)
	if !found {
		return code
	}
	modes, _ := modesOf(watcherType)
	e := t.find(c, path)
	t.setKind(e, t.entries.at(e).kind&^modes)
	return proto.OK
}

// RemoveConn takes all watches of c, in time proportional to their number.
func (t *Table) RemoveConn(c ConnID) {
	for n := t.connIndex[c]; n != 0; n = t.connIndex[c] {
		t.setKind(t.conns.at(n).head, 0)
	}
}

// Count returns the number of watches as Java's watch_count: entries of the
// data table and entries of the child table.
func (t *Table) Count() int { return t.data + t.child }

// Summary returns what the word wchs tells: connections, paths and entries of
// the data table only. Unlike Java, which forgets to take a connection out
// when its last watch fires, connections without a watch do not count.
func (t *Table) Summary() (conns, paths, total int) { return t.dataConns, t.dataPaths, t.data }

// ByPath yields the paths of the data table with their connections in
// ascending order (the word wchp). The slice is valid until the next step.
func (t *Table) ByPath(yield func(path string, conns []ConnID) bool) {
	var conns []ConnID
	for i := range t.paths.all() {
		p := t.paths.at(i)
		if p.data == 0 {
			continue
		}
		conns = conns[:0]
		for e := p.head; e != 0; e = t.entries.at(e).pathNext {
			if rec := t.entries.at(e); rec.kind&inDataTable != 0 {
				conns = append(conns, t.conns.at(rec.conn).id)
			}
		}
		slices.Sort(conns)
		if !yield(p.name, conns) {
			return
		}
	}
}

// ByConn yields the connections of the data table with their paths in
// ascending order (the word wchc). The slice is valid until the next step.
func (t *Table) ByConn(yield func(c ConnID, paths []string) bool) {
	var paths []string
	for i := range t.conns.all() {
		c := t.conns.at(i)
		if c.data == 0 {
			continue
		}
		paths = paths[:0]
		for e := c.head; e != 0; e = t.entries.at(e).connNext {
			if rec := t.entries.at(e); rec.kind&inDataTable != 0 {
				paths = append(paths, t.paths.at(rec.path).name)
			}
		}
		slices.Sort(paths)
		if !yield(c.id, paths) {
			return
		}
	}
}
