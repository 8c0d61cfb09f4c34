package proto

import (
	"encoding/binary"
	"errors"
	"fmt"

	"quokka/internal/jute"
)

// PacketType is the type of a QuorumPacket (server.quorum.Leader, Learner).
type PacketType int32

// The packets between a leader and its learners.
const (
	PacketRequest           PacketType = 1
	PacketProposal          PacketType = 2
	PacketAck               PacketType = 3
	PacketCommit            PacketType = 4
	PacketPing              PacketType = 5
	PacketRevalidate        PacketType = 6
	PacketSync              PacketType = 7
	PacketInform            PacketType = 8
	PacketCommitAndActivate PacketType = 9
	PacketNewLeader         PacketType = 10
	PacketFollowerInfo      PacketType = 11
	PacketUpToDate          PacketType = 12
	PacketDiff              PacketType = 13
	PacketTrunc             PacketType = 14
	PacketSnap              PacketType = 15
	PacketObserverInfo      PacketType = 16
	PacketLeaderInfo        PacketType = 17
	PacketAckEpoch          PacketType = 18
	PacketInformAndActivate PacketType = 19
)

var packetNames = map[PacketType]string{
	PacketRequest: "REQUEST", PacketProposal: "PROPOSAL", PacketAck: "ACK", PacketCommit: "COMMIT", PacketPing: "PING",
	PacketRevalidate: "REVALIDATE", PacketSync: "SYNC", PacketInform: "INFORM", PacketCommitAndActivate: "COMMITANDACTIVATE",
	PacketNewLeader: "NEWLEADER", PacketFollowerInfo: "FOLLOWERINFO", PacketUpToDate: "UPTODATE", PacketDiff: "DIFF",
	PacketTrunc: "TRUNC", PacketSnap: "SNAP", PacketObserverInfo: "OBSERVERINFO", PacketLeaderInfo: "LEADERINFO",
	PacketAckEpoch: "ACKEPOCH", PacketInformAndActivate: "INFORMANDACTIVATE",
}

func (t PacketType) String() string {
	if s, ok := packetNames[t]; ok {
		return s
	}
	return fmt.Sprintf("packet %d", int32(t))
}

// A QuorumPacket is what a leader and a learner send each other. On the
// stream there is no length in front of it. Auth are the ids of the client
// of a REQUEST.
type QuorumPacket struct {
	Type PacketType
	Zxid Zxid
	Data []byte // nil is null
	Auth []ID   // nil is null
}

// AppendQuorumPacket appends the record.
func AppendQuorumPacket(b []byte, p *QuorumPacket) []byte {
	b = jute.AppendInt(b, int32(p.Type))
	b = jute.AppendLong(b, int64(p.Zxid))
	b = jute.AppendBuffer(b, p.Data)
	if p.Auth == nil {
		return jute.AppendInt(b, -1)
	}
	b = jute.AppendInt(b, int32(len(p.Auth)))
	for _, id := range p.Auth {
		b = AppendID(b, id)
	}
	return b
}

// LearnerProtocol is the version of the protocol that learners announce and
// leaders confirm (Zab 1.0, since 3.4).
const LearnerProtocol int32 = 0x10000

// quokkaMark follows the LearnerInfo of a Quokka server. Java reads the
// first 20 bytes only. It tells a leader that TRUNC is safe for the learner,
// whose snapshots never survive what was truncated.
const quokkaMark = "quokka1\x00"

// AppendLeaderInfo appends the data of LEADERINFO: the version of the
// protocol, and the mark of Quokka. Java reads the first 4 bytes only.
func AppendLeaderInfo(b []byte) []byte {
	return append(jute.AppendInt(b, LearnerProtocol), quokkaMark...)
}

// QuokkaLeader tells whether the data of a LEADERINFO is that of a Quokka
// server.
func QuokkaLeader(data []byte) bool { return len(data) > 4 && string(data[4:]) == quokkaMark }

// A LearnerInfo is the data of FOLLOWERINFO and OBSERVERINFO.
type LearnerInfo struct {
	Server        ServerID
	Protocol      int32
	ConfigVersion int64
	Quokka        bool // not Java: see quokkaMark
}

// AppendLearnerInfo appends the record and, for Quokka, its mark.
func AppendLearnerInfo(b []byte, i LearnerInfo) []byte {
	b = jute.AppendLong(b, int64(i.Server))
	b = jute.AppendInt(b, i.Protocol)
	b = jute.AppendLong(b, i.ConfigVersion)
	if i.Quokka {
		b = append(b, quokkaMark...)
	}
	return b
}

// DecodeLearnerInfo reads the 8, 12 or 20 bytes that learners of the
// different ages send (LearnerHandler.run).
func DecodeLearnerInfo(b []byte) (LearnerInfo, error) {
	var i LearnerInfo
	if len(b) < 8 {
		return i, errors.New("learner info is shorter than 8 bytes")
	}
	i.Server = ServerID(binary.BigEndian.Uint64(b))
	if len(b) >= 12 {
		i.Protocol = int32(binary.BigEndian.Uint32(b[8:]))
	}
	if len(b) >= 20 {
		i.ConfigVersion = int64(binary.BigEndian.Uint64(b[12:]))
		i.Quokka = string(b[20:]) == quokkaMark
	}
	return i, nil
}

// A ForwardedRequest is the data of a REQUEST: a client's request that a
// learner sends to the leader, its body as the client sent it.
type ForwardedRequest struct {
	Session SessionID
	Cxid    int32
	Op      Op
	Body    []byte
}

// AppendForwardedRequest appends the record.
func AppendForwardedRequest(b []byte, r *ForwardedRequest) []byte {
	b = jute.AppendLong(b, int64(r.Session))
	b = jute.AppendInt(b, r.Cxid)
	b = jute.AppendInt(b, int32(r.Op))
	return append(b, r.Body...)
}

// DecodeForwardedRequest reads the record; the body aliases b.
func DecodeForwardedRequest(b []byte) (ForwardedRequest, error) {
	if len(b) < 16 {
		return ForwardedRequest{}, errors.New("forwarded request is shorter than 16 bytes")
	}
	return ForwardedRequest{
		Session: SessionID(binary.BigEndian.Uint64(b)), Cxid: int32(binary.BigEndian.Uint32(b[8:])),
		Op: Op(int32(binary.BigEndian.Uint32(b[12:]))), Body: b[16:],
	}, nil
}

// A SessionTouch says that a learner heard a session, and with which timeout
// in ms. The data of a learner's PING is a sequence of them.
type SessionTouch struct {
	Session   SessionID
	TimeoutMS int32
}

// AppendSessionTouch appends the 12 bytes. They are the data of a learner's
// REVALIDATE, too.
func AppendSessionTouch(b []byte, t SessionTouch) []byte {
	return jute.AppendInt(jute.AppendLong(b, int64(t.Session)), t.TimeoutMS)
}

// DecodeSessionTouches reads whole touches until the data ends; what is left
// is ignored, as by Java.
func DecodeSessionTouches(b []byte) []SessionTouch {
	var v []SessionTouch
	for ; len(b) >= 12; b = b[12:] {
		v = append(v, SessionTouch{SessionID(binary.BigEndian.Uint64(b)), int32(binary.BigEndian.Uint32(b[8:]))})
	}
	return v
}

// AppendRevalidated appends a leader's answer to REVALIDATE.
func AppendRevalidated(b []byte, id SessionID, valid bool) []byte {
	return jute.AppendBool(jute.AppendLong(b, int64(id)), valid)
}

// DecodeRevalidated reads a leader's answer to REVALIDATE.
func DecodeRevalidated(b []byte) (id SessionID, valid bool, err error) {
	d := jute.NewDecoder(b)
	id, valid = SessionID(d.Long()), d.Bool()
	return id, valid, d.Err()
}

// PeerState is what a server of an ensemble is doing (QuorumPeer.ServerState).
type PeerState int32

// The states, as notifications carry them.
const (
	Looking   PeerState = 0
	Following PeerState = 1
	Leading   PeerState = 2
	Observing PeerState = 3
)

func (s PeerState) String() string {
	switch s {
	case Looking:
		return "LOOKING"
	case Following:
		return "FOLLOWING"
	case Leading:
		return "LEADING"
	case Observing:
		return "OBSERVING"
	}
	return fmt.Sprintf("state %d", int32(s))
}

// NotificationVersion is the version of the notifications we send: with the
// configuration at the end (since 3.5).
const NotificationVersion int32 = 2

// A Notification is a message of the leader election
// (FastLeaderElection.Notification).
type Notification struct {
	State         PeerState
	Leader        ServerID // the proposed leader; math.MinInt64 for servers that do not vote
	Zxid          Zxid     // its last zxid; -1 if it may have lost its data
	ElectionEpoch int64    // the sender's logical clock, or the round its vote was decided in
	PeerEpoch     Epoch    // the proposed leader's current epoch
	Version       int32
	Config        string // since version 2
}

// AppendNotification appends the message as version 2.
func AppendNotification(b []byte, n *Notification) []byte {
	b = jute.AppendInt(b, int32(n.State))
	b = jute.AppendLong(b, int64(n.Leader))
	b = jute.AppendLong(b, int64(n.Zxid))
	b = jute.AppendLong(b, n.ElectionEpoch)
	b = jute.AppendLong(b, int64(n.PeerEpoch))
	b = jute.AppendInt(b, NotificationVersion)
	b = jute.AppendInt(b, int32(len(n.Config)))
	return append(b, n.Config...)
}

// DecodeNotification reads a message of any release: 28 bytes (the peer
// epoch is the zxid's), 40 bytes, or longer with version and configuration.
func DecodeNotification(b []byte) (Notification, error) {
	if len(b) < 28 {
		return Notification{}, fmt.Errorf("notification has %d bytes, at least 28 are needed", len(b))
	}
	n := Notification{
		State: PeerState(int32(binary.BigEndian.Uint32(b))), Leader: ServerID(binary.BigEndian.Uint64(b[4:])),
		Zxid: Zxid(binary.BigEndian.Uint64(b[12:])), ElectionEpoch: int64(binary.BigEndian.Uint64(b[20:])),
	}
	switch {
	case len(b) == 28:
		n.PeerEpoch = n.Zxid.Epoch()
		return n, nil
	case len(b) < 40:
		return n, fmt.Errorf("notification has %d bytes: it ends inside a field", len(b))
	}
	n.PeerEpoch = Epoch(binary.BigEndian.Uint64(b[28:]))
	if len(b) == 40 {
		return n, nil // what stands in the last four bytes is not the version
	}
	n.Version = int32(binary.BigEndian.Uint32(b[36:]))
	if n.Version < 2 {
		return n, nil
	}
	if len(b) < 44 {
		return n, errors.New("notification has no configuration length")
	}
	size := int32(binary.BigEndian.Uint32(b[40:]))
	if size < 0 || int(size) > len(b)-44 {
		return n, fmt.Errorf("notification has a configuration of %d bytes, but %d are there", size, len(b)-44)
	}
	n.Config = string(b[44 : 44+size])
	return n, nil
}
