package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"quokka/internal/local"
	"quokka/internal/server"
)

type devCmd struct {
	Keep    string `help:"Keep the data in this directory instead of throwing it away." type:"path"`
	Servers int    `help:"How many servers; 1 is a standalone server." default:"3"`
}

// devPort is the client port of dev's first server, if it is free.
const devPort = 2181

// maxDevServers is how many servers dev runs at most.
const maxDevServers = 9

// A devEnsemble is several servers in one process.
type devEnsemble struct {
	env *env
	dir string

	mu      sync.Mutex
	servers []devServer
	wg      sync.WaitGroup
	failed  chan error
}

type devServer struct {
	port int    // of clients
	file string // zoo.cfg
	srv  *server.Server
	stop context.CancelFunc // nil while it is stopped
	done chan struct{}
}

// Run runs servers for development. It takes other client ports when nobody
// asked for the usual ones and those are in use.
func (c *devCmd) Run(e *env) error {
	if c.Servers < 1 || c.Servers > maxDevServers {
		return fmt.Errorf("--servers must be 1 to %d", maxDevServers)
	}
	dir := c.Keep
	if dir == "" {
		tmp, err := os.MkdirTemp("", "quokka-dev-")
		if err != nil {
			return fmt.Errorf("cannot make a directory for the data: %w", err)
		}
		defer os.RemoveAll(tmp)
		dir = tmp
	}
	if _, ok := e.overrides.flags["4lw-commands-whitelist"]; !ok {
		e.overrides.flags["4lw-commands-whitelist"] = "*"
	}
	d := &devEnsemble{env: e, dir: dir, servers: make([]devServer, c.Servers), failed: make(chan error, c.Servers)}
	if err := d.configure(); err != nil {
		return err
	}
	defer d.wg.Wait()
	for i := range d.servers {
		if err := d.start(i); err != nil {
			return errors.Join(err, d.stopAll())
		}
	}
	if err := d.ready(); err != nil {
		return errors.Join(err, d.stopAll())
	}
	d.announce()
	go d.obey(e.In)
	select {
	case <-e.ctx.Done():
		return d.stopAll()
	case err := <-d.failed:
		return errors.Join(err, d.stopAll())
	}
}

// configure chooses ports and writes a zoo.cfg and a myid for each server.
func (d *devEnsemble) configure() error {
	ports, err := d.clientPorts(len(d.servers))
	if err != nil {
		return err
	}
	delete(d.env.overrides.flags, "client-port")
	files, err := local.Configure(d.dir, ports, "tickTime=2000\ninitLimit=10\nsyncLimit=5\n")
	for i := range files {
		d.servers[i].port, d.servers[i].file = ports[i], files[i]
	}
	return err
}

// clientPorts are those asked for and the following, or the usual ones, or
// free ones.
func (d *devEnsemble) clientPorts(n int) ([]int, error) {
	first := devPort
	text, asked := d.env.overrides.flags["client-port"]
	if asked {
		var err error
		if first, err = strconv.Atoi(text); err != nil || first < 0 || first+n > 65536 {
			return nil, fmt.Errorf("--client-port must be a port, 0 to %d, and is the first of %d", 65536-n, n)
		}
	}
	ports := make([]int, n)
	for i := range ports {
		ports[i] = first + i
	}
	if asked && first != 0 || first != 0 && allFree(ports) {
		return ports, nil
	}
	if first != 0 {
		d.env.log.Info("the usual client ports are in use, taking free ones", "usual", ports)
	}
	return local.FreePorts(n)
}

func allFree(ports []int) bool {
	for _, p := range ports {
		l, err := net.Listen("tcp", net.JoinHostPort("", strconv.Itoa(p)))
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}

// start starts a server that is stopped.
func (d *devEnsemble) start(i int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := &d.servers[i]
	if s.stop != nil {
		return fmt.Errorf("server %d is running", i+1)
	}
	e := *d.env
	if len(d.servers) > 1 {
		e.log = e.log.With(slog.Int("myid", i+1))
	}
	cfg, err := e.load([]string{s.file})
	if err != nil {
		return err
	}
	srv, err := server.New(cfg, e.log)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	s.srv, s.stop, s.done = srv, stop, make(chan struct{})
	done := s.done
	d.wg.Go(func() {
		defer close(done)
		if err := srv.Run(ctx); err != nil {
			d.failed <- fmt.Errorf("server %d: %w", i+1, err)
		}
	})
	return nil
}

// halt stops a server that runs, and waits until it has ended.
func (d *devEnsemble) halt(i int) error {
	d.mu.Lock()
	s := &d.servers[i]
	stop, done := s.stop, s.done
	s.stop = nil
	d.mu.Unlock()
	if stop == nil {
		return fmt.Errorf("server %d is stopped", i+1)
	}
	stop()
	<-done
	return nil
}

func (d *devEnsemble) stopAll() error {
	for i := range d.servers {
		_ = d.halt(i) // it may be stopped already
	}
	return nil
}

// ready waits until clients are served everywhere.
func (d *devEnsemble) ready() error {
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	deadline := time.After(time.Minute)
	for i := 0; i < len(d.servers); {
		if d.servers[i].srv.Serving() {
			i++
			continue
		}
		select {
		case <-look.C:
		case <-d.env.ctx.Done():
			return nil
		case err := <-d.failed:
			return err
		case <-deadline:
			return errors.New("the servers found no leader within a minute; see the log above")
		}
	}
	return nil
}

func (d *devEnsemble) announce() {
	var addrs []string
	for i := range d.servers {
		addrs = append(addrs, fmt.Sprintf("127.0.0.1:%d", d.servers[i].port))
	}
	what := "A standalone server is"
	if len(addrs) > 1 {
		what = fmt.Sprintf("An ensemble of %d servers is", len(addrs))
	}
	fmt.Fprintf(d.env.Out, "%s ready. Connect any ZooKeeper client to:\n\n    %s\n\nData: %s\n", what, strings.Join(addrs, ","), d.dir)
	if len(addrs) > 1 {
		fmt.Fprintf(d.env.Out, "Type \"stop N\" to stop server N, \"start N\" to start it again, \"status\" to see who leads.\n")
	}
	fmt.Fprintf(d.env.Out, "Stop it with Ctrl-C.\n")
}

// obey carries out what is typed.
func (d *devEnsemble) obey(in io.Reader) {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) == 0 {
			continue
		}
		if err := d.command(words); err != nil {
			fmt.Fprintln(d.env.Out, err)
		}
	}
}

func (d *devEnsemble) command(words []string) error {
	if words[0] == "status" {
		d.status()
		return nil
	}
	n := 0
	if len(words) == 2 {
		n, _ = strconv.Atoi(words[1])
	}
	if n < 1 || n > len(d.servers) {
		return fmt.Errorf("want stop N, start N (N from 1 to %d) or status", len(d.servers))
	}
	var err error
	switch words[0] {
	case "stop", "kill":
		err = d.halt(n - 1)
	case "start":
		err = d.start(n - 1)
	default:
		return fmt.Errorf("want stop N, start N (N from 1 to %d) or status", len(d.servers))
	}
	if err == nil {
		fmt.Fprintf(d.env.Out, "server %d: done\n", n)
	}
	return err
}

func (d *devEnsemble) status() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.servers {
		s := &d.servers[i]
		mode := "stopped"
		if s.stop != nil {
			mode = s.srv.Mode()
		}
		fmt.Fprintf(d.env.Out, "server %d  127.0.0.1:%d  %s\n", i+1, s.port, mode)
	}
}
