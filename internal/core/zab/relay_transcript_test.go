package zab

import (
	"testing"

	"quokka/internal/transcript"
)

// TestRelayTranscripts replays testdata/relay_*.txt: a line at the margin is
// an input, the indented lines below it are the effects. What the inputs
// mean is said at relayWorld.input.
func TestRelayTranscripts(t *testing.T) {
	transcript.Run(t, "testdata/relay_*.txt", func(t *testing.T) transcript.Step {
		var w *relayWorld
		return func(words []string) []string {
			if words[0] == "relay" {
				w = &relayWorld{t: t}
				w.begin(leaderOptions(words[1:]))
			} else {
				w.input(words)
			}
			return w.take()
		}
	})
}
