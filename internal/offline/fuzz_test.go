package offline

import (
	"bytes"
	"io"
	"testing"

	"quokka/internal/disk/vfs"
	"quokka/internal/proto"
)

// tryLog does all that can be done with one log file; whatever is in it, nothing panics.
func tryLog(t *testing.T, b []byte) {
	disk := vfs.NewMem()
	must(t, disk.MkdirAll("/d"))
	must(t, disk.MkdirAll("/out"))
	put(t, disk, "/d/log.1", b)
	for _, o := range []PrintOptions{
		{}, {OneLine: true, Tail: 3}, {JSON: true}, {Limit: 2, Filter: Filter{Path: NewPattern("/a*"), Types: []string{"create"}, Errors: true}},
	} {
		_, _, _ = printed(t, readOnly(t, disk), o, "/d/log.1")
	}
	for _, asJSON := range []bool{false, true} {
		_ = CheckLogs(readOnly(t, disk), []string{"/d"}, asJSON, io.Discard)
	}
	for _, what := range []OnDamage{Refuse, Cut, Skip, Mend} {
		if err := Repair(disk, "/d/log.1", "/out/"+string(what), what, io.Discard); err == nil {
			zxidsIn(t, disk, "/out/"+string(what)) // it must be whole
		}
	}
	if !bytes.Equal(get(t, disk, "/d/log.1"), b) {
		t.Error("the log was changed")
	}
}

func FuzzLog(f *testing.F) {
	disk := javaDisk(f)
	for _, name := range []string{"log.1", "log.c", "log.3c"} {
		f.Add(used(f, disk, javaDir+"/"+name))
	}
	f.Add([]byte(logHeader))
	f.Add([]byte{})
	f.Fuzz(tryLog)
}

// FuzzRecord is FuzzLog with records whose checksums are right.
func FuzzRecord(f *testing.F) {
	f.Add(txn(proto.OpCreate, &proto.CreateTxn{Path: "/a"}).AppendTo(nil), []byte("x"))
	f.Add(txn(proto.OpMulti, &proto.MultiTxn{}).AppendTo(nil), []byte{})
	f.Add(txn(99, nil).AppendTo(nil), []byte{0})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		b := append([]byte(logHeader), frame(first)...)
		tryLog(t, append(b, frame(second)...))
	})
}

// FuzzDataDir makes a directory of any snapshot and any log, and asks all there is to ask.
func FuzzDataDir(f *testing.F) {
	disk := javaDisk(f)
	f.Add(get(f, disk, javaDir+"/snapshot.16"), used(f, disk, javaDir+"/log.18"), int64(0x1c))
	f.Add(get(f, disk, javaDir+"/snapshot.a"), used(f, disk, javaDir+"/log.c"), int64(0xa))
	f.Add(get(f, disk, javaDir+"/snapshot.3b.snappy"), []byte{}, int64(0x3b))
	f.Fuzz(func(t *testing.T, snapshot, log []byte, zxid int64) {
		disk := vfs.NewMem()
		must(t, disk.MkdirAll("/d"))
		put(t, disk, "/d/snapshot.16", snapshot)
		put(t, disk, "/d/log.17", log)
		fsys, d := readOnly(t, disk), DataDir{SnapDir: "/d", LogDir: "/d"}
		if s, err := LoadSnapshot(fsys, "/d/snapshot.16"); err == nil {
			_ = s.State().Summarize(SummaryOptions{Path: "/", Top: 3}, io.Discard)
			for _, format := range []SnapshotFormat{SnapshotText, SnapshotJSON, SnapshotNcdu} {
				must(t, PrintSnapshot(fsys, "/d/snapshot.16", format, true, io.Discard, io.Discard))
			}
			must(t, CompareSnapshots(fsys, "/d", "/d/snapshot.16", CompareOptions{}, io.Discard, io.Discard))
		}
		for _, m := range []*Moment{nil, {Zxid: proto.Zxid(zxid)}, {Time: instant(proto.Millis(zxid)), IsTime: true}} {
			if s, err := d.At(fsys, m); err == nil {
				must(t, s.PrintTree("/", 0, true, io.Discard))
				must(t, s.Stat("/", false, io.Discard))
			}
		}
		_ = d.History(fsys, HistoryOptions{Path: "/app", Children: true}, io.Discard, io.Discard)
		if info, err := d.Inspect(fsys, true); err == nil {
			must(t, info.Write(io.Discard))
		}
	})
}
