package recipe

import (
	"bytes"
	"slices"
	"testing"
)

func TestCuratorsFrames(t *testing.T) {
	f := curatorFormat
	// As ItemSerializer writes it: version, (1, length, bytes)..., 2.
	two := []byte{0, 1, 0, 1, 1, 0, 0, 0, 1, 'a', 1, 0, 0, 0, 0, 2}
	items, err := f.unpack(two)
	if err != nil || len(items) != 2 || string(items[0]) != "a" || len(items[1]) != 0 {
		t.Errorf("%q: %v", items, err)
	}
	if got := f.pack([]byte("a")); !bytes.Equal(got, []byte{0, 1, 0, 1, 1, 0, 0, 0, 1, 'a', 2}) {
		t.Errorf("packed %v", got)
	}
	for _, bad := range [][]byte{nil, {0, 1}, {0, 1, 0, 2, 2}, {0, 1, 0, 1}, {0, 1, 0, 1, 3}, {0, 1, 0, 1, 1, 0, 0, 0, 9, 'a', 2}, {0, 1, 0, 1, 1, 255, 255, 255, 255, 2}} {
		if items, err := f.unpack(bad); err == nil {
			t.Errorf("%v was read as %q", bad, items)
		}
	}
}

func TestItemsAreInLine(t *testing.T) {
	for _, tt := range []struct {
		f    queueFormat
		want []string // in order
	}{
		{kazooFormat, []string{"entry-000-0000000009", "entry-007-0000000001", "entry-100-0000000000", "entry-100-0000000003"}},
		// After 2147483647 the server counts on from -2147483648.
		{kazooFormat, []string{"entry-100-2147483646", "entry-100-2147483647", "entry-100--2147483648", "entry-100--2147483647"}},
		{curatorPriorityFormat, []string{"queue-080000000" + "0000000005", "queue-0FFFFFFFF0000000002", "queue-1000000000000000001", "queue-10000000A0000000000"}},
		{curatorFormat, []string{"queue-0000000001", "queue-0000000002"}},
		{simpleFormat, []string{"qn-0000000001", "qn-0000000002"}},
	} {
		mixed := slices.Clone(tt.want)
		slices.Reverse(mixed)
		mixed = append(mixed, "foreign", tt.f.prefix, "entry-abc-0000000001", "queue-x")
		var got []string
		for _, r := range tt.f.inLine(mixed) {
			got = append(got, r.name)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func TestPrioritiesAreWrittenAsOthersDo(t *testing.T) {
	for _, f := range []queueFormat{kazooFormat, curatorPriorityFormat} {
		for _, n := range []int{f.low, f.low + 1, 5, 100, f.high} {
			r, ok := f.rank(f.prefix + f.priority(n) + "0000000001")
			if !ok || r.priority != n || r.sequence != 1 {
				t.Errorf("%+v, want %d", r, n)
			}
		}
	}
	if got := curatorPriorityFormat.priority(-1); got != "0FFFFFFFF" {
		t.Error(got)
	}
	if got := curatorPriorityFormat.priority(10); got != "10000000A" {
		t.Error(got)
	}
	if got := kazooFormat.prefix + kazooFormat.priority(7); got != "entry-007-" {
		t.Error(got)
	}
}
