package interop

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// A second opinion on the history that looks at no zxid and at no log: every node by itself is a linearizable register
// with a version. An unanswered write may have happened at any later time, or never. What is not answered for lack of a
// session had no effect.

// registerInput is what was asked of one node.
type registerInput struct {
	op      int32 // opCreate, opDelete, opSetData, opGetData
	value   string
	version int32
}

// registerOutput is what was answered.
type registerOutput struct {
	known   bool
	code    int32
	value   string // of a read
	version int32  // of a read, and of a successful set
	checked bool   // version is there
}

// registerState is one node.
type registerState struct {
	exists  bool
	value   string
	version int32
}

// maxPerRegister keeps the check of one node within seconds.
const maxPerRegister = 1500

// checkLinearizable lets porcupine judge the writes of every node that several clients use. Reads count only behind a
// sync, and only where syncs are exact.
func (h *history) checkLinearizable(t *testing.T, strictSyncs bool) {
	t.Helper()
	paths := []string{}
	for i := range loadRegisters {
		paths = append(paths, registerPath(i))
	}
	for i := range loadShared {
		paths = append(paths, fmt.Sprintf("%s/shared/node%d", loadRoot, i))
	}
	for i, path := range paths {
		initial := registerState{}
		if i < loadRegisters {
			initial = registerState{exists: true, value: "new"}
		}
		ops := firstOf(h.operationsOn(path, strictSyncs), maxPerRegister)
		switch porcupine.CheckOperationsTimeout(registerModel(initial), ops, 20*time.Second) {
		case porcupine.Illegal:
			t.Errorf("porcupine: the history of %s is not linearizable (%d operations)", path, len(ops))
		case porcupine.Unknown:
			t.Logf("porcupine: no verdict on %s in time (%d operations)", path, len(ops))
		}
	}
}

// firstOf cuts a history at a moment: what was answered later is not answered yet.
func firstOf(ops []porcupine.Operation, limit int) []porcupine.Operation {
	if len(ops) <= limit {
		return ops
	}
	moment := ops[limit].Call
	var list []porcupine.Operation
	for _, o := range ops[:limit] {
		if o.Return >= moment {
			if o.Input.(registerInput).op == opGetData {
				continue
			}
			o.Output, o.Return = registerOutput{}, math.MaxInt64
		}
		list = append(list, o)
	}
	return list
}

// operationsOn projects the history on one node, in the order sent.
func (h *history) operationsOn(path string, reads bool) []porcupine.Operation {
	var list []porcupine.Operation
	for _, c := range h.calls {
		in, invoked, ok := projectCall(c, path, reads)
		if !ok || c.known && (c.code == errSessionExpired || c.code == errSessionMoved) {
			continue
		}
		out := registerOutput{known: c.known, code: c.code, value: c.data, version: c.stat.version, checked: c.op == opSetData || c.op == opGetData}
		returned := int64(math.MaxInt64)
		if c.known {
			returned = int64(c.returned)
		} else if c.op == opGetData {
			continue
		}
		list = append(list, porcupine.Operation{ClientId: len(list), Input: in, Call: int64(invoked), Output: out, Return: returned})
	}
	slices.SortFunc(list, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	return list
}

// projectCall is what a call does to one node, and since when. A multi that checks and sets it is a set with a version.
func projectCall(c *call, path string, reads bool) (registerInput, time.Duration, bool) {
	in := registerInput{version: -1}
	invoked, found := c.invoked, false
	for _, s := range c.steps {
		if s.path != path || s.op == opSync {
			continue
		}
		found = true
		switch s.op {
		case opCheck:
			in.version = s.version
		case opGetData:
			if c.sync == nil || !reads {
				return in, 0, false
			}
			in.op, invoked = opGetData, c.sync.invoked
		default:
			in.op, in.value = s.op, s.value
			if c.op != opMulti {
				in.version = s.version
			}
		}
	}
	return in, invoked, found
}

func registerModel(initial registerState) porcupine.Model {
	model := porcupine.NondeterministicModel{
		Init: func() []any { return []any{initial} },
		Step: func(state, input, output any) []any {
			s, out := state.(registerState), output.(registerOutput)
			after, code := input.(registerInput).do(s)
			if !out.known {
				if after == s {
					return []any{s}
				}
				return []any{s, after}
			}
			if code != out.code || code == 0 && out.checked && out.version != after.version {
				return nil
			}
			if input.(registerInput).op == opGetData && code == 0 && out.value != s.value {
				return nil
			}
			return []any{after}
		},
		Equal: func(a, b any) bool { return a == b },
	}
	return model.ToModel()
}

func (in registerInput) do(s registerState) (registerState, int32) {
	switch {
	case in.op == opCreate && s.exists:
		return s, errNodeExists
	case in.op == opCreate:
		return registerState{exists: true, value: in.value}, 0
	case !s.exists:
		return s, errNoNode
	case in.op == opGetData:
		return s, 0
	case in.version != -1 && in.version != s.version:
		return s, errBadVersion
	case in.op == opDelete:
		return registerState{}, 0
	}
	return registerState{exists: true, value: in.value, version: s.version + 1}, 0
}
