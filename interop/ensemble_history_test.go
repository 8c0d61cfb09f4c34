package interop

import (
	"slices"
	"time"
)

// callStep is one operation on one path. In a multi there are several.
type callStep struct {
	op      int32
	path    string
	value   string
	version int32
	flags   int32 // of a create
}

func (s callStep) body() []byte {
	switch s.op {
	case opCreate, opCreate2:
		return createBody(s.path, []byte(s.value), openACL, s.flags)
	case opSetData:
		return setBody(s.path, []byte(s.value), s.version)
	case opDelete, opCheck:
		return pathVersion(s.path, s.version)
	case opGetData:
		return pathWatch(s.path, false)
	case opSync:
		return packer{}.str(s.path)
	}
	return nil
}

// call is one request of a load: what was asked, when, and what is known of the answer. Times count from the start of
// the history on a monotonic clock.
type call struct {
	client  int
	session int64
	conn    int // connections of the client so far
	xid     int32
	op      int32
	steps   []callStep // one, several for a multi, none for a close of the session
	invoked time.Duration

	known    bool // the reply came
	returned time.Duration
	zxid     int64 // of the reply's header
	code     int32 // of the reply's header; of the first failing operation of a multi
	name     string
	data     string
	stat     rawStat
	sync     *call // of a read: the sync that was sent right before it, if one was
}

func (c *call) body() []byte {
	if c.op != opMulti {
		if len(c.steps) == 0 {
			return nil
		}
		return c.steps[0].body()
	}
	var ops []subOp
	for _, s := range c.steps {
		ops = append(ops, subOp{s.op, s.body()})
	}
	return multiBody(ops...)
}

// isWrite tells what takes a zxid.
func (c *call) isWrite() bool { return c.op != opGetData && c.op != opSync }

// onlyPath is the path of a call that is about one, and "" of others.
func (c *call) onlyPath() string {
	if len(c.steps) == 1 {
		return c.steps[0].path
	}
	return ""
}

// take fills in what a reply says.
func (c *call) take(r reply, now time.Duration) error {
	c.known, c.returned, c.zxid, c.code = true, now, r.zxid, r.err
	if r.err != 0 {
		return nil
	}
	u := &unpacker{b: r.body}
	switch c.op {
	case opCreate:
		c.name = u.str()
	case opCreate2:
		c.name, c.stat = u.str(), u.stat()
	case opSetData:
		c.stat = u.stat()
	case opGetData:
		c.data, c.stat = string(u.buf()), u.stat()
	case opMulti:
		c.code = multiCode(u)
	}
	return u.err
}

// multiCode is the code of the first operation that failed, 0 when all succeeded.
func multiCode(u *unpacker) int32 {
	for u.err == nil {
		op, done, code := u.i32(), u.flag(), u.i32()
		switch {
		case done:
			return 0
		case op == -1 && code != 0:
			u.i32()
			return code
		case op == -1:
			u.i32()
		case op == opCreate:
			u.str()
		case op == opSetData:
			u.stat()
		}
	}
	return 0
}

// loss is a session that ended although its client did not end it.
type loss struct {
	client  int
	session int64
	silent  time.Duration // since the last sign of life that a server answered
	timeout time.Duration
}

// history is what all clients of a load saw.
type history struct {
	start    time.Time
	calls    []*call // by client, in the order sent
	losses   []loss
	sessions map[int64]bool // all that were opened, and whether they were left open
}

func (h *history) now() time.Duration { return time.Since(h.start) }

// acknowledged counts writes that were answered without error.
func (h *history) acknowledged() int {
	n := 0
	for _, c := range h.calls {
		if c.isWrite() && c.known && c.code == 0 {
			n++
		}
	}
	return n
}

// unknown counts writes that were not answered.
func (h *history) unknown() int {
	n := 0
	for _, c := range h.calls {
		if c.isWrite() && !c.known {
			n++
		}
	}
	return n
}

// longestGap is the longest time without a successful write between two moments.
func (h *history) longestGap(from, to time.Duration) time.Duration {
	var times []time.Duration
	for _, c := range h.calls {
		if c.isWrite() && c.known && c.code == 0 && c.returned >= from && c.returned <= to {
			times = append(times, c.returned)
		}
	}
	slices.Sort(times)
	gap, last := time.Duration(0), from
	for _, at := range append(times, to) {
		gap, last = max(gap, at-last), at
	}
	return gap
}
