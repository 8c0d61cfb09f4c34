package interop

import (
	"fmt"
	"strings"
)

// The deliberate differences between Java 3.8.0 and the server under test, which behaves as the newest 3.9. Each is
// bound to one step of one scenario and states both results; nothing else is ever tolerated.

// difference is a step whose results differ on purpose.
type difference struct {
	scenario, step string
	java, quokka   string // observations after masking
	why            string
}

const (
	whyPassword = "a wrong password must not close the session's own connection"
	whyMulti    = "a multi keeps each operation's own type since 3.8.2 (ZOOKEEPER-4276)"
	whyBody     = "a request that is refused as a whole has no body in its reply"
	whyExists   = "exists needs READ since 3.8.4 and 3.9.2 (ZOOKEEPER-4799)"
)

var differences = []difference{
	{"kazoo", "acl denied exists", deniedStat(12), `{"error":"NoAuthError"}`, whyExists},
	{"c", "acl denied exists", `{"rc":0,"stat":` + deniedStat(20) + `}`, `{"rc":-102}`, whyExists},
	{"node", "acl denied exists", `[` + deniedStat(11) + `]`, `{"code":-102,"error":"NO_AUTH"}`, whyExists},
	{"go", "acl denied exists", `[true,` + deniedStat(6) + `]`, `{"error":"zk: not authenticated"}`, whyExists},
	{"protocol", "the connection after a wrong password elsewhere", `"connection closed"`, `"zxid=65 err=0"`, whyPassword},
	{"protocol", "multi with create2", `"zxid=62 err=0 (1 0 \"/m/two\")(end -1 -1)"`,
		`"zxid=62 err=0 (15 0 \"/m/two\" ` + newStat(62) + `)(end -1 -1)"`, whyMulti},
	{"protocol", "multi with create and the container flag",
		`"zxid=63 err=0 (15 0 \"/m/flag4\" ` + newStat(63) + `)(end -1 -1)"`, `"zxid=63 err=0 (1 0 \"/m/flag4\")(end -1 -1)"`, whyMulti},
	{"protocol", "multiRead with a write", `"zxid=36 err=-5 (end -1 -1)"`, `"zxid=36 err=-5"`, whyBody},
	{"protocol", "multi with a bad flag", `"(-1 -8 error -8)(end -1 -1)"`, `"err -5"`, whyMulti},
}

// newStat is a node just created without data by the transaction zxid.
func newStat(zxid int64) string {
	return newMasker().stat(rawStat{czxid: zxid, mzxid: zxid, pzxid: zxid, ctime: 1, mtime: 1})
}

// deniedStat is what 3.8.0 shows of a fresh node without children to a session that may not read it.
func deniedStat(rank int) string {
	const stat = `{"aversion":0,"ctime":true,"cversion":0,"czxid":"zxid N","dataLength":1,"ephemeralOwner":"none",` +
		`"mtime":true,"mzxid":"zxid N","numChildren":0,"pzxid":"zxid N","version":0}`
	return strings.ReplaceAll(stat, "zxid N", fmt.Sprint("zxid ", rank))
}

// deniedExists is the reply that the server under test must give to an operation that Java answered with out: the
// same, but for an exists of an unreadable node.
func deniedExists(tested implementation, o operation, out outcome) string {
	if tested == javaMake || !o.unreadable {
		return out.reply
	}
	return fmt.Sprintf("zxid=%d err=%d", out.zxid, errNoAuth)
}

// judge says what is wrong with a pair of observations; "" means nothing.
func judge(scenario string, java, tested observation) string {
	if underTest() == quokkaMake {
		for _, d := range differences {
			if d.scenario != scenario || d.step != java.step {
				continue
			}
			if java.result != d.java || tested.result != d.quokka {
				return "listed as a deliberate difference (" + d.why + "), but not as it is"
			}
			return ""
		}
	}
	if java.result != tested.result {
		return "differs"
	}
	return ""
}

// eventHeaderZxid is the header zxid that a watch event caused by o must have: always -1 up to 3.8, since 3.9 the
// zxid of the transaction (ZOOKEEPER-4655), except for events that setWatches generates.
func eventHeaderZxid(tested implementation, o operation, replyZxid int64) int64 {
	if tested == javaMake || o.op == opSetWatches || o.op == opSetWatches2 {
		return -1
	}
	return replyZxid
}

// checkWatchesProblem compares the answers of checkWatches, by way of the removeWatches that followed. 3.8.0 also
// finds the watches of other sessions, and stumbles over a path without a slash while somebody has a recursive watch
// (WatchManager.containsWatcher before ZOOKEEPER-4466).
func checkWatchesProblem(tested implementation, o operation, java, got outcome) string {
	if o.act != "check and remove" {
		return ""
	}
	var want int32
	switch {
	case tested == javaMake:
		want = java.check
	case strings.Contains(java.reply, "err=0"):
		want = 0
	case strings.Contains(java.reply, "err=-121"):
		want = -121
	default:
		want = java.check
	}
	if got.check == want {
		return ""
	}
	return fmt.Sprintf("checkWatches says %d, not %d", got.check, want)
}
