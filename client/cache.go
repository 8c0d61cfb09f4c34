package client

import (
	"context"
	"errors"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"quokka/internal/proto"
)

// A Node is a node as a Cache knows it.
type Node struct {
	Path string // in the view of the Cache
	Data []byte // must not be changed
	// Stat is as of when the data was read: Cversion, Pzxid and NumChildren
	// do not follow the node's children.
	Stat Stat
}

// A ChangeType says what happened to a node of a Cache.
type ChangeType int

// The types.
const (
	// NodeAdded: the Cache has a node it did not have.
	NodeAdded ChangeType = iota
	// NodeUpdated: the node's data was set, or the node was deleted and
	// created again.
	NodeUpdated
	// NodeRemoved: the node is gone. The Change holds what it was.
	NodeRemoved
)

// String returns added, updated or removed.
func (t ChangeType) String() string {
	switch t {
	case NodeAdded:
		return "added"
	case NodeUpdated:
		return "updated"
	case NodeRemoved:
		return "removed"
	}
	return "unknown"
}

// A Change is a step from one state of a Cache to the next.
type Change struct {
	Type ChangeType // what happened
	Node Node       // after it, or before it if it was removed
}

// A Cache is a copy of a subtree in memory that follows the servers. It is
// always some seconds or milliseconds behind them; it never goes back. While
// no server is reached it stays as it is, and catches up afterwards: what was
// created and deleted in between is never seen.
//
// Nodes that the session may not read are not in it, nor what is below them.
type Cache struct {
	c      *Client
	root   string
	w      *Watch
	cancel context.CancelFunc
	over   chan struct{} // closed when the goroutine has ended

	mu        sync.RWMutex
	nodes     map[string]Node
	children  map[string]map[string]struct{} // names by path
	observers map[*queue[Change]]struct{}
	err       error
}

// Cache returns a copy of the subtree at path once it is complete. The node
// need not exist. It lives until Close, or until the session ends; ctx bounds
// only the beginning. It needs ZooKeeper 3.6 or later.
func (c *Client) Cache(ctx context.Context, path string) (*Cache, error) {
	w, err := c.WatchTree(ctx, path)
	if err != nil {
		return nil, err
	}
	k := &Cache{
		c: c, root: path, w: w, over: make(chan struct{}),
		nodes: make(map[string]Node), children: make(map[string]map[string]struct{}),
		observers: make(map[*queue[Change]]struct{}),
	}
	life, cancel := context.WithCancel(context.Background())
	k.cancel = cancel
	if err := k.fill(ctx); err != nil {
		cancel()
		_ = w.Close()
		return nil, err
	}
	go k.run(life)
	return k, nil
}

// Get returns a node.
func (k *Cache) Get(path string) (Node, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	n, ok := k.nodes[path]
	return n, ok
}

// Children returns the names of a node's children, sorted.
func (k *Cache) Children(path string) []string {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return slices.Sorted(maps.Keys(k.children[path]))
}

// Len returns how many nodes there are.
func (k *Cache) Len() int {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return len(k.nodes)
}

// Nodes returns all nodes as of one moment, sorted by path.
func (k *Cache) Nodes() []Node {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.sorted()
}

func (k *Cache) sorted() []Node {
	all := make([]Node, 0, len(k.nodes))
	for _, path := range slices.Sorted(maps.Keys(k.nodes)) {
		all = append(all, k.nodes[path])
	}
	return all
}

// Changes yields a NodeAdded for every node there is, and then every change,
// none left out, until the loop or ctx ends or the Cache is closed. When the
// session ends, the error of that is the last thing it yields.
func (k *Cache) Changes(ctx context.Context) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		q := newQueue[Change](0, nil)
		k.mu.Lock()
		for _, n := range k.sorted() {
			q.push(Change{NodeAdded, n})
		}
		if k.err != nil {
			q.close(k.err, false)
		}
		k.observers[q] = struct{}{}
		k.mu.Unlock()
		defer func() {
			k.mu.Lock()
			defer k.mu.Unlock()
			delete(k.observers, q)
		}()
		for {
			v, err := q.next(ctx)
			if errors.Is(err, io.EOF) || !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// Done is closed when the Cache follows no more; Err then says why.
func (k *Cache) Done() <-chan struct{} { return k.over }

// Err returns what ended the Cache: nil while it lives and after Close.
func (k *Cache) Err() error {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if errors.Is(k.err, io.EOF) {
		return nil
	}
	return k.err
}

// Close ends the Cache. What it knows can still be read.
func (k *Cache) Close() error {
	k.cancel()
	<-k.over
	return k.w.Close()
}

// put takes over what was read of a node, unless something newer is known.
func (k *Cache) put(n Node) {
	old, ok := k.nodes[n.Path]
	switch {
	case ok && (old.Stat.Mzxid > n.Stat.Mzxid || old.Stat.Czxid == n.Stat.Czxid && old.Stat.Mzxid == n.Stat.Mzxid):
		return
	case ok:
		k.nodes[n.Path] = n
		k.tell(Change{NodeUpdated, n})
		return
	}
	k.nodes[n.Path] = n
	if n.Path != k.root {
		parent, name := split(n.Path)
		if k.children[parent] == nil {
			k.children[parent] = make(map[string]struct{})
		}
		k.children[parent][name] = struct{}{}
	}
	k.tell(Change{NodeAdded, n})
}

func (k *Cache) remove(path string) {
	old, ok := k.nodes[path]
	if !ok {
		return
	}
	delete(k.nodes, path)
	parent, name := split(path)
	if delete(k.children[parent], name); len(k.children[parent]) == 0 {
		delete(k.children, parent)
	}
	k.tell(Change{NodeRemoved, old})
}

func (k *Cache) tell(c Change) {
	for q := range k.observers {
		q.push(c)
	}
}

func split(path string) (parent, name string) {
	parent = proto.ParentOf(path)
	name = strings.TrimPrefix(path[len(parent):], "/")
	if parent == "" {
		parent = "/"
	}
	return parent, name
}

// child joins a path and a name.
func child(path, name string) string {
	if path == "/" {
		return "/" + name
	}
	return path + "/" + name
}
