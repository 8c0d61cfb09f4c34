// Package state is the replicated state machine: the tree of znodes, the
// table of global sessions and the table of watches, and what every
// operation does to them.
//
// A write passes in two steps. Prepare, on the leader only, turns a request
// into a transaction: it decides success or refusal against the tree plus an
// overlay of changes that are prepared but not applied yet. Apply, on every
// server, carries the transaction out and tells the outcome and the watch
// events. A read is answered by Read from the applied tree alone. What one
// operation does in all of these is in its own file (op_create.go, …), and
// table.go names the operations; nothing else switches on opcodes.
//
// The package owns its tree, sessions, watches and overlay. It has no lock:
// the caller holds its state lock exclusively for Apply, Replay, Install and
// for reads that need it (NeedsExclusive), shared for other reads. Prepare and the
// methods about pending changes belong to the one goroutine that also
// applies; Prepare may run beside reads. It must never do I/O, ask a clock or
// block, and no request may make it panic.
package state

import (
	"quokka/internal/core/session"
	"quokka/internal/core/tree"
	"quokka/internal/core/watch"
	"quokka/internal/proto"
)

// Schemes is what the state machine asks of the authentication schemes. The
// answers must be the same on every server and at any time.
type Schemes interface {
	// Known tells whether the scheme exists.
	Known(scheme string) bool
	// Valid tells whether id may stand in an ACL entry of the scheme.
	Valid(scheme, id string) bool
	// Authenticated tells whether ids of the scheme prove who somebody is, so
	// that an ACL entry "auth" is expanded to them.
	Authenticated(scheme string) bool
	// Matches tells whether a connection's id satisfies an ACL entry's.
	Matches(scheme, id, aclID string) bool
	// User is the display name of an id, for whoAmI.
	User(scheme, id string) string
}

// Reconfigurer decides a reconfig request that would become the transaction
// zxid: it returns the text of the new configuration, or the refusal. It must
// have no effect: the request may still be refused for want of permission.
type Reconfigurer func(r proto.ReconfigRequest, zxid proto.Zxid) ([]byte, proto.Code)

// Options are fixed at start. They must be the same on all servers of an
// ensemble.
type Options struct {
	Tree    tree.Options
	Schemes Schemes

	SkipACL         bool // zookeeper.skipACL=yes: everybody may do everything
	EnforceQuota    bool // enforceQuota: hard limits refuse with QuotaExceeded
	Digest          bool // zookeeper.digest.enabled: transactions carry the tree's digest
	CloseSessionTxn bool // zookeeper.closeSessionTxn.enabled: closeSession lists its paths
	ReconfigEnabled bool // reconfigEnabled
	Standalone      bool // not a member of an ensemble: reconfig is Unimplemented

	// MaxNeverUsedMS is znode.container.maxNeverUsedIntervalMs: how long a
	// container may stay without ever having had a child; 0 is for ever.
	MaxNeverUsedMS int64
	// Reconfigure decides reconfig requests; nil refuses them as Unimplemented.
	Reconfigure Reconfigurer
}

// A State is the replicated state of one server.
type State struct {
	opts     Options
	tree     *tree.Tree
	sessions *session.Table
	watches  *watch.Table
	conns    map[watch.ConnID][]proto.ID // who each connection is
	last     proto.Zxid                  // of the last transaction applied
	rows     *opTable
	openACL  []proto.ACL // world:anyone cdrwa

	over    overlay                        // Prepare's
	opening map[proto.SessionID]proto.Zxid // sessions whose createSession is pending
	closing map[proto.SessionID]proto.Zxid // sessions whose last closeSession is pending
	prep    prep                           // Prepare's scratch

	out   Outcome // Apply's, reused
	quiet bool    // replaying: nobody watches
}

// New returns a state machine over a loaded tree and session table, both of
// which it owns from now on. last is the zxid of the last transaction they
// contain.
func New(o Options, t *tree.Tree, s *session.Table, last proto.Zxid) *State {
	st := &State{
		opts: o, watches: watch.New(), conns: map[watch.ConnID][]proto.ID{}, rows: &table,
		openACL: []proto.ACL{{Perms: proto.PermAll, ID: proto.ID{Scheme: "world", ID: "anyone"}}},
	}
	st.Install(t, s, last)
	return st
}

// Install replaces tree and sessions, as after a snapshot from the leader.
// Watches and connections stay; pending changes are forgotten.
func (s *State) Install(t *tree.Tree, sessions *session.Table, last proto.Zxid) {
	s.tree, s.sessions, s.last = t, sessions, last
	s.DropPending()
}

// SetReconfigurer replaces Options.Reconfigure, for a member that is made
// after its state.
func (s *State) SetReconfigurer(f Reconfigurer) { s.opts.Reconfigure = f }

// Tree returns the tree of applied transactions. Only State may change it.
func (s *State) Tree() *tree.Tree { return s.tree }

// Sessions returns the table of global sessions.
func (s *State) Sessions() *session.Table { return s.sessions }

// Watches returns the table of watches.
func (s *State) Watches() *watch.Table { return s.watches }

// LastZxid returns the zxid of the last transaction applied
// (DataTree.lastProcessedZxid).
func (s *State) LastZxid() proto.Zxid { return s.last }

// AddConn makes a connection known, so that watches can be armed for it.
// auth are its ids, for the ACL filter of events; the slice must not be
// changed afterwards (SetAuth replaces it).
//
// AddConn, SetAuth, RemoveConn and Arm change what Apply reads: they need the
// exclusive lock, or the shared lock and one more mutex that only they use.
func (s *State) AddConn(c watch.ConnID, auth []proto.ID) { s.conns[c] = auth }

// SetAuth replaces the ids of a connection; one that is not known stays so.
func (s *State) SetAuth(c watch.ConnID, auth []proto.ID) {
	if _, ok := s.conns[c]; ok {
		s.conns[c] = auth
	}
}

// RemoveConn forgets a connection and its watches.
func (s *State) RemoveConn(c watch.ConnID) {
	delete(s.conns, c)
	s.watches.RemoveConn(c)
}

// An Arm is a watch that a read wants registered.
type Arm struct {
	Path string
	Kind watch.Kind
}

// Arm registers the watches a read returned. It must happen before the lock
// is released under which that read was made. A connection that has gone
// registers nothing (WatchManager.isDeadWatcher).
func (s *State) Arm(c watch.ConnID, arms []Arm) {
	if _, ok := s.conns[c]; !ok {
		return
	}
	for i := range arms {
		s.watches.Add(c, arms[i].Path, arms[i].Kind)
	}
}

// SetConfig shows a configuration of the ensemble in /zookeeper/config, as a
// server does when it starts and when another one becomes active
// (ZKDatabase.initConfigInZKDatabase).
func (s *State) SetConfig(text string, version proto.Zxid) {
	s.tree.SetConfig([]byte(text), version)
}
