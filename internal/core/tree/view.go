package tree

import (
	"iter"
	"slices"

	"quokka/internal/proto"
)

// A View is the tree as it was at one moment. Making it copies a pointer for
// every 64 znodes; from then on the tree copies what it changes.
type View struct {
	tree   *Tree
	number uint64
	chunks []*chunk
	blobs  blobs
	acls   []aclEntry
	digest uint64
	count  int
	closed bool // owned by the tree's goroutine
}

// A ViewNode is a znode of a View; path and data alias it.
type ViewNode struct {
	Path  []byte // "" is the root
	Data  []byte // nil is null
	ACLID int64  // -1 is open to everybody
	Stat  proto.StatPersisted
}

// View returns a picture of the tree as it is. The owner of the tree calls
// it, and Close when the picture is not needed any more; in between any
// goroutine may read it, whatever the owner does to the tree.
func (t *Tree) View() *View {
	t.acls.shared = true
	return &View{
		tree:   t,
		number: t.openView(),
		chunks: slices.Clone(t.chunks),
		blobs:  t.arena.blobs,
		acls:   t.acls.entries,
		digest: t.digest,
		count:  t.count,
	}
}

// Close lets the tree have its memory back. Nobody may be reading the view
// any more. Closing twice does nothing.
func (v *View) Close() {
	if v.closed {
		return
	}
	v.closed = true
	t := v.tree
	oldest := t.closeView(v.number)
	done := 0
	for done < len(t.deferred) && t.deferred[done].view < oldest {
		t.arena.release(t.deferred[done].blob)
		done++
	}
	t.deferred = slices.Delete(t.deferred, 0, done)
	if len(t.deferred) == 0 {
		t.deferred = nil
	}
}

// Digest returns the tree's digest at the moment of the view.
func (v *View) Digest() uint64 { return v.digest }

// Len returns the number of znodes, the root counted once.
func (v *View) Len() int { return v.count }

// ACLs goes through the ACL lists that nodes refer to, ascending by id. Ids
// whose list got lost are left out, as -1 is.
func (v *View) ACLs() iter.Seq2[int64, []proto.ACL] { return lists(v.acls) }

// Nodes goes through all znodes: the root first, a parent before its
// children, brothers in the order of their creation. A node is good only
// until the next one.
func (v *View) Nodes() iter.Seq[ViewNode] {
	return func(yield func(ViewNode) bool) {
		path := make([]byte, 0, 256)
		for r := rootRef; ; {
			n := v.node(r)
			if !yield(ViewNode{path, v.blobs.data(n), v.acls[n.acl].id, n.persisted()}) {
				return
			}
			if n.child != 0 {
				r = n.child
			} else {
				for r != rootRef && n.next == 0 {
					path = path[:len(path)-1-int(n.nameLen)]
					r = n.parent
					n = v.node(r)
				}
				if r == rootRef {
					return
				}
				path = path[:len(path)-1-int(n.nameLen)]
				r = n.next
			}
			path = append(append(path, '/'), v.blobs.name(v.node(r))...)
		}
	}
}

func (v *View) node(r Ref) *node { return &v.chunks[r>>chunkBits].nodes[r&(chunkLen-1)] }
