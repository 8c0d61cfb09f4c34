package quorum

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"quokka/internal/proto"
)

// ReconfigOptions are the keys of zoo.cfg that decide about a reconfiguration.
type ReconfigOptions struct {
	MultiAddress      bool // multiAddress.enabled
	StandaloneEnabled bool // one participant would be a standalone server, so two must be left
}

// Reconfigure returns what a request makes of the configuration m, which must be the last one proposed, as the leader's
// PrepRequestProcessor does; version is the zxid of the transaction. A request that cannot be fulfilled gets Java's
// code and a reason for the log: BadVersion, BadArguments, MarshallingError where Java meets a number that is none
// and ends in a RuntimeException, NewConfigNoQuorum for groups that can have no quorum at all.
//
// A request with new members replaces the configuration; its joining and leaving servers are then ignored, as in Java.
// Any other changes it step by step, which hierarchical quorums refuse. Whether another reconfiguration is under way,
// whether a quorum of the new configuration is synchronised and whether the client may do it is for the caller to say.
//
// Java compares the addresses that names resolve to; here names are compared as they are written.
func (m Membership) Reconfigure(r proto.ReconfigRequest, version uint64, o ReconfigOptions) (next Membership, code proto.Code, why string) {
	if r.CurConfigID != -1 && uint64(r.CurConfigID) != m.Version {
		return m, proto.BadVersion, fmt.Sprintf("reconfiguration from version %x failed: the last seen version is %x",
			uint64(r.CurConfigID), m.Version)
	}
	var err error
	if r.NewMembers != "" {
		next, err = replaced(r.NewMembers, o)
	} else {
		next, err = m.changed(r, o)
	}
	if err != nil {
		return m, codeOf(err), err.Error()
	}
	least := 1
	if o.StandaloneEnabled {
		least = 2
	}
	if n := len(next.Participants()); n < least {
		return m, proto.BadArguments, fmt.Sprintf("the new configuration has %d participants and must have at least %d", n, least)
	}
	if _, err := next.Rule(); err != nil {
		return m, proto.NewConfigNoQuorum, err.Error()
	}
	next.Version = version
	return next, proto.OK, ""
}

func codeOf(err error) proto.Code {
	var number badNumber
	if errors.As(err, &number) {
		return proto.MarshallingError
	}
	return proto.BadArguments
}

// replaced reads a whole configuration, whose lines may be separated by commas too, and checks it as
// QuorumPeerConfig.parseDynamicConfig does.
func replaced(text string, o ReconfigOptions) (Membership, error) {
	next, err := parseMembership(strings.ReplaceAll(text, ",", "\n"), o.MultiAddress)
	if err != nil {
		return next, err
	}
	participants, observers := len(next.Participants()), len(next.Observers())
	switch {
	case participants == 0 && !o.StandaloneEnabled:
		err = badNumber{"standaloneEnabled = false then number of participants should be >0"}
	case participants == 0 && observers > 0:
		err = badNumber{"Observers w/o participants is an invalid configuration"}
	case participants == 1 && observers > 0 && o.StandaloneEnabled:
		err = badNumber{"Observers w/o quorum is an invalid configuration"}
	}
	return next, err
}

// changed takes the leaving servers out and then puts the joining ones in or in the place of their older selves.
func (m Membership) changed(r proto.ReconfigRequest, o ReconfigOptions) (Membership, error) {
	if m.Hierarchical() {
		return m, errors.New("incremental reconfiguration requested, but the last configuration seen has a non-majority quorum system; give new members")
	}
	servers := slices.Clone(m.Servers)
	for _, text := range splitTrimmed(r.Leaving, ",") {
		id, err := parseID(text)
		if err != nil {
			return m, err
		}
		servers = without(servers, id)
	}
	for _, text := range splitTrimmed(r.Joining, ",") {
		s, err := parseJoiner(text, o.MultiAddress)
		if err != nil {
			return m, err
		}
		servers = without(servers, s.ID)
		for _, other := range servers {
			if addr, ok := sharedAddress(s, other); ok {
				return m, fmt.Errorf("%s of server.%d conflicts with server.%d", addr, s.ID, other.ID)
			}
		}
		servers = append(servers, s)
	}
	slices.SortFunc(servers, func(a, b Server) int { return compare(a.ID, b.ID) })
	return Membership{Servers: servers}, nil
}

func without(servers []Server, id proto.ServerID) []Server {
	return slices.DeleteFunc(servers, func(s Server) bool { return s.ID == id })
}

// splitTrimmed is Java's StringUtils.split: parts trimmed, empty ones left out.
func splitTrimmed(text, separator string) []string {
	var parts []string
	for part := range strings.SplitSeq(text, separator) {
		if part = trim(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

func parseID(text string) (proto.ServerID, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, badNumber{quote(text) + " is not the number of a server"}
	}
	return proto.ServerID(id), nil
}

// parseJoiner reads server.N=value with a client port in the value.
func parseJoiner(text string, multiAddress bool) (Server, error) {
	parts := splitTrimmed(text, "=")
	if len(parts) != 2 {
		return Server{}, fmt.Errorf("%s: want server.N=host:quorumPort:electionPort;clientPort", quote(text))
	}
	id, err := parseID(parts[0][strings.LastIndexByte(parts[0], '.')+1:])
	if err != nil {
		return Server{}, err
	}
	if id < 0 {
		return Server{}, fmt.Errorf("%s: want server.N with N a number, 0 or more", quote(text))
	}
	s, err := ParseServer(id, parts[1], multiAddress)
	if err != nil {
		return s, fmt.Errorf("%s: %w", quote(text), err)
	}
	if !s.Client.IsSet() && !s.Secure.IsSet() {
		return s, fmt.Errorf("%s: each server should have at least 3 ports specified; add ;clientPort", quote(text))
	}
	return s, nil
}

// sharedAddress returns an address that two servers both have. The wildcard and loopback addresses may be shared (Java
// QuorumServer.checkAddressDuplicate).
func sharedAddress(a, b Server) (HostPort, bool) {
	others := b.addresses()
	for _, addr := range a.addresses() {
		if slices.ContainsFunc(others, addr.equal) {
			return addr, true
		}
	}
	return HostPort{}, false
}

func (s Server) addresses() []HostPort {
	all := []HostPort{s.Client, s.Secure}
	for _, a := range s.Addrs {
		all = append(all, a.Quorum(), a.Election())
	}
	return slices.DeleteFunc(all, func(h HostPort) bool {
		addr, err := netip.ParseAddr(h.Host)
		special := err == nil && (addr.IsUnspecified() || addr.IsLoopback())
		return !h.IsSet() || special || strings.EqualFold(h.Host, "localhost")
	})
}
