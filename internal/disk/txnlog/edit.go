package txnlog

import (
	"errors"
	"fmt"
	"slices"

	"quokka/internal/disk/vfs"
)

// ErrNotInLog is returned by [Truncate] if the log has no such record.
var ErrNotInLog = errors.New("zxid is not in the transaction log")

// Truncate ends the log durably right after the record with this zxid and
// deletes all later files. The error is [ErrNotInLog] if there is no such
// record; nothing is changed then. (Java's FileTxnLog.truncate would keep the
// next higher record.)
//
// No [Writer] may be open on the log.
func Truncate(fsys vfs.FS, dir string, zxid int64) error {
	ok, err := Contains(fsys, dir, zxid)
	if err == nil && !ok {
		err = ErrNotInLog
	}
	if err != nil {
		return fmt.Errorf("truncate transaction log in %s after 0x%x: %w", dir, zxid, err)
	}
	return DropAfter(fsys, dir, zxid, zxid)
}

// DropAfter removes durably every record with a zxid above zxid that a [Scan]
// from the given one, or a higher one, could find. That there is a record with
// just this zxid is not asked for. It may be repeated after a crash.
//
// No [Writer] may be open on the log.
func DropAfter(fsys vfs.FS, dir string, zxid, from int64) error {
	files, err := Files(fsys, dir)
	if err != nil {
		return err
	}
	kept := len(files)
	for kept > 0 && files[kept-1].Zxid > zxid {
		if err := fsys.Remove(files[kept-1].Path); err != nil {
			return fmt.Errorf("truncate transaction log: %w", err)
		}
		kept--
	}
	if kept < len(files) {
		if err := fsys.SyncDir(dir); err != nil {
			return fmt.Errorf("truncate transaction log: %w", err)
		}
	}
	if kept == 0 {
		return nil
	}
	if files, err = startingAt(fsys, files[:kept], from); err != nil {
		return err
	}
	for i, f := range slices.Backward(files) {
		end, more, err := endBefore(fsys, f.Path, zxid, i == len(files)-1)
		if err != nil {
			return err
		}
		if !more {
			continue
		}
		if err := cut(fsys, f.Path, end); err != nil {
			return err
		}
	}
	return nil
}

// endBefore tells where the first record above zxid begins in a file, and
// whether there is one. Of the newest file, bytes that are no record count as
// one: what they were is above zxid.
func endBefore(fsys vfs.FS, path string, zxid int64, newest bool) (end int64, more bool, err error) {
	r, err := openReader(fsys, path)
	if err != nil {
		return 0, false, err
	}
	defer r.close()
	for {
		rec, ok, err := r.record()
		if err != nil {
			return 0, false, err
		}
		if !ok {
			return r.offset, newest && r.ended == endBadRecord, nil
		}
		if rec.Zxid > zxid {
			return rec.Offset, true, nil
		}
	}
}

// Contains says whether the log has a record with this zxid. It reads one file
// up to there, and may be called beside a [Writer] for what is durable.
func Contains(fsys vfs.FS, dir string, zxid int64) (bool, error) {
	if zxid <= 0 {
		return false, nil
	}
	found := false
	_, err := Scan(fsys, dir, zxid, func(rec Record) error {
		found = rec.Zxid == zxid
		return ErrStop
	})
	if IsGap(err) {
		return false, nil
	}
	return found, err
}

// IsGap says whether an error of [Scan] only tells that records are absent.
func IsGap(err error) bool {
	corrupt, ok := errors.AsType[*CorruptError](err)
	return ok && corrupt.Gap
}

// First is the zxid of the first record of the log, by the name of its file.
func First(fsys vfs.FS, dir string) (zxid int64, ok bool, err error) {
	files, err := Files(fsys, dir)
	if err != nil {
		return 0, false, err
	}
	for _, f := range files {
		any, err := hasRecord(fsys, f.Path)
		if _, corrupt := errors.AsType[*CorruptError](err); corrupt {
			continue // whoever needs that file will be told
		}
		if err != nil || any {
			return f.Zxid, any, err
		}
	}
	return 0, false, nil
}

// RunStart finds the first of the records that lead up to zxid, each the
// successor of the one before, all of one epoch: that none is missing among
// them is sure. ok is false if zxid itself is not in the log.
func RunStart(fsys vfs.FS, dir string, zxid int64) (first int64, ok bool, err error) {
	files, err := Files(fsys, dir)
	if err != nil || len(files) == 0 || zxid <= 0 {
		return 0, false, err
	}
	if files, err = startingAt(fsys, files, zxid&^counterMask|1); err != nil {
		return 0, false, err
	}
	run := run{to: zxid, last: -2}
	for _, f := range files {
		if f.Zxid > zxid || run.last >= zxid {
			break
		}
		if err := run.file(fsys, f.Path); err != nil {
			return 0, false, err
		}
	}
	return run.first, run.last == zxid, nil
}

// run is the walk of [RunStart].
type run struct {
	to, first, last int64
}

func (u *run) file(fsys vfs.FS, path string) error {
	r, err := openReader(fsys, path)
	if err != nil {
		return err
	}
	defer r.close()
	for u.last < u.to {
		rec, ok, err := r.record()
		if err != nil || !ok {
			return err
		}
		if rec.Zxid <= u.last {
			continue // logged twice
		}
		if rec.Zxid != u.last+1 {
			u.first = rec.Zxid
		}
		u.last = rec.Zxid
	}
	return nil
}
