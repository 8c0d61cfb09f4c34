package offline

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"quokka/internal/disk/vfs"
)

// A snapshot is read under any name, however it is compressed, and of a directory the newest that is whole.
func TestLoadSnapshot(t *testing.T) {
	disk := javaDisk(t)
	for name, zxid := range map[string]string{"snapshot.3d": "0x3d", "snapshot.2b.gz": "0x2b", "snapshot.3b.snappy": "0x3b"} {
		put(t, disk, "/backup", get(t, disk, javaDir+"/"+name))
		s, err := LoadSnapshot(readOnly(t, disk), "/backup")
		must(t, err)
		if s.Info.Zxid.String() != zxid {
			t.Errorf("%s under another name is of %v", name, s.Info.Zxid)
		}
	}
	b := get(t, disk, javaDir+"/snapshot.3d")
	b[len(b)/2] ^= 4
	put(t, disk, javaDir+"/snapshot.3d", b)
	s, err := LoadSnapshot(readOnly(t, disk), "/data")
	must(t, err)
	if s.Info.Zxid != 0x3b || len(s.Notes) == 0 || !strings.Contains(s.Notes[0], "snapshot.3d is corrupt at byte") {
		t.Errorf("%+v, notes %q", s.Info, s.Notes)
	}
	if _, err := LoadSnapshot(disk, javaDir+"/snapshot.3d"); !isCorrupt(err) {
		t.Errorf("a damaged file: %v", err)
	}
	put(t, disk, "/empty", nil)
	for _, bad := range []string{"/empty", "/none", "/"} {
		if _, err := LoadSnapshot(disk, bad); err == nil {
			t.Errorf("%s holds a snapshot", bad)
		}
	}
}

func TestPrintSnapshot(t *testing.T) {
	disk := javaDisk(t)
	show := func(format SnapshotFormat, data bool) string {
		var out, notes bytes.Buffer
		must(t, PrintSnapshot(readOnly(t, disk), javaDir+"/snapshot.a", format, data, &out, &notes))
		contains(t, notes.String(), "transactions up to 0xb")
		return out.String()
	}
	text := show(SnapshotText, false)
	contains(t, text, "ZNode Details (count=15):\n----\n/\n  cZxid = 0x00000000000000\n", "----\n/app\n", "  dataLength = 11\n",
		"Session Details (sid, timeout, ephemeralCount):\n0x100001b46ff0000, 10000, 1\n", "Target zxid digest is: b, ", "----\nLast zxid: 0xb\n")
	contains(t, show(SnapshotText, true), "  data = cm9vdCBvZiBhcHA=\n")
	lines := strings.Split(strings.TrimSpace(show(SnapshotJSON, false)), "\n")
	if len(lines) != 1+14+1 {
		t.Errorf("%d lines of JSON", len(lines))
	}
	for _, l := range lines {
		if !json.Valid([]byte(l)) {
			t.Errorf("not JSON: %s", l)
		}
	}
	contains(t, lines[0], `"zxid":"0xa"`, `"digestZxid":"0xb"`, `"nodes":14`)
	contains(t, lines[15], `{"session":"0x100001b46ff0000","timeoutMS":10000,"ephemerals":1}`)
	var ncdu []any
	must(t, json.Unmarshal([]byte(show(SnapshotNcdu, false)), &ncdu))
	nodes := 0
	count(ncdu[3], &nodes)
	if nodes != 14 {
		t.Errorf("ncdu has %d nodes", nodes)
	}
}

// count goes over the nested lists of ncdu.
func count(v any, nodes *int) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			count(e, nodes)
		}
	case map[string]any:
		*nodes++
	}
}

func compared(t testing.TB, fsys vfs.FS, a, b string, o CompareOptions) (string, error) {
	t.Helper()
	var out, notes bytes.Buffer
	err := CompareSnapshots(fsys, a, b, o, &out, &notes)
	return out.String(), err
}

func TestCompareSnapshots(t *testing.T) {
	disk := readOnly(t, javaDisk(t))
	out, err := compared(t, disk, javaDir+"/snapshot.3b", javaDir+"/snapshot.3b.snappy", CompareOptions{})
	if err != nil || out != "no difference: 43 nodes, 2 sessions\n" {
		t.Errorf("%v, %s", err, out)
	}
	out, err = compared(t, disk, javaDir+"/snapshot.3b", "/data", CompareOptions{})
	if !errors.Is(err, ErrDifferent) {
		t.Error(err)
	}
	contains(t, out, "~ /  pzxid 0x32 -> 0x3d\n", "- /eph  1 B, ephemeral of 0x100001b46ff0000\n", "- session 0x100001b46ff0000  10000 ms\n",
		"0 nodes added (0 bytes), 4 removed (1 bytes), 1 changed; 2 sessions differ\n")
	out, err = compared(t, disk, javaDir+"/snapshot.25", javaDir+"/snapshot.3d", CompareOptions{ContentOnly: true})
	if !errors.Is(err, ErrDifferent) {
		t.Error(err)
	}
	contains(t, out, "+ /cont  9 B, 1 children, container\n", `~ /app/m1  data 1 bytes -> 4 bytes`)
	if strings.Contains(out, "pzxid") || strings.Contains(out, "session 0x") {
		t.Errorf("not only content:\n%s", out)
	}
	out, _ = compared(t, disk, javaDir+"/snapshot.25", javaDir+"/snapshot.3d", CompareOptions{JSON: true})
	for line := range strings.Lines(out) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
	contains(t, out, `{"change":"changed","path":"/app/m1","what":["data","mzxid","mtime","version"]`, `{"change":"removed","path":"/app/ip"`,
		`{"change":"removed","session":"0x100001b46ff0000","leftTimeoutMS":10000}`)
}

// What SnapshotComparer of 3.8.0 printed for these files, but for the lines with times.
func TestCompareByLayers(t *testing.T) {
	out, err := compared(t, javaDisk(t), javaDir+"/snapshot.a", javaDir+"/snapshot.3d", CompareOptions{Layers: true, Bytes: 20, Nodes: 5})
	if !errors.Is(err, ErrDifferent) {
		t.Error(err)
	}
	contains(t, out, "Node count: 14\nTotal size: 3096\nMax depth: 3\nCount of nodes at depth 0: 1\n",
		"Printing analysis for nodes difference larger than 20 bytes or node count difference larger than 5.\nAnalysis for depth 0\n"+
			"Node  found in both trees. Delta: 185 bytes, 25 descendants\nAnalysis for depth 1\n"+
			"Node /app found in both trees. Delta: 27 bytes, 16 descendants\nNode /zookeeper found in both trees. Delta: 142 bytes, 6 descendants\n",
		"Node /app/deep found only in right tree. Descendant size: 24. Descendant count: 13\n", "Analysis for depth 5\nAll layers compared.\n")
	out, _ = compared(t, javaDisk(t), javaDir+"/snapshot.a", javaDir+"/snapshot.3d", CompareOptions{Layers: true, Bytes: 1000, Nodes: 100, Debug: true})
	contains(t, out, "Comparing  to \nsame\nFiltered node  of left size 3096, right size 3281\n", "Filtered right node /ttl of size 7\n")
}

func TestSummarize(t *testing.T) {
	s, err := LoadSnapshot(readOnly(t, javaDisk(t)), javaDir+"/snapshot.3b")
	must(t, err)
	show := func(o SummaryOptions) string {
		var out bytes.Buffer
		must(t, s.State().Summarize(o, &out))
		return out.String()
	}
	if got, want := show(SummaryOptions{Path: "/zookeeper", Depth: 1}), " /zookeeper\n   children: 8\n   data: 142\n"+
		"-- /zookeeper/quota\n--   children: 6\n--   data: 142\n\n"; got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	all := show(SummaryOptions{Path: "/", Top: 2})
	contains(t, all, "------ /app/deep/er/and\n", "Biggest nodes, bytes of data:\n        3072  /app/big\n          54  /zookeeper/quota/app/zookeeper_limits\nWidest",
		"Widest parents, children:\n          11  /app\n          11  /app/deep\nSessions", "           4  0x100001b46ff0000\n")
	if strings.Index(all, "-- /app\n") > strings.Index(all, "-- /zookeeper\n") {
		t.Error("the smaller subtree comes first")
	}
	js := show(SummaryOptions{Path: "/app", Depth: 1, Top: 1, JSON: true})
	contains(t, js, `{"path":"/app","children":11,"descendants":24,"bytes":3122}`, `{"list":"biggestNodes","name":"/app/big","size":3072}`)
	if err := s.State().Summarize(SummaryOptions{Path: "/none"}, &bytes.Buffer{}); err == nil {
		t.Error("a path that is not there")
	}
}
