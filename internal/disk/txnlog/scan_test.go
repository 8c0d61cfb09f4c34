package txnlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"quokka/internal/disk/vfs"
)

const epoch1 = int64(1) << 32

// at is the offset of the n-th record (from 0) in a file by writeLog.
func at(n int) int { return headerSize + n*recordSize }

// flip inverts one bit.
func flip(t *testing.T, fsys vfs.FS, path string, offset int) {
	edit(t, fsys, path, func(b []byte) []byte { b[offset] ^= 4; return b })
}

// zero clears [from, to).
func zero(t *testing.T, fsys vfs.FS, path string, from, to int) {
	edit(t, fsys, path, func(b []byte) []byte { clear(b[from:to]); return b })
}

// shorten cuts a file to n bytes.
func shorten(t *testing.T, fsys vfs.FS, path string, n int) {
	edit(t, fsys, path, func(b []byte) []byte { return b[:n] })
}

// rule is a log, what happened to it, and what Scan must say.
type rule struct {
	name  string
	files [][]int64
	pad   int64
	hurt  func(*testing.T, *vfs.Mem)
	from  int64 // 0 means 1

	want  []int64
	tail  string // file to cut, "" for none
	at    int    // where to cut
	later []string
	err   string // part of the CorruptError, "" for none
}

func (r rule) test(t *testing.T) {
	m := newDir(t)
	writeLog(t, m, Options{PreallocSize: r.pad}, r.files...)
	if r.hurt != nil {
		r.hurt(t, m)
	}
	got, tail, err := collect(m, max(r.from, 1))
	if r.err != "" {
		if _, ok := errors.AsType[*CorruptError](err); !ok || !strings.Contains(err.Error(), r.err) {
			t.Fatalf("error %v, want %q; tail %+v", err, r.err, tail)
		}
		return
	}
	mustDo(t, err)
	if !slices.Equal(got, r.want) {
		t.Errorf("records %x, want %x", got, r.want)
	}
	if tail.File != r.tail || tail.Offset != int64(r.at) || !slices.Equal(tail.LaterFiles, r.later) {
		t.Errorf("tail %+v, want %s at %d, later %v", tail, r.tail, r.at, r.later)
	}
	mustDo(t, Repair(m, testDir, tail))
	again, tail, err := collect(m, max(r.from, 1))
	if err != nil || tail.File != "" || !slices.Equal(again, r.want) {
		t.Errorf("after repair: records %x, tail %+v, error %v", again, tail, err)
	}
}

func runRules(t *testing.T, rules []rule) {
	for _, r := range rules {
		t.Run(r.name, r.test)
	}
}

func TestWholeLogs(t *testing.T) {
	pad := func(zxids ...[]int64) [][]int64 { return zxids }
	runRules(t, []rule{
		{name: "no file"},
		{name: "one file", files: pad(through(1, 5)), want: through(1, 5)},
		{name: "padding", files: pad(through(1, 5)), pad: 4096, want: through(1, 5)},
		{name: "padding in older files", files: pad(through(1, 5), through(6, 8)), pad: 4096, want: through(1, 8)},
		{name: "from the middle", files: pad(through(1, 5), through(6, 8), through(9, 9)), from: 7, want: through(7, 9)},
		{name: "from behind the end", files: pad(through(1, 5)), from: 9},
		{name: "new epochs", files: pad([]int64{1, 2, epoch1 + 1, 3*epoch1 + 1}, []int64{4*epoch1 + 1}),
			want: []int64{1, 2, epoch1 + 1, 3*epoch1 + 1, 4*epoch1 + 1}},
		{name: "file without a record from where the caller begins", files: pad(through(1, 7), through(8, 9)), from: 6, want: through(6, 9),
			hurt: func(t *testing.T, m *vfs.Mem) { putFile(t, m, logPath(4), appendHeader(nil, 0)) }},
		{name: "gap that a snapshot covers", files: pad(through(1, 2), through(9, 10)), from: 9, want: through(9, 10)},
		{name: "records logged twice", files: pad(through(1, 5), through(6, 9)), want: through(1, 9),
			hurt: func(t *testing.T, m *vfs.Mem) {
				again := NewWriter(m, testDir, Options{})
				for _, z := range through(10, 12) { // in a file whose name comes last
					mustDo(t, again.Append(payload(z, 50)))
				}
				mustDo(t, again.Close())
				edit(t, m, logPath(10), func(b []byte) []byte {
					return slices.Concat(b[:headerSize], readFile(t, m, logPath(6))[headerSize:])
				})
			}},
		{name: "other names", files: pad(through(1, 2)), want: through(1, 2),
			hurt: func(t *testing.T, m *vfs.Mem) {
				for _, name := range []string{"/log.x", "/log.3.corrupt", "/snapshot.1", "/log", "/log.", "/xlog.1"} {
					putFile(t, m, testDir+name, []byte("?"))
				}
			}},
	})
}

func TestTornTails(t *testing.T) {
	one, two := [][]int64{through(1, 5)}, [][]int64{through(1, 5), through(6, 9)}
	many := [][]int64{through(1, 40)}
	runRules(t, []rule{
		{name: "cut in record header", files: one, want: through(1, 4), tail: logPath(1), at: at(4),
			hurt: func(t *testing.T, m *vfs.Mem) { shorten(t, m, logPath(1), at(4)+9) }},
		{name: "cut in payload", files: one, want: through(1, 4), tail: logPath(1), at: at(4),
			hurt: func(t *testing.T, m *vfs.Mem) { shorten(t, m, logPath(1), at(5)-20) }},
		{name: "end mark missing before padding", files: one, pad: 4096, want: through(1, 4), tail: logPath(1), at: at(4),
			hurt: func(t *testing.T, m *vfs.Mem) { zero(t, m, logPath(1), at(5)-1, at(5)) }},
		{name: "final record flipped", files: one, pad: 4096, want: through(1, 4), tail: logPath(1), at: at(4),
			hurt: func(t *testing.T, m *vfs.Mem) { flip(t, m, logPath(1), at(4)+30) }},
		{name: "sector of zeros before valid records", files: many, pad: 4096, want: through(1, 7), tail: logPath(1), at: at(7),
			hurt: func(t *testing.T, m *vfs.Mem) { zero(t, m, logPath(1), 512, 1024) }},
		{name: "record border at the lost sector", files: many, pad: 4096, want: through(1, 2), tail: logPath(1), at: at(2),
			hurt: func(t *testing.T, m *vfs.Mem) { zero(t, m, logPath(1), at(2), 1024) }},
		{name: "header only", files: two, want: through(1, 5), tail: logPath(6), at: headerSize,
			hurt: func(t *testing.T, m *vfs.Mem) { shorten(t, m, logPath(6), headerSize) }},
		{name: "header and padding, name beyond the next zxid", files: one, pad: 4096, want: through(1, 5),
			tail: logPath(9), at: headerSize,
			hurt: func(t *testing.T, m *vfs.Mem) {
				putFile(t, m, logPath(9), append(appendHeader(nil, 0), make([]byte, 999)...))
			}},
		{name: "several files without a record", files: one, want: through(1, 5),
			tail: logPath(7), at: headerSize, later: []string{logPath(8), logPath(9)},
			hurt: func(t *testing.T, m *vfs.Mem) {
				putFile(t, m, logPath(7), appendHeader(nil, 0))
				putFile(t, m, logPath(8), nil)
				putFile(t, m, logPath(9), appendHeader(nil, 0))
			}},
		{name: "torn file, then one without a record", files: one, want: through(1, 4),
			tail: logPath(1), at: at(4), later: []string{logPath(9)},
			hurt: func(t *testing.T, m *vfs.Mem) {
				shorten(t, m, logPath(1), at(4)+10)
				putFile(t, m, logPath(9), appendHeader(nil, 0))
			}},
		{name: "empty newest file", files: two, want: through(1, 5), tail: logPath(6), at: 0,
			hurt: func(t *testing.T, m *vfs.Mem) { shorten(t, m, logPath(6), 0) }},
		{name: "newest file with half a header", files: two, want: through(1, 5), tail: logPath(6), at: 0,
			hurt: func(t *testing.T, m *vfs.Mem) { shorten(t, m, logPath(6), 7) }},
		{name: "newest file of zeros", files: two, pad: 4096, want: through(1, 5), tail: logPath(6), at: 0,
			hurt: func(t *testing.T, m *vfs.Mem) { zero(t, m, logPath(6), 0, 4096) }},
		{name: "newest file with lost header", files: two, pad: 4096, want: through(1, 5), tail: logPath(6), at: 0,
			hurt: func(t *testing.T, m *vfs.Mem) { zero(t, m, logPath(6), 0, headerSize) }},
		{name: "first record torn", files: two, want: through(1, 5), tail: logPath(6), at: headerSize,
			hurt: func(t *testing.T, m *vfs.Mem) { shorten(t, m, logPath(6), at(0)+10) }},
		{name: "torn old file that the next repeats", files: two, pad: 4096, want: through(1, 9),
			hurt: func(t *testing.T, m *vfs.Mem) {
				edit(t, m, logPath(1), func(b []byte) []byte { copy(b[at(5):], b[at(4):at(5)-9]); return b })
			}},
		{name: "torn old file before a new epoch", files: [][]int64{through(1, 5), {epoch1 + 1}}, pad: 4096,
			want: []int64{1, 2, 3, 4, epoch1 + 1},
			hurt: func(t *testing.T, m *vfs.Mem) { zero(t, m, logPath(1), at(5)-9, at(5)) }},
		{name: "roll lost the unsynced end of the old file", files: two, pad: 4096, want: through(1, 3),
			tail: logPath(1), at: at(3), later: []string{logPath(6)},
			hurt: func(t *testing.T, m *vfs.Mem) { zero(t, m, logPath(1), at(3), at(5)) }},
		{name: "roll tore the old file", files: two, pad: 4096, want: through(1, 3),
			tail: logPath(1), at: at(3), later: []string{logPath(6)},
			hurt: func(t *testing.T, m *vfs.Mem) { zero(t, m, logPath(1), at(4)-9, at(5)) }},
		{name: "old and new file torn", files: two, pad: 4096, want: through(1, 4),
			tail: logPath(1), at: at(4), later: []string{logPath(6)},
			hurt: func(t *testing.T, m *vfs.Mem) {
				zero(t, m, logPath(1), at(5)-9, at(5))
				shorten(t, m, logPath(6), 3)
			}},
	})
}

func TestCorruptLogs(t *testing.T) {
	one, two := [][]int64{through(1, 5)}, [][]int64{through(1, 5), through(6, 9)}
	setLength := func(n uint32) func(*testing.T, *vfs.Mem) {
		return func(t *testing.T, m *vfs.Mem) {
			edit(t, m, logPath(1), func(b []byte) []byte {
				binary.BigEndian.PutUint32(b[at(1)+8:], n)
				return b
			})
		}
	}
	runRules(t, []rule{
		{name: "flip in the middle", files: one, err: "valid record follows at offset 142",
			hurt: func(t *testing.T, m *vfs.Mem) { flip(t, m, logPath(1), at(1)+30) }},
		{name: "flip in the middle of an older file", files: two, err: "valid record follows",
			hurt: func(t *testing.T, m *vfs.Mem) { flip(t, m, logPath(1), at(1)+30) }},
		{name: "flip in the final record of an older file", files: two, pad: 4096, err: "not the newest file",
			hurt: func(t *testing.T, m *vfs.Mem) { flip(t, m, logPath(1), at(4)+30) }},
		{name: "flip before a new epoch", files: [][]int64{through(1, 5), {epoch1 + 1}}, pad: 4096, err: "not the newest file",
			hurt: func(t *testing.T, m *vfs.Mem) { flip(t, m, logPath(1), at(4)+30) }},
		{name: "length in the final record of an older file", files: [][]int64{{1, 2}, {epoch1 + 1}}, pad: 4096,
			err: "not the newest file", hurt: setLength(54)},
		{name: "huge length", files: one, pad: 4096, err: "does not fit", hurt: setLength(1 << 30)},
		{name: "negative length", files: one, pad: 4096, err: "does not fit", hurt: setLength(0xffffffce)},
		{name: "payload too short for a zxid", files: one, err: "does not fit", hurt: setLength(18)},
		{name: "length reaches into the padding", files: one, pad: 4096, err: "valid record follows", hurt: setLength(2098)},
		{name: "wrong magic", files: two, err: "magic",
			hurt: func(t *testing.T, m *vfs.Mem) { flip(t, m, logPath(6), 1) }},
		{name: "unknown version", files: one, err: "version 6",
			hurt: func(t *testing.T, m *vfs.Mem) { flip(t, m, logPath(1), 7) }},
		{name: "file missing in the middle", files: [][]int64{through(1, 5), through(6, 2000), through(2001, 2003)},
			err: "do", hurt: func(t *testing.T, m *vfs.Mem) { mustDo(t, m.Remove(logPath(6))) }},
		{name: "file missing before a long one", files: [][]int64{through(1, 5), through(6, 7), through(8, 1100)},
			err: "missing", hurt: func(t *testing.T, m *vfs.Mem) { mustDo(t, m.Remove(logPath(6))) }},
		{name: "file missing before one that grew for long", files: [][]int64{through(1, 0xffd), through(0xffe, 0xffe), through(0xfff, 0x1000)},
			err: "missing", hurt: func(t *testing.T, m *vfs.Mem) { mustDo(t, m.Remove(logPath(0xffe))) }},
		{name: "log begins too late", files: [][]int64{through(7, 9)}, from: 5, err: "0x7 does not follow 0x4"},
		{name: "epoch begins too late", files: [][]int64{{1, 2}, {epoch1 + 5}}, from: 2, err: "missing",
			hurt: func(t *testing.T, m *vfs.Mem) { mustDo(t, m.Remove(logPath(1))) }},
		{name: "snapshot covers only part of the gap", files: [][]int64{through(1, 2), through(9, 10)}, from: 8, err: "0x9 does not follow 0x7"},
	})
}

// Whatever bit is inverted in a synced log: Scan finds the damage, or what it
// returns lacks no more than the final record.
func TestEveryBitFlip(t *testing.T) {
	for _, zeros := range []bool{false, true} { // payloads of zeros look like lost sectors
		m := newDir(t)
		w := NewWriter(m, testDir, Options{PreallocSize: 4096})
		for _, z := range through(1, 6) {
			p := payload(z, 700)
			if zeros {
				p = append(payload(z, 0), make([]byte, 1200)...)
			}
			mustDo(t, w.Append(p))
			if z == 3 {
				mustDo(t, w.Roll())
			}
		}
		mustDo(t, w.Close())
		for _, file := range []int64{1, 4} {
			whole := readFile(t, m, logPath(file))
			end, stride := len(bytes.TrimRight(whole, "\x00"))+32, 1
			if testing.Short() {
				stride = 11 // still meets every byte, or the one beside it
			}
			for bit := 0; bit < end*8; bit += stride {
				broken := slices.Clone(whole)
				broken[bit/8] ^= 1 << (bit % 8)
				putFile(t, m, logPath(file), broken)
				var got int64
				tail, err := Scan(m, testDir, 1, func(r Record) error { got++; return nil })
				if _, ok := errors.AsType[*CorruptError](err); ok || err == nil && got >= 5 && (got == 6 || file == 4) {
					continue
				}
				t.Fatalf("zeros %v, log.%x, offset %d, bit %d: %d records, tail %+v, error %v", zeros, file, bit/8, bit%8, got, tail, err)
			}
			putFile(t, m, logPath(file), whole)
		}
	}
}

// A tool that passes 0 sees records on both sides of a gap.
func TestScanForTools(t *testing.T) {
	m := newDir(t)
	writeLog(t, m, Options{}, through(1, 2), through(9, 10), []int64{epoch1 + 4})
	got, tail, err := collect(m, 0)
	if want := []int64{1, 2, 9, 10, epoch1 + 4}; err != nil || tail.File != "" || !slices.Equal(got, want) {
		t.Fatalf("records %v, tail %+v, error %v", got, tail, err)
	}
}

func TestScanStops(t *testing.T) {
	m := newDir(t)
	writeLog(t, m, Options{}, through(1, 9))
	boom := errors.New("boom")
	for _, stop := range []error{ErrStop, boom} {
		n := 0
		_, err := Scan(m, testDir, 1, func(Record) error {
			n++
			if n == 3 {
				return fmt.Errorf("wrapped: %w", stop)
			}
			return nil
		})
		if n != 3 || (stop == boom) != errors.Is(err, boom) || stop == ErrStop && err != nil {
			t.Errorf("stop %v: %d visits, error %v", stop, n, err)
		}
	}
}

// Damage is set aside, never deleted; names that are taken are left alone.
func TestRepairKeepsWhatItSetsAside(t *testing.T) {
	m := newDir(t)
	writeLog(t, m, Options{}, through(1, 5), through(6, 9))
	shorten(t, m, logPath(1), at(4))
	putFile(t, m, logPath(6)+".corrupt", []byte("older"))
	later := readFile(t, m, logPath(6))
	if got, err := recoverLog(m); err != nil || !slices.Equal(got, through(1, 4)) {
		t.Fatalf("records %v, error %v", got, err)
	}
	if string(readFile(t, m, logPath(6)+".corrupt")) != "older" {
		t.Error("older file overwritten")
	}
	if !slices.Equal(readFile(t, m, logPath(6)+".corrupt.1"), later) {
		t.Error("file set aside is not the same")
	}
}

func FuzzScan(f *testing.F) {
	m := newDir(f)
	writeLog(f, m, Options{PreallocSize: 600}, through(1, 4), through(5, 7))
	f.Add(readFile(f, m, logPath(1)), readFile(f, m, logPath(5)))
	f.Add([]byte{}, []byte("ZKLG"))
	f.Fuzz(func(t *testing.T, older, newer []byte) {
		m := newDir(t)
		putFile(t, m, logPath(1), older)
		putFile(t, m, logPath(5), newer)
		for _, from := range []int64{0, 1, 3, 6} {
			last := int64(-1)
			tail, err := Scan(m, testDir, from, func(r Record) error {
				if len(r.Payload) < minPayload || from > 0 && (r.Zxid <= last || r.Zxid < from) {
					return fmt.Errorf("record %+v after 0x%x", r, last)
				}
				last = r.Zxid
				return nil
			})
			if err == nil {
				repairFuzzed(t, m.CrashImage(nil, vfs.CrashLose), from, tail)
			} else if _, ok := errors.AsType[*CorruptError](err); !ok {
				t.Fatal(err)
			}
		}
	})
}

// repairFuzzed repairs until there is no tail. One repair may not do: when the
// file that holds from is removed, the next scan begins with the one before.
func repairFuzzed(t *testing.T, m *vfs.Mem, from int64, tail Tail) {
	var err error
	for range 3 {
		mustDo(t, Repair(m, testDir, tail))
		tail, err = Scan(m, testDir, from, func(Record) error { return nil })
		if _, ok := errors.AsType[*CorruptError](err); ok || err == nil && tail.File == "" {
			return
		}
		mustDo(t, err)
	}
	t.Fatalf("from %d, after repairs: tail %+v", from, tail)
}
