package conf

import (
	"bytes"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"quokka/internal/config"
	"quokka/internal/core/quorum"
	"quokka/internal/disk/vfs"
)

const zookeeperJar = "/usr/share/java/zookeeper.jar" // of Debian's package zookeeper, 3.8.0

// javaServer is an ensemble of one Java server in a directory.
type javaServer struct {
	dir, file string
	port      int // of clients
}

// newJava writes a zoo.cfg for server 1, whose line has its client port.
func newJava(t *testing.T, more string) (s javaServer, line string) {
	t.Helper()
	if testing.Short() {
		t.Skip("starting a Java server takes seconds")
	}
	if _, err := exec.LookPath("java"); err != nil {
		t.Skip("no java; apt-get install default-jre-headless")
	}
	if _, err := os.Stat(zookeeperJar); err != nil {
		t.Skipf("no %s; apt-get install zookeeper", zookeeperJar)
	}
	ports := freePorts(t, 3)
	s = javaServer{dir: t.TempDir(), port: ports[0]}
	s.file = filepath.Join(s.dir, "zoo.cfg")
	line = fmt.Sprintf("server.1=127.0.0.1:%d:%d:participant;127.0.0.1:%d", ports[1], ports[2], s.port)
	must(t, os.WriteFile(filepath.Join(s.dir, "myid"), []byte("1\n"), 0o644))
	must(t, os.WriteFile(s.file, []byte("# kept\ndataDir="+s.dir+"\ntickTime=500\ninitLimit=10\nsyncLimit=5\nstandaloneEnabled=false\n"+
		"reconfigEnabled=true\nadmin.enableServer=false\nmultiAddress.enabled=true\n"+line+"\n"+more), 0o644))
	return s, line
}

func freePorts(t *testing.T, n int) []int {
	t.Helper()
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		defer func() { _ = l.Close() }() // all at once, so that no port comes twice
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// shownText starts Java, returns what /zookeeper/config holds once it serves, and stops it.
func (s javaServer) shownText(t *testing.T) string {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command("java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dzookeeper.multiAddress.enabled=true",
		"-cp", zookeeperJar+":/usr/share/java/slf4j-simple.jar", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
		"org.apache.zookeeper.server.quorum.QuorumPeerMain", s.file)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, &out, &out
	if err := cmd.Start(); err != nil {
		t.Skipf("java does not start: %v", err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // the exit code of a killed server says nothing
		if t.Failed() {
			t.Logf("java said:\n%s", out.String())
		}
	}()
	silent := func(c *zk.Conn) { c.SetLogger(log.New(&bytes.Buffer{}, "", 0)) }
	conn, _, err := zk.Connect([]string{fmt.Sprintf("127.0.0.1:%d", s.port)}, 10*time.Second, silent)
	must(t, err)
	defer conn.Close()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(40 * time.Second)
	for {
		answer := make(chan string, 1)
		go func() {
			if data, _, err := conn.Get("/zookeeper/config"); err == nil {
				answer <- string(data)
			}
		}()
		select {
		case text := <-answer:
			if text != "" {
				return text
			}
		case <-time.After(time.Second):
		case <-deadline:
			t.Fatal("java does not serve")
		}
		<-tick.C
	}
}

// Java shows exactly our text: the order of the servers, the role behind several addresses, IPv6 in full.
func TestJavaShowsTheSameText(t *testing.T) {
	for name, more := range map[string]string{
		"plain": "server.16=127.0.0.1:1:2:observer\nserver.35=127.0.0.2:1:2|127.0.0.1:3:4:observer;5\nserver.2=[::1]:1:2:OBSERVER;[::]:2181\n" +
			"server.100=[2001:db8::0042:ac11:2]:1:2:observer\nserver.255=localhost:1:2:observer;localhost:7\n",
		"hierarchical": "server.16=127.0.0.1:1:2:observer\nserver.35=127.0.0.1:3:4:observer\ngroup.20=35:16\ngroup.3=1\nweight.16=0\nweight.35=0\nweight.1=5\n",
	} {
		t.Run(name, func(t *testing.T) {
			s, line := newJava(t, more)
			shown := s.shownText(t)
			m, err := quorum.ParseMembership(line+"\n"+more+"version=100000000", true)
			must(t, err)
			if m.Text() != shown {
				t.Errorf("java shows\n%s\nwe\n%s", shown, m.Text())
			}
		})
	}
}

// Each of the two starts on the files that the other left.
func TestJavaAndWeLeaveTheSameFiles(t *testing.T) {
	s, line := newJava(t, "")
	original, err := os.ReadFile(s.file)
	must(t, err)
	first := s.shownText(t)
	if want := line + "\nversion=100000000"; first != want {
		t.Fatalf("java shows\n%s\nwant\n%s", first, want)
	}
	check := func(want string) config.Config {
		t.Helper()
		c, notices, err := config.Load(config.Args{Positional: []string{s.file}})
		if err != nil || c.Membership.Text() != want || c.LastSeen != nil {
			t.Fatalf("%v: %s, next %v; want %s (%v)", err, c.Membership.Text(), c.LastSeen, want, notices)
		}
		backup, err := os.ReadFile(s.file + ".bak")
		if err != nil || !bytes.Equal(backup, original) {
			t.Fatalf("%v: the backup is %s", err, backup)
		}
		return c
	}
	c := check(first)
	f, err := New(vfs.OS{}, Options{ConfigFile: s.file, Enabled: true, Self: c.ServerID, Version: c.Membership.Version, MultiAddress: true})
	must(t, err)
	second := line + "\nserver.9=127.0.0.1:1:2:observer\nversion=100000007"
	must(t, f.Next(second))
	must(t, f.Activate(second))
	check(second)
	if shown := s.shownText(t); shown != second {
		t.Fatalf("on our files java shows\n%s\nwant\n%s", shown, second)
	}
	check(second)
}

// A zoo.cfg that we rewrote from its first state, with its proposed configuration still there, is one for Java too.
func TestJavaStartsOnOurFirstRewrite(t *testing.T) {
	s, line := newJava(t, "")
	f, err := New(vfs.OS{}, Options{ConfigFile: s.file, Enabled: true, Self: 1})
	must(t, err)
	text := line + "\nversion=100000000"
	must(t, f.Activate(text))
	must(t, f.Next(line+"\nserver.9=127.0.0.1:1:2:observer\nversion=100000007"))
	if shown := s.shownText(t); !strings.HasPrefix(shown, line+"\n") {
		t.Fatalf("java shows\n%s\nwant\n%s", shown, text)
	}
}
