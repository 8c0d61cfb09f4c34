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
// Those who have the most keep one more than the others, when the division
// leaves a remainder: that moves the least.
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
	byLoad := slices.SortedFunc(maps.Keys(has), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(has[b]), len(has[a])), cmp.Compare(a, b))
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
