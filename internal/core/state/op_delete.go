package state

import (
	"quokka/internal/core/tree"
	"quokka/internal/jute"
	"quokka/internal/proto"
)

// delete, and deleteContainer with which the server itself removes containers
// and TTL nodes that have served.
var (
	opDelete = row{
		kind: Write, prepare: (*State).prepareDelete, apply: (*State).applyDelete, part: partDelete,
	}
	opDeleteContainer = row{
		kind: Internal, prepare: (*State).prepareDeleteContainer, apply: (*State).applyDelete, part: partDelete,
	}
)

// special tells the nodes that cannot be deleted (DataTree.isSpecialPath).
func special(path string) bool {
	switch path {
	case "/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config":
		return true
	}
	return false
}

func (s *State) prepareDelete(p *prep) proto.Code {
	d := jute.NewDecoder(p.body)
	r := proto.DecodePathVersion(&d)
	if d.Err() != nil {
		return p.malform()
	}
	if code := s.checkSession(p, false); code != proto.OK {
		return code
	}
	if !hasParent(r.Path) || special(r.Path) {
		return proto.BadArguments
	}
	parent := s.over.look(proto.ParentOf(r.Path))
	if !parent.exists {
		return proto.NoNode
	}
	if !s.allowed(parent.acl, proto.PermDelete, p.Auth) {
		return proto.NoAuth
	}
	node := s.over.look(r.Path)
	switch {
	case !node.exists:
		return proto.NoNode
	case r.Version != -1 && r.Version != node.stat.Version:
		return proto.BadVersion
	case node.children > 0:
		return proto.NotEmpty
	}
	s.over.remove(node, parent, p.zxid)
	p.txn = &proto.DeleteTxn{Path: r.Path}
	return proto.OK
}

// prepareDeleteContainer decides anew whether the node is due: since it was
// found a candidate it may have been refreshed, or deleted and made again as
// something else. That it is not any more is BadVersion, as Java answers for
// an ephemeral node; Java looks no further.
func (s *State) prepareDeleteContainer(p *prep) proto.Code {
	d := jute.NewDecoder(p.body)
	path := d.String()
	if d.Err() != nil {
		return p.malform()
	}
	if !hasParent(path) || special(path) {
		return proto.BadArguments
	}
	node := s.over.look(path)
	parent := s.over.look(proto.ParentOf(path))
	switch {
	case !node.exists || !parent.exists:
		return proto.NoNode
	case node.children > 0:
		return proto.NotEmpty
	case !s.due(&node.stat, p.now, s.opts.MaxNeverUsedMS):
		return proto.BadVersion
	}
	s.over.remove(node, parent, p.zxid)
	p.txn = &proto.DeleteTxn{Path: path}
	return proto.OK
}

// due tells whether a childless node has served: a container that once had
// children, or waited in vain for one longer than maxNeverUsedMS (0 is for
// ever); a TTL node not written to for longer than its TTL
// (ContainerManager.getCandidates).
func (s *State) due(st *proto.StatPersisted, now proto.Millis, maxNeverUsedMS int64) bool {
	age := int64(now - st.Mtime)
	switch kind, ttl := s.opts.Tree.KindOf(st.Owner); kind {
	case tree.Container:
		return st.Cversion > 0 || maxNeverUsedMS != 0 && age > maxNeverUsedMS
	case tree.TTL:
		return ttl != 0 && age > ttl
	}
	return false
}

// ContainerCandidates returns the paths for which a deleteContainer should be
// tried at the wall clock time now, in no particular but always the same
// order. maxNeverUsedMS should be that of the Options.
func (s *State) ContainerCandidates(now proto.Millis, maxNeverUsedMS int64) []string {
	var paths []string
	consider := func(ref tree.Ref) {
		st := s.tree.Persisted(ref)
		if s.tree.NumChildren(ref) == 0 && s.due(&st, now, maxNeverUsedMS) {
			paths = append(paths, string(s.tree.AppendPath(nil, ref)))
		}
	}
	for ref := range s.tree.Containers() {
		consider(ref)
	}
	for ref := range s.tree.TTLs() {
		consider(ref)
	}
	return paths
}

// applyDelete removes the node.
func (s *State) applyDelete(h *proto.TxnHeader, body proto.TxnBody, r *Result) {
	r.Path = body.(*proto.DeleteTxn).Path
	r.Err = s.deleteNode(r.Path, h.Zxid)
}

// deleteNode removes a node, then NodeDeleted on it and NodeChildrenChanged
// on its parent. Both are filtered by the ACLs before.
func (s *State) deleteNode(path string, zxid proto.Zxid) proto.Code {
	if !s.watched() {
		return s.tree.Delete(path, zxid)
	}
	var acl, parentACL []proto.ACL
	if ref := s.tree.FindString(path); ref != 0 {
		acl, parentACL = s.tree.ACL(ref), s.tree.ACL(s.tree.Parent(ref))
	}
	code := s.tree.Delete(path, zxid)
	if code == proto.OK {
		s.emit(s.watches.Deleted(path), acl, parentACL)
	}
	return code
}

func partDelete(b []byte, _ *Result) []byte {
	return proto.AppendMultiHeader(b, proto.MultiHeader{Op: proto.OpDelete})
}
