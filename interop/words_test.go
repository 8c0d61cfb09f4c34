package interop

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// populated is a server with sessions, ephemerals, watches and quotas on it.
type populated struct {
	server Server
	mask   *masker
	conns  []*rawConn
}

// populate does the same to every server.
func populate(t *testing.T, s Server) *populated {
	t.Helper()
	p := &populated{server: s, mask: newMasker()}
	for i, timeout := range []int32{6000, 30_000, 60_000, 12_000, 18_000, 24_000} {
		c, err := dialRaw(s.Addr(), 0, nil, timeout, 0)
		must(t, err)
		t.Cleanup(c.Close)
		p.conns = append(p.conns, c)
		p.mask.name(c.session, fmt.Sprintf("session %d", i+1))
	}
	old := p.conns[5]
	old.Close()
	must(t, poll(5*time.Second, func() error {
		text, err := fourLetter(s.Addr(), "cons")
		if err == nil && strings.Contains(text, fmt.Sprintf("%#x", old.session)) {
			err = fmt.Errorf("the connection of the last session is still there: %s", text)
		}
		return err
	}))
	_, err := fourLetter(s.Addr(), "srst") // forgets how often the server was asked
	must(t, err)
	p.conns[5], err = dialRaw(s.Addr(), old.session, old.passwd, 36_000, 0) // and does nothing
	must(t, err)
	t.Cleanup(p.conns[5].Close)
	for _, w := range populatingWork {
		_, err := p.conns[w.conn].call(w.op, w.body)
		must(t, err)
	}
	return p
}

// pings brings the events to the clients.
func (p *populated) pings(t *testing.T) {
	t.Helper()
	for _, c := range p.conns[:3] {
		_, err := c.call(opPing, nil)
		must(t, err)
	}
}

// populatingWork ends with a refused write, a refused multi and a refused read; the fourth session authenticates only.
var populatingWork = []struct {
	conn int
	step
}{
	{0, step{"", opCreate, createBody("/app", []byte("0123456789"), openACL, 0)}},
	{0, step{"", opCreate, createBody("/app/é", nil, openACL, 1)}},
	{1, step{"", opCreate2, createBody("/app/s-", []byte("x"), openACL, 3)}},
	{1, step{"", opCreateContainer, createBody("/box", nil, openACL, 4)}},
	{1, step{"", opCreateTTL, createTTLBody("/ttl", []byte{}, openACL, 5, 3_600_000)}},
	{0, step{"", opCreate, createBody("/gone", nil, openACL, 1)}},
	{0, step{"", opDelete, pathVersion("/gone", -1)}},
	{0, step{"", opGetData, pathWatch("/app", true)}},
	{1, step{"", opGetData, pathWatch("/app", true)}},
	{1, step{"", opExists, pathWatch("/app/none", true)}},
	{1, step{"", opGetChildren, pathWatch("/app", true)}},
	{2, step{"", opAddWatch, packer{}.str("/app").i32(0)}},
	{2, step{"", opAddWatch, packer{}.str("/").i32(1)}},
	{2, step{"", opAddWatch, packer{}.str("/box").i32(1)}},
	{2, step{"", opMulti, multiBody(subOp{opSetData, setBody("/ttl", []byte("abc"), 0)}, subOp{opCheck, pathVersion("/app", 0)})}},
	{0, step{"", opMulti, multiBody(
		subOp{opCreate, createBody("/zookeeper/quota/app", nil, openACL, 0)},
		subOp{opCreate, createBody("/zookeeper/quota/app/zookeeper_limits", []byte("count=-1,bytes=5=;byteHardLimit=100;countHardLimit=10"), openACL, 0)},
		subOp{opCreate, createBody("/zookeeper/quota/app/zookeeper_stats", []byte("count=0,bytes=0"), openACL, 0)})}},
	{0, step{"", opSync, packer{}.str("/")}},
	{1, step{"", opWhoAmI, nil}},
	{2, step{"", opGetEphemerals, packer{}.str("/")}},
	{2, step{"", opRemoveWatches, packer{}.str("/box").i32(3)}},
	{0, step{"", opDelete, pathVersion("/gone", -1)}},
	{0, step{"", opAuth, authBody("digest", "bob:pw")}},
	{1, step{"", opMulti, multiBody(subOp{opCheck, pathVersion("/app", 9)})}},
	{2, step{"", opGetData, pathWatch("/none", true)}},
	{3, step{"", opAuth, authBody("digest", "bob:pw")}},
}

var (
	sessionText = regexp.MustCompile(`0x[0-9a-f]{14,16}`)
	addressText = regexp.MustCompile(`/(127\.0\.0\.1|\[?0:0:0:0:0:0:0:1\]?|localhost):\d+`)
	varyingText = regexp.MustCompile(`(est|lresp|llat|minlat|avglat|maxlat)=\d+`)
	dateText    = regexp.MustCompile(`expire at \w{3} \w{3} \d\d \d\d:\d\d:\d\d \S+ \d{4}:`)
	latencyText = regexp.MustCompile(`(?m)^Latency min/avg/max: \d+/\d+\.\d+/\d+$`)
	confText    = regexp.MustCompile(`(?m)^(clientPort|dataDirSize|dataLogSize|dataDir|dataLogDir|datadir_size: |logdir_size: )(=?)\S*?(/version-2)?$`)
	versionText = regexp.MustCompile(`(?m)^Zookeeper version: .*$`)
)

// word asks for a word and masks what must differ. Lists in the order of a hash are sorted.
func (p *populated) word(t *testing.T, word string) string {
	t.Helper()
	text, err := fourLetter(p.server.Addr(), word)
	must(t, err)
	text = sessionText.ReplaceAllStringFunc(text, func(s string) string {
		var id int64
		_, _ = fmt.Sscanf(s, "%v", &id) // what is no session is shown as unknown
		return p.mask.owner(id)
	})
	text = addressText.ReplaceAllString(text, "/CLIENT")
	text = varyingText.ReplaceAllString(text, "$1=N")
	text = dateText.ReplaceAllString(text, "expire at DATE:")
	text = latencyText.ReplaceAllString(text, "Latency min/avg/max: N/N.N/N")
	text = confText.ReplaceAllString(text, "$1$2$3")
	text = versionText.ReplaceAllString(text, "Zookeeper version: V")
	switch word {
	case "cons", "stat", "wchp", "wchc":
		return sortedGroups(text)
	case "dump":
		sessions, rest, _ := strings.Cut(text, "ephemeral nodes dump:\n")
		ephemerals, connections, _ := strings.Cut(rest, "Connections dump:\n")
		return withoutBuckets(sessions) + sortedGroups(ephemerals) + withoutBuckets(connections)
	}
	return text
}

// sortedGroups sorts lines together with the indented ones below them, and these too: they come in the order of a hash
// in Java.
func sortedGroups(text string) string {
	var groups [][]string
	for line := range strings.Lines(text) {
		if len(groups) == 0 || !strings.HasPrefix(line, "\t") {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], line)
	}
	for _, g := range groups {
		slices.Sort(g[1:])
	}
	slices.SortFunc(groups, slices.Compare)
	return strings.Join(slices.Concat(groups...), "")
}

// withoutBuckets leaves the sessions or connections of dump. Who expires together depends on the moment, and for
// connections on a tick of each server's own (nio.sessionlessCnxnTimeout in Java, tickTime in Quokka).
func withoutBuckets(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		switch head, tail, _ := strings.Cut(line, "/("); {
		case strings.Contains(line, " Sets ("):
			lines = append(lines, strings.TrimRight(head, "0123456789)")+"N)/("+tail)
		case !strings.HasSuffix(line, " expire at DATE:\n"):
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// varyingMetrics are those that time, memory or the process decide, and these: in Java's standalone server reads pass
// through the queues too; zk_approximate_data_size counts characters there, and forgets what the server itself writes
// into the nodes of quotas; up to 3.8 zk_watch_count counts a recursive watch twice (ZOOKEEPER-4466).
var varyingMetrics = regexp.MustCompile(`latency|_time|_ms|uptime|file_descriptor|version|zk_(avg|p50|p95|p99|p999|min|max|sum)_` +
	`|processor_queue_size|processor_request_queued|approximate_data_size|watch_count`)

// metrics are the lines of mntr by name.
func (p *populated) metrics(t *testing.T) map[string]string {
	t.Helper()
	values := map[string]string{}
	for line := range strings.Lines(p.word(t, "mntr")) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok && !varyingMetrics.MatchString(name) {
			values[name] = value
		}
	}
	return values
}

// TestPopulatedWords compares the four-letter words of two servers that did the same work.
func TestPopulatedWords(t *testing.T) {
	options := serverOptions{tickMS: 3000}
	needJava(t)
	java := populate(t, startServer(t, javaMake, options))
	tested := populate(t, startServer(t, underTest(), options))
	compare := func(words ...string) {
		t.Helper()
		for _, word := range words {
			err := poll(2*time.Second, func() error { // Java counts a packet some time after it is sent
				if want, got := java.word(t, word), tested.word(t, word); want != got {
					return fmt.Errorf("%s\n--- java\n%s--- tested\n%s", word, want, got)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}
	}
	compare("cons")
	java.pings(t)
	tested.pings(t)
	compare("stat", "cons", "dump", "wchs", "wchc", "wchp", "srvr")
	want, got := java.metrics(t), tested.metrics(t)
	for name := range want {
		if value, ok := got[name]; ok && value != want[name] {
			t.Errorf("mntr: %s is %s, in Java %s", name, value, want[name])
		}
	}
	compare("crst", "cons", "srst", "srvr", "ruok", "isro", "conf", "dirs", "gtmk")
}
