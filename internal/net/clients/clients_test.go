package clients

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"quokka/internal/jute"
	"quokka/internal/proto"
)

// The byte readOnly is answered only to clients that sent it.
func TestHandshake(t *testing.T) {
	p := open(t, nil)
	for _, with := range []bool{false, true} {
		c := p.dial()
		req := proto.ConnectRequest{TimeoutMS: 4321, Password: make([]byte, 16), HasReadOnly: with}
		c.frame(proto.AppendConnectRequest(nil, &req))
		b := c.next()
		r, err := proto.DecodeConnectResponse(b)
		if err != nil || r.HasReadOnly != with || r.TimeoutMS != 4321 || r.SessionID == 0 || len(r.Password) != 16 {
			t.Errorf("readOnly sent %v: %+v, %v", with, r, err)
		}
		c.frame(packet(-2, proto.OpPing, ""))
		c.reply(-2, 7, proto.OK)
	}
}

// The byte is true when the server serves reads only.
func TestReadOnlyHandshake(t *testing.T) {
	for _, refuse := range []bool{false, true} {
		p := open(t, func(_ *Options, b *fakeBackend) { b.readOnly, b.refuse = true, refuse })
		c := p.dial()
		req := proto.ConnectRequest{TimeoutMS: 4321, Password: make([]byte, 16), HasReadOnly: true, ReadOnly: true}
		c.frame(proto.AppendConnectRequest(nil, &req))
		if r, err := proto.DecodeConnectResponse(c.next()); err != nil || !r.ReadOnly || (r.SessionID == 0) != refuse {
			t.Errorf("refused %v: %+v, %v", refuse, r, err)
		}
	}
}

func TestRefusedHandshake(t *testing.T) {
	p := open(t, func(_ *Options, b *fakeBackend) { b.refuse = true })
	c := p.dial()
	c.frame(hello)
	if b := c.next(); string(b[:20]) != string(make([]byte, 16))+"\x00\x00\x00\x10" || len(b) != 36 {
		t.Errorf("%x", b)
	}
	c.closed()
}

func TestWhatIsNoHandshake(t *testing.T) {
	p := open(t, func(o *Options, _ *fakeBackend) { o.HandshakeTimeout = 50 * time.Millisecond })
	for name, bytes := range map[string]string{
		"nothing": "", "half a length": "\x00\x00", "half a frame": "\x00\x00\x00\x2cabc", "http": "GET / HTTP/1.1\r\n\r\n",
		"empty frame": "\x00\x00\x00\x00", "short frame": "\x00\x00\x00\x04abcd", "negative": "\xff\xff\xff\xffxxxx",
		"telnet": "\xff\xf4\xff\xfd\x06", "password too long": string(framed([]byte(strings.Repeat("\x7f", 60)))),
	} {
		c := p.dial()
		c.send([]byte(bytes))
		if b := c.next(); b != nil {
			t.Errorf("%s: %x", name, b)
		}
	}
	if n := p.srv.opt.Metrics.SessionlessExpired.Load(); n != 3 {
		t.Errorf("%d connections closed for their silence, want 3", n)
	}
	if len(p.backend.connects) != 0 {
		t.Errorf("handshakes: %v", p.backend.connects)
	}
}

func TestDeadlineEndsWithTheHandshake(t *testing.T) {
	p := open(t, func(o *Options, _ *fakeBackend) { o.HandshakeTimeout = 50 * time.Millisecond })
	c := p.attached()
	<-time.After(100 * time.Millisecond) // twice the deadline
	c.frame(packet(-2, proto.OpPing, ""))
	c.reply(-2, 7, proto.OK)
}

func TestWords(t *testing.T) {
	p := open(t, nil)
	for in, want := range map[string]string{
		"ruok": "ruok:", "ruok\r\n": "ruok:", "stmk12345678": "stmk:12345678", "stmk123": "",
	} {
		c := p.dial()
		c.send([]byte(in))
		if in == "stmk123" {
			_ = c.Close() // gives up
			continue
		}
		b, err := io.ReadAll(c)
		if string(b) != want || err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("%q: %q, %v", in, b, err)
		}
	}
	c := p.attached() // after the handshake a word is the length of a frame
	c.send([]byte("ruok"))
	c.closed()
}

func TestOversizedFramesAreLoggedOnce(t *testing.T) {
	p := open(t, func(_ *Options, _ *fakeBackend) {})
	for range 3 {
		c := p.dial()
		req := proto.ConnectRequest{TimeoutMS: 1000, SessionID: 77, Password: make([]byte, 16)} // it comes again
		c.frame(proto.AppendConnectRequest(nil, &req))
		c.next()
		body := jute.AppendString(nil, "/big")
		c.send(framed(packet(1, proto.OpCreate, string(body)+strings.Repeat("x", 5000))))
		c.closed()
	}
	log := p.log.String()
	if strings.Count(log, "too large") != 1 || !strings.Contains(log, "operation=create") || !strings.Contains(log, "path=/big") ||
		!strings.Contains(log, "limit=4000") {
		t.Errorf("log: %s", log)
	}
}

func TestRefusals(t *testing.T) {
	p := open(t, nil)
	for name, c := range map[string]struct {
		frame []byte
		reply string // xid zxid err, or nothing
	}{
		"unknown op":     {packet(9, 4711, ""), "9 -1 -6"},
		"internal op":    {packet(9, proto.OpCreateSession, ""), "9 -1 -6"},
		"wrong scheme":   {packet(-4, proto.OpAuth, authBody("none", "x")), "-4 0 -115"},
		"malformed auth": {packet(-4, proto.OpAuth, "\x00"), "-4 0 -115"},
		"no header":      {[]byte("abc"), ""},
		"empty":          {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			x := p.attached()
			x.t = t
			x.frame(c.frame, packet(10, proto.OpPing, ""))
			if c.reply != "" {
				var xid int32
				var zxid proto.Zxid
				var code proto.Code
				if _, err := fmt.Sscan(c.reply, &xid, (*int64)(&zxid), (*int32)(&code)); err != nil {
					t.Fatal(err)
				}
				if body := x.reply(xid, zxid, code); body != "" {
					t.Errorf("body %q", body)
				}
			}
			x.closed()
		})
	}
}

func authBody(scheme, data string) string {
	b := jute.AppendInt(nil, 0)
	return string(jute.AppendBuffer(jute.AppendString(b, scheme), []byte(data)))
}

// Auth and SASL are answered at once, whatever waits.
func TestAuthOvertakes(t *testing.T) {
	p := open(t, func(_ *Options, b *fakeBackend) { b.hold = true })
	c := p.attached()
	c.frame(packet(1, proto.OpCreate, "a"), packet(2, proto.OpGetData, "b"), packet(-4, proto.OpAuth, authBody("digest", "me")),
		packet(5, proto.OpSASL, "\x00\x00\x00\x00"))
	c.reply(-4, 0, proto.OK)
	if body := c.reply(5, 0, proto.OK); body != "\xff\xff\xff\xff" {
		t.Errorf("sasl: %q", body)
	}
	p.backend.release(-1)
	c.reply(1, 7, proto.OK)
	if body := c.reply(2, 7, proto.OK); body != "b" {
		t.Errorf("read: %q", body)
	}
	if ids := p.srv.Conns()[0].Auth(); len(ids) != 1 || ids[0].ID != "me" {
		t.Errorf("%v", ids)
	}
}

func TestEnforcedSchemes(t *testing.T) {
	p := open(t, func(o *Options, _ *fakeBackend) { o.RequireSchemes = []string{"x509", "digest"} })
	c := p.attached()
	c.frame(packet(1, proto.OpGetData, "a"))
	c.reply(1, 0, proto.SessionClosedRequireSASLAuth)
	c.closed()
	c = p.attached()
	c.frame(packet(-4, proto.OpAuth, authBody("digest", "me")), packet(1, proto.OpGetData, "a"))
	c.reply(-4, 0, proto.OK)
	c.reply(1, 7, proto.OK)
}

// closeSession is the last request that is read; its reply is the last frame.
func TestCloseSession(t *testing.T) {
	p := open(t, nil)
	c := p.attached()
	c.frame(packet(1, proto.OpCreate, "a"), packet(2, proto.OpCloseSession, ""), packet(3, proto.OpCreate, "b"))
	c.reply(1, 7, proto.OK)
	c.reply(2, 7, proto.OK)
	c.closed()
	if n := p.backend.submitted(); n != 2 {
		t.Errorf("%d requests were executed", n)
	}
}

func TestReadsKeepTheirPlace(t *testing.T) {
	p := open(t, func(_ *Options, b *fakeBackend) { b.hold = true })
	c := p.attached()
	const n = 300
	var in [][]byte
	for i := range int32(n) {
		op := proto.OpGetData
		if i%3 == 0 {
			op = proto.OpCreate
		}
		in = append(in, packet(i, op, fmt.Sprint(i)))
	}
	c.frame(in...)
	wait(t, "all are submitted", func() bool { return p.backend.submitted() == n/3 })
	for i := range int32(n) {
		if i%3 == 0 {
			p.backend.release(1)
		}
		body := c.reply(i, 7, proto.OK)
		if i%3 != 0 && body != fmt.Sprint(i) {
			t.Fatalf("reply %d has the body %q", i, body)
		}
	}
}
