package tree

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"quokka/internal/proto"
)

// naive is the tree written a second time, as plainly as possible: a map of
// paths. Everything that the real tree keeps is computed from it when asked.
type naive struct {
	options Options
	nodes   map[string]naiveNode // the root is ""
}

type naiveNode struct {
	data []byte
	acl  []proto.ACL // nil is open
	lost bool        // its ACL is not known
	stat proto.StatPersisted
}

func newNaive(o Options) *naive {
	m := &naive{o, map[string]naiveNode{}}
	for _, p := range []string{"", "/zookeeper", "/zookeeper/quota"} {
		m.nodes[p] = naiveNode{data: []byte{}}
	}
	m.nodes["/zookeeper/config"] = naiveNode{
		data: []byte{}, acl: []proto.ACL{{Perms: 1, ID: proto.ID{Scheme: "world", ID: "anyone"}}},
		stat: proto.StatPersisted{Aversion: -1},
	}
	return m
}

func (m *naive) copy() *naive { return &naive{m.options, maps.Clone(m.nodes)} }

func (m *naive) create(path string, data []byte, acl []proto.ACL, owner int64, pcv int32, zxid proto.Zxid, now proto.Millis) proto.Code {
	parentPath := proto.ParentOf(path)
	parent, ok := m.nodes[parentPath]
	if !ok {
		return proto.NoNode
	}
	if pcv == -1 {
		pcv = parent.stat.Cversion + 1
	}
	if pcv > parent.stat.Cversion {
		parent.stat.Cversion = pcv
		parent.stat.Pzxid = max(parent.stat.Pzxid, zxid)
		m.nodes[parentPath] = parent
	}
	if n, ok := m.nodes[path]; ok {
		if n.lost {
			n.acl, n.lost = slices.Clone(acl), false
			m.nodes[path] = n
		}
		return proto.NodeExists
	}
	m.nodes[path] = naiveNode{bytes.Clone(data), slices.Clone(acl), false, proto.StatPersisted{
		Czxid: zxid, Mzxid: zxid, Pzxid: zxid, Ctime: now, Mtime: now, Owner: owner,
	}}
	m.charge(path)
	if root, ok := strings.CutSuffix(path, "/zookeeper_limits"); ok {
		m.publish(strings.TrimPrefix(root, "/zookeeper/quota"))
	}
	if root, ok := strings.CutSuffix(path, "/zookeeper_stats"); ok {
		m.publish(strings.TrimPrefix(root, "/zookeeper/quota"))
	}
	return proto.OK
}

func (m *naive) remove(path string, zxid proto.Zxid) proto.Code {
	parent, ok := m.nodes[proto.ParentOf(path)]
	if !ok {
		return proto.NoNode
	}
	parent.stat.Pzxid = max(parent.stat.Pzxid, zxid)
	m.nodes[proto.ParentOf(path)] = parent
	if _, ok := m.nodes[path]; !ok {
		return proto.NoNode
	}
	for p := range m.nodes {
		if p == path || strings.HasPrefix(p, path+"/") {
			delete(m.nodes, p)
		}
	}
	m.charge(path)
	return proto.OK
}

func (m *naive) setData(path string, data []byte, version int32, zxid proto.Zxid, now proto.Millis) proto.Code {
	n, ok := m.nodes[path]
	if !ok {
		return proto.NoNode
	}
	n.data = bytes.Clone(data)
	n.stat.Version, n.stat.Mzxid, n.stat.Mtime = version, zxid, now
	m.nodes[path] = n
	m.charge(path)
	return proto.OK
}

func (m *naive) setACL(path string, acl []proto.ACL, version int32) proto.Code {
	n, ok := m.nodes[path]
	if !ok {
		return proto.NoNode
	}
	n.acl, n.lost, n.stat.Aversion = slices.Clone(acl), false, version
	m.nodes[path] = n
	return proto.OK
}

// charge rewrites the stats of the quota above a path that was changed. The
// tests do not nest quotas.
func (m *naive) charge(path string) {
	for p := path; p != ""; p = proto.ParentOf(p) {
		if _, ok := m.nodes["/zookeeper/quota"+p+"/zookeeper_limits"]; ok {
			m.publish(p)
		}
	}
}

func (m *naive) publish(root string) {
	stats, ok := m.nodes["/zookeeper/quota"+root+"/zookeeper_stats"]
	if ok {
		stats.data = m.usage(root).Append(nil)
		m.nodes["/zookeeper/quota"+root+"/zookeeper_stats"] = stats
	}
}

func (m *naive) usage(root string) (u Usage) {
	for p, n := range m.nodes {
		if p == root || strings.HasPrefix(p, root+"/") {
			u.Count++
			u.Bytes += int64(len(n.data))
		}
	}
	return u
}

func (m *naive) children(path string) (paths []string) {
	for p := range m.nodes {
		if p != "" && proto.ParentOf(p) == path {
			paths = append(paths, p)
		}
	}
	slices.Sort(paths)
	return paths
}

func (m *naive) digest() (sum uint64) {
	for p, n := range m.nodes {
		if CountsInDigest(p) {
			sum += uint64(Digest(p, n.data, &n.stat))
		}
	}
	return sum
}

// ofKind returns the paths of the nodes of a kind, and of an owner unless
// that is 0.
func (m *naive) ofKind(k Kind, owner int64) (paths []string) {
	for p, n := range m.nodes {
		if got, _ := m.options.KindOf(n.stat.Owner); got == k && (owner == 0 || owner == n.stat.Owner) {
			paths = append(paths, p)
		}
	}
	slices.Sort(paths)
	return paths
}

func (m *naive) stat(path string) proto.Stat {
	n := m.nodes[path]
	children := int32(len(m.children(path)))
	s := proto.Stat{
		Czxid: n.stat.Czxid, Mzxid: n.stat.Mzxid, Ctime: n.stat.Ctime, Mtime: n.stat.Mtime, Version: n.stat.Version,
		Cversion: 2*n.stat.Cversion - children, Aversion: n.stat.Aversion, DataLength: int32(len(n.data)),
		NumChildren: children, Pzxid: n.stat.Pzxid,
	}
	if k, _ := m.options.KindOf(n.stat.Owner); k == Ephemeral {
		s.EphemeralOwner = proto.SessionID(n.stat.Owner)
	}
	return s
}
