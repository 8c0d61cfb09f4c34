package admin

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const zookeeperJar = "/usr/share/java/zookeeper.jar" // of Debian's package zookeeper, 3.8.0

// startJava starts a standalone Apache ZooKeeper on a free port of the loopback interface and returns its address when
// it serves. The process ends with the test.
func startJava(t *testing.T) string {
	t.Helper()
	java := findJava(t)
	addr := freeAddr(t)
	host, port, _ := net.SplitHostPort(addr)
	runJava(t, java, t.TempDir(), fmt.Sprintf("clientPort=%s\nclientPortAddress=%s\ntickTime=500\n", port, host))
	awaitAnswer(t, addr, "isro", "rw")
	return addr
}

// findJava returns the program java, and skips the test where Java or its ZooKeeper are not there.
func findJava(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("starting a Java server takes seconds")
	}
	java, err := exec.LookPath("java")
	if err != nil {
		t.Skip("no java; apt-get install default-jre-headless")
	}
	if _, err := os.Stat(zookeeperJar); err != nil {
		t.Skipf("no %s; apt-get install zookeeper", zookeeperJar)
	}
	return java
}

// runJava runs a server over dir until the test ends.
func runJava(t *testing.T, java, dir, config string) {
	t.Helper()
	cfg := filepath.Join(dir, "zoo.cfg")
	config += "dataDir=" + dir + "\nadmin.enableServer=false\n4lw.commands.whitelist=*\n"
	if err := os.WriteFile(cfg, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.Command(java, "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-cp", zookeeperJar+":/usr/share/java/slf4j-simple.jar", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
		"org.apache.zookeeper.server.quorum.QuorumPeerMain", cfg)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &log, &log
	if err := cmd.Start(); err != nil {
		t.Skipf("java does not start: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // the exit code of a killed server says nothing
		if t.Failed() {
			t.Logf("java said:\n%s", log.String())
		}
	})
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// awaitAnswer asks until a word is answered as wanted.
func awaitAnswer(t *testing.T, addr, word, want string) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for {
		if got, err := send(addr, word); err == nil && got == want {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("java does not answer %s with %q after 30 seconds", word, want)
		}
	}
}

// send sends a four-letter word and returns all that comes back.
func send(addr, word string) (string, error) {
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(c, word); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(c)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return string(answer), err
}

// keys returns what stands before the separator of each line that has one.
func keys(text, separator string) map[string]bool {
	set := map[string]bool{}
	for line := range strings.Lines(text) {
		if key, _, ok := strings.Cut(line, separator); ok {
			set[key] = true
		}
	}
	return set
}

// partOf begins a part of a summary, and the summary of one learner.
var partOf = regexp.MustCompile(`^(avg|min|max|cnt|sum|p50|p95|p99|p999)_(\d+_learner_)?`)

// listed reports whether a metric is named in a list: whole, as a part of a summary, or as one of op_count_*.
func listed(list map[string]string, key string) bool {
	name := strings.TrimPrefix(key, "zk_")
	for _, n := range []string{name, partOf.ReplaceAllStringFunc(name, withoutPart)} {
		if _, ok := list[n]; ok {
			return true
		}
	}
	_, ok := list["op_count_*"]
	return ok && strings.HasPrefix(name, "op_count_")
}

// withoutPart keeps of a match of partOf what belongs to the name: learner_, but not which.
func withoutPart(match string) string {
	if strings.HasSuffix(match, "_learner_") {
		return "learner_"
	}
	return ""
}

func compareKeys(t *testing.T, word string, ours, javas map[string]bool, missing, more map[string]string) {
	t.Helper()
	if len(javas) < 2 {
		t.Fatalf("%s: java answered with %d keys", word, len(javas))
	}
	for key := range ours {
		if !javas[key] && !listed(more, key) {
			t.Errorf("%s prints %s, which Java does not and no list names", word, key)
		}
	}
	for key := range javas {
		if !ours[key] && !listed(missing, key) {
			t.Errorf("%s does not print Java's %s, and no list says why", word, key)
		}
	}
}

func TestKeysAreThoseOfJava(t *testing.T) {
	addr := startJava(t)
	w := allWords(verified())
	for _, tc := range []struct {
		word, separator string
		missing, more   map[string]string
	}{
		{"mntr", "\t", notPrinted, extras},
		{"conf", "=", nil, nil},
		{"envi", "=", enviNotPrinted, enviExtras},
		{"srvr", ":", nil, nil},
		{"dirs", ":", nil, nil},
	} {
		answer, err := send(addr, tc.word)
		if err != nil {
			t.Fatalf("%s: %v", tc.word, err)
		}
		ours, javas := keys(ask(t, w, tc.word, nil), tc.separator), keys(answer, tc.separator)
		compareKeys(t, tc.word, ours, javas, tc.missing, tc.more)
	}
}

func TestShortAnswersAreThoseOfJava(t *testing.T) {
	addr := startJava(t)
	w := allWords(&fakeSource{metrics: verified().metrics, mask: DefaultTraceMask})
	for _, word := range []string{"ruok", "isro", "gtmk", "hash", "srst", "crst", "wchs", "wchc", "wchp"} {
		answer, err := send(addr, word)
		if err != nil {
			t.Fatalf("%s: %v", word, err)
		}
		if got := ask(t, w, word, nil); got != answer {
			t.Errorf("%s: %q, Java answers %q", word, got, answer)
		}
	}
	if answer, err := send(addr, "stmk\x00\x00\x00\x00\x00\x00\x01\x33"); err != nil || answer != ask(t, w, "stmk", []byte{0, 0, 0, 0, 0, 0, 1, 0x33}) {
		t.Errorf("stmk: %q %v", answer, err)
	}
}
