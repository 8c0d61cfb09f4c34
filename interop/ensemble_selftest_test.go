package interop

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// The checkers must find what they are for: a small clean history passes, and every kind of damage is found.

const testSession = int64(0x1000)

// cleanHistory is four writes and a read of one session, with the transactions that they make and the tree at the end.
func cleanHistory() (*history, []txn, ensembleTree) {
	at := func(n int) time.Duration { return time.Duration(n) * time.Second }
	write := func(xid int32, op int32, zxid int64, s callStep, stat rawStat, name string) *call {
		return &call{session: testSession, conn: 1, xid: xid, op: op, steps: []callStep{s}, known: true, zxid: zxid,
			invoked: at(int(xid)), returned: at(int(xid)) + time.Second/2, stat: stat, name: name}
	}
	record := func(zxid int64, cxid int32, op int32, body packer) txn {
		return txn{session: testSession, cxid: cxid, zxid: zxid, timeMS: 100 + zxid, op: op, body: body}
	}
	const e = int64(1) << 32
	final := rawStat{czxid: e + 2, mzxid: e + 4, pzxid: e + 2, ctime: 100 + e + 2, mtime: 100 + e + 4, version: 2, dataLength: 1}
	second := final
	second.mzxid, second.mtime, second.version = e+3, 100+e+3, 1
	h := &history{sessions: map[int64]bool{testSession: true}, calls: []*call{
		write(1, opCreate, e+2, callStep{op: opCreate, path: "/a", value: "1"}, rawStat{}, "/a"),
		write(2, opSetData, e+3, callStep{op: opSetData, path: "/a", value: "2", version: 0}, second, ""),
		write(3, opSetData, e+4, callStep{op: opSetData, path: "/a", value: "3", version: -1}, final, ""),
		{session: testSession, conn: 1, xid: 4, op: opGetData, steps: []callStep{{op: opGetData, path: "/a"}}, known: true,
			zxid: e + 4, invoked: at(4), returned: at(5), data: "3", stat: final},
	}}
	chain := []txn{
		record(e+1, 0, opCreateSession, packer{}.i32(30_000)),
		record(e+2, 1, opCreate, packer{}.str("/a").buf([]byte("1")).acls(openACL).flag(false).i32(1)),
		record(e+3, 2, opSetData, packer{}.str("/a").buf([]byte("2")).i32(1)),
		record(e+4, 3, opSetData, packer{}.str("/a").buf([]byte("3")).i32(2)),
	}
	return h, chain, ensembleTree{
		"/":  {stat: rawStat{numChildren: 2, pzxid: e + 2}},
		"/a": {data: "3", stat: final},
	}
}

func TestEnsembleCheckers(t *testing.T) {
	const e = int64(1) << 32
	for _, c := range []struct {
		name   string
		damage func(h *history, chain []txn, final ensembleTree) []txn
		want   string // the kind of finding, "" when there must be none
	}{
		{"clean", func(_ *history, chain []txn, _ ensembleTree) []txn { return chain }, ""},
		{"lost", func(_ *history, chain []txn, _ ensembleTree) []txn { return chain[:3] }, "acknowledged write lost"},
		{"twice", func(_ *history, chain []txn, _ ensembleTree) []txn {
			again := chain[3]
			again.zxid++
			return append(chain, again)
		}, "executed twice"},
		{"reordered", func(h *history, chain []txn, _ ensembleTree) []txn {
			chain[2].zxid, chain[3].zxid = chain[3].zxid, chain[2].zxid
			return []txn{chain[0], chain[1], chain[3], chain[2]}
		}, "order of a session"},
		{"hole in a connection", func(h *history, chain []txn, _ ensembleTree) []txn {
			h.calls[1].known, h.calls[2].known = false, false
			return slices.Delete(chain, 2, 3)
		}, "not a prefix"},
		{"wrong success", func(h *history, chain []txn, _ ensembleTree) []txn {
			h.calls[1].steps[0].version = 7
			return chain
		}, "code"},
		{"wrong stat", func(h *history, chain []txn, _ ensembleTree) []txn {
			h.calls[2].stat.version++
			return chain
		}, "stat"},
		{"stale read", func(h *history, chain []txn, _ ensembleTree) []txn {
			h.calls[3].data = "2"
			return chain
		}, "read"},
		{"back in time", func(h *history, chain []txn, _ ensembleTree) []txn {
			h.calls[3].zxid, h.calls[3].data, h.calls[3].stat = e+3, "2", h.calls[1].stat
			return chain
		}, "back in time"},
		{"real time", func(h *history, chain []txn, _ ensembleTree) []txn {
			h.calls[2].returned = h.calls[0].invoked - 1
			return chain
		}, "real time"},
		{"closed", func(h *history, chain []txn, _ ensembleTree) []txn {
			return append(chain, txn{session: testSession, zxid: e + 5, op: opCloseSession, body: packer{}.strs(nil)})
		}, "session ended"},
		{"other tree", func(_ *history, chain []txn, final ensembleTree) []txn {
			final["/b"] = ensembleNode{}
			return chain
		}, "final tree"},
		{"lost version", func(_ *history, chain []txn, _ ensembleTree) []txn {
			chain[3].body = packer{}.str("/a").buf([]byte("3")).i32(5)
			return chain
		}, "transaction"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, chain, final := cleanHistory()
			chain = c.damage(h, chain, final)
			var v verdict
			h.checkExact(&v, chain, final)
			if c.want == "" && len(v.found) > 0 || c.want != "" && v.count[c.want] == 0 {
				t.Errorf("%q is wanted, found:\n%s", c.want, strings.Join(v.found, "\n"))
			}
		})
	}
}

// TestEnsembleCheckersOfTime is for those that look at no transaction.
func TestEnsembleCheckersOfTime(t *testing.T) {
	h, _, _ := cleanHistory()
	h.calls[3].sync = &call{op: opSync, invoked: 4 * time.Second}
	h.losses = []loss{{session: testSession, silent: 2 * time.Second, timeout: time.Second}}
	var v verdict
	h.checkSyncs(&v)
	h.checkSessions(&v)
	if len(v.found) > 0 {
		t.Errorf("found in a clean history: %v", v.found)
	}
	h.calls[3].zxid--
	h.losses[0].silent = time.Second / 2
	h.checkSyncs(&v)
	h.checkSessions(&v)
	for _, want := range []string{"stale read after sync", "session lost"} {
		if v.count[want] != 1 {
			t.Errorf("%q is not found: %v", want, v.found)
		}
	}
}

// TestEnsembleLogs decides what is committed from the logs of three servers.
func TestEnsembleLogs(t *testing.T) {
	const e = int64(1) << 32
	record := func(zxid int64) *txn { return &txn{zxid: zxid} }
	all := map[int64]*txn{e + 1: record(e + 1), e + 2: record(e + 2), e + 3: record(e + 3), 2*e + 1: record(2*e + 1)}
	chain, err := chainOf(all, map[int64]int64{1: 2, 2: 1})
	if got := fmt.Sprint(len(chain), err); got != "3 <nil>" {
		t.Errorf("%s: 1.3 is what a leader wrote alone", got)
	}
	delete(all, e+1)
	if _, err := chainOf(all, map[int64]int64{1: 2, 2: 1}); err == nil || !strings.Contains(err.Error(), "0x100000001") {
		t.Errorf("a hole in all logs is not found: %v", err)
	}
}
