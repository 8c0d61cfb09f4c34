package offline

import (
	"errors"
	"fmt"
	"math"

	"quokka/internal/disk/txnlog"
	"quokka/internal/disk/vfs"
	"quokka/internal/proto"
	"quokka/internal/render"
)

// A LogReport is what one log file holds.
type LogReport struct {
	File      string      `json:"file"`
	Size      int64       `json:"size"` // bytes, with padding
	Used      int64       `json:"used"` // bytes up to the end of the last record
	Records   int         `json:"records"`
	First     render.Hex  `json:"first"` // zxids, 0 without records
	Last      render.Hex  `json:"last"`
	FirstTime render.Time `json:"firstTime"`
	LastTime  render.Time `json:"lastTime"`
	Epochs    int         `json:"epochs"`
	Repeated  int         `json:"repeated"` // records with a zxid that was there before
	Opaque    int         `json:"opaque"`   // records that cannot be decoded
	Gaps      []Gap       `json:"gaps,omitempty"`
	State     string      `json:"state"` // whole, torn, damaged, or unreadable
	Places    []Place     `json:"places,omitempty"`
}

// A Gap is two records of a log between which others must have been.
type Gap struct {
	After  render.Hex `json:"after"`
	Before render.Hex `json:"before"`
	File   string     `json:"file"` // of the second
}

// A Place is bytes of a log that are no record.
type Place struct {
	Offset int64  `json:"offset"`
	Bytes  int64  `json:"bytes"`
	State  string `json:"state"`
	Reason string `json:"reason"`
	Next   int64  `json:"next"` // offset of the next record, -1 if there is none
	// After and Before are the zxids of the records around it, 0 for none.
	After  render.Hex `json:"after"`
	Before render.Hex `json:"before"`
}

// maxListed is how many gaps or places of a file are kept; more are counted.
const maxListed = 1000

// examination goes over the files of a log in their order.
type examination struct {
	fsys vfs.FS
	prev int64 // highest zxid so far; math.MinInt64 before the first record
	any  bool
	hurt bool // bad bytes came after prev in the same file
}

func newExamination(fsys vfs.FS) *examination { return &examination{fsys: fsys, prev: math.MinInt64} }

// file reads all of a file. The error is one of reading; what is wrong with the
// content is in the report.
func (x *examination) file(f LogFile) (LogReport, error) {
	r := LogReport{File: f.Path, State: string(txnlog.Whole)}
	l, err := txnlog.OpenLone(x.fsys, f.Path)
	if corrupt, ok := errors.AsType[*txnlog.CorruptError](err); ok {
		r.State = "unreadable"
		r.Places = []Place{{Offset: corrupt.Offset, State: r.State, Reason: corrupt.Reason, Next: -1}}
		return r, nil
	}
	if err != nil {
		return r, err
	}
	defer l.Close()
	r.Size, x.hurt = l.Size(), false
	epoch := proto.Epoch(-1)
	for {
		rec, ok, err := l.Next()
		if err != nil {
			return r, err
		}
		if ok {
			x.record(&r, rec, &epoch)
			continue
		}
		end, err := l.End()
		if err != nil {
			return r, err
		}
		if r.Used = max(r.Used, end.Offset); end.State == txnlog.Whole {
			return r, nil
		}
		r.place(end, x.prev)
		x.hurt = true
		if end.Next < 0 {
			return r, nil
		}
		l.Resume(end)
	}
}

func (r *LogReport) place(end txnlog.End, prev int64) {
	if r.State != string(txnlog.Damaged) {
		r.State = string(end.State)
	}
	if len(r.Places) < maxListed {
		r.Places = append(r.Places, Place{
			Offset: end.Offset, Bytes: end.BadBytes, State: string(end.State), Reason: end.Reason, Next: end.Next,
			After: render.Hex(max(0, prev)),
		})
	}
}

func (x *examination) record(r *LogReport, rec txnlog.Record, epoch *proto.Epoch) {
	z := proto.Zxid(rec.Zxid)
	h, _ := proto.DecodeTxnHeader(rec.Payload)
	if r.Records++; r.Records == 1 {
		r.First, r.FirstTime = render.Hex(z), safeTime(h.Time)
	}
	r.LastTime = safeTime(h.Time)
	r.Last = max(r.Last, render.Hex(z))
	if z.Epoch() != *epoch {
		*epoch = z.Epoch()
		r.Epochs++
	}
	if _, err := proto.DecodeTxn(rec.Payload); err != nil {
		r.Opaque++
	}
	if n := len(r.Places); x.hurt && n > 0 {
		r.Places[n-1].Before = render.Hex(z)
	}
	switch {
	case x.any && rec.Zxid <= x.prev:
		r.Repeated++
	case x.any && !x.hurt && !txnlog.Follows(x.prev, rec.Zxid):
		if len(r.Gaps) < maxListed {
			r.Gaps = append(r.Gaps, Gap{After: render.Hex(x.prev), Before: render.Hex(z), File: r.File})
		}
	}
	x.prev, x.any, x.hurt = max(x.prev, rec.Zxid), true, false
}

// damaged tells whether there is more than a torn end.
func (r *LogReport) damaged() bool {
	return r.State == string(txnlog.Damaged) || r.State == "unreadable" || r.Opaque > 0
}

// line is the report on one line for people.
func (r *LogReport) line() string {
	if r.Records == 0 {
		return fmt.Sprintf("%s: no record, %s, %s", r.File, render.Bytes(r.Size), r.State)
	}
	return fmt.Sprintf("%s: %d records, %v to %v, %s to %s, %s of %s used, %s", r.File, r.Records, r.First, r.Last,
		isoTime(proto.Millis(r.FirstTime)), isoTime(proto.Millis(r.LastTime)), render.Bytes(r.Used), render.Bytes(r.Size), r.State)
}

// details are the lines below it.
func (r *LogReport) details() []string {
	var lines []string
	for _, p := range r.Places {
		s := fmt.Sprintf("%s at offset %d: %s, %d bytes", p.State, p.Offset, p.Reason, p.Bytes)
		if p.Next >= 0 {
			s += fmt.Sprintf("; the next record is at offset %d; lost here: %s", p.Next, between(proto.Zxid(p.After), proto.Zxid(p.Before)))
		}
		lines = append(lines, s)
	}
	for _, g := range r.Gaps {
		lines = append(lines, fmt.Sprintf("gap: %v follows %v; normal if this server was sent a snapshot then", g.Before, g.After))
	}
	if r.Repeated > 0 {
		lines = append(lines, fmt.Sprintf("%d records were logged before; a server passes them over", r.Repeated))
	}
	if r.Opaque > 0 {
		lines = append(lines, fmt.Sprintf("%d records cannot be decoded; software of a later version may have written them", r.Opaque))
	}
	return lines
}
