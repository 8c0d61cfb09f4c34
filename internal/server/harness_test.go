package server

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"quokka/internal/config"
	"quokka/internal/jute"
	"quokka/internal/proto"
)

// configFor is the configuration of a test server over dir, on a free port
// and with short ticks.
func configFor(t *testing.T, dir string, overrides map[string]string) config.Config {
	t.Helper()
	all := map[string]string{"tickTime": "100", "4lw.commands.whitelist": "*", "maxClientCnxns": "0"}
	maps.Copy(all, overrides)
	cfg, _, err := config.Load(config.Args{Positional: []string{"0", dir}, Overrides: all})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// running is a server under test.
type running struct {
	t    *testing.T
	addr string
	stop func() error
}

func start(t *testing.T, dir string, overrides map[string]string) *running {
	t.Helper()
	s, err := New(configFor(t, dir, overrides), quiet)
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(s.Addr().String())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stopped := false
	r := &running{t: t, addr: net.JoinHostPort("127.0.0.1", port)}
	r.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(10 * time.Second):
			t.Error("Run does not return")
			return nil
		}
	}
	t.Cleanup(func() { _ = r.stop() })
	return r
}

// end stops the server, which must succeed.
func (r *running) end() {
	r.t.Helper()
	if err := r.stop(); err != nil {
		r.t.Errorf("Run: %v", err)
	}
}

// wait polls until ok, for ten seconds at most.
func wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	look, end := time.NewTicker(5*time.Millisecond), time.After(10*time.Second)
	defer look.Stop()
	for !ok() {
		select {
		case <-end:
			t.Fatalf("waited in vain until %s", what)
		case <-look.C:
		}
	}
}

// word sends a four-letter word and returns the answer.
func (r *running) word(word string) string {
	r.t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, word); err != nil {
		r.t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(b)
}

// peer is a client on the wire.
type peer struct {
	t       *testing.T
	conn    net.Conn
	session proto.ConnectResponse
	xid     int32
	events  []string
}

// connect opens a session, or attaches to that of old. ok is false if the
// server refuses it.
func (r *running) connect(timeoutMS int32, old *peer) (p *peer, ok bool) {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	p = &peer{t: r.t, conn: conn}
	req := proto.ConnectRequest{TimeoutMS: timeoutMS, Password: make([]byte, 16)}
	if old != nil {
		req.SessionID, req.Password = old.session.SessionID, old.session.Password
	}
	p.write(proto.AppendConnectRequest(nil, &req))
	b := p.read()
	if b == nil {
		return nil, false
	}
	if p.session, err = proto.DecodeConnectResponse(b); err != nil {
		r.t.Fatal(err)
	}
	return p, p.session.SessionID != 0
}

func (r *running) open(timeoutMS int32) *peer {
	r.t.Helper()
	p, ok := r.connect(timeoutMS, nil)
	if !ok {
		r.t.Fatal("no session")
	}
	return p
}

func (p *peer) write(payload []byte) {
	p.t.Helper()
	b := binary.BigEndian.AppendUint32(nil, uint32(len(payload)))
	if _, err := p.conn.Write(append(b, payload...)); err != nil {
		p.t.Fatal(err)
	}
}

// read returns the next frame, nil at the end of the stream.
func (p *peer) read() []byte {
	p.t.Helper()
	var head [4]byte
	if _, err := io.ReadFull(p.conn, head[:]); err != nil {
		if ne, ok := err.(net.Error); ok && ne.Timeout() {
			p.t.Fatal(err)
		}
		return nil
	}
	b := make([]byte, binary.BigEndian.Uint32(head[:]))
	if _, err := io.ReadFull(p.conn, b); err != nil {
		return nil
	}
	return b
}

func (p *peer) send(op proto.Op, body []byte) {
	p.t.Helper()
	p.xid++
	p.write(append(proto.AppendRequestHeader(nil, proto.RequestHeader{Xid: p.xid, Op: op}), body...))
}

// do sends a request and returns its reply, putting events aside.
func (p *peer) do(op proto.Op, body []byte) (proto.ReplyHeader, []byte) {
	p.t.Helper()
	p.send(op, body)
	for {
		b := p.read()
		if b == nil {
			p.t.Fatalf("the connection is closed instead of a reply to %v", op)
		}
		h, rest, err := proto.DecodeReplyHeader(b)
		if err != nil {
			p.t.Fatal(err)
		}
		if h.Xid == proto.XidEvent {
			d := jute.NewDecoder(rest)
			p.events = append(p.events, proto.EventType(d.Int()).String())
			continue
		}
		if h.Xid != p.xid && h.Xid != proto.XidPing {
			p.t.Fatalf("reply to %d, want %d", h.Xid, p.xid)
		}
		return h, rest
	}
}

func (p *peer) must(op proto.Op, body []byte) proto.Zxid {
	p.t.Helper()
	h, _ := p.do(op, body)
	if h.Err != proto.OK {
		p.t.Fatalf("%v: %v", op, h.Err)
	}
	return h.Zxid
}

// data is a node's data, "-" if it does not exist.
func (p *peer) data(path string) string {
	p.t.Helper()
	h, b := p.do(proto.OpGetData, proto.AppendPathWatch(nil, path, false))
	if h.Err == proto.NoNode {
		return "-"
	}
	if h.Err != proto.OK {
		p.t.Fatalf("getData %s: %v", path, h.Err)
	}
	d := jute.NewDecoder(b)
	return string(d.Buffer())
}

func create(path, data string, flags int32) []byte {
	return proto.AppendCreateRequest(nil, proto.OpCreate, &proto.CreateRequest{
		Path: path, Data: []byte(data), Flags: flags,
		ACL: []proto.ACL{{Perms: proto.PermAll, ID: proto.ID{Scheme: "world", ID: "anyone"}}},
	})
}

// copyDir copies what a process that was killed would leave.
func copyDir(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(path, from))
		if d.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) { // a snapshot that is being written
			return nil
		}
		if err != nil {
			return err
		}
		return os.WriteFile(target, b, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}
