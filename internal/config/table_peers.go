package config

// peerRows are the times and limits between the servers of an ensemble.
var peerRows = []row{
	{
		key: "cnxTimeout", form: prefixed, kind: kindInt, def: "5000", min: 0, unit: "milliseconds",
		done: true,
		doc:  "time to connect to a peer for an election; 0 is no limit",
		at:   func(c *Config) any { return &c.Peers.ConnectTimeoutMS },
	},
	{
		key: "quorumCnxnTimeoutMs", form: prefixed, kind: kindDecode, def: "-1", min: -1, unit: "milliseconds",
		done: true,
		doc:  "time a peer has to say who it is; syncLimit ticks unless above 0",
		at:   func(c *Config) any { return &c.Peers.HandshakeTimeoutMS },
	},
	{
		key: "electionPortBindRetry", form: prefixed, kind: kindDecode, def: "3", min: -1, unit: "attempts",
		done: true,
		doc:  "attempts to open the election port; 0 is no limit, -1 is 3",
		at:   func(c *Config) any { return &c.Peers.BindRetries },
	},
	{
		key: "leader.nodelay", form: bare, kind: kindBool, def: "true",
		done: true,
		doc:  "TCP_NODELAY of the leader",
		at:   func(c *Config) any { return &c.Peers.LeaderNoDelay },
	},
	{
		key: "follower.nodelay", form: bare, kind: kindBool, def: "true",
		done: true,
		doc:  "TCP_NODELAY of a follower",
		at:   func(c *Config) any { return &c.Peers.FollowerNoDelay },
	},
	{
		key: "leaderConnectDelayDuringRetryMs", form: prefixed, kind: kindDecode, def: "100", min: 0, unit: "milliseconds",
		done: true,
		doc:  "wait between attempts to reach the leader",
		at:   func(c *Config) any { return &c.Peers.ConnectRetryDelayMS },
	},
	{
		key: "fastleader.minNotificationInterval", form: prefixed, kind: kindDecode, def: "200", min: 1, unit: "milliseconds",
		done: true,
		doc:  "first wait for votes",
		at:   func(c *Config) any { return &c.Election.MinNotificationIntervalMS },
	},
	{
		key: "fastleader.maxNotificationInterval", form: prefixed, kind: kindDecode, def: "60000", min: 1, unit: "milliseconds",
		done: true,
		doc:  "longest wait for votes",
		at:   func(c *Config) any { return &c.Election.MaxNotificationIntervalMS },
	},
	{
		key: "observer.election.DelayMs", form: prefixed, kind: kindLong, def: "200", min: 0, unit: "milliseconds",
		done: true,
		doc:  "wait of an observer before it asks for votes",
		at:   func(c *Config) any { return &c.Election.ObserverDelayMS },
	},
	{
		key: "observer.reconnectDelayMs", form: prefixed, kind: kindLong, def: "0", min: 0, unit: "milliseconds",
		doc: "longest wait of an observer before it connects again",
		at:  func(c *Config) any { return &c.Election.ObserverReconnectDelayMS },
	},
	{
		key: "leader.maxTimeToWaitForEpoch", form: prefixed, kind: kindDecode, def: "-1", min: -1, unit: "milliseconds",
		done: true,
		doc:  "when one of its voters votes anew, a leader without a quorum after this time does too; -1 is off",
		at:   func(c *Config) any { return &c.Sync.MaxTimeToWaitForEpochMS },
	},
	{
		key: "leader.maxConcurrentSnapSyncs", form: prefixed, kind: kindDecode, def: "10", min: 1, unit: "learners",
		done: true,
		doc:  "learners that are sent a snapshot at a time",
		at:   func(c *Config) any { return &c.Sync.MaxConcurrentSnaps },
	},
	{
		key: "leader.maxConcurrentDiffSyncs", form: prefixed, kind: kindDecode, def: "100", min: 1, unit: "learners",
		done: true,
		doc:  "learners that are sent a part of the log at a time",
		at:   func(c *Config) any { return &c.Sync.MaxConcurrentDiffs },
	},
	{
		key: "forceSnapshotSync", form: prefixed, kind: kindBool, def: "false",
		doc: "bring servers up to date by snapshot only",
		at:  func(c *Config) any { return &c.Sync.ForceSnapshot },
	},
	{
		key: "observer.syncEnabled", form: prefixed, kind: kindBool,
		doc: "the same as syncEnabled, and stronger",
	},
	{
		key: "observerMaster.sizeLimit", form: prefixed, kind: kindDecode, def: "33554432", min: 0, unit: "bytes",
		doc: "queue of a follower for observers",
		at:  func(c *Config) any { return &c.Sync.ObserverMasterQueueBytes },
	},
}
