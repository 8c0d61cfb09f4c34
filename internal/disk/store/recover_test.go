package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"quokka/internal/core/session"
	"quokka/internal/core/tree"
	"quokka/internal/disk/snap"
	"quokka/internal/disk/txnlog"
	"quokka/internal/disk/vfs"
	"quokka/internal/proto"
)

func names(t testing.TB, fsys vfs.FS, dir string) string {
	t.Helper()
	list, err := fsys.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(list, " ")
}

// change rewrites a file.
func change(t testing.TB, fsys vfs.FS, path string, f func([]byte) []byte) {
	t.Helper()
	file, err := fsys.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, size)
	if _, err := file.ReadAt(b, 0); err != nil && size > 0 {
		t.Fatal(err)
	}
	if err := vfs.WriteFileAtomic(fsys, path, f(b)); err != nil {
		t.Fatal(err)
	}
}

func put(t testing.TB, fsys vfs.FS, path, content string) {
	t.Helper()
	if err := vfs.WriteFileAtomic(fsys, path, []byte(content)); err != nil {
		t.Fatal(err)
	}
}

// refusal checks that recovery is refused with an exit code and words.
func refusal(t testing.TB, fsys vfs.FS, o Options, exit int, words ...string) {
	t.Helper()
	_, err := recovered(fsys, o)
	var own *Error
	if !errors.As(err, &own) || own.ExitCode() != exit {
		t.Fatalf("err = %v, want exit code %d", err, exit)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q is not in: %v", w, err)
		}
	}
}

func TestFreshDirectory(t *testing.T) {
	disk := newDisk(t)
	r, err := recovered(disk, testOptions)
	if err != nil {
		t.Fatal(err)
	}
	newLeader().wantState(t, r, 0)
	if got := names(t, disk, "/data/version-2"); !r.Report.Fresh || got != "quokka.lock snapshot.0" {
		t.Errorf("%+v, files %s", r.Report, got)
	}
	if r, err = recovered(disk, testOptions); err != nil || r.Report.Fresh || r.LastZxid != 0 {
		t.Errorf("second start: %+v, %v", r, err)
	}
}

// A log without a record is no reason not to begin.
func TestFreshDirectoryWithRestsOfALog(t *testing.T) {
	for _, content := range []string{"", "ZK", "ZKLG\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00", strings.Repeat("\x00", 4096)} {
		disk := newDisk(t)
		put(t, disk, "/data/version-2/log.1", content)
		for range 2 {
			r, err := recovered(disk, testOptions)
			if err != nil {
				t.Fatalf("%q: %v", content, err)
			}
			newLeader().wantState(t, r, 0)
		}
	}
}

func TestSnapshotOfALaterFormatIsRefused(t *testing.T) {
	disk := newDisk(t)
	history(t, disk, testOptions, 20, 10)
	change(t, disk, "/data/version-2/snapshot.a", func(b []byte) []byte { b[7] = 3; return b })
	refusal(t, disk, testOptions, ExitUnexpected, "snapshot.a", "format version 3 is not known", "use the software that wrote it")
}

func TestRecoverySeesAllThatWasLogged(t *testing.T) {
	for _, m := range []snap.Method{snap.Plain, snap.Gzip, snap.Snappy} {
		for steps := range 40 {
			o := testOptions
			o.Method, o.LogDir = m, "/logs"
			disk := newDisk(t)
			l := history(t, disk, o, steps, 9, 20, 33)
			r, err := recovered(disk, o)
			if err != nil {
				t.Fatal(err)
			}
			l.wantState(t, r, proto.Zxid(steps))
			if r.Report.Txns+int(r.Report.Snapshot.Zxid) != steps {
				t.Errorf("%d txns on %v", r.Report.Txns, r.Report.Snapshot.Zxid)
			}
		}
	}
}

func TestTornTailIsCutAndCounted(t *testing.T) {
	for cut := range 30 {
		disk := newDisk(t)
		l := history(t, disk, testOptions, 20, 10)
		path := "/data/version-2/log.b"
		end := 0
		change(t, disk, path, func(b []byte) []byte {
			end = len(strings.TrimRight(string(b), "\x00"))
			return b[:end-cut-1]
		})
		r, err := recovered(disk, testOptions)
		if err != nil {
			t.Fatal(err)
		}
		l.wantState(t, r, 19)
		tail := r.Report.Tail
		if tail.File != path || tail.BadBytes == 0 || !strings.Contains(r.Report.Messages()[2].Text, "cut off") {
			t.Errorf("%+v, %v", tail, r.Report.Messages())
		}
		if r, err = recovered(disk, testOptions); err != nil || r.Report.Tail.File != "" {
			t.Errorf("after the repair: %+v, %v", r, err)
		}
	}
}

func TestDamageBeforeTheTailIsRefused(t *testing.T) {
	disk := newDisk(t)
	history(t, disk, testOptions, 20, 10)
	change(t, disk, "/data/version-2/log.b", func(b []byte) []byte {
		b[200] ^= 4
		return b
	})
	refusal(t, disk, testOptions, ExitUnexpected, "log.b", "offset", "restore a backup")
}

func TestEmptyLastLogIsRemoved(t *testing.T) {
	disk := newDisk(t)
	l := history(t, disk, testOptions, 20, 10)
	put(t, disk, "/data/version-2/log.15", "")
	r, err := recovered(disk, testOptions)
	if err != nil {
		t.Fatal(err)
	}
	l.wantState(t, r, 20)
	if got := names(t, disk, "/data/version-2"); strings.Contains(got, "log.15") {
		t.Errorf("left: %s", got)
	}
}

func TestFallsBackToOlderSnapshotIfTheLogReaches(t *testing.T) {
	spoil := map[string]func([]byte) []byte{
		"short": func(b []byte) []byte { return b[:len(b)/2] },
		"empty": func([]byte) []byte { return nil },
		"wrong": func(b []byte) []byte { b[len(b)/2]++; return b },
	}
	for name, f := range spoil {
		disk := newDisk(t)
		l := history(t, disk, testOptions, 30, 10, 20)
		change(t, disk, "/data/version-2/snapshot.14", f)
		r, err := recovered(disk, testOptions)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		l.wantState(t, r, 30)
		if r.Report.Snapshot.Zxid != 10 || len(r.Report.Skipped) != 1 {
			t.Errorf("%s: %+v", name, r.Report)
		}
		change(t, disk, "/data/version-2/snapshot.a", f)
		if r, err = recovered(disk, testOptions); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		l.wantState(t, r, 30)
		change(t, disk, "/data/version-2/snapshot.0", f)
		refusal(t, disk, testOptions, ExitUnexpected)
	}
}

// An older snapshot is no answer if what lies between is lost.
func TestDoesNotFallBackAcrossAHole(t *testing.T) {
	disk := newDisk(t)
	history(t, disk, testOptions, 20, 10, 20)
	change(t, disk, "/data/version-2/snapshot.14", func(b []byte) []byte { b[99]++; return b })
	if err := disk.Remove("/data/version-2/log.b"); err != nil {
		t.Fatal(err)
	}
	refusal(t, disk, testOptions, ExitUnexpected, "snapshot.14", "reaches only to 0xa", "move")

	disk = newDisk(t)
	history(t, disk, testOptions, 30, 10, 20)
	change(t, disk, "/data/version-2/snapshot.14", func(b []byte) []byte { b[99]++; return b })
	if err := disk.Remove("/data/version-2/log.b"); err != nil {
		t.Fatal(err)
	}
	refusal(t, disk, testOptions, ExitUnexpected)
}

func TestLogsWithoutSnapshotAreRefused(t *testing.T) {
	disk := newDisk(t)
	l := history(t, disk, testOptions, 20)
	if err := disk.Remove("/data/version-2/snapshot.0"); err != nil {
		t.Fatal(err)
	}
	refusal(t, disk, testOptions, ExitUnexpected, "No snapshot found, but there are log entries. Something is broken!")
	o := testOptions
	o.TrustEmpty = true
	r, err := recovered(disk, o)
	if err != nil {
		t.Fatal(err)
	}
	l.wantState(t, r, 20)
	if r, err = recovered(disk, testOptions); err != nil {
		t.Fatalf("the snapshot was not written: %v", err)
	}
	l.wantState(t, r, 20)
}

func TestEmptyDatabaseNeedsTheMark(t *testing.T) {
	o := testOptions
	o.NoAutoCreateDB, o.LogDir = true, "/logs"
	for _, mark := range []string{"/data/initialize", "/logs/initialize"} {
		disk := newDisk(t)
		r, err := recovered(disk, o)
		if err != nil || r.LastZxid != NoData || names(t, disk, "/data/version-2") != "quokka.lock" {
			t.Fatalf("%+v, %v", r, err)
		}
		put(t, disk, mark, "")
		if r, err = recovered(disk, o); err != nil || r.LastZxid != 0 || !r.Report.Marked {
			t.Fatalf("%+v, %v", r, err)
		}
		if _, err := disk.Stat(mark); err == nil {
			t.Error("the mark is still there")
		}
	}
}

func TestDigestMismatchIsCounted(t *testing.T) {
	disk := newDisk(t)
	s := open(t, disk, testOptions)
	if _, err := s.Recover(onState()); err != nil {
		t.Fatal(err)
	}
	l, w := newLeader(), s.TxnLog()
	for n := range 5 {
		b := l.step(n)
		if n == 2 {
			b[len(b)-1]++
		}
		if err := w.Append(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	r, err := recovered(disk, testOptions)
	if err != nil || r.Report.DigestMismatches != 1 || r.Report.FirstMismatch != 3 {
		t.Errorf("%+v, %v", r.Report, err)
	}
	o := testOptions
	o.Digest = false
	if r, err = recovered(disk, o); err != nil || r.Report.DigestMismatches != 0 {
		t.Errorf("digests off: %+v, %v", r.Report, err)
	}
}

// fuzzy writes a snapshot as Java does: named by zxid 10, but with everything
// up to 18 in it, as the digest section says.
func fuzzy(t testing.TB, disk vfs.FS) *leader {
	t.Helper()
	l := history(t, disk, testOptions, 30)
	half := newLeader()
	for n := range 18 {
		half.step(n)
	}
	v := half.tree.View()
	defer v.Close()
	p := snap.Picture{Zxid: 18, Sessions: half.sessions.Snapshot(), View: v, Digest: true}
	if _, err := snap.Save(disk, "/data/version-2", p, snap.Plain, nil); err != nil {
		t.Fatal(err)
	}
	if err := disk.Rename("/data/version-2/snapshot.12", "/data/version-2/snapshot.a"); err != nil {
		t.Fatal(err)
	}
	return l
}

func TestFuzzySnapshotConverges(t *testing.T) {
	disk := newDisk(t)
	l := fuzzy(t, disk)
	r, err := recovered(disk, testOptions)
	if err != nil {
		t.Fatal(err)
	}
	if r.Report.Snapshot.Zxid != 10 || r.Report.Tolerated == 0 {
		t.Errorf("%+v", r.Report)
	}
	l.wantState(t, r, 30)
}

// A log that ends in the fuzzy part leaves effects of lost transactions in the
// tree: the older snapshot is right then.
func TestFuzzySnapshotBeyondTheLogIsNotUsed(t *testing.T) {
	disk := newDisk(t)
	l := fuzzy(t, disk)
	if err := txnlog.Truncate(disk, "/data/version-2", 14); err != nil {
		t.Fatal(err)
	}
	r, err := recovered(disk, testOptions)
	if err != nil {
		t.Fatal(err)
	}
	l.wantState(t, r, 14)
	if r.Report.Snapshot.Zxid != 0 || len(r.Report.Skipped) != 1 {
		t.Errorf("%+v", r.Report)
	}
	change(t, disk, "/data/version-2/snapshot.0", func(b []byte) []byte { b[60]++; return b })
	if r, err = recovered(disk, testOptions); err != nil || r.LastZxid != 14 || r.Report.Snapshot.Zxid != 10 {
		t.Fatalf("%+v, %v", r, err)
	}
	if m := r.Report.Messages(); !strings.Contains(m[len(m)-2].Text, "is not covering the snapshot digest zxid 0x12") {
		t.Errorf("%v", m)
	}
}

func TestMissingNodeOutsideTheFuzzyPartIsRefused(t *testing.T) {
	disk := newDisk(t)
	s := open(t, disk, testOptions)
	l := newLeader()
	l.step(0)
	l.snapshot(t, s)
	w := s.TxnLog()
	b := l.next(proto.OpSetData, &proto.SetDataTxn{Path: "/never", Data: []byte("x"), Version: 1})
	if err := errors.Join(w.Append(b), w.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	refusal(t, disk, testOptions, ExitUnexpected, "Failed to process transaction type: 5", "log.2", "offset 16")
}

// A failed attempt leaves nothing behind in the next one.
func TestEachAttemptStartsFromNothing(t *testing.T) {
	disk := newDisk(t)
	history(t, disk, testOptions, 30, 10, 20)
	change(t, disk, "/data/version-2/snapshot.14", func(b []byte) []byte { b[len(b)-50]++; return b })
	s := open(t, disk, testOptions)
	seen := map[*tree.Tree]proto.Zxid{}
	make := onState()
	if _, err := s.Recover(func(tr *tree.Tree, ss *session.Table, z proto.Zxid) Replayer {
		seen[tr] = z
		return make(tr, ss, z)
	}); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 1 {
		t.Errorf("replayers were made for %v", seen)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestRecoveryOnARealDisk(t *testing.T) {
	o := testOptions
	o.DataDir = filepath.Join(t.TempDir(), "new", "data")
	l := history(t, vfs.OS{}, o, 25, 10)
	r, err := recovered(vfs.OS{}, o)
	if err != nil {
		t.Fatal(err)
	}
	l.wantState(t, r, 25)
	if _, err := os.Stat(filepath.Join(o.DataDir, "version-2", "snapshot.a")); err != nil {
		t.Error(err)
	}
}
