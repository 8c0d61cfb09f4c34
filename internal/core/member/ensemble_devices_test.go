package member

import (
	"fmt"
	"slices"

	"quokka/internal/core/state"
	"quokka/internal/core/watch"
	"quokka/internal/core/zab"
	"quokka/internal/proto"
)

// work has the disk do its next order, or a run of appends; false if there
// is none.
func (h *host) work() bool {
	if len(h.queue) == 0 || h.m == nil {
		return false
	}
	d := h.queue[0]
	h.queue = h.queue[1:]
	switch d.Kind {
	case zab.DiskAppend:
		h.log = append(h.log, d.Entry)
		for len(h.queue) > 0 && h.queue[0].Kind == zab.DiskAppend {
			d = h.queue[0]
			h.log = append(h.log, d.Entry)
			h.queue = h.queue[1:]
		}
		h.m.Durable(d.Incarnation, d.Entry.Zxid(), 0)
	case zab.DiskAcceptedEpoch:
		h.accepted = d.Epoch
		h.m.EpochStored(d.Kind, d.Epoch)
	case zab.DiskCurrentEpoch:
		h.current = d.Epoch
		h.m.EpochStored(d.Kind, d.Epoch)
	case zab.DiskTruncate:
		h.truncate(&d)
	case zab.DiskInstall:
		h.snap, h.log = h.received[d.Snapshot], nil
		delete(h.received, d.Snapshot)
		h.install(h.snap)
		h.m.Installed(&Restart{Base: h.snap.zxid, Applied: h.snap.zxid, Floor: h.snap.zxid})
	case zab.DiskBarrier:
		h.m.Drained()
	}
	h.effects()
	return true
}

func (h *host) truncate(d *zab.Disk) {
	i := slices.IndexFunc(h.log, func(e zab.Entry) bool { return e.Zxid() == d.Zxid })
	if i < 0 && d.Zxid != h.snap.zxid {
		h.m.Truncated(false, "it is not in the log", nil)
		return
	}
	h.log = h.log[:i+1]
	if !d.Reload {
		h.m.Truncated(true, "", nil)
		return
	}
	h.install(h.onDisk())
	r := h.restart()
	h.m.Truncated(true, "", &r)
}

// done applies and answers what is decided.
func (h *host) done(d *Done) {
	r := h.r
	var o *state.Outcome
	if d.Txn != nil {
		if was := r.history[d.Txn.Zxid]; was != nil && (was.TxnHeader != d.Txn.TxnHeader) {
			r.t.Fatalf("server %d applies %v as %+v, which was %+v", h.id, d.Txn.Zxid, d.Txn.TxnHeader, was.TxnHeader)
		}
		if n := len(h.applied); n > 0 && h.applied[n-1].Zxid >= d.Txn.Zxid {
			r.t.Fatalf("server %d applies %v after %v", h.id, d.Txn.Zxid, h.applied[n-1].Zxid)
		}
		r.history[d.Txn.Zxid] = d.Txn
		h.applied = append(h.applied, d.Txn)
		if o = h.state.Apply(d.Txn); o.DigestMismatch {
			h.diverged = d.Txn.Zxid
		}
	}
	if r.check != nil {
		r.check(h, d, o)
	}
	if p := r.conns[d.Origin.Conn]; p != nil && !p.closed {
		h.answer(p, d, o)
	}
	if p := r.conns[d.Closed]; p != nil && !p.closed {
		r.say("%d: %d has lost %s", h.id, p.id, r.name(p.session))
		p.shut()
	}
}

func (h *host) answer(p *pipe, d *Done, o *state.Outcome) {
	r := h.r
	if p.host != h {
		r.t.Fatalf("server %d answers connection %d of server %d", h.id, p.id, p.host.id)
	}
	if d.Origin.Op == proto.OpCreateSession {
		p.attach(d.Txn.Session, d.Txn.Body.(*proto.CreateSessionTxn).TimeoutMS)
		return
	}
	if len(p.slots) == 0 {
		r.t.Fatalf("server %d answers connection %d, which waits for nothing: %+v", h.id, p.id, d)
	}
	w := p.slots[0]
	p.slots = p.slots[1:]
	if d.Origin.Op != w.op || d.Txn != nil && (d.Txn.Session != p.session || d.Txn.Cxid != w.xid) {
		r.t.Fatalf("server %d answers %v of connection %d with %+v", h.id, w.tag, p.id, d)
	}
	r.say("%d: %s", h.id, h.text(p, w, d, o))
	if d.Dropped {
		p.shut() // the client sees that, and no answer
	} else if p.got != nil {
		p.got(w, d, o)
	}
	if w.op == proto.OpCloseSession {
		p.shut()
	}
	p.readOn()
}

func (h *host) text(p *pipe, w slot, d *Done, o *state.Outcome) string {
	s := fmt.Sprintf("answers %d %s", p.id, w.tag)
	if o != nil {
		s += fmt.Sprintf(" at %s: %v", short(d.Txn.Zxid), o.ReplyCode(w.op))
	} else {
		s += fmt.Sprintf(": %v", d.Code)
	}
	if d.Dropped {
		s += " (dropped)"
	}
	return s
}

// short writes a zxid as epoch and counter.
func short(z proto.Zxid) string { return fmt.Sprintf("%d.%d", z.Epoch(), z.Counter()) }

func (p *pipe) attach(id proto.SessionID, timeout int32) {
	r := p.host.r
	if p.open {
		r.t.Fatalf("connection %d is attached twice", p.id)
	}
	p.open, p.session, p.timeout, p.heard = true, id, timeout, r.now
	r.say("%d: attaches %d to %s", p.host.id, p.id, r.name(id))
}

// shut ends a connection from the server's side.
func (p *pipe) shut() {
	p.closed, p.open = true, false
	if p.host.m != nil {
		p.host.m.Gone(p.id, p.session)
	}
}

// connect opens a connection. A server that does not run refuses it.
func (r *realm) connect(id watch.ConnID, h *host, q proto.ConnectRequest) *pipe {
	p := &pipe{id: id, host: h, session: q.SessionID, heard: r.now}
	r.conns[id] = p
	if h.m == nil {
		p.closed = true
		return p
	}
	h.m.At(r.time())
	h.m.Connect(id, q)
	h.effects()
	return p
}

// read has the server take what the client has sent, up to n requests.
func (p *pipe) read(n int) bool {
	did := false
	for ; n > 0 && p.open && len(p.inbox) > 0 && p.host.m != nil && p.host.mode == ModeServe; n-- {
		w := p.inbox[0]
		p.inbox = p.inbox[1:]
		p.slots = append(p.slots, w)
		p.heard, did = p.host.r.now, true
		if w.isRead() {
			p.readOn()
			continue
		}
		p.host.m.Request(&state.Request{Conn: p.id, Session: p.session, Cxid: w.xid, Op: w.op, Body: w.body})
		p.host.effects()
	}
	return did
}

func (w *slot) isRead() bool { return state.KindOf(w.op) == state.Read }

// readOn answers the reads that nothing stands before.
func (p *pipe) readOn() {
	for len(p.slots) > 0 && p.slots[0].isRead() && !p.closed {
		w := p.slots[0]
		p.slots = p.slots[1:]
		at := p.host.state.LastZxid()
		q := state.ReadRequest{Session: p.session, Conn: p.id, Op: w.op, Body: w.body}
		_, code := p.host.state.Read(&q, nil)
		p.host.r.say("%d: answers %d %s at %s: %v", p.host.id, p.id, w.tag, short(at), code)
		if p.host.r.reads != nil {
			p.host.r.reads(p, w, at)
		}
	}
}

// touch tells a server's member which of its clients were heard.
func (h *host) touch() {
	for _, p := range h.r.pipes() {
		if p.host == h && p.open {
			if h.r.talkative && !p.silent && h.mode == ModeServe {
				p.heard = h.r.now
			}
			h.m.Touch(p.id, p.session, p.timeout, p.heard)
		}
	}
}

// children are the names of the nodes at the top, sorted.
func (h *host) children() []string {
	t := h.state.Tree()
	var names []string
	for r := range t.Children(t.FindString("/")) {
		if name := string(t.AppendName(nil, r)); name != "zookeeper" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (h *host) tick() {
	h.m.At(h.r.time())
	h.touch()
	h.m.Tick()
	h.m.Upkeep()
	h.effects()
}
