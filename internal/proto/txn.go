package proto

import (
	"fmt"

	"quokka/internal/jute"
)

// DigestVersion is the version of the tree digest this code computes
// (DigestCalculator.DIGEST_VERSION).
const DigestVersion int32 = 2

// TxnHeader stands before every transaction (32 bytes).
type TxnHeader struct {
	Session SessionID // who asked; owner of the ephemerals a create makes
	Cxid    int32
	Zxid    Zxid
	Time    Millis // the leader's wall clock
	Op      Op
}

// A Txn is a transaction as it is proposed, logged and applied. HasDigest
// tells whether the trailing TxnDigest is there (since 3.6; never on errors).
type Txn struct {
	TxnHeader
	Body          TxnBody // nil only for a closeSession of 3.5
	HasDigest     bool
	DigestVersion int32
	Digest        uint64 // of the tree after this transaction
}

// A TxnBody is the record of a transaction; one of the types below.
type TxnBody interface {
	AppendTo(b []byte) []byte
}

// The records of transactions, named and laid out as in zookeeper.jute.
type (
	// CreateTxn is the record of create and create2.
	CreateTxn struct {
		Path           string
		Data           []byte
		ACL            []ACL
		Ephemeral      bool
		ParentCversion int32 // the parent's cversion after it; -1 (3.3 logs) means one more
	}
	// CreateContainerTxn is the record of createContainer.
	CreateContainerTxn struct {
		Path           string
		Data           []byte
		ACL            []ACL
		ParentCversion int32
	}
	// CreateTTLTxn is the record of createTTL.
	CreateTTLTxn struct {
		Path           string
		Data           []byte
		ACL            []ACL
		ParentCversion int32
		TTL            int64 // milliseconds
	}
	// DeleteTxn is the record of delete and deleteContainer.
	DeleteTxn struct{ Path string }
	// SetDataTxn is the record of setData and reconfig.
	SetDataTxn struct {
		Path    string
		Data    []byte
		Version int32 // after it
	}
	// SetACLTxn is the record of setACL.
	SetACLTxn struct {
		Path    string
		ACL     []ACL
		Version int32 // the aversion after it
	}
	// CheckVersionTxn is the record of check, inside multi only.
	CheckVersionTxn struct {
		Path    string
		Version int32
	}
	// CreateSessionTxn is the record of createSession.
	CreateSessionTxn struct{ TimeoutMS int32 }
	// CloseSessionTxn is the record of closeSession (since 3.6).
	CloseSessionTxn struct{ Paths []string }
	// ErrorTxn is the record of a failed request.
	ErrorTxn struct{ Err Code }
	// MultiTxn is the record of multi.
	MultiTxn struct{ Parts []MultiPart }
)

// A MultiPart is one sub-transaction of a multi.
type MultiPart struct {
	Op   Op
	Body TxnBody
}

// AppendTo appends the record.
func (t *CreateTxn) AppendTo(b []byte) []byte {
	b = jute.AppendString(b, t.Path)
	b = jute.AppendBuffer(b, t.Data)
	b = AppendACLs(b, t.ACL)
	b = jute.AppendBool(b, t.Ephemeral)
	return jute.AppendInt(b, t.ParentCversion)
}

// AppendTo appends the record.
func (t *CreateContainerTxn) AppendTo(b []byte) []byte {
	b = jute.AppendString(b, t.Path)
	b = jute.AppendBuffer(b, t.Data)
	b = AppendACLs(b, t.ACL)
	return jute.AppendInt(b, t.ParentCversion)
}

// AppendTo appends the record.
func (t *CreateTTLTxn) AppendTo(b []byte) []byte {
	b = jute.AppendString(b, t.Path)
	b = jute.AppendBuffer(b, t.Data)
	b = AppendACLs(b, t.ACL)
	b = jute.AppendInt(b, t.ParentCversion)
	return jute.AppendLong(b, t.TTL)
}

// AppendTo appends the record.
func (t *DeleteTxn) AppendTo(b []byte) []byte { return jute.AppendString(b, t.Path) }

// AppendTo appends the record.
func (t *SetDataTxn) AppendTo(b []byte) []byte {
	b = jute.AppendString(b, t.Path)
	b = jute.AppendBuffer(b, t.Data)
	return jute.AppendInt(b, t.Version)
}

// AppendTo appends the record.
func (t *SetACLTxn) AppendTo(b []byte) []byte {
	b = jute.AppendString(b, t.Path)
	b = AppendACLs(b, t.ACL)
	return jute.AppendInt(b, t.Version)
}

// AppendTo appends the record.
func (t *CheckVersionTxn) AppendTo(b []byte) []byte {
	return jute.AppendInt(jute.AppendString(b, t.Path), t.Version)
}

// AppendTo appends the record.
func (t *CreateSessionTxn) AppendTo(b []byte) []byte { return jute.AppendInt(b, t.TimeoutMS) }

// AppendTo appends the record.
func (t *CloseSessionTxn) AppendTo(b []byte) []byte { return jute.AppendStrings(b, t.Paths) }

// AppendTo appends the record.
func (t *ErrorTxn) AppendTo(b []byte) []byte { return jute.AppendInt(b, int32(t.Err)) }

// AppendTo appends the record.
func (t *MultiTxn) AppendTo(b []byte) []byte {
	b = jute.AppendInt(b, int32(len(t.Parts)))
	for _, p := range t.Parts {
		b = jute.AppendInt(b, int32(p.Op))
		at := len(b)
		b = jute.AppendInt(b, 0)
		b = p.Body.AppendTo(b)
		jute.AppendInt(b[:at], int32(len(b)-at-4))
	}
	return b
}

// AppendTo appends the transaction as the log and the PROPOSAL packet carry
// it: header, record if any, digest if any.
func (t *Txn) AppendTo(b []byte) []byte {
	b = jute.AppendLong(b, int64(t.Session))
	b = jute.AppendInt(b, t.Cxid)
	b = jute.AppendLong(b, int64(t.Zxid))
	b = jute.AppendLong(b, int64(t.Time))
	b = jute.AppendInt(b, int32(t.Op))
	if t.Body != nil {
		b = t.Body.AppendTo(b)
	}
	if t.HasDigest {
		b = jute.AppendInt(b, t.DigestVersion)
		b = jute.AppendLong(b, int64(t.Digest))
	}
	return b
}

// DecodeTxn reads a serialized transaction. Nothing in the result aliases b.
// The rules for old logs are those of SerializeUtils.deserializeTxn: a
// closeSession without a body (3.5), a create without parentCVersion (3.3),
// a missing digest.
func DecodeTxn(b []byte) (*Txn, error) {
	d := jute.NewDecoder(b)
	t := &Txn{TxnHeader: TxnHeader{
		Session: SessionID(d.Long()), Cxid: d.Int(), Zxid: Zxid(d.Long()), Time: Millis(d.Long()), Op: Op(d.Int()),
	}}
	if d.Err() != nil {
		return nil, fmt.Errorf("proto: txn header: %w", d.Err())
	}
	if t.Op == OpCloseSession && d.Len() == 0 {
		return t, nil
	}
	var err error
	body := d
	if t.Body, err = decodeTxnBody(&body, t.Op); err != nil {
		return nil, fmt.Errorf("proto: txn %v of type %v: %w", t.Zxid, t.Op, err)
	}
	if body.Len() > 0 {
		t.HasDigest = true
		t.DigestVersion = body.Int()
		t.Digest = uint64(body.Long())
		if body.Err() != nil {
			return nil, fmt.Errorf("proto: digest of txn %v: %w", t.Zxid, body.Err())
		}
	}
	return t, nil
}

func decodeTxnBody(d *jute.Decoder, op Op) (TxnBody, error) {
	var body TxnBody
	switch op {
	case OpCreate, OpCreate2:
		body = decodeCreateTxn(d, op)
	case OpCreateContainer:
		body = &CreateContainerTxn{Path: d.String(), Data: clone(d.Buffer()), ACL: DecodeACLs(d), ParentCversion: d.Int()}
	case OpCreateTTL:
		body = &CreateTTLTxn{Path: d.String(), Data: clone(d.Buffer()), ACL: DecodeACLs(d), ParentCversion: d.Int(), TTL: d.Long()}
	case OpDelete, OpDeleteContainer:
		body = &DeleteTxn{Path: d.String()}
	case OpSetData, OpReconfig:
		body = &SetDataTxn{Path: d.String(), Data: clone(d.Buffer()), Version: d.Int()}
	case OpSetACL:
		body = &SetACLTxn{Path: d.String(), ACL: DecodeACLs(d), Version: d.Int()}
	case OpCheck:
		body = &CheckVersionTxn{Path: d.String(), Version: d.Int()}
	case OpCreateSession:
		body = &CreateSessionTxn{TimeoutMS: d.Int()}
	case OpCloseSession:
		body = &CloseSessionTxn{Paths: d.Strings()}
	case OpError:
		body = &ErrorTxn{Err: Code(d.Int())}
	case OpMulti:
		return decodeMultiTxn(d)
	default:
		return nil, fmt.Errorf("unsupported Txn with type=%d", int32(op))
	}
	return body, d.Err()
}

func decodeCreateTxn(d *jute.Decoder, op Op) TxnBody {
	t := &CreateTxn{Path: d.String(), Data: clone(d.Buffer()), ACL: DecodeACLs(d), Ephemeral: d.Bool()}
	if op == OpCreate && d.Err() == nil && d.Len() == 0 {
		t.ParentCversion = -1 // CreateTxnV0
		return t
	}
	t.ParentCversion = d.Int()
	return t
}

func decodeMultiTxn(d *jute.Decoder) (TxnBody, error) {
	n := d.VectorLen(8)
	t := &MultiTxn{}
	for range max(n, 0) {
		op := Op(d.Int())
		sub := jute.NewDecoder(d.Buffer())
		if d.Err() != nil {
			break
		}
		if op == OpMulti || op == OpCreateSession || op == OpCloseSession {
			return nil, fmt.Errorf("%v inside multi", op)
		}
		body, err := decodeTxnBody(&sub, op)
		if err != nil {
			return nil, err
		}
		t.Parts = append(t.Parts, MultiPart{Op: op, Body: body})
	}
	return t, d.Err()
}

// clone copies a buffer out of its frame and keeps null apart from empty.
func clone(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append([]byte{}, b...)
}

// DecodeTxnHeader reads the header alone, for a transaction whose type is not
// known. It is false if the header is not complete.
func DecodeTxnHeader(b []byte) (TxnHeader, bool) {
	d := jute.NewDecoder(b)
	h := TxnHeader{
		Session: SessionID(d.Long()), Cxid: d.Int(), Zxid: Zxid(d.Long()), Time: Millis(d.Long()), Op: Op(d.Int()),
	}
	return h, d.Err() == nil
}
