package client_test

import (
	"net"
	"sync"
	"testing"
)

// A proxy stands before a server and can cut, freeze and refuse.
type proxy struct {
	l      net.Listener
	target string

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	frozen chan struct{} // closed when it is not frozen
	closed bool          // new connections are refused
	wg     sync.WaitGroup
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{l: l, target: target, conns: make(map[net.Conn]struct{}), frozen: make(chan struct{})}
	close(p.frozen)
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		p.thaw()
		_ = l.Close()
		p.cut()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) addr() string { return p.l.Addr().String() }

func (p *proxy) accept() {
	for {
		conn, err := p.l.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.serve(conn) })
	}
}

func (p *proxy) serve(conn net.Conn) {
	defer conn.Close()
	if !p.add(conn) {
		return
	}
	defer p.remove(conn)
	up, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer up.Close()
	if !p.add(up) {
		return
	}
	defer p.remove(up)
	var wg sync.WaitGroup
	wg.Go(func() { p.copy(up, conn); _ = up.Close() })
	wg.Go(func() { p.copy(conn, up); _ = conn.Close() })
	wg.Wait()
}

func (p *proxy) copy(to, from net.Conn) {
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		p.mu.Lock()
		gate := p.frozen
		p.mu.Unlock()
		<-gate
		if _, werr := to.Write(b[:n]); werr != nil || err != nil {
			return
		}
	}
}

func (p *proxy) add(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.conns[c] = struct{}{}
	return true
}

func (p *proxy) remove(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// cut closes all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

// refuse cuts, and closes new connections at once until accepting again.
func (p *proxy) refuse(yes bool) {
	p.mu.Lock()
	p.closed = yes
	p.mu.Unlock()
	if yes {
		p.cut()
	}
}

// freeze stops the bytes of connections, as a stopped process would.
func (p *proxy) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = make(chan struct{})
}

func (p *proxy) thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.frozen:
	default:
		close(p.frozen)
	}
}
