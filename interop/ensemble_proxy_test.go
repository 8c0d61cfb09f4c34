package interop

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// proxyNet is the network between the servers of an ensemble: every server reaches every other through ports of its
// own, so that what goes from one server to another can be held back, whoever opened the connection.
//
// A server that is called on its election port by a lower id calls back on the address that the caller sent
// (QuorumCnxManager.handleConnection); the proxy puts its own address in there, so that no connection goes around it.
type proxyNet struct {
	members map[int]*ensembleMember
	doors   map[pair]*proxyDoor
	links   map[pair]*proxyLink
}

// pair is a direction: from one server id to another.
type pair struct{ from, to int }

// proxyDoor is where one server calls another.
type proxyDoor struct {
	quorum, election net.Listener
}

// proxyLink is what goes from one server to another. While it is cut, nothing is read from its connections, so that
// bytes stay where a real network would lose and repeat them; after the cut they arrive.
type proxyLink struct {
	mu    sync.Mutex
	open  chan struct{} // closed while bytes may pass
	conns map[net.Conn]bool
}

const proxyDialLimit = 2 * time.Second

func newProxyNet(t *testing.T, members []*ensembleMember) *proxyNet {
	t.Helper()
	n := &proxyNet{members: map[int]*ensembleMember{}, doors: map[pair]*proxyDoor{}, links: map[pair]*proxyLink{}}
	for _, m := range members {
		n.members[m.id] = m
	}
	for _, a := range members {
		for _, b := range members {
			if a == b {
				continue
			}
			open := make(chan struct{})
			close(open)
			n.links[pair{a.id, b.id}] = &proxyLink{open: open, conns: map[net.Conn]bool{}}
			n.doors[pair{a.id, b.id}] = &proxyDoor{quorum: steadyListener(t), election: steadyListener(t)}
		}
	}
	for p, door := range n.doors {
		go n.accept(p, door.quorum, n.members[p.to].quorum, false)
		go n.accept(p, door.election, n.members[p.to].election, true)
	}
	t.Cleanup(n.close)
	return n
}

func steadyListener(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", steadyPort(t)))
	must(t, err)
	return l
}

func listenerPort(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

// ports are where one server must call another.
func (n *proxyNet) ports(from, to int) (quorum, election int) {
	door := n.doors[pair{from, to}]
	return listenerPort(door.quorum), listenerPort(door.election)
}

// accept ends with the listener.
func (n *proxyNet) accept(p pair, l net.Listener, port int, election bool) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go n.carry(p, c, port, election)
	}
}

// carry forwards one connection in both directions until either end closes.
func (n *proxyNet) carry(p pair, caller net.Conn, port int, election bool) {
	defer caller.Close()
	there, back := n.links[p], n.links[pair{p.to, p.from}]
	there.hold(caller)
	defer there.release(caller)
	if there.pass() != nil || back.pass() != nil { // a call while cut waits as its packets would
		return
	}
	called, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), proxyDialLimit)
	if err != nil {
		return
	}
	defer called.Close()
	back.hold(called)
	defer back.release(called)
	var group sync.WaitGroup
	group.Go(func() {
		back.copy(caller, called)
		caller.Close()
		called.Close()
	})
	if !election || n.introduce(p, called, caller) == nil {
		there.copy(called, caller)
	}
	caller.Close()
	called.Close()
	group.Wait()
}

// introduce forwards the first message of an election connection with the caller's address replaced.
func (n *proxyNet) introduce(p pair, to io.Writer, from io.Reader) error {
	var head [20]byte // protocol version, id, length of the address
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return err
	}
	if version := int64(binary.BigEndian.Uint64(head[:])); version != -65536 && version != -65535 {
		_, err := to.Write(head[:]) // not what this proxy knows: let it through
		return err
	}
	length := binary.BigEndian.Uint32(head[16:])
	if length > 4096 {
		return errors.New("address too long")
	}
	if _, err := io.CopyN(io.Discard, from, int64(length)); err != nil {
		return err
	}
	_, election := n.ports(p.to, p.from)
	address := fmt.Sprintf("127.0.0.1:%d", election)
	message := binary.BigEndian.AppendUint32(head[:16:16], uint32(len(address)))
	_, err := to.Write(append(message, address...))
	return err
}

func (l *proxyLink) hold(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[c] = true
}

func (l *proxyLink) release(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
}

// pass waits until bytes may pass.
func (l *proxyLink) pass() error {
	l.mu.Lock()
	open := l.open
	l.mu.Unlock()
	select {
	case <-open:
		return nil
	case <-time.After(ensembleDeadline):
		return errors.New("cut for too long")
	}
}

func (l *proxyLink) copy(to io.Writer, from io.Reader) {
	b := make([]byte, 1<<16)
	for {
		n, err := from.Read(b)
		if n > 0 {
			if l.pass() != nil {
				return
			}
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// cut holds back what goes from one server to another.
func (n *proxyNet) cut(from, to int) {
	l := n.links[pair{from, to}]
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.open:
		l.open = make(chan struct{})
	default:
	}
}

// cutBoth holds back both directions.
func (n *proxyNet) cutBoth(a, b int) {
	n.cut(a, b)
	n.cut(b, a)
}

// isolate holds back everything between a server and the others.
func (n *proxyNet) isolate(id int) {
	for other := range n.members {
		if other != id {
			n.cutBoth(id, other)
		}
	}
}

// heal ends all cuts; what was held back arrives.
func (n *proxyNet) heal() {
	for _, l := range n.links {
		l.mu.Lock()
		select {
		case <-l.open:
		default:
			close(l.open)
		}
		l.mu.Unlock()
	}
}

// reset breaks all connections in which a server sends to another.
func (n *proxyNet) reset(from, to int) {
	l := n.links[pair{from, to}]
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		c.Close()
	}
}

// drop breaks all connections of a server; what a cut held back is lost.
func (n *proxyNet) drop(id int) {
	for p := range n.links {
		if p.from == id || p.to == id {
			n.reset(p.from, p.to)
		}
	}
}

func (n *proxyNet) close() {
	for _, door := range n.doors {
		door.quorum.Close()
		door.election.Close()
	}
	n.heal()
	for p := range n.links {
		n.reset(p.from, p.to)
	}
}
