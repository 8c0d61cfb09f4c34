package shell

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"quokka/internal/subtree"
)

// TestEditScriptsLeadFromOneTextToTheOther checks random texts, and that
// nothing is replaced that both have as a common beginning or end.
func TestEditScriptsLeadFromOneTextToTheOther(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	text := func() []string {
		lines := make([]string, r.IntN(12))
		for i := range lines {
			lines[i] = string('a' + rune(r.IntN(4)))
		}
		return lines
	}
	for range 3000 {
		a, b := text(), text()
		var from, to []string
		same := 0
		for _, e := range editScript(a, b) {
			if e.op != '+' {
				from = append(from, e.line)
			}
			if e.op != '-' {
				to = append(to, e.line)
			}
			if e.op == ' ' {
				same++
			}
		}
		if !slices.Equal(from, a) || !slices.Equal(to, b) {
			t.Fatalf("from %q to %q: the script leads from %q to %q", a, b, from, to)
		}
		if want := common(a, b); same != want {
			t.Fatalf("from %q to %q: keeps %d lines, want %d", a, b, same, want)
		}
	}
	long := strings.Split(strings.Repeat("x\ny\n", 3000), "\n")
	if script := editScript(long, long[1:]); len(script) == 0 {
		t.Error("nothing for long texts")
	}
}

// common is the length of the longest common subsequence, the slow way.
func common(a, b []string) int {
	if len(a) == 0 || len(b) == 0 {
		return 0
	}
	row := make([]int, len(b)+1)
	for i := range a {
		before := 0
		for j := range b {
			old := row[j+1]
			if a[i] == b[j] {
				row[j+1] = before + 1
			} else {
				row[j+1] = max(row[j+1], row[j])
			}
			before = old
		}
	}
	return row[len(b)]
}

func TestRangesOfConditions(t *testing.T) {
	for _, c := range []struct {
		text string
		unit func(string) (int64, error)
		in   []int64
		out  []int64
	}{
		{"5", parseNumber, []int64{5}, []int64{4, 6}},
		{"+5", parseNumber, []int64{6, 1 << 40}, []int64{5}},
		{"-5", parseNumber, []int64{4, -1}, []int64{5}},
		{"2..4", parseNumber, []int64{2, 3, 4}, []int64{1, 5}},
		{"2..", parseNumber, []int64{2, 1 << 40}, []int64{1}},
		{"..2", parseNumber, []int64{2, 0}, []int64{3}},
		{"+1k", parseSize, []int64{1025}, []int64{1024}},
		{"1k..1M", parseSize, []int64{1024, 1 << 20}, []int64{1023, 1<<20 + 1}},
		{"+1d", parseAge, []int64{int64(25 * time.Hour)}, []int64{int64(23 * time.Hour)}},
		{"-1h30m", parseAge, []int64{int64(time.Hour)}, []int64{int64(2 * time.Hour)}},
	} {
		r, err := parseRange(c.text, c.unit)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		for _, n := range c.in {
			if !r.Holds(n) {
				t.Errorf("%s does not hold %d", c.text, n)
			}
		}
		for _, n := range c.out {
			if r.Holds(n) {
				t.Errorf("%s holds %d", c.text, n)
			}
		}
	}
	for text, unit := range map[string]func(string) (int64, error){"": parseNumber, "x": parseNumber, "1..x": parseNumber, "5T": parseSize, "-1..2": parseSize, "5": parseAge, "xd": parseAge} {
		if r, err := parseRange(text, unit); err == nil {
			t.Errorf("%q is %+v", text, r)
		}
	}
}

func TestTheBarWaitsAndIsWipedAway(t *testing.T) {
	var out bytes.Buffer
	b := &bar{w: &out, total: 200, begin: time.Now().Add(-time.Second), next: time.Now().Add(time.Hour)}
	b.show(subtree.Report{Seen: 50})
	b.wipe()
	if out.Len() > 0 {
		t.Errorf("shown too early: %q", out.String())
	}
	b.next = time.Time{}
	b.show(subtree.Report{Seen: 50, Bytes: 2048, Created: 3, Failed: 1})
	first := out.String()
	if want := "\r[######..................]  25% 50 nodes, "; !strings.HasPrefix(first, want) || !strings.Contains(first, "2.0 KiB, 3 changed, 1 failed, 3s left") {
		t.Errorf("shown: %q", first)
	}
	b.show(subtree.Report{Seen: 60}) // too soon after the last
	if out.String() != first {
		t.Errorf("shown again: %q", out.String())
	}
	b.wipe()
	if end := out.String()[len(first):]; end != "\r"+strings.Repeat(" ", len(first)-1)+"\r" {
		t.Errorf("wiped by %q", end)
	}
}

func TestServersInFrontOfPaths(t *testing.T) {
	for arg, want := range map[string][2]string{
		"zk1:2181/app": {"zk1:2181", "/app"}, "zk1:2181,zk2:2182/a/b": {"zk1:2181,zk2:2182", "/a/b"},
		"[::1]:2181/app": {"[::1]:2181", "/app"}, "zk1:2181": {"zk1:2181", ""},
		"/app": {}, "app": {}, "/a:1/b": {}, "a/b:1": {}, "./a:1": {}, "a:b/c": {},
	} {
		m := remoteSide.FindStringSubmatch(arg)
		if (m != nil) != (want[0] != "") || m != nil && (m[1] != want[0] || m[2] != want[1]) {
			t.Errorf("%s: %q, want %q", arg, m, want)
		}
	}
}
