package recipe

import (
	"math"
	"regexp"
	"slices"
	"testing"
)

func TestMarks(t *testing.T) {
	for layout, form := range map[Layout]string{
		Curator: `^_c_[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}-$`, // ProtectedUtils
		Kazoo:   `^[0-9a-f]{32}$`,
	} {
		a, b := newMark(layout), newMark(layout)
		if !regexp.MustCompile(form).MatchString(a) || a == b {
			t.Errorf("%v: %q, %q", layout, a, b)
		}
	}
}

func TestSequences(t *testing.T) {
	kinds := []string{curatorLock, kazooLock}
	for name, want := range map[string]int32{
		"_c_53345f98-9423-4e0c-a7b5-9f819e3ec2e1-lock-0000000007": 7,
		"lock-0000000000": 0,
		"53345f9894234e0ca7b59f819e3ec2e1__lock__0000000012":       12,
		"_c_53345f98-9423-4e0c-a7b5-9f819e3ec2e1-lock--2147483648": math.MinInt32,
		"x__lock__-0000000001":                                     -1,
	} {
		if n, ok := sequence(name, kinds); !ok || n != want {
			t.Errorf("%s: %d, %v", name, n, ok)
		}
	}
	for _, name := range []string{"", "lock-", "lock-000000001", "lock-00000000001", "x__rlock__0000000001", "latch-0000000001", "lock-9999999999", "lock-000000000a", "lock---000000001"} {
		if n, ok := sequence(name, kinds); ok {
			t.Errorf("%s: %d", name, n)
		}
	}
}

// The numbers of a directory overflow after two thousand million nodes.
func TestOrderOverAnOverflow(t *testing.T) {
	kinds := []string{curatorLock, kazooLock}
	want := []string{"x__lock__2147483646", "a-lock-2147483647", "y__lock__-2147483648", "b-lock--2147483647", "c-lock--2147483646"}
	names := append([]string{"config", "x__rlock__0000000001"}, want...)
	slices.Sort(names)
	if got := inOrder(names, kinds); !slices.Equal(got, want) {
		t.Error(got)
	}
	for i, own := range want {
		n, _ := sequence(own, kinds)
		got, ok := predecessor(names, n, kinds)
		if i == 0 && ok || i > 0 && got != want[i-1] {
			t.Errorf("before %s: %q", own, got)
		}
	}
}
