package vfs

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
)

// disks calls f with an image per mode and many random ones.
func disks(m *Mem, f func(name string, image *Mem)) {
	f("lose", m.CrashImage(nil, CrashLose))
	f("keep", m.CrashImage(nil, CrashKeep))
	for seed := range uint64(200) {
		f(fmt.Sprint("seed ", seed), m.CrashImage(rand.New(rand.NewPCG(seed, 0)), CrashRandom))
	}
}

func TestNameNeedsDirectorySync(t *testing.T) {
	m := NewMem()
	mustDo(t, put(t, m, "/a", "1").Sync())
	_, err := m.CrashImage(nil, CrashLose).Stat("/a")
	if err == nil {
		t.Error("name survived without SyncDir")
	}
	mustDo(t, m.SyncDir("/"))
	if got := read(t, m.CrashImage(nil, CrashLose), "/a"); got != "1" {
		t.Errorf("content %q", got)
	}
}

func TestDirectoryChangesSurviveInOrder(t *testing.T) {
	m := NewMem()
	for _, name := range []string{"/x", "/y"} {
		mustDo(t, put(t, m, name, name).Sync())
	}
	mustDo(t, m.SyncDir("/"))
	mustDo(t, m.Rename("/x", "/y"))
	mustDo(t, put(t, m, "/z", "/z").Sync())
	mustDo(t, m.Remove("/y"))
	allowed := []string{"x=/x y=/y ", "y=/x ", "y=/x z=/z ", "z=/z "}
	seen := make(map[string]bool)
	disks(m, func(name string, image *Mem) {
		names, err := image.List("/")
		mustDo(t, err)
		var all strings.Builder
		for _, n := range names {
			fmt.Fprintf(&all, "%s=%s ", n, read(t, image, n))
		}
		seen[all.String()] = true
		if !slices.Contains(allowed, all.String()) {
			t.Errorf("%s: %s", name, &all)
		}
	})
	if len(seen) != len(allowed) {
		t.Errorf("seen only %v", seen)
	}
}

// Unsynced content survives by sector; synced content always.
func TestContentSurvivesBySector(t *testing.T) {
	m := NewMem()
	f := put(t, m, "/f", strings.Repeat("a", 5000))
	mustDo(t, f.Sync())
	mustDo(t, m.SyncDir("/"))
	mustDo(t, f.Preallocate(5000, 15000))
	_, err := f.WriteAt(bytes.Repeat([]byte("b"), 9000), 3000)
	mustDo(t, err)
	now := read(t, m, "/f")
	before := strings.Repeat("a", 5000) + strings.Repeat("\x00", 15000)
	mixed, sizes := false, make(map[int]bool)
	disks(m, func(name string, image *Mem) {
		got := read(t, image, "/f")
		sizes[len(got)] = true
		fresh := 0
		for at := 0; at < len(got); at += sectorSize {
			end := min(at+sectorSize, len(got))
			switch got[at:end] {
			case now[at:end]:
				fresh++
			case before[at:end]:
			default:
				t.Fatalf("%s: sector at %d is neither old nor new", name, at)
			}
		}
		mixed = mixed || fresh > 12 && fresh < 28
		if got[:3000] != before[:3000] {
			t.Errorf("%s: synced content lost", name)
		}
	})
	if !mixed || !sizes[5000] || !sizes[20000] || len(sizes) != 2 {
		t.Errorf("mixed %v, sizes %v", mixed, sizes)
	}
}

// Bytes that a truncate cut off never come back behind it.
func TestTruncatedBytesStayGone(t *testing.T) {
	m := NewMem()
	f := put(t, m, "/f", strings.Repeat("a", 10000))
	mustDo(t, f.Sync())
	mustDo(t, m.SyncDir("/"))
	mustDo(t, f.Truncate(100))
	mustDo(t, f.Truncate(9000))
	disks(m, func(name string, image *Mem) {
		got := read(t, image, "/f")
		switch len(got) {
		case 100, 10000:
			if strings.Trim(got, "a") != "" {
				t.Errorf("%s: size %d with strange content", name, len(got))
			}
		case 9000:
			if strings.Trim(got[:100], "a") != "" || strings.Trim(got[100:], "\x00") != "" {
				t.Errorf("%s: cut-off bytes are back", name)
			}
		default:
			t.Errorf("%s: size %d", name, len(got))
		}
	})
	mustDo(t, f.Sync())
	if got := read(t, m.CrashImage(nil, CrashLose), "/f"); got != read(t, m, "/f") {
		t.Error("synced truncates lost")
	}
}

// A random mix of changes and syncs, against a plain model of what is durable.
func TestSyncMakesContentDurable(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 5))
		m := NewMem()
		f := put(t, m, "/f", "")
		mustDo(t, m.SyncDir("/"))
		for range 30 {
			switch rng.IntN(3) {
			case 0:
				mustDo(t, f.Truncate(rng.Int64N(20000)))
			default:
				b := bytes.Repeat([]byte{byte(rng.Uint32())}, rng.IntN(9000))
				_, err := f.WriteAt(b, rng.Int64N(12000))
				mustDo(t, err)
			}
			if rng.IntN(3) == 0 {
				mustDo(t, f.Datasync())
				disks(m, func(name string, image *Mem) {
					if read(t, image, "/f") != read(t, m, "/f") {
						t.Fatalf("workload %d, %s: synced content differs", seed, name)
					}
				})
				break
			}
		}
	}
}

func TestSameSeedSameImage(t *testing.T) {
	m := NewMem()
	for i := range 20 {
		put(t, m, fmt.Sprint("/f", i), strings.Repeat("x", 100*i))
	}
	image := func() string {
		image := m.CrashImage(rand.New(rand.NewPCG(3, 3)), CrashRandom)
		names, err := image.List("/")
		mustDo(t, err)
		var all strings.Builder
		for _, n := range names {
			fmt.Fprintf(&all, "%s=%s ", n, read(t, image, n))
		}
		return all.String()
	}
	if first, second := image(), image(); first != second {
		t.Error("images differ")
	}
}

// WriteFileAtomic leaves the old content or the new one, wherever it stops.
func TestWriteFileAtomicSurvivesPowerLoss(t *testing.T) {
	before, after := strings.Repeat("old", 1000), strings.Repeat("new!", 2000)
	for stop := range 20 {
		m := NewMem()
		mustDo(t, WriteFileAtomic(m, "/f", []byte(before)))
		err := WriteFileAtomic(NewFault(m, StopAfter(stop)), "/f", []byte(after))
		disks(m, func(name string, image *Mem) {
			got := read(t, image, "/f")
			if got != after && (got != before || err == nil) {
				t.Errorf("stopped after %d calls (%v), %s: content of %d bytes", stop, err, name, len(got))
			}
		})
		if err == nil {
			return
		}
	}
	t.Error("never finished")
}

func TestWriteFileAtomicCleansUp(t *testing.T) {
	eio := errors.New("input/output error")
	for _, op := range []Op{OpCreate, OpWrite, OpSync, OpClose, OpRename} {
		m := NewMem()
		err := WriteFileAtomic(NewFault(m, FailOnce(op, 1, eio)), "/f", []byte("x"))
		names, _ := m.List("/")
		if !errors.Is(err, eio) || len(names) != 0 {
			t.Errorf("%s: error %v, names %v", op, err, names)
		}
	}
}

func TestFaultCountsAndRefuses(t *testing.T) {
	var calls bytes.Buffer
	fault := NewFault(NewMem(), LogCalls(&calls))
	f := put(t, fault, "/f", "x")
	mustDo(t, f.Sync())
	fault.SetHook(StopAfter(1))
	mustDo(t, f.Datasync())
	for range 2 {
		if err := f.Datasync(); !errors.Is(err, ErrStopped) {
			t.Errorf("stopped file system answers %v", err)
		}
	}
	if fault.Calls() != 6 || calls.String() != "create /f\nwrite /f\nsync /f\n" {
		t.Errorf("%d calls, log:\n%s", fault.Calls(), &calls)
	}
}

func TestMemRefusesRenameAcrossDirectories(t *testing.T) {
	m := NewMem()
	mustDo(t, m.MkdirAll("/d"))
	put(t, m, "/f", "x")
	if err := m.Rename("/f", "/d/f"); err == nil {
		t.Error("renamed")
	}
}

func TestMemIsSafeForGoroutines(t *testing.T) {
	m := NewMem()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			name := fmt.Sprint("/f", i%4)
			for range 50 {
				f, err := m.Create(name)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = f.Write([]byte(name))
				_ = f.Sync()
				_ = m.SyncDir("/")
				m.CrashImage(rand.New(rand.NewPCG(1, 1)), CrashRandom)
			}
		})
	}
	all.Wait()
}
