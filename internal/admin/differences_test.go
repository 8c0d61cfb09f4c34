package admin

// notPrinted are the metrics of Java that mntr leaves out, by name without zk_ and avg_, min_, …, each with the reason.
// A server that cannot count a thing does not print 0 for it.
var notPrinted = map[string]string{
	"unavailable_time":                             amongMembers,
	"leader_unavailable_time":                      amongMembers,
	"commit_count":                                 amongMembers,
	"proposal_count":                               amongMembers,
	"inflight_snap_count":                          amongMembers,
	"inflight_diff_count":                          amongMembers,
	"follower_sync_time":                           amongMembers,
	"observer_sync_time":                           amongMembers,
	"revalidate_count":                             amongMembers,
	"om_proposal_process_time_ms":                  noMasters,
	"om_commit_process_time_ms":                    noMasters,
	"proposal_latency":                             amongMembers,
	"proposal_ack_creation_latency":                amongMembers,
	"commit_propagation_latency":                   amongMembers,
	"quorum_ack_latency":                           amongMembers,
	"learner_proposal_received_count":              amongMembers,
	"learner_commit_received_count":                amongMembers,
	"quit_leading_due_to_disloyal_voter":           amongMembers,
	"learner_request_processor_queue_size":         noLearnerQueue,
	"skip_learner_request_to_next_processor_count": noLearnerQueue,
	"socket_closing_time":                          amongMembers,
	"learner_handler_qp_size":                      amongMembers,
	"learner_handler_qp_time_ms":                   amongMembers,
	"zookeeper_write_per_namespace":                "Java counts that it writes /zookeeper/config at its start; only what clients write is counted",
	"proposal_process_time":                        "a prepared transaction is handed on within the same step; there is nothing to time",

	"requests_in_session_queue":                           commitProcessor,
	"pending_session_queue_size":                          commitProcessor,
	"reads_after_write_in_session_queue":                  commitProcessor,
	"reads_issued_from_session_queue":                     commitProcessor,
	"session_queues_drained":                              commitProcessor,
	"time_waiting_empty_pool_in_commit_processor_read_ms": commitProcessor,
	"write_batch_time_in_commit_processor":                commitProcessor,
	"concurrent_request_processing_in_commit_processor":   commitProcessor,
	"read_commit_proc_req_queued":                         commitProcessor,
	"write_commit_proc_req_queued":                        commitProcessor,
	"commit_commit_proc_req_queued":                       commitProcessor,
	"request_commit_queued":                               commitProcessor,
	"read_commit_proc_issued":                             commitProcessor,
	"write_commit_proc_issued":                            commitProcessor,
	"read_commitproc_time_ms":                             commitProcessor,
	"write_commitproc_time_ms":                            commitProcessor,
	"local_write_committed_time_ms":                       commitProcessor,
	"server_write_committed_time_ms":                      commitProcessor,
	"commit_process_time":                                 commitProcessor,
	"requests_not_forwarded_to_commit_processor":          commitProcessor,

	"add_dead_watcher_stall_time":   "watches of a closed connection are removed at once, there is no cleaner",
	"dead_watchers_queued":          "watches of a closed connection are removed at once, there is no cleaner",
	"dead_watchers_cleared":         "watches of a closed connection are removed at once, there is no cleaner",
	"dead_watchers_cleaner_latency": "watches of a closed connection are removed at once, there is no cleaner",

	"response_packet_cache_hits":                "there is no cache of responses",
	"response_packet_cache_misses":              "there is no cache of responses",
	"response_packet_get_children_cache_hits":   "there is no cache of responses",
	"response_packet_get_children_cache_misses": "there is no cache of responses",

	"outstanding_changes_queued":  "the overlay of uncommitted changes is private to the state machine",
	"outstanding_changes_removed": "the overlay of uncommitted changes is private to the state machine",

	"connection_token_deficit":              noThrottle,
	"large_requests_rejected":               noThrottle,
	"request_throttle_wait_count":           noThrottle,
	"request_throttle_queue_time_ms":        noThrottle,
	"throttled_ops":                         noThrottle,
	"stale_requests":                        noThrottle,
	"stale_requests_dropped":                noThrottle,
	"stale_replies":                         noThrottle,
	"cnxn_closed_without_zk_server_running": "a connection that comes before the server serves waits",
	"unsuccessful_handshake":                netty,
	"ensemble_auth_success":                 noEnsembleAuth,
	"ensemble_auth_fail":                    noEnsembleAuth,
	"ensemble_auth_skip":                    noEnsembleAuth,
	"close_session_prep_time":               "a close is prepared like every other request: prep_process_time",
	"read_final_proc_time_ms":               "a read is carried out as it comes: readlatency",

	"netty_queued_buffer_capacity": netty,
	"non_mtls_remote_conn_count":   netty,
	"non_mtls_local_conn_count":    netty,
	"outstanding_tls_handshake":    netty,
	"tls_handshake_exceeded":       netty,
	"insecure_admin_count":         "the admin port speaks one protocol, not TLS and plain text on one port",
	"jvm_pause_time_ms":            "there is no JVM",
	"max_file_descriptor_count":    systemKeepsIt,
	"open_file_descriptor_count":   systemKeepsIt,
	"restore_time":                 "restore is not there",
	"restore_error_count":          "restore is not there",
	"restore_rate_limited_count":   "restore is not there",
	"snapshot_error_count":         "the HTTP command snapshot is not there",
	"snapshot_rate_limited_count":  "the HTTP command snapshot is not there",
}

const (
	amongMembers    = "what members of an ensemble do among themselves is not counted"
	noMasters       = "no follower serves observers"
	noLearnerQueue  = "a learner hands a request on in the step in which it comes, there is no queue"
	commitProcessor = "there is no commit processor: a session's reads wait for its writes in its own connection"
	netty           = "counted by Java only with its Netty connection factory"
	systemKeepsIt   = "printed only where the system tells"
)

// extras are what mntr prints and Java 3.8.0 does not, by the same names; all of them come from later releases.
var extras = map[string]string{
	"ttl_node_created_count": "3.10",
	"ttl_node_deleted_count": "3.10",
	"op_count_*":             "3.10",
}

// enviNotPrinted are keys of Java's envi that are left out.
var enviNotPrinted = map[string]string{
	"java.version":      noJava,
	"java.vendor":       noJava,
	"java.home":         noJava,
	"java.class.path":   noJava,
	"java.library.path": noJava,
	"java.io.tmpdir":    noJava,
	"java.compiler":     noJava,
	"os.memory.max":     "printed only with a memory limit (GOMEMLIMIT)",
}

const noJava = "there is no Java in this process; go.version is printed instead"

// enviExtras are keys of envi that Java has not.
var enviExtras = map[string]string{"go.version": "stands where Java prints java.version"}

const (
	noThrottle     = "there is no request throttler and no throttle of connection rates"
	noEnsembleAuth = "the scheme ensemble is not there"
)
