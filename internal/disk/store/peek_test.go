package store

import (
	"fmt"
	"strings"
	"testing"

	"quokka/internal/core/state"
	"quokka/internal/disk/snap"
	"quokka/internal/disk/txnlog"
	"quokka/internal/disk/vfs"
	"quokka/internal/proto"
)

// readOnly is a disk that fails the test if anything is changed on it or locked.
func readOnly(t testing.TB, disk vfs.FS) vfs.FS {
	return vfs.NewFault(disk, func(op vfs.Op, path string) error {
		switch op {
		case vfs.OpOpen, vfs.OpStat, vfs.OpList, vfs.OpRead, vfs.OpReadAt, vfs.OpSize, vfs.OpClose, vfs.OpFreeBytes:
			return nil
		}
		t.Errorf("%s %s", op, path)
		return nil
	})
}

func peek(t testing.TB, disk vfs.FS, until *proto.Zxid) (Peeked, error) {
	t.Helper()
	return Peek(readOnly(t, disk), testOptions, Glance{SnapDir: "/data/version-2", Until: until}, onState())
}

// Peek sees what Recover would make of the directory, torn tail and all, while a
// server has it locked.
func TestPeekIsRecovery(t *testing.T) {
	disk := newDisk(t)
	l := history(t, disk, testOptions, 50, 20)
	s := open(t, disk, testOptions)
	defer s.Close()
	p, err := peek(t, disk, nil)
	if err != nil {
		t.Fatal(err)
	}
	l.wantState(t, p.Recovered, 50)
	if p.Report.Txns != 30 || p.Ensemble || p.Report.Tail.File != "" {
		t.Errorf("%+v", p.Report)
	}
}

// The state as of every zxid is the one that was recorded then, from whichever
// snapshot it is made.
func TestPeekAtEveryZxid(t *testing.T) {
	disk := newDisk(t)
	l := history(t, disk, testOptions, 80, 11, 16, 43, 77)
	for until := range proto.Zxid(81) {
		p, err := peek(t, disk, &until)
		if err != nil {
			t.Fatalf("as of %v: %v", until, err)
		}
		l.wantState(t, p.Recovered, until)
	}
	late := proto.Zxid(1000)
	p, err := peek(t, disk, &late)
	if err != nil {
		t.Fatal(err)
	}
	l.wantState(t, p.Recovered, 80)
	mustRemove(t, disk, "/data/version-2/snapshot.0")
	early := proto.Zxid(10)
	if _, err := peek(t, disk, &early); err == nil || !strings.Contains(err.Error(), "the oldest is of 0xb") {
		t.Errorf("below all snapshots: %v", err)
	}
}

func mustRemove(t testing.TB, disk vfs.FS, path string) {
	t.Helper()
	if err := disk.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// A state inside of the fuzzy part of Java's snapshot comes from an older one,
// and without an older one it is refused.
func TestPeekIntoFuzzySnapshot(t *testing.T) {
	disk := javaDirectory(t) // snapshot.a is fuzzy up to 0xb
	states := map[proto.Zxid]string{}
	for until := range proto.Zxid(0x3e) {
		p, err := peek(t, disk, &until)
		if err != nil {
			t.Fatalf("as of %v: %v", until, err)
		}
		if p.LastZxid != until || p.Report.DigestMismatches != 0 {
			t.Errorf("as of %v: %v, %+v", until, p.LastZxid, p.Report)
		}
		if from := p.Report.Snapshot.Zxid; until == 0xa && from != 0 {
			t.Errorf("0xa was made from the snapshot of %v", from)
		}
		states[until] = dump(p.Tree, p.Sessions)
	}
	mustRemove(t, disk, "/data/version-2/snapshot.0")
	for _, until := range []proto.Zxid{9, 0xa} {
		_, err := peek(t, disk, &until)
		if err == nil || !strings.Contains(err.Error(), "cannot be had") {
			t.Errorf("as of %v without an older snapshot: %v", until, err)
		}
	}
	for until := proto.Zxid(0xb); until < 0x3e; until++ {
		p, err := peek(t, disk, &until)
		if err != nil {
			t.Fatal(err)
		}
		if got := dump(p.Tree, p.Sessions); got != states[until] {
			t.Errorf("as of %v from %s:\n%s\nwant\n%s", until, p.Report.Snapshot.Path, got, states[until])
		}
	}
}

// What is damaged or missing behind the moment that is wanted does no harm.
func TestPeekStopsBeforeDamage(t *testing.T) {
	disk := newDisk(t)
	l := history(t, disk, testOptions, 60, 20, 40)
	mustRemove(t, disk, "/data/version-2/snapshot.28")
	flip(t, disk, "/data/version-2/log.15", 29)
	for _, until := range []proto.Zxid{19, 20, 28, 29} {
		p, err := peek(t, disk, &until)
		if err != nil {
			t.Fatalf("as of %v: %v", until, err)
		}
		l.wantState(t, p.Recovered, until)
	}
	for _, until := range []proto.Zxid{30, 40, 41, 60} {
		if _, err := peek(t, disk, &until); err == nil {
			t.Errorf("there is a state as of %v, although record 30 is damaged", until)
		}
	}
}

// flip changes a bit of the record after the one with a zxid.
func flip(t testing.TB, disk vfs.FS, path string, after int64) {
	t.Helper()
	l, err := txnlog.OpenLone(disk, path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for {
		rec, ok, err := l.Next()
		if err != nil || !ok {
			t.Fatalf("no record %d: %v", after, err)
		}
		if rec.Zxid == after {
			break
		}
	}
	f, err := disk.OpenRW(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], l.Offset()+30); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 2
	if _, err := f.WriteAt(b[:], l.Offset()+30); err != nil {
		t.Fatal(err)
	}
}

// A truncation that a crash interrupted is finished before anything is told,
// in the eyes of the one who looks only.
func TestPeekFinishesTruncation(t *testing.T) {
	o := testOptions
	o.Ensemble = true
	disk := newDisk(t)
	l := history(t, disk, o, 40, 20)
	s := open(t, disk, o)
	if _, err := s.Recover(onState()); err != nil {
		t.Fatal(err)
	}
	for _, f := range []EpochFile{CurrentEpoch, AcceptedEpoch} {
		if err := s.StoreEpoch(f, 0); err != nil {
			t.Fatal(err)
		}
	}
	stopped := false
	for stop := 1; !stopped && stop < 60; stop++ {
		image := disk.CrashImage(nil, vfs.CrashKeep)
		half := open(t, vfs.NewFault(image, nil), o)
		if _, err := half.Recover(onState()); err != nil {
			t.Fatal(err)
		}
		fault := vfs.NewFault(image, vfs.StopAfter(stop))
		half.fsys = fault
		_ = half.Truncate(25)
		_ = half.Close()
		before := fmt.Sprint(image.List("/data/version-2"))
		p, err := Peek(readOnly(t, image), o, Glance{SnapDir: "/data/version-2"}, onState())
		if err != nil {
			t.Fatalf("stopped after %d calls: %v", stop, err)
		}
		if !p.Ensemble || p.EpochsErr != nil {
			t.Errorf("not taken for a member: %+v", p)
		}
		if p.Report.Resumed != "" {
			l.wantState(t, p.Recovered, 25)
			stopped = true
		}
		if after := fmt.Sprint(image.List("/data/version-2")); before != after {
			t.Errorf("files before %s, after %s", before, after)
		}
	}
	if !stopped {
		t.Error("no crash left a truncation to be finished")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// Below the floor, where a server would not start, the past can be had, with the
// remark that nobody vouches for it.
func TestPeekBelowFloor(t *testing.T) {
	o := testOptions
	o.Ensemble = true
	disk := newDisk(t)
	l := history(t, disk, o, 40, 20)
	s := open(t, disk, o)
	if _, err := s.Recover(onState()); err != nil {
		t.Fatal(err)
	}
	v := l.tree.View()
	err := s.Install(snap.Picture{Zxid: 100, Sessions: l.sessions.Snapshot(), View: v})
	v.Close()
	if err == nil {
		err = s.StoreEpoch(CurrentEpoch, 0)
	}
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	for until, below := range map[proto.Zxid]bool{30: true, 40: true, 100: false} {
		p, err := peek(t, disk, &until)
		if err != nil {
			t.Fatalf("as of %v: %v", until, err)
		}
		if p.BelowFloor != below || p.LastZxid != until {
			t.Errorf("as of %v: %v, below the floor %t", until, p.LastZxid, p.BelowFloor)
		}
		if below {
			l.wantState(t, p.Recovered, until)
		}
	}
}

// An empty directory is told as one, and nothing is made in it.
func TestPeekIntoEmptyDirectory(t *testing.T) {
	p, err := peek(t, newDisk(t), nil)
	if err != nil || p.LastZxid != NoData || !p.Report.NoData {
		t.Errorf("%+v, %v", p.Recovered, err)
	}
	var st *state.State
	_, err = Peek(vfs.NewMem(), testOptions, Glance{SnapDir: "/none/version-2"}, OnState(state.Options{}, &st))
	if err == nil || !Vanished(err) {
		t.Errorf("no directory: %v", err)
	}
}
