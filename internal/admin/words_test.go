package admin

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"quokka/internal/proto"
)

const javaVersion = "3.8.0-${mvngit.commit.id}, built on 2024-12-29 17:54 UTC"

func allWords(s Source) *Words {
	return NewWords(s, Options{Whitelist: []string{"*"}, Version: javaVersion})
}

func ask(t *testing.T, w *Words, name string, arg []byte) string {
	t.Helper()
	var out bytes.Buffer
	if err := w.Answer(name, arg, &out); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return out.String()
}

func inUTC(t *testing.T) {
	local := time.Local
	time.Local = time.UTC
	t.Cleanup(func() { time.Local = local })
}

// golden holds answers of a Java 3.8.0 server in the state of verified.
var golden = map[string]string{
	"ruok": "imok",
	"isro": "rw",
	"gtmk": "306",
	"hash": "",
	"srvr": `Zookeeper version: 3.8.0-${mvngit.commit.id}, built on 2024-12-29 17:54 UTC
Latency min/avg/max: 2/5.0/10
Received: 6
Sent: 5
Connections: 2
Outstanding: 0
Zxid: 0x3
Mode: standalone
Node count: 7
`,
	"stat": `Zookeeper version: 3.8.0-${mvngit.commit.id}, built on 2024-12-29 17:54 UTC
Clients:
 /127.0.0.1:39608[0](queued=0,recved=1,sent=0)
 /127.0.0.1:39584[1](queued=0,recved=4,sent=4)

Latency min/avg/max: 2/5.0/10
Received: 6
Sent: 5
Connections: 2
Outstanding: 0
Zxid: 0x3
Mode: standalone
Node count: 7
`,
	"conf": `clientPort=21011
secureClientPort=-1
dataDir=/data/zk/s2/version-2
dataDirSize=67109337
dataLogDir=/data/zk/s2/version-2
dataLogSize=67109337
tickTime=500
maxClientCnxns=60
minSessionTimeout=1000
maxSessionTimeout=10000
clientPortListenBacklog=-1
serverId=0
`,
	"cons": ` /127.0.0.1:39608[0](queued=0,recved=1,sent=0)
 /127.0.0.1:39584[1](queued=0,recved=4,sent=4,sid=0x100001bdc900000,lop=GETD,est=1795359610716,to=10000,lcxid=0x3,lzxid=0x3,lresp=1831286,llat=2,minlat=0,avglat=5,maxlat=10)

`,
	"dump": `SessionTracker dump:
Session Sets (1)/(1):
1 expire at Sun Nov 22 15:00:20 UTC 2026:
	0x100001bdc900000
ephemeral nodes dump:
Sessions with Ephemerals (1):
0x100001bdc900000:
	/k/e
Connections dump:
Connections Sets (1)/(2):
2 expire at Sun Nov 22 15:00:29 UTC 2026:
	ip: /127.0.0.1:39584 sessionId: 0x100001bdc900000
	ip: /127.0.0.1:39632 sessionId: 0x0
`,
	"wchs": "1 connections watching 1 paths\nTotal watches:1\n",
	"wchc": "0x100001bdc900000\n\t/k\n\n",
	"wchp": "/k\n\t0x100001bdc900000\n\n",
	"dirs": "datadir_size: 67109337\nlogdir_size: 67109337\n",
}

func TestAnswersHaveJavasLayout(t *testing.T) {
	inUTC(t)
	for name, want := range golden {
		w := allWords(verified())
		if got := ask(t, w, name, nil); got != want {
			t.Errorf("%s:\n%s\nwant:\n%s", name, got, want)
		}
	}
}

func TestWordsWhileNotServing(t *testing.T) {
	src := verified()
	src.down = true
	w := allWords(src)
	want := map[string]string{"ruok": "imok", "isro": "null", "gtmk": "306", "hash": NotServing}
	for name := range table {
		switch name {
		case "envi", "stmk":
			continue // answered as always
		}
		expected, ok := want[name]
		if !ok {
			expected = NotServing + "\n"
		}
		if got := ask(t, w, name, nil); got != expected {
			t.Errorf("%s: %q, want %q", name, got, expected)
		}
	}
	if got := ask(t, w, "envi", nil); !strings.HasPrefix(got, "Environment:\nzookeeper.version="+javaVersion+"\n") {
		t.Errorf("envi: %q", got)
	}
	if src.connResets != 0 {
		t.Error("crst reset something while not serving")
	}
}

func TestReadOnlyServer(t *testing.T) {
	src := verified()
	src.readOnly = true
	src.status.Mode = "read-only"
	w := allWords(src)
	if got := ask(t, w, "isro", nil); got != "ro" {
		t.Errorf("isro: %q", got)
	}
	got := strings.Split(ask(t, w, "srvr", nil), "\n")
	if got[1] != "READ-ONLY mode; serving only read-only clients" || !slices.Contains(got, "Mode: read-only") {
		t.Errorf("srvr: %q", got)
	}
}

func TestWhitelist(t *testing.T) {
	for _, tc := range []struct {
		options Options
		allowed string
	}{
		{Options{}, "srvr"},
		{Options{ReadOnly: true}, "isro srvr"},
		{Options{Whitelist: []string{" stat", "ruok ", "nope", ""}}, "ruok srvr stat"},
		{Options{Whitelist: []string{"ruok", "*"}}, "conf cons crst dirs dump envi gtmk hash isro mntr ruok srst srvr stat stmk wchc wchp wchs"},
	} {
		w := NewWords(verified(), tc.options)
		if got := strings.Join(w.Allowed(), " "); got != tc.allowed {
			t.Errorf("%+v allows %s", tc.options, got)
		}
	}
	w := NewWords(verified(), Options{})
	if got := ask(t, w, "mntr", nil); got != "mntr is not executed because it is not in the whitelist.\n" {
		t.Errorf("mntr: %q", got)
	}
	if n, ok := w.Is([4]byte([]byte("stmk"))); n != 0 || !ok {
		t.Errorf("a refused stmk waits for %d bytes (%v)", n, ok)
	}
	if n, ok := allWords(verified()).Is([4]byte([]byte("stmk"))); n != 8 || !ok {
		t.Errorf("stmk has %d bytes (%v)", n, ok)
	}
}

func TestTelnetCloseIsAnsweredWithNothing(t *testing.T) {
	for _, w := range []*Words{allWords(verified()), NewWords(verified(), Options{})} {
		if n, ok := w.Is([4]byte([]byte(TelnetClose))); n != 0 || !ok {
			t.Errorf("Is: %d %v", n, ok)
		}
		if got := ask(t, w, TelnetClose, nil); got != "" {
			t.Errorf("answer %q", got)
		}
	}
}

func TestTraceMask(t *testing.T) {
	src := verified()
	w := allWords(src)
	if got := ask(t, w, "stmk", binary.BigEndian.AppendUint64(nil, 1<<63|5)); got != "-9223372036854775803" {
		t.Errorf("stmk: %q", got)
	}
	if got := ask(t, w, "gtmk", nil); got != "-9223372036854775803" {
		t.Errorf("gtmk: %q", got)
	}
	if err := w.Answer("stmk", []byte{1, 2}, &bytes.Buffer{}); err == nil || src.mask != -1<<63|5 {
		t.Errorf("a short argument: %v, mask %d", err, src.mask)
	}
	if err := w.Answer("nope", nil, &bytes.Buffer{}); err == nil {
		t.Error("an unknown word was answered")
	}
}

func TestResets(t *testing.T) {
	src := verified()
	w := allWords(src)
	if got := ask(t, w, "srst", nil); got != "Server stats reset.\n" {
		t.Errorf("srst: %q", got)
	}
	if got := ask(t, w, "srvr", nil); !strings.Contains(got, "Latency min/avg/max: 0/0.0/0\nReceived: 0\nSent: 1\n") {
		t.Errorf("srvr after srst: %q", got)
	}
	if got := ask(t, w, "crst", nil); got != "Connection stats reset.\n" || src.connResets != 1 {
		t.Errorf("crst: %q, %d resets", got, src.connResets)
	}
}

func TestHashPrintsSignedDigests(t *testing.T) {
	src := verified()
	src.digests = []Digest{{Zxid: 0x80, Digest: 1<<64 - 1}, {Zxid: 0x100000100, Digest: 12}}
	if got := ask(t, allWords(src), "hash", nil); got != "80: -1\n100000100: 12\n" {
		t.Errorf("hash: %q", got)
	}
}

func TestAddressesAsJavaPrintsThem(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:80":          "/127.0.0.1:80",
		"[::1]:39584":           "/[0:0:0:0:0:0:0:1]:39584",
		"[::ffff:10.0.0.9]:1":   "/10.0.0.9:1",
		"[fe80::a0b:12%eth0]:2": "/[fe80:0:0:0:0:0:a0b:12%eth0]:2",
	} {
		if got := javaAddr(netip.MustParseAddrPort(addr)); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
}

// goneAfter fails every write after the first n bytes.
type goneAfter struct{ left, writes int }

func (g *goneAfter) Write(b []byte) (int, error) {
	g.writes++
	if g.left -= len(b); g.left < 0 {
		return 0, errors.New("connection reset by peer")
	}
	return len(b), nil
}

func TestLongAnswersEndWhenTheClientIsGone(t *testing.T) {
	yielded := 0
	src := verified()
	src.watches = map[string][]proto.SessionID{}
	for i := range 100_000 {
		src.watches[fmt.Sprintf("/path/of/a/watched/node/%06d", i)] = []proto.SessionID{session}
	}
	w := allWords(countingSource{src, &yielded})
	out := &goneAfter{left: 10_000}
	if err := w.Answer("wchp", nil, out); err == nil {
		t.Error("the error of the connection was not reported")
	}
	if yielded > 1000 || out.writes > 10 {
		t.Errorf("%d paths were walked for a client that is gone, %d writes", yielded, out.writes)
	}
}

type countingSource struct {
	*fakeSource
	yielded *int
}

func (c countingSource) WatchesByPath() iter.Seq2[string, []proto.SessionID] {
	return func(yield func(string, []proto.SessionID) bool) {
		for path, ids := range c.fakeSource.WatchesByPath() {
			if *c.yielded++; !yield(path, ids) {
				return
			}
		}
	}
}
