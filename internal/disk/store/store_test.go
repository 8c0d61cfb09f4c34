package store

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"quokka/internal/disk/vfs"
	"quokka/internal/proto"
)

// notOpened checks that Open fails with exit code 3 and words.
func notOpened(t testing.TB, fsys vfs.FS, o Options, words ...string) {
	t.Helper()
	s, err := Open(fsys, o)
	if err == nil {
		_ = s.Close()
	}
	var own *Error
	if !errors.As(err, &own) || own.ExitCode() != ExitDataDir {
		t.Fatalf("err = %v", err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q is not in: %v", w, err)
		}
	}
}

func TestDirectoryIsLocked(t *testing.T) {
	for _, fsys := range []vfs.FS{newDisk(t), vfs.OS{}} {
		o := testOptions
		if _, real := fsys.(vfs.OS); real {
			o.DataDir = t.TempDir()
		}
		s := open(t, fsys, o)
		notOpened(t, fsys, o, "in use by another server", "version-2")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := open(t, fsys, o).Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Two servers may not share a log directory either.
func TestLogDirectoryIsLocked(t *testing.T) {
	disk := newDisk(t)
	o := testOptions
	o.LogDir = "/logs"
	s := open(t, disk, o)
	o.DataDir = "/other"
	notOpened(t, disk, o, "/logs/version-2 is in use", "dataLogDir of its own")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestMissingDirectories(t *testing.T) {
	o := testOptions
	o.NoAutoCreateDir = true
	notOpened(t, vfs.NewMem(), o, "Missing data directory /data/version-2, automatic data directory creation is disabled "+
		"(zookeeper.datadir.autocreate is false). Please create this directory manually.")
	o.LogDir = "/logs"
	disk := vfs.NewMem()
	if err := disk.MkdirAll("/logs/version-2"); err != nil {
		t.Fatal(err)
	}
	notOpened(t, disk, o, "Missing snap directory /data/version-2")
	o.NoAutoCreateDir = false
	if err := open(t, vfs.NewMem(), o).Close(); err != nil {
		t.Fatal(err)
	}
}

func TestSwappedDirectories(t *testing.T) {
	o := testOptions
	o.LogDir = "/logs"
	disk := newDisk(t)
	put(t, disk, "/logs/version-2/snapshot.0", "")
	notOpened(t, disk, o, "Log directory has snapshot files. Check if dataLogDir and dataDir configuration is correct.")
	disk = newDisk(t)
	put(t, disk, "/data/version-2/log.1", "")
	notOpened(t, disk, o, "Snapshot directory has log files. Check if dataLogDir and dataDir configuration is correct.")
}

func TestLaterFormatIsRefused(t *testing.T) {
	disk := newDisk(t)
	if err := disk.MkdirAll("/data/version-3"); err != nil {
		t.Fatal(err)
	}
	notOpened(t, disk, testOptions, "/data/version-3 is in a format that this version does not know")
}

func TestUnusableDirectories(t *testing.T) {
	for want, cause := range map[string]error{
		"the disk is full, free some space":               syscall.ENOSPC,
		"give this process's user the right":              fs.ErrPermission,
		"mount the file system so that it can be written": syscall.EROFS,
	} {
		for _, op := range []vfs.Op{vfs.OpLock, vfs.OpMkdirAll} {
			o := testOptions
			o.DataDir = map[vfs.Op]string{vfs.OpLock: "/data", vfs.OpMkdirAll: "/new"}[op]
			notOpened(t, vfs.NewFault(newDisk(t), vfs.FailOnce(op, 1, cause)), o, want)
		}
	}
}

func TestUnfinishedSnapshotIsRemoved(t *testing.T) {
	disk := newDisk(t)
	put(t, disk, "/data/version-2/saving-snapshot.7.gz", "half")
	if err := open(t, disk, testOptions).Close(); err != nil {
		t.Fatal(err)
	}
	if got := names(t, disk, "/data/version-2"); got != "quokka.lock" {
		t.Errorf("left: %s", got)
	}
}

func TestFullDiskWhileSnapshotting(t *testing.T) {
	disk := newDisk(t)
	fault := vfs.NewFault(disk, nil)
	s := open(t, fault, testOptions)
	if _, err := s.Recover(onState()); err != nil {
		t.Fatal(err)
	}
	fault.SetHook(vfs.FailOnce(vfs.OpWrite, 1, syscall.ENOSPC))
	l := newLeader()
	l.step(0)
	err := l.trySnapshot(s)
	var own *Error
	if !errors.As(err, &own) || own.ExitCode() != ExitSnapshot || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("err = %v", err)
	}
	if got := names(t, disk, "/data/version-2"); got != "quokka.lock snapshot.0" {
		t.Errorf("left: %s", got)
	}
	l.snapshot(t, s)
	if snaps, err := s.Snapshots(); err != nil || len(snaps) != 2 {
		t.Errorf("%v, %v", snaps, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestSizes(t *testing.T) {
	disk := newDisk(t)
	o := testOptions
	o.LogDir = "/logs"
	put(t, disk, "/data/version-2/snapshot.0", "12345")
	put(t, disk, "/logs/version-2/log.1", "123")
	s := open(t, disk, o)
	if a, b, err := s.Sizes(); a != 5 || b != 3 || err != nil {
		t.Errorf("%d %d %v", a, b, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// putEpochs writes the files of the epochs, "" being none.
func putEpochs(t testing.TB, disk vfs.FS, current, temp, accepted string) {
	t.Helper()
	for _, f := range [][2]string{{"currentEpoch", current}, {"acceptedEpoch", accepted}, {"currentEpoch.tmp", temp}} {
		if f[1] != "" {
			put(t, disk, "/data/version-2/"+f[0], f[1])
		}
	}
}

func TestEpochs(t *testing.T) {
	for _, c := range []struct {
		current, temp, accepted string
		last                    proto.Zxid
		want                    string
	}{
		{"", "", "", proto.MakeZxid(3, 5), "{3 3 true false false}"},
		{"4", "", "5\n", proto.MakeZxid(3, 5), "{4 5 false false false}"},
		{"4", "", "", proto.MakeZxid(4, 5), "{4 4 true false false}"},
		{"2", "3", "3", proto.MakeZxid(3, 5), "{3 3 false true false}"},
		{"2", "", "3", proto.MakeZxid(3, 5), "{3 3 false false true}"},
		{"2", "", "2", proto.MakeZxid(3, 5), "The current epoch, 2, is older than the last zxid, 12884901893"},
		{"2", "1", "4", proto.MakeZxid(3, 5), "{3 4 false false true}"}, // of an older attempt
		{"2", "x", "4", proto.MakeZxid(3, 5), "{3 4 false false true}"}, // torn
		{"2", "x", "2", proto.MakeZxid(3, 5), `"x" is not a number`},
		{"2", "9", "2", proto.MakeZxid(3, 5), "The current epoch, 2, is older"},
		{"-1", "", "-1", NoData, "{0 0 false false false}"},
		{"", "", "", NoData, "{0 0 true false false}"},
		{"4", "", "3", proto.MakeZxid(3, 5), "The accepted epoch, 3 is less than the current epoch, 4"},
		{"four", "", "3", 0, `"four" is not a number`},
	} {
		disk := newDisk(t)
		putEpochs(t, disk, c.current, c.temp, c.accepted)
		s := open(t, disk, testOptions)
		e, err := s.ReadEpochs(c.last)
		got := fmt.Sprint(e)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%+v: %s", c, got)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPurge(t *testing.T) {
	disk := newDisk(t)
	o := testOptions
	o.LogDir = "/logs"
	l := history(t, disk, o, 60, 10, 20, 30, 40, 50)
	// An invalid snapshot does not count (ZOOKEEPER-3231), and stays if it is newer.
	put(t, disk, "/data/version-2/snapshot.37", "broken")
	put(t, disk, "/data/version-2/snapshot.5", "broken")
	put(t, disk, "/data/version-2/keep.me", "")
	s := open(t, disk, o)
	if _, err := s.Purge(2); err == nil || !strings.Contains(err.Error(), "greater than or equal to 3") {
		t.Errorf("%v", err)
	}
	removed, err := s.Purge(3)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range removed {
		got = append(got, r.Path[strings.LastIndex(r.Path, "/")+1:])
	}
	if want := "snapshot.0 snapshot.5 snapshot.a snapshot.14 log.1 log.b"; strings.Join(got, " ") != want {
		t.Errorf("removed %v", got)
	}
	if got := names(t, disk, "/logs/version-2"); got != "log.15 log.1f log.29 log.33 quokka.lock" {
		t.Errorf("logs left: %s", got)
	}
	if removed, err = s.Purge(3); err != nil || len(removed) != 0 {
		t.Errorf("again: %v, %v", removed, err)
	}
	r, err := s.Recover(onState())
	if err != nil {
		t.Fatal(err)
	}
	l.wantState(t, r, 60)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// After a purge each kept snapshot still recovers everything.
func TestPurgeKeepsWhatEachSnapshotNeeds(t *testing.T) {
	for steps := 30; steps < 80; steps += 7 {
		disk := newDisk(t)
		l := history(t, disk, testOptions, steps, 3, 9, 10, 25, 29)
		s := open(t, disk, testOptions)
		if _, err := s.Purge(3); err != nil {
			t.Fatal(err)
		}
		snaps, err := s.Snapshots()
		if err := errors.Join(err, s.Close()); err != nil || len(snaps) != 3 {
			t.Fatalf("%v, %v", snaps, err)
		}
		for range snaps {
			r, err := recovered(disk, testOptions)
			if err != nil {
				t.Fatal(err)
			}
			l.wantState(t, r, proto.Zxid(steps))
			if err := disk.Remove(r.Report.Snapshot.Path); err != nil {
				t.Fatal(err)
			}
		}
	}
}
