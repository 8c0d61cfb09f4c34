// Package client is a client of ZooKeeper: of Quokka, of Apache ZooKeeper
// 3.4 and later, and of whatever else speaks the protocol.
//
// A [Client] is one session. [Dial] opens it, and from then on it is kept
// alive: pings, another server when one is lost, watches and credentials
// registered again there. It ends when [Client.Close] is called or when the
// servers say that it has expired, and never otherwise; [Client.Done] and
// [Client.States] tell. There is no hidden second session: who wants to live
// on after an expiry dials again, and knows that the ephemeral nodes are gone.
//
// # Calls
//
// Every call takes a context and waits for its answer. A call made while no
// server is reached waits until one is, or until its context ends. Calls of
// one goroutine, and those of a [Pipeline], are carried out in the order in
// which they were made.
//
// # Servers
//
// The connect string is where to begin; [Client.SetServers] changes it while
// the session lives, and [Options].FollowConfig does that whenever the
// ensemble is reconfigured.
//
// # Errors
//
// What goes wrong is an [*Error] with the operation, the path and a [Code];
// compare with errors.Is(err, client.ErrNoNode). A request that was sent but
// whose answer was lost with the connection may or may not have been carried
// out. The error then has Sent set, and [Ambiguous] says so; nothing is ever
// sent a second time, but for reads if [Options].RetryReads allows it.
//
// # Watches
//
// A [Watch] is a value with a queue of events that loses none: those of
// [Client.GetW], [Client.ExistsW] and [Client.ChildrenW] yield one event,
// those of [Client.Watch] all that follow until they are closed. A persistent
// watch cannot know what happened while no server was reached; it then yields
// an [EventGap], after which its owner reads again. A [Cache] does that.
//
// The package owns the session's connection and nothing else. It imports no
// server code, writes to no log but the one it is given, and keeps no state
// outside of Clients.
package client
