package quorum

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"quokka/internal/proto"
)

// Role is what a member of the ensemble is.
type Role string

// The roles, as in server.N lines.
const (
	Participant Role = "participant"
	Observer    Role = "observer"
)

// Server is one server.N line.
type Server struct {
	ID     proto.ServerID
	Addrs  []ServerAddr // at least one, by host
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

// IsSet reports whether h names anything.
func (h HostPort) IsSet() bool { return h.Host != "" }

// String returns host:port, with brackets around IPv6.
func (h HostPort) String() string { return joinPort(h.Host, h.Port) }

// Quorum returns the address on which the server, when it leads, awaits its learners.
func (a ServerAddr) Quorum() HostPort { return HostPort{a.Host, a.QuorumPort} }

// Election returns the address for the votes of its peers.
func (a ServerAddr) Election() HostPort { return HostPort{a.Host, a.ElectionPort} }

func joinPort(host string, port int) string {
	if strings.ContainsRune(host, ':') {
		host = "[" + host + "]"
	}
	return host + ":" + strconv.Itoa(port)
}

// String returns the value of the server.N line as Java's QuorumServer.toString does: the role stands once, behind the
// last address.
func (s Server) String() string {
	var b strings.Builder
	for i, a := range s.Addrs {
		if i > 0 {
			b.WriteByte('|')
		}
		b.WriteString(a.Quorum().String() + ":" + strconv.Itoa(a.ElectionPort))
	}
	b.WriteString(":" + string(s.Role))
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

// Equal reports whether both are the same member with the same role and addresses. Hosts are compared as they are
// written, without regard to capitals; Java compares what they resolve to.
func (s Server) Equal(o Server) bool {
	sameAddr := func(a, b ServerAddr) bool {
		return strings.EqualFold(a.Host, b.Host) && a.QuorumPort == b.QuorumPort && a.ElectionPort == b.ElectionPort
	}
	return s.ID == o.ID && s.Role == o.Role && slices.EqualFunc(s.Addrs, o.Addrs, sameAddr) &&
		s.Client.equal(o.Client) && s.Secure.equal(o.Secure)
}

func (h HostPort) equal(o HostPort) bool {
	return h.Port == o.Port && strings.EqualFold(h.Host, o.Host)
}

var errServerForm = errors.New("want host:quorumPort:electionPort[:participant|:observer][|more addresses][;[clientHost:]clientPort]")

// badNumber marks an error for which Java throws NumberFormatException or IllegalArgumentException and not
// ConfigException; a reconfiguration answers the two with different codes.
type badNumber struct{ text string }

func (e badNumber) Error() string { return e.text }

// ParseServer reads the value of a server.N line (Java QuorumPeer.QuorumServer). It resolves nothing.
func ParseServer(id proto.ServerID, value string, multiAddress bool) (Server, error) {
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
	s.Addrs = slices.Compact(s.Addrs)
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
	a.Host = canonicalHost(parts[0])
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
		host = canonicalHost(parts[0])
	}
	port, err := parsePort(parts[len(parts)-1])
	return HostPort{host, port}, err
}

func parsePort(text string) (int, error) {
	n, err := strconv.ParseInt(text, 10, 32)
	switch {
	case err != nil:
		return 0, fmt.Errorf("the port %s must be 1 to 65535", quote(text))
	case n < 1 || n > 65535:
		return 0, badNumber{fmt.Sprintf("the port %d must be 1 to 65535", n)}
	}
	return int(n), nil
}

// splitHostPort splits at colons and takes the brackets from an IPv6 host (Java ConfigUtils.getHostAndPort). It refuses
// what no host has and no properties file keeps.
func splitHostPort(text string) ([]string, bool) {
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\\' || r == utf8.RuneError }) {
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

// canonicalHost spells an IPv6 address as Java's Inet6Address.getHostAddress does, all eight groups without leading
// zeros: that is how Java shows it in the text of a configuration. Names stay as they are.
func canonicalHost(host string) string {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	addr = addr.Unmap()
	if addr.Is4() {
		return addr.String()
	}
	bytes := addr.As16()
	groups := make([]string, 8)
	for i := range groups {
		groups[i] = strconv.FormatUint(uint64(bytes[2*i])<<8|uint64(bytes[2*i+1]), 16)
	}
	text := strings.Join(groups, ":")
	if zone := addr.Zone(); zone != "" {
		text += "%" + zone
	}
	return text
}

// trim is Java's String.trim.
func trim(s string) string { return strings.TrimFunc(s, func(r rune) bool { return r <= ' ' }) }

// quote makes a value fit for one line of a message.
func quote(value string) string {
	const longest = 80
	value = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, value)
	if len(value) > longest {
		value = strings.ToValidUTF8(value[:longest], "") + "..."
	}
	return cmp.Or(value, `""`)
}
