// Package snap reads and writes snapshots, the files snapshot.<zxid> that hold
// all znodes and sessions of a server as of one transaction. Java ZooKeeper
// reads and writes the same files (FileSnap, SnapStream, SerializeUtils).
//
// It owns their names, bytes, checksums and compression. It must never replace
// or remove a snapshot that is whole by one that is not, never return a tree
// from a file whose checksum fails, and never need more memory than a part of
// one node beyond the tree itself. Which snapshot to trust, and what to replay
// on it, is decided in package store.
//
// # Format
//
// The file is one stream, compressed as a whole if the name ends in .gz or
// .snappy. Numbers are big-endian; strings and buffers have a length of four
// bytes in front, -1 being null.
//
//	header     magic "ZKSN", int version 2, long database id (-1)
//	sessions   int count; each: long id, int timeout in ms
//	ACLs       int count; each: long id, vector of ACL. Id -1, open to all,
//	           is not listed
//	znodes     each: string path, buffer data, long ACL id, 60 bytes of stat;
//	           a parent before its children, the root first with path ""
//	end        string "/"
//	seal       long Adler-32 of all bytes before it, string "/"
//	digest     long zxid, int version 2, long digest of the tree; seal
//	           (since 3.6, unless zookeeper.digest.enabled=false)
//	last zxid  long zxid of the last transaction applied; seal
//	           (since 3.9, unless zookeeper.serializeLastProcessedZxid.enabled=false)
//
// A seal covers the seals before it. A reader of Java decides by its own
// settings whether the two last sections should be there, takes an early end
// for an older file, and does not look at what follows the last section it
// wants: so 3.8 reads a file of 3.9, but 3.9 takes one section for the other
// if the settings of writer and reader differ. The reader here goes by the
// number of bytes that are left, and accepts every combination.
//
// # On the wire
//
// A leader that answers with SNAP sends the sessions, ACLs, znodes and the end
// behind the packet, then the string "BenWasHere", and then goes on with
// packets: [WriteBody], [ReadBody]. There is no checksum. The zxid is that of
// the packet; a Java leader's body may be fuzzy.
//
// # Fuzzy snapshots
//
// Java writes the znodes while transactions change them. The zxid in the name
// is that of the last transaction which is wholly in the file; effects of
// later ones, up to the zxid of the digest section, may be in it too. What
// this package writes is exact, being taken from a tree.View of one moment, so
// that all the zxids are the same.
//
// # Crash argument
//
// [Save] writes under a name that no server takes for a snapshot, syncs the
// file, renames it and syncs the directory. Until the rename nothing is seen
// of the new snapshot; after it the file is whole. A failure removes the file,
// and what a crash leaves is removed at the next start ([RemoveUnfinished]).
package snap
