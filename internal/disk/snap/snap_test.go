package snap

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	xerial "github.com/eapache/go-xerial-snappy"

	"quokka/internal/core/session"
	"quokka/internal/core/tree"
	"quokka/internal/disk/vfs"
	"quokka/internal/jute"
	"quokka/internal/proto"
)

var methods = []Method{Plain, Gzip, Snappy}

var testOptions = Options{Tree: tree.Options{ExtendedTypes: true}}

func newDir(t testing.TB) *vfs.Mem {
	t.Helper()
	m := vfs.NewMem()
	if err := m.MkdirAll("/d"); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestWhatIsSavedIsLoaded(t *testing.T) {
	for seed := range uint64(30) {
		tr, ss := randomState(t, seed, int(seed*seed))
		p := pictureOf(t, tr, ss, proto.Zxid(1000+seed))
		p.Digest, p.LastProcessed = seed&1 == 0, seed&2 == 0
		m := methods[seed%3]
		fsys := newDir(t)
		saved, err := Save(fsys, "/d", p, m, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, gotSS, info, err := Load(fsys, saved.Path, testOptions)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if want, have := dump(tr, ss), dump(got, gotSS); want != have {
			t.Fatalf("seed %d:\nwant %s\ngot %s", seed, want, have)
		}
		info.DigestVersion = 0
		if info != saved {
			t.Errorf("seed %d: Load says\n%+v, Save said\n%+v", seed, info, saved)
		}
		if p.Digest && (info.Digest != got.Digest() || info.DigestZxid != p.Zxid) {
			t.Errorf("seed %d: digest section %x at %v", seed, info.Digest, info.DigestZxid)
		}
	}
}

func TestLargeDataIsWrittenUnchanged(t *testing.T) {
	tr := tree.New(tree.Options{})
	for i, size := range []int{largeData - 1, largeData, blockSize, blockSize + 1, 3 << 20} {
		data := bytes.Repeat([]byte{byte(i), 1, 2}, size/3)
		if code := tr.Create(fmt.Sprintf("/%d", i), data, openACL, 0, -1, 1, 1); code != proto.OK {
			t.Fatal(code)
		}
	}
	b := written(t, pictureOf(t, tr, session.NewTable(), 1))
	got, ss, _, err := Read(bytes.NewReader(b), testOptions)
	if err != nil || dump(got, ss) != dump(tr, session.NewTable()) {
		t.Errorf("not what was written: %v", err)
	}
}

// The sections after the tree are told apart by the bytes left, whatever the
// reader's settings are: 0, 21, 33 or 54.
func TestSectionsAreToldByLength(t *testing.T) {
	tr, ss := randomState(t, 5, 9)
	p := pictureOf(t, tr, ss, 77)
	for i := range 4 {
		p.Digest, p.LastProcessed = i&1 != 0, i&2 != 0
		_, _, info, err := Read(bytes.NewReader(written(t, p)), testOptions)
		if err != nil || info.HasDigest != p.Digest || info.HasLastProcessed != p.LastProcessed {
			t.Errorf("%v %v: %+v, %v", p.Digest, p.LastProcessed, info, err)
		}
		if p.LastProcessed && info.LastProcessed != 77 {
			t.Errorf("last zxid %v", info.LastProcessed)
		}
	}
	whole := written(t, p)
	_, _, info, err := Read(bytes.NewReader(append(whole, "from the future"...)), testOptions)
	if err != nil || info.ExtraBytes != 15 || !info.HasLastProcessed {
		t.Errorf("a later version's section: %+v, %v", info, err)
	}
}

// Until digest version 2 the digest was a string (DataTree.ZxidDigest).
func TestDigestAsString(t *testing.T) {
	for _, last := range []bool{false, true} {
		p := pictureOf(t, tree.New(tree.Options{}), session.NewTable(), 5)
		p.Digest, p.LastProcessed = false, false
		e := &encoder{w: io.Discard, sum: newSource(nil).sum}
		e.buf = written(t, p)
		var b bytes.Buffer
		e.w = &b
		e.buf = jute.AppendString(jute.AppendInt(jute.AppendLong(e.buf, 9), 1), "ff12")
		e.seal()
		if last {
			e.buf = jute.AppendLong(e.buf, 11)
			e.seal()
		}
		e.flush()
		_, _, info, err := Read(&b, testOptions)
		if err != nil || info.DigestVersion != 1 || info.Digest != 0xff12 || info.DigestZxid != 9 || info.HasLastProcessed != last {
			t.Errorf("%+v, %v", info, err)
		}
	}
}

func TestZxidZeroHasNoDigest(t *testing.T) {
	p := pictureOf(t, tree.New(tree.Options{}), session.NewTable(), 0)
	p.LastProcessed = false
	b := written(t, p)
	_, _, info, err := Read(bytes.NewReader(b), testOptions)
	if err != nil || !info.HasDigestSection || info.HasDigest {
		t.Errorf("%+v, %v", info, err)
	}
	// Bytes of a fresh Java 3.8.0: zxid 0, version 2, digest 0.
	section := b[len(b)-digestSize : len(b)-sealSize]
	if !bytes.Equal(section, []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0}) {
		t.Errorf("% x", section)
	}
}

// Whatever bit of a snapshot is wrong: it is refused, or nothing is different.
func TestEveryBitFlip(t *testing.T) {
	tr, ss := randomState(t, 3, 12)
	want := dump(tr, ss)
	for _, m := range methods {
		fsys := newDir(t)
		info, err := Save(fsys, "/d", pictureOf(t, tr, ss, 0x123), m, nil)
		if err != nil {
			t.Fatal(err)
		}
		f, err := fsys.OpenRW(info.Path)
		if err != nil {
			t.Fatal(err)
		}
		var b [1]byte
		for off := range info.Size {
			for bit := range 8 {
				flip := func() {
					if _, err := f.ReadAt(b[:], off); err != nil {
						t.Fatal(err)
					}
					b[0] ^= 1 << bit
					if _, err := f.WriteAt(b[:], off); err != nil {
						t.Fatal(err)
					}
				}
				flip()
				got, gotSS, _, err := Load(fsys, info.Path, testOptions)
				flip()
				var corrupt *CorruptError
				if err != nil && (!errors.As(err, &corrupt) || corrupt.Path != info.Path) {
					t.Fatalf("%s, byte %d: %v", m, off, err)
				}
				if err == nil && dump(got, gotSS) != want {
					t.Fatalf("%s, byte %d, bit %d: loaded as something else", m, off, bit)
				}
			}
		}
	}
}

// A file that was cut is refused, except where an older version's file ends.
func TestEveryLength(t *testing.T) {
	tr, ss := randomState(t, 4, 6)
	whole := written(t, pictureOf(t, tr, ss, 9))
	for n := range len(whole) {
		_, _, _, err := Read(bytes.NewReader(whole[:n]), testOptions)
		left := len(whole) - n
		if ok := left == lastSize || left == lastSize+digestSize; (err == nil) != ok {
			t.Errorf("%d bytes short: %v", left, err)
		}
	}
}

// False lengths must not make the reader take memory for what is not there.
func TestFalseLengthsTakeNoMemory(t *testing.T) {
	head := jute.AppendLong(jute.AppendInt(jute.AppendInt(nil, magic), version), dbID)
	huge := jute.AppendInt(nil, 1<<30-1)
	none := jute.AppendInt(nil, 0)
	for name, b := range map[string][]byte{
		"sessions": append(head, huge...),
		"acls":     append(append(head, none...), huge...),
		"acl":      append(append(append(head, none...), 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1), huge...),
		"path":     append(append(append(head, none...), none...), huge...),
		"data":     append(append(append(append(head, none...), none...), none...), huge...),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _, _, err := Read(bytes.NewReader(b), Options{})
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; err == nil || used > 8<<20 {
			t.Errorf("%s: %d bytes allocated, %v", name, used, err)
		}
	}
}

func TestErrorsSayWhere(t *testing.T) {
	tr, ss := randomState(t, 4, 6)
	whole := written(t, pictureOf(t, tr, ss, 9))
	for _, c := range []struct {
		at   int
		to   byte
		want string
	}{
		{0, 'X', "at byte 0: it begins with 0x584b534e"},
		{7, 3, "at byte 0: format version 3 is not known"},
		{len(whole) - 1, '.', fmt.Sprintf("at byte %d: the seal has no end mark", len(whole)-sealSize)},
		{len(whole) - 14, 99, "the seal says"},
	} {
		b := bytes.Clone(whole)
		b[c.at] = c.to
		if _, _, _, err := Read(bytes.NewReader(b), testOptions); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("byte %d: %v", c.at, err)
		}
	}
}

func TestSnappyIsSnappyJavas(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{0, 1, snappyBlock - 1, snappyBlock, 5*snappyBlock + 77} {
		plain := make([]byte, size)
		for i := range plain {
			plain[i] = byte(rng.IntN(4))
		}
		var ours bytes.Buffer
		w := newSnappyWriter(&ours)
		for rest := plain; len(rest) > 0; {
			n := min(len(rest), 1+rng.IntN(50000))
			if _, err := w.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if got, err := xerial.Decode(ours.Bytes()); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: another decoder reads something else: %v", size, err)
		}
		twice := append(xerial.EncodeStream(nil, plain), ours.Bytes()...) // joined streams
		r, err := newSnappyReader(bytes.NewReader(twice))
		if size == 0 {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, append(bytes.Clone(plain), plain...)) {
			t.Errorf("%d bytes: read as something else: %v", size, err)
		}
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"snapshot.0": "0x0", "snapshot.1F": "0x1f", "snapshot.10000000a.gz": "0x10000000agz",
		"snapshot.5.SNAPPY": "0x5snappy", "snapshot.5.tmp": "", "snapshot.": "", "snapshot.5.": "", "snapshot.-5": "",
		"snapshot.8000000000000000": "", "snapshot.xyz": "", "saving-snapshot.5": "", "log.5": "", "snapshot.5.gz.gz": "",
	} {
		got := ""
		if z, m, ok := ParseFileName(name); ok {
			got = z.String() + string(m)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestListIsNewestFirstAndMarksTheBroken(t *testing.T) {
	fsys := newDir(t)
	for i, m := range methods {
		tr, ss := randomState(t, 1, 1)
		if _, err := Save(fsys, "/d", pictureOf(t, tr, ss, proto.Zxid(0x10+i)), m, nil); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range map[string]string{
		"snapshot.9": "short", "snapshot.a": "long but not ended well", "snapshot.b.gz": "no", "snapshot.c.snappy": "", "log.5": "", "x": "",
	} {
		if err := vfs.WriteFileAtomic(fsys, filepath.Join("/d", name), []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	infos, err := List(fsys, "/d")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range infos {
		got = append(got, fmt.Sprintf("%v%s%v", i.Zxid, i.Method, i.Valid))
	}
	want := "0x12snappytrue 0x11gztrue 0x10true 0xcsnappyfalse 0xbgzfalse 0xafalse 0x9false"
	if strings.Join(got, " ") != want {
		t.Errorf("%v", got)
	}
}

func TestProgressIsTold(t *testing.T) {
	tr := largeTree(t, 5000)
	var told []int64
	p := pictureOf(t, tr, session.NewTable(), 1)
	if _, err := Save(newDir(t), "/d", p, Gzip, func(n int64) { told = append(told, n) }); err != nil {
		t.Fatal(err)
	}
	if len(told) < 3 || !slices.IsSorted(told) || told[len(told)-1] != int64(len(written(t, p))) {
		t.Errorf("told %v", told)
	}
}

func TestFullDisk(t *testing.T) {
	tr, ss := randomState(t, 1, 500)
	fsys := newDir(t)
	if _, err := Save(fsys, "/d", pictureOf(t, tr, ss, 1), Plain, nil); err != nil {
		t.Fatal(err)
	}
	full := vfs.NewFault(fsys, vfs.FailOnce(vfs.OpWrite, 1, syscall.ENOSPC))
	_, err := Save(full, "/d", pictureOf(t, tr, ss, 2), Plain, nil)
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "free some disk space") {
		t.Errorf("err = %v", err)
	}
	if names, _ := fsys.List("/d"); strings.Join(names, " ") != "snapshot.1" {
		t.Errorf("left: %v", names)
	}
}
