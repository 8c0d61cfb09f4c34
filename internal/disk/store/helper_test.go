package store

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"quokka/internal/core/session"
	"quokka/internal/core/state"
	"quokka/internal/core/tree"
	"quokka/internal/disk/snap"
	"quokka/internal/disk/txnlog"
	"quokka/internal/disk/vfs"
	"quokka/internal/proto"
)

var testOptions = Options{
	DataDir: "/data", Digest: true, LastProcessed: true,
	Tree: tree.Options{ExtendedTypes: true}, Log: txnlog.Options{PreallocSize: 4096},
}

var openACL = []proto.ACL{{Perms: 31, ID: proto.ID{Scheme: "world", ID: "anyone"}}}

// newDisk is an empty disk with the directories of testOptions.
func newDisk(t testing.TB) *vfs.Mem {
	t.Helper()
	m := vfs.NewMem()
	for _, dir := range []string{"/data/version-2", "/logs/version-2"} {
		if err := m.MkdirAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func open(t testing.TB, fsys vfs.FS, o Options) *Store {
	t.Helper()
	s, err := Open(fsys, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// onState replays on the state machine.
func onState() NewReplayer {
	var st *state.State
	return OnState(state.Options{Tree: testOptions.Tree, Digest: true}, &st)
}

// recovered opens, recovers and closes.
func recovered(fsys vfs.FS, o Options) (*Recovered, error) {
	s, err := Open(fsys, o)
	if err != nil {
		return nil, err
	}
	r, err := s.Recover(onState())
	if cerr := s.Close(); err == nil {
		err = cerr
	}
	return r, err
}

// leader makes the transactions of a test, with their digests, and keeps what
// the state was after each.
type leader struct {
	tree     *tree.Tree
	sessions *session.Table
	state    *state.State
	last     proto.Zxid
	dumps    map[proto.Zxid]string
}

func newLeader() *leader {
	l := &leader{tree: tree.New(testOptions.Tree), sessions: session.NewTable(), dumps: map[proto.Zxid]string{}}
	l.state = state.New(state.Options{Tree: testOptions.Tree, Digest: true}, l.tree, l.sessions, 0)
	l.dumps[0] = dump(l.tree, l.sessions)
	return l
}

// next applies a transaction and returns it as it is logged.
func (l *leader) next(op proto.Op, body proto.TxnBody) []byte {
	l.last++
	t := &proto.Txn{TxnHeader: proto.TxnHeader{Session: 7, Zxid: l.last, Time: proto.Millis(1000 + l.last), Op: op}, Body: body}
	l.state.Apply(t)
	if op != proto.OpError {
		t.HasDigest, t.DigestVersion, t.Digest = true, proto.DigestVersion, l.tree.Digest()
	}
	l.dumps[l.last] = dump(l.tree, l.sessions)
	return t.AppendTo(nil)
}

// step is the n-th transaction of the usual mixture.
func (l *leader) step(n int) []byte {
	path := fmt.Sprintf("/n%d", n)
	children := l.tree.Persisted(l.tree.FindString("/")).Cversion + 1 // ever created, once this is
	switch n % 8 {
	case 0:
		return l.next(proto.OpCreateSession, &proto.CreateSessionTxn{TimeoutMS: int32(4000 + n)})
	case 1, 2:
		return l.next(proto.OpCreate, &proto.CreateTxn{Path: path, Data: []byte(strings.Repeat(path, n%90)), ACL: openACL, ParentCversion: children})
	case 3:
		return l.next(proto.OpCreate, &proto.CreateTxn{Path: path, ACL: openACL, Ephemeral: true, ParentCversion: children})
	case 4:
		return l.next(proto.OpSetData, &proto.SetDataTxn{Path: fmt.Sprintf("/n%d", n-3), Data: []byte("new"), Version: 1})
	case 5:
		return l.next(proto.OpDelete, &proto.DeleteTxn{Path: fmt.Sprintf("/n%d", n-3)})
	case 6:
		if n%16 == 14 {
			return l.next(proto.OpCloseSession, &proto.CloseSessionTxn{Paths: []string{fmt.Sprintf("/n%d", n-3)}})
		}
		return l.next(proto.OpError, &proto.ErrorTxn{Err: proto.NoNode})
	}
	old := n - 4
	if n%16 == 15 {
		old = n - 14
	}
	return l.next(proto.OpMulti, &proto.MultiTxn{Parts: []proto.MultiPart{
		{Op: proto.OpCreate, Body: &proto.CreateTxn{Path: path, ACL: openACL, ParentCversion: children}},
		{Op: proto.OpDelete, Body: &proto.DeleteTxn{Path: fmt.Sprintf("/n%d", old)}},
	}})
}

// snapshot saves the leader's state.
func (l *leader) snapshot(t testing.TB, s *Store) {
	t.Helper()
	if err := l.trySnapshot(s); err != nil {
		t.Fatal(err)
	}
}

func (l *leader) trySnapshot(s *Store) error {
	v := l.tree.View()
	defer v.Close()
	_, err := s.SaveSnapshot(snap.Picture{Zxid: l.last, Sessions: l.sessions.Snapshot(), View: v}, nil)
	return err
}

// dump is all of a state as text.
func dump(tr *tree.Tree, ss *session.Table) string {
	var b strings.Builder
	for id, timeout := range ss.All() {
		fmt.Fprintf(&b, "session %v %d\n", id, timeout)
	}
	v := tr.View()
	defer v.Close()
	lists := maps.Collect(v.ACLs())
	var nodes []string // brothers come in the order of the snapshot or of creation
	for n := range v.Nodes() {
		nodes = append(nodes, fmt.Sprintf("%q %q null=%v %v %+v\n", n.Path, n.Data, n.Data == nil, lists[n.ACLID], n.Stat))
	}
	slices.Sort(nodes)
	b.WriteString(strings.Join(nodes, ""))
	fmt.Fprintf(&b, "digest %x\n", tr.Digest())
	return b.String()
}

// history writes a directory: steps, with a snapshot and a new log after each
// of the numbers given. The log ends synced.
func history(t testing.TB, fsys vfs.FS, o Options, steps int, snapshots ...int) *leader {
	t.Helper()
	s := open(t, fsys, o)
	if _, err := s.Recover(onState()); err != nil {
		t.Fatal(err)
	}
	l, w := newLeader(), s.TxnLog()
	for n := range steps {
		if err := w.Append(l.step(n)); err != nil {
			t.Fatal(err)
		}
		for _, at := range snapshots {
			if at == n+1 {
				if err := w.Roll(); err != nil {
					t.Fatal(err)
				}
				l.snapshot(t, s)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return l
}

// wantState fails unless r is the leader's state after zxid.
func (l *leader) wantState(t testing.TB, r *Recovered, zxid proto.Zxid) {
	t.Helper()
	if r.LastZxid != zxid {
		t.Fatalf("recovered to %v, want %v", r.LastZxid, zxid)
	}
	if got := dump(r.Tree, r.Sessions); got != l.dumps[zxid] {
		t.Fatalf("state after %v:\n%s\nwant\n%s", zxid, got, l.dumps[zxid])
	}
	if r.Report.DigestMismatches != 0 {
		t.Fatalf("%d digest mismatches, first at %v", r.Report.DigestMismatches, r.Report.FirstMismatch)
	}
}
