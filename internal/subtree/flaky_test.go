package subtree

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"quokka/client"
	"quokka/quokkatest"
)

// A flaky proxy passes everything to a server, but of the replies only so
// many bytes: then the connection is cut, and what the server has done
// meanwhile nobody is told.
type flaky struct {
	to string

	mu   sync.Mutex
	r    *rand.Rand
	low  int // bytes that pass at least
	cuts int
	off  bool // pass everything
}

func newFlaky(t *testing.T, to string, seed uint64, low int) (*flaky, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	f := &flaky{to: to, r: rand.New(rand.NewPCG(seed, 7)), low: low, off: true}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			go func() { _, _ = io.Copy(out, in); _ = out.Close() }()
			go func() { f.replies(in, out); _ = in.Close(); _ = out.Close() }()
		}
	}()
	return f, l.Addr().String()
}

// replies passes replies until the connection's share is used up.
func (f *flaky) replies(in, out net.Conn) {
	f.mu.Lock()
	left := f.low + f.r.IntN(4*f.low)
	f.mu.Unlock()
	b := make([]byte, 512)
	for {
		n, err := out.Read(b)
		if err != nil {
			return
		}
		f.mu.Lock()
		cut := !f.off && n > left
		if cut {
			f.cuts++
		}
		if !f.off {
			left -= n
		}
		f.mu.Unlock()
		if cut {
			return
		}
		if _, err := in.Write(b[:n]); err != nil {
			return
		}
	}
}

func (f *flaky) set(off bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.off = off
}

// TestNothingIsDoneTwiceOrLeftOut loses connections all the time, and with
// them the answers to changes that were made.
func TestNothingIsDoneTwiceOrLeftOut(t *testing.T) {
	s := quokkatest.Start(t, 1)
	direct := dial(t, s)
	for seed := range uint64(4) {
		f, addr := newFlaky(t, s.Addr(0), seed, 6000)
		c, err := client.Dial(t.Context(), addr, client.Options{
			Auth: []client.Auth{{Scheme: "digest", Data: []byte("alice:secret")}}, MaxBackoff: 20 * time.Millisecond, RetryReads: 20,
		})
		must(t, err)
		t.Cleanup(func() { _ = c.Close() })
		left, right := Side{c, fmt.Sprintf("/r%d", seed)}, Side{c, fmt.Sprintf("/s%d", seed)}
		grow(t, direct, left.Root, seed, 250)
		l := Limits{Parts: 5 + int(seed)*10}
		f.set(false)
		r, err := Copy(t.Context(), left, right, TransferOptions{Limits: l, Ephemerals: true})
		if err != nil {
			t.Fatalf("seed %d: copy: %+v, %v", seed, r, err)
		}
		f.set(true)
		same(t, direct, left, right, "copy")
		counters(t, Side{direct, left.Root}, Side{direct, right.Root})

		grow(t, direct, right.Root, 50+seed, 100) // differences of all sorts
		_, err = direct.Set(t.Context(), right.Root, []byte("other"), client.AnyVersion)
		must(t, err)
		f.set(false)
		r, err = Copy(t.Context(), left, right, TransferOptions{Limits: l, Ephemerals: true, Existing: Overwrite})
		if err != nil && r.Failed != ephemeralsOver(r) {
			t.Fatalf("seed %d: overwrite: %+v, %v", seed, r, err)
		}
		acl := client.DigestACL(client.PermAll, "alice", "secret")
		if r, err := SetACL(t.Context(), c, right.Root, acl, client.AnyVersion, ACLOptions{}); err != nil || r.ACLs != r.Seen {
			t.Fatalf("seed %d: setACL: %+v, %v", seed, r, err)
		}
		if r, err = Delete(t.Context(), c, right.Root, DeleteOptions{Limits: l}); err != nil {
			t.Fatalf("seed %d: delete: %+v, %v", seed, r, err)
		}
		f.set(true)
		if exists(t, direct, right.Root) {
			t.Fatalf("seed %d: not deleted", seed)
		}
		if f.cuts < 5 {
			t.Errorf("seed %d: the connection was cut %d times only", seed, f.cuts)
		}
	}
}

// ephemeralsOver counts the nodes that stood in the way because they are
// ephemeral at the destination.
func ephemeralsOver(r Report) int64 {
	var n int64
	for _, f := range r.Failures {
		if f.Op == "overwrite" {
			n++
		}
	}
	return n
}

// same checks that two subtrees differ in nothing but kinds.
func same(t *testing.T, c *client.Client, left, right Side, what string) {
	t.Helper()
	for _, d := range diffs(t, Side{c, left.Root}, Side{c, right.Root}, DiffOptions{}) {
		if d.Data || d.ACL || d.Left == nil || d.Right == nil {
			t.Fatalf("%s: differs at %s: %+v", what, d.Path, d)
		}
	}
}
