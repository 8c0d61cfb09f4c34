package state

import (
	"slices"

	"quokka/internal/jute"
	"quokka/internal/proto"
)

// multi does all of its parts in one transaction, or none.
var opMulti = row{
	kind: Write, prepare: (*State).prepareMulti, apply: (*State).applyMulti, reply: replyMulti,
}

// prepareMulti prepares the parts one after the other, each seeing what the
// earlier ones will have done. At the first refusal all is taken back, and the
// transaction says who failed: it is proposed all the same. Parts that
// follow are RuntimeInconsistency. The multi itself is never refused.
func (s *State) prepareMulti(p *prep) proto.Code {
	ops, err := proto.DecodeMulti(p.body, proto.OpMulti)
	if err != nil {
		return p.malform()
	}
	t := &proto.MultiTxn{Parts: make([]proto.MultiPart, 0, len(ops))}
	queued, digest := s.over.mark()
	failed := false
	for _, op := range ops {
		if failed {
			t.Parts = append(t.Parts, errorPart(proto.RuntimeInconsistency))
			continue
		}
		p.op, p.body = op.Op, op.Body
		if code := s.rows.row(op.Op).prepare(s, p); code != proto.OK {
			failed = true
			s.over.rollback(queued, digest)
			t.Parts = append(t.Parts, errorPart(code))
			continue
		}
		t.Parts = append(t.Parts, proto.MultiPart{Op: op.Op, Body: p.txn})
	}
	s.over.unmark()
	p.txn, p.malformed = t, false
	return proto.OK
}

func errorPart(code proto.Code) proto.MultiPart {
	return proto.MultiPart{Op: proto.OpError, Body: &proto.ErrorTxn{Err: code}}
}

// applyMulti carries out the parts with one zxid and time. If one of them is
// an error nothing happens, and the parts before it report OK.
func (s *State) applyMulti(h *proto.TxnHeader, body proto.TxnBody, r *Result) {
	parts := body.(*proto.MultiTxn).Parts
	failed := slices.ContainsFunc(parts, func(p proto.MultiPart) bool { return p.Op == proto.OpError })
	passed := false // the part that failed
	for _, part := range parts {
		s.out.Parts = append(s.out.Parts, Result{Op: part.Op})
		res := &s.out.Parts[len(s.out.Parts)-1]
		row := s.rows.row(part.Op)
		switch {
		case part.Op == proto.OpError:
			passed = true
			row.apply(s, h, part.Body, res)
		case failed && passed:
			res.Op, res.Err = proto.OpError, proto.RuntimeInconsistency
		case failed:
			res.Op = proto.OpError
		case row == nil || row.part == nil:
			res.Err = proto.Unimplemented // no server writes such
		default:
			row.apply(s, h, part.Body, res)
		}
		if r.Err == proto.OK {
			r.Err = res.Err
		}
	}
}

func replyMulti(s *State, b []byte, o *Outcome) []byte {
	for i := range o.Parts {
		r := &o.Parts[i]
		row := s.rows.row(r.Op)
		if r.Op == proto.OpError || r.Err != proto.OK || row == nil || row.part == nil {
			b = partError(b, r.Err)
		} else {
			b = row.part(b, r)
		}
	}
	return proto.AppendMultiHeader(b, proto.MultiEnd)
}

// partError appends an ErrorResult, in which Java repeats the code.
func partError(b []byte, code proto.Code) []byte {
	b = proto.AppendMultiHeader(b, proto.MultiHeader{Op: proto.OpError, Err: code})
	return jute.AppendInt(b, int32(code))
}
