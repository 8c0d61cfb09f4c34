package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// implementation names a make of server.
type implementation string

const (
	javaMake   implementation = "java"
	quokkaMake implementation = "quokka"
)

// underTest is the implementation that the comparison is about.
func underTest() implementation {
	if os.Getenv("QUOKKA_INTEROP_PEER") == "java" {
		return javaMake
	}
	return quokkaMake
}

// newServer returns a server that is not started yet.
func newServer(t *testing.T, m implementation, o serverOptions) Server {
	t.Helper()
	if m == javaMake {
		return newJava(t, o)
	}
	return newQuokka(t, o)
}

// startServer is newServer and Start.
func startServer(t *testing.T, m implementation, o serverOptions) Server {
	t.Helper()
	s := newServer(t, m, o)
	must(t, s.Start())
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// missing reports that a third-party program is not installed.
func missing(t *testing.T, what, install string) {
	t.Helper()
	message := fmt.Sprintf("%s is missing: %s", what, install)
	if os.Getenv("QUOKKA_INTEROP") == "require" {
		t.Fatal(message + " (QUOKKA_INTEROP=require)")
	}
	t.Skip(message)
}

const zookeeperJar = "/usr/share/java/zookeeper.jar"

// needJava skips when java or Debian's ZooKeeper jars are not there.
func needJava(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("java"); err != nil {
		missing(t, "java", "apt-get install default-jre-headless")
	}
	if _, err := os.Stat(zookeeperJar); err != nil {
		missing(t, zookeeperJar, "apt-get install zookeeper")
	}
}

// javaArgs start a small, quickly starting JVM with ZooKeeper's classes. The manifest of zookeeper.jar names every
// jar it needs; slf4j-simple prints warnings to stderr where a failed test shows them.
func javaArgs(more ...string) []string {
	args := []string{
		"-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-cp", zookeeperJar + ":/usr/share/java/slf4j-simple.jar",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
	}
	return append(args, more...)
}

func newJava(t *testing.T, o serverOptions) Server {
	t.Helper()
	needJava(t)
	return newProcess(t, "java", o, func(cfg string) *exec.Cmd {
		return exec.Command("java", javaArgs(
			// This property has no "zookeeper." prefix, so zoo.cfg cannot set it (ContainerManager).
			"-Dznode.container.checkIntervalMs="+strconv.Itoa(containerInterval(o)),
			"org.apache.zookeeper.server.quorum.QuorumPeerMain", cfg)...)
	})
}

// quokkaBinary is built once, when the first test needs it.
var quokkaBinary = sync.OnceValues(buildQuokka)

// builtDir is where the binary lies; TestMain removes it.
var builtDir string

func buildQuokka() (string, error) {
	if path := os.Getenv("QUOKKA_INTEROP_BINARY"); path != "" {
		return path, nil
	}
	dir, err := os.MkdirTemp("", "quokka-interop-")
	if err != nil {
		return "", err
	}
	builtDir = dir
	path := filepath.Join(dir, "quokka")
	cmd := exec.Command("go", "build", "-o", path, "./cmd/quokka")
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/quokka: %w\n%s", err, strings.TrimSpace(string(out)))
	}
	return path, nil
}

func newQuokka(t *testing.T, o serverOptions) Server {
	t.Helper()
	path, err := quokkaBinary()
	must(t, err)
	return newProcess(t, "quokka", o, func(cfg string) *exec.Cmd {
		cmd := exec.Command(path, "server", cfg)
		cmd.Env = withoutQuokka(os.Environ())
		return cmd
	})
}

// withoutQuokka drops the variables that Quokka would take for settings, those of these tests among them.
func withoutQuokka(environment []string) []string {
	return slices.DeleteFunc(environment, func(v string) bool { return strings.HasPrefix(v, "QUOKKA_") })
}

func TestMain(m *testing.M) {
	code := m.Run()
	if builtDir != "" {
		_ = os.RemoveAll(builtDir)
	}
	os.Exit(code)
}
