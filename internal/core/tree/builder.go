package tree

import (
	"bytes"
	"errors"
	"fmt"

	"quokka/internal/proto"
)

// A Builder makes a tree from a snapshot: first the ACL lists, then the
// znodes, parents before their children. It is quickest when the nodes come
// as View.Nodes has them.
type Builder struct {
	tree *Tree
	last Ref    // the node added last
	path []byte // its path
	err  error  // the first one
}

// NewBuilder returns a builder of a tree with those options.
func NewBuilder(o Options) *Builder { return &Builder{tree: newRoot(o), last: rootRef} }

// AddACL adds an ACL list under the id that nodes refer to it by.
func (b *Builder) AddACL(id int64, acl []proto.ACL) {
	if b.tree != nil {
		b.tree.acls.load(id, acl)
	}
}

// Add adds a znode; the root's path is "". Path and data are copied; nil data
// is null. An ACL id that was not added denies everything until the node's
// list is set again. A node that has no parent, or is there already, is an
// error, which Finish returns as well.
func (b *Builder) Add(path, data []byte, aclID int64, st proto.StatPersisted) error {
	if b.tree == nil {
		return errors.New("tree: add a node to a finished tree; use a new builder")
	}
	if err := b.add(path, data, aclID, &st); err != nil {
		err = fmt.Errorf("tree: add node %q: %w; the snapshot is damaged, use an older one", path, err)
		if b.err == nil {
			b.err = err
		}
		return err
	}
	return nil
}

func (b *Builder) add(path, data []byte, aclID int64, st *proto.StatPersisted) error {
	t := b.tree
	if len(path) == 0 {
		b.setRoot(data, aclID, st)
		return nil
	}
	parentPath, name, ok := split(path)
	if !ok {
		return errors.New("this is not a path")
	}
	parent := b.parent(parentPath)
	if parent == 0 {
		return errors.New("it has no parent")
	}
	if lookup(t, parent, name) != 0 {
		return errors.New("it is there twice")
	}
	b.last = t.attach(parent, path, len(name), data, t.acls.refer(aclID), st)
	b.path = append(b.path[:0], path...)
	return nil
}

func (b *Builder) setRoot(data []byte, aclID int64, st *proto.StatPersisted) {
	t := b.tree
	n := t.mut(rootRef)
	old := n.acl
	n.acl = t.acls.refer(aclID)
	t.acls.release(old)
	t.disown(rootRef, n.owner)
	n.setPersisted(st)
	t.own(rootRef, n.owner)
	t.digestData(n, nil, data)
	t.replace(rootRef, data)
}

// parent resolves the path of a parent, which is mostly the last node or one
// of its ancestors.
func (b *Builder) parent(path []byte) Ref {
	if !bytes.HasPrefix(b.path, path) || len(b.path) > len(path) && b.path[len(path)] != '/' {
		return b.tree.Find(path)
	}
	r := b.last
	for range bytes.Count(b.path[len(path):], []byte{'/'}) {
		r = b.tree.Parent(r)
	}
	return r
}

// Finish returns the tree: built-in nodes that are missing added, ACL lists
// that nobody refers to forgotten, quotas counted. The builder cannot be used
// any more.
func (b *Builder) Finish() (*Tree, error) {
	t := b.tree
	b.tree = nil
	if b.err != nil {
		return nil, b.err
	}
	if t == nil {
		return nil, errors.New("tree: finish a finished tree; use a new builder")
	}
	t.addBuiltins()
	t.acls.purge()
	t.RecountQuotas()
	return t, nil
}
