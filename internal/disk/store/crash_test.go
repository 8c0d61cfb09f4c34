package store

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"quokka/internal/disk/vfs"
	"quokka/internal/proto"
)

// run is a life of a server on a disk that may stop at any call.
type run struct {
	leader *leader
	acked  proto.Zxid // all up to here was synced
}

// live opens, recovers, and then appends, syncs, rolls, takes snapshots and
// purges as chance has it. The leader's history goes on where it stood.
func (r *run) live(fsys vfs.FS, o Options, rng *rand.Rand, steps int) error {
	s, err := Open(fsys, o)
	if err != nil {
		return err
	}
	rec, err := s.Recover(onState())
	if err != nil {
		return err
	}
	if rec.LastZxid != r.leader.last {
		return fmt.Errorf("recovered to %v, the history is at %v", rec.LastZxid, r.leader.last)
	}
	w := s.TxnLog()
	for range steps {
		if err := w.Append(r.leader.step(int(r.leader.last))); err != nil {
			return err
		}
		if rng.IntN(3) > 0 {
			if err := w.Sync(); err != nil {
				return err
			}
			r.acked = r.leader.last
		}
		if rng.IntN(9) > 0 {
			continue
		}
		if err := w.Roll(); err != nil {
			return err
		}
		r.acked = r.leader.last
		if err := r.leader.trySnapshot(s); err != nil {
			return err
		}
		if _, err := s.Purge(3); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	r.acked = r.leader.last
	return s.Close()
}

// rewind makes the leader's history end at a zxid.
func (r *run) rewind(zxid proto.Zxid) {
	l := newLeader()
	for l.last < zxid {
		l.step(int(l.last))
	}
	r.leader = l
}

// check fails unless the disk recovers to a prefix that holds all that was
// acknowledged, and returns where it ends.
func (r *run) check(t *testing.T, what string, disk vfs.FS, o Options) proto.Zxid {
	t.Helper()
	rec, err := recovered(disk, o)
	if err != nil {
		t.Fatalf("%s: acknowledged to %v: %v", what, r.acked, err)
	}
	if rec.LastZxid < r.acked || rec.LastZxid > r.leader.last {
		t.Fatalf("%s: recovered to %v, acknowledged to %v, written to %v", what, rec.LastZxid, r.acked, r.leader.last)
	}
	r.leader.wantState(t, rec, rec.LastZxid)
	return rec.LastZxid
}

var crashModes = []vfs.CrashMode{vfs.CrashLose, vfs.CrashKeep, vfs.CrashRandom, vfs.CrashRandom}

// Power is lost after every call to the file system, with what was not synced
// lost in whole or in part; also a second time, during recovery.
func TestPowerLossAfterEveryCall(t *testing.T) {
	steps, seeds := 60, uint64(3)
	if testing.Short() {
		steps, seeds = 25, 1
	}
	for seed := range seeds {
		o := testOptions
		if seed%2 == 1 {
			o.LogDir = "/logs"
		}
		for calls := 1; ; calls++ {
			disk := newDisk(t)
			r := &run{leader: newLeader()}
			err := r.live(vfs.NewFault(disk, vfs.StopAfter(calls)), o, rand.New(rand.NewPCG(seed, 1)), steps)
			if err != nil && !errors.Is(err, vfs.ErrStopped) {
				t.Fatal(err)
			}
			for i, mode := range crashModes {
				what := fmt.Sprintf("seed %d, call %d, %v", seed, calls, mode)
				rng := rand.New(rand.NewPCG(uint64(calls), uint64(i)+seed<<32))
				r.crashTwice(t, what, disk.CrashImage(rng, mode), o, rng)
			}
			if err == nil {
				break
			}
		}
	}
}

// crashTwice checks an image, and one of a power loss while it is recovered;
// then the server lives on, so that recovery left nothing in the way.
func (r *run) crashTwice(t *testing.T, what string, image *vfs.Mem, o Options, rng *rand.Rand) {
	t.Helper()
	again := image.CrashImage(nil, vfs.CrashKeep)
	_, err := recovered(vfs.NewFault(again, vfs.StopAfter(rng.IntN(60))), o)
	if err != nil && !errors.Is(err, vfs.ErrStopped) {
		t.Fatalf("%s: %v", what, err)
	}
	r.check(t, what+", stopped in recovery", again.CrashImage(rng, vfs.CrashRandom), o)
	last := r.check(t, what, image, o)
	if rng.IntN(8) > 0 {
		return
	}
	next := &run{acked: last}
	next.rewind(last)
	if err := next.live(image, o, rng, 10); err != nil {
		t.Fatalf("%s: going on: %v", what, err)
	}
	next.check(t, what+", later", image.CrashImage(nil, vfs.CrashLose), o)
}

// What recovery has told is not lost by a power loss right after it, even if
// the process before it died without a sync.
func TestRecoveredStateIsDurable(t *testing.T) {
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 7))
		disk := newDisk(t)
		r := &run{leader: newLeader()}
		stop := vfs.StopAfter(40 + rng.IntN(150))
		if err := r.live(vfs.NewFault(disk, stop), testOptions, rng, 60); err != nil && !errors.Is(err, vfs.ErrStopped) {
			t.Fatal(err)
		}
		rec, err := recovered(unlocked{disk}, testOptions)
		if err != nil {
			t.Fatal(err)
		}
		r.acked = rec.LastZxid
		r.check(t, fmt.Sprint("seed ", seed), disk.CrashImage(rng, vfs.CrashRandom), testOptions)
	}
}

// unlocked is a disk whose lock holder has died.
type unlocked struct{ vfs.FS }

func (unlocked) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }
