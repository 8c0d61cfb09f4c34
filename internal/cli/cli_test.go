package cli

import (
	"bytes"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"quokka/internal/config"
)

// output is a writer that may be read meanwhile.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) { o.mu.Lock(); defer o.mu.Unlock(); return o.b.Write(p) }
func (o *output) String() string              { o.mu.Lock(); defer o.mu.Unlock(); return o.b.String() }

// command runs one and returns its exit code and what it wrote.
func command(args ...string) (code int, out, errs string) {
	var stdout, stderr output
	code = Main(args, IO{In: strings.NewReader(""), Out: &stdout, Err: &stderr})
	return code, stdout.String(), stderr.String()
}

func TestSplitSettings(t *testing.T) {
	for _, c := range []struct{ in, rest, flags, properties string }{
		{"", "", "", ""},
		{"server zoo.cfg", "server zoo.cfg", "", ""},
		{"--tick-time 500 server", "server", "tick-time=500", ""},
		{"server --tick-time=500 zoo.cfg", "server zoo.cfg", "tick-time=500", ""},
		{"server --reconfig-enabled zoo.cfg", "server zoo.cfg", "reconfig-enabled=true", ""},
		{"server --reconfig-enabled=false", "server", "reconfig-enabled=false", ""},
		{"server --tick-time", "server", "tick-time=", ""},
		{"server --tick-time=", "server", "tick-time=", ""},
		{"server --tick-time 1 --tick-time 2", "server", "tick-time=2", ""},
		{"-Dzookeeper.snapCount=7 server -Da=b", "server", "", "zookeeper.snapCount=7 a=b"},
		{"-D", "-D", "", ""},
		{"server --unknown 5", "server --unknown 5", "", ""},
		{"server tick-time", "server tick-time", "", ""},
		{"server -tick-time 5", "server", "tick-time=5", ""},
		{"--log-level debug server --help", "--log-level debug server --help", "", ""},
		{"server -- --tick-time", "server -- --tick-time", "", ""},
	} {
		rest, s := splitSettings(strings.Fields(c.in))
		var flags []string
		for _, k := range slices.Sorted(maps.Keys(s.flags)) {
			flags = append(flags, k+"="+s.flags[k])
		}
		if got := strings.Join(rest, " "); got != c.rest || strings.Join(flags, " ") != c.flags ||
			strings.Join(s.properties, " ") != c.properties {
			t.Errorf("%q: %q, flags %q, properties %q", c.in, got, flags, s.properties)
		}
	}
}

// A key of zoo.cfg must not take away a command's own flag.
func TestKeysHideNoFlags(t *testing.T) {
	keys := map[string]string{}
	for k := range config.Keys() {
		keys[k.Flag] = k.Key
	}
	flag := regexp.MustCompile(`--(?:\[no-\])?([a-z0-9-]+)`)
	for _, name := range []string{"server", "dev", "conf", "bench", "version"} {
		_, out, _ := command(name, "--help")
		_, flags, _ := strings.Cut(out, "\nFlags:")
		for _, m := range flag.FindAllStringSubmatch(flags, -1) {
			if key, ok := keys[m[1]]; ok {
				t.Errorf("%s --%s is hidden by the key %s", name, m[1], key)
			}
		}
	}
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{
		{"--help"}, {"-h"}, {}, {"server", "--help"}, {"start-foreground", "--help"}, {"dev", "--help"}, {"conf", "--help"},
		{"bench", "--help"}, {"version", "--help"},
	} {
		code, out, errs := command(args...)
		if code != 0 || !strings.Contains(out, "Usage: quokka") || errs != "" {
			t.Errorf("%v: exit code %d, %q, %q", args, code, out, errs)
		}
	}
}

func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.cfg")
	text := "tickTime=2000\ndataDir=" + dir + "\n\nclientPort=many\nsnapCount=1x\n"
	if err := os.WriteFile(bad, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		says []string
	}{
		{[]string{"nonsense"}, 2, []string{"nonsense", "quokka --help"}},
		{[]string{"server", "--nonsense"}, 2, []string{"--nonsense"}},
		{[]string{"--log-level=loud", "version"}, 2, []string{"loud"}},
		{[]string{"server", bad}, 2, []string{bad + ":4: clientPort=many", bad + ":5: snapCount=1x"}},
		{[]string{"conf", bad}, 2, []string{bad + ":4"}},
		{[]string{"conf", filepath.Join(dir, "none.cfg")}, 2, []string{"none.cfg"}},
		{[]string{"server", "0", dir, "2000", "60", "5"}, 2, []string{"too many"}},
		{[]string{"conf", "--tick-time", "abc"}, 2, []string{"tick-time", "abc"}},
		{[]string{"conf", "--tick-time"}, 2, []string{"tick-time"}},
		{[]string{"server", "0", dir, "--data-log-dir", file}, 3, []string{file}},
		{[]string{"version"}, 0, nil},
	} {
		code, _, errs := command(c.args...)
		if code != c.code {
			t.Errorf("%v: exit code %d, want %d: %s", c.args, code, c.code, errs)
		}
		for _, part := range c.says {
			if !strings.Contains(errs, part) {
				t.Errorf("%v does not say %q: %s", c.args, part, errs)
			}
		}
	}
}

func TestVersion(t *testing.T) {
	code, out, errs := command("version")
	if code != 0 || !strings.HasPrefix(out, "Quokka, compatible with Apache ZooKeeper, version 3.") || errs != "" {
		t.Errorf("%d, %q, %q", code, out, errs)
	}
}

// What conf prints is a configuration that means the same.
func TestConfigRoundTrip(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "zoo.cfg")
	if err := os.WriteFile(path, []byte("dataDir="+dir+"\nclientPort=2199\nautopurge.purgeInterval=3\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	code, first, errs := command("conf", path, "--tick-time=700", "-Dzookeeper.snapCount=1234")
	if code != 0 {
		t.Fatalf("%d: %s", code, errs)
	}
	for _, line := range []string{"tickTime=700", "snapCount=1234", "clientPort=2199"} {
		if !strings.Contains(first, line) {
			t.Errorf("%s is missing in\n%s", line, first)
		}
	}
	again := filepath.Join(dir, "again.cfg")
	if err := os.WriteFile(again, []byte(first), 0o644); err != nil {
		t.Fatal(err)
	}
	code, second, errs := command("conf", again)
	if code != 0 || second != first {
		t.Errorf("%d: %s\n%s\nbecame\n%s", code, errs, first, second)
	}
}

func TestConfigKeys(t *testing.T) {
	code, out, _ := command("conf", "--keys")
	for _, part := range []string{"clientPort\n", "--client-port", "QUOKKA_CLIENT_PORT", "zookeeper.snapCount"} {
		if !strings.Contains(out, part) || code != 0 {
			t.Errorf("%d: %q is missing", code, part)
		}
	}
}

// Whoever asks for a port gets that one or an error.
func TestDevOnABusyPort(t *testing.T) {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	code, _, errs := command("dev", "--client-port", port)
	if code != 1 || !strings.Contains(errs, port) {
		t.Errorf("%d: %s", code, errs)
	}
}
