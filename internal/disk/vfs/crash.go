package vfs

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// CrashMode says what a power loss does to changes that were not synced.
type CrashMode int

const (
	// CrashLose loses all of them: the disk as of the last syncs.
	CrashLose CrashMode = iota
	// CrashKeep loses none: the kernel happened to have written all back.
	CrashKeep
	// CrashRandom keeps what chance keeps, within the rules of the package.
	CrashRandom
)

func (m CrashMode) String() string {
	switch m {
	case CrashLose:
		return "lose"
	case CrashKeep:
		return "keep"
	case CrashRandom:
		return "random"
	}
	return "invalid"
}

// CrashImage returns the disk as a power loss at this moment could leave it,
// all of it durable. The same state, mode and random numbers give the same
// image; rng is used by [CrashRandom] only and may be nil otherwise. m itself
// is not changed and can be asked again.
func (m *Mem) CrashImage(rng *rand.Rand, mode CrashMode) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	image := NewMem()
	image.ticks, image.free = m.ticks, m.free
	survivors := make(map[*memNode]*memNode) // a node keeps one fate under all names
	for _, path := range slices.Sorted(maps.Keys(m.dirs)) {
		dir := newMemDir()
		entries := m.dirs[path].crash(rng, mode)
		for _, base := range slices.Sorted(maps.Keys(entries)) {
			node := entries[base]
			if survivors[node] == nil {
				survivors[node] = node.crash(rng, mode)
			}
			dir.entries[base] = survivors[node]
		}
		dir.durable = maps.Clone(dir.entries)
		image.dirs[path] = dir
	}
	return image
}

// crash returns the names that survive: the durable ones and a prefix of the
// changes since.
func (d *memDir) crash(rng *rand.Rand, mode CrashMode) map[string]*memNode {
	kept := 0
	switch mode {
	case CrashKeep:
		kept = len(d.pending)
	case CrashRandom:
		kept = rng.IntN(len(d.pending) + 1)
	}
	entries := maps.Clone(d.durable)
	for _, c := range d.pending[:kept] {
		c.apply(entries)
	}
	return entries
}

func (n *memNode) crash(rng *rand.Rand, mode CrashMode) *memNode {
	survivor := &memNode{modTime: n.modTime}
	switch {
	case mode == CrashKeep:
		survivor.now = n.now.clone()
	case mode == CrashLose || len(n.pending) == 0:
		survivor.now = n.durable.clone()
	default:
		survivor.now = n.crashRandom(rng)
	}
	survivor.durable = survivor.now.clone()
	return survivor
}

// crashRandom draws a version of the size and a version of every block that
// was written; a version is the number of pending changes it has seen. Per
// file the blocks are sectors, or pages of which one may be torn.
func (n *memNode) crashRandom(rng *rand.Rand) *content {
	image := n.durable.clone()
	sizeVersion := rng.IntN(len(n.pending) + 1)
	for _, c := range n.pending[:sizeVersion] {
		image.size = c.sizeAfter(image.size)
	}
	dirty := n.dirtyPages()
	bySector := rng.IntN(2) == 0
	torn := -1
	if len(dirty) > 0 && !bySector {
		torn = rng.IntN(2 * len(dirty)) // half of the time no page is torn
	}
	for i, index := range dirty {
		pg := image.freshPage(index)
		version := rng.IntN(len(n.pending) + 1)
		tear := pageSize
		if i == torn {
			tear = sectorSize * rng.IntN(pageSize/sectorSize+1)
		}
		for at := 0; at < pageSize; at += sectorSize {
			if bySector || at == tear {
				version = rng.IntN(len(n.pending) + 1)
			}
			n.replay(pg[at:at+sectorSize], index*pageSize+int64(at), version, sizeVersion)
		}
	}
	clearBeyond(image)
	return image
}

// clearBeyond drops what pages hold behind the size, where a version of a
// block was newer than that of the size.
func clearBeyond(c *content) {
	size := c.size
	c.size = (size/pageSize + 1) * pageSize
	for i := range c.pages {
		c.size = max(c.size, (i+1)*pageSize)
	}
	c.truncate(size)
}

// sizeAfter is the size of the file once the change is made.
func (c fileChange) sizeAfter(size int64) int64 {
	if c.data == nil {
		return c.off
	}
	return max(size, c.off+int64(len(c.data)))
}

// dirtyPages are the pages that pending writes touch or pending truncates cut,
// in order.
func (n *memNode) dirtyPages() []int64 {
	dirty := make(map[int64]bool)
	for _, c := range n.pending {
		if c.data == nil {
			for i := range n.durable.pages {
				if (i+1)*pageSize > c.off {
					dirty[i] = true
				}
			}
			continue
		}
		for i := c.off / pageSize; i*pageSize < c.off+int64(len(c.data)); i++ {
			dirty[i] = true
		}
	}
	return slices.Sorted(maps.Keys(dirty))
}

// replay brings the sector at off to a version. Truncates belong to the
// metadata: just those which the surviving size has seen count for every
// sector, or a cut-off end could come back when the file has grown again.
func (n *memNode) replay(sector []byte, off int64, version, sizeVersion int) {
	for i, c := range n.pending[:max(version, sizeVersion)] {
		switch {
		case c.data == nil && i < sizeVersion && c.off < off+sectorSize:
			clear(sector[max(0, c.off-off):])
		case c.data != nil && i < version:
			overlay(sector, off, c)
		}
	}
}

// overlay copies the part of a write that falls into the sector at off.
func overlay(sector []byte, off int64, c fileChange) {
	from := max(off, c.off)
	to := min(off+int64(len(sector)), c.off+int64(len(c.data)))
	if from < to {
		copy(sector[from-off:to-off], c.data[from-c.off:to-c.off])
	}
}
