package shell

import (
	"strings"
	"testing"
)

// Whatever is typed, the shell takes it apart and completes it without a
// panic, and completion only adds to the line.
func FuzzLine(f *testing.F) {
	for _, line := range []string{
		"ls /a", `create /a "b c" world:anyone:r`, "get -sw --view=hex '/x", "set -v -1 -- -b", "reconfig -add a -remove 3", "help \xff", "getA", "-", "''", `get "`,
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		s := newShell(Options{In: strings.NewReader(""), Out: &strings.Builder{}, Err: &strings.Builder{}})
		words := split(line)
		for _, c := range Commands() {
			p, err := c.parseFlags(words)
			if err == nil && len(p.args) > len(words) {
				t.Errorf("%s: %q has %d words, %d of them arguments", c.Name, line, len(words), len(p.args))
			}
		}
		if got, _ := s.complete(line); len(got) < len(line) {
			t.Errorf("%q became %q", line, got)
		}
		if why := pathText(line, "why"); why == "" {
			t.Errorf("nothing is said about %q", line)
		}
	})
}
