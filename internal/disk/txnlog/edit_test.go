package txnlog

import (
	"errors"
	"slices"
	"testing"

	"quokka/internal/disk/vfs"
)

// What is above a zxid goes, whether or not there is a record with it, and also
// where Java has logged records twice.
func TestDropAfter(t *testing.T) {
	files := [][]int64{through(1, 5), through(6, 9), {epoch1 + 1, epoch1 + 2}, {epoch1 + 3}}
	all := slices.Concat(files...)
	for _, zxid := range []int64{0, 3, 5, 9, 100, epoch1, epoch1 + 2, epoch1 + 3, 5 * epoch1} {
		m := newDir(t)
		writeLog(t, m, Options{PreallocSize: 4096}, files...)
		for range 2 { // it may be repeated
			mustDo(t, DropAfter(m, testDir, zxid, 1))
		}
		n, _ := slices.BinarySearch(all, zxid+1)
		got, tail, err := collect(m.CrashImage(nil, vfs.CrashLose), 1)
		if err != nil || tail.File != "" || !slices.Equal(got, all[:n]) {
			t.Errorf("after 0x%x: records %x, tail %+v, error %v", zxid, got, tail, err)
		}
	}
	m := newDir(t)
	writeLog(t, m, Options{}, through(1, 20))
	other := newDir(t)
	writeLog(t, other, Options{}, through(15, 30))
	putFile(t, m, logPath(15), readFile(t, other, logPath(15)))
	mustDo(t, DropAfter(m, testDir, 17, 1))
	if got, _, err := collect(m, 1); err != nil || !slices.Equal(got, through(1, 17)) {
		t.Errorf("logged twice: %v, %v", got, err)
	}
	mustDo(t, DropAfter(m, testDir, 14, 15))
	if got, _, err := collect(m, 1); err != nil || !slices.Equal(got, through(1, 14)) {
		t.Errorf("the second time is gone: %v, %v", got, err)
	}
	mustDo(t, DropAfter(newDir(t), testDir, 14, 1))
}

// Bytes of a record that is not whole are above it.
func TestDropAfterCutsWhatIsTorn(t *testing.T) {
	m := newDir(t)
	writeLog(t, m, Options{}, through(1, 5))
	edit(t, m, logPath(1), func(b []byte) []byte { return b[:len(b)-3] })
	mustDo(t, DropAfter(m, testDir, 4, 1))
	if got, tail, err := collect(m, 1); err != nil || tail.File != "" || !slices.Equal(got, through(1, 4)) {
		t.Errorf("%v, %+v, %v", got, tail, err)
	}
}

func TestDropAfterFails(t *testing.T) {
	failure := errors.New("broken disk")
	for _, op := range []vfs.Op{vfs.OpList, vfs.OpRemove, vfs.OpSyncDir, vfs.OpOpen, vfs.OpReadAt, vfs.OpOpenRW, vfs.OpTruncate, vfs.OpSync} {
		m := newDir(t)
		writeLog(t, m, Options{}, through(1, 5), through(6, 9))
		if err := DropAfter(vfs.NewFault(m, vfs.FailOnce(op, 1, failure)), testDir, 3, 1); !errors.Is(err, failure) {
			t.Errorf("%s: %v", op, err)
		}
		mustDo(t, DropAfter(m, testDir, 3, 1))
		if got, _, err := collect(m, 1); err != nil || !slices.Equal(got, through(1, 3)) {
			t.Errorf("%s: then %v, %v", op, got, err)
		}
	}
}

func TestContainsAndRunStart(t *testing.T) {
	m := newDir(t)
	if _, ok, err := First(m, testDir); ok || err != nil {
		t.Errorf("first of nothing: %v, %v", ok, err)
	}
	putFile(t, m, logPath(1), nil) // no record
	writeLog(t, m, Options{PreallocSize: 4096}, through(3, 5), through(6, 9))
	writeLog(t, m, Options{}, []int64{20, 21, 22}, []int64{epoch1 + 1, epoch1 + 2}, []int64{epoch1 + 3}) // 10 to 19 are missing
	if z, ok, err := First(m, testDir); z != 3 || !ok || err != nil {
		t.Errorf("first is %x, %v, %v", z, ok, err)
	}
	for zxid, start := range map[int64]int64{
		3: 3, 5: 3, 9: 3, 20: 20, 22: 20, epoch1 + 1: epoch1 + 1, epoch1 + 3: epoch1 + 1,
		0: 0, -1: 0, 2: 0, 10: 0, 19: 0, 23: 0, epoch1: 0, epoch1 + 4: 0, 2*epoch1 + 1: 0,
	} {
		first, ok, err := RunStart(m, testDir, zxid)
		if err != nil || ok != (start != 0) || ok && first != start {
			t.Errorf("run to 0x%x begins at 0x%x, %v, %v", zxid, first, ok, err)
		}
		if has, err := Contains(m, testDir, zxid); err != nil || has != (start != 0) {
			t.Errorf("contains 0x%x: %v, %v", zxid, has, err)
		}
	}
}
