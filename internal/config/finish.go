package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"quokka/internal/core/quorum"
	"quokka/internal/proto"
)

// finish fills in what is computed from other settings and checks what concerns several of them.
func (l *loader) finish() {
	l.finishDirs()
	l.readMyID()
	l.checkMembers()
	l.finishClientAddress("clientPort", &l.config.ClientPort, &l.config.ClientPortAddress,
		func(s quorum.Server) quorum.HostPort { return s.Client })
	l.finishClientAddress("secureClientPort", &l.config.SecureClientPort, &l.config.SecureClientPortAddress,
		func(s quorum.Server) quorum.HostPort { return s.Secure })
	l.checkClientPort()
	l.finishTimeouts()
	l.finishLimits()
	l.finishAuth()
	l.finishWords()
}

// origin is the setting of a key, or a setting without value and place if nobody set it.
func (l *loader) origin(key string) setting {
	if s, ok := l.set[key]; ok {
		return s
	}
	return setting{key: key, file: l.config.ConfigFile}
}

// missing is the error for a key that must be there.
func (l *loader) missing(key, advice string) error {
	return &Error{File: l.config.ConfigFile, Key: key, Want: key + " is not set; " + advice}
}

func (l *loader) finishDirs() {
	c := &l.config
	for _, dir := range []struct{ key, path string }{{"dataDir", c.DataDir}, {"dataLogDir", c.DataLogDir}} {
		relative := dir.path != "" && !filepath.IsAbs(dir.path) && !strings.HasPrefix(dir.path, "./")
		if relative {
			l.tell(l.origin(dir.key).notice(Warn, quote(dir.path)+" is relative. Prepend ./ to indicate that you're sure!"))
		}
	}
	if c.DataDir == "" {
		l.fail(l.missing("dataDir", "add dataDir=/var/lib/zookeeper, or the directory of your data"))
	}
	if c.DataLogDir == "" {
		c.DataLogDir = c.DataDir
	}
}

// readMyID reads the first line of dataDir/myid. Java takes any 64-bit number; but an id is the top byte of every
// session id a server makes, so two ids that agree in their last byte would make equal session ids.
func (l *loader) readMyID() {
	if l.config.DataDir == "" {
		return
	}
	name := filepath.Join(l.config.DataDir, "myid")
	data, err := l.read(name)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) { // who opens dataDir tells better
			l.fail(readError(name, err, "make it readable"))
		}
		return
	}
	line, _, _ := bytes.Cut(data, []byte("\n"))
	text := trim(string(line))
	id, ok := parseDecimal(text, 64)
	largest := int64(255)
	if l.config.ExtendedTypesEnabled {
		largest = 254
	}
	if !ok || id < 0 || id > largest {
		l.fail(&Error{File: name, Line: 1, Value: quote(text), Key: "myid", Want: fmt.Sprintf(
			"want the id of this server, an integer from 1 to %d; write the N of its server.N line", largest)})
		return
	}
	l.config.ServerID = proto.ServerID(id)
}

// checkMembers is QuorumPeerConfig.parseDynamicConfig, setupPeerType and checkValidity.
func (l *loader) checkMembers() {
	c := &l.config
	participants, observers := len(c.Membership.Participants()), len(c.Membership.Observers())
	fail := func(want string) { l.fail(&Error{File: l.membersFile(), Want: want}) }
	warn := func(text string) { l.tell(Notice{Level: Warn, Text: text, File: l.membersFile()}) }
	switch {
	case participants == 0 && !c.StandaloneEnabled:
		fail("standaloneEnabled = false then number of participants should be >0; add server.N lines")
	case participants == 0 && observers > 0:
		fail("Observers w/o participants is an invalid configuration; add server.N lines of participants")
	case participants == 1 && c.StandaloneEnabled && observers > 0:
		fail("Observers w/o quorum is an invalid configuration; add participants, or set standaloneEnabled=false")
	case participants == 1 && c.StandaloneEnabled:
		warn("Invalid configuration, only one server specified (ignoring)")
	case participants == 1 || participants == 2:
		warn("No server failure will be tolerated. You need at least 3 servers.")
	case participants > 0 && participants%2 == 0:
		warn("Non-optimal configuration, consider an odd number of servers.")
	}
	if c.Distributed() {
		l.checkDistributed()
	}
}

// membersFile is the file in which the server lines are.
func (l *loader) membersFile() string {
	if l.config.DynamicConfigFile != "" {
		return l.config.DynamicConfigFile
	}
	return l.config.ConfigFile
}

func (l *loader) checkDistributed() {
	c := &l.config
	if c.InitLimit == 0 {
		l.fail(l.missing("initLimit", "add initLimit=10, a number of ticks"))
	}
	if c.SyncLimit == 0 {
		l.fail(l.missing("syncLimit", "add syncLimit=5, a number of ticks"))
	}
	l.finishPeers()
	if c.ServerID == NotSet && c.DataDir != "" {
		l.fail(&Error{File: filepath.Join(c.DataDir, "myid"), Want: "myid file is missing; write the N of this server's server.N line into it"})
		return
	}
	self, ok := c.Membership.Server(c.ServerID)
	if !ok {
		l.tell(Notice{Level: Warn, File: l.membersFile(), Text: fmt.Sprintf(
			"myid is %d, but there is no server.%d line: this server is not a member", c.ServerID, c.ServerID)})
		self.Role = quorum.Participant // one that does not vote
	}
	if self.Role != c.PeerType {
		l.tell(l.origin("peerType").notice(Warn, fmt.Sprintf(
			"Peer type from servers list (%s) doesn't match peerType (%s). Defaulting to servers list.",
			strings.ToUpper(string(self.Role)), strings.ToUpper(string(c.PeerType)))))
		c.PeerType = self.Role
	}
}

// finishPeers computes the times that depend on ticks and what stands behind special values (Java
// QuorumPeer.createCnxnManager and getSyncEnabled, Learner.connectToLeader, QuorumCnxManager.Listener).
func (l *loader) finishPeers() {
	c := &l.config
	if c.ConnectToLearnerMasterLimit == 0 {
		c.ConnectToLearnerMasterLimit = c.InitLimit
	}
	if c.Peers.HandshakeTimeoutMS <= 0 {
		// Multiplied without the overflow that Java would have.
		c.Peers.HandshakeTimeoutMS = int(min(int64(c.SyncLimit)*int64(c.TickTimeMS), math.MaxInt32))
	}
	if c.Peers.BindRetries < 0 {
		c.Peers.BindRetries = 3
	}
	if s, ok := l.set["observer.syncEnabled"]; ok {
		c.SyncEnabled, ok = parseBool(s.value)
		if !ok {
			l.fail(s.fail("want true or false"))
		}
	}
}

// finishClientAddress takes the client address of this server's own server.N line, which must agree with the keys in
// zoo.cfg (Java QuorumPeerConfig.setupClientPort). Names of hosts are not resolved, so two names that differ pass with
// a warning.
func (l *loader) finishClientAddress(key string, port *int, host *string, of func(quorum.Server) quorum.HostPort) {
	*host = strings.TrimSuffix(strings.TrimPrefix(*host, "["), "]")
	if *port == NotSet && *host != "" {
		l.fail(l.origin(key + "Address").fail(key + "Address is set but " + key + " is not set; add " + key))
	}
	self, ok := l.config.Membership.Server(l.config.ServerID)
	line := of(self)
	if !ok || !line.IsSet() {
		return
	}
	if *port != NotSet {
		l.compareClientAddress(key, quorum.HostPort{Host: *host, Port: *port}, line)
	}
	*port, *host = line.Port, line.Host
}

func (l *loader) compareClientAddress(key string, static, line quorum.HostPort) {
	if static.Port == line.Port && (isAnyAddress(static.Host) || sameHost(static.Host, line.Host)) {
		return
	}
	text := fmt.Sprintf("client address for this server (id = %d) in static config file is %s, which is different from client "+
		"address found in dynamic file: %s", l.config.ServerID, static, line)
	if static.Port == line.Port && (isName(static.Host) || isName(line.Host)) {
		l.tell(l.origin(key).notice(Warn, text+"; the latter is used"))
		return
	}
	l.fail(l.origin(key).fail(text + "; remove " + key + ", or make them equal"))
}

func isAnyAddress(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "" || err == nil && addr.IsUnspecified()
}

func isName(host string) bool {
	_, err := netip.ParseAddr(host)
	return err != nil
}

func sameHost(a, b string) bool {
	addrA, errA := netip.ParseAddr(a)
	addrB, errB := netip.ParseAddr(b)
	if errA == nil && errB == nil {
		return addrA == addrB
	}
	return strings.EqualFold(a, b)
}

func (l *loader) checkClientPort() {
	if l.config.ClientPort != NotSet || l.config.Distributed() || l.set["clientPort"].value != "" {
		return
	}
	if l.config.SecureClientPort != NotSet {
		l.tell(l.origin("secureClientPort").notice(Info, "clientPort is not set"))
		return
	}
	l.fail(l.missing("clientPort", "add clientPort=2181"))
}

func (l *loader) finishTimeouts() {
	c := &l.config
	if c.MinSessionTimeoutMS == -1 {
		c.MinSessionTimeoutMS = 2 * c.TickTimeMS
	}
	if c.MaxSessionTimeoutMS == -1 {
		c.MaxSessionTimeoutMS = 20 * c.TickTimeMS
	}
	if c.MinSessionTimeoutMS <= c.MaxSessionTimeoutMS {
		return
	}
	s := l.origin("minSessionTimeout")
	if s.value == "" {
		s = l.origin("maxSessionTimeout")
	}
	l.fail(s.fail(fmt.Sprintf("minSessionTimeout must not be larger than maxSessionTimeout, but %d > %d (unset, they are 2 and 20 ticks)",
		c.MinSessionTimeoutMS, c.MaxSessionTimeoutMS)))
}

func (l *loader) finishLimits() {
	c := &l.config
	if c.JuteExtraSize == 0 {
		// BinaryInputArchive: the extra is as large as the packet, but never below 1024.
		c.JuteExtraSize = max(c.JuteMaxBuffer, 1024)
	}
	if c.MaxWriteQueuePollTimeMS == -1 {
		c.MaxWriteQueuePollTimeMS = c.FlushDelayMS / 3
	}
	if c.SnapshotSizeFactor > 1 {
		l.tell(l.origin("snapshotSizeFactor").notice(Warn, "snapshotSizeFactor is above 1 and was set to 0.33, as Java does"))
		c.SnapshotSizeFactor = 0.33
	}
	if !c.ForceSync {
		l.tell(l.origin("forceSync").notice(Warn, "forceSync=no: acknowledged writes can be lost when the machine stops"))
	}
	if c.SkipACL {
		l.tell(l.origin("skipACL").notice(Warn, "skipACL=yes: every client may read and change everything"))
	}
}

// finishAuth is AuthenticationHelper.initConfigurations.
func (l *loader) finishAuth() {
	c := &l.config
	if c.SessionRequireClientSASLAuth {
		c.EnforceAuth = EnforceAuth{Enabled: true, Schemes: []string{"sasl"}}
	}
	if c.EnforceAuth.Enabled && len(c.EnforceAuth.Schemes) == 0 {
		l.fail(l.origin("enforce.auth.enabled").fail("enforce.auth.enabled is true, so enforce.auth.schemes must be configured; add enforce.auth.schemes=digest or others"))
	}
}

func (l *loader) finishWords() {
	c := &l.config
	if c.ReadOnlyModeEnabled {
		c.FourLetterWhitelist = c.FourLetterWhitelist.with("isro")
	}
	s := l.origin("4lw.commands.whitelist")
	for _, word := range c.FourLetterWhitelist.Words {
		if !slices.Contains(knownWords, word) {
			l.tell(s.notice(Warn, quote(word)+" is no four letter word and has no effect"+didYouMean(word, knownWords)))
		}
	}
}
