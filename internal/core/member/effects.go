package member

import (
	"quokka/internal/core/elect"
	"quokka/internal/core/quorum"
	"quokka/internal/core/watch"
	"quokka/internal/core/zab"
	"quokka/internal/proto"
)

// Effects are what the driver must do, device by device. Effects of one
// device are done in their order. The driver gives Disk away first, then does
// the rest in the order of the fields: what is sent to a learner may be the
// state as Done leaves it.
type Effects struct {
	Disk  []zab.Disk // the disk; it reports what is done
	Done  []Done     // the state: apply and answer
	Votes []elect.Send
	Dials []Dial
	Sends []zab.Send
	Mode  Mode   // what clients get from now on, after Done
	Conns []Conn // connections, after Done
	Notes []Note // for the log and the metrics
	Zab   []zab.Note

	// Members is set when the configuration of the ensemble has changed.
	Members *Members
	// Again asks the driver to call Continue when all of this is done.
	Again bool
	// Stop, when it is a zab.FailStop, says that the process must end.
	Stop zab.End
}

// Members are the servers of the ensemble: in the active configuration, and
// in the one that was seen last and may be proposed only.
type Members struct{ Active, Next quorum.Membership }

// Mode says what clients get.
type Mode uint8

// The modes of a member. The zero Mode is no change.
const (
	ModeSame     Mode = iota
	ModeServe         // requests are executed
	ModeReadOnly      // there is no leader: reads are answered to clients that accept that, and nothing else
	ModePark          // there is no leader: connections stay open, but nothing is read from them or answered
	ModeClosed        // no client is served: connections are closed, new ones too
)

// A Dial orders a connection to the quorum port of a server, or to Addrs if
// there are any: its port for observers.
type Dial struct {
	Link  zab.Link
	To    proto.ServerID
	Addrs []quorum.HostPort
}

// An Origin is the connection a request came on. Conn is 0 for requests of
// the server itself and of other servers.
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
	Fuzzy    bool                    // a leader's snapshot may have held it, or later ones: its digest says nothing
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
	ReadOnly  bool // the answer to the handshake says that only reads are served
}

// NoteKind says what a Note tells of.
type NoteKind uint8

// What the core tells of.
const (
	NoteExpired          NoteKind = iota // a session expired; N is its timeout in ms
	NoteInvalid                          // a client came with a session that is unknown or expired
	NoteWrongPassword                    // a client came with another password than the session's
	NoteFuture                           // a client has seen a zxid (N) that is not applied here
	NoteOrphans                          // ephemerals of an unknown session are being deleted
	NoteReaped                           // N containers and TTL nodes are to be deleted
	NoteLooking                          // an election begins; Text says why the last role ended, if there was one
	NoteLeading                          // the election was won; N is how many ms it took
	NoteFollowing                        // the election found a leader, Server; N as above
	NoteObserving                        // the same for an observer
	NoteDiverged                         // the state differs from the leader's after the zxid N
	NoteReconfigRefused                  // Text says why a reconfiguration is not possible
	NoteMoved                            // a session was claimed by another server; its connection here is closed
	NoteUpgrading                        // a local session becomes a global one; N is its timeout in ms
	NoteReadOnly                         // reads are served: there is no leader
	NoteNotReadOnly                      // a client is not served, since it does not accept that
	NoteGlobalInReadOnly                 // a client came with a session that may be alive elsewhere
	NoteMaster                           // an observer that may learn from followers goes to Server
)

// A Note is something an operator may want to know.
type Note struct {
	Kind    NoteKind
	Session proto.SessionID
	Conn    watch.ConnID
	Server  proto.ServerID
	N       int64
	Text    string
}
