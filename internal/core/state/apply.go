package state

import (
	"quokka/internal/core/watch"
	"quokka/internal/proto"
)

// An Event tells a connection that something it watches has changed.
type Event = watch.Event

// A Result is what a transaction, or one part of a multi, did.
type Result struct {
	Op   proto.Op   // of the transaction
	Err  proto.Code // why it had no effect
	Path string
	Stat proto.Stat // after it, where the reply carries it
	Data []byte     // reconfig: the new configuration
}

// An Outcome is the result of Apply; it is valid until the next Apply.
type Outcome struct {
	Result
	Zxid    proto.Zxid
	Session proto.SessionID
	Cxid    int32
	Parts   []Result // multi
	// Events are the watch events in the order a client must see them,
	// already filtered by ACL.
	Events []Event
	// Digest is the tree's after the transaction. DigestMismatch tells that
	// the transaction promised another one: this server's tree differs from
	// the leader's.
	Digest         uint64
	DigestMismatch bool
}

// ReplyCode returns the error for the header of the reply to op. A multi that
// was carried out, even in vain, has none there (FinalRequestProcessor); only
// SessionMoved, upon which the connection is closed, shows.
func (o *Outcome) ReplyCode(op proto.Op) proto.Code {
	if op != proto.OpMulti || o.Op == proto.OpError {
		return o.Err
	}
	for i := range o.Parts {
		if o.Parts[i].Err == proto.SessionMoved {
			return proto.SessionMoved
		}
	}
	return proto.OK
}

// Apply carries a transaction out. It never refuses: what cannot be done
// (a parent that is not there) is reported as Err and has no effect, as in
// DataTree.processTxn. Pending changes of the transaction are forgotten.
func (s *State) Apply(t *proto.Txn) *Outcome {
	o := &s.out
	*o = Outcome{
		Result: Result{Op: t.Op}, Zxid: t.Zxid, Session: t.Session, Cxid: t.Cxid,
		Parts: reuse(o.Parts), Events: reuse(o.Events),
	}
	if row := s.rows.row(t.Op); row == nil || row.apply == nil || t.Body == nil && t.Op != proto.OpCloseSession {
		o.Err = proto.Unimplemented // no server writes such
	} else {
		row.apply(s, &t.TxnHeader, t.Body, &o.Result)
	}
	s.last = max(s.last, t.Zxid)
	s.over.applied(t.Zxid)
	o.Digest = s.tree.Digest()
	o.DigestMismatch = s.opts.Digest && t.HasDigest && t.DigestVersion == proto.DigestVersion && t.Digest != o.Digest
	return o
}

// reuse empties a slice; one that a rare giant has grown is given back.
func reuse[T any](v []T) []T {
	if cap(v) > 1024 {
		return nil
	}
	return v[:0]
}

// Replay carries out a transaction from the log during recovery: no events,
// and effects that the snapshot already contains are tolerated. It tells
// whether the tree's digest is the promised one or none was promised.
func (s *State) Replay(t *proto.Txn) bool {
	s.quiet = true
	o := s.Apply(t)
	s.quiet = false
	return !o.DigestMismatch
}

// AppendReply appends the body of the reply to a write, by the operation the
// client sent. A failed write has no body, except multi.
func (s *State) AppendReply(b []byte, op proto.Op, o *Outcome) []byte {
	row := s.rows.row(op)
	if row == nil || row.reply == nil || o.ReplyCode(op) != proto.OK {
		return b
	}
	return row.reply(s, b, o)
}

// watched tells whether events must be worked out at all.
func (s *State) watched() bool { return !s.quiet && s.watches.Count() > 0 }

// emit takes the events of one change over into the outcome, leaving out
// those whose receiver may not READ: node guards the changed node's, parent
// its parent's children-changed (ZOOKEEPER-4799).
func (s *State) emit(events []Event, node, parent []proto.ACL) {
	for _, e := range events {
		acl := node
		if e.Type == proto.EventNodeChildrenChanged {
			acl = parent
		}
		if s.allowed(acl, proto.PermRead, s.conns[e.Conn]) {
			s.out.Events = append(s.out.Events, e)
		}
	}
}
