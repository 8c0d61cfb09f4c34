package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"quokka/internal/core/session"
	"quokka/internal/core/tree"
	"quokka/internal/disk/snap"
	"quokka/internal/disk/txnlog"
	"quokka/internal/proto"
)

const initializeName = "initialize"

// NoData is the last zxid of a server that may have lost its data: it must not
// vote before it has got some (zookeeper.db.autocreate=false).
const NoData proto.Zxid = -1

// Replayer applies transactions from the log to the tree and sessions it was
// made for.
type Replayer interface {
	// Replay applies one. digestOK is false if the transaction carries the
	// digest of the tree after it and the tree has another one. The error is
	// the proto.Code of an effect that was not possible, such as NoNode; the
	// rest of the transaction is applied. That a request was refused when it
	// was made (an error txn) is no error.
	Replay(*proto.Txn) (digestOK bool, err error)
}

// NewReplayer makes a Replayer for a tree and sessions as of a zxid.
// [Store.Recover] calls it once for each snapshot that it tries.
type NewReplayer func(*tree.Tree, *session.Table, proto.Zxid) Replayer

// Recovered is the state of a server as its directory has it. Replayer is the
// one that was made for Tree and Sessions.
type Recovered struct {
	Tree     *tree.Tree
	Sessions *session.Table
	Replayer Replayer
	LastZxid proto.Zxid // the highest one, refused requests included; or NoData

	// Entries are the newest records of the log up to LastZxid, without a hole;
	// the first is the successor of Base. Without any, Base is LastZxid.
	Entries []Entry
	Base    proto.Zxid
	Floor   proto.Zxid // see Store.Floor

	Report Report
}

// An Entry is a transaction as the log has it. Raw belongs to the Entry.
type Entry struct {
	Txn *proto.Txn
	Raw []byte
}

// Recover finishes a truncation or installation that was decided, loads the
// newest good snapshot, replays the log on it, repairs what a crash left, and
// makes durable what it read. In an empty directory it writes snapshot.0. Its
// error is an [*Error]; nothing was changed then, except that a snapshot could
// not be written. There must be no writer on the log yet. It may be called
// again after [Store.Truncate] or [Store.Install].
func (s *Store) Recover(onto NewReplayer) (*Recovered, error) {
	start := time.Now()
	s.dir.Lock()
	defer s.dir.Unlock()
	resumed, err := s.resume()
	if err != nil {
		return nil, err
	}
	snaps, err := snap.List(s.fsys, s.snapDir)
	if err != nil {
		return nil, loadError(err, "Unable to load database on disk")
	}
	var r *Recovered
	if anyUsable(snaps) {
		r, err = s.recoverFrom(snaps, onto)
	} else {
		r, err = s.recoverEmpty(snaps, onto)
	}
	if err != nil {
		return nil, err
	}
	if err := s.history(r); err != nil {
		return nil, err
	}
	r.Report.Resumed = resumed
	r.Report.Total = time.Since(start)
	r.Report.Digest = r.Tree.Digest()
	r.Report.LastZxid = r.LastZxid
	return r, nil
}

func anyUsable(snaps []snap.Info) bool {
	for _, i := range snaps {
		if i.Valid {
			return true
		}
	}
	return false
}

// recoverFrom tries the snapshots, newest first.
func (s *Store) recoverFrom(snaps []snap.Info, onto NewReplayer) (*Recovered, error) {
	var skipped []Skipped
	var second *attempt // replays, but does not reach the digest of its snapshot
	for _, i := range snaps {
		if s.cont != nil && i.Zxid < s.cont.floor {
			if second != nil {
				break
			}
			return nil, loadError(reasons(skipped), "snapshot %s is older than %v, and the log in between is not complete; %s",
				i.Path, s.cont.floor, hintRestore)
		}
		a, err := s.try(i, skipped, onto)
		var corrupt *snap.CorruptError
		if errors.Is(err, snap.ErrVersion) {
			return nil, loadError(err, "Unable to load database on disk")
		}
		if errors.As(err, &corrupt) {
			skipped = append(skipped, Skipped{Snapshot: i, Err: err})
			continue
		}
		if err == nil {
			err = s.bridged(a, skipped)
		}
		if err != nil && second != nil {
			break // its log may have been purged; the newer one is good but for the warning
		}
		if err != nil {
			return nil, err
		}
		a.Report.Skipped = skipped
		if !a.uncovered() {
			return s.settle(a)
		}
		if second == nil {
			second = a
		}
		skipped = append(skipped, Skipped{Snapshot: i, Err: a.notCovered()})
	}
	if second != nil {
		return s.settle(second)
	}
	return nil, loadError(reasons(skipped), "Not able to find valid snapshots in %s; %s", s.snapDir, hintRestore)
}

const hintRestore = "if the other servers of the ensemble are well, move this server's version-2 directories away (not myid) " +
	"and let it copy the data from the leader; otherwise restore a backup"

// bridged refuses to go on from an older snapshot if the log does not lead up to
// the newer ones: what they held would be lost. That a later record follows is
// not enough. A leader may have sent the snapshot, and then the records that it
// stands for are in no log.
//
// The zxid of a new leader's snapshot, with counter 0, is in no log either way.
// A member of an ensemble believes only in those that it knows.
func (s *Store) bridged(a *attempt, skipped []Skipped) error {
	for _, k := range skipped {
		z := k.Snapshot.Zxid
		if z.Counter() == 0 && (z == 0 || !s.opt.Ensemble || s.knows(z)) {
			continue
		}
		if z > a.last || a.unseen[z] {
			reaches := "reaches only to"
			if z <= a.last {
				reaches = "does not lead up to it but goes on to"
			}
			return loadError(k.Err, "snapshot %s cannot be read, and with the older %s the log %s %v; "+
				"if the other servers of the ensemble are well, or what is missing may be lost, move %s away",
				k.Snapshot.Path, filepath.Base(a.info.Path), reaches, a.last, k.Snapshot.Path)
		}
	}
	return nil
}

// reasons tells why the newest ones were skipped, and how many more.
func reasons(skipped []Skipped) error {
	const told = 3
	var errs []error
	for _, k := range skipped[:min(told, len(skipped))] {
		errs = append(errs, k.Err)
	}
	if more := len(skipped) - told; more > 0 {
		errs = append(errs, fmt.Errorf("and %d older ones", more))
	}
	return errors.Join(errs...)
}

// settle makes the result durable: only now is the log cut.
func (s *Store) settle(a *attempt) (*Recovered, error) {
	if err := txnlog.Repair(s.fsys, s.logDir, a.Report.Tail); err != nil {
		return nil, loadError(err, "Unable to repair the transaction log")
	}
	if a.info.Path != "" {
		if err := s.syncSnapshots([]snap.Info{a.info}); err != nil {
			return nil, loadError(err, "Unable to make the snapshot durable")
		}
	}
	a.Report.Snapshot = a.info
	a.LastZxid = a.last
	a.Entries, a.Base = a.tail.entries(), a.tail.base
	if _, err := s.takeMark(); err != nil {
		return nil, err
	}
	return &a.Recovered, nil
}

// recoverEmpty starts without a snapshot: on an empty database, or on logs
// alone if that is allowed.
func (s *Store) recoverEmpty(snaps []snap.Info, onto NewReplayer) (*Recovered, error) {
	a := s.begin(tree.New(s.opt.Tree), session.NewTable(), snap.Info{}, onto)
	a.lenient = true
	s.cont = nil // whatever it says, it is not about this data
	logged, tail, err := s.hasTxns()
	if err != nil {
		return nil, err
	}
	for _, i := range snaps {
		a.Report.Skipped = append(a.Report.Skipped, Skipped{Snapshot: i, Err: errors.New(i.Problem)})
		if i.Zxid > 0 && !s.opt.TrustEmpty {
			return nil, loadError(nil, "Not able to find valid snapshots in %s: the newest, %s, is broken: %s; %s",
				s.snapDir, i.Path, i.Problem, hintRestore)
		}
	}
	switch {
	case logged && !s.opt.TrustEmpty:
		return nil, loadError(nil, "No snapshot found, but there are log entries. Something is broken! "+
			"If this is an upgrade from before 3.5.3 and %s holds all transactions from the first on, "+
			"start once with zookeeper.snapshot.trust.empty=true; otherwise restore the snapshots", s.logDir)
	case logged:
		a.Report.TrustedEmpty = true
		if err := s.replayInto(a, 0); err != nil {
			return nil, err
		}
	default:
		a.Report.Tail = tail
		return s.startEmpty(a)
	}
	return s.saveFirst(a)
}

// hasTxns tells whether the log has any record, and if not what else is in it.
func (s *Store) hasTxns() (bool, txnlog.Tail, error) {
	found := false
	tail, err := txnlog.Scan(s.fsys, s.logDir, 0, func(txnlog.Record) error {
		found = true
		return txnlog.ErrStop
	})
	if err != nil {
		return false, tail, loadError(err, "Unable to load database on disk")
	}
	return found, tail, nil
}

// startEmpty decides whether an empty database is what is meant.
func (s *Store) startEmpty(a *attempt) (*Recovered, error) {
	marked, err := s.marked()
	if err != nil {
		return nil, err
	}
	if s.opt.NoAutoCreateDB && !marked {
		a.LastZxid, a.Report.NoData = NoData, true
		return &a.Recovered, nil
	}
	a.Report.Fresh, a.Report.Marked = true, marked
	return s.saveFirst(a)
}

// saveFirst writes the snapshot that the directory lacks. A tail of the log is
// cut after it: a crash in between leaves the same tail behind the snapshot.
func (s *Store) saveFirst(a *attempt) (*Recovered, error) {
	view := a.Tree.View()
	defer view.Close()
	info, err := s.save(s.fsys, snap.Picture{Zxid: a.last, Sessions: a.Sessions.Snapshot(), View: view}, nil)
	if err != nil {
		return nil, err
	}
	a.info = info
	return s.settle(a)
}

// markPaths are where the file initialize may be: zkServer-initialize.sh puts
// it into dataDir, FileTxnSnapLog.restore looks for it in dataLogDir.
func (s *Store) markPaths() []string {
	paths := []string{filepath.Join(s.opt.DataDir, initializeName)}
	if s.opt.LogDir != s.opt.DataDir {
		paths = append(paths, filepath.Join(s.opt.LogDir, initializeName))
	}
	return paths
}

func (s *Store) marked() (bool, error) {
	for _, path := range s.markPaths() {
		_, err := s.fsys.Stat(path)
		if err == nil {
			return true, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return false, dirError(err, "Unable to access %s", path)
		}
	}
	return false, nil
}

// takeMark removes the mark: it is good for one start. Java removes it before
// the empty snapshot is written.
func (s *Store) takeMark() (bool, error) {
	taken := false
	for _, path := range s.markPaths() {
		err := s.fsys.Remove(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = s.fsys.SyncDir(filepath.Dir(path))
		}
		if err != nil {
			return taken, dirError(fmt.Errorf("remove %s: %w", path, err), "Cannot write to data directory")
		}
		taken = true
	}
	return taken, nil
}
