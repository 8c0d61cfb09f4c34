package admin

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"quokka/internal/jute"
	"quokka/internal/proto"
)

// A javaMember is one server of a real ensemble.
type javaMember struct {
	id                           int
	addr, dir                    string
	client, quorumPort, election int
}

// javaEnsemble lays out two participants and an observer on free ports of the loopback interface.
func javaEnsemble(t *testing.T) (all []*javaMember, config string) {
	t.Helper()
	for id := 1; id <= 3; id++ {
		m := &javaMember{id: id, addr: freeAddr(t), dir: t.TempDir()}
		for _, port := range []*int{&m.quorumPort, &m.election} {
			_, text, _ := net.SplitHostPort(freeAddr(t))
			*port, _ = strconv.Atoi(text)
		}
		_, text, _ := net.SplitHostPort(m.addr)
		m.client, _ = strconv.Atoi(text)
		role := "participant"
		if id == 3 {
			role = "observer"
		}
		config += fmt.Sprintf("server.%d=127.0.0.1:%d:%d:%s\n", id, m.quorumPort, m.election, role)
		if err := os.WriteFile(filepath.Join(m.dir, "myid"), []byte(strconv.Itoa(id)), 0o644); err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all, config
}

func (m *javaMember) run(t *testing.T, java, config string) {
	t.Helper()
	own := fmt.Sprintf("clientPort=%d\nclientPortAddress=127.0.0.1\ntickTime=2000\ninitLimit=10\nsyncLimit=5\n", m.client)
	if m.id == 3 {
		own += "peerType=observer\n"
	}
	runJava(t, java, m.dir, own+config)
}

// equal is a source in the state that the server is in, as far as layouts go.
func (m *javaMember) equal(mode, config string, sessions map[proto.SessionID]int32) *fakeSource {
	src := memberOf(mode, m.id)
	src.status.Ensemble.ObserverMaster = 2
	src.conf = Conf{
		ClientPort: m.client, SecureClientPort: -1, TickTimeMS: 2000, MaxClientCnxns: 60, MinSessionTimeoutMS: 4000,
		MaxSessionTimeoutMS: 40000, ClientPortListenBacklog: -1, ServerID: int64(m.id),
		DataDir: filepath.Join(m.dir, "version-2"), DataLogDir: filepath.Join(m.dir, "version-2"),
		Ensemble: &EnsembleConf{
			InitLimit: 10, SyncLimit: 5, ElectionAlg: 3, ElectionPorts: []int{m.election}, QuorumPorts: []int{m.quorumPort},
			Observer: mode == "observer", Membership: config + "version=0",
		},
	}
	if mode == "leader" {
		src.expiries = map[time.Time][]proto.SessionID{}
		for id := range sessions {
			src.expiries[time.Now()] = []proto.SessionID{id}
		}
	} else {
		src.timeouts = sessions
	}
	return src
}

var (
	sizes   = regexp.MustCompile(`(dataDirSize|dataLogSize)=\d+`)
	numbers = regexp.MustCompile(`0x[0-9a-f]+|-?\d+(\.\d+)?`)
	dates   = regexp.MustCompile(`expire at [A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d \w+ \d{4}`)
)

// shape is what an answer looks like: the lines without their numbers, once where several look alike.
func shape(text string) string {
	text = numbers.ReplaceAllString(text, "N")
	return strings.Join(slices.Compact(strings.SplitAfter(text, "\n")), "")
}

// sessionsPart is dump without dates, up to the ephemeral nodes.
func sessionsPart(text string) string {
	head, _, _ := strings.Cut(text, "ephemeral nodes dump:\n")
	return dates.ReplaceAllString(head, "expire at DATE")
}

func withoutSizes(text string) string { return sizes.ReplaceAllString(text, "$1=N") }

// newSession opens a session over a new connection, which ends with the test.
func newSession(t *testing.T, addr string) proto.SessionID {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second)) // an error shows below
	body := proto.AppendConnectRequest(nil, &proto.ConnectRequest{TimeoutMS: 30000, Password: make([]byte, proto.PasswordLen)})
	if _, err := c.Write(append(jute.AppendInt(nil, int32(len(body))), body...)); err != nil {
		t.Fatal(err)
	}
	reply := make([]byte, 4+4+4+8) // length, version, timeout, session
	if _, err := io.ReadFull(c, reply); err != nil {
		t.Fatalf("no session at %s: %v", addr, err)
	}
	d := jute.NewDecoder(reply[12:])
	return proto.SessionID(d.Long())
}

func mustSend(t *testing.T, addr, word string) string {
	t.Helper()
	answer, err := send(addr, word)
	if err != nil {
		t.Fatalf("%s: %v", word, err)
	}
	return answer
}

func TestMembersAnswerAsJavas(t *testing.T) {
	java := findJava(t)
	all, config := javaEnsemble(t)
	all[0].run(t, java, config)
	awaitAnswer(t, all[0].addr, "ruok", "imok")
	t.Run("not serving", func(t *testing.T) { compareNotServing(t, all[0].addr) })
	for _, m := range all[1:] {
		m.run(t, java, config)
	}
	for _, m := range all {
		awaitAnswer(t, m.addr, "isro", "rw")
	}
	sessions := map[proto.SessionID]int32{newSession(t, all[0].addr): 30000}
	for i, mode := range []string{"follower", "leader", "observer"} { // equal logs: the greater number leads
		m := all[i]
		t.Run(mode, func(t *testing.T) { compareMember(t, m.addr, m.equal(mode, config, sessions)) })
	}
}

// compareNotServing asks a server that waits for others.
func compareNotServing(t *testing.T, addr string) {
	src := verified()
	src.down = true
	for name := range table {
		if name == "envi" || name == "stmk" {
			continue // what they print does not depend on it
		}
		if got, want := ask(t, allWords(src), name, nil), mustSend(t, addr, name); got != want {
			t.Errorf("%s: %q, Java answers %q", name, got, want)
		}
	}
}

func compareMember(t *testing.T, addr string, src *fakeSource) {
	w := allWords(src)
	for word, part := range map[string]func(string) string{
		"srvr": shape, "stat": shape, "conf": withoutSizes, "dump": sessionsPart, "isro": strings.Clone, "hash": strings.Clone,
	} {
		got, want := part(ask(t, w, word, nil)), part(mustSend(t, addr, word))
		if got != want {
			t.Errorf("%s:\n%s\nJava answers:\n%s", word, got, want)
		}
	}
	ours, javas := ask(t, w, "mntr", nil), mustSend(t, addr, "mntr")
	compareKeys(t, "mntr", keys(ours, "\t"), keys(javas, "\t"), notPrinted, extras)
	head := func(text string) []string { // the part whose order is fixed
		lines := strings.SplitN(text, "\n", 5)[:4]
		return slices.DeleteFunc(lines, func(s string) bool {
			name, _, _ := strings.Cut(s, "\t")
			return !slices.Contains([]string{"zk_version", "zk_server_state", "zk_peer_state", "zk_observer_master_id"}, name)
		})
	}
	if got, want := head(ours), head(javas); !slices.Equal(got, want) {
		t.Errorf("mntr begins %q, Java's %q", got, want)
	}
}
