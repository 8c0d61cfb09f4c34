package config

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// memberPrefixes begin the keys that describe the ensemble.
var memberPrefixes = []string{"server.", "group.", "weight."}

func isMemberKey(key string) bool {
	return slices.ContainsFunc(memberPrefixes, func(p string) bool { return strings.HasPrefix(key, p) })
}

// members builds a Membership from its settings. It returns every error it finds.
func members(settings []setting, multiAddress bool) (m Membership, errs []error) {
	fail := func(s setting, want string) { errs = append(errs, s.fail(want)) }
	for i, s := range settings {
		prefix, number, _ := strings.Cut(s.key, ".")
		id, ok := parseDecimal(number, 64)
		if !ok || id < 0 {
			fail(s, "want "+prefix+".N with N a number, 0 or more")
			continue
		}
		if twin := lineOf(settings[:i], prefix, id); twin.file != "" {
			fail(s, twin.key+" is the same number; remove one")
			continue
		}
		switch prefix {
		case "server":
			server, err := parseServer(id, s.value, multiAddress)
			if err != nil {
				fail(s, err.Error())
				continue
			}
			m.Servers = append(m.Servers, server)
		case "group":
			group, ok := parseGroup(id, s.value)
			if !ok {
				fail(s, "want ids of servers separated by colons")
				continue
			}
			m.Groups = append(m.Groups, group)
		case "weight":
			votes, ok := parseDecimal(s.value, 64)
			if !ok || votes < 0 || votes > math.MaxInt32 {
				fail(s, "want an integer, 0 to 2147483647")
				continue
			}
			m.Weights = append(m.Weights, Weight{id, votes})
		}
	}
	slices.SortFunc(m.Servers, func(a, b Server) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(m.Groups, func(a, b Group) int { return cmp.Compare(a.ID, b.ID) })
	if len(errs) == 0 {
		errs = m.completeGroups(settings)
	}
	slices.SortFunc(m.Weights, func(a, b Weight) int { return cmp.Compare(a.Server, b.Server) })
	return m, errs
}

func parseGroup(id int64, value string) (Group, bool) {
	g := Group{ID: id}
	for text := range strings.SplitSeq(value, ":") {
		member, ok := parseDecimal(trim(text), 64)
		if !ok {
			return g, false
		}
		g.Members = append(g.Members, member)
	}
	return g, true
}

// completeGroups checks that groups and servers fit (Java QuorumHierarchical.parse) and gives weight 1 to participants
// without one. Without group and weight lines there is nothing to do.
func (m *Membership) completeGroups(settings []setting) (errs []error) {
	if len(m.Groups) == 0 && len(m.Weights) == 0 {
		return nil
	}
	fail := func(prefix string, id int64, want string) {
		errs = append(errs, lineOf(settings, prefix, id).fail(want))
	}
	grouped := make(map[int64]bool)
	for _, g := range m.Groups {
		for _, id := range g.Members {
			if _, ok := m.Server(id); !ok {
				fail("group", g.ID, fmt.Sprintf("there is no server.%d; add it, or take it out of the group", id))
			}
			if grouped[id] {
				fail("group", g.ID, fmt.Sprintf("server %d is in multiple groups; leave it in one", id))
			}
			grouped[id] = true
		}
	}
	for _, s := range m.Participants() {
		if !grouped[s.ID] {
			fail("server", s.ID, fmt.Sprintf("server %d is not in a group; add it to a group.N line", s.ID))
		}
		if !slices.ContainsFunc(m.Weights, func(w Weight) bool { return w.Server == s.ID }) {
			m.Weights = append(m.Weights, Weight{s.ID, 1})
		}
	}
	return errs
}

// lineOf finds the setting of an id, whose key may be spelled server.01.
func lineOf(settings []setting, prefix string, id int64) setting {
	for _, s := range settings {
		p, number, _ := strings.Cut(s.key, ".")
		if n, ok := parseDecimal(number, 64); ok && p == prefix && n == id {
			return s
		}
	}
	return setting{key: prefix + "." + strconv.FormatInt(id, 10)}
}

// versionOf returns the version at the end of the name of a dynamic file: zoo.cfg.dynamic.100000000 has 0x100000000,
// zoo.cfg.dynamic has 0 (Java QuorumPeerConfig.getVersionFromFilename).
func versionOf(name string) uint64 {
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return 0
	}
	version, err := strconv.ParseInt(name[i+1:], 16, 64)
	if err != nil || version < 0 {
		return 0
	}
	return uint64(version)
}
