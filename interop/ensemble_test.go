package interop

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Tests of ensembles. A mix is a string with one letter per server, J for Java and Q for the server under test, in the
// order of the server ids: "JJQ" is servers 1 and 2 of Java's and server 3 of ours. The last one leads first: with
// equal histories the highest id wins an election, and it is started with one other before the rest.
//
// Environment, beside what doc.go lists:
//
//	QUOKKA_INTEROP_MIXES=QQQ,JJQ  run the tests of ensembles with these mixes only
//	QUOKKA_INTEROP_SEED=7         seed of the loads and of the nemesis
//	QUOKKA_INTEROP_NEMESIS=40     seconds the nemesis is at work, in each mix
//	QUOKKA_INTEROP_NEMESIS_ROUNDS=1  runs of it, each with the next seed
//	QUOKKA_INTEROP_FAILOVER=1     measure failover beside Java and print the table; see ensemble_failover_test.go
//
// With QUOKKA_INTEROP_PEER=java every Q is a Java server, which proves the tests themselves. What a failed test leaves
// (logs, configurations and data of all servers) stays in a directory that its output names.

// ensembleDeadline bounds every wait for an ensemble; it is long because the machine may be busy with other work.
const ensembleDeadline = 90 * time.Second

// ensembleOptions are the settings that tests vary. The zero value makes short ticks.
type ensembleOptions struct {
	tickMS    int // tickTime; 0 means 500
	snapCount int // 0 leaves the default
	observers int // so many of the last servers are observers
	spares    int // so many of the last servers are in no configuration, and join by reconfig
	proxied   bool
	ownHosts  bool // every server has a loopback address of its own for its quorum and election ports
	reconfig  bool
	readOnly  bool
	extra     map[string]string // further lines of every zooN.cfg
}

// ensemble is a number of servers that know one another.
type ensemble struct {
	t       *testing.T
	o       ensembleOptions
	dir     string
	members []*ensembleMember
	net     *proxyNet // nil unless proxied
}

// kindsOf turns the letters of a mix into makes.
func kindsOf(mix string) []implementation {
	var kinds []implementation
	for _, letter := range mix {
		if letter == 'J' {
			kinds = append(kinds, javaMake)
		} else {
			kinds = append(kinds, underTest())
		}
	}
	return kinds
}

// eachMix runs a test with every mix that is asked for, several at a time.
func eachMix(t *testing.T, mixes []string, run func(t *testing.T, mix string)) {
	t.Helper()
	if list := os.Getenv("QUOKKA_INTEROP_MIXES"); list != "" {
		mixes = strings.Split(list, ",")
	}
	t.Parallel()
	for _, mix := range mixes {
		t.Run(mix, func(t *testing.T) {
			t.Parallel()
			needMix(t, mix)
			run(t, mix)
		})
	}
}

// needMix skips when a make that the mix needs is not there.
func needMix(t *testing.T, mix string) {
	t.Helper()
	for _, kind := range kindsOf(mix) {
		if kind == javaMake {
			needJava(t)
		} else if reason := noQuokkaEnsembles(); reason != "" {
			t.Skip(reason)
		}
	}
}

// newEnsemble lays out the directories and configurations of all servers and starts none.
func newEnsemble(t *testing.T, mix string, o ensembleOptions) *ensemble {
	t.Helper()
	dir, err := os.MkdirTemp("", "quokka-ensemble-")
	must(t, err)
	e := &ensemble{t: t, o: o, dir: dir}
	t.Cleanup(e.end)
	for i, kind := range kindsOf(mix) {
		m := &ensembleMember{
			id: i + 1, kind: kind, ensemble: e, dir: filepath.Join(dir, fmt.Sprint("server", i+1)),
			client: steadyPort(t), quorum: steadyPort(t), election: steadyPort(t),
		}
		m.observer = i >= len(mix)-o.observers
		m.spare = i >= len(mix)-o.spares
		e.members = append(e.members, m)
	}
	if o.proxied {
		e.net = newProxyNet(t, e.members)
	}
	for _, m := range e.members {
		must(t, m.layOut())
	}
	return e
}

// startEnsemble is newEnsemble with all servers running and the last voter leading.
func startEnsemble(t *testing.T, mix string, o ensembleOptions) *ensemble {
	t.Helper()
	e := newEnsemble(t, mix, o)
	e.form()
	return e
}

// end kills what runs and removes the files, or keeps them when the test failed.
func (e *ensemble) end() {
	for _, m := range e.members {
		if err := m.Kill(); err != nil {
			e.t.Error(err)
		}
	}
	if !e.t.Failed() {
		_ = os.RemoveAll(e.dir)
		return
	}
	for _, m := range e.members {
		e.t.Logf("tail of the log of %s:\n%s", m.Name(), m.Log())
	}
	e.t.Logf("logs, configurations and data of the ensemble are kept in %s", e.dir)
}

// voters are the members that the configuration calls participants.
func (e *ensemble) voters() []*ensembleMember {
	return slices.DeleteFunc(slices.Clone(e.members), func(m *ensembleMember) bool { return m.observer || m.spare })
}

// form starts the last voter and as many before it as make a quorum, and when they have a leader all others but the
// spares.
func (e *ensemble) form() {
	e.t.Helper()
	voters := e.voters()
	must(e.t, voters[len(voters)-1].Launch())
	for _, m := range voters[len(voters)-1-len(voters)/2 : len(voters)-1] {
		must(e.t, m.Launch())
	}
	leader := e.awaitLeader()
	if leader != voters[len(voters)-1] {
		e.t.Fatalf("%s leads an ensemble of equals, not the highest id", leader.Name())
	}
	for _, m := range e.members {
		if !m.running() && !m.spare {
			must(e.t, m.Launch())
		}
	}
	e.awaitAll()
}

// awake are the members whose processes run and are not stopped.
func (e *ensemble) awake() []*ensembleMember {
	return slices.DeleteFunc(slices.Clone(e.members), func(m *ensembleMember) bool { return !m.running() || m.frozen })
}

// awaitLeader waits until one of the running servers says that it leads.
func (e *ensemble) awaitLeader() *ensembleMember {
	e.t.Helper()
	var leader *ensembleMember
	err := poll(ensembleDeadline, func() error {
		for _, m := range e.awake() {
			if mode, _ := m.mode(); mode == "leader" {
				leader = m
				return nil
			}
		}
		return errors.New("nobody leads")
	})
	must(e.t, err)
	return leader
}

// awaitAll waits until every running server serves, one of them as leader, and returns that.
func (e *ensemble) awaitAll() *ensembleMember {
	e.t.Helper()
	var leader *ensembleMember
	err := poll(ensembleDeadline, func() error {
		leader = nil
		for _, m := range e.awake() {
			mode, err := m.mode()
			switch {
			case err != nil:
				return m.diagnose(err)
			case mode == "leader" && leader != nil:
				return fmt.Errorf("both %s and %s say that they lead", leader.Name(), m.Name())
			case mode == "leader":
				leader = m
			case mode != "follower" && mode != "observer":
				return fmt.Errorf("%s has mode %q", m.Name(), mode)
			}
		}
		if leader == nil {
			return errors.New("nobody leads")
		}
		return nil
	})
	must(e.t, err)
	return leader
}

// follower is a running voter that is not the leader.
func (e *ensemble) follower(leader *ensembleMember) *ensembleMember {
	for _, m := range e.awake() {
		if m != leader && !m.observer && !m.spare {
			return m
		}
	}
	e.t.Fatal("there is no follower")
	return nil
}

// others are all members but one.
func (e *ensemble) others(not *ensembleMember) []*ensembleMember {
	return slices.DeleteFunc(slices.Clone(e.members), func(m *ensembleMember) bool { return m == not })
}

// addrs are the client addresses of the servers in the configuration.
func (e *ensemble) addrs() []string {
	var list []string
	for _, m := range e.members {
		if !m.spare {
			list = append(list, m.Addr())
		}
	}
	return list
}

// serverLine is what the configuration of one server says about another, or about itself.
func (e *ensemble) serverLine(reader, about *ensembleMember) string {
	quorum, election := about.quorum, about.election
	if e.net != nil && reader != about {
		quorum, election = e.net.ports(reader.id, about.id)
	}
	host := "127.0.0.1"
	if e.o.ownHosts {
		host = fmt.Sprintf("127.0.0.%d", 10+about.id)
	}
	line := fmt.Sprintf("%s:%d:%d", host, quorum, election)
	if about.observer {
		line += ":observer"
	} else {
		line += ":participant"
	}
	if e.o.reconfig {
		line += fmt.Sprintf(";127.0.0.1:%d", about.client)
	}
	return line
}

// configText is zooN.cfg of one server.
func (e *ensemble) configText(m *ensembleMember) string {
	tick := e.o.tickMS
	if tick == 0 {
		tick = 500
	}
	lines := map[string]string{
		"dataDir":                m.DataDir(),
		"tickTime":               strconv.Itoa(tick),
		"initLimit":              "20",
		"syncLimit":              "6",
		"maxSessionTimeout":      "120000",
		"maxClientCnxns":         "0",
		"admin.enableServer":     "false",
		"4lw.commands.whitelist": "*",
		"preAllocSize":           "1024",
		"DigestAuthenticationProvider.superDigest": superDigest,
	}
	if e.o.reconfig {
		lines["reconfigEnabled"], lines["standaloneEnabled"] = "true", "false"
	} else {
		lines["clientPort"], lines["clientPortAddress"] = strconv.Itoa(m.client), "127.0.0.1"
	}
	if e.o.snapCount > 0 {
		lines["snapCount"] = strconv.Itoa(e.o.snapCount)
	}
	if e.o.readOnly {
		lines["readonlymode.enabled"] = "true"
	}
	if m.observer {
		lines["peerType"] = "observer"
	}
	for _, other := range e.members {
		if other == m || !other.spare {
			lines[fmt.Sprintf("server.%d", other.id)] = e.serverLine(m, other)
		}
	}
	maps.Copy(lines, e.o.extra)
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(lines)) {
		fmt.Fprintf(&b, "%s=%s\n", k, lines[k])
	}
	return b.String()
}

// steadyPorts hands out every port once. They lie below the range from which the kernel takes the local ports of
// outgoing connections: a server that is down for a while must find its port free.
var steadyPorts struct {
	mu   sync.Mutex
	next int
}

func steadyPort(t *testing.T) int {
	t.Helper()
	const low, high = 10_000, 32_000
	steadyPorts.mu.Lock()
	defer steadyPorts.mu.Unlock()
	if steadyPorts.next == 0 {
		steadyPorts.next = low + os.Getpid()*131%(high-low)
	}
	for range high - low {
		port := steadyPorts.next
		if steadyPorts.next++; steadyPorts.next == high {
			steadyPorts.next = low
		}
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}
