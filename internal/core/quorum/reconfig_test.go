package quorum

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"quokka/internal/proto"
)

const three = "server.1=10.0.0.1:1:2;0.0.0.0:2181\nserver.2=10.0.0.2:1:2;10.0.0.2:2181\nserver.3=zk3:1:2;2181\nversion=100000000"

// reconfigCase is a request on three or grouped. What it makes is written without the version, which is 7.
type reconfigCase struct {
	on                        string
	joining, leaving, members string
	current                   int64
	standalone, single        bool // single: multiAddress.enabled=false
	want                      string
	code                      proto.Code
	why                       string
}

func (c reconfigCase) run(t *testing.T) {
	t.Helper()
	if c.on == "" {
		c.on = three
	}
	if c.current == 0 {
		c.current = -1
	}
	before := parse(t, c.on)
	next, code, why := before.Reconfigure(
		proto.ReconfigRequest{Joining: c.joining, Leaving: c.leaving, NewMembers: c.members, CurConfigID: c.current},
		7, ReconfigOptions{MultiAddress: !c.single, StandaloneEnabled: c.standalone})
	want := c.want + "\nversion=7"
	if c.code != proto.OK {
		want = before.Text()
	}
	if code != c.code || next.Text() != want || !strings.Contains(why, c.why) {
		t.Errorf("%+v:\ngot %v %q\n%s\nwant %v\n%s", c, code, why, next.Text(), c.code, want)
	}
	if before.Text() != parse(t, c.on).Text() {
		t.Errorf("%+v: the old configuration became %s", c, before.Text())
	}
}

const (
	line1 = "server.1=10.0.0.1:1:2:participant;0.0.0.0:2181"
	line2 = "server.2=10.0.0.2:1:2:participant;10.0.0.2:2181"
	line3 = "server.3=zk3:1:2:participant;0.0.0.0:2181"
)

func TestIncrementalReconfiguration(t *testing.T) {
	for _, c := range []reconfigCase{
		{want: line1 + "\n" + line2 + "\n" + line3},
		{current: 0x100000000, leaving: " 3 ,, 9", want: line1 + "\n" + line2},
		{joining: "server.4=h:1:2:OBSERVER;h:3", want: line1 + "\n" + line2 + "\n" + line3 + "\nserver.4=h:1:2:observer;h:3"},
		{joining: " server.3 = n:1:2;5 , 0=m:1:2;;6", want: "server.0=m:1:2:participant;;0.0.0.0:6\n" + line1 + "\n" + line2 + "\nserver.3=n:1:2:participant;0.0.0.0:5"},
		{leaving: "2", joining: "server.2=10.0.0.2:1:2;10.0.0.2:2181", standalone: true, want: line1 + "\n" + line2 + "\n" + line3},
		{leaving: "1", joining: "server.4=10.0.0.1:1:3;4", want: line2 + "\n" + line3 + "\nserver.4=10.0.0.1:1:3:participant;0.0.0.0:4"},
		{leaving: "2,3", want: line1},
		{joining: "server.4=127.0.0.1:1:2;3,server.5=127.0.0.1:1:2;3,server.6=LocalHost:1:2;3,server.7=localhost:1:2;3", leaving: "2,3",
			want: line1 + "\nserver.4=127.0.0.1:1:2:participant;0.0.0.0:3\nserver.5=127.0.0.1:1:2:participant;0.0.0.0:3" +
				"\nserver.6=LocalHost:1:2:participant;0.0.0.0:3\nserver.7=localhost:1:2:participant;0.0.0.0:3"},
		{current: 5, leaving: "x", code: proto.BadVersion, why: "from version 5 failed: the last seen version is 100000000"},
		{leaving: "server.3", code: proto.MarshallingError, why: "not the number of a server"},
		{leaving: "1,2,3", code: proto.BadArguments, why: "at least 1"},
		{leaving: "2,3", standalone: true, code: proto.BadArguments, why: "at least 2"},
		{joining: "server.3=zk3:1:2:observer;2181", leaving: "2", standalone: true, code: proto.BadArguments, why: "1 participants"},
		{joining: "server.4", code: proto.BadArguments, why: "want server.N="},
		{joining: "server.4=h:1:2=3", code: proto.BadArguments, why: "want server.N="},
		{joining: "server.4=h:1:2", code: proto.BadArguments, why: "at least 3 ports"},
		{joining: "server.four=h:1:2;3", code: proto.MarshallingError, why: "not the number"},
		{joining: "server.-4=h:1:2;3", code: proto.BadArguments, why: "0 or more"},
		{joining: "server.4=h:1:2:boss;3", code: proto.BadArguments, why: "the role boss"},
		{joining: "server.4=h:x:2;3", code: proto.BadArguments, why: "the port x"},
		{joining: "server.4=h:70000:2;3", code: proto.MarshallingError, why: "the port 70000"},
		{joining: "server.4=h:1:1;3", code: proto.BadArguments, why: "must be different"},
		{joining: "server.4=h:1:2|g:1:2;3", single: true, code: proto.BadArguments, why: "multiAddress.enabled"},
		{joining: "server.4=10.0.0.2:3:4;10.0.0.2:2181", code: proto.BadArguments, why: "10.0.0.2:2181 of server.4 conflicts with server.2"},
		{joining: "server.4=ZK3:3:2;3", code: proto.BadArguments, why: "conflicts with server.3"},
		{joining: "server.4=h:1:2;3,server.5=h:4:1;3", code: proto.BadArguments, why: "conflicts with server.4"},
		{on: grouped, leaving: "1", code: proto.BadArguments, why: "non-majority"},
	} {
		c.run(t)
	}
}

func TestFullReconfiguration(t *testing.T) {
	for _, c := range []reconfigCase{
		{members: "server.1=10.0.0.1:1:2;2181,server.2=10.0.0.2:1:2;10.0.0.2:2181\nversion=5", standalone: true, want: line1 + "\n" + line2},
		{members: "server.1=10.0.0.1:1:2;2181", joining: "nonsense", leaving: "x", want: line1},
		{members: "server.1=10.0.0.1:1:2;2181\nserver.2=h:1:2:observer", want: line1 + "\nserver.2=h:1:2:observer"},
		{on: grouped, members: "server.1=a:1:2,server.2=b:1:2,group.1=1:2", want: "server.1=a:1:2:participant\nserver.2=b:1:2:participant\ngroup.1=1:2\nweight.1=1\nweight.2=1"},
		{on: grouped, members: "server.1=a:1:2,server.2=b:1:2", want: "server.1=a:1:2:participant\nserver.2=b:1:2:participant"},
		{current: 1, members: "?", code: proto.BadVersion},
		{members: "server.1=a:1:2,tickTime=5", code: proto.BadArguments, why: "unrecognised"},
		{members: "server.1=a:1", code: proto.BadArguments, why: "want host"},
		{members: "server.x=a:1:2", code: proto.MarshallingError, why: "want server.N"},
		{members: "server.1=a:1:2,version=x", code: proto.MarshallingError, why: "hexadecimal"},
		{members: "server.1=a\\u1", code: proto.MarshallingError, why: "malformed"},
		{members: ",", standalone: true, code: proto.BadArguments, why: "at least 2"},
		{members: ",", code: proto.MarshallingError, why: "should be >0"},
		{members: "server.1=a:1:2", standalone: true, code: proto.BadArguments, why: "at least 2"},
		{members: "server.1=a:1:2:observer", standalone: true, code: proto.MarshallingError, why: "w/o participants"},
		{members: "server.1=a:1:2,server.2=a:3:4:observer", standalone: true, code: proto.MarshallingError, why: "w/o quorum"},
		{members: "server.1=a:1:2,server.2=b:1:2,group.1=1", code: proto.BadArguments, why: "server 2 is not in a group"},
		{members: "server.1=a:1:2,group.1=1,group.2=1", code: proto.BadArguments, why: "multiple groups"},
		{members: "server.1=a:1:2,group.1=1:2", code: proto.MarshallingError, why: "no server.2"},
		{members: "server.1=a:1:2,group.1=1,weight.1=x", code: proto.MarshallingError, why: "want an integer"},
		{members: "server.1=a:1:2,group.1=1,weight.1=0", code: proto.NewConfigNoQuorum, why: "no group has any weight"},
	} {
		c.run(t)
	}
}

// What a request makes of a configuration can be written, read and voted in, and no member shares an address.
func TestReconfigurationsStaySound(t *testing.T) {
	joiner := rapid.Custom(func(t *rapid.T) string {
		id, host := rapid.StringN(1, 2, 2).Draw(t, "junk"), rapid.SampledFrom([]string{"a", "b", "127.0.0.1", "[::1]", "c"}).Draw(t, "host")
		if rapid.IntRange(0, 9).Draw(t, "good") > 0 {
			id = rapid.SampledFrom([]string{"1", "2", "3", "4", "5", "17"}).Draw(t, "id")
		}
		tail := rapid.SampledFrom([]string{":1:2;3", ":1:2:observer;3", ":4:5;b:3", ":1:2", ":6:7;;8"}).Draw(t, "tail")
		return "server." + id + "=" + host + tail
	})
	rapid.Check(t, func(t *rapid.T) {
		m, err := ParseMembership(three, true)
		if err != nil {
			t.Fatal(err)
		}
		o := ReconfigOptions{MultiAddress: true, StandaloneEnabled: rapid.Bool().Draw(t, "standalone")}
		for version := uint64(1); version < 8; version++ {
			r := proto.ReconfigRequest{CurConfigID: -1,
				Joining: strings.Join(rapid.SliceOfN(joiner, 0, 3).Draw(t, "joining"), ","),
				Leaving: strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"1", "2", "3", "4", "5", "17"}), 0, 2).Draw(t, "leaving"), ","),
			}
			next, code, why := m.Reconfigure(r, version, o)
			if code != proto.OK {
				if why == "" || !next.Equal(m) || next.Version != m.Version {
					t.Fatalf("%+v: refused with %v %q, and became %s", r, code, why, next.Text())
				}
				continue
			}
			again, err := ParseMembership(next.Text(), true)
			rule, ruleErr := next.Rule()
			if err != nil || ruleErr != nil || !again.Equal(next) || next.Version != version || len(rule.Voters()) == 0 {
				t.Fatalf("%+v: %s: %v %v", r, next.Text(), err, ruleErr)
			}
			m = next
		}
	})
}
