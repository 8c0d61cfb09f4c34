package watch

import (
	"slices"
	"strings"

	"quokka/internal/proto"
)

// An Event is one notification that a change owes to a connection.
type Event struct {
	Conn ConnID
	Type proto.EventType
	Path string
}

// firedBy returns the modes an event looks for on the path itself. A deleted node is an event of
// the data and of the child table, but one notification per connection
// (DataTree.deleteNode hands the connections already told to the second
// trigger).
func firedBy(e proto.EventType) Kind {
	switch e {
	case proto.EventNodeCreated, proto.EventNodeDataChanged:
		return inDataTable
	case proto.EventNodeDeleted:
		return inDataTable | inChildTable
	case proto.EventNodeChildrenChanged:
		return inChildTable
	}
	return 0
}

// Trigger makes event e on path happen: it takes the standard watches that
// fire and appends to out every connection to notify, once and in ascending
// order, without those in skip (ascending too). Recursive watches on path and
// its ancestors hear all events but NodeChildrenChanged.
func (t *Table) Trigger(e proto.EventType, path string, skip, out []ConnID) []ConnID {
	modes, start := firedBy(e), len(out)
	out = t.fire(path, modes, out)
	if t.recursive > 0 && modes&Recursive != 0 {
		for p := path; p != "/" && p != ""; {
			p = parentOf(p)
			out = t.recursiveOn(p, out)
		}
	}
	got := out[start:]
	slices.Sort(got)
	got = slices.Compact(got)
	if len(skip) > 0 {
		got = slices.DeleteFunc(got, func(c ConnID) bool {
			_, found := slices.BinarySearch(skip, c)
			return found
		})
	}
	return out[:start+len(got)]
}

// fire collects the connections with one of the modes on path and takes the
// standard ones of these modes away.
func (t *Table) fire(path string, modes Kind, out []ConnID) []ConnID {
	p := t.pathIndex[path]
	if p == 0 {
		return out
	}
	for e := t.paths.at(p).head; e != 0; {
		rec := t.entries.at(e)
		this := e
		e = rec.pathNext
		if rec.kind&modes != 0 {
			out = append(out, t.conns.at(rec.conn).id)
			t.setKind(this, rec.kind&^(modes&(Data|Child)))
		}
	}
	return out
}

// recursiveOn collects the connections with a recursive watch on path.
func (t *Table) recursiveOn(path string, out []ConnID) []ConnID {
	p := t.pathIndex[path]
	if p == 0 {
		return out
	}
	rec := t.paths.at(p)
	for e, left := rec.head, rec.recursive; e != 0 && left > 0; e = t.entries.at(e).pathNext {
		if en := t.entries.at(e); en.kind&Recursive != 0 {
			out = append(out, t.conns.at(en.conn).id)
			left--
		}
	}
	return out
}

// Created returns the events of a new node on path. Like that of Deleted and
// DataChanged the result is valid until the next call of one of them.
func (t *Table) Created(path string) []Event {
	t.begin()
	t.notify(proto.EventNodeCreated, path)
	t.notify(proto.EventNodeChildrenChanged, parentOf(path))
	return t.events
}

// Deleted returns the events of a node that is gone from path.
func (t *Table) Deleted(path string) []Event {
	t.begin()
	t.notify(proto.EventNodeDeleted, path)
	t.notify(proto.EventNodeChildrenChanged, parentOf(path))
	return t.events
}

// DataChanged returns the events of new data on path.
func (t *Table) DataChanged(path string) []Event {
	t.begin()
	t.notify(proto.EventNodeDataChanged, path)
	return t.events
}

// begin empties the result, so that the paths in it can be collected.
func (t *Table) begin() {
	clear(t.events)
	t.events = t.events[:0]
}

func (t *Table) notify(e proto.EventType, path string) {
	if len(t.pathIndex) == 0 {
		return
	}
	t.conn = t.Trigger(e, path, nil, t.conn[:0])
	for _, c := range t.conn {
		t.events = append(t.events, Event{Conn: c, Type: e, Path: path})
	}
}

// parentOf returns the parent as it is watched and reported: "/" for a child
// of the root, and for the root itself.
func parentOf(path string) string {
	if i := strings.LastIndexByte(path, '/'); i > 0 {
		return path[:i]
	}
	return "/"
}
