// Package interop holds the tests of Quokka against the real things: Java's server, tools and formatters, the C client,
// kazoo, go-zookeeper/zk and node-zookeeper-client. It has no code of its own to import.
//
// The recipes of the Go library are tested there too, together with those of Apache Curator, kazoo and go-zookeeper/zk
// (recipe_peer_test.go says how), on a Quokka and on a Java server.
//
// Every other test runs the same work against an installed Apache ZooKeeper 3.8.0 and against the server under test and
// compares what was observed; where Quokka differs on purpose, the difference stands by name in differences_test.go
// and nowhere else. What is missing on the machine (java, kazoo, …) skips the test with the package to install, or
// fails it when QUOKKA_INTEROP=require; a failing Quokka never skips anything.
//
// Environment:
//
//	QUOKKA_INTEROP=require      a missing third-party program fails instead of skipping
//	QUOKKA_INTEROP_PEER=java    the server under test is a second Java server (proves the comparison itself)
//	QUOKKA_INTEROP_BINARY=path  use this quokka binary instead of building ./cmd/quokka
//	QUOKKA_INTEROP_SHOW=1       print the observations of the client scenarios
//	QUOKKA_INTEROP_SEEDS=1,2,3  seeds of the random differential run
//	QUOKKA_INTEROP_OPS=2000     operations of each seed
//	QUOKKA_INTEROP_ROUNDS=50    rounds of the SIGKILL test
//
// The tests of ensembles have more, described in ensemble_test.go.
//
// The package must never talk to anything but loopback and must leave no process behind.
package interop
