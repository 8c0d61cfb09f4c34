// Package zab orders transactions in an ensemble: the roles of leader and
// learner of the Zab protocol, from the discovery of an epoch through the
// synchronisation of logs to the broadcast of proposals, and the part of the
// log that the roles need in memory.
//
// It owns who has acknowledged what, what is committed, and what each
// learner is sent in which order. It is a pure state machine: packets,
// durability and time are inputs, orders to disk, state and links come out
// as Effects. It never assumes that a write reached a disk: it is told, and
// only then acknowledges or counts. It must never use a clock, a socket or a
// file, nor look into transactions other than reconfigurations.
//
// Source of the facts: server.quorum.Leader, LearnerHandler, Learner,
// Follower and Observer.
package zab
