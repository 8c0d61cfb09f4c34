// Package store is a server's data directory: snapshots, transaction logs,
// myid, epoch files and the lock that keeps a second server out. Java
// ZooKeeper's FileTxnSnapLog, FileSnap and PurgeTxnLog work on the same
// directory.
//
// It owns which snapshot is trusted, what is replayed on it, and what may be
// deleted. It must never start on less than what was acknowledged: whatever a
// crash can have left behind is repaired, and everything else is refused with
// the file, the offset and what to do. It must never delete a file that one of
// the kept snapshots needs, nor one it does not understand.
//
// # Layout
//
//	dataDir/myid                        number of the server
//	dataDir/initialize                  mark: an empty database is meant
//	dataDir/version-2/snapshot.<zxid>   package snap
//	dataDir/version-2/currentEpoch      and acceptedEpoch; ensembles only
//	dataDir/version-2/quokka.lock       Java ignores it
//	dataLogDir/version-2/log.<zxid>     package txnlog
//	dataLogDir/version-2/quokka.lock    if it is another directory
//
// # Recovery
//
// The newest snapshot that loads is taken, and the log from the next zxid on is
// replayed on it. A snapshot that does not load may be passed over only if the
// log then reaches up to it; each attempt starts from nothing (Java keeps the
// sessions of a failed one). A snapshot that Java wrote may contain effects of
// transactions after its zxid (see package snap): until the zxid of its digest
// is reached, a transaction that finds its node or parent missing is passed
// over; after that it means that the data is inconsistent, and is refused.
//
// # Crash argument
//
// Each step leaves the directory such that a crash at any point recovers to
// the same or a later state: snapshots appear whole (snap.Save); a log is cut
// only behind its last whole record and before anybody is told of it
// (txnlog.Repair); the mark initialize is removed only after snapshot.0 is
// durable; a purge deletes snapshots before logs, oldest first, after the
// snapshots it keeps were synced.
package store
