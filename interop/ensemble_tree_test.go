package interop

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ensembleTree is all that clients can read of a server's tree.
type ensembleTree map[string]ensembleNode

type ensembleNode struct {
	data string
	null bool // no data at all, which is not the same as empty data
	acl  string
	stat rawStat
}

// readTree reads the whole tree through one server after a sync, many requests at a time.
func readTree(addr string) (ensembleTree, error) {
	c, err := dialRaw(addr, 0, nil, 60_000, 0)
	if err != nil {
		return nil, err
	}
	defer c.closeSession()
	if r, err := c.call(opSync, packer{}.str("/")); err != nil || r.err != 0 {
		return nil, fmt.Errorf("sync through %s: err %d, %w", addr, r.err, err)
	}
	tree := ensembleTree{}
	for level := []string{"/"}; len(level) > 0; {
		var next []string
		for len(level) > 0 {
			part := level[:min(100, len(level))]
			level = level[len(part):]
			children, err := tree.readNodes(c, part)
			if err != nil {
				return nil, fmt.Errorf("reading through %s: %w", addr, err)
			}
			next = append(next, children...)
		}
		level = next
	}
	return tree, nil
}

// readNodes reads some nodes and returns the paths of their children.
func (tree ensembleTree) readNodes(c *rawConn, paths []string) ([]string, error) {
	for _, path := range paths {
		_, err1 := c.send(opGetChildren, pathWatch(path, false))
		_, err2 := c.send(opGetACL, packer{}.str(path))
		_, err3 := c.send(opGetData, pathWatch(path, false))
		if err := errors.Join(err1, err2, err3); err != nil {
			return nil, err
		}
	}
	var below []string
	for _, path := range paths {
		var replies [3]reply
		for i := range replies {
			var err error
			if replies[i], err = c.receive(); err != nil {
				return nil, err
			}
			if replies[i].err != 0 {
				return nil, fmt.Errorf("%s: err %d", path, replies[i].err)
			}
		}
		for _, name := range (&unpacker{b: replies[0].body}).strs() {
			below = append(below, strings.TrimSuffix(path, "/")+"/"+name)
		}
		data := &unpacker{b: replies[2].body}
		b := data.buf()
		n := ensembleNode{data: string(b), null: b == nil, stat: data.stat(), acl: describeACL((&unpacker{b: replies[1].body}).acls())}
		if path == "/zookeeper/config" {
			// Every server writes it from its configuration when it starts (QuorumPeer.setQuorumVerifier).
			n.stat.mtime = 0
			if n.stat.mzxid == 0 { // and behind proxies, everyone's is another
				n.data, n.stat.dataLength = "", 0
			}
		}
		tree[path] = n
	}
	return below, nil
}

// compareTrees reads the tree through every running server and reports every node that differs. It returns what the
// first server showed. The ensemble must be at rest. Servers of Java's that know to have recovered another tree than
// they had (misrecovered) are left out.
func (e *ensemble) compareTrees() ensembleTree {
	e.t.Helper()
	var first ensembleTree
	var name string
	for _, m := range e.awake() {
		if m.misrecovered() {
			e.t.Logf("%s has recovered a tree that its digests contradict, and is left out", m.Name())
			continue
		}
		var tree ensembleTree
		err := poll(ensembleDeadline, func() (err error) {
			tree, err = readTree(m.Addr())
			return err
		})
		must(e.t, err)
		if first == nil {
			first, name = tree, m.Name()
			continue
		}
		e.reportDifferences(name, m.Name(), first, tree)
	}
	return first
}

func (e *ensemble) reportDifferences(nameA, nameB string, a, b ensembleTree) {
	e.t.Helper()
	paths := maps.Clone(a)
	maps.Copy(paths, b)
	bad := 0
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		left, inA := a[path]
		right, inB := b[path]
		if left == right && inA == inB {
			continue
		}
		if bad++; bad <= 8 {
			e.t.Errorf("%q is %v %+v on %s, but %v %+v on %s", path, inA, left, nameA, inB, right, nameB)
		}
	}
	if bad > 8 {
		e.t.Errorf("%d nodes differ between %s and %s", bad, nameA, nameB)
	}
}

// checkDigests asks every running server whether a transaction ever led to another tree than its digest said, and
// compares the digests that the servers remember (the word hash: "zxid: digest", every 128 transactions).
func (e *ensemble) checkDigests() {
	e.t.Helper()
	seen := map[string]string{}
	compared := 0
	if slices.ContainsFunc(e.awake(), (*ensembleMember).misrecovered) {
		return // it may lead, and then its digests are everyone's
	}
	for _, m := range e.awake() {
		if n, err := m.metric("zk_digest_mismatches_count"); err != nil || n != 0 {
			e.t.Errorf("%s: %d digest mismatches, %v", m.Name(), n, err)
		}
		text, err := fourLetter(m.Addr(), "hash")
		if err != nil {
			e.t.Errorf("hash of %s: %v", m.Name(), err)
		}
		recovered := m.recoveredZxid()
		for line := range strings.Lines(text) {
			zxid, digest, ok := strings.Cut(strings.TrimSpace(line), ": ")
			if n, err := strconv.ParseInt(zxid, 16, 64); !ok || err != nil || n <= recovered {
				continue
			}
			switch old, ok := seen[zxid]; {
			case ok && old != digest:
				e.t.Errorf("the digest at %s is %s on %s, but %s elsewhere", zxid, digest, m.Name(), old)
			case ok:
				compared++
			}
			seen[zxid] = digest
		}
	}
	e.t.Logf("%d digests were compared", compared)
}

// recoveredZxid is where a server's replay of its logs ended. The digests that Java remembers from its replay over a
// snapshot that was taken while transactions were applied are not those of any state.
func (m *ensembleMember) recoveredZxid() int64 {
	_, after, _ := strings.Cut(m.loggedSince(m.started), "Snapshot loaded in")
	_, after, _ = strings.Cut(after, "highest zxid is 0x")
	text, _, _ := strings.Cut(after, ",")
	n, err := strconv.ParseInt(text, 16, 64)
	if err != nil {
		return 0
	}
	return n
}

// misrecovered tells that Java found mismatches while it replayed its log. That happens to ensembles of Java's alone
// too, where a server was synchronised or stopped while it took a snapshot (ZOOKEEPER-3144, 3145, 4646 and others):
// sometimes only the digests are wrong, sometimes nodes are. What a running server finds is no such thing, and counts.
func (m *ensembleMember) misrecovered() bool {
	if m.kind != javaMake {
		return false
	}
	recovery, _, _ := strings.Cut(m.loggedSince(m.started), "Snapshot loaded in")
	return strings.Contains(recovery, "Digests are not matching")
}

// stopAll stops every server orderly, followers first, so that no election begins on the way.
func (e *ensemble) stopAll() {
	e.t.Helper()
	leader := e.awaitLeader()
	for _, m := range append(e.others(leader), leader) {
		must(e.t, m.Stop())
	}
}

// startAll starts every server that is down and waits until all serve.
func (e *ensemble) startAll() *ensembleMember {
	e.t.Helper()
	for _, m := range e.members {
		if !m.running() && !m.spare {
			must(e.t, m.Launch())
		}
	}
	return e.awaitAll()
}

// rest waits for a moment in which something may happen that must not; it proves nothing by itself.
func rest(d time.Duration) { <-time.After(d) }
