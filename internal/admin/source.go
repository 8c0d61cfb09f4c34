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
	SessionExpiries() Expiries[proto.SessionID]

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
	Mode        string // standalone, leader, follower, observer, read-only
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
}

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
