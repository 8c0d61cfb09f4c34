package store

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strconv"

	"quokka/internal/disk/vfs"
	"quokka/internal/proto"
)

// An EpochFile is one of the two files that hold an epoch.
type EpochFile string

// The epoch files, in the directory of the snapshots. Java writes a decimal
// number without a newline (QuorumPeer.writeLongToFile).
const (
	CurrentEpoch  EpochFile = "currentEpoch"
	AcceptedEpoch EpochFile = "acceptedEpoch"
)

// Epochs are the promises of an ensemble member. A standalone server has none.
type Epochs struct {
	Current  proto.Epoch // of the leader whose history was adopted
	Accepted proto.Epoch // of the leader that was promised to be followed
	Missing  bool        // a file was missing: the number is derived, and has to be written
	FromTemp bool        // Current is from currentEpoch.tmp, and has to be written
	FromLog  bool        // Current is that of the last zxid, and has to be written
}

// StoreEpoch writes an epoch file durably. After an error, and after a crash
// before it returns, the file holds the old number or the new one.
func (s *Store) StoreEpoch(file EpochFile, e proto.Epoch) error {
	path := filepath.Join(s.snapDir, string(file))
	if err := vfs.WriteFileAtomic(s.fsys, path, strconv.AppendInt(nil, int64(e), 10)); err != nil {
		return dirError(err, "Unable to store epoch %d in %s", int64(e), path)
	}
	return nil
}

// LoadEpochs is [Store.ReadEpochs], and writes what the files lack.
func (s *Store) LoadEpochs(last proto.Zxid) (Epochs, error) {
	e, err := s.ReadEpochs(last)
	if err != nil {
		return e, err
	}
	if e.FromTemp {
		if err := s.finishEpoch(); err != nil {
			return e, err
		}
	}
	if e.FromLog || e.Missing {
		if err := s.StoreEpoch(CurrentEpoch, e.Current); err != nil {
			return e, err
		}
	}
	if e.Missing {
		return e, s.StoreEpoch(AcceptedEpoch, e.Accepted)
	}
	return e, nil
}

// finishEpoch gives currentEpoch.tmp its name. Writing it anew would empty it
// first, and a crash then would leave neither number.
func (s *Store) finishEpoch() error {
	path := filepath.Join(s.snapDir, string(CurrentEpoch))
	err := s.syncFile(path + vfs.TempSuffix)
	if err == nil {
		err = s.fsys.Rename(path+vfs.TempSuffix, path)
	}
	if err == nil {
		err = s.fsys.SyncDir(s.snapDir)
	}
	if err != nil {
		return dirError(err, "Unable to restore %s", path)
	}
	return nil
}

// ReadEpochs reads the epoch files and refuses what contradicts the last zxid
// (QuorumPeer.loadDataBase). It writes nothing.
//
// The current epoch is written after the records of the history that was
// adopted, so a crash can leave a log that is ahead of it. Java refuses that
// log unless currentEpoch.tmp is there. But a record (e, c) comes after all
// that the leader of e began with, so who has it has adopted that history; it
// is enough that e was accepted.
func (s *Store) ReadEpochs(last proto.Zxid) (Epochs, error) {
	var e Epochs
	var err error
	if e.Current, err = s.readEpoch(CurrentEpoch, last, &e); err != nil {
		return e, err
	}
	if e.Accepted, err = s.readEpoch(AcceptedEpoch, last, &e); err != nil {
		return e, err
	}
	if last.Epoch() > e.Current {
		if err := s.catchUp(last, &e); err != nil {
			return e, err
		}
	}
	if e.Accepted < e.Current {
		return e, loadError(nil, "The accepted epoch, %x is less than the current epoch, %x; see the files %s and %s in %s",
			e.Accepted, e.Current, AcceptedEpoch, CurrentEpoch, s.snapDir)
	}
	return e, nil
}

// catchUp finds the current epoch when the file has an older one than the last
// zxid. Java takes the temporary file without a comparison; here it counts
// only if it explains the zxid: it may be torn, or of an older attempt.
func (s *Store) catchUp(last proto.Zxid, e *Epochs) error {
	path := filepath.Join(s.snapDir, string(CurrentEpoch))
	n, err := readNumber(s.fsys, path+vfs.TempSuffix, 0)
	switch {
	case err == nil && proto.Epoch(n) >= last.Epoch() && proto.Epoch(n) <= e.Accepted:
		e.Current, e.FromTemp = proto.Epoch(n), true
	case e.Accepted >= last.Epoch():
		e.Current, e.FromLog = last.Epoch(), true
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return loadError(err, "Unable to load database on disk")
	default:
		return loadError(nil, "The current epoch, %x, is older than the last zxid, %d; the file %s does not belong to this data",
			e.Current, int64(last), path)
	}
	return nil
}

// readEpoch derives the number of a missing file. Java writes -1 into it when
// there is no data either (zookeeper.db.autocreate=false); that is no epoch.
func (s *Store) readEpoch(file EpochFile, last proto.Zxid, e *Epochs) (proto.Epoch, error) {
	n, err := readNumber(s.fsys, filepath.Join(s.snapDir, string(file)), -1)
	if errors.Is(err, fs.ErrNotExist) {
		e.Missing = true
		return max(0, last.Epoch()), nil
	}
	if err != nil {
		return 0, loadError(err, "Unable to load database on disk")
	}
	return proto.Epoch(max(0, n)), nil
}
