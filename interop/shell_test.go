package interop

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// shellExtra are lines beyond cliSteps, for the grammar of the command line: how words are split, flags told from
// arguments, and mistakes answered.
var shellExtra = []string{
	"ls", "ls -z /", "ls /a b c", "ls -s -w -R /z", "ls -sw /z", "ls -sz /z", "ls --s /z", "get", "get /z x", "stat", "stat /z x", "getAcl", "sync",
	"create", "create -t", "create -t five /z/x", "create -e -t 5 /z/x", "create -c -t 5 /z/x", "create -t5000000 /z/glued x", "create -t=5000000 /z/equals x",
	"create -- -x", "create -x y", "set", "set /z", "set -v", "set -v -1 /z minus", "set /z 'two words' -s", `set /z "unclosed`, "get /z", `set /z it's`, "get /z",
	`set /z a"b"`, "get /z", `set /z "a"b`, "get /z", "set /z ''", "get /z", "set /z x y z", "get /z", "delete", "deleteall", "deleteall -b x /z", "addauth",
	"setAcl", "setAcl /z", "setAcl /z nonsense", "setAcl /z world:anyone:cdrwa,nonsense", "setAcl /z world:anyone:cdrwaq", "create /z/acl x world:anyone:q",
	"create /z/acl2 x nonsense", "getAcl /z/acl", "setquota", "setquota /z", "setquota -n", "setquota -n x /z", "setquota -b -5 /z", "setquota -n 1 -b 2 /z",
	"setquota -n 5 /zookeeper/quota/x", "listquota", "listquota /z", "delquota", "delquota /z", "delquota -n -b /z", "removewatches", "addWatch",
	"addWatch -m odd /z", "addWatch /z x", "reconfig", "reconfig -v x -add y", "reconfig -add x -members y", "reconfig -file x -members y", "reconfig -add x",
	"getAllChildrenNumber", "getEphemerals relative", "get relative", "create relative", "get /z/", "get //", "get /z/../z", "history", "redo 1", "redo 9999",
	"printwatches off", "printwatches on", "version x", "config x", "whoami x", "   ", "#", "get \t /z", "NOSUCH", "Ls /",
}

// A shellDifference is a line that is answered differently; ours is part of the answer here. Two are not in the list
// because Java's shell ends with an exception: a version that is no number, and addWatch with a path that is none.
type shellDifference struct{ command, ours, why string }

var shellDifferences = []shellDifference{
	{"get -b /z", "", "3.8.0 has no -b"},
	{"get -x /z", "+--------+", "3.8.0 has no -x"},
	{"set -b /z aGk=", "", "3.8.0 has no -b"},
	{"get /z", "hi", "what the line before has set"},
	{"removewatches -p /z", "No such watcher", "3.8.0 has no -p"},
	{"removewatches -r /z", "No such watcher", "3.8.0 has no -r"},
	{"delete /z/acl 77", "version No is not valid : /z/acl", "Java warns and deletes whatever the version is"},
	{"redo", "redo cmdno", "Java does nothing and says nothing"},
	{"help", "List the children of a node.", "Java has no help, and shows the usage as for every unknown command"},
	{"version", "ZooKeeper CLI version: ", "it is another program"},
	{"pwd", "/", "it is not in Java"},
}

// shellUsage are lines of usage that changed between 3.8.0 and 3.9, and the new one of 3.10.
var shellUsage = strings.NewReplacer(
	"get [-s] [-w] [-b] [-x] path", "get [-s] [-w] path", "set path data [-s] [-v version] [-b]", "set [-s] [-v version] path data",
)

// twoStreams is a shell whose standard output and error are told apart.
type twoStreams struct {
	cli
	errs lockedBuffer
	seen int
}

func startTwoStreams(program, addr string) (*twoStreams, error) {
	c := &twoStreams{cli: cli{program: exec.Command(program, "-timeout", "10000", "-server", addr)}}
	c.program.Env = withoutQuokka(os.Environ())
	c.program.Stderr = &c.errs
	return c, c.start()
}

// errMark is a line that both shells answer on standard error, and with nothing else.
const errMark = "getAcl [-s] path\n"

// step sends a line, waits for both streams to be complete, and returns what they got.
func (c *twoStreams) step(r *recorder, s cliStep) (out, errs []string, err error) {
	if s.control != "" {
		err = r.control(s.control)
	} else {
		_, err = io.WriteString(c.in, s.command+"\n")
	}
	if err == nil && s.wait != "" {
		err = c.await(s.wait)
	}
	if err != nil {
		return nil, nil, err
	}
	if _, err := io.WriteString(c.in, "getAcl\nprintwatches on\nprintwatches\n"); err != nil {
		return nil, nil, err
	}
	text := c.takeAfter(cliMark)
	complaint := c.errors()
	out = maskCli(strings.ReplaceAll(text, cliMark, ""))
	return unordered(s.command, out), maskCli(strings.TrimSuffix(complaint, errMark)), nil
}

// errors returns what came on standard error up to the mark. It came before the mark on standard output was written.
func (c *twoStreams) errors() string {
	var s string
	err := poll(30*time.Second, func() error {
		c.errs.mu.Lock()
		defer c.errs.mu.Unlock()
		if s = string(c.errs.b[c.seen:]); !strings.HasSuffix(s, errMark) {
			return fmt.Errorf("standard error has no end: %q", s)
		}
		c.seen = len(c.errs.b)
		return nil
	})
	if err != nil {
		return err.Error()
	}
	return s
}

type shellAnswer struct{ out, errs []string }

func (a shellAnswer) String() string {
	return strings.Join(a.out, "\n") + "\n! " + strings.Join(a.errs, "\n! ")
}

var localPort = regexp.MustCompile(`127\.0\.0\.1:\d+`)

var eventZxid = regexp.MustCompile(` zxid: -?\d+$`)

// common removes what 3.9 prints otherwise than 3.8.0: events have zxids, there is exit, and two usages have changed.
func (a shellAnswer) common() shellAnswer {
	change := func(lines []string) []string {
		var kept []string
		for _, l := range lines {
			if l = eventZxid.ReplaceAllString(localPort.ReplaceAllString(l, "127.0.0.1:P"), ""); strings.TrimSpace(l) == "exit" {
				continue
			}
			kept = append(kept, shellUsage.Replace(l))
		}
		return kept
	}
	return shellAnswer{change(a.out), change(a.errs)}
}

// zkCliOf returns our program under the name of zkCli.sh.
func zkCliOf(t *testing.T) string {
	t.Helper()
	binary, err := quokkaBinary()
	must(t, err)
	name := filepath.Join(t.TempDir(), "zkCli.sh")
	must(t, os.Symlink(binary, name))
	return name
}

// shellAnswers runs all lines through one shell against a server of its own.
func shellAnswers(t *testing.T, program string, steps []cliStep) []shellAnswer {
	t.Helper()
	r := &recorder{server: startServer(t, underTest(), scenarioOptions)}
	defer func() { must(t, r.server.Stop()) }()
	c, err := startTwoStreams(program, r.server.Addr())
	must(t, err)
	defer c.end()
	must(t, c.await("type:None path:null"))
	var all []shellAnswer
	for i, s := range steps {
		out, errs, err := c.step(r, s)
		if err != nil {
			t.Fatalf("%s: step %d, %s%s: %v", program, i, s.command, s.control, err)
		}
		all = append(all, shellAnswer{out, errs})
	}
	return all
}

// TestShellIsZkCli runs the same lines through Java's zkCli.sh and through ours, against equal servers, and compares
// what they print.
func TestShellIsZkCli(t *testing.T) {
	if _, err := os.Stat(zkCliScript); err != nil {
		missing(t, zkCliScript, "apt-get install zookeeper")
	}
	steps := shellSteps()
	java, ours := shellAnswers(t, zkCliScript, steps), shellAnswers(t, zkCliOf(t), steps)
	expected := shellDifferences
	for i, s := range steps {
		a, b := java[i].common(), ours[i].common()
		if len(expected) > 0 && i >= len(steps)-len(shellDifferences)-1 && expected[0].command == s.command {
			if d := expected[0]; !strings.Contains(ours[i].String(), d.ours) || a.String() == b.String() {
				t.Errorf("%d %s (%s): we answer\n%s\nJava\n%s", i, s.command, d.why, b, a)
			}
			expected = expected[1:]
			continue
		}
		if a.String() != b.String() {
			t.Errorf("%d %s%s: Java answers\n%s\nwe\n%s", i, s.command, s.control, a, b)
		}
	}
	if len(expected) > 0 {
		t.Errorf("%v was not compared", expected)
	}
}

// shellSteps are cliSteps with the extra lines, and at the end what is known to differ.
func shellSteps() []cliStep {
	var steps []cliStep
	for _, s := range cliSteps {
		switch s.command {
		case "version", "close":
		case "deleteall /z": // before all is gone
			for _, line := range shellExtra {
				steps = append(steps, cliStep{command: line})
			}
			steps = append(steps, s, cliStep{command: "create /z x"}, cliStep{command: "create /z/acl x"})
		default:
			steps = append(steps, s)
		}
	}
	for _, d := range shellDifferences {
		steps = append(steps, cliStep{command: d.command})
	}
	return steps
}

// TestShellExitsLikeZkCli runs single commands, and the end of the input, and compares exit codes too.
func TestShellExitsLikeZkCli(t *testing.T) {
	if _, err := os.Stat(zkCliScript); err != nil {
		missing(t, zkCliScript, "apt-get install zookeeper")
	}
	server := startServer(t, underTest(), scenarioOptions)
	defer func() { must(t, server.Stop()) }()
	ours := zkCliOf(t)
	for _, c := range []struct{ args, in string }{
		{"ls /", ""}, {"get /missing", ""}, {"nosuch", ""}, {"create /zookeeper x", ""}, {"-r -timeout 5000 stat /zookeeper", ""},
		{"", "ls /\nget /missing\n"}, {"", "get /missing\nls /\n"}, {"", "nosuch\nquit\nls /"},
	} {
		java, mine := runShell(t, zkCliScript, server.Addr(), c.args, c.in), runShell(t, ours, server.Addr(), c.args, c.in)
		if java != mine {
			t.Errorf("%s %q: Java\n%s\nwe\n%s", c.args, c.in, java, mine)
		}
	}
}

// runShell returns all that a shell prints, without the session's own events, and its exit code.
func runShell(t *testing.T, program, addr, args, in string) string {
	t.Helper()
	cmd := exec.Command(program, append([]string{"-server", addr}, strings.Fields(args)...)...)
	cmd.Env = withoutQuokka(os.Environ())
	cmd.Stdin = strings.NewReader(in)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	a := shellAnswer{maskCli(out.String()), maskCli(errs.String())}.common()
	a.out = slices.DeleteFunc(a.out, func(l string) bool { return strings.Contains(l, "type:None") })
	return fmt.Sprintf("exit code %d\n%s", cmd.ProcessState.ExitCode(), a)
}
