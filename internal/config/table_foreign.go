package config

// foreignRows are keys of Java ZooKeeper that have no field here: they are recognised, and have no effect.
var foreignRows = []row{
	{
		key: "multiAddress.reachabilityCheckEnabled", form: direct, also: []string{"zookeeper.multiAddress.reachabilityCheckEnabled"}, kind: kindBool, def: "true",
		doc: "look which address of a peer answers",
	},
	{
		key: "multiAddress.reachabilityCheckTimeoutMs", form: direct, also: []string{"zookeeper.multiAddress.reachabilityCheckTimeoutMs"}, kind: kindInt, def: "1000", unit: "milliseconds",
		doc: "time an address has to answer",
	},
	{
		key: "oraclePath", form: direct, kind: kindPath,
		doc: "file of the oracle for two servers",
	},
	{
		key: "sslQuorum", form: direct, kind: kindBool, def: "false",
		doc: "TLS between servers",
	},
	{
		key: "portUnification", form: direct, kind: kindBool, def: "false",
		doc: "accept both TLS and plain connections from servers",
	},
	{
		key: "sslQuorumReloadCertFiles", form: direct, kind: kindBool, def: "false",
		doc: "read new certificates while running",
	},
	{
		key: "quorum.auth.enableSasl", form: direct, kind: kindBool, def: "false",
		doc: "SASL between servers",
	},
	{
		key: "quorum.auth.serverRequireSasl", form: direct, kind: kindBool, def: "false",
		doc: "refuse servers without SASL",
	},
	{
		key: "quorum.auth.learnerRequireSasl", form: direct, kind: kindBool, def: "false",
		doc: "refuse leaders without SASL",
	},
	{
		key: "quorum.auth.learner.saslLoginContext", form: direct, kind: kindString, def: "QuorumLearner",
		doc: "JAAS section of a learner",
	},
	{
		key: "quorum.auth.server.saslLoginContext", form: direct, kind: kindString, def: "QuorumServer",
		doc: "JAAS section of a server",
	},
	{
		key: "quorum.auth.kerberos.servicePrincipal", form: direct, kind: kindString, def: "zkquorum/localhost",
		doc: "Kerberos name of the servers",
	},
	{
		key: "quorum.cnxn.threads.size", form: direct, kind: kindInt, def: "20", unit: "threads",
		doc: "threads of SASL logins",
	},
	{
		key: "jvm.pause.monitor", form: direct, kind: kindBool, def: "false",
		doc: "watch for pauses of the Java machine",
	},
	{
		key: "jvm.pause.warn-threshold.ms", form: direct, kind: kindInt, def: "10000", unit: "milliseconds",
		doc: "pause that is a warning",
	},
	{
		key: "jvm.pause.info-threshold.ms", form: direct, kind: kindInt, def: "1000", unit: "milliseconds",
		doc: "pause that is logged",
	},
	{
		key: "jvm.pause.sleep.time.ms", form: direct, kind: kindInt, def: "500", unit: "milliseconds",
		doc: "time between two looks",
	},
	{
		key: "authProvider", form: prefixed, kind: kindString,
		doc: "class of an authentication provider",
	},
	{
		key: "serverCnxnFactory", form: prefixed, kind: kindString,
		doc: "class that serves clients",
	},
	{
		key: "nio.numSelectorThreads", form: prefixed, kind: kindDecode,
		doc: "threads of the Java server",
	},
	{
		key: "nio.numWorkerThreads", form: prefixed, kind: kindDecode,
		doc: "threads of the Java server",
	},
	{
		key: "nio.workerShutdownTimeoutMS", form: prefixed, kind: kindDecode,
		doc: "threads of the Java server",
	},
	{
		key: "nio.shutdownTimeout", form: prefixed, kind: kindDecode,
		doc: "threads of the Java server",
	},
	{
		key: "nio.directBufferBytes", form: prefixed, kind: kindDecode,
		doc: "buffers of the Java server",
	},
	{
		key: "netty.advancedFlowControl.enabled", form: prefixed, kind: kindBool, def: "false",
		doc: "flow control of the Netty server",
	},
	{
		key: "netty.server.outstandingHandshake.limit", form: prefixed, kind: kindDecode, def: "-1", min: -1,
		doc: "TLS handshakes at a time",
	},
	{
		key: "netty.server.earlyDropSecureConnectionHandshakes", form: prefixed, kind: kindBool, def: "false",
		doc: "refuse TLS while the server is down",
	},
	{
		key: "commitProcessor.numWorkerThreads", form: prefixed, kind: kindDecode,
		doc: "threads of the Java server",
	},
	{
		key: "commitProcessor.shutdownTimeout", form: prefixed, kind: kindDecode,
		doc: "threads of the Java server",
	},
	{
		key: "commitProcessor.maxReadBatchSize", form: prefixed, kind: kindDecode, def: "-1", min: -1,
		doc: "reads between two commits",
	},
	{
		key: "commitProcessor.maxCommitBatchSize", form: prefixed, kind: kindDecode, def: "1",
		doc: "commits between two reads",
	},
	{
		key: "maxResponseCacheSize", form: prefixed, kind: kindDecode, def: "400",
		doc: "cached answers of getData",
	},
	{
		key: "maxGetChildrenResponseCacheSize", form: prefixed, kind: kindDecode, def: "400",
		doc: "cached answers of getChildren",
	},
	{
		key: "intBufferStartingSizeBytes", form: prefixed, kind: kindDecode, def: "1024",
		doc: "buffers of the Java server",
	},
	{
		key: "bitHashCacheSize", form: prefixed, kind: kindDecode, def: "10",
		doc: "watch tables of the Java server",
	},
	{
		key: "watchManagerName", form: prefixed, kind: kindString,
		doc: "class that keeps watches",
	},
	{
		key: "watcherCleanThreshold", form: prefixed, kind: kindDecode, def: "1000",
		doc: "dead watches gathered before they are removed",
	},
	{
		key: "watcherCleanIntervalInSeconds", form: prefixed, kind: kindDecode, def: "600", unit: "seconds",
		doc: "time between removals of dead watches",
	},
	{
		key: "watcherCleanThreadsNum", form: prefixed, kind: kindDecode, def: "2",
		doc: "threads of the Java server",
	},
	{
		key: "maxInProcessingDeadWatchers", form: prefixed, kind: kindDecode, def: "-1", min: -1,
		doc: "dead watches before connections wait",
	},
	{
		key: "leader.closeSocketAsync", form: prefixed, kind: kindBool, def: "false", also: []string{"leader.closeSocketAsync"},
		doc: "close connections in the background",
	},
	{
		key: "leader.ackLoggingFrequency", form: prefixed, kind: kindDecode, def: "1000",
		doc: "acknowledgements between two log lines",
	},
	{
		key: "learner.closeSocketAsync", form: prefixed, kind: kindBool, def: "false", also: []string{"learner.closeSocketAsync"},
		doc: "close connections in the background",
	},
	{
		key: "learner.asyncSending", form: prefixed, kind: kindBool, def: "false", also: []string{"learner.asyncSending"},
		doc: "send to the leader in the background",
	},
	{
		key: "follower.skipLearnerRequestToNextProcessor", form: prefixed, kind: kindBool, def: "false",
		doc: "pipeline of the Java server",
	},
	{
		key: "forward_learner_requests_to_commit_processor_disabled", form: prefixed, kind: kindBool, def: "false",
		doc: "pipeline of the Java server",
	},
	{
		key: "messageTracker.Enabled", form: prefixed, kind: kindBool, def: "false",
		doc: "keep the last messages between servers",
	},
	{
		key: "messageTracker.BufferSize", form: prefixed, kind: kindDecode, def: "10",
		doc: "how many",
	},
	{
		key: "superUser", form: prefixed, kind: kindString,
		doc: "SASL user with all rights",
	},
	{
		key: "sasl.serverconfig", form: prefixed, kind: kindString, def: "Server",
		doc: "JAAS section of the server",
	},
	{
		key: "IPAuthenticationProvider.usexforwardedfor", form: prefixed, kind: kindBool, def: "false",
		doc: "believe the X-Forwarded-For header",
	},
	{
		key: "kerberos.removeHostFromPrincipal", form: prefixed, kind: kindBool, def: "false",
		doc: "shorten Kerberos names",
	},
	{
		key: "kerberos.removeRealmFromPrincipal", form: prefixed, kind: kindBool, def: "false",
		doc: "shorten Kerberos names",
	},
	{
		key: "kerberos.canonicalizeHostNames", form: prefixed, kind: kindBool, def: "false",
		doc: "look up names of hosts for Kerberos",
	},
	{
		key: "security.auth_to_local", form: prefixed, kind: kindString, def: "DEFAULT",
		doc: "rules for Kerberos names",
	},
	{
		key: "java.security.auth.login.config", form: bare, kind: kindPath,
		doc: "JAAS file",
	},
	{
		key: "java.security.krb5.conf", form: bare, kind: kindPath,
		doc: "Kerberos file",
	},
	{
		key: "client.portUnification", form: prefixed, kind: kindBool, def: "false",
		doc: "TLS and plain clients on one port",
	},
	{
		key: "client.certReload", form: prefixed, kind: kindBool, def: "false",
		doc: "read new certificates while running",
	},
	{
		key: "fips-mode", form: prefixed, kind: kindBool, def: "true",
		doc: "TLS by FIPS rules",
	},
	{
		key: "ssl.authProvider", form: prefixed, kind: kindString, def: "x509",
		doc: "scheme of TLS clients",
	},
	{
		key: "ssl.keyStore.location", form: prefixed, kind: kindPath,
		doc: "own certificate for clients",
	},
	{
		key: "ssl.keyStore.password", form: prefixed, kind: kindSecret,
		doc: "password of ssl.keyStore.location",
	},
	{
		key: "ssl.keyStore.passwordPath", form: prefixed, kind: kindPath,
		doc: "file with the password",
	},
	{
		key: "ssl.keyStore.type", form: prefixed, kind: kindString,
		doc: "JKS, PEM, PKCS12 or BCFKS",
	},
	{
		key: "ssl.trustStore.location", form: prefixed, kind: kindPath,
		doc: "certificates that clients may have",
	},
	{
		key: "ssl.trustStore.password", form: prefixed, kind: kindSecret,
		doc: "password of ssl.trustStore.location",
	},
	{
		key: "ssl.trustStore.passwordPath", form: prefixed, kind: kindPath,
		doc: "file with the password",
	},
	{
		key: "ssl.trustStore.type", form: prefixed, kind: kindString,
		doc: "JKS, PEM, PKCS12 or BCFKS",
	},
	{
		key: "ssl.clientAuth", form: prefixed, kind: kindString, def: "need",
		doc: "need, want or none",
	},
	{
		key: "ssl.protocol", form: prefixed, kind: kindString, def: "TLSv1.3",
		doc: "TLS version",
	},
	{
		key: "ssl.enabledProtocols", form: prefixed, kind: kindList,
		doc: "TLS versions",
	},
	{
		key: "ssl.ciphersuites", form: prefixed, kind: kindList,
		doc: "cipher suites",
	},
	{
		key: "ssl.hostnameVerification", form: prefixed, kind: kindBool, def: "true",
		doc: "compare names of hosts",
	},
	{
		key: "ssl.quorum.keyStore.location", form: prefixed, kind: kindPath,
		doc: "own certificate for servers",
	},
	{
		key: "ssl.quorum.keyStore.password", form: prefixed, kind: kindSecret,
		doc: "password of ssl.quorum.keyStore.location",
	},
	{
		key: "ssl.quorum.keyStore.passwordPath", form: prefixed, kind: kindPath,
		doc: "file with the password",
	},
	{
		key: "ssl.quorum.trustStore.location", form: prefixed, kind: kindPath,
		doc: "certificates that servers may have",
	},
	{
		key: "ssl.quorum.trustStore.password", form: prefixed, kind: kindSecret,
		doc: "password of ssl.quorum.trustStore.location",
	},
	{
		key: "ssl.quorum.trustStore.passwordPath", form: prefixed, kind: kindPath,
		doc: "file with the password",
	},
	{
		key: "audit.impl.class", form: prefixed, kind: kindString,
		doc: "class that writes the audit log",
	},
	{
		key: "admin.httpVersion", form: prefixed, kind: kindDecode, def: "11",
		doc: "HTTP version",
	},
	{
		key: "admin.portUnification", form: prefixed, kind: kindBool, def: "false",
		doc: "HTTP and HTTPS on one port",
	},
	{
		key: "admin.forceHttps", form: prefixed, kind: kindBool, def: "false",
		doc: "HTTPS only",
	},
	{
		key: "admin.needClientAuth", form: prefixed, kind: kindBool, def: "false",
		doc: "ask for a certificate",
	},
	{
		key: "metricsProvider.httpsPort", form: direct, kind: kindInt,
		doc: "Prometheus port with TLS",
	},
	{
		key: "jmx.log4j.disable", form: prefixed, kind: kindBool, def: "false",
		doc: "JMX of the Java server",
	},
}
