package store

import (
	"errors"
	"io/fs"
	"math"
	"path/filepath"
	"slices"

	"quokka/internal/disk/snap"
	"quokka/internal/disk/vfs"
	"quokka/internal/proto"
)

// A Glance says which directories [Peek] looks into.
type Glance struct {
	SnapDir string // where the snapshots are, with version-2 if that is in the path
	LogDir  string // where the logs are; "" is SnapDir
	// Until is the zxid of the state that is wanted; nil is the newest.
	Until *proto.Zxid
}

// Peeked is what [Peek] found.
type Peeked struct {
	*Recovered
	Ensemble   bool   // there is an epoch file: a member of an ensemble used the directory
	Epochs     Epochs // of a member
	EpochsErr  error  // why a member would not start with its epoch files
	BelowFloor bool   // with Until: that the log is complete down there is not known
}

// Peek recovers what a server would recover, by the same rules, from the
// directories of one that may be running: it takes no lock and changes nothing
// (see vfs.Shadow). Of o only Tree, Digest, TrustEmpty and MaxRecord count.
//
// With Until, it is as if nothing after it had ever been written. A fuzzy
// snapshot from which the state cannot be had is passed over for an older one;
// the error says so if there is none. Its errors are of type [*Error], and
// [fs.ErrNotExist] is in them if a file vanished, as under a running server
// that purges; another try is the answer to that.
func Peek(fsys vfs.FS, o Options, g Glance, onto NewReplayer) (Peeked, error) {
	if g.LogDir == "" {
		g.LogDir = g.SnapDir
	}
	var p Peeked
	_, err := fsys.Stat(filepath.Join(g.SnapDir, string(CurrentEpoch)))
	p.Ensemble = err == nil
	s := &Store{
		fsys: vfs.NewShadow(fsys), snapDir: g.SnapDir, logDir: g.LogDir, past: g.Until,
		opt: Options{
			DataDir: filepath.Dir(g.SnapDir), LogDir: filepath.Dir(g.LogDir), NoAutoCreateDB: true, TrustEmpty: o.TrustEmpty,
			Digest: o.Digest, MaxRecord: o.MaxRecord, Tree: o.Tree, Ensemble: p.Ensemble, KeepEntries: 1,
		},
	}
	if g.Until != nil {
		p.Recovered, p.BelowFloor, err = s.recoverPast(onto)
		return p, err
	}
	if p.Recovered, err = s.Recover(onto); err == nil && p.Ensemble {
		p.Epochs, p.EpochsErr = s.ReadEpochs(p.LastZxid)
	}
	return p, err
}

// until is the highest zxid to replay.
func (s *Store) until() proto.Zxid {
	if s.past == nil {
		return math.MaxInt64
	}
	return *s.past
}

// recoverPast is Recover for a state that later ones have replaced. Below the
// floor, snapshots are believed in that a server would not start from.
func (s *Store) recoverPast(onto NewReplayer) (r *Recovered, belowFloor bool, err error) {
	s.dir.Lock()
	defer s.dir.Unlock()
	resumed, err := s.resume()
	if err != nil {
		return nil, false, err
	}
	until := s.until()
	if s.cont != nil && until < s.cont.floor {
		s.cont, belowFloor = nil, true
	}
	snaps, err := snap.List(s.fsys, s.snapDir)
	if err != nil {
		return nil, belowFloor, loadError(err, "Unable to load database on disk")
	}
	oldest := proto.Zxid(math.MaxInt64)
	for _, i := range snaps {
		oldest = min(oldest, i.Zxid)
	}
	snaps = slices.DeleteFunc(snaps, func(i snap.Info) bool { return i.Zxid > until })
	if !anyUsable(snaps) {
		if oldest == math.MaxInt64 {
			return nil, belowFloor, loadError(nil, "there is no snapshot in %s", s.snapDir)
		}
		return nil, belowFloor, loadError(nil, "the state as of %v cannot be had: no snapshot in %s that can be read is that old, the oldest is of %v",
			until, s.snapDir, oldest)
	}
	if r, err = s.recoverFrom(snaps, onto); err != nil {
		return nil, belowFloor, err
	}
	if i := r.Report.Snapshot; i.HasDigest && i.DigestZxid > r.LastZxid {
		return nil, belowFloor, loadError(reasons(r.Report.Skipped), "the state as of %v cannot be had: the snapshot %s was written while transactions "+
			"up to %v were applied and may contain any of them, and there is no older one to begin with; ask for %v or later",
			until, i.Path, i.DigestZxid, i.DigestZxid)
	}
	r.Report.Resumed, r.Report.Digest, r.Report.LastZxid = resumed, r.Tree.Digest(), r.LastZxid
	return r, belowFloor, nil
}

// Vanished tells whether an error of [Peek] may come from files that a running
// server removed meanwhile.
func Vanished(err error) bool { return errors.Is(err, fs.ErrNotExist) }
