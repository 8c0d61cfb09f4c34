package node

import (
	"bufio"
	"io"
	"log/slog"
	"slices"
	"time"

	"quokka/internal/core/elect"
	"quokka/internal/core/member"
	"quokka/internal/core/quorum"
	"quokka/internal/core/zab"
	"quokka/internal/disk/snap"
	"quokka/internal/proto"
)

// Peers are the sockets between the servers of an ensemble. No method blocks.
type Peers interface {
	SetServers(servers []quorum.Server)
	// Notify sends a message of the election.
	Notify(to proto.ServerID, payload []byte)
	// Listen says whether learners are let in, and ListenObservers whether
	// observers are, on the port for them.
	Listen(on bool)
	ListenObservers(on bool)
	// Dial connects to the quorum port of a server, and DialAddrs to any
	// host:port; Up or Down tells.
	Dial(link uint64, to proto.ServerID)
	DialAddrs(link uint64, addrs []string)
	// Send, Stream and Close go into the order of a link.
	Send(link uint64, p proto.QuorumPacket)
	Stream(link uint64, write func(w io.Writer) error)
	Close(link uint64)
}

// History reads the log on disk, for learners that are far behind.
type History interface {
	History(from, to proto.Zxid, visit func(z proto.Zxid, payload []byte) error) error
}

// network does the effects that go to other servers.
func (n *Node) network(e *member.Effects) {
	for i := range e.Votes {
		n.vote(&e.Votes[i])
	}
	if e.Members != nil {
		n.members(e.Members)
	}
	if state, _ := n.member.Phase(); (state == proto.Leading) != n.listening {
		n.listening = !n.listening
		n.opt.Peers.Listen(n.listening)
	}
	if relaying := n.member.Relay() != nil; relaying != n.relaying {
		n.relaying = relaying
		n.opt.Peers.ListenObservers(relaying)
	}
	for i := range e.Dials {
		n.dial(&e.Dials[i])
	}
	for i := range e.Sends {
		n.send(&e.Sends[i])
	}
}

func (n *Node) dial(d *member.Dial) {
	if len(d.Addrs) == 0 {
		n.opt.Peers.Dial(uint64(d.Link), d.To)
		return
	}
	addrs := make([]string, len(d.Addrs))
	for i, a := range d.Addrs {
		addrs[i] = a.String()
	}
	n.opt.Peers.DialAddrs(uint64(d.Link), addrs)
}

func (n *Node) vote(s *elect.Send) {
	n.opt.Peers.Notify(s.To, proto.AppendNotification(nil, &s.N))
}

// members tells the sockets who there is, and shows it in /zookeeper/config.
func (n *Node) members(m *member.Members) {
	all := slices.Clone(m.Active.Servers)
	for _, s := range m.Next.Servers {
		if !slices.ContainsFunc(all, func(o quorum.Server) bool { return o.ID == s.ID }) {
			all = append(all, s)
		}
	}
	n.opt.Peers.SetServers(all)
	n.mu.Lock()
	n.state.SetConfig(m.Active.Text(), proto.Zxid(m.Active.Version))
	n.mu.Unlock()
}

func (n *Node) send(s *zab.Send) {
	link := uint64(s.Link)
	switch s.Kind {
	case zab.SendPacket:
		n.opt.Peers.Send(link, s.Packet)
	case zab.SendSnapshot:
		n.sendSnapshot(link, s.To)
	case zab.SendHistory:
		n.sendHistory(link, s.From, s.To)
	case zab.SendClose:
		if s.Why != "" {
			n.log.Debug("closing a link to another server", "why", s.Why)
		}
		n.opt.Peers.Close(link)
	}
}

// sendSnapshot puts a picture of the state as it is now on a link. Its zxid
// is least at least.
func (n *Node) sendSnapshot(link uint64, least proto.Zxid) {
	n.mu.Lock()
	view := n.state.Tree().View()
	p := snap.Picture{Zxid: max(n.state.LastZxid(), least), Sessions: n.state.Sessions().Snapshot(), View: view}
	n.mu.Unlock()
	n.opt.Peers.Send(link, proto.QuorumPacket{Type: proto.PacketSnap, Zxid: p.Zxid})
	n.opt.Peers.Stream(link, func(w io.Writer) error {
		defer n.giveBack(view.Close)
		err := snap.WriteBody(n.tellProgress(w, p.Zxid), p)
		n.inbox.post(input{kind: inputStreamed, link: zab.Link(link)})
		return err
	})
}

// giveBack has the loop close a view.
func (n *Node) giveBack(closeView func()) {
	if !n.inbox.post(input{kind: inputView, done: closeView}) {
		n.mu.Lock()
		closeView()
		n.mu.Unlock()
	}
}

// sendHistory puts old records of the log on a link, each one committed.
func (n *Node) sendHistory(link uint64, from, to proto.Zxid) {
	n.opt.Peers.Stream(link, func(w io.Writer) error {
		b := bufio.NewWriterSize(w, 64<<10)
		var buf []byte
		err := n.opt.History.History(from, to, func(z proto.Zxid, payload []byte) error {
			buf = proto.AppendQuorumPacket(buf[:0], &proto.QuorumPacket{Type: proto.PacketProposal, Zxid: z, Data: payload})
			buf = proto.AppendQuorumPacket(buf, &proto.QuorumPacket{Type: proto.PacketCommit, Zxid: z})
			_, err := b.Write(buf)
			return err
		})
		if err == nil {
			err = b.Flush()
		}
		n.inbox.post(input{kind: inputStreamed, link: zab.Link(link)})
		return err
	})
}

// Notification is a message of the election from another server.
func (n *Node) Notification(from proto.ServerID, v proto.Notification) {
	n.inbox.post(input{kind: inputVote, server: from, vote: &v})
}

// Accepted is a learner's connection with its first packet; observers says
// that it came to the port for observers.
func (n *Node) Accepted(link uint64, observers bool, first proto.QuorumPacket) {
	kind := inputLearner
	if observers {
		kind = inputObserver
	}
	n.inbox.post(input{kind: kind, link: zab.Link(link), packet: first})
}

// Up says that a connection that was asked for stands.
func (n *Node) Up(link uint64) { n.inbox.post(input{kind: inputLinkUp, link: zab.Link(link)}) }

// Packet is a packet on a link.
func (n *Node) Packet(link uint64, p proto.QuorumPacket) {
	n.inbox.post(input{kind: inputPacket, link: zab.Link(link), packet: p})
}

// Snapshot reads the body that follows SNAP into memory.
func (n *Node) Snapshot(link uint64, z proto.Zxid, r io.Reader) error {
	from := &heardReader{node: n, link: zab.Link(link), r: r, progress: progress{log: n.log, what: "receiving a snapshot", zxid: z, logged: time.Now()}}
	t, s, err := snap.ReadBody(from, n.opt.SnapOptions)
	if err != nil {
		return err
	}
	id := n.opt.Journal.Hold(t, s, z)
	if !n.inbox.post(input{kind: inputSnapReceived, link: zab.Link(link), zxid: z, snapshot: id}) {
		n.opt.Journal.Forget(id)
	}
	return nil
}

// progress tells how far a long transfer of a snapshot has come.
type progress struct {
	log    *slog.Logger
	what   string
	zxid   proto.Zxid
	bytes  int64
	next   int64 // bytes at which the clock is asked again
	logged time.Time
}

const (
	progressInterval = 5 * time.Second
	progressStep     = 1 << 20
)

func (p *progress) add(n int) {
	if p.bytes += int64(n); p.bytes < p.next {
		return
	}
	p.next = p.bytes + progressStep
	if now := time.Now(); now.Sub(p.logged) >= progressInterval {
		p.logged = now
		p.log.Info(p.what, "zxid", p.zxid.String(), "bytes", p.bytes)
	}
}

// A progressWriter counts what is sent of a snapshot.
type progressWriter struct {
	w io.Writer
	progress
}

func (n *Node) tellProgress(w io.Writer, z proto.Zxid) io.Writer {
	return &progressWriter{w: w, progress: progress{log: n.log, what: "sending a snapshot", zxid: z, logged: time.Now()}}
}

// Write implements [io.Writer].
func (w *progressWriter) Write(p []byte) (int, error) {
	k, err := w.w.Write(p)
	w.add(k)
	return k, err
}

// A heardReader lets the member know that a large snapshot is still coming.
type heardReader struct {
	node *Node
	link zab.Link
	r    io.Reader
	told int64 // running time
	progress
}

// Read implements [io.Reader].
func (h *heardReader) Read(p []byte) (int, error) {
	k, err := h.r.Read(p)
	h.add(k)
	if now := h.node.RunningMS(); k > 0 && now-h.told > heardEveryMS {
		h.told = now
		h.node.inbox.post(input{kind: inputHeard, link: h.link})
	}
	return k, err
}

const heardEveryMS = 250

// Down says that a link has ended.
func (n *Node) Down(link uint64, why error) {
	text := "the connection was closed"
	if why != nil {
		text = why.Error()
	}
	n.inbox.post(input{kind: inputLinkDown, link: zab.Link(link), why: text})
}
