package admin

import (
	"maps"
	"slices"
	"strconv"

	"quokka/internal/metrics"
)

// mntr prints one line per metric: zk_<name>, a tab, the value. Version and state come first, then the gauges, then
// the metrics; each part in an order that does not change from one answer to the next.
func (w *Words) mntr(p *printer, _ []byte) {
	st := w.source.Status()
	if st.Mode == "" {
		p.line(NotServing)
		return
	}
	w.monitor(&st, func(name, value string) { p.line("zk_", name, "\t", value) })
}

func (w *Words) monitor(st *Status, emit metrics.Emit) {
	emit("version", w.version)
	emit("server_state", st.Mode)
	if e := st.Ensemble; e != nil {
		emit("peer_state", e.PeerState)
		if st.Mode == "observer" {
			emit("observer_master_id", strconv.FormatInt(int64(e.ObserverMaster), 10))
		}
	}
	m := w.source.Metrics()
	gauges(st, &m.Stats, emit)
	if st.Ensemble != nil {
		ensembleGauges(st.Ensemble, emit)
	}
	quotaGauges(w.source, emit)
	m.Each(emit)
}

// gauges are those of Java's ZooKeeperServer.registerMetrics.
func gauges(st *Status, m *metrics.Stats, emit metrics.Emit) {
	number := func(name string, n int64) { emit(name, strconv.FormatInt(n, 10)) }
	emit("avg_latency", metrics.FormatDouble(m.RequestLatency.Avg()))
	number("max_latency", m.RequestLatency.Max())
	number("min_latency", m.RequestLatency.Min())
	number("packets_received", m.PacketsReceived.Load())
	number("packets_sent", m.PacketsSent.Load())
	number("num_alive_connections", int64(st.Connections))
	number("outstanding_requests", int64(st.Outstanding))
	number("uptime", st.Uptime.Milliseconds())
	number("znode_count", int64(st.NodeCount))
	number("watch_count", int64(st.Watches))
	number("ephemerals_count", int64(st.Ephemerals))
	number("approximate_data_size", st.DataSize)
	number("global_sessions", int64(st.GlobalSessions))
	number("local_sessions", int64(st.LocalSessions))
	if open, ok := openFiles(); ok {
		number("open_file_descriptor_count", open)
	}
	if most, ok := maxFiles(); ok {
		number("max_file_descriptor_count", most)
	}
	emit("connection_drop_probability", metrics.FormatDouble(st.DropProbability))
	number("last_client_response_size", m.ResponseSizes.Last())
	number("max_client_response_size", m.ResponseSizes.Max())
	number("min_client_response_size", m.ResponseSizes.Min())
	number("auth_failed_count", m.AuthFailed.Load())
}

// ensembleGauges are those of registerMetrics in QuorumZooKeeperServer, LeaderZooKeeperServer and
// FollowerZooKeeperServer.
func ensembleGauges(e *EnsembleStatus, emit metrics.Emit) {
	number := func(name string, n int64) { emit(name, strconv.FormatInt(n, 10)) }
	number("quorum_size", int64(e.QuorumSize))
	l := e.Leading
	if l == nil {
		if e.Relaying {
			number("synced_observers", int64(e.RelayedObservers)) // FollowerZooKeeperServer
		}
		return
	}
	number("learners", int64(l.Learners))
	number("synced_followers", int64(l.SyncedFollowers))
	number("synced_non_voting_followers", int64(l.SyncedNonVotingFollowers))
	number("synced_observers", int64(l.SyncedObservers))
	number("pending_syncs", int64(l.PendingSyncs))
	number("leader_uptime", l.Uptime.Milliseconds())
	number("last_proposal_size", l.Proposals.Last)
	number("max_proposal_size", l.Proposals.Max)
	number("min_proposal_size", l.Proposals.Min)
}

// usage are the sums over the quotas below one top-level node.
type usage struct{ countLimit, bytesLimit, count, bytes int64 }

// quotaGauges prints the limits and the use of quotas per namespace. A hard limit counts before a soft one, and where
// there is neither, Java adds the -1 that stands for it (QuotaMetricsUtils).
func quotaGauges(source Source, emit metrics.Emit) {
	sums := map[string]usage{}
	for q := range source.Quotas() {
		namespace, ok := metrics.Namespace(q.Path)
		if !ok {
			continue
		}
		u := sums[namespace]
		u.countLimit += effective(q.CountHard, q.CountLimit)
		u.bytesLimit += effective(q.BytesHard, q.BytesLimit)
		u.count += q.Count
		u.bytes += q.Bytes
		sums[namespace] = u
	}
	names := slices.Sorted(maps.Keys(sums))
	each := func(metric string, value func(usage) int64) {
		for _, name := range names {
			emit(name+"_"+metric, strconv.FormatInt(value(sums[name]), 10))
		}
	}
	each("quota_count_limit_per_namespace", func(u usage) int64 { return u.countLimit })
	each("quota_bytes_limit_per_namespace", func(u usage) int64 { return u.bytesLimit })
	each("quota_count_usage_per_namespace", func(u usage) int64 { return u.count })
	each("quota_bytes_usage_per_namespace", func(u usage) int64 { return u.bytes })
}

func effective(hard, soft int64) int64 {
	if hard > -1 {
		return hard
	}
	return soft
}
