package render

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestNodeJSON(t *testing.T) {
	stat := Stat{Czxid: 0x1a, Mzxid: -1, Ctime: 1764515728005, Mtime: 0, Version: 3, EphemeralOwner: 0x100001bdc900000, DataLength: 5}
	for _, c := range []struct {
		name string
		node Node
		want string
	}{
		{"text", Node{Path: "/a", Data: Of([]byte("<é>"))}, `{"path":"/a","data":"<é>"}`},
		{"empty", Node{Path: "/a", Data: Of([]byte{})}, `{"path":"/a","data":""}`},
		{"none", Node{Path: "/a", Data: Of(nil)}, `{"path":"/a","data":null}`},
		{"not asked for", Node{Path: "/a"}, `{"path":"/a"}`},
		{"bytes", Node{Path: "/a", Data: Of([]byte{0xff, 0})}, `{"path":"/a","dataBase64":"/wA="}`},
		{"stat", Node{Path: "/a", Stat: &stat}, `{"path":"/a","stat":{"czxid":"0x1a","mzxid":"0xffffffffffffffff","pzxid":"0x0",` +
			`"ctime":"2025-11-30T15:15:28.005Z","mtime":"1970-01-01T00:00:00.000Z","version":3,"cversion":0,"aversion":0,` +
			`"ephemeralOwner":"0x100001bdc900000","dataLength":5,"numChildren":0}}`},
		{"acl", Node{Path: "/a", ACL: []ACL{{"cdrwa", "world", "anyone"}}}, `{"path":"/a","acl":[{"perms":"cdrwa","scheme":"world","id":"anyone"}]}`},
	} {
		b, err := json.Marshal(c.node)
		var plain strings.Builder
		if err := JSON(&plain, c.node, false); err != nil || plain.String() != c.want+"\n" {
			t.Errorf("%s: %v\n%s, want\n%s", c.name, err, plain.String(), c.want)
		}
		var back Node
		if err != nil || json.Unmarshal(b, &back) != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		var again strings.Builder
		if err := JSON(&again, back, false); err != nil || again.String() != plain.String() {
			t.Errorf("%s: read again: %v\n%s, want\n%s", c.name, err, again.String(), plain.String())
		}
	}
}

func TestNodeJSONRefusesWhatIsNone(t *testing.T) {
	for _, text := range []string{
		`{"path":"/a","data":"x","dataBase64":"eA=="}`, `{"path":"/a","data":7}`, `{"path":"/a","dataBase64":"*"}`,
		`{"path":"/a","stat":{"czxid":"1a"}}`, `{"path":"/a","stat":{"czxid":"0xg"}}`, `{"path":"/a","stat":{"ctime":"yesterday"}}`,
	} {
		var n Node
		if err := json.Unmarshal([]byte(text), &n); err == nil {
			t.Errorf("%s became %+v", text, n)
		}
	}
}

func TestStatText(t *testing.T) {
	zone := time.FixedZone("CET", 3600)
	var b strings.Builder
	s := Stat{Czxid: 0x6e, Mzxid: 0x6f, Pzxid: 0x70, Ctime: 1764515728005, Mtime: 1764515729000, Version: 1, Cversion: 2, Aversion: 3, EphemeralOwner: 4, DataLength: 5, NumChildren: 6}
	if err := s.Text(&b, zone); err != nil {
		t.Fatal(err)
	}
	want := `cZxid = 0x6e
ctime = Sun Nov 30 16:15:28 CET 2025
mZxid = 0x6f
mtime = Sun Nov 30 16:15:29 CET 2025
pZxid = 0x70
cversion = 2
dataVersion = 1
aclVersion = 3
ephemeralOwner = 0x4
dataLength = 5
numChildren = 6
`
	if b.String() != want {
		t.Errorf("%s\nwant\n%s", b.String(), want)
	}
}

// The results are those of new String(bytes, UTF_8) in Java 17.
func TestTextReplacesAsJavaDoes(t *testing.T) {
	const r = "\uFFFD"
	for in, want := range map[string]string{
		"plain é": "plain é", "": "", "\xff": r, "a\xc3": "a" + r, "\xe2\x82": r, "\xe2\x82x": r + "x", "\xf0\x9f\x98": r,
		"\xc0\x80": r + r, "\xed\xa0\x80": r, "\xed\xa0": r, "\xed\xa0x": r + "x",
		"\xed\xc0\x80": r + r + r, "\xf0\x80\x80": r + r + r, "\xf4\x90\x80\x80": r + r + r + r, "\xf4\x8f": r, "\xe0\xa0": r, "\xed\xa0é": r + "é", "\xf5\x80": r + r, "\xe0\x80": r + r, "\x80\x80": r + r, "\xf0\x9f\xe2\x82\xac": r + "€",
	} {
		if got := Text([]byte(in)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestShow(t *testing.T) {
	dump := strings.Join([]string{
		"         +-------------------------------------------------+",
		"         |  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f |",
		"+--------+-------------------------------------------------+----------------+",
		"|00000000| 68 65 6c 6c 6f 0a 7f ff 20 30 31 32 33 34 35 36 |hello... 0123456|",
		"|00000010| 37                                              |7               |",
		"+--------+-------------------------------------------------+----------------+",
	}, "\n")
	for _, c := range []struct {
		data []byte
		view View
		want string
	}{
		{[]byte("hello\n\x7f\xff 01234567"), ViewHex, dump}, {[]byte{}, ViewHex, ""},
		{[]byte(`{"a":[1,{"b":2}]}`), ViewJSON, "{\n  \"a\": [\n    1,\n    {\n      \"b\": 2\n    }\n  ]\n}"},
		{nil, ViewText, "null"}, {nil, ViewJSON, "null"}, {nil, ViewBase64, "bnVsbA=="}, {[]byte("hello"), ViewBase64, "aGVsbG8="},
	} {
		if got, err := Show(c.data, c.view); err != nil || got != c.want {
			t.Errorf("%q as %s: %v\n%s\nwant\n%s", c.data, c.view, err, got, c.want)
		}
	}
	if _, err := Show([]byte("hello"), ViewJSON); err == nil {
		t.Error("hello passed for JSON")
	}
}

func TestPrintable(t *testing.T) {
	if got := Printable("a\tb\n\x1b[2Jé\u0085"); got != "a\tb\n\\x1b[2Jé\\x85" {
		t.Errorf("%q", got)
	}
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 1 << 20: "1.0 MiB", 1<<63 - 1: "8.0 EiB"} {
		if got := Bytes(n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
}
