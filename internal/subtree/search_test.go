package subtree

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"quokka/client"
	"quokka/quokkatest"
)

func TestFilterMeetsEveryCondition(t *testing.T) {
	now := time.UnixMilli(1_000_000)
	owner := client.SessionID(7)
	n := Node{Path: "/x/lock-0000000012", Kind: Ephemeral, Stat: client.Stat{
		DataLength: 10, NumChildren: 0, Version: 3, EphemeralOwner: 7,
		Ctime: now.Add(-time.Hour), Mtime: now.Add(-time.Minute),
	}}
	yes := []Filter{
		{}, {Name: "lock-*"}, {Name: "lock-000000001?"}, {Path: regexp.MustCompile(`^/app/x/`)}, {MinDepth: 2, MaxDepth: 2},
		{Type: EphemeralType}, {Type: SequentialType}, {Size: &Range{10, 10}}, {Children: &Range{0, 0}}, {Version: &Range{3, 9}},
		{Changed: &Range{int64(time.Second), int64(time.Hour)}}, {Born: &Range{int64(30 * time.Minute), math.MaxInt64}}, {Owner: &owner},
	}
	none := client.SessionID(8)
	no := []Filter{
		{Name: "lock"}, {Name: "x"}, {Path: regexp.MustCompile(`^/x`)}, {MinDepth: 3}, {MaxDepth: 1}, {Type: PersistentType}, {Type: ContainerType},
		{Type: TTLType}, {Size: &Range{11, 20}}, {Children: &Range{1, 9}}, {Version: &Range{0, 2}}, {Changed: &Range{0, int64(time.Second)}},
		{Born: &Range{0, int64(time.Minute)}}, {Owner: &none},
	}
	for i, f := range yes {
		f.Now = now
		if !f.Match("/app", &n) {
			t.Errorf("condition %d does not hold", i)
		}
	}
	for i, f := range no {
		f.Now = now
		if f.Match("/app", &n) {
			t.Errorf("condition %d holds", i)
		}
	}
	if (&Filter{Name: "[a"}).Check() == nil || (&Filter{Name: "[a]*"}).Check() != nil {
		t.Error("patterns are not checked")
	}
	for path, want := range map[string]bool{"/a0000000001": true, "/0000000001": true, "/000000001": false, "/a/x0000000001y": false, "/": false} {
		if Sequential(path) != want {
			t.Errorf("%s is sequential: %v", path, !want)
		}
	}
}

func TestGrepShowsMatchesWithTheirContext(t *testing.T) {
	const text = "one\ntwo\nthree\nfour\nfive\nsix\nseven\n"
	for _, g := range []struct {
		pattern              string
		fixed, ignore, other bool
		context              int
		want                 string
	}{
		{"^t", false, false, false, 0, "2:two 3:three"},
		{"^T", false, true, false, 0, "2:two 3:three"},
		{"^T", false, false, false, 0, ""},
		{"o.", true, false, false, 0, ""},
		{"four", true, false, false, 1, "3-three 4:four 5-five"},
		{"one|four", false, false, false, 1, "1:one 2-two 3-three 4:four 5-five"},
		{"one|three", false, false, false, 2, "1:one 2-two 3:three 4-four 5-five"},
		{"seven", false, false, false, 2, "5-five 6-six 7:seven"},
		{"e", false, false, true, 0, "2:two 4:four 6:six"},
	} {
		p, err := NewPattern(g.pattern, g.fixed, g.ignore, g.other)
		must(t, err)
		lines, found := p.Grep([]byte(text), g.context)
		var got []string
		for _, l := range lines {
			got = append(got, fmt.Sprintf("%d%s%s", l.Number, map[bool]string{true: ":", false: "-"}[l.Match], l.Text))
		}
		if strings.Join(got, " ") != g.want || found != (g.want != "") {
			t.Errorf("%s: %q, want %q", g.pattern, got, g.want)
		}
	}
	p, err := NewPattern("x", true, false, false)
	must(t, err)
	if lines, found := p.Grep([]byte("a\x00x"), 0); !found || lines != nil {
		t.Errorf("binary data: %v, %v", lines, found)
	}
	if _, found := p.Grep(nil, 0); found {
		t.Error("found in nothing")
	}
	if _, err := NewPattern("(", false, false, false); err == nil {
		t.Error("a bad expression is taken")
	}
}

func TestMeasureAddsUpSubtrees(t *testing.T) {
	c := dial(t, quokkatest.Start(t, 1))
	f := grow(t, c, "/r", 9, 200)
	all := list(t, c, "/r")
	got := collect(t, Measure(t.Context(), c, "/r", 1, nil))
	var paths []string
	for _, u := range got {
		var want Usage
		for _, n := range all {
			if at := Join("/r", n.Path); Within(u.Path, at) {
				want.Nodes++
				want.Bytes += int64(len(n.Data))
				want.NameBytes += int64(len(at))
				want.Largest = max(want.Largest, int64(len(n.Data)))
				if n.Kind == Ephemeral {
					want.Ephemerals++
				}
			}
		}
		want.Path, want.Depth = u.Path, u.Depth
		if u != want {
			t.Errorf("%+v, want %+v", u, want)
		}
		paths = append(paths, u.Path)
	}
	names := slices.Clone(all[0].Children)
	if len(got) != len(names)+1 || paths[len(paths)-1] != "/r" || len(f.paths) == 0 {
		t.Errorf("usage of %q", paths)
	}
}
