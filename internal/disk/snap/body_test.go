package snap

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"quokka/internal/core/session"
	"quokka/internal/core/tree"
	"quokka/internal/disk/vfs"
	"quokka/internal/jute"
	"quokka/internal/proto"
)

func bodyOf(t testing.TB, p Picture) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := WriteBody(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The bytes by hand: one session, one ACL list, and the built-in nodes.
func TestBodyBytes(t *testing.T) {
	tr, ss := tree.New(tree.Options{}), session.NewTable()
	ss.Put(0x0100000f63690000, 30000)
	if code := tr.Create("/a", []byte("hi"), openACL, 0x0100000f63690000, -1, 0x100000002, 5); code != proto.OK {
		t.Fatal(code)
	}
	got := hex.EncodeToString(bodyOf(t, pictureOf(t, tr, ss, 0x100000002)))
	begin := "00000001" + "0100000f63690000" + "00007530" + // sessions
		"00000002" + "0000000000000001" + "00000001" + "00000001" + "00000005776f726c64" + "00000006616e796f6e65" + // ACLs: config's
		"0000000000000002" + "00000001" + "0000001f" + "00000005776f726c64" + "00000006616e796f6e65" + // and of /a
		"00000000" + "00000000" + "ffffffffffffffff" // the root, no data, open to all
	node := "000000022f61" + "000000026869" + "0000000000000002" + // path, data, ACL
		"0000000100000002" + "0000000100000002" + "0000000000000005" + "0000000000000005" + // czxid, mzxid, ctime, mtime
		"00000000" + "00000000" + "00000000" + "0100000f63690000" + "0000000100000002" // versions, owner, pzxid
	end := "000000012f" + "0000000a" + hex.EncodeToString([]byte("BenWasHere"))
	if !strings.HasPrefix(got, begin) || !strings.Contains(got, node) || !strings.HasSuffix(got, end) {
		t.Errorf("body\n%s\nbegins not with\n%s\nor has not\n%s\nor ends not with\n%s", got, begin, node, end)
	}
}

// A body is what a file has between its header and its first seal.
func TestBodyIsPartOfTheFile(t *testing.T) {
	tr, ss := randomState(t, 3, 40)
	p := pictureOf(t, tr, ss, 77)
	p.Digest, p.LastProcessed = false, false
	file := written(t, p)
	want := jute.AppendString(bytes.Clone(file[16:len(file)-sealSize]), signature)
	if !bytes.Equal(bodyOf(t, p), want) {
		t.Error("the body differs from the file")
	}
}

// A Java leader sends what its files hold.
func TestBodyOfJava(t *testing.T) {
	for _, path := range javaFiles(t) {
		want, wantSS, _, err := Load(vfs.OS{}, path, testOptions)
		if err != nil {
			t.Fatal(err)
		}
		file := plain(t, path)
		_, tail := normal(t, file)
		body := jute.AppendString(bytes.Clone(file[16:len(file)-len(tail)+len(endMark)]), signature)
		got, gotSS, err := ReadBody(bytes.NewReader(body), testOptions)
		if err != nil || dump(got, gotSS) != dump(want, wantSS) {
			t.Errorf("%s: read as something else: %v", path, err)
		}
	}
}

// What is behind the body is left to the next reader, however the bytes come.
func TestBodyIsReadExactly(t *testing.T) {
	for seed := range uint64(20) {
		tr, ss := randomState(t, seed, int(seed*seed))
		if seed == 7 {
			if code := tr.Create("/large", make([]byte, 1<<20), openACL, 0, -1, 9, 9); code != proto.OK {
				t.Fatal(code)
			}
		}
		body := bodyOf(t, pictureOf(t, tr, ss, 5))
		all := append(bytes.Clone(body), "the next packet"...)
		for name, r := range map[string]io.Reader{
			"bytes": bytes.NewReader(all), "buffered": bufio.NewReaderSize(bytes.NewReader(all), 64),
			"one byte": iotest.OneByteReader(bytes.NewReader(all)), "with EOF": iotest.DataErrReader(bytes.NewReader(all)),
		} {
			got, gotSS, err := ReadBody(r, testOptions)
			if err != nil {
				t.Fatalf("seed %d, %s: %v", seed, name, err)
			}
			if dump(got, gotSS) != dump(tr, ss) {
				t.Fatalf("seed %d, %s: read as something else", seed, name)
			}
			if rest, err := io.ReadAll(r); err != nil || string(rest) != "the next packet" {
				t.Fatalf("seed %d, %s: behind it %q, %v", seed, name, rest, err)
			}
		}
	}
}

func TestBodyErrors(t *testing.T) {
	tr, ss := randomState(t, 4, 6)
	body := bodyOf(t, pictureOf(t, tr, ss, 9))
	for n := range body {
		_, _, err := ReadBody(bytes.NewReader(body[:n]), testOptions)
		var corrupt *CorruptError
		if !errors.As(err, &corrupt) || !corrupt.Wire || !errors.Is(err, errUnexpectedEnd) {
			t.Fatalf("%d of %d bytes: %v", n, len(body), err)
		}
	}
	_, _, err := ReadBody(io.MultiReader(bytes.NewReader(body[:50]), iotest.ErrReader(net.ErrClosed)), testOptions)
	if !errors.Is(err, net.ErrClosed) || !strings.Contains(err.Error(), "snapshot from the leader is corrupt at byte") {
		t.Errorf("closed connection: %v", err)
	}
	if _, _, err = ReadBody(idle{}, testOptions); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader without progress: %v", err)
	}
	body[len(body)-1] = '!'
	if _, _, err = ReadBody(bytes.NewReader(body), testOptions); err == nil || !strings.Contains(err.Error(), `signature is "BenWasHer!"`) {
		t.Errorf("wrong signature: %v", err)
	}
	body[len(body)-len(signature)-1] = 11
	if _, _, err = ReadBody(bytes.NewReader(body), testOptions); err == nil || !strings.Contains(err.Error(), "length of 11 bytes") {
		t.Errorf("wrong length of the signature: %v", err)
	}
}

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

func TestBodyWriteFails(t *testing.T) {
	tr, ss := randomState(t, 4, 6)
	if err := WriteBody(failing{}, pictureOf(t, tr, ss, 9)); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, net.ErrClosed }

// Neither side needs memory for more than a part of the tree.
func TestBodyTakesConstantMemory(t *testing.T) {
	tr := largeTree(t, 20000)
	p := pictureOf(t, tr, session.NewTable(), 1)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := WriteBody(io.Discard, p); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 2<<20 {
		t.Errorf("%d bytes to write", used)
	}
	huge := jute.AppendInt(jute.AppendInt(jute.AppendInt(nil, 0), 0), 1<<30-1)
	runtime.ReadMemStats(&before)
	if _, _, err := ReadBody(bytes.NewReader(huge), Options{}); err == nil {
		t.Error("a false length was believed")
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 2<<20 {
		t.Errorf("%d bytes for a false length", used)
	}
}

// Whatever a leader sends is read as a state or is an error, and what is read
// can be written and read again.
func FuzzReadBody(f *testing.F) {
	for seed := range uint64(3) {
		tr, ss := randomState(f, seed, int(seed)*4)
		f.Add(bodyOf(f, pictureOf(f, tr, ss, 9)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		tr, ss, err := ReadBody(bytes.NewReader(b), Options{Tree: testOptions.Tree, MaxRecord: 1 << 20})
		if err != nil {
			return
		}
		again, againSS, err := ReadBody(bytes.NewReader(bodyOf(t, pictureOf(t, tr, ss, 1))), testOptions)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := dump(again, againSS), dump(tr, ss); got != want {
			t.Errorf("written again:\n%s\nwas\n%s", got, want)
		}
	})
}
