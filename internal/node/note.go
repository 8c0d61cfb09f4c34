package node

import (
	"fmt"
	"strings"

	"quokka/internal/core/member"
	"quokka/internal/core/zab"
	"quokka/internal/proto"
)

// note says in Java's words what the member tells of.
func (n *Node) note(o *member.Note) {
	var client string
	if c, ok := n.conns[o.Conn]; ok {
		client = c.RemoteString()
	}
	id := o.Session.String()
	switch o.Kind {
	case member.NoteExpired:
		n.opt.Metrics.StaleSessionsExpired.Inc()
		n.log.Info(fmt.Sprintf("Expiring session %s, timeout of %dms exceeded", id, o.N))
	case member.NoteInvalid:
		n.log.Info(fmt.Sprintf("Invalid session %s for client /%s, probably expired", id, client))
	case member.NoteWrongPassword:
		n.log.Warn(fmt.Sprintf("Incorrect password from /%s for session %s", client, id))
	case member.NoteFuture:
		n.log.Info(fmt.Sprintf("Refusing session(%s) request for client /%s as it has seen zxid %v our last zxid is %v client must try another server",
			id, client, proto.Zxid(o.N), n.state.LastZxid()))
	case member.NoteOrphans:
		n.log.Warn("deleting ephemeral nodes whose session is unknown", "session", id)
	case member.NoteReaped:
		n.log.Info("deleting containers without children and TTL nodes past their time", "candidates", o.N)
	case member.NoteDiverged:
		n.log.Error("this server's state differs from its leader's; it stops serving and asks for a snapshot", "zxid", proto.Zxid(o.N).String())
	case member.NoteReconfigRefused:
		n.log.Warn("a reconfiguration is refused", "why", o.Text)
	case member.NoteMoved:
		n.log.Info(fmt.Sprintf("Session %s moved to another server; closing the connection of /%s", id, client))
	default:
		n.noteLocal(o, id, client)
	}
}

// noteLocal tells of local sessions and of serving without a leader.
func (n *Node) noteLocal(o *member.Note, id, client string) {
	switch o.Kind {
	case member.NoteUpgrading:
		n.log.Info("Upgrading session "+id, "timeout_ms", o.N)
	case member.NoteReadOnly:
		n.log.Info("Read-only server started")
	case member.NoteNotReadOnly:
		n.log.Info(fmt.Sprintf("Refusing session request for not-read-only client /%s", client))
	case member.NoteGlobalInReadOnly:
		n.log.Info(fmt.Sprintf("Refusing global session reconnection in RO mode /%s", client), "session", id)
	default:
		n.noteRole(o)
	}
}

// noteRole says which way the election goes.
func (n *Node) noteRole(o *member.Note) {
	switch o.Kind {
	case member.NoteLooking:
		n.opt.Metrics.LookingCount.Inc()
		if o.Text != "" {
			n.log.Warn("this server is without a leader", "why", o.Text)
		}
		n.log.Info("LOOKING")
	case member.NoteLeading:
		n.opt.Metrics.ElectionMS.Observe(o.N)
		n.log.Info(fmt.Sprintf("LEADING - LEADER ELECTION TOOK - %d MS", o.N))
	case member.NoteFollowing:
		n.opt.Metrics.ElectionMS.Observe(o.N)
		n.log.Info(fmt.Sprintf("FOLLOWING - LEADER ELECTION TOOK - %d MS", o.N), "leader", o.Server)
	case member.NoteObserving:
		n.log.Info(fmt.Sprintf("OBSERVING - LEADER ELECTION TOOK - %d MS", o.N), "leader", o.Server)
	case member.NoteMaster:
		n.log.Info(fmt.Sprintf("Observing new leader sid=%d", o.Server))
	}
}

// noteZab says in Java's words what a role tells of.
func (n *Node) noteZab(o *zab.Note) {
	switch o.Kind {
	case zab.NoteNewEpoch:
		n.log.Info(fmt.Sprintf("Proposing new epoch %x", int64(o.Zxid.Epoch())), "epoch", int64(o.Zxid.Epoch()))
	case zab.NoteEstablished:
		n.log.Info(fmt.Sprintf("Have quorum of supporters, sids: [%s]; starting up and setting last processed zxid: %v", o.Text, o.Zxid))
	case zab.NoteFollowerInfo:
		n.log.Info(fmt.Sprintf("Follower sid: %d : info : %s", o.Server, o.Text), "config_version", o.N)
	case zab.NoteSync:
		if strings.HasPrefix(o.Text, "SNAP") {
			n.opt.Metrics.SnapCount.Inc()
		} else {
			n.opt.Metrics.DiffCount.Inc()
		}
		n.log.Info(fmt.Sprintf("Synchronizing with Learner sid: %d", o.Server), "mode", o.Text, "peer_last_zxid", o.Zxid.String())
	case zab.NoteSynced:
		n.log.Info(fmt.Sprintf("Learner sid: %d is synchronized", o.Server), "took_ms", o.N)
	case zab.NoteLearnerGone:
		n.log.Warn(fmt.Sprintf("******* GOODBYE %d ********", o.Server), "why", o.Text)
	case zab.NoteLearnerRefused:
		n.log.Warn("a learner is refused", "sid", o.Server, "why", o.Text)
	case zab.NoteGettingDiff:
		n.log.Info(fmt.Sprintf("Getting a diff from the leader %v", o.Zxid))
	case zab.NoteGettingSnap:
		n.log.Info(fmt.Sprintf("Getting a snapshot from leader %v", o.Zxid))
	case zab.NoteTruncating:
		n.log.Warn(fmt.Sprintf("Truncating log to get in sync with the leader %v", o.Zxid))
	case zab.NoteUpToDate:
		n.log.Info("Learner received UPTODATE message")
	case zab.NoteGap:
		n.log.Warn(fmt.Sprintf("Got zxid %v expected another one; leaving this leader", o.Zxid))
	case zab.NoteConfig:
		n.log.Info("the configuration of the ensemble is now", "config", o.Text)
	}
}
