package node

import (
	"sync"
	"sync/atomic"

	"quokka/internal/core/member"
	"quokka/internal/proto"
)

// A gate is where the goroutines of the connections wait while there is no
// leader: they read nothing more and answer nothing, pings included, so that
// a client's own clock goes on telling it the truth.
type gate struct {
	serving atomic.Bool // mode is ModeServe or ModeReadOnly

	mu   sync.Mutex
	mode member.Mode
	open chan struct{} // closed unless connections are parked
}

func newGate() *gate {
	open := make(chan struct{})
	close(open)
	return &gate{mode: member.ModeClosed, open: open}
}

// set changes the mode.
func (g *gate) set(mode member.Mode) {
	g.mu.Lock()
	defer g.mu.Unlock()
	parked := g.mode == member.ModePark
	g.mode = mode
	g.serving.Store(answers(mode))
	switch {
	case mode == member.ModePark && !parked:
		g.open = make(chan struct{})
	case mode != member.ModePark && parked:
		close(g.open)
	}
}

// state returns the mode and, for parked connections, what to wait for.
func (g *gate) state() (member.Mode, <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.mode, g.open
}

// admitted waits until clients are served. It is false when they will not
// be: the connection is closed, or is being closed.
func (n *Node) admitted() bool {
	if n.gate.serving.Load() {
		return true
	}
	mode, open := n.gate.state()
	for mode == member.ModePark {
		<-open
		mode, open = n.gate.state()
	}
	return answers(mode)
}

// answers tells whether reads are answered.
func answers(mode member.Mode) bool { return mode == member.ModeServe || mode == member.ModeReadOnly }

// Mode tells what clients get now.
func (n *Node) Mode() member.Mode {
	mode, _ := n.gate.state()
	return mode
}

// Role tells what this server does in its ensemble.
func (n *Node) Role() proto.PeerState { return proto.PeerState(n.role.Load()) }
