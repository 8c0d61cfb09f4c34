package clients

import (
	"encoding/binary"
	"time"

	"quokka/internal/fifo"
	"quokka/internal/proto"
)

// A request is one request that waits in a pipe: an Ordered one until the
// loop answers it, or a read until the Ordered ones before it are answered.
type request struct {
	xid  int32
	op   proto.Op
	body []byte     // of a read
	auth []proto.ID // of a read: the client's identities when it came in
	read bool
	at   time.Time // when it was read from the socket
}

// A pipe is the order of a connection's replies. It is empty unless an
// Ordered request is pending; its first entry is then the oldest such one.
type pipe = fifo.Queue[request]

// replyHeader is the frame length and the ReplyHeader.
const replyHeader = 4 + 16

func sealFrame(b []byte, at int) {
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
}

// Begin locks the outgoing buffer and returns it with room for a reply's
// header; the caller appends the body and calls End with the result.
func (c *Conn) Begin() []byte {
	c.mu.Lock()
	var head [replyHeader]byte
	return append(c.out, head[:]...)
}

// End completes the reply that Begin began at the end of the buffer, or
// drops its body when h.Err says so, and unlocks.
func (c *Conn) End(b []byte, h proto.ReplyHeader, op proto.Op, at time.Time) {
	c.end(b, h, op, at, false)
}

func (c *Conn) end(b []byte, h proto.ReplyHeader, op proto.Op, at time.Time, write bool) {
	start := len(c.out)
	if h.Err != proto.OK && len(b) > start+replyHeader && op != proto.OpMulti && op != proto.OpMultiRead {
		b = b[:start+replyHeader]
	}
	proto.AppendReplyHeader(b[:start+4], h)
	sealFrame(b, start)
	c.out = b
	c.account(h, op, len(b)-start, at, write)
	c.mu.Unlock()
}

// Answer is End for the oldest pending request of the pipe, and takes it
// out. Its xid is filled in.
func (c *Conn) Answer(b []byte, h proto.ReplyHeader) {
	if c.closed { // and its pipe given up
		c.mu.Unlock()
		return
	}
	r := c.pipe.Pop()
	h.Xid = r.xid
	c.srv.outstanding.Add(-1)
	c.room.Broadcast()
	c.end(b, h, r.op, r.at, r.op != proto.OpSync)
}

// Drop takes the oldest pending request out without an answer: its
// connection is closed.
func (c *Conn) Drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.pipe.Pop()
		c.srv.outstanding.Add(-1)
		c.room.Broadcast()
	}
}

// abandon gives up what waits in the pipe of a closed connection, whose
// answers nobody takes out any more. The caller holds c.mu.
func (c *Conn) abandon() {
	for c.pipe.Len() > 0 {
		if r := c.pipe.Pop(); !r.read {
			c.srv.outstanding.Add(-1)
		}
	}
	c.pipe = pipe{}
}

// NextRead takes out a read that no pending request stands before any more.
// It has the identities of the moment it came in, not those of an auth packet
// that came after it and was answered before.
func (c *Conn) NextRead() (xid int32, op proto.Op, body []byte, auth []proto.ID, at time.Time, ok bool) {
	c.mu.Lock()
	if len(c.out) > c.srv.opt.MaxUnsent { // a pipe full of large replies
		c.mu.Unlock()
		c.CheckUnsent()
		return 0, 0, nil, nil, time.Time{}, false
	}
	defer c.mu.Unlock()
	if c.pipe.Len() == 0 || !c.pipe.Peek().read || c.closed {
		return 0, 0, nil, nil, time.Time{}, false
	}
	r := c.pipe.Pop()
	c.room.Broadcast() // the connection may have nothing outstanding any more
	return r.xid, r.op, r.body, r.auth, r.at, true
}

// Event appends a watch event.
func (c *Conn) Event(zxid proto.Zxid, t proto.EventType, path string) {
	c.mu.Lock()
	at := len(c.out)
	var length [4]byte
	b := append(c.out, length[:]...)
	b = proto.AppendReplyHeader(b, proto.ReplyHeader{Xid: proto.XidEvent, Zxid: zxid})
	b = proto.AppendWatcherEvent(b, t, path)
	sealFrame(b, at)
	c.out = b
	c.stats.Sent++
	m := c.srv.opt.Metrics
	m.PacketsSent.Inc()
	m.ResponseSizes.Observe(int64(len(b) - at - 4))
	m.WatchBytes.Add(int64(len(b) - at - 4))
	c.mu.Unlock()
}

// account counts a reply of n bytes, frame length included, to a request that
// came in at the given time.
func (c *Conn) account(h proto.ReplyHeader, op proto.Op, n int, at time.Time, write bool) {
	c.stats.Sent++
	m := c.srv.opt.Metrics
	m.PacketsSent.Inc()
	m.ResponseSizes.Observe(int64(n - 4))
	if _, ok := opWords[op]; !ok {
		return // auth, SASL, and what is refused at the door never were requests
	}
	if op != proto.OpPing {
		m.ResponseBytes.Add(int64(n - 4))
	}
	c.measure(h, op, at, write)
}

// measure counts the end of a request (FinalRequestProcessor.updateStats). A
// write that was refused has no name: "NA", and is none of its kind.
func (c *Conn) measure(h proto.ReplyHeader, op proto.Op, at time.Time, write bool) {
	now := time.Now()
	ms := now.Sub(at).Milliseconds()
	st, m := &c.stats, c.srv.opt.Metrics
	st.LastOp = opWord(op)
	if write && h.Err != proto.OK {
		st.LastOp = opUnnamed
	} else {
		m.Ops.Inc(int32(op))
	}
	if h.Xid >= 0 { // not a ping's or the like (ServerCnxn.updateStatsForResponse)
		st.LastCxid = h.Xid
	}
	if h.Zxid > 0 {
		st.LastZxid = int64(h.Zxid)
	}
	st.LastResponse = now
	st.LatencyMS = ms
	if st.Answers == 0 || ms < st.MinMS {
		st.MinMS = ms
	}
	st.MaxMS = max(st.MaxMS, ms)
	st.SumMS += ms
	st.Answers++
	m.ObserveLatency(ms, write)
}

// opWords are the names the word cons shows (Request.op2String and
// ServerCnxn's lop), by operation code.
var opWords = map[proto.Op]string{
	proto.OpPing: "PING", proto.OpCreateSession: "SESS", proto.OpMulti: "MULT", proto.OpMultiRead: "MLTR",
	proto.OpCreate: "CREA", proto.OpCreate2: "CREA", proto.OpCreateTTL: "CREA", proto.OpCreateContainer: "CREA",
	proto.OpDelete: "DELE", proto.OpDeleteContainer: "DELE", proto.OpSetData: "SETD", proto.OpReconfig: "RECO",
	proto.OpSetACL: "SETA", proto.OpCloseSession: "CLOS", proto.OpSync: "SYNC", proto.OpCheck: "CHEC",
	proto.OpExists: "EXIS", proto.OpGetData: "GETD", proto.OpSetWatches: "SETW", proto.OpSetWatches2: "STW2",
	proto.OpAddWatch: "ADDW", proto.OpGetACL: "GETA", proto.OpGetChildren: "GETC", proto.OpGetChildren2: "GETC",
	proto.OpGetAllChildrenNumber: "GETACN", proto.OpCheckWatches: "CHKW", proto.OpRemoveWatches: "REMW",
	proto.OpWhoAmI: "HOMI", proto.OpGetEphemerals: "GETE",
}

func opWord(op proto.Op) string {
	if w, ok := opWords[op]; ok {
		return w
	}
	return opUnnamed
}

const opUnnamed = "NA"

// Kick wakes the connection's writer.
func (c *Conn) Kick() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// Send sends what is in the outgoing buffer, if it is little and the socket
// takes it at once, and wakes the connection's writer for the rest. It never
// blocks. The loop answers with it: when many clients are busy, a writer would
// wait its turn behind the readers of all of them.
func (c *Conn) Send() {
	c.mu.Lock()
	if n := len(c.out); n == 0 || n > sendNow || c.writing || c.closed || c.lastOut || !c.attempt.possible() {
		c.mu.Unlock()
		c.Kick()
		return
	}
	c.writing = true
	b := c.out
	c.out = c.spare[:0]
	c.spare = nil
	c.mu.Unlock()
	n := c.attempt.write(b)
	c.mu.Lock()
	if n < len(b) {
		c.out = append(b[n:], c.out...)
	} else if cap(b) <= keepBuffer {
		c.spare = b
	}
	c.writing = false
	rest := len(c.out) > 0 || c.lastOut // those who found it being sent rely on that
	c.room.Broadcast()
	c.mu.Unlock()
	if rest {
		c.Kick()
	}
}

// sendNow is how many bytes are sent at once: the replies to a client that
// waits for each, not those to one that pipelines.
const sendNow = 512

// flush sends what is in the outgoing buffer, unless somebody else is at it
// already, who then sends this too. It blocks only its own connection.
func (c *Conn) flush() {
	c.mu.Lock()
	if c.writing {
		c.mu.Unlock()
		return
	}
	c.writing = true
	for len(c.out) > 0 && !c.closed {
		b := c.out
		c.out = c.spare[:0]
		c.spare = nil
		c.mu.Unlock()
		_, err := c.nc.Write(b)
		if err != nil {
			c.Shut("cannot send: " + err.Error())
		}
		c.mu.Lock()
		if cap(b) <= keepBuffer || cap(b) <= 4*len(b) && cap(b) <= 4*flushAt {
			c.spare = b
		}
		c.room.Broadcast() // its reader waits when too much is unsent
	}
	c.writing = false
	last := c.lastOut && !c.closed
	c.mu.Unlock()
	if last {
		c.Shut("all is sent")
	}
}

// keepBuffer is the largest outgoing buffer that is kept for the next use
// though little of it was used.
const keepBuffer = 4 << 10
