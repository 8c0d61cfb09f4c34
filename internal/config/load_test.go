package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
)

// files is a file system for load.
type files map[string]string

func (f files) read(name string) ([]byte, error) {
	if text, ok := f[name]; ok {
		return []byte(text), nil
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

const minimal = "dataDir=/d\nclientPort=2181\n"

func loadText(t *testing.T, text string, args Args) (Config, []Notice) {
	t.Helper()
	return loadFiles(t, files{"zoo.cfg": text}, args)
}

func loadFiles(t *testing.T, f files, args Args) (Config, []Notice) {
	t.Helper()
	if args.Positional == nil {
		args.Positional = []string{"zoo.cfg"}
	}
	c, notices, err := load(args, f.read)
	if err != nil {
		t.Fatal(err)
	}
	return c, notices
}

func hasNotice(notices []Notice, part string) bool {
	return slices.ContainsFunc(notices, func(n Notice) bool { return strings.Contains(n.String(), part) })
}

// fields shows the settings that differ from those of the minimal file.
func fields(t *testing.T, c Config) string {
	t.Helper()
	base, _ := loadText(t, minimal, Args{})
	var diff []string
	for _, s := range c.Settings() {
		if !slices.Contains(base.Settings(), s) {
			diff = append(diff, s.Key+"="+s.Value)
		}
	}
	return strings.Join(diff, " ")
}

func TestJavaSample(t *testing.T) {
	// The sample of Debian's and of Apache's package, without comments.
	text := "tickTime=2000\ninitLimit=10\nsyncLimit=5\ndataDir=/tmp/zookeeper\nclientPort=2181\n#maxClientCnxns=60\n"
	c, notices := loadText(t, text, Args{})
	if len(notices) != 0 {
		t.Errorf("notices: %v", notices)
	}
	want := "tickTime=2000 minSessionTimeout=4000 maxSessionTimeout=40000 dataDir=/tmp/zookeeper dataLogDir=/tmp/zookeeper initLimit=10 syncLimit=5"
	if got := fields(t, c); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if c.ClientListen() != ":2181" || c.Distributed() || c.ServerID != NotSet {
		t.Errorf("%s %v %d", c.ClientListen(), c.Distributed(), c.ServerID)
	}
	const installed = "/etc/zookeeper/conf/zoo.cfg"
	if _, err := os.Stat(installed); err == nil {
		if _, _, err := Load(Args{Positional: []string{installed}}); err != nil {
			t.Errorf("%s: %v", installed, err)
		}
	}
}

func TestDefaults(t *testing.T) {
	c, notices := loadFiles(t, nil, Args{Positional: []string{}})
	if len(notices) != 0 || c.ClientPort != 2181 || c.DataDir != "./quokka-data" || c.DataLogDir != "./quokka-data" {
		t.Errorf("%v %v", c.Network, notices)
	}
	if c.TickTimeMS != 3000 || c.MinSessionTimeoutMS != 6000 || c.MaxSessionTimeoutMS != 60000 || c.MaxClientCnxns != 60 {
		t.Errorf("%v %v", c.Ticks, c.Limits)
	}
	if c.JuteMaxBuffer != 1048575 || c.JuteExtraSize != 1048575 || !c.ForceSync || c.SkipACL || !c.FourLetterWhitelist.Allows("srvr") || c.FourLetterWhitelist.Allows("stat") {
		t.Errorf("%v", c)
	}
	if c.SecureClientListen() != "" {
		t.Errorf("secure port %s", c.SecureClientListen())
	}
}

func TestPositional(t *testing.T) {
	c, _ := loadFiles(t, nil, Args{Positional: []string{"0", "/d/", "500", "7"}})
	if c.ClientPort != 0 || c.DataDir != "/d" || c.TickTimeMS != 500 || c.MaxClientCnxns != 7 || c.ClientListen() != ":0" {
		t.Errorf("%v %v", c.Network, c.Ticks)
	}
	for _, p := range [][]string{{"x", "/d"}, {"1", "/d", "2", "3", "4"}, {"nowhere.cfg"}} {
		if _, _, err := load(Args{Positional: p}, files{}.read); err == nil {
			t.Errorf("%q: no error", p)
		}
	}
}

func TestValues(t *testing.T) {
	for line, want := range map[string]string{
		"jute.maxbuffer.extrasize=0x1000":                   "jute.maxbuffer.extrasize=4096",
		"jute.maxbuffer.extrasize=5":                        "jute.maxbuffer.extrasize=1024",
		"snapCount=1":                                       "snapCount=2",
		"snapCount=#10":                                     "snapCount=16",
		"snapCount=-010":                                    "snapCount=2",
		"commitLogCount=20":                                 "",
		"autopurge.snapRetainCount=1":                       "",
		"autopurge.purgeInterval=2":                         "autopurge.purgeInterval=2",
		"autopurge.purgeInterval=1d":                        "autopurge.purgeInterval=24",
		"autopurge.purgeInterval=90M":                       "autopurge.purgeInterval=90m",
		"autopurge.purgeInterval=1500ms":                    "autopurge.purgeInterval=1500ms",
		"autopurge.purgeInterval=-1":                        "autopurge.purgeInterval=-1",
		"forceSync=no":                                      "forceSync=no",
		"skipACL=yes":                                       "skipACL=yes",
		"audit.enable=TRUE":                                 "audit.enable=true",
		"snapshot.compression.method=GZ":                    "snapshot.compression.method=gz",
		"flushDelay=30":                                     "flushDelay=30 maxWriteQueuePollTime=10",
		"4lw.commands.whitelist=stat, ruok":                 "4lw.commands.whitelist=ruok,srvr,stat",
		"4lw.commands.whitelist=stat,*":                     "4lw.commands.whitelist=*",
		"readonlymode.enabled=true":                         "4lw.commands.whitelist=isro,srvr readonlymode.enabled=true",
		"sessionRequireClientSASLAuth=true":                 "enforce.auth.enabled=true enforce.auth.schemes=sasl sessionRequireClientSASLAuth=true",
		"enforce.auth.enabled=true\nenforce.auth.schemes=a": "enforce.auth.enabled=true enforce.auth.schemes=a",
		"snapshotSizeFactor=1.5":                            "",
		"clientPortAddress=[::1]":                           "clientPortAddress=::1",
		"tickTime = \\\r\n  20\\\n\t00 ":                    "tickTime=2000 minSessionTimeout=4000 maxSessionTimeout=40000",
		"tickTime:2000\n! x\\\ntickTime 1000":               "tickTime=1000 minSessionTimeout=2000 maxSessionTimeout=20000",
		"dataLogDir=${HOME}\\u002fx\\\\y  ":                 `dataLogDir=${HOME}/x\y`,
		"dataLogDir=/log\\":                                 "dataLogDir=/log",
	} {
		c, _ := loadText(t, minimal+line, Args{})
		if got := fields(t, c); got != want {
			t.Errorf("%q:\n got  %s\n want %s", line, got, want)
		}
	}
}

func TestErrors(t *testing.T) {
	for text, want := range map[string]string{
		minimal + "tickTime=abc":                             "zoo.cfg:3: tickTime=abc: want an integer of milliseconds, 1 to 107374182",
		minimal + "tickTime=0":                               "zoo.cfg:3: tickTime=0: tickTime is not set; want",
		minimal + "tickTime=0x10":                            "zoo.cfg:3: tickTime=0x10: want",
		minimal + "\n#\ninitLimit=9999999999":                "zoo.cfg:5: initLimit=9999999999: want an integer of ticks, 0 or more",
		minimal + "clientPort=70000":                         "want a port number, 0 to 65535",
		minimal + "localSessionsEnabled=yes":                 "localSessionsEnabled=yes: want true or false",
		minimal + "sslQuorum=maybe":                          "sslQuorum=maybe: want true or false",
		minimal + "forceSync=false":                          "forceSync=false: want yes or no in small letters; Java silently takes anything else as yes",
		minimal + "snapshot.compression.method=zip":          "want one of gz, snappy",
		minimal + "minSessionTimeout=9\nmaxSessionTimeout=8": "zoo.cfg:3: minSessionTimeout=9: minSessionTimeout must not be larger than maxSessionTimeout",
		minimal + "electionAlg=0":                            "electionAlg=0: want an integer, 3 to 3",
		minimal + "enforce.auth.enabled=true":                "enforce.auth.schemes must be configured",
		minimal + "standaloneEnabled=false":                  "number of participants should be >0",
		minimal + "autopurge.purgeInterval=1w":               "want a number of hours",
		minimal + "connection_throttle_drop_increase=NaN":    "want a number such as",
		minimal + "dataDir=":                                 "zoo.cfg: dataDir: dataDir is not set; add dataDir=",
		"clientPort=1\n":                                     "dataDir is not set",
		"dataDir=/d\n":                                       "zoo.cfg: clientPort: clientPort is not set; add clientPort=2181",
		"dataDir=/d\nclientPortAddress=1.2.3.4":              "clientPortAddress is set but clientPort is not set",
		minimal + "=5":                                       "zoo.cfg:3: a key is missing before '='",
		minimal + `a=\u12`:                                   "zoo.cfg:3: malformed line",
		minimal + "server.1=h:1:2;3:4:5":                     "zoo.cfg:3: server.1=h:1:2;3:4:5: want host:quorumPort",
		minimal + "server.1=h:1:1":                           "must be different",
		minimal + "server.1=h:1:2:chief":                     "the role chief must be",
		minimal + "server.1=h:1:2|g:1:2":                     "several addresses for one server need multiAddress.enabled=true",
		minimal + "server.x=h:1:2":                           "want server.N with N a number",
		minimal + "server.1=h:1:2\nserver.01=h:1:2":          "server.1 is the same number",
		minimal + "server.1=h:1:2:observer":                  "Observers w/o participants",
		minimal + "server.1=h:1:2\nserver.2=h:3:4:observer":  "Observers w/o quorum",
		minimal + "server.1=h:1:2\nserver.2=h:3:4":           "initLimit is not set",
		minimal + "server.1=h:1:2\ngroup.1=1:1":              "server 1 is in multiple groups",
		minimal + "server.1=h:1:2\nweight.1=1":               "server 1 is not in a group",
		minimal + "server.1=h:1:2\ngroup.1=1:2":              "there is no server.2",
		minimal + "server.1=h:1:2\ndynamicConfigFile=x.1":    "must be in a separate dynamic config file",
		minimal + "dynamicConfigFile=nowhere":                "nowhere: file is missing; dynamicConfigFile names it",
	} {
		_, _, err := load(Args{Positional: []string{"zoo.cfg"}}, files{"zoo.cfg": text}.read)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q:\n got  %v\n want %s", text, err, want)
		}
		var one *Error
		if !errors.As(err, &one) {
			t.Errorf("%q: %T is no *Error", text, err)
		}
	}
}

func TestAllErrorsAtOnce(t *testing.T) {
	_, _, err := load(Args{Positional: []string{"zoo.cfg"}}, files{"zoo.cfg": "tickTime=x\nclientPort=y\ndataDir=/d\n"}.read)
	if got := fmt.Sprint(err); strings.Count(got, "\n") != 1 || !strings.Contains(got, "zoo.cfg:1:") || !strings.Contains(got, "zoo.cfg:2:") {
		t.Errorf("%s", got)
	}
}

func TestNotices(t *testing.T) {
	for line, want := range map[string]string{
		"clientport=2":                "zoo.cfg:3: clientport is not a key of ZooKeeper or Quokka and has no effect; did you mean clientPort?",
		"qwertyuiop.x=2":              "qwertyuiop.x is not a key of ZooKeeper or Quokka and has no effect",
		"zookeeper.snapCount=5":       "in zoo.cfg the prefix zookeeper. is left out, write snapCount",
		"nio.numWorkerThreads=4":      "zoo.cfg:3: nio.numWorkerThreads has no effect in Quokka yet",
		"authProvider.1=x.Y":          "authProvider.1 has no effect in Quokka yet",
		"jute.maxbuffer=100000":       "Java ignores jute.maxbuffer in zoo.cfg and obeys only -Djute.maxbuffer; it is obeyed here",
		"snapCount=1":                 "snapCount=1 is too small and was raised to 2",
		"clientPort=5":                "zoo.cfg:3: clientPort stands in line 2 too",
		"dataLogDir=log":              "log is relative. Prepend ./",
		"dataLogDir=/\xc3\xa9":        "dataLogDir contains bytes outside ASCII",
		"4lw.commands.whitelist=rouk": "rouk is no four letter word and has no effect; did you mean ruok?",
		"server.1=h:1:2":              "zoo.cfg: Invalid configuration, only one server specified (ignoring)",
		"forceSync=no":                "acknowledged writes can be lost",
	} {
		_, notices := loadText(t, minimal+line, Args{})
		if !hasNotice(notices, want) {
			t.Errorf("%q: got %v, want %s", line, notices, want)
		}
	}
}

// What is switched off is not missed.
func TestNoNoticeForAnAdminServerThatIsOff(t *testing.T) {
	if _, notices := loadText(t, minimal+"admin.enableServer=false", Args{}); hasNotice(notices, "admin.enableServer") {
		t.Errorf("got %v", notices)
	}
}
