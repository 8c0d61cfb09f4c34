package admin

import (
	"iter"
	"net/netip"
	"time"

	"quokka/internal/metrics"
	"quokka/internal/proto"
)

// Source is where the words get their values. All methods may be called by many goroutines at once.
//
// What an iterator yields is written to a client that may read slowly or never: an iterator must hold no lock while it
// yields. It may copy a bounded part under its lock, yield that, and go on; an answer is then true piece by piece, not
// as a whole. Slices yielded are used only until the next one. While Serving is false, only Serving, TraceMask,
// SetTraceMask and Metrics are called.
type Source interface {
	Serving() bool  // requests are answered
	ReadOnly() bool // only read-only clients are served
	Status() Status
	Conf() Conf
	DirSizes() (data, log int64) // bytes in the directories of snapshots and of logs
	Metrics() *metrics.Server

	Connections() iter.Seq[ConnInfo]
	ConnectionExpiries() Expiries[ConnInfo] // when connections that stay silent are closed

	// SessionExpiries are when sessions that stay silent end. It is false for a learner, which leaves that to its
	// leader.
	SessionExpiries() (Expiries[proto.SessionID], bool)
	// LocalSessionExpiries are those of local sessions. It is false when there are none by configuration.
	LocalSessionExpiries() (Expiries[proto.SessionID], bool)
	SessionTimeouts() (sessions int, each iter.Seq2[proto.SessionID, int32]) // of global sessions in ms, by id

	Ephemerals() (sessions int, each iter.Seq2[proto.SessionID, []string]) // paths by owner
	Quotas() iter.Seq[Quota]

	WatchSummary() (connections, paths, total int) // these three: watches on data and existence only, as in Java
	WatchesByPath() iter.Seq2[string, []proto.SessionID]
	WatchesBySession() iter.Seq2[proto.SessionID, []string]

	DigestLog() iter.Seq[Digest] // oldest first

	TraceMask() int64 // initially DefaultTraceMask
	SetTraceMask(mask int64)
	ResetConnections() // zeroes the statistics of every connection
}

// DefaultTraceMask is Java's initial mask: requests, server packets, sessions and warnings (ZooTrace).
const DefaultTraceMask = 1<<1 | 1<<4 | 1<<5 | 1<<8

// Status is what srvr shows and the gauges of mntr. Latencies and packet counts come from Source.Metrics.
type Status struct {
	Mode        string // standalone, leader, follower, observer, read-only; empty if nobody is served any more
	Zxid        proto.Zxid
	NodeCount   int // as Java counts: the root twice
	Connections int // open client connections, those that execute words too
	Outstanding int // requests that were read and not answered yet

	Uptime          time.Duration
	Watches         int
	Ephemerals      int
	DataSize        int64 // bytes of paths and data
	GlobalSessions  int
	LocalSessions   int
	DropProbability float64 // of a new connection by the connection throttle, 0..1

	Ensemble *EnsembleStatus // nil for a standalone and for a read-only server
}

// EnsembleStatus is what a member of an ensemble shows besides (Java QuorumZooKeeperServer).
type EnsembleStatus struct {
	PeerState      string         // as Java's QuorumPeer.getDetailedPeerState: "leading - broadcast"
	QuorumSize     int            // voting members of the active configuration
	ObserverMaster proto.ServerID // of an observer: the server that it learns from
	Leading        *Leading       // nil for a learner

	Relaying         bool // a follower that serves observers
	RelayedObservers int  // those that are synchronised
}

// Leading is what a leader shows besides (Java LeaderZooKeeperServer).
type Leading struct {
	Learners                 int // connections of learners, synchronised or not
	SyncedFollowers          int // those that do not vote too
	SyncedNonVotingFollowers int // that are no participants of the active configuration
	SyncedObservers          int
	PendingSyncs             int // sync requests that are not answered
	Uptime                   time.Duration
	Proposals                ProposalSizes
}

// ProposalSizes are bytes of the proposals of this leader, -1 before the first (Java BufferStats).
type ProposalSizes struct{ Last, Min, Max int64 }

// Conf is what conf shows of the configuration.
type Conf struct {
	ClientPort              int    // -1 if there is none
	SecureClientPort        int    // -1 if there is none
	DataDir                 string // absolute, with version-2
	DataLogDir              string // absolute, with version-2
	TickTimeMS              int
	MaxClientCnxns          int
	MinSessionTimeoutMS     int
	MaxSessionTimeoutMS     int
	ClientPortListenBacklog int
	ServerID                int64

	Ensemble *EnsembleConf // nil for a standalone server
}

// EnsembleConf is what conf shows of the ensemble.
type EnsembleConf struct {
	InitLimit, SyncLimit int // ticks
	ElectionAlg          int
	ElectionPorts        []int // of this server, each once
	QuorumPorts          []int
	Observer             bool   // this server is one
	Membership           string // the text of the active configuration; empty for a read-only server, which does not show it
}

// ConnInfo is one client connection.
type ConnInfo struct {
	Remote      netip.AddrPort
	InterestOps int // what a Java selector would wait for: 1 to read, 4 to write, 0 while a word is executed
	Queued      int64
	Received    int64
	Sent        int64

	Session        proto.SessionID // 0 before the handshake; then nothing below is shown
	LastOp         string          // four letters of the last operation, NA before one
	Established    time.Time
	TimeoutMS      int32
	LastCxid       int64 // negative before the first request; then it is not shown
	LastZxid       proto.Zxid
	LastResponseMS int64 // running time, not wall clock
	LastLatencyMS  int64
	MinLatencyMS   int64
	AvgLatencyMS   int64
	MaxLatencyMS   int64
}

// Expiries are the buckets of a clock that expires things a whole bucket at a time (Java ExpiryQueue).
type Expiries[T any] struct {
	Buckets  int
	Elements int
	Each     iter.Seq2[time.Time, []T] // by time, soonest first
}

// Quota is one node with a quota. Limits are -1 where there is none.
type Quota struct {
	Path                  string // of the node, without /zookeeper/quota
	CountLimit, CountHard int64
	BytesLimit, BytesHard int64
	Count, Bytes          int64 // in use
}

// Digest is the digest of the tree after a transaction.
type Digest struct {
	Zxid   proto.Zxid
	Digest uint64
}
