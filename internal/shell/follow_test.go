package shell_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"quokka/client"
	"quokka/internal/shell"
	"quokka/quokkatest"
)

// output is what a command has printed so far.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// A command runs in the background.
type command struct {
	out, err output
	code     chan int
}

func start(addr string, words ...string) *command {
	c := &command{code: make(chan int, 1)}
	go func() {
		c.code <- shell.Main(append([]string{"-server", addr}, words...), false, shell.Streams{
			In: strings.NewReader(""), Out: &c.out, Err: &c.err, Environ: []string{"TZ=UTC"},
		})
	}()
	return c
}

// until waits for text that must come.
func until(t *testing.T, o *output, text string) {
	t.Helper()
	waitFor(t, func() bool { return strings.Contains(o.String(), text) }, func() string { return text + " in " + o.String() })
}

func waitFor(t *testing.T, holds func() bool, what func() string) {
	t.Helper()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	late := time.After(20 * time.Second)
	for !holds() {
		select {
		case <-look.C:
		case <-late:
			t.Fatalf("waited in vain for %s", what())
		}
	}
}

func (c *command) end(t *testing.T, want int) {
	t.Helper()
	select {
	case code := <-c.code:
		if code != want {
			t.Fatalf("exit code %d, want %d: %s%s", code, want, c.out.String(), c.err.String())
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("does not end: %s%s", c.out.String(), c.err.String())
	}
}

func matches(t *testing.T, got, pattern string) {
	t.Helper()
	if !regexp.MustCompile(pattern).MatchString(got) {
		t.Errorf("got %q, want %s", got, pattern)
	}
}

func do(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWatchPrintsEveryChange(t *testing.T) {
	s := quokkatest.Start(t, 1)
	c := s.Dial(t, client.Options{})
	do(t, c.EnsurePath(t.Context(), "/app"))
	w := start(s.Addr(0), "watch", "--count", "4", "/app")
	until(t, &w.err, "watching /app with 1 node;")
	do(t, c.EnsurePath(t.Context(), "/other"))
	do(t, c.EnsurePath(t.Context(), "/app/x"))
	_, err := c.Set(t.Context(), "/app/x", []byte("one"), client.AnyVersion)
	do(t, err)
	_, err = c.Set(t.Context(), "/app", nil, client.AnyVersion)
	do(t, err)
	do(t, c.Delete(t.Context(), "/app/x", client.AnyVersion))
	w.end(t, 0)
	const at = `\d\d:\d\d:\d\d\.\d{3} 0x[0-9a-f]+ `
	matches(t, w.out.String(), "^"+at+"created /app/x\n"+at+"data changed /app/x\n"+at+"data changed /app\n"+at+"deleted /app/x\n$")
}

func TestWatchShowsDataAndDifferences(t *testing.T) {
	s := quokkatest.Start(t, 1)
	c := s.Dial(t, client.Options{})
	_, err := c.Create(t.Context(), "/app", []byte("one\ntwo\n"))
	do(t, err)
	plain := start(s.Addr(0), "watch", "--data", "--count", "1", "/app")
	lines := start(s.Addr(0), "watch", "--diff", "--count", "1", "/app")
	until(t, &plain.err, "watching")
	until(t, &lines.err, "watching")
	_, err = c.Set(t.Context(), "/app", []byte("one\n2\x1b\n"), client.AnyVersion)
	do(t, err)
	plain.end(t, 0)
	lines.end(t, 0)
	matches(t, plain.out.String(), `data changed /app\n +\+-+\+\n.*\n.*\n\|00000000\| 6f 6e 65 0a 32 1b 0a .*`)
	matches(t, lines.out.String(), "data changed /app\n  binary data differs: 8 and 7 bytes\n$")

	_, err = c.Set(t.Context(), "/app", []byte("one\ntwo\n"), client.AnyVersion)
	do(t, err)
	lines = start(s.Addr(0), "watch", "--diff", "--count", "1", "/app")
	until(t, &lines.err, "watching")
	_, err = c.Set(t.Context(), "/app", []byte("one\n2\n"), client.AnyVersion)
	do(t, err)
	lines.end(t, 0)
	matches(t, lines.out.String(), "data changed /app\n  - two\n  \\+ 2\n$")
}

// A gate lets connections through to a server, or not.
type gate struct {
	net.Listener
	to string

	mu    sync.Mutex
	shut  bool
	conns []net.Conn
}

func newGate(t *testing.T, to string) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	do(t, err)
	g := &gate{Listener: l, to: to}
	t.Cleanup(func() { g.set(true); _ = l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			g.pass(in)
		}
	}()
	return g
}

func (g *gate) pass(in net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	out, err := net.Dial("tcp", g.to)
	if g.shut || err != nil {
		_ = in.Close()
		return
	}
	g.conns = append(g.conns, in, out)
	go func() { _, _ = io.Copy(out, in); _ = out.Close() }()
	go func() { _, _ = io.Copy(in, out); _ = in.Close() }()
}

func (g *gate) set(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut = shut; shut {
		for _, c := range g.conns {
			_ = c.Close()
		}
		g.conns = nil
	}
}

// TestWatchFindsWhatHappenedInAGap changes nodes while the connection is cut.
func TestWatchFindsWhatHappenedInAGap(t *testing.T) {
	s := quokkatest.Start(t, 1)
	g := newGate(t, s.Addr(0))
	c := s.Dial(t, client.Options{})
	for _, path := range []string{"/app/same", "/app/gone", "/app/new", "/app/set"} {
		do(t, c.EnsurePath(t.Context(), path))
	}
	w := start(g.Addr().String(), "watch", "-o", "json", "--count", "4", "/app")
	probe := start(g.Addr().String(), "watch", "--count", "4", "/app")
	until(t, &probe.err, "watching /app with 5 nodes")
	waitFor(t, func() bool { return number(t, s.Addr(0), "wchs", "") >= 2 }, func() string { return "two watches" })
	g.set(true)
	do(t, c.Delete(t.Context(), "/app/gone", client.AnyVersion))
	do(t, c.Delete(t.Context(), "/app/new", client.AnyVersion))
	do(t, c.EnsurePath(t.Context(), "/app/new"))
	_, err := c.Set(t.Context(), "/app/set", []byte("x"), client.AnyVersion)
	do(t, err)
	g.set(false)
	waitFor(t, func() bool { return strings.Count(w.out.String(), "\n") >= 3 }, func() string { return "three lines in " + w.out.String() })
	do(t, c.EnsurePath(t.Context(), "/app/after"))
	w.end(t, 0)
	var got []string
	for line := range strings.Lines(w.out.String()) {
		var v struct {
			Event, Path string
			Resync      bool
		}
		do(t, json.Unmarshal([]byte(line), &v))
		text := v.Event + " " + v.Path
		if v.Resync {
			text += " (resync)"
		}
		got = append(got, text)
	}
	want := "created /app/new (resync), data changed /app/set (resync), deleted /app/gone (resync), created /app/after"
	if strings.Join(got, ", ") != want {
		t.Errorf("got %q, want %s", got, want)
	}
	probe.end(t, 0)
}

// TestWatchGoesOnAfterItsSession cuts the connection until the session has
// expired.
func TestWatchGoesOnAfterItsSession(t *testing.T) {
	s := quokkatest.Start(t, 1)
	g := newGate(t, s.Addr(0))
	c := s.Dial(t, client.Options{})
	do(t, c.EnsurePath(t.Context(), "/app/gone"))
	w := start(g.Addr().String(), "-timeout", "500", "watch", "--count", "2", "/app")
	until(t, &w.err, "watching /app with 2 nodes")
	g.set(true)
	waitFor(t, func() bool { return number(t, s.Addr(0), "mntr", "zk_global_sessions") == 1 }, func() string { return "the end of the session" })
	do(t, c.Delete(t.Context(), "/app/gone", client.AnyVersion))
	g.set(false)
	until(t, &w.out, "deleted /app/gone (resync)\n")
	do(t, c.EnsurePath(t.Context(), "/app/new"))
	w.end(t, 0)
	matches(t, w.err.String(), "the session has expired; following in a new one\n")
	matches(t, w.out.String(), "created /app/new\n$")
}

// number asks a server for a number that stands behind a word, or first.
func number(t *testing.T, addr, word, key string) int {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	do(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, word)
	do(t, err)
	text, err := io.ReadAll(conn)
	do(t, err)
	_, rest, _ := strings.Cut(string(text), key)
	if strings.TrimSpace(rest) == "" {
		t.Fatalf("%s has no %s: %s", word, key, text)
	}
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	do(t, err)
	return n
}

func TestWatchEndsByCtrlC(t *testing.T) {
	s := quokkatest.Start(t, 1)
	w := start(s.Addr(0), "watch", "/app")
	until(t, &w.err, "watching /app with 0 nodes")
	self, err := os.FindProcess(os.Getpid())
	do(t, err)
	do(t, self.Signal(os.Interrupt))
	w.end(t, 130)
	if strings.Contains(w.err.String(), "interrupted") {
		t.Errorf("complains: %s", w.err.String())
	}
}

// TestLongCommandsSayThatTheSessionHasExpired ends the session under a copy.
func TestLongCommandsSayThatTheSessionHasExpired(t *testing.T) {
	s := quokkatest.Start(t, 1)
	g := newGate(t, s.Addr(0))
	c := s.Dial(t, client.Options{})
	p := c.Pipeline()
	p.Create(t.Context(), "/app", nil)
	for i := range 20_000 {
		p.Create(t.Context(), "/app/"+strconv.Itoa(i), nil)
	}
	do(t, p.Wait(t.Context()))
	w := start(g.Addr().String(), "-timeout", "500", "cp", "/app", "/copy")
	waitFor(t, func() bool {
		_, ok, err := c.Exists(t.Context(), "/copy")
		do(t, err)
		return ok
	}, func() string { return "the copy to begin" })
	g.set(true)
	waitFor(t, func() bool { return number(t, s.Addr(0), "mntr", "zk_global_sessions") == 1 }, func() string { return "the end of the session" })
	g.set(false)
	w.end(t, 1)
	if text := w.err.String(); strings.Contains(text, "interrupted") || !strings.Contains(text, "ession expired") {
		t.Errorf("says %s", text)
	}
}
