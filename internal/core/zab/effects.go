package zab

import "quokka/internal/proto"

// An Entry is a transaction as it stands in a log. Raw is its encoding,
// which goes to disk and wire as it is.
type Entry struct {
	Txn *proto.Txn
	Raw []byte
}

// Zxid returns the zxid of the transaction.
func (e Entry) Zxid() proto.Zxid { return e.Txn.Zxid }

// A Link is one connection between a leader and a learner. Numbers are never
// used again while the process runs. The driver numbers the connections it
// accepts; a learner numbers the ones it asks for, from FirstDialled on.
type Link uint64

// FirstDialled is the first number of links that this server dials.
const FirstDialled Link = 1 << 63

// A SnapshotID names a snapshot that a driver received and holds in memory.
type SnapshotID uint64

// DiskKind says what the disk is to do.
type DiskKind uint8

// The orders to the disk. One writer carries them out one after the other.
const (
	DiskAppend        DiskKind = iota // Entry; answered by Durable, for many at once
	DiskRoll                          // begin a new log file with the next entry
	DiskAcceptedEpoch                 // Epoch into the file acceptedEpoch; answered by EpochStored
	DiskCurrentEpoch                  // Epoch into the file currentEpoch; answered by EpochStored
	DiskTruncate                      // cut the log after Zxid; answered by Truncated
	DiskInstall                       // make the received Snapshot of Zxid durable, and the state; answered by Installed
	DiskNextConfig                    // Config is proposed: keep it as the next one, or none if it is the active one; needs no answer, it is before the ack
	DiskConfig                        // Config is active; a next one that is not newer is forgotten
	DiskBarrier                       // nothing; answered by Drained once all before it is done
)

// A Disk is one order to the disk. Incarnation is that of the log when it
// was given: a completion from before a truncation, an installed snapshot or
// a change of role is not counted.
type Disk struct {
	Kind        DiskKind
	Incarnation uint64
	Entry       Entry
	Epoch       proto.Epoch
	Zxid        proto.Zxid
	Reload      bool // truncate: what is in memory goes beyond Zxid and must be read anew
	Snapshot    SnapshotID
	Config      string // text of a configuration
}

// SendKind says what a Send puts on a link.
type SendKind uint8

// What can be put on a link.
const (
	SendPacket   SendKind = iota
	SendSnapshot          // SNAP with the zxid of the state as it is when the effect is done, or To if that is greater, then its body
	SendHistory           // the log's records in (From, To], each as PROPOSAL and COMMIT
	SendClose             // end the link once everything before is sent
)

// A Send is one thing for the outgoing queue of a link. All of one link are
// done in order.
type Send struct {
	Link   Link
	Kind   SendKind
	Packet proto.QuorumPacket
	From   proto.Zxid
	To     proto.Zxid
	Why    string // close: for the log
}

// NoteKind says what a Note tells of.
type NoteKind uint8

// What a role tells of, for the log and the metrics. N, Server and Zxid are
// used as said.
const (
	NoteNewEpoch       NoteKind = iota // leader: Zxid is the first of the new epoch
	NoteEstablished                    // leader: a quorum of learners is synchronised; Zxid as above
	NoteFollowerInfo                   // leader: Server came, N is its configuration version
	NoteSync                           // leader: Text says how Server is synchronised (DIFF, TRUNC, SNAP), Zxid is the learner's
	NoteSynced                         // leader: Server acknowledged NEWLEADER; N ms after it came
	NoteLearnerGone                    // leader: Server's link is down
	NoteLearnerRefused                 // leader: Text says why Server's link is ended
	NoteGettingDiff                    // learner
	NoteGettingSnap                    // learner
	NoteTruncating                     // learner, Zxid
	NoteUpToDate                       // learner: serving from now on
	NoteGap                            // learner: Zxid is not the successor of the last proposal
	NoteConfig                         // both: Text is the configuration that is active now
)

// A Note is something an operator may want to know.
type Note struct {
	Kind   NoteKind
	Server proto.ServerID
	Zxid   proto.Zxid
	N      int64
	Text   string
}

// An Up is a packet that is not Zab's: a learner's REQUEST, REVALIDATE and
// PING at the leader; a leader's PING, REVALIDATE and SYNC at a learner.
type Up struct {
	Link   Link
	Server proto.ServerID
	Packet proto.QuorumPacket
}

// Effects are what a role orders. The member hands them on.
type Effects struct {
	Disk  []Disk
	Apply []Entry // committed: to be applied, in order
	Sends []Send
	Ups   []Up
	Notes []Note
}

// Reset empties the effects and keeps their memory.
func (e *Effects) Reset() {
	clear(e.Disk)
	clear(e.Apply)
	clear(e.Sends)
	clear(e.Ups)
	clear(e.Notes)
	e.Disk, e.Apply, e.Sends, e.Ups, e.Notes = e.Disk[:0], e.Apply[:0], e.Sends[:0], e.Ups[:0], e.Notes[:0]
}

// EndKind says how a role has ended.
type EndKind uint8

// The ways a role ends.
const (
	Goes      EndKind = iota // it does not end
	ToLooking                // back to the election
	FailStop                 // an invariant is broken: the process must end
)

// An End is how a role ended, and why.
type End struct {
	Kind EndKind
	Why  string
	Exit int // FailStop: Java's exit code, where it has one
	// Designated is the server that should lead next, after a
	// reconfiguration; 0 is nobody in particular.
	Designated proto.ServerID
}
