package cli

import (
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"quokka/internal/jute"
	"quokka/internal/proto"
)

// fakeServer answers the requests of a Bench like a ZooKeeper server with one
// set of nodes, and misbehaves on demand.
type fakeServer struct {
	listener  net.Listener
	timeoutMS int32 // granted
	// spoil may change the answer to a request; nil frame is silence.
	spoil func(n int, op proto.Op, frame []byte) []byte

	hangUpAfter int // requests; 0: never

	mu       sync.Mutex
	nodes    map[string][]byte
	requests int
	pings    chan struct{} // filled as far as there is room
	zxid     proto.Zxid
}

func startFake(t *testing.T, timeoutMS int32, spoil func(n int, op proto.Op, frame []byte) []byte) *fakeServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &fakeServer{listener: l, timeoutMS: timeoutMS, spoil: spoil, nodes: map[string][]byte{"/": nil},
		pings: make(chan struct{}, 3)}
	var group sync.WaitGroup
	group.Go(func() {
		for id := proto.SessionID(1); ; id++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			group.Go(func() {
				defer func() { _ = conn.Close() }()
				s.serve(t, conn, id)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		group.Wait()
	})
	return s
}

func readFake(conn io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint32(head[:]))
	_, err := io.ReadFull(conn, b)
	return b, err
}

func writeFake(conn io.Writer, frame []byte) error {
	_, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...))
	return err
}

func (s *fakeServer) serve(t *testing.T, conn net.Conn, id proto.SessionID) {
	first, err := readFake(conn)
	if err != nil {
		return
	}
	if _, err := proto.DecodeConnectRequest(first); err != nil {
		t.Errorf("connect request: %v", err)
	}
	err = writeFake(conn, proto.AppendConnectResponse(nil, &proto.ConnectResponse{
		TimeoutMS: s.timeoutMS, SessionID: id, Password: make([]byte, proto.PasswordLen), HasReadOnly: true,
	}))
	for err == nil {
		var frame []byte
		if frame, err = readFake(conn); err != nil {
			if !errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "reset") {
				t.Errorf("fake server: %v", err)
			}
			return
		}
		h, body, bad := proto.DecodeRequestHeader(frame)
		if bad != nil {
			t.Errorf("request header: %v", bad)
			return
		}
		if reply := s.reply(t, h, body); reply != nil {
			err = writeFake(conn, reply)
		}
		if h.Op == proto.OpCloseSession || s.hangsUp() {
			return
		}
	}
}

// hangsUp tells whether the server ends the connection after this request.
func (s *fakeServer) hangsUp() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hangUpAfter > 0 && s.requests > s.hangUpAfter
}

// reply executes a request; nil is silence.
func (s *fakeServer) reply(t *testing.T, h proto.RequestHeader, body []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.Op == proto.OpPing {
		select {
		case s.pings <- struct{}{}:
		default:
		}
		return proto.AppendReplyHeader(nil, proto.ReplyHeader{Xid: h.Xid, Zxid: s.zxid})
	}
	s.requests++
	s.zxid++
	d := jute.NewDecoder(body)
	var out []byte
	var code proto.Code
	if h.Op == proto.OpMulti {
		out = s.multi(t, body)
	} else {
		out, code = s.execute(t, h.Op, &d)
		if d.Err() != nil || d.Len() > 0 {
			t.Errorf("%v: %d bytes too much (%v)", h.Op, d.Len(), d.Err())
		}
	}
	frame := append(proto.AppendReplyHeader(nil, proto.ReplyHeader{Xid: h.Xid, Zxid: s.zxid, Err: code}), out...)
	if s.spoil != nil && h.Op != proto.OpCloseSession {
		return s.spoil(s.requests, h.Op, frame)
	}
	return frame
}

func (s *fakeServer) execute(t *testing.T, op proto.Op, d *jute.Decoder) ([]byte, proto.Code) {
	switch op {
	case proto.OpCreate:
		r := proto.DecodeCreateRequest(d, op)
		if _, ok := s.nodes[r.Path]; ok {
			return nil, proto.NodeExists
		}
		parent := proto.ParentOf(r.Path)
		if _, ok := s.nodes[parent]; !ok && parent != "" {
			return nil, proto.NoNode
		}
		s.nodes[r.Path] = slices.Clone(r.Data)
		return jute.AppendString(nil, r.Path), proto.OK
	case proto.OpDelete:
		r := proto.DecodePathVersion(d)
		if _, ok := s.nodes[r.Path]; !ok {
			return nil, proto.NoNode
		}
		delete(s.nodes, r.Path)
		return nil, proto.OK
	case proto.OpSetData:
		r := proto.DecodeSetDataRequest(d)
		if _, ok := s.nodes[r.Path]; !ok {
			return nil, proto.NoNode
		}
		return proto.AppendStat(nil, &proto.Stat{}), proto.OK
	case proto.OpGetData, proto.OpGetChildren:
		return s.read(op, string(proto.DecodePathWatch(d).Path))
	case proto.OpSync:
		return jute.AppendString(nil, d.String()), proto.OK
	case proto.OpCloseSession:
		return nil, proto.OK
	}
	t.Errorf("the fake server does not know %v", op)
	return nil, proto.Unimplemented
}

func (s *fakeServer) read(op proto.Op, path string) ([]byte, proto.Code) {
	data, ok := s.nodes[path]
	if !ok {
		return nil, proto.NoNode
	}
	if op == proto.OpGetData {
		return proto.AppendStat(jute.AppendBuffer(nil, data), &proto.Stat{}), proto.OK
	}
	var names []string
	for p := range s.nodes {
		if p != "/" && proto.ParentOf(p) == path {
			names = append(names, p[len(path)+1:])
		}
	}
	return jute.AppendStrings(nil, names), proto.OK
}

func (s *fakeServer) multi(t *testing.T, body []byte) []byte {
	parts, err := proto.DecodeMulti(body, proto.OpMulti)
	if err != nil {
		t.Errorf("multi: %v", err)
	}
	before := maps.Clone(s.nodes)
	var out []byte
	for i, part := range parts {
		d := jute.NewDecoder(part.Body)
		result, code := s.execute(t, part.Op, &d)
		if code != proto.OK {
			s.nodes = before
			return failedMulti(len(parts), i, code)
		}
		out = append(proto.AppendMultiHeader(out, proto.MultiHeader{Op: part.Op}), result...)
	}
	return proto.AppendMultiHeader(out, proto.MultiEnd)
}

// failedMulti is the body of the reply to a multi whose part number bad
// failed.
func failedMulti(parts, bad int, code proto.Code) []byte {
	var out []byte
	for i := range parts {
		c := proto.OK
		if i == bad {
			c = code
		} else if i > bad {
			c = proto.RuntimeInconsistency
		}
		out = proto.AppendMultiHeader(out, proto.MultiHeader{Op: proto.OpError, Err: c})
		out = jute.AppendInt(out, int32(c))
	}
	return proto.AppendMultiHeader(out, proto.MultiEnd)
}

func (s *fakeServer) left() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.nodes))
}
