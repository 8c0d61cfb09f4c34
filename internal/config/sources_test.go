package config

import (
	"slices"
	"strings"
	"testing"
)

// TestPrecedence sets one key in every source, and takes the strongest away one after the other.
func TestPrecedence(t *testing.T) {
	for _, tc := range []struct {
		name, file string
		properties []string
		environ    []string
		overrides  map[string]string
		want       int // snapCount
	}{
		{"default", "", nil, nil, nil, 100000},
		{"SERVER_JVMFLAGS", "", nil, []string{"SERVER_JVMFLAGS=-Dzookeeper.snapCount=11"}, nil, 11},
		{"JVMFLAGS", "", nil, []string{"JVMFLAGS=-Dzookeeper.snapCount=12", "SERVER_JVMFLAGS=-Dzookeeper.snapCount=11"}, nil, 12},
		{"-D", "", []string{"-Dzookeeper.snapCount=13"}, []string{"JVMFLAGS=-Dzookeeper.snapCount=12"}, nil, 13},
		{"file", "snapCount=14", []string{"zookeeper.snapCount=13"}, nil, nil, 14},
		{"environment", "snapCount=14", nil, []string{"QUOKKA_SNAP_COUNT=15"}, nil, 15},
		{"empty environment", "snapCount=14", nil, []string{"QUOKKA_SNAP_COUNT="}, nil, 14},
		{"flag", "snapCount=14", nil, []string{"QUOKKA_SNAP_COUNT=15"}, map[string]string{"snap-count": "16"}, 16},
		{"flag by key", "", nil, nil, map[string]string{"snapCount": "17"}, 17},
	} {
		c, _ := loadText(t, minimal+tc.file, Args{Properties: tc.properties, Environ: tc.environ, Overrides: tc.overrides})
		if c.SnapCount != tc.want {
			t.Errorf("%s: snapCount %d, want %d", tc.name, c.SnapCount, tc.want)
		}
	}
}

func TestProperties(t *testing.T) {
	for _, tc := range []struct{ property, file, fields, notice string }{
		{"jute.maxbuffer=0x1000", "jute.maxbuffer=5", "jute.maxbuffer=4096 jute.maxbuffer.extrasize=4096", "Java ignores jute.maxbuffer"},
		{"zookeeper.jute.maxbuffer=7", "", "", "write -Djute.maxbuffer"},
		{"zookeeper.clientPort=7", "", "", "zookeeper.clientPort has no effect, as in Java; write clientPort in zoo.cfg"},
		{"zookeeper.snapcount=7", "", "", "zookeeper.snapcount is not a property of ZooKeeper and has no effect; did you mean zookeeper.snapCount?"},
		{"fsync.warningthresholdms=7", "", "fsync.warningthresholdms=7", ""},
		{"fsync.warningthresholdms=7", "fsync.warningthresholdms=8", "fsync.warningthresholdms=8", ""},
		{"zookeeper.multiAddress.enabled=true", "", "multiAddress.enabled=true", ""},
		{"zookeeper.multiAddress.enabled=true", "multiAddress.enabled=false", "", ""},
		{"zookeeper.admin.serverPort=9", "", "admin.serverPort=9", ""},
		{"java.net.preferIPv4Stack=true", "", "", "flags of the Java machine that have no meaning here: -Djava.net.preferIPv4Stack"},
		{"", "", "", ""},
	} {
		c, notices := loadText(t, minimal+tc.file, Args{Properties: []string{tc.property}})
		if got := fields(t, c); got != tc.fields {
			t.Errorf("%s: got %s, want %s", tc.property, got, tc.fields)
		}
		if tc.notice != "" && !hasNotice(notices, tc.notice) {
			t.Errorf("%s: got %v, want %s", tc.property, notices, tc.notice)
		}
	}
}

func TestWrongPropertyNamesItsSource(t *testing.T) {
	_, _, err := load(Args{Properties: []string{"zookeeper.snapCount=x"}, Environ: []string{"QUOKKA_TICK_TIME=y"},
		Overrides: map[string]string{"client-port": "z", "clientprot": "1"}}, files{}.read)
	for _, want := range []string{
		"command line -Dzookeeper.snapCount: snapCount=x: want", "QUOKKA_TICK_TIME: tickTime=y: want",
		"--client-port: clientPort=z: want", "--clientprot: no key has this flag; did you mean client-port?",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestJVMFlags(t *testing.T) {
	_, notices := loadText(t, minimal, Args{Environ: []string{
		`JVMFLAGS=-Xmx4g -XX:+UseG1GC -verbose:gc "-Dzookeeper.enforceQuota=true" -javaagent:/x.jar=secret -Dzookeeper.log.dir=/l`}})
	want := "flags of the Java machine that have no meaning here: -Xmx4g -XX:+UseG1GC -verbose:gc -javaagent:/x.jar -Dzookeeper.log.dir"
	if len(notices) != 1 || notices[0].Text != want || notices[0].Level != Info {
		t.Errorf("%v", notices)
	}
}

func TestSplitFlags(t *testing.T) {
	for line, want := range map[string][]string{
		"":                      nil,
		" \t ":                  nil,
		"a  b":                  {"a", "b"},
		`-Da="b c" d`:           {"-Da=b c", "d"},
		`'a "b' "c 'd"`:         {`a "b`, "c 'd"},
		`a\ b \"c "x\"y" 'x\y'`: {"a b", `"c`, `x"y`, `x\y`},
		`"" ''`:                 {"", ""},
		`"open end`:             {"open end"},
		"trailing\\":            {"trailing\\"},
	} {
		if got := splitFlags(line); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

func TestEnviron(t *testing.T) {
	c, notices := loadFiles(t, nil, Args{Positional: []string{}, Environ: []string{
		"QUOKKA_CLIENT_PORT=tcp://10.0.0.1:2181", "QUOKKA_SERVICE_HOST=10.0.0.1", "QUOKKA_PORT_2181_TCP_ADDR=10.0.0.1",
		"QUOKKA_DATA_DIRR=/x", "QUOKKA_SERVER_1=h:1:2", "QUOKKA_4LW_COMMANDS_WHITELIST=*", "PATH=/bin", "QUOKKA_"}})
	if c.ClientPort != 2181 || len(c.Membership.Servers) != 1 || !c.FourLetterWhitelist.Allows("wchc") {
		t.Errorf("%v %v", c.Network, c.Membership)
	}
	for _, want := range []string{
		"QUOKKA_CLIENT_PORT: looks like a service link of Kubernetes",
		"QUOKKA_DATA_DIRR: no key has this variable, it has no effect; did you mean QUOKKA_DATA_DIR?",
	} {
		if !hasNotice(notices, want) {
			t.Errorf("got %v, want %s", notices, want)
		}
	}
	if len(notices) != 3 {
		t.Errorf("%d notices: %v", len(notices), notices)
	}
}
