// Package config turns zoo.cfg, Java system properties, the environment and flags into one immutable Config value, and
// prints that value back as a zoo.cfg.
//
// It owns the table of keys (table*.go): name, type, range, default and meaning of each key stand there once, and
// parsing, range checks, environment names, flag names and the table of docs/format/config.md are made from it.
// It must never open a socket, resolve a host name, write a file, log, or let a secret out in any text it makes.
package config

import (
	"net"
	"strconv"
	"strings"

	"quokka/internal/core/quorum"
	"quokka/internal/proto"
)

// NotSet is the value of a port that nobody configured. Zero is not that value: as in Java, port 0 asks the system for
// a free port.
const NotSet = -1

// Config is everything a server is told at start. Nobody changes a Config after Load returned it; slices in it are
// shared and must not be written to. Fields whose table row says "no effect yet" are read and checked, not obeyed.
type Config struct {
	Network
	Ticks
	Storage
	Features
	Limits
	Auth
	Ensemble

	ConnThrottle ConnThrottle
	Throttle     Throttle
	Containers   Containers
	Admin        Admin
	Metrics      Metrics
	Peers        Peers
	Election     Election
	Sync         Sync

	FourLetterWhitelist FourLetterWords
	AuditEnabled        bool

	Membership quorum.Membership
	LastSeen   *quorum.Membership // a reconfiguration proposed but not yet committed (zoo.cfg.dynamic.next); nil if none
	ServerID   proto.ServerID     // from dataDir/myid, 0..255; NotSet without that file

	ConfigFile string // the zoo.cfg that was read; empty without one. Not part of String and Hash
}

// Network is where clients are served.
type Network struct {
	ClientPort              int    // 0..65535, or NotSet
	ClientPortAddress       string // host or address without brackets; empty for all interfaces
	SecureClientPort        int    // 0..65535, or NotSet
	SecureClientPortAddress string
	ClientPortListenBacklog int  // connections; -1 leaves it to the system
	TCPKeepAlive            bool // on client connections (zookeeper.clientTcpKeepAlive)
	PeerTCPKeepAlive        bool // on election connections (zookeeper.tcpKeepAlive)
}

// Ticks are the clocks of sessions.
type Ticks struct {
	TickTimeMS          int // 1..107374182
	MinSessionTimeoutMS int // never -1 after Load: 2 ticks unless set
	MaxSessionTimeoutMS int // never -1 after Load: 20 ticks unless set
}

// Storage is how state reaches the disk.
type Storage struct {
	DataDir                    string // snapshots, epoch files, myid
	DataLogDir                 string // transaction logs; DataDir unless set
	SnapCount                  int    // transactions between snapshots, at least 2
	SnapSizeLimitKB            int64  // log kilobytes between snapshots; 0 or less is off
	TxnLogSizeLimitKB          int64  // 0 or less is off
	PreAllocSizeKB             int64
	CommitLogCount             int     // committed proposals kept in memory, at least 500
	SnapshotSizeFactor         float64 // negative turns synchronisation from the disk log off
	ForceSync                  bool
	FsyncWarningThresholdMS    int64
	FlushDelayMS               int64 // 0 is off
	MaxWriteQueuePollTimeMS    int64 // a third of FlushDelayMS unless set
	MaxBatchSize               int   // transactions
	SnapshotCompression        string
	SnapshotTrustEmpty         bool
	DataDirAutocreate          bool
	DBAutocreate               bool
	AutopurgeSnapRetainCount   int   // at least 3
	AutopurgePurgeIntervalMS   int64 // 0 or less is off
	DigestEnabled              bool  // digests of the tree
	SerializeLastProcessedZxid bool  // serializeLastProcessedZxid.enabled
	CloseSessionTxnEnabled     bool
}

// Features are switches over what clients may do.
type Features struct {
	ExtendedTypesEnabled          bool
	Emulate353TTLNodes            bool
	EnforceQuota                  bool
	SkipACL                       bool
	EnableEagerACLCheck           bool
	ReadOnlyModeEnabled           bool
	ReconfigEnabled               bool
	LocalSessionsEnabled          bool
	LocalSessionsUpgradingEnabled bool
}

// Limits bound what clients can make the server hold.
type Limits struct {
	MaxClientCnxns         int // per client address; 0 is off
	MaxCnxns               int // all clients; 0 is off
	JuteMaxBuffer          int // bytes of one packet from a client
	JuteExtraSize          int // bytes allowed beyond it inside the server; JuteMaxBuffer unless set, at least 1024
	GlobalOutstandingLimit int // requests in flight
	SessionlessTimeoutMS   int // until the connect request must have come
	LargeRequestThreshold  int // bytes; -1 is off
	LargeRequestMaxBytes   int // sum over large requests in flight
}

// ConnThrottle is the token bucket of new connections with BLUE dropping (Java BlueThrottle).
type ConnThrottle struct {
	Tokens              int // 0 is off
	FillTimeMS          int
	FillCount           int
	FreezeTimeMS        int // -1 turns probabilistic dropping off
	DropIncrease        float64
	DropDecrease        float64
	DecreaseRatio       float64
	WeightEnabled       bool
	GlobalSessionWeight int
	LocalSessionWeight  int
	RenewSessionWeight  int
}

// Throttle is the request throttler (Java RequestThrottler).
type Throttle struct {
	MaxRequests          int // 0 is off
	StallTimeMS          int
	DropStale            bool
	StaleConnectionCheck bool
	StaleLatencyCheck    bool
	ThrottledOpWaitMS    int // 0 is off
	ShutdownTimeoutMS    int // time that requests in flight get at shutdown
}

// Containers rule the removal of empty container and expired TTL nodes (Java ContainerManager).
type Containers struct {
	CheckIntervalMS int
	MaxPerMinute    int
	MaxNeverUsedMS  int64 // 0 keeps containers that never had a child
}

// Auth is who clients may be.
type Auth struct {
	SuperDigest                  Secret // user:base64(hash), the whole string is compared
	DigestAlg                    string
	DigestAuthEnabled            bool // the digest scheme exists
	EnforceAuth                  EnforceAuth
	SessionRequireClientSASLAuth bool
	AllowSaslFailedClients       bool
	EnsembleNames                []string // ensembleAuthName
	X509SuperUser                string
	SASLSuperPassword            Secret
	LetAnySASLUserDoX            string
}

// EnforceAuth says that a connection must have an identity of one of Schemes before it may ask for anything.
type EnforceAuth struct {
	Enabled bool
	Schemes []string
}

// Admin is the HTTP administration surface.
type Admin struct {
	Enabled         bool
	Port            int
	Address         string
	CommandURL      string
	IdleTimeoutMS   int
	SnapshotEnabled bool
	RestoreEnabled  bool
	RateLimiterMS   int
}

// Metrics is the export of metrics for Prometheus.
type Metrics struct {
	ClassName   string // metricsProvider.className
	HTTPHost    string
	HTTPPort    int
	RuntimeInfo bool // export the metrics of the process too (exportJvmInfo)
}

// Prometheus reports whether the configuration asks for the Prometheus listener.
func (m Metrics) Prometheus() bool {
	return strings.HasSuffix(m.ClassName, ".PrometheusMetricsProvider")
}

// Ensemble is what a server needs to talk to its peers. A standalone server obeys only StandaloneEnabled.
type Ensemble struct {
	StandaloneEnabled           bool
	InitLimit                   int // ticks; 0 is not set
	SyncLimit                   int // ticks; 0 is not set
	ConnectToLearnerMasterLimit int // ticks; InitLimit unless set
	ElectionAlg                 int
	PeerType                    quorum.Role
	QuorumListenOnAllIPs        bool
	MultiAddressEnabled         bool
	ObserverMasterPort          int // 0 is off
	SyncEnabled                 bool
	LeaderServes                bool
	DynamicConfigFile           string
}

// Peers are the connections between servers.
type Peers struct {
	ConnectTimeoutMS    int // to the election port of a peer; 0 is no limit
	HandshakeTimeoutMS  int // until a peer that connected said who it is; above 0 after Load of a distributed server
	BindRetries         int // attempts to open the election port; 0 is no limit
	ConnectRetryDelayMS int // between attempts to reach the leader
	LeaderNoDelay       bool
	FollowerNoDelay     bool
}

// Election are the waits of fast leader election.
type Election struct {
	MinNotificationIntervalMS int
	MaxNotificationIntervalMS int
	ObserverDelayMS           int64 // before an observer asks for votes
	ObserverReconnectDelayMS  int64 // the longest before an observer connects to a leader again
}

// Sync is how a leader brings learners up to date.
type Sync struct {
	MaxTimeToWaitForEpochMS  int // of a leader without a quorum, one of whose voters votes anew; -1 is no limit
	MaxConcurrentSnaps       int
	MaxConcurrentDiffs       int
	ForceSnapshot            bool
	ObserverMasterQueueBytes int // of a follower that serves observers
}

// Distributed reports whether this server is a member of an ensemble (Java QuorumPeerConfig.isDistributed).
func (c Config) Distributed() bool {
	n := len(c.Membership.Participants())
	return n > 1 || n == 1 && !c.Ensemble.StandaloneEnabled
}

// ClientListen returns the address to listen on for clients, in the form of net.Listen. It is empty if no client port
// is configured.
func (c Config) ClientListen() string {
	return listenAddress(c.Network.ClientPortAddress, c.Network.ClientPort)
}

// SecureClientListen is ClientListen for the TLS port.
func (c Config) SecureClientListen() string {
	return listenAddress(c.Network.SecureClientPortAddress, c.Network.SecureClientPort)
}

func listenAddress(host string, port int) string {
	if port == NotSet {
		return ""
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}
