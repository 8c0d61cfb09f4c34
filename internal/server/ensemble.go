package server

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"time"

	"quokka/internal/core/elect"
	"quokka/internal/core/member"
	"quokka/internal/core/quorum"
	"quokka/internal/disk/conf"
	"quokka/internal/disk/store"
	"quokka/internal/disk/vfs"
	"quokka/internal/journal"
	"quokka/internal/net/peers"
	"quokka/internal/node"
	"quokka/internal/proto"
)

// checkMember refuses to be no member of the ensemble: package config only
// warns of that, and has checked all else. Without a line there is no port to
// listen on.
func (s *Server) checkMember() error {
	c := &s.cfg
	if _, ok := c.Membership.Server(c.ServerID); !ok {
		return fmt.Errorf("myid is %d, but the configuration has no line server.%d: add it, or correct %s/myid", c.ServerID, c.ServerID, c.DataDir)
	}
	return nil
}

// joinEnsemble completes the member's configuration with what makes it one
// of several.
func (s *Server) joinEnsemble(m *member.Config, r *store.Recovered) error {
	c := &s.cfg
	e, err := s.store.LoadEpochs(max(r.LastZxid, 0))
	if err != nil {
		return err
	}
	next := c.Membership
	if c.LastSeen != nil && c.ReconfigEnabled {
		next = *c.LastSeen
	}
	m.Server, m.SessionPrefix, m.Standalone = c.ServerID, uint8(c.ServerID), false
	m.Members = member.Members{Active: c.Membership, Next: next}
	m.Accepted, m.Current, m.NoData = e.Accepted, e.Current, r.Report.NoData
	m.InitLimit, m.SyncLimit = c.InitLimit, c.SyncLimit
	m.Election = elect.Config{
		Me: c.ServerID, MinIntervalMS: int64(c.Election.MinNotificationIntervalMS), MaxIntervalMS: int64(c.Election.MaxNotificationIntervalMS),
		FinalizeMS: finalizeWaitMS, ReconfigEnabled: c.ReconfigEnabled, ObserverDelayMS: int64(c.Election.ObserverDelayMS), Seed: m.Seed,
	}
	m.ParkMS = 2 * int64(c.TickTimeMS)
	m.ReconfigEnabled, m.MultiAddress, m.LeaderServes = c.ReconfigEnabled, c.MultiAddressEnabled, c.LeaderServes
	m.StandaloneEnabled, m.ObserverMasterPort = c.StandaloneEnabled, c.ObserverMasterPort
	m.LocalSessions, m.UpgradeLocal = c.LocalSessionsEnabled, c.LocalSessionsUpgradingEnabled
	m.ReadOnly, m.ReadOnlyAfterMS = c.ReadOnlyModeEnabled, max(readOnlyAfterMS, int64(c.TickTimeMS))
	m.MaxSnapSyncs, m.MaxDiffSyncs = c.Sync.MaxConcurrentSnaps, c.Sync.MaxConcurrentDiffs
	m.MaxEpochWaitMS = int64(c.Sync.MaxTimeToWaitForEpochMS)
	m.DiskDiff, m.DiskHas = s.diskDiff, s.store.Has
	return nil
}

// readOnlyAfterMS is how long a server looks for a leader, at least, before
// it serves reads without one (QuorumPeer.run).
const readOnlyAfterMS = 2000

// finalizeWaitMS is how long an election waits for better votes after it has
// a quorum (FastLeaderElection.finalizeWait).
const finalizeWaitMS = 200

// diskDiff tells whether the log after a zxid is small enough beside a
// snapshot to be sent instead of it (zookeeper.snapshotSizeFactor).
func (s *Server) diskDiff(from proto.Zxid) bool {
	if s.cfg.SnapshotSizeFactor < 0 {
		return false
	}
	logBytes, snapBytes, ok := s.store.HistorySize(from)
	return ok && float64(logBytes) <= s.cfg.SnapshotSizeFactor*float64(snapBytes)
}

// configFiles keeps the files of the dynamic configuration.
func (s *Server) configFiles() (journal.Configs, error) {
	f, err := conf.New(vfs.OS{}, conf.Options{
		ConfigFile: s.cfg.ConfigFile, Enabled: s.cfg.ReconfigEnabled, Self: s.cfg.ServerID,
		Version: s.cfg.Membership.Version, DynamicFile: s.cfg.DynamicConfigFile, MultiAddress: s.cfg.MultiAddressEnabled,
	})
	if f == nil || err != nil {
		return nil, err
	}
	return f, nil
}

func (s *Server) newPeers(sink peers.Sink) (*peers.Peers, error) {
	c := &s.cfg
	me, _ := c.Membership.Server(c.ServerID)
	var election, learners, observers []string
	for _, a := range me.Addrs {
		host := a.Host
		if c.QuorumListenOnAllIPs {
			host = ""
		}
		election = append(election, net.JoinHostPort(host, strconv.Itoa(a.ElectionPort)))
		learners = append(learners, net.JoinHostPort(host, strconv.Itoa(a.QuorumPort)))
		addr := net.JoinHostPort(host, strconv.Itoa(c.ObserverMasterPort))
		if c.ObserverMasterPort > 0 && me.Role == quorum.Participant && !slices.Contains(observers, addr) {
			observers = append(observers, addr)
		}
	}
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	ticks := func(n int) time.Duration { return ms(n * c.TickTimeMS) }
	return peers.New(peers.Options{
		Me: c.ServerID, ElectionAddrs: election, QuorumAddrs: learners, ObserverAddrs: observers, MultiAddress: c.MultiAddressEnabled,
		BindRetries: c.Peers.BindRetries, KeepAlive: c.PeerTCPKeepAlive,
		CnxTimeout: ms(c.Peers.ConnectTimeoutMS), FirstReadTimeout: ms(c.Peers.HandshakeTimeoutMS),
		FirstPacketTimeout: ticks(c.InitLimit), DialRetryDelay: ms(c.Peers.ConnectRetryDelayMS),
		MaxPacket: c.JuteMaxBuffer + c.JuteExtraSize, Log: s.log,
	}, sink)
}

// ensemble plugs the sockets into the node and the node into the sockets.
type ensemble struct {
	*peers.Peers
	dialTimeout time.Duration
}

// Dial implements [node.Peers].
func (e ensemble) Dial(link uint64, to proto.ServerID) { e.Peers.Dial(link, to, e.dialTimeout) }

// DialAddrs implements [node.Peers].
func (e ensemble) DialAddrs(link uint64, addrs []string) {
	e.Peers.DialAddrs(link, addrs, e.dialTimeout)
}

// sink hands what arrives to the node, which is made after the sockets.
type sink struct{ node **node.Node }

func (k sink) Notification(from proto.ServerID, v proto.Notification) {
	(*k.node).Notification(from, v)
}

func (k sink) Accepted(link uint64, from peers.Arrival, first proto.QuorumPacket) {
	(*k.node).Accepted(link, from.Observers, first)
}
func (k sink) Up(link uint64)                           { (*k.node).Up(link) }
func (k sink) Packet(link uint64, p proto.QuorumPacket) { (*k.node).Packet(link, p) }
func (k sink) Snapshot(link uint64, z proto.Zxid, r io.Reader) error {
	return (*k.node).Snapshot(link, z, r)
}
func (k sink) Down(link uint64, why error) { (*k.node).Down(link, why) }

// outstandingLimit is how many requests may be under way: a leader has to
// bear those of all voters (ZooKeeperServer.getInflight, QuorumPeer).
func outstandingLimit(limit int, m quorum.Membership) int64 {
	if voters := len(m.Participants()); voters > 2 {
		return int64(max(limit/(voters-1), 1))
	}
	return int64(limit)
}

// Mode says what this server is doing, as the word srvr does.
func (s *Server) Mode() string {
	if !s.cfg.Distributed() {
		return "standalone"
	}
	if s.node.Mode() == member.ModeReadOnly {
		return "read-only"
	}
	switch s.node.Role() {
	case proto.Leading:
		return "leader"
	case proto.Following:
		return "follower"
	case proto.Observing:
		return "observer"
	}
	return "looking for a leader"
}

// Serving tells whether clients are served now.
func (s *Server) Serving() bool { return s.node.Mode() == member.ModeServe }

func restartOf(r *store.Recovered) member.Restart {
	v := journal.Recovered(r)
	return member.Restart{Base: v.Base, Entries: v.Entries, Applied: v.Applied, Floor: v.Floor}
}
