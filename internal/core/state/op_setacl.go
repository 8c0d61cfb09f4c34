package state

import (
	"quokka/internal/jute"
	"quokka/internal/proto"
)

var opSetACL = row{
	kind: Write, prepare: (*State).prepareSetACL, apply: (*State).applySetACL, reply: replyStat,
}

// prepareSetACL compares the version with the ACL's, not with the data's.
func (s *State) prepareSetACL(p *prep) proto.Code {
	d := jute.NewDecoder(p.body)
	r := proto.DecodeSetACLRequest(&d)
	if d.Err() != nil {
		return p.malform()
	}
	if code := s.checkSession(p, false); code != proto.OK {
		return code
	}
	if proto.ValidatePath(r.Path) != "" {
		return proto.BadArguments
	}
	acl, code := s.fixACL(r.ACL, p.Auth)
	if code != proto.OK {
		return code
	}
	node := s.over.look(r.Path)
	switch {
	case !node.exists:
		return proto.NoNode
	case !s.allowed(node.acl, proto.PermAdmin, p.Auth):
		return proto.NoAuth
	case r.Version != -1 && r.Version != node.stat.Aversion:
		return proto.BadVersion
	}
	t := &proto.SetACLTxn{Path: r.Path, ACL: acl, Version: node.stat.Aversion + 1}
	s.over.touch(node, p.zxid, 0)
	node.acl, node.stat.Aversion = acl, t.Version
	s.over.set(node)
	p.txn = t
	return proto.OK
}

// applySetACL stores the list. Nobody is told: no watch sees ACLs.
func (s *State) applySetACL(_ *proto.TxnHeader, body proto.TxnBody, r *Result) {
	t := body.(*proto.SetACLTxn)
	r.Path = t.Path
	if r.Err = s.tree.SetACL(t.Path, t.ACL, t.Version); r.Err == proto.OK {
		r.Stat = s.tree.Stat(s.tree.FindString(t.Path))
	}
}
