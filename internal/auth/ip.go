package auth

import (
	"net/netip"
	"strconv"
	"strings"

	"quokka/internal/proto"
)

const schemeIP = "ip"

// ipProvider is the scheme of client addresses: an ACL names an address or a
// prefix "address/bits", IPv4 or, since 3.9.4, IPv6
// (IPAuthenticationProvider, ZOOKEEPER-4240).
type ipProvider struct{}

func (ipProvider) Scheme() string { return schemeIP }

// Authenticate adds the client's address, whatever the packet holds.
func (ipProvider) Authenticate(c Credentials) ([]proto.ID, error) {
	return []proto.ID{{Scheme: schemeIP, ID: addrText(c.Peer)}}, nil
}

func (ipProvider) Authenticated() bool { return false }

func (ipProvider) User(id string) string { return id }

func (ipProvider) Valid(id string) bool {
	_, ok := parsePrefix(id)
	return ok
}

// Matches compares the leading bits. Addresses of different families never
// match.
func (ipProvider) Matches(id, aclID string) bool {
	want, ok := parsePrefix(aclID)
	if !ok {
		return false
	}
	have, ok := parseAddr(id)
	return ok && have.BitLen() == want.Addr().BitLen() && want.Contains(have)
}

// addrText writes an address as Java's getHostAddress: an IPv4 address also
// where it came mapped into IPv6, and the eight groups of an IPv6 address
// without leaving out zeros. A zone is dropped, as no ACL can name it.
func addrText(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if !a.Is6() {
		return a.String()
	}
	var b []byte
	octets := a.As16()
	for i := 0; i < len(octets); i += 2 {
		if i > 0 {
			b = append(b, ':')
		}
		b = strconv.AppendUint(b, uint64(octets[i])<<8|uint64(octets[i+1]), 16)
	}
	return string(b)
}

// parsePrefix reads "address" or "address/bits".
func parsePrefix(s string) (netip.Prefix, bool) {
	text, length, sliced := strings.Cut(s, "/")
	a, ok := parseAddr(text)
	if !ok {
		return netip.Prefix{}, false
	}
	bits := a.BitLen()
	if sliced {
		n, err := strconv.Atoi(length)
		if err != nil || n < 0 || n > bits {
			return netip.Prefix{}, false
		}
		bits = n
	}
	return netip.PrefixFrom(a, bits), true
}

// parseAddr reads an address the way Java does, which is neither that of
// netip nor of RFC 4291: IPv4 numbers may have leading zeros, and the end of
// an IPv6 address may not be written as IPv4.
func parseAddr(s string) (netip.Addr, bool) {
	if strings.Contains(s, ":") {
		return parseV6(s)
	}
	var b [4]byte
	for i := range b {
		part, rest, more := strings.Cut(s, ".")
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 || n > 255 || more != (i < 3) {
			return netip.Addr{}, false
		}
		b[i], s = byte(n), rest
	}
	return netip.AddrFrom4(b), true
}

func parseV6(s string) (netip.Addr, bool) {
	head, tail, short := strings.Cut(s, "::")
	var b [16]byte
	n, ok := parseGroups(b[:], head)
	if !short {
		return netip.AddrFrom16(b), ok && n == 8
	}
	var end [16]byte
	m, okTail := parseGroups(end[:], tail)
	if !ok || !okTail || n+m >= 8 {
		return netip.Addr{}, false
	}
	copy(b[16-2*m:], end[:2*m])
	return netip.AddrFrom16(b), true
}

// parseGroups reads groups of one to four hexadecimal digits between colons
// into b and returns how many there were, none in the empty text.
func parseGroups(b []byte, s string) (int, bool) {
	if s == "" {
		return 0, true
	}
	for n := range 8 {
		group, rest, more := strings.Cut(s, ":")
		v, err := strconv.ParseUint(group, 16, 16)
		if err != nil || len(group) > 4 {
			return 0, false
		}
		b[2*n], b[2*n+1] = byte(v>>8), byte(v)
		if !more {
			return n + 1, true
		}
		s = rest
	}
	return 0, false
}
