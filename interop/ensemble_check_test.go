package interop

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// verdict collects what checkers find, up to a readable number of each kind.
type verdict struct {
	found []string
	count map[string]int
}

const shownFindings = 6

func (v *verdict) add(kind, format string, args ...any) {
	if v.count == nil {
		v.count = map[string]int{}
	}
	if v.count[kind]++; v.count[kind] <= shownFindings {
		v.found = append(v.found, kind+": "+fmt.Sprintf(format, args...))
	}
}

func (v *verdict) report(t *testing.T) {
	t.Helper()
	for _, text := range v.found {
		t.Error(text)
	}
	for kind, n := range v.count {
		if n > shownFindings {
			t.Errorf("%s: %d findings in all", kind, n)
		}
	}
}

func (c *call) String() string {
	return fmt.Sprintf("client %d session %#x connection %d xid %d op %d %v (known %v, code %d, zxid %#x, %v to %v)",
		c.client, c.session, c.conn, c.xid, c.op, c.steps, c.known, c.code, c.zxid, c.invoked, c.returned)
}

// requestID names a request for ever: a session never uses an xid twice.
type requestID struct {
	session int64
	xid     int32
}

// ackedZxids are those of all writes that were answered, and of what the tree shows.
func (h *history) ackedZxids(final ensembleTree) map[int64]bool {
	acked := map[int64]bool{}
	for _, c := range h.calls {
		if c.isWrite() && c.known && c.zxid > 0 {
			acked[c.zxid] = true
		}
	}
	for _, n := range final {
		for _, zxid := range []int64{n.stat.czxid, n.stat.mzxid, n.stat.pzxid} {
			if counterOf(zxid) > 0 {
				acked[zxid] = true
			}
		}
	}
	return acked
}

// checkExact compares a history with the committed transactions: every answered write is there with the result that a
// sequential server gives at that place, every write is there at most once, every read saw the state at its zxid,
// and final is the state after the last.
func (h *history) checkExact(v *verdict, chain []txn, final ensembleTree) {
	byRequest := map[requestID]*txn{}
	for i := range chain {
		x := &chain[i]
		if x.cxid == 0 || x.cxid == movedCxid || !h.mine(x.session) {
			continue
		}
		id := requestID{x.session, x.cxid}
		if old := byRequest[id]; old != nil {
			v.add("executed twice", "session %#x xid %d at %#x and %#x", x.session, x.cxid, old.zxid, x.zxid)
		}
		byRequest[id] = x
	}
	h.checkPresent(v, byRequest)
	h.checkOrder(v, byRequest)
	h.checkRealTime(v, byRequest)
	h.checkZxids(v)
	h.replay(v, chain, byRequest, final)
}

// movedCxid marks what a Quokka leader logs when a session changes its server.
const movedCxid = -1 << 31

func (h *history) mine(session int64) bool { _, ok := h.sessions[session]; return ok }

// checkPresent finds answered writes that are not committed, or not as answered.
func (h *history) checkPresent(v *verdict, byRequest map[requestID]*txn) {
	for _, c := range h.calls {
		if !c.isWrite() || !c.known || c.code == errSessionMoved {
			continue
		}
		x := byRequest[requestID{c.session, c.xid}]
		switch {
		case x == nil:
			v.add("acknowledged write lost", "%v", c)
		case x.zxid != c.zxid:
			v.add("answered with another zxid", "%v is committed at %#x", c, x.zxid)
		case c.code == 0 && x.op != c.op:
			v.add("answered with success", "%v is a transaction of type %d", c, x.op)
		}
	}
}

const errSessionMoved int32 = -118

// checkOrder checks that the writes of a session are committed in the order sent, and that of those on a broken
// connection a prefix is.
func (h *history) checkOrder(v *verdict, byRequest map[requestID]*txn) {
	last := map[int64]*txn{}
	type connID struct{ client, conn int }
	missing := map[connID]*call{}
	for _, c := range h.calls {
		if !c.isWrite() {
			continue
		}
		x := byRequest[requestID{c.session, c.xid}]
		id := connID{c.client, c.conn}
		if x == nil || movedTxn(x) {
			missing[id] = c
			continue
		}
		if gap := missing[id]; gap != nil {
			v.add("not a prefix", "%v was executed, but not %v before it", c, gap)
		}
		if old := last[c.session]; old != nil && old.zxid >= x.zxid {
			v.add("order of a session", "%v at %#x comes after xid %d at %#x", c, x.zxid, old.cxid, old.zxid)
		}
		last[c.session] = x
	}
}

// movedTxn tells the error that stands for a request which came over a connection that its session had left.
func movedTxn(x *txn) bool {
	return x.op == -1 && (&unpacker{b: x.body}).i32() == errSessionMoved
}

// checkRealTime checks that a write which returned before another was sent is committed before it.
func (h *history) checkRealTime(v *verdict, byRequest map[requestID]*txn) {
	writes := slices.DeleteFunc(slices.Clone(h.calls), func(c *call) bool {
		return !c.isWrite() || byRequest[requestID{c.session, c.xid}] == nil
	})
	returned := slices.DeleteFunc(slices.Clone(writes), func(c *call) bool { return !c.known })
	slices.SortFunc(writes, func(a, b *call) int { return cmp.Compare(a.invoked, b.invoked) })
	slices.SortFunc(returned, func(a, b *call) int { return cmp.Compare(a.returned, b.returned) })
	var newest *call
	for _, c := range writes {
		for len(returned) > 0 && returned[0].returned < c.invoked {
			if newest == nil || returned[0].zxid > newest.zxid {
				newest = returned[0]
			}
			returned = returned[1:]
		}
		if x := byRequest[requestID{c.session, c.xid}]; newest != nil && x.zxid <= newest.zxid {
			v.add("real time", "%v at %#x was sent after %v had returned", c, x.zxid, newest)
		}
	}
}

// checkZxids checks that a client never goes back in time.
func (h *history) checkZxids(v *verdict) {
	last := map[int64]*call{}
	for _, c := range h.calls {
		if !c.known {
			continue
		}
		if old := last[c.session]; old != nil && old.zxid > c.zxid {
			v.add("back in time", "%v after %v", c, old)
		}
		last[c.session] = c
	}
}

// checkSyncs checks that a read behind a sync sees all writes that had returned before the sync was sent. Java
// promises that only while its leader is not deposed unawares (ZOOKEEPER-1675).
func (h *history) checkSyncs(v *verdict) {
	writes := slices.DeleteFunc(slices.Clone(h.calls), func(c *call) bool { return !c.isWrite() || !c.known })
	slices.SortFunc(writes, func(a, b *call) int { return cmp.Compare(a.returned, b.returned) })
	reads := slices.DeleteFunc(slices.Clone(h.calls), func(c *call) bool { return c.sync == nil || !c.known })
	slices.SortFunc(reads, func(a, b *call) int { return cmp.Compare(a.sync.invoked, b.sync.invoked) })
	var newest *call
	for _, c := range reads {
		for len(writes) > 0 && writes[0].returned < c.sync.invoked {
			if newest == nil || writes[0].zxid > newest.zxid {
				newest = writes[0]
			}
			writes = writes[1:]
		}
		if newest != nil && c.zxid < newest.zxid {
			v.add("stale read after sync", "%v, sync sent at %v, but %v had returned", c, c.sync.invoked, newest)
		}
	}
}

// checkSessions finds sessions that servers ended although their clients had not been silent for their timeout.
func (h *history) checkSessions(v *verdict) {
	for _, l := range h.losses {
		if l.silent < l.timeout {
			v.add("session lost", "client %d session %#x after %v of silence, its timeout is %v", l.client, l.session, l.silent, l.timeout)
		}
	}
}

// replay runs the committed transactions through the model and compares every answer on the way.
func (h *history) replay(v *verdict, chain []txn, byRequest map[requestID]*txn, final ensembleTree) {
	asked := map[int64]*call{}
	var reads []*call
	for _, c := range h.calls {
		if x := byRequest[requestID{c.session, c.xid}]; c.isWrite() && x != nil {
			asked[x.zxid] = c
		} else if c.op == opGetData && c.known {
			reads = append(reads, c)
		}
	}
	slices.SortStableFunc(reads, func(a, b *call) int { return cmp.Compare(a.zxid, b.zxid) })
	m := newModel()
	for i := range chain {
		x := &chain[i]
		for len(reads) > 0 && reads[0].zxid < x.zxid {
			m.checkRead(v, reads[0])
			reads = reads[1:]
		}
		m.replayOne(v, x, asked[x.zxid])
	}
	for _, c := range reads {
		m.checkRead(v, c)
	}
	m.checkFinal(v, final)
	for session, open := range h.sessions {
		if open && !m.sessions[session] {
			v.add("session ended", "%#x, which its client left open", session)
		}
	}
}

// replayOne applies a transaction; c is the request for it, if it is one of the load's.
func (m *model) replayOne(v *verdict, x *txn, c *call) {
	if c == nil || c.op == opCloseSession || movedTxn(x) {
		if err := m.apply(x); err != nil {
			v.add("transaction", "%#x: %v", x.zxid, err)
		}
		return
	}
	code, name := m.expect(c)
	if c.known && code != c.code {
		v.add("code", "%v should be answered with %d", c, code)
	}
	if err := m.apply(x); err != nil {
		v.add("transaction", "%#x of %v: %v", x.zxid, c, err)
		return
	}
	if !c.known || c.code != 0 || code != 0 || c.op == opMulti {
		return
	}
	if (c.op == opCreate || c.op == opCreate2) && c.name != name {
		v.add("name", "%v got the name %q, not %q", c, c.name, name)
	}
	if n := m.nodes[name]; n != nil && (c.op == opCreate2 || c.op == opSetData) && c.stat != n.visible() {
		v.add("stat", "%v got %+v, not %+v", c, c.stat, n.visible())
	}
}

func (m *model) checkRead(v *verdict, c *call) {
	n := m.nodes[c.onlyPath()]
	switch {
	case n == nil && c.code != errNoNode, n != nil && c.code != 0:
		v.add("read", "%v: the node is %+v", c, n)
	case n != nil && (c.data != n.data || c.stat != n.visible()):
		v.add("read", "%v saw %q %+v, not %q %+v", c, c.data, c.stat, n.data, n.visible())
	}
}

func (m *model) checkFinal(v *verdict, final ensembleTree) {
	want := m.view()
	for path, n := range final {
		switch expected, ok := want[path]; {
		case strings.HasPrefix(path, "/zookeeper"):
		case !ok:
			v.add("final tree", "%q is there, but should not be: %q %+v", path, n.data, n.stat)
		case expected.data != n.data || expected.stat != n.stat:
			v.add("final tree", "%q is %q %+v, not %q %+v", path, n.data, n.stat, expected.data, expected.stat)
		}
		delete(want, path)
	}
	for path := range want {
		v.add("final tree", "%q is missing", path)
	}
}

// checkLoad ends the load and checks all that it saw: first what the running servers show, then, with all stopped,
// their logs. The ensemble is down afterwards.
func (e *ensemble) checkLoad(l *load, strictSyncs bool) {
	e.t.Helper()
	h := l.finish()
	leader := e.awaitAll()
	final := e.compareTrees()
	e.checkDigests()
	e.stopAll()
	var v verdict
	h.checkSessions(&v)
	if strictSyncs {
		h.checkSyncs(&v)
	}
	chain, err := committedTxns(e.members, h.ackedZxids(final))
	if err != nil {
		e.t.Errorf("logs of the members: %v", err)
	} else {
		h.checkExact(&v, chain, final)
	}
	v.report(e.t)
	h.checkLinearizable(e.t, strictSyncs)
	e.t.Logf("%d calls, %d acknowledged writes, %d unanswered, %d committed transactions, %d nodes, %s led last, longest pause %v",
		len(h.calls), h.acknowledged(), h.unknown(), len(chain), len(final), leader.Name(),
		h.longestGap(0, h.lastReturn()).Round(time.Millisecond))
}

func (h *history) lastReturn() time.Duration {
	last := time.Duration(0)
	for _, c := range h.calls {
		last = max(last, c.returned)
	}
	return last
}
