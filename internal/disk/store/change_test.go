package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"quokka/internal/core/session"
	"quokka/internal/disk/snap"
	"quokka/internal/disk/vfs"
	"quokka/internal/proto"
)

var memberOptions = func() Options {
	o := testOptions
	o.Ensemble = true
	return o
}()

// create is a transaction that fits every state.
func (l *leader) create(name string) []byte {
	return l.next(proto.OpCreate, &proto.CreateTxn{Path: "/" + name, Data: []byte(name), ACL: openACL, ParentCversion: -1})
}

// epoch begins a new epoch: the next transaction is its first.
func (l *leader) epoch(e proto.Epoch) { l.last = proto.MakeZxid(e, 0) }

// grow appends creates, each with its own name, and syncs.
func grow(t testing.TB, s *Store, l *leader, tag string, n int) {
	t.Helper()
	w := s.TxnLog()
	for i := range n {
		if err := w.Append(l.create(fmt.Sprintf("%s-%v-%d", tag, l.last, i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// start opens a directory as a member and recovers.
func start(t testing.TB, fsys vfs.FS) (*Store, *Recovered) {
	t.Helper()
	s := open(t, fsys, memberOptions)
	r, err := s.Recover(onState())
	if err != nil {
		t.Fatal(err)
	}
	return s, r
}

func stop(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// install installs the leader's state.
func (l *leader) install(s *Store) error {
	v := l.tree.View()
	defer v.Close()
	return s.Install(snap.Picture{Zxid: l.last, Sessions: l.sessions.Snapshot(), View: v})
}

func (l *leader) mustInstall(t testing.TB, s *Store) {
	t.Helper()
	if err := l.install(s); err != nil {
		t.Fatal(err)
	}
}

func TestTruncateGoesToEveryRecord(t *testing.T) {
	for z := range proto.Zxid(31) {
		disk := newDisk(t)
		l := history(t, disk, memberOptions, 30, 10, 20)
		s, _ := start(t, disk)
		if err := s.Truncate(z); err != nil {
			t.Fatalf("to %v: %v", z, err)
		}
		r, err := s.Recover(onState())
		if err != nil {
			t.Fatal(err)
		}
		l.wantState(t, r, z)
		next := &run{}
		next.rewind(z)
		grow(t, s, next.leader, "again", 3)
		stop(t, s)
		s, r = start(t, disk.CrashImage(nil, vfs.CrashLose))
		next.leader.wantState(t, r, z+3)
		stop(t, s)
	}
}

// What cannot be truncated is refused, and nothing is changed.
func TestTruncateRefuses(t *testing.T) {
	disk := newDisk(t)
	history(t, disk, memberOptions, 30, 10, 20)
	s, _ := start(t, disk)
	l := newLeader()
	l.epoch(2)
	l.create("x")
	l.mustInstall(t, s)
	grow(t, s, l, "after", 5)
	before := names(t, disk, "/data/version-2")
	for z, want := range map[proto.Zxid]error{
		5: ErrNoBase, 30: ErrNoBase, proto.MakeZxid(2, 0): ErrNoBase, proto.MakeZxid(2, 7): ErrNotInLog,
		proto.MakeZxid(3, 1): ErrNotInLog, -1: ErrNoBase,
	} {
		if err := s.Truncate(z); !errors.Is(err, want) {
			t.Errorf("to %v: %v, want %v", z, err, want)
		}
	}
	if got := names(t, disk, "/data/version-2"); got != before {
		t.Errorf("files %s, were %s", got, before)
	}
	if err := s.Truncate(proto.MakeZxid(2, 1)); err != nil {
		t.Errorf("to the zxid of the installed snapshot: %v", err)
	}
	stop(t, s)
	s, r := start(t, disk)
	l.wantState(t, r, proto.MakeZxid(2, 1))
	stop(t, s)
}

// A snapshot that has what was truncated is gone (ZOOKEEPER-1549): also one
// that Java has made, if an older one can be used for sure.
func TestTruncateRemovesDirtySnapshots(t *testing.T) {
	disk := newDisk(t)
	l := history(t, disk, memberOptions, 15, 10, 15)
	s, _ := start(t, disk)
	if err := s.Truncate(14); err != nil {
		t.Fatal(err)
	}
	if got := names(t, disk, "/data/version-2"); strings.Contains(got, "snapshot.f") || !strings.Contains(got, "snapshot.a") {
		t.Errorf("left %s", got)
	}
	stop(t, s)
	s, r := start(t, disk)
	l.wantState(t, r, 14)
	stop(t, s)

	// The only snapshot is dirty: a new one has to come from the leader.
	disk = newDisk(t)
	history(t, disk, memberOptions, 15, 15)
	if err := disk.Remove("/data/version-2/snapshot.0"); err != nil {
		t.Fatal(err)
	}
	s, _ = start(t, disk)
	if err := s.Truncate(14); !errors.Is(err, ErrNoBase) {
		t.Errorf("without a base: %v", err)
	}
	stop(t, s)
}

// A base that is damaged, or fuzzy beyond the zxid, is not taken.
func TestTruncateChecksItsBase(t *testing.T) {
	disk := newDisk(t)
	l := history(t, disk, memberOptions, 30, 10, 20)
	change(t, disk, "/data/version-2/snapshot.a", func(b []byte) []byte { b[len(b)/2]++; return b })
	s, _ := start(t, disk)
	if err := s.Truncate(15); err != nil {
		t.Fatal(err)
	}
	r, err := s.Recover(onState())
	if err != nil || r.Report.Snapshot.Zxid != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	l.wantState(t, r, 15)
	stop(t, s)

	disk = newDisk(t)
	l = fuzzy(t, disk)
	s, _ = start(t, disk)
	if err := s.Truncate(14); err != nil {
		t.Fatal(err)
	}
	stop(t, s)
	s, r = start(t, disk)
	l.wantState(t, r, 14)
	stop(t, s)
}

// scenes are directories and changes of them; after is nil if the change ends
// at a record of before.
type scene struct {
	name   string
	make   func(t *testing.T, disk vfs.FS) (before, after *leader, end proto.Zxid)
	change func(s *Store, after *leader, end proto.Zxid) error
}

func truncateTo(s *Store, _ *leader, end proto.Zxid) error     { return s.Truncate(end) }
func installState(s *Store, after *leader, _ proto.Zxid) error { return after.install(s) }
func snapshotsAt(at ...int) func(*testing.T, vfs.FS, int) *leader {
	return func(t *testing.T, disk vfs.FS, steps int) *leader {
		return history(t, disk, memberOptions, steps, at...)
	}
}

var scenes = []scene{
	{"truncate the tail", func(t *testing.T, disk vfs.FS) (*leader, *leader, proto.Zxid) {
		l := snapshotsAt(10, 20)(t, disk, 30)
		return l, l, 25
	}, truncateTo},
	{"truncate files and snapshots", func(t *testing.T, disk vfs.FS) (*leader, *leader, proto.Zxid) {
		l := snapshotsAt(5, 10, 20, 30)(t, disk, 30)
		return l, l, 7
	}, truncateTo},
	{"install what is far ahead", func(t *testing.T, disk vfs.FS) (*leader, *leader, proto.Zxid) {
		after := newLeader()
		after.epoch(3)
		after.create("ahead")
		return snapshotsAt(10, 20)(t, disk, 30), after, after.last
	}, installState},
	{"install into a log that goes on otherwise", func(t *testing.T, disk vfs.FS) (*leader, *leader, proto.Zxid) {
		before := snapshotsAt(10, 20)(t, disk, 30)
		s, _ := start(t, disk)
		before.epoch(3)
		grow(t, s, before, "wrong", 5)
		before.snapshot(t, s)
		grow(t, s, before, "wrong", 5)
		stop(t, s)
		after := newLeader()
		after.epoch(2)
		after.create("right")
		return before, after, after.last
	}, installState},
	{"install the zxid that is there", func(t *testing.T, disk vfs.FS) (*leader, *leader, proto.Zxid) {
		after := newLeader()
		for n := range 20 {
			after.step(n)
		}
		return snapshotsAt(10, 20)(t, disk, 30), after, 20
	}, installState},
}

// Power is lost after every call: the directory recovers to what it was or to
// what it was to be, and stays there when power is lost in recovery too.
func TestPowerLossDuringChange(t *testing.T) {
	for _, c := range scenes {
		t.Run(c.name, func(t *testing.T) {
			reached := 0
			for calls := 0; ; calls++ {
				disk := newDisk(t)
				before, after, end := c.make(t, disk)
				fault := vfs.NewFault(disk, nil)
				s, _ := start(t, fault)
				fault.SetHook(vfs.StopAfter(calls))
				err := c.change(s, after, end)
				if err != nil && !errors.Is(err, vfs.ErrStopped) {
					t.Fatal(err)
				}
				for seed := range uint64(6) {
					rng := rand.New(rand.NewPCG(seed, uint64(calls)))
					image := disk.CrashImage(rng, crashModes[seed%uint64(len(crashModes))])
					if beforeOrAfter(t, fmt.Sprintf("call %d, seed %d", calls, seed), image, rng, before, after, end) {
						reached++
					} else if err == nil {
						t.Fatalf("call %d: the change was lost", calls)
					}
				}
				if err == nil {
					t.Logf("%d calls, %d times the state after it", calls, reached)
					return
				}
			}
		})
	}
}

func beforeOrAfter(t *testing.T, what string, image *vfs.Mem, rng *rand.Rand, before, after *leader, end proto.Zxid) bool {
	t.Helper()
	twice := image.CrashImage(nil, vfs.CrashKeep)
	if _, err := recovered(vfs.NewFault(twice, vfs.StopAfter(rng.IntN(80))), memberOptions); err != nil && !errors.Is(err, vfs.ErrStopped) {
		t.Fatalf("%s: %v", what, err)
	}
	twice = twice.CrashImage(rng, vfs.CrashRandom)
	ends := [2]bool{}
	for i, disk := range []*vfs.Mem{image, twice} {
		s, r := start(t, disk)
		if ends[i] = r.LastZxid == end && dump(r.Tree, r.Sessions) == after.dumps[end]; !ends[i] {
			before.wantState(t, r, before.last)
		}
		if err := wholeHistory(s, r); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if left := names(t, disk, "/data/version-2"); strings.Contains(left, installName) {
			t.Fatalf("%s: left %s", what, left)
		}
		stop(t, s)
	}
	if ends[0] != ends[1] && ends[0] {
		t.Fatalf("%s: recovery has taken the change back", what)
	}
	return ends[0]
}

// wholeHistory reads the log from the floor on.
func wholeHistory(s *Store, r *Recovered) error {
	if r.Floor > r.LastZxid || r.Base > r.LastZxid {
		return fmt.Errorf("floor %v and base %v of %v", r.Floor, r.Base, r.LastZxid)
	}
	last := r.Floor
	err := s.History(r.Floor, r.LastZxid, func(z proto.Zxid, _ []byte) error {
		last = z
		return nil
	})
	if err == nil && last != r.LastZxid {
		err = fmt.Errorf("history ends at %v, not %v", last, r.LastZxid)
	}
	if want := r.Base; err == nil {
		for _, e := range r.Entries {
			if z := e.Txn.Zxid; z != want+1 && (z.Epoch() <= want.Epoch() || z.Counter() != 1) {
				return fmt.Errorf("entry %v after %v", z, want)
			}
			want = e.Txn.Zxid
		}
		if want != r.LastZxid {
			return fmt.Errorf("entries end at %v, not %v", want, r.LastZxid)
		}
	}
	return err
}

// Once a leader's snapshot is installed, nothing older is used (P4): the log
// between them has a hole.
func TestNoFallbackAcrossAnInstalledSnapshot(t *testing.T) {
	disk := newDisk(t)
	history(t, disk, memberOptions, 30, 10, 20)
	s, _ := start(t, disk)
	l := newLeader()
	l.epoch(2)
	l.create("x")
	l.mustInstall(t, s)
	l.epoch(4)
	grow(t, s, l, "after", 5)
	stop(t, s)
	s, r := start(t, disk)
	l.wantState(t, r, l.last)
	stop(t, s)
	change(t, disk, "/data/version-2/snapshot.200000001", func(b []byte) []byte { b[len(b)/2]++; return b })
	refusal(t, disk, memberOptions, ExitUnexpected, "snapshot.14 is older than 0x200000001", "copy the data from the leader")
	// A server that is no member has no file to ask, but sees that the log
	// does not lead up to the snapshot.
	if err := disk.Remove("/data/version-2/quokka.floor"); err != nil {
		t.Fatal(err)
	}
	refusal(t, disk, testOptions, ExitUnexpected, "does not lead up to it but goes on to 0x400000005")
}

// Java has run on a directory with a decided truncation in it: what it has
// logged is not taken away.
func TestChangeIsForgottenIfJavaHasRun(t *testing.T) {
	for _, touch := range []string{"log.20", "snapshot.1e", "currentEpoch"} {
		disk := newDisk(t)
		l := history(t, disk, memberOptions, 30, 10, 20)
		fault := vfs.NewFault(disk, nil)
		s, _ := start(t, fault)
		if err := s.StoreEpoch(CurrentEpoch, 1); err != nil {
			t.Fatal(err)
		}
		fault.SetHook(func(op vfs.Op, path string) error {
			if op == vfs.OpTruncate {
				return vfs.ErrStopped
			}
			return nil
		})
		if err := s.Truncate(25); !errors.Is(err, vfs.ErrStopped) {
			t.Fatal(err)
		}
		image := disk.CrashImage(nil, vfs.CrashLose)
		if touch == "snapshot.1e" {
			s := open(t, image, testOptions)
			l.snapshot(t, s)
			stop(t, s)
		} else {
			put(t, image, "/data/version-2/"+touch, "2"[:strings.Count(touch, "E")])
		}
		s, r := start(t, image)
		l.wantState(t, r, 30)
		if !strings.Contains(r.Report.Resumed, "other software") || !strings.Contains(r.Report.Messages()[0].Text, "0x19") {
			t.Errorf("%s: %+v", touch, r.Report)
		}
		stop(t, s)
	}
}

// A picture from before a truncation is not saved, not even its rest.
func TestSnapshotFromBeforeAChangeIsRefused(t *testing.T) {
	disk := newDisk(t)
	l := history(t, disk, memberOptions, 30, 10, 20)
	fault := vfs.NewFault(disk, nil)
	s, _ := start(t, fault)
	v := l.tree.View()
	defer v.Close()
	p := snap.Picture{Zxid: 30, View: v, Fence: s.Fence()}
	done := make(chan error, 1)
	var truncated bool
	fault.SetHook(func(op vfs.Op, _ string) error {
		if op == vfs.OpWrite && !truncated {
			truncated = true
			go func() { done <- s.Truncate(25) }()
			for s.Fence() == p.Fence {
			}
		}
		return nil
	})
	if _, err := s.SaveSnapshot(p, nil); !errors.Is(err, ErrSuperseded) {
		t.Errorf("while it was written: %v", err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, err := s.SaveSnapshot(p, nil); !errors.Is(err, ErrSuperseded) {
		t.Errorf("afterwards: %v", err)
	}
	if got := names(t, disk, "/data/version-2"); strings.Contains(got, "snapshot.1e") {
		t.Errorf("left %s", got)
	}
	r, err := s.Recover(onState())
	if err != nil {
		t.Fatal(err)
	}
	l.wantState(t, r, 25)
	p.Zxid = 25
	if _, err := s.SaveSnapshot(p, nil); err != nil {
		t.Errorf("a picture that has nothing of what was truncated: %v", err)
	}
	if err := s.Truncate(99); !errors.Is(err, ErrNotInLog) {
		t.Error(err)
	}
	p = snap.Picture{Zxid: 25, View: r.Tree.View(), Sessions: r.Sessions.Snapshot(), Fence: s.Fence()}
	if _, err := s.SaveSnapshot(p, nil); err != nil {
		t.Error(err)
	}
	p.View.Close()
	stop(t, s)
}

// A failure leaves an error, and the next start decides.
func TestChangeFails(t *testing.T) {
	failure := errors.New("broken disk")
	for _, c := range scenes {
		for _, op := range []vfs.Op{vfs.OpCreate, vfs.OpWrite, vfs.OpSync, vfs.OpRename, vfs.OpRemove, vfs.OpTruncate, vfs.OpSyncDir} {
			for n := 1; n <= 3; n++ {
				disk := newDisk(t)
				before, after, end := c.make(t, disk)
				fault := vfs.NewFault(disk, nil)
				s, _ := start(t, fault)
				fault.SetHook(vfs.FailOnce(op, n, failure))
				err := c.change(s, after, end)
				if err != nil && !errors.Is(err, failure) {
					t.Fatalf("%s, %s %d: %v", c.name, op, n, err)
				}
				rng := rand.New(rand.NewPCG(uint64(n), 3))
				is := beforeOrAfter(t, fmt.Sprintf("%s, %s %d", c.name, op, n), disk.CrashImage(rng, vfs.CrashRandom), rng, before, after, end)
				if err == nil && !is {
					t.Errorf("%s, %s %d: no error and no change", c.name, op, n)
				}
			}
		}
	}
}

func TestInstallIntoNothing(t *testing.T) {
	disk := newDisk(t)
	o := memberOptions
	o.NoAutoCreateDB = true
	s := open(t, disk, o)
	r, err := s.Recover(onState())
	if err != nil || r.LastZxid != NoData || r.Base != NoData || r.Floor != NoData {
		t.Fatalf("%+v, %v", r, err)
	}
	if err := s.Truncate(0); !errors.Is(err, ErrNoBase) {
		t.Errorf("truncate: %v", err)
	}
	l := newLeader()
	l.sessions.Put(9, session.Entry{TimeoutMS: 4000}.TimeoutMS)
	l.epoch(1)
	l.create("x")
	l.mustInstall(t, s)
	stop(t, s)
	s = open(t, disk, o)
	if r, err = s.Recover(onState()); err != nil {
		t.Fatal(err)
	}
	l.wantState(t, r, l.last)
	if r.Floor != l.last || r.Base != l.last || len(r.Entries) != 0 {
		t.Errorf("floor %v, base %v", r.Floor, r.Base)
	}
	stop(t, s)
}
