// Package check judges a run of an ensemble. It is told what every server
// ordered from its disk, what became durable, what it applied and what it
// sent, keeps a ghost of the whole ensemble from that, and says which
// invariant a step has broken. Histories of clients are judged afterwards
// against a model of its own.
//
// It knows the records of package proto and the voting rule, and nothing of
// the servers it judges: it must never ask one of them what is right. The
// names Z1, P1, G1 and so on are explained in docs/simulation.md.
package check

import (
	"fmt"

	"quokka/internal/core/quorum"
	"quokka/internal/proto"
)

// A Violation is an invariant that does not hold.
type Violation struct {
	Rule   string // "Z1"
	Server proto.ServerID
	What   string
}

func (v Violation) String() string {
	if v.Server == 0 {
		return fmt.Sprintf("%s: %s", v.Rule, v.What)
	}
	return fmt.Sprintf("%s at server %d: %s", v.Rule, v.Server, v.What)
}

// A Disk is what a server's directory holds.
type Disk struct {
	Log      Log
	Accepted proto.Epoch
	Current  proto.Epoch
	Active   Config
	Next     Config // proposed, if its version is higher
}

func (d *Disk) clone() Disk {
	c := *d
	c.Log = d.Log.Upto(d.Log.Last().Zxid)
	return c
}

// server is the ghost of one server. The order of its fields is that of a
// transaction's way: written is ordered from the disk, durable is what a
// power loss leaves at least.
type server struct {
	id      proto.ServerID
	up      bool
	empty   bool // its directory was lost, and it must not vote
	written Disk
	durable Disk
	pending []order
	applied Mark
	serving bool

	clock   int64 // of its elections in this life
	leading *reign
}

// reign is one server's time as the leader of an epoch, from the first
// FOLLOWERINFO on.
type reign struct {
	epoch       proto.Epoch
	initial     Mark                           // its log when it began
	infos       map[proto.ServerID]proto.Epoch // what those who are connected have accepted, until there is a quorum
	acks        quorum.Acks                    // ACKEPOCH that count
	synced      quorum.Acks                    // ACK of NEWLEADER
	decided     bool                           // on its epoch
	established bool
}

// A Ghost is the ensemble as an all-knowing observer has it.
type Ghost struct {
	quorums   [][]proto.ServerID
	servers   map[proto.ServerID]*server
	order     []*server // by id
	committed Log
	leaders   map[proto.Epoch]proto.ServerID
	proposed  map[proto.Zxid]uint64 // hash of the bytes of every proposal
	states    map[uint64]uint64     // digest of the state after a history
	dirty     bool
	dynamic   bool // the configuration has changed
	found     []Violation
}

// NewGhost returns the ghost of an ensemble whose servers are all down and
// empty. others take part without a vote.
func NewGhost(rule quorum.Config, others ...proto.ServerID) *Ghost {
	g := &Ghost{
		servers: map[proto.ServerID]*server{}, leaders: map[proto.Epoch]proto.ServerID{},
		proposed: map[proto.Zxid]uint64{}, states: map[uint64]uint64{},
	}
	for _, id := range append(rule.Voters(), others...) {
		s := &server{id: id, written: Disk{Active: Config{Rule: rule}}, durable: Disk{Active: Config{Rule: rule}}}
		g.servers[id] = s
		g.order = append(g.order, s)
	}
	g.quorums = minimalQuorums(rule)
	return g
}

// minimalQuorums lists the quorums that are none without any of their
// members.
func minimalQuorums(rule quorum.Config) [][]proto.ServerID {
	voters := rule.Voters()
	var all [][]proto.ServerID
	for set := 1; set < 1<<len(voters); set++ {
		var acks quorum.Acks
		var ids []proto.ServerID
		for i, id := range voters {
			if set>>i&1 == 1 {
				acks.Add(id)
				ids = append(ids, id)
			}
		}
		minimal := rule.HasQuorum(acks)
		for _, id := range ids {
			acks.Remove(id)
			minimal = minimal && !rule.HasQuorum(acks)
			acks.Add(id)
		}
		if minimal {
			all = append(all, ids)
		}
	}
	return all
}

func (g *Ghost) violate(rule string, id proto.ServerID, format string, args ...any) {
	g.found = append(g.found, Violation{Rule: rule, Server: id, What: fmt.Sprintf(format, args...)})
}

// Violate reports what somebody else found.
func (g *Ghost) Violate(rule string, id proto.ServerID, format string, args ...any) {
	g.violate(rule, id, format, args...)
}

// Violations returns what was found so far.
func (g *Ghost) Violations() []Violation { return g.found }

// Committed is C*: everything that was ever committed, in order.
func (g *Ghost) Committed() Log { return g.committed }

// Durable is the zxid of the last record that is durable at a server.
func (g *Ghost) Durable(id proto.ServerID) proto.Zxid { return g.servers[id].durable.Log.Last().Zxid }

// Written is the zxid of the last record ordered from a server's disk.
func (g *Ghost) Written(id proto.ServerID) proto.Zxid { return g.servers[id].written.Log.Last().Zxid }

// Highest is the zxid of the newest proposal of all.
func (g *Ghost) Highest() proto.Zxid {
	highest := proto.Zxid(0)
	for z := range g.proposed {
		highest = max(highest, z)
	}
	return highest
}

// LastWritten is everything ordered from a server's log.
func (g *Ghost) LastWritten(id proto.ServerID) Mark { return g.servers[id].written.Log.Last() }

// Applied is the history that a server has applied.
func (g *Ghost) Applied(id proto.ServerID) Mark { return g.servers[id].applied }

// Serving tells whether a server is established.
func (g *Ghost) Serving(id proto.ServerID) bool { return g.servers[id].serving }

// Epochs are the durable accepted and current epoch of a server.
func (g *Ghost) Epochs(id proto.ServerID) (accepted, current proto.Epoch) {
	d := g.servers[id].durable
	return d.Accepted, d.Current
}
