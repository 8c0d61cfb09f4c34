package cli

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"

	"quokka/internal/jute"
	"quokka/internal/proto"
)

const (
	createDirs = 64        // directories among which create spreads its nodes
	fillDepth  = 16        // requests fill keeps in flight at least
	multiBytes = 512 << 10 // longest multi; half of Java's jute.maxbuffer
	statBytes  = 68
)

// A benchSource makes the requests of one session. next appends one whole
// frame numbered seq, or returns false when there are no more.
type benchSource interface {
	next(b []byte, seq uint64) ([]byte, inFlight, bool)
}

func randomBytes(seed uint64, n int) []byte {
	b := make([]byte, n, n+8)
	rng := rand.New(rand.NewPCG(seed, 0))
	for i := 0; i < n; i += 8 {
		binary.LittleEndian.PutUint64(b[i:i+8], rng.Uint64())
	}
	return b
}

// appendCreateTail appends what follows the path in a create: data, the ACL
// that allows everything to everybody, and the flags of a persistent node.
func appendCreateTail(b, data []byte) []byte {
	if data == nil {
		data = []byte{}
	}
	b = jute.AppendBuffer(b, data)
	b = jute.AppendInt(b, 1)
	b = jute.AppendInt(b, proto.PermAll)
	b = jute.AppendString(b, "world")
	b = jute.AppendString(b, "anyone")
	return jute.AppendInt(b, proto.FlagPersistent)
}

// appendNumbered appends a path that ends in numbers: prefix, a, and unless
// it is negative, a slash and n.
func appendNumbered(b []byte, prefix string, a, n int64) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	b = append(b, prefix...)
	b = strconv.AppendInt(b, a, 10)
	if n >= 0 {
		b = append(b, '/')
		b = strconv.AppendInt(b, n, 10)
	}
	endFrame(b, start) // a string's length is written like a frame's
	return b
}

// limited ends a source early.
type limited struct {
	source benchSource
	left   int64
}

func (l *limited) next(b []byte, seq uint64) ([]byte, inFlight, bool) {
	if l.left == 0 {
		return b, inFlight{}, false
	}
	l.left--
	return l.source.next(b, seq)
}

// keys sets and gets nodes in random order.
type keys struct {
	prefix  string
	n       int64
	reads   float64
	payload []byte
	rng     *rand.Rand
}

// keySource returns the workload with that share of reads.
func keySource(reads float64) func(*benchRun, int) benchSource {
	return func(b *benchRun, session int) benchSource {
		rng := rand.New(rand.NewPCG(b.Seed, uint64(session)+1))
		return &keys{b.Prefix + "/key/", int64(b.Keys), reads, b.payload, rng}
	}
}

func (k *keys) next(b []byte, seq uint64) ([]byte, inFlight, bool) {
	f := inFlight{op: proto.OpGetData, ops: 1}
	if k.reads < 1 && (k.reads == 0 || k.rng.Float64() >= k.reads) {
		f.op = proto.OpSetData
	}
	start := len(b)
	b = beginFrame(b, seq, f.op)
	b = appendNumbered(b, k.prefix, k.rng.Int64N(k.n), -1)
	if f.op == proto.OpGetData {
		b = jute.AppendBool(b, false)
	} else {
		b = jute.AppendBuffer(b, k.payload)
		b = jute.AppendInt(b, -1)
	}
	endFrame(b, start)
	return b, f, true
}

// creates makes nodes that nobody else makes, and counts them.
type creates struct {
	prefix  string // up to the directory's number
	session int64
	all     int64 // sessions
	payload []byte
	made    *int64
}

func (b *benchRun) createSource(session int) benchSource {
	return &creates{b.Prefix + "/create/", int64(session), int64(b.Sessions), b.payload, &b.created[session]}
}

func (c *creates) next(b []byte, seq uint64) ([]byte, inFlight, bool) {
	start := len(b)
	b = beginFrame(b, seq, proto.OpCreate)
	b = appendNumbered(b, c.prefix, *c.made%createDirs, c.session+*c.made*c.all)
	b = appendCreateTail(b, c.payload)
	endFrame(b, start)
	*c.made++
	return b, inFlight{op: proto.OpCreate, ops: 1}, true
}

// deletes takes away what a creates made.
type deletes struct {
	creates
	gone int64
}

func (b *benchRun) deleteSource(session int) benchSource {
	return &deletes{creates: *b.createSource(session).(*creates)}
}

func (d *deletes) next(b []byte, seq uint64) ([]byte, inFlight, bool) {
	if *d.made == d.gone {
		return b, inFlight{}, false
	}
	*d.made--
	start := len(b)
	b = beginFrame(b, seq, proto.OpDelete)
	b = appendNumbered(b, d.prefix, *d.made%createDirs, d.session+*d.made*d.all)
	b = jute.AppendInt(b, -1)
	endFrame(b, start)
	return b, inFlight{op: proto.OpDelete, ops: 1}, true
}

// fills makes the nodes from n to end, batch of them with one request.
type fills struct {
	prefix  string
	n, end  int64
	fanout  int64
	batch   int64
	payload []byte
}

func (b *benchRun) fillSource(session int) benchSource {
	prefix := b.Prefix + "/fill/"
	perNode := len(prefix) + b.Size + 64
	batch := max(min(b.Batch, multiBytes/perNode), 1)
	share := func(i int) int64 { return int64(b.Nodes) * int64(i) / int64(b.Sessions) }
	return &fills{prefix, share(session), share(session + 1), int64(b.Fanout), int64(batch), b.payload}
}

func (s *fills) next(b []byte, seq uint64) ([]byte, inFlight, bool) {
	count := min(s.batch, s.end-s.n)
	if count == 0 {
		return b, inFlight{}, false
	}
	f := inFlight{op: proto.OpMulti, ops: int32(count)}
	if s.batch == 1 {
		f.op = proto.OpCreate
	}
	start := len(b)
	b = beginFrame(b, seq, f.op)
	for range count {
		if f.op == proto.OpMulti {
			b = proto.AppendMultiHeader(b, proto.MultiHeader{Op: proto.OpCreate, Err: -1})
		}
		b = appendNumbered(b, s.prefix, s.n/s.fanout, s.n%s.fanout)
		b = appendCreateTail(b, s.payload)
		s.n++
	}
	if f.op == proto.OpMulti {
		b = proto.AppendMultiHeader(b, proto.MultiEnd)
	}
	endFrame(b, start)
	return b, f, true
}

// checkReply tells whether a reply is an error, and refuses one that cannot
// be the answer to its request.
func (c *benchConn) checkReply(f *inFlight, h proto.ReplyHeader, body []byte, size int) (proto.Code, error) {
	if h.Zxid < c.zxid {
		return 0, fmt.Errorf("%s went back in time: zxid %v after %v", c.server, h.Zxid, c.zxid)
	}
	c.zxid = h.Zxid
	if h.Err != proto.OK {
		return h.Err, nil
	}
	want := -1 // bytes; -1 is any number
	switch f.op {
	case proto.OpGetData:
		want = 4 + size + statBytes
	case proto.OpSetData:
		want = statBytes
	case proto.OpDelete:
		want = 0
	case proto.OpMulti:
		return multiError(body)
	}
	if want >= 0 && len(body) != want {
		return 0, fmt.Errorf("%s answered %v with %d bytes, want %d", c.server, f.op, len(body), want)
	}
	return proto.OK, nil
}

// multiError returns the code that made a multi of creates fail. The reply
// header does not tell: it is OK also when nothing was done.
func multiError(body []byte) (proto.Code, error) {
	d := jute.NewDecoder(body)
	for {
		h := proto.DecodeMultiHeader(&d)
		switch {
		case d.Err() != nil:
			return 0, fmt.Errorf("reply to multi: %w", d.Err())
		case h.Done:
			return proto.OK, nil
		case h.Op == proto.OpCreate:
			return proto.OK, nil // all are done, or none
		case h.Err != proto.OK:
			return h.Err, nil
		}
		d.Int()
	}
}
