package interop

import (
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// TestPorcupineModel shows the model of a znode what it must and must not take.
func TestPorcupineModel(t *testing.T) {
	path := registerPath(0)
	at := func(n int) time.Duration { return time.Duration(n) * time.Second }
	set := func(value string, expected, got int32, code int32, from, to int) *call {
		return &call{op: opSetData, steps: []callStep{{op: opSetData, path: path, value: value, version: expected}}, known: true,
			code: code, invoked: at(from), returned: at(to), stat: rawStat{version: got}}
	}
	lost := set("lost", -1, 0, 0, 1, 0)
	lost.known = false
	for _, c := range []struct {
		name  string
		calls []*call
		want  bool
	}{
		{"in order", []*call{set("a", 0, 1, 0, 1, 2), set("b", 1, 2, 0, 3, 4)}, true},
		{"at the same time", []*call{set("a", -1, 2, 0, 1, 4), set("b", -1, 1, 0, 1, 4)}, true},
		{"lost update", []*call{set("a", -1, 1, 0, 1, 2), set("b", -1, 1, 0, 3, 4)}, false},
		{"against time", []*call{set("a", -1, 2, 0, 1, 2), set("b", -1, 1, 0, 3, 4)}, false},
		{"two winners", []*call{set("a", 0, 1, 0, 1, 4), set("b", 0, 1, 0, 1, 4)}, false},
		{"one winner", []*call{set("a", 0, 1, 0, 1, 4), set("b", 0, 0, errBadVersion, 1, 4)}, true},
		{"an unanswered one happened", []*call{lost, set("b", -1, 2, 0, 3, 4)}, true},
		{"an unanswered one did not", []*call{lost, set("b", -1, 1, 0, 3, 4)}, true},
		{"an unanswered one happened twice", []*call{lost, set("b", -1, 3, 0, 3, 4)}, false},
	} {
		h := &history{calls: c.calls}
		got := porcupine.CheckOperations(registerModel(registerState{exists: true, value: "new"}), h.operationsOn(path, true))
		if got != c.want {
			t.Errorf("%s: linearizable is %v", c.name, got)
		}
	}
}
