package offline

import (
	"errors"
	"fmt"
	"io"

	"quokka/internal/disk/txnlog"
	"quokka/internal/disk/vfs"
	"quokka/internal/proto"
)

// OnDamage says what to do with bytes of a log that were written and are not
// right any more.
type OnDamage string

// What can be done.
const (
	Refuse OnDamage = "refuse" // write nothing
	Cut    OnDamage = "cut"    // end the copy there, and lose all that follows
	Skip   OnDamage = "skip"   // leave the bad bytes out, and leave a gap
	Mend   OnDamage = "mend"   // put records right in which one bit is wrong, refuse others
)

// ErrNoRecord says that a log has nothing to copy.
var ErrNoRecord = errors.New("there is no whole record in it")

// Repair copies the whole records of a log file to a new file, durably, and says
// on out what it kept and what is lost. The end of a file that is torn is cut
// off, which loses nothing that was acknowledged if it was the newest log. What
// damage in the middle means is for the caller to decide: a gap stops Quokka
// when it needs the records, and Java applies what follows to a state that
// lacks what is missing. Mend is for the wrong bit that bad memory makes; what it
// has put right is checked no more than by a checksum that is easily content, so
// that the digests should be compared.
//
// There is a whole copy afterwards or none; a file that exists is not replaced. A file without
// damage is copied, too. Checksums are never made to fit wrong bytes, as
// TxnLogToolkit -r does: nobody could tell any more that they are wrong.
func Repair(fsys vfs.FS, from, to string, what OnDamage, out io.Writer) error {
	if err := vfs.MustBeFree(fsys, to); err != nil {
		return fmt.Errorf("repair %s: %w", from, err)
	}
	l, err := txnlog.OpenLone(fsys, from)
	if err != nil {
		return fmt.Errorf("repair %s: %w", from, err)
	}
	defer l.Close()
	plan := repairPlan{what: what}
	if err := plan.make(l); err != nil {
		return err
	}
	if err := plan.tell(from, out); err != nil {
		return err
	}
	if plan.refused {
		return fmt.Errorf("repair %s: it is damaged, and nothing was written; --on-damage=%s ends the copy at the damage, "+
			"--on-damage=%s leaves the bad bytes out, --on-damage=%s tries to put a single wrong bit right. If the other servers of the ensemble are well, better move this server's version-2 "+
			"directories away (not myid) and let it copy the data from the leader: %w", from, Cut, Skip, Mend, ErrDamaged)
	}
	if plan.kept.records == 0 {
		return fmt.Errorf("repair %s: %w, so nothing was written; a server does without this file", from, ErrNoRecord)
	}
	if err := writeParts(fsys, from, to, plan.parts); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "wrote %s, %d bytes\n", to, plan.size())
	return err
}

// part is bytes that are copied: of the file, or those of a mended record.
type part struct {
	from, to int64
	mended   []byte
}

func (p part) size() int64 { return p.to - p.from + int64(len(p.mended)) }

// zxidRange counts records.
type zxidRange struct {
	records     int
	first, last proto.Zxid
}

func (r *zxidRange) add(z proto.Zxid) {
	if r.records++; r.records == 1 {
		r.first = z
	}
	r.last = z
}

func (r zxidRange) String() string {
	if r.records == 0 {
		return "no record"
	}
	return fmt.Sprintf("%d records, %v to %v", r.records, r.first, r.last)
}

// cutPlace is bad bytes and what stands around them.
type cutPlace struct {
	end           txnlog.End
	before, after proto.Zxid // 0 is nothing
	mended        bool
}

// repairPlan is what will be copied.
type repairPlan struct {
	what    OnDamage
	parts   []part
	kept    zxidRange
	dropped zxidRange // whole records behind a cut
	places  []cutPlace
	refused bool
}

// make reads the file once.
func (p *repairPlan) make(l *txnlog.Lone) error {
	start, cut := int64(0), false
	for {
		rec, ok, err := l.Next()
		if err != nil {
			return err
		}
		if ok {
			p.record(proto.Zxid(rec.Zxid), cut)
			continue
		}
		end, err := l.End()
		if err != nil {
			return err
		}
		if !cut && end.Offset > start {
			p.parts = append(p.parts, part{from: start, to: end.Offset})
		}
		if end.State == txnlog.Whole {
			return nil
		}
		place := cutPlace{end: end, before: p.kept.last}
		if place.mended, err = p.mend(l, end); err != nil {
			return err
		}
		p.places = append(p.places, place)
		p.refused = p.refused || !place.mended && end.Next >= 0 && (p.what == Refuse || p.what == Mend)
		if end.Next < 0 {
			return nil
		}
		cut = cut || p.what != Skip && !place.mended
		start = end.Next
		l.Resume(end)
	}
}

// mend puts the record at a damaged place right, if that is wanted and can be.
// The record must be a transaction that fits in where it stands.
func (p *repairPlan) mend(l *txnlog.Lone, end txnlog.End) (bool, error) {
	if p.what != Mend {
		return false, nil
	}
	b, err := l.Mend(end)
	if err != nil || b == nil {
		return false, err
	}
	t, err := proto.DecodeTxn(txnlog.RecordPayload(b))
	if err != nil || p.kept.records > 0 && !txnlog.Follows(int64(p.kept.last), int64(t.Zxid)) {
		return false, nil
	}
	p.parts = append(p.parts, part{mended: b})
	p.kept.add(t.Zxid)
	return true, nil
}

func (p *repairPlan) record(z proto.Zxid, cut bool) {
	if n := len(p.places); n > 0 && p.places[n-1].after == 0 {
		p.places[n-1].after = z
	}
	if cut {
		p.dropped.add(z)
	} else {
		p.kept.add(z)
	}
}

func (p *repairPlan) size() int64 {
	n := int64(0)
	for _, c := range p.parts {
		n += c.size()
	}
	return n
}

// tell says what the copy has and lacks.
func (p *repairPlan) tell(from string, out io.Writer) error {
	say := func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) }
	verb := "keeps"
	if p.refused {
		verb = "could keep"
	}
	say("%s: a copy %s %v", from, verb, p.kept)
	for _, c := range p.places {
		if c.mended {
			say("  MENDED at offset %d, after %v: %s, and one inverted bit makes it right. Compare the digests before you rely on it: "+
				"put the copy into a copy of the data directory, and ask quokka datadir info", c.end.Offset, c.before, c.end.Reason)
			continue
		}
		say("  %s at offset %d: %s; %d bytes are left out", c.end.State, c.end.Offset, c.end.Reason, c.end.BadBytes)
		switch {
		case c.end.Next >= 0:
			say("  LOST: %s", between(c.before, c.after))
		case c.end.State == txnlog.Damaged:
			say("  LOST: the last transaction, after %v; if it was acknowledged the other servers have it", c.before)
		}
	}
	if p.dropped.records > 0 {
		say("  LOST: %v behind the damage, which are whole (--on-damage=skip would keep them)", p.dropped)
	}
	if p.what == Skip && len(p.places) > 0 && p.dropped.records == 0 && p.kept.records > 0 {
		say("  Quokka refuses a log with a gap where its snapshot does not cover it; Java goes on, with a state that lacks what is lost")
	}
	return nil
}

// between says which records were where the bad bytes are.
func between(before, after proto.Zxid) string {
	switch {
	case before == 0 || after == 0:
		return "what was there; nobody knows how many transactions"
	case after == before+1:
		return fmt.Sprintf("no transaction: %v follows %v", after, before)
	case after == before+2:
		return fmt.Sprintf("transaction %v", before+1)
	case after.Epoch() == before.Epoch():
		return fmt.Sprintf("%d transactions, %v to %v", int64(after-before)-1, before+1, after-1)
	}
	return fmt.Sprintf("the transactions between %v and %v", before, after)
}

// writeParts writes the copy.
func writeParts(fsys vfs.FS, from, to string, parts []part) error {
	src, err := fsys.Open(from)
	if err != nil {
		return fmt.Errorf("repair %s: %w", from, err)
	}
	defer func() { _ = src.Close() }() // only read: nothing to lose
	err = vfs.WriteNewFile(fsys, to, func(w io.Writer) error {
		for _, p := range parts {
			if _, err := io.Copy(w, io.NewSectionReader(src, p.from, p.to-p.from)); err != nil {
				return err
			}
			if _, err := w.Write(p.mended); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("repair %s: %w", from, err)
	}
	return nil
}

// Chop copies the records of a log up to a zxid, which must be in it, to a new
// file, as TxnLogToolkit -c does; with bad bytes before that it refuses.
func Chop(fsys vfs.FS, from, to string, zxid proto.Zxid, out io.Writer) error {
	l, err := txnlog.OpenLone(fsys, from)
	if err != nil {
		return fmt.Errorf("chop %s: %w", from, err)
	}
	defer l.Close()
	end, found, kept := int64(0), false, zxidRange{}
	for !found {
		rec, ok, err := l.Next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		kept.add(proto.Zxid(rec.Zxid))
		end, found = l.Offset(), rec.Zxid == int64(zxid)
	}
	if !found {
		return fmt.Errorf("chop %s: the log does not contain zxid %v among its %v", from, zxid, kept)
	}
	if err := writeParts(fsys, from, to, []part{{from: 0, to: end}}); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "wrote %s with %v\n", to, kept)
	return err
}
