package quorum

import (
	"slices"
	"strconv"
	"strings"

	"quokka/internal/proto"
)

// Text returns the configuration byte for byte as QuorumMaj.toString and QuorumHierarchical.toString do: what the node
// /zookeeper/config, NEWLEADER, notifications and reconfiguration transactions hold. It ends in the line version=HEX,
// without a line feed. Lines are in the order of Java's HashMap, which is that of the numbers as long as they are
// small; where two numbers share a bucket of that map, the order there depends on Java's history and is ascending here.
func (m Membership) Text() string {
	var b strings.Builder
	line := func(prefix string, id int64, value string) {
		b.WriteString(numbered(prefix, id) + "=" + value + "\n")
	}
	for _, s := range inHashOrder(m.Servers, func(s Server) int64 { return int64(s.ID) }) {
		line("server", int64(s.ID), s.String())
	}
	if m.Hierarchical() {
		m.groupLines(line)
		for _, w := range inHashOrder(m.Weights, func(w Weight) int64 { return int64(w.Server) }) {
			line("weight", int64(w.Server), strconv.FormatInt(w.Votes, 10))
		}
	}
	b.WriteString("version=" + strconv.FormatUint(m.Version, 16))
	return b.String()
}

// groupLines writes the groups. Java keeps a map from server to group and makes the lines out of that.
func (m Membership) groupLines(line func(prefix string, id int64, value string)) {
	type pair struct {
		server proto.ServerID
		group  int64
	}
	var pairs []pair
	for _, g := range m.Groups {
		for _, id := range g.Members {
			pairs = append(pairs, pair{id, g.ID})
		}
	}
	members := make(map[int64][]proto.ServerID, len(m.Groups))
	for _, p := range inHashOrder(pairs, func(p pair) int64 { return int64(p.server) }) {
		members[p.group] = append(members[p.group], p.server)
	}
	for _, g := range inHashOrder(m.Groups, func(g Group) int64 { return g.ID }) {
		line("group", g.ID, joinIDs(members[g.ID]))
	}
}

// inHashOrder returns the items as a java.util.HashMap with these keys of type Long iterates over them.
func inHashOrder[T any](items []T, key func(T) int64) []T {
	buckets := 16
	for len(items) > buckets/4*3 {
		buckets *= 2
	}
	bucket := func(item T) uint32 {
		k := uint64(key(item))
		h := uint32(k ^ k>>32)
		return (h ^ h>>16) & uint32(buckets-1)
	}
	ordered := slices.Clone(items)
	slices.SortFunc(ordered, func(a, b T) int {
		if c := compare(bucket(a), bucket(b)); c != 0 {
			return c
		}
		return compare(key(a), key(b))
	})
	return ordered
}
