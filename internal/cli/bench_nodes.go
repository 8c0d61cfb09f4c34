package cli

import (
	"context"
	"fmt"
	"strconv"

	"quokka/internal/jute"
	"quokka/internal/proto"
)

// setupDepth is how many requests are in flight while nodes are made ready
// or cleaned up.
const setupDepth = 512

// listed deletes or creates nodes of a list.
type listed struct {
	paths  []string
	delete bool
	data   []byte
}

func (l *listed) next(b []byte, seq uint64) ([]byte, inFlight, bool) {
	if len(l.paths) == 0 {
		return b, inFlight{}, false
	}
	start := len(b)
	if l.delete {
		b = beginFrame(b, seq, proto.OpDelete)
		b = proto.AppendPathVersion(b, proto.PathVersion{Path: l.paths[0], Version: -1})
	} else {
		b = beginFrame(b, seq, proto.OpCreate)
		b = appendCreateTail(jute.AppendString(b, l.paths[0]), l.data)
	}
	endFrame(b, start)
	l.paths = l.paths[1:]
	return b, inFlight{op: proto.OpError, ops: 1}, true
}

// prepare creates or deletes nodes with one session, and wants no error.
func (b *benchRun) prepare(l *listed) error {
	p := phase{
		conns: b.conns[:1], sources: []benchSource{l}, depth: setupDepth, clock: b.clock,
	}
	t, err := p.run(context.Background()) // ends with its list; the keeper sees to a server that does not answer
	if err != nil {
		return err
	}
	for code, n := range t.errors {
		return fmt.Errorf("prepare nodes under %s: %d replies: %w", b.Prefix, n, code)
	}
	return nil
}

// makeDir creates a node under the prefix and n numbered ones under it.
func (b *benchRun) makeDir(name string, n int, data []byte) error {
	code, err := b.conns[0].createNode(b.Prefix+"/"+name, nil)
	if err != nil {
		return err
	}
	if code == proto.NodeExists {
		return nil // an earlier workload made it, and all under it
	}
	if code != proto.OK {
		return fmt.Errorf("create %s/%s: %w", b.Prefix, name, code)
	}
	paths := make([]string, n)
	for i := range paths {
		paths[i] = b.Prefix + "/" + name + "/" + strconv.Itoa(i)
	}
	return b.prepare(&listed{paths: paths, data: data})
}

func (b *benchRun) makeCreateDirs() error { return b.makeDir("create", createDirs, nil) }

func (b *benchRun) makeKeys() error {
	if err := b.makeDir("key", b.Keys, b.payload); err != nil {
		return err
	}
	return b.syncAll()
}

func (b *benchRun) makeFillDirs() error {
	if err := b.makeDir("fill", (b.Nodes+b.Fanout-1)/b.Fanout, nil); err != nil {
		return err
	}
	return b.syncAll()
}

// syncAll lets every session's server catch up with what was prepared.
func (b *benchRun) syncAll() error {
	for _, c := range b.conns {
		_, code, err := c.call(proto.OpSync, func(buf []byte) []byte { return jute.AppendString(buf, b.Prefix) })
		if err != nil {
			return err
		}
		if code != proto.OK {
			return fmt.Errorf("sync %s: %w", b.Prefix, code)
		}
	}
	return nil
}

// cleanup deletes the prefix and all under it, which is three levels deep,
// and returns the number of nodes.
func (b *benchRun) cleanup() (int, error) {
	c, total := b.conns[0], 1
	// Other sessions' requests all have their replies, but this session's
	// server may not have heard of their nodes yet.
	if err := b.syncAll(); err != nil {
		return 0, err
	}
	kinds, err := c.children(b.Prefix)
	if err != nil {
		return 0, err
	}
	for _, kind := range kinds {
		top := b.Prefix + "/" + kind
		dirs, err := c.children(top)
		if err != nil {
			return 0, err
		}
		for i, dir := range dirs {
			dirs[i] = top + "/" + dir
			if kind == "key" {
				continue // these have no children
			}
			n, err := b.emptyDir(dirs[i])
			total += n
			if err != nil {
				return total, err
			}
		}
		total += len(dirs) + 1
		if err := b.prepare(&listed{paths: append(dirs, top), delete: true}); err != nil {
			return total, err
		}
	}
	return total, b.prepare(&listed{paths: []string{b.Prefix}, delete: true})
}

// emptyDir deletes the children of a node, which have none themselves.
func (b *benchRun) emptyDir(dir string) (int, error) {
	names, err := b.conns[0].children(dir)
	if err != nil {
		return 0, err
	}
	for i := range names {
		names[i] = dir + "/" + names[i]
	}
	return len(names), b.prepare(&listed{paths: names, delete: true})
}
