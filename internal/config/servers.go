package config

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// Role is what a member of the ensemble is.
type Role string

// The roles, as in server.N lines.
const (
	Participant Role = "participant"
	Observer    Role = "observer"
)

// Membership is the members of an ensemble: what zoo.cfg or its dynamic file says about servers, groups and weights.
type Membership struct {
	Servers []Server // by id
	Groups  []Group  // by id; empty for plain majorities
	Weights []Weight // by server id; complete if there are groups
	Version uint64   // 0 unless the name of the dynamic file ends in one
}

// Server is one server.N line.
type Server struct {
	ID     int64
	Addrs  []ServerAddr // at least one
	Role   Role
	Client HostPort // not set unless the line has it
	Secure HostPort // client port with TLS, 3.10 and later
}

// ServerAddr is one address of a server as its peers see it.
type ServerAddr struct {
	Host         string // without brackets
	QuorumPort   int
	ElectionPort int
}

// HostPort is a host and a port. The zero value is not set.
type HostPort struct {
	Host string // without brackets
	Port int
}

// Group is one group.N line.
type Group struct {
	ID      int64
	Members []int64
}

// Weight is one weight.N line.
type Weight struct {
	Server int64
	Votes  int64
}

// IsSet reports whether h names anything.
func (h HostPort) IsSet() bool { return h.Host != "" }

// String returns host:port, with brackets around IPv6.
func (h HostPort) String() string { return net.JoinHostPort(h.Host, strconv.Itoa(h.Port)) }

// String returns the value of the server.N line, with its role.
func (s Server) String() string {
	var b strings.Builder
	for i, a := range s.Addrs {
		if i > 0 {
			b.WriteByte('|')
		}
		fmt.Fprintf(&b, "%s:%d:%s", HostPort{a.Host, a.QuorumPort}, a.ElectionPort, s.Role)
	}
	if s.Client.IsSet() {
		b.WriteString(";" + s.Client.String())
	}
	if s.Secure.IsSet() {
		if !s.Client.IsSet() {
			b.WriteByte(';')
		}
		b.WriteString(";" + s.Secure.String())
	}
	return b.String()
}

// Server returns the server with that id.
func (m Membership) Server(id int64) (Server, bool) {
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

var errServerForm = errors.New("want host:quorumPort:electionPort[:participant|:observer][|more addresses][;[clientHost:]clientPort]")

// parseServer reads the value of a server.N line (Java QuorumPeer.QuorumServer). It resolves nothing.
func parseServer(id int64, value string, multiAddress bool) (Server, error) {
	s := Server{ID: id}
	parts := strings.Split(value, ";")
	if len(parts) > 3 {
		return s, errServerForm
	}
	addrs := strings.Split(parts[0], "|")
	if len(addrs) > 1 && !multiAddress {
		return s, errors.New("several addresses for one server need multiAddress.enabled=true")
	}
	for _, text := range addrs {
		addr, role, err := parseServerAddr(text)
		if err != nil {
			return s, err
		}
		if s.Role != "" && role != "" && role != s.Role {
			return s, errors.New("all addresses of one server must have the same role")
		}
		s.Role = cmp.Or(s.Role, role)
		s.Addrs = append(s.Addrs, addr)
	}
	s.Role = cmp.Or(s.Role, Participant)
	slices.SortStableFunc(s.Addrs, func(a, b ServerAddr) int { return cmp.Compare(a.Host, b.Host) })
	for i, target := range []*HostPort{&s.Client, &s.Secure} {
		if i+1 >= len(parts) || parts[i+1] == "" {
			continue
		}
		var err error
		if *target, err = parseClientPart(parts[i+1]); err != nil {
			return s, err
		}
	}
	return s, nil
}

func parseServerAddr(text string) (a ServerAddr, role Role, err error) {
	parts, ok := splitHostPort(text)
	if !ok || len(parts) < 3 || len(parts) > 4 || parts[0] == "" {
		return a, "", errServerForm
	}
	a.Host = parts[0]
	if a.QuorumPort, err = parsePort(parts[1]); err != nil {
		return a, "", err
	}
	if a.ElectionPort, err = parsePort(parts[2]); err != nil {
		return a, "", err
	}
	if a.QuorumPort == a.ElectionPort {
		return a, "", errors.New("the quorum port and the election port must be different")
	}
	if len(parts) == 4 {
		role = Role(strings.ToLower(trim(parts[3])))
		if role != Participant && role != Observer {
			return a, "", fmt.Errorf("the role %s must be participant or observer", quote(parts[3]))
		}
	}
	return a, role, nil
}

// anyAddress is the host of a client part without one.
const anyAddress = "0.0.0.0"

func parseClientPart(text string) (HostPort, error) {
	parts, ok := splitHostPort(text)
	if !ok || len(parts) > 2 || parts[0] == "" {
		return HostPort{}, errServerForm
	}
	host := anyAddress
	if len(parts) == 2 {
		host = parts[0]
	}
	port, err := parsePort(parts[len(parts)-1])
	return HostPort{host, port}, err
}

func parsePort(text string) (int, error) {
	n, ok := parseDecimal(text, 32)
	if !ok || n < 1 || n > 65535 {
		return 0, fmt.Errorf("the port %s must be 1 to 65535", quote(text))
	}
	return int(n), nil
}

// splitHostPort splits at colons and takes the brackets from an IPv6 host (Java ConfigUtils.getHostAndPort).
func splitHostPort(text string) ([]string, bool) {
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return nil, false
	}
	if !strings.HasPrefix(text, "[") {
		return strings.Split(text, ":"), !strings.ContainsAny(text, "[]")
	}
	host, rest, ok := strings.Cut(text[1:], "]")
	if !ok || !strings.HasPrefix(rest, ":") || strings.ContainsAny(host+rest, "[") || !strings.Contains(host, ":") {
		return nil, false
	}
	return append([]string{host}, strings.Split(rest[1:], ":")...), true
}
