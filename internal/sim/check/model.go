package check

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"quokka/internal/proto"
)

// An Action is what a client asks for, in the few words that clients of the
// simulator use.
type Action struct {
	Op      proto.Op // create, create2, setData, delete, check, multi, getData, getChildren2, exists, sync, closeSession
	Path    string
	Data    []byte
	Version int32
	Flags   int32
	Parts   []Action // multi
}

func (a Action) String() string {
	switch a.Op {
	case proto.OpMulti:
		return fmt.Sprintf("multi%v", a.Parts)
	case proto.OpCreate, proto.OpCreate2:
		return fmt.Sprintf("%v %s flags=%d %q", a.Op, a.Path, a.Flags, a.Data)
	case proto.OpSetData:
		return fmt.Sprintf("%v %s version=%d %q", a.Op, a.Path, a.Version, a.Data)
	case proto.OpDelete, proto.OpCheck:
		return fmt.Sprintf("%v %s version=%d", a.Op, a.Path, a.Version)
	}
	return strings.TrimSpace(a.Op.String() + " " + a.Path)
}

// An Answer is what an Action must have brought.
type Answer struct {
	Code     proto.Code
	Path     string       // of create, with its number
	Stat     proto.Stat   // of create2, setData and the reads
	Data     []byte       // getData
	Children []string     // getChildren2, sorted
	Parts    []proto.Code // multi
}

type znode struct {
	data     []byte
	stat     proto.Stat
	creates  int32 // children ever created
	children map[string]bool
}

// A Model is ZooKeeper's tree and sessions as plainly as they can be
// written, for the Actions there are.
type Model struct {
	nodes    map[string]*znode
	sessions map[proto.SessionID]int32
}

// NewModel returns the model of an empty ensemble.
func NewModel() *Model {
	m := &Model{nodes: map[string]*znode{}, sessions: map[proto.SessionID]int32{}}
	m.nodes["/"] = newZnode(nil, 0, 0, 0)
	return m
}

func newZnode(data []byte, z proto.Zxid, at proto.Millis, owner proto.SessionID) *znode {
	return &znode{data: data, children: map[string]bool{}, stat: proto.Stat{
		Czxid: z, Mzxid: z, Pzxid: z, Ctime: at, Mtime: at, EphemeralOwner: owner, DataLength: int32(len(data)),
	}}
}

func parentOf(path string) string {
	if i := strings.LastIndexByte(path, '/'); i > 0 {
		return path[:i]
	}
	return "/"
}

func (n *znode) seen() proto.Stat {
	s := n.stat
	s.NumChildren = int32(len(n.children))
	s.Cversion = 2*n.creates - s.NumChildren
	return s
}

// Do carries an action of a session out as the transaction z, made at a
// time, and says how it must be answered. A refused one changes nothing.
func (m *Model) Do(session proto.SessionID, a *Action, z proto.Zxid, at proto.Millis) Answer {
	if _, open := m.sessions[session]; !open && a.Op != proto.OpCloseSession {
		if a.Op != proto.OpMulti {
			return Answer{Code: proto.SessionExpired}
		}
		return refusedMulti(len(a.Parts), 0, proto.SessionExpired)
	}
	switch a.Op {
	case proto.OpCreate, proto.OpCreate2:
		return m.create(session, a, z, at)
	case proto.OpSetData:
		return m.setData(a, z, at)
	case proto.OpDelete:
		return m.remove(a, z)
	case proto.OpCheck:
		return m.check(a)
	case proto.OpMulti:
		return m.multi(session, a, z, at)
	case proto.OpCloseSession:
		m.Close(session, z)
		return Answer{}
	}
	return m.read(a)
}

func (m *Model) create(session proto.SessionID, a *Action, z proto.Zxid, at proto.Millis) Answer {
	parent := m.nodes[parentOf(a.Path)]
	if parent == nil {
		return Answer{Code: proto.NoNode}
	}
	path := a.Path
	if a.Flags == proto.FlagPersistentSequential || a.Flags == proto.FlagEphemeralSequential {
		path = fmt.Sprintf("%s%010d", path, parent.creates)
	}
	if m.nodes[path] != nil {
		return Answer{Code: proto.NodeExists}
	}
	if parent.stat.EphemeralOwner != 0 {
		return Answer{Code: proto.NoChildrenForEphemerals}
	}
	owner := proto.SessionID(0)
	if a.Flags == proto.FlagEphemeral || a.Flags == proto.FlagEphemeralSequential {
		owner = session
	}
	n := newZnode(a.Data, z, at, owner)
	m.nodes[path] = n
	parent.children[path[strings.LastIndexByte(path, '/')+1:]] = true
	parent.creates++
	parent.stat.Pzxid = z
	return Answer{Path: path, Stat: n.seen()}
}

func (m *Model) setData(a *Action, z proto.Zxid, at proto.Millis) Answer {
	n := m.nodes[a.Path]
	switch {
	case n == nil:
		return Answer{Code: proto.NoNode}
	case a.Version != -1 && a.Version != n.stat.Version:
		return Answer{Code: proto.BadVersion}
	}
	n.data = a.Data
	n.stat.Version++
	n.stat.Mzxid, n.stat.Mtime, n.stat.DataLength = z, at, int32(len(a.Data))
	return Answer{Stat: n.seen()}
}

func (m *Model) remove(a *Action, z proto.Zxid) Answer {
	n := m.nodes[a.Path]
	switch {
	case n == nil:
		return Answer{Code: proto.NoNode}
	case a.Version != -1 && a.Version != n.stat.Version:
		return Answer{Code: proto.BadVersion}
	case len(n.children) > 0:
		return Answer{Code: proto.NotEmpty}
	}
	m.unlink(a.Path, z)
	return Answer{}
}

func (m *Model) unlink(path string, z proto.Zxid) {
	parent := m.nodes[parentOf(path)]
	delete(parent.children, path[strings.LastIndexByte(path, '/')+1:])
	parent.stat.Pzxid = z
	delete(m.nodes, path)
}

func (m *Model) check(a *Action) Answer {
	n := m.nodes[a.Path]
	switch {
	case n == nil:
		return Answer{Code: proto.NoNode}
	case a.Version != -1 && a.Version != n.stat.Version:
		return Answer{Code: proto.BadVersion}
	}
	return Answer{}
}

// multi does all parts or none: it tries them on a copy of what they touch.
func (m *Model) multi(session proto.SessionID, a *Action, z proto.Zxid, at proto.Millis) Answer {
	saved := m.save()
	answer := Answer{Parts: make([]proto.Code, len(a.Parts))}
	for i := range a.Parts {
		if part := m.Do(session, &a.Parts[i], z, at); part.Code != proto.OK {
			m.nodes = saved
			return refusedMulti(len(a.Parts), i, part.Code)
		}
	}
	return answer
}

func refusedMulti(parts, failed int, code proto.Code) Answer {
	answer := Answer{Parts: make([]proto.Code, parts)}
	for i := range answer.Parts {
		switch {
		case i == failed:
			answer.Parts[i] = code
		case i > failed:
			answer.Parts[i] = proto.RuntimeInconsistency
		}
	}
	return answer
}

// save copies all nodes; there are few.
func (m *Model) save() map[string]*znode {
	saved := make(map[string]*znode, len(m.nodes))
	for path, n := range m.nodes {
		c := *n
		c.children = make(map[string]bool, len(n.children))
		for name := range n.children {
			c.children[name] = true
		}
		saved[path] = &c
	}
	return saved
}

func (m *Model) read(a *Action) Answer {
	n := m.nodes[a.Path]
	if n == nil {
		return Answer{Code: proto.NoNode}
	}
	answer := Answer{Stat: n.seen()}
	switch a.Op {
	case proto.OpGetData:
		answer.Data = n.data
	case proto.OpGetChildren2:
		for name := range n.children {
			answer.Children = append(answer.Children, name)
		}
		slices.Sort(answer.Children)
	}
	return answer
}

// Open makes a session.
func (m *Model) Open(session proto.SessionID, timeoutMS int32) { m.sessions[session] = timeoutMS }

// Close ends a session and removes its ephemerals, whose paths it returns,
// sorted.
func (m *Model) Close(session proto.SessionID, z proto.Zxid) []string {
	delete(m.sessions, session)
	paths := m.Ephemerals(session)
	for _, path := range paths {
		m.unlink(path, z)
	}
	return paths
}

// Ephemerals lists the ephemerals of a session, sorted.
func (m *Model) Ephemerals(session proto.SessionID) []string {
	var paths []string
	for path, n := range m.nodes {
		if n.stat.EphemeralOwner == session {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}

// differs says in what two answers to an action differ; "" if in nothing.
func (a *Answer) differs(b *Answer, op proto.Op) string {
	switch {
	case a.Code != b.Code:
		return fmt.Sprintf("code %v, not %v", a.Code, b.Code)
	case !slices.Equal(a.Parts, b.Parts):
		return fmt.Sprintf("results %v, not %v", a.Parts, b.Parts)
	case a.Code != proto.OK:
		return ""
	case a.Path != b.Path:
		return fmt.Sprintf("path %q, not %q", a.Path, b.Path)
	case !bytes.Equal(a.Data, b.Data):
		return fmt.Sprintf("data %q, not %q", a.Data, b.Data)
	case !slices.Equal(a.Children, b.Children):
		return fmt.Sprintf("children %v, not %v", a.Children, b.Children)
	}
	switch op {
	case proto.OpCreate2, proto.OpSetData, proto.OpGetData, proto.OpGetChildren2, proto.OpExists:
		if a.Stat != b.Stat {
			return fmt.Sprintf("stat %+v, not %+v", a.Stat, b.Stat)
		}
	}
	return ""
}
