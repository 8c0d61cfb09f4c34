package store

import (
	"errors"
	"fmt"
	"math"
	"time"

	"quokka/internal/core/session"
	"quokka/internal/core/tree"
	"quokka/internal/disk/snap"
	"quokka/internal/disk/txnlog"
	"quokka/internal/proto"
)

// attempt is recovery from one snapshot. It is thrown away if it fails.
type attempt struct {
	Recovered
	info snap.Info
	last proto.Zxid // of the last transaction in the tree
	tail tail       // the newest records replayed

	// unseen are the newer snapshots that were passed over and whose records
	// were not replayed yet.
	unseen map[proto.Zxid]bool

	// fuzzyUntil is the zxid up to which effects of later transactions may be
	// in the snapshot already.
	fuzzyUntil proto.Zxid
	lenient    bool       // nobody knows how far the snapshot is fuzzy
	until      proto.Zxid // replay nothing above it
	digests    bool       // digests are wanted
	digesting  bool       // and compared, now that the fuzzy part is over
}

// try loads a snapshot and replays the log on it. A [*snap.CorruptError] means
// that an older snapshot may be tried.
func (s *Store) try(i snap.Info, skipped []Skipped, onto NewReplayer) (*attempt, error) {
	if !i.Valid {
		return nil, &snap.CorruptError{Path: i.Path, Offset: max(0, i.Size-5), Reason: i.Problem}
	}
	start := time.Now()
	tr, ss, info, err := snap.Load(s.fsys, i.Path, snap.Options{Tree: s.opt.Tree, MaxRecord: s.opt.MaxRecord})
	var corrupt *snap.CorruptError
	if errors.As(err, &corrupt) {
		return nil, err
	}
	if err != nil {
		return nil, loadError(err, "Unable to load database on disk")
	}
	a := s.begin(tr, ss, info, onto)
	a.Report.LoadTime = time.Since(start)
	for _, k := range skipped {
		a.unseen[k.Snapshot.Zxid] = true
	}
	a.judge()
	return a, s.replayInto(a, int64(a.last)+1)
}

func (s *Store) begin(tr *tree.Tree, ss *session.Table, info snap.Info, onto NewReplayer) *attempt {
	return &attempt{
		Recovered: Recovered{Tree: tr, Sessions: ss, Replayer: onto(tr, ss, info.Zxid)},
		info:      info,
		last:      info.Zxid,
		tail:      newTail(s.opt.KeepEntries, info.Zxid),
		unseen:    map[proto.Zxid]bool{},
		until:     s.until(),
		digests:   s.opt.Digest,
		digesting: s.opt.Digest,
	}
}

// judge works out how far the snapshot is fuzzy, from its digest section
// (DataTree.deserializeZxidDigest). A digest from before the zxid of the file
// belongs to a new leader's snapshot, which is not fuzzy. Without a section,
// or with an empty one, it cannot be known.
func (a *attempt) judge() {
	i := &a.info
	switch {
	case !i.HasDigest:
		a.lenient = true
	case i.DigestZxid > i.Zxid:
		a.fuzzyUntil, a.digesting = i.DigestZxid, false
	case i.DigestZxid == i.Zxid:
		a.compareWithSnapshot()
	}
}

// compareWithSnapshot compares the tree with the digest section, whose zxid
// was reached.
func (a *attempt) compareWithSnapshot() {
	if a.digests && a.info.DigestVersion == proto.DigestVersion && a.Tree.Digest() != a.info.Digest {
		a.mismatch(a.info.DigestZxid)
	}
}

func (a *attempt) mismatch(zxid proto.Zxid) {
	if a.Report.DigestMismatches == 0 {
		a.Report.FirstMismatch = zxid
	}
	a.Report.DigestMismatches++
}

// replayInto replays the log from a zxid on; 0 replays all there is, whatever
// the zxids are.
func (s *Store) replayInto(a *attempt, from int64) error {
	start := time.Now()
	if from < 0 || from == math.MinInt64 {
		return loadError(nil, "snapshot %s has the highest zxid there can be", a.info.Path)
	}
	if a.last >= a.until {
		return nil // what is behind may be as broken as it likes
	}
	tail, err := txnlog.Scan(s.fsys, s.logDir, from, a.record)
	var own *Error
	if errors.As(err, &own) {
		return err
	}
	if err != nil {
		return loadError(err, "Unable to load database on disk")
	}
	a.Report.Tail = tail
	a.Report.ReplayTime = time.Since(start)
	a.Tree.RecountQuotas()
	return nil
}

// record replays one record of the log.
func (a *attempt) record(rec txnlog.Record) error {
	if rec.Zxid <= int64(a.last) {
		return nil // logged twice; only when all of a log is read
	}
	if rec.Zxid > int64(a.until) {
		return txnlog.ErrStop
	}
	txn, err := proto.DecodeTxn(rec.Payload)
	if err != nil {
		return loadError(err, "transaction log %s cannot be understood at offset %d; "+
			"use the software that wrote it, or restore a backup", rec.File, rec.Offset)
	}
	digestOK, err := a.Replayer.Replay(txn)
	if err != nil {
		if err := a.failed(rec, txn, err); err != nil {
			return err
		}
	}
	a.last = txn.Zxid
	a.tail.add(txn, rec.Payload)
	if len(a.unseen) > 0 {
		delete(a.unseen, txn.Zxid)
	}
	a.Report.Txns++
	switch {
	case a.digesting && !digestOK:
		a.mismatch(txn.Zxid)
	case a.fuzzyUntil != 0 && txn.Zxid >= a.fuzzyUntil:
		if txn.Zxid == a.fuzzyUntil {
			a.compareWithSnapshot()
		}
		a.fuzzyUntil, a.digesting = 0, a.digests
	}
	if a.last >= a.until {
		return txnlog.ErrStop
	}
	return nil
}

// failed decides about an effect that was not possible. In the fuzzy part the
// snapshot has it already; after that the data does not belong together.
func (a *attempt) failed(rec txnlog.Record, txn *proto.Txn, err error) error {
	a.Report.Tolerated++
	if a.lenient || txn.Zxid <= a.fuzzyUntil || !errors.Is(err, proto.NoNode) {
		return nil
	}
	return loadError(err, "Failed to process transaction type: %d error: zxid %v in %s at offset %d does not fit %s; "+
		"move this server's version-2 directories away (not myid) and let it copy the data from the leader, or restore a backup",
		int32(txn.Op), txn.Zxid, rec.File, rec.Offset, a.info.Path)
}

// uncovered tells whether the log ends in the fuzzy part of the snapshot: then
// the tree may have effects of transactions that are lost.
func (a *attempt) uncovered() bool { return a.fuzzyUntil > a.last }

func (a *attempt) notCovered() error {
	return fmt.Errorf("the log ends at %v, before %v, up to which the snapshot may contain effects", a.last, a.info.DigestZxid)
}
