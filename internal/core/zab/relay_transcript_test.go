package zab

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var relayRewrite = flag.Bool("rewrite-relay", false, "write testdata/relay_*.txt anew")

// TestRelayTranscripts replays testdata/relay_*.txt: a line at the margin is
// an input, the indented lines below it are the effects. What the inputs
// mean is said at relayWorld.input.
func TestRelayTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/relay_*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			old, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := relayReplay(t, string(old))
			if *relayRewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			was, is := strings.Split(string(old), "\n"), strings.Split(got, "\n")
			for i := range max(len(was), len(is)) {
				if i >= len(was) || i >= len(is) || was[i] != is[i] {
					t.Fatalf("%s:%d: it should be\n%s\nand is\n%s\n(go test -rewrite-relay accepts it)", file, i+1,
						strings.Join(was[min(i, len(was)):min(i+3, len(was))], "\n"),
						strings.Join(is[min(i, len(is)):min(i+3, len(is))], "\n"))
				}
			}
		})
	}
}

func relayReplay(t *testing.T, text string) string {
	var out strings.Builder
	var w *relayWorld
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "    ") {
			continue // effects of the last run
		}
		out.WriteString(line + "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		if fields := strings.Fields(line); fields[0] == "relay" {
			w = &relayWorld{t: t}
			w.begin(leaderOptions(fields[1:]))
		} else {
			w.input(fields)
		}
		for _, effect := range w.take() {
			out.WriteString("    " + effect + "\n")
		}
	}
	return out.String()
}
