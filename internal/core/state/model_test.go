package state

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strings"

	"quokka/internal/core/tree"
	"quokka/internal/core/watch"
	"quokka/internal/jute"
	"quokka/internal/proto"
)

// A model is the state machine again, in the plainest words: a map of nodes,
// one request at a time, everything recomputed. It shares no code with State
// but the decoders and the path rules.
type model struct {
	nodes    map[string]*modelNode // the root is "/"
	sessions map[proto.SessionID]bool
	watches  map[modelWatch]bool
	auth     map[watch.ConnID][]proto.ID
}

type modelNode struct {
	stat proto.StatPersisted
	data string
	null bool
	acl  []proto.ACL // nil is open
}

type modelWatch struct {
	conn watch.ConnID
	path string
	kind watch.Kind
}

type modelResult struct {
	op     proto.Op
	code   proto.Code
	path   string
	stat   proto.Stat
	parts  []modelResult
	events []Event
}

func newModel() *model {
	m := &model{
		nodes: map[string]*modelNode{}, sessions: map[proto.SessionID]bool{},
		watches: map[modelWatch]bool{}, auth: map[watch.ConnID][]proto.ID{},
	}
	for _, p := range []string{"/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"} {
		m.nodes[p] = &modelNode{}
	}
	m.nodes["/zookeeper/config"].acl = aclOf(proto.PermRead, proto.ID{Scheme: "world", ID: "anyone"})
	m.nodes["/zookeeper/config"].stat.Aversion = -1
	return m
}

func (m *model) clone() *model {
	c := &model{nodes: map[string]*modelNode{}, sessions: maps.Clone(m.sessions), watches: maps.Clone(m.watches), auth: m.auth}
	for p, n := range m.nodes {
		copied := *n
		c.nodes[p] = &copied
	}
	return c
}

func parentPath(path string) string {
	i := strings.LastIndexByte(path, '/')
	if i == 0 {
		return "/"
	}
	return path[:i]
}

func (m *model) children(path string) int {
	n := 0
	for p := range m.nodes {
		if p != "/" && parentPath(p) == path {
			n++
		}
	}
	return n
}

func (m *model) stat(path string) proto.Stat {
	n := m.nodes[path]
	kids := int32(m.children(path))
	s := proto.Stat{
		Czxid: n.stat.Czxid, Mzxid: n.stat.Mzxid, Ctime: n.stat.Ctime, Mtime: n.stat.Mtime, Version: n.stat.Version,
		Cversion: 2*n.stat.Cversion - kids, Aversion: n.stat.Aversion, DataLength: int32(len(n.data)), NumChildren: kids, Pzxid: n.stat.Pzxid,
	}
	if n.stat.Owner > 0 {
		s.EphemeralOwner = proto.SessionID(n.stat.Owner)
	}
	return s
}

func (m *model) digest() uint64 {
	sum := uint64(0)
	for p, n := range m.nodes {
		if strings.HasPrefix(p, "/zookeeper/") {
			continue
		}
		if p == "/" {
			p = ""
		}
		b := append([]byte(p), n.data...)
		for _, v := range []int64{int64(n.stat.Czxid), int64(n.stat.Mzxid), int64(n.stat.Pzxid), int64(n.stat.Ctime), int64(n.stat.Mtime)} {
			b = binary.BigEndian.AppendUint64(b, uint64(v))
		}
		for _, v := range []int32{n.stat.Version, n.stat.Cversion, n.stat.Aversion} {
			b = binary.BigEndian.AppendUint32(b, uint32(v))
		}
		b = binary.BigEndian.AppendUint64(b, uint64(n.stat.Owner))
		sum += uint64(crc32.ChecksumIEEE(b))
	}
	return sum
}

func may(acl []proto.ACL, perm int32, ids []proto.ID) bool {
	if acl == nil {
		return true
	}
	for _, id := range ids {
		if id.Scheme == "super" {
			return true
		}
		for _, a := range acl {
			if a.Perms&perm != 0 && a.ID == id {
				return true
			}
		}
	}
	return slices.ContainsFunc(acl, func(a proto.ACL) bool { return a.Perms&perm != 0 && a.ID.Scheme == "world" })
}

// exec does one request.
func (m *model) exec(r *Request, zxid proto.Zxid, now proto.Millis) modelResult {
	switch r.Op {
	case proto.OpCreateSession:
		m.sessions[r.Session] = true
		return modelResult{op: r.Op}
	case proto.OpCloseSession:
		return m.close(r, zxid)
	case proto.OpMulti:
		return m.multi(r, zxid, now)
	case proto.OpDeleteContainer:
		return m.deleteContainer(r, zxid, now)
	}
	d := jute.NewDecoder(r.Body)
	switch r.Op {
	case proto.OpDelete:
		q := proto.DecodePathVersion(&d)
		return m.delete(r, q, zxid)
	case proto.OpSetData, proto.OpSetACL, proto.OpCheck:
		return m.change(r, zxid, now)
	}
	return m.create(r, proto.DecodeCreateRequest(&d, r.Op), zxid, now)
}

func (m *model) close(r *Request, zxid proto.Zxid) modelResult {
	delete(m.sessions, r.Session)
	res := modelResult{op: r.Op}
	for _, p := range slices.Sorted(maps.Keys(m.nodes)) {
		if m.nodes[p].stat.Owner == int64(r.Session) {
			res.events = append(res.events, m.remove(p, zxid)...)
		}
	}
	return res
}

func (m *model) multi(r *Request, zxid proto.Zxid, now proto.Millis) modelResult {
	ops, err := proto.DecodeMulti(r.Body, proto.OpMulti)
	if err != nil {
		return modelResult{op: r.Op, code: proto.MarshallingError}
	}
	trial := m.clone()
	res := modelResult{op: r.Op}
	for _, op := range ops {
		if res.code != proto.OK {
			res.parts = append(res.parts, modelResult{op: proto.OpError, code: proto.RuntimeInconsistency})
			continue
		}
		part := trial.exec(&Request{Session: r.Session, Op: op.Op, Body: op.Body, Auth: r.Auth}, zxid, now)
		res.code = part.code
		res.events = append(res.events, part.events...)
		part.events = nil
		res.parts = append(res.parts, part)
	}
	if res.code == proto.OK {
		*m = *trial
		return res
	}
	res.events = nil
	for i := range res.parts {
		res.parts[i] = modelResult{op: proto.OpError, code: res.parts[i].code}
	}
	return res
}

func (m *model) create(r *Request, q proto.CreateRequest, zxid proto.Zxid, now proto.Millis) modelResult {
	fail := func(c proto.Code) modelResult { return modelResult{op: r.Op, code: c} }
	ttl := q.Flags == 5 || q.Flags == 6
	if q.Flags < 0 || q.Flags > 6 || ttl != (r.Op == proto.OpCreateTTL) || ttl && (q.TTL < 1 || q.TTL > tree.MaxTTL) {
		return fail(proto.BadArguments)
	}
	if !m.sessions[r.Session] {
		return fail(proto.SessionExpired)
	}
	if !strings.Contains(q.Path, "/") || strings.Contains(q.Path, "\x00") {
		return fail(proto.BadArguments)
	}
	if len(q.ACL) == 0 {
		return fail(proto.InvalidACL)
	}
	parent := m.nodes[parentPath(q.Path)]
	if parent == nil || q.Path[0] != '/' {
		return fail(proto.NoNode)
	}
	if !may(parent.acl, proto.PermCreate, r.Auth) {
		return fail(proto.NoAuth)
	}
	if q.Flags == 2 || q.Flags == 3 || q.Flags == 6 {
		q.Path += fmt.Sprintf("%010d", parent.stat.Cversion)
	}
	if proto.ValidatePath(q.Path) != "" {
		return fail(proto.BadArguments)
	}
	if m.nodes[q.Path] != nil {
		return fail(proto.NodeExists)
	}
	if parent.stat.Owner > 0 {
		return fail(proto.NoChildrenForEphemerals)
	}
	n := &modelNode{data: string(q.Data), null: q.Data == nil, acl: q.ACL}
	n.stat = proto.StatPersisted{Czxid: zxid, Mzxid: zxid, Pzxid: zxid, Ctime: now, Mtime: now}
	switch {
	case r.Op == proto.OpCreateContainer:
		n.stat.Owner = -1 << 63
	case r.Op == proto.OpCreateTTL:
		n.stat.Owner = -1<<56 | q.TTL
	case q.Flags == 1 || q.Flags == 3:
		n.stat.Owner = int64(r.Session)
	}
	m.nodes[q.Path] = n
	parent.stat.Cversion++
	parent.stat.Pzxid = zxid
	ev := m.fire(proto.EventNodeCreated, q.Path, n.acl, watch.Data|watch.Persistent)
	ev = append(ev, m.fire(proto.EventNodeChildrenChanged, parentPath(q.Path), parent.acl, watch.Child|watch.Persistent)...)
	return modelResult{op: r.Op, path: q.Path, stat: m.stat(q.Path), events: ev}
}

func (m *model) delete(r *Request, q proto.PathVersion, zxid proto.Zxid) modelResult {
	fail := func(c proto.Code) modelResult { return modelResult{op: r.Op, code: c} }
	if !m.sessions[r.Session] {
		return fail(proto.SessionExpired)
	}
	if !strings.Contains(q.Path, "/") || q.Path == "/" || q.Path == "/zookeeper" || q.Path == "/zookeeper/quota" || q.Path == "/zookeeper/config" {
		return fail(proto.BadArguments)
	}
	parent := m.nodes[parentPath(q.Path)]
	if parent == nil {
		return fail(proto.NoNode)
	}
	if !may(parent.acl, proto.PermDelete, r.Auth) {
		return fail(proto.NoAuth)
	}
	n := m.nodes[q.Path]
	if n == nil {
		return fail(proto.NoNode)
	}
	if q.Version != -1 && q.Version != n.stat.Version {
		return fail(proto.BadVersion)
	}
	if m.children(q.Path) > 0 {
		return fail(proto.NotEmpty)
	}
	return modelResult{op: r.Op, path: q.Path, events: m.remove(q.Path, zxid)}
}

func (m *model) deleteContainer(r *Request, zxid proto.Zxid, now proto.Millis) modelResult {
	d := jute.NewDecoder(r.Body)
	path := d.String()
	n := m.nodes[path]
	age := int64(0)
	if n != nil {
		age = int64(now - n.stat.Mtime)
	}
	switch {
	case !strings.Contains(path, "/") || path == "/" || path == "/zookeeper" || path == "/zookeeper/config":
		return modelResult{op: r.Op, code: proto.BadArguments}
	case n == nil:
		return modelResult{op: r.Op, code: proto.NoNode}
	case m.children(path) > 0:
		return modelResult{op: r.Op, code: proto.NotEmpty}
	case n.stat.Owner == -1<<63 && (n.stat.Cversion > 0 || age > 500),
		n.stat.Owner < 0 && n.stat.Owner != -1<<63 && age > n.stat.Owner&tree.MaxTTL:
		return modelResult{op: r.Op, path: path, events: m.remove(path, zxid)}
	}
	return modelResult{op: r.Op, code: proto.BadVersion}
}

func (m *model) remove(path string, zxid proto.Zxid) []Event {
	n, parent := m.nodes[path], m.nodes[parentPath(path)]
	delete(m.nodes, path)
	parent.stat.Pzxid = zxid
	ev := m.fire(proto.EventNodeDeleted, path, n.acl, watch.Data|watch.Child|watch.Persistent)
	return append(ev, m.fire(proto.EventNodeChildrenChanged, parentPath(path), parent.acl, watch.Child|watch.Persistent)...)
}

// change is setData, setACL and check.
func (m *model) change(r *Request, zxid proto.Zxid, now proto.Millis) modelResult {
	d := jute.NewDecoder(r.Body)
	path := d.String()
	d = jute.NewDecoder(r.Body)
	fail := func(c proto.Code) modelResult { return modelResult{op: r.Op, code: c} }
	if !m.sessions[r.Session] {
		return fail(proto.SessionExpired)
	}
	if proto.ValidatePath(path) != "" {
		return fail(proto.BadArguments)
	}
	perm := map[proto.Op]int32{proto.OpSetData: proto.PermWrite, proto.OpSetACL: proto.PermAdmin, proto.OpCheck: proto.PermRead}[r.Op]
	n := m.nodes[path]
	if n == nil {
		return fail(proto.NoNode)
	}
	if !may(n.acl, perm, r.Auth) {
		return fail(proto.NoAuth)
	}
	res := modelResult{op: r.Op, path: path}
	switch r.Op {
	case proto.OpCheck:
		if q := proto.DecodePathVersion(&d); q.Version != -1 && q.Version != n.stat.Version {
			return fail(proto.BadVersion)
		}
		return res
	case proto.OpSetACL:
		q := proto.DecodeSetACLRequest(&d)
		if q.Version != -1 && q.Version != n.stat.Aversion {
			return fail(proto.BadVersion)
		}
		n.acl = q.ACL
		n.stat.Aversion++
	case proto.OpSetData:
		q := proto.DecodeSetDataRequest(&d)
		if q.Version != -1 && q.Version != n.stat.Version {
			return fail(proto.BadVersion)
		}
		n.data, n.null = string(q.Data), q.Data == nil
		n.stat.Version++
		n.stat.Mzxid, n.stat.Mtime = zxid, now
		res.events = m.fire(proto.EventNodeDataChanged, path, n.acl, watch.Data|watch.Persistent)
	}
	res.stat = m.stat(path)
	return res
}

// fire finds who hears of an event, and uses up the standard watches.
func (m *model) fire(e proto.EventType, path string, acl []proto.ACL, modes watch.Kind) []Event {
	hit := map[watch.ConnID]bool{}
	for w := range m.watches {
		above := w.path == "/" || strings.HasPrefix(path, w.path+"/")
		switch {
		case w.path == path && w.kind&modes != 0:
			hit[w.conn] = true
			if w.kind == watch.Data || w.kind == watch.Child {
				delete(m.watches, w)
			}
		case w.kind == watch.Recursive && e != proto.EventNodeChildrenChanged && (w.path == path || above):
			hit[w.conn] = true
		}
	}
	var ev []Event
	for c := range hit {
		if may(acl, proto.PermRead, m.auth[c]) {
			ev = append(ev, Event{Conn: c, Type: e, Path: path})
		}
	}
	slices.SortFunc(ev, func(a, b Event) int { return cmp.Compare(a.Conn, b.Conn) })
	return ev
}
