package proto

import "quokka/internal/jute"

// ConnectRequest is the first frame of a client. HasReadOnly tells whether
// the optional trailing byte was sent; the response carries it only then
// (ZOOKEEPER-4814).
type ConnectRequest struct {
	ProtocolVersion int32
	LastZxidSeen    Zxid
	TimeoutMS       int32
	SessionID       SessionID
	Password        []byte
	ReadOnly        bool
	HasReadOnly     bool
}

// DecodeConnectRequest reads the record; the password aliases b.
func DecodeConnectRequest(b []byte) (ConnectRequest, error) {
	d := jute.NewDecoder(b)
	r := ConnectRequest{
		ProtocolVersion: d.Int(), LastZxidSeen: Zxid(d.Long()), TimeoutMS: d.Int(),
		SessionID: SessionID(d.Long()), Password: d.Buffer(),
	}
	if d.Err() == nil && d.Len() > 0 {
		r.HasReadOnly = true
		r.ReadOnly = d.Bool()
	}
	return r, d.Err()
}

// AppendConnectRequest appends the record.
func AppendConnectRequest(b []byte, r *ConnectRequest) []byte {
	b = jute.AppendInt(b, r.ProtocolVersion)
	b = jute.AppendLong(b, int64(r.LastZxidSeen))
	b = jute.AppendInt(b, r.TimeoutMS)
	b = jute.AppendLong(b, int64(r.SessionID))
	b = jute.AppendBuffer(b, r.Password)
	if r.HasReadOnly {
		b = jute.AppendBool(b, r.ReadOnly)
	}
	return b
}

// ConnectResponse answers a ConnectRequest. All zero means the session could
// not be attached.
type ConnectResponse struct {
	ProtocolVersion int32
	TimeoutMS       int32
	SessionID       SessionID
	Password        []byte
	ReadOnly        bool
	HasReadOnly     bool
}

// DecodeConnectResponse reads the record; the password aliases b.
func DecodeConnectResponse(b []byte) (ConnectResponse, error) {
	d := jute.NewDecoder(b)
	r := ConnectResponse{
		ProtocolVersion: d.Int(), TimeoutMS: d.Int(), SessionID: SessionID(d.Long()), Password: d.Buffer(),
	}
	if d.Err() == nil && d.Len() > 0 {
		r.HasReadOnly = true
		r.ReadOnly = d.Bool()
	}
	return r, d.Err()
}

// AppendConnectResponse appends the record.
func AppendConnectResponse(b []byte, r *ConnectResponse) []byte {
	b = jute.AppendInt(b, r.ProtocolVersion)
	b = jute.AppendInt(b, r.TimeoutMS)
	b = jute.AppendLong(b, int64(r.SessionID))
	b = jute.AppendBuffer(b, r.Password)
	if r.HasReadOnly {
		b = jute.AppendBool(b, r.ReadOnly)
	}
	return b
}

// RequestHeader stands before every request but the first.
type RequestHeader struct {
	Xid int32
	Op  Op
}

// DecodeRequestHeader reads the header at the start of a frame and returns
// the body that follows.
func DecodeRequestHeader(b []byte) (RequestHeader, []byte, error) {
	d := jute.NewDecoder(b)
	h := RequestHeader{Xid: d.Int(), Op: Op(d.Int())}
	return h, d.Rest(), d.Err()
}

// AppendRequestHeader appends the header.
func AppendRequestHeader(b []byte, h RequestHeader) []byte {
	return jute.AppendInt(jute.AppendInt(b, h.Xid), int32(h.Op))
}

// ReplyHeader stands before every reply and event (16 bytes).
type ReplyHeader struct {
	Xid  int32
	Zxid Zxid
	Err  Code
}

// AppendReplyHeader appends the header.
func AppendReplyHeader(b []byte, h ReplyHeader) []byte {
	b = jute.AppendInt(b, h.Xid)
	b = jute.AppendLong(b, int64(h.Zxid))
	return jute.AppendInt(b, int32(h.Err))
}

// DecodeReplyHeader reads the header at the start of a frame and returns the
// body that follows.
func DecodeReplyHeader(b []byte) (ReplyHeader, []byte, error) {
	d := jute.NewDecoder(b)
	h := ReplyHeader{Xid: d.Int(), Zxid: Zxid(d.Long()), Err: Code(d.Int())}
	return h, d.Rest(), d.Err()
}

// MultiHeader stands before each part of a multi, in requests and responses.
type MultiHeader struct {
	Op   Op
	Done bool
	Err  Code
}

// MultiEnd ends the parts of a multi.
var MultiEnd = MultiHeader{Op: OpError, Done: true, Err: -1}

// AppendMultiHeader appends the header (9 bytes).
func AppendMultiHeader(b []byte, h MultiHeader) []byte {
	b = jute.AppendInt(b, int32(h.Op))
	b = jute.AppendBool(b, h.Done)
	return jute.AppendInt(b, int32(h.Err))
}

// DecodeMultiHeader reads the header.
func DecodeMultiHeader(d *jute.Decoder) MultiHeader {
	return MultiHeader{Op: Op(d.Int()), Done: d.Bool(), Err: Code(d.Int())}
}

// EventType says what happened to a watched path (Watcher.Event.EventType).
type EventType int32

// The event types a server sends.
const (
	EventNodeCreated         EventType = 1
	EventNodeDeleted         EventType = 2
	EventNodeDataChanged     EventType = 3
	EventNodeChildrenChanged EventType = 4
)

func (e EventType) String() string {
	switch e {
	case EventNodeCreated:
		return "NodeCreated"
	case EventNodeDeleted:
		return "NodeDeleted"
	case EventNodeDataChanged:
		return "NodeDataChanged"
	case EventNodeChildrenChanged:
		return "NodeChildrenChanged"
	}
	return "None"
}

// KeeperStateSyncConnected is the state in every event a server sends.
const KeeperStateSyncConnected int32 = 3

// AppendWatcherEvent appends a WatcherEvent record.
func AppendWatcherEvent(b []byte, t EventType, path string) []byte {
	b = jute.AppendInt(b, int32(t))
	b = jute.AppendInt(b, KeeperStateSyncConnected)
	return jute.AppendString(b, path)
}

// WatchMode of an addWatch request (AddWatchMode).
const (
	WatchPersistent          int32 = 0
	WatchPersistentRecursive int32 = 1
)

// WatcherType of checkWatches and removeWatches (Watcher.WatcherType).
const (
	WatcherChildren            int32 = 1
	WatcherData                int32 = 2
	WatcherAny                 int32 = 3
	WatcherPersistent          int32 = 4 // since 3.9.0
	WatcherPersistentRecursive int32 = 5 // since 3.9.0
)
