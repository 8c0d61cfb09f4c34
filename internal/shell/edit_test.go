package shell

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"quokka/client"
	"quokka/quokkatest"
)

// screen is what was written to a terminal so far.
type screen struct {
	mu      sync.Mutex
	b       bytes.Buffer
	changed chan struct{} // closed and replaced by every write
}

func newScreen() *screen { return &screen{changed: make(chan struct{})} }

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
	return s.b.Write(p)
}

// await waits until text stands on the screen, and clears it up to there.
func (s *screen) await(t *testing.T, text string) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		s.mu.Lock()
		have, changed := s.b.String(), s.changed
		if at := strings.Index(have, text); at >= 0 {
			s.b.Next(at + len(text))
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("%q does not come, only %q", text, have)
		}
	}
}

// typist is a shell whose lines are typed, on a terminal that is a pipe.
type typist struct {
	t    *testing.T
	s    *Shell
	keys io.Writer
	*screen
}

func newTypist(t *testing.T, o Options) *typist {
	t.Helper()
	in, keys := io.Pipe()
	y := &typist{t: t, keys: keys, screen: newScreen()}
	o.In, o.Out, o.Err = in, y.screen, y.screen
	y.s = newShell(o)
	y.s.inTerminal, y.s.outTerminal, y.s.errTerminal = true, true, true
	y.s.editor = &editor{
		shell: y.s, in: in, out: y.screen, history: openHistory(filepath.Join(t.TempDir(), "history")),
		raw: func() (func(), error) { return func() {}, nil }, size: func() (int, int) { return 80, 24 },
	}
	return y
}

func (y *typist) press(keys string) {
	y.t.Helper()
	if _, err := io.WriteString(y.keys, keys); err != nil {
		y.t.Fatal(err)
	}
}

const ctrlC, ctrlD, ctrlR = "\x03", "\x04", "\x12"

// The keys go to the terminal of a real session.
func TestTyping(t *testing.T) {
	servers := quokkatest.Start(t, 1)
	other := servers.Dial(t, client.Options{})
	for _, p := range []string{"/app", "/app/config", "/app/members", "/app/members/one", "/apple", "/two words"} {
		if _, err := other.Create(t.Context(), p, []byte("data of "+p)); err != nil {
			t.Fatal(err)
		}
	}
	y := newTypist(t, Options{Servers: servers.ConnectString()})
	defer y.s.leave()
	if err := y.s.connect(); err != nil {
		t.Fatal(err)
	}
	if err := y.s.live.client.WaitConnected(t.Context()); err != nil {
		t.Fatal(err)
	}
	end := make(chan error, 1)
	go func() { end <- y.s.editor.loop(t.Context()) }()
	y.await(t, ":/> ")
	y.press("get /ap\t\t")
	y.await(t, "app")
	y.await(t, "apple") // the list
	y.press("/c\t\r")
	y.await(t, "data of /app/config\n")
	y.press("get /tw\t\r")
	y.await(t, "data of /two words\n")
	y.press("cd app\r")
	y.await(t, ":/app> ")
	y.press("get -w mem\t")
	y.await(t, "members")
	y.press("\t")
	y.await(t, "/")
	y.press("\t\r")
	y.await(t, "data of /app/members/one\n")
	y.await(t, "> ")
	y.press("half a li")
	y.await(t, "half a li")
	if _, err := other.Set(t.Context(), "/app/members/one", nil, -1); err != nil {
		t.Fatal(err)
	}
	y.await(t, "type:NodeDataChanged path:/app/members/one")
	y.await(t, "half a li") // the line is there again
	y.press("ne" + ctrlC)
	y.await(t, "> ")
	y.press("config" + ctrlR)
	y.await(t, "get /app/config")
	y.press("\r")
	y.await(t, "data of /app/config\n")
	y.press(ctrlD)
	if err := <-end; err != nil {
		t.Fatal(err)
	}
}

func TestConfirm(t *testing.T) {
	y := newTypist(t, Options{})
	c := &Call{Context: t.Context(), Err: y.s.err, shell: y.s}
	for answer, want := range map[string]bool{"y\r": true, "yes\r": true, "n\r": false, "\r": false, "yo\r": false, ctrlC: false, ctrlD: false} {
		got := make(chan error, 1)
		go func() { got <- c.Confirm("really?", "y") }()
		y.await(t, "really? [y/N] ")
		y.press(answer)
		if err := <-got; (err == nil) != want {
			t.Errorf("%q: %v", answer, err)
		}
	}
	if y.s.editor.history.Len() != 0 {
		t.Error("an answer went into the history")
	}
	y.s.inTerminal = false
	if err := c.Confirm("really?", "f"); err == nil || !strings.Contains(err.Error(), "-f") {
		t.Error(err)
	}
}

func TestLineEndsWithItsContext(t *testing.T) {
	y := newTypist(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := y.s.editor.line(ctx, "> ", true); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestComplete(t *testing.T) {
	servers := quokkatest.Start(t, 1)
	y := newTypist(t, Options{Servers: servers.ConnectString()})
	defer y.s.leave()
	if err := y.s.connect(); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"/a", "/a/b", "/a/béa", "/a/bêa", "/leaf", "/x y"} {
		if _, err := y.s.live.client.Create(t.Context(), p, nil); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	for _, c := range []struct{ line, want, list string }{
		{"", "", "*"}, {"getA", "getA", "getAcl getAllChildrenNumber"}, {"getAc", "getAcl ", ""}, {"nonsense /", "nonsense /", ""},
		{"ls /l", "ls /leaf ", ""}, {"ls l", "ls leaf ", ""}, {"ls /a", "ls /a/", ""}, {"ls /a/b", "ls /a/b", "b béa bêa"},
		{"get /x", `get "/x y" `, ""}, {`get "/x`, `get "/x y" `, ""}, {"get 'l", "get 'leaf' ", ""}, {"ls /none/", "ls /none/", ""},
		{"get --v", "get --view ", ""}, {"get --view h", "get --view hex ", ""}, {"get -o j", "get -o json ", ""}, {"get -", "get -", "*"},
		{"printwatches o", "printwatches o", "off on"}, {"printwatches of", "printwatches off ", ""}, {"help who", "help whoami ", ""},
		{"create /leaf d", "create /leaf d", ""}, {"set -v 3 /l", "set -v 3 /leaf ", ""}, {"addWatch -m PERSISTENT_", "addWatch -m PERSISTENT_RECURSIVE ", ""},
		{"set /a --file " + dir, "set /a --file " + dir, ""},
	} {
		got, names := y.s.complete(c.line)
		list := strings.Join(names, " ")
		if got != c.want && c.line != "set /a --file "+dir || c.list != "*" && list != c.list || c.list == "*" && len(names) < 3 {
			t.Errorf("%q: %q %q, want %q %q", c.line, got, list, c.want, c.list)
		}
	}
	if err := servers.Stop(0); err != nil {
		t.Fatal(err)
	}
	if got, names := y.s.complete("ls /l"); got != "ls /l" || names != nil {
		t.Errorf("without a server: %q %q", got, names)
	}
}

func TestColumns(t *testing.T) {
	var names []string
	for i := range 5 {
		names = append(names, fmt.Sprint("n", i))
	}
	if got := columns(names, 12); got != "n0  n1  n2\nn3  n4\n" {
		t.Errorf("%q", got)
	}
	if got := columns([]string{"longer than the screen"}, 5); got != "longer than the screen\n" {
		t.Errorf("%q", got)
	}
}
