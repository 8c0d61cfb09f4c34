package check

import (
	"cmp"
	"slices"

	"quokka/internal/proto"
)

// An Op is one request of a client and what came back.
type Op struct {
	Session  proto.SessionID
	Conn     uint64 // connections are numbered in the order they were made
	Xid      int32  // per session, never used twice
	Action   Action
	Invoked  int64 // ms
	Returned int64 // ms; meaningless unless Answered
	Answered bool
	Zxid     proto.Zxid // of the reply's header
	Answer   Answer
}

func (o *Op) write() bool {
	switch o.Action.Op {
	case proto.OpCreate, proto.OpCreate2, proto.OpSetData, proto.OpDelete, proto.OpMulti, proto.OpCloseSession,
		proto.OpReconfig:
		return true
	}
	return false
}

// A History is what the clients of a run saw, and what was committed.
type History struct {
	Ops       []*Op // in the order of their invocation
	Committed []*proto.Txn
	Expired   []Expiry
	Heard     map[proto.SessionID][]int64 // when a server answered the session's client, ms
	WallBase  proto.Millis                // wall clock at time 0
	SlackMS   int64                       // how much earlier than its timeout a session may seem to expire
}

// An Expiry is a client being told that its session is over.
type Expiry struct {
	Session proto.SessionID
	At      int64 // ms
}

type opKey struct {
	session proto.SessionID
	xid     int32
}

// judge is one pass over a history.
type judge struct {
	*History
	model  *Model
	byKey  map[opKey]*Op
	zxid   map[*Op]proto.Zxid // of writes that were committed
	closed map[proto.SessionID]proto.Zxid
	found  []Violation
}

// Judge checks a history: every reply against a model that replays what was
// committed (G5, G7, E1 to E3), and the order of operations (G1 to G4, G6).
func (h *History) Judge() []Violation {
	j := &judge{
		History: h, model: NewModel(), byKey: map[opKey]*Op{}, zxid: map[*Op]proto.Zxid{},
		closed: map[proto.SessionID]proto.Zxid{},
	}
	for _, o := range h.Ops {
		j.byKey[opKey{o.Session, o.Xid}] = o
	}
	j.replay()
	j.linearizable()
	j.sessions()
	j.syncs()
	j.expiries()
	return j.found
}

func (j *judge) violate(rule, format string, args ...any) {
	g := Ghost{}
	g.violate(rule, 0, format, args...)
	j.found = append(j.found, g.found...)
}

// replay carries out C* on the model and compares every reply with it.
func (j *judge) replay() {
	reads := j.reads()
	next := func(upTo proto.Zxid) {
		for len(reads) > 0 && reads[0].Zxid < upTo {
			j.compareRead(reads[0])
			reads = reads[1:]
		}
	}
	for _, t := range j.Committed {
		next(t.Zxid)
		j.txn(t)
	}
	if n := len(j.Committed); n > 0 {
		next(j.Committed[n-1].Zxid + 1)
	}
	for _, o := range reads {
		j.violate("G5", "%v of session %v was answered at %v, which was never committed", o.Action, o.Session, o.Zxid)
	}
}

func (j *judge) reads() []*Op {
	var reads []*Op
	for _, o := range j.Ops {
		if o.Answered && !o.write() && o.Action.Op != proto.OpSync {
			reads = append(reads, o)
		}
	}
	slices.SortStableFunc(reads, func(a, b *Op) int { return cmp.Compare(a.Zxid, b.Zxid) })
	return reads
}

func (j *judge) compareRead(o *Op) {
	want := j.model.read(&o.Action)
	if why := o.Answer.differs(&want, o.Action.Op); why != "" {
		j.violate("G5", "%v of session %v at %v brought %s", o.Action, o.Session, o.Zxid, why)
	}
}

// txn carries one transaction out.
func (j *judge) txn(t *proto.Txn) {
	o := j.byKey[opKey{t.Session, t.Cxid}]
	if o != nil && o.write() {
		j.asked(o, t)
		return
	}
	switch body := t.Body.(type) {
	case *proto.CreateSessionTxn:
		if z, ok := j.closed[t.Session]; ok {
			j.violate("E7", "session %v is created at %v; it was closed at %v", t.Session, t.Zxid, z)
		}
		j.model.Open(t.Session, body.TimeoutMS)
	case *proto.CloseSessionTxn:
		j.close(t, body)
	case *proto.ErrorTxn, nil:
	case *proto.SetDataTxn:
		if t.Op != proto.OpReconfig {
			j.violate("G3", "nobody asked for the %v at %v", t.Op, t.Zxid)
		}
	default:
		j.violate("G3", "nobody asked for the %v at %v", t.Op, t.Zxid)
	}
}

// close judges the end of a session. E3: it lists the session's ephemerals.
func (j *judge) close(t *proto.Txn, body *proto.CloseSessionTxn) {
	paths := j.model.Close(t.Session, t.Zxid)
	listed := slices.Clone(body.Paths)
	slices.Sort(listed)
	if !slices.Equal(paths, listed) {
		j.violate("E3", "closeSession of %v at %v lists %v, its ephemerals are %v", t.Session, t.Zxid, listed, paths)
	}
	if _, ok := j.closed[t.Session]; !ok {
		j.closed[t.Session] = t.Zxid
	}
}

// asked judges the transaction of a client's request.
func (j *judge) asked(o *Op, t *proto.Txn) {
	if z, ok := j.zxid[o]; ok {
		j.violate("G3", "%v of session %v was executed twice, at %v and %v", o.Action, o.Session, z, t.Zxid)
	}
	_, over := j.closed[t.Session]
	body, ok := t.Body.(*proto.CloseSessionTxn)
	if !refusedSession(t) && !(ok && over) {
		j.zxid[o] = t.Zxid // a second closeSession does nothing, and may come late
	}
	if ok {
		j.close(t, body)
		return
	}
	if moved(t) || o.Action.Op == proto.OpReconfig {
		return // decided by what the leader knows of connections, or of the ensemble, which no transaction tells
	}
	if z, ok := j.closed[t.Session]; ok && t.Op != proto.OpError && t.Op != proto.OpMulti {
		j.violate("E2", "session %v writes at %v; it was closed at %v", t.Session, t.Zxid, z)
	}
	want := j.model.Do(o.Session, &o.Action, t.Zxid, t.Time)
	code := proto.OK
	if e, ok := t.Body.(*proto.ErrorTxn); ok {
		code = e.Err
	}
	if code != want.Code {
		j.violate("G7", "%v of session %v at %v has the outcome %v, it must be %v", o.Action, o.Session, t.Zxid, code, want.Code)
		return
	}
	if !o.Answered {
		return
	}
	if o.Zxid != t.Zxid {
		j.violate("G7", "%v of session %v is transaction %v, its reply says %v", o.Action, o.Session, t.Zxid, o.Zxid)
	}
	if why := o.Answer.differs(&want, o.Action.Op); why != "" {
		j.violate("G7", "%v of session %v at %v brought %s", o.Action, o.Session, t.Zxid, why)
	}
}

// refusedSession tells whether a request was refused for its session's sake:
// it was not executed then, and may come late.
func refusedSession(t *proto.Txn) bool { return moved(t) || refusal(t) == proto.SessionExpired }

// moved tells whether a request was refused because its session had moved to
// another server.
func moved(t *proto.Txn) bool { return refusal(t) == proto.SessionMoved }

// refusal is why a transaction has no effect, OK if it has.
func refusal(t *proto.Txn) proto.Code {
	switch body := t.Body.(type) {
	case *proto.ErrorTxn:
		return body.Err
	case *proto.MultiTxn:
		for i := range body.Parts {
			if e, ok := body.Parts[i].Body.(*proto.ErrorTxn); ok {
				return e.Err
			}
		}
	}
	return proto.OK
}

// linearizable is G1: a write that returned before another one was asked for
// comes before it; and nothing that was answered is missing.
func (j *judge) linearizable() {
	var returned []*Op
	for _, o := range j.Ops {
		_, ok := j.zxid[o]
		switch {
		case !o.write() || !o.Answered:
		case ok:
			returned = append(returned, o)
		case o.Answer.Code == proto.OK && !refusedMultiAnswer(o) && o.Action.Op != proto.OpCloseSession:
			j.violate("G1", "%v of session %v was answered at %v, but is not committed", o.Action, o.Session, o.Zxid)
		}
	}
	slices.SortStableFunc(returned, func(a, b *Op) int { return cmp.Compare(a.Returned, b.Returned) })
	highest := proto.Zxid(0)
	for _, o := range j.Ops { // by invocation
		for len(returned) > 0 && returned[0].Returned < o.Invoked {
			highest = max(highest, j.zxid[returned[0]])
			returned = returned[1:]
		}
		if z, ok := j.zxid[o]; ok && z < highest {
			j.violate("G1", "%v of session %v was asked for when %v had returned, and is %v", o.Action, o.Session, highest, z)
		}
	}
}

// refusedMultiAnswer tells whether the answer says that a multi was not
// executed: the answer as such is OK.
func refusedMultiAnswer(o *Op) bool {
	for _, code := range o.Answer.Parts {
		if code != proto.OK {
			return true
		}
	}
	return false
}

// sessions checks what each session saw in its own order: G2, executed in
// the order of submission; G3, after a connection is lost what was executed
// is a prefix of what was sent on it; G4, zxids never go back.
func (j *judge) sessions() {
	type seen struct {
		header   proto.Zxid // of the last reply
		executed proto.Zxid // of the last own write
		own      proto.Zxid // of the last own write on conn
		conn     uint64
		lost     *Op // a write on conn that was not executed
	}
	all := map[proto.SessionID]*seen{}
	for _, o := range j.Ops {
		s := all[o.Session]
		if s == nil {
			s = &seen{}
			all[o.Session] = s
		}
		if o.Conn != s.conn {
			s.conn, s.lost, s.own = o.Conn, nil, 0
		}
		if z, ok := j.zxid[o]; ok {
			if z < s.executed {
				j.violate("G2", "%v of session %v is %v, an earlier one of it is %v", o.Action, o.Session, z, s.executed)
			}
			if s.lost != nil {
				j.violate("G3", "%v of session %v was executed, but not %v before it", o.Action, o.Session, s.lost.Action)
			}
			s.executed, s.own = max(s.executed, z), max(s.own, z)
		} else if o.write() && !o.Answered {
			s.lost = o
		}
		if !o.Answered {
			continue
		}
		// What was sent on an earlier connection and not answered may be
		// executed later than what is read on this one.
		if o.Zxid < s.header || o.Zxid < s.own {
			j.violate("G4", "%v of session %v was answered at %v; it has seen %v and written %v",
				o.Action, o.Session, o.Zxid, s.header, s.own)
		}
		s.header = max(s.header, o.Zxid)
	}
}

// syncs is G6: what a session reads after a sync has every write that
// returned, anywhere, before the sync was asked for.
func (j *judge) syncs() {
	var returned []*Op
	for _, o := range j.Ops {
		if o.Answered && o.write() {
			returned = append(returned, o)
		}
	}
	slices.SortStableFunc(returned, func(a, b *Op) int { return cmp.Compare(a.Returned, b.Returned) })
	highest := proto.Zxid(0)
	floor := map[proto.SessionID]proto.Zxid{}
	for _, o := range j.Ops {
		for len(returned) > 0 && returned[0].Returned < o.Invoked {
			highest = max(highest, j.zxid[returned[0]])
			returned = returned[1:]
		}
		switch {
		case !o.Answered:
		case o.Action.Op == proto.OpSync && o.Answer.Code == proto.OK:
			floor[o.Session] = highest
		case !o.write() && o.Zxid < floor[o.Session]:
			j.violate("G6", "%v of session %v was answered at %v; before its sync was asked for, %v had returned",
				o.Action, o.Session, o.Zxid, floor[o.Session])
		}
	}
}

// expiries is E4 and E5: a client is told that its session is over only if
// it is, and no session ends whose client was heard all the time.
func (j *judge) expiries() {
	for _, e := range j.Expired {
		if _, ok := j.closed[e.Session]; !ok {
			j.violate("E5", "a client was told at %d ms that session %v is over, which was never closed", e.At, e.Session)
		}
	}
	timeouts := map[proto.SessionID]int32{}
	for _, t := range j.Committed {
		switch body := t.Body.(type) {
		case *proto.CreateSessionTxn:
			timeouts[t.Session] = body.TimeoutMS
		case *proto.CloseSessionTxn:
			if j.byKey[opKey{t.Session, t.Cxid}] == nil {
				j.expiry(t, int64(timeouts[t.Session]))
			}
		}
	}
}

func (j *judge) expiry(t *proto.Txn, timeoutMS int64) {
	at := int64(t.Time - j.WallBase)
	last := int64(-1)
	for _, heard := range j.Heard[t.Session] {
		if heard <= at {
			last = max(last, heard)
		}
	}
	if last >= 0 && at-last < timeoutMS-j.SlackMS {
		j.violate("E4", "session %v with a timeout of %d ms expires at %d ms; its client was answered at %d ms",
			t.Session, timeoutMS, at, last)
	}
}
