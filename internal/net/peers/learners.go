package peers

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"quokka/internal/core/quorum"
	"quokka/internal/proto"
)

const (
	dialTries = 5 // per address of a leader (Learner.connectToLeader)

	// maxFirst is the longest data of a learner's first packet in bytes; it
	// is a LearnerInfo of 20, and what later versions put behind it.
	maxFirst = 4096
)

// A gate lets learners in. Guarded by Peers.mu.
type gate struct {
	open    bool
	changed chan struct{} // closed when open changes
}

const (
	quorumGate = iota
	observerGate
)

// Listen says whether learners are accepted on the quorum port: while this
// server leads. Links that are up are not touched.
func (p *Peers) Listen(on bool) { p.setGate(quorumGate, on) }

// ListenObservers says whether learners are accepted on the port for
// observers: while this server leads or follows (ObserverMaster).
func (p *Peers) ListenObservers(on bool) { p.setGate(observerGate, on) }

func (p *Peers) setGate(which int, on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := &p.gates[which]
	if g.open == on {
		return
	}
	g.open = on
	close(g.changed)
	g.changed = make(chan struct{})
}

// passes waits a little for the gate to open, and tells whether it is.
func (p *Peers) passes(which int) bool {
	timer := time.NewTimer(max(p.opt.HoldTimeout, 0))
	defer timer.Stop()
	for {
		p.mu.Lock()
		g := p.gates[which]
		p.mu.Unlock()
		if g.open || p.opt.HoldTimeout < 0 {
			return g.open
		}
		select {
		case <-g.changed:
		case <-timer.C:
			return false
		case <-p.ctx.Done():
			return false
		}
	}
}

// welcome serves a connection that came to the quorum port or the port for
// observers.
func (p *Peers) welcome(c net.Conn, observers bool, place func()) {
	defer place()
	defer p.guard(c)()
	from := Arrival{Remote: c.RemoteAddr().String(), Observers: observers}
	which := quorumGate
	if observers {
		which = observerGate
	}
	if !p.passes(which) {
		p.log.Info("closing a learner's connection: this server does not lead", "remote", from.Remote)
		return
	}
	r := bufio.NewReaderSize(c, linkBuffer)
	first, err := p.firstPacket(c, r)
	if err != nil {
		p.log.Warn("closing a learner's connection that began with no FOLLOWERINFO or OBSERVERINFO",
			"remote", from.Remote, "error", err)
		return
	}
	place()
	p.mu.Lock()
	if p.ended || !p.gates[which].open {
		p.mu.Unlock()
		return
	}
	p.lastLink++
	l := p.newLink(p.lastLink, true)
	p.mu.Unlock()
	l.connected()
	l.run(c, r, func() { p.sink.Accepted(l.id, from, first) })
}

func (p *Peers) firstPacket(c net.Conn, r *bufio.Reader) (q proto.QuorumPacket, err error) {
	if err := c.SetReadDeadline(time.Now().Add(p.opt.FirstPacketTimeout)); err != nil {
		return q, err
	}
	head, err := r.Peek(4)
	if err != nil {
		return q, err
	}
	q.Type = proto.PacketType(int32(binary.BigEndian.Uint32(head)))
	if q.Type != proto.PacketFollowerInfo && q.Type != proto.PacketObserverInfo {
		return q, fmt.Errorf("first packet is %v", q.Type)
	}
	q, err = (packetReader{r}).next(maxFirst)
	_ = c.SetReadDeadline(time.Time{}) // a socket that refuses has an error for the next read
	return q, err
}

// Dial connects a link to the quorum port of a server: five tries at each of
// its addresses, all addresses at once, within the timeout; the first that
// connects is used. Up or Down tells how it went; what is sent before Up
// waits. The number must be new.
func (p *Peers) Dial(link uint64, to proto.ServerID, timeout time.Duration) {
	p.mu.Lock()
	addrs := p.quorumAddrs(to)
	p.mu.Unlock()
	if len(addrs) == 0 {
		p.sink.Down(link, fmt.Errorf("cannot connect to server %d: it is not in the configuration", to))
		return
	}
	p.dial(link, addrs, timeout)
}

// DialAddrs is Dial for addresses that are in no configuration, each
// host:port: observers connect to an observer master.
func (p *Peers) DialAddrs(link uint64, addrs []string, timeout time.Duration) {
	to := make([]quorum.HostPort, 0, len(addrs))
	for _, a := range addrs {
		h, err := parseHostPort(a)
		if err != nil {
			p.sink.Down(link, fmt.Errorf("cannot connect to %q: %w", a, err))
			return
		}
		to = append(to, h)
	}
	if len(to) == 0 {
		p.sink.Down(link, errors.New("no address to connect to is given"))
		return
	}
	p.dial(link, to, timeout)
}

func (p *Peers) dial(id uint64, addrs []quorum.HostPort, timeout time.Duration) {
	p.mu.Lock()
	started := false
	if !p.ended {
		l := p.newLink(id, false)
		started = p.spawn(func() { l.connect(addrs, timeout) })
	}
	p.mu.Unlock()
	if !started {
		p.sink.Down(id, errStopped)
	}
}

// connect is the life of a dialled link.
func (l *link) connect(addrs []quorum.HostPort, timeout time.Duration) {
	ctx, cancel := context.WithTimeout(l.ctx, timeout)
	c, err := race(ctx, len(addrs), 0, func(ctx context.Context, i int) (net.Conn, error) {
		return l.p.tryLeader(ctx, addrs[i], timeout)
	})
	cancel()
	if err == nil && !l.connected() {
		_ = c.Close()
		err = errClosed
	}
	if err != nil {
		l.fail(err)
		l.finish()
		return
	}
	l.p.log.Info("Successfully connected to leader, using address: " + c.RemoteAddr().String())
	l.run(c, bufio.NewReaderSize(c, linkBuffer), func() { l.p.sink.Up(l.id) })
}

// tryLeader tries one address up to five times, as long as ctx allows.
func (p *Peers) tryLeader(ctx context.Context, to quorum.HostPort, timeout time.Duration) (net.Conn, error) {
	for try := 1; ; try++ {
		c, err := p.opt.Network.connect(ctx, to, timeout)
		if err == nil || ctx.Err() != nil || try == dialTries {
			return c, err
		}
		p.log.Warn("cannot connect to the leader, trying again", "address", to.String(), "try", try, "error", err)
		select {
		case <-time.After(p.opt.DialRetryDelay):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// Send queues a packet. The caller must not change its data any more; it may
// be queued on any number of links. On a link that has ended it is dropped.
func (p *Peers) Send(link uint64, q proto.QuorumPacket) {
	if l := p.link(link); l != nil {
		l.push(item{packet: q})
	}
}

// Stream queues a function that writes, after all that was queued before. It
// is called exactly once, from another goroutine; if the link has ended or
// ends, with a writer that fails. Its error ends the link.
func (p *Peers) Stream(link uint64, write func(w io.Writer) error) {
	l := p.link(link)
	if l != nil && l.push(item{stream: write}) {
		return
	}
	dead := []item{{stream: write}}
	p.mu.Lock()
	started := p.spawn(func() { abandon(dead, errClosed) })
	p.mu.Unlock()
	if !started {
		abandon(dead, errStopped)
	}
}

// Close ends a link once what is queued is sent, or after CloseTimeout. What
// the peer still sends is dropped.
func (p *Peers) Close(link uint64) {
	if l := p.link(link); l != nil {
		l.close()
	}
}

func (p *Peers) link(id uint64) *link {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.links[id]
}
