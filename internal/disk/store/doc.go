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
//	dataDir/myid                        number of the server; package config reads it
//	dataDir/initialize                  mark: an empty database is meant
//	dataDir/version-2/snapshot.<zxid>   package snap
//	dataDir/version-2/currentEpoch      and acceptedEpoch; ensembles only
//	dataDir/version-2/quokka.lock       Java ignores it
//	dataDir/version-2/quokka.floor      see below; ensembles only
//	dataDir/version-2/quokka.install    a leader's snapshot, not in use yet
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
// # The floor of the log
//
// When a leader has sent a snapshot, the log goes on behind it, and what the
// snapshot stands for is in no log. If the next record is of another epoch, the
// hole cannot be seen in the numbers. A learner that were given such a log would
// lose transactions (ZOOKEEPER-2846, 4352), as would a server that started from
// a snapshot below the hole. So the directory has a floor: above it the log has
// every record of the history. It moves to the zxid of a snapshot that is
// installed, and up when logs are purged.
//
// quokka.floor holds it, with the zxids of the snapshots that this software has
// made or taken note of. Java, which ignores the file, writes a snapshot when it
// is sent one; so a snapshot that is not in the list tells that a hole may lie
// below it, and the floor moves there. Within an epoch the numbers prove that
// nothing is missing: as far down as they do, the floor moves back. The same is
// done when there is no file. If the log begins above the floor, because other
// software has purged it, the floor is there.
//
// # Crash argument
//
// Each step leaves the directory such that a crash at any point recovers to
// the same or a later state: snapshots appear whole (snap.Save); a log is cut
// only behind its last whole record and before anybody is told of it
// (txnlog.Repair); the mark initialize is removed only after snapshot.0 is
// durable; a purge deletes snapshots before logs, oldest first, after the
// snapshots it keeps were synced and the floor was raised.
//
// Truncate and Install change many files but happen at one moment, that at which
// quokka.floor, with what is to be done in it, gets its name. Until then nothing
// was changed (a snapshot to install is whole and synced under a name of its
// own); from then on Recover first does the rest, all of which may be done
// twice, and the file is written without the order only when everything is
// durable. So there is no mixture of two histories to recover to. Java, which
// knows nothing of this, finds at any moment a snapshot with records that
// belong to it. If it has run on a half-changed directory, there are files or
// epochs which the order does not list, and the order is forgotten.
//
// The epoch files are written under another name, synced and renamed
// (vfs.WriteFileAtomic). A current epoch that is behind the log is made good by
// ReadEpochs.
package store
