package subtree

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"quokka/client"
	"quokka/quokkatest"
)

// export writes a subtree to memory.
func export(t *testing.T, c *client.Client, root string, kinds Kinds) []byte {
	t.Helper()
	var b bytes.Buffer
	nodes := Walk(t.Context(), c, root, WalkOptions{Data: true, ACL: true, Kinds: kinds})
	_, err := WriteExport(&b, ExportHeader{Root: root, Created: time.UnixMilli(0)}, nodes, nil)
	must(t, err)
	return b.Bytes()
}

func open(t *testing.T, b []byte) *Export {
	t.Helper()
	e, err := OpenExport(bytes.NewReader(b), false)
	must(t, err)
	return e
}

func TestImportOfAnExportMakesAnEqualTree(t *testing.T) {
	a, b := quokkatest.Start(t, 1), quokkatest.Start(t, 1)
	from, to := dial(t, a), dial(t, b)
	for seed := range uint64(3) {
		root := fmt.Sprintf("/r%d", seed)
		f := grow(t, from, root, 20+seed, 150)
		text := export(t, from, root, f.Kinds)
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		_, err := w.Write(text)
		must(t, errors.Join(err, w.Close()))
		for i, bytes := range [][]byte{text, z.Bytes()} {
			e := open(t, bytes)
			if e.Header.Root != root || e.Count != int64(len(list(t, from, root))) {
				t.Errorf("header %+v, %d nodes", e.Header, e.Count)
			}
			right := Side{to, fmt.Sprintf("/copy%d%s", i, root)}
			_, err := Write(t.Context(), e.Nodes(), right, TransferOptions{Parents: true})
			must(t, err)
			o := DiffOptions{NoEphemerals: true}
			sameDifferences(t, "with the source", diffs(t, Side{from, root}, right, o))
			sameDifferences(t, "with the file", collect(t, Diff(e.Nodes(), DiffWalk(t.Context(), right, o, nil), o)))
			counters(t, Side{from, root}, right)
			if r, err := Write(t.Context(), e.Nodes(), right, TransferOptions{Existing: Overwrite}); err != nil || r.Created+r.Updated+r.ACLs != 0 {
				t.Errorf("the second import: %+v, %v", r, err)
			}
		}
		table, err := ReadKinds(bytes.NewReader(text))
		must(t, err)
		kinds := table.Of(from, root)
		for path, want := range f.kinds {
			if got, _, ok := kinds(path); ok != (want != Ephemeral) || ok && got != want {
				t.Fatalf("%s is a %v in the export, want %v", path, got, want)
			}
		}
	}
}

// TestImportRefusesWhatIsNotWhole cuts an export at every byte and damages
// every byte.
func TestImportRefusesWhatIsNotWhole(t *testing.T) {
	c := dial(t, quokkatest.Start(t, 1))
	must(t, c.EnsurePath(t.Context(), "/r/a/b"))
	_, err := c.Set(t.Context(), "/r/a", []byte("data\x00"), client.AnyVersion)
	must(t, err)
	text := export(t, c, "/r", nil)
	for n := range text {
		if _, err := OpenExport(bytes.NewReader(text[:n]), false); err == nil {
			t.Fatalf("taken although cut off after %d of %d bytes", n, len(text))
		}
		damaged := slices.Clone(text)
		damaged[n] ^= 1
		if _, err := OpenExport(bytes.NewReader(damaged), false); err == nil {
			t.Fatalf("taken although byte %d is damaged: %q", n, damaged)
		}
	}
	if _, err := OpenExport(bytes.NewReader(text[:len(text)/2]), false); !strings.Contains(err.Error(), "cut off") {
		t.Errorf("cut off: %v", err)
	}
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, err = w.Write(text)
	must(t, errors.Join(err, w.Close()))
	for n := range z.Len() {
		if _, err := OpenExport(bytes.NewReader(z.Bytes()[:n]), false); err == nil {
			t.Fatalf("taken although cut off after %d of %d compressed bytes", n, z.Len())
		}
	}
}

func TestImportTakesWhatWasEditedOnlyIfTold(t *testing.T) {
	c := dial(t, quokkatest.Start(t, 1))
	must(t, c.EnsurePath(t.Context(), "/r/a"))
	_, err := c.Set(t.Context(), "/r/a", []byte("old value"), client.AnyVersion)
	must(t, err)
	edited := bytes.Replace(export(t, c, "/r", nil), []byte("old value"), []byte("new one"), 1)
	if _, err := OpenExport(bytes.NewReader(edited), false); err == nil || !strings.Contains(err.Error(), "checksum") {
		t.Errorf("not told: %v", err)
	}
	e, err := OpenExport(bytes.NewReader(edited), true)
	must(t, err)
	_, err = Write(t.Context(), e.Nodes(), Side{c, "/r"}, TransferOptions{Existing: Overwrite})
	must(t, err)
	if data, _, err := c.Get(t.Context(), "/r/a"); err != nil || string(data) != "new one" {
		t.Errorf("now %q, %v", data, err)
	}
	for _, bad := range []struct{ line, want string }{
		{`{"path":"/b/c","version":0,"mtimeMS":0}`, "no line for its parent"},
		{`{"path":"/../x","version":0,"mtimeMS":0}`, "relative paths"},
		{`{"path":"/A","version":0,"mtimeMS":0}`, "in order"},
		{`{"path":"/b","kind":"odd","version":0,"mtimeMS":0}`, "kind"},
		{`{"path":"/b","kind":"ttl","version":0,"mtimeMS":0}`, "ttlMS"},
		{`{"path":"/b","data":"x","dataBase64":"eA=="}`, "both"},
		{`{"path":"/b","acl":[{"perms":"q","scheme":"world","id":"anyone"}]}`, "perms"},
		{`nonsense`, "not the line of a node"},
	} {
		with := bytes.Replace(edited, []byte(`{"end"`), []byte(bad.line+"\n"+`{"end"`), 1)
		if _, err := OpenExport(bytes.NewReader(with), true); err == nil || !strings.Contains(err.Error(), bad.want) || !strings.Contains(err.Error(), "line 4") {
			t.Errorf("%s: %v, want %q", bad.line, err, bad.want)
		}
	}
}

func TestExportLeavesOutWhatItCannotRead(t *testing.T) {
	s := quokkatest.Start(t, 1)
	c, stranger := dial(t, s), s.Dial(t, client.Options{})
	must(t, c.EnsurePath(t.Context(), "/r/a"))
	_, err := c.Create(t.Context(), "/r/b", nil, client.WithACL(append(client.WorldACL(client.PermRead), client.CreatorACL(client.PermAll)...)...))
	must(t, err)
	must(t, c.EnsurePath(t.Context(), "/r/b/c"))
	var b bytes.Buffer
	r, err := WriteExport(&b, ExportHeader{Root: "/r"}, Walk(t.Context(), stranger, "/r", WalkOptions{Data: true, ACL: true}), nil)
	if !errors.Is(err, errMasked) || r.Failed != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	if e := open(t, b.Bytes()); e.Count != 2 {
		t.Errorf("the export has %d nodes", e.Count)
	}
}

func TestImportPolicies(t *testing.T) {
	c := dial(t, quokkatest.Start(t, 1))
	must(t, c.EnsurePath(t.Context(), "/r/a/b"))
	_, err := c.Set(t.Context(), "/r/a", []byte("exported"), client.AnyVersion)
	must(t, err)
	e := open(t, export(t, c, "/r", nil))
	must(t, c.EnsurePath(t.Context(), "/s/a"))
	_, err = c.Set(t.Context(), "/s/a", []byte("mine"), client.AnyVersion)
	must(t, err)
	data := func() string {
		b, _, err := c.Get(t.Context(), "/s/a")
		must(t, err)
		return string(b)
	}
	if _, err := Write(t.Context(), e.Nodes(), Side{c, "/s"}, TransferOptions{}); !errors.Is(err, client.ErrNodeExists) || exists(t, c, "/s/a/b") {
		t.Errorf("refuse: %v", err)
	}
	if r, err := Write(t.Context(), e.Nodes(), Side{c, "/s"}, TransferOptions{Existing: Skip}); err != nil || r.Created != 1 || data() != "mine" {
		t.Errorf("skip: %+v, %v, %q", r, err, data())
	}
	if r, err := Write(t.Context(), e.Nodes(), Side{c, "/s"}, TransferOptions{Existing: Overwrite, DryRun: true}); err != nil || r.Updated != 1 || data() != "mine" {
		t.Errorf("dry run: %+v, %v, %q", r, err, data())
	}
	if r, err := Write(t.Context(), e.Nodes(), Side{c, "/s"}, TransferOptions{Existing: Overwrite}); err != nil || r.Updated != 1 || data() != "exported" {
		t.Errorf("overwrite: %+v, %v, %q", r, err, data())
	}
}

func TestKindsComeFromPrintedSnapshots(t *testing.T) {
	const printed = `ZNode Details (count=4):
----
/
  cZxid = 0x00000000000000
  ephemeralOwner = 0x00000000000000
  dataLength = 0
----
/app/c
  ephemeralOwner = 0x8000000000000000
----
/app/t
  ephemeralOwner = 0xff000000000003e8
----
/app/e
  ephemeralOwner = 0x100000000000001
----
Session Details (sid, timeout, ephemeralCount):
`
	c := dial(t, quokkatest.Start(t, 1))
	table, err := ReadKinds(strings.NewReader(printed))
	must(t, err)
	sub, err := c.Sub("/app")
	must(t, err)
	for _, kinds := range []Kinds{table.Of(c, "/app"), table.Of(sub, "/")} {
		for path, want := range map[string]Kind{"/c": Container, "/t": TTL} {
			if kind, ttl, ok := kinds(path); !ok || kind != want || ttl != map[Kind]time.Duration{TTL: time.Second}[kind] {
				t.Errorf("%s is a %v with %v", path, kind, ttl)
			}
		}
		for _, path := range []string{"/", "/e", "/none"} {
			if kind, _, ok := kinds(path); ok {
				t.Errorf("%s is a %v", path, kind)
			}
		}
	}
}

// FuzzOpenExport reads anything; what is taken can be read again and written
// again.
func FuzzOpenExport(f *testing.F) {
	var b bytes.Buffer
	nodes := func(yield func(Node, error) bool) {
		for _, n := range []Node{
			{Path: "/", Counter: 2}, {Path: "/a", Data: []byte("x\n"), Kind: Container, Counter: -1},
			{Path: "/a/b", Data: []byte{0, 1}, Kind: TTL, TTL: time.Hour, ACL: client.WorldACL(33)},
			{Path: "/e", Kind: Ephemeral, Stat: client.Stat{EphemeralOwner: 7}},
		} {
			if !yield(n, nil) {
				return
			}
		}
	}
	_, err := WriteExport(&b, ExportHeader{Root: "/r"}, nodes, nil)
	must(f, err)
	f.Add(b.Bytes(), false)
	f.Add(bytes.Replace(b.Bytes(), []byte("container"), []byte("persistent"), 1), true)
	f.Add([]byte{0x1f, 0x8b, 8, 0}, true)
	f.Fuzz(func(t *testing.T, in []byte, edited bool) {
		e, err := OpenExport(bytes.NewReader(in), edited)
		if err != nil {
			return
		}
		var out bytes.Buffer
		r, err := WriteExport(&out, e.Header, e.Nodes(), nil)
		if err != nil && r.Failed == 0 {
			t.Fatal(err)
		}
		again, err := OpenExport(bytes.NewReader(out.Bytes()), false)
		if err != nil || again.Count != e.Count-r.Failed {
			t.Fatalf("%d nodes, then %v", e.Count, err)
		}
	})
}
