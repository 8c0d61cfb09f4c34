package interop

import (
	"bufio"
	"fmt"
	"net"
	"testing"
	"time"
)

const errNotReadOnly int32 = -119

// dialReadOnly opens a session that may be read-only, and tells whether it is.
func dialReadOnly(addr string, session int64, passwd []byte) (*rawConn, bool, error) {
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return nil, false, err
	}
	if passwd == nil {
		passwd = make([]byte, 16)
	}
	r := &rawConn{c: c, r: bufio.NewReaderSize(c, 1<<14)}
	err = r.writeFrame(packer{}.i32(0).i64(0).i32(30_000).i64(session).buf(passwd).flag(true))
	var b []byte
	if err == nil {
		b, err = r.readFrame()
	}
	if err != nil {
		c.Close()
		return nil, false, fmt.Errorf("read-only session on %s: %w", addr, err)
	}
	u := &unpacker{b: b}
	u.i32()
	r.timeout, r.session, r.passwd = u.i32(), u.i64(), u.buf()
	readOnly := u.flag()
	if u.err != nil || r.timeout == 0 {
		c.Close()
		return nil, false, fmt.Errorf("read-only session on %s: answered with %x: %w", addr, b, u.err)
	}
	return r, readOnly, nil
}

// TestEnsembleReadOnly leaves one server alone, which then serves reads to those who accept that, and writes nothing.
func TestEnsembleReadOnly(t *testing.T) {
	eachMix(t, []string{"QQJ", "JJQ", "QQQ"}, func(t *testing.T, mix string) {
		// Only local sessions can be opened without a quorum (ReadOnlyRequestProcessor).
		e := startEnsemble(t, mix, ensembleOptions{readOnly: true, extra: map[string]string{
			"localSessionsEnabled": "true", "localSessionsUpgradingEnabled": "true"}})
		w := &syncWriter{t: t, dir: "/ro"}
		w.write(e.members[2].Addr(), 20)
		alone := e.members[2]
		before, err := readTree(alone.Addr())
		must(t, err)
		for _, m := range e.members[:2] {
			must(t, m.Kill())
		}
		must(t, poll(ensembleDeadline, func() error {
			mode, err := alone.mode()
			if err == nil && mode != "read-only" {
				err = fmt.Errorf("%s is %s", alone.Name(), mode)
			}
			return err
		}))
		logged, err := readTxns(alone.DataDir())
		must(t, err)
		checkReadOnly(t, alone, len(before))
		for _, m := range e.members[:2] {
			must(t, m.Launch())
		}
		e.awaitAll()
		w.write(alone.Addr(), 10)
		e.compareTrees()
		after, err := readTxns(alone.DataDir())
		must(t, err)
		for _, x := range after[len(logged):] {
			if epochOf(x.zxid) == epochOf(logged[len(logged)-1].zxid) {
				t.Errorf("read-only, %s has logged %#x", alone.Name(), x.zxid)
			}
		}
	})
}

// checkReadOnly is what a client sees of a read-only server.
func checkReadOnly(t *testing.T, m *ensembleMember, nodes int) {
	t.Helper()
	if text, err := fourLetter(m.Addr(), "isro"); text != "ro" {
		t.Errorf("isro answers %q, %v", text, err)
	}
	if c, err := dialRaw(m.Addr(), 0, nil, 30_000, 0); err == nil {
		t.Errorf("session %#x was opened for a client that did not ask for read-only", c.session)
		c.Close()
	}
	c, readOnly, err := dialReadOnly(m.Addr(), 0, nil)
	must(t, err)
	defer c.Close()
	if !readOnly {
		t.Error("the session is not said to be read-only")
	}
	r, err := c.call(opGetChildren2, pathWatch("/ro", false))
	must(t, err)
	if kids := (&unpacker{b: r.body}).strs(); r.err != 0 || len(kids) != 20 {
		t.Errorf("children: err %d, %d of 20; the tree had %d nodes", r.err, len(kids), nodes)
	}
	for _, s := range []step{
		{"create", opCreate, createBody("/ro/new", nil, openACL, 0)},
		{"set", opSetData, setBody("/ro", nil, -1)},
		{"delete", opDelete, pathVersion("/ro/n000001", -1)},
		{"multi", opMulti, multiBody(subOp{opSetData, setBody("/ro", nil, -1)})},
		{"sync", opSync, packer{}.str("/ro")},
	} {
		r, err := c.call(s.op, s.body)
		must(t, err)
		if r.err != errNotReadOnly {
			t.Errorf("%s is answered with %d, not %d", s.name, r.err, errNotReadOnly)
		}
	}
}
