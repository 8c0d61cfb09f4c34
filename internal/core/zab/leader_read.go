package zab

import (
	"quokka/internal/core/quorum"
	"quokka/internal/proto"
)

// A readQueue holds the reads that wait until it is sure that this server
// is still the leader. They are proven in rounds of PINGs: a round proves
// all reads that came before it began. Only one runs at a time.
type readQueue struct {
	waiting  []read // for the next round
	asked    []read // in the running round
	proven   []read // whose round is over; some transaction is not committed
	answered []uint64
}

type read struct {
	token uint64
	after proto.Zxid // was proposed when the read came
}

// Sync asks for the moment at which everything that was committed anywhere
// before the call is applied here: when all that is proposed is committed,
// and a quorum has answered a PING sent after the call. The token comes back
// by Synced then. Java answers without asking the quorum, so that a leader
// that was replaced unnoticed answers from the past (ZOOKEEPER-1675).
func (l *Leader) Sync(_ int64, token uint64) {
	l.reads.waiting = append(l.reads.waiting, read{token, l.proposed})
	l.answerReads()
}

// Synced returns the tokens that were answered since the last call, in their
// order. The slice is valid until the next call of the leader.
func (l *Leader) Synced() []uint64 {
	v := l.reads.answered
	l.reads.answered = l.reads.answered[len(v):]
	return v
}

// answerReads ends a round that has its quorum, begins another for those
// that wait, and answers what is committed.
func (l *Leader) answerReads() {
	r := &l.reads
	if !l.Established() || l.retired {
		return
	}
	for len(r.asked) > 0 || len(r.waiting) > 0 {
		if len(r.asked) == 0 {
			r.asked, r.waiting = r.waiting, nil
			l.beginRound()
		}
		if !l.roundIsOver() {
			break
		}
		r.proven = append(r.proven, r.asked...)
		r.asked = nil
	}
	for len(r.proven) > 0 && r.proven[0].after <= l.acks.committed {
		r.answered = append(r.answered, r.proven[0].token)
		r.proven = r.proven[1:]
	}
}

// beginRound pings the learners. Those that become up to date later count
// with any PING they answer.
func (l *Leader) beginRound() {
	for _, p := range l.pupils {
		p.asked = p.pings
		if !p.observer {
			l.ping(p)
		}
	}
}

// roundIsOver tells whether a quorum answered a PING of the round.
func (l *Leader) roundIsOver() bool {
	var heard quorum.Acks
	heard.Add(l.cfg.Me)
	for _, p := range l.pupils {
		if !p.observer && p.echoes > p.asked {
			heard.Add(p.server)
		}
	}
	return l.hasQuorums(heard)
}
