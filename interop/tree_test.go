package interop

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// treeDump is every node of a server, described by one line each.
type treeDump map[string]string

// dumpTree reads the whole tree as super user over a session of its own.
func dumpTree(s Server, m *masker) (treeDump, error) {
	c, err := dialRaw(s.Addr(), 0, nil, 30_000, 0)
	if err != nil {
		return nil, err
	}
	defer c.closeSession()
	if r, err := c.call(opAuth, authBody("digest", superPassword)); err != nil || r.err != 0 {
		return nil, fmt.Errorf("super auth on %s: err %d, %w", s.Name(), r.err, err)
	}
	d := treeDump{}
	queue := []string{"/"}
	for len(queue) > 0 {
		path := queue[0]
		queue = queue[1:]
		line, children, err := dumpNode(c, path, m)
		if err != nil {
			return nil, fmt.Errorf("dump of %s on %s: %w", path, s.Name(), err)
		}
		d[path] = line
		for _, name := range children {
			queue = append(queue, strings.TrimSuffix(path, "/")+"/"+name)
		}
	}
	return d, nil
}

func dumpNode(c *rawConn, path string, m *masker) (string, []string, error) {
	var texts []string
	var children []string
	requests := []struct {
		op   int32
		body []byte
	}{
		{opGetChildren2, pathWatch(path, false)},
		{opGetData, pathWatch(path, false)},
		{opGetACL, packer{}.str(path)},
	}
	for _, q := range requests {
		r, err := c.call(q.op, q.body)
		if err != nil {
			return "", nil, err
		}
		if r.err != 0 {
			return "", nil, fmt.Errorf("op %d: err %d", q.op, r.err)
		}
		if q.op == opGetChildren2 {
			children = (&unpacker{b: r.body}).strs()
		}
		r.zxid = 0 // the session of the dump has one of its own
		texts = append(texts, m.reply(q.op, r))
	}
	return strings.Join(texts, " | "), children, nil
}

// mustDump is dumpTree for a test's own goroutine.
func mustDump(t *testing.T, s Server, m *masker) treeDump {
	t.Helper()
	d, err := dumpTree(s, m)
	must(t, err)
	return d
}

// compareTrees reports every node that differs, up to a readable number.
func compareTrees(t *testing.T, what string, want, got treeDump) {
	t.Helper()
	paths := maps.Clone(want)
	maps.Copy(paths, got)
	bad := 0
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		if want[path] == got[path] {
			continue
		}
		bad++
		if bad <= 10 {
			t.Errorf("%s: node %q\n  want %s\n  got  %s", what, path, orAbsent(want[path]), orAbsent(got[path]))
		}
	}
	if bad > 10 {
		t.Errorf("%s: %d nodes differ in all", what, bad)
	}
}

func orAbsent(s string) string {
	if s == "" {
		return "(absent)"
	}
	return s
}
