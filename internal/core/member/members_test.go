package member

import (
	"strings"
	"testing"

	"quokka/internal/core/elect"
	"quokka/internal/core/quorum"
	"quokka/internal/core/session"
	"quokka/internal/core/state"
	"quokka/internal/core/tree"
	"quokka/internal/core/zab"
	"quokka/internal/proto"
)

func threeServers(t *testing.T, version proto.Zxid) quorum.Membership {
	t.Helper()
	m, err := quorum.ParseMembership("server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2", false)
	if err != nil {
		t.Fatal(err)
	}
	m.Version = uint64(version)
	return m
}

type proposedConfig struct {
	name    string
	next    proto.Zxid
	current proto.Epoch
	log     []zab.Entry // after 2.4
	onDisk  proto.Zxid  // a record below
	shown   proto.Zxid  // version of /zookeeper/config
	kept    bool
}

// A server that starts beside a proposed configuration goes on with it only
// if its reconfiguration may have been committed.
func TestProposedConfigurationAtStart(t *testing.T) {
	z := proto.MakeZxid
	record := zab.Entry{Txn: &proto.Txn{TxnHeader: proto.TxnHeader{Zxid: z(2, 5), Op: proto.OpReconfig}}}
	for _, c := range []proposedConfig{
		{name: "its record is in the log", next: z(2, 5), current: 2, log: []zab.Entry{record}, kept: true},
		{name: "its record was cut off", next: z(2, 6), current: 2, log: []zab.Entry{record}},
		{name: "its proposer died before it was logged", next: z(2, 5), current: 2},
		{name: "a later leader has told of it", next: z(2, 5), current: 3, kept: true},
		{name: "it is the first one with a version", next: z(3, 0), current: 2, kept: true},
		{name: "its record is too old for memory", next: z(2, 3), current: 2, onDisk: z(2, 3), kept: true},
		{name: "it is in a leader's snapshot", next: z(2, 3), current: 2, shown: z(2, 3), kept: true},
		{name: "a leader's snapshot came from another history", next: z(2, 3), current: 2, shown: z(1, 9)},
	} {
		t.Run(c.name, c.test)
	}
}

func (c proposedConfig) test(t *testing.T) {
	z := proto.MakeZxid
	cfg := testConfig()
	cfg.Standalone, cfg.Server, cfg.ReconfigEnabled = false, 1, true
	cfg.InitLimit, cfg.SyncLimit, cfg.Election = 5, 3, elect.Config{Me: 1, ReconfigEnabled: true}
	cfg.Members = Members{Active: threeServers(t, z(1, 0)), Next: threeServers(t, c.next)}
	cfg.Accepted, cfg.Current = c.current, c.current
	cfg.Restart = Restart{Base: z(2, 4), Entries: c.log, Applied: z(2, 4)}
	cfg.DiskHas = func(z proto.Zxid) bool { return z == c.onDisk }
	s := state.New(state.Options{ReconfigEnabled: true}, tree.New(tree.Options{}), session.NewTable(), z(2, 4))
	s.SetConfig(threeServers(t, c.shown).Text(), c.shown)
	m := New(cfg, s, Time{})
	m.Start()
	s.SetConfig(cfg.Members.Active.Text(), z(1, 0)) // as a driver does
	m.Take()
	m.Drained()
	takenBack := false
	for _, d := range m.Take().Disk {
		takenBack = takenBack || d.Kind == zab.DiskNextConfig && strings.HasSuffix(d.Config, "version=100000000")
	}
	if kept := m.Members().Next.Version == uint64(c.next); kept != c.kept || takenBack == c.kept {
		t.Errorf("next is %x, taken back on disk: %v", m.Members().Next.Version, takenBack)
	}
}

// A snapshot may hold a reconfiguration that the files do not have.
func TestConfigurationOfTheStateAtStart(t *testing.T) {
	z := proto.MakeZxid
	for _, c := range []struct{ active, next, shown, want proto.Zxid }{
		{z(1, 0), z(1, 0), z(2, 3), z(2, 3)},
		{z(1, 0), z(2, 1), z(2, 3), z(2, 3)},
		{z(2, 3), z(2, 3), z(2, 3), z(2, 3)},
		{z(2, 3), z(2, 3), z(1, 0), z(2, 3)},
		{0, 0, z(2, 3), 0}, // data of another ensemble, perhaps
	} {
		cfg := testConfig()
		cfg.Standalone, cfg.Server, cfg.ReconfigEnabled = false, 1, true
		cfg.Members = Members{Active: threeServers(t, c.active), Next: threeServers(t, c.next)}
		cfg.Accepted, cfg.Current, cfg.Restart = 2, 2, Restart{Base: z(2, 4), Applied: z(2, 4)}
		s := state.New(state.Options{ReconfigEnabled: true}, tree.New(tree.Options{}), session.NewTable(), z(2, 4))
		s.SetConfig(threeServers(t, c.shown).Text(), c.shown)
		m := New(cfg, s, Time{})
		m.Start()
		m.Drained()
		if now := m.Members(); now.Active.Version != uint64(c.active) || now.Next.Version != uint64(c.want) {
			t.Errorf("%+v: active %x, next %x", c, now.Active.Version, now.Next.Version)
		}
	}
}
