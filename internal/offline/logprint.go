package offline

import (
	"bufio"
	"bytes"
	"fmt"
	"io"

	"quokka/internal/disk/txnlog"
	"quokka/internal/disk/vfs"
	"quokka/internal/proto"
	"quokka/internal/render"
)

// PrintOptions say how a log is printed.
type PrintOptions struct {
	Filter  Filter
	JSON    bool // one object on each line
	OneLine bool // text with one line for each transaction
	Limit   int  // transactions to print at most; 0 is no limit
	Tail    int  // print only so many of the last ones; 0 is all
}

// PrintLogs prints transactions, in the layout of Java's TxnLogToolkit unless
// something else is asked for. What is wrong with a file goes to notes, with
// its place, and printing goes on behind it; the error is then [ErrDamaged].
// That a file ends in a record which is not complete is a note, but no damage.
// Memory is bounded by a record, or by Tail of them.
func PrintLogs(fsys vfs.FS, files []LogFile, o PrintOptions, out, notes io.Writer) error {
	p := &logPrinter{fsys: fsys, o: o, out: bufio.NewWriterSize(out, 64<<10), notes: notes}
	for i, f := range files {
		if p.full() || p.skips(files, i) {
			continue
		}
		if err := p.file(f); err != nil {
			return err
		}
	}
	if err := p.flushTail(); err != nil {
		return err
	}
	if err := p.out.Flush(); err != nil {
		return err
	}
	if p.damaged {
		return ErrDamaged
	}
	return nil
}

type logPrinter struct {
	fsys    vfs.FS
	o       PrintOptions
	out     *bufio.Writer
	notes   io.Writer
	printed int
	tail    [][]byte // a ring of the last ones
	next    int      // where the next one goes in it
	damaged bool
}

func (p *logPrinter) full() bool { return p.o.Limit > 0 && p.printed >= p.o.Limit }

// framed says that the lines around the transactions are printed, too.
func (p *logPrinter) framed() bool {
	return !p.o.JSON && !p.o.Filter.Any() && p.o.Limit == 0 && p.o.Tail == 0
}

// skips tells whether nothing in a file can be chosen, by the names alone.
func (p *logPrinter) skips(files []LogFile, i int) bool {
	from, to := int64(p.o.Filter.From), int64(p.o.Filter.To)
	if files[i].Zxid < 0 {
		return false
	}
	return to != 0 && files[i].Zxid > to ||
		from != 0 && i+1 < len(files) && files[i+1].Zxid > files[i].Zxid && files[i+1].Zxid <= from
}

func (p *logPrinter) file(f LogFile) error {
	l, err := txnlog.OpenLone(p.fsys, f.Path)
	if err != nil {
		return p.unreadable(err)
	}
	defer l.Close()
	if p.framed() {
		fmt.Fprintf(p.out, "ZooKeeper Transactional Log File with dbid %d txnlog format version 2\n", l.DatabaseID())
	}
	count := 0
	for !p.full() {
		rec, ok, err := l.Next()
		if err != nil {
			return err
		}
		if !ok {
			more, err := p.ended(f, l)
			if err != nil {
				return err
			}
			if more {
				continue
			}
			break
		}
		count++
		if err := p.record(rec); err != nil {
			return err
		}
	}
	if p.framed() {
		fmt.Fprintf(p.out, "EOF reached after %d txns.\n", count)
	}
	return nil
}

// unreadable notes a file that is no log and lets the others be printed.
func (p *logPrinter) unreadable(err error) error {
	if !isCorrupt(err) {
		return err
	}
	return p.note(true, "%v", err)
}

// ended notes how the records of a file end, and goes on behind bad bytes.
func (p *logPrinter) ended(f LogFile, l *txnlog.Lone) (more bool, err error) {
	end, err := l.End()
	if err != nil || end.State == txnlog.Whole {
		return false, err
	}
	if err := p.note(end.State == txnlog.Damaged, "%s", endText(f, end)); err != nil {
		return false, err
	}
	l.Resume(end)
	return end.Next >= 0, nil
}

// endText says where the records of a file end, and what that means.
func endText(f LogFile, end txnlog.End) string {
	what := "is torn"
	if end.State == txnlog.Damaged {
		what = "is damaged"
	}
	s := fmt.Sprintf("%s %s at offset %d: %s, %d bytes", f.Path, what, end.Offset, end.Reason, end.BadBytes)
	switch {
	case end.Next >= 0 && end.State == txnlog.Torn:
		return s + fmt.Sprintf("; the next record is at offset %d, but in the newest log a server takes it for a batch that was never synced, and cuts it", end.Next)
	case end.Next >= 0:
		return s + fmt.Sprintf("; the next record is at offset %d, what was in between is lost here", end.Next)
	case f.Newest:
		return s + "; normal after a crash or while a server writes, which cuts it when it starts"
	}
	return s + "; nothing follows. At the end of the newest log this is normal after a crash"
}

// note tells about a place that is not as it should be.
func (p *logPrinter) note(damage bool, format string, args ...any) error {
	p.damaged = p.damaged || damage
	if err := p.out.Flush(); err != nil { // so that the note comes where it belongs
		return err
	}
	_, err := fmt.Fprintf(p.notes, "quokka: "+format+"\n", args...)
	return err
}

// record prints a record if it is chosen.
func (p *logPrinter) record(rec txnlog.Record) error {
	t, err := proto.DecodeTxn(rec.Payload)
	if err != nil {
		return p.opaque(rec, err)
	}
	if !p.o.Filter.Match(t) {
		return nil
	}
	if p.o.JSON {
		return p.json(jsonOf(rec, t))
	}
	return p.print([]byte(layout{p.o.OneLine}.txn(t) + "\n"))
}

// opaque prints a record whose checksum is right, but whose content is not
// known: a later version wrote it, or there is a mistake in the software.
func (p *logPrinter) opaque(rec txnlog.Record, cause error) error {
	h, ok := proto.DecodeTxnHeader(rec.Payload)
	if !ok {
		h.Zxid = proto.Zxid(rec.Zxid)
	}
	if !p.o.Filter.matchHeader(&h) {
		return nil
	}
	if err := p.note(true, "%s at offset %d: record %v cannot be understood: %v", rec.File, rec.Offset, h.Zxid, cause); err != nil {
		return err
	}
	if p.o.JSON {
		j := jsonHead(rec, &h)
		j.Problem, j.Payload = cause.Error(), rec.Payload
		return p.json(j)
	}
	return p.print([]byte(rawText(&h, rec.Payload, cause) + "\n"))
}

func (p *logPrinter) json(v any) error {
	var b bytes.Buffer
	if err := render.JSON(&b, v, false); err != nil {
		return err
	}
	return p.print(b.Bytes())
}

// print writes a transaction out, or keeps it until the end.
func (p *logPrinter) print(b []byte) error {
	p.printed++
	switch {
	case p.o.Tail <= 0:
		_, err := p.out.Write(b)
		return err
	case len(p.tail) < p.o.Tail:
		p.tail = append(p.tail, b)
	default:
		p.tail[p.next] = b
		p.next = (p.next + 1) % p.o.Tail
	}
	return nil
}

func (p *logPrinter) flushTail() error {
	for i := range p.tail {
		if _, err := p.out.Write(p.tail[(p.next+i)%len(p.tail)]); err != nil {
			return err
		}
	}
	return nil
}
