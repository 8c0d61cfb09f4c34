package client

import (
	"errors"
	"fmt"

	"quokka/internal/proto"
)

// A Code is a kind of error, by the numbers of the protocol
// (KeeperException.Code). The Codes are the sentinels for [errors.Is]:
//
//	if errors.Is(err, client.ErrNoNode) { … }
type Code int32

// The codes. Those without a remark come from the server.
const (
	// ErrSystem is a failure inside the server.
	ErrSystem Code = -1
	// ErrConnectionLoss says that the connection broke before the answer
	// came. Error.Sent tells whether the request may have been carried out.
	// It comes from this package.
	ErrConnectionLoss Code = -4
	// ErrMarshalling says that the server could not read the request, or
	// this package the answer.
	ErrMarshalling Code = -5
	// ErrUnimplemented says that the server does not know the operation.
	ErrUnimplemented Code = -6
	// ErrOperationTimeout says that the server gave up.
	ErrOperationTimeout Code = -7
	// ErrBadArguments is an invalid path, mode or TTL. It comes from the
	// server or, before anything is sent, from this package.
	ErrBadArguments Code = -8
	// ErrNewConfigNoQuorum refuses a reconfiguration whose new voters are not
	// connected and up to date.
	ErrNewConfigNoQuorum Code = -13
	// ErrReconfigInProgress refuses a second reconfiguration at a time.
	ErrReconfigInProgress Code = -14
	// ErrNoNode says that the node, or the parent of a new one, does not exist.
	ErrNoNode Code = -101
	// ErrNoAuth says that the node's ACL does not allow it.
	ErrNoAuth Code = -102
	// ErrBadVersion says that the node has another version than was asked for.
	ErrBadVersion Code = -103
	// ErrNoChildrenForEphemerals refuses a child of an ephemeral node.
	ErrNoChildrenForEphemerals Code = -108
	// ErrNodeExists refuses to create a node that exists.
	ErrNodeExists Code = -110
	// ErrNotEmpty refuses to delete a node that has children.
	ErrNotEmpty Code = -111
	// ErrSessionExpired says that the servers have ended the session: its
	// ephemeral nodes are gone and the Client is of no more use.
	ErrSessionExpired Code = -112
	// ErrInvalidACL refuses an ACL: empty, or with a scheme or id that the
	// server does not accept.
	ErrInvalidACL Code = -114
	// ErrAuthFailed says that the server refused a credential.
	ErrAuthFailed Code = -115
	// ErrClosed says that the Client or Watch was closed. It comes from this
	// package (the C client uses the number the same way).
	ErrClosed Code = -116
	// ErrSessionMoved says that the session has moved to another server.
	ErrSessionMoved Code = -118
	// ErrNotReadOnly refuses a write on a server that has no quorum.
	ErrNotReadOnly Code = -119
	// ErrEphemeralOnLocalSession refuses an ephemeral node of a local session.
	ErrEphemeralOnLocalSession Code = -120
	// ErrNoWatcher says that there is no such watch.
	ErrNoWatcher Code = -121
	// ErrReconfigDisabled says that the server has reconfigEnabled=false.
	ErrReconfigDisabled Code = -123
	// ErrSASLRequired says that the server demands authentication first.
	ErrSASLRequired Code = -124
	// ErrQuotaExceeded refuses a write beyond a hard quota.
	ErrQuotaExceeded Code = -125
	// ErrThrottled says that the server was too busy to carry it out.
	ErrThrottled Code = -127
	// ErrRolledBack marks the parts of a multi that failed because another
	// part did.
	ErrRolledBack Code = -2
)

var codeText = map[Code]string{
	ErrSystem: "the server failed", ErrConnectionLoss: "the connection was lost", ErrMarshalling: "request or reply cannot be decoded",
	ErrUnimplemented: "the server does not know this operation", ErrOperationTimeout: "the server timed out",
	ErrBadArguments: "invalid argument", ErrNewConfigNoQuorum: "no quorum of the new configuration is connected and in sync",
	ErrReconfigInProgress: "another reconfiguration is in progress", ErrNoNode: "node does not exist", ErrNoAuth: "not permitted by the ACL",
	ErrBadVersion: "version does not match", ErrNoChildrenForEphemerals: "an ephemeral node cannot have children",
	ErrNodeExists: "node exists", ErrNotEmpty: "node has children", ErrSessionExpired: "the session has expired",
	ErrInvalidACL: "invalid ACL", ErrAuthFailed: "authentication failed", ErrClosed: "closed",
	ErrSessionMoved: "the session has moved to another server", ErrNotReadOnly: "the server is read-only, it has no quorum",
	ErrEphemeralOnLocalSession: "a local session cannot have ephemeral nodes", ErrNoWatcher: "no such watch",
	ErrReconfigDisabled: "reconfiguration is disabled (reconfigEnabled)", ErrSASLRequired: "the server demands authentication",
	ErrQuotaExceeded: "quota exceeded", ErrThrottled: "the server throttled the request, try again later",
	ErrRolledBack: "not done because another part failed",
}

// Error returns what the code means.
func (c Code) Error() string {
	if s, ok := codeText[c]; ok {
		return s
	}
	return fmt.Sprintf("error code %d", int32(c))
}

// Name returns the name Java's documentation uses, such as NoNode.
func (c Code) Name() string {
	if c == ErrClosed {
		return "Closed"
	}
	return proto.Code(c).String()
}

// An Error says which call failed and why.
type Error struct {
	Op   string // the operation, such as "create"
	Path string // as the caller gave it
	Code Code   // 0 if no code describes the cause Err
	Err  error  // the cause, if it is not the server's answer
	// Sent tells that the request was sent and no answer came, so that it
	// may have been carried out, or may still be.
	Sent bool
}

// Error returns operation, path and cause, and what to do about an answer
// that was lost.
func (e *Error) Error() string {
	s := "zookeeper: " + e.Op
	if e.Path != "" {
		s += " " + e.Path
	}
	if e.Code != 0 {
		s += ": " + e.Code.Error()
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if e.Sent {
		s += " (the request was sent and may have been carried out: read before you repeat it)"
	}
	return s
}

// Unwrap returns the Code and the cause.
func (e *Error) Unwrap() []error {
	var all []error
	if e.Code != 0 {
		all = append(all, e.Code)
	}
	if e.Err != nil {
		all = append(all, e.Err)
	}
	return all
}

// Ambiguous tells whether err is of a request that may have been carried out
// although no answer came: the connection broke, or the context ended.
func Ambiguous(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Sent
}

// badArgument is the error of a request that is not worth sending.
func badArgument(op proto.Op, path, why string) error {
	return &Error{Op: op.String(), Path: path, Code: ErrBadArguments, Err: errors.New(why)}
}
