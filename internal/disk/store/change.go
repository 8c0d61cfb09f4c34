package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"quokka/internal/disk/snap"
	"quokka/internal/disk/txnlog"
	"quokka/internal/proto"
)

// installName is the file of a snapshot from a leader until it has its name.
const installName = "quokka.install"

// ErrNoBase says that the state as of a zxid cannot be made from what is on
// disk: there is no snapshot at or below it from which the log leads up to it
// for sure. Nothing was changed. A snapshot from the leader is the answer.
var ErrNoBase = errors.New("no snapshot with a complete log leads up to this zxid")

// Truncate takes everything after z out of the directory, durably: records of
// the log, and snapshots, which Java leaves (ZOOKEEPER-1549, 4837). When it
// returns nil, [Store.Recover] ends at z. [ErrNotInLog] or [ErrNoBase] say that
// this cannot be; nothing was changed then. After any other error the server
// must stop: the next Recover ends at z or where it would have before.
func (s *Store) Truncate(z proto.Zxid) error {
	s.fence.raise(z) // also for the snapshot that is being written
	s.saving.Lock()
	defer s.saving.Unlock()
	s.dir.Lock()
	defer s.dir.Unlock()
	base, err := s.baseOf(z)
	if err != nil {
		s.fence.lower()
		return fmt.Errorf("truncate after %v: %w", z, err)
	}
	return s.decide(&floorFile{floor: s.Floor(), op: opTruncate, to: z, base: base})
}

// Install makes a snapshot that a leader sent the state of the directory,
// durably; p's flags are ignored. When it returns nil, [Store.Recover] ends at
// p.Zxid: records and snapshots above it are gone, and nothing below it is used
// any more, as it may have no connection to it. After an error the server must
// stop: the next Recover ends at p.Zxid or where it would have before.
func (s *Store) Install(p snap.Picture) error {
	s.fence.raise(NoData) // no picture of the old state is of any use
	s.saving.Lock()
	defer s.saving.Unlock()
	s.dir.Lock()
	defer s.dir.Unlock()
	p.Digest, p.LastProcessed = s.opt.Digest, s.opt.LastProcessed
	if err := snap.WriteFile(s.fsys, filepath.Join(s.snapDir, installName), p, s.opt.Method); err != nil {
		return &Error{Reason: "the leader's snapshot was not stored", Exit: ExitSnapshot, Err: err}
	}
	return s.decide(&floorFile{
		floor: max(0, s.Floor()), op: opInstall, to: p.Zxid, snapshot: snap.FileName(p.Zxid, s.opt.Method),
	})
}

// baseOf finds the snapshot that the state as of z can be made from.
func (s *Store) baseOf(z proto.Zxid) (proto.Zxid, error) {
	if z < s.Floor() || s.Floor() < 0 {
		return 0, ErrNoBase
	}
	snaps, err := s.Snapshots()
	if err != nil {
		return 0, err
	}
	for i, n := range snaps {
		if n.Zxid > z || n.Zxid < s.Floor() {
			continue
		}
		ok, err := s.isBase(n, z, i == 0)
		if err != nil {
			return 0, err
		}
		if ok {
			return n.Zxid, s.leadsTo(n.Zxid, z)
		}
	}
	return 0, ErrNoBase
}

// isBase says whether a snapshot can be loaded and has no effects of what comes
// after z. If it is the newest, and our own, recovery depends on it anyway.
func (s *Store) isBase(n snap.Info, z proto.Zxid, newest bool) (bool, error) {
	if !n.Valid {
		return false, nil
	}
	if newest && s.knows(n.Zxid) {
		return true, nil
	}
	_, _, info, err := snap.Load(s.fsys, n.Path, snap.Options{Tree: s.opt.Tree, MaxRecord: s.opt.MaxRecord})
	if _, corrupt := errors.AsType[*snap.CorruptError](err); corrupt {
		return false, nil
	}
	return err == nil && (!info.HasDigest || info.DigestZxid <= z), err
}

// leadsTo checks that the log has everything from base to z.
func (s *Store) leadsTo(base, z proto.Zxid) error {
	if z == base {
		return nil
	}
	last := base
	_, err := txnlog.Scan(s.fsys, s.logDir, int64(base)+1, func(rec txnlog.Record) error {
		if last = min(proto.Zxid(rec.Zxid), z+1); last >= z {
			return txnlog.ErrStop
		}
		return nil
	})
	if err == nil && last != z || txnlog.IsGap(err) {
		err = ErrNotInLog
	}
	return err
}

// knows tells whether a snapshot is noted down as our own. s.dir is held.
func (s *Store) knows(z proto.Zxid) bool { return s.cont != nil && slices.Contains(s.cont.known, z) }

// decide makes a change durable by writing down that it is to be made, and then
// makes it. f becomes the floor file in between.
func (s *Store) decide(f *floorFile) error {
	var err error
	if f.witness, err = s.witness(); err != nil {
		return dirError(err, "Unable to list the data directory")
	}
	if s.cont != nil {
		f.known = s.cont.known
	}
	if err := s.storeFloor(f); err != nil {
		return err
	}
	return s.carryOut()
}

// carryOut makes the change that the floor file tells of. All of it may have
// been made before.
func (s *Store) carryOut() error {
	f := s.cont
	var err error
	switch f.op {
	case opTruncate:
		if err = s.removeSnapshots(func(i snap.Info) bool { return i.Zxid > f.to }); err == nil {
			err = txnlog.DropAfter(s.fsys, s.logDir, int64(f.to), int64(f.base)+1)
		}
	case opInstall:
		err = s.replaceState(f)
	}
	if err != nil {
		return dirError(err, "Unable to %s at %v", f.op, f.to)
	}
	done := &floorFile{floor: f.floor}
	snaps, err := s.snapshotZxids()
	if err != nil {
		return dirError(err, "Unable to list the data directory")
	}
	for _, z := range snaps {
		if s.knows(z) || f.op == opInstall && z == f.to {
			done.known = append(done.known, z)
		}
	}
	if f.op == opInstall {
		done.floor = f.to
	}
	return s.storeFloor(done)
}

// replaceState puts the leader's snapshot into the place of what is above it.
// At no moment is there a newest snapshot with records behind it that do not
// belong to it.
func (s *Store) replaceState(f *floorFile) error {
	if err := txnlog.DropAfter(s.fsys, s.logDir, int64(f.to), int64(f.to)+1); err != nil {
		return err
	}
	target := filepath.Join(s.snapDir, f.snapshot)
	err := s.fsys.Rename(filepath.Join(s.snapDir, installName), target)
	if errors.Is(err, fs.ErrNotExist) {
		_, err = s.fsys.Stat(target) // renamed before the crash
	}
	if err == nil {
		err = s.fsys.SyncDir(s.snapDir)
	}
	if err != nil {
		return err
	}
	return s.removeSnapshots(func(i snap.Info) bool {
		return i.Zxid > f.to || i.Zxid == f.to && filepath.Base(i.Path) != f.snapshot
	})
}

// removeSnapshots removes some, newest first, durably.
func (s *Store) removeSnapshots(which func(snap.Info) bool) error {
	snaps, err := s.Snapshots()
	if err != nil {
		return err
	}
	any := false
	for _, i := range snaps {
		if !which(i) {
			continue
		}
		if err := s.fsys.Remove(i.Path); err != nil {
			return err
		}
		any = true
	}
	if !any {
		return nil
	}
	return s.fsys.SyncDir(s.snapDir)
}

// resume finishes the change that the floor file tells of, if there is one, and
// says which. If other software has run here since, it has made something else
// of the data, and the change is forgotten. s.dir is held.
func (s *Store) resume() (string, error) {
	if err := s.loadFloor(); err != nil {
		return "", err
	}
	if s.cont == nil || s.cont.op == "" {
		return "", s.forgetInstall()
	}
	what := fmt.Sprintf("the truncation to %v", s.cont.to)
	if s.cont.op == opInstall {
		what = fmt.Sprintf("the installation of snapshot %v from the leader", s.cont.to)
	}
	now, err := s.witness()
	if err != nil {
		return "", dirError(err, "Unable to list the data directory")
	}
	for _, w := range now {
		if !slices.Contains(s.cont.witness, w) && w != s.cont.snapshot {
			if err := s.storeFloor(&floorFile{floor: s.cont.floor, known: s.cont.known}); err != nil {
				return "", err
			}
			return what + "; other software has used the directory since, so it is not finished", s.forgetInstall()
		}
	}
	return what + ", which is finished now", s.carryOut()
}

// forgetInstall removes a snapshot whose installation was never decided.
func (s *Store) forgetInstall() error {
	err := s.fsys.Remove(filepath.Join(s.snapDir, installName))
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return dirError(err, "Cannot write to snap directory %s", s.snapDir)
}

// witness lists the snapshots and logs by name, and the epochs. Java makes a new
// log file when it starts to log, a new snapshot when it is sent one, and writes
// a new epoch when it follows another leader.
func (s *Store) witness() ([]string, error) {
	var list []string
	for _, dir := range []string{s.snapDir, s.logDir} {
		names, err := s.fsys.List(dir)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			_, _, isSnapshot := snap.ParseFileName(name)
			if _, isLog := txnlog.ParseFileName(name); isSnapshot || isLog {
				list = append(list, name)
			}
		}
	}
	for _, file := range []EpochFile{CurrentEpoch, AcceptedEpoch} {
		n, err := readNumber(s.fsys, filepath.Join(s.snapDir, string(file)), -1)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if err == nil {
			list = append(list, fmt.Sprintf("%s %d", file, n))
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}
