package subtree

import (
	"path"
	"regexp"
	"time"

	"quokka/client"
)

// A Filter says which nodes of a walk are wanted: those that meet every
// condition that is set.
type Filter struct {
	Name     string         // a pattern of path.Match for the last element
	Path     *regexp.Regexp // found in the full path
	MinDepth int            // below the root
	MaxDepth int            // 0 is no bound; the root is at 0
	Type     NodeType
	Size     *Range // bytes of data
	Children *Range // how many
	Version  *Range // of the data
	Changed  *Range // nanoseconds since the data was set
	Born     *Range // nanoseconds since the node was created
	Owner    *client.SessionID
	Now      time.Time // what ages are reckoned from
}

// A Range is what a number must lie in, both ends included.
type Range struct{ Min, Max int64 }

// Holds tells whether a number lies in the range. No range holds all.
func (r *Range) Holds(n int64) bool { return r == nil || r.Min <= n && n <= r.Max }

// A NodeType is what [Filter] tells nodes apart by.
type NodeType uint8

// The types. Containers and TTL nodes are only known from [Kinds].
const (
	AnyType NodeType = iota
	PersistentType
	EphemeralType
	SequentialType
	ContainerType
	TTLType
)

// Check returns what is wrong with the Filter.
func (f *Filter) Check() error {
	_, err := path.Match(f.Name, "")
	return err
}

// Match tells whether the node of a walk from root is wanted.
func (f *Filter) Match(root string, n *Node) bool {
	if d := Depth(n.Path); d < f.MinDepth || f.MaxDepth > 0 && d > f.MaxDepth {
		return false
	}
	at := Join(root, n.Path)
	if f.Name != "" {
		if ok, err := path.Match(f.Name, Name(at)); !ok || err != nil {
			return false
		}
	}
	if f.Path != nil && !f.Path.MatchString(at) || !f.Type.match(n, at) {
		return false
	}
	return f.matchStat(n)
}

// matchStat is the part that needs the Stat. A node that could not be read
// meets no condition on it.
func (f *Filter) matchStat(n *Node) bool {
	s := &n.Stat
	if n.Err != nil {
		return f.Size == nil && f.Children == nil && f.Version == nil && f.Changed == nil && f.Born == nil && f.Owner == nil
	}
	return f.Size.Holds(int64(s.DataLength)) && f.Children.Holds(int64(s.NumChildren)) && f.Version.Holds(int64(s.Version)) &&
		f.Changed.Holds(int64(f.Now.Sub(s.Mtime))) && f.Born.Holds(int64(f.Now.Sub(s.Ctime))) &&
		(f.Owner == nil || *f.Owner == s.EphemeralOwner)
}

func (t NodeType) match(n *Node, at string) bool {
	switch t {
	case PersistentType:
		return n.Err == nil && (n.Kind == Persistent || n.Kind == Lasting)
	case EphemeralType:
		return n.Kind == Ephemeral
	case SequentialType:
		return Sequential(at)
	case ContainerType:
		return n.Kind == Container
	case TTLType:
		return n.Kind == TTL
	}
	return true
}

// sequenceDigits is how many digits a server appends (%010d).
const sequenceDigits = 10

// Sequential tells whether a path looks like a sequential node's: its name
// ends in ten digits. Servers do not say which nodes were created as such.
func Sequential(path string) bool {
	name := Name(path)
	if len(name) < sequenceDigits {
		return false
	}
	for _, c := range []byte(name[len(name)-sequenceDigits:]) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
