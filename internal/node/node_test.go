package node

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"quokka/internal/core/member"
	"quokka/internal/core/session"
	"quokka/internal/proto"
)

// attached is a connection with a session.
func (w *world) attached(timeoutMS int32) *fakeConn {
	w.t.Helper()
	c := w.conn(proto.ConnectRequest{TimeoutMS: timeoutMS})
	synctest.Wait()
	if c.Session() == 0 {
		w.t.Fatal("no session")
	}
	return c
}

func (w *world) expect(c *fakeConn, want ...string) {
	w.t.Helper()
	synctest.Wait()
	if got := c.take(); !slices.Equal(got, want) {
		w.t.Errorf("connection %d got\n  %s\nwant\n  %s", c.id, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestManyAppendsOneSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil).run()
		c := w.attached(10_000)
		w.log.gate = make(chan struct{})
		_, _, before := w.log.counts()
		for i := range int32(101) {
			c.write(i, proto.OpCreate, create(fmt.Sprintf("/%d", i), ""))
			if i == 0 {
				synctest.Wait() // the first one is alone in its sync
			}
		}
		w.expect(c)
		w.log.gate <- struct{}{}
		w.expect(c, "0 create at 0x2")
		w.log.gate <- struct{}{}
		synctest.Wait()
		if got := c.take(); len(got) != 100 || got[99] != "100 create at 0x66" {
			t.Errorf("%d answers: %v", len(got), got)
		}
		if a, s, n := w.log.counts(); a != 102 || s != 102 || n != before+2 {
			t.Errorf("%d appends, %d synced, by %d syncs", a, s, n-before)
		}
		if err := w.end(); err != nil || !w.log.closed {
			t.Errorf("Run: %v, log closed: %v", err, w.log.closed)
		}
	})
}

func TestLogErrorEndsTheNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil).run()
		c := w.attached(10_000)
		broken := errors.New("input/output error")
		w.log.fail(broken)
		c.write(1, proto.OpCreate, create("/a", ""))
		if err := <-w.done; !errors.Is(err, broken) {
			t.Errorf("Run: %v", err)
		}
		w.expect(c)
		if c.why() == "" {
			t.Error("the connection is still open")
		}
		if w.node.Inspect(func(*member.Member) {}) {
			t.Error("Inspect of a node that has stopped")
		}
		w.stop()
	})
}

// What is queued when the node is told to stop is written; that this fails is
// no secret.
func TestStopWritesWhatIsQueued(t *testing.T) {
	for _, broken := range []error{nil, syscall.ENOSPC} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, nil).run()
			c := w.attached(10_000)
			w.log.gate = make(chan struct{})
			c.write(1, proto.OpCreate, create("/a", ""))
			synctest.Wait()
			c.write(2, proto.OpCreate, create("/b", ""))
			synctest.Wait()
			w.stop()
			synctest.Wait()
			w.log.fail(broken)
			close(w.log.gate)
			if err := <-w.done; !errors.Is(err, broken) {
				t.Errorf("Run: %v, want %v", err, broken)
			}
			if a, s, _ := w.log.counts(); a != 3 && broken == nil || s != a && broken == nil {
				t.Errorf("%d appended, %d synced", a, s)
			}
			w.expect(c)
		})
	}
}

func TestReadsWaitBehindOwnWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil).run()
		c, other := w.attached(10_000), w.attached(10_000)
		c.write(1, proto.OpCreate, create("/a", "0"))
		w.expect(c, "1 create at 0x3")
		w.log.gate = make(chan struct{})
		c.write(2, proto.OpSetData, setData("/a", "1"))
		c.read(3, proto.OpGetData, getData("/a", false))
		c.write(4, proto.OpSetData, setData("/a", "2"))
		c.read(5, proto.OpGetData, getData("/a", false))
		c.read(6, proto.OpPing, nil)
		c.write(7, proto.OpSync, []byte{0, 0, 0, 1, '/'})
		c.read(8, proto.OpGetData, getData("/none", false))
		synctest.Wait()
		other.read(1, proto.OpGetData, getData("/a", false)) // waits for nobody
		w.expect(other, "1 getData at 0x3 = 0")
		w.expect(c)
		close(w.log.gate)
		w.expect(c, "2 setData at 0x4", "3 getData at 0x4 = 1", "4 setData at 0x5", "5 getData at 0x5 = 2",
			"-2 ping at 0x5", "7 sync at 0x5", "8 getData at 0x5 err -101")
		c.read(9, proto.OpGetData, getData("/a", false))
		w.expect(c, "9 getData at 0x5 = 2")
		if err := w.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestWaitingReadsKeepTheirIdentities(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil).run()
		c := w.attached(10_000)
		w.log.gate = make(chan struct{})
		c.write(1, proto.OpCreate, create("/a", "0"))
		c.read(2, proto.OpWhoAmI, nil)
		w.node.SetAuth(c, []proto.ID{{Scheme: "super"}})
		c.read(3, proto.OpWhoAmI, nil)
		close(w.log.gate)
		w.expect(c, "1 create at 0x2", "2 whoAmI at 0x2 with 4 bytes", "3 whoAmI at 0x2 with 17 bytes")
		if err := w.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestEventsComeBeforeReplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil).run()
		c, watcher := w.attached(10_000), w.attached(10_000)
		c.write(1, proto.OpCreate, create("/a", "0"))
		w.expect(c, "1 create at 0x3")
		for _, x := range []*fakeConn{c, watcher} {
			x.read(2, proto.OpGetData, getData("/a", true))
			w.expect(x, "2 getData at 0x3 = 0")
		}
		c.write(3, proto.OpSetData, setData("/a", "1"))
		c.read(4, proto.OpGetData, getData("/a", true))
		c.write(5, proto.OpSetData, setData("/a", "2"))
		w.expect(c, "event NodeDataChanged /a at 4", "3 setData at 0x4", "4 getData at 0x4 = 1",
			"event NodeDataChanged /a at 5", "5 setData at 0x5")
		w.expect(watcher, "event NodeDataChanged /a at 4")
		watcher.read(3, proto.OpGetData, getData("/a", true))
		w.node.Gone(watcher)
		c.write(6, proto.OpSetData, setData("/a", "3"))
		w.expect(c, "6 setData at 0x6")
		w.expect(watcher, "3 getData at 0x5 = 2")
		if err := w.end(); err != nil {
			t.Error(err)
		}
	})
}

// A snapshot holds exactly the state at its zxid, however many requests are
// carried out while it is written.
func TestSnapshotIsOfOneMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *Options) { o.Member.SnapCount = 20 })
		w.snaps.gate = make(chan struct{})
		w.run()
		c := w.attached(10_000)
		for i := range int32(100) {
			c.write(i, proto.OpCreate, create(fmt.Sprintf("/%d", i), ""))
		}
		synctest.Wait()
		if got := c.take(); len(got) != 100 {
			t.Errorf("%d answers while a snapshot is being written", len(got))
		}
		close(w.snaps.gate)
		synctest.Wait()
		for i := range int32(100) {
			c.write(100+i, proto.OpDelete, proto.AppendPathVersion(nil, proto.PathVersion{Path: fmt.Sprintf("/%d", i), Version: -1}))
			synctest.Wait()
		}
		if err := w.end(); err != nil {
			t.Error(err)
		}
		taken := w.snaps.list()
		if len(taken) < 5 || w.log.rolls < len(taken) {
			t.Fatalf("%d snapshots, %d rolls", len(taken), w.log.rolls)
		}
		const builtIn = 4 // "", /zookeeper, quota, config
		for _, s := range taken {
			n := int(s.zxid) - 1 // without createSession
			if n > 100 {
				n = 200 - n
			}
			if s.paths != builtIn+n || s.newest > s.zxid || s.sessions != 1 {
				t.Errorf("snapshot at %v has %d nodes, want %d; the newest is of %v; %d sessions",
					s.zxid, s.paths, builtIn+n, s.newest, s.sessions)
			}
		}
	})
}

// While the process is stopped, and right after, no session expires.
func TestAPauseDoesNotExpireSessions(t *testing.T) {
	var c runningClock
	begin := time.Now()
	c.start(begin, 250*time.Millisecond)
	if ms, lost := c.advance(begin.Add(900 * time.Millisecond)); ms != 900 || lost != 0 {
		t.Errorf("%d, lost %v", ms, lost)
	}
	if ms, lost := c.advance(begin.Add(61_900 * time.Millisecond)); ms != 1900 || lost != time.Minute {
		t.Errorf("after a pause %d, lost %v", ms, lost)
	}
	if ms, lost := c.advance(begin.Add(61_000 * time.Millisecond)); ms != 1900 || lost != 0 {
		t.Errorf("it went back: %d, lost %v", ms, lost)
	}
}

func TestSessionsExpireInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil).run()
		quiet, alive := w.attached(4000), w.attached(4000)
		quiet.write(1, proto.OpCreate, create("/quiet", ""))
		begin := time.Now()
		for quiet.why() == "" && time.Since(begin) < time.Minute {
			time.Sleep(100 * time.Millisecond)
			alive.hear()
		}
		if took := time.Since(begin); took < 4*time.Second || took > 5500*time.Millisecond {
			t.Errorf("expired after %v", took)
		}
		time.Sleep(time.Minute) // more than one timeout of the other one
		synctest.Wait()
		if alive.why() == "" {
			t.Error("a silent connection stays open")
		}
		if err := w.end(); err != nil {
			t.Error(err)
		}
	})
}

// What a client sent between the last tick and the end of its connection
// counts: its session lives for the whole timeout from then on.
func TestTheLastWordBeforeTheEndCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil).run()
		c := w.attached(4000)
		time.Sleep(3700 * time.Millisecond)
		c.hear()
		w.node.Gone(c)
		time.Sleep(3900 * time.Millisecond) // 7.6 s after the start
		again := w.conn(proto.ConnectRequest{TimeoutMS: 4000, SessionID: c.Session(), Password: passwordOf(c.Session())})
		synctest.Wait()
		if again.Session() != c.Session() || again.refused {
			t.Error("the session expired early")
		}
		if err := w.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestSessionsMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil).run()
		a := w.attached(10_000)
		b := w.conn(proto.ConnectRequest{TimeoutMS: 5000, SessionID: a.Session(), Password: passwordOf(a.Session())})
		synctest.Wait()
		if b.Session() != a.Session() || b.TimeoutMS() != 5000 || a.why() == "" {
			t.Errorf("session %v, timeout %d, old connection %q", b.Session(), b.TimeoutMS(), a.why())
		}
		a.write(1, proto.OpCreate, create("/late", ""))
		b.write(2, proto.OpCreate, create("/b", ""))
		w.expect(a)
		w.expect(b, "2 create at 0x2")
		wrong := w.conn(proto.ConnectRequest{TimeoutMS: 5000, SessionID: a.Session(), Password: make([]byte, 16)})
		b.write(3, proto.OpCloseSession, nil)
		w.expect(b, "3 closeSession at 0x3")
		if !wrong.refused || b.why() != "sent" {
			t.Errorf("refused %v, closed %q", wrong.refused, b.why())
		}
		if err := w.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestInspectAndDigests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil).run()
		c := w.attached(10_000)
		for i := range int32(1300) {
			c.write(i, proto.OpCreate, create(fmt.Sprintf("/%d", i), ""))
		}
		synctest.Wait()
		var proposed proto.Zxid
		if !w.node.Inspect(func(m *member.Member) { proposed = m.Proposed() }) || proposed != 1301 {
			t.Errorf("Inspect saw %v", proposed)
		}
		if d := w.node.Digests(); len(d) != 10 || d[0].Zxid != 128 || d[9].Zxid != 1280 || d[9].Digest == 0 {
			t.Errorf("digests %v", d)
		}
		if err := w.end(); err != nil {
			t.Error(err)
		}
		if w.node.Inspect(func(*member.Member) {}) {
			t.Error("Inspect after the end")
		}
	})
}

func TestDigestLogKeepsTheLast(t *testing.T) {
	var d digestLog
	for z := range proto.Zxid(128 * 1500) {
		d.record(z, uint64(z))
	}
	all := d.all()
	if len(all) != digestEntries || all[0].Zxid != 128*(1500-digestEntries) || all[digestEntries-1].Zxid != 128*1499 {
		t.Errorf("%d entries from %v to %v", len(all), all[0].Zxid, all[len(all)-1].Zxid)
	}
}

func passwordOf(id proto.SessionID) []byte {
	p := session.Password(id)
	return p[:]
}

var _ Journal = (*fakeLog)(nil)
var _ Snapshots = (*fakeSnaps)(nil)
