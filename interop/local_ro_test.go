package interop

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// sightings are what a scenario saw, line by line. What differs from run to run (ids, zxids, times) is not in them.
type sightings struct {
	t     *testing.T
	lines []string
}

func (s *sightings) see(step, format string, args ...any) {
	s.lines = append(s.lines, step+": "+fmt.Sprintf(format, args...))
}

// call sends a request and writes down how it is answered: the code, how many transactions it was since the last
// answer, and of a multi what the parts say.
func (s *sightings) call(step string, c *rawConn, op int32, body []byte) {
	s.t.Helper()
	before := c.zxid
	r, err := c.call(op, body)
	if err != nil {
		s.see(step, "%v", err)
		return
	}
	if op == opMulti && len(r.body) > 0 {
		s.see(step, "%d, %x", r.err, partCodes(r.body))
		return
	}
	if before == 0 { // the connection's first answer
		s.see(step, "%d", r.err)
		return
	}
	s.see(step, "%d, %d transactions", r.err, c.zxid-before)
}

// partCodes are the types and codes of the parts of a multi's response, up to the first that is more than that.
func partCodes(body []byte) []int32 {
	u, codes := &unpacker{b: body}, []int32{}
	for u.err == nil {
		kind, end, code := u.i32(), u.flag(), u.i32()
		if end {
			break
		}
		codes = append(codes, kind, code)
		switch kind {
		case -1:
			u.i32()
		case opCreate:
			u.str()
		default:
			return codes
		}
	}
	return codes
}

// attach comes back with a session, or tries to, and writes down how that ends.
func (s *sightings) attach(step string, m *ensembleMember, old *rawConn) *rawConn {
	c, err := dialRaw(m.Addr(), old.session, old.passwd, old.timeout, 0)
	if err == nil {
		c.xid, c.zxid = old.xid, old.zxid
		s.see(step, "attached %v", c.session == old.session)
		s.t.Cleanup(c.Close)
		return c
	}
	s.see(step, "refused %v", errors.Is(err, errRefused))
	return nil
}

// count writes down the sessions that a server counts, once they are what is wanted or after a while.
func (s *sightings) count(step string, m *ensembleMember, global, local int64) {
	var g, l int64
	_ = poll(10*time.Second, func() error {
		var e1, e2 error
		g, e1 = m.metric("zk_global_sessions")
		l, e2 = m.metric("zk_local_sessions")
		if e1 == nil && e2 == nil && (g != global || l != local) {
			return errors.New("not yet")
		}
		return errors.Join(e1, e2)
	})
	s.see(step, "%d global, %d local", g, l)
}

// compareMixes runs a scenario with three Java servers, and then with mixes of both makes, which must see the same.
func compareMixes(t *testing.T, o ensembleOptions, run func(*sightings, *ensemble)) {
	t.Helper()
	mixes := []string{"QQQ", "JJQ", "QQJ"}
	if list := os.Getenv("QUOKKA_INTEROP_MIXES"); list != "" {
		mixes = strings.Split(list, ",")
	}
	var want []string
	for _, mix := range append([]string{"JJJ"}, mixes...) {
		ok := t.Run(mix, func(t *testing.T) {
			needMix(t, mix)
			s := &sightings{t: t}
			run(s, startEnsemble(t, mix, o))
			if want == nil {
				want = s.lines
				if os.Getenv("QUOKKA_INTEROP_SHOW") != "" {
					t.Logf("Java sees:\n%s", strings.Join(want, "\n"))
				}
				return
			}
			for i := range max(len(want), len(s.lines)) {
				java, here := at(want, i), at(s.lines, i)
				if java != here {
					t.Errorf("Java: %s\nhere: %s", java, here)
				}
			}
		})
		if !ok && mix == "JJJ" {
			return // nothing to compare with
		}
	}
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "nothing"
}

func localOptions(upgrade bool) ensembleOptions {
	return ensembleOptions{readOnly: true, extra: map[string]string{
		"localSessionsEnabled": "true", "localSessionsUpgradingEnabled": fmt.Sprint(upgrade),
	}}
}

// txns are the types of the transactions of a session in a server's log, without our record of its move.
func (s *sightings) txns(step string, m *ensembleMember, session int64) {
	var types []int32
	// A leader that is committed by the others may not have written its own log yet.
	_ = poll(2*time.Second, func() error {
		all, err := readTxns(m.DataDir())
		must(s.t, err)
		types = nil
		for _, x := range all {
			if x.session == session && x.cxid != math.MinInt32 {
				types = append(types, x.op)
			}
		}
		if len(types) > 0 && types[len(types)-1] != opCloseSession {
			return errors.New("the end of the session is not in the log")
		}
		return nil
	})
	s.see(step, "%v", types)
}

// TestLocalSessions compares what clients see of local sessions at the leader and at a follower, when Java and ours
// are either.
func TestLocalSessions(t *testing.T) {
	t.Parallel()
	compareMixes(t, localOptions(true), func(s *sightings, e *ensemble) {
		leader := e.awaitAll()
		for _, at := range []*ensembleMember{e.follower(leader), leader} {
			name := "leader"
			if at != leader {
				name = "follower"
			}
			s.localSession(name, at, e.others(at)[0])
		}
	})
}

func (s *sightings) localSession(name string, m, other *ensembleMember) {
	c, err := dialRaw(m.Addr(), 0, nil, 30_000, 0)
	must(s.t, err)
	s.count(name+", a new session", m, 0, 1)
	s.count(name+", elsewhere", other, 0, 0)
	_, err = c.call(opCreate, createBody("/first "+name, nil, openACL, 0))
	must(s.t, err)
	s.call(name+", create", c, opCreate, createBody("/"+name, nil, openACL, 0))
	s.call(name+", getData", c, opGetData, pathWatch("/"+name, false))
	s.call(name+", multi", c, opMulti, multiBody(subOp{opCreate, createBody("/"+name+"/m", nil, openACL, 0)}))
	s.call(name+", a part fails", c, opMulti, multiBody(subOp{opDelete, pathVersion("/none", -1)}))
	s.call(name+", delete", c, opDelete, pathVersion("/"+name+"/m", -1))
	s.attach(name+", elsewhere", other, c)
	c.Close()
	c = s.attach(name+", again", m, c)
	s.call(name+", sync", c, opSync, packer{}.str("/"))
	s.call(name+", ephemeral container", c, opCreateContainer, createBody("/"+name+"/c", nil, openACL, 1))
	s.call(name+", ephemeral", c, opCreate, createBody("/"+name+"/e", nil, openACL, 1))
	s.call(name+", the next", c, opCreate, createBody("/"+name+"/f", nil, openACL, 3))
	s.count(name+", after the upgrade", m, 1, 0)
	s.count(name+", elsewhere", other, 1, 0)
	moved := s.attach(name+", elsewhere after the upgrade", other, c)
	r, err := moved.call(opGetChildren, pathWatch("/"+name, false))
	must(s.t, err)
	s.see(name+", there", "%d", r.err)
	r, err = moved.closeSession()
	must(s.t, err)
	s.see(name+", close", "%d", r.err)
	c.Close()
	s.txns(name+", logged", m, c.session)
	s.upgradeByMulti(name, m)
	s.silent(name, m)
}

// upgradeByMulti makes the ephemeral in a multi, with other requests on their way before and behind it.
func (s *sightings) upgradeByMulti(name string, m *ensembleMember) {
	c, err := dialRaw(m.Addr(), 0, nil, 30_000, 0)
	must(s.t, err)
	for _, p := range []struct {
		op   int32
		body []byte
	}{
		{opSetData, setBody("/"+name, []byte("1"), -1)},
		{opMulti, multiBody(subOp{opSetData, setBody("/"+name, []byte("2"), 1)}, subOp{opCreate, createBody("/"+name+"/m", nil, openACL, 1)})},
		{opGetEphemerals, packer{}.str("/")},
		{opSetData, setBody("/"+name, []byte("3"), 2)},
		{opCreate, createBody("/"+name+"/n", nil, openACL, 1)},
	} {
		_, err := c.send(p.op, p.body)
		must(s.t, err)
	}
	for i := range 5 {
		r, err := c.receive()
		must(s.t, err)
		if i == 2 {
			s.see(name+", ephemerals", "%q", (&unpacker{b: r.body}).strs())
		} else {
			s.see(name+", in a row", "%d", r.err)
		}
	}
	_, err = c.closeSession()
	must(s.t, err)
	s.txns(name+", logged of a row", m, c.session)
	local, err := dialRaw(m.Addr(), 0, nil, 30_000, 0)
	must(s.t, err)
	s.call(name+", a last write", local, opSetData, setBody("/"+name, nil, -1))
	r, err := local.closeSession()
	must(s.t, err)
	s.see(name+", close a local session", "%d", r.err)
	s.attach(name+", closed", m, local)
	s.txns(name+", logged of a local session", m, local.session)
}

// silent lets a session expire.
func (s *sightings) silent(name string, m *ensembleMember) {
	c, err := dialRaw(m.Addr(), 0, nil, 1000, 0)
	must(s.t, err)
	s.see(name+", timeout", "%d", c.timeout)
	_, err = c.receive() // until the server closes it
	s.see(name+", silent", "closed %v", err != nil)
	c.Close()
	s.count(name+", expired", m, 0, 0)
	s.attach(name+", expired", m, c)
	s.txns(name+", logged of an expired one", m, c.session)
}

// TestLocalSessionsWithoutUpgrade asks for ephemerals that nobody may have.
func TestLocalSessionsWithoutUpgrade(t *testing.T) {
	t.Parallel()
	compareMixes(t, localOptions(false), func(s *sightings, e *ensemble) {
		leader := e.awaitAll()
		s.refused("follower", e.follower(leader))
		c, err := dialRaw(leader.Addr(), 0, nil, 30_000, 0)
		must(t, err)
		defer c.Close()
		r, err := c.call(opCreate2, createBody("/e", nil, openACL, 1))
		must(t, err)
		s.see("leader, create2", "%d", r.err)
		s.count("leader", leader, 0, 1)
	})
}

// refused asks for ephemerals and for other nodes in turn. How many transactions that makes is not compared: what can
// be refused at once is none of ours.
func (s *sightings) refused(name string, m *ensembleMember) {
	c, err := dialRaw(m.Addr(), 0, nil, 30_000, 0)
	must(s.t, err)
	defer c.Close()
	for i, body := range [][]byte{
		createBody("/a", nil, openACL, 0), createBody("/e", nil, openACL, 1),
		createBody("/s", nil, openACL, 3), createBody("/b", nil, openACL, 2),
	} {
		r, err := c.call(opCreate, body)
		must(s.t, err)
		s.see(fmt.Sprintf("%s, create %d", name, i), "%d", r.err)
	}
	s.call(name+", multi", c, opMulti, multiBody(
		subOp{opCreate, createBody("/c", nil, openACL, 0)}, subOp{opCreate, createBody("/e", nil, openACL, 1)}))
}

// TestReadOnly compares what clients see of a server that is alone, and when the others come back.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	compareMixes(t, localOptions(true), func(s *sightings, e *ensemble) {
		alone := e.members[2]
		global, err := dialRaw(alone.Addr(), 0, nil, 60_000, 0)
		must(s.t, err)
		s.call("ephemeral", global, opCreate, createBody("/e", []byte("x"), openACL, 1))
		var log []txn
		for i, m := range e.members[:2] {
			if i == 1 {
				_, err := global.call(opSync, packer{}.str("/"))
				must(s.t, err)
				log, err = readTxns(alone.DataDir())
				must(s.t, err)
			}
			must(s.t, m.Kill())
		}
		alone.awaitReadOnly(s.t)
		open := s.readOnly(alone, global)
		after, err := readTxns(alone.DataDir())
		must(s.t, err)
		s.see("log", "%d transactions more", len(after)-len(log))
		for _, m := range e.members[:2] {
			must(s.t, m.Launch())
		}
		_, err = open.receive()
		s.see("a leader", "closed %v", err != nil)
		e.awaitAll()
		s.readWrite(alone, global)
	})
}

func (m *ensembleMember) awaitReadOnly(t *testing.T) {
	t.Helper()
	must(t, poll(ensembleDeadline, func() error {
		mode, err := m.mode()
		if err == nil && mode != "read-only" {
			err = fmt.Errorf("%s is %s", m.Name(), mode)
		}
		return err
	}))
}

// readOnly is what is seen while the server is alone. It returns a connection that is open.
func (s *sightings) readOnly(m *ensembleMember, global *rawConn) *rawConn {
	for _, word := range []string{"isro", "srvr", "mntr"} {
		text, err := fourLetter(m.Addr(), word)
		must(s.t, err)
		lines := slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool {
			return word != "isro" && !strings.Contains(strings.ToLower(line), "read-only") && !strings.HasPrefix(line, "zk_peer_state")
		})
		s.see(word, "%q", lines)
	}
	_, err := dialRaw(m.Addr(), 0, nil, 30_000, 0)
	s.see("a client that writes", "refused %v, %v", errors.Is(err, errRefused), err != nil)
	_, _, err = dialReadOnly(m.Addr(), global.session, global.passwd)
	s.see("a global session", "closed %v", err != nil)
	c := s.readOnlyCalls(m)
	c.Close()
	_, _, err = dialReadOnly(m.Addr(), c.session, make([]byte, 16))
	s.see("a wrong password", "%v", err != nil)
	again, readOnly, err := dialReadOnly(m.Addr(), c.session, c.passwd)
	must(s.t, err)
	s.see("again", "read-only %v", readOnly)
	r, err := again.closeSession()
	must(s.t, err)
	s.see("close", "%d", r.err)
	_, _, err = dialReadOnly(m.Addr(), c.session, c.passwd)
	s.see("closed", "refused %v", err != nil)
	open, _, err := dialReadOnly(m.Addr(), 0, nil)
	must(s.t, err)
	return open
}

// readOnlyCalls asks for one of everything in a new session.
func (s *sightings) readOnlyCalls(m *ensembleMember) *rawConn {
	c, readOnly, err := dialReadOnly(m.Addr(), 0, nil)
	must(s.t, err)
	s.see("a new session", "read-only %v", readOnly)
	for _, step := range []step{
		{"getData", opGetData, pathWatch("/e", true)}, {"exists", opExists, pathWatch("/none", true)},
		{"create", opCreate, createBody("/f", nil, openACL, 0)}, {"create2", opCreate2, createBody("/f", nil, openACL, 1)},
		{"container", opCreateContainer, createBody("/f", nil, openACL, 4)}, {"setData", opSetData, setBody("/e", nil, -1)},
		{"delete", opDelete, pathVersion("/e", -1)}, {"setACL", opSetACL, packer{}.str("/e").acls(openACL).i32(-1)},
		{"multi", opMulti, multiBody(subOp{opSetData, setBody("/e", nil, -1)})}, {"sync", opSync, packer{}.str("/")},
		{"multiRead", opMultiRead, multiBody(subOp{opGetData, packer{}.str("/e").flag(false)})}, {"ping", opPing, nil},
		{"getEphemerals", opGetEphemerals, packer{}.str("/")}, {"auth", opAuth, authBody("digest", "a:b")},
	} {
		s.call("read-only "+step.name, c, step.op, step.body)
	}
	return c
}

// readWrite is what is seen when there is a leader again.
func (s *sightings) readWrite(m *ensembleMember, global *rawConn) {
	text, err := fourLetter(m.Addr(), "isro")
	must(s.t, err)
	s.see("isro", "%s", text)
	c, readOnly, err := dialReadOnly(m.Addr(), 0, nil)
	must(s.t, err)
	defer c.Close()
	s.see("a new session", "read-only %v", readOnly)
	if g := s.attach("the global session", m, global); g != nil {
		r, err := g.call(opGetData, pathWatch("/e", false))
		must(s.t, err)
		s.see("its ephemeral", "%d", r.err)
	}
	s.call("create", c, opCreate, createBody("/after", nil, openACL, 0))
}
