// Package quokkatest runs real servers inside a Go test, as net/http/httptest
// does for HTTP:
//
//	func TestMine(t *testing.T) {
//		servers := quokkatest.Start(t, 1)
//		c := servers.Dial(t, client.Options{})
//		…
//	}
//
// They listen on free ports of the loopback interface, have short ticks, keep
// their data in a temporary directory, and stop when the test ends. It owns
// those servers and nothing else; it is for tests, not for production.
package quokkatest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"quokka/client"
	"quokka/internal/config"
	"quokka/internal/local"
	"quokka/internal/server"
)

// Options are how servers differ from the usual ones.
type Options struct {
	// Settings are settings of zoo.cfg by their names, for every server.
	Settings map[string]string
	// Logger gets what the servers log. Default: nobody.
	Logger *slog.Logger
	// Dir keeps the data. Default: a temporary directory that Close removes.
	Dir string
}

// Servers are one server or an ensemble.
type Servers struct {
	dir       string
	temporary bool
	log       *slog.Logger

	mu  sync.Mutex
	all []*member
}

// A member is one server, running or not.
type member struct {
	addr string // of the client port
	file string // zoo.cfg
	srv  *server.Server
	stop context.CancelFunc // nil while it does not run
	done chan struct{}
	err  error // how it ended, once done is closed
}

const (
	maxServers = 9
	patience   = 30 * time.Second // until the servers serve
)

// defaults are settings for short tests.
var defaults = map[string]string{
	"tickTime": "100", "initLimit": "50", "syncLimit": "20",
	"minSessionTimeout": "100", "maxSessionTimeout": "60000", "maxClientCnxns": "0",
	"4lw.commands.whitelist": "*", "extendedTypesEnabled": "true", "admin.enableServer": "false", "forceSync": "no",
}

// Start runs that many servers, 1 for a standalone one, until the test ends.
// They serve when it returns.
func Start(t testing.TB, servers int) *Servers {
	t.Helper()
	return StartWith(t, servers, Options{})
}

// StartWith is Start with Options.
func StartWith(t testing.TB, servers int, o Options) *Servers {
	t.Helper()
	s, err := New(servers, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// New is Start outside of a test. Close must be called.
func New(servers int, o Options) (*Servers, error) {
	if servers < 1 || servers > maxServers {
		return nil, fmt.Errorf("quokkatest: %d servers: want 1 to %d", servers, maxServers)
	}
	s := &Servers{dir: o.Dir, log: o.Logger}
	if s.log == nil {
		s.log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if s.dir == "" {
		dir, err := os.MkdirTemp("", "quokkatest-")
		if err != nil {
			return nil, fmt.Errorf("quokkatest: %w", err)
		}
		s.dir, s.temporary = dir, true
	}
	err := s.configure(servers, o.Settings)
	for i := range s.all {
		if err == nil {
			err = s.Run(i)
		}
	}
	if err == nil {
		err = s.WaitServing()
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// configure writes a zoo.cfg and a myid for each server.
func (s *Servers) configure(n int, settings map[string]string) error {
	ports, err := local.FreePorts(n)
	if err != nil {
		return fmt.Errorf("quokkatest: %w", err)
	}
	all := maps.Clone(defaults)
	maps.Copy(all, settings)
	var common strings.Builder
	common.WriteString("clientPortAddress=127.0.0.1\n")
	for k, v := range all {
		common.WriteString(k + "=" + v + "\n")
	}
	files, err := local.Configure(s.dir, ports, common.String())
	if err != nil {
		return fmt.Errorf("quokkatest: %w", err)
	}
	for i, file := range files {
		s.all = append(s.all, &member{addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[i])), file: file})
	}
	return nil
}

// Run starts server i, from 0, again after Stop, on its port and its data. It
// does not wait until it serves.
func (s *Servers) Run(i int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.all[i]
	if m.stop != nil {
		return fmt.Errorf("quokkatest: server %d runs already", i)
	}
	cfg, _, err := config.Load(config.Args{Positional: []string{m.file}})
	if err != nil {
		return fmt.Errorf("quokkatest: server %d: %w", i, err)
	}
	srv, err := server.New(cfg, s.log.With("server", i))
	if err != nil {
		return fmt.Errorf("quokkatest: server %d: %w", i, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	m.srv, m.stop, m.done, m.err = srv, stop, make(chan struct{}), nil
	done := m.done
	go func() {
		defer close(done)
		m.err = srv.Run(ctx)
	}()
	return nil
}

// Stop stops server i and waits until it has ended. Its clients lose their
// connections, not their sessions.
func (s *Servers) Stop(i int) error {
	s.mu.Lock()
	m := s.all[i]
	stop := m.stop
	m.stop = nil
	s.mu.Unlock()
	if stop == nil {
		return nil
	}
	stop()
	<-m.done
	return m.err
}

// WaitServing waits until every server that runs serves clients.
func (s *Servers) WaitServing() error {
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	deadline := time.After(patience)
	for i := range s.all {
		for {
			s.mu.Lock()
			m := s.all[i]
			running, srv, done := m.stop != nil, m.srv, m.done
			s.mu.Unlock()
			if !running || srv.Serving() {
				break
			}
			select {
			case <-look.C:
			case <-done:
				return fmt.Errorf("quokkatest: server %d ended: %w", i, m.err)
			case <-deadline:
				return fmt.Errorf("quokkatest: server %d does not serve after %v: give Options a Logger to see why", i, patience)
			}
		}
	}
	return nil
}

// Len returns how many servers there are.
func (s *Servers) Len() int { return len(s.all) }

// Addr returns the host:port of server i, from 0.
func (s *Servers) Addr(i int) string { return s.all[i].addr }

// Mode returns what server i is doing: standalone, leader, follower,
// observer, read-only, looking for a leader, or stopped.
func (s *Servers) Mode(i int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all[i].stop == nil {
		return "stopped"
	}
	return s.all[i].srv.Mode()
}

// Leader returns the number of the server that leads, from 0, or -1. A
// standalone server leads itself.
func (s *Servers) Leader() int {
	for i := range s.all {
		if mode := s.Mode(i); mode == "leader" || mode == "standalone" {
			return i
		}
	}
	return -1
}

// ConnectString names all servers, for any client.
func (s *Servers) ConnectString() string {
	var all []string
	for _, m := range s.all {
		all = append(all, m.addr)
	}
	return strings.Join(all, ",")
}

// Dial opens a session with the servers, which ends with the test.
func (s *Servers) Dial(t testing.TB, o client.Options) *client.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := client.Dial(ctx, s.ConnectString(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Close stops the servers and removes their data if it is temporary.
func (s *Servers) Close() error {
	var errs []error
	for i := range s.all {
		errs = append(errs, s.Stop(i))
	}
	if s.temporary {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}
