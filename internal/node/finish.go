package node

import (
	"time"

	"quokka/internal/core/member"
	"quokka/internal/core/state"
	"quokka/internal/core/watch"
	"quokka/internal/proto"
)

// finish applies a batch of decided requests and answers them, all under one
// exclusive lock. Replies, events and the reads that waited for a reply are
// put into the pipes here, so that every client sees them in zxid order.
func (n *Node) finish(done []member.Done) {
	begin := time.Now()
	n.mu.Lock()
	for i := range done {
		d := &done[i]
		if d.Txn != nil {
			n.apply(d, begin)
		} else {
			n.answerLocal(d)
		}
		if d.Snapshot {
			n.snapshot()
		}
	}
	n.warnQuotas(begin)
	n.mu.Unlock()
	n.opt.Metrics.WriteFinalMS.Observe(time.Since(begin).Milliseconds())
}

// deliver has everybody sent what finish put into the pipes. To a few the loop
// sends itself, to many the writers of their connections do.
func (n *Node) deliver() {
	for _, c := range n.touched {
		if len(n.touched) > direct {
			c.Kick()
		} else {
			c.Send()
		}
		c.CheckUnsent()
	}
	clear(n.touched)
	n.touched = n.touched[:0]
	clear(n.dirty)
}

// direct is how many connections the loop sends to at a time. A system call
// takes about 5 µs, and everybody's next write waits meanwhile.
const direct = 8

// mark remembers a connection that got something to send.
func (n *Node) mark(c Conn) {
	id := watch.ConnID(c.ID())
	if _, ok := n.dirty[id]; !ok {
		n.dirty[id] = struct{}{}
		n.touched = append(n.touched, c)
	}
}

func (n *Node) apply(d *member.Done, now time.Time) {
	o := n.state.Apply(d.Txn)
	n.opt.Metrics.Propagation.Observe(now.UnixMilli() - int64(d.Txn.Time))
	n.digests.record(d.Txn.Zxid, o.Digest)
	if o.Err == proto.OK {
		n.countWrite(d.Txn.Body)
	}
	if o.DigestMismatch && !d.Fuzzy {
		n.mismatch(d.Txn, o.Digest)
	}
	n.notify(o)
	c, ok := n.conns[d.Origin.Conn]
	switch {
	case !ok:
	case d.Dropped:
		c.Drop()
	case d.Origin.Op == proto.OpCreateSession:
		c.Attach(d.Txn.Session, d.Txn.Body.(*proto.CreateSessionTxn).TimeoutMS, d.Password, d.Txn.Zxid)
	default:
		b := c.Begin()
		b = n.state.AppendReply(b, d.Origin.Op, o)
		c.Answer(b, proto.ReplyHeader{Zxid: n.state.LastZxid(), Err: o.ReplyCode(d.Origin.Op)})
		n.readOn(c)
		if d.Origin.Op == proto.OpCloseSession {
			c.ShutWhenSent()
		}
		n.mark(c)
	}
	if d.Closed != 0 && d.Closed != d.Origin.Conn {
		if c, ok := n.conns[d.Closed]; ok {
			c.Shut("its session is closed")
		}
	}
}

// answerLocal answers a request that became no transaction.
func (n *Node) answerLocal(d *member.Done) {
	c, ok := n.conns[d.Origin.Conn]
	if !ok {
		return
	}
	if d.Dropped {
		c.Drop()
		return
	}
	b := c.Begin()
	code := d.Code
	last := d.Origin.Op == proto.OpCloseSession && code == proto.OK // of a local session
	if code == proto.OK && !last {
		r := state.ReadRequest{Session: c.Session(), Conn: d.Origin.Conn, Op: d.Origin.Op, Body: d.Origin.Body, Auth: c.Auth()}
		b, code = n.state.Read(&r, b)
	}
	c.Answer(b, proto.ReplyHeader{Zxid: n.state.LastZxid(), Err: code})
	n.readOn(c)
	if last {
		c.ShutWhenSent()
	}
	n.mark(c)
}

// readOn executes the reads that waited for the reply just given. They must
// see the state before the next write of their session is applied.
func (n *Node) readOn(c Conn) {
	for {
		xid, op, body, auth, at, ok := c.NextRead()
		if !ok {
			return
		}
		n.read(c, xid, op, body, auth, at)
	}
}

// notify sends the events of a transaction.
func (n *Node) notify(o *state.Outcome) {
	for _, e := range o.Events {
		if c, ok := n.conns[e.Conn]; ok {
			c.Event(o.Zxid, e.Type, e.Path)
			n.mark(c)
		}
	}
	if len(o.Events) > 0 {
		n.countEvents(o.Events)
	}
}

// mismatch reports a tree that is not what its transaction promised. The
// first one is logged; each is counted (DataTree.compareDigest).
func (n *Node) mismatch(t *proto.Txn, digest uint64) {
	if n.opt.Metrics.DigestMismatches.Load() == 0 {
		n.log.Error("First digest mismatch on txn", "zxid", t.Zxid.String(), "type", t.Op.String(),
			"expected", t.Digest, "actual", digest)
	}
	n.opt.Metrics.DigestMismatches.Inc()
	if n.diverged == 0 {
		n.diverged = t.Zxid
	}
}

// Read executes a read under the shared lock, or exclusively if it changes
// the watch table, and appends its reply to c.
func (n *Node) Read(c Conn, xid int32, op proto.Op, body []byte, at time.Time) {
	if !n.admitted() {
		return
	}
	if state.NeedsExclusive(op) {
		n.mu.Lock()
		n.read(c, xid, op, body, c.Auth(), at)
		n.mu.Unlock()
		return
	}
	n.mu.RLock()
	n.read(c, xid, op, body, c.Auth(), at)
	n.mu.RUnlock()
}

// read executes a read under a lock that the caller holds: exclusive if the
// operation needs it, shared or exclusive otherwise.
func (n *Node) read(c Conn, xid int32, op proto.Op, body []byte, auth []proto.ID, at time.Time) {
	h := proto.ReplyHeader{Xid: xid, Zxid: n.state.LastZxid()}
	if op == proto.OpPing {
		h.Xid = proto.XidPing
		c.End(c.Begin(), h, op, at)
		return
	}
	r := n.reads.Get().(*state.ReadRequest)
	r.Session, r.Conn, r.Op, r.Body, r.Auth = c.Session(), watch.ConnID(c.ID()), op, body, auth
	if state.NeedsExclusive(op) {
		n.scratch, h.Err = n.state.Read(r, n.scratch[:0])
		for _, e := range r.Events {
			c.Event(-1, e.Type, e.Path)
		}
		c.End(append(c.Begin(), n.scratch...), h, op, at)
	} else {
		b := c.Begin()
		before := len(b)
		b, h.Err = n.state.Read(r, b)
		if h.Err == proto.OK {
			n.countRead(op, body, len(b)-before)
		}
		c.End(b, h, op, at)
	}
	if len(r.Arm) > 0 {
		n.watchMu.Lock()
		n.state.Arm(r.Conn, r.Arm)
		n.watchMu.Unlock()
	}
	r.Body, r.Auth = nil, nil
	n.reads.Put(r)
}
