package quorum

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"quokka/internal/proto"
)

func parse(t testing.TB, text string) Membership {
	t.Helper()
	m, err := ParseMembership(text, true)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

const plain = "server.1=a:1:2:participant;0.0.0.0:2181\nserver.2=b:1:2:observer\nserver.10=c:1:2|d:3:4:participant;e:5;f:6\nversion=1a0000002b"

const grouped = `server.1=a:1:2:participant
server.2=a:3:4:participant
server.3=a:5:6:observer
group.1=1:3
group.2=2
weight.1=1
weight.2=5
weight.3=2
version=0`

func TestTextComesBack(t *testing.T) {
	for _, text := range []string{plain, grouped, "version=0"} {
		m := parse(t, text)
		if got := m.Text(); got != text {
			t.Errorf("got\n%s\nwant\n%s", got, text)
		}
		lines, errs := FromLines(m.Lines(), true)
		if len(errs) > 0 || !lines.Equal(m) {
			t.Errorf("its lines are another configuration: %v %v", lines, errs)
		}
	}
	m := parse(t, plain)
	if m.Version != 0x1a0000002b || len(m.Participants()) != 2 || len(m.Observers()) != 1 || m.Hierarchical() {
		t.Errorf("%+v", m)
	}
	if s, ok := m.Server(10); !ok || s.Addrs[1] != (ServerAddr{"d", 3, 4}) || s.Client != (HostPort{"e", 5}) || s.Secure != (HostPort{"f", 6}) {
		t.Errorf("%+v", s)
	}
	if _, ok := m.Server(3); ok {
		t.Error("there is no server.3")
	}
}

// The expected order is what a java.util.HashMap of Java 17 with these keys gave.
func TestTextHasTheOrderOfAHashMap(t *testing.T) {
	for _, want := range [][]int64{
		{1, 2, 3, 9, 10, 11},
		{16, 1, 17, 2},
		{32, 33, 100, 5, 200, 255},
		{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 16},
		{4294967297, 1, 65536},
	} {
		var m Membership
		for _, id := range slices.Sorted(slices.Values(want)) {
			m.Servers = append(m.Servers, Server{ID: proto.ServerID(id)})
		}
		var got []int64
		for line := range strings.Lines(m.Text()) {
			if number, ok := strings.CutPrefix(line, "server."); ok {
				id, _ := strconv.ParseInt(number[:strings.IndexByte(number, '=')], 10, 64)
				got = append(got, id)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

func TestPropertiesText(t *testing.T) {
	m := parse(t, "# comment=1\r\n  ! more\r\n\n server.1 : a\\:1:2 \r server.\\\n   2 = b:1:2\\u003b2181\nserver.2=x:1:2\nserver.2\tc:1:2;2181\nversion=fF\n")
	if want := "server.1=a:1:2:participant\nserver.2=c:1:2:participant;0.0.0.0:2181\nversion=ff"; m.Text() != want {
		t.Errorf("got\n%s\nwant\n%s", m.Text(), want)
	}
	const text = "a=1\n#x\n b = \\\n c\r\nd"
	properties, err := Properties(text)
	var got []string
	for _, p := range properties {
		got = append(got, p.Key+"|"+p.Value+"|"+text[p.Begin:p.End])
	}
	if want := []string{"a|1|a=1\n", "b|c| b = \\\n c\r\n", "d||d"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q %v", got, err)
	}
	for in, want := range map[string]string{`a=\t\n\r\f\x\\`: "\t\n\r\fx\\", `a=\u00e9\u4e2d`: "é中", `a=x\`: "x"} {
		got, err := unescape(in[2:])
		if p, perr := Properties(in); err != nil || perr != nil || len(p) != 1 || p[0].Value != trim(want) || in[len(in)-1] != '\\' && got != want {
			t.Errorf("%s: %q %+v", in, got, p)
		}
	}
}

func TestParseMembershipRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"tickTime=5":                           "unrecognised parameter",
		"groups=5":                             "unrecognised parameter",
		"version=x":                            "want a hexadecimal number",
		"version=ffffffffffffffff":             "want a hexadecimal number",
		"server.1=a\\u12":                      "line 1: malformed",
		"server.1=a:1":                         "server.1=a:1: want host:quorumPort",
		"server.1=a:1:2\nserver.01=b:1:2":      "server.1 is the same number",
		"server.x=a:1:2":                       "want server.N",
		"server.-1=a:1:2":                      "want server.N",
		"group.1=x":                            "want ids of servers",
		"weight.1=-1":                          "want an integer",
		"weight.1=2147483648":                  "want an integer",
		"server.1=a:1:2\ngroup.1=1\ngroup.2=1": "server 1 is in multiple groups",
		"server.1=a:1:2\nweight.1=1":           "server 1 is not in a group",
		"server.1=a:1:2\ngroup.1=1:2":          "there is no server.2",
		"server.1=a:1:2\nserver.2=a:1:2:observer\ngroup.1=1:2": "server 2 is an observer",
	} {
		if m, err := ParseMembership(text, true); err == nil || !strings.Contains(err.Error(), want) || len(m.Servers) > 0 {
			t.Errorf("%q: %v %v", text, m, err)
		}
	}
	if _, err := ParseMembership("server.1=a:1:2|b:1:2", false); err == nil {
		t.Error("two addresses passed without multiAddress.enabled")
	}
}

func TestEqual(t *testing.T) {
	base := parse(t, "server.1=a:1:2;2181\nserver.2=b:1:2")
	for text, want := range map[string]bool{
		"server.2=B:1:2:PARTICIPANT\nserver.1=A:1:2;0.0.0.0:2181\nversion=7": true,
		"server.1=a:1:2;2181":                                       false,
		"server.1=a:1:2;2181\nserver.2=b:1:2:observer":              false,
		"server.1=a:1:2;2182\nserver.2=b:1:2":                       false,
		"server.1=a:1:2;2181\nserver.2=b:1:3":                       false,
		"server.1=a:1:2;2181\nserver.2=b:1:2;;2281":                 false,
		"server.1=a:1:2;2181\nserver.2=b:1:2|c:1:2":                 false,
		"server.1=a:1:2;2181\nserver.3=b:1:2":                       false,
		"server.1=a:1:2;2181\nserver.2=b:1:2\ngroup.1=1\ngroup.2=2": false,
	} {
		o := parse(t, text)
		if base.Equal(o) != want || o.Equal(base) != want {
			t.Errorf("%s: want %v", text, want)
		}
	}
	a, b := parse(t, "server.1=a:1:2\nserver.2=b:1:2\ngroup.1=1:2"), parse(t, "server.1=a:1:2\nserver.2=b:1:2\ngroup.1=2:1\nweight.1=1")
	if !a.Equal(b) || a.Equal(parse(t, "server.1=a:1:2\nserver.2=b:1:2\ngroup.1=2:1\nweight.1=2")) {
		t.Error("groups or weights are compared wrongly")
	}
}

func TestRule(t *testing.T) {
	acks := func(ids ...proto.ServerID) (a Acks) {
		for _, id := range ids {
			a.Add(id)
		}
		return a
	}
	rule, err := parse(t, plain).Rule()
	if err != nil || !slices.Equal(rule.Voters(), []proto.ServerID{1, 10}) || rule.HasQuorum(acks(1, 2)) || !rule.HasQuorum(acks(1, 10)) {
		t.Errorf("%v %v", rule, err)
	}
	// The observer's weight 2 stands in the total of group 1, so that server 1 alone has not more than half of it.
	rule, err = parse(t, grouped).Rule()
	if err != nil || !slices.Equal(rule.Voters(), []proto.ServerID{1, 2}) || rule.HasQuorum(acks(1, 2, 3)) {
		t.Errorf("%v %v", rule, err)
	}
	rule, err = parse(t, strings.Replace(grouped, "weight.3=2", "weight.3=0", 1)).Rule()
	if err != nil || !rule.HasQuorum(acks(1, 2)) || rule.HasQuorum(acks(2)) {
		t.Errorf("%v %v", rule, err)
	}
	if _, err := parse(t, "server.1=a:1:2\ngroup.1=1\nweight.1=0").Rule(); err == nil {
		t.Error("a rule without any weight")
	}
	if rule, err := (Membership{}).Rule(); err != nil || rule.HasQuorum(acks(1)) {
		t.Error("nobody is a quorum of nobody")
	}
}

func FuzzParseMembership(f *testing.F) {
	for _, text := range []string{plain, grouped, "server.1 a:1:2\\\n;5", "server.1=[::1%25x]:1:2:OBSERVER;[::]:5", "a=\\u00", "server.1=a:1:2|a:1:3"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := ParseMembership(text, true)
		if err != nil {
			return
		}
		again, err := ParseMembership(m.Text(), true)
		if err != nil || !again.Equal(m) || again.Version != m.Version || again.Text() != m.Text() {
			t.Fatalf("%q\nbecame %q\nand then %q, %v", text, m.Text(), again.Text(), err)
		}
		if rule, err := m.Rule(); err == nil && len(rule.Voters()) != len(m.Participants()) {
			t.Fatalf("%q: voters %v", text, rule.Voters())
		}
	})
}
