// Package session knows the sessions: how their ids and passwords come
// about, which global ones exist, and when one has been silent for too long.
//
// It owns the replicated table of sessions and the leader's expiry clock. It
// asks no clock: times are handed in. It closes nothing; it names the
// sessions that are due.
//
// Source of the facts: server.SessionTrackerImpl, server.ExpiryQueue and
// server.ZooKeeperServer.generatePasswd.
package session

import "quokka/internal/proto"

// IDs hands out the ids of new sessions: the server's number in the high
// byte, so that every server can tell where a session was born, and below it
// a number that starts at a point of time (SessionTrackerImpl.
// initializeNextSessionId, ZOOKEEPER-1622).
//
// Java takes the time from a clock that starts with the machine; the wall
// clock serves as well and does not repeat after a reboot.
type IDs struct{ last uint64 }

const lowBits = 1<<56 - 1

// NewIDs returns the generator of a server that starts at nowMS, in
// milliseconds since 1970. 40 bits of the time count, so ids repeat after 34
// years at the earliest.
func NewIDs(server uint8, nowMS int64) IDs {
	return IDs{last: uint64(server)<<56 | uint64(nowMS)<<24>>8}
}

// Next returns an id not handed out before. It is never 0 nor the mark of
// container nodes, math.MinInt64, whatever the server's number.
func (g *IDs) Next() proto.SessionID {
	id := g.last
	if id&lowBits == 0 {
		id++
	}
	g.last = id&^uint64(lowBits) | (id+1)&lowBits
	return proto.SessionID(id)
}

// Password returns the password of a session. It is a function of the id
// alone, so that any server can verify any session; it keeps no secret.
// (ZooKeeperServer.generatePasswd: 16 bytes of java.util.Random.)
func Password(id proto.SessionID) [proto.PasswordLen]byte {
	const (
		superSecret = 0xB3415C00 // ZooKeeperServer.superSecret
		multiplier  = 0x5DEECE66D
		mask        = 1<<48 - 1
	)
	var p [proto.PasswordLen]byte
	state := (uint64(id) ^ superSecret ^ multiplier) & mask
	for i := 0; i < len(p); i += 4 {
		state = (state*multiplier + 0xB) & mask
		v := uint32(state >> 16)
		p[i], p[i+1], p[i+2], p[i+3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
	}
	return p
}
