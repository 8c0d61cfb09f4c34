package offline

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"quokka/internal/disk/snap"
	"quokka/internal/disk/store"
	"quokka/internal/disk/txnlog"
	"quokka/internal/disk/vfs"
	"quokka/internal/proto"
	"quokka/internal/render"
)

// Info is what there is in a data directory and what a server would make of it.
type Info struct {
	SnapDir   string         `json:"snapDir"`
	LogDir    string         `json:"logDir"`
	MyID      string         `json:"myid,omitempty"`
	Epochs    *EpochInfo     `json:"epochs,omitempty"` // of a member of an ensemble
	Snapshots []SnapshotInfo `json:"snapshots"`
	Logs      []LogReport    `json:"logs"`
	Recovery  Recovery       `json:"recovery"`
	Disk      DiskUse        `json:"disk"`
}

// EpochInfo is what the epoch files say.
type EpochInfo struct {
	Current  int64      `json:"current"`
	Accepted int64      `json:"accepted"`
	Floor    render.Hex `json:"floor"` // from here on the log has everything
	Problem  string     `json:"problem,omitempty"`
}

// SnapshotInfo is a snapshot as its name and its ends show it.
type SnapshotInfo struct {
	File    string     `json:"file"`
	Zxid    render.Hex `json:"zxid"`
	Bytes   int64      `json:"bytes"`
	ModTime time.Time  `json:"modTime"`
	// State is whole if all of it was read and the checksums are right,
	// plausible if only its ends were looked at, or broken.
	State   string `json:"state"`
	Problem string `json:"problem,omitempty"`
}

// Recovery is what a server that starts on the directory ends up with.
type Recovery struct {
	OK       bool       `json:"ok"`
	Empty    bool       `json:"empty,omitempty"` // there is nothing: a new database
	Problem  string     `json:"problem,omitempty"`
	Snapshot string     `json:"snapshot,omitempty"`
	Txns     int        `json:"txns"`
	LastZxid render.Hex `json:"lastZxid"`
	Digest   render.Hex `json:"digest"`
	Nodes    int        `json:"nodes"`
	Sessions int        `json:"sessions"`
	Messages []string   `json:"messages,omitempty"` // as the server would log them
}

// DiskUse is in bytes.
type DiskUse struct {
	Snapshots int64    `json:"snapshots"`
	Logs      int64    `json:"logs"`
	LogsUsed  int64    `json:"logsUsed"` // without padding
	Other     int64    `json:"other"`
	OtherFile []string `json:"otherFiles,omitempty"`
	Free      uint64   `json:"free"` // on the disk of the snapshots
	FreeLogs  uint64   `json:"freeLogs"`
}

// Inspect gathers the Info. deep reads all snapshots to their end; otherwise it
// is only the one that a server would take. All logs are read.
func (d DataDir) Inspect(fsys vfs.FS, deep bool) (Info, error) {
	info := Info{SnapDir: d.SnapDir, LogDir: d.LogDir, Snapshots: []SnapshotInfo{}, Logs: []LogReport{}}
	if b, err := readSmall(fsys, filepath.Join(filepath.Dir(d.SnapDir), "myid")); err == nil && filepath.Base(d.SnapDir) == versionDir {
		info.MyID = strings.TrimSpace(string(b))
	}
	if err := info.logs(fsys, d.LogDir); err != nil {
		return info, err
	}
	p, err := d.peek(fsys, nil)
	if serr, ok := errors.AsType[*store.Error](err); ok {
		info.Recovery.Problem = serr.Error()
	} else if err != nil {
		return info, err
	} else {
		info.recovery(&p)
	}
	if err := info.snapshots(fsys, d.SnapDir, deep); err != nil {
		return info, err
	}
	return info, info.diskUse(fsys, d)
}

// maxSmall is how much is read of a file that holds a number.
const maxSmall = 64

func readSmall(fsys vfs.FS, path string) ([]byte, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read: nothing to lose
	return io.ReadAll(io.LimitReader(f, maxSmall))
}

func (i *Info) logs(fsys vfs.FS, dir string) error {
	files, err := txnlog.Files(fsys, dir)
	if err != nil {
		return err
	}
	x := newExamination(fsys)
	for n, f := range files {
		r, err := x.file(LogFile{Path: f.Path, Zxid: f.Zxid, Newest: n == len(files)-1})
		if store.Vanished(err) {
			continue // purged meanwhile
		}
		if err != nil {
			return err
		}
		i.Logs = append(i.Logs, r)
	}
	return nil
}

func (i *Info) recovery(p *store.Peeked) {
	r := &i.Recovery
	r.OK = true
	if p.LastZxid == store.NoData {
		r.Empty = true
		return
	}
	r.Snapshot, r.Txns, r.LastZxid = p.Report.Snapshot.Path, p.Report.Txns, render.Hex(p.LastZxid)
	r.Digest, r.Nodes, r.Sessions = render.Hex(p.Report.Digest), p.Tree.NodeCount()-1, p.Sessions.Len()
	for _, m := range p.Report.Messages() {
		if m.Warn {
			r.Messages = append(r.Messages, m.Text)
		}
	}
	if !p.Ensemble {
		return
	}
	i.Epochs = &EpochInfo{Current: int64(p.Epochs.Current), Accepted: int64(p.Epochs.Accepted), Floor: render.Hex(p.Floor)}
	if p.EpochsErr != nil {
		i.Epochs.Problem, r.OK, r.Problem = p.EpochsErr.Error(), false, p.EpochsErr.Error()
	}
}

func (i *Info) snapshots(fsys vfs.FS, dir string, deep bool) error {
	infos, err := snap.List(fsys, dir)
	if err != nil {
		return err
	}
	for _, s := range infos {
		si := SnapshotInfo{File: s.Path, Zxid: render.Hex(s.Zxid), Bytes: s.Size, ModTime: s.ModTime.UTC(), State: "plausible"}
		switch {
		case !s.Valid:
			si.State, si.Problem = "broken", s.Problem
		case s.Path == i.Recovery.Snapshot:
			si.State = "whole"
		case deep:
			si.State = "whole"
			if _, err := loadFile(fsys, s.Path); err != nil {
				si.State, si.Problem = "broken", err.Error()
			}
		}
		i.Snapshots = append(i.Snapshots, si)
	}
	return nil
}

func (i *Info) diskUse(fsys vfs.FS, d DataDir) error {
	dirs := []string{d.SnapDir}
	if d.LogDir != d.SnapDir {
		dirs = append(dirs, d.LogDir)
	}
	for _, dir := range dirs {
		names, err := fsys.List(dir)
		if err != nil {
			return err
		}
		for _, n := range names {
			i.Disk.count(fsys, filepath.Join(dir, n))
		}
	}
	for _, l := range i.Logs {
		i.Disk.LogsUsed += l.Used
	}
	var err error
	if i.Disk.Free, err = fsys.FreeBytes(d.SnapDir); err != nil {
		return err
	}
	i.Disk.FreeLogs, err = fsys.FreeBytes(d.LogDir)
	return err
}

func (u *DiskUse) count(fsys vfs.FS, path string) {
	st, err := fsys.Stat(path)
	if err != nil || st.IsDir {
		return // removed meanwhile
	}
	name := filepath.Base(path)
	_, _, isSnapshot := snap.ParseFileName(name)
	_, isLog := txnlog.ParseFileName(name)
	switch {
	case isSnapshot:
		u.Snapshots += st.Size
	case isLog:
		u.Logs += st.Size
	default:
		u.Other += st.Size
		u.OtherFile = append(u.OtherFile, path)
	}
}

// Damaged tells whether something is not well.
func (i *Info) Damaged() bool {
	for _, l := range i.Logs {
		if l.damaged() {
			return true
		}
	}
	for _, s := range i.Snapshots {
		if s.State == "broken" {
			return true
		}
	}
	return !i.Recovery.OK
}

// Write prints the Info for people.
func (i *Info) Write(out io.Writer) error {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("snapshots in  %s", i.SnapDir)
	say("logs in       %s", i.LogDir)
	if i.MyID != "" {
		say("myid          %s", i.MyID)
	}
	if e := i.Epochs; e != nil {
		say("epochs        current %d, accepted %d; the log has everything after %v", e.Current, e.Accepted, e.Floor)
	}
	u := &i.Disk
	say("disk          snapshots %s, logs %s (%s of it records), other %s; free %s", render.Bytes(u.Snapshots), render.Bytes(u.Logs),
		render.Bytes(u.LogsUsed), render.Bytes(u.Other), render.Bytes(int64(u.Free)))
	say("\nSnapshots, newest first:")
	for _, s := range i.Snapshots {
		say("  %s  zxid %v, %s, %s, %s", filepath.Base(s.File), s.Zxid, render.Bytes(s.Bytes), s.ModTime.Format(time.RFC3339), s.State)
		if s.Problem != "" {
			say("    %s", s.Problem)
		}
	}
	say("\nLogs:")
	for n := range i.Logs {
		l := &i.Logs[n]
		say("  %s", strings.TrimPrefix(l.line(), i.LogDir+string(filepath.Separator)))
		for _, text := range l.details() {
			say("    %s", text)
		}
	}
	b.WriteString("\n")
	i.Recovery.write(say)
	_, err := io.WriteString(out, b.String())
	return err
}

func (r *Recovery) write(say func(format string, args ...any)) {
	switch {
	case r.Problem != "":
		say("A server would refuse to start: %s", r.Problem)
	case r.Empty:
		say("There is no data: a server would begin with an empty database")
	default:
		say("A server would load %s, replay %d transactions, and be at %v (epoch %d), with %d nodes and %d sessions, digest %d",
			filepath.Base(r.Snapshot), r.Txns, r.LastZxid, int64(proto.Zxid(r.LastZxid).Epoch()), r.Nodes, r.Sessions, int64(r.Digest))
	}
	for _, m := range r.Messages {
		say("  %s", m)
	}
}
