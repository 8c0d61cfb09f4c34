package config

import "math"

// networkRows are where clients are served, and the clocks of sessions.
var networkRows = []row{
	{
		key: "clientPort", form: direct, kind: kindInt, max: 65535, unit: "port", done: true,
		doc: "port for clients; 0 takes a free one",
		at:  func(c *Config) any { return &c.ClientPort },
	},
	{
		key: "clientPortAddress", form: direct, kind: kindString, done: true,
		doc: "address to listen on for clients; all interfaces unless set",
		at:  func(c *Config) any { return &c.ClientPortAddress },
	},
	{
		key: "secureClientPort", form: direct, kind: kindInt, max: 65535, unit: "port",
		doc: "port for clients with TLS",
		at:  func(c *Config) any { return &c.SecureClientPort },
	},
	{
		key: "secureClientPortAddress", form: direct, kind: kindString,
		doc: "address to listen on for clients with TLS",
		at:  func(c *Config) any { return &c.SecureClientPortAddress },
	},
	{
		key: "clientPortListenBacklog", form: direct, kind: kindInt, def: "-1", min: -1, unit: "connections",
		doc: "connections waiting to be accepted; -1 leaves it to the system",
		at:  func(c *Config) any { return &c.ClientPortListenBacklog },
	},
	{
		key: "clientTcpKeepAlive", form: prefixed, kind: kindBool, def: "false", done: true,
		doc: "TCP keep-alive on client connections",
		at:  func(c *Config) any { return &c.TCPKeepAlive },
	},
	{
		key: "tcpKeepAlive", form: prefixed, kind: kindBool, def: "false",
		done: true,
		doc:  "TCP keep-alive on election connections",
		at:   func(c *Config) any { return &c.PeerTCPKeepAlive },
	},
	{
		key: "tickTime", form: direct, kind: kindInt, def: "3000", min: 1, max: maxTickTime, unit: "milliseconds", done: true,
		doc: "length of a tick, the unit of session timeouts and of the limits between servers",
		at:  func(c *Config) any { return &c.TickTimeMS },
	},
	{
		key: "minSessionTimeout", form: direct, kind: kindInt, def: "-1", min: -1, unit: "milliseconds", done: true,
		doc: "smallest session timeout granted; -1 is 2 ticks",
		at:  func(c *Config) any { return &c.MinSessionTimeoutMS },
	},
	{
		key: "maxSessionTimeout", form: direct, kind: kindInt, def: "-1", min: -1, unit: "milliseconds", done: true,
		doc: "largest session timeout granted; -1 is 20 ticks",
		at:  func(c *Config) any { return &c.MaxSessionTimeoutMS },
	},
	{
		key: "4lw.commands.whitelist", form: prefixed, kind: kindWords, def: "srvr", done: true,
		doc: "four letter words that are answered, or * for all; srvr always is",
		at:  func(c *Config) any { return &c.FourLetterWhitelist },
	},
}

// featureRows are switches over what clients may do, and the care of container nodes.
var featureRows = []row{
	{
		key: "extendedTypesEnabled", form: prefixed, kind: kindBool, def: "false", done: true,
		doc: "allow TTL nodes; server ids above 254 are then refused",
		at:  func(c *Config) any { return &c.ExtendedTypesEnabled },
	},
	{
		key: "emulate353TTLNodes", form: prefixed, kind: kindBool, def: "false", done: true,
		doc: "read TTL nodes as 3.5.3 wrote them",
		at:  func(c *Config) any { return &c.Emulate353TTLNodes },
	},
	{
		key: "enforceQuota", form: prefixed, kind: kindBool, def: "false", done: true,
		doc: "refuse writes beyond a hard quota",
		at:  func(c *Config) any { return &c.EnforceQuota },
	},
	{
		key: "skipACL", form: prefixed, kind: kindYesNo, def: "no", done: true,
		doc: "check no ACLs",
		at:  func(c *Config) any { return &c.SkipACL },
	},
	{
		key: "enableEagerACLCheck", form: prefixed, kind: kindBool, def: "false",
		doc: "check ACLs before a write is sent to the leader",
		at:  func(c *Config) any { return &c.EnableEagerACLCheck },
	},
	{
		key: "readonlymode.enabled", form: bare, kind: kindBool, def: "false", done: true,
		doc: "serve reads to willing clients while there is no quorum",
		at:  func(c *Config) any { return &c.ReadOnlyModeEnabled },
	},
	{
		key: "reconfigEnabled", form: direct, kind: kindBool, def: "false", done: true,
		doc: "allow the members to be changed while running",
		at:  func(c *Config) any { return &c.ReconfigEnabled },
	},
	{
		key: "localSessionsEnabled", form: direct, kind: kindBool, def: "false", done: true,
		doc: "sessions that only their server knows",
		at:  func(c *Config) any { return &c.LocalSessionsEnabled },
	},
	{
		key: "localSessionsUpgradingEnabled", form: direct, kind: kindBool, def: "false", done: true,
		doc: "make a local session global when it creates an ephemeral node",
		at:  func(c *Config) any { return &c.LocalSessionsUpgradingEnabled },
	},
	{
		key: "audit.enable", form: prefixed, kind: kindBool, def: "false",
		doc: "write an audit log",
		at:  func(c *Config) any { return &c.AuditEnabled },
	},
	{
		key: "znode.container.checkIntervalMs", form: bare, kind: kindDecode, def: "60000", min: 1, unit: "milliseconds", done: true,
		doc: "time between two searches for empty containers and expired TTL nodes",
		at:  func(c *Config) any { return &c.Containers.CheckIntervalMS },
	},
	{
		key: "znode.container.maxPerMinute", form: bare, kind: kindDecode, def: "10000", min: 1, unit: "nodes", done: true,
		doc: "removals per minute",
		at:  func(c *Config) any { return &c.Containers.MaxPerMinute },
	},
	{
		key: "znode.container.maxNeverUsedIntervalMs", form: bare, kind: kindLong, def: "0", min: 0, unit: "milliseconds", done: true,
		doc: "age at which a container that never had a child is removed; 0 is never",
		at:  func(c *Config) any { return &c.Containers.MaxNeverUsedMS },
	},
}

// limitRows bound what clients can make the server hold.
var limitRows = []row{
	{
		key: "maxClientCnxns", form: direct, kind: kindInt, def: "60", min: -1, unit: "connections", done: true,
		doc: "connections from one address; 0 or -1 is no limit",
		at:  func(c *Config) any { return &c.MaxClientCnxns },
	},
	{
		key: "maxCnxns", form: prefixed, kind: kindDecode, def: "0", min: -1, unit: "connections", done: true,
		doc: "connections in all; 0 or -1 is no limit",
		at:  func(c *Config) any { return &c.MaxCnxns },
	},
	{
		key: "jute.maxbuffer", form: bare, kind: kindDecode, def: "1048575", min: 1, unit: "bytes", done: true,
		doc: "largest packet; must be the same on servers and clients",
		at:  func(c *Config) any { return &c.JuteMaxBuffer },
	},
	{
		key: "jute.maxbuffer.extrasize", form: prefixed, kind: kindDecode, floor: 1024, min: math.MinInt32, unit: "bytes",
		doc: "allowed beyond jute.maxbuffer inside the server; jute.maxbuffer unless set",
		at:  func(c *Config) any { return &c.JuteExtraSize },
	},
	{
		key: "globalOutstandingLimit", form: prefixed, kind: kindDecode, def: "1000", min: 1, unit: "requests", done: true,
		doc: "requests in flight before clients that wait for an answer are no longer read",
		at:  func(c *Config) any { return &c.GlobalOutstandingLimit },
	},
	{
		key: "nio.sessionlessCnxnTimeout", form: prefixed, kind: kindDecode, def: "10000", min: 1, unit: "milliseconds", done: true,
		doc: "time within which a new connection must ask for a session",
		at:  func(c *Config) any { return &c.SessionlessTimeoutMS },
	},
	{
		key: "largeRequestThreshold", form: prefixed, kind: kindDecode, def: "-1", min: -1, unit: "bytes",
		doc: "larger requests count against largeRequestMaxBytes; -1 is off",
		at:  func(c *Config) any { return &c.LargeRequestThreshold },
	},
	{
		key: "largeRequestMaxBytes", form: prefixed, kind: kindDecode, def: "104857600", min: 0, unit: "bytes",
		doc: "sum of large requests in flight; beyond it connections are closed",
		at:  func(c *Config) any { return &c.LargeRequestMaxBytes },
	},
	{
		key: "connection_throttle_tokens", form: prefixed, kind: kindDecode, def: "0", min: 0, unit: "tokens",
		doc: "bucket of tokens for new connections; 0 is no throttle",
		at:  func(c *Config) any { return &c.ConnThrottle.Tokens },
	},
	{
		key: "connection_throttle_fill_time", form: prefixed, kind: kindDecode, def: "1", min: 1, unit: "milliseconds",
		doc: "time after which the bucket is filled",
		at:  func(c *Config) any { return &c.ConnThrottle.FillTimeMS },
	},
	{
		key: "connection_throttle_fill_count", form: prefixed, kind: kindDecode, def: "1", min: 0, unit: "tokens",
		doc: "tokens filled in each time",
		at:  func(c *Config) any { return &c.ConnThrottle.FillCount },
	},
	{
		key: "connection_throttle_freeze_time", form: prefixed, kind: kindDecode, def: "-1", min: -1, unit: "milliseconds",
		doc: "time between changes of the drop probability; -1 drops none by chance",
		at:  func(c *Config) any { return &c.ConnThrottle.FreezeTimeMS },
	},
	{
		key: "connection_throttle_drop_increase", form: prefixed, kind: kindFloat, def: "0.02",
		doc: "step up of the drop probability",
		at:  func(c *Config) any { return &c.ConnThrottle.DropIncrease },
	},
	{
		key: "connection_throttle_drop_decrease", form: prefixed, kind: kindFloat, def: "0.002",
		doc: "step down of the drop probability",
		at:  func(c *Config) any { return &c.ConnThrottle.DropDecrease },
	},
	{
		key: "connection_throttle_decrease_ratio", form: prefixed, kind: kindFloat, def: "0",
		doc: "share of free tokens above which the probability falls",
		at:  func(c *Config) any { return &c.ConnThrottle.DecreaseRatio },
	},
	{
		key: "connection_throttle_weight_enabled", form: prefixed, kind: kindBool, def: "false",
		doc: "take tokens by kind of session",
		at:  func(c *Config) any { return &c.ConnThrottle.WeightEnabled },
	},
	{
		key: "connection_throttle_global_session_weight", form: prefixed, kind: kindDecode, def: "3", min: 1, unit: "tokens",
		doc: "tokens for a new global session",
		at:  func(c *Config) any { return &c.ConnThrottle.GlobalSessionWeight },
	},
	{
		key: "connection_throttle_local_session_weight", form: prefixed, kind: kindDecode, def: "1", min: 1, unit: "tokens",
		doc: "tokens for a new local session",
		at:  func(c *Config) any { return &c.ConnThrottle.LocalSessionWeight },
	},
	{
		key: "connection_throttle_renew_session_weight", form: prefixed, kind: kindDecode, def: "2", min: 1, unit: "tokens",
		doc: "tokens for a session that comes back",
		at:  func(c *Config) any { return &c.ConnThrottle.RenewSessionWeight },
	},
	{
		key: "request_throttle_max_requests", form: prefixed, kind: kindDecode, def: "0", min: 0, unit: "requests",
		doc: "requests in process before others wait; 0 is no limit",
		at:  func(c *Config) any { return &c.Throttle.MaxRequests },
	},
	{
		key: "request_throttle_stall_time", form: prefixed, kind: kindDecode, def: "100", min: 1, unit: "milliseconds",
		doc: "longest single wait of a throttled request",
		at:  func(c *Config) any { return &c.Throttle.StallTimeMS },
	},
	{
		key: "request_throttle_drop_stale", form: prefixed, kind: kindBool, def: "true",
		doc: "drop waiting requests that became stale",
		at:  func(c *Config) any { return &c.Throttle.DropStale },
	},
	{
		key: "request_stale_connection_check", form: prefixed, kind: kindBool, def: "true",
		doc: "a request is stale when its connection is closed",
		at:  func(c *Config) any { return &c.Throttle.StaleConnectionCheck },
	},
	{
		key: "request_stale_latency_check", form: prefixed, kind: kindBool, def: "false",
		doc: "a request is stale when it is older than its session timeout",
		at:  func(c *Config) any { return &c.Throttle.StaleLatencyCheck },
	},
	{
		key: "throttled_op_wait_time", form: prefixed, kind: kindDecode, def: "0", min: 0, unit: "milliseconds",
		doc: "requests that waited longer are answered with an error; 0 is off",
		at:  func(c *Config) any { return &c.Throttle.ThrottledOpWaitMS },
	},
	{
		key: "request_throttler.shutdownTimeout", form: prefixed, kind: kindDecode, def: "10000", min: 0, unit: "milliseconds",
		doc: "time that requests in flight get at shutdown",
		at:  func(c *Config) any { return &c.Throttle.ShutdownTimeoutMS },
	},
}
