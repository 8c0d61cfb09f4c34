// Package proto is the vocabulary of ZooKeeper: the distinct types for
// distinct numbers, the error and operation codes, and every record of the
// client wire and of the disk with its jute encoding.
//
// It owns no state and decides nothing; what an operation means is in
// package state. Records decoded from a frame alias that frame unless the
// field is a string.
package proto

import "fmt"

// A Zxid numbers a transaction: the epoch of its leader in the high 32 bits
// and a counter in the low 32.
type Zxid int64

// Epoch returns the high half.
func (z Zxid) Epoch() Epoch { return Epoch(z >> 32) }

// Counter returns the low half.
func (z Zxid) Counter() uint32 { return uint32(z) }

func (z Zxid) String() string { return fmt.Sprintf("0x%x", uint64(z)) }

// MakeZxid composes a zxid.
func MakeZxid(e Epoch, counter uint32) Zxid { return Zxid(int64(e)<<32 | int64(counter)) }

// An Epoch numbers a leader's term.
type Epoch int64

// A ServerID is a server's number in the ensemble (myid).
type ServerID int64

// A SessionID names a session; its high byte is the server that created it.
type SessionID int64

func (s SessionID) String() string { return fmt.Sprintf("0x%x", uint64(s)) }

// A Millis is a wall clock time in milliseconds since 1970, or a duration in
// milliseconds where a name says so.
type Millis int64

// PasswordLen is the length of a session password in bytes.
const PasswordLen = 16

// Xids with a meaning of their own (RequestHeader, ReplyHeader).
const (
	XidEvent      int32 = -1 // a watch event
	XidPing       int32 = -2 // ping and its answer
	XidAuth       int32 = -4 // auth packets of Java clients
	XidSetWatches int32 = -8 // setWatches and setWatches2
)
