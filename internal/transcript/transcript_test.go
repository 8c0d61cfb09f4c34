package transcript

import (
	"strings"
	"testing"
)

func TestReplayKeepsProseAndWritesEffectsAnew(t *testing.T) {
	got := replay("# Prose.\n\nsay a b\n    an old effect\nsay c\n", func(words []string) []string { return words[1:] })
	if want := "# Prose.\n\nsay a b\n    a\n    b\nsay c\n    c\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, strings.TrimSpace(want))
	}
}
