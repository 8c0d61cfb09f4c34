package client

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"time"
)

// Options are what a Client may be told. The zero value is good.
type Options struct {
	// SessionTimeout is how long the servers keep the session without a sign
	// of life; they bound it by their own limits. Default: 30 s.
	SessionTimeout time.Duration
	// ReadOnly accepts a server that has lost its quorum and only answers
	// reads, while a better one is searched for.
	ReadOnly bool
	// Resume goes on with a session that [Client.Detach] or another process
	// left.
	Resume *Session
	// Auth are credentials that are given to every server first. A server
	// that refuses one ends the Client with ErrAuthFailed.
	Auth []Auth

	// RetryReads is how often a call that only reads (or arms a watch) is
	// sent again on the next connection when its answer was lost, instead of
	// failing with ErrConnectionLoss. It does not concern a [Pipeline].
	RetryReads int
	// MaxRequest is the largest request in bytes; larger ones fail at once.
	// A server closes the connection on what is above its jute.maxbuffer, so
	// raise both. Default: 1048575, as there.
	MaxRequest int
	// MaxReply is the largest reply in bytes. Default: 64 MiB.
	MaxReply int
	// MaxWatchQueue is how many events a Watch keeps that nobody takes. When
	// there are more, they are replaced by one EventGap. Default: 100,000.
	MaxWatchQueue int

	// TLS returns the configuration for a connection and is called for each,
	// so that new certificates are used as soon as they are there; see
	// [TLSFiles]. ServerName is set to the host of the connect string if it
	// is empty.
	TLS func() (*tls.Config, error)
	// SASL starts a conversation that authenticates the connection to server
	// (host:port), before anything else is sent; see [DigestMD5].
	SASL func(server string) (SASL, error)
	// Dial replaces the dialer. Without Resolve it is given names as they
	// stand in the connect string, for proxies that know more names than we.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Resolve replaces the lookup of a host's addresses. It is asked for
	// every connection.
	Resolve func(ctx context.Context, host string) ([]string, error)
	// FollowConfig keeps the list of servers as the ensemble's configuration
	// says, from the first connection on, so that servers may be added and
	// removed (see [Client.Reconfig]) without a word to the clients; see
	// [Client.SetServers] for who moves then. It is for clients that reach
	// the addresses which stand there behind the semicolons; it changes
	// nothing where none do. It needs ZooKeeper 3.5 or later.
	FollowConfig bool
	// DialTimeout is how long one server may take to accept a connection.
	// Default: a ninth of the session timeout for three servers (1 to 5 s),
	// and longer after a round in which one took too long.
	DialTimeout time.Duration
	// MaxBackoff bounds the pause after a round over all servers that found
	// none. The first round makes no pause. Default: 5 s, and never more than
	// a quarter of the session timeout.
	MaxBackoff time.Duration

	// Logger gets the session's life, nothing per request. Default: none.
	Logger *slog.Logger
	// Hooks are called when things happen.
	Hooks Hooks
}

// An Auth is a credential, such as digest and "user:password".
type Auth struct {
	Scheme string // such as digest
	Data   []byte // a secret
}

// String leaves out the secret.
func (a Auth) String() string { return a.Scheme + " credential" }

// Hooks are functions for metrics and traces. They must return soon and must
// not wait for the Client; any may be nil.
type Hooks struct {
	// State is called for every change of the session's state, in order.
	State func(StateChange)
	// Dial is called after every attempt to reach a server.
	Dial func(DialInfo)
	// Request is called after every request.
	Request func(RequestInfo)
	// Ping is called with the time a ping took.
	Ping func(time.Duration)
	// Event is called for every watch event from a server, before chroots
	// are cut off.
	Event func(Event)
}

// DialInfo is an attempt to connect.
type DialInfo struct {
	Server string        // as in the connect string
	Took   time.Duration // until the session was attached
	Err    error         // nil if it was
}

// RequestInfo is a request that has ended.
type RequestInfo struct {
	Op    string        // the protocol's name, such as getData
	Path  string        // as the caller gave it
	Took  time.Duration // from the call to its end
	Bytes int           // of the request
	Zxid  Zxid          // of the answer, 0 if there was none
	Err   error         // what the caller was told
}

const (
	defaultSessionTimeout = 30 * time.Second
	defaultMaxRequest     = 0xfffff
	defaultMaxReply       = 64 << 20
	defaultMaxWatchQueue  = 100_000
	defaultMaxBackoff     = 5 * time.Second
)

func (o Options) withDefaults() (Options, error) {
	if o.SessionTimeout < 0 || o.DialTimeout < 0 || o.MaxBackoff < 0 {
		return o, fmt.Errorf("zookeeper: a negative timeout in Options: leave it 0 for the default")
	}
	if o.SessionTimeout > time.Duration(1<<31-1)*time.Millisecond {
		return o, fmt.Errorf("zookeeper: Options.SessionTimeout %v is more than the protocol can say", o.SessionTimeout)
	}
	if o.Resume != nil && o.Resume.ID == 0 {
		return o, fmt.Errorf("zookeeper: Options.Resume has no session id: leave it nil for a new session")
	}
	orElse(&o.SessionTimeout, defaultSessionTimeout)
	orElse(&o.MaxRequest, defaultMaxRequest)
	orElse(&o.MaxReply, defaultMaxReply)
	orElse(&o.MaxWatchQueue, defaultMaxWatchQueue)
	orElse(&o.MaxBackoff, defaultMaxBackoff)
	if o.Dial == nil && o.Resolve == nil {
		o.Resolve = net.DefaultResolver.LookupHost
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{}).DialContext
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

func orElse[T comparable](p *T, def T) {
	var zero T
	if *p == zero {
		*p = def
	}
}
