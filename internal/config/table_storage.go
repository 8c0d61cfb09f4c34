package config

import "math"

// Bounds that keep later arithmetic inside its type: 20 ticks fit in 32 bits, kilobytes in bytes fit in 64.
const (
	maxTickTime  = math.MaxInt32 / 20
	maxKilobytes = math.MaxInt64 >> 10
)

// storageRows are how state reaches the disk.
var storageRows = []row{
	{
		key: "dataDir", form: direct, kind: kindPath, done: true,
		doc: "directory of snapshots, epoch files and myid",
		at:  func(c *Config) any { return &c.DataDir },
	},
	{
		key: "dataLogDir", form: direct, kind: kindPath, done: true,
		doc: "directory of transaction logs; dataDir unless set",
		at:  func(c *Config) any { return &c.DataLogDir },
	},
	{
		key: "snapCount", form: prefixed, kind: kindDecode, def: "100000", floor: 2, min: math.MinInt32, unit: "transactions", done: true,
		doc: "transactions between two snapshots",
		at:  func(c *Config) any { return &c.SnapCount },
	},
	{
		key: "snapSizeLimitInKb", form: prefixed, kind: kindLong, def: "4194304", min: -1, max: maxKilobytes, unit: "kilobytes", done: true,
		doc: "log written between two snapshots; 0 or -1 is off",
		at:  func(c *Config) any { return &c.SnapSizeLimitKB },
	},
	{
		key: "txnLogSizeLimitInKb", form: prefixed, kind: kindLong, def: "-1", min: -1, max: maxKilobytes, unit: "kilobytes", done: true,
		doc: "size at which a new transaction log is begun; 0 or -1 is off",
		at:  func(c *Config) any { return &c.TxnLogSizeLimitKB },
	},
	{
		key: "preAllocSize", form: prefixed, kind: kindLong, def: "65536", min: 0, max: maxKilobytes, unit: "kilobytes", done: true,
		doc: "block by which a transaction log grows",
		at:  func(c *Config) any { return &c.PreAllocSizeKB },
	},
	{
		key: "commitLogCount", form: prefixed, kind: kindInt, def: "500", floor: 500, min: math.MinInt32, unit: "transactions",
		done: true,
		doc:  "committed transactions kept in memory for servers that come back",
		at:   func(c *Config) any { return &c.CommitLogCount },
	},
	{
		key: "snapshotSizeFactor", form: prefixed, kind: kindFloat, def: "0.33",
		done: true,
		doc:  "share of the snapshot size up to which a server is brought up to date from the log; negative is never",
		at:   func(c *Config) any { return &c.SnapshotSizeFactor },
	},
	{
		key: "forceSync", form: prefixed, kind: kindYesNo, def: "yes", done: true,
		doc: "wait for the disk before a transaction is acknowledged; no can lose acknowledged data",
		at:  func(c *Config) any { return &c.ForceSync },
	},
	{
		key: "fsync.warningthresholdms", form: prefixed, kind: kindLong, def: "1000", min: 0, unit: "milliseconds", also: []string{"fsync.warningthresholdms"}, done: true,
		doc: "a slower fsync is logged",
		at:  func(c *Config) any { return &c.FsyncWarningThresholdMS },
	},
	{
		key: "flushDelay", form: prefixed, kind: kindLong, def: "0", min: 0, unit: "milliseconds",
		doc: "time that transactions may be gathered before a flush; 0 flushes when idle",
		at:  func(c *Config) any { return &c.FlushDelayMS },
	},
	{
		key: "maxWriteQueuePollTime", form: prefixed, kind: kindLong, min: 0, unit: "milliseconds",
		doc: "wait for more transactions before a flush; a third of flushDelay unless set",
		at:  func(c *Config) any { return &c.MaxWriteQueuePollTimeMS },
	},
	{
		key: "maxBatchSize", form: prefixed, kind: kindDecode, def: "1000", min: 0, unit: "transactions", done: true,
		doc: "transactions gathered before a flush; 0 is no limit",
		at:  func(c *Config) any { return &c.MaxBatchSize },
	},
	{
		key: "snapshot.compression.method", form: prefixed, kind: kindEnum, oneOf: []string{"", "gz", "snappy"}, done: true,
		doc: "compression of snapshots; empty is none",
		at:  func(c *Config) any { return &c.SnapshotCompression },
	},
	{
		key: "snapshot.trust.empty", form: prefixed, kind: kindBool, def: "false", done: true,
		doc: "start with logs but without a snapshot, as after an upgrade from 3.4",
		at:  func(c *Config) any { return &c.SnapshotTrustEmpty },
	},
	{
		key: "datadir.autocreate", form: prefixed, kind: kindBool, def: "true", done: true,
		doc: "create missing data directories",
		at:  func(c *Config) any { return &c.DataDirAutocreate },
	},
	{
		key: "db.autocreate", form: prefixed, kind: kindBool, def: "true", done: true,
		doc: "start empty when there is no data; false waits for the initialize file",
		at:  func(c *Config) any { return &c.DBAutocreate },
	},
	{
		key: "digest.enabled", form: prefixed, kind: kindBool, def: "true", done: true,
		doc: "keep a digest of the tree and compare it",
		at:  func(c *Config) any { return &c.DigestEnabled },
	},
	{
		key: "closeSessionTxn.enabled", form: prefixed, kind: kindBool, def: "true", done: true,
		doc: "list the ephemeral nodes in the transaction that closes a session",
		at:  func(c *Config) any { return &c.CloseSessionTxnEnabled },
	},
	{
		key: "serializeLastProcessedZxid.enabled", form: prefixed, kind: kindBool, def: "true", done: true,
		doc: "write the last zxid into snapshots",
		at:  func(c *Config) any { return &c.SerializeLastProcessedZxid },
	},
	{
		key: "autopurge.snapRetainCount", form: direct, kind: kindInt, def: "3", floor: 3, min: math.MinInt32, unit: "snapshots", done: true,
		doc: "snapshots that a purge keeps",
		at:  func(c *Config) any { return &c.AutopurgeSnapRetainCount },
	},
	{
		key: "autopurge.purgeInterval", form: direct, kind: kindInterval, def: "0", min: math.MinInt64, done: true,
		doc: "time between two purges; 0 or less is never",
		at:  func(c *Config) any { return &c.AutopurgePurgeIntervalMS },
	},
}
