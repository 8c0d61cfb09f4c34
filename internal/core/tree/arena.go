package tree

import "math/bits"

// A handle names a blob: page and slot, or with bigFlag the index of a large
// blob. The zero handle is the empty blob.
type handle uint32

const (
	unit     = 16       // bytes a slot number stands for
	slotBits = 12       // pageSize/unit slots
	pageSize = 64 << 10 // bytes; the first pages of a class are smaller
	maxSmall = 8 << 10  // bytes; what is larger has its own allocation
	maxPages = 1 << (31 - slotBits)
	bigFlag  = 1 << 31

	fineClasses = 64 // 16, 32 … 1024 bytes
	classes     = fineClasses + 24
	poisonByte  = 0xdd
)

// blobs finds bytes by handle. A View has its own copy of the two headers:
// what they point to is never moved, and never overwritten while a view can
// see it.
type blobs struct {
	pages [][]byte // [0] is not used
	big   [][]byte
}

// get returns the first n bytes of a blob.
func (b *blobs) get(h handle, n int) []byte {
	if h&bigFlag != 0 {
		return b.big[h&^bigFlag][:n:n]
	}
	if n == 0 {
		return []byte{}
	}
	at := int(h&(1<<slotBits-1)) * unit
	return b.pages[h>>slotBits][at : at+n : at+n]
}

// A page is divided into slots of one size class. Free slots are chained
// through their first two bytes.
type page struct {
	class      uint8
	listed     bool   // in its class's list of pages with room
	live       uint16 // slots in use
	free       uint16 // first freed slot + 1, 0 = none
	bump       uint16 // slots from here on were never used
	prev, next uint32 // neighbours in the list
}

// arena holds names and data of all znodes in pointer-free pages, so that the
// garbage collector sees a few thousand objects where there are millions of
// znodes.
type arena struct {
	blobs
	meta      []page
	room      [classes]uint32 // first page with room, 0 = none
	count     [classes]uint32 // pages
	freePages []uint32
	freeBig   []uint32
	poison    bool // tests: overwrite what is freed
}

// classOf returns the size class of n bytes, 1 <= n <= maxSmall: steps of 16
// bytes up to 1 KiB, then eight to a doubling.
func classOf(n int) int {
	if n <= fineClasses*unit {
		return (n - 1) / unit
	}
	doubling := bits.Len(uint(n-1)) - 11
	base := 1024 << doubling
	return fineClasses + doubling*8 + (n-1-base)/(base/8)
}

// classSize returns the bytes of a slot of a class.
func classSize(c int) int {
	if c < fineClasses {
		return (c + 1) * unit
	}
	base := 1024 << ((c - fineClasses) / 8)
	return base + base/8*((c-fineClasses)%8+1)
}

// alloc returns a blob of n bytes for the caller to fill.
func (a *arena) alloc(n int) (handle, []byte) {
	if n == 0 {
		return 0, nil
	}
	if n > maxSmall {
		return a.allocBig(n)
	}
	c := classOf(n)
	p := a.room[c]
	if p == 0 {
		if p = a.newPage(c); p == 0 {
			return a.allocBig(n)
		}
	}
	m, mem := &a.meta[p], a.pages[p]
	var slot int
	if m.free != 0 {
		slot = int(m.free - 1)
		m.free = uint16(mem[slot*unit]) | uint16(mem[slot*unit+1])<<8
	} else {
		slot = int(m.bump)
		m.bump += uint16(classSize(c) / unit)
	}
	m.live++
	if m.free == 0 && int(m.bump)*unit+classSize(c) > len(mem) {
		a.unlist(p)
	}
	return handle(p<<slotBits) | handle(slot), mem[slot*unit : slot*unit+n : slot*unit+n]
}

// release gives a blob back.
func (a *arena) release(h handle) {
	switch {
	case h == 0:
		return
	case h&bigFlag != 0:
		i := uint32(h &^ bigFlag)
		a.wipe(a.big[i])
		a.big[i] = nil
		a.freeBig = append(a.freeBig, i)
		return
	}
	p, at := uint32(h>>slotBits), int(h&(1<<slotBits-1))*unit
	m, mem := &a.meta[p], a.pages[p]
	a.wipe(mem[at : at+classSize(int(m.class))])
	mem[at], mem[at+1] = byte(m.free), byte(m.free>>8)
	m.free = uint16(at/unit + 1)
	m.live--
	if !m.listed {
		a.list(p)
	}
	if m.live == 0 && (m.prev != 0 || m.next != 0) { // keep a class's only page with room
		a.dropPage(p)
	}
}

func (a *arena) wipe(b []byte) {
	if a.poison {
		for i := range b {
			b[i] = poisonByte
		}
	}
}

func (a *arena) allocBig(n int) (handle, []byte) {
	b := make([]byte, n)
	if k := len(a.freeBig); k > 0 {
		i := a.freeBig[k-1]
		a.freeBig = a.freeBig[:k-1]
		a.big[i] = b
		return bigFlag | handle(i), b
	}
	a.big = append(a.big, b)
	return bigFlag | handle(len(a.big)-1), b
}

// newPage returns a page with room for class c, 0 when there are no more
// page numbers.
func (a *arena) newPage(c int) uint32 {
	size := 4 << 10
	for size < 4*classSize(c) {
		size *= 2
	}
	size = min(size<<min(2*a.count[c], 8), pageSize)
	if len(a.pages) == 0 {
		a.pages, a.meta = append(a.pages, nil), append(a.meta, page{})
	}
	p := uint32(len(a.pages))
	if k := len(a.freePages); k > 0 {
		p = a.freePages[k-1]
		a.freePages = a.freePages[:k-1]
		a.pages[p], a.meta[p] = make([]byte, size), page{class: uint8(c)}
	} else if p < maxPages {
		a.pages, a.meta = append(a.pages, make([]byte, size)), append(a.meta, page{class: uint8(c)})
	} else {
		return 0
	}
	a.count[c]++
	a.list(p)
	return p
}

func (a *arena) dropPage(p uint32) {
	a.unlist(p)
	a.count[a.meta[p].class]--
	a.pages[p] = nil
	a.freePages = append(a.freePages, p)
}

// list puts a page that has got room in front of its class's list.
func (a *arena) list(p uint32) {
	m := &a.meta[p]
	head := a.room[m.class]
	m.listed, m.prev, m.next = true, 0, head
	if head != 0 {
		a.meta[head].prev = p
	}
	a.room[m.class] = p
}

func (a *arena) unlist(p uint32) {
	m := &a.meta[p]
	if m.prev != 0 {
		a.meta[m.prev].next = m.next
	} else {
		a.room[m.class] = m.next
	}
	if m.next != 0 {
		a.meta[m.next].prev = m.prev
	}
	m.listed, m.prev, m.next = false, 0, 0
}
