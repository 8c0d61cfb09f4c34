package recipe

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

func names(prefix string, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("%s%02d", prefix, i))
	}
	return all
}

func loads(target map[string]string, members []string) map[string]int {
	load := make(map[string]int)
	for _, m := range members {
		load[m] = 0
	}
	for _, m := range target {
		load[m]++
	}
	return load
}

func TestAssign(t *testing.T) {
	for _, tt := range []struct {
		members, partitions []string
		owners, want        map[string]string
	}{
		{nil, []string{"p"}, nil, map[string]string{}},
		{[]string{"a"}, nil, nil, map[string]string{}},
		{[]string{"b", "a"}, []string{"p", "q", "r"}, nil, map[string]string{"p": "a", "q": "a", "r": "b"}},
		// b has more, so b keeps the odd one: nothing moves.
		{[]string{"a", "b"}, []string{"p", "q", "r"}, map[string]string{"p": "a", "q": "b", "r": "b"},
			map[string]string{"p": "a", "q": "b", "r": "b"}},
		// A new member takes one, not two.
		{[]string{"a", "b"}, []string{"p", "q", "r"}, map[string]string{"p": "b", "q": "b", "r": "b"},
			map[string]string{"p": "b", "q": "b", "r": "a"}},
		// c comes to a and b. a has given up one of four, b none of its four yet: a is not asked for another.
		{[]string{"a", "b", "c"}, names("p", 7), map[string]string{"p00": "a", "p01": "a", "p02": "a", "p03": "b", "p04": "b", "p05": "b", "p06": "b"},
			map[string]string{"p00": "a", "p01": "a", "p02": "a", "p03": "b", "p04": "b", "p05": "c", "p06": "c"}},
		// What the dead have owned is divided, foreign partitions are ignored.
		{[]string{"a", "b"}, []string{"p", "q"}, map[string]string{"p": "dead", "q": "a", "x": "b"},
			map[string]string{"p": "b", "q": "a"}},
		// Names twice are one.
		{[]string{"a", "a"}, []string{"p", "p"}, nil, map[string]string{"p": "a"}},
	} {
		if got := assign(tt.members, tt.partitions, tt.owners); !maps.Equal(got, tt.want) {
			t.Errorf("%v %v %v: %v, want %v", tt.members, tt.partitions, tt.owners, got, tt.want)
		}
	}
}

// leastMoves is how many partitions must leave their living owners at least
// when n members share them: members keep what they have up to the quotas, of
// which the largest go to those who have the most.
func leastMoves(have []int, partitions int) (moves int) {
	slices.SortFunc(have, func(a, b int) int { return b - a })
	for i, h := range have {
		quota := partitions / len(have)
		if i < partitions%len(have) {
			quota++
		}
		moves += max(0, h-quota)
	}
	return moves
}

func TestAssignIsEvenAndMovesTheLeast(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	partitions := names("p", 23)
	members := names("m", 4)
	owners := map[string]string{}
	for range 500 {
		if r.IntN(2) == 0 && len(members) > 1 {
			members = slices.Delete(slices.Clone(members), 0, 1+r.IntN(len(members)-1))
		} else {
			members = append(slices.Clone(members), fmt.Sprintf("n%03d", r.IntN(1000)))
			slices.Sort(members)
			members = slices.Compact(members)
		}
		target := assign(members, partitions, owners)
		shuffled := slices.Clone(members)
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if again := assign(shuffled, partitions, owners); !maps.Equal(target, again) {
			t.Fatalf("the order of members changes the result: %v %v", target, again)
		}
		load := loads(target, members)
		low, high := slices.Min(slices.Collect(maps.Values(load))), slices.Max(slices.Collect(maps.Values(load)))
		if len(target) != len(partitions) || high-low > 1 || len(load) != len(members) {
			t.Fatalf("uneven: %v", load)
		}
		have := make(map[string]int)
		for _, m := range members {
			have[m] = 0
		}
		moved := 0
		for p, m := range owners {
			if _, ok := have[m]; ok {
				have[m]++
				if target[p] != m {
					moved++
				}
			}
		}
		if least := leastMoves(slices.Collect(maps.Values(have)), len(partitions)); moved != least {
			t.Fatalf("%d moves, want %d", moved, least)
		}
		owners = target
	}
}
