package check

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"quokka/internal/core/quorum"
	"quokka/internal/proto"
)

// A play drives a ghost of three servers, of which 3 leads and 1 follows.
type play struct {
	*Ghost
	wire Wire
}

func newPlay() *play {
	g := NewGhost(quorum.Majority(1, 2, 3))
	for id := proto.ServerID(1); id <= 3; id++ {
		g.Starts(id, 0, 5, 0, 0)
	}
	return &play{Ghost: g, wire: Wire{Leader: 3, Learner: 1}}
}

func packet(t proto.PacketType, z proto.Zxid, data ...byte) *proto.QuorumPacket {
	return &proto.QuorumPacket{Type: t, Zxid: z, Data: data}
}

func z(epoch proto.Epoch, counter uint32) proto.Zxid { return proto.MakeZxid(epoch, counter) }

func raw(z proto.Zxid) []byte { return binary.BigEndian.AppendUint64(nil, uint64(z)) }

// store orders an epoch from a disk, which does it.
func (p *play) store(id proto.ServerID, kind OrderKind, e proto.Epoch) {
	p.OrderEpoch(id, kind, e)
	p.Done(id, kind, 0)
}

// log orders a record from a disk, which writes it if it is durable.
func (p *play) log(id proto.ServerID, x proto.Zxid, durable bool) {
	p.OrderAppend(id, x, raw(x))
	if durable {
		p.Done(id, Append, x)
	}
}

func (p *play) fromLearner(q *proto.QuorumPacket) {
	p.LearnerSends(&p.wire, q)
	p.LeaderReceives(&p.wire, q)
}

func (p *play) fromLeader(q *proto.QuorumPacket) { p.LeaderSends(&p.wire, q) }

// discover leads to epoch 1, up to ACKEPOCH.
func (p *play) discover() {
	p.Leads(3)
	p.fromLearner(packet(proto.PacketFollowerInfo, 0))
	p.store(3, AcceptedEpoch, 1)
	p.fromLeader(packet(proto.PacketLeaderInfo, z(1, 0)))
	p.store(1, AcceptedEpoch, 1)
	p.fromLearner(packet(proto.PacketAckEpoch, 0, 0, 0, 0, 0))
	p.store(3, CurrentEpoch, 1)
}

// establish leads to a leader of epoch 1 that serves.
func (p *play) establish() {
	p.discover()
	p.fromLeader(packet(proto.PacketDiff, 0))
	p.fromLeader(packet(proto.PacketNewLeader, z(1, 0)))
	p.store(1, CurrentEpoch, 1)
	p.fromLearner(packet(proto.PacketAck, z(1, 0)))
	p.Established(3, 1)
	p.Serves(3)
	p.fromLeader(packet(proto.PacketUpToDate, -1))
	p.Serves(1)
}

// commit makes one transaction of epoch 1 that 3 and 1 hold.
func (p *play) commit(x proto.Zxid) {
	p.log(3, x, true)
	p.fromLeader(packet(proto.PacketProposal, x))
	p.log(1, x, true)
	p.fromLearner(packet(proto.PacketAck, x))
	p.Commits(3, x)
	p.Apply(3, x, uint64(x))
	p.fromLeader(packet(proto.PacketCommit, x))
	p.Apply(1, x, uint64(x))
	p.Check()
}

func (p *play) expect(t *testing.T, rule string) {
	t.Helper()
	p.Check()
	var text []string
	for _, v := range p.Violations() {
		if v.Rule == rule {
			return
		}
		text = append(text, v.String())
	}
	if rule != "" || len(text) > 0 {
		t.Errorf("want %q, found:\n%s", rule, strings.Join(text, "\n"))
	}
}

func TestGoodRun(t *testing.T) {
	p := newPlay()
	p.establish()
	p.commit(z(1, 1))
	p.commit(z(1, 2))
	p.Stops(1)
	p.Starts(1, z(1, 2), uint64(z(1, 2)), 1, 1)
	p.expect(t, "")
	if got := p.Committed().Last().Zxid; got != z(1, 2) {
		t.Errorf("committed is %v", got)
	}
}

// A plot is a run that breaks a rule.
type plot struct {
	rule  string
	build func(p *play)
}

func judgePlots(t *testing.T, plots map[string]plot) {
	for name, c := range plots {
		t.Run(name, func(t *testing.T) {
			p := newPlay()
			c.build(p)
			p.expect(t, c.rule)
		})
	}
}

func TestRulesOfHistory(t *testing.T) {
	judgePlots(t, map[string]plot{
		"two leaders of one epoch": {"Z1", func(p *play) {
			p.establish()
			p.Leads(2)
			p.store(2, AcceptedEpoch, 1)
			p.store(2, CurrentEpoch, 1)
		}},
		"a record nobody proposed": {"Z3", func(p *play) { p.establish(); p.log(2, z(1, 1), true) }},
		"a record with other bytes": {"Z3", func(p *play) {
			p.establish()
			p.log(3, z(1, 1), true)
			p.OrderAppend(1, z(1, 1), []byte("other"))
		}},
		"applied and not committed": {"Z4", func(p *play) {
			p.establish()
			p.log(3, z(1, 1), true)
			p.log(1, z(1, 1), true)
			p.Apply(1, z(1, 1), 9)
		}},
		"a gap": {"Z5", func(p *play) { p.establish(); p.log(3, z(1, 2), true) }},
		"established with a part of the history": {"Z7", func(p *play) {
			p.establish()
			p.commit(z(1, 1))
			p.Leads(2)
			p.store(2, AcceptedEpoch, 2)
			p.store(2, CurrentEpoch, 2)
		}},
		"a committed record is cut off": {"Z9", func(p *play) {
			p.establish()
			p.commit(z(1, 1))
			p.OrderTruncate(1, 0)
		}},
		"a snapshot of less": {"Z9", func(p *play) {
			p.establish()
			p.commit(z(1, 1))
			p.OrderInstall(1, 0, Log{})
		}},
		"a longer log than the leader's": {"Z10", func(p *play) {
			p.discover()
			p.proposed[z(1, 1)] = Mark{}.Next(z(1, 1), raw(z(1, 1))).Chain
			p.fromLeader(packet(proto.PacketDiff, 0))
			p.fromLeader(packet(proto.PacketNewLeader, z(1, 0)))
			p.store(1, CurrentEpoch, 1)
			p.log(1, z(1, 1), true)
			p.fromLearner(packet(proto.PacketAck, z(1, 0)))
		}},
	})
}

func TestRulesOfEpochsAndDisks(t *testing.T) {
	judgePlots(t, map[string]plot{
		"an epoch goes back": {"Z11", func(p *play) { p.establish(); p.store(3, AcceptedEpoch, 0) }},
		"an epoch is told before it is durable": {"Z11", func(p *play) {
			p.Leads(3)
			p.fromLearner(packet(proto.PacketFollowerInfo, 0))
			p.OrderEpoch(3, AcceptedEpoch, 1)
			p.fromLeader(packet(proto.PacketLeaderInfo, z(1, 0)))
		}},
		"an epoch without a quorum": {"Z12", func(p *play) { p.Leads(3); p.store(3, AcceptedEpoch, 1) }},
		"an epoch that was accepted": {"Z12", func(p *play) {
			p.store(1, AcceptedEpoch, 4)
			p.Leads(3)
			p.fromLearner(packet(proto.PacketFollowerInfo, z(4, 0)))
			p.store(3, AcceptedEpoch, 4)
		}},
		"acknowledged before it is durable": {"P3", func(p *play) {
			p.establish()
			p.log(3, z(1, 1), true)
			p.fromLeader(packet(proto.PacketProposal, z(1, 1)))
			p.log(1, z(1, 1), false)
			p.fromLearner(packet(proto.PacketAck, z(1, 1)))
		}},
		"committed by one disk only": {"P1", func(p *play) {
			p.establish()
			p.log(3, z(1, 1), true)
			p.Commits(3, z(1, 1))
		}},
		"a vote for what is in memory": {"P2", func(p *play) {
			p.establish()
			p.log(3, z(1, 1), false)
			p.Voted(3, &proto.Notification{State: proto.Looking, Leader: 3, Zxid: z(1, 1), PeerEpoch: 1})
		}},
		"recovered less than was durable": {"P4", func(p *play) {
			p.establish()
			p.commit(z(1, 1))
			p.Stops(1)
			p.Starts(1, 0, 5, 1, 1)
		}},
		"recovered another state": {"P4", func(p *play) {
			p.establish()
			p.commit(z(1, 1))
			p.Stops(1)
			p.Starts(1, z(1, 1), 77, 1, 1)
		}},
		"equal logs and other trees": {"D1", func(p *play) {
			p.establish()
			p.commit(z(1, 1))
			p.Reloads(1, z(1, 1), 77)
		}},
		"the clock of elections goes back": {"F2", func(p *play) {
			p.Voted(3, &proto.Notification{State: proto.Looking, Leader: 3, ElectionEpoch: 5})
			p.Voted(3, &proto.Notification{State: proto.Looking, Leader: 3, ElectionEpoch: 4})
		}},
	})
}

func TestWireKnowsIllegalPackets(t *testing.T) {
	const leader, learner = true, false
	type step struct {
		fromLeader bool
		packet     *proto.QuorumPacket
	}
	info := step{learner, packet(proto.PacketFollowerInfo, 0)}
	epoch := step{leader, packet(proto.PacketLeaderInfo, z(1, 0))}
	ack := step{learner, packet(proto.PacketAckEpoch, 0)}
	diff := step{leader, packet(proto.PacketDiff, 0)}
	announced := step{leader, packet(proto.PacketNewLeader, z(1, 0))}
	synced := step{learner, packet(proto.PacketAck, z(1, 0))}
	live := step{leader, packet(proto.PacketUpToDate, -1)}
	all := []step{info, epoch, ack, diff, announced, synced, live}
	proposal := func(c uint32) step { return step{leader, packet(proto.PacketProposal, z(1, c))} }
	for name, steps := range map[string][]step{
		"the leader speaks first":                 {epoch},
		"synchronisation before discovery":        {info, diff},
		"two kinds of synchronisation":            {info, epoch, ack, diff, diff},
		"NEWLEADER of another epoch":              {info, epoch, ack, diff, {leader, packet(proto.PacketNewLeader, z(2, 0))}},
		"UPTODATE before NEWLEADER":               {info, epoch, ack, diff, live},
		"a gap":                                   append(slices.Clone(all), proposal(1), proposal(3)),
		"a COMMIT out of order":                   append(slices.Clone(all), proposal(1), proposal(2), step{leader, packet(proto.PacketCommit, z(1, 2))}),
		"a COMMIT of nothing":                     append(slices.Clone(all), step{leader, packet(proto.PacketCommit, z(1, 1))}),
		"an ACK of what was not proposed":         append(slices.Clone(all), step{learner, packet(proto.PacketAck, z(1, 1))}),
		"an ACK that overtakes that of NEWLEADER": {info, epoch, ack, diff, proposal(1), announced, {learner, packet(proto.PacketAck, z(1, 1))}},
		"an ACK that goes back": append(slices.Clone(all), proposal(1), proposal(2),
			step{learner, packet(proto.PacketAck, z(1, 2))}, step{learner, packet(proto.PacketAck, z(1, 1))}),
		"a leader's packet from a learner": append(slices.Clone(all), step{learner, packet(proto.PacketProposal, z(1, 1))}),
		"a learner's packet from a leader": append(slices.Clone(all), step{leader, packet(proto.PacketRequest, -1)}),
		"INFORM for a follower":            append(slices.Clone(all), step{leader, packet(proto.PacketInform, z(1, 1))}),
	} {
		var w Wire
		for i, s := range steps {
			judge := w.FromLearner
			if s.fromLeader {
				judge = w.FromLeader
			}
			why := judge(s.packet)
			if last := i == len(steps)-1; last != (why != "") {
				t.Errorf("%s: step %d, %v: %q", name, i, s.packet.Type, why)
			}
		}
	}
}
