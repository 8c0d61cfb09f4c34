package zab

import (
	"cmp"
	"encoding/binary"
	"slices"

	"quokka/internal/core/quorum"
	"quokka/internal/proto"
)

// proposeReconfig makes the configuration of a reconfiguration the last seen
// one: from this proposal on quorums of both are needed. It is ordered to
// the disk before the proposal is. False if it cannot be; the role has ended
// then.
func (l *Leader) proposeReconfig(e Entry) bool {
	body, ok := e.Txn.Body.(*proto.SetDataTxn)
	if !ok || l.reconfig != 0 {
		l.fail(FailStop, "reconfiguration %v has no configuration, or follows one that is pending", e.Zxid())
		return false
	}
	next, err := quorum.ParseMembership(string(body.Data), l.cfg.MultiAddress)
	if err != nil || next.Version <= l.active.Version {
		l.fail(FailStop, "reconfiguration %v from version %x to %x cannot be used (%v)", e.Zxid(), l.active.Version, next.Version, err)
		return false
	}
	l.seen, l.reconfig = next, e.Zxid()
	if !l.setRules() {
		return false
	}
	l.acks.require(e.Zxid(), l.rules...)
	l.out.Disk = append(l.out.Disk, Disk{Kind: DiskNextConfig, Config: next.Text()})
	return true
}

// commitReconfig activates the pending configuration, here and at the
// learners, and hands the leadership on if this server has no part in it
// (Leader.tryToCommit).
func (l *Leader) commitReconfig(e Entry) {
	heir := l.designate(l.seen, l.acks.holders(e.Zxid()))
	data := binary.BigEndian.AppendUint64(nil, uint64(heir))
	for _, p := range l.pupils {
		switch {
		case !p.takesProposals():
		case p.observer:
			l.send(p, proto.PacketInformAndActivate, e.Zxid(), append(slices.Clip(data), e.Raw...))
			p.sent = e.Zxid()
		default:
			l.send(p, proto.PacketCommitAndActivate, e.Zxid(), data)
		}
	}
	l.reconfig = 0
	l.activate()
	// Also of the proposals that follow it already: a quorum of the old
	// configuration has this one in its log, and elects nobody without the
	// new one. Those who leave would have to acknowledge them, otherwise.
	l.acks.require(e.Zxid()+1, l.rules...)
	if heir != l.cfg.Me {
		l.retire(heir)
	}
}

// activate makes the last seen configuration the active one.
func (l *Leader) activate() {
	l.active = l.seen
	l.setRules()
	text := l.active.Text()
	l.out.Disk = append(l.out.Disk, Disk{Kind: DiskConfig, Config: text})
	l.note(Note{Kind: NoteConfig, Text: text})
}

// designate returns who leads under a configuration: this server if it votes
// there under the same address, else the one of those that acknowledged it
// which holds most of the proposals that follow (Leader.getDesignatedLeader).
func (l *Leader) designate(next quorum.Membership, acked quorum.Acks) proto.ServerID {
	was, _ := l.active.Server(l.cfg.Me)
	if is, ok := next.Server(l.cfg.Me); ok && is.Role == quorum.Participant && sameQuorumAddress(was, is) {
		return l.cfg.Me
	}
	best := proto.ServerID(0)
	for _, s := range next.Participants() {
		if s.ID == l.cfg.Me || !acked.Has(s.ID) {
			continue
		}
		if best == 0 || l.acks.of(s.ID) > l.acks.of(best) {
			best = s.ID
		}
	}
	return best
}

func sameQuorumAddress(a, b quorum.Server) bool {
	quorumPorts := func(s quorum.Server) []quorum.HostPort {
		v := make([]quorum.HostPort, len(s.Addrs))
		for i, addr := range s.Addrs {
			v[i] = addr.Quorum()
		}
		slices.SortFunc(v, func(x, y quorum.HostPort) int {
			return cmp.Or(cmp.Compare(x.Host, y.Host), cmp.Compare(x.Port, y.Port))
		})
		return v
	}
	return slices.Equal(quorumPorts(a), quorumPorts(b))
}

// retire stops this leader from committing anything: another server is to
// lead. It stays until the learners, which close their links when they have
// read this, are gone.
func (l *Leader) retire(heir proto.ServerID) {
	l.retired, l.heir, l.retiredAt = true, heir, l.beat
}

// leaveIfAlone ends the role of a leader that has handed on its leadership
// and has no voting learner any more.
func (l *Leader) leaveIfAlone() {
	if !l.retired || l.ended() || slices.ContainsFunc(l.pupils, l.votes) {
		return
	}
	l.leave()
}

func (l *Leader) leave() {
	l.fail(ToLooking, "the configuration has changed, and server %d is to lead", l.heir)
}

// QuorumSynced tells whether enough servers of a configuration are
// synchronised that it could go on at once: the condition for proposing it
// (Leader.isQuorumSynced).
func (l *Leader) QuorumSynced(m quorum.Membership) bool {
	rule, err := m.Rule()
	if err != nil || l.ended() {
		return false
	}
	var synced quorum.Acks
	synced.Add(l.cfg.Me)
	for _, p := range l.pupils {
		if p.phase == pupilUpToDate && !p.observer {
			synced.Add(p.server)
		}
	}
	return rule.HasQuorum(synced)
}
