package store

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"quokka/internal/disk/snap"
	"quokka/internal/disk/txnlog"
	"quokka/internal/disk/vfs"
	"quokka/internal/proto"
)

// javaDirectory is testdata/java-3.8.0.tar.gz on a disk (see README there).
func javaDirectory(t testing.TB) *vfs.Mem {
	t.Helper()
	f, err := os.Open("testdata/java-3.8.0.tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	disk := newDisk(t)
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return disk
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(h.Name, "/") {
			continue
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		put(t, disk, filepath.Join("/data", h.Name), string(b))
	}
}

// From whichever of Java's snapshots we start, the fuzzy one among them, the
// logs lead to the same state, and all digests that Java logged are right.
func TestJavaDirectoryFromEachSnapshot(t *testing.T) {
	disk := javaDirectory(t)
	want := ""
	for range 8 {
		r, err := recovered(disk, testOptions)
		if err != nil {
			t.Fatal(err)
		}
		rep := r.Report
		if r.LastZxid != 0x3d || rep.DigestMismatches != 0 || len(rep.Skipped) != 0 || rep.Tail.File != "" {
			t.Errorf("from %s: %v, %+v", rep.Snapshot.Path, r.LastZxid, rep)
		}
		if want == "" {
			want = dump(r.Tree, r.Sessions)
		}
		if got := dump(r.Tree, r.Sessions); got != want {
			t.Errorf("from %s:\n%s\nwant\n%s", rep.Snapshot.Path, got, want)
		}
		t.Logf("%s: %d txns, %d tolerated", rep.Snapshot.Path, rep.Txns, rep.Tolerated)
		if err := disk.Remove(rep.Snapshot.Path); err != nil {
			t.Fatal(err)
		}
	}
	refusal(t, disk, testOptions, ExitUnexpected, "No snapshot found, but there are log entries")
}

// A wrong bit in a log of Java: refused or without effect. Only in the last
// record it cannot be told from a record that was not wholly written.
func TestJavaLogsWithBitFlips(t *testing.T) {
	master := javaDirectory(t)
	keepOnly(t, master, "snapshot.0")
	whole, err := recovered(master, testOptions)
	if err != nil {
		t.Fatal(err)
	}
	var last txnlog.Record
	if _, err := txnlog.Scan(master, "/data/version-2", 1, func(r txnlog.Record) error { last = r; return nil }); err != nil {
		t.Fatal(err)
	}
	full := dump(whole.Tree, whole.Sessions)
	for _, name := range []string{"log.1", "log.c", "log.18", "log.27", "log.2c", "log.3c"} {
		path := "/data/version-2/" + name
		for off, step := 0, 1; off < used(t, master, path); off += step {
			step = 1 + off%5
			disk := master.CrashImage(nil, vfs.CrashKeep)
			change(t, disk, path, func(b []byte) []byte {
				b[off] ^= 1 << (off % 8)
				return b
			})
			r, err := recovered(disk, testOptions)
			torn := path == last.File && int64(off) >= last.Offset
			var own *Error
			switch {
			case err != nil && !errors.As(err, &own):
				t.Fatalf("%s, byte %d: %v", name, off, err)
			case err == nil && !torn && dump(r.Tree, r.Sessions) != full:
				t.Fatalf("%s, byte %d: recovered to %v, %+v", name, off, r.LastZxid, r.Report)
			case err == nil && torn && r.LastZxid < whole.LastZxid-1:
				t.Fatalf("%s, byte %d: recovered to %v, %+v", name, off, r.LastZxid, r.Report)
			}
		}
	}
}

// used is how many bytes of a file are not padding.
func used(t testing.TB, disk vfs.FS, path string) (size int) {
	t.Helper()
	change(t, disk, path, func(b []byte) []byte {
		size = len(strings.TrimRight(string(b), "\x00"))
		return b
	})
	return size
}

// keepOnly removes all snapshots but one.
func keepOnly(t testing.TB, disk vfs.FS, keep string) {
	t.Helper()
	snaps, err := snap.List(disk, "/data/version-2")
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range snaps {
		if filepath.Base(i.Path) == keep {
			continue
		}
		if err := disk.Remove(i.Path); err != nil {
			t.Fatal(err)
		}
	}
}

// A wrong bit in the newest snapshot: an older one leads to the same state.
func TestJavaSnapshotWithBitFlips(t *testing.T) {
	master := javaDirectory(t)
	whole, err := recovered(master, testOptions)
	if err != nil {
		t.Fatal(err)
	}
	full, path := dump(whole.Tree, whole.Sessions), whole.Report.Snapshot.Path
	for off := 0; off < used(t, master, path); off += 7 {
		disk := master.CrashImage(nil, vfs.CrashKeep)
		change(t, disk, path, func(b []byte) []byte {
			b[off] ^= 1 << (off % 8)
			return b
		})
		r, err := recovered(disk, testOptions)
		if off/4 == 1 && errors.Is(err, snap.ErrVersion) {
			continue // it could be in a later format
		}
		if err != nil || dump(r.Tree, r.Sessions) != full || len(r.Report.Skipped) != 1 {
			t.Fatalf("byte %d: %v, %v", off, r, err)
		}
	}
}

// FuzzRecover recovers from a directory with one file made up and one cut.
func FuzzRecover(f *testing.F) {
	f.Add("snapshot.3e", []byte("ZKSN"), uint16(5))
	f.Add("log.3e", []byte("ZKLG\x00\x00\x00\x02"), uint16(9000))
	f.Add("log.3c", []byte{}, uint16(0))
	master := javaDirectory(f)
	f.Fuzz(func(t *testing.T, name string, content []byte, cut uint16) {
		if strings.ContainsAny(name, "/\x00") || name == "" || len(name) > 40 || name == "." || name == ".." || name == lockName {
			return
		}
		disk := master.CrashImage(nil, vfs.CrashKeep)
		change(t, disk, "/data/version-2/log.3c", func(b []byte) []byte { return b[:min(len(b), int(cut))] })
		put(t, disk, "/data/version-2/"+name, string(content))
		r, err := recovered(disk, testOptions)
		if err != nil {
			var own *Error
			if !errors.As(err, &own) {
				t.Fatalf("not an Error: %v", err)
			}
			return
		}
		again, err := recovered(disk, testOptions)
		if err != nil || again.LastZxid != r.LastZxid || dump(again.Tree, again.Sessions) != dump(r.Tree, r.Sessions) {
			t.Fatalf("recovered to %v and then to %v, %v", r.LastZxid, again, err)
		}
	})
}

// The number of a session's znodes in Java's directory, as a check that the
// sessions were read too.
func TestJavaDirectorySessions(t *testing.T) {
	disk := javaDirectory(t)
	for _, name := range []string{"snapshot.3d", "log.3c"} {
		if err := disk.Remove("/data/version-2/" + name); err != nil {
			t.Fatal(err)
		}
	}
	r, err := recovered(disk, testOptions)
	if err != nil || r.LastZxid != 0x3b {
		t.Fatalf("%v, %v", r, err)
	}
	owned := map[proto.SessionID]int{}
	for id, n := range r.Tree.EphemeralOwners() {
		if _, ok := r.Sessions.Timeout(id); !ok {
			t.Errorf("session %v owns %d znodes and is not in the table", id, n)
		}
		owned[id] = n
	}
	if len(owned) != 1 || r.Sessions.Len() != 2 || r.Tree.EphemeralCount() != 4 {
		t.Errorf("owners %v, %d sessions, %d ephemerals", owned, r.Sessions.Len(), r.Tree.EphemeralCount())
	}
}

// A directory of Java is truncated to any record, whatever its snapshots have
// of later ones.
func TestJavaDirectoryTruncated(t *testing.T) {
	for z := proto.Zxid(1); z <= 0x3d; z += 3 {
		disk := javaDirectory(t)
		s, r := start(t, disk)
		if r.Floor != 0 || r.Base != 0 || len(r.Entries) != 0x3d {
			t.Fatalf("floor %v, %d entries after %v", r.Floor, len(r.Entries), r.Base)
		}
		if err := s.Truncate(z); err != nil {
			t.Fatalf("to %v: %v", z, err)
		}
		stop(t, s)
		got, err := recovered(disk, memberOptions)
		if err != nil {
			t.Fatalf("to %v: %v", z, err)
		}

		plain := javaDirectory(t) // the same from the first snapshot
		snaps, err := snap.List(plain, "/data/version-2")
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range snaps[:len(snaps)-1] {
			if err := plain.Remove(i.Path); err != nil {
				t.Fatal(err)
			}
		}
		if err := txnlog.Truncate(plain, "/data/version-2", int64(z)); err != nil {
			t.Fatal(err)
		}
		want, err := recovered(plain, testOptions)
		if err != nil {
			t.Fatal(err)
		}
		if got.LastZxid != z || dump(got.Tree, got.Sessions) != dump(want.Tree, want.Sessions) {
			t.Errorf("to %v: recovered to %v from %s", z, got.LastZxid, got.Report.Snapshot.Path)
		}
	}
}
