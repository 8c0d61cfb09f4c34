package vfs

import "maps"

const (
	sectorSize = 512  // bytes a disk writes whole or not at all
	pageSize   = 4096 // bytes the kernel writes back at once, if all goes well
)

// page is the content of one aligned block. It is never changed once it is in
// a content: a write puts a new page in its place, so that copies of a content
// can share pages.
type page *[pageSize]byte

// content is the bytes of a file, kept in pages. A page that is absent is all
// zeros, so a preallocated file costs nothing.
type content struct {
	size  int64
	pages map[int64]page
}

func newContent() *content {
	return &content{pages: make(map[int64]page)}
}

func (c *content) clone() *content {
	return &content{size: c.size, pages: maps.Clone(c.pages)}
}

// readAt fills p from off and returns how many bytes the file has there.
func (c *content) readAt(p []byte, off int64) int {
	if off >= c.size {
		return 0
	}
	p = p[:min(int64(len(p)), c.size-off)]
	for n := 0; n < len(p); {
		at := off + int64(n)
		in := int(at % pageSize)
		part := p[n:min(len(p), n+pageSize-in)]
		if pg := c.pages[at/pageSize]; pg != nil {
			copy(part, pg[in:])
		} else {
			clear(part)
		}
		n += len(part)
	}
	return len(p)
}

func (c *content) writeAt(p []byte, off int64) {
	for n := 0; n < len(p); {
		at := off + int64(n)
		in := int(at % pageSize)
		n += copy(c.freshPage(at / pageSize)[in:], p[n:])
	}
	c.size = max(c.size, off+int64(len(p)))
}

// freshPage puts a copy of page i into c and returns it for writing.
func (c *content) freshPage(i int64) page {
	fresh := new([pageSize]byte)
	if old := c.pages[i]; old != nil {
		*fresh = *old
	}
	c.pages[i] = fresh
	return fresh
}

// truncate sets the size. What a shrink cuts off reads as zeros if the file
// grows again.
func (c *content) truncate(size int64) {
	if size < c.size {
		last := size / pageSize
		for i := range c.pages {
			if i > last || i == last && size%pageSize == 0 {
				delete(c.pages, i)
			}
		}
		if c.pages[last] != nil {
			clear(c.freshPage(last)[size%pageSize:])
		}
	}
	c.size = size
}
