package admin

import (
	"strconv"
	"time"

	"quokka/internal/metrics"
	"quokka/internal/proto"
)

// javaDate is the layout of Java's Date.toString.
const javaDate = "Mon Jan 02 15:04:05 MST 2006"

func (w *Words) srvr(p *printer, _ []byte) {
	st := w.source.Status()
	if st.Mode == "" {
		p.line(NotServing)
		return
	}
	w.versionLine(p)
	w.statistics(p, &st)
}

func (w *Words) stat(p *printer, _ []byte) {
	st := w.source.Status()
	if st.Mode == "" {
		p.line(NotServing)
		return
	}
	w.versionLine(p)
	p.line("Clients:")
	w.connections(p, true)
	p.line()
	w.statistics(p, &st)
}

func (w *Words) versionLine(p *printer) {
	p.line("Zookeeper version: ", w.version)
	if w.source.ReadOnly() {
		p.line("READ-ONLY mode; serving only read-only clients")
	}
}

// statistics are Java's ServerStats.toString, the node count, and of a leader the sizes of its proposals.
func (w *Words) statistics(p *printer, st *Status) {
	m := w.source.Metrics()
	l := &m.RequestLatency
	p.field("Latency min/avg/max: ", l.Min())
	p.text("/", metrics.FormatDouble(l.Avg()))
	p.row("/", l.Max())
	p.row("Received: ", m.PacketsReceived.Load())
	p.row("Sent: ", m.PacketsSent.Load())
	p.row("Connections: ", int64(st.Connections))
	p.row("Outstanding: ", int64(st.Outstanding))
	p.line("Zxid: ", st.Zxid.String())
	p.line("Mode: ", st.Mode)
	p.row("Node count: ", int64(st.NodeCount))
	if e := st.Ensemble; e != nil && e.Leading != nil {
		sizes := &e.Leading.Proposals
		p.field("Proposal sizes last/min/max: ", sizes.Last)
		p.field("/", sizes.Min)
		p.row("/", sizes.Max)
	}
}

func (w *Words) cons(p *printer, _ []byte) {
	w.connections(p, false)
	p.line()
}

func (w *Words) connections(p *printer, brief bool) {
	for c := range w.source.Connections() {
		p.connection(&c, brief)
		if p.failed() {
			return
		}
	}
}

func (p *printer) connection(c *ConnInfo, brief bool) {
	p.text(" ", javaAddr(c.Remote), "[")
	p.hex(int64(c.InterestOps))
	p.field("](queued=", c.Queued)
	p.field(",recved=", c.Received)
	p.field(",sent=", c.Sent)
	if !brief && c.Session != 0 {
		p.text(",sid=", c.Session.String(), ",lop=", c.LastOp)
		p.field(",est=", c.Established.UnixMilli())
		p.field(",to=", int64(c.TimeoutMS))
		if c.LastCxid >= 0 {
			p.text(",lcxid=0x")
			p.hex(c.LastCxid)
		}
		p.text(",lzxid=", c.LastZxid.String())
		p.field(",lresp=", c.LastResponseMS)
		p.field(",llat=", c.LastLatencyMS)
		p.field(",minlat=", c.MinLatencyMS)
		p.field(",avglat=", c.AvgLatencyMS)
		p.field(",maxlat=", c.MaxLatencyMS)
	}
	p.line(")")
}

func (w *Words) conf(p *printer, _ []byte) {
	c := w.source.Conf()
	data, log := w.source.DirSizes()
	p.row("clientPort=", int64(c.ClientPort))
	p.row("secureClientPort=", int64(c.SecureClientPort))
	p.line("dataDir=", c.DataDir)
	p.row("dataDirSize=", data)
	p.line("dataLogDir=", c.DataLogDir)
	p.row("dataLogSize=", log)
	p.row("tickTime=", int64(c.TickTimeMS))
	p.row("maxClientCnxns=", int64(c.MaxClientCnxns))
	p.row("minSessionTimeout=", int64(c.MinSessionTimeoutMS))
	p.row("maxSessionTimeout=", int64(c.MaxSessionTimeoutMS))
	p.row("clientPortListenBacklog=", int64(c.ClientPortListenBacklog))
	p.row("serverId=", c.ServerID)
	if c.Ensemble != nil {
		p.ensemble(c.Ensemble)
	}
}

// ensemble prints what QuorumZooKeeperServer.dumpConf and ReadOnlyZooKeeperServer.dumpConf add. The text of the
// configuration has no newline at its end.
func (p *printer) ensemble(c *EnsembleConf) {
	p.row("initLimit=", int64(c.InitLimit))
	p.row("syncLimit=", int64(c.SyncLimit))
	p.row("electionAlg=", int64(c.ElectionAlg))
	p.ports("electionPort=", c.ElectionPorts)
	p.ports("quorumPort=", c.QuorumPorts)
	peerType := int64(0) // Java's QuorumPeer.LearnerType
	if c.Observer {
		peerType = 1
	}
	p.row("peerType=", peerType)
	if c.Membership != "" {
		p.line("membership: ")
		p.text(c.Membership)
	}
}

func (p *printer) ports(name string, ports []int) {
	for i, port := range ports {
		if i > 0 {
			name = "|"
		}
		p.field(name, int64(port))
	}
	p.line()
}

func (w *Words) dirs(p *printer, _ []byte) {
	data, log := w.source.DirSizes()
	p.row("datadir_size: ", data)
	p.row("logdir_size: ", log)
}

func (w *Words) dump(p *printer, _ []byte) {
	p.line("SessionTracker dump:")
	local, hasLocal := w.source.LocalSessionExpiries()
	if hasLocal {
		p.text("Local Session ")
		expiries(p, local, func(id proto.SessionID) { p.line("\t", id.String()) })
	}
	if e, ok := w.source.SessionExpiries(); ok {
		if hasLocal {
			p.text("Global ")
		}
		p.text("Session ")
		expiries(p, e, func(id proto.SessionID) { p.line("\t", id.String()) })
	} else {
		w.timeouts(p)
	}
	p.line("ephemeral nodes dump:")
	sessions, owners := w.source.Ephemerals()
	p.line("Sessions with Ephemerals (", strconv.Itoa(sessions), "):")
	for id, paths := range owners {
		p.line(id.String(), ":")
		p.indented(paths)
		if p.failed() {
			return
		}
	}
	p.line("Connections dump:")
	p.text("Connections ")
	expiries(p, w.source.ConnectionExpiries(), func(c ConnInfo) {
		p.line("\tip: ", javaAddr(c.Remote), " sessionId: ", c.Session.String())
	})
}

// timeouts prints the sessions as Java's LearnerSessionTracker does.
func (w *Words) timeouts(p *printer) {
	sessions, each := w.source.SessionTimeouts()
	p.line("Global Sessions(", strconv.Itoa(sessions), "):")
	for id, ms := range each {
		p.field(id.String()+"\t", int64(ms))
		p.line("ms")
		if p.failed() {
			return
		}
	}
}

// expiries prints buckets as Java's ExpiryQueue.dump does.
func expiries[T any](p *printer, e Expiries[T], element func(T)) {
	p.field("Sets (", int64(e.Buckets))
	p.field(")/(", int64(e.Elements))
	p.line("):")
	if e.Each == nil {
		return
	}
	for at, elements := range e.Each {
		p.field("", int64(len(elements)))
		p.line(" expire at ", at.In(time.Local).Format(javaDate), ":")
		for _, each := range elements {
			element(each)
		}
		if p.failed() {
			return
		}
	}
}

func (w *Words) wchs(p *printer, _ []byte) {
	connections, paths, total := w.source.WatchSummary()
	p.field("", int64(connections))
	p.field(" connections watching ", int64(paths))
	p.line(" paths")
	p.row("Total watches:", int64(total))
}

func (w *Words) wchc(p *printer, _ []byte) {
	for id, paths := range w.source.WatchesBySession() {
		p.line(id.String())
		p.indented(paths)
		if p.failed() {
			return
		}
	}
	p.line()
}

func (w *Words) wchp(p *printer, _ []byte) {
	for path, sessions := range w.source.WatchesByPath() {
		p.line(path)
		for _, id := range sessions {
			p.line("\t", id.String())
		}
		if p.failed() {
			return
		}
	}
	p.line()
}

func (p *printer) indented(lines []string) {
	for _, s := range lines {
		p.line("\t", s)
	}
}
