package tree

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"quokka/internal/proto"
)

// The walkers run beside the changes; the race detector and the digest tell
// when they see one.
func TestViewIsReadWhileTheTreeChanges(t *testing.T) {
	tr := New(Options{})
	tr.arena.poison = true
	r := rand.New(rand.NewPCG(1, 2))
	var wg sync.WaitGroup
	closing := make(chan *View, 8)
	open := 0
	for i := range 30000 {
		path := fmt.Sprintf("/n%03d", r.IntN(500))
		data := bytes.Repeat([]byte{byte(i)}, r.IntN(300)+r.IntN(100)/99*20000)
		acl := []proto.ACL{{Perms: int32(r.IntN(20))}}
		switch r.IntN(4) {
		case 0:
			tr.Delete(path, proto.Zxid(i))
		case 1:
			tr.SetACL(path, acl, int32(i))
		case 2:
			tr.SetData(path, data, int32(i), proto.Zxid(i), 5)
		default:
			tr.Create(path, data, acl, 0, -1, proto.Zxid(i), 5)
		}
		if i%500 == 0 && open < 4 {
			v := tr.View()
			open++
			wg.Go(func() {
				if err := walk(v); err != nil {
					t.Error(err)
				}
				closing <- v
			})
		}
		select {
		case v := <-closing:
			v.Close()
			open--
		default:
		}
	}
	wg.Wait()
	for range open {
		(<-closing).Close()
	}
	consistent(t, tr)
	if len(tr.deferred) != 0 || tr.latest != 0 {
		t.Errorf("%d blobs deferred, view %d open", len(tr.deferred), tr.latest)
	}
}

func walk(v *View) error {
	sum, count := uint64(0), 0
	acls := map[int64]bool{-1: true}
	for id := range v.ACLs() {
		acls[id] = true
	}
	for n := range v.Nodes() {
		count++
		if p := string(n.Path); CountsInDigest(p) {
			sum += uint64(Digest(p, n.Data, &n.Stat))
		}
		if !acls[n.ACLID] {
			return fmt.Errorf("%s: unknown acl %d", n.Path, n.ACLID)
		}
	}
	if sum != v.Digest() || count != v.Len() {
		return fmt.Errorf("view of %d nodes with digest %x, want %d, %x", count, sum, v.Len(), v.Digest())
	}
	return nil
}

func TestViewEndsEarly(t *testing.T) {
	v := New(Options{}).View()
	defer v.Close()
	for n := range v.Nodes() {
		if len(n.Path) != 0 {
			t.Fatalf("%q after the end", n.Path)
		}
		break
	}
	for range v.ACLs() {
		break
	}
}

// What is overwritten again and again under a view is given back at once: the
// view sees the first blob only.
func TestLongViewDoesNotHoardBlobs(t *testing.T) {
	tr := New(Options{})
	tr.Create("/a", []byte("first"), nil, 0, -1, 1, 1)
	v := tr.View()
	for i := range 10000 {
		tr.SetData("/a", fmt.Append(nil, "data ", i), int32(i), 2, 2)
		if i == 5000 {
			w := tr.View()
			defer w.Close()
		}
	}
	if n := len(tr.deferred); n != 2 {
		t.Errorf("%d blobs deferred", n)
	}
	for n := range v.Nodes() {
		if string(n.Path) == "/a" && string(n.Data) != "first" {
			t.Errorf("data %q", n.Data)
		}
	}
	v.Close()
	consistent(t, tr)
}
