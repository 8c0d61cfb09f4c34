package subtree

import (
	"fmt"
	"strings"
	"time"

	"quokka/client"
)

// A Node is a node of a subtree as it was read.
type Node struct {
	Path     string   // below the root of the subtree, which is "/" itself
	Children []string // names, sorted
	Data     []byte   // nil if the node has none or it was not asked for
	ACL      []client.ACL
	Stat     client.Stat
	Kind     Kind
	TTL      time.Duration // of a TTL node
	// Counter is how many children were ever created: the number the next
	// sequential child gets. -1 if that is not known.
	Counter int64
	// Err says why the node could not be read although it is there, which is
	// client.ErrNoAuth as a rule. What is below it is not known then.
	Err error
}

// A Kind is how long a node lives.
type Kind uint8

// The kinds.
const (
	// Lasting is a node that is not ephemeral. Servers do not tell whether
	// it is persistent, a container or has a TTL.
	Lasting Kind = iota
	// Persistent nodes stay until they are deleted.
	Persistent
	// Container nodes are deleted when their last child is gone.
	Container
	// TTL nodes are deleted when they had no child and no change for a while.
	TTL
	// Ephemeral nodes are deleted with their session.
	Ephemeral
)

var kindNames = [...]string{Lasting: "", Persistent: "persistent", Container: "container", TTL: "ttl", Ephemeral: "ephemeral"}

// String returns the name that exports use; that of Lasting is empty.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// ParseKind is the inverse of String.
func ParseKind(s string) (Kind, error) {
	for k, name := range kindNames {
		if s == name {
			return Kind(k), nil
		}
	}
	return 0, fmt.Errorf("kind %q: want persistent, container, ttl or ephemeral", s)
}

// differs tells whether two kinds are certainly not the same.
func (k Kind) differs(o Kind) bool {
	switch {
	case k == o:
		return false
	case k == Ephemeral || o == Ephemeral:
		return true
	}
	return k != Lasting && o != Lasting
}

// Kinds says of which kind the node at a path below a walk's root is, if it
// is known to be no plain persistent one.
type Kinds func(path string) (kind Kind, ttl time.Duration, known bool)

// Created returns how many children a node ever had: the server's count of
// creates, which numbers sequential children. The Stat's cversion counts
// creates and deletes (DataNode.copyStat); it may have wrapped around.
func Created(s client.Stat) int64 {
	return (int64(uint32(s.Cversion)) + int64(s.NumChildren)) / 2
}

// Join returns the full path of a node below root.
func Join(root, path string) string {
	switch {
	case root == "/":
		return path
	case path == "/":
		return root
	}
	return root + path
}

// Within tells whether path is root or below it.
func Within(root, path string) bool {
	rest, ok := strings.CutPrefix(path, strings.TrimSuffix(root, "/"))
	return ok && (rest == "" || rest[0] == '/')
}

// Compare orders paths as a walk does: parents first, siblings by the bytes
// of their names.
func Compare(a, b string) int {
	n := min(len(a), len(b))
	i := 0
	for i < n && a[i] == b[i] {
		i++
	}
	switch {
	case i == len(a) || i == len(b):
		return len(a) - len(b)
	case a[i] == '/':
		return -1
	case b[i] == '/':
		return 1
	}
	return int(a[i]) - int(b[i])
}

// Depth returns how many steps a path is below the root "/".
func Depth(path string) int {
	if path == "/" {
		return 0
	}
	return strings.Count(path, "/")
}

// Name returns the last element of a path, "" of "/".
func Name(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// parentOf returns the path above one that is not "/".
func parentOf(path string) string { return path[:max(1, strings.LastIndexByte(path, '/'))] }

// child returns the path of a child.
func child(path, name string) string {
	if path == "/" {
		return "/" + name
	}
	return path + "/" + name
}

// masked tells whether an ACL came from a server that hides the hash of
// digest entries from those without ADMIN (PrepRequestProcessor, getACL: what
// follows the colon is an x). Writing it elsewhere would lock everybody out.
func masked(acl []client.ACL) bool {
	for _, a := range acl {
		if a.Scheme == "digest" && strings.HasSuffix(a.ID, ":x") {
			return true
		}
	}
	return false
}

// systemTree is where a server keeps its own nodes.
const systemTree = "/zookeeper"

// full returns a path as the server sees it.
func full(c *client.Client, path string) string { return Join(c.Root(), path) }

// refuseSystem returns why nothing may be written at or below root.
func refuseSystem(c *client.Client, root string) error {
	if Within(systemTree, full(c, root)) {
		return fmt.Errorf("%s belongs to the server and is not changed as a subtree: use setquota, delquota or reconfig, or delete and set single nodes", root)
	}
	return nil
}

// A trail remembers the nodes above the current one of a walk, and gives
// each out when the walk has left it: after everything below it.
type trail[T any] struct {
	paths []string
	items []T
}

// leave calls done for all nodes that path is not below, the lowest first.
func (t *trail[T]) leave(path string, done func(path string, item T) error) error {
	for n := len(t.paths); n > 0 && !(path != "" && Within(t.paths[n-1], path)); n = len(t.paths) {
		p, item := t.paths[n-1], t.items[n-1]
		t.paths, t.items = t.paths[:n-1], t.items[:n-1]
		if err := done(p, item); err != nil {
			return err
		}
	}
	return nil
}

func (t *trail[T]) enter(path string, item T) {
	t.paths, t.items = append(t.paths, path), append(t.items, item)
}

// top returns the item of the lowest node, nil if there is none.
func (t *trail[T]) top() *T {
	if len(t.items) == 0 {
		return nil
	}
	return &t.items[len(t.items)-1]
}
