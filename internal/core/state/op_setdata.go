package state

import (
	"bytes"

	"quokka/internal/jute"
	"quokka/internal/proto"
)

var opSetData = row{
	kind: Write, prepare: (*State).prepareSetData, apply: (*State).applySetData,
	reply: replyStat, part: partSetData,
}

func (s *State) prepareSetData(p *prep) proto.Code {
	d := jute.NewDecoder(p.body)
	r := proto.DecodeSetDataRequest(&d)
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
	if !node.exists {
		return proto.NoNode
	}
	if !s.allowed(node.acl, proto.PermWrite, p.Auth) {
		return proto.NoAuth
	}
	if s.opts.EnforceQuota {
		if code := s.checkQuota(r.Path, int64(len(r.Data)-len(s.over.bytes(node))), 0); code != proto.OK {
			return code
		}
	}
	if r.Version != -1 && r.Version != node.stat.Version {
		return proto.BadVersion
	}
	t := &proto.SetDataTxn{Path: r.Path, Data: bytes.Clone(r.Data), Version: node.stat.Version + 1}
	s.setNode(p, node, t)
	p.txn = t
	return proto.OK
}

// setNode records new data.
func (s *State) setNode(p *prep, node *record, t *proto.SetDataTxn) {
	s.over.touch(node, p.zxid, 0)
	node.owned, node.data = true, t.Data
	node.stat.Version, node.stat.Mzxid, node.stat.Mtime = t.Version, p.zxid, p.now
	s.over.set(node)
}

// applySetData stores the data, then NodeDataChanged.
func (s *State) applySetData(h *proto.TxnHeader, body proto.TxnBody, r *Result) {
	t := body.(*proto.SetDataTxn)
	r.Path = t.Path
	if r.Err = s.tree.SetData(t.Path, t.Data, t.Version, h.Zxid, h.Time); r.Err != proto.OK || s.quiet {
		return
	}
	ref := s.tree.FindString(t.Path)
	r.Stat = s.tree.Stat(ref)
	if s.watched() {
		s.emit(s.watches.DataChanged(t.Path), s.tree.ACL(ref), nil)
	}
}

func replyStat(_ *State, b []byte, o *Outcome) []byte { return proto.AppendStat(b, &o.Stat) }

func partSetData(b []byte, r *Result) []byte {
	b = proto.AppendMultiHeader(b, proto.MultiHeader{Op: proto.OpSetData})
	return proto.AppendStat(b, &r.Stat)
}
