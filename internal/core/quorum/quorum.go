// Package quorum knows who the members of an ensemble are and answers one
// question about them: are these servers enough? It knows plain majorities
// and the weighted groups of hierarchical ensembles.
//
// It owns the membership of an ensemble, its text and how a request changes
// it, the voting rule that follows from it, and the sets of servers that are
// held against that rule. It never decides whether a change may be made now,
// resolves no name and reads no file.
//
// Source of the facts: server.quorum.flexible.QuorumMaj and
// QuorumHierarchical, server.quorum.QuorumPeer.QuorumServer,
// QuorumPeerConfig.parseDynamicConfig.
package quorum

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"quokka/internal/proto"
)

// A Config is the voting rule of an ensemble. It does not change; the zero
// Config has no voter and no quorum.
type Config struct {
	voters []voter // ascending ids
	groups []int64 // total weight of each group
	live   int     // groups with a weight above zero
}

type voter struct {
	id     proto.ServerID
	group  int // index into groups
	weight int64
}

// Majority returns the rule that more than half of the voters are a quorum.
// A voter named twice counts once. One voter alone is a standalone server.
func Majority(voters ...proto.ServerID) Config {
	ids := slices.Compact(slices.Sorted(slices.Values(voters)))
	c := Config{voters: make([]voter, len(ids)), groups: []int64{int64(len(ids))}}
	for i, id := range ids {
		c.voters[i] = voter{id: id, weight: 1}
	}
	if len(ids) > 0 {
		c.live = 1
	}
	return c
}

// Standalone returns the rule of a server that is its own quorum.
func Standalone(id proto.ServerID) Config { return Majority(id) }

// A Group is a line "group.N=..." of a hierarchical ensemble.
type Group struct {
	ID      int64
	Members []proto.ServerID
}

// Hierarchical returns the rule that a quorum has more than half of the
// weight in more than half of the groups that have weight. A server without
// an entry in weights has the weight 1.
func Hierarchical(groups []Group, weights map[proto.ServerID]int64) (Config, error) {
	c := Config{groups: make([]int64, len(groups))}
	seen := map[int64]bool{}
	for i, g := range groups {
		if seen[g.ID] {
			return Config{}, fmt.Errorf("quorum: group %d is there twice: merge its lines", g.ID)
		}
		seen[g.ID] = true
		for _, id := range g.Members {
			w, ok := weights[id]
			if !ok {
				w = 1
			}
			if w < 0 || w > math.MaxInt64-c.groups[i] {
				return Config{}, fmt.Errorf("quorum: weight %d of server %d: want 0 or a small positive number", w, id)
			}
			c.groups[i] += w
			c.voters = append(c.voters, voter{id: id, group: i, weight: w})
		}
		if c.groups[i] > 0 {
			c.live++
		}
	}
	slices.SortFunc(c.voters, func(a, b voter) int { return cmp.Compare(a.id, b.id) })
	for i := 1; i < len(c.voters); i++ {
		if id := c.voters[i].id; id == c.voters[i-1].id {
			return Config{}, fmt.Errorf("quorum: server %d is in several groups: name it in one", id)
		}
	}
	if c.live == 0 {
		return Config{}, errors.New("quorum: no group has any weight: give a server a weight above 0")
	}
	return c, nil
}

func (c Config) find(id proto.ServerID) (int, bool) {
	return slices.BinarySearchFunc(c.voters, id, func(v voter, id proto.ServerID) int { return cmp.Compare(v.id, id) })
}

// IsVoter tells whether id takes part in quorums. A server of weight 0 does,
// though its ack adds nothing.
func (c Config) IsVoter(id proto.ServerID) bool {
	_, ok := c.find(id)
	return ok
}

// Weight returns the weight of a voter, 0 if id is none.
func (c Config) Weight(id proto.ServerID) int64 {
	i, ok := c.find(id)
	if !ok {
		return 0
	}
	return c.voters[i].weight
}

// Voters returns the voters by ascending id.
func (c Config) Voters() []proto.ServerID {
	ids := make([]proto.ServerID, len(c.voters))
	for i, v := range c.voters {
		ids[i] = v.id
	}
	return ids
}

// HasQuorum tells whether the servers in acks are enough. Those that are not
// voters count for nothing.
func (c Config) HasQuorum(acks Acks) bool {
	if len(c.groups) == 1 {
		return c.live == 1 && c.acked(acks, 0) > c.groups[0]/2
	}
	full := 0
	for g, total := range c.groups {
		if total > 0 && c.acked(acks, g) > total/2 {
			full++
		}
	}
	return full > c.live/2
}

// acked returns the weight that acks have in a group.
func (c Config) acked(acks Acks, group int) int64 {
	var sum int64
	for _, id := range acks.ids {
		if i, ok := c.find(id); ok && c.voters[i].group == group {
			sum += c.voters[i].weight
		}
	}
	return sum
}
