package peers

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"quokka/internal/core/quorum"
	"quokka/internal/jute"
	"quokka/internal/net/frame"
	"quokka/internal/proto"
)

// The initial message is the first on an election connection, sent by who
// dialled (QuorumCnxManager.InitialMessage):
//
//	long  protocol version, or the sender's number, and then nothing follows
//	long  the sender's number
//	int   length, 1 to 2048
//	bytes the sender's election addresses, host:port|host:port
const (
	initialV1 int64 = -65536 // one address; all releases since 3.5.0
	initialV2 int64 = -65535 // several; since 3.6.0 (ZOOKEEPER-3188)

	initialHead  = 20   // bytes before the addresses
	maxAddresses = 2048 // bytes of them
	maxTold      = 16   // addresses of one message that are used; a server has one or two
)

// anonymous is the number of ancient observers, which have none
// (QuorumPeer.OBSERVER_ID).
const anonymous proto.ServerID = math.MaxInt64

// An initial is the decoded message.
type initial struct {
	sid   proto.ServerID
	addrs []quorum.HostPort // none if they are wildcards, or the message has the ancient form
}

// appendInitial appends the message. V1 has the first address only.
func appendInitial(b []byte, me proto.ServerID, addrs []quorum.HostPort, multiAddress bool) []byte {
	version := initialV1
	if multiAddress {
		version = initialV2
	} else {
		addrs = addrs[:min(1, len(addrs))]
	}
	texts := make([]string, len(addrs))
	for i, a := range addrs {
		texts[i] = a.String()
	}
	b = jute.AppendLong(b, version)
	b = jute.AppendLong(b, int64(me))
	return jute.AppendString(b, strings.Join(texts, "|"))
}

// initialSize returns how long the message is that begins with b, as far as
// b tells: when it is not more than len(b), the message is complete.
func initialSize(b []byte) (int, error) {
	if len(b) < 8 {
		return 8, nil
	}
	switch version := int64(binary.BigEndian.Uint64(b)); {
	case version >= 0:
		return 8, nil
	case version != initialV1 && version != initialV2:
		return 0, fmt.Errorf("got unrecognized protocol version %d", version)
	}
	if len(b) < initialHead {
		return initialHead, nil
	}
	n := int32(binary.BigEndian.Uint32(b[initialHead-4:]))
	if n <= 0 || n > maxAddresses {
		return 0, fmt.Errorf("unreasonable buffer length: %d", n)
	}
	return initialHead + int(n), nil
}

// decodeInitial reads a complete message.
func decodeInitial(b []byte) (initial, error) {
	n, err := initialSize(b)
	if err != nil {
		return initial{}, err
	}
	if n != len(b) {
		return initial{}, fmt.Errorf("initial message has %d bytes, but %d are there", n, len(b))
	}
	if n == 8 {
		return initial{sid: proto.ServerID(binary.BigEndian.Uint64(b))}, nil
	}
	m := initial{sid: proto.ServerID(binary.BigEndian.Uint64(b[8:]))}
	for text := range strings.SplitSeq(string(b[initialHead:]), "|") {
		a, err := parseHostPort(text)
		if err != nil {
			return initial{}, err
		}
		if ip, err := netip.ParseAddr(a.Host); err == nil && ip.IsUnspecified() {
			continue // a wildcard is no address to dial
		}
		if len(m.addrs) < maxTold {
			m.addrs = append(m.addrs, a)
		}
	}
	return m, nil
}

func parseHostPort(text string) (quorum.HostPort, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil || host == "" {
		return quorum.HostPort{}, fmt.Errorf("badly formed address: %q", text)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return quorum.HostPort{}, fmt.Errorf("bad port number: %q", port)
	}
	return quorum.HostPort{Host: host, Port: int(n)}, nil
}

// errNoInitial is a connection that ends before it says anything, which is
// what port scanners and health checks do.
var errNoInitial = errors.New("the connection ended before its initial message")

// readInitial reads the message and leaves the reader behind it.
func readInitial(fr *frame.Reader) (initial, error) {
	var b []byte
	for n := 8; n > len(b); {
		var err error
		if b, err = fr.Peek(n); err != nil {
			return initial{}, errors.Join(errNoInitial, err)
		}
		if n, err = initialSize(b); err != nil {
			return initial{}, err
		}
	}
	m, err := decodeInitial(b)
	fr.Skip(len(b))
	return m, err
}
