package zab

import (
	"slices"
	"strings"

	"quokka/internal/core/quorum"
	"quokka/internal/proto"
)

// proposedConfig reads the configuration of a reconfiguration; nil if the
// entry is none, or reconfigurations are disabled here.
func (f *Learner) proposedConfig(e Entry) (*quorum.Membership, bool) {
	if e.Txn.Op != proto.OpReconfig || !f.cfg.ReconfigEnabled {
		return nil, true
	}
	t, ok := e.Txn.Body.(*proto.SetDataTxn)
	if !ok {
		f.leave("the leader sent reconfiguration %v without a configuration", e.Zxid())
		return nil, false
	}
	m, err := quorum.ParseMembership(string(t.Data), f.cfg.MultiAddress)
	if err != nil {
		f.leave("the leader sent reconfiguration %v that cannot be read: %v", e.Zxid(), err)
		return nil, false
	}
	return &m, true
}

// offer takes the configuration that NEWLEADER brings: the last one the
// leader has seen (QuorumPeer.setLastSeenQuorumVerifier). Its version tells
// whether we know it.
func (f *Learner) offer(text []byte) bool {
	if len(text) <= 1 || !f.cfg.ReconfigEnabled {
		return true
	}
	m, err := quorum.ParseMembership(string(text), f.cfg.MultiAddress)
	if err != nil {
		f.leave("the leader's configuration cannot be read: %v", err)
		return false
	}
	if m.Version < f.active.Version {
		f.leave("the leader's configuration has version %x, ours has %x", m.Version, f.active.Version)
		return false
	}
	if next := proto.Zxid(f.next.Version); !f.cfg.Observer && m.Version < f.next.Version && f.h.Has(next) {
		f.leave("the leader's history has the reconfiguration %v, but its configuration has version %x", next, m.Version)
		return false
	}
	f.offered = &m
	f.setNext(m)
	return true
}

// setNext makes a configuration the one that was last seen. The active one
// takes away what was pending before: a reconfiguration that a new leader
// does not have. One that is older than the active one is history.
func (f *Learner) setNext(m quorum.Membership) {
	if m.Version == f.next.Version || m.Version < f.active.Version {
		return
	}
	f.next = m
	f.order(Disk{Kind: DiskNextConfig, Config: m.Text()})
}

// activateOffered makes the configuration of NEWLEADER active, unless it is
// that of a reconfiguration whose commit is still to come. (Java activates
// it in this case, too.)
func (f *Learner) activateOffered() {
	if f.offered == nil {
		return
	}
	pending := func(e Entry) bool { return uint64(e.Zxid()) == f.offered.Version && e.Txn.Op == proto.OpReconfig }
	if !slices.ContainsFunc(f.open, pending) {
		f.activate(*f.offered, 0)
	}
}

// activate makes a configuration active (QuorumPeer.processReconfig). If it
// gives this server another role, or the ensemble another leader, the role
// ends. Designated is the server that is to lead, 0 if nobody was named.
func (f *Learner) activate(m quorum.Membership, designated proto.ServerID) {
	prev := f.active
	if m.Version <= prev.Version {
		return
	}
	f.active = m
	f.order(Disk{Kind: DiskConfig, Config: m.Text()})
	f.note(NoteConfig, proto.Zxid(m.Version), m.Text())
	if f.next.Version <= m.Version {
		f.next = m
	} else {
		f.order(Disk{Kind: DiskNextConfig, Config: f.next.Text()}) // a later one is pending already
	}
	if prev.Equal(m) {
		return
	}
	end := End{Kind: ToLooking, Designated: designated}
	switch me, ok := m.Server(f.cfg.Me); {
	case (ok && me.Role == quorum.Observer) != f.cfg.Observer:
		end.Why = "the new configuration gives this server another role"
	case designated != 0 && designated != f.cfg.Leader:
		end.Why = "the new configuration has another leader"
	case designated == 0 && !learnerSameLeader(prev, m, f.cfg.Leader):
		end.Why = "the new configuration has the leader elsewhere, or not as a participant"
	default:
		return
	}
	f.finish(end)
}

// learnerSameLeader tells whether a server votes in both configurations and
// has the same quorum addresses.
func learnerSameLeader(a, b quorum.Membership, id proto.ServerID) bool {
	before, ok := a.Server(id)
	after, too := b.Server(id)
	same := func(x, y quorum.ServerAddr) bool {
		return strings.EqualFold(x.Host, y.Host) && x.QuorumPort == y.QuorumPort
	}
	return ok && too && before.Role == quorum.Participant && after.Role == quorum.Participant &&
		slices.EqualFunc(before.Addrs, after.Addrs, same)
}
