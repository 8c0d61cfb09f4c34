package state

import (
	"slices"

	"quokka/internal/proto"
)

// createSession and closeSession, which both clients (through their
// connection) and the expiry of sessions cause, and error, the transaction
// of a refused request.
var (
	opCreateSession = row{
		kind: Internal, prepare: (*State).prepareCreateSession, apply: (*State).applyCreateSession,
	}
	opCloseSession = row{
		kind: Write, prepare: (*State).prepareCloseSession, apply: (*State).applyCloseSession,
	}
	opError = row{kind: Internal, apply: (*State).applyError}
)

// prepareCreateSession lets the session write at once: when a local session
// becomes global its create follows without waiting.
func (s *State) prepareCreateSession(p *prep) proto.Code {
	s.opening[p.Session] = p.zxid
	delete(s.closing, p.Session)
	p.txn = &proto.CreateSessionTxn{TimeoutMS: p.TimeoutMS}
	return proto.OK
}

func (s *State) applyCreateSession(h *proto.TxnHeader, body proto.TxnBody, _ *Result) {
	s.sessions.Put(h.Session, body.(*proto.CreateSessionTxn).TimeoutMS)
	if s.opening[h.Session] <= h.Zxid {
		delete(s.opening, h.Session)
	}
}

// prepareCloseSession lists the ephemerals of the session as all prepared
// transactions will leave them, and refuses its requests from now on. The
// session itself is not checked: client and expiry may both close it, and the
// second closeSession does nothing.
//
// The list is not bounded: with very many ephemerals the transaction can
// become larger than a Java peer's jute.maxbuffer (ZOOKEEPER-4306).
func (s *State) prepareCloseSession(p *prep) proto.Code {
	paths := s.ephemeralsAhead(p.Session)
	for _, path := range paths {
		s.over.remove(s.over.look(path), s.over.look(proto.ParentOf(path)), p.zxid)
	}
	s.closing[p.Session] = p.zxid
	if s.opts.CloseSessionTxn {
		p.txn = &proto.CloseSessionTxn{Paths: paths}
	} else {
		p.noDigest = true // without a body there is no place for one
	}
	return proto.OK
}

// ephemeralsAhead lists a session's ephemerals with creates that are pending
// and without deletes that are, sorted.
func (s *State) ephemeralsAhead(id proto.SessionID) []string {
	paths := slices.DeleteFunc(s.tree.Ephemerals(id), func(path string) bool {
		r := s.over.records[path]
		return r != nil && !r.ownedBy(id)
	})
	if s.over.ephemerals[id] == 0 {
		return paths
	}
	for i := s.over.head; i < len(s.over.queue); i++ {
		c := &s.over.queue[i]
		if c.owner == id && c.rec.ownedBy(id) {
			paths = append(paths, c.rec.path)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

func (r *record) ownedBy(id proto.SessionID) bool { return r.exists && r.stat.Owner == int64(id) }

// applyCloseSession removes the session, the listed paths, and what else the
// session owns: all of it when there is no list (3.5), and otherwise only
// what a fuzzy Java snapshot brought in (DataTree.killSession). The caller
// closes the session's connection.
func (s *State) applyCloseSession(h *proto.TxnHeader, body proto.TxnBody, _ *Result) {
	s.sessions.Remove(h.Session)
	if t, ok := body.(*proto.CloseSessionTxn); ok {
		for _, path := range t.Paths {
			s.deleteNode(path, h.Zxid)
		}
	}
	for _, path := range s.tree.Ephemerals(h.Session) {
		s.deleteNode(path, h.Zxid)
	}
	if s.closing[h.Session] <= h.Zxid {
		delete(s.closing, h.Session)
	}
	if s.opening[h.Session] <= h.Zxid {
		delete(s.opening, h.Session)
	}
}

// applyError has no effect but the zxid.
func (s *State) applyError(_ *proto.TxnHeader, body proto.TxnBody, r *Result) {
	r.Err = body.(*proto.ErrorTxn).Err
}
