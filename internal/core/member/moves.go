package member

import (
	"math"

	"quokka/internal/core/zab"
	"quokka/internal/proto"
)

// A leader knows which link the requests of a session come from, and refuses
// those of any other: they are older than what the session's client has done
// since it moved. The next leader does not know. Java is safe because all
// connections end with the leader. Here they are kept, and so a leader puts
// on record whenever a session changes its server. A server that comes to the
// next leader has applied the records before it serves, and has ended the
// connections whose clients had moved.
//
// A record is an error transaction of the session, which changes nothing on
// any server, with a cxid that no client has.
const movedCxid int32 = math.MinInt32

// isMove tells whether a transaction is the record of a move.
func isMove(t *proto.Txn) bool {
	if t.Op != proto.OpError || t.Cxid != movedCxid {
		return false
	}
	e, ok := t.Body.(*proto.ErrorTxn)
	return ok && e.Err == proto.SessionMoved
}

// give makes a session one of a link, or of the leader itself. It is false
// if that cannot be put on record now: this leader is about to end.
func (m *Member) give(id proto.SessionID, link zab.Link) bool {
	if m.remote[id] == link || !m.clock.Tracked(id) || m.clock.Closing(id) {
		return true
	}
	zxid, ok := m.leader.Next()
	if !ok {
		return false
	}
	m.leaveBehind(m.remote[id], id)
	m.remote[id] = link
	m.proposed(&proto.Txn{
		TxnHeader: proto.TxnHeader{Session: id, Cxid: movedCxid, Zxid: zxid, Time: m.now.Wall, Op: proto.OpError},
		Body:      &proto.ErrorTxn{Err: proto.SessionMoved},
	})
	return true
}

// movedAway ends the connection of a session that has moved, unless it has
// come back since.
func (m *Member) movedAway(t *proto.Txn) {
	if c := m.local[t.Session]; c != nil && c.since < t.Zxid {
		m.noteConn(NoteMoved, t.Session, c.id)
		m.close(c)
	}
}
