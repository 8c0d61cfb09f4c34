package shell

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"quokka/client"
	"quokka/quokkatest"
)

// runLines runs lines in a shell whose output is no terminal, and returns the exit
// code of the last one and all that was printed.
func runLines(t *testing.T, o Options, lines ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr strings.Builder
	o.In, o.Out, o.Err = strings.NewReader(""), &stdout, &stderr
	s := newShell(o)
	for _, line := range lines {
		s.runLine(t.Context(), line)
	}
	s.leave()
	return s.exit, stdout.String(), stderr.String()
}

// A server that has lost its quorum answers reads to those who want that.
func TestReadOnly(t *testing.T) {
	servers := quokkatest.StartWith(t, 3, quokkatest.Options{Settings: map[string]string{"readonlymode.enabled": "true"}})
	if code, _, errs := runLines(t, Options{Servers: servers.ConnectString()}, "create /a x"); code != 0 {
		t.Fatal(errs)
	}
	for _, i := range []int{0, 1} {
		if err := servers.Stop(i); err != nil {
			t.Fatal(err)
		}
	}
	o := Options{Servers: servers.Addr(2), Client: client.Options{ReadOnly: true}, WaitForConnection: true}
	code, out, errs := runLines(t, o, "get /a", "set /a y")
	if code != exitFailed || out != "x\n" || errs != "Not a read-only call: /a\nhint: this server has lost its quorum and only answers reads\n" {
		t.Errorf("%d %q %q", code, out, errs)
	}
}

// silence takes connections and says nothing. It returns its address, and a
// channel that has a value for each connection.
func silence(t *testing.T) (addr string, came chan struct{}) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	came = make(chan struct{}, 1000)
	var conns []net.Conn
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns = append(conns, conn)
			came <- struct{}{}
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
		for _, c := range conns {
			_ = c.Close()
		}
	})
	return l.Addr().String(), came
}

// Ctrl-C ends a command that waits for a server, and the session's end does
// not wait for it either.
func TestInterrupt(t *testing.T) {
	addr, came := silence(t)
	var stdout, stderr strings.Builder
	s := newShell(Options{Servers: addr, In: strings.NewReader(""), Out: &stdout, Err: &stderr})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-came
		cancel()
	}()
	if code := s.run(ctx, []string{"ls", "/"}); code != exitInterrupted || stderr.String() != "interrupted\n" {
		t.Errorf("%d, %q", code, stderr.String())
	}
	begin := time.Now()
	s.leave()
	if took := time.Since(begin); took > 2*closeTimeout {
		t.Errorf("leaving took %v", took)
	}
}

// A patient command waits for a server where others give up.
func TestPatience(t *testing.T) {
	servers := quokkatest.Start(t, 1)
	if err := servers.Stop(0); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr strings.Builder
	s := newShell(Options{Servers: servers.ConnectString(), In: strings.NewReader(""), Out: &stdout, Err: &stderr})
	defer s.leave()
	if code := s.run(t.Context(), []string{"ls", "/"}); code != exitFailed || !strings.Contains(stderr.String(), "ConnectionLoss for /") {
		t.Errorf("%d, %q", code, stderr.String())
	}
	patient := *lsCommand
	patient.Patient = true
	done := make(chan int, 1)
	go func() {
		done <- s.runOnline(&Call{Context: t.Context(), Command: &patient, Out: s.out, Err: s.err, shell: s})
	}()
	if err := servers.Run(0); err != nil {
		t.Fatal(err)
	}
	if code := <-done; code != exitOK || stdout.String() != "[zookeeper]\n" {
		t.Errorf("%d, %q %q", code, stdout.String(), stderr.String())
	}
}

// A session that has expired says so, and connect starts another one.
func TestExpired(t *testing.T) {
	servers := quokkatest.Start(t, 1)
	var stdout, stderr strings.Builder
	unknown := &client.Session{ID: 0x77, Password: make([]byte, 16)}
	s := newShell(Options{
		Servers: servers.ConnectString(), Client: client.Options{Resume: unknown}, In: strings.NewReader(""), Out: &stdout, Err: &stderr,
	})
	defer s.leave()
	if err := s.connect(); err != nil {
		t.Fatal(err)
	}
	<-s.live.client.Done()
	s.runLine(t.Context(), "ls /")
	if s.exit != exitFailed || !strings.HasPrefix(stderr.String(), "not connected: ") {
		t.Errorf("%d %q", s.exit, stderr.String())
	}
	s.opts.Client.Resume = nil
	s.runLine(t.Context(), "connect")
	s.runLine(t.Context(), "ls /")
	if s.exit != exitOK || stdout.String() != "[zookeeper]\n" {
		t.Errorf("%d %q", s.exit, stdout.String())
	}
}
