package peers

import (
	"bytes"
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

// In these tests time is synctest's: it passes when nothing else happens.

func host(id proto.ServerID, name string) quorum.Server {
	return quorum.Server{ID: id, Addrs: []quorum.ServerAddr{{Host: name, QuorumPort: 2888, ElectionPort: 3888}}}
}

// startOn runs Peers on a network of pipes, at 10.0.0.<me>.
func startOn(t *testing.T, w *wire, o Options, servers ...quorum.Server) *running {
	t.Helper()
	ip := netip.AddrFrom4([4]byte{10, 0, 0, byte(o.Me)}).String()
	o.ElectionAddrs, o.QuorumAddrs = []string{ip + ":3888"}, []string{ip + ":2888"}
	o.Network = w.network()
	return start(t, o, servers...)
}

func TestUnreachableServersHoldUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		w.dead[netip.MustParseAddr("10.0.0.7")] = true
		servers := []quorum.Server{host(1, "10.0.0.1"), host(6, "nowhere"), host(7, "10.0.0.7"), host(8, "10.0.0.8")}
		a, b := startOn(t, w, Options{Me: 8}), startOn(t, w, Options{Me: 1})
		a.SetServers(servers)
		b.SetServers(servers)
		began := time.Now()
		for _, id := range []proto.ServerID{6, 7, 1} {
			a.Notify(id, ballot(1))
		}
		b.sink.vote(8, 1)
		if d := time.Since(began); d != 0 {
			t.Errorf("it took %v", d)
		}
		// What cannot be reached is dialled on and on: 5 s of waiting, 1 s of
		// pause. The log gets the first failure, and some of the others.
		time.Sleep(10*time.Minute - time.Second)
		if n := len(w.dialled("10.0.0.7:3888")); n != 100 {
			t.Errorf("%d dials in 10 minutes", n)
		}
		if n := a.log.count("Cannot open channel to 6 at election address nowhere/<unresolved>:3888"); n != 6 {
			t.Errorf("%d lines about 6\n%s", n, a.log)
		}
		if n := a.log.count("Cannot open channel to 7 at election address /10.0.0.7:3888"); n != 6 {
			t.Errorf("%d lines about 7\n%s", n, a.log)
		}
		// A name is resolved anew for every dial.
		w.mu.Lock()
		w.hosts["nowhere"] = netip.MustParseAddr("10.0.0.6")
		w.mu.Unlock()
		c := startOn(t, w, Options{Me: 6}, servers...)
		c.sink.vote(8, 1)
		synctest.Wait()
		if n := a.log.count("Channel to 6 is open again"); n != 1 {
			t.Errorf("%d lines\n%s", n, a.log)
		}
		for _, r := range []*running{a, b, c} {
			r.stop()
		}
	})
}

// A server that is being dialled in vain tells a better address: that one is
// tried at once.
func TestToldAddressIsTriedBesideADeadOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		w.dead[netip.MustParseAddr("10.0.0.9")] = true
		a := startOn(t, w, Options{Me: 2})
		b := startOn(t, w, Options{Me: 1}, host(2, "10.0.0.2"))
		a.SetServers([]quorum.Server{host(1, "10.0.0.9"), host(2, "10.0.0.2")})
		b.SetServers([]quorum.Server{host(1, "10.0.0.1"), host(2, "10.0.0.2")})
		began := time.Now()
		a.Notify(1, ballot(1))
		b.Notify(2, ballot(2))
		b.sink.vote(2, 1)
		a.sink.vote(1, 2)
		if d := time.Since(began); d != 0 {
			t.Errorf("it took %v\n%s\n%s", d, a.log, b.log)
		}
		a.stop()
		b.stop()
	})
}

func TestSilentStrangersAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		p := startOn(t, w, Options{Me: 2, FirstReadTimeout: 7 * time.Second, FirstPacketTimeout: 30 * time.Second})
		p.Listen(true)
		for at, want := range map[string]time.Duration{"10.0.0.2:3888": 7 * time.Second, "10.0.0.2:2888": 30 * time.Second} {
			c, err := w.dial(t.Context(), "", netip.MustParseAddrPort(at))
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if _, err := c.Write([]byte{0xff}); err != nil { // one byte is not enough
				t.Fatal(err)
			}
			if _, err := c.Read(make([]byte, 1)); err != io.EOF {
				t.Error(err)
			}
			if d := time.Since(began); d != want {
				t.Errorf("%s: closed after %v", at, d)
			}
		}
		p.sink.quiet()
		p.stop()
	})
}

func TestStrangersAreLimitedPerPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		p := startOn(t, w, Options{Me: 2})
		at := netip.MustParseAddrPort("10.0.0.2:3888")
		for range maxStrangers {
			if _, err := w.dial(t.Context(), "", at); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		began := time.Now()
		for range 3 {
			c, err := w.dial(t.Context(), "", at)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Read(make([]byte, 1)); err != io.EOF || time.Since(began) != 0 {
				t.Errorf("%v after %v", err, time.Since(began))
			}
		}
		if n := p.log.count("too many have not said yet who they are"); n != 1 {
			t.Errorf("%d lines", n)
		}
		p.stop()
	})
}

func TestPortIsBoundWithRetries(t *testing.T) {
	for name, c := range map[string]struct {
		retries, failures int
		took              time.Duration
		fails             bool
	}{
		"at last": {3, 2, 2 * time.Second, false}, "never": {3, 3, 2 * time.Second, true},
		"once": {1, 1, 0, true}, "negative": {-1, 3, 2 * time.Second, true}, "without end": {0, 1000, 1000 * time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, left := newWire(), c.failures
				n := w.network()
				n.Listen = func(ctx context.Context, a string) (net.Listener, error) {
					if left--; left >= 0 {
						return nil, syscall.EADDRINUSE
					}
					return w.listen(ctx, a)
				}
				p, err := New(Options{Me: 1, ElectionAddrs: []string{"10.0.0.1:3888"}, BindRetries: c.retries, Network: n}, newRecorder(t))
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				err = p.Bind(ctx)
				if d := time.Since(began); d != c.took || (err != nil) != c.fails {
					t.Fatalf("%v after %v", err, d)
				}
				var bind *BindError
				if c.fails && (!errors.As(err, &bind) || bind.Port != "election" || !errors.Is(err, syscall.EADDRINUSE) ||
					!strings.Contains(err.Error(), "election port 10.0.0.1:3888") || !strings.Contains(err.Error(), "server.N")) {
					t.Errorf("%v", err)
				}
			})
		})
	}
}

func TestLearnerIsHeldUntilWeLead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		leader := startOn(t, w, Options{Me: 1})
		learner := startOn(t, w, Options{Me: 2}, host(1, "10.0.0.1"))
		began := time.Now()
		learner.Dial(1<<63, 1, 10*time.Second)
		learner.Send(1<<63, proto.QuorumPacket{Type: proto.PacketFollowerInfo, Zxid: 7})
		learner.sink.next("up")
		time.Sleep(900 * time.Millisecond)
		leader.Listen(true)
		if e := leader.sink.next("accepted"); e.packet.Zxid != 7 || e.from.Observers {
			t.Errorf("%+v", e)
		}
		leader.Listen(false)
		learner.Dial(1<<63+1, 1, 10*time.Second)
		learner.sink.next("up")
		if e := learner.sink.next("down"); e.link != 1<<63+1 || time.Since(began) != 1900*time.Millisecond {
			t.Errorf("%+v after %v", e, time.Since(began))
		}
		leader.Listen(false)
		leader.Listen(true)
		learner.stop()
		if e := learner.sink.next("down"); e.link != 1<<63 || !errors.Is(e.why, errStopped) {
			t.Errorf("%+v", e)
		}
		leader.sink.next("down")
		leader.stop()
	})
}

func TestLeaderIsDialledFiveTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		p := startOn(t, w, Options{Me: 1, DialRetryDelay: 150 * time.Millisecond}, host(2, "10.0.0.2"), host(3, "nowhere"))
		began := time.Now()
		p.Dial(1<<63, 2, 10*time.Second)
		if e := p.sink.next("down"); e.link != 1<<63 || !errors.Is(e.why, syscall.ECONNREFUSED) || time.Since(began) != 600*time.Millisecond {
			t.Errorf("%v after %v", e.why, time.Since(began))
		}
		if n := len(w.dialled("10.0.0.2:2888")); n != 5 {
			t.Errorf("%d dials", n)
		}
		// What swallows the request takes all the time there is.
		w.dead[netip.MustParseAddr("10.0.0.2")] = true
		began = time.Now()
		p.Dial(1<<63+1, 2, 10*time.Second)
		if e := p.sink.next("down"); !errors.Is(e.why, context.DeadlineExceeded) || time.Since(began) != 10*time.Second {
			t.Errorf("%v after %v", e.why, time.Since(began))
		}
		for _, id := range []proto.ServerID{3, 4} { // no address, no member
			p.Dial(1<<63+2, id, 10*time.Second)
			p.sink.next("down")
		}
		p.Dial(1<<63+3, 2, 10*time.Second)
		p.Close(1<<63 + 3)
		began = time.Now()
		if e := p.sink.next("down"); !errors.Is(e.why, errClosed) || time.Since(began) != 0 {
			t.Errorf("%v after %v", e.why, time.Since(began))
		}
		p.sink.quiet()
		p.stop()
		p.Dial(1<<63+4, 2, 10*time.Second)
		p.sink.next("down")
	})
}

func TestFirstAddressThatConnectsWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		w.dead[netip.MustParseAddr("10.0.0.9")] = true
		leader := startOn(t, w, Options{Me: 2})
		leader.Listen(true)
		several := quorum.Server{ID: 2, Addrs: []quorum.ServerAddr{
			{Host: "10.0.0.9", QuorumPort: 2888}, {Host: "nowhere", QuorumPort: 2888}, {Host: "10.0.0.2", QuorumPort: 2888}}}
		p := startOn(t, w, Options{Me: 1}, several)
		began := time.Now()
		p.Dial(1<<63, 2, 10*time.Second)
		p.sink.next("up")
		p.DialAddrs(1<<63+1, []string{"10.0.0.9:2888", "10.0.0.2:2888"}, 10*time.Second)
		p.sink.next("up")
		if d := time.Since(began); d != 0 {
			t.Errorf("it took %v", d)
		}
		p.DialAddrs(1<<63+2, []string{"nonsense"}, time.Second)
		p.DialAddrs(1<<63+3, nil, time.Second)
		p.sink.next("down")
		p.sink.next("down")
		p.stop()
		leader.stop()
	})
}

// linked is a link whose other end the test plays.
func linked(t *testing.T, w *wire, o Options) (p *running, link uint64, c net.Conn) {
	t.Helper()
	p = startOn(t, w, o)
	p.Listen(true)
	c, err := w.dial(t.Context(), "", netip.MustParseAddrPort(p.opt.QuorumAddrs[0]))
	if err != nil {
		t.Fatal(err)
	}
	info := proto.QuorumPacket{Type: proto.PacketObserverInfo, Data: []byte("info")}
	if _, err := c.Write(proto.AppendQuorumPacket(nil, &info)); err != nil {
		t.Fatal(err)
	}
	return p, p.sink.next("accepted").link, c
}

func TestPeerThatStandsStillIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, link, c := linked(t, newWire(), Options{Me: 1, WriteTimeout: 9 * time.Second})
		began := time.Now()
		released := 0
		p.Send(link, proto.QuorumPacket{Type: proto.PacketProposal, Data: make([]byte, 300<<10)})
		p.Stream(link, func(w io.Writer) error {
			released++
			_, err := w.Write([]byte("x"))
			return err
		})
		// A slow one is not: 64 KiB within the time are enough.
		for range 2 {
			time.Sleep(8 * time.Second)
			if _, err := io.ReadFull(c, make([]byte, 64<<10)); err != nil {
				t.Fatal(err)
			}
		}
		if e := p.sink.next("down"); e.link != link || time.Since(began) != 25*time.Second || !isTimeout(e.why) {
			t.Errorf("%v after %v", e.why, time.Since(began))
		}
		synctest.Wait()
		if released != 1 {
			t.Errorf("the stream was called %d times", released)
		}
		p.stop()
	})
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

func TestCloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, link, _ := linked(t, newWire(), Options{Me: 1, CloseTimeout: 3 * time.Second})
		began := time.Now()
		p.Send(link, proto.QuorumPacket{Type: proto.PacketUpToDate})
		p.Close(link)
		p.Close(link)
		p.Send(link, proto.QuorumPacket{Type: proto.PacketUpToDate})
		if e := p.sink.next("down"); e.link != link || time.Since(began) != 3*time.Second || !errors.Is(e.why, errClosed) {
			t.Errorf("%v after %v", e.why, time.Since(began))
		}
		p.stop()
		p.sink.quiet()
	})
}

func TestQueueIsBoundedByBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, link, c := linked(t, newWire(), Options{Me: 1, MaxQueue: 1 << 20})
		data := make([]byte, 100<<10)
		for range 50 { // what is read makes room
			p.Send(link, proto.QuorumPacket{Type: proto.PacketProposal, Data: data})
			if _, err := io.ReadFull(c, make([]byte, packetHead+4+len(data))); err != nil {
				t.Fatal(err)
			}
		}
		for range 11 {
			p.Send(link, proto.QuorumPacket{Type: proto.PacketProposal, Data: data})
		}
		if e := p.sink.next("down"); !strings.Contains(e.why.Error(), "reads too slowly") {
			t.Errorf("%v", e.why)
		}
		p.stop()
		p.sink.quiet()
	})
}

func TestManyPacketsAreOneWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, link, c := linked(t, newWire(), Options{Me: 1})
		var want []byte
		hold := make(chan struct{})
		p.Stream(link, func(io.Writer) error { <-hold; return nil })
		for z := range proto.Zxid(100) {
			q := proto.QuorumPacket{Type: proto.PacketCommit, Zxid: z}
			p.Send(link, q)
			want = proto.AppendQuorumPacket(want, &q)
		}
		close(hold)
		got := make([]byte, 1<<20)
		n, err := c.Read(got) // a pipe's Read returns one Write
		if err != nil || !bytes.Equal(got[:n], want) {
			t.Errorf("%d bytes of %d: %v", n, len(want), err)
		}
		p.stop()
	})
}
