package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"
)

// inTurn shuffles addresses and puts IPv6 and IPv4 in turn, IPv6 first
// (RFC 8305).
func inTurn(addrs []string) []string {
	var six, four []string
	for _, a := range addrs {
		if ip, err := netip.ParseAddr(a); err == nil && ip.Is6() && !ip.Is4In6() {
			six = append(six, a)
		} else {
			four = append(four, a)
		}
	}
	shuffle := func(l []string) { rand.Shuffle(len(l), func(i, j int) { l[i], l[j] = l[j], l[i] }) }
	shuffle(six)
	shuffle(four)
	var out []string
	for i := range max(len(six), len(four)) {
		if i < len(six) {
			out = append(out, six[i])
		}
		if i < len(four) {
			out = append(out, four[i])
		}
	}
	return out
}

// stagger is the head start of one address over the next (RFC 8305,
// Connection Attempt Delay).
const stagger = 250 * time.Millisecond

// A dialer makes one connection, as net.Dialer.DialContext does.
type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// race dials addresses one after the other with a small delay, or at once
// when one fails, and returns the first connection.
func race(ctx context.Context, addrs []string, dial dialer) (net.Conn, error) {
	if len(addrs) == 1 {
		return dial(ctx, "tcp", addrs[0])
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // tells those still dialing that they have lost
	results := make(chan racer)
	timer := time.NewTimer(0)
	defer timer.Stop()
	running := 0
	var errs []error
	for {
		select {
		case <-timer.C:
			if len(addrs) > 0 {
				go run(ctx, addrs[0], dial, results)
				addrs = addrs[1:]
				running++
				timer.Reset(stagger)
			}
		case r := <-results:
			if r.err == nil {
				return r.conn, nil
			}
			errs = append(errs, r.err)
			if running--; running == 0 && len(addrs) == 0 {
				return nil, errors.Join(errs...)
			}
			timer.Reset(0)
		case <-ctx.Done():
			return nil, errors.Join(append(errs, ctx.Err())...)
		}
	}
}

// A racer is how one address did.
type racer struct {
	conn net.Conn
	err  error
}

func run(ctx context.Context, addr string, dial dialer, results chan<- racer) {
	conn, err := dial(ctx, "tcp", addr)
	select {
	case results <- racer{conn, err}:
	case <-ctx.Done(): // another was faster
		if conn != nil {
			_ = conn.Close()
		}
	}
}
