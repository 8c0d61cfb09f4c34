package interop

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// swapSnapCount makes a few hundred transactions roll the log several times.
const swapSnapCount = 80

var swapOptions = serverOptions{tickMS: 1000, snapCount: swapSnapCount}

// TestDataDirectorySwap lets one implementation write a data directory and the other go on from it, and the first
// from that, after clean stops and after kill -9. Every node, with its times, versions, ACL and owner, and every
// session must survive each change.
func TestDataDirectorySwap(t *testing.T) {
	needJava(t)
	for i, first := range []implementation{javaMake, underTest()} {
		second := underTest()
		if i == 1 {
			second = javaMake
		}
		for _, how := range []string{"stop", "kill"} {
			t.Run(fmt.Sprintf("%s first, %s", []string{"java", "tested"}[i], how), func(t *testing.T) {
				runSwap(t, []implementation{first, second, first}, how)
			})
		}
	}
}

// runSwap goes through the servers, each on a copy of what the one before left.
func runSwap(t *testing.T, order []implementation, how string) {
	s := startServer(t, order[0], swapOptions)
	d := newSide(t, s)
	for _, c := range d.conns {
		d.mask.name(c.session, fmt.Sprintf("%#x", c.session))
	}
	exact := &masker{exact: true}
	for hop := range order {
		must(t, fixedWork(d.conns[0], fmt.Sprintf("/hop%d", hop)))
		randomWork(t, d, uint64(hop)+1, 300)
		orphan := mortalSession(t, s)
		before := lastingNodes(mustDump(t, s, exact))
		must(t, end(s, how))
		orphan.Close()
		what := fmt.Sprintf("%s, after %s %s", t.Name(), how, s.Name())
		if hop == len(order)-1 {
			must(t, s.Start())
			compareTrees(t, what+", restarted on its own directory", before, lastingNodes(mustDump(t, s, exact)))
			checkDigests(t, s)
			return
		}
		options := swapOptions
		options.dataDir = copyTree(t, s.DataDir())
		s = startServer(t, order[hop+1], options)
		compareTrees(t, what+", now "+s.Name(), before, lastingNodes(mustDump(t, s, exact)))
		d.server = s
		for i := range d.conns {
			if _, err := d.reconnect(i); err != nil {
				t.Fatalf("%s: session %d does not live on under %s: %v", what, i, s.Name(), err)
			}
		}
		awaitGone(t, s, mortalPath(orphan))
		checkDigests(t, s)
	}
}

// checkDigests fails when Java found that a transaction or snapshot of ours does not lead to the digest we logged
// (DataTree.reportDigestMismatch).
func checkDigests(t *testing.T, s Server) {
	t.Helper()
	if log := s.Log(); strings.Contains(strings.ToLower(log), "digest mismatch") {
		t.Errorf("%s complains:\n%s", s.Name(), log)
	}
}

func end(s Server, how string) error {
	if how == "kill" {
		return s.Kill()
	}
	return s.Stop()
}

// randomWork runs the generator against one server; only lost connections count as failure here.
func randomWork(t *testing.T, d *side, seed uint64, operations int) {
	t.Helper()
	g := &generator{r: rand.New(rand.NewPCG(seed, 77)), sessions: randomSessions, digestSafe: true}
	for i := range operations {
		o := g.next()
		if _, err := d.perform(o); err != nil {
			t.Fatalf("operation %d, %s, on %s: %v", i, o.text, d.server.Name(), err)
		}
	}
}

// fixedWork makes one node of every kind, quotas, ACLs and multis that succeed and fail.
func fixedWork(c *rawConn, base string) error {
	quota := "/zookeeper/quota" + base
	steps := []subOp{
		{opCreate, createBody(base, []byte("base"), openACL, 0)},
		{opCreate, createBody(quota, nil, openACL, 0)},
		{opCreate, createBody(quota+"/zookeeper_limits", []byte("count=1000,bytes=100000"), openACL, 0)},
		{opCreate, createBody(quota+"/zookeeper_stats", []byte("count=0,bytes=0"), openACL, 0)},
		{opCreate2, createBody(base+"/persistent", []byte("p"), openACL, 0)},
		{opCreate, createBody(base+"/null", nil, openACL, 0)},
		{opCreate, createBody(base+"/empty", []byte{}, openACL, 0)},
		{opCreate, createBody(base+"/ephemeral", []byte("e"), openACL, 1)},
		{opCreate, createBody(base+"/seq-", []byte("s"), openACL, 2)},
		{opCreate, createBody(base+"/eseq-", []byte("es"), openACL, 3)},
		{opCreateContainer, createBody(base+"/container", []byte("c"), openACL, 4)},
		{opCreateTTL, createTTLBody(base+"/ttl", []byte("t"), openACL, 5, 3_600_000)},
		{opCreateTTL, createTTLBody(base+"/ttlseq-", []byte("ts"), openACL, 6, 7_200_000)},
		{opCreate, createBody(base+"/acl", []byte("a"), []rawACL{{31, "digest", superDigest}, {1, "ip", "127.0.0.1"}}, 0)},
		{opSetData, setBody(base+"/persistent", make([]byte, 5000), 0)},
		{opSetACL, packer{}.str(base + "/null").acls([]rawACL{{1, "world", "anyone"}, {30, "ip", "127.0.0.0/8"}}).i32(0)},
		{opMulti, multiBody(
			subOp{opCreate, createBody(base+"/m1", nil, openACL, 0)},
			subOp{opCreate, createBody(base+"/m1/m2", nil, openACL, 1)},
			subOp{opSetData, setBody(base+"/m1", []byte("x"), 0)},
			subOp{opCheck, pathVersion(base+"/m1", 1)})},
		{opMulti, multiBody(
			subOp{opCreate, createBody(base+"/never", nil, openACL, 0)},
			subOp{opDelete, pathVersion(base+"/no-such-node", -1)})},
		{opDelete, pathVersion(base+"/empty", 0)},
		{opDelete, pathVersion(base+"/no-such-node", -1)},
	}
	for i, s := range steps {
		r, err := c.call(s.op, s.body)
		if err != nil {
			return fmt.Errorf("fixed work under %s, step %d: %w", base, i, err)
		}
		if r.err != 0 && i != len(steps)-1 {
			return fmt.Errorf("fixed work under %s, step %d: err %d", base, i, r.err)
		}
	}
	return nil
}

// mortalSession opens a short session with an ephemeral node; whoever serves next must expire it.
func mortalSession(t *testing.T, s Server) *rawConn {
	t.Helper()
	c, err := dialRaw(s.Addr(), 0, nil, 4000, 0)
	must(t, err)
	t.Cleanup(c.Close)
	_, err = c.call(opCreate, createBody(mortals, nil, openACL, 0)) // exists from the second time on
	must(t, err)
	r, err := c.call(opCreate, createBody(mortalPath(c), nil, openACL, 1))
	must(t, err)
	if r.err != 0 {
		t.Fatalf("ephemeral of the short session: err %d", r.err)
	}
	return c
}

// mortals is the parent of the nodes of short sessions. When they go depends on the machine's load, so comparisons
// leave this subtree out.
const mortals = "/mortals"

func mortalPath(c *rawConn) string { return fmt.Sprintf("%s/%x", mortals, c.session) }

func lastingNodes(d treeDump) treeDump {
	maps.DeleteFunc(d, func(path, _ string) bool { return strings.HasPrefix(path, mortals) })
	return d
}

// awaitGone waits until path does not exist.
func awaitGone(t *testing.T, s Server, path string) {
	t.Helper()
	c, err := dialRaw(s.Addr(), 0, nil, 30_000, 0)
	must(t, err)
	defer c.Close()
	err = poll(20*time.Second, func() error {
		r, err := c.call(opExists, pathWatch(path, false))
		if err != nil {
			return errStop{err}
		}
		if r.err != errNoNode {
			return fmt.Errorf("%s is still there on %s (err %d)", path, s.Name(), r.err)
		}
		return nil
	})
	must(t, err)
}

// copyTree copies a directory into a new temporary one.
func copyTree(t *testing.T, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	err := filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, relative)
		if e.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		return copyFile(path, target)
	})
	must(t, err)
	return to
}

func copyFile(from, to string) error {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, w.Close())
}
