package offline

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"quokka/internal/disk/snap"
	"quokka/internal/disk/txnlog"
	"quokka/internal/disk/vfs"
	"quokka/internal/render"
)

// A verdict is what a server would make of the logs in a directory.
type verdict struct {
	Dir     string     `json:"dir"`
	From    render.Hex `json:"from"` // the first zxid it needs
	Usable  bool       `json:"usable"`
	Problem string     `json:"problem,omitempty"` // why it would not start
	Cut     string     `json:"cut,omitempty"`     // what it would cut off
}

// CheckLogs reads logs to their end and reports on each file. Of the
// directories among args it also says what a server would do with their logs:
// records from the newest snapshot on, or all if there is no snapshot there,
// must follow one another. The error is [ErrDamaged] if that, or a file, is not
// well.
func CheckLogs(fsys vfs.FS, args []string, asJSON bool, out io.Writer) error {
	files, err := LogFiles(fsys, args)
	if err != nil {
		return err
	}
	bad := false
	x := newExamination(fsys)
	for _, f := range files {
		r, err := x.file(f)
		if err != nil {
			return err
		}
		bad = bad || r.damaged()
		if err := writeReport(out, &r, asJSON); err != nil {
			return err
		}
	}
	for _, arg := range args {
		if info, err := fsys.Stat(arg); err != nil || !info.IsDir {
			continue
		}
		v, err := verdictOn(fsys, arg)
		if err != nil {
			return err
		}
		bad = bad || !v.Usable
		if err := writeVerdict(out, v, asJSON); err != nil {
			return err
		}
	}
	if bad {
		return ErrDamaged
	}
	return nil
}

// verdictOn scans as a server does.
func verdictOn(fsys vfs.FS, arg string) (verdict, error) {
	dir, err := logDirOf(fsys, arg)
	if err != nil {
		return verdict{}, err
	}
	from, err := neededFrom(fsys, dir)
	if err != nil {
		return verdict{}, err
	}
	v := verdict{Dir: dir, From: render.Hex(from), Usable: true}
	tail, err := txnlog.Scan(fsys, dir, from, func(txnlog.Record) error { return nil })
	if corrupt, ok := errors.AsType[*txnlog.CorruptError](err); ok {
		v.Usable, v.Problem = false, corrupt.Error()
		return v, nil
	}
	if err != nil {
		return v, err
	}
	v.Cut = tailText(tail)
	return v, nil
}

// tailText says what a server would cut off; "" is nothing.
func tailText(tail txnlog.Tail) string {
	if tail.File == "" {
		return ""
	}
	s := fmt.Sprintf("%d bytes of %s from offset %d on: %s", tail.BadBytes, tail.File, tail.Offset, tail.Reason)
	if tail.WholeFile() {
		s = fmt.Sprintf("all of %s: %s", tail.File, tail.Reason)
	}
	for _, later := range tail.LaterFiles {
		s += "; and " + later
	}
	return s
}

// neededFrom is the first zxid that a server needs from the logs in dir.
func neededFrom(fsys vfs.FS, dir string) (int64, error) {
	snaps, err := snap.List(fsys, dir)
	if err != nil {
		return 0, err
	}
	if i := slices.IndexFunc(snaps, func(i snap.Info) bool { return i.Valid }); i >= 0 {
		return int64(snaps[i].Zxid) + 1, nil
	}
	first, ok, err := txnlog.First(fsys, dir)
	if err != nil || !ok {
		return 1, err
	}
	return max(1, first), nil
}

func writeReport(out io.Writer, r *LogReport, asJSON bool) error {
	if asJSON {
		return render.JSON(out, r, false)
	}
	if _, err := fmt.Fprintln(out, r.line()); err != nil {
		return err
	}
	for _, l := range r.details() {
		if _, err := fmt.Fprintln(out, "  "+l); err != nil {
			return err
		}
	}
	return nil
}

func writeVerdict(out io.Writer, v verdict, asJSON bool) error {
	if asJSON {
		return render.JSON(out, v, false)
	}
	text := fmt.Sprintf("%s: whole from %v on", filepath.Clean(v.Dir), v.From)
	switch {
	case !v.Usable:
		text = "a server would refuse this log: " + v.Problem
	case v.Cut != "":
		text += "; a server would cut, as never synced, " + v.Cut
	}
	_, err := fmt.Fprintln(out, text)
	return err
}
