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
	"quokka/internal/core/quorum"
	"quokka/internal/core/state"
	"quokka/internal/core/tree"
	"quokka/internal/disk/snap"
	"quokka/internal/disk/store"
	"quokka/internal/disk/txnlog"
	"quokka/internal/disk/vfs"
	"quokka/internal/metrics"
	"quokka/internal/net/clients"
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
	if cfg.Distributed() {
		return nil, errors.New("this configuration has several server.N lines: ensembles are not supported yet; leave one or none to run a standalone server")
	}
	s := &Server{cfg: cfg, log: log, metrics: metrics.NewServer()}
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
	st, report, err := s.recover()
	if err != nil {
		return err
	}
	s.node = node.New(s.nodeOptions(st, report))
	s.source = newSource(s)
	backend := &backend{node: s.node, schemes: s.schemes}
	s.clients = clients.New(s.clientOptions(), backend, s.words())
	return nil
}

// recover loads the state, and logs what that found in Java's words.
func (s *Server) recover() (*state.State, *store.Report, error) {
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
	if r.Report.NoData {
		return nil, nil, errors.New("the data directory is empty, and db.autocreate=false forbids to begin an empty database: put a backup there, or create the file initialize in dataDir")
	}
	s.metrics.DBInitMS.Observe(r.Report.Total.Milliseconds())
	s.metrics.SnapLoadMS.Observe(r.Report.LoadTime.Milliseconds())
	s.metrics.TxnsLoaded.Observe(int64(r.Report.Txns))
	s.metrics.TxnsLoadMS.Observe(r.Report.ReplayTime.Milliseconds())
	return st, &r.Report, nil
}

func (s *Server) stateOptions() state.Options {
	return state.Options{
		Tree: s.treeOptions(), Schemes: s.schemes, SkipACL: s.cfg.SkipACL, EnforceQuota: s.cfg.EnforceQuota,
		Digest: s.cfg.DigestEnabled, CloseSessionTxn: s.cfg.CloseSessionTxnEnabled,
		ReconfigEnabled: s.cfg.ReconfigEnabled, Standalone: true, MaxNeverUsedMS: s.cfg.Containers.MaxNeverUsedMS,
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
		Tree: s.treeOptions(),
	}
}

func (s *Server) nodeOptions(st *state.State, report *store.Report) node.Options {
	c := &s.cfg
	tick := time.Duration(c.TickTimeMS) * time.Millisecond
	return node.Options{
		Member: member.Config{
			Server: standaloneSessions, SessionPrefix: standaloneSessions, Voters: quorum.Standalone(standaloneSessions),
			TickMS: int64(c.TickTimeMS), MinTimeoutMS: int32(c.MinSessionTimeoutMS), MaxTimeoutMS: int32(c.MaxSessionTimeoutMS),
			SnapCount: c.SnapCount, SnapBytes: max(c.SnapSizeLimitKB, 0) << 10, Replayed: report.Txns,
			ContainerCheckMS: int64(c.Containers.CheckIntervalMS), ContainerPerMinute: int64(c.Containers.MaxPerMinute),
			MaxNeverUsedMS: c.Containers.MaxNeverUsedMS, Seed: uint64(time.Now().UnixNano()), Incarnation: 1,
		},
		State: st, Log: s.store.TxnLog(), Snapshots: s.store,
		Digest: c.DigestEnabled, LastProcessed: c.SerializeLastProcessedZxid,
		TickInterval: min(max(tick/4, 5*time.Millisecond), 500*time.Millisecond),
		MaxLogFile:   max(c.TxnLogSizeLimitKB, 0) << 10,
		MaxBatch:     c.MaxBatchSize, FsyncWarning: time.Duration(c.FsyncWarningThresholdMS) * time.Millisecond,
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
		MaxOutstanding: int64(c.GlobalOutstandingLimit), MaxUnsent: max(maxUnsent, 4*c.JuteMaxBuffer),
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
	tuner := startTuner()
	defer tuner.stop()
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
	s.source.serving.Store(true)
	err := s.clients.Run(clientsCtx, s.listener)
	s.source.serving.Store(false)
	stopNode()
	return errors.Join(err, <-nodeDone)
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
