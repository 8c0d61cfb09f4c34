package member

import (
	"quokka/internal/core/watch"
	"quokka/internal/proto"
)

// Effects are what the driver must do, device by device. Effects of one
// device are done in their order; devices do not wait for one another.
type Effects struct {
	Log   []Log  // the log writer; answered by Durable
	Done  []Done // the state: apply and answer
	Conns []Conn // connections, after Done
	Notes []Note // for the log and the metrics
}

// A Log is one order to the log writer.
type Log struct {
	Txn  *proto.Txn // append it
	Roll bool       // begin a new file with the next one
}

// An Origin is the connection a request came on. Conn is 0 for requests of
// the server itself.
type Origin struct {
	Conn watch.ConnID
	Op   proto.Op
	Body []byte // of a sync, which is answered like a read once it is done
}

// A Done is one request that is decided: its transaction is committed and to
// be applied, or it has none and is answered with Code.
type Done struct {
	Txn      *proto.Txn
	Origin   Origin
	Code     proto.Code
	Dropped  bool                    // no answer: the connection lost its session
	Closed   watch.ConnID            // closeSession: the connection that had the session
	Password [proto.PasswordLen]byte // createSession: of the new session
	Snapshot bool                    // take a snapshot once this is applied
}

// ConnKind says what is to happen to a connection.
type ConnKind uint8

// What can happen to a connection.
const (
	ConnAttach ConnKind = iota // the handshake succeeded
	ConnRefuse                 // the session is unknown, expired or not the client's
	ConnClose                  // close it
)

// A Conn is one order about a connection.
type Conn struct {
	Kind      ConnKind
	ID        watch.ConnID
	Session   proto.SessionID
	TimeoutMS int32
	Password  [proto.PasswordLen]byte
}

// NoteKind says what a Note tells of.
type NoteKind uint8

// What the core tells of.
const (
	NoteExpired       NoteKind = iota // a session expired; N is its timeout in ms
	NoteInvalid                       // a client came with a session that is unknown or expired
	NoteWrongPassword                 // a client came with another password than the session's
	NoteFuture                        // a client has seen a zxid (N) that is not applied here
	NoteOrphans                       // ephemerals of an unknown session are being deleted
	NoteReaped                        // N containers and TTL nodes are to be deleted
)

// A Note is something an operator may want to know.
type Note struct {
	Kind    NoteKind
	Session proto.SessionID
	Conn    watch.ConnID
	N       int64
}
