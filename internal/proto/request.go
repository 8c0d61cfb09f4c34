package proto

import (
	"fmt"

	"quokka/internal/jute"
)

// CreateRequest is the record of create, create2, createContainer and, with
// the TTL, createTTL. TTL is -1 for the others.
type CreateRequest struct {
	Path  string
	Data  []byte // nil is null
	ACL   []ACL
	Flags int32
	TTL   int64 // milliseconds
}

// DecodeCreateRequest reads the record as op sends it; Data aliases d.
func DecodeCreateRequest(d *jute.Decoder, op Op) CreateRequest {
	r := CreateRequest{Path: d.String(), Data: d.Buffer(), ACL: DecodeACLs(d), Flags: d.Int(), TTL: -1}
	if op == OpCreateTTL {
		r.TTL = d.Long()
	}
	return r
}

// AppendCreateRequest appends the record as op sends it.
func AppendCreateRequest(b []byte, op Op, r *CreateRequest) []byte {
	b = jute.AppendString(b, r.Path)
	b = jute.AppendBuffer(b, r.Data)
	b = AppendACLs(b, r.ACL)
	b = jute.AppendInt(b, r.Flags)
	if op == OpCreateTTL {
		b = jute.AppendLong(b, r.TTL)
	}
	return b
}

// PathVersion is the record of delete and check.
type PathVersion struct {
	Path    string
	Version int32 // -1 for any
}

// DecodePathVersion reads the record.
func DecodePathVersion(d *jute.Decoder) PathVersion {
	return PathVersion{Path: d.String(), Version: d.Int()}
}

// AppendPathVersion appends the record.
func AppendPathVersion(b []byte, r PathVersion) []byte {
	return jute.AppendInt(jute.AppendString(b, r.Path), r.Version)
}

// SetDataRequest is the record of setData; Data aliases the frame.
type SetDataRequest struct {
	Path    string
	Data    []byte
	Version int32
}

// DecodeSetDataRequest reads the record.
func DecodeSetDataRequest(d *jute.Decoder) SetDataRequest {
	return SetDataRequest{Path: d.String(), Data: d.Buffer(), Version: d.Int()}
}

// AppendSetDataRequest appends the record.
func AppendSetDataRequest(b []byte, r *SetDataRequest) []byte {
	b = jute.AppendString(b, r.Path)
	b = jute.AppendBuffer(b, r.Data)
	return jute.AppendInt(b, r.Version)
}

// SetACLRequest is the record of setACL; Version is compared with the ACL's.
type SetACLRequest struct {
	Path    string
	ACL     []ACL
	Version int32
}

// DecodeSetACLRequest reads the record.
func DecodeSetACLRequest(d *jute.Decoder) SetACLRequest {
	return SetACLRequest{Path: d.String(), ACL: DecodeACLs(d), Version: d.Int()}
}

// PathWatch is the record of exists, getData, getChildren and getChildren2.
// The path aliases the frame, so that a read allocates nothing for it.
type PathWatch struct {
	Path  []byte
	Watch bool
}

// DecodePathWatch reads the record.
func DecodePathWatch(d *jute.Decoder) PathWatch {
	return PathWatch{Path: d.Bytes(), Watch: d.Bool()}
}

// AppendPathWatch appends the record.
func AppendPathWatch(b []byte, path string, watch bool) []byte {
	return jute.AppendBool(jute.AppendString(b, path), watch)
}

// SetWatchesRequest is the record of setWatches and, with the last two lists,
// of setWatches2.
type SetWatchesRequest struct {
	RelativeZxid        Zxid
	Data, Exist, Child  []string
	Persistent          []string
	PersistentRecursive []string
}

// DecodeSetWatchesRequest reads the record as op sends it.
func DecodeSetWatchesRequest(d *jute.Decoder, op Op) SetWatchesRequest {
	r := SetWatchesRequest{
		RelativeZxid: Zxid(d.Long()), Data: d.Strings(), Exist: d.Strings(), Child: d.Strings(),
	}
	if op == OpSetWatches2 {
		r.Persistent = d.Strings()
		r.PersistentRecursive = d.Strings()
	}
	return r
}

// PathMode is the record of addWatch (mode), checkWatches and removeWatches
// (watcher type).
type PathMode struct {
	Path string
	Mode int32
}

// DecodePathMode reads the record.
func DecodePathMode(d *jute.Decoder) PathMode {
	return PathMode{Path: d.String(), Mode: d.Int()}
}

// AuthPacket is the record of auth; Type is ignored.
type AuthPacket struct {
	Type   int32
	Scheme string
	Auth   []byte
}

// DecodeAuthPacket reads the record.
func DecodeAuthPacket(d *jute.Decoder) AuthPacket {
	return AuthPacket{Type: d.Int(), Scheme: d.String(), Auth: d.Buffer()}
}

// ReconfigRequest is the record of reconfig. Lists not used are null.
type ReconfigRequest struct {
	Joining, Leaving, NewMembers string
	CurConfigID                  int64
}

// DecodeReconfigRequest reads the record.
func DecodeReconfigRequest(d *jute.Decoder) ReconfigRequest {
	return ReconfigRequest{Joining: d.String(), Leaving: d.String(), NewMembers: d.String(), CurConfigID: d.Long()}
}

// A MultiOp is one part of a multi or multiRead request, its record still
// encoded: the operation that owns the record decodes it.
type MultiOp struct {
	Op   Op
	Body []byte // aliases the frame
}

// DecodeMulti splits the body of a multi (OpMulti) or multiRead
// (OpMultiRead) into its parts. A part that may not be there, or that mixes
// reads with writes, is an error (MultiOperationRecord.deserialize).
func DecodeMulti(body []byte, op Op) ([]MultiOp, error) {
	d := jute.NewDecoder(body)
	var parts []MultiOp
	for {
		h := DecodeMultiHeader(&d)
		if d.Err() != nil {
			return nil, d.Err()
		}
		if h.Done {
			return parts, nil
		}
		start := d.Rest()
		if err := skipMultiRecord(&d, h.Op, op); err != nil {
			return nil, err
		}
		parts = append(parts, MultiOp{Op: h.Op, Body: start[: len(start)-d.Len() : len(start)-d.Len()]})
	}
}

func skipMultiRecord(d *jute.Decoder, part, op Op) error {
	switch part {
	case OpCreate, OpCreate2, OpCreateContainer, OpCreateTTL, OpDelete, OpSetData, OpCheck:
		if op != OpMulti {
			return fmt.Errorf("proto: %v inside %v", part, op)
		}
	case OpGetData, OpGetChildren:
		if op != OpMultiRead {
			return fmt.Errorf("proto: %v inside %v", part, op)
		}
	default:
		return fmt.Errorf("proto: %v inside %v", part, op)
	}
	switch part {
	case OpDelete, OpCheck:
		d.Bytes()
		d.Int()
	case OpSetData:
		d.Bytes()
		d.Buffer()
		d.Int()
	case OpGetData, OpGetChildren:
		d.Bytes()
		d.Bool()
	default:
		r := DecodeCreateRequest(d, part)
		if d.Err() == nil && (r.Flags < FlagPersistent || r.Flags > FlagPersistentSequentialTTL) {
			return fmt.Errorf("proto: create flag %d inside multi", r.Flags)
		}
	}
	return d.Err()
}
