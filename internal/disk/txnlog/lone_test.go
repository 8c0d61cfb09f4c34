package txnlog

import (
	"fmt"
	"testing"

	"quokka/internal/disk/vfs"
)

// walkLone reads a file to its end, and over bad bytes, and returns the zxids and the places that are not whole.
func walkLone(fsys vfs.FS, path string) (zxids []int64, bad []End, err error) {
	l, err := OpenLone(fsys, path)
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	for {
		rec, ok, err := l.Next()
		if err != nil {
			return zxids, bad, err
		}
		if ok {
			zxids = append(zxids, rec.Zxid)
			continue
		}
		end, err := l.End()
		if err != nil {
			return zxids, bad, err
		}
		if end.Offset != l.Offset() {
			return zxids, bad, fmt.Errorf("the end is at %d, the reader at %d", end.Offset, l.Offset())
		}
		if end.State != Whole {
			bad = append(bad, end)
		}
		if end.Next < 0 {
			return zxids, bad, nil
		}
		l.Resume(end)
	}
}

// A log that is cut anywhere shows the whole records before the cut, and says where they end.
func TestLoneCutAtEveryByte(t *testing.T) {
	m := newDir(t)
	writeLog(t, m, Options{}, through(1, 4))
	whole := readFile(t, m, logPath(1))
	used := headerSize + 4*recordSize
	for cut := range used + 1 {
		putFile(t, m, "/data/backup of a log", whole[:cut])
		zxids, bad, err := walkLone(m, "/data/backup of a log")
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		want := max(0, cut-headerSize) / recordSize
		if len(zxids) != want {
			t.Errorf("cut at %d: %d records, want %d", cut, len(zxids), want)
		}
		// The first four bytes of a record are zeros, as padding is.
		atBorder := cut >= headerSize && (cut-headerSize)%recordSize <= 4
		if atBorder != (len(bad) == 0) {
			t.Errorf("cut at %d: %+v", cut, bad)
		}
		if len(bad) > 0 && (bad[0].State != Torn || bad[0].Next != -1 || cut >= headerSize && bad[0].Offset != int64(headerSize+want*recordSize)) {
			t.Errorf("cut at %d: %+v", cut, bad[0])
		}
	}
}

// Behind a record of which a byte was changed the others are found.
func TestLoneGoesOnBehindDamage(t *testing.T) {
	m := newDir(t)
	writeLog(t, m, Options{PreallocSize: 4096}, through(1, 5))
	second := headerSize + recordSize
	for i := second; i < second+recordSize; i++ {
		broken := flipped(readFile(t, m, logPath(1)), i)
		putFile(t, m, "/data/log.1", broken)
		zxids, bad, err := walkLone(m, "/data/log.1")
		if err != nil || len(bad) != 1 {
			t.Fatalf("byte %d: %v, places %+v", i, err, bad)
		}
		if got := fmt.Sprint(zxids); got != "[1 3 4 5]" {
			t.Errorf("byte %d: records %s", i, got)
		}
		if b := bad[0]; b.State != Damaged || b.Offset != int64(second) || b.Next != int64(second+recordSize) || b.BadBytes != recordSize {
			t.Errorf("byte %d: %+v", i, b)
		}
	}
}

func flipped(b []byte, i int) []byte {
	b[i] ^= 0x10
	return b
}

// What is behind a record whose head was lost with its sector is shown, too.
func TestLoneFindsRecordsBehindPadding(t *testing.T) {
	m := newDir(t)
	writeLog(t, m, Options{PreallocSize: 4096}, through(1, 40))
	b := readFile(t, m, logPath(1))
	clear(b[1024:1536])
	putFile(t, m, "/data/log.1", b)
	zxids, bad, err := walkLone(m, "/data/log.1")
	if err != nil || len(bad) != 1 || bad[0].State != Torn || bad[0].Next < 1536 {
		t.Fatalf("%v, places %+v", err, bad)
	}
	if zxids[len(zxids)-1] != 40 || len(zxids) < 25 {
		t.Errorf("records %v", zxids)
	}
}

func TestLoneRefusesOtherFiles(t *testing.T) {
	m := newDir(t)
	putFile(t, m, "/data/other", []byte("this is no transaction log at all"))
	if _, _, err := walkLone(m, "/data/other"); err == nil {
		t.Error("another file was read as a log")
	}
}
