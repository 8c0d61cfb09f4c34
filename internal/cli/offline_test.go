package cli

import (
	"regexp"
	"strings"
	"testing"

	"quokka/internal/config"
)

// offlineCommands are the commands that need no server, as they are called.
var offlineCommands = []string{
	"txnlog print", "txnlog check", "txnlog repair", "snapshot print", "snapshot compare", "snapshot summary",
	"datadir info", "datadir ls", "datadir get", "datadir stat", "datadir tree", "datadir history", "datadir compare",
}

// Each has its help, and a key of zoo.cfg takes none of its flags away.
func TestOfflineHelp(t *testing.T) {
	keys := map[string]string{}
	for k := range config.Keys() {
		keys[k.Flag] = k.Key
	}
	flag := regexp.MustCompile(`--(?:\[no-\])?([a-z0-9-]+)`)
	for _, name := range offlineCommands {
		code, out, errs := command(append(strings.Fields(name), "--help")...)
		if code != 0 || !strings.Contains(out, "Usage: quokka "+name) || errs != "" {
			t.Errorf("%s --help: exit code %d, %q, %q", name, code, out, errs)
		}
		_, flags, _ := strings.Cut(out, "\nFlags:")
		for _, m := range flag.FindAllStringSubmatch(flags, -1) {
			if key, ok := keys[m[1]]; ok {
				t.Errorf("%s --%s is hidden by the key %s", name, m[1], key)
			}
		}
	}
}

// Options of Java's scripts, as Commons CLI takes them.
func TestJavaFlags(t *testing.T) {
	spec := map[string]string{"l": "left=", "b": "bytes=", "d": "debug"}
	flags, rest, err := javaFlags(strings.Fields("-l a --bytes=5 -debug file"), spec)
	if err != nil || flags["l"] != "a" || flags["b"] != "5" || len(flags) != 3 || len(rest) != 1 || rest[0] != "file" {
		t.Errorf("%v, %v, %v", flags, rest, err)
	}
	for _, bad := range []string{"-x", "-l", "file --bytes"} {
		if _, _, err := javaFlags(strings.Fields(bad), spec); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}
