package offline

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"quokka/internal/disk/vfs"
	"quokka/internal/proto"
)

var javaData = DataDir{SnapDir: javaDir, LogDir: javaDir}

func at(z proto.Zxid) *Moment { return &Moment{Zxid: z} }

// A node is what the log says it was, at each zxid.
func TestAtZxid(t *testing.T) {
	disk := readOnly(t, javaDisk(t))
	for _, c := range []struct {
		zxid proto.Zxid
		want string
	}{{0x15, "none"}, {0x16, "1"}, {0x38, "1"}, {0x39, "last"}, {0x3d, "last"}} {
		s, err := javaData.At(disk, at(c.zxid))
		must(t, err)
		var out bytes.Buffer
		err = s.Raw("/app/m1", &out)
		got := out.String()
		if _, no := errors.AsType[*NoNodeError](err); no {
			got = "none"
		} else {
			must(t, err)
		}
		if got != c.want || s.Zxid != c.zxid {
			t.Errorf("as of %v (%v): %s, want %s", c.zxid, s.Zxid, got, c.want)
		}
	}
}

// A time stands for the last transaction before the first later one.
func TestAtTime(t *testing.T) {
	disk := readOnly(t, javaDisk(t))
	for text, want := range map[string]proto.Zxid{
		"2026-11-22T18:23:18.639Z": 0x16, "2026-11-22T18:23:20Z": 0x2b, "2026-11-22T18:23:29.318Z": 0x38, "2026-12-01T00:00:00Z": 0x3d,
		"@1795371798564": 1,
	} {
		m, err := ParseMoment(text, time.Now())
		must(t, err)
		s, err := javaData.At(disk, &m)
		if err != nil || s.Zxid != want {
			t.Errorf("at %s: %v, %v; want %v", text, s.Zxid, err, want)
		}
	}
	m, err := ParseMoment("2026-11-01", time.Now())
	must(t, err)
	if _, err := javaData.At(disk, &m); err == nil || !strings.Contains(err.Error(), "begin at 2026-11-22T18:23:18.564Z") {
		t.Errorf("before the log: %v", err)
	}
}

func TestParseMoment(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct{ text, want string }{
		{"0x1f", "0x1f"}, {"31", "0x1f"}, {"0X1F", "0x1f"}, {"2026-11-30T10:00:00+01:00", "2026-11-30T09:00:00Z"},
		{"90m", "2026-11-30T10:30:00Z"}, {"-1h", "2026-11-30T11:00:00Z"}, {"@0", "1970-01-01T00:00:00Z"}, {"yesterday", "error"},
		{"-5", "error"}, {"", "error"}, {"0xffffffffffffffff", "error"},
	} {
		m, err := ParseMoment(c.text, now)
		got := m.Zxid.String()
		switch {
		case err != nil:
			got = "error"
		case m.IsTime:
			got = m.Time.UTC().Format(time.RFC3339)
		}
		if got != c.want {
			t.Errorf("%q is %s, want %s", c.text, got, c.want)
		}
	}
}

// A snapshot that does not say how far it is fuzzy gives no state with nodes from later.
func TestAtRefusesLaterEffects(t *testing.T) {
	disk := javaDisk(t)
	for _, name := range []string{"snapshot.0", "snapshot.a"} {
		must(t, disk.Remove(javaDir+"/"+name))
	}
	put(t, disk, javaDir+"/snapshot.c", get(t, disk, javaDir+"/snapshot.16")) // as if it had been begun at 0xc
	_, err := javaData.At(disk, at(0xd))
	if err == nil || !strings.Contains(err.Error(), "cannot be had") {
		t.Errorf("a state with later effects: %v", err)
	}
}

func TestQueries(t *testing.T) {
	disk := readOnly(t, javaDisk(t))
	s, err := javaData.At(disk, nil)
	must(t, err)
	show := func(f func(*bytes.Buffer) error) string {
		var b bytes.Buffer
		must(t, f(&b))
		return b.String()
	}
	ls := show(func(b *bytes.Buffer) error { return s.List("/app/deep/", false, b) })
	if want := "er\nn0\nn1\nn2\nn3\nn4\nn5\nn6\nn7\nn8\nn9\n"; ls != want {
		t.Errorf("ls: %s", ls)
	}
	contains(t, show(func(b *bytes.Buffer) error { return s.List("/cont", true, b) }), `{"path":"/cont","asOf":"0x3d","children":["kid"]}`)
	contains(t, show(func(b *bytes.Buffer) error { return s.Get("/cont", "text", false, b) }), "container\n")
	contains(t, show(func(b *bytes.Buffer) error { return s.Get("/cont", "hex", false, b) }), "63 6f 6e 74")
	contains(t, show(func(b *bytes.Buffer) error { return s.Stat("/ttl", false, b) }), "cZxid = 0x32\n", "kind = ttl, 3600000 ms\n", "acl = world:anyone:cdrwa\n")
	contains(t, show(func(b *bytes.Buffer) error { return s.Stat("/app/digest", true, b) }), `"scheme":"digest","id":"bob:`)
	tree := show(func(b *bytes.Buffer) error { return s.PrintTree("/zookeeper", 2, false, b) })
	if want := "/zookeeper  0 B, 2 children\n  config  0 B\n  quota  0 B, 2 children\n    app  null, 2 children\n    cont  null, 2 children\n"; tree != want &&
		tree != strings.ReplaceAll(want, "null", "0 B") {
		t.Errorf("tree:\n%s", tree)
	}
	for line := range strings.Lines(show(func(b *bytes.Buffer) error { return s.PrintTree("/", 0, true, b) })) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
	if _, no := errors.AsType[*NoNodeError](s.List("/none", false, &bytes.Buffer{})); !no {
		t.Error("a node that is not there has children")
	}
	if err := s.List("none", false, &bytes.Buffer{}); err == nil {
		t.Error("a path without a slash")
	}
}

func told(t testing.TB, fsys vfs.FS, o HistoryOptions) (out, notes string, err error) {
	t.Helper()
	var o1, o2 bytes.Buffer
	err = javaData.History(fsys, o, &o1, &o2)
	return o1.String(), o2.String(), err
}

// The history of a node has the old and the new value of each change.
func TestHistory(t *testing.T) {
	disk := javaDisk(t)
	out, notes, err := told(t, readOnly(t, disk), HistoryOptions{Path: "/app/m1"})
	if want := "0x16  2026-11-22T18:23:18.639Z  session 0x100001b46ff0000  create (multi)  none -> \"1\" (version 0)\n" +
		"0x39  2026-11-22T18:23:29.319Z  session 0x100001b6fca0001  setData  \"1\" (version 0) -> \"last\" (version 1)\n"; err != nil || notes != "" || out != want {
		t.Errorf("%v, %s\n%s", err, notes, out)
	}
	out, _, err = told(t, disk, HistoryOptions{Path: "/gone", JSON: true})
	must(t, err)
	contains(t, out, `"type":"create","path":"/gone","old":null,"new":{`, `"type":"closeSession","path":"/gone","old":{`, `"new":null}`)
	out, _, err = told(t, disk, HistoryOptions{Path: "/", Children: true})
	must(t, err)
	contains(t, out, "create  child /app\n", "closeSession  child /eph\n", "closeSession  child /gone\n")
	if strings.Contains(out, "child /app/") {
		t.Errorf("grandchildren:\n%s", out)
	}
	if _, notes, err := told(t, disk, HistoryOptions{Path: "/none"}); err != nil || !strings.Contains(notes, "touched /none") {
		t.Errorf("%v, %s", err, notes)
	}
}

// Where the logs begin later, the first old value comes from a snapshot; and it is unknown without one.
func TestHistoryBeginsWithSnapshot(t *testing.T) {
	disk := javaDisk(t)
	for _, name := range []string{"log.1", "log.c", "log.18", "log.27"} {
		must(t, disk.Remove(javaDir+"/"+name))
	}
	out, notes, err := told(t, readOnly(t, disk), HistoryOptions{Path: "/app/m1"})
	if err != nil || notes != "" {
		t.Errorf("%v, %s", err, notes)
	}
	contains(t, out, `setData  "1" (version 0) -> "last" (version 1)`)
	for _, name := range []string{"snapshot.0", "snapshot.a", "snapshot.16", "snapshot.25", "snapshot.2b.gz"} {
		must(t, disk.Remove(javaDir+"/"+name))
	}
	out, notes, err = told(t, disk, HistoryOptions{Path: "/app/m1"})
	must(t, err)
	contains(t, out, `setData  ? -> "last" (version 1)`)
	contains(t, notes, "what /app/m1 was before 0x39 is not known")
}

func TestInspect(t *testing.T) {
	disk := javaDisk(t)
	put(t, disk, "/data/myid", []byte("3\n"))
	info, err := javaData.Inspect(readOnly(t, disk), true)
	must(t, err)
	if info.Damaged() || info.MyID != "3" || len(info.Logs) != 6 || len(info.Snapshots) != 8 || info.Epochs != nil {
		t.Errorf("%+v", info)
	}
	if r := info.Recovery; !r.OK || r.LastZxid != 0x3d || r.Nodes != 38 && r.Nodes != 39 || r.Sessions != 0 {
		t.Errorf("%+v", r)
	}
	for _, s := range info.Snapshots {
		if s.State != "whole" {
			t.Errorf("%+v", s)
		}
	}
	// A damaged log below the snapshot is told, although a server would not mind.
	b := get(t, disk, javaDir+"/log.c")
	b[60] ^= 1
	put(t, disk, javaDir+"/log.c", b)
	put(t, disk, javaDir+"/snapshot.99", []byte("this is no snapshot"))
	info, err = javaData.Inspect(readOnly(t, disk), false)
	must(t, err)
	if !info.Damaged() || info.Logs[1].State != "damaged" || info.Snapshots[0].State != "broken" {
		t.Errorf("%+v", info)
	}
	var text bytes.Buffer
	must(t, info.Write(&text))
	contains(t, text.String(), "log.c: 11 records", "damaged at offset 16", "snapshot.99  zxid 0x99", "A server would refuse to start", "move /data/version-2/snapshot.99 away")
}

// A member's epochs are told, and that they do not fit its data.
func TestInspectMember(t *testing.T) {
	disk := javaDisk(t)
	put(t, disk, javaDir+"/currentEpoch", []byte("0"))
	put(t, disk, javaDir+"/acceptedEpoch", []byte("2"))
	info, err := javaData.Inspect(readOnly(t, disk), false)
	must(t, err)
	if e := info.Epochs; e == nil || e.Current != 0 || e.Accepted != 2 || info.Damaged() {
		t.Errorf("%+v, %+v", e, info.Recovery)
	}
	put(t, disk, javaDir+"/currentEpoch", []byte("4"))
	info, err = javaData.Inspect(readOnly(t, disk), false)
	must(t, err)
	if !info.Damaged() || !strings.Contains(info.Recovery.Problem, "less than the current epoch") {
		t.Errorf("%+v", info.Recovery)
	}
}

func TestLocate(t *testing.T) {
	disk := javaDisk(t)
	must(t, disk.MkdirAll("/empty"))
	must(t, disk.MkdirAll("/copy"))
	put(t, disk, "/copy/log.1", nil)
	for arg, want := range map[string]string{"/data": javaDir, javaDir: javaDir, "/empty": "error", "/none": "error", "/copy": "/copy"} {
		d, err := Locate(disk, arg, "")
		got := d.SnapDir
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%s is %s (%v), want %s", arg, fmt.Sprintf("%+v", d), err, want)
		}
	}
	if d, err := Locate(disk, "/data", "/copy"); err != nil || d.LogDir != "/copy" {
		t.Errorf("%+v, %v", d, err)
	}
}

// Where a log is damaged, the history says so, and goes on with what it knows.
func TestHistoryOverDamage(t *testing.T) {
	disk := vfs.NewMem()
	must(t, disk.MkdirAll(javaDir))
	txns := []*proto.Txn{
		txn(proto.OpCreate, &proto.CreateTxn{Path: "/a", Data: []byte("one")}),
		txn(proto.OpSetData, &proto.SetDataTxn{Path: "/a", Data: []byte("two"), Version: 1}),
		txn(proto.OpSetData, &proto.SetDataTxn{Path: "/a", Data: bytes.Repeat([]byte("é"), 100), Version: 2}),
		txn(proto.OpSetData, &proto.SetDataTxn{Path: "/a", Data: []byte{0xff, 0}, Version: 3}),
		txn(proto.OpSetACL, &proto.SetACLTxn{Path: "/a", ACL: []proto.ACL{{Perms: 1, ID: proto.ID{Scheme: "world", ID: "anyone"}}}, Version: 1}),
		txn(proto.OpError, &proto.ErrorTxn{Err: proto.NoNode}),
		txn(proto.OpSetData, &proto.SetDataTxn{Path: "/a", Version: 4}),
		txn(proto.OpDelete, &proto.DeleteTxn{Path: "/a"}),
		txn(proto.OpCreateTTL, &proto.CreateTTLTxn{Path: "/a", TTL: 5}),
		txn(proto.OpDeleteContainer, &proto.DeleteTxn{Path: "/a"}),
	}
	b := aLog(1, txns...)
	at := bytes.Index(b, []byte("two"))
	b[at] ^= 0x20
	put(t, disk, javaDir+"/log.1", b)
	out, notes, err := told(t, readOnly(t, disk), HistoryOptions{Path: "/a"})
	if !errors.Is(err, ErrDamaged) {
		t.Errorf("error %v", err)
	}
	contains(t, notes, "log.1 is damaged at offset", "what /a was before 0x3 is not known")
	contains(t, out, `create  none -> "one" (version 0)`, `setData  ? -> "`+strings.Repeat("é", 60)+`"... 200 bytes (version 2)`,
		"200 bytes (version 2) -> 2 bytes (version 3)\n", "setACL  ? -> world:anyone:r\n", "2 bytes (version 3) -> null (version 4)\n",
		"delete  null (version 4) -> none\n", "createTTL  none -> null (version 0)\n", "deleteContainer  null (version 0) -> none\n")
	if strings.Contains(out, "0x6") {
		t.Errorf("a refused request is in the history:\n%s", out)
	}
}

// A closeSession without a list, as 3.5 wrote it, ends the ephemerals of its session.
func TestHistoryOfOldEphemeral(t *testing.T) {
	disk := vfs.NewMem()
	must(t, disk.MkdirAll(javaDir))
	put(t, disk, javaDir+"/log.1", aLog(1, txn(proto.OpCreate, &proto.CreateTxn{Path: "/e", Ephemeral: true}), txn(proto.OpCloseSession, nil)))
	out, _, err := told(t, disk, HistoryOptions{Path: "/e"})
	must(t, err)
	contains(t, out, "0x2  2023-11-14T22:13:22.000Z  session 0x10  closeSession  null (version 0) -> none\n")
}

func TestBetween(t *testing.T) {
	for _, c := range []struct {
		before, after proto.Zxid
		want          string
	}{
		{4, 5, "no transaction: 0x5 follows 0x4"}, {4, 6, "transaction 0x5"}, {4, 9, "4 transactions, 0x5 to 0x8"},
		{4, 1<<32 + 1, "the transactions between 0x4 and 0x100000001"}, {0, 4, "what was there; nobody knows how many transactions"},
	} {
		if got := between(c.before, c.after); got != c.want {
			t.Errorf("between %v and %v: %s", c.before, c.after, got)
		}
	}
}
