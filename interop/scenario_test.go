package interop

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// observation is what a scenario saw at one named step, as canonical JSON after masking.
type observation struct{ step, result string }

// scenarioDeadline bounds one scenario on one server.
const scenarioDeadline = 90 * time.Second

// scenarioOptions make short sessions (1 to 10 s) and a container scan twice a second.
var scenarioOptions = serverOptions{tickMS: 500, containerMS: 500}

// recorder takes the steps of a scenario and carries out what it asks to be done to the server.
type recorder struct {
	server Server
	gate   *gate // between the client and the server, when the client needs one
	steps  []rawStep
}

// addr is where clients connect to.
func (r *recorder) addr() string {
	if r.gate != nil {
		return r.gate.addr()
	}
	return r.server.Addr()
}

type rawStep struct {
	name   string
	result any
}

// message is one line of a client program: an observation, or a wish to have the server "restart"ed (SIGTERM) or
// "kill"ed and started again. A wish is answered with the line "done".
type message struct {
	Step    string `json:"step"`
	Result  any    `json:"result"`
	Control string `json:"control"`
}

func (r *recorder) control(what string) error {
	if r.gate != nil {
		r.gate.setShut(true)
		defer r.gate.setShut(false)
	}
	var err error
	switch what {
	case "restart":
		err = r.server.Stop()
	case "kill":
		err = r.server.Kill()
	default:
		err = fmt.Errorf("unknown control %q", what)
	}
	if err != nil {
		return err
	}
	return r.server.Start()
}

// emit records a step of a scenario written in Go.
func (r *recorder) emit(step string, result any) {
	b, err := json.Marshal(result)
	if err != nil {
		b = fmt.Appendf(nil, "%q", err.Error())
	}
	r.steps = append(r.steps, rawStep{step, decodeJSON(b)})
}

func decodeJSON(b []byte) any {
	var v any
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return fmt.Sprintf("not JSON: %s", b)
	}
	return v
}

// runProgram runs a client program with the server's address as last argument and records what it prints.
func (r *recorder) runProgram(cmd *exec.Cmd) error {
	var stderr lockedBuffer
	cmd.Stderr = &stderr
	cmd.SysProcAttr = dieWithParent()
	cmd.Args = append(cmd.Args, r.addr())
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	timer := time.AfterFunc(scenarioDeadline, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	err = r.converse(stdout, stdin)
	if err != nil {
		_ = cmd.Process.Kill()
	}
	if waitErr := cmd.Wait(); err == nil {
		err = waitErr
	}
	if err != nil {
		return fmt.Errorf("%s after step %q: %w\n%s", cmd, r.last(), err, stderr.Tail(3000))
	}
	return nil
}

func (r *recorder) last() string {
	if len(r.steps) == 0 {
		return "(none)"
	}
	return r.steps[len(r.steps)-1].name
}

func (r *recorder) converse(stdout io.Reader, stdin io.Writer) error {
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var m message
		d := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		d.UseNumber()
		if err := d.Decode(&m); err != nil {
			return fmt.Errorf("line %q: %w", lines.Text(), err)
		}
		if m.Control == "" {
			r.steps = append(r.steps, rawStep{m.Step, m.Result})
			continue
		}
		if err := r.control(m.Control); err != nil {
			return err
		}
		if _, err := io.WriteString(stdin, "done\n"); err != nil {
			return err
		}
	}
	return lines.Err()
}

// observations masks the steps: times vanish, zxids become their rank among all zxids seen, session ids their order
// of appearance.
func (r *recorder) observations() []observation {
	n := &normalizer{ranks: map[string]int{}, owners: map[string]string{"0": "none"}}
	for _, s := range r.steps {
		n.gather(s.result)
	}
	n.rank()
	var list []observation
	for _, s := range r.steps {
		b, err := json.Marshal(n.mask(s.result))
		if err != nil {
			b = []byte(err.Error())
		}
		list = append(list, observation{s.name, string(b)})
	}
	return list
}

type normalizer struct {
	zxids  []int64
	ranks  map[string]int
	owners map[string]string
}

func isZxid(key string) bool { return key == "czxid" || key == "mzxid" || key == "pzxid" }

func (n *normalizer) gather(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			n.gather(e)
		}
	case map[string]any:
		for k, e := range v {
			if number, ok := e.(json.Number); ok && isZxid(k) {
				zxid, _ := number.Int64()
				n.zxids = append(n.zxids, zxid)
			}
			n.gather(e)
		}
	}
}

func (n *normalizer) rank() {
	slices.Sort(n.zxids)
	for i, zxid := range slices.Compact(n.zxids) {
		n.ranks[fmt.Sprint(zxid)] = i
	}
}

func (n *normalizer) mask(v any) any {
	switch v := v.(type) {
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = n.mask(e)
		}
		return list
	case map[string]any:
		m := make(map[string]any, len(v))
		for _, k := range sortedKeys(v) {
			m[k] = n.maskField(k, v[k])
		}
		return m
	}
	return v
}

func (n *normalizer) maskField(key string, v any) any {
	number, ok := v.(json.Number)
	if !ok {
		return n.mask(v)
	}
	switch {
	case isZxid(key):
		return fmt.Sprint("zxid ", n.ranks[number.String()])
	case key == "ctime" || key == "mtime":
		return number != "0"
	case key == "ephemeralOwner":
		if _, ok := n.owners[number.String()]; !ok {
			n.owners[number.String()] = fmt.Sprint("session ", len(n.owners))
		}
		return n.owners[number.String()]
	}
	return v
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// compareScenario runs a scenario against Java and against the server under test and compares step by step.
func compareScenario(t *testing.T, name string, run func(t *testing.T, r *recorder) error) {
	t.Helper()
	compareScenarioOn(t, name, scenarioOptions, run)
}

// compareScenarioOn is compareScenario with other servers.
func compareScenarioOn(t *testing.T, name string, options serverOptions, run func(t *testing.T, r *recorder) error) {
	t.Helper()
	needJava(t)
	var results [2][]observation
	for i, m := range []implementation{javaMake, underTest()} {
		r := &recorder{server: startServer(t, m, options)}
		if err := run(t, r); err != nil {
			t.Errorf("%s against %s: %v", name, r.server.Name(), err)
		}
		results[i] = r.observations()
		must(t, r.server.Stop())
	}
	compareObservations(t, name, results[0], results[1])
	t.Logf("%s: %d steps compared", name, len(results[0]))
	if os.Getenv("QUOKKA_INTEROP_SHOW") != "" {
		for i, o := range results[0] {
			t.Logf("%3d %s: %.300s", i, o.step, o.result)
		}
	}
}

func compareObservations(t *testing.T, scenario string, java, tested []observation) {
	t.Helper()
	for i := range max(len(java), len(tested)) {
		var want, got observation
		if i < len(java) {
			want = java[i]
		}
		if i < len(tested) {
			got = tested[i]
		}
		if want.step != got.step {
			t.Errorf("%s: step %d is %q (%s) on java but %q (%s) on the server under test", scenario, i, want.step, want.result, got.step, got.result)
			return
		}
		if problem := judge(scenario, want, got); problem != "" {
			t.Errorf("%s, step %q: %s\n  java   %s\n  tested %s", scenario, want.step, problem, want.result, got.result)
		}
	}
}

// runCommand runs a short helper command (a compiler, npm) and returns its output with the error.
func runCommand(dir, name string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.SysProcAttr = dieWithParent()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, strings.TrimSpace(string(out)))
	}
	return nil
}
