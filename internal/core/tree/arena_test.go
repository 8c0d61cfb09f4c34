package tree

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestSizeClasses(t *testing.T) {
	for n := 1; n <= maxSmall; n++ {
		c := classOf(n)
		if c >= classes || classSize(c) < n || c > 0 && classSize(c-1) >= n || classSize(c)%unit != 0 {
			t.Fatalf("%d bytes: class %d of %d bytes", n, c, classSize(c))
		}
		if waste := classSize(c) - n; waste >= unit && waste*8 > n {
			t.Fatalf("%d bytes: %d wasted", n, waste)
		}
	}
	if classOf(maxSmall) != classes-1 {
		t.Errorf("last class %d", classOf(maxSmall))
	}
}

func TestArenaKeepsBlobsApart(t *testing.T) {
	a := arena{poison: true}
	r := rand.New(rand.NewPCG(3, 4))
	type blob struct {
		h    handle
		n    int
		fill byte
	}
	var live []blob
	for i := range 60000 {
		grow := (i/10000)%2 == 0
		if len(live) == 0 || r.IntN(3) > 0 == grow {
			n := []int{r.IntN(64), r.IntN(2000), r.IntN(20000)}[r.IntN(100)/49]
			h, b := a.alloc(n)
			if len(b) != n || n > 0 && h == 0 {
				t.Fatalf("%d bytes: %d, handle %d", n, len(b), h)
			}
			fill := byte(i)
			for j := range b {
				b[j] = fill
			}
			live = append(live, blob{h, n, fill})
			continue
		}
		k := r.IntN(len(live))
		b := live[k]
		if got := a.get(b.h, b.n); !bytes.Equal(got, bytes.Repeat([]byte{b.fill}, b.n)) {
			t.Fatalf("blob of %d bytes overwritten", b.n)
		}
		a.release(b.h)
		live[k] = live[len(live)-1]
		live = live[:len(live)-1]
	}
	for _, b := range live {
		a.release(b.h)
	}
	pages := len(a.pages) - 1 - len(a.freePages)
	if pages > classes || len(a.freeBig) != len(a.big) {
		t.Errorf("%d pages, %d large blobs kept", pages, len(a.big)-len(a.freeBig))
	}
}

func TestArenaFillsItsGapsFirst(t *testing.T) {
	var a arena
	var hs []handle
	for range 20000 {
		h, _ := a.alloc(100)
		hs = append(hs, h)
	}
	pages := len(a.pages)
	for i := 0; i < len(hs); i += 3 {
		a.release(hs[i])
	}
	for i := 0; i < len(hs); i += 3 {
		a.alloc(110)
	}
	if len(a.pages) != pages {
		t.Errorf("%d pages grew to %d", pages, len(a.pages))
	}
}

// Tags of different parents may be equal, though nobody will live to see it.
func TestLookupAsksForTheParent(t *testing.T) {
	tr := New(Options{})
	tr.Create("/a", nil, nil, 0, -1, 1, 1)
	tr.Create("/a/x", nil, nil, 0, -1, 1, 1)
	tr.Create("/b", nil, nil, 0, -1, 1, 1)
	b := tr.FindString("/b")
	tr.index.insert(tagOf(&tr.index, b, "x"), tr.FindString("/a/x"))
	if lookup(tr, b, "x") != 0 {
		t.Error("found the child of another parent")
	}
}

func TestIndexSurvivesCollisions(t *testing.T) {
	var x index
	in := map[Ref]uint32{}
	r := rand.New(rand.NewPCG(5, 6))
	for i := range 20000 {
		ref := Ref(1 + r.IntN(3000))
		if tag, ok := in[ref]; ok {
			x.remove(tag, ref)
			delete(in, ref)
			continue
		}
		in[ref] = uint32(r.IntN(4))<<30 | uint32(r.IntN(400)) // few homes
		x.insert(in[ref], ref)
		if i%500 == 0 {
			reachable(t, &x, in)
		}
	}
	reachable(t, &x, in)
	for ref, tag := range in {
		x.remove(tag, ref)
		x.remove(tag, ref)
	}
	reachable(t, &x, nil)
}

func reachable(t *testing.T, x *index, in map[Ref]uint32) {
	t.Helper()
	used := 0
	for i := range x.segments {
		used += x.segments[i].used
	}
	if used != len(in) {
		t.Fatalf("%d used, want %d", used, len(in))
	}
	for ref, tag := range in {
		s := &x.segments[tag>>(32-segmentBits)]
		mask := uint32(len(s.slots) - 1)
		for i := tag & mask; s.slots[i].ref != ref; i = (i + 1) & mask {
			if s.slots[i].ref == 0 {
				t.Fatalf("node %d with tag %x is lost", ref, tag)
			}
		}
	}
}
