package quorum

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"quokka/internal/proto"
)

// Membership is the members of an ensemble: what zoo.cfg, its dynamic file or the text of a configuration says about
// servers, groups and weights. Nobody changes one after it was made; copies share their slices.
type Membership struct {
	Servers []Server // by id
	Groups  []Group  // by id; empty for plain majorities
	Weights []Weight // by server id; complete if there are groups
	Version uint64   // the zxid of the reconfiguration that made it; 0 before the first
}

// Weight is one weight.N line.
type Weight struct {
	Server proto.ServerID
	Votes  int64
}

// Server returns the server with that id.
func (m Membership) Server(id proto.ServerID) (Server, bool) {
	for _, s := range m.Servers {
		if s.ID == id {
			return s, true
		}
	}
	return Server{}, false
}

// Participants returns the servers that vote.
func (m Membership) Participants() []Server { return m.withRole(Participant) }

// Observers returns the servers that do not vote.
func (m Membership) Observers() []Server { return m.withRole(Observer) }

func (m Membership) withRole(role Role) []Server {
	var found []Server
	for _, s := range m.Servers {
		if s.Role == role {
			found = append(found, s)
		}
	}
	return found
}

// Hierarchical reports whether the members vote by groups.
func (m Membership) Hierarchical() bool { return len(m.Groups) > 0 || len(m.Weights) > 0 }

// Equal reports whether both have the same servers, groups and weights, whatever their versions. (Java's
// QuorumVerifier.equals takes equal versions for equal configurations; here the caller decides that.)
func (m Membership) Equal(o Membership) bool {
	sameGroup := func(a, b Group) bool { return a.ID == b.ID && slices.Equal(sorted(a.Members), sorted(b.Members)) }
	return slices.EqualFunc(m.Servers, o.Servers, Server.Equal) &&
		slices.EqualFunc(m.Groups, o.Groups, sameGroup) && slices.Equal(m.Weights, o.Weights)
}

func sorted(ids []proto.ServerID) []proto.ServerID { return slices.Sorted(slices.Values(ids)) }

// Rule returns who is a quorum: the majority of the participants, or more than half of the weight in more than half of
// the groups. The weight of a member of a group that does not vote counts in the total of its group but is never
// acknowledged, as in Java's QuorumHierarchical.computeGroupWeight.
func (m Membership) Rule() (Config, error) {
	if !m.Hierarchical() {
		ids := make([]proto.ServerID, 0, len(m.Servers))
		for _, s := range m.Participants() {
			ids = append(ids, s.ID)
		}
		return Majority(ids...), nil
	}
	weights := make(map[proto.ServerID]int64, len(m.Weights))
	for _, w := range m.Weights {
		weights[w.Server] = w.Votes
	}
	c, err := Hierarchical(m.Groups, weights)
	if err != nil {
		return Config{}, err
	}
	c.voters = slices.DeleteFunc(c.voters, func(v voter) bool {
		s, ok := m.Server(v.id)
		return !ok || s.Role != Participant
	})
	for _, s := range m.Participants() {
		if !c.IsVoter(s.ID) {
			return Config{}, fmt.Errorf("quorum: server %d is not in a group: add it to a group.N line", s.ID)
		}
	}
	return c, nil
}

// Line is one line about the ensemble: server.N, group.N or weight.N.
type Line struct{ Key, Value string }

// LineError says what is wrong with one of several lines, and what to do.
type LineError struct {
	Line   int // index
	Want   string
	number bool // see badNumber
}

// Error returns what is wrong, without the line.
func (e *LineError) Error() string { return e.Want }

// FromLines builds a Membership. It returns every error it finds. (Java QuorumMaj, QuorumHierarchical.parse.)
func FromLines(lines []Line, multiAddress bool) (Membership, []*LineError) {
	b := builder{lines: lines, multiAddress: multiAddress}
	for i := range lines {
		b.add(i)
	}
	slices.SortFunc(b.m.Servers, func(a, o Server) int { return compare(a.ID, o.ID) })
	slices.SortFunc(b.m.Groups, func(a, o Group) int { return compare(a.ID, o.ID) })
	if len(b.errs) == 0 {
		b.completeGroups()
	}
	slices.SortFunc(b.m.Weights, func(a, o Weight) int { return compare(a.Server, o.Server) })
	return b.m, b.errs
}

// Lines returns what FromLines makes the same Membership of, by number.
func (m Membership) Lines() []Line {
	var lines []Line
	for _, s := range m.Servers {
		lines = append(lines, Line{numbered("server", int64(s.ID)), s.String()})
	}
	for _, g := range m.Groups {
		lines = append(lines, Line{numbered("group", g.ID), joinIDs(g.Members)})
	}
	for _, w := range m.Weights {
		lines = append(lines, Line{numbered("weight", int64(w.Server)), strconv.FormatInt(w.Votes, 10)})
	}
	return lines
}

func numbered(prefix string, n int64) string { return prefix + "." + strconv.FormatInt(n, 10) }

func joinIDs(ids []proto.ServerID) string {
	words := make([]string, 0, len(ids))
	for _, id := range ids {
		words = append(words, strconv.FormatInt(int64(id), 10))
	}
	return strings.Join(words, ":")
}

// ParseMembership reads the text of a configuration: what a dynamic file, the node /zookeeper/config, NEWLEADER and
// notifications hold, server, group and weight lines with or without a line version=HEX (Java
// QuorumPeer.configFromString).
func ParseMembership(text string, multiAddress bool) (Membership, error) {
	m, err := parseMembership(text, multiAddress)
	if err != nil {
		return Membership{}, fmt.Errorf("quorum: reading a configuration: %w", err)
	}
	return m, nil
}

func parseMembership(text string, multiAddress bool) (Membership, error) {
	properties, err := Properties(text)
	if err != nil {
		return Membership{}, badNumber{err.Error()}
	}
	var lines []Line
	var version uint64
	for i, p := range properties {
		stronger := func(o Property) bool { return o.Key == p.Key }
		switch {
		case slices.ContainsFunc(properties[i+1:], stronger): // the last one of a key counts
		case p.Key == "version":
			version, err = strconv.ParseUint(p.Value, 16, 63)
			if err != nil {
				return Membership{}, badNumber{"version=" + quote(p.Value) + ": want a hexadecimal number"}
			}
		default:
			lines = append(lines, Line{p.Key, p.Value})
		}
	}
	m, errs := FromLines(lines, multiAddress)
	if len(errs) > 0 {
		e := errs[0]
		l := lines[e.Line]
		described := fmt.Errorf("%s=%s: %w", quote(l.Key), quote(l.Value), e)
		if e.number {
			return Membership{}, badNumber{described.Error()}
		}
		return Membership{}, described
	}
	m.Version = version
	return m, nil
}

var (
	errGroupForm  = errors.New("want ids of servers separated by colons")
	errWeightForm = errors.New("want an integer, 0 to 2147483647")
)
