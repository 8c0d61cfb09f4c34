package store

import (
	"fmt"
	"time"

	"quokka/internal/disk/snap"
	"quokka/internal/disk/txnlog"
	"quokka/internal/proto"
)

// Skipped is a snapshot that recovery passed over.
type Skipped struct {
	Snapshot snap.Info
	Err      error
}

// Report tells what recovery found and did.
type Report struct {
	Snapshot snap.Info // the one that was loaded or written
	Skipped  []Skipped // newer ones, newest first
	Tail     txnlog.Tail

	Txns             int // replayed
	Tolerated        int // of these, had an effect that was in the snapshot already
	DigestMismatches int
	FirstMismatch    proto.Zxid
	LastZxid         proto.Zxid
	Digest           uint64 // of the tree, at the end

	Resumed string // what a crash had interrupted and recovery has finished; "" is nothing

	Fresh        bool // an empty database was begun
	Marked       bool // because of the file initialize
	TrustedEmpty bool // logs without a snapshot were replayed
	NoData       bool // nothing found, and an empty database was not wanted

	LoadTime   time.Duration // of the snapshot
	ReplayTime time.Duration
	Total      time.Duration
}

// Message is a line for the server's log.
type Message struct {
	Warn bool
	Text string
}

// Messages tells the report in Java's words where Java has any, because
// operators' scripts look for them.
func (r *Report) Messages() []Message {
	var m []Message
	say := func(warn bool, format string, args ...any) {
		m = append(m, Message{Warn: warn, Text: fmt.Sprintf(format, args...)})
	}
	if r.Resumed != "" {
		say(true, "A crash interrupted %s", r.Resumed)
	}
	for _, k := range r.Skipped {
		say(true, "problem reading snap file %s: %v", k.Snapshot.Path, k.Err)
	}
	if r.Snapshot.Path != "" && !r.Fresh && !r.TrustedEmpty {
		say(false, "Reading snapshot %s", r.Snapshot.Path)
	}
	if r.Marked {
		say(false, "Initialize file found, an empty database will not block voting participation")
	}
	if r.TrustedEmpty {
		say(true, "No snapshot found, but there are log entries. This should only be allowed during upgrading.")
	}
	if r.NoData {
		say(true, "Unexpected empty data tree, setting zxid to -1")
	}
	if r.Txns > 0 {
		say(false, "%d txns loaded in %d ms", r.Txns, r.ReplayTime.Milliseconds())
	}
	if t := r.Tail; t.File != "" {
		if t.WholeFile() {
			say(true, "Transaction log %s has no whole record, so it was taken out of use (%s)", t.File, t.Reason)
		} else {
			say(true, "Last transaction was partial: %d bytes cut off %s at offset %d (%s)", t.BadBytes, t.File, t.Offset, t.Reason)
		}
		for _, later := range t.LaterFiles {
			say(true, "Transaction log %s holds nothing that was acknowledged, renamed", later)
		}
	}
	if z := r.Snapshot.DigestZxid; z > max(r.LastZxid, r.Snapshot.Zxid) {
		say(true, "Highest txn zxid %v is not covering the snapshot digest zxid %v, which might lead to inconsistent state", r.LastZxid, z)
	}
	if r.DigestMismatches > 0 {
		say(true, "First digest mismatch on txn: %v, %d mismatches in all", r.FirstMismatch, r.DigestMismatches)
	}
	say(false, "Snapshot loaded in %d ms, highest zxid is %v, digest is %d", r.Total.Milliseconds(), r.LastZxid, r.Digest)
	return m
}
