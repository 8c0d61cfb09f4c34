package interop

import (
	"io"
	"net"
	"sync"
	"testing"
)

// gate forwards connections to a server while it is open and ends them while it is shut. node-zookeeper-client waits
// for ever when a server that is starting takes its connect request and does not answer, as Java's sometimes does;
// behind a gate it meets the server only when that serves.
type gate struct {
	l      net.Listener
	target string

	mu    sync.Mutex
	shut  bool
	conns map[net.Conn]bool
}

func newGate(t *testing.T, target string) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	g := &gate{l: l, target: target, conns: map[net.Conn]bool{}}
	t.Cleanup(func() {
		l.Close()
		g.setShut(true)
	})
	go g.accept()
	return g
}

func (g *gate) addr() string { return g.l.Addr().String() }

// accept ends with the listener.
func (g *gate) accept() {
	for {
		c, err := g.l.Accept()
		if err != nil {
			return
		}
		go g.forward(c)
	}
}

func (g *gate) forward(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", g.target)
	if err != nil {
		return
	}
	defer server.Close()
	if !g.admit(client, server) {
		return
	}
	defer g.forget(client, server)
	go func() {
		_, _ = io.Copy(server, client) // whichever direction ends first ends both
		server.Close()
	}()
	_, _ = io.Copy(client, server)
}

func (g *gate) admit(conns ...net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range conns {
		g.conns[c] = true
	}
	return !g.shut
}

func (g *gate) forget(conns ...net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range conns {
		delete(g.conns, c)
	}
}

// setShut shuts the gate, ending all connections, or opens it.
func (g *gate) setShut(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = shut
	for c := range g.conns {
		if shut {
			c.Close()
		}
	}
}
