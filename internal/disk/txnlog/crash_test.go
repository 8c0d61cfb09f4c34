package txnlog

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"quokka/internal/disk/vfs"
)

// workload is a scripted life of a log. It stops at the first error and tells
// how many records were appended and how many of them Sync has confirmed.
type workload struct {
	appended, synced int64
}

func (l *workload) run(fsys vfs.FS, rng *rand.Rand, opt Options) error {
	w := NewWriter(fsys, testDir, opt)
	for range 12 {
		for range 1 + rng.IntN(5) {
			size := 20 + rng.IntN(100)
			if rng.IntN(6) == 0 {
				size = rng.IntN(6000)
			}
			l.appended++ // Append may write, even if it then fails
			if err := w.Append(payload(l.appended, size)); err != nil {
				return err
			}
		}
		if rng.IntN(6) == 0 { // a roll with records that nobody has synced
			if err := w.Roll(); err != nil {
				return err
			}
		}
		if err := w.Sync(); err != nil {
			return err
		}
		l.synced = l.appended
		if rng.IntN(4) == 0 {
			if err := w.Roll(); err != nil {
				return err
			}
		}
	}
	return w.Close()
}

// check recovers a disk and compares with what was promised.
func (l *workload) check(fsys vfs.FS) error {
	zxids, err := recoverLog(fsys)
	if err != nil {
		return err
	}
	n := int64(len(zxids))
	if n < l.synced || n > l.appended {
		return fmt.Errorf("%d records recovered, %d synced, %d appended", n, l.synced, l.appended)
	}
	for i, zxid := range zxids {
		if zxid != int64(i)+1 {
			return fmt.Errorf("record %d has zxid %d", i, zxid)
		}
	}
	return nil
}

// goOn appends to a recovered log and reads it back.
func (l *workload) goOn(fsys vfs.FS, opt Options) error {
	zxids, err := recoverLog(fsys)
	if err != nil {
		return err
	}
	w := NewWriter(fsys, testDir, opt)
	n := int64(len(zxids))
	for zxid := n + 1; zxid <= n+3; zxid++ {
		if err := w.Append(payload(zxid, 70)); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	next := workload{appended: n + 3, synced: n + 3}
	return next.check(fsys)
}

// images calls f with many disks that a power loss could leave.
func images(m *vfs.Mem, seeds int, f func(vfs.FS) error) error {
	for _, mode := range []vfs.CrashMode{vfs.CrashLose, vfs.CrashKeep} {
		if err := f(m.CrashImage(nil, mode)); err != nil {
			return fmt.Errorf("crash mode %v: %w", mode, err)
		}
	}
	for seed := range uint64(seeds) {
		if err := f(m.CrashImage(rand.New(rand.NewPCG(seed, 2)), vfs.CrashRandom)); err != nil {
			return fmt.Errorf("crash seed %d: %w", seed, err)
		}
	}
	return nil
}

// everyStop runs a workload again and again, each time stopped one call later,
// until it is not stopped any more.
func everyStop(t *testing.T, run func(stop int) (stopped bool)) {
	t.Helper()
	const bound = 2000
	for stop := range bound {
		if !run(stop) {
			t.Logf("%d places to stop", stop)
			return
		}
	}
	t.Fatalf("workload makes more than %d calls", bound)
}

func crashSeeds() int {
	if testing.Short() {
		return 6
	}
	return 25
}

// A power loss at any moment leaves a prefix of the records with all synced
// ones, and a log that can go on.
func TestPowerLossKeepsSyncedPrefix(t *testing.T) {
	for _, prealloc := range []int64{0, 8 << 10, 64 << 10} {
		for seed := range uint64(3) {
			opt := Options{PreallocSize: prealloc}
			t.Run(fmt.Sprintf("prealloc %d seed %d", prealloc, seed), func(t *testing.T) {
				everyStop(t, func(stop int) bool {
					m, life := newDir(t), workload{}
					err := life.run(vfs.NewFault(m, vfs.StopAfter(stop)), rand.New(rand.NewPCG(seed, 1)), opt)
					if err != nil && !errors.Is(err, vfs.ErrStopped) {
						t.Fatal(err)
					}
					stopped := err != nil
					err = images(m, crashSeeds(), func(image vfs.FS) error {
						if err := life.check(image); err != nil {
							return err
						}
						return life.goOn(image, opt)
					})
					if err != nil {
						t.Fatalf("stopped after %d calls: %v", stop, err)
					}
					return stopped
				})
			})
		}
	}
}

// What recovery has read after the end of a process must survive a power loss
// that follows, although the process had not synced it.
func TestRecoveredRecordsAreDurable(t *testing.T) {
	everyStop(t, func(stop int) bool {
		m, life := newDir(t), workload{}
		stopped := life.run(vfs.NewFault(m, vfs.StopAfter(stop)), rand.New(rand.NewPCG(9, 1)), Options{PreallocSize: 4096}) != nil
		zxids, err := recoverLog(m)
		if err != nil {
			t.Fatalf("stopped after %d calls: %v", stop, err)
		}
		promise := workload{synced: int64(len(zxids)), appended: int64(len(zxids))}
		if err := images(m, 3, promise.check); err != nil {
			t.Fatalf("stopped after %d calls, then recovered: %v", stop, err)
		}
		return stopped
	})
}

// A repair that is itself cut short can be done again.
func TestPowerLossDuringRepair(t *testing.T) {
	life := workload{}
	base := newDir(t)
	err := life.run(vfs.NewFault(base, vfs.StopAfter(30)), rand.New(rand.NewPCG(4, 1)), Options{PreallocSize: 16 << 10})
	if !errors.Is(err, vfs.ErrStopped) {
		t.Fatal(err)
	}
	for seed := range uint64(10) {
		everyStop(t, func(stop int) bool {
			m := base.CrashImage(rand.New(rand.NewPCG(seed, 3)), vfs.CrashRandom)
			_, err := recoverLog(vfs.NewFault(m, vfs.StopAfter(stop)))
			if err := images(m, 5, life.check); err != nil {
				t.Fatalf("seed %d, repair stopped after %d calls: %v", seed, stop, err)
			}
			return err != nil
		})
	}
}

// A truncation that is cut short leaves a whole log that ends at the zxid or
// later; a finished one ends there for good.
func TestPowerLossDuringTruncate(t *testing.T) {
	everyStop(t, func(stop int) bool {
		m := newDir(t)
		writeLog(t, m, Options{PreallocSize: 4096}, through(1, 5), through(6, 9), through(10, 12), through(13, 20))
		err := Truncate(vfs.NewFault(m, vfs.StopAfter(stop)), testDir, 7)
		promise := workload{synced: 7, appended: 20}
		if err == nil {
			promise.appended = 7
		}
		if err := images(m, 25, promise.check); err != nil {
			t.Fatalf("stopped after %d calls: %v", stop, err)
		}
		return err != nil
	})
}

// The file below a failed sync is never used again, even if the disk works
// again the next moment.
func TestFailedSyncPoisonsForGood(t *testing.T) {
	eio := errors.New("input/output error")
	for _, op := range []vfs.Op{vfs.OpDatasync, vfs.OpSyncDir, vfs.OpWriteAt, vfs.OpCreate} {
		m := newDir(t)
		fault := vfs.NewFault(m, vfs.FailOnce(op, 1, eio))
		w := NewWriter(fault, testDir, Options{})
		err := w.Append(payload(1, 40))
		if err == nil {
			err = w.Sync()
		}
		if !errors.Is(err, eio) {
			t.Fatalf("%s: error %v", op, err)
		}
		calls := fault.Calls()
		for name, again := range map[string]error{
			"append": w.Append(payload(2, 40)), "sync": w.Sync(), "roll": w.Roll(),
		} {
			if !errors.Is(again, eio) {
				t.Errorf("%s after failed %s: %v", name, op, again)
			}
		}
		if fault.Calls() != calls {
			t.Errorf("disk touched after failed %s", op)
		}
		if err := w.Close(); !errors.Is(err, eio) {
			t.Errorf("close after failed %s: %v", op, err)
		}
	}
}
