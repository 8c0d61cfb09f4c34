// Package subtree does things to whole subtrees through the client library:
// walks, deletes, copies, compares, exports and searches them.
//
// Trees may have millions of nodes. Everything here is a stream in one defined
// order: a node comes before its children, and siblings are sorted by the
// bytes of their names. Memory and requests under way are bounded whatever the
// size of the tree, but for the list of children of a node, which the protocol
// gives only as a whole. Nobody stops the world: nodes may appear and vanish
// while a tree is being read, and what that means is said at each operation.
//
// # What the protocol does not tell
//
// A node's Stat shows the owner of an ephemeral node and nothing else: a
// container and a node with a TTL look like persistent ones
// (DataNode.getClientEphemeralOwner). Snapshots know better: [ReadKinds] learns
// it from a printed one.
//
// The package owns nothing: it holds no session and opens no file. What lies
// below /zookeeper is never changed by accident: walks that begin above leave
// it out, and writes there are refused.
package subtree
