package state

import (
	"quokka/internal/core/watch"
	"quokka/internal/proto"
)

// A Request is a write as it reaches the leader. Prepare keeps nothing of it,
// so Body and Auth may be reused afterwards.
type Request struct {
	Session proto.SessionID
	Conn    watch.ConnID // of a connection to this server; not used here
	Cxid    int32
	Op      proto.Op
	Body    []byte     // the record as the client sent it
	Auth    []proto.ID // the ids of the connection it came on

	TimeoutMS int32 // createSession only

	// Local is set for a local session: it need not be in the table of
	// sessions, and may do everything but own an ephemeral.
	Local bool
	// SessionErr refuses the request where the session is checked:
	// SessionMoved, SessionExpired. OK lets the session table decide.
	SessionErr proto.Code
}

// prep is one request, or one part of a multi, on its way to a transaction.
type prep struct {
	*Request
	op        proto.Op // of the part, in a multi
	body      []byte   // of the part
	zxid      proto.Zxid
	now       proto.Millis
	txn       proto.TxnBody // the result, if it is not refused
	noDigest  bool          // the transaction has no digest
	malformed bool          // the body was not a record: answer without a transaction
}

// Prepare turns a write request into the transaction zxid, stamped now (wall
// clock): decided against the tree and all earlier prepared transactions. The
// caller proposes it, or calls DropPending when it will never be applied.
//
// A refusal is a transaction too, an ErrorTxn with the same code that is
// returned beside it. When the transaction is nil, the request is to be
// answered with the code at once and zxid is still free: the body was not a
// record (MarshallingError), or the operation is no write (Unimplemented).
func (s *State) Prepare(r *Request, zxid proto.Zxid, now proto.Millis) (*proto.Txn, proto.Code) {
	row := s.rows.row(r.Op)
	if row == nil || row.prepare == nil || row.partOnly {
		return nil, proto.Unimplemented
	}
	p := &s.prep
	*p = prep{Request: r, op: r.Op, body: r.Body, zxid: zxid, now: now}
	s.over.begin()
	code := row.prepare(s, p)
	s.over.release()
	txn := p.txn
	p.Request, p.body, p.txn = nil, nil, nil
	if code != proto.OK && p.malformed {
		return nil, code
	}
	t := &proto.Txn{
		TxnHeader: proto.TxnHeader{Session: r.Session, Cxid: r.Cxid, Zxid: zxid, Time: now, Op: r.Op},
		Body:      txn,
	}
	if code != proto.OK {
		t.Op, t.Body = proto.OpError, &proto.ErrorTxn{Err: code}
		return t, code
	}
	if s.opts.Digest && !p.noDigest {
		t.HasDigest, t.DigestVersion, t.Digest = true, proto.DigestVersion, s.over.treeDigest()
	}
	return t, proto.OK
}

// Pending returns how many changes are prepared and not applied.
func (s *State) Pending() int { return s.over.len() }

// DropPending forgets everything that was prepared and not applied, as when
// leadership is lost.
func (s *State) DropPending() {
	s.over.reset(s.tree, s.opts.Digest)
	s.opening = map[proto.SessionID]proto.Zxid{}
	s.closing = map[proto.SessionID]proto.Zxid{}
}

// Closing tells whether a closeSession of the session is prepared and not
// applied; every later request of it is refused (ZOOKEEPER-1208).
func (s *State) Closing(id proto.SessionID) bool {
	_, ok := s.closing[id]
	return ok
}

// checkSession decides whether the session of a request may write; global
// means that it must not be a local one (SessionTrackerImpl.checkSession,
// checkGlobalSession).
func (s *State) checkSession(p *prep, global bool) proto.Code {
	if p.SessionErr != proto.OK {
		return p.SessionErr
	}
	if s.Closing(p.Session) {
		return proto.SessionExpired
	}
	if _, ok := s.sessions.Timeout(p.Session); ok {
		return proto.OK
	}
	if _, ok := s.opening[p.Session]; ok {
		return proto.OK
	}
	if p.Local && !global {
		return proto.OK
	}
	return proto.SessionExpired
}

// malform reports a body that is not a record.
func (p *prep) malform() proto.Code {
	p.malformed = true
	return proto.MarshallingError
}
