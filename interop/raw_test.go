package interop

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// Opcodes, see ZooDefs.OpCode. They are spelled out here, independent of the server's own table.
const (
	opCreate          int32 = 1
	opDelete          int32 = 2
	opExists          int32 = 3
	opGetData         int32 = 4
	opSetData         int32 = 5
	opGetACL          int32 = 6
	opSetACL          int32 = 7
	opGetChildren     int32 = 8
	opSync            int32 = 9
	opPing            int32 = 11
	opGetChildren2    int32 = 12
	opCheck           int32 = 13
	opMulti           int32 = 14
	opCreate2         int32 = 15
	opReconfig        int32 = 16
	opCheckWatches    int32 = 17
	opRemoveWatches   int32 = 18
	opCreateContainer int32 = 19
	opDeleteContainer int32 = 20
	opCreateTTL       int32 = 21
	opMultiRead       int32 = 22
	opAuth            int32 = 100
	opSetWatches      int32 = 101
	opGetEphemerals   int32 = 103
	opGetAllChildren  int32 = 104
	opSetWatches2     int32 = 105
	opAddWatch        int32 = 106
	opWhoAmI          int32 = 107
	opCreateSession   int32 = -10
	opCloseSession    int32 = -11
)

const (
	xidEvent      int32 = -1
	xidPing       int32 = -2
	xidAuth       int32 = -4
	xidSetWatches int32 = -8
)

const (
	errNoNode int32 = -101
	errNoAuth int32 = -102
)

// rawTimeout bounds every wait of a raw connection.
const rawTimeout = 20 * time.Second

// packer appends jute primitives.
type packer []byte

func (p packer) i32(v int32) packer { return binary.BigEndian.AppendUint32(p, uint32(v)) }
func (p packer) i64(v int64) packer { return binary.BigEndian.AppendUint64(p, uint64(v)) }
func (p packer) str(s string) packer {
	return append(p.i32(int32(len(s))), s...)
}

// buf writes nil as a null buffer.
func (p packer) buf(b []byte) packer {
	if b == nil {
		return p.i32(-1)
	}
	return append(p.i32(int32(len(b))), b...)
}

func (p packer) flag(v bool) packer {
	if v {
		return append(p, 1)
	}
	return append(p, 0)
}

func (p packer) strs(list []string) packer {
	p = p.i32(int32(len(list)))
	for _, s := range list {
		p = p.str(s)
	}
	return p
}

// rawACL is one entry of an ACL.
type rawACL struct {
	perms      int32
	scheme, id string
}

var openACL = []rawACL{{31, "world", "anyone"}}

// acls writes nil as a null vector.
func (p packer) acls(list []rawACL) packer {
	if list == nil {
		return p.i32(-1)
	}
	p = p.i32(int32(len(list)))
	for _, a := range list {
		p = p.i32(a.perms).str(a.scheme).str(a.id)
	}
	return p
}

// unpacker consumes jute primitives; the first shortage sticks in err.
type unpacker struct {
	b   []byte
	err error
}

func (u *unpacker) take(n int) []byte {
	if u.err == nil && (n < 0 || n > len(u.b)) {
		u.err = fmt.Errorf("%d bytes wanted, %d left", n, len(u.b))
	}
	if u.err != nil {
		return nil
	}
	b := u.b[:n]
	u.b = u.b[n:]
	return b
}

func (u *unpacker) i32() int32 {
	if b := u.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (u *unpacker) i64() int64 {
	if b := u.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

func (u *unpacker) flag() bool {
	b := u.take(1)
	return b != nil && b[0] != 0
}

// buf returns nil for a null buffer and an empty slice for an empty one.
func (u *unpacker) buf() []byte {
	n := u.i32()
	if n == -1 || u.err != nil {
		return nil
	}
	return append([]byte{}, u.take(int(n))...)
}

func (u *unpacker) str() string { return string(u.buf()) }

func (u *unpacker) count() int {
	n := int(u.i32())
	if n > len(u.b) {
		u.err = fmt.Errorf("vector of %d elements in %d bytes", n, len(u.b))
		return 0
	}
	return n
}

func (u *unpacker) strs() []string {
	list := []string{}
	for range max(0, u.count()) {
		list = append(list, u.str())
	}
	return list
}

func (u *unpacker) acls() []rawACL {
	list := []rawACL{}
	for range max(0, u.count()) {
		list = append(list, rawACL{u.i32(), u.str(), u.str()})
	}
	return list
}

// rawStat is Stat as on the wire.
type rawStat struct {
	czxid, mzxid, ctime, mtime  int64
	version, cversion, aversion int32
	owner                       int64
	dataLength, numChildren     int32
	pzxid                       int64
}

func (u *unpacker) stat() rawStat {
	return rawStat{u.i64(), u.i64(), u.i64(), u.i64(), u.i32(), u.i32(), u.i32(), u.i64(), u.i32(), u.i32(), u.i64()}
}

// reply is one frame from the server.
type reply struct {
	xid  int32
	zxid int64
	err  int32
	body []byte
}

// event is a watch notification.
type event struct {
	zxid      int64
	kind      int32
	state     int32
	path      string
	afterXids int // replies read on this connection before the event
}

// rawConn is one session on one connection, without any of a client library's cleverness.
type rawConn struct {
	c       net.Conn
	r       *bufio.Reader
	session int64
	passwd  []byte
	timeout int32
	xid     int32
	zxid    int64 // highest zxid seen in a reply
	replies int
	events  []event // not yet taken
}

var errRefused = errors.New("session refused: the connect response has timeout 0")

// dialRaw opens a session; session 0 makes a new one.
func dialRaw(addr string, session int64, passwd []byte, timeoutMS int32, lastZxid int64) (*rawConn, error) {
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	r := &rawConn{c: c, r: bufio.NewReaderSize(c, 1<<16), zxid: lastZxid}
	if passwd == nil {
		passwd = make([]byte, 16)
	}
	hello := packer{}.i32(0).i64(lastZxid).i32(timeoutMS).i64(session).buf(passwd).flag(false)
	if err := r.handshake(hello); err != nil {
		c.Close()
		return nil, fmt.Errorf("session on %s: %w", addr, err)
	}
	return r, nil
}

func (r *rawConn) handshake(hello []byte) error {
	if err := r.writeFrame(hello); err != nil {
		return err
	}
	b, err := r.readFrame()
	if err != nil {
		return err
	}
	u := &unpacker{b: b}
	u.i32()
	r.timeout, r.session, r.passwd = u.i32(), u.i64(), u.buf()
	u.flag()
	if u.err != nil {
		return fmt.Errorf("connect response: %w", u.err)
	}
	if r.timeout == 0 {
		return errRefused
	}
	return nil
}

func (r *rawConn) writeFrame(b []byte) error {
	_ = r.c.SetWriteDeadline(time.Now().Add(rawTimeout))
	_, err := r.c.Write(append(packer{}.i32(int32(len(b))), b...))
	return err
}

func (r *rawConn) readFrame() ([]byte, error) {
	_ = r.c.SetReadDeadline(time.Now().Add(rawTimeout))
	var head [4]byte
	if _, err := io.ReadFull(r.r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > 1<<26 {
		return nil, fmt.Errorf("frame of %d bytes", n)
	}
	b := make([]byte, n)
	_, err := io.ReadFull(r.r, b)
	return b, err
}

// send writes a request and returns the xid used.
func (r *rawConn) send(op int32, body []byte) (int32, error) {
	xid := specialXid(op)
	if xid == 0 {
		r.xid++
		xid = r.xid
	}
	return xid, r.writeFrame(append(packer{}.i32(xid).i32(op), body...))
}

func specialXid(op int32) int32 {
	switch op {
	case opPing:
		return xidPing
	case opAuth:
		return xidAuth
	case opSetWatches, opSetWatches2:
		return xidSetWatches
	}
	return 0
}

// receive reads the next reply; events on the way are kept.
func (r *rawConn) receive() (reply, error) {
	for {
		b, err := r.readFrame()
		if err != nil {
			return reply{}, err
		}
		u := &unpacker{b: b}
		rep := reply{xid: u.i32(), zxid: u.i64(), err: u.i32()}
		rep.body = u.b
		if u.err != nil {
			return reply{}, fmt.Errorf("reply header: %w", u.err)
		}
		if rep.xid != xidEvent {
			r.replies++
			r.zxid = max(r.zxid, rep.zxid)
			return rep, nil
		}
		e := event{zxid: rep.zxid, kind: u.i32(), state: u.i32(), path: u.str(), afterXids: r.replies}
		if u.err != nil {
			return reply{}, fmt.Errorf("event: %w", u.err)
		}
		r.events = append(r.events, e)
	}
}

// call sends one request and waits for its reply.
func (r *rawConn) call(op int32, body []byte) (reply, error) {
	xid, err := r.send(op, body)
	if err != nil {
		return reply{}, err
	}
	rep, err := r.receive()
	if err == nil && rep.xid != xid {
		err = fmt.Errorf("xid %d answered to xid %d of op %d", rep.xid, xid, op)
	}
	return rep, err
}

// takeEvents returns the events read so far and forgets them.
func (r *rawConn) takeEvents() []event {
	e := r.events
	r.events = nil
	return e
}

// Close drops the connection without closing the session.
func (r *rawConn) Close() { r.c.Close() }

// closeSession ends the session; the server closes the connection after its reply.
func (r *rawConn) closeSession() (reply, error) {
	rep, err := r.call(opCloseSession, nil)
	r.c.Close()
	return rep, err
}

func createBody(path string, data []byte, acl []rawACL, flags int32) packer {
	return packer{}.str(path).buf(data).acls(acl).i32(flags)
}

func createTTLBody(path string, data []byte, acl []rawACL, flags int32, ttlMS int64) packer {
	return createBody(path, data, acl, flags).i64(ttlMS)
}

func setBody(path string, data []byte, version int32) packer {
	return packer{}.str(path).buf(data).i32(version)
}

func pathVersion(path string, version int32) packer { return packer{}.str(path).i32(version) }

func pathWatch(path string, watch bool) packer { return packer{}.str(path).flag(watch) }

func authBody(scheme, auth string) packer { return packer{}.i32(0).str(scheme).buf([]byte(auth)) }

// subOp is one operation of a multi.
type subOp struct {
	op   int32
	body []byte
}

func multiBody(ops ...subOp) packer {
	var p packer
	for _, o := range ops {
		p = append(p.i32(o.op).flag(false).i32(-1), o.body...)
	}
	return p.i32(-1).flag(true).i32(-1)
}
