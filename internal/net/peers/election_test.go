package peers

import (
	"bytes"
	"encoding/binary"
	"math"
	"net"
	"strings"
	"testing"
	"time"

	"quokka/internal/core/quorum"
	"quokka/internal/jute"
)

func TestNotificationsFlowBetweenAllPairs(t *testing.T) {
	a, b, c := start(t, Options{Me: 1}), start(t, Options{Me: 2, MultiAddress: true}), start(t, Options{Me: 3})
	introduceAll(a, b, c)
	all := []*running{a, b, c}
	for round := range int64(50) {
		for _, from := range all {
			for _, to := range all {
				if from == to {
					continue
				}
				// Connections may still be replaced: what counts is that the
				// newest message comes, not that it comes once.
				from.Notify(to.self.ID, ballot(round))
				for e := to.sink.next("vote"); e.server != from.self.ID || e.vote.ElectionEpoch != round; {
					e = to.sink.next("vote")
				}
			}
		}
	}
}

// connected introduces a raw server with a larger number.
func connected(t *testing.T, p *running, sid int64) *raw {
	t.Helper()
	c := dialRaw(t, p.self.Addrs[0].ElectionPort)
	c.write(message(initialV1, sid, "127.0.0.1:1"))
	return c
}

func TestLargerServersConnectionStaysAndIsReplaced(t *testing.T) {
	p := start(t, Options{Me: 2})
	first := connected(t, p, 5)
	first.write(framed(ballot(1)))
	p.sink.vote(5, 1)
	p.Notify(5, ballot(10)) // 5 is in no configuration, and answered all the same
	if n := first.round(); n != 10 {
		t.Errorf("round %d", n)
	}
	second := connected(t, p, 5)
	if n := second.round(); n != 10 { // the last message again
		t.Errorf("round %d", n)
	}
	if b := first.ended(); len(b) != 0 {
		t.Errorf("% x", b)
	}
	second.write(framed(ballot(2)))
	p.sink.vote(5, 2)
	p.Notify(5, ballot(11))
	if n := second.round(); n != 11 {
		t.Errorf("round %d", n)
	}
}

func TestSmallerServerIsDialledBack(t *testing.T) {
	for name, form := range map[string]func(port int) []byte{
		"told": func(port int) []byte {
			return appendInitial(nil, 1, []quorum.HostPort{{Host: "127.0.0.1", Port: port}}, false)
		},
		"several": func(port int) []byte {
			return appendInitial(nil, 1, []quorum.HostPort{{Host: "127.0.0.1", Port: 1}, {Host: "127.0.0.1", Port: port}}, true)
		},
		"ancient":  func(int) []byte { return jute.AppendLong(nil, 1) },
		"wildcard": func(port int) []byte { return message(initialV1, 1, "0.0.0.0:99") },
		"wrong":    func(port int) []byte { return message(initialV1, 1, "127.0.0.1:1") },
	} {
		t.Run(name, func(t *testing.T) {
			l, port := listenRaw(t)
			p := start(t, Options{Me: 2}, server(1, 1, port))
			ours := dialRaw(t, p.self.Addrs[0].ElectionPort)
			ours.write(form(port))
			if b := ours.ended(); len(b) != 0 {
				t.Errorf("% x", b)
			}
			theirs := acceptRaw(t, l)
			want := appendInitial(nil, 2, []quorum.HostPort{p.self.Addrs[0].Election()}, false)
			if got := theirs.read(len(want)); !bytes.Equal(got, want) {
				t.Errorf("got % x\nwant % x", got, want)
			}
			theirs.write(framed(ballot(3)))
			p.sink.vote(1, 3)
			p.Notify(1, ballot(4))
			if n := theirs.round(); n != 4 {
				t.Errorf("round %d", n)
			}
			// It dials again: the connection that was there is dropped for a
			// new one, which gets the last message.
			dialRaw(t, p.self.Addrs[0].ElectionPort).write(form(port))
			theirs.ended()
			again := acceptRaw(t, l)
			again.read(len(want))
			if n := again.round(); n != 4 {
				t.Errorf("round %d", n)
			}
		})
	}
}

func TestSmallerServerDropsItsConnectionAndAwaitsTheCall(t *testing.T) {
	l, port := listenRaw(t)
	p := start(t, Options{Me: 2, MultiAddress: true}, server(3, 1, port))
	p.Notify(3, ballot(1))
	p.Notify(3, ballot(2))
	c := acceptRaw(t, l)
	want := appendInitial(nil, 2, []quorum.HostPort{p.self.Addrs[0].Election()}, true)
	if got := c.ended(); !bytes.Equal(got, want) {
		t.Errorf("got % x\nwant % x", got, want)
	}
	p.Notify(3, ballot(3)) // newer ones replace what waits
	if n := connected(t, p, 3).round(); n != 3 {
		t.Errorf("round %d", n)
	}
	if n := p.log.count("Have smaller server identifier, so dropping the connection: (myId:2 --> sid:3)"); n == 0 {
		t.Errorf("the log does not tell:\n%s", p.log)
	}
}

func TestMalformedInputEndsItsConnectionOnly(t *testing.T) {
	p := start(t, Options{Me: 2})
	good := connected(t, p, 5)
	good.write(framed(ballot(1)))
	p.sink.vote(5, 1)
	initial := message(initialV1, 6, "127.0.0.1:1")
	for name, in := range map[string][]byte{
		"http":         []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		"TLS":          {0xff, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3},
		"version":      jute.AppendLong(nil, -9),
		"addr length":  message(initialV1, 6, strings.Repeat("x", 3000)),
		"addr":         message(initialV1, 6, "nonsense"),
		"own number":   message(initialV1, 2, "127.0.0.1:1"),
		"zero length":  append(bytes.Clone(initial), 0, 0, 0, 0),
		"negative":     append(bytes.Clone(initial), 0xff, 0, 0, 0),
		"large":        binary.BigEndian.AppendUint32(bytes.Clone(initial), maxVote+1),
		"anonymous":    jute.AppendLong(nil, math.MaxInt64),
		"small number": message(initialV1, -5, "127.0.0.1:1"),
	} {
		c := dialRaw(t, p.self.Addrs[0].ElectionPort)
		c.write(in)
		if b := c.ended(); len(b) != 0 {
			t.Errorf("%s: it is answered: % x", name, b)
		}
	}
	// A message that cannot be decoded is skipped.
	good.write(framed([]byte("short")), framed(ballot(2)))
	p.sink.vote(5, 2)
	p.sink.quiet()
}

func TestGuestsAreLimited(t *testing.T) {
	p := start(t, Options{Me: 2})
	var guests []*raw
	for i := range maxGuests {
		c := connected(t, p, int64(100+i))
		c.write(framed(ballot(1)))
		p.sink.next("vote")
		guests = append(guests, c)
	}
	one := connected(t, p, 99)
	one.ended()
	p.SetServers([]quorum.Server{server(99, 1, 1)}) // a member is no guest
	member := connected(t, p, 99)
	member.write(framed(ballot(2)))
	p.sink.vote(99, 2)
	for _, g := range guests {
		_ = g.Close()
	}
	eventually(t, "guests are forgotten", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.guests == 0 && len(p.voters) == 1
	})
}

// eventually polls real sockets until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !so(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("not in %v: %s", patience, what)
		}
	}
}

func TestNobodyIsToldToUnknownServers(t *testing.T) {
	p := start(t, Options{Me: 2})
	p.Notify(7, ballot(1))
	p.Notify(2, ballot(1))
	p.Notify(7, nil)
	p.Notify(7, make([]byte, maxVote+1))
	if n := p.log.count("Invalid server id: 7"); n != 1 {
		t.Errorf("%d lines:\n%s", n, p.log)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.voters) != 0 || p.guests != 0 {
		t.Errorf("%d voters, %d guests", len(p.voters), p.guests)
	}
}

// A message that fails to be written is sent on the next connection.
func TestUndeliveredMessageIsDialledFor(t *testing.T) {
	l, port := listenRaw(t)
	p := start(t, Options{Me: 2}, server(1, 1, port))
	p.Notify(1, ballot(1))
	c := acceptRaw(t, l)
	if _, err := readInitial(newVoteReader(c)); err != nil {
		t.Fatal(err)
	}
	_ = c.Conn.(*net.TCPConn).SetLinger(0)
	_ = c.Close() // a reset: the message may or may not have been written
	eventually(t, "the break is seen", func() bool { return p.log.count("Connection broken for id 1, my id = 2") == 1 })
	p.Notify(1, ballot(2))
	again := acceptRaw(t, l)
	again.read(len(appendInitial(nil, 2, []quorum.HostPort{p.self.Addrs[0].Election()}, false)))
	for n := again.round(); n != 2; n = again.round() {
		if n != 1 {
			t.Fatalf("round %d", n)
		}
	}
}
