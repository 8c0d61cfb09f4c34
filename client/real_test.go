package client_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"quokka/client"
	"quokka/quokkatest"
)

// A target is a make of server that the tests run against.
type target struct {
	name  string
	start func(t *testing.T, servers int) fixture
}

// A fixture is servers that run.
type fixture interface {
	Addr(i int) string
	ConnectString() string
	Stop(i int) error
	Run(i int) error
	WaitServing() error
}

var targets = []target{
	{"quokka", func(t *testing.T, n int) fixture { return quokkatest.Start(t, n) }},
	{"java", startJava},
}

// onAll runs a test against every make of server.
func onAll(t *testing.T, servers int, body func(t *testing.T, f fixture)) {
	runOn(t, targets, servers, body)
}

// onEach is onAll for a test that needs one server, leaves it running, and
// does not care what was in it before.
func onEach(t *testing.T, body func(t *testing.T, f fixture)) {
	runOn(t, []target{targets[0], {"java", func(t *testing.T, _ int) fixture { return sharedJava(t) }}}, 1, body)
}

func runOn(t *testing.T, list []target, servers int, body func(t *testing.T, f fixture)) {
	for _, g := range list {
		t.Run(g.name, func(t *testing.T) {
			checkLeaks(t)
			body(t, g.start(t, servers))
		})
	}
}

// checkLeaks fails the test if goroutines of this package outlive it.
func checkLeaks(t *testing.T) {
	t.Cleanup(func() {
		var stacks string
		for range 500 {
			b := make([]byte, 4<<20)
			stacks = string(b[:runtime.Stack(b, true)])
			if !strings.Contains(stacks, "quokka/client.") {
				return
			}
			runtime.Gosched()
			<-time.After(10 * time.Millisecond)
		}
		t.Errorf("goroutines are left:\n%s", stacks)
	})
}

const (
	javaJar   = "/usr/share/java/zookeeper.jar"
	javaPath  = javaJar + ":/usr/share/java/slf4j-nop.jar:/usr/share/java/netty-codec.jar:/usr/share/java/netty-resolver.jar"
	javaClass = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
)

// needJava skips the test if Java's server is not installed; with
// QUOKKA_INTEROP=require it fails.
func needJava(t *testing.T) {
	t.Helper()
	_, err := exec.LookPath("java")
	if err == nil {
		_, err = os.Stat(javaJar)
	}
	if err == nil && !testing.Short() {
		return
	}
	if os.Getenv("QUOKKA_INTEROP") == "require" {
		t.Fatalf("Java's ZooKeeper is missing: %v", err)
	}
	t.Skipf("Java's ZooKeeper is missing (%v) or the tests are short", err)
}

// javaServers are Java servers.
type javaServers struct {
	configs []string
	addrs   []string
	cmds    []*exec.Cmd
	flags   []string // of the virtual machine
}

func startJava(t *testing.T, n int) fixture { return startJavaWith(t, n, nil) }

// startJavaWith adds settings of zoo.cfg, and flags of the virtual machine.
func startJavaWith(t *testing.T, n int, settings map[string]string, flags ...string) *javaServers {
	t.Helper()
	needJava(t)
	j := &javaServers{cmds: make([]*exec.Cmd, n), flags: flags}
	t.Cleanup(j.stop)
	if err := j.start(t.TempDir(), settings); err != nil {
		t.Fatal(err)
	}
	return j
}

// shared is a Java server that many tests use one after the other: it takes
// longer to start than most of them.
var shared struct {
	once sync.Once
	dir  string
	j    *javaServers
	err  error
}

// sharedJava returns the shared server, whose tree is emptied after the test.
func sharedJava(t *testing.T) fixture {
	t.Helper()
	needJava(t)
	shared.once.Do(func() {
		shared.j = &javaServers{cmds: make([]*exec.Cmd, 1)}
		if shared.dir, shared.err = os.MkdirTemp("", "quokka-client-"); shared.err == nil {
			shared.err = shared.j.start(shared.dir, map[string]string{"DigestAuthenticationProvider.superDigest": superDigest})
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	t.Cleanup(func() {
		if err := wipe(shared.j.ConnectString()); err != nil {
			t.Error(err)
		}
	})
	return shared.j
}

// superDigest is that of super:client.
const superDigest = "super:PFIYH9rtzEffq9Tr4Bwzfl87Pjk="

// wipe deletes all nodes but those of the server's own.
func wipe(servers string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	o := client.Options{Auth: []client.Auth{{Scheme: "digest", Data: []byte("super:client")}}, RetryReads: 5}
	c, err := client.Dial(ctx, servers, o)
	if err != nil {
		return err
	}
	defer c.Close()
	all, err := below(ctx, c, "/")
	if err != nil {
		return err
	}
	line := c.Pipeline()
	for _, path := range slices.Backward(all) {
		line.Delete(ctx, path, client.AnyVersion)
	}
	if err := line.Wait(ctx); err != nil && !errors.Is(err, client.ErrNoNode) { // the server may delete some itself
		return err
	}
	return nil
}

// below returns the nodes below a path, parents first.
func below(ctx context.Context, c *client.Client, path string) (all []string, err error) {
	names, _, err := c.Children(ctx, path)
	for _, name := range names {
		child := strings.TrimSuffix(path, "/") + "/" + name
		if child == "/zookeeper" || err != nil {
			continue
		}
		all = append(all, child)
		var more []string
		more, err = below(ctx, c, child)
		all = append(all, more...)
	}
	if errors.Is(err, client.ErrNoNode) {
		err = nil
	}
	return all, err
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.j != nil {
		shared.j.stop()
		_ = os.RemoveAll(shared.dir)
	}
	os.Exit(code)
}

func (j *javaServers) start(dir string, settings map[string]string) error {
	if err := j.configure(dir, settings); err != nil {
		return err
	}
	for i := range j.cmds {
		if err := j.Run(i); err != nil {
			return err
		}
	}
	return j.WaitServing()
}

func (j *javaServers) stop() {
	for i := range j.cmds {
		_ = j.Stop(i)
	}
}

func (j *javaServers) configure(dir string, more map[string]string) error {
	n := len(j.cmds)
	ports := make([]int, 3*n)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer l.Close()
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	settings := map[string]string{
		"tickTime": "100", "initLimit": "100", "syncLimit": "50", "minSessionTimeout": "100", "maxSessionTimeout": "60000",
		"maxClientCnxns": "0", "4lw.commands.whitelist": "*", "admin.enableServer": "false", "extendedTypesEnabled": "true",
		"forceSync": "no",
	}
	maps.Copy(settings, more)
	if n > 1 {
		for i := range n {
			settings[fmt.Sprintf("server.%d", i+1)] = fmt.Sprintf("127.0.0.1:%d:%d;127.0.0.1:%d", ports[3*i+1], ports[3*i+2], ports[3*i])
		}
	}
	for i := range n {
		data := filepath.Join(dir, strconv.Itoa(i+1))
		mine := maps.Clone(settings)
		mine["dataDir"], mine["clientPort"], mine["clientPortAddress"] = data, strconv.Itoa(ports[3*i]), "127.0.0.1"
		var text strings.Builder
		for k, v := range mine {
			fmt.Fprintf(&text, "%s=%s\n", k, v)
		}
		cfg := filepath.Join(dir, fmt.Sprintf("zoo%d.cfg", i+1))
		if err := errors.Join(os.MkdirAll(data, 0o755), os.WriteFile(cfg, []byte(text.String()), 0o644),
			os.WriteFile(filepath.Join(data, "myid"), []byte(strconv.Itoa(i+1)), 0o644)); err != nil {
			return err
		}
		j.configs = append(j.configs, cfg)
		j.addrs = append(j.addrs, fmt.Sprintf("127.0.0.1:%d", ports[3*i]))
	}
	return nil
}

func (j *javaServers) Addr(i int) string     { return j.addrs[i] }
func (j *javaServers) ConnectString() string { return strings.Join(j.addrs, ",") }

func (j *javaServers) Run(i int) error {
	hosts := filepath.Join(filepath.Dir(j.configs[i]), "hosts") // instead of a name server that may be slow
	if err := os.WriteFile(hosts, []byte("127.0.0.1 localhost\n"), 0o644); err != nil {
		return err
	}
	args := append([]string{"-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djdk.net.hosts.file=" + hosts}, j.flags...)
	cmd := exec.Command("java", append(args, "-cp", javaPath, javaClass, j.configs[i])...)
	j.cmds[i] = cmd
	return cmd.Start()
}

// Stop kills.
func (j *javaServers) Stop(i int) error {
	if j.cmds[i] == nil {
		return nil
	}
	err := j.cmds[i].Process.Kill()
	_ = j.cmds[i].Wait()
	j.cmds[i] = nil
	return err
}

func (j *javaServers) WaitServing() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for i, addr := range j.addrs {
		if j.cmds[i] == nil {
			continue
		}
		o := client.Options{SessionTimeout: 3 * time.Second, MaxBackoff: 100 * time.Millisecond}
		c, err := client.Dial(ctx, addr, o)
		if err != nil {
			return err
		}
		_ = c.Close()
	}
	return nil
}

// short bounds a test's waiting.
func short(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// dial opens a session that ends with the test.
func dial(t *testing.T, servers string, o client.Options) *client.Client {
	t.Helper()
	o.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	c, err := client.Dial(short(t), servers, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// want fails the test if err is not code, nil for success.
func want(t *testing.T, err, code error) {
	t.Helper()
	if !errors.Is(err, code) || code == nil && err != nil {
		t.Fatalf("%v, want %v", err, code)
	}
}

// events takes n events, as text.
func events(t *testing.T, w *client.Watch, n int) string {
	t.Helper()
	var all []string
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for range n {
		e, err := w.Next(ctx)
		if err != nil {
			t.Fatalf("after %q: %v", all, err)
		}
		all = append(all, e.String())
	}
	return strings.Join(all, ", ")
}

func same(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
