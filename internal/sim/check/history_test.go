package check

import (
	"strings"
	"testing"

	"quokka/internal/proto"
)

// A scene is a small history: one session that is open, and what the test
// adds.
type scene struct {
	h    History
	last proto.Zxid
	now  int64
}

const sceneSession = proto.SessionID(7)

func newScene() *scene {
	s := &scene{h: History{Heard: map[proto.SessionID][]int64{}}}
	s.commit(sceneSession, 0, proto.OpCreateSession, &proto.CreateSessionTxn{TimeoutMS: 1000})
	return s
}

func (s *scene) commit(id proto.SessionID, xid int32, op proto.Op, body proto.TxnBody) proto.Zxid {
	s.last++
	s.h.Committed = append(s.h.Committed, &proto.Txn{
		TxnHeader: proto.TxnHeader{Session: id, Cxid: xid, Zxid: s.last, Time: proto.Millis(s.now), Op: op}, Body: body,
	})
	return s.last
}

// ask adds a request; answer nil is none.
func (s *scene) ask(conn uint64, xid int32, a Action, z proto.Zxid, answer *Answer) *Op {
	s.now += 10
	o := &Op{Session: sceneSession, Conn: conn, Xid: xid, Action: a, Invoked: s.now}
	if answer != nil {
		s.now++
		o.Answered, o.Returned, o.Zxid, o.Answer = true, s.now, z, *answer
	}
	s.h.Ops = append(s.h.Ops, o)
	return o
}

// create asks for a node and commits it.
func (s *scene) create(conn uint64, xid int32, path string) {
	z := s.commit(sceneSession, xid, proto.OpCreate, &proto.CreateTxn{Path: path, ParentCversion: 1})
	s.ask(conn, xid, Action{Op: proto.OpCreate, Path: path}, z, &Answer{Path: path})
}

func (s *scene) expect(t *testing.T, rule string) {
	t.Helper()
	found := s.h.Judge()
	var text []string
	for _, v := range found {
		if v.Rule == rule {
			return
		}
		text = append(text, v.String())
	}
	if rule != "" || len(found) > 0 {
		t.Errorf("want %q, found:\n%s", rule, strings.Join(text, "\n"))
	}
}

func TestGoodHistory(t *testing.T) {
	s := newScene()
	s.create(1, 1, "/a")
	s.ask(1, 2, Action{Op: proto.OpExists, Path: "/b"}, s.last, &Answer{Code: proto.NoNode})
	s.commit(sceneSession, 3, proto.OpCloseSession, &proto.CloseSessionTxn{})
	s.ask(1, 3, Action{Op: proto.OpCloseSession}, s.last, &Answer{})
	s.expect(t, "")
}

func TestHistoryRules(t *testing.T) {
	for name, c := range map[string]struct {
		rule  string
		build func(s *scene)
	}{
		"acknowledged and lost": {"G1", func(s *scene) {
			s.ask(1, 1, Action{Op: proto.OpCreate, Path: "/a"}, 2, &Answer{Path: "/a"})
		}},
		"executed twice": {"G3", func(s *scene) {
			s.create(1, 1, "/a")
			s.commit(sceneSession, 1, proto.OpError, &proto.ErrorTxn{Err: proto.NodeExists})
		}},
		"nobody asked": {"G3", func(s *scene) {
			s.commit(99, 1, proto.OpDelete, &proto.DeleteTxn{Path: "/a"})
		}},
		"executed after what follows it": {"G2", func(s *scene) {
			s.ask(1, 1, Action{Op: proto.OpCreate, Path: "/a"}, 0, nil)
			s.create(2, 2, "/b")
			s.commit(sceneSession, 1, proto.OpCreate, &proto.CreateTxn{Path: "/a"})
		}},
		"no prefix": {"G3", func(s *scene) {
			s.ask(1, 1, Action{Op: proto.OpCreate, Path: "/a"}, 0, nil)
			s.ask(1, 2, Action{Op: proto.OpCreate, Path: "/b"}, 0, nil)
			s.commit(sceneSession, 2, proto.OpCreate, &proto.CreateTxn{Path: "/b"})
		}},
		"zxids go back": {"G4", func(s *scene) {
			s.create(1, 1, "/a")
			s.ask(1, 2, Action{Op: proto.OpExists, Path: "/b"}, 1, &Answer{Code: proto.NoNode})
		}},
		"stale read": {"G5", func(s *scene) {
			s.create(1, 1, "/a")
			s.ask(1, 2, Action{Op: proto.OpExists, Path: "/a"}, s.last, &Answer{Code: proto.NoNode})
		}},
		"read of what was never committed": {"G5", func(s *scene) {
			s.ask(1, 1, Action{Op: proto.OpExists, Path: "/a"}, 50, &Answer{Code: proto.NoNode})
		}},
		"sync of the past": {"G6", func(s *scene) {
			s.ask(1, 1, Action{Op: proto.OpSync, Path: "/"}, 1, &Answer{})
			s.create(1, 2, "/a")
			o := s.ask(1, 3, Action{Op: proto.OpSync, Path: "/"}, 1, &Answer{})
			s.ask(1, 4, Action{Op: proto.OpExists, Path: "/b"}, o.Zxid, &Answer{Code: proto.NoNode})
		}},
		"wrong refusal": {"G7", func(s *scene) {
			s.commit(sceneSession, 1, proto.OpError, &proto.ErrorTxn{Err: proto.NoNode})
			s.ask(1, 1, Action{Op: proto.OpCreate, Path: "/a"}, s.last, &Answer{Code: proto.NoNode})
		}},
		"wrong answer": {"G7", func(s *scene) {
			z := s.commit(sceneSession, 1, proto.OpCreate, &proto.CreateTxn{Path: "/a"})
			s.ask(1, 1, Action{Op: proto.OpCreate, Path: "/a"}, z, &Answer{Path: "/b"})
		}},
		"ephemeral left": {"E3", func(s *scene) {
			s.commit(sceneSession, 1, proto.OpCreate, &proto.CreateTxn{Path: "/a", Ephemeral: true})
			s.ask(1, 1, Action{Op: proto.OpCreate, Path: "/a", Flags: proto.FlagEphemeral}, s.last, &Answer{Path: "/a"})
			s.commit(sceneSession, 0, proto.OpCloseSession, &proto.CloseSessionTxn{})
		}},
		"write after the end": {"E2", func(s *scene) {
			s.commit(sceneSession, 0, proto.OpCloseSession, &proto.CloseSessionTxn{})
			s.create(1, 1, "/a")
		}},
		"early expiry": {"E4", func(s *scene) {
			s.now = 5000
			s.h.Heard[sceneSession] = []int64{4900}
			s.commit(sceneSession, 0, proto.OpCloseSession, &proto.CloseSessionTxn{})
		}},
		"told too early": {"E5", func(s *scene) {
			s.h.Expired = append(s.h.Expired, Expiry{Session: sceneSession})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene()
			c.build(s)
			s.expect(t, c.rule)
		})
	}
}

func TestModelMultiIsAllOrNothing(t *testing.T) {
	m := NewModel()
	m.Open(sceneSession, 1000)
	create := Action{Op: proto.OpCreate, Path: "/a"}
	failing := Action{Op: proto.OpMulti, Parts: []Action{create, {Op: proto.OpDelete, Path: "/b", Version: -1}, create}}
	got := m.Do(sceneSession, &failing, 2, 0)
	want := Answer{Parts: []proto.Code{proto.OK, proto.NoNode, proto.RuntimeInconsistency}}
	if why := got.differs(&want, proto.OpMulti); why != "" {
		t.Error(why)
	}
	if a := m.Do(sceneSession, &create, 3, 0); a.Code != proto.OK {
		t.Errorf("the failed multi left something: %v", a.Code)
	}
}

func TestModelSequenceNumbersAreNotReused(t *testing.T) {
	m := NewModel()
	m.Open(sceneSession, 1000)
	a := Action{Op: proto.OpCreate, Path: "/s", Flags: proto.FlagEphemeralSequential}
	if got := m.Do(sceneSession, &a, 2, 0); got.Path != "/s0000000000" {
		t.Errorf("first is %q", got.Path)
	}
	m.Close(sceneSession, 3)
	m.Open(sceneSession, 1000)
	if got := m.Do(sceneSession, &a, 4, 0); got.Path != "/s0000000001" {
		t.Errorf("second is %q", got.Path)
	}
}
