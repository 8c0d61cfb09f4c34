package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"quokka/internal/jute"
	"quokka/internal/proto"
)

// An EventType says what happened to a node.
type EventType int32

// The event types. EventGap is made by this package.
const (
	// EventCreated: the node was created.
	EventCreated EventType = 1
	// EventDeleted: the node was deleted.
	EventDeleted EventType = 2
	// EventDataChanged: the node's data was set.
	EventDataChanged EventType = 3
	// EventChildrenChanged: a child was created or deleted.
	EventChildrenChanged EventType = 4
	// EventGap: there may have been events that nobody saw, because no
	// server was reached for a while or because the watch's owner took
	// none for too long. The watch itself goes on: read again what matters.
	EventGap EventType = 100
)

// String returns the type in words.
func (t EventType) String() string {
	switch t {
	case EventCreated:
		return "created"
	case EventDeleted:
		return "deleted"
	case EventDataChanged:
		return "data changed"
	case EventChildrenChanged:
		return "children changed"
	case EventGap:
		return "gap"
	}
	return fmt.Sprintf("event %d", int32(t))
}

// An Event is what a watch yields.
type Event struct {
	Type EventType // what happened
	Path string    // of the node; of an EventGap, what is watched
	Zxid Zxid      // of the change; 0 from servers before 3.9 and after a reconnection
}

// String returns type and path.
func (e Event) String() string { return e.Type.String() + " " + e.Path }

// A Watch yields what happens to a node, or to a whole subtree. Several
// goroutines may take events from one Watch; each event goes to one of them.
type Watch struct {
	s    *session
	root string // the view's chroot
	path string // in full
	q    *queue[Event]

	// guarded by session.mu
	kind watchKind
	live bool // in the session's tables
	shut bool // by its owner
}

func (c *Client) newWatch(path string, kind watchKind) *Watch {
	w := &Watch{s: c.s, root: c.root, path: join(c.root, path), kind: kind}
	w.q = newQueue(c.s.opts.MaxWatchQueue, func() Event { return Event{Type: EventGap, Path: path} })
	return w
}

func (w *Watch) push(e Event) {
	e.Path = strip(w.root, e.Path)
	w.q.push(e)
}

// finish lets the owner have what is there, and then why.
func (w *Watch) finish(why error) {
	if why == nil {
		why = io.EOF
	} else {
		why = (&call{op: proto.OpAddWatch, path: strip(w.root, w.path)}).refusal(why)
	}
	w.q.close(why, false)
}

// Path returns the path that is watched.
func (w *Watch) Path() string { return strip(w.root, w.path) }

// Next waits for the next event. After the last one, which is the only one of
// a one-shot watch, and after Close it returns io.EOF. When the session ends
// it returns an [*Error] with ErrSessionExpired, ErrAuthFailed or ErrClosed.
func (w *Watch) Next(ctx context.Context) (Event, error) { return w.q.next(ctx) }

// Events yields the events until the watch is closed. When it ends for
// another reason, that is the last thing it yields.
func (w *Watch) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			e, err := w.Next(ctx)
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// Chan returns a channel of the events, for select statements. It is closed
// when Next would return an error, and when ctx ends. Until then a goroutine
// holds the next event ready, so ctx must end one day.
func (w *Watch) Chan(ctx context.Context) <-chan Event {
	ch := make(chan Event)
	go func() {
		defer close(ch)
		for e, err := range w.Events(ctx) {
			if err != nil {
				return
			}
			select {
			case ch <- e:
			case <-ctx.Done():
				return
			}
		}
	}()
	return ch
}

// Close ends the watch, and has the server forget it unless another Watch of
// the session needs it. It does not wait. Events not taken yet are lost.
func (w *Watch) Close() error {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	if !w.shut {
		w.shut = true
		w.q.close(io.EOF, true)
		w.s.dropWatch(w)
	}
	return nil
}

// Watch watches a node, which need not exist, until the Watch is closed: its
// creation and deletion, its data and its list of children. It needs
// ZooKeeper 3.6 or later; before, it fails with ErrUnimplemented.
//
// Servers before 3.9 keep either Watch or WatchTree for one node and session:
// the later one replaces the other.
func (c *Client) Watch(ctx context.Context, path string) (*Watch, error) {
	return c.addWatch(ctx, path, watchPersistent, proto.WatchPersistent)
}

// WatchTree watches a node and all nodes below it, until the Watch is closed.
// It yields when they are created and deleted and when their data is set, but
// no EventChildrenChanged. It needs ZooKeeper 3.6 or later.
func (c *Client) WatchTree(ctx context.Context, path string) (*Watch, error) {
	return c.addWatch(ctx, path, watchRecursive, proto.WatchPersistentRecursive)
}

func (c *Client) addWatch(ctx context.Context, path string, kind watchKind, mode int32) (*Watch, error) {
	return do(ctx, c.s, c.addWatchRequest(path, kind, mode))
}

func (c *Client) addWatchRequest(path string, kind watchKind, mode int32) request[*Watch] {
	w := c.newWatch(path, kind)
	return request[*Watch]{
		op: proto.OpAddWatch, path: path, body: pathMode(w.path, mode), read: true, arm: w,
		decode: fields(func(*jute.Decoder) *Watch { return w }), err: c.check(proto.OpAddWatch, path),
	}
}

// A WatchType says which watches of a path are meant.
type WatchType int32

// The types (Watcher.WatcherType).
const (
	// ChildWatches are those of ChildrenW.
	ChildWatches WatchType = 1
	// DataWatches are those of GetW and ExistsW.
	DataWatches WatchType = 2
	// AnyWatches are all, persistent ones included.
	AnyWatches WatchType = 3
)

// RemoveWatches has the server forget the session's watches of a path, and
// closes their Watch values. It fails with ErrNoWatcher if there are none.
// [Watch.Close] is what is needed usually.
func (c *Client) RemoveWatches(ctx context.Context, path string, typ WatchType) error {
	full := join(c.root, path)
	_, err := do(ctx, c.s, request[nothing]{
		op: proto.OpRemoveWatches, path: path, body: pathMode(full, int32(typ)), decode: empty,
		err: c.check(proto.OpRemoveWatches, path),
	})
	if err != nil {
		return err
	}
	kinds := []watchKind{watchData, watchExist, watchChild, watchPersistent, watchRecursive}
	switch typ {
	case ChildWatches:
		kinds = kinds[2:3]
	case DataWatches:
		kinds = kinds[:2]
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	for _, k := range kinds {
		for _, w := range c.s.watches.by[k][full] {
			w.live, w.shut = false, true
			w.q.close(io.EOF, false)
		}
		delete(c.s.watches.by[k], full)
	}
	return nil
}

// HasWatches tells whether the server knows watches of the session on a path.
func (c *Client) HasWatches(ctx context.Context, path string, typ WatchType) (bool, error) {
	_, err := do(ctx, c.s, request[nothing]{
		op: proto.OpCheckWatches, path: path, body: pathMode(join(c.root, path), int32(typ)), read: true,
		decode: empty, err: c.check(proto.OpCheckWatches, path),
	})
	if errors.Is(err, ErrNoWatcher) {
		return false, nil
	}
	return err == nil, err
}
