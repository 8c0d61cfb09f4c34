package txnlog

import (
	"bytes"
	"encoding/hex"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"quokka/internal/disk/vfs"
)

// The first record of a log that ZooKeeper 3.8.0 wrote: createSession with a
// timeout of 10 s, and the digest of the empty tree.
const (
	javaPayload = "0100001b46ff0000" + "00000000" + "0000000000000001" + "000001a2047f9024" + "fffffff6" +
		"00002710" + "00000002" + "0000000051c6d660"
	javaFile = "5a4b4c47" + "00000002" + "0000000000000000" +
		"00000000b8e509b6" + "00000030" + javaPayload + "42"
)

func fromHex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	mustDo(t, err)
	return b
}

func TestBytesAreJavas(t *testing.T) {
	m := newDir(t)
	w := NewWriter(m, testDir, Options{PreallocSize: DefaultPreallocSize})
	p := fromHex(t, javaPayload)
	mustDo(t, w.Append(p))
	clear(p) // the writer has its own copy
	mustDo(t, w.Sync())
	if w.Size() != 67108880 || w.BytesSinceRoll() != 77 || w.CurrentFile() != logPath(1) {
		t.Errorf("size %d, bytes %d, file %s", w.Size(), w.BytesSinceRoll(), w.CurrentFile())
	}
	mustDo(t, w.Close())
	got := readFile(t, m, logPath(1))
	if want := fromHex(t, javaFile); len(got) != 67108880 || !slices.Equal(got[:len(want)], want) || !isZero(got[len(want):]) {
		t.Errorf("file of %d bytes begins with\n%x, want\n%x", len(got), got[:len(want)], want)
	}
	tail, err := Scan(m, testDir, 1, func(r Record) error {
		if r.Zxid != 1 || r.Offset != 16 || hex.EncodeToString(r.Payload) != javaPayload {
			t.Errorf("record %+v", r)
		}
		return nil
	})
	if err != nil || tail.File != "" {
		t.Errorf("tail %+v, error %v", tail, err)
	}
}

func TestPaddedSize(t *testing.T) {
	const step = 8192
	for _, c := range []struct{ end, size, want int64 }{
		{16, 16, 8208},      // first record
		{4111, 8208, 8208},  // still far from the end
		{4112, 8208, 16400}, // 4096 bytes from it
		{9000, 8208, 16384}, // beyond it: back to a multiple
	} {
		if got := paddedSize(c.end, c.size, step); got != c.want {
			t.Errorf("end %d, size %d: %d, want %d", c.end, c.size, got, c.want)
		}
	}
	if got := paddedSize(100, 50, 0); got != 50 {
		t.Errorf("without preallocation: %d", got)
	}
}

func TestOneWriteAndOneSyncPerBatch(t *testing.T) {
	var calls strings.Builder
	w := NewWriter(vfs.NewFault(newDir(t), vfs.LogCalls(&calls)), testDir, Options{PreallocSize: 1 << 20})
	for batch := range int64(2) {
		for z := batch*100 + 1; z <= batch*100+100; z++ {
			mustDo(t, w.Append(payload(z, 60)))
		}
		mustDo(t, w.Sync())
		mustDo(t, w.Sync())
	}
	mustDo(t, w.Close())
	file := " " + logPath(1) + "\n"
	temp := " " + filepath.Join(testDir, creating) + "\n"
	dir := " " + testDir + "\n"
	want := "list" + dir + "open" + file +
		"create" + temp + "write" + temp + "sync" + temp + "close" + temp + "rename" + temp + "syncdir" + dir + "openrw" + file +
		"preallocate" + file + "writeat" + file + "datasync" + file + "writeat" + file + "datasync" + file + "close" + file
	if calls.String() != want {
		t.Errorf("calls:\n%swant:\n%s", &calls, want)
	}
}

// Wherever the process ends while a file is begun, none has a log's name that
// Java before 3.9.3 could not open: every one has its header.
func TestLogFilesAlwaysHaveTheirHeader(t *testing.T) {
	for _, o := range []Options{{}, {PreallocSize: 4096}, {PreallocSize: 4096, NoSync: true}} {
		done := false
		for n := 0; !done && n < 100; n++ {
			m := newDir(t)
			w := NewWriter(vfs.NewFault(m, vfs.StopAfter(n)), testDir, o)
			err := w.Append(payload(1, 60))
			if err == nil {
				err = w.Sync()
			}
			done = err == nil
			if _, serr := m.Stat(logPath(1)); serr != nil {
				continue
			}
			if b := readFile(t, m, logPath(1)); len(b) < headerSize || !bytes.Equal(b[:4], magic[:]) {
				t.Fatalf("%+v, ended after %d calls: the file is %x", o, n, b)
			}
		}
		if !done {
			t.Errorf("%+v: nothing was written in 100 calls", o)
		}
	}
}

func TestNoSync(t *testing.T) {
	var calls strings.Builder
	m := newDir(t)
	w := NewWriter(vfs.NewFault(m, vfs.LogCalls(&calls)), testDir, Options{NoSync: true})
	mustDo(t, w.Append(payload(1, 60)))
	mustDo(t, w.Roll())
	mustDo(t, w.Append(payload(2, 60)))
	mustDo(t, w.Close())
	if strings.Contains(calls.String(), "sync") {
		t.Errorf("calls:\n%s", &calls)
	}
	if got, _, err := collect(m, 1); err != nil || len(got) != 2 {
		t.Errorf("records %v, error %v", got, err)
	}
}

func TestHugeRecords(t *testing.T) {
	m := newDir(t)
	w := NewWriter(m, testDir, Options{PreallocSize: 1 << 20})
	sizes := []int{30, 3 << 20, 9 << 20, 40, 100}
	for i, size := range sizes {
		mustDo(t, w.Append(payload(int64(i+1), size)))
	}
	mustDo(t, w.Close())
	if got, tail, err := collect(m, 1); err != nil || tail.File != "" || len(got) != len(sizes) {
		t.Errorf("records %v, tail %+v, error %v", got, tail, err)
	}
}

func TestAppendRefusesDisorder(t *testing.T) {
	for name, zxids := range map[string][]int64{
		"repeated":           {5, 5},
		"backwards":          {5, 4},
		"gap":                {5, 7},
		"epoch not from one": {5, epoch1 + 2},
	} {
		w := NewWriter(newDir(t), testDir, Options{})
		mustDo(t, w.Append(payload(zxids[0], 30)))
		if err := w.Append(payload(zxids[1], 30)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	w := NewWriter(newDir(t), testDir, Options{})
	if err := w.Append(make([]byte, 19)); err == nil {
		t.Error("payload without zxid accepted")
	}
	w = NewWriter(newDir(t), testDir, Options{})
	mustDo(t, w.Append(payload(5, 30)))
	mustDo(t, w.Roll())
	mustDo(t, w.Append(payload(70, 30))) // a snapshot was installed in between
	mustDo(t, w.Append(payload(epoch1+1, 30)))
	mustDo(t, w.Close())
	if err := w.Append(payload(epoch1+2, 30)); !errors.Is(err, ErrClosed) {
		t.Errorf("append after close: %v", err)
	}
}

func TestWriterOverwritesNothing(t *testing.T) {
	m := newDir(t)
	writeLog(t, m, Options{PreallocSize: 4096}, through(1, 3), through(4, 6))
	for _, zxid := range []int64{2, 4} {
		w := NewWriter(m, testDir, Options{})
		if err := w.Append(payload(zxid, 30)); err == nil {
			t.Errorf("file for 0x%x made over or before existing records", zxid)
		}
	}
	zero(t, m, logPath(4), headerSize, 4096) // a crash came right after the header
	w := NewWriter(m, testDir, Options{})
	mustDo(t, w.Append(payload(4, 50)))
	mustDo(t, w.Close())
	if got, _, err := collect(m, 1); err != nil || !slices.Equal(got, through(1, 4)) {
		t.Errorf("records %v, error %v", got, err)
	}
}

func TestFullDiskStopsPreallocationOnly(t *testing.T) {
	m := newDir(t)
	w := NewWriter(vfs.NewFault(m, vfs.FailOnce(vfs.OpPreallocate, 1, syscall.ENOSPC)), testDir, Options{PreallocSize: 1 << 20})
	mustDo(t, w.Append(payload(1, 50)))
	mustDo(t, w.Close())
	if b := readFile(t, m, logPath(1)); len(b) != at(1) {
		t.Errorf("file of %d bytes", len(b))
	}
}

func TestTruncate(t *testing.T) {
	files := [][]int64{through(1, 5), through(6, 9), {epoch1 + 1, epoch1 + 2}, {epoch1 + 3}}
	all := slices.Concat(files...)
	for i, zxid := range all {
		m := newDir(t)
		writeLog(t, m, Options{PreallocSize: 4096}, files...)
		mustDo(t, Truncate(m, testDir, zxid))
		got, tail, err := collect(m.CrashImage(nil, vfs.CrashLose), 1)
		if err != nil || tail.File != "" || !slices.Equal(got, all[:i+1]) {
			t.Errorf("truncate 0x%x: records %x, tail %+v, error %v", zxid, got, tail, err)
		}
	}
	m := newDir(t)
	writeLog(t, m, Options{PreallocSize: 4096}, files...)
	for _, zxid := range []int64{0, -1, 10, epoch1, epoch1 + 4, 5 * epoch1} {
		if err := Truncate(m, testDir, zxid); !errors.Is(err, ErrNotInLog) {
			t.Errorf("truncate 0x%x: %v", zxid, err)
		}
	}
	if got, _, err := collect(m, 1); err != nil || !slices.Equal(got, all) {
		t.Errorf("refused truncations changed the log: %x, %v", got, err)
	}
}

func TestFileNames(t *testing.T) {
	for _, zxid := range []int64{1, 0xab, epoch1 + 1, 1<<63 - 1} {
		if got, ok := ParseFileName(FileName(zxid)); !ok || got != zxid {
			t.Errorf("0x%x: %s parses as 0x%x, %v", zxid, FileName(zxid), got, ok)
		}
	}
	for _, name := range []string{"", "log", "log.", "log.g", "log.1.corrupt", "log.-1", "log.+1", "log.0x1", "log.1_0", "snapshot.1", "log.8000000000000000"} {
		if zxid, ok := ParseFileName(name); ok {
			t.Errorf("%q parses as 0x%x", name, zxid)
		}
	}
}

// On the real file system: batches of n records, each synced.
func BenchmarkAppendSync(b *testing.B) {
	for name, n := range map[string]int64{"1": 1, "100": 100} {
		b.Run(name, func(b *testing.B) {
			w := NewWriter(vfs.OS{}, b.TempDir(), Options{PreallocSize: DefaultPreallocSize})
			zxid := int64(0)
			for b.Loop() {
				for range n {
					zxid++
					mustDo(b, w.Append(payload(zxid, 150)))
				}
				mustDo(b, w.Sync())
			}
			mustDo(b, w.Close())
		})
	}
}

// One million records of 150 bytes per operation.
func BenchmarkScan(b *testing.B) {
	dir := b.TempDir()
	w := NewWriter(vfs.OS{}, dir, Options{PreallocSize: DefaultPreallocSize})
	const records = 1_000_000
	for z := range int64(records) {
		mustDo(b, w.Append(payload(z+1, 150)))
	}
	mustDo(b, w.Close())
	for b.Loop() {
		n := 0
		_, err := Scan(vfs.OS{}, dir, 1, func(Record) error { n++; return nil })
		if err != nil || n != records {
			b.Fatal(n, err)
		}
	}
}

// TestAnUnfinishedLogIsNoLogToJava guards the name under which a file is
// begun: Java takes whatever starts with "log." for a log (Util.getZxidFromName),
// and does not start when it is empty.
func TestAnUnfinishedLogIsNoLogToJava(t *testing.T) {
	if first, _, _ := strings.Cut(creating, "."); first == "log" {
		t.Errorf("%s is a log to Java", creating)
	}
}
