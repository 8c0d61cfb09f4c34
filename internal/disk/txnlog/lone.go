package txnlog

import (
	"encoding/binary"
	"fmt"
	"math"

	"quokka/internal/disk/vfs"
)

// A Lone reads one log file by itself, whatever its name is, for tools. It
// knows nothing of the files before and after it, so it cannot tell a gap, and
// of bad bytes it says only what they look like; [Scan] decides about a log.
type Lone struct {
	reader  *reader
	highest int64 // zxid read so far
	dbID    int64
}

// A State is how a run of records ends.
type State string

// The states.
const (
	Whole   State = "whole"   // in padding, or at the end of the file
	Torn    State = "torn"    // in a record that was not, or not wholly, written
	Damaged State = "damaged" // in bytes that were written and are not right any more
)

// An End is where a run of records stops.
type End struct {
	State    State
	Offset   int64  // one past the last record
	BadBytes int64  // from Offset to the last byte that is not zero, or to Next
	Next     int64  // offset of the next record that is whole; -1 if there is none
	Reason   string // unless the state is Whole
}

// OpenLone opens a log file. A file that is none, or is in another version of
// the format, is a [*CorruptError].
func OpenLone(fsys vfs.FS, path string) (*Lone, error) {
	r, err := openReader(fsys, path)
	if err != nil {
		return nil, err
	}
	l := &Lone{reader: r, highest: math.MinInt64}
	if r.ended == running {
		var b [8]byte
		if err := readFull(r.file, b[:], headerSize-8); err != nil {
			r.close()
			return nil, r.wrap(err)
		}
		l.dbID = int64(binary.BigEndian.Uint64(b[:]))
	}
	return l, nil
}

// Close closes the file.
func (l *Lone) Close() { l.reader.close() }

// DatabaseID is the number in the header of the file, 0 in all that are known.
func (l *Lone) DatabaseID() int64 { return l.dbID }

// Size is the length of the file in bytes when it was opened, with padding.
func (l *Lone) Size() int64 { return l.reader.size }

// Next returns the next record, valid until the next call, or false where the
// run of records ends.
func (l *Lone) Next() (Record, bool, error) {
	rec, ok, err := l.reader.record()
	if ok {
		l.highest = max(l.highest, rec.Zxid)
	}
	return rec, ok, err
}

// End tells why there is no next record. It reads on to find the one after.
func (l *Lone) End() (End, error) {
	r := l.reader
	if r.ended == running {
		return End{}, fmt.Errorf("transaction log %s: asked for the end at offset %d, where a record is", r.path, r.offset)
	}
	end := End{State: Whole, Offset: r.offset, Next: -1}
	if r.ended == endClean {
		last, err := lastNonzero(r.file, r.offset, r.size)
		if err != nil || last < 0 {
			return end, r.wrap(err)
		}
		end.State, end.BadBytes, end.Reason = Torn, last+1-r.offset, "data behind the padding that ends the file"
		end.Next, err = findValid(r.file, r.offset+1, last+1, l.highest)
		return end.upToNext(), r.wrap(err)
	}
	bad, err := inspect(r, l.highest)
	if err != nil {
		return end, err
	}
	end.State, end.BadBytes, end.Next, end.Reason = Damaged, bad.end-r.offset, bad.later, bad.reason
	if bad.torn {
		end.State = Torn
	}
	return end.upToNext(), nil
}

func (e End) upToNext() End {
	if e.Next >= 0 {
		e.BadBytes = e.Next - e.Offset
	}
	return e
}

// Resume goes on with the record that End found behind the bad bytes.
func (l *Lone) Resume(e End) {
	if e.Next >= 0 {
		l.reader.offset, l.reader.next, l.reader.have, l.reader.ended = e.Next, e.Next, nil, running
	}
}

// Offset is where in the file the record after the last one begins, or bytes
// that are none.
func (l *Lone) Offset() int64 { return l.reader.offset }
