package server

import (
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"quokka/internal/admin"
	"quokka/internal/core/member"
	"quokka/internal/core/quorum"
	"quokka/internal/core/session"
	"quokka/internal/core/state"
	"quokka/internal/core/watch"
	"quokka/internal/core/zab"
	"quokka/internal/metrics"
	"quokka/internal/net/clients"
	"quokka/internal/proto"
)

// source gives the four-letter words their values.
type source struct {
	s       *Server
	started time.Time
	mask    atomic.Int64
}

func newSource(s *Server) *source {
	src := &source{s: s, started: time.Now()}
	src.mask.Store(admin.DefaultTraceMask)
	return src
}

func (a *source) Serving() bool            { return a.s.Serving() || a.ReadOnly() }
func (a *source) ReadOnly() bool           { return a.s.node.Mode() == member.ModeReadOnly }
func (a *source) Metrics() *metrics.Server { return a.s.metrics }
func (a *source) TraceMask() int64         { return a.mask.Load() }
func (a *source) SetTraceMask(mask int64)  { a.mask.Store(mask) }

func (a *source) Status() admin.Status {
	st := admin.Status{
		Mode: "standalone", Connections: a.s.clients.Len(), Outstanding: int(a.s.clients.Outstanding()),
	}
	if a.s.cfg.Distributed() {
		a.role(&st)
	} else {
		st.Uptime = time.Since(a.started)
	}
	a.s.node.View(func(s *state.State) {
		t := s.Tree()
		st.Zxid = max(st.Zxid, s.LastZxid())
		st.NodeCount, st.DataSize, st.Ephemerals = t.NodeCount(), t.DataSize(), t.EphemeralCount()
		st.GlobalSessions = s.Sessions().Len()
	})
	a.s.node.Watches(func(w *watch.Table) { st.Watches = w.Count() })
	return st
}

// role says what a member of an ensemble is doing: all of it at one moment.
// Uptime is that of the role, as Java makes a ZooKeeperServer for each.
func (a *source) role(st *admin.Status) {
	st.Mode = ""
	running := a.s.node.RunningMS()
	a.s.node.Inspect(func(m *member.Member) {
		state, _ := m.Phase()
		st.LocalSessions = m.Locals().Len()
		if m.ReadOnly() {
			st.Mode, st.Uptime = "read-only", time.Duration(max(running-m.Since(), 0))*time.Millisecond
			return
		}
		if !m.Serving() || state == proto.Looking {
			return
		}
		e := &admin.EnsembleStatus{
			PeerState:  strings.ToLower(state.String()) + " - broadcast", // who is served is beyond synchronisation
			QuorumSize: len(m.Members().Active.Participants()),
		}
		st.Uptime = time.Duration(max(running-m.Since(), 0)) * time.Millisecond
		switch state {
		case proto.Leading:
			st.Mode, e.Leading = "leader", leadingOf(m.Leader())
			st.Zxid = proto.MakeZxid(m.Leader().Epoch(), 0) // it has processed its own begin (Leader.startZkServer)
			e.Leading.Uptime = st.Uptime
		case proto.Following:
			st.Mode = "follower"
			e.Relaying, e.RelayedObservers = observersOf(m.Relay())
		case proto.Observing:
			st.Mode, e.ObserverMaster = "observer", m.LearnerMaster()
		}
		st.Ensemble = e
	})
}

// observersOf counts the observers that a follower serves.
func observersOf(r *zab.Relay) (relaying bool, synced int) {
	if r == nil {
		return false, 0
	}
	for _, o := range r.Learners() {
		if o.Synced {
			synced++
		}
	}
	return true, synced
}

// leadingOf says what a leader has to do.
func leadingOf(l *zab.Leader) *admin.Leading {
	p := l.ProposalSizes()
	v := &admin.Leading{
		PendingSyncs: l.PendingSyncs(),
		Proposals:    admin.ProposalSizes{Last: int64(p.Last), Min: int64(p.Min), Max: int64(p.Max)},
	}
	active, _ := l.Members()
	for _, learner := range l.Learners() {
		v.Learners++
		switch {
		case !learner.Synced:
		case learner.Observer:
			v.SyncedObservers++
		default:
			v.SyncedFollowers++
			if s, ok := active.Server(learner.Server); !ok || s.Role != quorum.Participant {
				v.SyncedNonVotingFollowers++
			}
		}
	}
	return v
}

func (a *source) Conf() admin.Conf {
	c := &a.s.cfg
	v := admin.Conf{
		ClientPort: c.ClientPort, SecureClientPort: c.SecureClientPort,
		DataDir: absolute(a.s.store.SnapDir()), DataLogDir: absolute(a.s.store.LogDir()),
		TickTimeMS: c.TickTimeMS, MaxClientCnxns: c.MaxClientCnxns,
		MinSessionTimeoutMS: c.MinSessionTimeoutMS, MaxSessionTimeoutMS: c.MaxSessionTimeoutMS,
		ClientPortListenBacklog: c.ClientPortListenBacklog,
	}
	if c.Distributed() {
		v.ServerID = int64(c.ServerID)
		v.Ensemble = a.ensembleConf()
	}
	return v
}

// ensembleConf shows the active configuration. A server that is not in it
// any more shows the ports it was started with.
func (a *source) ensembleConf() *admin.EnsembleConf {
	c := &a.s.cfg
	now := c.Membership
	a.s.node.Inspect(func(m *member.Member) { now = m.Members().Active })
	me, ok := now.Server(c.ServerID)
	if !ok {
		me, _ = c.Membership.Server(c.ServerID)
	}
	v := &admin.EnsembleConf{
		InitLimit: c.InitLimit, SyncLimit: c.SyncLimit, ElectionAlg: c.ElectionAlg,
		Observer: me.Role == quorum.Observer, Membership: now.Text(),
	}
	for _, addr := range me.Addrs {
		v.ElectionPorts = appendNew(v.ElectionPorts, addr.ElectionPort)
		v.QuorumPorts = appendNew(v.QuorumPorts, addr.QuorumPort)
	}
	return v
}

func appendNew(ports []int, port int) []int {
	if slices.Contains(ports, port) {
		return ports
	}
	return append(ports, port)
}

func absolute(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		return abs
	}
	return dir
}

func (a *source) DirSizes() (data, log int64) {
	data, log, err := a.s.store.Sizes()
	if err != nil {
		a.s.log.Warn("cannot measure the data directories", "error", err)
	}
	return data, log
}

func (a *source) Connections() iter.Seq[admin.ConnInfo] {
	return func(yield func(admin.ConnInfo) bool) {
		for _, c := range a.s.clients.Conns() {
			if !yield(a.conn(c)) {
				return
			}
		}
	}
}

func (a *source) conn(c *clients.Conn) admin.ConnInfo {
	st := c.Stats()
	info := admin.ConnInfo{
		Remote: c.Remote(), InterestOps: 1, Queued: int64(st.Queued), Received: st.Received, Sent: st.Sent,
		Session: c.Session(), LastOp: st.LastOp, Established: c.Since(), TimeoutMS: c.TimeoutMS(),
		LastCxid: int64(st.LastCxid), LastZxid: proto.Zxid(st.LastZxid),
		LastLatencyMS: st.LatencyMS, MinLatencyMS: st.MinMS, MaxLatencyMS: st.MaxMS,
	}
	if info.Session == 0 {
		info.InterestOps = 0 // it is executing a word
	}
	if !st.LastResponse.IsZero() {
		info.LastResponseMS = st.LastResponse.Sub(a.started).Milliseconds()
	}
	if st.Answers > 0 {
		info.AvgLatencyMS = st.SumMS / st.Answers
	}
	return info
}

// ConnectionExpiries groups the connections by when they are closed if they
// stay silent.
func (a *source) ConnectionExpiries() admin.Expiries[admin.ConnInfo] {
	buckets := make(map[int64][]admin.ConnInfo)
	n := 0
	for _, c := range a.s.clients.Conns() {
		tick := int64(a.s.cfg.TickTimeMS)
		timeout := int64(c.TimeoutMS())
		if c.Session() == 0 {
			timeout = int64(a.s.cfg.SessionlessTimeoutMS)
		}
		at := ((c.Heard()+timeout)/tick + 1) * tick
		buckets[at] = append(buckets[at], a.conn(c))
		n++
	}
	return expiries(a.s.node.RunningMS(), buckets, n)
}

// LocalSessionExpiries groups the sessions that only this server knows.
func (a *source) LocalSessionExpiries() (admin.Expiries[proto.SessionID], bool) {
	if !a.s.cfg.Distributed() || !a.s.cfg.LocalSessionsEnabled {
		return admin.Expiries[proto.SessionID]{}, false
	}
	buckets := make(map[int64][]proto.SessionID)
	n := 0
	a.s.node.Inspect(func(m *member.Member) {
		for at, ids := range m.Locals().Buckets() {
			buckets[at] = slices.Clone(ids)
			n += len(ids)
		}
	})
	return expiries(a.s.node.RunningMS(), buckets, n), true
}

// SessionExpiries groups the sessions by when they expire if they stay
// silent. A learner's leader knows that, it does not.
func (a *source) SessionExpiries() (admin.Expiries[proto.SessionID], bool) {
	buckets := make(map[int64][]proto.SessionID)
	n, ok := 0, false
	a.s.node.Inspect(func(m *member.Member) {
		if ok = m.Leader() != nil; !ok {
			return
		}
		for at, ids := range m.Clock().Buckets() {
			buckets[at] = slices.Clone(ids)
			n += len(ids)
		}
	})
	return expiries(a.s.node.RunningMS(), buckets, n), ok
}

func (a *source) SessionTimeouts() (sessions int, each iter.Seq2[proto.SessionID, int32]) {
	var all []session.Entry
	a.s.node.View(func(s *state.State) { all = s.Sessions().Snapshot() })
	return len(all), func(yield func(proto.SessionID, int32) bool) {
		for _, e := range all {
			if !yield(e.ID, e.TimeoutMS) {
				return
			}
		}
	}
}

// expiries turns buckets by running time into buckets by wall clock.
func expiries[T any](now int64, buckets map[int64][]T, elements int) admin.Expiries[T] {
	wall := time.Now()
	times := make([]int64, 0, len(buckets))
	for at := range buckets {
		times = append(times, at)
	}
	slices.Sort(times)
	return admin.Expiries[T]{Buckets: len(buckets), Elements: elements, Each: func(yield func(time.Time, []T) bool) {
		for _, at := range times {
			if !yield(wall.Add(time.Duration(at-now)*time.Millisecond), buckets[at]) {
				return
			}
		}
	}}
}

func (a *source) Ephemerals() (sessions int, each iter.Seq2[proto.SessionID, []string]) {
	var owners []proto.SessionID
	a.s.node.View(func(s *state.State) {
		for id := range s.Tree().EphemeralOwners() {
			owners = append(owners, id)
		}
	})
	return len(owners), func(yield func(proto.SessionID, []string) bool) {
		for _, id := range owners {
			var paths []string
			a.s.node.View(func(s *state.State) { paths = s.Tree().Ephemerals(id) })
			if len(paths) > 0 && !yield(id, paths) {
				return
			}
		}
	}
}

func (a *source) Quotas() iter.Seq[admin.Quota] {
	var all []admin.Quota
	a.s.node.View(func(s *state.State) {
		for q := range s.Tree().Quotas() {
			all = append(all, admin.Quota{
				Path: q.Path, CountLimit: q.Limits.Count, CountHard: q.Limits.CountHard,
				BytesLimit: q.Limits.Bytes, BytesHard: q.Limits.BytesHard, Count: q.Usage.Count, Bytes: q.Usage.Bytes,
			})
		}
	})
	return slices.Values(all)
}

func (a *source) WatchSummary() (connections, paths, total int) {
	a.s.node.Watches(func(w *watch.Table) { connections, paths, total = w.Summary() })
	return connections, paths, total
}

// sessionsOf maps connections to the sessions on them.
func (a *source) sessionsOf() map[watch.ConnID]proto.SessionID {
	m := make(map[watch.ConnID]proto.SessionID)
	for _, c := range a.s.clients.Conns() {
		m[watch.ConnID(c.ID())] = c.Session()
	}
	return m
}

func (a *source) WatchesByPath() iter.Seq2[string, []proto.SessionID] {
	type entry struct {
		path string
		ids  []proto.SessionID
	}
	var all []entry
	sessions := a.sessionsOf()
	a.s.node.Watches(func(w *watch.Table) {
		w.ByPath(func(path string, conns []watch.ConnID) bool {
			e := entry{path: path}
			for _, c := range conns {
				e.ids = append(e.ids, sessions[c])
			}
			all = append(all, e)
			return true
		})
	})
	return func(yield func(string, []proto.SessionID) bool) {
		for _, e := range all {
			if !yield(e.path, e.ids) {
				return
			}
		}
	}
}

func (a *source) WatchesBySession() iter.Seq2[proto.SessionID, []string] {
	all := make(map[proto.SessionID][]string)
	sessions := a.sessionsOf()
	a.s.node.Watches(func(w *watch.Table) {
		w.ByConn(func(c watch.ConnID, paths []string) bool {
			all[sessions[c]] = slices.Clone(paths)
			return true
		})
	})
	return func(yield func(proto.SessionID, []string) bool) {
		for id, paths := range all {
			if !yield(id, paths) {
				return
			}
		}
	}
}

func (a *source) DigestLog() iter.Seq[admin.Digest] {
	return func(yield func(admin.Digest) bool) {
		for _, d := range a.s.node.Digests() {
			if !yield(admin.Digest{Zxid: d.Zxid, Digest: d.Digest}) {
				return
			}
		}
	}
}

func (a *source) ResetConnections() {
	for _, c := range a.s.clients.Conns() {
		c.ResetStats()
	}
}
