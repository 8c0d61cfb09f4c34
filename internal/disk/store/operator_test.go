package store

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"quokka/internal/disk/vfs"
)

// A process that died between making a log and writing its first record leaves
// a name that may be far ahead: the log must go on below it.
func TestLogFileWithoutARecordIsNotInTheWay(t *testing.T) {
	const header = "ZKLG\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00"
	for _, content := range []string{"", header, header + strings.Repeat("\x00", 5000)} {
		disk := newDisk(t)
		l := history(t, disk, testOptions, 20, 10)
		put(t, disk, "/data/version-2/log.1f", content)
		s := open(t, disk, testOptions)
		r, err := s.Recover(onState())
		if err != nil {
			t.Fatal(err)
		}
		l.wantState(t, r, 20)
		var told strings.Builder
		for _, m := range r.Report.Messages() {
			told.WriteString(m.Text + "\n")
		}
		if !strings.Contains(told.String(), "log.1f has no whole record") {
			t.Errorf("not told: %s", told.String())
		}
		w := s.TxnLog()
		if err := w.Append(l.step(20)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if r, err = recovered(disk, testOptions); err != nil {
			t.Fatal(err)
		}
		l.wantState(t, r, 21)
	}
}

// Java may have begun log.f, died before its first record reached the disk,
// and gone on in log.d: what log.f lacks is in there.
func TestLogFileWithoutARecordHidesNothing(t *testing.T) {
	disk := newDisk(t)
	l := history(t, disk, testOptions, 20, 12)
	s := open(t, disk, testOptions)
	if _, err := s.Recover(onState()); err != nil {
		t.Fatal(err)
	}
	older := newLeader()
	for n := range 15 {
		older.step(n)
	}
	older.snapshot(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	put(t, disk, "/data/version-2/log.f", "ZKLG\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00")
	for range 2 {
		r, err := recovered(disk, testOptions)
		if err != nil {
			t.Fatal(err)
		}
		if r.Report.Snapshot.Zxid != 15 {
			t.Errorf("snapshot %v", r.Report.Snapshot.Path)
		}
		l.wantState(t, r, 20)
	}
}

// What is refused says what to do, once.
func TestRefusalsSayWhatToDo(t *testing.T) {
	broken := newDisk(t)
	history(t, broken, testOptions, 60, 10, 20, 30, 40, 50)
	for _, name := range []string{"0", "a", "14", "1e", "28", "32"} {
		change(t, broken, "/data/version-2/snapshot."+name, func(b []byte) []byte { b[20] ^= 8; return b })
	}
	refusal(t, broken, testOptions, ExitUnexpected, "restore a backup", "snapshot.32 is corrupt at byte", "and 3 older ones")

	torn := newDisk(t)
	history(t, torn, testOptions, 20, 10)
	for _, name := range []string{"0", "a"} {
		change(t, torn, "/data/version-2/snapshot."+name, func(b []byte) []byte { return b[:7] })
	}
	refusal(t, torn, testOptions, ExitUnexpected, "snapshot.a, is broken: 7 bytes are too few", "restore a backup")

	disk := newDisk(t)
	history(t, disk, testOptions, 20, 10)
	refusal(t, vfs.NewFault(disk, vfs.FailOnce(vfs.OpOpen, 1, fs.ErrPermission)), testOptions, ExitUnexpected,
		"give this process's user the right to read and write")
}

func TestLockedDirectoryNamesTheRightKey(t *testing.T) {
	disk := newDisk(t)
	s := open(t, disk, testOptions)
	defer s.Close()
	notOpened(t, disk, testOptions, "give this one a dataDir of its own")
	o := testOptions
	o.DataDir, o.LogDir = "/other", testOptions.DataDir
	notOpened(t, disk, o, "give this one a dataLogDir of its own")
}

// A user who may not write gets the code that Java's scripts know.
func TestDirectoryOfAnotherUser(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write everywhere")
	}
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.MkdirAll(filepath.Join(dir, versionDir), 0o500); err != nil {
		t.Fatal(err)
	}
	o := testOptions
	o.DataDir = dir
	notOpened(t, vfs.OS{}, o, "give this process's user the right to write", syscall.EACCES.Error())
}
