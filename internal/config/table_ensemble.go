package config

// ensembleRows are what a server needs to talk to its peers.
var ensembleRows = []row{
	{
		key: "standaloneEnabled", form: direct, kind: kindBool, def: "true", done: true,
		doc: "a single participant runs alone, without the ensemble protocol",
		at:  func(c *Config) any { return &c.StandaloneEnabled },
	},
	{
		key: "dynamicConfigFile", form: direct, kind: kindPath, done: true,
		doc: "file with the server, group and weight lines",
		at:  func(c *Config) any { return &c.DynamicConfigFile },
	},
	{
		key: "initLimit", form: direct, kind: kindInt, def: "0", min: 0, unit: "ticks",
		done: true,
		doc:  "time to connect to a leader and get its state",
		at:   func(c *Config) any { return &c.InitLimit },
	},
	{
		key: "syncLimit", form: direct, kind: kindInt, def: "0", min: 0, unit: "ticks",
		done: true,
		doc:  "time a server may lag behind the leader",
		at:   func(c *Config) any { return &c.SyncLimit },
	},
	{
		key: "connectToLearnerMasterLimit", form: direct, kind: kindInt, def: "0", min: 0, unit: "ticks",
		done: true,
		doc:  "time to connect to the leader; initLimit unless set",
		at:   func(c *Config) any { return &c.ConnectToLearnerMasterLimit },
	},
	{
		key: "electionAlg", form: direct, kind: kindInt, def: "3", min: 3, max: 3,
		done: true,
		doc:  "only 3, fast leader election",
		at:   func(c *Config) any { return &c.ElectionAlg },
	},
	{
		key: "peerType", form: direct, kind: kindEnum, def: "participant", oneOf: []string{"participant", "observer"},
		done: true,
		doc:  "role of this server; the server list wins",
		at:   func(c *Config) any { return &c.PeerType },
	},
	{
		key: "quorumListenOnAllIPs", form: direct, kind: kindBool, def: "false",
		done: true,
		doc:  "listen for peers on all interfaces",
		at:   func(c *Config) any { return &c.QuorumListenOnAllIPs },
	},
	{
		key: "multiAddress.enabled", form: direct, also: []string{"zookeeper.multiAddress.enabled"}, kind: kindBool, def: "false",
		done: true,
		doc:  "allow several addresses per server",
		at:   func(c *Config) any { return &c.MultiAddressEnabled },
	},
	{
		key: "observerMasterPort", form: direct, kind: kindInt, def: "0", max: 65535, unit: "port",
		done: true,
		doc:  "port on which a follower accepts observers; 0 is none",
		at:   func(c *Config) any { return &c.ObserverMasterPort },
	},
	{
		key: "syncEnabled", form: direct, kind: kindBool, def: "true",
		doc: "observers write logs and snapshots",
		at:  func(c *Config) any { return &c.SyncEnabled },
	},
	{
		key: "leaderServes", form: prefixed, kind: kindYesNo, def: "yes",
		done: true,
		doc:  "the leader serves clients",
		at:   func(c *Config) any { return &c.LeaderServes },
	},
}

// authRows are who clients may be.
var authRows = []row{
	{
		key: "DigestAuthenticationProvider.superDigest", form: prefixed, kind: kindSecret, done: true,
		doc: "user:base64(hash) of the user with all rights",
		at:  func(c *Config) any { return &c.SuperDigest },
	},
	{
		key: "DigestAuthenticationProvider.digestAlg", form: prefixed, kind: kindString, def: "SHA1", done: true,
		doc: "hash of the digest scheme",
		at:  func(c *Config) any { return &c.DigestAlg },
	},
	{
		key: "DigestAuthenticationProvider.enabled", form: prefixed, kind: kindBool, def: "true", done: true,
		doc: "offer the digest scheme",
		at:  func(c *Config) any { return &c.DigestAuthEnabled },
	},
	{
		key: "enforce.auth.enabled", form: prefixed, kind: kindBool, def: "false", done: true,
		doc: "refuse requests of clients without an identity of enforce.auth.schemes",
		at:  func(c *Config) any { return &c.EnforceAuth.Enabled },
	},
	{
		key: "enforce.auth.schemes", form: prefixed, kind: kindList, done: true,
		doc: "schemes of which a client must have one",
		at:  func(c *Config) any { return &c.EnforceAuth.Schemes },
	},
	{
		key: "sessionRequireClientSASLAuth", form: prefixed, kind: kindBool, def: "false", done: true,
		doc: "the same as enforce.auth with scheme sasl",
		at:  func(c *Config) any { return &c.SessionRequireClientSASLAuth },
	},
	{
		key: "allowSaslFailedClients", form: prefixed, kind: kindBool, def: "false", done: true,
		doc: "keep connections whose SASL login failed",
		at:  func(c *Config) any { return &c.AllowSaslFailedClients },
	},
	{
		key: "ensembleAuthName", form: prefixed, kind: kindList,
		doc: "names that a client of scheme ensemble may expect",
		at:  func(c *Config) any { return &c.EnsembleNames },
	},
	{
		key: "X509AuthenticationProvider.superUser", form: prefixed, kind: kindString,
		doc: "certificate subject with all rights",
		at:  func(c *Config) any { return &c.X509SuperUser },
	},
	{
		key: "SASLAuthenticationProvider.superPassword", form: prefixed, kind: kindSecret,
		doc: "password of the SASL user super",
		at:  func(c *Config) any { return &c.SASLSuperPassword },
	},
	{
		key: "letAnySaslUserDoX", form: prefixed, kind: kindString,
		doc: "an ACL id that every SASL user matches",
		at:  func(c *Config) any { return &c.LetAnySASLUserDoX },
	},
}

// adminRows are the administration server and metrics.
var adminRows = []row{
	{
		key: "admin.enableServer", form: prefixed, kind: kindBool, def: "true",
		doc: "run the administration server",
		at:  func(c *Config) any { return &c.Admin.Enabled },
	},
	{
		key: "admin.serverPort", form: prefixed, kind: kindDecode, def: "8080", max: 65535, unit: "port",
		doc: "its port",
		at:  func(c *Config) any { return &c.Admin.Port },
	},
	{
		key: "admin.serverAddress", form: prefixed, kind: kindString, def: "0.0.0.0",
		doc: "its address",
		at:  func(c *Config) any { return &c.Admin.Address },
	},
	{
		key: "admin.commandURL", form: prefixed, kind: kindString, def: "/commands",
		doc: "path under which its commands are",
		at:  func(c *Config) any { return &c.Admin.CommandURL },
	},
	{
		key: "admin.idleTimeout", form: prefixed, kind: kindDecode, def: "30000", min: 0, unit: "milliseconds",
		doc: "after which an idle connection is closed",
		at:  func(c *Config) any { return &c.Admin.IdleTimeoutMS },
	},
	{
		key: "admin.snapshot.enabled", form: prefixed, kind: kindBool, def: "true",
		doc: "allow the snapshot command",
		at:  func(c *Config) any { return &c.Admin.SnapshotEnabled },
	},
	{
		key: "admin.restore.enabled", form: prefixed, kind: kindBool, def: "true",
		doc: "allow the restore command",
		at:  func(c *Config) any { return &c.Admin.RestoreEnabled },
	},
	{
		key: "admin.rateLimiterIntervalInMS", form: prefixed, kind: kindInt, def: "300000", min: 0, unit: "milliseconds",
		doc: "time between two snapshot or restore commands",
		at:  func(c *Config) any { return &c.Admin.RateLimiterMS },
	},
	{
		key: "metricsProvider.className", form: direct, kind: kindString, def: "org.apache.zookeeper.metrics.impl.DefaultMetricsProvider",
		doc: "a name that ends in PrometheusMetricsProvider opens the Prometheus port",
		at:  func(c *Config) any { return &c.Metrics.ClassName },
	},
	{
		key: "metricsProvider.httpHost", form: direct, kind: kindString, def: "0.0.0.0",
		doc: "address of the Prometheus port",
		at:  func(c *Config) any { return &c.Metrics.HTTPHost },
	},
	{
		key: "metricsProvider.httpPort", form: direct, kind: kindInt, def: "7000", min: -1, max: 65535, unit: "port",
		doc: "the Prometheus port; -1 is off",
		at:  func(c *Config) any { return &c.Metrics.HTTPPort },
	},
	{
		key: "metricsProvider.exportJvmInfo", form: direct, kind: kindBool, def: "true",
		doc: "export the metrics of the process too",
		at:  func(c *Config) any { return &c.Metrics.RuntimeInfo },
	},
}
