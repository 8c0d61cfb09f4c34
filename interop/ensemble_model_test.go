package interop

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// modelNode is a znode of the model. Its Stat is what a client sees, but cversion, which counts creations only.
type modelNode struct {
	data string
	stat rawStat
}

// model is a sequential ZooKeeper: the tree and the sessions after some transactions. With an overlay it can try
// operations without keeping them.
type model struct {
	nodes    map[string]*modelNode
	overlay  map[string]*modelNode // nil: none; a nil node is a deleted one
	sessions map[int64]bool
}

func newModel() *model {
	return &model{sessions: map[int64]bool{}, nodes: map[string]*modelNode{
		"/": {stat: rawStat{numChildren: 1}}, "/zookeeper": {stat: rawStat{numChildren: 2}},
		"/zookeeper/config": {}, "/zookeeper/quota": {},
	}}
}

func (m *model) get(path string) *modelNode {
	if n, ok := m.overlay[path]; ok {
		return n
	}
	return m.nodes[path]
}

// change returns a node that may be changed.
func (m *model) change(path string) *modelNode {
	n := m.get(path)
	if m.overlay == nil || n == nil {
		return n
	}
	if _, ok := m.overlay[path]; !ok {
		copied := *n
		m.overlay[path] = &copied
	}
	return m.overlay[path]
}

func (m *model) put(path string, n *modelNode) {
	switch {
	case m.overlay != nil:
		m.overlay[path] = n
	case n == nil:
		delete(m.nodes, path)
	default:
		m.nodes[path] = n
	}
}

// try runs f and undoes what it did.
func (m *model) try(f func()) {
	m.overlay = map[string]*modelNode{}
	f()
	m.overlay = nil
}

func parentPath(path string) string {
	if i := strings.LastIndexByte(path, '/'); i > 0 {
		return path[:i]
	}
	return "/"
}

// create adds a node; path is the final name.
func (m *model) create(path, data string, owner int64, x *txn) error {
	parent := m.change(parentPath(path))
	if parent == nil || m.get(path) != nil {
		return fmt.Errorf("create of %q: parent there %v, node there %v", path, parent != nil, m.get(path) != nil)
	}
	parent.stat.cversion++
	parent.stat.numChildren++
	parent.stat.pzxid = x.zxid
	m.put(path, &modelNode{data: data, stat: rawStat{
		czxid: x.zxid, mzxid: x.zxid, pzxid: x.zxid, ctime: x.timeMS, mtime: x.timeMS, owner: owner, dataLength: int32(len(data))}})
	return nil
}

func (m *model) delete(path string, x *txn) error {
	n := m.get(path)
	if n == nil || n.stat.numChildren > 0 {
		return fmt.Errorf("delete of %q, which is %v", path, n)
	}
	parent := m.change(parentPath(path))
	parent.stat.numChildren--
	parent.stat.pzxid = x.zxid
	m.put(path, nil)
	return nil
}

func (m *model) set(path, data string, version int32, x *txn) error {
	n := m.change(path)
	if n == nil {
		return fmt.Errorf("setData of %q, which does not exist", path)
	}
	if version != n.stat.version+1 && !strings.HasPrefix(path, "/zookeeper") {
		return fmt.Errorf("setData of %q makes version %d of %d", path, version, n.stat.version)
	}
	n.data, n.stat.version, n.stat.mzxid, n.stat.mtime, n.stat.dataLength = data, version, x.zxid, x.timeMS, int32(len(data))
	return nil
}

// ephemerals are the nodes of a session, sorted.
func (m *model) ephemerals(session int64) []string {
	var list []string
	for path, n := range m.nodes {
		if n.stat.owner == session {
			list = append(list, path)
		}
	}
	slices.Sort(list)
	return list
}

// apply carries out a committed transaction and says what is wrong with it.
func (m *model) apply(x *txn) error {
	u := &unpacker{b: x.body}
	switch x.op {
	case opCreateSession:
		if m.sessions[x.session] {
			return fmt.Errorf("session %#x is opened again", x.session)
		}
		m.sessions[x.session] = true
		return nil
	case opCloseSession:
		return m.closeSession(u, x)
	case -1:
		return nil
	}
	if !m.sessions[x.session] && x.session != 0 {
		return fmt.Errorf("a transaction of session %#x, which is not open", x.session)
	}
	if x.op == opMulti {
		return m.applyMulti(u, x)
	}
	return m.applyStep(x.op, u, x)
}

func (m *model) applyStep(op int32, u *unpacker, x *txn) error {
	switch path := u.str(); op {
	case opCreate, opCreate2, opCreateContainer:
		data := string(u.buf())
		u.acls()
		owner := int64(0)
		if op != opCreateContainer && u.flag() {
			owner = x.session
		}
		stored := u.i32()
		err := m.create(path, data, owner, x)
		if parent := m.get(parentPath(path)); err == nil && stored != parent.stat.cversion {
			err = fmt.Errorf("create of %q counts %d creations, not %d", path, stored, parent.stat.cversion)
		}
		return err
	case opDelete, opDeleteContainer:
		return m.delete(path, x)
	case opSetData, opReconfig:
		data := string(u.buf())
		return m.set(path, data, u.i32(), x)
	case opCheck:
		return nil
	default:
		return fmt.Errorf("transaction of type %d", op)
	}
}

// applyMulti applies all or, when one failed, nothing.
func (m *model) applyMulti(u *unpacker, x *txn) error {
	type sub struct {
		op   int32
		body []byte
	}
	var subs []sub
	for range u.count() {
		subs = append(subs, sub{u.i32(), u.buf()})
	}
	if slices.ContainsFunc(subs, func(s sub) bool { return s.op == -1 }) {
		return nil
	}
	for _, s := range subs {
		if err := m.applyStep(s.op, &unpacker{b: s.body}, x); err != nil {
			return fmt.Errorf("in a multi: %w", err)
		}
	}
	return nil
}

func (m *model) closeSession(u *unpacker, x *txn) error {
	if !m.sessions[x.session] {
		return nil // closed twice, the second does nothing
	}
	delete(m.sessions, x.session)
	have := m.ephemerals(x.session)
	if listed := sortedStrings(u.strs()); u.err == nil && !slices.Equal(listed, have) {
		return fmt.Errorf("the end of session %#x lists %q, but its ephemerals are %q", x.session, listed, have)
	}
	for _, path := range have {
		if err := m.delete(path, x); err != nil {
			return err
		}
	}
	return nil
}

func sortedStrings(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

// expect says which code a write must be answered with in this state, and the name that a create gives.
func (m *model) expect(c *call) (code int32, name string) {
	if !m.sessions[c.session] {
		return errSessionExpired, ""
	}
	x := &txn{session: c.session}
	m.try(func() {
		for _, s := range c.steps {
			if code, name = m.expectStep(s, x); code != 0 {
				return
			}
		}
	})
	return code, name
}

const errSessionExpired int32 = -112

func (m *model) expectStep(s callStep, x *txn) (code int32, name string) {
	switch n := m.get(s.path); s.op {
	case opCreate, opCreate2:
		return m.expectCreate(s, x)
	case opDelete, opSetData, opCheck:
		switch {
		case n == nil:
			return errNoNode, ""
		case s.version != -1 && s.version != n.stat.version:
			return errBadVersion, ""
		case s.op == opDelete && n.stat.numChildren > 0:
			return errNotEmpty, ""
		case s.op == opDelete:
			_ = m.delete(s.path, x) // cannot fail after these checks
		case s.op == opSetData:
			_ = m.set(s.path, s.value, n.stat.version+1, x)
		}
	}
	return 0, s.path
}

func (m *model) expectCreate(s callStep, x *txn) (code int32, name string) {
	parent := m.get(parentPath(s.path))
	if parent == nil {
		return errNoNode, ""
	}
	path := s.path
	if s.flags&2 != 0 {
		path = fmt.Sprintf("%s%010d", path, parent.stat.cversion)
	}
	switch {
	case m.get(path) != nil:
		return errNodeExists, ""
	case parent.stat.owner != 0:
		return errNoEphemeralKid, ""
	}
	_ = m.create(path, s.value, 0, x) // cannot fail after these checks
	return 0, path
}

// visible is the Stat that clients see.
func (n *modelNode) visible() rawStat {
	s := n.stat
	s.cversion = 2*s.cversion - s.numChildren
	return s
}

// view is the model's tree as clients see it, without what the servers themselves keep.
func (m *model) view() map[string]modelNode {
	view := map[string]modelNode{}
	for path, n := range m.nodes {
		view[path] = modelNode{n.data, n.visible()}
	}
	maps.DeleteFunc(view, func(path string, _ modelNode) bool { return strings.HasPrefix(path, "/zookeeper") })
	return view
}
