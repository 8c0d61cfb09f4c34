package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"quokka/internal/core/quorum"
)

// Args is where a configuration comes from.
type Args struct {
	// Positional is the command line without flags: nothing (port 2181, data in ./quokka-data), a zoo.cfg, or
	// port dataDir [tickTime] [maxClientCnxns] as Java's ZooKeeperServerMain takes them.
	Positional []string
	// Properties are -D flags of our own command line, name=value. A leading -D is allowed.
	Properties []string
	// Overrides are explicit flags by key or by flag name. They win over everything else.
	Overrides map[string]string
	// Environ is the environment as os.Environ returns it. Variables with an empty value count as not set.
	Environ []string
}

// DefaultClientPort and DefaultDataDir are used when nothing stands on the command line.
const (
	DefaultClientPort = 2181
	DefaultDataDir    = "./quokka-data"
)

// Load reads the files that args names and builds the Config. The error joins an *Error for each thing that is wrong;
// the process should then end with ExitCode. Notices come with or without an error.
//
// From weak to strong: defaults; -Dzookeeper.K in SERVER_JVMFLAGS, JVMFLAGS and Properties; zoo.cfg; -D of properties
// that zoo.cfg cannot set in Java; QUOKKA_* variables; Overrides. That zoo.cfg beats -Dzookeeper.K is a fact of Java:
// QuorumPeerConfig.parseProperties calls System.setProperty for every key it does not know itself.
func Load(args Args) (Config, []Notice, error) { return load(args, os.ReadFile) }

type readFile func(name string) ([]byte, error)

func load(args Args, read readFile) (Config, []Notice, error) {
	l := &loader{args: args, read: read, set: make(map[string]setting)}
	l.config = blank()
	l.config.ServerID = NotSet
	l.readSources()
	if l.unreadable {
		// Every required key would be reported missing.
		return Config{}, l.notices, errors.Join(l.errs...)
	}
	l.parseRows()
	l.readMembers()
	l.finish()
	l.reportKeys()
	if len(l.errs) > 0 {
		return Config{}, l.notices, errors.Join(l.errs...)
	}
	return l.config, l.notices, nil
}

// loader gathers settings by key, weak sources first, and then parses them once.
type loader struct {
	args    Args
	read    readFile
	set     map[string]setting // the strongest setting of every key seen
	order   []string           // keys of set in the order they came
	config  Config
	notices []Notice
	errs    []error

	unreadable bool // there is no zoo.cfg to go on with
}

// blank is a Config before any row is parsed.
func blank() Config {
	var c Config
	c.ClientPort, c.SecureClientPort = NotSet, NotSet
	c.MaxWriteQueuePollTimeMS = -1
	return c
}

func (l *loader) put(s setting) {
	if _, ok := l.set[s.key]; !ok {
		l.order = append(l.order, s.key)
	}
	l.set[s.key] = s
}

func (l *loader) fail(err error) { l.errs = append(l.errs, err) }

func (l *loader) tell(notices ...Notice) {
	for _, n := range notices {
		n.Text, n.Key = oneLine(n.Text), oneLine(n.Key)
		l.notices = append(l.notices, n)
	}
}

func (l *loader) readSources() {
	properties := l.collectProperties()
	l.applyProperties(properties, weak)
	l.readPositional()
	l.applyProperties(properties, strong)
	l.readEnviron()
	l.readOverrides()
}

func (l *loader) readPositional() {
	p := l.args.Positional
	switch len(p) {
	case 0:
		l.put(setting{key: "clientPort", value: strconv.Itoa(DefaultClientPort), file: "default"})
		l.put(setting{key: "dataDir", value: DefaultDataDir, file: "default"})
	case 1:
		l.config.ConfigFile = p[0]
		l.readConfigFile(p[0])
	case 2, 3, 4:
		for i, key := range []string{"clientPort", "dataDir", "tickTime", "maxClientCnxns"}[:len(p)] {
			l.put(setting{key: key, value: trim(p[i]), file: "command line"})
		}
	default:
		l.fail(&Error{File: "command line", Want: fmt.Sprintf(
			"%d arguments are too many; give a zoo.cfg, or port dataDir [tickTime] [maxClientCnxns]", len(p))})
	}
}

func (l *loader) readConfigFile(name string) {
	data, err := l.read(name)
	if err != nil {
		l.unreadable = true
		l.fail(readError(name, err, "give the path of a zoo.cfg, or no argument to use the defaults"))
		return
	}
	settings, notices, errs := parseFile(name, data)
	l.tell(notices...)
	l.errs = append(l.errs, errs...)
	lines := make(map[string]int)
	for _, s := range settings {
		if first, ok := lines[s.key]; ok {
			l.tell(s.notice(Warn, fmt.Sprintf("%s stands in line %d too; the last one is used, as in Java", s.key, first)))
		}
		lines[s.key] = s.line
		l.put(s)
		if r := findRow(s.key); r != nil && r.form == bare {
			l.tell(s.notice(Warn, fmt.Sprintf("Java ignores %s in zoo.cfg and obeys only -D%s; it is obeyed here", s.key, s.key)))
		}
	}
}

func readError(name string, err error, advice string) *Error {
	reason := err.Error()
	var pathError *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		reason = "file is missing"
	case errors.As(err, &pathError):
		reason = "cannot read it: " + pathError.Err.Error()
	}
	return &Error{File: name, Want: reason + "; " + advice}
}

// parseRows stores the default and then the setting of every row.
func (l *loader) parseRows() {
	for i := range table {
		r := &table[i]
		if r.def != "" {
			if _, err := r.parse(&l.config, r.def); err != nil {
				l.fail(&Error{Key: r.key, Value: r.def, Want: "the default is wrong: " + err.Error()})
			}
		}
		s, ok := l.set[r.key]
		if !ok || r.at == nil && r.form != direct {
			continue
		}
		notice, err := r.parse(&l.config, s.value)
		if err != nil {
			l.fail(r.explain(s, err))
		}
		if notice != "" {
			l.tell(s.notice(Warn, notice))
		}
	}
}

// explain turns a wrong value into the error for the operator.
func (r *row) explain(s setting, err error) error {
	if r.key == "tickTime" && s.value == "0" {
		return s.fail("tickTime is not set; " + err.Error())
	}
	return s.fail(err.Error())
}

// readMembers takes the server, group and weight lines out of zoo.cfg or out of its dynamic file.
func (l *loader) readMembers() {
	var static []setting
	for _, key := range l.order {
		if isMemberKey(key) {
			static = append(static, l.set[key])
		}
	}
	name := l.config.DynamicConfigFile
	if name == "" {
		l.config.Membership = l.buildMembers(static)
		return
	}
	for _, s := range static {
		if s.file != l.config.ConfigFile {
			l.tell(s.notice(Warn, s.key+" has no effect: dynamicConfigFile names the servers since the first reconfiguration"))
			continue
		}
		l.fail(s.fail("this key must be in a separate dynamic config file, because dynamicConfigFile is set; move it to " + quote(name)))
	}
	l.config.Membership = l.buildMembers(l.readDynamicFile(name))
	l.config.Membership.Version = versionOf(name)
	l.readLastSeen()
}

func (l *loader) buildMembers(settings []setting) quorum.Membership {
	m, errs := members(settings, l.config.MultiAddressEnabled)
	l.errs = append(l.errs, errs...)
	return m
}

func (l *loader) readDynamicFile(name string) []setting {
	data, err := l.read(name)
	if err != nil {
		l.fail(readError(name, err, "dynamicConfigFile names it; correct the path or restore the file"))
		return nil
	}
	settings, notices, errs := parseFile(name, data)
	l.tell(notices...)
	l.errs = append(l.errs, errs...)
	var kept []setting
	for _, s := range lastOfEach(settings) {
		switch {
		case isMemberKey(s.key):
			kept = append(kept, s)
		case s.key == "version":
			l.fail(s.fail("a dynamic file has no version inside, but at the end of its name; remove the line"))
		default:
			l.fail(&Error{File: s.file, Line: s.line, Key: s.key, Want: "unrecognised parameter; only server.N, group.N and weight.N belong in a dynamic file"})
		}
	}
	return kept
}

// readLastSeen reads the proposed configuration that a server keeps beside its zoo.cfg. As in Java, a file that
// cannot be read is none.
func (l *loader) readLastSeen() {
	if l.config.ConfigFile == "" {
		return
	}
	name := l.config.ConfigFile + ".dynamic.next"
	data, err := l.read(name)
	if err != nil {
		return
	}
	settings, _, errs := parseFile(name, data)
	l.errs = append(l.errs, errs...)
	var kept []setting
	var version uint64
	for _, s := range lastOfEach(settings) {
		if isMemberKey(s.key) {
			kept = append(kept, s)
		} else if s.key == "version" {
			if version, err = strconv.ParseUint(s.value, 16, 63); err != nil {
				l.fail(s.fail("want a hexadecimal number"))
			}
		}
	}
	m := l.buildMembers(kept)
	m.Version = version
	l.config.LastSeen = &m
}

// lastOfEach keeps the last setting of every key, in the order of the file.
func lastOfEach(settings []setting) []setting {
	last := make(map[string]int)
	for i, s := range settings {
		last[s.key] = i
	}
	kept := settings[:0:0]
	for i, s := range settings {
		if last[s.key] == i {
			kept = append(kept, s)
		}
	}
	return kept
}

func ofEnsemble(key string) bool {
	named := func(r row) bool { return r.key == key }
	return slices.ContainsFunc(ensembleRows, named) || slices.ContainsFunc(peerRows, named)
}

// reportKeys tells about keys that nobody knows or obeys.
func (l *loader) reportKeys() {
	for _, key := range l.order {
		s := l.set[key]
		r := findRow(key)
		switch {
		case isMemberKey(key) || r != nil && r.done:
		case r != nil && ofEnsemble(key) && !l.config.Distributed():
		case r != nil && r.def == s.value && r.at != nil:
		case key == "admin.enableServer" && !l.config.Admin.Enabled: // there is none yet
		case r != nil:
			l.tell(s.notice(Warn, key+" has no effect in Quokka yet ("+r.doc+")"))
		case findFamily(key) != nil:
			l.tell(s.notice(Warn, key+" has no effect in Quokka yet ("+findFamily(key).doc+")"))
		case strings.HasPrefix(key, javaPrefix) && findRow(key[len(javaPrefix):]) != nil:
			l.tell(s.notice(Warn, key+" has no effect: in zoo.cfg the prefix zookeeper. is left out, write "+key[len(javaPrefix):]))
		default:
			l.tell(s.notice(Warn, quote(key)+" is not a key of ZooKeeper or Quokka and has no effect"+didYouMean(key, knownKeys())))
		}
	}
}
