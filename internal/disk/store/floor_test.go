package store

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"quokka/internal/disk/txnlog"
	"quokka/internal/disk/vfs"
	"quokka/internal/proto"
)

// floorOf starts a member and returns its floor, which must be there for
// everybody and hold the whole history above it.
func floorOf(t testing.TB, disk vfs.FS) proto.Zxid {
	t.Helper()
	s, r := start(t, disk)
	defer stop(t, s)
	if r.Floor != s.Floor() {
		t.Errorf("floor %v and %v", r.Floor, s.Floor())
	}
	if err := wholeHistory(s, r); err != nil {
		t.Error(err)
	}
	return r.Floor
}

func wantFloor(t testing.TB, disk vfs.FS, want proto.Zxid, why string) {
	t.Helper()
	if got := floorOf(t, disk); got != want {
		t.Errorf("floor %v, want %v: %s", got, want, why)
	}
}

// forget makes the directory one of Java.
func forget(t testing.TB, disk vfs.FS) {
	t.Helper()
	if err := disk.Remove("/data/version-2/" + floorName); err != nil {
		t.Fatal(err)
	}
}

func TestFloorOfOurOwn(t *testing.T) {
	disk := newDisk(t)
	wantFloor(t, disk, 0, "nothing is missing in a new directory")
	s, _ := start(t, disk)
	l := newLeader()
	for e := range proto.Epoch(4) {
		l.epoch(e + 1)
		grow(t, s, l, "x", 5)
		l.snapshot(t, s)
	}
	stop(t, s)
	wantFloor(t, disk, 0, "all epochs were logged here")
	wantFloor(t, disk.CrashImage(nil, vfs.CrashLose), 0, "and that is durable")
	s, _ = start(t, disk)
	if _, err := s.Purge(3); err != nil {
		t.Fatal(err)
	}
	if got := s.Floor(); got != proto.MakeZxid(2, 0) {
		t.Errorf("floor after a purge is %v", got)
	}
	stop(t, s)
	wantFloor(t, disk, proto.MakeZxid(2, 0), "logs were purged")
	s, _ = start(t, disk)
	l.epoch(9)
	l.create("y")
	l.mustInstall(t, s)
	grow(t, s, l, "x", 3)
	stop(t, s)
	wantFloor(t, disk, proto.MakeZxid(9, 1), "a snapshot was installed")
	if err := disk.Remove("/data/version-2/log.900000002"); err != nil {
		t.Fatal(err)
	}
	s, r := start(t, disk)
	defer stop(t, s)
	if r.LastZxid != proto.MakeZxid(9, 1) || r.Floor != r.LastZxid {
		t.Errorf("last %v, floor %v", r.LastZxid, r.Floor)
	}
}

func TestFloorOfAJavaDirectory(t *testing.T) {
	disk := newDisk(t)
	history(t, disk, memberOptions, 30, 10, 20)
	forget(t, disk)
	wantFloor(t, disk, 0, "all of one epoch is there by its numbers")
	s, _ := start(t, disk)
	l := newLeader()
	for n := range 30 {
		l.step(n)
	}
	l.epoch(2)
	grow(t, s, l, "x", 5)
	stop(t, s)
	wantFloor(t, disk, 0, "the next epoch was logged by us")
	forget(t, disk)
	wantFloor(t, disk, 0, "nothing is missing behind the newest snapshot, and the numbers lead up to it")
	s, _ = start(t, disk)
	l.snapshot(t, s)
	grow(t, s, l, "x", 5)
	stop(t, s)
	forget(t, disk)
	wantFloor(t, disk, proto.MakeZxid(2, 0), "between the epochs anything may be missing")
}

// A snapshot that we have not made raises the floor; the numbers may lower it
// again.
func TestFloorAfterJavaHasRun(t *testing.T) {
	disk := newDisk(t)
	l := history(t, disk, memberOptions, 30, 10, 20)
	java := func(f func(s *Store)) {
		s := open(t, disk, testOptions)
		f(s)
		stop(t, s)
	}
	l.epoch(2)
	java(func(s *Store) { grow(t, s, l, "java", 5) })
	wantFloor(t, disk, 0, "a hole comes with a snapshot only")
	java(func(s *Store) { // a snapshot from the leader, without a log up to it
		l.epoch(4)
		l.create("hole")
		l.snapshot(t, s)
		l.epoch(5)
		grow(t, s, l, "java", 5)
	})
	wantFloor(t, disk, proto.MakeZxid(4, 1), "the leader's snapshot")
	wantFloor(t, disk, proto.MakeZxid(4, 1), "still")
	java(func(s *Store) { l.snapshot(t, s) })
	wantFloor(t, disk, proto.MakeZxid(5, 0), "epoch 5 is complete by its numbers, the one before may not be")
}

// A snapshot of what was not durable yet (a leader may apply what the others
// hold) leaves a hole in the log.
func TestFloorAboveASnapshotAheadOfTheLog(t *testing.T) {
	disk := newDisk(t)
	s, _ := start(t, disk)
	l := newLeader()
	l.epoch(1)
	grow(t, s, l, "x", 5)
	l.create("lost")
	l.snapshot(t, s)
	stop(t, s)
	s, r := start(t, disk)
	l.wantState(t, r, l.last)
	l.epoch(2)
	grow(t, s, l, "x", 5)
	stop(t, s)
	wantFloor(t, disk, proto.MakeZxid(1, 6), "1.6 is in no log")
}

// Other software, or an operator, has removed old logs.
func TestFloorIsWhereTheLogBegins(t *testing.T) {
	disk := newDisk(t)
	history(t, disk, memberOptions, 30, 10, 20)
	for _, name := range []string{"log.1", "snapshot.0", "snapshot.a"} {
		if err := disk.Remove("/data/version-2/" + name); err != nil {
			t.Fatal(err)
		}
	}
	wantFloor(t, disk, 10, "log.b is the first")
	disk = newDisk(t)
	s, _ := start(t, disk)
	l := newLeader()
	l.epoch(3)
	grow(t, s, l, "x", 5)
	l.snapshot(t, s)
	stop(t, s)
	if err := disk.Remove("/data/version-2/snapshot.0"); err != nil {
		t.Fatal(err)
	}
	wantFloor(t, disk, proto.MakeZxid(3, 0), "what was before epoch 3 cannot be known any more")
}

// The file is refused if it cannot be read, and is of no use beside other data.
func TestFloorFileOfOtherData(t *testing.T) {
	disk := newDisk(t)
	history(t, disk, memberOptions, 30, 10)
	path := "/data/version-2/" + floorName
	change(t, disk, path, func(b []byte) []byte { return b[:len(b)-1] })
	refusal(t, disk, memberOptions, ExitUnexpected, floorName+" cannot be understood", "copy the data from the leader")
	put(t, disk, path, floorTitle+"\nfloor 100000000\n")
	if _, err := recovered(disk, memberOptions); err == nil {
		t.Error("started on less than the file knows of")
	}
	for _, name := range []string{"log.1", "log.b", "snapshot.0", "snapshot.a"} {
		if err := disk.Remove("/data/version-2/" + name); err != nil {
			t.Fatal(err)
		}
	}
	wantFloor(t, disk, 0, "the data is gone, the file is not")
}

func TestHistory(t *testing.T) {
	disk := newDisk(t)
	l := history(t, disk, memberOptions, 30, 10, 20)
	s, _ := start(t, disk)
	defer stop(t, s)
	l.epoch(2)
	grow(t, s, l, "x", 5)
	l.epoch(5)
	w := s.TxnLog() // stays open: it is read beside the writer
	for i := range 5 {
		if err := w.Append(l.create(fmt.Sprint("y", i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Sync(); err != nil {
		t.Fatal(err)
	}
	e2, e5 := proto.MakeZxid(2, 0), proto.MakeZxid(5, 0)
	for _, c := range []struct {
		from, to proto.Zxid
		want     int // records, -1 is ErrNotInLog
	}{
		{0, 30, 30}, {0, l.last, 40}, {29, e2 + 1, 2}, {30, e2 + 5, 5}, {e2, e2 + 2, 2}, {e5, l.last, 5}, {e2 + 5, e5 + 1, 1},
		{e5 + 4, l.last, 1}, {l.last, l.last, 0}, {30, 10, 0},
		{31, e2 + 1, -1}, {e2 + 6, l.last, -1}, {proto.MakeZxid(3, 0), l.last, -1}, {proto.MakeZxid(4, 7), l.last, -1},
		{e2 + 3, e5, 2}, {30, proto.MakeZxid(9, 0), 10}, {e2 + 6, e5, -1}, {-1, 5, -1}, {proto.MakeZxid(1, 0), l.last, -1},
	} {
		count := 0
		err := s.History(c.from, c.to, func(z proto.Zxid, payload []byte) error {
			txn, err := proto.DecodeTxn(payload)
			if err != nil || txn.Zxid != z || z <= c.from || z > c.to {
				t.Errorf("(%v, %v]: record %v, %v", c.from, c.to, z, err)
			}
			count++
			return nil
		})
		if errors.Is(err, ErrNotInLog) && count == 0 {
			count = -1
		} else if err != nil {
			t.Errorf("(%v, %v]: %v", c.from, c.to, err)
		}
		if count != c.want {
			t.Errorf("(%v, %v]: %d records, want %d", c.from, c.to, count, c.want)
		}
		if _, _, ok := s.HistorySize(c.from); ok != (c.want >= 0) {
			t.Errorf("HistorySize(%v) says %v", c.from, ok)
		}
	}
	if err := s.History(0, e2+9, func(proto.Zxid, []byte) error { return nil }); err == nil {
		t.Error("a record that is not there was reached")
	}
	failure := errors.New("link down")
	if err := s.History(0, 30, func(proto.Zxid, []byte) error { return failure }); !errors.Is(err, failure) {
		t.Errorf("visit failed: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestHistoryBelowTheFloorIsRefused(t *testing.T) {
	disk := newDisk(t)
	history(t, disk, memberOptions, 30, 10)
	s, _ := start(t, disk)
	defer stop(t, s)
	l := newLeader()
	l.epoch(2)
	l.create("hole")
	l.mustInstall(t, s)
	l.epoch(3)
	grow(t, s, l, "x", 5)
	for _, from := range []proto.Zxid{0, 10, 30, proto.MakeZxid(2, 0)} {
		if err := s.History(from, l.last, nil); !errors.Is(err, ErrNotInLog) {
			t.Errorf("from %v: %v", from, err)
		}
		if _, _, ok := s.HistorySize(from); ok {
			t.Errorf("from %v has a size", from)
		}
	}
	logs, snapshot, ok := s.HistorySize(proto.MakeZxid(2, 1))
	if !ok || logs == 0 || snapshot == 0 {
		t.Errorf("sizes %d, %d, %v", logs, snapshot, ok)
	}
}

// The log is read while it grows, rolls and is purged.
func TestHistoryBesideTheWriter(t *testing.T) {
	disk := newDisk(t)
	s, _ := start(t, disk)
	defer stop(t, s)
	l, w := newLeader(), s.TxnLog()
	durable := make(chan proto.Zxid, 1000)
	var readers sync.WaitGroup
	readers.Go(func() {
		for to := range durable {
			count := proto.Zxid(0)
			err := s.History(0, to, func(proto.Zxid, []byte) error { count++; return nil })
			if err != nil || count != to {
				t.Errorf("%d records up to %v: %v", count, to, err)
			}
		}
	})
	for i := range 300 {
		if err := w.Append(l.create(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
		if i%7 != 0 {
			continue
		}
		if err := w.Sync(); err != nil {
			t.Fatal(err)
		}
		durable <- l.last
		if i%5 == 0 {
			if err := w.Roll(); err != nil {
				t.Fatal(err)
			}
		}
	}
	close(durable)
	readers.Wait()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestEntriesAreTheNewestRecords(t *testing.T) {
	for _, c := range []struct {
		keep, snapshot, entries int
		base                    proto.Zxid
	}{{0, 20, 30, 0}, {5, 20, 5, 25}, {10, 20, 10, 20}, {12, 20, 12, 18}, {12, 30, 12, 18}, {40, 30, 30, 0}} {
		disk := newDisk(t)
		o := memberOptions
		o.KeepEntries = c.keep
		l := history(t, disk, o, 30, c.snapshot)
		r, err := recovered(disk, o)
		if err != nil {
			t.Fatal(err)
		}
		l.wantState(t, r, 30)
		if len(r.Entries) != c.entries || r.Base != c.base {
			t.Errorf("%+v: %d entries after %v", c, len(r.Entries), r.Base)
		}
		for i, e := range r.Entries {
			if e.Txn.Zxid != r.Base+proto.Zxid(i)+1 || !bytes.Equal(e.Raw, e.Txn.AppendTo(nil)) {
				t.Errorf("%+v: entry %d is %v", c, i, e.Txn.Zxid)
			}
		}
	}
	disk := newDisk(t)
	history(t, disk, testOptions, 30, 20)
	if r, err := recovered(disk, testOptions); err != nil || len(r.Entries) != 10 || r.Base != 20 {
		t.Errorf("no member: %d entries after %v, %v", len(r.Entries), r.Base, err)
	}
}

// The file is read as it was written, and anything else is an error.
func TestFloorFileText(t *testing.T) {
	f := &floorFile{
		floor: 0x500000001, known: []proto.Zxid{0, 0x500000001}, op: opInstall, to: 0x700000000, snapshot: "snapshot.700000000.gz",
		witness: []string{"log.1", "currentEpoch 5"},
	}
	got, err := parseFloor(f.text())
	if err != nil || !bytes.Equal(got.text(), f.text()) {
		t.Errorf("%s\n%+v, %v", f.text(), got, err)
	}
	for _, text := range []string{
		"", "x", floorTitle, floorTitle + "\n", floorTitle + "\nknown 1\n", floorTitle + "\nfloor x\n", floorTitle + "\nfloor 1\nfloor 2\n",
		floorTitle + "\nfloor 1\ninstall 5 snapshot.6\n", floorTitle + "\nfloor 1\ntruncate 5\n", floorTitle + "\nfloor 1\nelse 5\n",
		floorTitle + "\nfloor 1\nknown", floorTitle + "\nfloor 1\ninstall 5 ../snapshot.5\n",
	} {
		if f, err := parseFloor([]byte(text)); err == nil {
			t.Errorf("%q is read as %+v", text, f)
		}
	}
}

func FuzzParseFloor(f *testing.F) {
	f.Add([]byte(floorTitle + "\nfloor 500000001\nknown 0\ntruncate 5 0\nwitness log.1\n"))
	f.Add([]byte(floorTitle + "\nfloor 0\ninstall 5 snapshot.5.gz\nwitness log.1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		parsed, err := parseFloor(b)
		if err != nil {
			return
		}
		again, err := parseFloor(parsed.text())
		if err != nil || !bytes.Equal(again.text(), parsed.text()) {
			t.Errorf("%q is written as %q: %v", b, parsed.text(), err)
		}
	})
}

func TestFloorErrorsAreOfTheDisk(t *testing.T) {
	failure := errors.New("broken disk")
	disk := newDisk(t)
	history(t, disk, memberOptions, 30, 10)
	forget(t, disk)
	fault := vfs.NewFault(disk, func(op vfs.Op, path string) error {
		if op == vfs.OpRename && strings.Contains(path, floorName) {
			return failure
		}
		return nil
	})
	if _, err := recovered(fault, memberOptions); !errors.Is(err, failure) {
		t.Error(err)
	}
	if _, err := txnlog.Files(disk, "/data/version-2"); err != nil {
		t.Error(err)
	}
}
