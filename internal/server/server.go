// Package server is the composition root: it makes the devices and the
// machine a Config asks for, plugs them together, and runs them.
//
// It owns nothing but the wiring. What each part does is in its package.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"time"

	"quokka/internal/admin"
	"quokka/internal/auth"
	"quokka/internal/config"
	"quokka/internal/core/member"
	"quokka/internal/core/state"
	"quokka/internal/core/tree"
	"quokka/internal/disk/snap"
	"quokka/internal/disk/store"
	"quokka/internal/disk/txnlog"
	"quokka/internal/disk/vfs"
	"quokka/internal/journal"
	"quokka/internal/metrics"
	"quokka/internal/net/clients"
	"quokka/internal/net/peers"
	"quokka/internal/node"
)

// standaloneSessions is the high byte of the session ids of a standalone
// server, which has no id (ZooKeeperServer.createSessionTracker).
const standaloneSessions = 1

// A Server is one ZooKeeper server.
type Server struct {
	cfg      config.Config
	log      *slog.Logger
	metrics  *metrics.Server
	schemes  *auth.Registry
	store    *store.Store
	listener net.Listener
	node     *node.Node
	peers    *peers.Peers // of a member of an ensemble
	clients  *clients.Server
	source   *source
}

// New opens the data directory, recovers the state from it and binds the
// client port. Errors with a method ExitCode say with which code a process
// should end. Run must be called afterwards, or Close.
func New(cfg config.Config, log *slog.Logger) (*Server, error) {
	if cfg.ClientListen() == "" {
		return nil, errors.New("no clientPort is configured, and TLS (secureClientPort) is not supported yet: configure a clientPort")
	}
	s := &Server{cfg: cfg, log: log, metrics: metrics.NewServer()}
	if cfg.Distributed() {
		if err := s.checkMember(); err != nil {
			return nil, err
		}
	}
	if err := s.open(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Server) open() (err error) {
	if s.schemes, err = auth.New(auth.Options{
		SuperDigest: s.cfg.SuperDigest.Reveal(), DigestAlgorithm: s.cfg.DigestAlg,
		DigestDisabled: !s.cfg.DigestAuthEnabled,
	}); err != nil {
		return err
	}
	if err := s.requiredSchemes(); err != nil {
		return err
	}
	if s.listener, err = net.Listen("tcp", s.cfg.ClientListen()); err != nil {
		return fmt.Errorf("cannot serve clients on %s; stop what uses the port or choose another clientPort: %w", s.cfg.ClientListen(), err)
	}
	if s.store, err = store.Open(vfs.OS{}, s.storeOptions()); err != nil {
		return err
	}
	if err := s.openNode(); err != nil {
		return err
	}
	s.source = newSource(s)
	backend := &backend{node: s.node, schemes: s.schemes}
	s.clients = clients.New(s.clientOptions(), backend, s.words())
	return nil
}

// openNode recovers the state and makes the node over it, and in an ensemble
// the sockets to the other servers.
func (s *Server) openNode() error {
	st, r, err := s.recover()
	if err != nil {
		return err
	}
	files, err := s.configFiles()
	if err != nil {
		return err
	}
	o := s.nodeOptions(st, r)
	o.Meter = &node.DiskMeter{Metrics: s.metrics, Log: s.log, Warning: time.Duration(s.cfg.FsyncWarningThresholdMS) * time.Millisecond}
	o.Journal = journal.New(s.store, journal.Options{
		State: s.stateOptions(), MaxBatch: s.cfg.MaxBatchSize, MaxLogFile: max(s.cfg.TxnLogSizeLimitKB, 0) << 10,
		Configs: files, Observer: o.Meter,
	})
	if s.cfg.Distributed() {
		if s.peers, err = s.newPeers(sink{&s.node}); err != nil {
			return err
		}
		tick := time.Duration(s.cfg.TickTimeMS) * time.Millisecond
		o.Peers, o.History = ensemble{s.peers, tick * time.Duration(s.cfg.ConnectToLearnerMasterLimit)}, s.store
		o.TickInterval = min(o.TickInterval, ensembleTick)
		if err := s.joinEnsemble(&o.Member, r); err != nil {
			return err
		}
	}
	s.node = node.New(o)
	if s.peers != nil {
		return s.peers.Bind(context.Background())
	}
	return nil
}

// ensembleTick is how often a member of an ensemble looks at its clocks: the
// election waits 200 ms for late votes.
const ensembleTick = 25 * time.Millisecond

// recover loads the state, and logs what that found in Java's words.
func (s *Server) recover() (*state.State, *store.Recovered, error) {
	var st *state.State
	r, err := s.store.Recover(store.OnState(s.stateOptions(), &st))
	if err != nil {
		return nil, nil, err
	}
	for _, m := range r.Report.Messages() {
		level := slog.LevelInfo
		if m.Warn {
			level = slog.LevelWarn
		}
		s.log.Log(context.Background(), level, m.Text)
	}
	if r.Report.NoData && !s.cfg.Distributed() {
		return nil, nil, errors.New("the data directory is empty, and db.autocreate=false forbids to begin an empty database: put a backup there, or create the file initialize in dataDir")
	}
	s.metrics.DBInitMS.Observe(r.Report.Total.Milliseconds())
	s.metrics.SnapLoadMS.Observe(r.Report.LoadTime.Milliseconds())
	s.metrics.TxnsLoaded.Observe(int64(r.Report.Txns))
	s.metrics.TxnsLoadMS.Observe(r.Report.ReplayTime.Milliseconds())
	return st, r, nil
}

func (s *Server) stateOptions() state.Options {
	return state.Options{
		Tree: s.treeOptions(), Schemes: s.schemes, SkipACL: s.cfg.SkipACL, EnforceQuota: s.cfg.EnforceQuota,
		Digest: s.cfg.DigestEnabled, CloseSessionTxn: s.cfg.CloseSessionTxnEnabled,
		ReconfigEnabled: s.cfg.ReconfigEnabled, Standalone: !s.cfg.Distributed(), MaxNeverUsedMS: s.cfg.Containers.MaxNeverUsedMS,
	}
}

func (s *Server) treeOptions() tree.Options {
	return tree.Options{ExtendedTypes: s.cfg.ExtendedTypesEnabled, Emulate353TTL: s.cfg.Emulate353TTLNodes}
}

func (s *Server) storeOptions() store.Options {
	c := &s.cfg
	method, _ := snap.ParseMethod(c.SnapshotCompression) // config has checked it
	return store.Options{
		DataDir: c.DataDir, LogDir: c.DataLogDir,
		NoAutoCreateDir: !c.DataDirAutocreate, NoAutoCreateDB: !c.DBAutocreate, TrustEmpty: c.SnapshotTrustEmpty,
		Method: method, Digest: c.DigestEnabled, LastProcessed: c.SerializeLastProcessedZxid,
		Log:  txnlog.Options{PreallocSize: c.PreAllocSizeKB << 10, NoSync: !c.ForceSync},
		Tree: s.treeOptions(), KeepEntries: s.keepEntries(), Ensemble: c.Distributed(),
	}
}

// keepEntries is how many transactions stay in memory for learners.
func (s *Server) keepEntries() int {
	if !s.cfg.Distributed() {
		return 0
	}
	return s.cfg.CommitLogCount
}

func (s *Server) nodeOptions(st *state.State, r *store.Recovered) node.Options {
	c := &s.cfg
	interval := min(max(time.Duration(c.TickTimeMS)*time.Millisecond/4, 5*time.Millisecond), 500*time.Millisecond)
	return node.Options{
		Member: member.Config{
			Server: standaloneSessions, SessionPrefix: standaloneSessions, Standalone: true,
			Restart: restartOf(r), History: s.keepEntries(),
			TickMS: int64(c.TickTimeMS), MinTimeoutMS: int32(c.MinSessionTimeoutMS), MaxTimeoutMS: int32(c.MaxSessionTimeoutMS),
			SnapCount: c.SnapCount, SnapBytes: max(c.SnapSizeLimitKB, 0) << 10, Replayed: r.Report.Txns,
			ContainerCheckMS: int64(c.Containers.CheckIntervalMS), ContainerPerMinute: int64(c.Containers.MaxPerMinute),
			MaxNeverUsedMS: c.Containers.MaxNeverUsedMS, Seed: uint64(time.Now().UnixNano()),
		},
		State: st, Snapshots: s.store, SnapOptions: snap.Options{Tree: s.treeOptions()},
		Digest: c.DigestEnabled, LastProcessed: c.SerializeLastProcessedZxid,
		TickInterval: interval, TouchInterval: interval,
		ClockObserver: func(ms int64) { s.clients.SetClock(ms) },
		Metrics:       s.metrics, Logger: s.log,
	}
}

// maxUnsent is how many bytes of replies and events a client may leave
// unread before it is disconnected.
const maxUnsent = 64 << 20

func (s *Server) clientOptions() clients.Options {
	c := &s.cfg
	o := clients.Options{
		MaxFrame: c.JuteMaxBuffer, MaxPerIP: c.MaxClientCnxns, MaxTotal: c.MaxCnxns,
		MaxOutstanding: outstandingLimit(c.GlobalOutstandingLimit, c.Membership), MaxUnsent: max(maxUnsent, 4*c.JuteMaxBuffer),
		HandshakeTimeout: time.Duration(c.SessionlessTimeoutMS) * time.Millisecond,
		KeepAlive:        c.TCPKeepAlive, Metrics: s.metrics, Log: s.log,
	}
	if c.EnforceAuth.Enabled {
		o.RequireSchemes = c.EnforceAuth.Schemes
	}
	return o
}

// requiredSchemes refuses to start with an enforced scheme that nobody can
// satisfy (AuthenticationHelper.validateSchemes).
func (s *Server) requiredSchemes() error {
	if !s.cfg.EnforceAuth.Enabled {
		return nil
	}
	for _, scheme := range s.cfg.EnforceAuth.Schemes {
		if !s.schemes.Known(scheme) {
			return fmt.Errorf("enforce.auth.schemes names %q, which is no authentication scheme of this server; use digest or ip", scheme)
		}
	}
	return nil
}

func (s *Server) words() *words {
	o := admin.Options{ReadOnly: s.cfg.ReadOnlyModeEnabled, Version: admin.ReadBuild().String(), Whitelist: s.cfg.FourLetterWhitelist.Words}
	if s.cfg.FourLetterWhitelist.All {
		o.Whitelist = []string{"*"}
	}
	return &words{admin.NewWords(s.source, o)}
}

// Addr returns the address of the client port.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Close gives back what New took. After Run it does nothing more.
func (s *Server) Close() {
	if s.listener != nil {
		_ = s.listener.Close()
	}
	if s.store != nil {
		if err := s.store.Close(); err != nil {
			s.log.Warn("cannot release the data directory", "error", err)
		}
		s.store = nil
	}
}

// Run serves until ctx is done or the server must stop, which is an error.
// Everything that was acknowledged is on disk when it returns.
func (s *Server) Run(ctx context.Context) error {
	defer s.Close()
	s.announce()
	startTuner()
	defer stopTuner()
	clientsCtx, stopClients := context.WithCancel(ctx)
	defer stopClients()
	nodeCtx, stopNode := context.WithCancel(context.Background())
	defer stopNode()
	nodeDone := make(chan error, 1)
	go func() {
		nodeDone <- s.node.Run(nodeCtx)
		stopClients()
	}()
	if s.cfg.AutopurgePurgeIntervalMS > 0 {
		var purging sync.WaitGroup
		purging.Go(func() { s.purge(clientsCtx) })
		defer purging.Wait() // before the data directory is given back
		defer stopClients()
	}
	peersDone := make(chan error, 1)
	peersCtx, stopPeers := context.WithCancel(context.Background())
	defer stopPeers()
	go func() {
		if s.peers == nil {
			peersDone <- nil
			return
		}
		peersDone <- s.peers.Run(peersCtx)
		stopClients()
	}()
	err := s.clients.Run(clientsCtx, s.listener)
	stopNode()
	nodeErr := <-nodeDone
	stopPeers()
	return errors.Join(err, nodeErr, <-peersDone)
}

func (s *Server) announce() {
	c := &s.cfg
	s.log.Info(fmt.Sprintf("Created server with tickTime %d ms minSessionTimeout %d ms maxSessionTimeout %d ms clientPortListenBacklog %d datadir %s snapdir %s",
		c.TickTimeMS, c.MinSessionTimeoutMS, c.MaxSessionTimeoutMS, c.ClientPortListenBacklog, s.store.LogDir(), s.store.SnapDir()))
	if !c.ForceSync {
		s.log.Warn("forceSync=no: acknowledged writes are lost when this machine loses power; never run production data like this")
	}
	if c.SkipACL {
		s.log.Warn("skipACL=yes: every client may read and change everything")
	}
	s.log.Info("binding to port " + s.listener.Addr().String())
}

// purge removes old snapshots and logs, at once and then at every interval.
func (s *Server) purge(ctx context.Context) {
	ticker := time.NewTicker(time.Duration(s.cfg.AutopurgePurgeIntervalMS) * time.Millisecond)
	defer ticker.Stop()
	for {
		removed, err := s.store.Purge(s.cfg.AutopurgeSnapRetainCount)
		if err != nil {
			s.log.Warn("cannot purge old snapshots and logs", "error", err)
		}
		for _, r := range removed {
			s.log.Info("Removing file: " + filepath.Base(r.Path))
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
