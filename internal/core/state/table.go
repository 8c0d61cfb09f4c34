package state

import "quokka/internal/proto"

// A Kind says which way an operation goes through the server.
type Kind uint8

const (
	Refused  Kind = iota // unknown, or not to be sent: Unimplemented, then the connection is closed
	Read                 // answered by Read
	Write                // Prepare, agreement, Apply
	Sync                 // Read once everything proposed before is applied
	Special              // answered by the network layer: ping, auth, sasl
	Internal             // a write only the server itself makes
)

func (k Kind) String() string {
	return [...]string{"refused", "read", "write", "sync", "special", "internal"}[k]
}

// KindOf tells which way an operation goes; of an unknown one Refused. An
// operation a client may send is one of Read, Write, Sync and Special.
// closeSession is a Write that the server makes too.
func KindOf(op proto.Op) Kind {
	if r := table.row(op); r != nil {
		return r.kind
	}
	return Refused
}

// FromClient tells whether a client may send the operation. deleteContainer,
// createSession and error come only from the server itself, check only inside
// a multi (ZOOKEEPER-2623).
func FromClient(op proto.Op) bool {
	k := KindOf(op)
	return k != Refused && k != Internal
}

// NeedsExclusive tells whether Read of the operation must be called under the
// exclusive lock: it looks at the watch table itself or yields Events.
func NeedsExclusive(op proto.Op) bool {
	r := table.row(op)
	return r != nil && r.exclusive
}

// A row is all that is known of one operation; its name is op.String().
type row struct {
	kind Kind
	// prepare decides a write and sets p.txn; on success it has recorded the
	// changes in the overlay.
	prepare func(s *State, p *prep) proto.Code
	// apply carries the transaction of this type out.
	apply func(s *State, h *proto.TxnHeader, body proto.TxnBody, r *Result)
	// reply appends the body of a successful reply.
	reply func(s *State, b []byte, o *Outcome) []byte
	// part appends a result as it stands in the response of a multi; only
	// operations that may be part of one have it.
	part func(b []byte, r *Result) []byte
	// read answers a read.
	read func(s *State, r *ReadRequest, out []byte) ([]byte, proto.Code)

	partOnly  bool // inside a multi only
	exclusive bool // NeedsExclusive
}

const (
	minOp = -11
	maxOp = 107
)

type opTable [maxOp - minOp + 1]*row

func (t *opTable) row(op proto.Op) *row {
	if op < minOp || op > maxOp {
		return nil
	}
	return t[op-minOp]
}

// table has a row for every operation of proto.Ops.
var table = newTable(map[proto.Op]row{
	proto.OpNotification:         {kind: Refused},
	proto.OpCreate:               opCreate,
	proto.OpCreate2:              opCreate2,
	proto.OpCreateContainer:      opCreateContainer,
	proto.OpCreateTTL:            opCreateTTL,
	proto.OpDelete:               opDelete,
	proto.OpDeleteContainer:      opDeleteContainer,
	proto.OpSetData:              opSetData,
	proto.OpSetACL:               opSetACL,
	proto.OpCheck:                opCheck,
	proto.OpMulti:                opMulti,
	proto.OpReconfig:             opReconfig,
	proto.OpCreateSession:        opCreateSession,
	proto.OpCloseSession:         opCloseSession,
	proto.OpError:                opError,
	proto.OpExists:               opExists,
	proto.OpGetData:              opGetData,
	proto.OpGetACL:               opGetACL,
	proto.OpGetChildren:          opGetChildren,
	proto.OpGetChildren2:         opGetChildren2,
	proto.OpGetAllChildrenNumber: opGetAllChildrenNumber,
	proto.OpGetEphemerals:        opGetEphemerals,
	proto.OpMultiRead:            opMultiRead,
	proto.OpWhoAmI:               opWhoAmI,
	proto.OpSync:                 opSync,
	proto.OpSetWatches:           opSetWatches,
	proto.OpSetWatches2:          opSetWatches2,
	proto.OpAddWatch:             opAddWatch,
	proto.OpCheckWatches:         opCheckWatches,
	proto.OpRemoveWatches:        opRemoveWatches,
	proto.OpPing:                 {kind: Special},
	proto.OpAuth:                 {kind: Special},
	proto.OpSASL:                 {kind: Special},
})

func newTable(rows map[proto.Op]row) opTable {
	var t opTable
	for op, r := range rows {
		t[op-minOp] = &r
	}
	return t
}
