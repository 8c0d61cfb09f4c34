package quorum

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"quokka/internal/proto"
)

// builder makes a Membership of lines.
type builder struct {
	lines        []Line
	multiAddress bool
	m            Membership
	errs         []*LineError
}

func compare[T cmp.Ordered](a, b T) int { return cmp.Compare(a, b) }

func (b *builder) fail(line int, err error) {
	var number badNumber
	b.errs = append(b.errs, &LineError{Line: line, Want: err.Error(), number: errors.As(err, &number)})
}

func (b *builder) add(i int) {
	prefix, id, err := b.key(i)
	if err != nil {
		b.fail(i, err)
		return
	}
	value := b.lines[i].Value
	switch prefix {
	case "server":
		server, err := ParseServer(proto.ServerID(id), value, b.multiAddress)
		if err != nil {
			b.fail(i, err)
			return
		}
		b.m.Servers = append(b.m.Servers, server)
	case "group":
		group, ok := parseGroup(id, value)
		if !ok {
			b.fail(i, badNumber{errGroupForm.Error()})
			return
		}
		b.m.Groups = append(b.m.Groups, group)
	case "weight":
		votes, err := strconv.ParseInt(value, 10, 32)
		if err != nil || votes < 0 {
			b.fail(i, badNumber{errWeightForm.Error()})
			return
		}
		b.m.Weights = append(b.m.Weights, Weight{proto.ServerID(id), votes})
	}
}

// key reads the key of a line, which must be the only one of its number.
func (b *builder) key(i int) (prefix string, id int64, err error) {
	key := b.lines[i].Key
	prefix, number, _ := strings.Cut(key, ".")
	if prefix != "server" && prefix != "group" && prefix != "weight" {
		return "", 0, errors.New("unrecognised parameter; only server.N, group.N and weight.N describe an ensemble")
	}
	id, err = strconv.ParseInt(number, 10, 64)
	if err != nil || id < 0 {
		return "", 0, badNumber{"want " + prefix + ".N with N a number, 0 or more"}
	}
	if twin := b.lineOf(prefix, id); twin < i {
		return "", 0, fmt.Errorf("%s is the same number; remove one", b.lines[twin].Key)
	}
	return prefix, id, nil
}

// lineOf finds the first line of a number, whose key may be spelled server.01.
func (b *builder) lineOf(prefix string, id int64) int {
	return slices.IndexFunc(b.lines, func(l Line) bool {
		p, number, _ := strings.Cut(l.Key, ".")
		n, err := strconv.ParseInt(number, 10, 64)
		return err == nil && p == prefix && n == id
	})
}

func parseGroup(id int64, value string) (Group, bool) {
	g := Group{ID: id}
	for text := range strings.SplitSeq(value, ":") {
		member, err := strconv.ParseInt(trim(text), 10, 64)
		if err != nil {
			return g, false
		}
		g.Members = append(g.Members, proto.ServerID(member))
	}
	return g, true
}

// completeGroups checks that groups and servers fit (Java QuorumHierarchical.parse) and gives weight 1 to participants
// without one. Without group and weight lines there is nothing to do. A member of a group that does not vote needs a
// weight: where Java ends with a NullPointerException, this is an error.
func (b *builder) completeGroups() {
	m := &b.m
	if !m.Hierarchical() {
		return
	}
	grouped := make(map[proto.ServerID]bool)
	for _, g := range m.Groups {
		line := b.lineOf("group", g.ID)
		for _, id := range g.Members {
			if grouped[id] {
				b.fail(line, fmt.Errorf("server %d is in multiple groups; leave it in one", id))
			}
			grouped[id] = true
			b.checkMember(line, id)
		}
	}
	for _, s := range m.Participants() {
		if !grouped[s.ID] {
			b.fail(b.lineOf("server", int64(s.ID)), fmt.Errorf("server %d is not in a group; add it to a group.N line", s.ID))
		}
		if !m.hasWeight(s.ID) {
			m.Weights = append(m.Weights, Weight{s.ID, 1})
		}
	}
}

func (b *builder) checkMember(line int, id proto.ServerID) {
	s, ok := b.m.Server(id)
	switch {
	case b.m.hasWeight(id) || ok && s.Role == Participant:
	case ok:
		b.fail(line, badNumber{fmt.Sprintf("server %d is an observer, which does not vote; take it out of the group", id)})
	default:
		b.fail(line, badNumber{fmt.Sprintf("there is no server.%d; add it, or take it out of the group", id)})
	}
}

func (m Membership) hasWeight(id proto.ServerID) bool {
	return slices.ContainsFunc(m.Weights, func(w Weight) bool { return w.Server == id })
}
