package interop

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const zkCliScript = "/usr/share/zookeeper/bin/zkCli.sh"

// cliStep is one command line; wait is text that the command's effects must print before the next command is sent.
// An empty name records the step under its command. A step may ask for the server's restart instead.
type cliStep struct {
	command string
	wait    string
	control string
}

var cliSteps = []cliStep{
	{command: `create /z "hello world"`}, {command: "create /z again"}, {command: "create /no/parent x"},
	{command: "create /z/null"}, {command: "create -e /z/e data"}, {command: "create /z/e/below x"},
	{command: "create -s /z/s- 0"}, {command: "create -s /z/s- 1"}, {command: "create -s -e /z/es- 2"},
	{command: "create -c /z/container c"}, {command: "create -t 5000000 /z/ttl t"}, {command: "create -s -t 5000000 /z/ttl- t"},
	{command: "create -c -e /z/bad"}, {command: "create -t -1 /z/badttl x"}, {command: "create z x"}, {command: "create /z/ x"},
	{command: "ls /"}, {command: "ls -R /"}, {command: "ls -s /z"}, {command: "ls /missing"},
	{command: "get /z"}, {command: "get -s /z"}, {command: "get /z/null"}, {command: "get -s /z/e"}, {command: "get /missing"},
	{command: "stat /z"}, {command: "stat /missing"},
	{command: "set /z v1"}, {command: "set -s /z v2"}, {command: "set -v 2 /z v3"}, {command: "set -v 1 /z v4"}, {command: "set /missing x"},
	{command: "getAllChildrenNumber /"}, {command: "getAllChildrenNumber /z"}, {command: "getEphemerals"}, {command: "getEphemerals /z/es"},
	{command: "sync /z"}, {command: "sync /missing"}, {command: "version"}, {command: "whoami"}, {command: "config"}, {command: "config -s"},
	{command: "reconfig -add server.9=127.0.0.1:1:2;3"}, {command: "reconfig -remove 9"},
	{command: "get -w /z", wait: ""}, {command: "set /z watched", wait: "type:NodeDataChanged path:/z"},
	{command: "ls -w /z"}, {command: "create /z/child x", wait: "type:NodeChildrenChanged path:/z"},
	{command: "stat -w /z/child"}, {command: "delete /z/child", wait: "type:NodeDeleted path:/z/child"},
	{command: "addWatch /z"}, {command: "create /z/deep x", wait: "type:NodeCreated path:/z/deep"},
	{command: "set /z/deep y", wait: "type:NodeDataChanged path:/z/deep"}, {command: "delete /z/deep", wait: "type:NodeDeleted path:/z/deep"},
	{command: "addWatch -m PERSISTENT /z/null"}, {command: "set /z/null 1", wait: "path:/z/null"}, {command: "set /z/null 2", wait: "path:/z/null"},
	{command: "removewatches /z/null", wait: "path:/z/null"}, {command: "removewatches /z", wait: "path:/z"}, {command: "removewatches /none"},
	{command: "set /z unwatched"}, {command: "get /z"},
	{command: "getAcl /z"}, {command: "getAcl -s /z"}, {command: "setAcl /z/null world:anyone:r"}, {command: "getAcl -s /z/null"},
	{command: "set /z/null denied"}, {command: "setAcl /z/null world:anyone:cdrwa"}, {command: "setAcl /z auth::cdrwa"},
	{command: "addauth digest alice:secret"}, {command: "whoami"}, {command: "setAcl /z auth::cdrwa,ip:127.0.0.1:r"}, {command: "getAcl /z"},
	{command: "setAcl -v 7 /z world:anyone:r"}, {command: "setAcl /z nosuch:x:r"}, {command: "setAcl -R /z world:anyone:cdrwa"}, {command: "getAcl /z/ttl"},
	{command: "create /q x"}, {command: "setquota -n 3 /q"}, {command: "setquota -b 100 /q"}, {command: "listquota /q"}, {command: "create /q/a 12345"}, {command: "create /q/b 12345"},
	{command: "listquota /q"}, {command: "set /q/a 1"}, {command: "delete /q/b"}, {command: "listquota /q"}, {command: "setquota -N 2 /q"}, {command: "setquota -B 20 /q"}, {command: "setquota -n 0 /q"},
	{command: "listquota /q"}, {command: "setquota -n 3 /q/a"}, {command: "setquota -n 3 /missing"}, {command: "create /q/c 1"}, {command: "create /q/d 1"},
	{command: "get /zookeeper/quota/q/zookeeper_stats"}, {command: "delquota -n /q"}, {command: "listquota /q"}, {command: "delquota /q"}, {command: "listquota /q"},
	{command: "ls -R /zookeeper"}, {command: "delete /zookeeper/quota"}, {command: "deleteall /q"}, {command: "ls /"},
	{command: "delete /z"}, {command: "delete -v 9 /z/null"}, {command: "delete /missing"},
	{command: "create -e /live 1"}, {command: "get -w /live"},
	{control: "restart", wait: "state:SyncConnected type:None"}, {command: "get -s /live"}, {command: "set /live 2", wait: "type:NodeDataChanged path:/live"},
	{control: "kill", wait: "state:SyncConnected type:None"}, {command: "get -s /live"}, {command: "getEphemerals"},
	{command: "deleteall /z"}, {command: "ls -R /"}, {command: "nosuchcommand"}, {command: "close", wait: "state:Closed"},
}

// cli is a running zkCli.sh.
type cli struct {
	in      io.WriteCloser
	out     lockedBuffer
	done    int  // bytes of out already taken
	expired bool // commands that need a session are refused
	program *exec.Cmd
}

// cliMark is what the marker command printwatches answers. Without a session it says after that what every command
// says then.
const (
	cliMark    = "printwatches is on\n"
	cliRefused = "Not connected\n"
)

// TestZkCli drives Java's zkCli.sh through its standard input.
func TestZkCli(t *testing.T) {
	compareCli(t, "zkcli", 10*time.Second, func(c *cli, r *recorder) error {
		for i, s := range cliSteps {
			text, err := c.perform(r, s)
			if err != nil {
				return fmt.Errorf("step %d, %s%s: %w", i, s.command, s.control, err)
			}
			r.emit(fmt.Sprintf("%d %s%s", i, s.command, s.control), unordered(s.command, maskCli(text)))
		}
		return nil
	})
}

// cliExpiredSteps follow the expiry of the session, cliReconnectedSteps get a new one.
var cliExpiredSteps = []cliStep{{command: "get /stays"}, {command: "create -e /late x"}, {command: "addauth digest alice:secret"}}

var cliReconnectedSteps = []cliStep{
	{command: "connect", wait: "state:SyncConnected type:None"}, {command: "get /stays"}, {command: "get /mortal"},
	{command: "getEphemerals"}, {command: "ls /"}, {command: "create -e /mortal again"}, {command: "get -s /mortal"},
	{command: "set /stays 2"}, {command: "delete /stays"}, {command: "getEphemerals"}, {command: "close", wait: "state:Closed"},
}

// TestZkCliExpiry stops zkCli.sh until its session has expired, and then lets it find that out.
func TestZkCliExpiry(t *testing.T) {
	compareCli(t, "zkcli-expiry", 4*time.Second, func(c *cli, r *recorder) error {
		steps := []cliStep{{command: "create /stays 1"}, {command: "create -e /mortal 1"}, {command: "get -w /stays"}, {command: "get -w /mortal"}}
		if err := c.performAll(r, steps); err != nil {
			return err
		}
		if err := c.sleepUntilGone(r.server.Addr(), "/mortal"); err != nil {
			return err
		}
		if err := c.await("state:Expired type:None path:null"); err != nil {
			return err
		}
		r.emit("expired", maskCli(c.take()))
		c.expired = true
		if err := c.performAll(r, cliExpiredSteps); err != nil {
			return err
		}
		c.expired = false
		return c.performAll(r, cliReconnectedSteps)
	})
}

// performAll records what each step prints.
func (c *cli) performAll(r *recorder, steps []cliStep) error {
	for _, s := range steps {
		name := s.command
		if name == "connect" {
			s.command += " " + r.server.Addr()
		}
		text, err := c.perform(r, s)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		text = strings.ReplaceAll(text, r.server.Addr(), "ADDRESS")
		r.emit(fmt.Sprintf("%d %s", len(r.steps), name), unordered(name, maskCli(text)))
	}
	return nil
}

// sleepUntilGone stops the shell's processes until an ephemeral node of its session has gone.
func (c *cli) sleepUntilGone(addr, path string) error {
	witness, err := dialGo(addr, 5*time.Second)
	if err != nil {
		return err
	}
	defer witness.Close()
	group := -c.program.Process.Pid
	if err := syscall.Kill(group, syscall.SIGSTOP); err != nil {
		return err
	}
	gone := poll(30*time.Second, func() error {
		if exists, _, err := witness.Exists(path); err != nil || exists {
			return fmt.Errorf("%s exists: %v (%v)", path, exists, err)
		}
		return nil
	})
	return errors.Join(gone, syscall.Kill(group, syscall.SIGCONT))
}

// compareCli compares what zkCli.sh prints in a scenario that begins when it is connected.
func compareCli(t *testing.T, name string, timeout time.Duration, scenario func(c *cli, r *recorder) error) {
	if _, err := os.Stat(zkCliScript); err != nil {
		missing(t, zkCliScript, "apt-get install zookeeper")
	}
	compareScenario(t, name, func(t *testing.T, r *recorder) error {
		c, err := startCli(r.server.Addr(), timeout)
		if err != nil {
			return err
		}
		defer c.end()
		if err := c.await("type:None path:null"); err != nil {
			return err
		}
		c.take()
		return scenario(c, r)
	})
}

func startCli(addr string, timeout time.Duration) (*cli, error) {
	c := &cli{program: exec.Command(zkCliScript, "-timeout", fmt.Sprint(timeout.Milliseconds()), "-server", addr)}
	c.program.Stderr = &c.out
	return c, c.start()
}

// start runs the program, whose standard error is set.
func (c *cli) start() (err error) {
	if c.in, err = c.program.StdinPipe(); err != nil {
		return err
	}
	c.program.Stdout = &c.out
	c.program.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// Java is a child of the script and ends by itself when its standard input does; WaitDelay bounds the wait.
	c.program.WaitDelay = time.Second
	return c.program.Start()
}

// end closes the standard input, which ends the shell; the group is killed when that is not enough.
func (c *cli) end() {
	_ = c.in.Close()
	timer := time.AfterFunc(5*time.Second, func() { _ = syscall.Kill(-c.program.Process.Pid, syscall.SIGKILL) })
	defer timer.Stop()
	_ = c.program.Wait() // the exit code is that of the last command
}

func (c *cli) perform(r *recorder, s cliStep) (string, error) {
	if s.control != "" {
		if err := r.control(s.control); err != nil {
			return "", err
		}
	} else if _, err := io.WriteString(c.in, s.command+"\n"); err != nil {
		return "", err
	}
	if s.wait != "" {
		if err := c.await(s.wait); err != nil {
			return "", err
		}
	}
	if s.command == "close" {
		return c.take(), nil
	}
	if _, err := io.WriteString(c.in, "printwatches\n"); err != nil {
		return "", err
	}
	mark := cliMark
	if c.expired {
		mark += cliRefused
	}
	return strings.ReplaceAll(c.takeAfter(mark), mark, ""), nil
}

func (c *cli) fresh() string {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return string(c.out.b[c.done:])
}

func (c *cli) await(text string) error {
	return poll(30*time.Second, func() error {
		if s := c.fresh(); !strings.Contains(s, text) {
			return fmt.Errorf("%q does not come, only %q", text, s)
		}
		return nil
	})
}

func (c *cli) take() string {
	s := c.fresh()
	c.done += len(s)
	return s
}

func (c *cli) takeAfter(mark string) string {
	if err := c.await(mark); err != nil {
		return err.Error()
	}
	return c.take()
}

var (
	cliTimes  = regexp.MustCompile(`([cm]time) = (.*)`)
	cliZxids  = regexp.MustCompile(`([cmp]Zxid) = 0x0*([0-9a-f]+)`)
	cliOwners = regexp.MustCompile(`ephemeralOwner = 0x[1-9a-f][0-9a-f]*`)
)

const cliEpoch = "Thu Jan 01 00:00:00 UTC 1970"

// maskCli takes times, zxids and owners out of the text and moves events, which a thread of their own prints
// anywhere in between, to the end.
func maskCli(text string) []string {
	text = cliTimes.ReplaceAllStringFunc(text, func(s string) string {
		if strings.HasSuffix(s, cliEpoch) {
			return s
		}
		return s[:8] + "T"
	})
	text = cliZxids.ReplaceAllStringFunc(text, func(s string) string {
		if strings.HasSuffix(s, "0x0") {
			return s
		}
		return s[:8] + "Z"
	})
	text = cliOwners.ReplaceAllString(text, "ephemeralOwner = a session")
	var lines, events []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch event, ok := strings.CutPrefix(line, "WatchedEvent "); {
		case ok:
			events = append(events, "event "+event)
		case line != "" && line != "WATCHER::" && !strings.HasPrefix(line, "SLF4J:"):
			lines = append(lines, line)
		}
	}
	slices.Sort(events)
	return append(lines, events...)
}

// unordered sorts what the server gives in no order: the ids of whoami and the paths of getEphemerals.
func unordered(command string, lines []string) []string {
	switch {
	case command == "whoami":
		slices.Sort(lines)
	case strings.HasPrefix(command, "getEphemerals"):
		for i, line := range lines {
			paths := strings.Split(strings.Trim(line, "[]"), ", ")
			slices.Sort(paths)
			lines[i] = strings.Join(paths, ", ")
		}
	}
	return lines
}
