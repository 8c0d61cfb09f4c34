package config

import (
	"strings"
	"testing"

	"quokka/internal/core/quorum"
)

const ensemble = minimal + "initLimit=10\nsyncLimit=5\n"

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
	if w := c.Membership.Weights; len(w) != 3 || w[0] != (quorum.Weight{Server: 1, Votes: 1}) || w[2] != (quorum.Weight{Server: 3, Votes: 5}) {
		t.Errorf("%v", w)
	}
	if hasNotice(notices, "has no effect in Quokka yet") {
		t.Errorf("%v", notices)
	}
}

func TestPeers(t *testing.T) {
	servers := ensemble + "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2;2182\n"
	load := func(more string, flags ...string) Config {
		c, _ := loadFiles(t, files{"zoo.cfg": servers + more, "/d/myid": "1"}, Args{Properties: flags})
		return c
	}
	c := load("")
	if want := (Peers{5000, 15000, 3, 100, true, true}); c.Peers != want {
		t.Errorf("%+v", c.Peers)
	}
	if want := (Election{200, 60000, 200, 0}); c.Election != want {
		t.Errorf("%+v", c.Election)
	}
	if want := (Sync{-1, 10, 100, false, 32 << 20}); c.Sync != want || !c.SyncEnabled {
		t.Errorf("%+v", c.Sync)
	}
	c = load("cnxTimeout=0\nquorumCnxnTimeoutMs=7\nelectionPortBindRetry=-1\nobserver.syncEnabled=False\nforceSnapshotSync=true\n", "-Dfollower.nodelay=false")
	if want := (Peers{0, 7, 3, 100, true, false}); c.Peers != want || c.SyncEnabled || !c.Sync.ForceSnapshot {
		t.Errorf("%+v", c.Peers)
	}
	c, notices := loadFiles(t, files{"zoo.cfg": servers + "peerType=observer\n", "/d/myid": "9"}, Args{})
	if c.PeerType != quorum.Participant || !hasNotice(notices, "this server is not a member") {
		t.Errorf("%s %v", c.PeerType, notices)
	}
	for line, want := range map[string]string{
		"leader.maxConcurrentSnapSyncs=0": "want an integer of learners, 1 or more",
		"observer.syncEnabled=yes":        "want true or false",
	} {
		if _, _, err := loadMember(servers + line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestDistributed(t *testing.T) {
	const own, more = "server.1=a:1:2\n", "server.2=b:1:2:observer\n"
	for text, want := range map[string]bool{
		"": false, own: false, "standaloneEnabled=false\n" + own: true, "standaloneEnabled=false\n" + own + more: true,
		own + "server.2=b:1:2\n": true, own + "server.2=b:1:2\nserver.3=c:1:2:observer\n": true,
	} {
		c, _, err := loadMember(ensemble + text)
		if err != nil || c.Distributed() != want {
			t.Errorf("%q: %v %v", text, c.Distributed(), err)
		}
	}
}

// loadMember loads a zoo.cfg as server 1.
func loadMember(text string) (Config, []Notice, error) {
	return load(Args{Positional: []string{"zoo.cfg"}}, files{"zoo.cfg": text, "/d/myid": "1"}.read)
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
	if c.Membership.Version != 0x1a0000002b || len(c.Membership.Servers) != 2 || c.PeerType != quorum.Participant {
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
