package zab

import (
	"math/rand/v2"
	"slices"
	"testing"

	"quokka/internal/proto"
)

func zxidsOf(entries []Entry) []proto.Zxid {
	v := make([]proto.Zxid, len(entries))
	for i, e := range entries {
		v[i] = e.Zxid()
	}
	return v
}

func TestHistoryTakesOnlySuccessors(t *testing.T) {
	h := NewHistory(0)
	for _, c := range []struct {
		z  string
		ok bool
	}{
		{"1.2", false}, {"1.0", false}, {"1.1", true}, {"1.1", false}, {"1.3", false}, {"1.2", true},
		{"3.2", false}, {"3.0", false}, {"3.1", true}, {"2.1", false}, {"3.2", true},
	} {
		if err := h.Append(plainEntry(zx(t, c.z))); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.z, err)
		}
	}
	if got := zxidsOf(h.Pending()); !slices.Equal(got, zxList(t, "1.1-1.2,3.1-3.2")) {
		t.Errorf("pending %v", got)
	}
}

func TestHistoryStartsAtANewerSnapshot(t *testing.T) {
	h := NewHistory(0)
	h.Restart(zx(t, "1.2"), plainEntries(zxList(t, "1.3-1.5")), zx(t, "2.0"), zx(t, "1.2"))
	if h.Last() != zx(t, "2.0") || h.Base() != h.Last() || h.Durable() != h.Last() || len(h.Pending()) != 0 {
		t.Errorf("last %v base %v", h.Last(), h.Base())
	}
	if err := h.Append(plainEntry(zx(t, "2.1"))); err != nil {
		t.Error(err)
	}
}

// TestHistoryLetsGoOfWhatIsOnDisk appends more than is kept.
func TestHistoryLetsGoOfWhatIsOnDisk(t *testing.T) {
	h := NewHistory(600)
	for z := proto.Zxid(1); z <= 5000; z++ {
		if err := h.Append(plainEntry(z)); err != nil {
			t.Fatal(err)
		}
		if z > 10 {
			h.Advance(z - 10)
		}
		if z < 1000 || z > 2000 {
			h.SetDurable(z - 5)
		}
		if z == 2000 && h.Base() > 995-600 {
			t.Errorf("after 1000 entries that are not durable memory begins at %v", h.Base())
		}
	}
	if held := h.Applied() - h.Base(); held < 600 || held > 800 {
		t.Errorf("%d applied entries are held", held)
	}
}

// A history that nobody learns from holds what is not applied yet, and a few
// more, in memory that it uses again.
func TestLoneHistoryHoldsLittle(t *testing.T) {
	h := NewLoneHistory()
	var z proto.Zxid
	turn := func() {
		for range 100 {
			z++
			if err := h.Append(plainEntry(z)); err != nil {
				t.Fatal(err)
			}
		}
		h.SetDurable(z - 10)
		if got := h.Advance(z - 10); len(got) != 100 && z > 100 || got[len(got)-1].Zxid() != z-10 {
			t.Fatalf("%v: %d entries are to be applied", z, len(got))
		}
	}
	for range 50 {
		turn()
		if held := z - h.Base(); held > 300 || cap(h.memory) > 1000 {
			t.Fatalf("%d entries are held, in room for %d", held, cap(h.memory))
		}
	}
	if p := h.Pending(); len(p) != 10 || p[0].Zxid() != z-9 {
		t.Errorf("%d entries are pending", len(p))
	}
}

func BenchmarkHistory(b *testing.B) {
	for name, h := range map[string]*History{"lone": NewLoneHistory(), "kept": NewHistory(0)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				e := Entry{Txn: &proto.Txn{TxnHeader: proto.TxnHeader{Zxid: h.Last() + 1}}}
				if err := h.Append(e); err != nil {
					b.Fatal(err)
				}
				if z := e.Zxid(); z%100 == 0 {
					h.SetDurable(z)
					h.Advance(z)
				}
			}
		})
	}
}

// TestHistoryAgainstASlice compares with a plain slice under random calls.
func TestHistoryAgainstASlice(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 2))
		h, model := NewHistory(0), []proto.Zxid{0} // the first is the base
		applied := 0
		for range 100 {
			last := model[len(model)-1]
			any := proto.MakeZxid(proto.Epoch(rng.IntN(4)), uint32(rng.IntN(8)))
			switch rng.IntN(6) {
			case 0, 1:
				z := last + 1
				if rng.IntN(4) == 0 {
					z = proto.MakeZxid(last.Epoch()+1, 1)
				}
				if err := h.Append(plainEntry(z)); err != nil {
					t.Fatal(err)
				}
				model = append(model, z)
			case 2:
				n := upTo(model, any)
				got := zxidsOf(h.Advance(any))
				if want := model[applied+1 : max(n, applied+1)]; !slices.Equal(got, want) {
					t.Fatalf("advance to %v: %v, want %v", any, got, want)
				}
				applied = max(applied, n-1)
			case 3:
				n := upTo(model, any)
				ok := n > 0 && model[n-1] == any && n-1 >= applied
				if h.Cut(any) != ok {
					t.Fatalf("cut to %v of %v, applied %v: want %v", any, model, model[applied], ok)
				}
				if ok {
					model = model[:n]
				}
			default:
				checkSince(t, h, model, any)
			}
			if h.Last() != model[len(model)-1] || h.Applied() != model[applied] || len(h.Pending()) != len(model)-1-applied {
				t.Fatalf("last %v applied %v, want %v", h.Last(), h.Applied(), model)
			}
		}
	}
}

// upTo counts what is not above z.
func upTo(model []proto.Zxid, z proto.Zxid) int {
	n := 0
	for n < len(model) && model[n] <= z {
		n++
	}
	return n
}

func checkSince(t *testing.T, h *History, model []proto.Zxid, z proto.Zxid) {
	t.Helper()
	n := upTo(model, z)
	got, ok := h.Since(z)
	want := z <= model[len(model)-1] && (model[n-1] == z || z.Counter() == 0)
	if ok != want || ok && !slices.Equal(zxidsOf(got), model[n:]) {
		t.Fatalf("since %v of %v: %v %v", z, model, zxidsOf(got), ok)
	}
	if below, ok := h.Below(z); !ok || below != model[n-1] {
		t.Fatalf("below %v of %v: %v %v", z, model, below, ok)
	}
}

// TestHistoryDisowns asks of configurations whether they may be pending, in a
// log that ends with 1.3, 2.1-2.2 and is in memory from 1.3 on.
func TestHistoryDisowns(t *testing.T) {
	h := NewHistory(0)
	h.Restart(zx(t, "1.3"), plainEntries(zxList(t, "2.1-2.2")), zx(t, "2.2"), zx(t, "1.3"))
	for _, c := range []struct {
		z       string
		current proto.Epoch
		want    bool
	}{
		{"2.1", 2, false}, // in the log
		{"2.3", 2, true},  // cut off, or never logged
		{"1.4", 1, true},
		{"2.3", 3, false}, // NEWLEADER of epoch 3 has brought it
		{"1.4", 2, false},
		{"3.1", 2, true},
		{"3.0", 2, false}, // a first configuration
		{"1.3", 1, false}, // memory does not say
		{"1.2", 1, false},
	} {
		if got := h.Disowns(zx(t, c.z), c.current); got != c.want {
			t.Errorf("%s in epoch %d: %v", c.z, c.current, got)
		}
	}
	if !h.Has(zx(t, "2.2")) || h.Has(zx(t, "2.3")) || h.Has(zx(t, "1.3")) {
		t.Error("Has")
	}
}
