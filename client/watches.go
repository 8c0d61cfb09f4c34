package client

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"quokka/internal/jute"
	"quokka/internal/proto"
)

// A watchKind is one of the lists in which watches are registered again on a
// new connection, in the order of setWatches2.
type watchKind uint8

const (
	watchData watchKind = iota
	watchExist
	watchChild
	watchPersistent
	watchRecursive
	watchKinds
)

// watches are those that the server knows of, by kind and full path. They are
// guarded by session.mu.
type watches struct {
	by     [watchKinds]map[string][]*Watch
	arming map[string]int  // calls under way that may register one, by path
	left   map[string]bool // paths with a persistent watch on the server that nobody here wants
}

func newWatches() watches {
	t := watches{arming: make(map[string]int), left: make(map[string]bool)}
	for k := range t.by {
		t.by[k] = make(map[string][]*Watch)
	}
	return t
}

func (t *watches) add(w *Watch) {
	w.live = true
	t.by[w.kind][w.path] = append(t.by[w.kind][w.path], w)
}

func (t *watches) remove(w *Watch) {
	w.live = false
	list := t.by[w.kind][w.path]
	if i := slices.Index(list, w); i >= 0 {
		list = slices.Delete(list, i, i+1)
	}
	if len(list) == 0 {
		delete(t.by[w.kind], w.path)
	} else {
		t.by[w.kind][w.path] = list
	}
}

func (t *watches) has(path string, kinds ...watchKind) bool {
	return slices.ContainsFunc(kinds, func(k watchKind) bool { return len(t.by[k][path]) > 0 })
}

func (t *watches) hasAny(path string) bool {
	return t.has(path, watchData, watchExist, watchChild, watchPersistent, watchRecursive)
}

// rides tells whether a one-shot watch gets its event by a persistent one on
// the same path. It must then not be registered itself: servers before 3.9
// keep one mode for a path and session, and would forget the persistent watch
// (WatchManager, ZOOKEEPER-4466).
func (t *watches) rides(w *Watch) bool {
	return t.has(w.path, watchPersistent) || w.kind != watchChild && t.has(w.path, watchRecursive)
}

// fire hands an event to the watches it concerns
// (ZKWatchManager.materialize).
func (t *watches) fire(e Event) {
	switch e.Type {
	case EventCreated, EventDataChanged:
		t.spend(watchData, e)
		t.spend(watchExist, e)
	case EventDeleted:
		t.spend(watchData, e)
		t.spend(watchExist, e)
		t.spend(watchChild, e)
	case EventChildrenChanged:
		t.spend(watchChild, e)
	default:
		return
	}
	for _, w := range t.by[watchPersistent][e.Path] {
		w.push(e)
	}
	if e.Type == EventChildrenChanged || len(t.by[watchRecursive]) == 0 {
		return
	}
	for path := e.Path; ; path = path[:strings.LastIndexByte(path, '/')] {
		if path == "" {
			path = "/"
		}
		for _, w := range t.by[watchRecursive][path] {
			w.push(e)
		}
		if path == "/" {
			return
		}
	}
}

// spend gives the one-shot watches of a path their only event.
func (t *watches) spend(k watchKind, e Event) {
	list := t.by[k][e.Path]
	delete(t.by[k], e.Path)
	for _, w := range list {
		w.live = false
		w.push(e)
		w.finish(nil)
	}
}

// gap tells persistent watches that they may have missed something.
func (t *watches) gap() {
	for _, k := range []watchKind{watchPersistent, watchRecursive} {
		for _, list := range t.by[k] {
			for _, w := range list {
				w.push(Event{Type: EventGap, Path: w.path})
			}
		}
	}
}

func (t *watches) endAll(why error) {
	for k := range t.by {
		for _, list := range t.by[k] {
			for _, w := range list {
				w.live = false
				w.finish(why)
			}
		}
		clear(t.by[k])
	}
}

// maxWatchBytes is how many bytes of paths go into one setWatches request
// (ZOOKEEPER-706).
const maxWatchBytes = 128 << 10

// requests appends the frames that register all watches on a new connection.
// since is the state the client has seen: the server fires at once what
// changed after it.
func (t *watches) requests(b []byte, since proto.Zxid) []byte {
	op := proto.OpSetWatches
	if len(t.by[watchPersistent])+len(t.by[watchRecursive]) > 0 {
		op = proto.OpSetWatches2
	}
	var lists [watchKinds][]string
	size := 0
	flush := func() {
		if size > 0 {
			b = appendFrame(b, proto.XidSetWatches, op, setWatchesBody(op, since, &lists))
		}
		lists, size = [watchKinds][]string{}, 0
	}
	for k := range t.by {
		for _, path := range slices.Sorted(maps.Keys(t.by[k])) {
			if size+len(path)+4 > maxWatchBytes {
				flush()
			}
			size += len(path) + 4
			lists[k] = append(lists[k], path)
		}
	}
	flush()
	return b
}

func setWatchesBody(op proto.Op, since proto.Zxid, lists *[watchKinds][]string) []byte {
	b := jute.AppendLong(nil, int64(since))
	n := watchKinds
	if op == proto.OpSetWatches {
		n = watchPersistent
	}
	for _, list := range lists[:n] {
		b = jute.AppendStrings(b, list)
	}
	return b
}

// attach makes a connection the one that calls go out by. First come the
// credentials, then the watches, then what waits.
func (s *session) attach(l *link) {
	s.mu.Lock()
	s.link = l
	l.ctx, l.cancel = context.WithCancelCause(s.ctx)
	s.prelude = s.prelude[:0]
	for _, a := range s.auths {
		s.prelude = appendFrame(s.prelude, proto.XidAuth, proto.OpAuth, authBody(a))
		s.pendingAuth = append(s.pendingAuth, nil)
	}
	s.prelude = s.watches.requests(s.prelude, s.lastZxid)
	s.watches.gap()
	clear(s.watches.left)
	if !s.ring.attached(l.server) { // it was taken off the list this moment
		s.depart(newServers{})
	}
	s.mu.Unlock()
	s.wake()
}

// dropWatch takes a watch out of the tables, and off the server when no other
// needs what is registered there. Servers before 3.9 do not tell persistent
// watches from others when they remove some, so what shares its path with
// another watch stays until that goes, or until the next connection.
func (s *session) dropWatch(w *Watch) {
	t := &s.watches
	if !w.live {
		return
	}
	t.remove(w)
	if s.link == nil {
		return
	}
	lasting, oneShot := t.has(w.path, watchPersistent, watchRecursive), t.has(w.path, watchData, watchExist, watchChild)
	switch {
	case t.arming[w.path] > 0 || lasting || w.kind >= watchPersistent && oneShot:
		if w.kind >= watchPersistent && !t.has(w.path, w.kind) {
			t.left[w.path] = true
		}
	case !oneShot:
		s.unregister(w.path, proto.WatcherAny)
	case w.kind == watchChild && !t.has(w.path, watchChild):
		s.unregister(w.path, proto.WatcherChildren)
	case w.kind != watchChild && !t.has(w.path, watchData, watchExist):
		s.unregister(w.path, proto.WatcherData)
	}
}

// sweep removes what dropWatch had to leave, once nothing needs it.
func (s *session) sweep(path string) {
	if len(s.watches.left) == 0 || !s.watches.left[path] || s.watches.arming[path] > 0 || s.watches.hasAny(path) {
		return
	}
	s.unregister(path, proto.WatcherAny)
}

// unregister has the server forget watches. Nobody waits for it, and it is no
// error if they have fired meanwhile.
func (s *session) unregister(path string, typ int32) {
	if typ == proto.WatcherAny {
		delete(s.watches.left, path)
	}
	if s.link == nil || s.final != nil || s.noRemoval {
		return
	}
	s.queue = append(s.queue, &call{
		op: proto.OpRemoveWatches, path: path, body: pathMode(path, typ), ctx: s.ctx, done: make(chan struct{}),
		begin: time.Now(), decode: s.removed,
	})
	s.wake()
}

// removed takes the answer to unregister. A server before 3.5 does not know
// the operation and closes the connection: once is enough.
func (s *session) removed(code proto.Code, _ []byte) error {
	if code == proto.Unimplemented {
		s.mu.Lock()
		s.noRemoval = true
		s.mu.Unlock()
	}
	return nil
}

func pathMode(path string, mode int32) []byte {
	return jute.AppendInt(jute.AppendString(nil, path), mode)
}
