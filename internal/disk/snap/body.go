package snap

import (
	"fmt"
	"io"

	"quokka/internal/core/session"
	"quokka/internal/core/tree"
	"quokka/internal/jute"
)

// signature ends the body of a snapshot on the wire, behind the end of its
// znodes (Leader, Learner.syncWithLeader).
const signature = "BenWasHere"

// WriteBody writes what follows a SNAP packet: sessions, ACLs, znodes and the
// end mark as in a file, then the signature; no header and no seals. It takes
// a constant amount of memory; its errors are those of w.
func WriteBody(w io.Writer, p Picture) error {
	e := &encoder{w: w, buf: make([]byte, 0, blockSize+largeData)}
	e.sessions(p.Sessions)
	e.acls(p.View)
	for n := range p.View.Nodes() {
		e.node(&n)
		if e.err != nil {
			return e.err
		}
	}
	e.buf = append(e.buf, endMark...)
	e.buf = jute.AppendString(e.buf, signature)
	e.flush()
	return e.err
}

// ReadBody reads what follows a SNAP packet, and not a byte more: r goes on
// with the next packet. It makes several small reads per znode, so r should
// have a buffer. Every error, of r too, is a [*CorruptError] of the wire; what
// was read must be thrown away with the connection then.
func ReadBody(r io.Reader, o Options) (*tree.Tree, *session.Table, error) {
	d := &decoder{src: newExactSource(r), info: &Info{}, limit: o.MaxRecord, wire: true}
	if d.limit <= 0 {
		d.limit = DefaultMaxRecord
	}
	ss, b, err := d.body(o.Tree)
	if err != nil {
		return nil, nil, err
	}
	if err := d.signature(); err != nil {
		return nil, nil, err
	}
	tr, err := b.Finish()
	if err != nil {
		return nil, nil, d.corrupt("the znodes make no tree", err)
	}
	return tr, ss, nil
}

func (d *decoder) signature() error {
	n, ok := d.src.int(0)
	if !ok {
		return d.short("signature")
	}
	if n != len(signature) {
		return d.corrupt(fmt.Sprintf("its signature has a length of %d bytes, not %d", n, len(signature)), nil)
	}
	b := d.src.peek(4 + n)
	if b == nil {
		return d.short("signature")
	}
	if string(b[4:]) != signature {
		return d.corrupt(fmt.Sprintf("its signature is %q", b[4:]), nil)
	}
	d.src.take(len(b))
	return nil
}
