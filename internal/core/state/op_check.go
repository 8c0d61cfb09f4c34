package state

import (
	"quokka/internal/jute"
	"quokka/internal/proto"
)

// check stands inside multi only. Java before 3.8.5 and 3.9.3 also took it
// from clients, and could not read its log afterwards (ZOOKEEPER-2623).
var opCheck = row{
	kind: Refused, partOnly: true, prepare: (*State).prepareCheck, apply: (*State).applyCheck, part: partCheck,
}

func (s *State) prepareCheck(p *prep) proto.Code {
	d := jute.NewDecoder(p.body)
	r := proto.DecodePathVersion(&d)
	if d.Err() != nil {
		return p.malform()
	}
	if code := s.checkSession(p, false); code != proto.OK {
		return code
	}
	if proto.ValidatePath(r.Path) != "" {
		return proto.BadArguments
	}
	node := s.over.look(r.Path)
	switch {
	case !node.exists:
		return proto.NoNode
	case !s.allowed(node.acl, proto.PermRead, p.Auth):
		return proto.NoAuth
	case r.Version != -1 && r.Version != node.stat.Version:
		return proto.BadVersion
	}
	p.txn = &proto.CheckVersionTxn{Path: r.Path, Version: node.stat.Version + 1}
	return proto.OK
}

func (s *State) applyCheck(_ *proto.TxnHeader, body proto.TxnBody, r *Result) {
	r.Path = body.(*proto.CheckVersionTxn).Path
}

func partCheck(b []byte, _ *Result) []byte {
	return proto.AppendMultiHeader(b, proto.MultiHeader{Op: proto.OpCheck})
}
