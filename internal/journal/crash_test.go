package journal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"

	"quokka/internal/core/state"
	"quokka/internal/core/zab"
	"quokka/internal/disk/store"
	"quokka/internal/disk/vfs"
	"quokka/internal/proto"
)

// moment is what a disk may hold at some time.
type moment struct {
	zxid  proto.Zxid
	state string
}

// life is a member's life under random orders, which may end at any call.
type life struct {
	*world
	rng      *rand.Rand
	moments  []moment // all that was ordered, one after the other
	reported int      // index in moments of the last that was reported as durable
	accepted proto.Epoch
	current  proto.Epoch
	floor    proto.Zxid
	fence    uint64 // of the state
}

func (l *life) order(m moment) { l.moments = append(l.moments, m) }

// do carries out orders and notes what is reported.
func (l *life) do(orders ...zab.Disk) error {
	return l.journal.Do(orders, func(c Completion) {
		l.all = append(l.all, c)
		switch c.Kind {
		case zab.DiskAppend:
			for l.moments[l.reported].zxid != c.Zxid {
				l.reported++
			}
		case zab.DiskTruncate, zab.DiskInstall:
			l.reported = len(l.moments) - 1
		case zab.DiskAcceptedEpoch:
			l.accepted = c.Epoch
		case zab.DiskCurrentEpoch:
			l.current = c.Epoch
		}
	})
}

// append logs a few transactions, also of a new epoch.
func (l *life) append() error {
	if l.rng.IntN(3) == 0 {
		e := max(l.last.Epoch(), l.accepted) + 1
		if err := l.do(zab.Disk{Kind: zab.DiskAcceptedEpoch, Epoch: e}, zab.Disk{Kind: zab.DiskCurrentEpoch, Epoch: e}); err != nil {
			return err
		}
		l.epoch(e)
	}
	orders := l.appends(fmt.Sprint("t", l.rng.IntN(1000)), 1+l.rng.IntN(6))
	for _, o := range orders {
		l.order(moment{o.Entry.Zxid(), l.dumps[o.Entry.Zxid()]})
	}
	if l.rng.IntN(4) == 0 {
		orders = append(orders, zab.Disk{Kind: zab.DiskRoll})
	}
	return l.do(orders...)
}

// truncate takes some transactions back.
func (l *life) truncate() error {
	var targets []moment
	at := len(l.moments) - 1
	for at > 0 && len(targets) < 9 && l.moments[at].zxid > l.moments[at-1].zxid && l.moments[at].zxid > l.floor {
		at--
		targets = append(targets, l.moments[at])
	}
	if len(targets) == 0 {
		return nil
	}
	m := targets[l.rng.IntN(len(targets))]
	l.order(m)
	if err := l.do(zab.Disk{Kind: zab.DiskTruncate, Zxid: m.zxid, Reload: true}); err != nil {
		return err
	}
	c := l.all[len(l.all)-1]
	if !c.OK {
		l.moments = l.moments[:len(l.moments)-1]
		l.reported = len(l.moments) - 1
		return nil // an installed snapshot may be all there is
	}
	return l.restarted(c.Restart, m)
}

func (l *life) restarted(r *Restart, m moment) error {
	if got := dump(r.Tree, r.Sessions); r.Applied != m.zxid || got != m.state {
		return fmt.Errorf("restart at %v, want %v:\n%s\nwant\n%s", r.Applied, m.zxid, got, m.state)
	}
	l.state, l.last, l.floor = state.New(stateOptions, r.Tree, r.Sessions, r.Applied), r.Applied, r.Floor
	l.dumps[l.last], l.fence = m.state, r.Fence
	return nil
}

// install takes over another leader's state, ahead of this one or behind.
func (l *life) install(t *testing.T) error {
	e := l.last.Epoch() + 1
	if l.rng.IntN(2) == 0 {
		e = max(1, l.last.Epoch()-1)
	}
	leader := leaderAt(t, e, 1+l.rng.IntN(4))
	m := moment{leader.last, leader.dumps[leader.last]}
	l.order(m)
	if err := l.do(l.hold(t, leader)); err != nil {
		return err
	}
	return l.restarted(l.all[len(l.all)-1].Restart, m)
}

func (l *life) snapshot() error {
	v := l.state.Tree().View()
	defer v.Close()
	p := pictureOf(l, v)
	_, err := l.store.SaveSnapshot(p, nil)
	return err
}

func (l *life) run(t *testing.T, steps int) error {
	for range steps {
		var err error
		switch n := l.rng.IntN(10); {
		case n < 6:
			err = l.append()
		case n < 8:
			err = l.truncate()
		case n < 9:
			err = l.install(t)
		default:
			err = l.snapshot()
		}
		if err != nil {
			return err
		}
	}
	return l.journal.Close()
}

func newLife(fsys vfs.FS, seed uint64) (*life, error) {
	w, err := newWorld(fsys, Options{MaxBatch: 3, MaxLogFile: 700})
	if err != nil {
		return nil, err
	}
	return &life{world: w, rng: rand.New(rand.NewPCG(seed, 5)), moments: []moment{{0, w.dumps[0]}}}, nil
}

// check fails unless the disk holds one of the moments from the last reported
// one on, and the epochs that were reported.
func (l *life) check(t *testing.T, what string, disk vfs.FS) {
	t.Helper()
	r, s, err := recovered(disk)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	defer s.Close()
	got := moment{r.LastZxid, dump(r.Tree, r.Sessions)}
	found := false
	for _, m := range l.moments[l.reported:] {
		found = found || m == got
	}
	if !found {
		t.Fatalf("%s: recovered to %v, reported was %v\n%s", what, got.zxid, l.moments[l.reported].zxid, got.state)
	}
	last := r.Floor
	err = s.History(r.Floor, r.LastZxid, func(z proto.Zxid, _ []byte) error { last = z; return nil })
	if err != nil || last != r.LastZxid {
		t.Fatalf("%s: history from %v ends at %v, not %v: %v", what, r.Floor, last, r.LastZxid, err)
	}
	e, err := s.LoadEpochs(min(r.LastZxid, proto.MakeZxid(l.accepted, 1)))
	if err != nil || e.Accepted < l.accepted || e.Current < l.current {
		t.Fatalf("%s: epochs %+v, reported %d and %d, %v", what, e, l.accepted, l.current, err)
	}
}

// Power is lost after every call to the file system: what was reported is
// there, and what is there was ordered, in this order and without a mixture.
func TestPowerLossAfterEveryCall(t *testing.T) {
	seeds, stride := uint64(6), 3
	if testing.Short() {
		seeds, stride = 2, 11
	}
	for seed := range seeds {
		for calls := int(seed); ; calls += stride {
			disk := newDisk(t)
			fault := vfs.NewFault(disk, nil)
			l, err := newLife(fault, seed)
			if err != nil {
				t.Fatal(err)
			}
			fault.SetHook(vfs.StopAfter(calls))
			err = l.run(t, 14)
			if err != nil && !errors.Is(err, vfs.ErrStopped) {
				t.Fatalf("seed %d, call %d: %v", seed, calls, err)
			}
			for i, mode := range []vfs.CrashMode{vfs.CrashLose, vfs.CrashKeep, vfs.CrashRandom, vfs.CrashRandom} {
				rng := rand.New(rand.NewPCG(uint64(calls), uint64(i)))
				what := fmt.Sprintf("seed %d, call %d, %v", seed, calls, mode)
				image := disk.CrashImage(rng, mode)
				if _, s, err := recovered(vfs.NewFault(image, vfs.StopAfter(rng.IntN(70)))); err == nil {
					_ = s.Close()
				} else if !errors.Is(err, vfs.ErrStopped) {
					t.Fatalf("%s: %v", what, err)
				}
				l.check(t, what+", stopped in recovery", image.CrashImage(rng, vfs.CrashRandom))
				l.check(t, what, disk.CrashImage(rng, mode))
			}
			if err == nil {
				break
			}
		}
	}
}

// Any error of the disk is final: nothing is done or reported after it
// (fsyncgate: a second sync would say that all is well).
func TestErrorsAreFinal(t *testing.T) {
	for _, op := range []vfs.Op{
		vfs.OpCreate, vfs.OpWriteAt, vfs.OpDatasync, vfs.OpSync, vfs.OpSyncDir, vfs.OpRename, vfs.OpPreallocate, vfs.OpTruncate, vfs.OpRemove,
	} {
		for _, failure := range []error{syscall.EIO, syscall.ENOSPC} {
			for n := 1; n <= 12; n++ {
				disk := newDisk(t)
				fault := vfs.NewFault(disk, nil)
				l, err := newLife(fault, uint64(n))
				if err != nil {
					t.Fatal(err)
				}
				fault.SetHook(vfs.FailOnce(op, n, failure))
				err = l.run(t, 10)
				if err == nil || op == vfs.OpPreallocate && failure == syscall.ENOSPC {
					continue
				}
				if !errors.Is(err, failure) {
					t.Fatalf("%s %d: %v", op, n, err)
				}
				var own *store.Error
				if errors.As(err, &own) && own.Exit == store.ExitSnapshot && own.Reason == "no snapshot was taken" {
					continue // a snapshot that was not ordered
				}
				done, calls := len(l.all), fault.Calls()
				again := l.do(append(l.appends("late", 2), zab.Disk{Kind: zab.DiskBarrier})...)
				if again == nil || len(l.all) != done || fault.Calls() != calls {
					t.Errorf("%s %d: went on after an error: %v", op, n, again)
				}
				if err := l.journal.Close(); err == nil {
					t.Errorf("%s %d: closed without the error", op, n)
				}
				rng := rand.New(rand.NewPCG(uint64(n), 9))
				l.check(t, fmt.Sprintf("%s %d", op, n), disk.CrashImage(rng, vfs.CrashRandom))
			}
		}
	}
}

// The files of the configuration are of the disk, too.
func TestConfigErrorsAreFinal(t *testing.T) {
	for _, kind := range []zab.DiskKind{zab.DiskNextConfig, zab.DiskConfig} {
		w := mustWorld(t, newDisk(t), Options{Configs: &configs{err: syscall.EIO}})
		err := w.do(append(w.appends("x", 1), zab.Disk{Kind: kind, Config: "c"}, zab.Disk{Kind: zab.DiskBarrier})...)
		if !errors.Is(err, syscall.EIO) || len(w.done) != 1 {
			t.Errorf("%v, %v", err, w.done)
		}
	}
}
