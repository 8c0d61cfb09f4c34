package snap

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"quokka/internal/core/session"
	"quokka/internal/core/tree"
	"quokka/internal/disk/vfs"
)

// The files in testdata were written by Java ZooKeeper 3.8.0 (see README there).

// normal is a plain snapshot taken apart and put together again with sessions,
// ACLs and znodes sorted: Java writes them in the order of its hash tables. It
// is written without the code under test, for whole files only.
func normal(t *testing.T, b []byte) (parts []string, tail []byte) {
	t.Helper()
	at := 16
	number := func(n int) uint64 {
		var v uint64
		for _, x := range b[at : at+n] {
			v = v<<8 | uint64(x)
		}
		at += n
		return v
	}
	cut := func(from int) string { return string(b[from:at]) }
	parts = append(parts, "header "+string(b[:at]))
	for range number(4) {
		at += 12
		parts = append(parts, "session "+cut(at-12))
	}
	for range number(4) {
		from := at
		at += 8
		for range number(4) {
			at += 4
			at += int(number(4))
			at += int(number(4))
		}
		parts = append(parts, "acl "+cut(from))
	}
	for string(b[at:at+5]) != endMark {
		from := at
		at += int(number(4))
		if n := int32(number(4)); n > 0 {
			at += int(n)
		}
		at += 68
		parts = append(parts, "node "+cut(from))
	}
	slices.Sort(parts)
	return parts, b[at:]
}

// plain decompresses a file of testdata.
func plain(t *testing.T, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, m, _ := ParseFileName(filepath.Base(path))
	r, err := m.decompressor(f)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(r); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func javaFiles(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/snapshot.*")
	if err != nil || len(files) < 5 {
		t.Fatalf("testdata is missing: %v, %v", files, err)
	}
	return files
}

// A snapshot of Java, loaded and written again, has the same sessions, ACLs and
// znodes byte for byte, in another order; and the digest section is the same
// where Java's snapshot was not fuzzy.
func TestJavaSnapshotsAreWrittenAgainUnchanged(t *testing.T) {
	for _, path := range javaFiles(t) {
		tr, ss, info, err := Load(vfs.OS{}, path, testOptions)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		p := pictureOf(t, tr, ss, info.Zxid)
		p.LastProcessed = false
		javas := plain(t, path)
		want, wantTail := normal(t, javas)
		got, gotTail := normal(t, written(t, p))
		if !slices.Equal(want, got) {
			t.Errorf("%s:\nJava %q\nours %q", path, want, got)
		}
		exact := !info.HasDigest || info.DigestZxid == info.Zxid
		from, to := len(endMark)+sealSize, len(endMark)+sealSize+20
		if exact && info.HasDigest && !bytes.Equal(wantTail[from:to], gotTail[from:to]) {
			t.Errorf("%s: digest section\nJava % x\nours % x", path, wantTail[from:to], gotTail[from:to])
		}
		t.Logf("%s: %d znodes, %d sessions, digest at %v", path, info.Nodes, info.Sessions, info.DigestZxid)
	}
}

// needJava skips the test, or fails it if QUOKKA_INTEROP=require.
func needJava(t *testing.T) {
	t.Helper()
	_, err := exec.LookPath("java")
	if err == nil {
		_, err = os.Stat("/usr/share/java/zookeeper.jar")
	}
	if err == nil {
		return
	}
	if os.Getenv("QUOKKA_INTEROP") == "require" {
		t.Fatalf("Java ZooKeeper is required: %v", err)
	}
	t.Skipf("Java ZooKeeper is not installed: %v", err)
}

func TestJavaReadsOurs(t *testing.T) {
	needJava(t)
	tr, ss := randomState(t, 11, 60)
	for _, m := range methods {
		info, err := Save(vfs.OS{}, t.TempDir(), pictureOf(t, tr, ss, 0x1234), m, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		out, err := exec.CommandContext(ctx, "java", "-Dfile.encoding=UTF-8", "-cp", "/usr/share/java/*",
			"org.apache.zookeeper.server.SnapshotFormatter", "-d", info.Path).Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", m, err, out)
		}
		checkFormatted(t, string(out), tr, ss)
	}
}

// checkFormatted compares what SnapshotFormatter prints with the tree.
func checkFormatted(t *testing.T, out string, tr *tree.Tree, ss *session.Table) {
	t.Helper()
	var want []string
	v := tr.View()
	defer v.Close()
	for n := range v.Nodes() {
		path := string(n.Path)
		if path == "" {
			path = "/"
		}
		want = append(want, fmt.Sprintf("----\n%s\n  cZxid = 0x%016x\n", path, int64(n.Stat.Czxid)))
	}
	for id, timeout := range ss.All() {
		want = append(want, fmt.Sprintf("0x%014x, %d, ", uint64(id), timeout))
	}
	want = append(want, "Last zxid: 0x1234")
	// Java's %#016x counts "0x" into the width.
	out = strings.ReplaceAll(out, "cZxid = 0x", "cZxid = 0x00")
	for _, w := range want {
		if !strings.Contains(out, w) {
			t.Fatalf("SnapshotFormatter does not print %q:\n%s", w, out)
		}
	}
	if n := strings.Count(out, "cZxid"); n != v.Len() {
		t.Errorf("SnapshotFormatter prints %d znodes, we have %d", n, v.Len())
	}
}

func FuzzRead(f *testing.F) {
	for _, path := range javaFiles(f) {
		if b, err := os.ReadFile(path); err == nil {
			_, m, _ := ParseFileName(filepath.Base(path))
			f.Add(b, uint8(slices.Index(methods, m)))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, which uint8) {
		info := Info{Method: methods[int(which)%len(methods)]}
		tr, ss, err := readCompressed(bytes.NewReader(b), &info, testOptions)
		if err != nil {
			return
		}
		v := tr.View()
		defer v.Close()
		var again bytes.Buffer
		if err := Write(&again, Picture{Zxid: 1, Sessions: ss.Snapshot(), View: v, Digest: true, LastProcessed: true}); err != nil {
			t.Fatal(err)
		}
		tr2, ss2, _, err := Read(&again, testOptions)
		if err != nil || dump(tr, ss) != dump(tr2, ss2) {
			t.Fatalf("written again it is something else: %v", err)
		}
	})
}

// FuzzReadSealed fuzzes what is behind the checksum: it repairs the first seal.
func FuzzReadSealed(f *testing.F) {
	tr, ss := randomState(f, 2, 5)
	p := pictureOf(f, tr, ss, 3)
	p.Digest, p.LastProcessed = false, false
	b := written(f, p)
	f.Add(b[:len(b)-sealSize])
	f.Fuzz(func(t *testing.T, b []byte) {
		s := newSource(nil)
		_, _ = s.sum.Write(b)
		b = binary.BigEndian.AppendUint64(bytes.Clone(b), uint64(s.sum.Sum32()))
		b = append(b, endMark...)
		tr, ss, _, err := Read(bytes.NewReader(b), testOptions)
		if err == nil {
			_ = dump(tr, ss)
		}
	})
}
