package interop

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// protocolScenario goes through the corners of the client protocol by hand: what no client library sends. Each step
// that disturbs a connection works on one of its own.
type protocolScenario struct {
	r     *recorder
	mask  *masker
	named int
}

// TestProtocolCorners compares the corners of the wire protocol byte for byte, but for times and session ids.
func TestProtocolCorners(t *testing.T) {
	compareScenarioOn(t, "protocol", serverOptions{tickMS: 3000}, func(t *testing.T, r *recorder) error {
		p := &protocolScenario{r: r, mask: newMasker()}
		for _, part := range []func() error{p.handshakes, p.frames, p.requests, p.watches, p.hiddenEvents, p.multis, p.sessions, p.malformed} {
			if err := part(); err != nil {
				return err
			}
		}
		return nil
	})
}

// open makes a session and names it for the masks.
func (p *protocolScenario) open() (*rawConn, error) {
	c, err := dialRaw(p.r.server.Addr(), 0, nil, 60_000, 0)
	if err != nil {
		return nil, err
	}
	p.named++
	p.mask.name(c.session, fmt.Sprintf("session %d", p.named))
	return c, nil
}

// do sends one request and records its reply and the events before it.
func (p *protocolScenario) do(c *rawConn, step string, op int32, body []byte) {
	r, err := c.call(op, body)
	text := p.mask.reply(op, r)
	if err != nil {
		text = ending(err)
	}
	if list := c.takeEvents(); len(list) > 0 {
		text = describeEvents(list) + " " + text
	}
	p.r.emit(step, text)
}

// ending names the end of a connection the same for all its forms.
func ending(err error) string {
	if lost(err) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "connection closed"
	}
	return err.Error()
}

// fatal sends a request on a session of its own, and records the reply and whether the connection lives on.
func (p *protocolScenario) fatal(step string, op int32, body []byte) error {
	c, err := p.open()
	if err != nil {
		return err
	}
	p.do(c, step, op, body)
	p.do(c, step+", then ping", opPing, nil)
	_, _ = c.closeSession() // not open any more in most cases
	return nil
}

// raw sends bytes as they are on a new connection and records at most 200 bytes of the answer.
func (p *protocolScenario) raw(step string, b []byte, mask func(answer []byte) string) error {
	c, err := net.DialTimeout("tcp", p.r.server.Addr(), 5*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write(b); err != nil {
		return err
	}
	_ = c.SetReadDeadline(time.Now().Add(time.Second))
	answer := make([]byte, 200)
	n, err := io.ReadAtLeast(c, answer, 1)
	text := mask(answer[:n])
	if n == 0 {
		text = "no answer, " + ending(err)
	}
	p.r.emit(step, text)
	// A session that came of it is closed and its end awaited, or its expiry would move zxids at some later moment.
	if _, err := c.Write(framed(packer{}.i32(1).i32(opCloseSession))); err == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(c, 1<<16))
	}
	return nil
}

func framed(b []byte) []byte { return append(packer{}.i32(int32(len(b))), b...) }

// hello describes a connect response without what must vary.
func hello(b []byte) string {
	u := &unpacker{b: b}
	length, version, timeout, session, passwd := u.i32(), u.i32(), u.i32(), u.i64(), u.buf()
	return fmt.Sprintf("length %d version %d timeout %d session %v password of %d rest %x", length, version, timeout, session != 0, len(passwd), u.b)
}

func (p *protocolScenario) handshakes() error {
	request := func(timeout int32, zxid, session int64, passwd []byte) packer {
		return packer{}.i32(0).i64(zxid).i32(timeout).i64(session).buf(passwd)
	}
	zeros := make([]byte, 16)
	steps := []struct {
		name string
		b    []byte
	}{
		{"hello without readOnly", request(5000, 0, 0, zeros)},
		{"hello with readOnly", request(5000, 0, 0, zeros).flag(true)},
		{"hello, null password", request(5000, 0, 0, nil).flag(false)},
		{"hello, short timeout", request(1, 0, 0, zeros).flag(false)},
		{"hello, long timeout", request(1<<30, 0, 0, zeros).flag(false)},
		{"hello, negative timeout", request(-5, 0, 0, zeros).flag(false)},
		{"hello from the future", request(5000, 1<<40, 0, zeros).flag(false)},
		{"hello, unknown session", request(5000, 0, 0x123456, zeros).flag(false)},
		{"hello, cut short", request(5000, 0, 0, zeros)[:20]},
		{"hello, empty", nil},
		{"hello, protocol version 7", append(packer{}.i32(7), request(5000, 0, 0, zeros)[4:]...)},
	}
	for _, s := range steps {
		if err := p.raw(s.name, framed(s.b), hello); err != nil {
			return err
		}
	}
	if err := p.raw("negative length", packer{}.i32(-1), hello); err != nil {
		return err
	}
	if err := p.raw("huge length", packer{}.i32(1<<30), hello); err != nil {
		return err
	}
	return p.raw("ruok", []byte("ruok"), func(b []byte) string { return string(b) })
}

func (p *protocolScenario) frames() error {
	c, err := p.open()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.writeFrame(packer{}.i32(77).i32(opPing)); err != nil {
		return err
	}
	r, err := c.receive()
	p.r.emit("ping with an xid", fmt.Sprintf("xid %d err %d %v", r.xid, r.err, err))
	for _, s := range []struct {
		name string
		b    []byte
	}{
		{"header cut short", packer{}.i32(1)},
		{"empty frame", nil},
		{"admin word after the handshake", nil},
	} {
		d, err := p.open()
		if err != nil {
			return err
		}
		b := framed(s.b)
		if s.name == "admin word after the handshake" {
			b = []byte("ruok")
		}
		_, err1 := d.c.Write(b)
		_, err2 := d.receive()
		p.r.emit(s.name, ending(errors.Join(err1, err2)))
		d.Close()
	}
	// Two requests in one segment, an auth between them: replies per kind, in order.
	batch := framed(packer(nil).i32(1).i32(opExists).str("/").flag(false))
	batch = append(batch, framed(packer(nil).i32(2).i32(opGetChildren).str("/zookeeper").flag(false))...)
	if _, err := c.c.Write(batch); err != nil {
		return err
	}
	r1, err1 := c.receive()
	r2, err2 := c.receive()
	p.r.emit("pipelined", fmt.Sprintf("%d %d %v", r1.xid, r2.xid, errors.Join(err1, err2)))
	return nil
}

// requests are those that a server refuses, by reply or by closing. Java's answer to a stand-alone check destroys its
// own log, so that one is sent by the server under test's tests alone.
func (p *protocolScenario) requests() error {
	for _, s := range []struct {
		name string
		op   int32
		body []byte
	}{
		{"unknown op 0", 0, nil}, {"unknown op 10", 10, nil}, {"unknown op 99", 99, nil}, {"error op", -1, nil},
		{"read with an empty body", opGetData, nil}, {"read with a cut path", opExists, packer{}.i32(100)},
		{"read with a negative length", opGetData, packer{}.i32(-7)},
		{"auth with an unknown scheme", opAuth, authBody("nosuch", "x")}, {"auth ip", opAuth, authBody("ip", "")},
		{"auth digest without colon", opAuth, authBody("digest", "x")}, {"auth world", opAuth, authBody("world", "anyone")},
		{"auth super", opAuth, authBody("super", "x")}, {"multiRead with a write", opMultiRead, multiBody(subOp{opDelete, pathVersion("/x", -1)})},
		{"removeWatches of an unknown type", opRemoveWatches, packer{}.str("/x").i32(77)},
		{"addWatch of an unknown mode", opAddWatch, packer{}.str("/x").i32(7)},
		{"getEphemerals of a null path", opGetEphemerals, packer{}.i32(-1)},
	} {
		if err := p.fatal(s.name, s.op, s.body); err != nil {
			return err
		}
	}
	return nil
}

// watches arms what setWatches must catch up with.
func (p *protocolScenario) watches() error {
	c, err := p.open()
	if err != nil {
		return err
	}
	defer c.Close()
	p.do(c, "watched parent", opCreate, createBody("/w", nil, openACL, 0))
	r, err := c.call(opCreate, createBody("/w/a", nil, openACL, 0))
	if err != nil {
		return err
	}
	p.do(c, "changed after it", opSetData, setBody("/w/a", []byte("x"), -1))
	p.do(c, "created after it", opCreate, createBody("/w/b", nil, openACL, 0))
	lists := packer{}.i64(r.zxid).strs([]string{"/w/a", "/w/gone", "/w"}).strs([]string{"/w/b", "/w/c"}).strs([]string{"/w", "/w/gone", "/w/b"})
	p.do(c, "setWatches", opSetWatches, lists)
	p.do(c, "event of a restored exist watch", opCreate, createBody("/w/c", nil, openACL, 0))
	p.do(c, "setWatches2", opSetWatches2, append(lists, packer{}.strs([]string{"/p"}).strs([]string{"/q"})...))
	p.do(c, "event of a restored persistent watch", opCreate, createBody("/p", nil, openACL, 0))
	p.do(c, "again", opSetData, setBody("/p", nil, -1))
	p.do(c, "event of a restored recursive watch", opCreate, createBody("/q", nil, openACL, 0))
	p.do(c, "below it", opCreate, createBody("/q/r", nil, openACL, 0))
	return nil
}

// hiddenEvents: a node that a session may not read sends it no events (CVE-2024-23944).
func (p *protocolScenario) hiddenEvents() error {
	c, err := p.open()
	if err != nil {
		return err
	}
	defer c.Close()
	d, err := p.open()
	if err != nil {
		return err
	}
	defer d.Close()
	secret := []rawACL{{31, "digest", superDigest}}
	p.do(c, "watch what is above a secret", opAddWatch, packer{}.str("/secret").i32(1))
	p.do(d, "auth", opAuth, authBody("digest", superPassword))
	p.do(d, "create above", opCreate, createBody("/secret", nil, openACL, 0))
	p.do(d, "create secret", opCreate, createBody("/secret/s", nil, secret, 0))
	p.do(d, "set secret", opSetData, setBody("/secret/s", nil, -1))
	p.do(d, "delete secret", opDelete, pathVersion("/secret/s", -1))
	p.do(c, "only the node above is seen", opPing, nil)
	return nil
}

func (p *protocolScenario) multis() error {
	c, err := p.open()
	if err != nil {
		return err
	}
	defer c.Close()
	p.do(c, "multi of all kinds", opMulti, multiBody(
		subOp{opCreate, createBody("/m", nil, openACL, 0)},
		subOp{opCreateContainer, createBody("/m/c", nil, openACL, 4)},
		subOp{opCreateTTL, createTTLBody("/m/t", nil, openACL, 5, 3_600_000)},
		subOp{opSetData, setBody("/m", []byte("x"), 0)},
		subOp{opCheck, pathVersion("/m", 1)},
		subOp{opDelete, pathVersion("/m/c", 0)}))
	p.do(c, "multi with create2", opMulti, multiBody(subOp{opCreate2, createBody("/m/two", nil, openACL, 0)}))
	p.do(c, "multi with create and the container flag", opMulti, multiBody(subOp{opCreate, createBody("/m/flag4", nil, openACL, 4)}))
	p.do(c, "multiRead", opMultiRead, multiBody(subOp{opGetData, pathWatch("/m", false)}, subOp{opGetChildren, pathWatch("/none", false)}))
	return nil
}

// malformed writes come last and are compared by error code alone: 3.8.0 spends a zxid on each, later releases do not
// agree with themselves about it (PrepRequestProcessor).
func (p *protocolScenario) malformed() error {
	c, err := p.open()
	if err != nil {
		return err
	}
	defer c.Close()
	for _, s := range []struct {
		name string
		op   int32
		body []byte
	}{
		{"multi with a bad flag", opMulti, multiBody(subOp{opCreate, createBody("/m/bad", nil, openACL, 9)})},
		{"multi with a read", opMulti, multiBody(subOp{opGetData, pathWatch("/m", false)})},
		{"multi without an end", opMulti, nil},
		{"create with a cut body", opCreate, packer{}.str("/cut")},
		{"setData with an empty body", opSetData, nil},
		{"delete with a negative length", opDelete, packer{}.i32(-9).i32(0)},
	} {
		r, err := c.call(s.op, s.body)
		text := fmt.Sprintf("err %d", r.err)
		if s.op == opMulti && r.err == 0 {
			text = p.mask.body(opMulti, &unpacker{b: r.body})
		}
		if err != nil {
			text = ending(err)
		}
		p.r.emit(s.name, text)
	}
	return nil
}

// sessions: moving to another connection, a wrong password, closing.
func (p *protocolScenario) sessions() error {
	addr := p.r.server.Addr()
	c, err := p.open()
	if err != nil {
		return err
	}
	defer c.Close()
	p.do(c, "ephemeral", opCreate, createBody("/eph", nil, openACL, 1))
	_, err = dialRaw(addr, c.session, []byte(strings.Repeat("x", 16)), 5000, 0)
	p.r.emit("wrong password", fmt.Sprint(errors.Is(err, errRefused)))
	p.do(c, "the connection after a wrong password elsewhere", opPing, nil)
	d, err := dialRaw(addr, c.session, c.passwd, 3000, c.zxid)
	if err != nil {
		return err
	}
	defer d.Close()
	p.r.emit("timeout of the moved session", d.timeout)
	p.do(c, "the old connection", opPing, nil)
	p.do(d, "the new connection", opGetEphemerals, packer{}.str("/"))
	p.do(d, "close", opCloseSession, nil)
	p.do(d, "after close", opPing, nil)
	_, err = dialRaw(addr, c.session, c.passwd, 3000, 0)
	p.r.emit("attach to a closed session", fmt.Sprint(errors.Is(err, errRefused)))
	if binary.BigEndian.Uint64(c.passwd) == 0 {
		return errors.New("the password is zero")
	}
	return nil
}
