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

// A log that is cut anywhere prints the transactions before the cut, says where they end, and is no failure.
func TestPrintCutAtEveryByte(t *testing.T) {
	disk := javaDisk(t)
	const path = "/data/cut/log.c"
	whole := used(t, disk, javaDir+"/log.c")
	must(t, disk.MkdirAll("/data/cut"))
	all, _, err := printed(t, disk, PrintOptions{OneLine: true, Limit: 1 << 30}, javaDir+"/log.c")
	must(t, err)
	for cut := range len(whole) {
		put(t, disk, path, whole[:cut])
		for _, o := range []PrintOptions{{OneLine: true, Limit: 1 << 30}, {JSON: true}} {
			out, notes, err := printed(t, readOnly(t, disk), o, path)
			if err != nil {
				t.Fatalf("cut at %d: %v", cut, err)
			}
			if !o.JSON && !strings.HasPrefix(all, out) {
				t.Fatalf("cut at %d prints what was not there:\n%s", cut, out)
			}
			if notes != "" {
				contains(t, notes, path, "at offset")
			}
		}
		var check bytes.Buffer
		if err := CheckLogs(readOnly(t, disk), []string{"/data/cut"}, false, &check); err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
	}
}

// A byte that is wrong anywhere is noted with file and offset, and the other transactions are printed.
func TestPrintFlippedBytes(t *testing.T) {
	disk := javaDisk(t)
	const path = "/data/flipped/log.c"
	must(t, disk.MkdirAll("/data/flipped"))
	whole := used(t, disk, javaDir+"/log.c")
	all, _, err := printed(t, disk, PrintOptions{OneLine: true, Limit: 1 << 30}, javaDir+"/log.c")
	must(t, err)
	lines := strings.SplitAfter(all, "\n")
	for at := range whole {
		b := bytes.Clone(whole)
		b[at] ^= 0x20
		put(t, disk, path, b)
		out, notes, err := printed(t, disk, PrintOptions{OneLine: true, Limit: 1 << 30}, path)
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatalf("byte %d: %v", at, err)
		}
		if at >= 8 && at < 16 { // the number of the database means nothing
			continue
		}
		if notes == "" {
			t.Fatalf("byte %d: nothing was noted", at)
		}
		contains(t, notes, path, "offset")
		missing := 0
		for _, l := range lines {
			if !strings.Contains(out, l) {
				missing++
			}
		}
		if at >= 16 && missing > 1 {
			t.Errorf("byte %d: %d transactions are missing", at, missing)
		}
	}
}

// What the text of a transaction is, by the example of each type.
func TestLayout(t *testing.T) {
	acl := []proto.ACL{{Perms: 31, ID: proto.ID{Scheme: "world", ID: "anyone"}}, {Perms: 1, ID: proto.ID{Scheme: "x", ID: "a,b}\n"}}}
	create := &proto.CreateTxn{Path: "/a", Data: []byte("x\x1b[m\nz"), ACL: acl[:1], Ephemeral: true, ParentCversion: 3}
	multi := &proto.MultiTxn{Parts: []proto.MultiPart{
		{Op: proto.OpCreate, Body: create}, {Op: proto.OpCheck, Body: &proto.CheckVersionTxn{Path: "/c", Version: 4}},
		{Op: proto.OpError, Body: &proto.ErrorTxn{Err: proto.BadVersion}},
	}}
	for _, c := range []struct {
		op        proto.Op
		body      proto.TxnBody
		java, one string
	}{
		{proto.OpCreate, create, "/a,x\\x1b[m\nz,[31,s{'world,'anyone}\n],true,3", "/a,x\\x1b[m\\nz,[31,s{'world,'anyone}],true,3"},
		{proto.OpCreateContainer, &proto.CreateContainerTxn{Path: "/a", ParentCversion: 1}, "/a,,null,1", ""},
		{proto.OpCreateTTL, &proto.CreateTTLTxn{Path: "/a", Data: []byte{0xff, 'x'}, ACL: acl[:0], TTL: 9}, "/a,\ufffdx,[],0,9", ""},
		{proto.OpDelete, &proto.DeleteTxn{Path: "/a"}, "/a", ""},
		{proto.OpSetData, &proto.SetDataTxn{Path: "/a", Data: []byte("v"), Version: 2}, "/a,v,2", ""},
		{proto.OpReconfig, &proto.SetDataTxn{Path: "/zookeeper/config", Data: []byte("server.1=a\nversion=1"), Version: -1},
			"/zookeeper/config,server.1=a\nversion=1,-1", "/zookeeper/config,server.1=a\\nversion=1,-1"},
		{proto.OpSetACL, &proto.SetACLTxn{Path: "/a", ACL: acl, Version: 2}, "'/a,v{s{31,s{'world,'anyone}},s{1,s{'x,'a%2Cb%7D%0A}}},2", ""},
		{proto.OpCreateSession, &proto.CreateSessionTxn{TimeoutMS: 4000}, "4000", ""},
		{proto.OpCloseSession, &proto.CloseSessionTxn{Paths: []string{"/a", "/b"}}, "v{'/a,'/b}", ""},
		{proto.OpCloseSession, nil, "", ""},
		{proto.OpError, &proto.ErrorTxn{Err: proto.NoNode}, "-101", ""},
		{proto.OpMulti, multi, "create:/a,x\\x1b[m\nz,[31,s{'world,'anyone}\n],true,3;check:/c,4;error:-103",
			"create:/a,x\\x1b[m\\nz,[31,s{'world,'anyone}],true,3;check:/c,4;error:-103"},
	} {
		tx := txn(c.op, c.body)
		tx.Zxid, tx.Time = 0x1f, 1796058245000
		head := instant(tx.Time).Format(javaDate) + " session 0x10 cxid 0xfffffffffffffffb zxid 0x1f " + c.op.String() + " "
		if got := (layout{}).txn(tx); got != head+c.java {
			t.Errorf("%v: %q, want %q", c.op, got, head+c.java)
		}
		want := c.java
		if c.one != "" {
			want = c.one
		}
		if got := (layout{oneLine: true}).txn(tx); got != head+want {
			t.Errorf("%v on one line: %q, want %q", c.op, got, head+want)
		}
	}
}

// Each line of JSON is an object with all that the transaction has.
func TestPrintJSON(t *testing.T) {
	disk := javaDisk(t)
	out, notes, err := printed(t, readOnly(t, disk), PrintOptions{JSON: true}, "/data")
	if err != nil || notes != "" {
		t.Fatalf("%v\n%s", err, notes)
	}
	types := map[string]int{}
	for line := range strings.Lines(out) {
		var j map[string]any
		must(t, json.Unmarshal([]byte(line), &j))
		for _, key := range []string{"file", "offset", "zxid", "session", "cxid", "time", "type"} {
			if _, ok := j[key]; !ok {
				t.Errorf("no %s in %s", key, line)
			}
		}
		types[j["type"].(string)]++
	}
	if got := fmt.Sprint(types); got != "map[closeSession:4 create:39 createContainer:2 createSession:4 createTTL:1 delete:2 error:3 multi:2 setACL:1 setData:3]" {
		t.Errorf("types %s", got)
	}
	contains(t, out, `"path":"/app/umlaut-äöü-漢字","data":"Grüße"`, `"dataBase64":"AAECAwQF`, `"ttlMS":3600000`,
		`"code":-103,"error":"BadVersion"`, `"txns":[{"type":"create","path":"/app/m1","data":"1"`, `"timeoutMS":10000`, `"paths":["/gone"]`)
}

func TestFilter(t *testing.T) {
	disk := javaDisk(t)
	at := time.Date(2026, 11, 22, 18, 23, 29, 0, time.UTC)
	for name, c := range map[string]struct {
		o    PrintOptions
		want string
	}{
		"range":      {PrintOptions{Filter: Filter{From: 0x17, To: 0x19}}, "0x17 0x18 0x19"},
		"session":    {PrintOptions{Filter: Filter{Session: 0x100001b6fca0000}}, "0x2c 0x2d 0x3c"},
		"path":       {PrintOptions{Filter: Filter{Path: NewPattern("/app/m1")}}, "0x16 0x39"},
		"subtree":    {PrintOptions{Filter: Filter{Path: NewPattern("/cont")}}, "0x2f 0x31"},
		"glob":       {PrintOptions{Filter: Filter{Path: NewPattern("/zoo*/**/zookeeper_limits")}}, "0x34 0x37"},
		"ephemeral":  {PrintOptions{Filter: Filter{Path: NewPattern("/gone"), Types: []string{"closesession"}}}, "0x1c"},
		"types":      {PrintOptions{Filter: Filter{Types: []string{"setACL", "multi"}}}, "0x15 0x16 0x17"},
		"part":       {PrintOptions{Filter: Filter{Types: []string{"check"}}}, "0x16"},
		"errors":     {PrintOptions{Filter: Filter{Errors: true}}, "0x17 0x18 0x1d 0x2d"},
		"since":      {PrintOptions{Filter: Filter{Since: at, To: 0x2e}}, "0x2c 0x2d 0x2e"},
		"until":      {PrintOptions{Filter: Filter{Until: at, From: 0x29}}, "0x29 0x2a 0x2b"},
		"limit":      {PrintOptions{Limit: 2, Filter: Filter{From: 0x20}}, "0x20 0x21"},
		"tail":       {PrintOptions{Tail: 2}, "0x3c 0x3d"},
		"tail below": {PrintOptions{Tail: 9, Filter: Filter{To: 2}}, "0x1 0x2"},
	} {
		c.o.JSON = true
		out, _, err := printed(t, disk, c.o, javaDir)
		must(t, err)
		var got []string
		for line := range strings.Lines(out) {
			var j txnJSON
			must(t, json.Unmarshal([]byte(line), &j))
			got = append(got, j.Zxid.String())
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", name, got, c.want)
		}
	}
}

// Files come in the order of their zxids, however they are named, and a name that is no log's is read too.
func TestLogFiles(t *testing.T) {
	disk := javaDisk(t)
	put(t, disk, "/data/copy", get(t, disk, javaDir+"/log.3c"))
	files, err := LogFiles(disk, []string{javaDir + "/log.3c", javaDir + "/log.1"})
	if err != nil || files[0].Zxid != 1 {
		t.Errorf("%+v, %v", files, err)
	}
	if out, _, err := printed(t, disk, PrintOptions{}, "/data/copy"); err != nil || !strings.HasSuffix(out, "EOF reached after 2 txns.\n") {
		t.Errorf("%v:\n%s", err, out)
	}
	for _, bad := range []string{"/none", "/"} {
		if _, err := LogFiles(disk, []string{bad}); err == nil {
			t.Errorf("%s has logs", bad)
		}
	}
}

// A record of a type that is not known is shown as it is.
func TestPrintOpaqueRecord(t *testing.T) {
	disk := vfs.NewMem()
	b := aLog(1, txn(proto.OpDelete, &proto.DeleteTxn{Path: "/a"}))
	unknown := (&proto.Txn{TxnHeader: proto.TxnHeader{Zxid: 2, Op: 77}}).AppendTo(nil)
	put(t, disk, "/log.1", append(b, frame(append(unknown, "later"...))...))
	out, notes, err := printed(t, disk, PrintOptions{}, "/log.1")
	if !errors.Is(err, ErrDamaged) {
		t.Errorf("error %v", err)
	}
	contains(t, out, "delete /a", "unknown 77 cannot be understood", "6c61746572", "EOF reached after 2 txns")
	contains(t, notes, "/log.1 at offset", "record 0x2")
	out, _, _ = printed(t, disk, PrintOptions{JSON: true}, "/log.1")
	contains(t, out, `"type":"unknown 77"`, `"problem":`, `"payloadBase64":`)
	out, _, err = printed(t, disk, PrintOptions{Filter: Filter{To: 1}}, "/log.1")
	if err != nil || strings.Contains(out, "77") {
		t.Errorf("%v, %s", err, out)
	}
}

// A server would refuse logs with a gap above its snapshot, and live with one below.
func TestCheckGaps(t *testing.T) {
	for name, c := range map[string]struct {
		remove string
		want   string
		ok     bool
	}{
		"complete":       {"", "whole from 0x3e on", true},
		"gap below":      {"log.18", "gap: 0x27 follows 0x17", true},
		"newest missing": {"log.3c", "whole from 0x3e on", true},
	} {
		disk := javaDisk(t)
		if c.remove != "" {
			must(t, disk.Remove(javaDir+"/"+c.remove))
		}
		var out bytes.Buffer
		err := CheckLogs(readOnly(t, disk), []string{"/data"}, false, &out)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		contains(t, out.String(), c.want)
	}
	disk := javaDisk(t)
	for _, name := range []string{"snapshot.3d", "snapshot.3b", "snapshot.3b.snappy", "snapshot.2b.gz", "log.18", "log.27"} {
		must(t, disk.Remove(javaDir+"/"+name))
	}
	var out bytes.Buffer
	if err := CheckLogs(disk, []string{"/data"}, true, &out); !errors.Is(err, ErrDamaged) {
		t.Errorf("a gap above the snapshot: %v", err)
	}
	contains(t, out.String(), `"usable":false`, "record 0x2c does not follow 0x25", `"from":"0x26"`)
}
