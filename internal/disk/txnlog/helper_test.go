package txnlog

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"testing"

	"quokka/internal/disk/vfs"
)

const testDir = "/data/version-2"

// testTime is the time in ms of a test's record: 10 ms apart, but a long pause
// before each zxid that is a multiple of 0x1000.
func testTime(zxid int64) int64 { return 1_700_000_000_000 + zxid*10 + zxid>>12*maxUnsyncedMS }

// payload makes a txn payload of some length whose bytes depend on the zxid.
func payload(zxid int64, length int) []byte {
	p := make([]byte, max(length, minPayload))
	for i := range p {
		p[i] = byte(zxid*31 + int64(i)*7 + 1)
	}
	binary.BigEndian.PutUint64(p[zxidOffset:], uint64(zxid))
	if len(p) >= timeOffset+8 {
		binary.BigEndian.PutUint64(p[timeOffset:], uint64(testTime(zxid)))
	}
	return p
}

func newDir(t testing.TB) *vfs.Mem {
	t.Helper()
	m := vfs.NewMem()
	if err := m.MkdirAll(testDir); err != nil {
		t.Fatal(err)
	}
	return m
}

func mustDo(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// writeLog writes one file per slice of zxids.
func writeLog(t testing.TB, fsys vfs.FS, opt Options, files ...[]int64) {
	t.Helper()
	w := NewWriter(fsys, testDir, opt)
	for _, zxids := range files {
		for _, zxid := range zxids {
			mustDo(t, w.Append(payload(zxid, 50)))
		}
		mustDo(t, w.Roll())
	}
	mustDo(t, w.Close())
}

const recordSize = 50 + recordOverhead // of a record by writeLog

// through lists the zxids from a to b.
func through(a, b int64) []int64 {
	var zxids []int64
	for z := a; z <= b; z++ {
		zxids = append(zxids, z)
	}
	return zxids
}

func logPath(zxid int64) string {
	return filepath.Join(testDir, FileName(zxid))
}

func readFile(t testing.TB, fsys vfs.FS, path string) []byte {
	t.Helper()
	f, err := fsys.Open(path)
	mustDo(t, err)
	size, err := f.Size()
	mustDo(t, err)
	b := make([]byte, size)
	mustDo(t, readFull(f, b, 0))
	mustDo(t, f.Close())
	return b
}

// putFile makes a durable file.
func putFile(t testing.TB, fsys vfs.FS, path string, b []byte) {
	t.Helper()
	mustDo(t, vfs.WriteFileAtomic(fsys, path, b))
}

// edit changes the bytes of a durable file.
func edit(t testing.TB, fsys vfs.FS, path string, change func([]byte) []byte) {
	t.Helper()
	putFile(t, fsys, path, change(readFile(t, fsys, path)))
}

// collect scans from a zxid and returns the zxids visited.
func collect(fsys vfs.FS, from int64) ([]int64, Tail, error) {
	var zxids []int64
	tail, err := Scan(fsys, testDir, from, func(r Record) error {
		if want := payload(r.Zxid, len(r.Payload)); string(want) != string(r.Payload) {
			return fmt.Errorf("record 0x%x in %s at %d has a strange payload", r.Zxid, r.File, r.Offset)
		}
		zxids = append(zxids, r.Zxid)
		return nil
	})
	return zxids, tail, err
}

// recoverLog scans and repairs, and checks that a second scan finds the same
// records and no tail.
func recoverLog(fsys vfs.FS) ([]int64, error) {
	first, tail, err := collect(fsys, 1)
	if err != nil {
		return nil, err
	}
	if err := Repair(fsys, testDir, tail); err != nil {
		return nil, err
	}
	second, tail, err := collect(fsys, 1)
	if err != nil {
		return nil, fmt.Errorf("after repair: %w", err)
	}
	if tail.File != "" || fmt.Sprint(first) != fmt.Sprint(second) {
		return nil, fmt.Errorf("after repair: records %v, before %v, tail %+v", second, first, tail)
	}
	return first, nil
}
