package peers

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"quokka/internal/core/quorum"
	"quokka/internal/proto"
)

var errBroken = errors.New("broken by the test")

// A fragile connection fails after some writes.
type fragile struct {
	net.Conn
	left int
}

func (f *fragile) Write(b []byte) (int, error) {
	if f.left--; f.left < 0 {
		return 0, errBroken
	}
	return f.Conn.Write(b)
}

// fragileOn is a network whose first connections allow only so many writes.
func fragileOn(w *wire, writes ...int) Network {
	n := w.network()
	n.Dial = func(ctx context.Context, host string, to netip.AddrPort) (net.Conn, error) {
		c, err := w.dial(ctx, host, to)
		if err == nil && len(writes) > 0 {
			c = &fragile{c, writes[0]}
			writes = writes[1:]
		}
		return c, err
	}
	return n
}

// What could not be written, be it the initial message or a vote, is tried
// again a second later.
func TestFailedWritesAreRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		other := startOn(t, w, Options{Me: 1})
		sink, log := newRecorder(t), &lines{}
		p, err := New(Options{Me: 2, Network: fragileOn(w, 0, 1, 1), Log: log.logger()}, sink)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- p.Run(ctx) }()
		p.SetServers([]quorum.Server{host(1, "10.0.0.1"), host(2, "10.0.0.2")})
		began := time.Now()
		p.Notify(1, ballot(5))
		other.sink.vote(2, 5)
		if d := time.Since(began); d != 3*time.Second {
			t.Errorf("it took %v", d)
		}
		if n := log.count("Cannot open channel to 1 at election address"); n != 1 {
			t.Errorf("%d lines\n%s", n, log)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		other.stop()
	})
}

// A tired listener fails a few times.
type tired struct {
	net.Listener
	left int
}

func (l *tired) Accept() (net.Conn, error) {
	if l.left--; l.left >= 0 {
		return nil, syscall.EMFILE
	}
	return l.Listener.Accept()
}

func TestAcceptGoesOnAfterErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		n := w.network()
		n.Listen = func(ctx context.Context, a string) (net.Listener, error) {
			l, err := w.listen(ctx, a)
			return &tired{l, 12}, err
		}
		sink := newRecorder(t)
		p, err := New(Options{Me: 2, QuorumAddrs: []string{"10.0.0.2:2888"}, Network: n}, sink)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- p.Run(ctx) }()
		p.Listen(true)
		synctest.Wait()
		c, err := w.dial(ctx, "", netip.MustParseAddrPort("10.0.0.2:2888"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write(proto.AppendQuorumPacket(nil, &proto.QuorumPacket{Type: proto.PacketFollowerInfo})); err != nil {
			t.Fatal(err)
		}
		sink.next("accepted")
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		sink.next("down")
	})
}

// A stream's error ends its link, and what is written is cut there.
func TestStreamsErrorEndsTheLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, link, c := linked(t, newWire(), Options{Me: 1})
		p.Stream(link, func(w io.Writer) error { return errBroken })
		p.Send(link, proto.QuorumPacket{Type: proto.PacketNewLeader})
		if e := p.sink.next("down"); !errors.Is(e.why, errBroken) {
			t.Errorf("%v", e.why)
		}
		if b, err := io.ReadAll(c); len(b) != 0 || err != nil {
			t.Errorf("% x, %v", b, err)
		}
		p.stop()
	})
}

func TestDialErrorsTellTheAddress(t *testing.T) {
	for want, e := range map[string]dialError{
		"name/10.0.0.1:3888":     {to: quorum.HostPort{Host: "name", Port: 3888}, ip: netip.MustParseAddr("10.0.0.1")},
		"/10.0.0.1:3888":         {to: quorum.HostPort{Host: "10.0.0.1", Port: 3888}, ip: netip.MustParseAddr("10.0.0.1")},
		"name/[::1]:3888":        {to: quorum.HostPort{Host: "name", Port: 3888}, ip: netip.MustParseAddr("::1")},
		"name/<unresolved>:3888": {to: quorum.HostPort{Host: "name", Port: 3888}},
	} {
		e.err = errBroken
		if e.where() != want || !strings.Contains(e.Error(), want) || !errors.Is(&e, errBroken) {
			t.Errorf("%s: %s", want, e.Error())
		}
	}
}

// A name with several addresses: the next is tried when one fails, or is
// slow, and a late success of another is closed.
func TestNamesAddressesAreTriedInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		var all []netip.Addr
		for _, ip := range []string{"10.0.0.7", "10.0.0.8", "10.0.0.9", "10.0.0.2"} {
			all = append(all, netip.MustParseAddr(ip))
		}
		w.dead[all[0]], w.dead[all[2]] = true, true
		n := w.network()
		n.Lookup = func(context.Context, string) ([]netip.Addr, error) { return all, nil }
		l, err := w.listen(t.Context(), "10.0.0.2:1")
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		c, err := n.connect(t.Context(), quorum.HostPort{Host: "many", Port: 1}, time.Minute)
		if d := time.Since(began); err != nil || d != 2*ipStagger {
			t.Fatalf("%v after %v", err, d)
		}
		_ = c.Close()
		_ = l.Close()
		n.Lookup = func(context.Context, string) ([]netip.Addr, error) { return nil, nil }
		if _, err := n.connect(t.Context(), quorum.HostPort{Host: "none", Port: 1}, time.Minute); err == nil {
			t.Error("a name without addresses connects")
		}
	})
}
