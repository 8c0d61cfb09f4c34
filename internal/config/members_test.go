package config

import (
	"strings"
	"testing"
)

const ensemble = minimal + "initLimit=10\nsyncLimit=5\n"

func TestServerLines(t *testing.T) {
	for value, want := range map[string]string{
		"h:1:2":                         "h:1:2:participant",
		"h:1:2:OBSERVER;2181":           "h:1:2:observer;0.0.0.0:2181",
		"h:1:2;c:2181":                  "h:1:2:participant;c:2181",
		"h:1:2;;2281":                   "h:1:2:participant;;0.0.0.0:2281",
		"h:1:2;2181;s:2281":             "h:1:2:participant;0.0.0.0:2181;s:2281",
		"[::1]:1:2:observer;[::2]:2181": "[::1]:1:2:observer;[::2]:2181",
		"z:1:2|a:3:4:observer":          "a:3:4:observer|z:1:2:observer",
	} {
		s, err := parseServer(1, value, true)
		if err != nil || s.String() != want {
			t.Errorf("%s: %s %v, want %s", value, s, err, want)
			continue
		}
		again, err := parseServer(1, want, true)
		if err != nil || again.String() != want {
			t.Errorf("%s: %s %v", want, again, err)
		}
	}
	for _, value := range []string{
		"", ";", "h", "h:1", "h:1:2:3:4", ":1:2", "h:0:2", "h:1:65536", "h:1:2;", "h:1:2;0", "h:1:2;a:b:c", "[::1:1:2", "[::1]",
		"[]:1:2", "a]:1:2", "h h:1:2", "h:1:2|", "a:1:2:observer|b:1:2:participant", "h:1:2;:2181", "h:1:x",
	} {
		if s, err := parseServer(1, value, true); err == nil && value != "h:1:2;" {
			t.Errorf("%q: no error, %s", value, s)
		}
	}
}

func TestEnsemble(t *testing.T) {
	text := ensemble + "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2;127.0.0.1:2181\nserver.4=d:1:2:observer\n" +
		"group.1=1:2\ngroup.2=3\nweight.3=5\n"
	c, notices := loadFiles(t, files{"zoo.cfg": text, "/d/myid": " 3\r\nrest"}, Args{})
	if !c.Distributed() || c.ServerID != 3 || len(c.Membership.Participants()) != 3 || len(c.Membership.Observers()) != 1 {
		t.Errorf("%v", c.Membership)
	}
	if c.ClientListen() != "127.0.0.1:2181" || c.ConnectToLearnerMasterLimit != 10 {
		t.Errorf("%s %d", c.ClientListen(), c.ConnectToLearnerMasterLimit)
	}
	if w := c.Membership.Weights; len(w) != 3 || w[0] != (Weight{1, 1}) || w[2] != (Weight{3, 5}) {
		t.Errorf("%v", w)
	}
	if !hasNotice(notices, "initLimit has no effect in Quokka yet") {
		t.Errorf("%v", notices)
	}
}

func TestMyID(t *testing.T) {
	servers := ensemble + "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2;2182\n"
	for _, tc := range []struct{ extra, myid, want string }{
		{"", "1", ""},
		{"", "0", ""},
		{"", "255", ""},
		{"clientPortAddress=0.0.0.0", "1", ""},
		{"", "256", "/d/myid:1: myid=256: want the id of this server, an integer from 1 to 255"},
		{"extendedTypesEnabled=true", "255", "an integer from 1 to 254"},
		{"", "one", "myid=one"},
		{"", "", `myid=""`},
		{"", "3", "different from client address found in dynamic file: 0.0.0.0:2182"},
		{"", "missing", "/d/myid: myid file is missing"},
	} {
		f := files{"zoo.cfg": servers + tc.extra}
		if tc.myid != "missing" {
			f["/d/myid"] = tc.myid
		}
		_, _, err := load(Args{Positional: []string{"zoo.cfg"}}, f.read)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s %q: %v, want %q", tc.extra, tc.myid, err, tc.want)
		}
	}
}

func TestDynamicFile(t *testing.T) {
	f := files{
		"zoo.cfg":                       ensemble + "dynamicConfigFile=/c/zoo.cfg.dynamic.1a0000002b\npeerType=observer\n",
		"/c/zoo.cfg.dynamic.1a0000002b": "server.1=a:1:2:participant;0.0.0.0:2181\nserver.2=b:1:2:participant;0.0.0.0:2181",
		"zoo.cfg.dynamic.next":          "server.1=a:1:2:participant;0.0.0.0:2181\nversion=1a0000002c",
		"/d/myid":                       "1",
	}
	c, notices := loadFiles(t, f, Args{})
	if c.Membership.Version != 0x1a0000002b || len(c.Membership.Servers) != 2 || c.PeerType != Participant {
		t.Errorf("%v", c.Membership)
	}
	if c.LastSeen == nil || c.LastSeen.Version != 0x1a0000002c || len(c.LastSeen.Servers) != 1 {
		t.Errorf("%v", c.LastSeen)
	}
	for _, want := range []string{"No server failure will be tolerated", "Peer type from servers list (PARTICIPANT) doesn't match peerType (OBSERVER)"} {
		if !hasNotice(notices, want) {
			t.Errorf("%v: want %s", notices, want)
		}
	}
	for line, want := range map[string]string{"version=1": "a dynamic file has no version inside", "tickTime=1": "unrecognised parameter"} {
		f["/c/zoo.cfg.dynamic.1a0000002b"] = line
		if _, _, err := load(Args{Positional: []string{"zoo.cfg"}}, f.read); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", line, err)
		}
	}
	for name, want := range map[string]uint64{"x": 0, "x.dynamic": 0, "x.dynamic.0": 0, "x.1001": 0x1001, "x.-1": 0, "x.": 0} {
		if got := versionOf(name); got != want {
			t.Errorf("%s: %x", name, got)
		}
	}
}
