package recipe

import (
	"cmp"
	"maps"
	"slices"
)

// assign divides partitions among members so that no member has more than one
// partition more than another, and as few as possible move away from their
// owner. Everybody who knows the same members, partitions and owners gets the
// same result. It returns the owner-to-be of each partition.
//
// When the division leaves a remainder, some of those who have more than the
// others shall have keep one more, the first by name: that moves the least. By
// how much they have more does not count, since they do not give it up at the
// same moment, and who is done first must not be asked for more.
func assign(members, partitions []string, owners map[string]string) map[string]string {
	target := make(map[string]string, len(partitions))
	if len(members) == 0 {
		return target
	}
	has := make(map[string][]string, len(members)) // what each member owns now
	for _, m := range members {
		has[m] = nil
	}
	sorted := slices.Compact(slices.Sorted(slices.Values(partitions)))
	for _, p := range sorted {
		if _, ok := has[owners[p]]; ok {
			has[owners[p]] = append(has[owners[p]], p)
		}
	}
	most := (len(sorted) + len(has) - 1) / len(has)
	load := func(m string) int { return min(len(has[m]), most) }
	byLoad := slices.SortedFunc(maps.Keys(has), func(a, b string) int {
		return cmp.Or(cmp.Compare(load(b), load(a)), cmp.Compare(a, b))
	})
	quota := make(map[string]int, len(members))
	for i, m := range byLoad {
		quota[m] = len(sorted) / len(byLoad)
		if i < len(sorted)%len(byLoad) {
			quota[m]++
		}
		for _, p := range has[m][:min(quota[m], len(has[m]))] {
			target[p] = m
			quota[m]--
		}
	}
	next := 0
	for _, p := range sorted {
		if target[p] != "" {
			continue
		}
		for quota[byLoad[next]] == 0 {
			next++
		}
		target[p] = byLoad[next]
		quota[byLoad[next]]--
	}
	return target
}
