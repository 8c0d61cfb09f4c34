// Package peers is the ensemble's sockets: the election port, over which
// servers exchange notifications, and the quorum port, over which a leader
// and its learners exchange packets.
//
// It owns every connection between servers, from the name that is resolved
// to the last byte that is flushed: who dials whom, which of two connections
// of a pair stays, what is sent again, how much may wait to be sent. It knows
// no rule of the election and none of Zab: what arrives goes to a Sink, and
// what must happen next is the caller's decision. It must never let one peer,
// however slow, silent, unreachable or malicious, hold up another one, and
// never do more for a malformed byte than end the connection it came on.
//
// Sources of the facts: QuorumCnxManager, Learner.connectToLeader,
// LearnerHandler, Leader.LearnerCnxAcceptor, ObserverMaster.
package peers

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"quokka/internal/core/quorum"
	"quokka/internal/proto"
)

// A Sink gets what arrives. Its methods are called from many goroutines and
// must not block for long. All calls for one link come one after the other:
// Accepted or Up first, Down last and exactly once.
type Sink interface {
	// Notification is a message of the election. The sender's number is what
	// it says it is; it need not be a member.
	Notification(from proto.ServerID, n proto.Notification)
	// Accepted says that a learner connected and sent its first packet,
	// which is FOLLOWERINFO or OBSERVERINFO.
	Accepted(link uint64, from Arrival, first proto.QuorumPacket)
	// Up says that a link asked for with Dial is connected.
	Up(link uint64)
	// Packet is the next packet of a link. Its data belongs to the receiver.
	Packet(link uint64, q proto.QuorumPacket)
	// Snapshot is called on a dialled link instead of Packet for SNAP. It
	// reads the body from r, exactly to the end of its signature; r is
	// buffered and has ReadByte. Its error ends the link.
	Snapshot(link uint64, z proto.Zxid, r io.Reader) error
	// Down says that a link has ended, and why. It is called for every link
	// that was accepted, and for every one that was dialled, connected or not.
	Down(link uint64, why error)
}

// An Arrival says how a learner came.
type Arrival struct {
	Remote    string // ip:port
	Observers bool   // on the port for observers (observerMasterPort), not on the quorum port
}

// Network is how names are resolved and connections made; nil members are
// the operating system's. TLS belongs here.
type Network struct {
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	Dial   func(ctx context.Context, host string, to netip.AddrPort) (net.Conn, error)
	Listen func(ctx context.Context, address string) (net.Listener, error)
}

// Options are what is set once. Durations and sizes that are not positive get
// the defaults, which stand at the end of their lines.
type Options struct {
	Me            proto.ServerID
	ElectionAddrs []string // host:port to listen on
	QuorumAddrs   []string
	ObserverAddrs []string // observerMasterPort; none: no such port
	MultiAddress  bool     // multiAddress.enabled: all election addresses are told to peers (initial message V2)
	BindRetries   int      // electionPortBindRetry: tries to bind a port, a second apart; 0 is without end, negative is 3
	KeepAlive     bool     // tcpKeepAlive, on election connections

	CnxTimeout         time.Duration // of connecting to one election address (cnxTimeout); 5 s
	FirstReadTimeout   time.Duration // for the initial message on the election port (quorumCnxnTimeoutMs); 10 s
	FirstPacketTimeout time.Duration // for a learner's first packet (initLimit ticks); 20 s
	DialRetryDelay     time.Duration // between tries to connect to a leader (leaderConnectDelayDuringRetryMs); 100 ms
	WriteTimeout       time.Duration // for 64 KiB, or whatever less there is to send; 15 s
	CloseTimeout       time.Duration // for sending what is queued on a link that is being closed; 1 s

	// HoldTimeout is how long a learner that comes before Listen(true) is
	// held. Java's port is closed until a server leads, and learners try five
	// times, 100 ms apart; here the port is bound all the time, and a
	// connection that was closed would not be tried again. 1 s; negative is
	// not at all.
	HoldTimeout time.Duration

	MaxPacket int // bytes of a packet's data, and of its ids (jute.maxbuffer and its extra size); 2 * 0xfffff
	MaxQueue  int // bytes that may wait to be sent on one link; 256 MiB

	Network Network
	Log     *slog.Logger
}

// withDefaults fills in what is not set.
func (o Options) withDefaults() Options {
	if o.BindRetries < 0 {
		o.BindRetries = 3 // as Java, for a value that makes no sense
	}
	o.CnxTimeout = orDefault(o.CnxTimeout, 5*time.Second)
	o.FirstReadTimeout = orDefault(o.FirstReadTimeout, 10*time.Second)
	o.FirstPacketTimeout = orDefault(o.FirstPacketTimeout, 20*time.Second)
	o.DialRetryDelay = orDefault(o.DialRetryDelay, 100*time.Millisecond)
	o.WriteTimeout = orDefault(o.WriteTimeout, 15*time.Second)
	o.CloseTimeout = orDefault(o.CloseTimeout, time.Second)
	o.HoldTimeout = cmp.Or(o.HoldTimeout, time.Second)
	o.MaxPacket = orDefault(o.MaxPacket, 2*0xfffff)
	o.MaxQueue = orDefault(o.MaxQueue, 256<<20)
	o.Network = o.Network.withDefaults()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func orDefault[T int | time.Duration](v, def T) T {
	if v <= 0 {
		return def
	}
	return v
}

// Peers are the connections to the other servers of the ensemble.
type Peers struct {
	opt  Options
	sink Sink
	log  *slog.Logger

	ctx  context.Context // ends with Run
	stop context.CancelFunc

	mu        sync.Mutex // guards what follows; nothing that can block is done under it
	ended     bool       // Run has ended or is about to: no new goroutine
	ports     []*port    // set by Bind
	servers   map[proto.ServerID]quorum.Server
	voters    map[proto.ServerID]*voter
	guests    int            // voters that are in no configuration
	observers proto.ServerID // the last number given to an observer without one
	links     map[uint64]*link
	lastLink  uint64 // the last number given to an accepted link
	gates     [2]gate
	crowded   complaint // about connections that were refused for their number

	wg sync.WaitGroup
}

// New returns Peers that listen nowhere yet.
func New(o Options, sink Sink) (*Peers, error) {
	if sink == nil {
		return nil, errors.New("peers: no sink is given")
	}
	p := &Peers{
		opt: o.withDefaults(), sink: sink,
		servers: make(map[proto.ServerID]quorum.Server), voters: make(map[proto.ServerID]*voter),
		links: make(map[uint64]*link),
	}
	p.log = p.opt.Log
	p.ctx, p.stop = context.WithCancel(context.Background())
	for i := range p.gates {
		p.gates[i].changed = make(chan struct{})
	}
	return p, nil
}

// SetServers tells the members now, this server among them. Connections to
// servers that are no members stay until they break, as in Java; what waits
// to be sent to them without a connection is forgotten.
func (p *Peers) SetServers(servers []quorum.Server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.servers)
	for _, s := range servers {
		s.Addrs = slices.Clone(s.Addrs)
		p.servers[s.ID] = s
	}
	p.guests = 0
	for _, v := range p.voters {
		if !p.member(v.sid) {
			p.guests++
		}
	}
	for _, v := range p.voters {
		p.forget(v)
	}
}

func (p *Peers) member(sid proto.ServerID) bool {
	_, ok := p.servers[sid]
	return ok
}

// electionAddrs returns where a member's election port is. Called with the
// lock held.
func (p *Peers) electionAddrs(sid proto.ServerID) []quorum.HostPort {
	var v []quorum.HostPort
	for _, a := range p.servers[sid].Addrs {
		v = append(v, a.Election())
	}
	return v
}

// quorumAddrs returns where a member's quorum port is. Called with the lock
// held.
func (p *Peers) quorumAddrs(sid proto.ServerID) []quorum.HostPort {
	var v []quorum.HostPort
	for _, a := range p.servers[sid].Addrs {
		v = append(v, a.Quorum())
	}
	return v
}
