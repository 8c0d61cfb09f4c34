// Package transcript replays the stories by which the pure machines are
// tested: text files in which a line at the margin is an input and the
// indented lines below it are the effects. Lines that are empty or begin with
// # are prose.
//
// It is for tests only. It owns the form of the files and the flag -rewrite,
// which writes them anew; what an input means is the test's business.
package transcript

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write the transcripts in testdata anew")

// A Step carries out an input, given as its words, and returns the effects.
type Step func(words []string) []string

// Run replays each of the files in a subtest of its own: begin starts a
// machine, or says how to. That no file matches is a failure.
func Run(t *testing.T, pattern string, begin func(t *testing.T) Step) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts at %s: %v", pattern, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			old, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := replay(string(old), begin(t))
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			compare(t, file, string(old), got)
		})
	}
}

const indent = "    "

func replay(text string, step Step) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, indent) {
			continue // effects of the last run
		}
		out.WriteString(line + "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		for _, effect := range step(strings.Fields(line)) {
			out.WriteString(indent + effect + "\n")
		}
	}
	return out.String()
}

// compare fails at the first line that differs, and shows a few after it.
func compare(t *testing.T, file, old, got string) {
	t.Helper()
	was, is := strings.Split(old, "\n"), strings.Split(got, "\n")
	show := func(lines []string, i int) string {
		return strings.Join(lines[min(i, len(lines)):min(i+3, len(lines))], "\n")
	}
	for i := range max(len(was), len(is)) {
		if i >= len(was) || i >= len(is) || was[i] != is[i] {
			t.Fatalf("%s:%d: it should be\n%s\nand is\n%s\n(go test -rewrite accepts it)", file, i+1, show(was, i), show(is, i))
		}
	}
}
