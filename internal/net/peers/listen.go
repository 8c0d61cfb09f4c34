package peers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"quokka/internal/core/quorum"
)

const (
	bindPause = time.Second // between tries to bind a port, as in Java

	// maxStrangers is how many connections of one port may be open that have
	// not said who they are.
	maxStrangers = 256
)

type portKind int

const (
	electionPort portKind = iota
	quorumPort
	observerPort
)

func (k portKind) String() string { return [...]string{"election", "quorum", "observer"}[k] }

// setting is what the port's address comes from, for messages.
func (k portKind) setting() string {
	return [...]string{"server.N", "server.N", "observerMasterPort"}[k]
}

// A port is a bound listener.
type port struct {
	kind portKind
	l    net.Listener

	strangers chan struct{} // a place for each connection that has not said yet who it is
}

// A BindError says which port of the ensemble could not be bound. Java exits
// with code 14 for the election port.
type BindError struct {
	Port    string // election, quorum or observer
	Address string
	Tries   int
	Err     error
	hint    string
}

func (e *BindError) Error() string {
	return fmt.Sprintf("cannot listen on the %s port %s after %d tries: %v; stop what uses it, or correct its address in %s (electionPortBindRetry sets the number of tries)",
		e.Port, e.Address, e.Tries, e.Err, e.hint)
}

func (e *BindError) Unwrap() error { return e.Err }

// Bind binds all ports, with as many tries as the options say. Run does it
// if nobody has. A second call does nothing; it is not for concurrent use.
func (p *Peers) Bind(ctx context.Context) error {
	if len(p.bound()) > 0 {
		return nil
	}
	var ports []*port
	for kind, addrs := range [][]string{p.opt.ElectionAddrs, p.opt.QuorumAddrs, p.opt.ObserverAddrs} {
		for _, a := range addrs {
			l, err := p.bind(ctx, portKind(kind), a)
			if err != nil {
				for _, o := range ports {
					_ = o.l.Close()
				}
				return err
			}
			ports = append(ports, &port{portKind(kind), l, make(chan struct{}, maxStrangers)})
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ports = ports
	return nil
}

func (p *Peers) bound() []*port {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ports
}

func (p *Peers) bind(ctx context.Context, kind portKind, address string) (net.Listener, error) {
	for try := 1; ; try++ {
		l, err := p.opt.Network.Listen(ctx, address)
		if err == nil {
			if kind == electionPort {
				p.log.Info(fmt.Sprintf("%d is accepting connections now, my election bind port: %s", p.opt.Me, l.Addr()))
			} else {
				p.log.Info("listening for learners", "port", kind.String(), "address", l.Addr().String())
			}
			return l, nil
		}
		failed := &BindError{Port: kind.String(), Address: address, Tries: try, Err: err, hint: kind.setting()}
		if try == p.opt.BindRetries {
			return nil, failed
		}
		p.log.Error("Exception while listening to address "+address, "port", kind.String(), "try", try, "error", err)
		select {
		case <-time.After(bindPause):
		case <-ctx.Done():
			failed.Err = errors.Join(err, ctx.Err())
			return nil, failed
		}
	}
}

// Addrs returns the addresses that Bind has bound, in the order of the
// options.
func (p *Peers) Addrs() (election, quorum, observer []net.Addr) {
	var v [3][]net.Addr
	for _, o := range p.bound() {
		v[o.kind] = append(v[o.kind], o.l.Addr())
	}
	return v[electionPort], v[quorumPort], v[observerPort]
}

// boundElection is where the election port is, for a server that is in no
// configuration yet.
func (p *Peers) boundElection() (v []quorum.HostPort) {
	election, _, _ := p.Addrs()
	for _, a := range election {
		if ap, err := netip.ParseAddrPort(a.String()); err == nil {
			v = append(v, quorum.HostPort{Host: ap.Addr().String(), Port: int(ap.Port())})
		}
	}
	if len(v) == 0 {
		v = []quorum.HostPort{{Host: "0.0.0.0"}} // a wildcard is ignored by the receiver
	}
	return v
}

// accept serves one port until it is closed. An error, such as too many open
// files, makes it pause and go on.
func (p *Peers) accept(o *port) {
	pause := time.Duration(0)
	for {
		c, err := o.l.Accept()
		if err == nil {
			pause = 0
			p.receive(o, c)
			continue
		}
		if p.ctx.Err() != nil {
			return
		}
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		p.log.Error("cannot accept a connection", "port", o.kind.String(), "pause", pause.String(), "error", err)
		select {
		case <-time.After(pause):
		case <-p.ctx.Done():
			return
		}
	}
}

// receive starts serving a connection, or closes it if too many have not
// said who they are.
func (p *Peers) receive(o *port, c net.Conn) {
	select {
	case o.strangers <- struct{}{}:
	default:
		_ = c.Close()
		p.mu.Lock()
		n, say := p.crowded.failed(time.Now())
		p.mu.Unlock()
		if say {
			p.log.Warn("closing a connection: too many have not said yet who they are", "port", o.kind.String(),
				"remote", c.RemoteAddr().String(), "limit", maxStrangers, "refused", n)
		}
		return
	}
	place := sync.OnceFunc(func() { <-o.strangers })
	p.mu.Lock()
	ok := p.spawn(func() {
		if o.kind == electionPort {
			p.greet(c, place)
		} else {
			p.welcome(c, o.kind == observerPort, place)
		}
	})
	p.mu.Unlock()
	if !ok {
		place()
		_ = c.Close()
	}
}
