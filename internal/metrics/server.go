package metrics

// Server has a field for every metric that a server measures. Whoever does the measured thing writes the
// field; nobody else does. Make one with NewServer.
//
// A metric of Java that has no field here is one that this server cannot count, because the thing does not exist in
// it (a commit processor, a response cache): it is not printed at all rather than printed as 0. Before a
// field is added, its writer must exist.
type Server struct {
	Stats // what srvr and the gauges of mntr show

	ConnCounters
	RequestCounters
	Latencies
	WriterTimes
	StartupTimes
	ElectionCounts
	WatchCounts
	Ops OpCounts

	WritePerNamespace         SummarySet // bytes of path and data of each create, setData, delete (Java DataTree.updateWriteStat)
	ReadPerNamespace          SummarySet // bytes of path and reply of each read (Java DataTree.updateReadStat)
	QuotaExceededPerNamespace CounterSet // writes beyond a hard or soft limit

	all []named
}

// ConnCounters count what happens to connections. Written by the client port.
type ConnCounters struct {
	ConnectionRequest       Counter // connect requests read
	ConnectionRejected      Counter // refused: limits on connections, connection throttle
	ConnectionDrop          Counter // the client's side ended without a closeSession
	ConnectionRevalidate    Counter // reconnects to an existing session
	SessionlessExpired      Counter // closed because no connect request came, or nothing within the session timeout
	BytesReceived           Counter // bytes of requests with the four of the frame length; four for a four-letter word
	ResponseBytes           Counter // bytes of replies to requests that reached the tree, but for pings, without the frame length
	WatchBytes              Counter // bytes of watch events without the frame length
	StaleSessionsExpired    Counter // sessions expired by their timeout. Written by the session clock
	UnrecoverableErrorCount Counter // a critical goroutine failed. Written by the node
}

// RequestCounters count what happens to requests between the client port and the tree. Written by the node.
type RequestCounters struct {
	PrepQueued       Counter // requests posted to be prepared
	SyncQueued       Counter // transactions posted to the log writer
	DigestMismatches Counter // tree digests that differ from those in the log
	TTLNodesCreated  Counter // since 3.10
}

// Latencies are milliseconds on a request's way. Written by the node and the client port.
type Latencies struct {
	Read        Percentiles // from the frame being read to the reply being ready. Use Server.ObserveLatency
	Update      Percentiles // the same for writes. Use Server.ObserveLatency
	Propagation Percentiles // from the transaction's time to its application, wall clock

	PrepQueueTimeMS Percentiles // waiting to be prepared
	PrepQueueSize   Summary     // requests waiting, when one is taken
	PrepProcessMS   Summary     // preparing one request
	WriteFinalMS    Percentiles // applying a write
}

// WriterTimes are the log writer's. Written by it.
type WriterTimes struct {
	FsyncMS           Summary     // one fsync of the log
	SnapshotMS        Summary     // writing one snapshot
	SyncQueueSize     Summary     // transactions waiting, when one is taken
	SyncBatchSize     Summary     // transactions in one fsync
	SyncProcessMS     Summary     // appending one transaction, a flush included if it caused one
	SyncQueueMS       Percentiles // waiting to be appended
	SyncQueueFlushMS  Percentiles // one flush: fsync and handing on
	SyncQueueAndFlush Percentiles // ms from being posted to being durable
}

// StartupTimes are observed once per start. Written by the composition root.
type StartupTimes struct {
	DBInitMS     Summary // loading the database: snapshot and log
	SnapLoadMS   Summary // reading the snapshot
	TxnsLoaded   Summary // transactions replayed
	TxnsLoadMS   Summary // replaying them
	FsyncTooLong Counter // fsyncs above fsync.warningthresholdms; not in mntr, as in Java. Written by the log writer
}

// ElectionCounts tell of the search for a leader and of learners. Written by the node.
type ElectionCounts struct {
	ElectionMS   Summary // from the begin of a search to its verdict
	LookingCount Counter // searches
	DiffCount    Counter // learners that were synchronised from the log
	SnapCount    Counter // learners that were sent a snapshot
}

// WatchCounts are the watches that one event fired, observed for events that fired at least one (Java WatchManager).
type WatchCounts struct {
	Created  Summary
	Deleted  Summary
	Changed  Summary
	Children Summary
}

// instrument is what every kind of metric can do.
type instrument interface {
	emit(name string, emit Emit)
	Reset()
}

type named struct {
	name string
	in   instrument
}

// NewServer returns a Server with nothing measured yet.
func NewServer() *Server {
	s := &Server{}
	s.Stats.Reset()
	for _, list := range [][]named{s.counters(), s.Ops.counters(), s.summaries(), s.percentiles()} {
		s.all = append(s.all, list...)
	}
	return s
}

// Each prints every metric in a stable order: counters, summaries, percentiles, each in the order of Java's source.
// Gauges are not among them: the caller knows those.
func (s *Server) Each(emit func(name, value string)) {
	for _, m := range s.all {
		m.in.emit(m.name, emit)
	}
}

// Reset forgets what was measured, as the word srst does: latencies and packet counts, the sizes of responses and
// every metric, but not AuthFailed and FsyncTooLong (Java ServerStats.reset, ServerMetrics.resetAll).
func (s *Server) Reset() {
	s.Stats.Reset()
	for _, m := range s.all {
		m.in.Reset()
	}
}

func (s *Server) counters() []named {
	return []named{
		{"connection_request_count", &s.ConnectionRequest},
		{"connection_rejected", &s.ConnectionRejected},
		{"bytes_received_count", &s.BytesReceived},
		{"unrecoverable_error_count", &s.UnrecoverableErrorCount},
		{"prep_processor_request_queued", &s.PrepQueued},
		{"looking_count", &s.LookingCount},
		{"diff_count", &s.DiffCount},
		{"snap_count", &s.SnapCount},
		{"connection_drop_count", &s.ConnectionDrop},
		{"connection_revalidate_count", &s.ConnectionRevalidate},
		{"sessionless_connections_expired", &s.SessionlessExpired},
		{"stale_sessions_expired", &s.StaleSessionsExpired},
		{"sync_processor_request_queued", &s.SyncQueued},
		{"digest_mismatches_count", &s.DigestMismatches},
		{"response_bytes", &s.ResponseBytes},
		{"watch_bytes", &s.WatchBytes},
		{"ttl_node_created_count", &s.TTLNodesCreated},
		{"quota_exceeded_error_per_namespace", &s.QuotaExceededPerNamespace},
	}
}

func (s *Server) summaries() []named {
	return []named{
		{"fsynctime", &s.FsyncMS},
		{"snapshottime", &s.SnapshotMS},
		{"dbinittime", &s.DBInitMS},
		{"election_time", &s.ElectionMS},
		{"node_created_watch_count", &s.Created},
		{"node_deleted_watch_count", &s.Deleted},
		{"node_changed_watch_count", &s.Changed},
		{"node_children_watch_count", &s.Children},
		{"prep_processor_queue_size", &s.PrepQueueSize},
		{"prep_process_time", &s.PrepProcessMS},
		{"startup_txns_loaded", &s.TxnsLoaded},
		{"startup_txns_load_time", &s.TxnsLoadMS},
		{"startup_snap_load_time", &s.SnapLoadMS},
		{"sync_processor_queue_size", &s.SyncQueueSize},
		{"sync_process_time", &s.SyncProcessMS},
		{"sync_processor_batch_size", &s.SyncBatchSize},
		{"write_per_namespace", &s.WritePerNamespace},
		{"read_per_namespace", &s.ReadPerNamespace},
	}
}

func (s *Server) percentiles() []named {
	return []named{
		{"readlatency", &s.Read},
		{"updatelatency", &s.Update},
		{"propagation_latency", &s.Propagation},
		{"prep_processor_queue_time_ms", &s.PrepQueueTimeMS},
		{"write_final_proc_time_ms", &s.WriteFinalMS},
		{"sync_processor_queue_and_flush_time_ms", &s.SyncQueueAndFlush},
		{"sync_processor_queue_time_ms", &s.SyncQueueMS},
		{"sync_processor_queue_flush_time_ms", &s.SyncQueueFlushMS},
	}
}
