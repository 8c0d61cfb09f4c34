package interop

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ensembleMember is one place in an ensemble: id, ports and directories stay while processes, and their makes, come
// and go. It is a Server, so that what reads a stand-alone server reads it too.
type ensembleMember struct {
	id       int
	kind     implementation
	ensemble *ensemble
	dir      string // zooN.cfg, server.log and the data directory
	client   int
	quorum   int
	election int
	observer bool
	spare    bool

	cmd    *exec.Cmd
	done   chan struct{} // closed when the process has ended
	frozen bool
	swaps  int // how often the make has changed

	started int64 // where its part of the log begins
}

func (m *ensembleMember) Name() string    { return fmt.Sprintf("server %d (%s)", m.id, m.kind) }
func (m *ensembleMember) Addr() string    { return "127.0.0.1:" + strconv.Itoa(m.client) }
func (m *ensembleMember) DataDir() string { return filepath.Join(m.dir, "data") }
func (m *ensembleMember) config() string  { return filepath.Join(m.dir, fmt.Sprintf("zoo%d.cfg", m.id)) }
func (m *ensembleMember) logFile() string { return filepath.Join(m.dir, "server.log") }
func (m *ensembleMember) running() bool   { return m.cmd != nil }

// Log is the tail of what all processes of this member printed.
func (m *ensembleMember) Log() string {
	b, err := os.ReadFile(m.logFile())
	if err != nil {
		return err.Error()
	}
	const tail = 2500
	return string(b[max(0, len(b)-tail):])
}

// layOut makes the directories, myid and zooN.cfg.
func (m *ensembleMember) layOut() error {
	return errors.Join(
		os.MkdirAll(m.DataDir(), 0o755),
		os.WriteFile(filepath.Join(m.DataDir(), "myid"), []byte(strconv.Itoa(m.id)+"\n"), 0o644),
		m.writeConfig(),
	)
}

func (m *ensembleMember) writeConfig() error {
	return os.WriteFile(m.config(), []byte(m.ensemble.configText(m)), 0o644)
}

// wipe removes all data but myid.
func (m *ensembleMember) wipe() error {
	return errors.Join(os.RemoveAll(m.DataDir()), os.MkdirAll(m.DataDir(), 0o755),
		os.WriteFile(filepath.Join(m.DataDir(), "myid"), []byte(strconv.Itoa(m.id)+"\n"), 0o644))
}

// Launch starts the process and does not wait for anything.
func (m *ensembleMember) Launch() error {
	if m.cmd != nil {
		return fmt.Errorf("%s is already running", m.Name())
	}
	cmd, err := memberCommand(m.kind, m.config(), m.ensemble.o)
	if err != nil {
		return err
	}
	mark := m.logMark()
	log, err := os.OpenFile(m.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close() // the process has its own copy
	fmt.Fprintf(log, "\n=== %s starts as %s\n", time.Now().Format(time.StampMilli), m.Name())
	cmd.Dir = m.dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = dieWithParent()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", m.Name(), err)
	}
	m.cmd, m.done, m.frozen, m.started = cmd, make(chan struct{}), false, mark
	go func(done chan struct{}) {
		_ = cmd.Wait() // the exit code of a killed server says nothing
		close(done)
	}(m.done)
	return nil
}

// memberCommand is the command line that starts one server of a make with a configuration file.
func memberCommand(kind implementation, cfg string, o ensembleOptions) (*exec.Cmd, error) {
	if kind == javaMake {
		return exec.Command("java", []string{
			"-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
			"-cp", zookeeperJar + ":/usr/share/java/slf4j-simple.jar",
			"-Dorg.slf4j.simpleLogger.defaultLogLevel=info",
			"-Dorg.slf4j.simpleLogger.showDateTime=true", "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
			// This property has no "zookeeper." prefix, so that zoo.cfg cannot set it (QuorumPeer).
			"-Dreadonlymode.enabled=" + strconv.FormatBool(o.readOnly),
			"org.apache.zookeeper.server.quorum.QuorumPeerMain", cfg,
		}...), nil
	}
	path, err := quokkaBinary()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path, "server", cfg)
	cmd.Env = withoutQuokka(os.Environ())
	return cmd, nil
}

// Start starts the process and waits until it serves, which takes a quorum.
func (m *ensembleMember) Start() error {
	if err := m.Launch(); err != nil {
		return err
	}
	return m.awaitServing()
}

func (m *ensembleMember) awaitServing() error {
	return poll(ensembleDeadline, func() error {
		mode, err := m.mode()
		if err == nil && mode == "read-only" {
			err = fmt.Errorf("%s serves read-only", m.Name())
		}
		return m.diagnose(err)
	})
}

// mode asks what the server is: leader, follower, observer or read-only. An error means that it does not serve.
func (m *ensembleMember) mode() (string, error) {
	text, err := fourLetter(m.Addr(), "srvr")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(text) {
		if mode, ok := strings.CutPrefix(line, "Mode: "); ok {
			return strings.TrimSpace(mode), nil
		}
	}
	return "", fmt.Errorf("srvr of %s answers %q", m.Name(), strings.TrimSpace(text))
}

// diagnose makes an error final when the process has ended by itself.
func (m *ensembleMember) diagnose(err error) error {
	if err == nil {
		return nil
	}
	select {
	case <-m.done:
		return errStop{fmt.Errorf("%s has ended by itself with %v: %w\n%s", m.Name(), m.cmd.ProcessState, err, m.Log())}
	default:
		return fmt.Errorf("%s: %w", m.Name(), err)
	}
}

// Kill sends SIGKILL and waits for the end.
func (m *ensembleMember) Kill() error { return m.finish(syscall.SIGKILL) }

// Stop sends SIGTERM and waits for the end.
func (m *ensembleMember) Stop() error { return m.finish(syscall.SIGTERM) }

func (m *ensembleMember) finish(sig syscall.Signal) error {
	if m.cmd == nil {
		return nil
	}
	if m.frozen && sig != syscall.SIGKILL {
		m.thaw()
	}
	if err := m.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("%v to %s: %w", sig, m.Name(), err)
	}
	var err error
	select {
	case <-m.done:
	case <-time.After(2 * stopDeadline):
		err = fmt.Errorf("%s does not end %v after %v:\n%s", m.Name(), 2*stopDeadline, sig, m.Log())
		_ = m.cmd.Process.Kill()
		<-m.done
	}
	m.cmd, m.frozen = nil, false
	return err
}

// freeze sends SIGSTOP and waits until all threads stand still.
func (m *ensembleMember) freeze() {
	m.frozen = true
	_ = m.cmd.Process.Signal(syscall.SIGSTOP) // fails only when it has ended, which the next wait reports
	_ = poll(time.Second, m.standsStill)      // on a system without /proc nobody can tell
}

// standsStill is nil when the kernel shows every thread as stopped.
func (m *ensembleMember) standsStill() error {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", m.cmd.Process.Pid))
	for _, name := range files {
		b, err := os.ReadFile(name)
		if _, state, ok := strings.Cut(string(b), ") "); err == nil && ok && state[0] != 'T' {
			return fmt.Errorf("%s is in state %c", name, state[0])
		}
	}
	return err
}

// thaw sends SIGCONT.
func (m *ensembleMember) thaw() {
	m.frozen = false
	_ = m.cmd.Process.Signal(syscall.SIGCONT)
}

// swap makes the next process on this data directory one of another make.
func (m *ensembleMember) swap(kind implementation) { m.kind, m.swaps = kind, m.swaps+1 }

// metric reads one value of mntr.
func (m *ensembleMember) metric(name string) (int64, error) {
	text, err := fourLetter(m.Addr(), "mntr")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+"\t"); ok {
			f, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return int64(f), err
		}
	}
	return 0, fmt.Errorf("mntr of %s has no %s", m.Name(), name)
}

// logMark is a place in the log; loggedSince tells what was printed after it.
func (m *ensembleMember) logMark() int64 {
	info, err := os.Stat(m.logFile())
	if err != nil {
		return 0
	}
	return info.Size()
}

func (m *ensembleMember) loggedSince(mark int64) string {
	b, err := os.ReadFile(m.logFile())
	if err != nil || int64(len(b)) < mark {
		return ""
	}
	return string(b[mark:])
}

// noQuokkaEnsembles says why ours cannot be in an ensemble, "" when it can. It asks the binary.
var noQuokkaEnsembles = sync.OnceValue(func() string {
	path, err := quokkaBinary()
	if err != nil {
		return "" // the test that builds it next fails and says why
	}
	dir, err := os.MkdirTemp("", "quokka-ask-")
	if err != nil {
		return ""
	}
	defer os.RemoveAll(dir)
	cfg := "dataDir=" + dir + "\nclientPort=9999\nclientPortAddress=127.0.0.1\ntickTime=500\ninitLimit=5\nsyncLimit=5\n" +
		"server.1=127.0.0.1:1:2\nserver.2=127.0.0.1:3:4\nserver.3=127.0.0.1:5:6\n"
	name := filepath.Join(dir, "zoo.cfg")
	if errors.Join(os.WriteFile(name, []byte(cfg), 0o644), os.WriteFile(filepath.Join(dir, "myid"), []byte("1\n"), 0o644)) != nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "server", name)
	cmd.Env = withoutQuokka(os.Environ())
	cmd.WaitDelay = time.Second
	out, _ := cmd.CombinedOutput() // it is killed when it runs, and fails when it refuses
	if strings.Contains(string(out), "ensembles are not supported yet") {
		return "this quokka says: ensembles are not supported yet"
	}
	return ""
})
