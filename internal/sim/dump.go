package sim

import (
	"fmt"
	"slices"
	"strings"
)

// dump is everything that replicas must have in common, in words.
func dump(s *server) string {
	var lines []string
	view := s.state.Tree().View()
	defer view.Close()
	acls := map[int64]string{-1: "open"}
	for id, list := range view.ACLs() {
		acls[id] = fmt.Sprint(list)
	}
	for n := range view.Nodes() {
		lines = append(lines, fmt.Sprintf("%q data=%q null=%v acl=%s stat=%+v", n.Path, n.Data, n.Data == nil, acls[n.ACLID], n.Stat))
	}
	slices.Sort(lines)
	for id, timeout := range s.state.Sessions().All() {
		lines = append(lines, fmt.Sprintf("session %v timeout=%d ephemerals=%v", id, timeout, s.state.Tree().Ephemerals(id)))
	}
	lines = append(lines, fmt.Sprintf("last %v digest=%x", s.state.LastZxid(), s.state.Tree().Digest()))
	return strings.Join(lines, "\n")
}
