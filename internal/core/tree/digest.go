package tree

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"strings"

	"quokka/internal/proto"
)

const (
	zookeeperPath = "/zookeeper"
	configPath    = "/zookeeper/config"
	quotaPath     = "/zookeeper/quota"
)

const statLen = 60 // bytes of a serialized stat in the digest

// CountsInDigest tells whether the node at path is part of the tree's digest:
// all are but those below /zookeeper (Java: DigestCalculator).
func CountsInDigest(path string) bool { return !strings.HasPrefix(path, zookeeperPath+"/") }

// Digest returns the CRC-32 of one node, version 2 of Java's
// DigestCalculator. The root's path is "" ("/" is taken for it). The caller
// leaves out paths that do not count, see CountsInDigest.
func Digest(path string, data []byte, s *proto.StatPersisted) uint32 {
	if path == "/" {
		path = ""
	}
	var n node
	n.setPersisted(s)
	crc := crc32.ChecksumIEEE([]byte(path))
	crc = crc32.Update(crc, crc32.IEEETable, data)
	return crc32.Update(crc, crc32.IEEETable, n.appendDigested(make([]byte, 0, statLen)))
}

// appendDigested appends the stat in the order the digest has it.
func (n *node) appendDigested(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(n.czxid))
	b = binary.BigEndian.AppendUint64(b, uint64(n.mzxid))
	b = binary.BigEndian.AppendUint64(b, uint64(n.pzxid))
	b = binary.BigEndian.AppendUint64(b, uint64(n.ctime))
	b = binary.BigEndian.AppendUint64(b, uint64(n.mtime))
	b = binary.BigEndian.AppendUint32(b, uint32(n.version))
	b = binary.BigEndian.AppendUint32(b, uint32(n.cversion))
	b = binary.BigEndian.AppendUint32(b, uint32(n.aversion))
	return binary.BigEndian.AppendUint64(b, uint64(n.owner))
}

// digestData renews a node's digest after its data were written. The part
// for path and data is kept, so that a stat can change later without either.
func (t *Tree) digestData(n *node, path, data []byte) {
	if bytes.HasPrefix(path, []byte(zookeeperPath+"/")) {
		return
	}
	n.prefix = crc32.Update(crc32.ChecksumIEEE(path), crc32.IEEETable, data)
	t.digestStat(n, true)
}

// digestStat renews a node's digest, if it counts, after its stat was
// written.
func (t *Tree) digestStat(n *node, counts bool) {
	if !counts {
		return
	}
	t.digest -= uint64(n.digest)
	t.scratch = n.appendDigested(t.scratch[:0])
	n.digest = crc32.Update(n.prefix, crc32.IEEETable, t.scratch)
	t.digest += uint64(n.digest)
}
