// Package txnlog is the transaction log: the files log.<zxid> in which every
// proposal is made durable before it is acknowledged. Java ZooKeeper reads
// and writes the same files (FileTxnLog, FilePadding).
//
// It owns these files: their names, bytes, order, repair and truncation. A
// record is an opaque payload; of its content only the zxid is known. The
// package must never report a record as durable that is not, never drop a
// record that may have been acknowledged without an error, and never use a
// file again on which a write or sync failed.
//
// # Format
//
//	log.<zxid of the first record, lower-case hex, no padding>
//
//	+--------------------------- header, 16 bytes ----------------------------+
//	| magic "ZKLG" 4 | version 2, 4 | database id (0) 8                        |
//	+------------------------------- record ----------------------------------+
//	| Adler-32 of payload, 8 | length 4 | payload            | 'B' 1           |
//	+------------------------------- record ----------------------------------+
//	| ...                                                                      |
//	+------------------------------ padding ----------------------------------+
//	| zeros to the end of the preallocated file, or nothing                    |
//	+--------------------------------------------------------------------------+
//
//	payload: | client id 8 | cxid 4 | zxid 8 | time 8 | type 4 | txn | digest |
//
// All numbers are big-endian. A record header of twelve zero bytes ends the
// file, as does the end of the file at a record border.
//
// # The order of records
//
// Every zxid of an epoch is logged, failed requests too (as error txns), and
// an epoch begins with counter 1. So after record (e, c) only (e, c+1) or
// (f, 1) with f > e may follow; a leader of an epoch without a txn leaves no
// record, so f may be any later epoch. A zxid that is not higher than the one
// before is a record that was logged twice when a learner synchronised again,
// and is skipped. Anything else is a gap. Java logs have gaps with a good
// reason in one case: a learner that received a snapshot goes on with the
// zxid after it, even in the same file. [Scan] is told from which zxid on the
// caller needs records, everything lower being in its snapshot, and so is not
// disturbed by such a gap; a gap above is damage. That the last records of an
// old epoch are missing before a new epoch cannot be seen in a log.
//
// # Damage and torn tails
//
// A power loss may tear what was written since the last sync, and only that:
// it lies at the end of the newest file. What was never synced was never
// acknowledged, so [Repair] may cut it off. Damage to synced records must stop
// the server instead. The two are told apart by these rules:
//
//   - Bad bytes after which the newest file has no valid record are a torn
//     tail. (A damaged final record looks the same. The other servers of the
//     ensemble have it, if it was acknowledged.)
//   - Bad bytes followed by a valid record are a torn batch if a sector was
//     lost: some aligned 512 bytes are zeros up to the next valid record,
//     because blocks reach the disk in any order. They are damage if no sector
//     is missing, or if the record would be right but for its length or for a
//     single bit.
//   - In a file that is not the newest, the same signs of a lost write are
//     needed, and the next file must go on without a gap: Java leaves a torn
//     tail where it is and begins a new file.
//   - A gap between two files can come from a power loss too: Java begins a new
//     file before it has synced the one before. Then nothing in the new file
//     was acknowledged; missing and present records together are one unsynced
//     batch of at most 1000 (SyncRequestProcessor, zookeeper.maxBatchSize).
//     The tail begins at the gap, and the later files are set aside. If more
//     is missing, or the times of the present records are more than a minute
//     apart, a file was lost, which is damage.
//   - Files without a record at the end of the log are removed. The first record
//     after recovery may have a lower zxid than their names.
//
// # Crash arguments
//
// Append and Sync. A file is made with its header under another name, synced,
// renamed, and the directory is synced, before a record is written to it.
// Records are written in order at the end of the file; one fdatasync makes them
// and the size durable. So an acknowledged record has content and name. A crash
// before leaves any part of the unsynced batch, which is a torn tail as above,
// or the other name, which no server takes for a log and the next one reuses.
//
// Roll. The old file is synced before the new one is created, so no record of
// the new file is durable while one of the old is not. (Java does not do this.)
//
// Repair. Later files are renamed newest first, then the directory is synced,
// then the tail is cut and synced. A crash in between leaves fewer later files
// or the same tail, and the next repair does the rest.
//
// Truncate, DropAfter. Later files are removed newest first, then the directory
// is synced, then the file is cut and synced. A crash in between leaves a log
// that ends later than asked but has no gap. Cutting first could leave one.
//
// # Reading beside a writer
//
// A file appears with its header, and a record is read only if its caller knows
// that it is durable; then it is in a file that is listed, within the size that
// the file has when it is opened. A reader that stops at the last durable record
// never looks at bytes that are being written.
package txnlog
