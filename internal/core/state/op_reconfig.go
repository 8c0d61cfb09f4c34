package state

import (
	"quokka/internal/jute"
	"quokka/internal/proto"
)

var opReconfig = row{
	kind: Write, prepare: (*State).prepareReconfig, apply: (*State).applyReconfig, reply: replyReconfig,
}

// configPath is the node that shows the ensemble's configuration
// (ZooDefs.CONFIG_NODE). Its version is always -1.
const configPath = "/zookeeper/config"

// prepareReconfig asks the member for the new configuration, and only then
// whether the client may WRITE it: the order of PrepRequestProcessor, so that
// everybody is told what is wrong with a request.
func (s *State) prepareReconfig(p *prep) proto.Code {
	d := jute.NewDecoder(p.body)
	r := proto.DecodeReconfigRequest(&d)
	if d.Err() != nil {
		return p.malform()
	}
	if !s.opts.ReconfigEnabled {
		return proto.ReconfigDisabled
	}
	if code := s.checkSession(p, false); code != proto.OK {
		return code
	}
	if s.opts.Standalone || s.opts.Reconfigure == nil {
		return proto.Unimplemented
	}
	text, code := s.opts.Reconfigure(r, p.zxid)
	if code != proto.OK {
		return code
	}
	node := s.over.look(configPath)
	if !node.exists {
		return proto.NoNode
	}
	if !s.allowed(node.acl, proto.PermWrite, p.Auth) {
		return proto.NoAuth
	}
	t := &proto.SetDataTxn{Path: configPath, Data: text, Version: -1}
	s.setNode(p, node, t)
	p.txn = t
	return proto.OK
}

// applyReconfig shows the new configuration; the member makes it true.
func (s *State) applyReconfig(h *proto.TxnHeader, body proto.TxnBody, r *Result) {
	s.applySetData(h, body, r)
	r.Data = body.(*proto.SetDataTxn).Data
}

func replyReconfig(_ *State, b []byte, o *Outcome) []byte {
	return proto.AppendStat(jute.AppendBuffer(b, o.Data), &o.Stat)
}
