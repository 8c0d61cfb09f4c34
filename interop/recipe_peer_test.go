package interop

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"quokka/client"
)

// A peer is a program in another language that takes part in recipes. It is told what to do line by line, see
// testdata/curator/Peer.java, and lives through many tests: a Java machine takes its time to start.
type peer struct {
	name   string
	stderr lockedBuffer
	kill   func() error // as a machine dies
	ended  chan struct{}

	mu      sync.Mutex
	stdin   io.Writer
	last    int
	waiting map[int]chan peerAnswer
}

type peerAnswer struct {
	ID    int             `json:"id"`
	Value json.RawMessage `json:"value"`
	Error string          `json:"error"`
}

// args are the arguments of an operation of a peer.
type args map[string]any

// startPeer runs a peer until the test ends.
func startPeer(t *testing.T, name string, cmd *exec.Cmd) *peer {
	t.Helper()
	p := &peer{name: name, ended: make(chan struct{}), waiting: make(map[int]chan peerAnswer)}
	cmd.Stderr, cmd.SysProcAttr = &p.stderr, dieWithParent()
	stdin, err := cmd.StdinPipe()
	must(t, err)
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	p.stdin, p.kill = stdin, cmd.Process.Kill
	go func() {
		defer close(p.ended)
		p.listen(stdout)
		_ = cmd.Wait() // it ends when its input does, or was killed
	}()
	t.Cleanup(func() {
		_ = stdin.Close()
		select {
		case <-p.ended:
		case <-time.After(5 * time.Second):
			_ = cmd.Process.Kill()
			<-p.ended
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", name, p.stderr.Tail(4000))
		}
	})
	return p
}

func (p *peer) listen(stdout io.Reader) {
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var a peerAnswer
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			continue // the answer is missed by who waits for it
		}
		p.mu.Lock()
		ch := p.waiting[a.ID]
		delete(p.waiting, a.ID)
		p.mu.Unlock()
		if ch != nil {
			ch <- a
		}
	}
}

// call has an actor of the peer do something, and stores what that returns in the variable result points to, if any.
func (p *peer) call(ctx context.Context, actor, addr, op string, more args, result any) error {
	rq := args{"actor": actor, "addr": addr, "op": op}
	maps.Copy(rq, more)
	ch := make(chan peerAnswer, 1)
	p.mu.Lock()
	p.last++
	rq["id"] = p.last
	p.waiting[p.last] = ch
	line, err := json.Marshal(rq)
	if err == nil {
		_, err = p.stdin.Write(append(line, '\n'))
	}
	p.mu.Unlock()
	if err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	select {
	case a := <-ch:
		switch {
		case a.Error != "":
			return fmt.Errorf("%s: %s of %s: %s", p.name, op, actor, a.Error)
		case result == nil:
			return nil
		}
		return json.Unmarshal(a.Value, result)
	case <-p.ended:
		return fmt.Errorf("%s has ended before it answered %s", p.name, op)
	case <-ctx.Done():
		return fmt.Errorf("%s: no answer to %s of %s: %w", p.name, op, actor, ctx.Err())
	}
}

// curatorJars are those of Debian that Curator needs at run time.
var curatorJars = []string{
	"curator-recipes", "curator-x-discovery", "curator-framework", "curator-client", "zookeeper", "zookeeper-jute", "guava",
	"jackson-databind", "jackson-core", "jackson-annotations", "slf4j-api", "slf4j-simple",
}

func startCurator(t *testing.T) *peer {
	t.Helper()
	needJava(t)
	var path []string
	for _, jar := range curatorJars {
		file := "/usr/share/java/" + jar + ".jar"
		if _, err := os.Stat(file); err != nil {
			missing(t, file, "apt-get install libcurator-recipes-java libcurator-framework-java libcurator-client-java libcurator-discovery-java")
		}
		path = append(path, file)
	}
	if out, err := exec.Command("java", "--list-modules").Output(); err != nil || !bytes.Contains(out, []byte("jdk.compiler@")) {
		missing(t, "a JDK that runs Java source", "apt-get install default-jdk-headless")
	}
	return startPeer(t, "Curator", exec.Command("java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", strings.Join(path, ":"), "testdata/curator/Peer.java"))
}

func startKazoo(t *testing.T) *peer {
	t.Helper()
	needKazoo(t)
	return startPeer(t, "kazoo", exec.Command(debianPython, "testdata/kazoo/peer.py"))
}

func needKazoo(t *testing.T) {
	t.Helper()
	if err := runCommand("", debianPython, "-c", "import kazoo"); err != nil {
		missing(t, "kazoo for "+debianPython, "apt-get install python3-kazoo")
	}
}

// A bench is where Go and a peer meet: a server, and a session of the Go client for every actor.
type bench struct {
	*peer
	t    *testing.T
	addr string
	ctx  context.Context
	c    *client.Client
}

// benchDeadline bounds what one test does on a bench. A recipe that loses a wake-up would wait for ever.
const benchDeadline = 60 * time.Second

// on makes a bench for one test on a server, in a tree of the test's own.
func (p *peer) on(t *testing.T, addr, tree string) *bench {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), benchDeadline)
	t.Cleanup(cancel)
	b := &bench{peer: p, t: t, addr: addr + "/" + strings.ReplaceAll(tree, " ", "-"), ctx: ctx}
	b.c = b.dial()
	must(t, b.c.EnsurePath(ctx, "/"))
	return b
}

// dial opens one more session of the Go client.
func (b *bench) dial() *client.Client {
	b.t.Helper()
	c, err := client.Dial(b.ctx, b.addr, client.Options{SessionTimeout: 10 * time.Second, RetryReads: 5})
	must(b.t, err)
	b.t.Cleanup(func() { _ = c.Close() })
	return c
}

// do is call for an operation that must succeed.
func do[T any](b *bench, actor, op string, more args) T {
	b.t.Helper()
	var v T
	must(b.t, b.call(b.ctx, actor, b.addr, op, more, &v))
	return v
}

// start is do in the background; what it returns waits for the end.
func start[T any](b *bench, actor, op string, more args) (wait func() T) {
	type outcome struct {
		v   T
		err error
	}
	ch := make(chan outcome, 1)
	go func() {
		var o outcome
		o.err = b.call(b.ctx, actor, b.addr, op, more, &o.v)
		ch <- o
	}()
	return func() T {
		b.t.Helper()
		o := <-ch
		must(b.t, o.err)
		return o.v
	}
}

// eventually waits for a condition.
func (b *bench) eventually(what string, ok func() (bool, error)) {
	b.t.Helper()
	must(b.t, poll(20*time.Second, func() error {
		switch yes, err := ok(); {
		case err != nil:
			return errStop{fmt.Errorf("%s: %w", what, err)}
		case !yes:
			return errors.New(what)
		}
		return nil
	}))
}
