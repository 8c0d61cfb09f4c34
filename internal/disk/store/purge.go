package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"quokka/internal/disk/snap"
	"quokka/internal/disk/txnlog"
	"quokka/internal/proto"
)

// MinRetain is the least number of snapshots that a purge keeps
// (DatadirCleanupManager, PurgeTxnLog).
const MinRetain = 3

// Removed is a file that [Store.Purge] deleted.
type Removed struct {
	Path    string
	Size    int64 // bytes
	ModTime time.Time
}

// Purge deletes the snapshots older than the newest retain valid ones, and the
// logs that none of those needs. Snapshots that are not valid do not count, and
// those newer than the oldest kept one stay (ZOOKEEPER-3231). The log that
// begins at or before the oldest kept snapshot stays, and every later one
// (ZOOKEEPER-2420, 2574).
//
// A file that cannot be removed does not stop the purge; it is in the error.
func (s *Store) Purge(retain int) ([]Removed, error) {
	if retain < MinRetain {
		return nil, fmt.Errorf("purge: count should be greater than or equal to %d", MinRetain)
	}
	s.dir.Lock()
	defer s.dir.Unlock()
	snaps, err := snap.List(s.fsys, s.snapDir)
	if err != nil {
		return nil, fmt.Errorf("purge: %w", err)
	}
	kept := newestValid(snaps, retain)
	if len(kept) == 0 {
		return nil, nil
	}
	least := kept[len(kept)-1].Zxid
	logs, err := txnlog.Files(s.fsys, s.logDir)
	if err != nil {
		return nil, fmt.Errorf("purge: %w", err)
	}
	needed, oldLogs := logsBefore(logs, least)
	old := append(snapshotsBefore(snaps, least), oldLogs...)
	if len(old) == 0 {
		return nil, nil
	}
	if err := s.syncSnapshots(kept); err != nil {
		return nil, fmt.Errorf("purge: %w", err)
	}
	if len(oldLogs) > 0 {
		if err := s.raiseFloor(needed - 1); err != nil {
			return nil, fmt.Errorf("purge: %w", err)
		}
	}
	return s.remove(old)
}

func newestValid(snaps []snap.Info, n int) []snap.Info {
	var kept []snap.Info
	for _, i := range snaps {
		if i.Valid && len(kept) < n {
			kept = append(kept, i)
		}
	}
	return kept
}

// snapshotsBefore returns the snapshots below least, oldest first, so that one
// whose log is gone is never the next best to a kept one.
func snapshotsBefore(snaps []snap.Info, least proto.Zxid) []string {
	var old []string
	for i := len(snaps) - 1; i >= 0 && snaps[i].Zxid < least; i-- {
		old = append(old, snaps[i].Path)
	}
	return old
}

// logsBefore returns the logs below least, oldest first, but for the newest of
// those that begin at or below it, which may reach beyond. needed is where that
// one begins.
func logsBefore(logs []txnlog.FileInfo, least proto.Zxid) (needed proto.Zxid, old []string) {
	needed = -1
	for _, f := range logs {
		if f.Zxid <= int64(least) {
			needed = max(needed, proto.Zxid(f.Zxid))
		}
	}
	for _, f := range logs {
		if f.Zxid < int64(needed) {
			old = append(old, f.Path)
		}
	}
	return needed, old
}

// syncSnapshots makes durable what Java may have written without a sync.
func (s *Store) syncSnapshots(snaps []snap.Info) error {
	for _, i := range snaps {
		if err := s.syncFile(i.Path); err != nil {
			return err
		}
	}
	return s.fsys.SyncDir(s.snapDir)
}

func (s *Store) syncFile(path string) error {
	f, err := s.fsys.OpenRW(path)
	if err != nil {
		return fmt.Errorf("sync %s: %w", path, err)
	}
	err = f.Sync()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("sync %s: %w", path, err)
	}
	return nil
}

func (s *Store) remove(paths []string) ([]Removed, error) {
	var removed []Removed
	var failed error
	for _, path := range paths {
		st, err := s.fsys.Stat(path)
		if err == nil {
			err = s.fsys.Remove(path)
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("purge: Failed to remove %s: %w", filepath.Base(path), err))
			continue
		}
		removed = append(removed, Removed{Path: path, Size: st.Size, ModTime: st.ModTime})
	}
	for _, dir := range []string{s.snapDir, s.logDir} {
		if err := s.fsys.SyncDir(dir); err != nil {
			failed = errors.Join(failed, fmt.Errorf("purge: %w", err))
		}
	}
	return removed, failed
}
