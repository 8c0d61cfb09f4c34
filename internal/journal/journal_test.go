package journal

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"quokka/internal/core/session"
	"quokka/internal/core/state"
	"quokka/internal/core/tree"
	"quokka/internal/core/zab"
	"quokka/internal/disk/snap"
	"quokka/internal/disk/store"
	"quokka/internal/disk/txnlog"
	"quokka/internal/disk/vfs"
	"quokka/internal/proto"
)

var stateOptions = state.Options{Tree: tree.Options{ExtendedTypes: true}, Digest: true}

func storeOptions() store.Options {
	return store.Options{
		DataDir: "/data", Digest: true, LastProcessed: true, Ensemble: true, Tree: stateOptions.Tree,
		Log: txnlog.Options{PreallocSize: 4096},
	}
}

// world is a server's disk with what runs on it, and what the state was after
// each transaction.
type world struct {
	fsys    vfs.FS
	store   *store.Store
	journal *Journal
	state   *state.State // of the leader, ahead of the disk
	last    proto.Zxid
	dumps   map[proto.Zxid]string
	done    []string // completions, as text
	all     []Completion
}

// newWorld starts on a disk with the state that recovery finds.
func newWorld(fsys vfs.FS, o Options) (*world, error) {
	w := &world{fsys: fsys, dumps: map[proto.Zxid]string{}}
	var err error
	if w.store, err = store.Open(fsys, storeOptions()); err != nil {
		return nil, err
	}
	r, err := w.store.Recover(store.OnState(stateOptions, &w.state))
	if err != nil {
		return nil, err
	}
	w.last = r.LastZxid
	w.dumps[w.last] = w.dump()
	o.State = stateOptions
	w.journal = New(w.store, o)
	return w, nil
}

func mustWorld(t testing.TB, fsys vfs.FS, o Options) *world {
	t.Helper()
	w, err := newWorld(fsys, o)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) close(t testing.TB) {
	t.Helper()
	if err := errors.Join(w.journal.Close(), w.store.Close()); err != nil {
		t.Fatal(err)
	}
}

func dump(tr *tree.Tree, ss *session.Table) string {
	var b strings.Builder
	for id, timeout := range ss.All() {
		fmt.Fprintf(&b, "session %v %d\n", id, timeout)
	}
	v := tr.View()
	defer v.Close()
	var nodes []string
	for n := range v.Nodes() {
		nodes = append(nodes, fmt.Sprintf("%q %q %+v\n", n.Path, n.Data, n.Stat))
	}
	slices.Sort(nodes)
	return b.String() + strings.Join(nodes, "")
}

func (w *world) dump() string { return dump(w.state.Tree(), w.state.Sessions()) }

// entry is the next transaction of the leader; tag makes it its own.
func (w *world) entry(tag string) zab.Entry {
	w.last++
	t := &proto.Txn{
		TxnHeader: proto.TxnHeader{Session: 7, Zxid: w.last, Time: proto.Millis(1000 + w.last), Op: proto.OpCreate},
		Body: &proto.CreateTxn{Path: fmt.Sprintf("/%s-%v", tag, w.last), Data: []byte(tag), ParentCversion: -1,
			ACL: []proto.ACL{{Perms: 31, ID: proto.ID{Scheme: "world", ID: "anyone"}}}},
	}
	w.state.Apply(t)
	t.HasDigest, t.DigestVersion, t.Digest = true, proto.DigestVersion, w.state.Tree().Digest()
	w.dumps[w.last] = w.dump()
	return zab.Entry{Txn: t, Raw: t.AppendTo(nil)}
}

func (w *world) epoch(e proto.Epoch) { w.last = proto.MakeZxid(e, 0) }

// appends orders n transactions.
func (w *world) appends(tag string, n int) []zab.Disk {
	var orders []zab.Disk
	for range n {
		orders = append(orders, zab.Disk{Kind: zab.DiskAppend, Incarnation: 3, Entry: w.entry(tag)})
	}
	return orders
}

// do carries out and keeps what is completed.
func (w *world) do(orders ...zab.Disk) error {
	return w.journal.Do(orders, func(c Completion) {
		w.all = append(w.all, c)
		w.done = append(w.done, fmt.Sprintf("%d %v %d %v", c.Kind, c.Zxid, c.Epoch, c.OK))
	})
}

func (w *world) mustDo(t testing.TB, orders ...zab.Disk) {
	t.Helper()
	if err := w.do(orders...); err != nil {
		t.Fatal(err)
	}
}

func newDisk(t testing.TB) *vfs.Mem {
	t.Helper()
	m := vfs.NewMem()
	if err := m.MkdirAll("/data/version-2"); err != nil {
		t.Fatal(err)
	}
	return m
}

// recovered is what a disk recovers to.
func recovered(fsys vfs.FS) (*store.Recovered, *store.Store, error) {
	s, err := store.Open(fsys, storeOptions())
	if err != nil {
		return nil, nil, err
	}
	var st *state.State
	r, err := s.Recover(store.OnState(stateOptions, &st))
	return r, s, err
}

func wantDisk(t testing.TB, fsys vfs.FS, last proto.Zxid, state string) {
	t.Helper()
	r, s, err := recovered(fsys)
	if err != nil {
		t.Fatal(err)
	}
	if r.LastZxid != last || dump(r.Tree, r.Sessions) != state {
		t.Errorf("the disk has %v, want %v:\n%s\nwant\n%s", r.LastZxid, last, dump(r.Tree, r.Sessions), state)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func power(m *vfs.Mem) *vfs.Mem { return m.CrashImage(nil, vfs.CrashLose) }

// configs records the calls.
type configs struct {
	calls []string
	err   error
}

func (c *configs) Next(text string) error { c.calls = append(c.calls, "next "+text); return c.err }
func (c *configs) Activate(text string) error {
	c.calls = append(c.calls, "activate "+text)
	return c.err
}

// Each kind of order is done in its place and is durable when it is told.
func TestOrdersAreCarriedOutInOrder(t *testing.T) {
	disk, files := newDisk(t), &configs{}
	w := mustWorld(t, disk, Options{Configs: files})
	orders := slices.Concat(
		w.appends("a", 3), []zab.Disk{{Kind: zab.DiskAcceptedEpoch, Epoch: 4}},
		w.appends("a", 2), []zab.Disk{{Kind: zab.DiskRoll}}, w.appends("a", 1),
		[]zab.Disk{{Kind: zab.DiskCurrentEpoch, Epoch: 4}, {Kind: zab.DiskNextConfig, Config: "x"}}, w.appends("a", 1),
		[]zab.Disk{{Kind: zab.DiskConfig, Config: "x"}, {Kind: zab.DiskRoll}, {Kind: zab.DiskBarrier}},
	)
	w.mustDo(t, orders...)
	want := []string{"0 0x3 0 true", "2 0x0 4 true", "0 0x6 0 true", "3 0x0 4 true", "6 0x0 0 true", "0 0x7 0 true", "7 0x0 0 true", "8 0x0 0 true"}
	if !slices.Equal(w.done, want) {
		t.Errorf("completed %q\nwant %q", w.done, want)
	}
	if got := fmt.Sprint(files.calls); got != "[next x activate x]" {
		t.Error(got)
	}
	wantDisk(t, power(disk), 7, w.dumps[7])
	s, err := store.Open(power(disk), storeOptions())
	if err != nil {
		t.Fatal(err)
	}
	if e, err := s.ReadEpochs(7); err != nil || e != (store.Epochs{Current: 4, Accepted: 4}) {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := disk.Stat("/data/version-2/log.6"); err != nil {
		t.Errorf("no roll: %v", err)
	}
	w.close(t)
}

// observer counts what it is told.
type observer struct{ calls []string }

func (o *observer) Begin(first, n int) { o.calls = append(o.calls, fmt.Sprintf("%d+%d", first, n)) }
func (o *observer) Syncing()           { o.calls = append(o.calls, "sync") }
func (o *observer) Synced(int64)       { o.calls = append(o.calls, "synced") }

// One sync covers a run of records, split at MaxBatch.
func TestGroupCommit(t *testing.T) {
	disk := newDisk(t)
	syncs := 0
	fault := vfs.NewFault(disk, nil)
	o := &observer{}
	w := mustWorld(t, fault, Options{MaxBatch: 4, Observer: o})
	w.mustDo(t, w.appends("first", 1)...)
	fault.SetHook(func(op vfs.Op, path string) error {
		if (op == vfs.OpDatasync || op == vfs.OpSync) && strings.Contains(path, "log.") {
			syncs++
		}
		return nil
	})
	o.calls = nil
	w.mustDo(t, slices.Concat(w.appends("a", 10), []zab.Disk{{Kind: zab.DiskBarrier}}, w.appends("a", 1))...)
	if syncs != 4 || strings.Join(o.calls, " ") != "0+4 sync synced 4+4 sync synced 8+2 sync synced 11+1 sync synced" {
		t.Errorf("%d syncs, %v", syncs, o.calls)
	}
	o.calls = nil
	w.mustDo(t, zab.Disk{Kind: zab.DiskRoll})
	if strings.Join(o.calls, " ") != "0+1" {
		t.Errorf("a roll alone: %v", o.calls)
	}
	w.close(t)
}

// A log file ends at its size; the bytes count on until a roll is ordered.
func TestSizeRoll(t *testing.T) {
	disk := newDisk(t)
	w := mustWorld(t, disk, Options{MaxLogFile: 500, MaxBatch: 1})
	w.mustDo(t, w.appends("abc", 12)...)
	for i := 1; i < len(w.all); i++ {
		if w.all[i].FileBytes <= w.all[i-1].FileBytes {
			t.Errorf("record %d: %d bytes after %d", i, w.all[i].FileBytes, w.all[i-1].FileBytes)
		}
	}
	files, err := txnlog.Files(disk, "/data/version-2")
	if err != nil || len(files) < 3 {
		t.Errorf("%d files, %v", len(files), err)
	}
	w.all = nil
	w.mustDo(t, append([]zab.Disk{{Kind: zab.DiskRoll}}, w.appends("x", 1)...)...)
	if n := w.all[0].FileBytes; n > 300 {
		t.Errorf("%d bytes after the roll", n)
	}
	w.close(t)
}

func TestTruncate(t *testing.T) {
	for _, reload := range []bool{false, true} {
		disk := newDisk(t)
		w := mustWorld(t, disk, Options{})
		w.mustDo(t, w.appends("a", 9)...)
		w.mustDo(t, zab.Disk{Kind: zab.DiskTruncate, Incarnation: 8, Zxid: 5, Reload: reload})
		c := w.all[len(w.all)-1]
		if c.Kind != zab.DiskTruncate || !c.OK || c.Incarnation != 8 || c.Zxid != 5 || (c.Restart != nil) != reload {
			t.Fatalf("%+v", c)
		}
		if r := c.Restart; reload {
			if dump(r.Tree, r.Sessions) != w.dumps[5] || r.Applied != 5 || r.Base != 0 || len(r.Entries) != 5 || r.Floor != 0 {
				t.Errorf("%+v", r)
			}
			for i, e := range r.Entries {
				if e.Zxid() != proto.Zxid(i+1) || !slices.Equal(e.Raw, e.Txn.AppendTo(nil)) {
					t.Errorf("entry %d: %v", i, e.Zxid())
				}
			}
		}
		wantDisk(t, power(disk), 5, w.dumps[5])
		w.close(t)
		w = mustWorld(t, power(disk), Options{})
		w.mustDo(t, w.appends("b", 3)...)
		wantDisk(t, power(w.fsys.(*vfs.Mem)), 8, w.dumps[8])
		w.close(t)
	}
}

// A truncation that cannot be done is told, and the log goes on.
func TestTruncateThatCannotBe(t *testing.T) {
	disk := newDisk(t)
	w := mustWorld(t, disk, Options{})
	w.epoch(2)
	w.mustDo(t, w.appends("a", 3)...)
	w.mustDo(t, zab.Disk{Kind: zab.DiskTruncate, Zxid: proto.MakeZxid(1, 7)}, zab.Disk{Kind: zab.DiskTruncate, Zxid: -1})
	for _, c := range w.all[1:] {
		if c.OK || c.Why == "" || c.Restart != nil {
			t.Errorf("%+v", c)
		}
	}
	w.mustDo(t, w.appends("a", 3)...)
	wantDisk(t, power(disk), w.last, w.dumps[w.last])
	w.close(t)
}

// hold puts what a leader's disk has into memory, and orders to install it.
func (w *world) hold(t testing.TB, leader *world) zab.Disk {
	t.Helper()
	r, s, err := recovered(leader.fsys)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return zab.Disk{
		Kind: zab.DiskInstall, Zxid: leader.last, Incarnation: 5, Snapshot: w.journal.Hold(r.Tree, r.Sessions, leader.last),
	}
}

// leaderAt is a leader whose log is in an epoch.
func leaderAt(t testing.TB, e proto.Epoch, n int) *world {
	t.Helper()
	w := mustWorld(t, newDisk(t), Options{})
	w.epoch(e)
	w.mustDo(t, w.appends("leader", n)...)
	w.close(t)
	return w
}

func TestInstall(t *testing.T) {
	disk := newDisk(t)
	w := mustWorld(t, disk, Options{})
	w.mustDo(t, w.appends("a", 9)...)
	leader := leaderAt(t, 4, 3)
	order := w.hold(t, leader)
	w.mustDo(t, order)
	c := w.all[len(w.all)-1]
	r := c.Restart
	if !c.OK || c.Kind != zab.DiskInstall || c.Zxid != leader.last || c.Incarnation != 5 || r == nil {
		t.Fatalf("%+v", c)
	}
	if dump(r.Tree, r.Sessions) != leader.dumps[leader.last] || r.Applied != leader.last || r.Base != r.Applied || r.Floor != r.Applied {
		t.Errorf("%+v", r)
	}
	wantDisk(t, power(disk), leader.last, leader.dumps[leader.last])
	w.state, w.last = state.New(stateOptions, r.Tree, r.Sessions, r.Applied), r.Applied
	w.mustDo(t, w.appends("b", 2)...)
	wantDisk(t, power(disk), w.last, w.dumps[w.last])
	if err := w.do(order); err == nil || !strings.Contains(err.Error(), "is not held") {
		t.Errorf("installed twice: %v", err)
	}
	if err := w.do(zab.Disk{Kind: zab.DiskBarrier}); err == nil {
		t.Error("an error was not final")
	}
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestHeldSnapshots(t *testing.T) {
	w := mustWorld(t, newDisk(t), Options{})
	leader := leaderAt(t, 4, 3)
	order := w.hold(t, leader)
	w.journal.Forget(order.Snapshot)
	w.journal.Forget(99)
	if err := w.do(order); err == nil || !strings.Contains(err.Error(), "is not held") {
		t.Errorf("forgotten: %v", err)
	}
	w = mustWorld(t, newDisk(t), Options{})
	order = w.hold(t, leader)
	order.Zxid++
	if err := w.do(order); err == nil || !strings.Contains(err.Error(), "is that of 0x400000003") {
		t.Errorf("another zxid: %v", err)
	}
}

// What does not fit is refused before it is in the log.
func TestAppendRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*zab.Entry){
		"short":   func(e *zab.Entry) { e.Raw = e.Raw[:10] },
		"another": func(e *zab.Entry) { e.Txn = &proto.Txn{} },
		"none":    func(e *zab.Entry) { *e = zab.Entry{} },
	} {
		w := mustWorld(t, newDisk(t), Options{})
		e := w.entry("x")
		spoil(&e)
		if err := w.do(zab.Disk{Kind: zab.DiskAppend, Entry: e}); err == nil || len(w.done) != 0 {
			t.Errorf("%s: %v, %v", name, err, w.done)
		}
	}
	w := mustWorld(t, newDisk(t), Options{})
	w.mustDo(t, w.appends("x", 1)...)
	w.last++ // a gap
	if err := w.do(w.appends("x", 1)...); err == nil {
		t.Error("a gap was appended")
	}
	w = mustWorld(t, newDisk(t), Options{})
	if err := w.do(zab.Disk{Kind: 200}); err == nil {
		t.Error("an unknown order was carried out")
	}
}

func TestClose(t *testing.T) {
	w := mustWorld(t, newDisk(t), Options{})
	w.mustDo(t, w.appends("x", 3)...)
	w.close(t)
	if err := w.do(zab.Disk{Kind: zab.DiskBarrier}); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if err := w.journal.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
}

func pictureOf(l *life, v *tree.View) snap.Picture {
	return snap.Picture{Zxid: l.last, Sessions: l.state.Sessions().Snapshot(), View: v, Fence: l.fence}
}
