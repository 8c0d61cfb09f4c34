package node

import (
	"testing"
	"testing/synctest"
	"time"

	"quokka/internal/core/elect"
	"quokka/internal/core/member"
	"quokka/internal/core/quorum"
	"quokka/internal/core/zab"
	"quokka/internal/journal"
	"quokka/internal/proto"
)

// aloneLog is a disk that has nothing to do but to say so.
type aloneLog struct{ *fakeLog }

func (l aloneLog) Do(orders []zab.Disk, done func(journal.Completion)) error {
	for _, o := range orders {
		if o.Kind == zab.DiskBarrier {
			done(journal.Completion{Kind: zab.DiskBarrier, OK: true})
		}
	}
	return l.fakeLog.Do(orders, done)
}

// newAlone is a member of an ensemble whose other servers are not there.
func newAlone(t *testing.T) *world {
	t.Helper()
	servers, err := quorum.ParseMembership("server.1=h:1:2\nserver.2=h:3:4\nserver.3=h:5:6\n", false)
	if err != nil {
		t.Fatal(err)
	}
	return newWorld(t, func(o *Options) {
		m := &o.Member
		m.Standalone, m.Members = false, member.Members{Active: servers, Next: servers}
		m.InitLimit, m.SyncLimit, m.Election = 10, 5, elect.Config{Me: 1}
		m.ReadOnly, m.ReadOnlyAfterMS = true, 2000
		o.Journal = aloneLog{o.Journal.(*fakeLog)}
	})
}

// Without a leader, reads and the end of a session are answered and nothing
// else, to those who accept that.
func TestReadOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newAlone(t).run()
		early := w.conn(proto.ConnectRequest{TimeoutMS: 10_000, ReadOnly: true})
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if early.why() == "" || w.node.Mode() != member.ModeReadOnly {
			t.Fatalf("early client: %q, mode %d", early.why(), w.node.Mode())
		}
		writer := w.conn(proto.ConnectRequest{TimeoutMS: 10_000})
		synctest.Wait()
		if writer.why() == "" || writer.Session() != 0 {
			t.Error("a client that wants to write is served")
		}
		c := w.conn(proto.ConnectRequest{TimeoutMS: 10_000, ReadOnly: true})
		synctest.Wait()
		if c.Session() == 0 || !c.readOnly {
			t.Fatalf("session %v, told that it is read-only: %v", c.Session(), c.readOnly)
		}
		c.read(1, proto.OpGetChildren, getData("/", true))
		c.write(2, proto.OpCreate, create("/a", ""))
		c.write(3, proto.OpSync, []byte{0, 0, 0, 1, '/'})
		c.read(4, proto.OpGetData, getData("/none", false))
		c.write(5, proto.OpCloseSession, nil)
		w.expect(c, "1 getChildren at 0x0", "2 create at 0x0 err -119", "3 sync at 0x0 err -119",
			"4 getData at 0x0 err -101", "5 closeSession at 0x0")
		if c.why() != "sent" {
			t.Errorf("after closeSession the connection is %q", c.why())
		}
		if a, _, _ := w.log.counts(); a != 0 {
			t.Errorf("%d transactions are logged", a)
		}
		if err := w.end(); err != nil {
			t.Error(err)
		}
	})
}
