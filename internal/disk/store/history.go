package store

import (
	"errors"
	"fmt"
	"slices"

	"quokka/internal/disk/txnlog"
	"quokka/internal/proto"
)

// ErrNotInLog says that the log does not have what was asked for, or that
// nobody can be sure that it has. Nothing was changed, and nothing was read. A
// snapshot is the answer.
var ErrNotInLog = txnlog.ErrNotInLog

// tail keeps the newest records of a replay in a ring.
type tail struct {
	ring []Entry
	keep int
	next int        // where the next one goes, once the ring is full
	base proto.Zxid // what the oldest kept record follows
}

func newTail(keep int, base proto.Zxid) tail {
	if keep <= 0 {
		keep = DefaultKeepEntries
	}
	return tail{keep: keep, base: base}
}

// add copies raw, into the memory of the record that falls out.
func (t *tail) add(txn *proto.Txn, raw []byte) {
	if len(t.ring) < t.keep {
		t.ring = append(t.ring, Entry{Txn: txn, Raw: slices.Clone(raw)})
		return
	}
	e := &t.ring[t.next]
	t.base = e.Txn.Zxid
	e.Txn, e.Raw = txn, append(e.Raw[:0], raw...)
	t.next = (t.next + 1) % t.keep
}

// entries are the kept records, oldest first.
func (t *tail) entries() []Entry {
	return slices.Concat(t.ring[t.next:], t.ring[:t.next])
}

// history finds the floor, and completes the newest records with those from
// before the snapshot. s.dir is held.
func (s *Store) history(r *Recovered) error {
	if r.LastZxid == NoData {
		r.Base, r.Floor = NoData, NoData
		s.floor.Store(int64(NoData))
		return nil
	}
	if err := s.settleFloor(r.Report.Snapshot.Zxid, r.LastZxid); err != nil {
		return err
	}
	r.Floor = s.Floor()
	keep := s.opt.KeepEntries
	if keep <= 0 {
		keep = DefaultKeepEntries
	}
	if !s.opt.Ensemble || len(r.Entries) >= keep || r.Base <= r.Floor {
		return nil
	}
	return s.backfill(r, uint32(keep-len(r.Entries)))
}

// backfill puts up to n records before r.Base in front, of the same epoch. If
// the log cannot be read there, they are not needed so much.
func (s *Store) backfill(r *Recovered, n uint32) error {
	from := proto.MakeZxid(r.Base.Epoch(), r.Base.Counter()-min(n, r.Base.Counter()))
	from = max(from, r.Floor)
	var older []Entry
	expected := from
	_, err := txnlog.Scan(s.fsys, s.logDir, int64(from+1), func(rec txnlog.Record) error {
		if expected++; rec.Zxid != int64(expected) {
			return txnlog.ErrStop
		}
		txn, err := proto.DecodeTxn(rec.Payload)
		if err != nil {
			return txnlog.ErrStop
		}
		older = append(older, Entry{Txn: txn, Raw: slices.Clone(rec.Payload)})
		if txn.Zxid == r.Base {
			return txnlog.ErrStop
		}
		return nil
	})
	if _, corrupt := errors.AsType[*txnlog.CorruptError](err); err != nil && !corrupt {
		return loadError(err, "Unable to load database on disk")
	}
	if k := len(older); k > 0 && older[k-1].Txn.Zxid == r.Base {
		r.Entries, r.Base = append(older, r.Entries...), from
	}
	return nil
}

// History visits the records of the log in (from, to] in order, each with its
// payload, which is valid only during the visit. It may run beside the writer
// of the log if everything up to the record to is durable. to may also be
// (e, 0), with which no record is: then all before the epoch e are meant.
//
// from must be [Store.Floor], or a record above it, or (e, 0) where the log has
// (e, 1): then whoever has from has everything before it. Otherwise the error
// is [ErrNotInLog] before any visit. An error of visit ends it and is returned.
func (s *Store) History(from, to proto.Zxid, visit func(z proto.Zxid, payload []byte) error) error {
	if to <= from {
		return nil
	}
	start, next, err := s.startOf(from)
	if err != nil {
		return fmt.Errorf("read transaction log after %v: %w", from, err)
	}
	last := from
	_, err = txnlog.Scan(s.fsys, s.logDir, int64(start), func(rec txnlog.Record) error {
		z := proto.Zxid(rec.Zxid)
		switch {
		case last == from && next != 0 && z != next:
			return ErrNotInLog
		case z > to:
			return txnlog.ErrStop
		case z > from:
			if err := visit(z, rec.Payload); err != nil {
				return err
			}
		}
		if next, last = 0, z; z == to {
			return txnlog.ErrStop
		}
		return nil
	})
	if last == from && txnlog.IsGap(err) {
		err = ErrNotInLog
	}
	if err == nil && last != to && to.Counter() != 0 {
		err = fmt.Errorf("the log goes on from %v to another record than %v", last, to)
	}
	if err != nil {
		return fmt.Errorf("read transaction log from %v to %v: %w", from, to, err)
	}
	return nil
}

// startOf tells where a scan for what follows from begins, and which record it
// must find first; 0 is any that may follow.
func (s *Store) startOf(from proto.Zxid) (start, next proto.Zxid, err error) {
	switch floor := s.Floor(); {
	case from < 0 || floor < 0 || from < floor:
		return 0, 0, ErrNotInLog
	case from == floor:
		return from + 1, 0, nil
	case from.Counter() == 0:
		return from + 1, from + 1, nil
	}
	return from, from, nil
}

// HistorySize tells how many bytes the log files have that [Store.History]
// would read for (from, ...], and how many the newest snapshot has, for the
// choice between the two (zookeeper.snapshotSizeFactor,
// FileTxnLog.getStorageSize; padding counts). ok is false if there is no such
// history. It may read a log file up to from.
func (s *Store) HistorySize(from proto.Zxid) (logBytes, snapBytes int64, ok bool) {
	start, next, err := s.startOf(from)
	if err != nil {
		return 0, 0, false
	}
	if next != 0 {
		if has, err := txnlog.Contains(s.fsys, s.logDir, int64(next)); err != nil || !has {
			return 0, 0, false
		}
	}
	files, err := txnlog.Files(s.fsys, s.logDir)
	if err != nil {
		return 0, 0, false
	}
	for i, f := range files {
		if i == len(files)-1 || files[i+1].Zxid > int64(start) {
			logBytes += f.Size
		}
	}
	snaps, err := s.Snapshots()
	if err != nil {
		return 0, 0, false
	}
	if kept := newestValid(snaps, 1); len(kept) > 0 {
		snapBytes = kept[0].Size
	}
	return logBytes, snapBytes, true
}

// Has tells whether the log has a record with this zxid. It reads one file up
// to there, beside the writer.
func (s *Store) Has(z proto.Zxid) bool {
	ok, err := s.has(z)
	return ok && err == nil
}
