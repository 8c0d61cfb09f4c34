package state

import (
	"bytes"
	"strconv"
	"strings"

	"quokka/internal/core/tree"
	"quokka/internal/jute"
	"quokka/internal/proto"
)

// create, create2, createContainer and createTTL. The operation decides what
// kind of node comes out of it, except that create and create2 look at the
// flag for ephemeral; the flag decides whether a sequence number is appended.
// So create with the flag CONTAINER makes a plain node, and createContainer
// with the flag EPHEMERAL a container, both as in Java.
var (
	opCreate = row{
		kind: Write, prepare: (*State).prepareCreate, apply: (*State).applyCreate,
		reply: replyPath, part: partPath,
	}
	opCreate2 = row{
		kind: Write, prepare: (*State).prepareCreate, apply: (*State).applyCreate,
		reply: replyPathStat, part: partPathStat,
	}
	opCreateContainer = row{
		kind: Write, prepare: (*State).prepareCreate, apply: (*State).applyCreateContainer,
		reply: replyPathStat, part: partPathStat,
	}
	opCreateTTL = row{
		kind: Write, prepare: (*State).prepareCreate, apply: (*State).applyCreateTTL,
		reply: replyPathStat, part: partPathStat,
	}
)

// createArgs is a decoded create request, looked at.
type createArgs struct {
	proto.CreateRequest
	open       bool // the ACL is world:anyone cdrwa, not decoded
	sequential bool
	ephemeral  bool  // it will belong to the session
	owner      int64 // as persisted
}

// openACLWire is how most requests carry their ACL: world:anyone cdrwa.
const openACLWire = "\x00\x00\x00\x01\x00\x00\x00\x1f\x00\x00\x00\x05world\x00\x00\x00\x06anyone"

// decodeCreate reads the record; the common ACL costs nothing.
func decodeCreate(body []byte, op proto.Op) (createArgs, bool) {
	d := jute.NewDecoder(body)
	a := createArgs{}
	a.Path, a.Data = d.String(), d.Buffer()
	if bytes.HasPrefix(d.Rest(), []byte(openACLWire)) {
		a.open = true
		d = jute.NewDecoder(d.Rest()[len(openACLWire):])
	} else {
		a.ACL = proto.DecodeACLs(&d)
	}
	a.Flags, a.TTL = d.Int(), -1
	if op == proto.OpCreateTTL {
		a.TTL = d.Long()
	}
	return a, d.Err() == nil
}

// mode works out what kind of node the request asks for
// (CreateMode.fromFlag, EphemeralType.validateTTL). A createTTL whose flag
// says no TTL is refused: Java logs it and cannot apply it.
func (a *createArgs) mode(p *prep, extended bool) proto.Code {
	if a.Flags < proto.FlagPersistent || a.Flags > proto.FlagPersistentSequentialTTL {
		return proto.BadArguments
	}
	ttlMode := a.Flags >= proto.FlagPersistentTTL
	if ttlMode && !extended {
		return proto.Unimplemented
	}
	if ttlMode != (p.op == proto.OpCreateTTL) || ttlMode && (a.TTL <= 0 || a.TTL > tree.MaxTTL) {
		return proto.BadArguments
	}
	a.sequential = a.Flags == proto.FlagPersistentSequential || a.Flags == proto.FlagEphemeralSequential ||
		a.Flags == proto.FlagPersistentSequentialTTL
	ephemeralFlag := a.Flags == proto.FlagEphemeral || a.Flags == proto.FlagEphemeralSequential
	switch p.op {
	case proto.OpCreateContainer:
		a.owner = tree.ContainerOwner
	case proto.OpCreateTTL:
		a.owner = tree.TTLOwner(a.TTL)
	default:
		if a.ephemeral = ephemeralFlag; a.ephemeral {
			a.owner = int64(p.Session)
		}
	}
	return proto.OK
}

func (s *State) prepareCreate(p *prep) proto.Code {
	a, ok := decodeCreate(p.body, p.op)
	if !ok {
		return p.malform()
	}
	if code := a.mode(p, s.opts.Tree.ExtendedTypes); code != proto.OK {
		return code
	}
	needGlobal := a.Flags == proto.FlagEphemeral || a.Flags == proto.FlagEphemeralSequential
	if code := s.checkSession(p, needGlobal); code != proto.OK {
		return code
	}
	if !hasParent(a.Path) {
		return proto.BadArguments
	}
	acl := s.openACL
	if !a.open {
		var code proto.Code
		if acl, code = s.fixACL(a.ACL, p.Auth); code != proto.OK {
			return code
		}
	}
	parent := s.over.look(proto.ParentOf(a.Path))
	node, code := s.placeFor(p, &a, parent)
	if code != proto.OK {
		return code
	}
	data := bytes.Clone(a.Data)
	cversion := parent.stat.Cversion + 1
	p.txn = createTxn(p.op, node.path, data, acl, &a, cversion)
	s.addChild(p, parent, cversion)
	s.over.create(node, p.zxid, p.now, a.owner, data, acl, a.ephemeral)
	return proto.OK
}

// hasParent is the weak test of paths that create and delete begin with; the
// strict one comes when the name is complete.
func hasParent(path string) bool {
	return strings.IndexByte(path, '/') >= 0 && strings.IndexByte(path, 0) < 0
}

// placeFor finds where the node goes, its sequence number included, and
// whether it may.
func (s *State) placeFor(p *prep, a *createArgs, parent *record) (*record, proto.Code) {
	if !parent.exists {
		return nil, proto.NoNode
	}
	if !s.allowed(parent.acl, proto.PermCreate, p.Auth) {
		return nil, proto.NoAuth
	}
	path := a.Path
	if a.sequential {
		path = sequenced(path, parent.stat.Cversion)
	}
	if proto.ValidatePath(path) != "" {
		return nil, proto.BadArguments
	}
	node := s.over.look(path)
	if node.exists {
		return nil, proto.NodeExists
	}
	if kind, _ := s.opts.Tree.KindOf(parent.stat.Owner); kind == tree.Ephemeral {
		return nil, proto.NoChildrenForEphemerals
	}
	return node, s.checkQuota(path, int64(len(a.Data)), 1)
}

// sequenced appends the sequence number: at least ten digits of the number of
// creates the parent has seen, negative after 2^31 as in Java.
func sequenced(path string, n int32) string {
	var digits [12]byte
	d := strconv.AppendInt(digits[:0], int64(n), 10)
	b := make([]byte, 0, len(path)+11)
	b = append(b, path...)
	if n < 0 {
		b = append(b, '-')
		d = d[1:]
	}
	for i := len(b) - len(path) + len(d); i < 10; i++ {
		b = append(b, '0')
	}
	return string(append(b, d...))
}

// addChild records in the parent that it gets a child, by the rule the tree
// will follow: the number of creates only grows, and pzxid with it.
func (s *State) addChild(p *prep, parent *record, cversion int32) {
	s.over.touch(parent, p.zxid, 0)
	parent.children++
	if cversion > parent.stat.Cversion {
		parent.stat.Cversion, parent.stat.Pzxid = cversion, p.zxid
	}
	s.over.set(parent)
}

func createTxn(op proto.Op, path string, data []byte, acl []proto.ACL, a *createArgs, cversion int32) proto.TxnBody {
	switch op {
	case proto.OpCreateContainer:
		return &proto.CreateContainerTxn{Path: path, Data: data, ACL: acl, ParentCversion: cversion}
	case proto.OpCreateTTL:
		return &proto.CreateTTLTxn{Path: path, Data: data, ACL: acl, ParentCversion: cversion, TTL: a.TTL}
	}
	return &proto.CreateTxn{Path: path, Data: data, ACL: acl, Ephemeral: a.ephemeral, ParentCversion: cversion}
}

func (s *State) applyCreate(h *proto.TxnHeader, body proto.TxnBody, r *Result) {
	t := body.(*proto.CreateTxn)
	owner := int64(0)
	if t.Ephemeral {
		owner = int64(h.Session)
	}
	s.applyNode(h, t.Path, t.Data, t.ACL, owner, t.ParentCversion, r)
}

func (s *State) applyCreateContainer(h *proto.TxnHeader, body proto.TxnBody, r *Result) {
	t := body.(*proto.CreateContainerTxn)
	s.applyNode(h, t.Path, t.Data, t.ACL, tree.ContainerOwner, t.ParentCversion, r)
}

// applyCreateTTL refuses a TTL that is none. Only a Java leader proposes
// such, for a createTTL with a flag that says no TTL; Java servers exit upon
// it, at every start again.
func (s *State) applyCreateTTL(h *proto.TxnHeader, body proto.TxnBody, r *Result) {
	t := body.(*proto.CreateTTLTxn)
	if t.TTL <= 0 || t.TTL > tree.MaxTTL {
		r.Path, r.Err = t.Path, proto.BadArguments
		return
	}
	s.applyNode(h, t.Path, t.Data, t.ACL, tree.TTLOwner(t.TTL), t.ParentCversion, r)
}

// applyNode makes the node, then NodeCreated on it and NodeChildrenChanged on
// its parent. The reply to a plain create carries no Stat.
func (s *State) applyNode(h *proto.TxnHeader, path string, data []byte, acl []proto.ACL, owner int64, cversion int32, r *Result) {
	r.Path = path
	r.Err = s.tree.Create(path, data, acl, owner, cversion, h.Zxid, h.Time)
	watched := s.watched()
	if r.Err != proto.OK || s.quiet || r.Op == proto.OpCreate && !watched {
		return
	}
	ref := s.tree.FindString(path)
	r.Stat = s.tree.Stat(ref)
	if watched {
		s.emit(s.watches.Created(path), acl, s.tree.ACL(s.tree.Parent(ref)))
	}
}

func replyPath(_ *State, b []byte, o *Outcome) []byte { return jute.AppendString(b, o.Path) }

func replyPathStat(_ *State, b []byte, o *Outcome) []byte {
	return proto.AppendStat(jute.AppendString(b, o.Path), &o.Stat)
}

func partPath(b []byte, r *Result) []byte {
	b = proto.AppendMultiHeader(b, proto.MultiHeader{Op: proto.OpCreate})
	return jute.AppendString(b, r.Path)
}

func partPathStat(b []byte, r *Result) []byte {
	b = proto.AppendMultiHeader(b, proto.MultiHeader{Op: proto.OpCreate2})
	return proto.AppendStat(jute.AppendString(b, r.Path), &r.Stat)
}
