package interop

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Server is one stand-alone ZooKeeper server process, of whichever make.
type Server interface {
	// Name says which implementation it is, for messages.
	Name() string
	// Start starts the process on its data directory and port and returns when it serves.
	Start() error
	// Kill sends SIGKILL and waits for the end.
	Kill() error
	// Stop sends SIGTERM and waits for the end.
	Stop() error
	// Addr is the client address; it stays the same over restarts.
	Addr() string
	// DataDir is the directory that zoo.cfg names as dataDir.
	DataDir() string
	// Log is what the process printed, as far as it is kept.
	Log() string
}

// serverOptions are the settings that tests vary. The zero value is a server with short ticks.
type serverOptions struct {
	tickMS      int               // tickTime; 0 means 500
	snapCount   int               // 0 leaves the default
	containerMS int               // znode.container.checkIntervalMs; 0 means an hour, so that no scan disturbs zxids
	dataDir     string            // an existing data directory to start on; "" makes a new one
	extra       map[string]string // further lines of zoo.cfg
}

const (
	startDeadline = 30 * time.Second
	stopDeadline  = 15 * time.Second
	superPassword = "super:interop"
	// superDigest is user:base64(sha1("super:interop")), see DigestAuthenticationProvider.generateDigest.
	superDigest = "super:/49OUaS/Rm5CIudE7EhYoMwy+PY="
)

// process implements Server for both makes; they differ only in the command line.
type process struct {
	name    string
	dir     string // working directory: zoo.cfg, log
	dataDir string
	port    int
	command func(cfg string) *exec.Cmd

	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
	logs lockedBuffer
}

func (p *process) Name() string    { return p.name }
func (p *process) Addr() string    { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)) }
func (p *process) DataDir() string { return p.dataDir }
func (p *process) Log() string     { return p.logs.Tail(keptOutput) }

func (p *process) Start() error {
	if p.cmd != nil {
		return fmt.Errorf("%s is already running", p.name)
	}
	cmd := p.command(filepath.Join(p.dir, "zoo.cfg"))
	cmd.Dir = p.dir
	cmd.Stdout, cmd.Stderr = &p.logs, &p.logs
	cmd.SysProcAttr = dieWithParent()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", p.name, err)
	}
	p.cmd, p.done = cmd, make(chan struct{})
	go func(done chan struct{}) {
		_ = cmd.Wait() // the exit code of a killed server says nothing
		close(done)
	}(p.done)
	err := poll(startDeadline, func() error {
		select {
		case <-p.done:
			return errStop{fmt.Errorf("%s ended while starting:\n%s", p.name, p.logs.Tail(3000))}
		default:
		}
		return p.serves()
	})
	if err != nil {
		_ = p.Kill()
		return fmt.Errorf("%s does not serve on %s: %w\n%s", p.name, p.Addr(), err, p.logs.Tail(3000))
	}
	return nil
}

// serves asks srvr; an answer with a mode means that requests are taken.
func (p *process) serves() error {
	text, err := fourLetter(p.Addr(), "srvr")
	if err != nil {
		return err
	}
	if !strings.Contains(text, "Mode: ") {
		return fmt.Errorf("srvr answers %q", text)
	}
	return nil
}

func (p *process) Kill() error { return p.end(syscall.SIGKILL) }
func (p *process) Stop() error { return p.end(syscall.SIGTERM) }

func (p *process) end(sig syscall.Signal) error {
	if p.cmd == nil {
		return nil
	}
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("%v to %s: %w", sig, p.name, err)
	}
	var err error
	select {
	case <-p.done:
	case <-time.After(stopDeadline):
		err = fmt.Errorf("%s does not end %v after %v:\n%s", p.name, stopDeadline, sig, p.logs.Tail(3000))
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	p.cmd = nil
	return err
}

// newProcess lays out a working directory and zoo.cfg; the process ends with the test at the latest.
func newProcess(t *testing.T, name string, o serverOptions, command func(cfg string) *exec.Cmd) *process {
	t.Helper()
	dir := t.TempDir()
	p := &process{name: name, dir: dir, dataDir: o.dataDir, port: freePort(t), command: command}
	if p.dataDir == "" {
		p.dataDir = filepath.Join(dir, "data")
		if err := os.Mkdir(p.dataDir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "zoo.cfg"), []byte(zooCfg(p, o)), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.Kill()
		if t.Failed() {
			t.Logf("tail of the log of %s:\n%s", name, p.logs.Tail(3000))
		}
	})
	return p
}

func zooCfg(p *process, o serverOptions) string {
	lines := map[string]string{
		"dataDir":                p.dataDir,
		"clientPort":             strconv.Itoa(p.port),
		"clientPortAddress":      "127.0.0.1",
		"tickTime":               strconv.Itoa(tick(o)),
		"maxClientCnxns":         "0",
		"admin.enableServer":     "false",
		"4lw.commands.whitelist": "*",
		"extendedTypesEnabled":   "true",
		"preAllocSize":           "1024",
		"DigestAuthenticationProvider.superDigest": superDigest,
		"znode.container.checkIntervalMs":          strconv.Itoa(containerInterval(o)),
	}
	if o.snapCount > 0 {
		lines["snapCount"] = strconv.Itoa(o.snapCount)
	}
	maps.Copy(lines, o.extra)
	keys := make([]string, 0, len(lines))
	for k := range lines {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var b strings.Builder
	for _, k := range keys {
		fmt.Fprintf(&b, "%s=%s\n", k, lines[k])
	}
	return b.String()
}

func tick(o serverOptions) int {
	if o.tickMS == 0 {
		return 500
	}
	return o.tickMS
}

func containerInterval(o serverOptions) int {
	if o.containerMS == 0 {
		return 3600_000
	}
	return o.containerMS
}

// freePort finds a port that nobody listens on. Another process may take it before the server does; then the
// server's start fails loudly.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// fourLetter sends an admin word and returns all of the answer.
func fourLetter(addr, word string) (string, error) {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(c, word); err != nil {
		return "", err
	}
	b, err := io.ReadAll(io.LimitReader(c, 1<<20))
	if err != nil && len(b) == 0 {
		return "", fmt.Errorf("%s of %s: %w", word, addr, err)
	}
	return string(b), nil
}

// errStop wraps an error that ends a poll at once.
type errStop struct{ error }

func (e errStop) Unwrap() error { return e.error }

// poll calls try every few milliseconds until it returns nil or the time is over, and returns its last error.
func poll(limit time.Duration, try func() error) error {
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		if stop, ok := err.(errStop); ok {
			return stop.error
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %v: %w", limit, err)
		}
		<-tick.C
	}
}

// lockedBuffer collects output from several writers and keeps the last part.
type lockedBuffer struct {
	mu sync.Mutex
	b  []byte
}

const keptOutput = 1 << 18

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b = append(l.b, p...)
	if over := len(l.b) - keptOutput; over > 0 {
		l.b = slices.Delete(l.b, 0, over)
	}
	return len(p), nil
}

// Tail returns at most n last bytes, from a line start where possible.
func (l *lockedBuffer) Tail(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.b
	if len(b) > n {
		b = b[len(b)-n:]
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			b = b[i+1:]
		}
	}
	return string(b)
}
