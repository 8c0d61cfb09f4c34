package peers

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"quokka/internal/core/quorum"
	"quokka/internal/proto"
)

const firstDialled = 1 << 63

// pair is a leader and a learner that is connected to it.
func pair(t *testing.T, o Options) (leader, learner *running, up, down uint64) {
	t.Helper()
	o.Me = 1
	leader = start(t, o)
	o.Me = 2
	learner = start(t, o)
	introduceAll(leader, learner)
	leader.Listen(true)
	return leader, learner, firstDialled, join(t, leader, learner, firstDialled)
}

// join connects a learner's link and returns the leader's number for it.
func join(t *testing.T, leader, learner *running, link uint64) uint64 {
	t.Helper()
	info := proto.QuorumPacket{
		Type: proto.PacketFollowerInfo,
		Data: proto.AppendLearnerInfo(nil, proto.LearnerInfo{Server: learner.self.ID, Protocol: proto.LearnerProtocol, Quokka: true}),
	}
	learner.Dial(link, leader.self.ID, 10*time.Second)
	learner.Send(link, info)
	learner.sink.next("up")
	e := leader.sink.next("accepted")
	if !bytes.Equal(e.packet.Data, info.Data) || !strings.HasPrefix(e.from.Remote, "127.0.0.1:") {
		t.Fatalf("%+v", e)
	}
	return e.link
}

func TestPacketsStreamsAndSnapshotsKeepTheirOrder(t *testing.T) {
	leader, learner, up, down := pair(t, Options{})
	big := strings.Repeat("snapshot", 100_000)
	learner.sink.snapshot = func(r io.Reader) (string, error) {
		if _, ok := r.(io.ByteReader); ok {
			t.Error("the recorder wraps the reader")
		}
		b := make([]byte, len(big))
		_, err := io.ReadFull(r, b)
		return string(b), err
	}
	for round := range proto.Zxid(20) {
		leader.Send(down, proto.QuorumPacket{Type: proto.PacketSnap, Zxid: round})
		leader.Stream(down, func(w io.Writer) error {
			_, err := io.WriteString(w, big)
			return err
		})
		leader.Stream(down, func(w io.Writer) error { // a range of the log
			for z := range proto.Zxid(50) {
				q := proto.QuorumPacket{Type: proto.PacketProposal, Zxid: z, Data: bytes.Repeat([]byte{byte(z)}, int(z)*100)}
				if _, err := w.Write(proto.AppendQuorumPacket(nil, &q)); err != nil {
					return err
				}
			}
			return nil
		})
		leader.Send(down, proto.QuorumPacket{Type: proto.PacketNewLeader, Zxid: round})
		learner.Send(up, proto.QuorumPacket{Type: proto.PacketAck, Zxid: round})
	}
	for round := range proto.Zxid(20) {
		if e := learner.sink.next("snap"); e.body != big || e.packet.Zxid != round || e.link != up {
			t.Fatalf("snapshot %d: %d bytes, %v", e.packet.Zxid, len(e.body), e.why)
		}
		for z := range proto.Zxid(50) {
			e := learner.sink.next("packet")
			if e.packet.Zxid != z || !bytes.Equal(e.packet.Data, bytes.Repeat([]byte{byte(z)}, int(z)*100)) {
				t.Fatalf("want proposal %d, got %v", z, e.packet.Zxid)
			}
		}
		if e := learner.sink.next("packet"); e.packet.Type != proto.PacketNewLeader || e.packet.Zxid != round {
			t.Fatalf("%+v", e)
		}
		if e := leader.sink.next("packet"); e.packet.Type != proto.PacketAck || e.packet.Zxid != round || e.link != down {
			t.Fatalf("%+v", e)
		}
	}
}

// What was queued before Close arrives, though the peer keeps sending.
func TestCloseSendsWhatIsQueued(t *testing.T) {
	leader, learner, up, down := pair(t, Options{CloseTimeout: patience})
	const n = 2000
	for z := range proto.Zxid(n) {
		leader.Send(down, proto.QuorumPacket{Type: proto.PacketInform, Zxid: z, Data: make([]byte, 1000)})
		learner.Send(up, proto.QuorumPacket{Type: proto.PacketPing, Data: make([]byte, 1000)})
	}
	leader.Close(down)
	for z := range proto.Zxid(n) {
		if e := learner.sink.next("packet"); e.packet.Zxid != z {
			t.Fatalf("want %d, got %d", z, e.packet.Zxid)
		}
	}
	if e := learner.sink.next("down"); !errors.Is(e.why, io.EOF) {
		t.Errorf("%v", e.why)
	}
	for {
		e := <-leader.sink.events
		if e.kind == "down" {
			if !errors.Is(e.why, errClosed) {
				t.Errorf("%v", e.why)
			}
			break
		}
	}
	learner.sink.quiet()
	leader.sink.quiet()
}

func TestViolationsEndTheirLinkOnly(t *testing.T) {
	leader, learner, up, down := pair(t, Options{MaxPacket: 1000})
	info := func(q proto.QuorumPacket) []byte { return proto.AppendQuorumPacket(nil, &q) }
	good := info(proto.QuorumPacket{Type: proto.PacketFollowerInfo, Data: make([]byte, 20)})
	port := leader.self.Addrs[0].QuorumPort
	for name, in := range map[string][]byte{
		"http":      []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
		"ACK":       info(proto.QuorumPacket{Type: proto.PacketAck}),
		"long info": info(proto.QuorumPacket{Type: proto.PacketFollowerInfo, Data: make([]byte, maxFirst+1)}),
		"SASL":      {0x5f, 0x24, 0x35, 0x01, 0x35, 0x01, 0xed, 0xcc, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff},
	} {
		c := dialRaw(t, port)
		c.write(in)
		if b := c.ended(); len(b) != 0 {
			t.Errorf("%s: it is answered: % x", name, b)
		}
	}
	leader.sink.quiet()
	for name, in := range map[string][]byte{
		"SNAP":     info(proto.QuorumPacket{Type: proto.PacketSnap}),
		"too long": info(proto.QuorumPacket{Type: proto.PacketRequest, Data: make([]byte, 1001)}),
	} {
		c := dialRaw(t, port)
		c.write(good, in)
		link := leader.sink.next("accepted").link
		if e := leader.sink.next("down"); e.link != link || e.why == nil {
			t.Errorf("%s: %+v", name, e)
		}
		c.ended()
	}
	leader.Send(down, proto.QuorumPacket{Type: proto.PacketPing})
	if e := learner.sink.next("packet"); e.link != up {
		t.Errorf("%+v", e)
	}
	// A SNAP body that the Sink refuses.
	learner.sink.snapshot = func(io.Reader) (string, error) { return "", errors.New("wrong signature") }
	leader.Send(down, proto.QuorumPacket{Type: proto.PacketSnap})
	leader.Stream(down, func(w io.Writer) error { _, err := w.Write(make([]byte, 100)); return err })
	learner.sink.next("snap")
	if e := learner.sink.next("down"); !strings.Contains(e.why.Error(), "wrong signature") {
		t.Errorf("%v", e.why)
	}
	leader.sink.next("down")
}

func TestObserversPortIsToldApart(t *testing.T) {
	p := start(t, Options{Me: 1, ObserverAddrs: []string{"127.0.0.1:0"}})
	_, _, observer := p.Addrs()
	info := proto.AppendQuorumPacket(nil, &proto.QuorumPacket{Type: proto.PacketObserverInfo, Data: make([]byte, 20)})
	p.ListenObservers(true)
	c := dialRaw(t, portOf(observer[0]))
	c.write(info)
	if e := p.sink.next("accepted"); !e.from.Observers || e.from.Remote != c.LocalAddr().String() {
		t.Errorf("%+v", e)
	}
	p.Listen(true)
	dialRaw(t, p.self.Addrs[0].QuorumPort).write(info)
	if e := p.sink.next("accepted"); e.from.Observers {
		t.Errorf("%+v", e)
	}
	q := start(t, Options{Me: 2})
	q.DialAddrs(firstDialled, []string{observer[0].String()}, time.Second)
	q.sink.next("up")
	q.Send(firstDialled, proto.QuorumPacket{Type: proto.PacketObserverInfo})
	p.sink.next("accepted")
}

// Every stream is called once, whatever becomes of its link.
func TestStreamsOfDeadLinksAreReleased(t *testing.T) {
	leader, learner, _, down := pair(t, Options{MaxQueue: 1 << 20})
	var called, failed atomic.Int64
	stream := func(w io.Writer) error {
		called.Add(1)
		if _, err := w.Write(make([]byte, 100)); err != nil {
			failed.Add(1)
			return err
		}
		return nil
	}
	learner.sink.snapshot = func(r io.Reader) (string, error) { return "", errors.New("enough") }
	leader.Send(down, proto.QuorumPacket{Type: proto.PacketSnap})
	const n = 1000
	for range n {
		leader.Stream(down, stream)
	}
	leader.sink.next("down")
	leader.Stream(down, stream)
	leader.Stream(12345, stream)
	leader.stop()
	leader.Stream(down, stream)
	if called.Load() != n+3 || failed.Load() < 3 {
		t.Errorf("%d calls, %d failed", called.Load(), failed.Load())
	}
}

func TestRunEndsAllAndLeaksNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	leader, learner, _, _ := pair(t, Options{})
	dead, port := listenRaw(t)
	learner.SetServers([]quorum.Server{leader.self, server(3, port, 1), server(4, port, port)})
	for id := range proto.ServerID(5) {
		learner.Notify(id, ballot(1))
	}
	leader.sink.next("vote")
	learner.Dial(firstDialled+7, 3, time.Minute) // connected, and never answered
	learner.sink.next("up")
	for range 3 {
		dialRaw(t, learner.self.Addrs[0].ElectionPort)
		dialRaw(t, leader.self.Addrs[0].QuorumPort)
	}
	learner.stop()
	leader.stop()
	downs := map[uint64]int{}
	for range 2 {
		downs[learner.sink.next("down").link]++
	}
	if downs[firstDialled] != 1 || downs[firstDialled+7] != 1 {
		t.Errorf("%v", downs)
	}
	leader.sink.next("down")
	learner.sink.quiet()
	leader.sink.quiet()
	learner.Notify(1, ballot(1))
	_ = dead.Close()
	eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= before })
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	if _, err := New(Options{}, nil); err == nil {
		t.Error("no sink")
	}
	taken, port := listenRaw(t)
	defer func() { _ = taken.Close() }()
	p, err := New(Options{BindRetries: 1, QuorumAddrs: []string{fmt.Sprint("127.0.0.1:", port)}}, newRecorder(t))
	if err != nil {
		t.Fatal(err)
	}
	var bind *BindError
	if err := p.Run(t.Context()); !errors.As(err, &bind) || bind.Port != "quorum" {
		t.Errorf("%v", err)
	}
}

// nothing is a Sink that ignores what comes.
type nothing struct{ got chan uint64 }

func (n nothing) Notification(proto.ServerID, proto.Notification)       {}
func (n nothing) Accepted(link uint64, _ Arrival, _ proto.QuorumPacket) { n.got <- link }
func (n nothing) Up(uint64)                                             {}
func (n nothing) Packet(uint64, proto.QuorumPacket)                     {}
func (n nothing) Snapshot(uint64, proto.Zxid, io.Reader) error          { return nil }
func (n nothing) Down(uint64, error)                                    {}

// One proposal to four learners: the data is shared, not copied.
func BenchmarkFanOut(b *testing.B) {
	sink := nothing{make(chan uint64, 4)}
	p, err := New(Options{QuorumAddrs: []string{"127.0.0.1:0"}}, sink)
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan error)
	if err := p.Bind(b.Context()); err != nil {
		b.Fatal(err)
	}
	go func() { done <- p.Run(b.Context()) }()
	p.Listen(true)
	_, at, _ := p.Addrs()
	var links []uint64
	for range 4 {
		c, err := net.Dial("tcp", at[0].String())
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		if _, err := c.Write(proto.AppendQuorumPacket(nil, &proto.QuorumPacket{Type: proto.PacketFollowerInfo})); err != nil {
			b.Fatal(err)
		}
		links = append(links, <-sink.got)
		go func() { _, _ = io.Copy(io.Discard, c) }()
	}
	q := proto.QuorumPacket{Type: proto.PacketProposal, Data: make([]byte, 1000)}
	b.ReportAllocs()
	for b.Loop() {
		for _, l := range links {
			p.Send(l, q)
		}
		if q.Zxid++; q.Zxid%1000 == 0 { // do not run ahead of the writers
			flushed := make(chan struct{}, len(links))
			for _, l := range links {
				p.Stream(l, func(io.Writer) error { flushed <- struct{}{}; return nil })
			}
			for range links {
				<-flushed
			}
		}
	}
}
