package server

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"quokka/internal/proto"
)

func TestDataSurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, nil)
	p := s.open(2000)
	p.must(proto.OpCreate, create("/a", "1", 0))
	last := p.must(proto.OpCreate, create("/e", "2", proto.FlagEphemeral))
	s.end()
	s = start(t, dir, nil)
	q, ok := s.connect(2000, p)
	if !ok || q.session.SessionID != p.session.SessionID {
		t.Fatalf("the session is gone: %+v", q.session)
	}
	if a, e := q.data("/a"), q.data("/e"); a != "1" || e != "2" {
		t.Errorf("/a is %q, /e is %q", a, e)
	}
	if z := q.must(proto.OpCreate, create("/b", "", 0)); z <= last {
		t.Errorf("zxid %v after %v", z, last)
	}
	q.must(proto.OpCloseSession, nil)
	if q.read() != nil {
		t.Error("the connection is open after closeSession")
	}
	if _, ok := s.connect(2000, p); ok {
		t.Error("a closed session was attached")
	}
	if r := s.open(2000); r.data("/e") != "-" || r.data("/a") != "1" {
		t.Error("the ephemeral outlived its session")
	}
	s.end()
}

// A server that is killed has everything it acknowledged; an ephemeral goes
// when its session expires, and not before.
func TestDataSurvivesAKill(t *testing.T) {
	dir, image := t.TempDir(), t.TempDir()
	s := start(t, dir, map[string]string{"snapCount": "50", "preAllocSize": "64"})
	p := s.open(1000)
	p.must(proto.OpCreate, create("/e", "", proto.FlagEphemeral))
	for i := range 200 {
		p.must(proto.OpCreate, create(fmt.Sprintf("/%d", i), fmt.Sprint(i), 0))
	}
	copyDir(t, dir, image)
	s.end()
	s = start(t, image, nil)
	begin := time.Now()
	q := s.open(2000)
	if q.data("/e") != "" && time.Since(begin) < time.Second {
		t.Error("the ephemeral is gone before its session")
	}
	for i := range 200 {
		if d := q.data(fmt.Sprintf("/%d", i)); d != fmt.Sprint(i) {
			t.Fatalf("/%d is %q", i, d)
		}
	}
	wait(t, "the session expires", func() bool { return q.data("/e") == "-" })
	s.end()
}

func TestSessionsExpire(t *testing.T) {
	s := start(t, t.TempDir(), nil)
	p := s.open(400)
	p.must(proto.OpCreate, create("/e", "", proto.FlagEphemeral))
	begin := time.Now()
	if b := p.read(); b != nil {
		t.Errorf("got %x instead of the end", b)
	}
	if took := time.Since(begin); took < 350*time.Millisecond || took > 3*time.Second {
		t.Errorf("the connection was closed after %v", took)
	}
	q := s.open(2000)
	wait(t, "the ephemeral is gone", func() bool { return q.data("/e") == "-" })
	if _, ok := s.connect(400, p); ok {
		t.Error("an expired session was attached")
	}
}

func TestWatchesAndPipelines(t *testing.T) {
	s := start(t, t.TempDir(), nil)
	p, q := s.open(2000), s.open(2000)
	p.must(proto.OpCreate, create("/a", "0", 0))
	q.do(proto.OpGetData, proto.AppendPathWatch(nil, "/a", true))
	p.must(proto.OpSetData, proto.AppendSetDataRequest(nil, &proto.SetDataRequest{Path: "/a", Data: []byte("1"), Version: -1}))
	q.must(proto.OpSync, []byte{0, 0, 0, 2, '/', 'a'})
	if q.data("/a") != "1" || len(q.events) != 1 || q.events[0] != "NodeDataChanged" {
		t.Errorf("events %v", q.events)
	}
	const n = 500
	for i := range n {
		p.send(proto.OpCreate, create(fmt.Sprintf("/a/%d", i), "", 0))
		p.send(proto.OpGetData, proto.AppendPathWatch(nil, fmt.Sprintf("/a/%d", i), false))
	}
	first := p.xid - 2*n + 1
	for i := range int32(2 * n) {
		h, _, err := proto.DecodeReplyHeader(p.read())
		if err != nil || h.Xid != first+i || h.Err != proto.OK {
			t.Fatalf("reply %d: %+v, %v", i, h, err)
		}
	}
}

func TestWordsOnThePort(t *testing.T) {
	s := start(t, t.TempDir(), nil)
	p := s.open(2000)
	p.must(proto.OpCreate, create("/e", "x", proto.FlagEphemeral))
	p.do(proto.OpGetData, proto.AppendPathWatch(nil, "/e", true))
	id := p.session.SessionID.String()
	for word, want := range map[string][]string{
		"ruok": {"imok"}, "isro": {"rw"}, "srvr": {"Mode: standalone", "Zxid: 0x2", "Node count: 6"},
		"stat": {"Clients:", "Mode: standalone"}, "conf": {"tickTime=100"}, "cons": {"sid=" + id, "lop=GETD", "to=2000"},
		"dump": {id, "/e"}, "wchs": {"1 connections watching 1 paths"}, "wchc": {id, "/e"}, "wchp": {"/e", id},
		"mntr": {"zk_server_state\tstandalone", "zk_ephemerals_count\t1"}, "envi": {"user.dir="}, "dirs": {"datadir_size"},
	} {
		got := s.word(word)
		for _, part := range want {
			if !strings.Contains(got, part) {
				t.Errorf("%s does not say %q:\n%s", word, part, got)
			}
		}
	}
	// The connection of the word before may not have ended yet.
	wait(t, "stat counts the session and itself", func() bool { return strings.Contains(s.word("stat"), "Connections: 2\n") })
	if a, b := s.word("crst"), s.word("srst"); a != "Connection stats reset.\n" || b != "Server stats reset.\n" {
		t.Errorf("%q, %q", a, b)
	}
	if got := s.word("cons"); !strings.Contains(got, "recved=0,sent=0,sid="+id+",lop=NA") {
		t.Errorf("after crst: %s", got)
	}
}

// Stopping while clients are busy is quick, loses nothing that was
// acknowledged and leaves nothing running.
func TestStopWhileBusy(t *testing.T) {
	dir := t.TempDir()
	before := runtime.NumGoroutine()
	s := start(t, dir, map[string]string{"snapCount": "1000", "autopurge.purgeInterval": "1"})
	acked := make(chan int, 4)
	for c := range 4 {
		p := s.open(2000)
		p.must(proto.OpCreate, create(fmt.Sprintf("/%d", c), "", 0))
		go func() { acked <- p.flood(fmt.Sprintf("/%d", c)) }()
	}
	watcher := s.open(2000)
	wait(t, "the clients are busy", func() bool { return watcher.data("/0/200") != "-" })
	begin := time.Now()
	s.end()
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("stopping took %v", took)
	}
	var n [4]int
	for i := range n {
		n[i] = <-acked
	}
	wait(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
	s = start(t, dir, nil)
	p := s.open(2000)
	total := 0
	for c := range 4 {
		for i := 0; p.data(fmt.Sprintf("/%d/%d", c, i)) != "-"; i++ {
			total++
		}
	}
	if want := n[0] + n[1] + n[2] + n[3]; total < want || want == 0 {
		t.Errorf("%d creates were acknowledged, %d are there", want, total)
	}
}

// flood creates nodes, a few at a time, until the connection ends, and
// returns how many were acknowledged.
func (p *peer) flood(prefix string) int {
	const window = 32
	acked, sent := 0, 0
	for {
		for ; sent < acked+window; sent++ {
			body := append(proto.AppendRequestHeader(nil, proto.RequestHeader{Xid: int32(sent), Op: proto.OpCreate}),
				create(fmt.Sprintf("%s/%d", prefix, sent), "", 0)...)
			frame := append([]byte{0, 0, 0, 0}, body...)
			frame[2], frame[3] = byte(len(body)>>8), byte(len(body))
			if _, err := p.conn.Write(frame); err != nil {
				return acked
			}
		}
		b := p.read()
		if b == nil {
			return acked
		}
		if h, _, err := proto.DecodeReplyHeader(b); err != nil || h.Err != proto.OK {
			return acked
		}
		acked++
	}
}

func exitCode(err error) int {
	var coder interface{ ExitCode() int }
	if errors.As(err, &coder) {
		return coder.ExitCode()
	}
	return 1
}

func TestWhatForbidsToStart(t *testing.T) {
	locked, file := t.TempDir(), filepath.Join(t.TempDir(), "file")
	start(t, locked, nil)
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	broken := t.TempDir()
	if err := os.MkdirAll(filepath.Join(broken, "version-2"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(broken, "version-2", "log.1"), []byte("this is no log at all, I fear"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		dir       string
		overrides map[string]string
		exit      int
		says      string
	}{
		"locked":       {locked, nil, 3, locked},
		"missing":      {filepath.Join(locked, "none"), map[string]string{"datadir.autocreate": "false"}, 3, "none"},
		"no database":  {t.TempDir(), map[string]string{"db.autocreate": "false"}, 1, "initialize"},
		"broken log":   {broken, nil, 1, "log.1"},
		"unknown auth": {t.TempDir(), map[string]string{"enforce.auth.enabled": "true", "enforce.auth.schemes": "sasl"}, 1, "sasl"},
		"two log dirs": {t.TempDir(), map[string]string{"dataLogDir": file}, 3, file},
		"no address":   {t.TempDir(), map[string]string{"clientPortAddress": "203.0.113.1"}, 1, "203.0.113.1"},
	} {
		s, err := New(configFor(t, c.dir, c.overrides), quiet)
		if err == nil {
			s.Close()
			t.Errorf("%s: it starts", name)
			continue
		}
		if code := exitCode(err); code != c.exit || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: exit code %d, want %d: %v", name, code, c.exit, err)
		}
	}
}

func TestUnwritableDirectory(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may write everywhere")
	}
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	if s, err := New(configFor(t, dir, nil), quiet); err == nil || exitCode(err) != 3 {
		if err == nil {
			s.Close()
		}
		t.Errorf("%v", err)
	}
}

func TestBusyPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	dir := t.TempDir()
	cfg := configFor(t, dir, map[string]string{"clientPort": port, "clientPortAddress": "127.0.0.1"})
	if _, err := New(cfg, quiet); !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), port) {
		t.Errorf("%v", err)
	}
	start(t, dir, nil) // and the directory is free
}

// Close without Run gives everything back.
func TestCloseWithoutRun(t *testing.T) {
	dir := t.TempDir()
	s, err := New(configFor(t, dir, nil), quiet)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(s.Addr().String(), ":0") {
		t.Errorf("the address is %v", s.Addr())
	}
	s.Close()
	s.Close()
	start(t, dir, nil).end()
}

func TestPercentFor(t *testing.T) {
	for live, want := range map[uint64]int{
		0: 400, 1 << 20: 400, 12 << 20: 400, 48 << 20: 100, 96 << 20: 50, 1 << 30: 15, 1 << 62: 15,
	} {
		if got := percentFor(live); got != want {
			t.Errorf("percentFor(%d) = %d, want %d", live, got, want)
		}
	}
}
