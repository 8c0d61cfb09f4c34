package session

import (
	"encoding/hex"
	"maps"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"quokka/internal/proto"
)

func TestPassword(t *testing.T) {
	for id, want := range map[proto.SessionID]string{ // taken from a Java server
		0x0100000c26fc0000: "c6e1c350db365c0314e9706b1c7e8dfc",
		0x0100000c26fc0001: "d902be507b823b48092cd896f006a2c9",
		0x0100000c26fc0007: "ff44b250bb19fad1f4b1a6ed9718cb63",
	} {
		p := Password(id)
		if got := hex.EncodeToString(p[:]); got != want {
			t.Errorf("Password(%v) = %s, want %s", id, got, want)
		}
	}
}

func TestIDs(t *testing.T) {
	for _, c := range []struct {
		server      uint8
		nowMS       int64
		first, next proto.SessionID
	}{
		{1, 0x0000c26fc, 0x0100000c26fc0000, 0x0100000c26fc0001},
		{0, 0, 1, 2}, // 0 is no session
		{0x80, 0, math.MinInt64 + 1, math.MinInt64 + 2},        // math.MinInt64 marks containers
		{0xff, 1<<40 - 1, -0x10000, -0xffff},                   // the time fills its bits
		{7, 1<<40 + 5, 0x0700000000050000, 0x0700000000050001}, // and is cut
	} {
		g := NewIDs(c.server, c.nowMS)
		if a, b := g.Next(), g.Next(); a != c.first || b != c.next {
			t.Errorf("server %d at %d: %v, %v, want %v, %v", c.server, c.nowMS, a, b, c.first, c.next)
		}
	}
}

func TestIDsKeepTheServerWhenTheyOverflow(t *testing.T) {
	g := IDs{last: 0x05ffffffffffffff}
	if a, b := g.Next(), g.Next(); a != 0x05ffffffffffffff || b != 0x0500000000000001 {
		t.Errorf("%v, %v", a, b)
	}
}

func TestTable(t *testing.T) {
	s := NewTable()
	for _, id := range []proto.SessionID{5, -3, 9, 1} {
		s.Put(id, int32(id)*10)
	}
	s.Put(9, 4)
	if !s.Remove(1) || s.Remove(1) {
		t.Error("Remove must tell whether the session was there")
	}
	want := []Entry{{-3, -30}, {5, 50}, {9, 4}}
	if got := s.Snapshot(); !slices.Equal(got, want) || s.Len() != 3 {
		t.Errorf("Snapshot = %v", got)
	}
	if ms, ok := s.Timeout(9); ms != 4 || !ok {
		t.Errorf("Timeout = %d, %v", ms, ok)
	}
	if _, ok := s.Timeout(1); ok {
		t.Error("a removed session has a timeout")
	}
	for id := range s.All() { // the table may change under the walk
		s.Remove(id)
	}
	if s.Len() != 0 {
		t.Errorf("%d left", s.Len())
	}
}

func TestClockExpiresWholeBuckets(t *testing.T) {
	c := NewClock(2000)
	c.Track(1, 4000, 0)    // (0+4000)/2000+1 = 3rd tick
	c.Track(2, 4000, 1999) // 3rd tick
	c.Track(3, 4000, 2000) // 4th tick
	if got := c.Expire(5999); got != nil {
		t.Errorf("at 5999: %v", got)
	}
	if got := c.Expire(6000); !slices.Equal(got, []proto.SessionID{1, 2}) {
		t.Errorf("at 6000: %v", got)
	}
	if c.Touch(1, 0, 6000) || !c.Closing(1) || !c.Tracked(1) {
		t.Error("an expired session is closing and cannot be touched")
	}
	if got := c.Expire(6001); got != nil {
		t.Errorf("expired twice: %v", got)
	}
	c.Forget(1)
	if c.Tracked(1) || c.Closing(1) {
		t.Error("session 1 is not forgotten")
	}
	if got := c.Expire(1 << 40); !slices.Equal(got, []proto.SessionID{3}) {
		t.Errorf("late: %v", got)
	}
}

func TestClockTouch(t *testing.T) {
	c := NewClock(10)
	if c.Touch(1, 30, 0) {
		t.Error("touched an unknown session")
	}
	c.Track(1, 30, 0)
	c.Touch(1, 0, 25) // keeps 30: due at 60
	if got := c.Expire(59); got != nil {
		t.Errorf("expired early: %v", got)
	}
	c.Touch(1, 100, 59) // due at 160
	if ms, _ := c.Timeout(1); ms != 100 {
		t.Errorf("timeout %d", ms)
	}
	if got := c.Expire(159); got != nil {
		t.Errorf("expired early: %v", got)
	}
	if !c.SetClosing(1) || c.SetClosing(1) || c.SetClosing(2) {
		t.Error("SetClosing must be true exactly once")
	}
	if got := c.Expire(1000); got != nil {
		t.Errorf("a closing session expired: %v", got)
	}
	c.Track(1, 30, 1000)
	if !c.Closing(1) {
		t.Error("Track reopened a closing session")
	}
}

func TestTouchDoesNotAllocate(t *testing.T) {
	c := NewClock(2000)
	for id := range proto.SessionID(100) {
		c.Track(id, 30000, 0)
	}
	now := int64(0)
	if n := testing.AllocsPerRun(1000, func() {
		now += 7
		for id := range proto.SessionID(100) {
			c.Touch(id, 30000, now)
		}
		c.Expire(now)
	}); n > 1 { // expiries once per tick
		t.Errorf("%v allocations per round", n)
	}
}

// naiveClock is what a Clock means, in the plainest way.
type naiveClock struct {
	tick    int64
	timeout map[proto.SessionID]int32
	due     map[proto.SessionID]int64
	closing map[proto.SessionID]bool
}

func (n *naiveClock) touch(id proto.SessionID, ms int32, now int64) bool {
	if _, ok := n.timeout[id]; !ok || n.closing[id] {
		return false
	}
	if ms != 0 {
		n.timeout[id] = ms
	}
	n.due[id] = ((now+int64(n.timeout[id]))/n.tick + 1) * n.tick
	return true
}

func (n *naiveClock) expire(now int64) []proto.SessionID {
	ids := slices.Sorted(maps.Keys(n.due))
	slices.SortStableFunc(ids, func(a, b proto.SessionID) int { return int(n.due[a] - n.due[b]) })
	var out []proto.SessionID
	for _, id := range ids {
		if n.due[id] <= now {
			out = append(out, id)
			n.closing[id] = true
			delete(n.due, id)
		}
	}
	return out
}

func (n *naiveClock) buckets() map[int64][]proto.SessionID {
	out := map[int64][]proto.SessionID{}
	for _, id := range slices.Sorted(maps.Keys(n.due)) {
		out[n.due[id]] = append(out[n.due[id]], id)
	}
	return out
}

func TestClockAgainstNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tick := rapid.Int64Range(1, 50).Draw(t, "tick")
		c, now := NewClock(tick), int64(0)
		n := &naiveClock{tick, map[proto.SessionID]int32{}, map[proto.SessionID]int64{}, map[proto.SessionID]bool{}}
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			now += rapid.Int64Range(0, 40).Draw(t, "pass")
			id := proto.SessionID(rapid.IntRange(1, 12).Draw(t, "id"))
			ms := int32(rapid.IntRange(0, 300).Draw(t, "ms"))
			switch rapid.IntRange(0, 6).Draw(t, "op") {
			case 0:
				ms++
				c.Track(id, ms, now)
				if _, ok := n.timeout[id]; !ok {
					n.timeout[id] = ms
				}
				n.touch(id, ms, now)
			case 1, 2, 3:
				if a, b := c.Touch(id, ms, now), n.touch(id, ms, now); a != b {
					t.Fatalf("Touch(%v) = %v, want %v", id, a, b)
				}
			case 4:
				_, known := n.timeout[id]
				if got := c.SetClosing(id); got != (known && !n.closing[id]) {
					t.Fatalf("SetClosing(%v) = %v", id, got)
				}
				if known {
					n.closing[id] = true
					delete(n.due, id)
				}
			case 5:
				c.Forget(id)
				delete(n.timeout, id)
				delete(n.due, id)
				delete(n.closing, id)
			}
			if got, want := c.Expire(now), n.expire(now); !slices.Equal(got, want) {
				t.Fatalf("Expire(%d) = %v, want %v", now, got, want)
			}
			compareClocks(t, c, n, id)
		}
	})
}

func compareClocks(t *rapid.T, c *Clock, n *naiveClock, id proto.SessionID) {
	got := map[int64][]proto.SessionID{}
	last := int64(-1)
	for expiry, ids := range c.Buckets() {
		if expiry <= last {
			t.Fatalf("buckets are not ascending: %d after %d", expiry, last)
		}
		last = expiry
		got[expiry] = slices.Clone(ids)
	}
	if want := n.buckets(); !maps.EqualFunc(got, want, slices.Equal) {
		t.Fatalf("buckets %v, want %v", got, want)
	}
	if c.Len() != len(n.timeout) || c.Closing(id) != n.closing[id] {
		t.Fatalf("%d sessions, closing %v", c.Len(), c.Closing(id))
	}
}

func BenchmarkTouch(b *testing.B) {
	c := NewClock(2000)
	const sessions = 100_000
	for id := range proto.SessionID(sessions) {
		c.Track(id, 30000, 0)
	}
	i := int64(0)
	for b.Loop() {
		c.Touch(proto.SessionID(i%sessions), 30000, i/100)
		i++
	}
}
