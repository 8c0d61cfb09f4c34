// Package recipe has what programs build together with ZooKeeper: locks,
// semaphores, elections, barriers, queues, counters, groups, partitions and the
// discovery of services, each on a [client.Client], against Quokka or Apache
// ZooKeeper 3.5 and later. Their nodes are named and ordered as
// those of Apache Curator or of kazoo, so that programs in Java, Python and Go
// can share one lock, see [Layout].
//
// # Failures
//
// A recipe goes on over lost connections for as long as its context allows
// and the session lives. What it creates carries a name nobody else can have,
// so that it is found again when the answer of its creation is lost, and is
// cleaned up in the background when a call gives up. Nothing it leaves
// outlives the session, but for what is meant to: directories, barriers, items
// of queues, counters, and static instances of services.
//
// # Holds
//
// What is held, be it a lock, a lease of a semaphore or leadership, is a
// [Hold]. It has a context that ends when the hold does, a token that grows
// from holder to holder, and writes that fail when it is not held any more.
// Read about [Hold] before you trust a lock: no lock service can stop a
// program that was paused while its session ended.
//
// The package owns the nodes it creates and a goroutine for each node held.
// It writes to no log, and keeps no state outside of its values.
package recipe
