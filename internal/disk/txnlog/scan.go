package txnlog

import (
	"errors"
	"fmt"
	"math"

	"quokka/internal/disk/vfs"
)

const (
	// maxUnsynced is how many records Java appends at most between two syncs
	// (zookeeper.maxBatchSize).
	maxUnsynced = 1000
	// maxUnsyncedMS is far longer than Java appends without a sync: it syncs
	// as soon as no request waits.
	maxUnsyncedMS = 60_000
)

// ErrStop may be returned by the visit function of [Scan] to end it early
// without an error.
var ErrStop = errors.New("stop scan")

// Tail is the end of the log that was never synced, as [Scan] found it. The
// zero value says that there is none.
type Tail struct {
	File       string   // path of the file to cut; "" if there is no tail
	Offset     int64    // where the valid records end
	BadBytes   int64    // from Offset to the last byte that is not zero
	Reason     string   // for people
	LaterFiles []string // paths of files after File, none of them acknowledged
}

// WholeFile says that the tail is all of File: there is no record in it.
func (t Tail) WholeFile() bool { return t.File != "" && t.Offset <= headerSize }

// CorruptError says that the log has lost, or may have lost, records that were
// acknowledged. A server must not start on it.
type CorruptError struct {
	File   string
	Offset int64
	Reason string
	Hint   string // what to do
	Gap    bool   // records are absent; those that exist are not damaged
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("transaction log %s is corrupt at offset %d: %s; %s", e.File, e.Offset, e.Reason, e.Hint)
}

const hintRestore = "if the other servers of the ensemble are well, move this server's version-2 directories away " +
	"(not myid) and let it copy the data from the leader; otherwise restore a backup"

func (r *reader) corrupt(offset int64, reason string) error {
	return &CorruptError{File: r.path, Offset: offset, Reason: reason, Hint: hintRestore}
}

// scan is one walk over the log.
type scan struct {
	fsys  vfs.FS
	files []FileInfo
	visit func(Record) error

	strict bool  // check the order of zxids
	prev   int64 // the next record must follow this one
	seen   int64 // highest zxid read so far, visited or not

	// behind is the end of the last file, or of an earlier one if that is
	// damaged and no newer record has excused it yet.
	behind *fileEnd
	// blank is the end of the first of the last files that have no record at
	// all, nil if the newest has one.
	blank *fileEnd
}

// fileEnd is where the records of a file stop.
type fileEnd struct {
	index  int // in scan.files
	offset int64
	dirty  int64   // bytes from offset to the last that is not zero; newest file only
	bad    *damage // nil if the file ends in padding or at a record border
}

// Scan visits all records with a zxid of from or higher in order, each zxid
// once. It begins with the file of the greatest name not above from and checks
// every record it passes, as told in the package comment.
//
// With from > 0 the records must follow one another without a gap from from
// on: from-1 is what the caller's snapshot covers. With from <= 0 everything
// there is is visited, in file order, whatever the zxids are: for tools.
//
// The error is a [*CorruptError] for damage, or what the file system or visit
// returned. Scan changes nothing: before a server relies on what it has read
// it must call [Repair], also if there is no tail.
func Scan(fsys vfs.FS, dir string, from int64, visit func(Record) error) (Tail, error) {
	files, err := Files(fsys, dir)
	if err != nil || len(files) == 0 {
		return Tail{}, err
	}
	if files, err = startingAt(fsys, files, from); err != nil {
		return Tail{}, err
	}
	s := &scan{fsys: fsys, files: files, visit: visit}
	s.strict, s.prev, s.seen = from > 0, from-1, math.MinInt64
	for i := range s.files {
		tail, err := s.scanFile(i)
		if errors.Is(err, ErrStop) {
			return Tail{}, nil
		}
		if err != nil || tail.File != "" {
			return tail, err
		}
	}
	return s.finish()
}

// scanFile visits the records of one file. A tail that it returns begins
// before this file.
func (s *scan) scanFile(index int) (Tail, error) {
	r, err := openReader(s.fsys, s.files[index].Path)
	if err != nil {
		return Tail{}, err
	}
	defer r.close()
	fresh := false // a record of this file was visited
	highest := int64(math.MinInt64)
	for {
		rec, ok, err := r.record()
		if err != nil {
			return Tail{}, err
		}
		if !ok {
			break
		}
		highest = max(highest, rec.Zxid)
		if s.strict && rec.Zxid <= s.prev {
			s.seen = max(s.seen, rec.Zxid)
			continue
		}
		if tail, err := s.admit(index, rec, fresh); err != nil || tail.File != "" {
			return tail, err
		}
		fresh, s.prev, s.seen = true, rec.Zxid, rec.Zxid
		if err := s.visit(rec); err != nil {
			return Tail{}, err
		}
	}
	return Tail{}, s.endFile(index, r, highest, fresh)
}

// endFile remembers how a file ended.
func (s *scan) endFile(index int, r *reader, highest int64, fresh bool) error {
	end := &fileEnd{index: index, offset: r.offset}
	if r.ended != endClean {
		bad, err := inspect(r, highest)
		if err != nil {
			return err
		}
		if bad.fatal() {
			return r.corrupt(r.offset, fmt.Sprintf("%s, but a valid record follows at offset %d", bad.reason, bad.later))
		}
		end.bad, end.dirty = &bad, bad.end-r.offset
	} else if index == len(s.files)-1 {
		last, err := lastNonzero(r.file, r.offset, r.size)
		if err != nil {
			return r.wrap(err)
		}
		end.dirty = max(0, last+1-r.offset)
	}
	if fresh || s.behind == nil || s.behind.bad == nil {
		s.behind = end
	}
	if highest != math.MinInt64 {
		s.blank = nil
	} else if s.blank == nil {
		s.blank = end
	}
	return nil
}

// admit decides whether a record may come next. The first new record of a file
// also decides what the end of the file before it was.
func (s *scan) admit(index int, rec Record, fresh bool) (Tail, error) {
	good := !s.strict || Follows(s.prev, rec.Zxid)
	switch b := s.behind; {
	case (fresh || b == nil || b.bad == nil) && good:
		return Tail{}, nil
	case fresh || b == nil:
		return Tail{}, s.gap(rec)
	case b.bad == nil:
		return s.hole(index, rec)
	case s.strict && rec.Zxid == s.prev+1:
		return Tail{}, nil // nothing is missing, whatever the bytes were
	case !b.bad.torn:
		return Tail{}, s.damaged()
	case good:
		return Tail{}, nil
	}
	return s.hole(index, rec)
}

func (s *scan) damaged() error {
	b := s.behind
	return &CorruptError{
		File: s.files[b.index].Path, Offset: b.offset, Hint: hintRestore,
		Reason: b.bad.reason + ", but this is not the newest file and the next does not repeat the record",
	}
}

func (s *scan) gap(rec Record) error {
	return &CorruptError{
		File: rec.File, Offset: rec.Offset, Gap: true, Hint: hintRestore,
		Reason: fmt.Sprintf("record 0x%x does not follow 0x%x: txns in between are missing", rec.Zxid, s.prev),
	}
}

// hole decides about a gap between two files: a power loss before the older
// one was synced, or the loss of a file.
func (s *scan) hole(index int, rec Record) (Tail, error) {
	missing := rec.Zxid - s.prev - 1
	if rec.Zxid>>32 != s.prev>>32 {
		missing = rec.Zxid&counterMask - 1
	}
	if s.seen != s.prev || missing > maxUnsynced {
		return Tail{}, s.gap(rec) // or only the caller's snapshot reaches up to the hole
	}
	few, err := s.oneBatch(index, maxUnsynced-missing)
	if err != nil {
		return Tail{}, err
	}
	if !few {
		return Tail{}, s.gap(rec)
	}
	return s.tailAt(s.behind, fmt.Sprintf("txns between 0x%x and 0x%x were never synced", s.prev, rec.Zxid)), nil
}

// oneBatch says whether the records from a file on can all be of one batch that
// was never synced: they are limit at most, and were made within a short time.
func (s *scan) oneBatch(index int, limit int64) (bool, error) {
	count, first, last := int64(0), int64(0), int64(0)
	for _, f := range s.files[index:] {
		r, err := openReader(s.fsys, f.Path)
		if err != nil {
			return false, err
		}
		for count <= limit && last-first <= maxUnsyncedMS {
			rec, ok, err := r.record()
			if err != nil {
				r.close()
				return false, err
			}
			if !ok {
				break
			}
			last = payloadTime(rec.Payload)
			if count++; count == 1 {
				first = last
			}
		}
		r.close()
	}
	return count <= limit && last-first <= maxUnsyncedMS, nil
}

// finish judges the end of the log.
func (s *scan) finish() (Tail, error) {
	b := s.behind
	if b.bad != nil && b.index < len(s.files)-1 && !b.bad.torn {
		return Tail{}, s.damaged()
	}
	if s.blank != nil && s.blank.index < b.index || b.bad == nil && s.blank != nil {
		b = s.blank
	}
	switch {
	case b.bad != nil:
		return s.tailAt(b, b.bad.reason), nil
	case b.dirty > 0:
		return s.tailAt(b, "data behind the padding that ends the file"), nil
	case s.blank != nil:
		return s.tailAt(b, "no record was written to it"), nil
	}
	return Tail{}, nil
}

func (s *scan) tailAt(end *fileEnd, reason string) Tail {
	tail := Tail{File: s.files[end.index].Path, Offset: end.offset, BadBytes: end.dirty, Reason: reason}
	for _, f := range s.files[end.index+1:] {
		tail.LaterFiles = append(tail.LaterFiles, f.Path)
	}
	return tail
}
