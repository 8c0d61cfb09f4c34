// Package journal carries out the orders that a role gives to the disk: it
// appends to the log, stores epochs and configurations, truncates, and installs
// snapshots, on a store. It stands between zab.Disk and the data directory.
//
// It owns the writer of the log and the snapshots that are held in memory until
// they are installed. It must never report something as done before it is
// durable, never do two orders in another order than they were given, and never
// go on after an error: what the disk holds is not known then, so the server must
// stop and recover (ZOOKEEPER-4882, 3701: Java's went on).
//
// It has no goroutine and no clock. One goroutine calls [Journal.Do]: the log
// writer of a node, or a simulator over a disk in memory. While it waits for the
// disk, orders pile up, and the next call makes all of their records durable
// with one sync (group commit; Java's SyncRequestProcessor).
//
// # Order and durability
//
// A completion tells that its order and all before it are durable. Records are
// reported for many at once, by the last of them; every other kind of order first
// makes the records before it durable and reports them. So an epoch is never on
// disk before the history it stands for, and a proposed configuration is on disk
// before the record that proposes it is reported.
//
// Truncate and Install close the log first and begin a new file afterwards. Each
// is one step for a crash (see package store). The incarnation of an order is
// handed back with its completion and means nothing here.
package journal
