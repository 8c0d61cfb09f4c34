package quorum

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"quokka/internal/proto"
)

// picture reads servers drawn as marks: "x" acknowledged, "." did not. A
// space stands between groups; servers are numbered from 1 in reading order.
func picture(s string) (groups []Group, acks Acks) {
	id := proto.ServerID(0)
	for i, g := range strings.Fields(s) {
		group := Group{ID: int64(i + 1)}
		for _, mark := range g {
			id++
			group.Members = append(group.Members, id)
			if mark == 'x' {
				acks.Add(id)
			}
		}
		groups = append(groups, group)
	}
	return groups, acks
}

func TestMajority(t *testing.T) {
	for _, c := range []struct {
		picture string
		want    bool
	}{
		{"x", true}, {".", false},
		{"x.", false}, {"xx", true},
		{"x..", false}, {"x.x", true}, {"xxx", true},
		{"xx..", false}, {".xxx", true},
		{"xx...", false}, {"..xxx", true},
		{"x.x.x..", false}, {"x.x.x.x", true},
	} {
		groups, acks := picture(c.picture)
		if got := Majority(groups[0].Members...).HasQuorum(acks); got != c.want {
			t.Errorf("%s: %v", c.picture, got)
		}
	}
}

func TestHierarchical(t *testing.T) {
	for _, c := range []struct {
		picture string
		weights string // in reading order; "" is 1 each
		want    bool
	}{
		{"xx. xx. ...", "", true},
		{"xxx x.. x..", "", false}, // five of nine, but one group
		{"xx. x.. ...", "", false},
		{"xxx xxx", "", true},
		{"xxx ...", "", false}, // one of two is not more than half
		{"x.. x.. ...", "511 511 111", true},
		{".xx .xx xxx", "511 511 000", false},
		{"x.. xx. ...", "111 111 000", false},
		{"xx. xx. ...", "111 111 000", true}, // the third group does not count
		{"xx. ... ...", "111 000 000", true},
		{"xxx ...", "000 111", false},
		{"x. x.", "11 11", false}, // half of a group's weight is not more than half
		{"x. x.", "21 21", true},
		{"..", "11", false},
	} {
		groups, acks := picture(c.picture)
		weights := map[proto.ServerID]int64{}
		for i, w := range strings.ReplaceAll(c.weights, " ", "") {
			weights[proto.ServerID(i+1)] = int64(w - '0')
		}
		config, err := Hierarchical(groups, weights)
		if err != nil {
			t.Errorf("%s: %v", c.picture, err)
			continue
		}
		if got := config.HasQuorum(acks); got != c.want {
			t.Errorf("%s with %s: %v", c.picture, c.weights, got)
		}
	}
}

func TestTwoQuorumsShareAVoter(t *testing.T) {
	groups, _ := picture("ooo ooo ooo")
	hierarchical, err := Hierarchical(groups, map[proto.ServerID]int64{1: 3, 4: 0, 9: 2})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]Config{
		"majority of 9": Majority(1, 2, 3, 4, 5, 6, 7, 8, 9), "hierarchical": hierarchical,
	} {
		for set := range 1 << 9 {
			var in, out Acks
			for id := range proto.ServerID(9) {
				if set>>id&1 == 1 {
					in.Add(id + 1)
				} else {
					out.Add(id + 1)
				}
			}
			if c.HasQuorum(in) && c.HasQuorum(out) {
				t.Fatalf("%s: both %v and %v", name, in.IDs(), out.IDs())
			}
		}
	}
}

func TestHierarchicalRefuses(t *testing.T) {
	one := []proto.ServerID{1}
	for want, c := range map[string]struct {
		groups  []Group
		weights map[proto.ServerID]int64
	}{
		"several groups": {[]Group{{1, one}, {2, one}}, nil},
		"there twice":    {[]Group{{1, one}, {1, []proto.ServerID{2}}}, nil},
		"weight -1":      {[]Group{{1, one}}, map[proto.ServerID]int64{1: -1}},
		"any weight":     {[]Group{{1, one}}, map[proto.ServerID]int64{1: 0}},
		"weight " + strconv.Itoa(1<<62): {[]Group{{1, []proto.ServerID{1, 2, 3}}},
			map[proto.ServerID]int64{1: 1 << 62, 2: 1 << 62}},
	} {
		if _, err := Hierarchical(c.groups, c.weights); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		}
	}
}

func TestOthersDoNotCount(t *testing.T) {
	c := Majority(3, 1, 2, 2)
	if got := c.Voters(); !slices.Equal(got, []proto.ServerID{1, 2, 3}) {
		t.Errorf("voters %v", got)
	}
	var acks Acks
	for _, id := range []proto.ServerID{1, 7, 8, 9} {
		acks.Add(id)
	}
	if c.HasQuorum(acks) {
		t.Error("servers that do not vote made a quorum")
	}
	if !c.IsVoter(1) || c.IsVoter(7) || c.Weight(1) != 1 || c.Weight(7) != 0 {
		t.Error("IsVoter or Weight is wrong")
	}
	var none Config
	if none.HasQuorum(acks) || Majority().HasQuorum(acks) {
		t.Error("an ensemble of nobody has a quorum")
	}
}

func TestStandaloneIsAQuorumOfOne(t *testing.T) {
	c := Standalone(1)
	var acks Acks
	if c.HasQuorum(acks) {
		t.Error("a quorum before its own ack")
	}
	acks.Add(1)
	if !c.HasQuorum(acks) {
		t.Error("its own ack is not enough")
	}
}

func TestAcks(t *testing.T) {
	var a Acks
	if !a.Add(5) || !a.Add(1) || !a.Add(9) || a.Add(5) {
		t.Error("Add must tell what is new")
	}
	if a.Len() != 3 || !a.Has(9) || a.Has(2) || !slices.Equal(a.IDs(), []proto.ServerID{1, 5, 9}) {
		t.Errorf("set is %v", a.IDs())
	}
	if !a.Remove(5) || a.Remove(5) || a.Len() != 2 {
		t.Errorf("after Remove: %v", a.IDs())
	}
	a.Clear()
	if a.Len() != 0 || a.Has(1) {
		t.Error("Clear left something")
	}
}
