package client

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"
)

const (
	cacheBatch = 512 // nodes read at a time
	// How long to wait after a failed read before reading everything again,
	// unless a new connection says so earlier.
	minReread = time.Second
	maxReread = 30 * time.Second
)

// run follows the watch. What an event says is not believed but read: a node
// that has an event is newer than what the Cache holds, whatever it is by now.
func (k *Cache) run(ctx context.Context) {
	defer close(k.over)
	var retry <-chan time.Time
	wait := minReread
	for {
		dirty, gap, err := k.events(ctx, retry)
		if err != nil {
			k.end(err)
			return
		}
		if gap {
			err = k.fill(ctx)
		} else {
			err = k.refresh(ctx, dirty)
		}
		retry = nil
		if err == nil {
			wait = minReread
			continue
		}
		retry, wait = time.After(wait), min(2*wait, maxReread)
	}
}

// events waits for what to read next: all that is queued, or everything.
func (k *Cache) events(ctx context.Context, retry <-chan time.Time) (dirty []string, gap bool, err error) {
	seen := make(map[string]bool)
	for {
		e, ok, err := k.w.q.take()
		switch {
		case err != nil && len(dirty) == 0 && !gap:
			return nil, false, err
		case ok && e.Type == EventGap:
			gap = true
		case ok && !seen[e.Path]:
			seen[e.Path] = true
			dirty = append(dirty, e.Path)
		case !ok && (len(dirty) > 0 || gap):
			return dirty, gap || retry != nil, nil
		case !ok:
			select {
			case <-k.w.q.signal:
			case <-retry:
				return nil, true, nil
			case <-ctx.Done():
				return nil, false, io.EOF
			}
		}
	}
}

func (k *Cache) end(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.err = err
	for q := range k.observers {
		q.close(err, false)
	}
}

// refresh reads some nodes again.
func (k *Cache) refresh(ctx context.Context, paths []string) error {
	p := k.c.Pipeline()
	for some := range slices.Chunk(paths, cacheBatch) {
		futures := make([]*Future[Data], len(some))
		for i, path := range some {
			futures[i] = p.Get(ctx, path)
		}
		for i, f := range futures {
			if err := k.take(ctx, some[i], f); err != nil {
				return err
			}
		}
	}
	return nil
}

// take applies the answer to one Get.
func (k *Cache) take(ctx context.Context, path string, f *Future[Data]) error {
	v, err := f.Wait(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case err == nil:
		k.put(Node{Path: path, Data: v.Data, Stat: v.Stat})
	case unseen(err):
		k.remove(path)
	default:
		return err
	}
	return nil
}

// unseen tells whether a node is not there, for us.
func unseen(err error) bool { return errors.Is(err, ErrNoNode) || errors.Is(err, ErrNoAuth) }

// fill walks the subtree, reads the data that is new, and removes what is
// gone. The watch is active already, so what changes meanwhile comes again as
// an event.
func (k *Cache) fill(ctx context.Context) error {
	p := k.c.Pipeline()
	found := make(map[string]bool)
	level := []string{k.root}
	for len(level) > 0 {
		var below []string
		for some := range slices.Chunk(level, cacheBatch) {
			more, err := k.walk(ctx, p, some, found)
			if err != nil {
				return err
			}
			below = append(below, more...)
		}
		level = below
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, n := range slices.Backward(k.sorted()) { // children before parents
		if !found[n.Path] {
			k.remove(n.Path)
		}
	}
	return nil
}

// walk lists the children of some nodes, and reads the data of those that
// have changed. It returns the paths of the children.
func (k *Cache) walk(ctx context.Context, p *Pipeline, paths []string, found map[string]bool) ([]string, error) {
	lists := make([]*Future[Listing], len(paths))
	for i, path := range paths {
		lists[i] = p.Children(ctx, path)
	}
	var below, changed []string
	for i, f := range lists {
		v, err := f.Wait(ctx)
		if unseen(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		path := paths[i]
		found[path] = true
		for _, name := range v.Children {
			below = append(below, child(path, name))
		}
		if n, ok := k.Get(path); !ok || n.Stat.Czxid != v.Stat.Czxid || n.Stat.Mzxid != v.Stat.Mzxid {
			changed = append(changed, path)
		}
	}
	return below, k.refresh(ctx, changed)
}
