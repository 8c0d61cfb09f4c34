package peers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"quokka/internal/core/quorum"
)

// ipStagger is how long the next of a name's addresses waits for the one
// before it to connect (RFC 8305).
const ipStagger = 250 * time.Millisecond

// lookupTimeout bounds the resolution of a name for the election port.
const lookupTimeout = 30 * time.Second

func (n Network) withDefaults() Network {
	if n.Lookup == nil {
		n.Lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	if n.Dial == nil {
		n.Dial = func(ctx context.Context, _ string, to netip.AddrPort) (net.Conn, error) {
			d := net.Dialer{KeepAlive: -1}
			return d.DialContext(ctx, "tcp", to.String())
		}
	}
	if n.Listen == nil {
		n.Listen = func(ctx context.Context, address string) (net.Listener, error) {
			c := net.ListenConfig{KeepAlive: -1}
			return c.Listen(ctx, "tcp", address)
		}
	}
	return n
}

// A dialError says which address could not be connected to.
type dialError struct {
	to  quorum.HostPort
	ip  netip.Addr // not valid if the name did not resolve
	err error
}

func (e *dialError) Error() string { return fmt.Sprintf("connect to %s: %v", e.where(), e.err) }
func (e *dialError) Unwrap() error { return e.err }

// where is the address in the form of Java's InetSocketAddress: host/ip:port.
func (e *dialError) where() string {
	host, ip := e.to.Host, "<unresolved>"
	if e.ip.IsValid() {
		ip = e.ip.String()
		if e.ip.Is6() {
			ip = "[" + ip + "]"
		}
	}
	if _, err := netip.ParseAddr(host); err == nil {
		host = ""
	}
	return host + "/" + ip + ":" + strconv.Itoa(e.to.Port)
}

// ipOf returns the IP of a socket's address, if it has one.
func ipOf(a net.Addr) netip.Addr {
	ap, _ := netip.ParseAddrPort(a.String())
	return ap.Addr().Unmap()
}

// connect resolves a name and connects to the first of its addresses that
// answers, each within the timeout. Its error is a *dialError.
func (n Network) connect(ctx context.Context, to quorum.HostPort, timeout time.Duration) (net.Conn, error) {
	ips, err := n.resolve(ctx, to.Host)
	if err != nil {
		return nil, &dialError{to: to, err: err}
	}
	return race(ctx, len(ips), ipStagger, func(ctx context.Context, i int) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		c, err := n.Dial(ctx, to.Host, netip.AddrPortFrom(ips[i], uint16(to.Port)))
		if err != nil {
			return nil, &dialError{to: to, ip: ips[i], err: err}
		}
		return c, nil
	})
}

func (n Network) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	ips, err := n.Lookup(ctx, host)
	if err == nil && len(ips) == 0 {
		err = errors.New("the name has no address")
	}
	for i, ip := range ips {
		ips[i] = ip.Unmap()
	}
	return ips, err
}
