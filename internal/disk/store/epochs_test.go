package store

import (
	"errors"
	"math/rand/v2"
	"testing"

	"quokka/internal/disk/vfs"
	"quokka/internal/proto"
)

// After a power loss at any call a file has the old epoch or the new one, and
// the server starts (ZOOKEEPER-1653, 2307).
func TestPowerLossWhileAnEpochIsStored(t *testing.T) {
	for _, file := range []EpochFile{AcceptedEpoch, CurrentEpoch} {
		for calls := 0; ; calls++ {
			disk := newDisk(t)
			put(t, disk, "/data/version-2/acceptedEpoch", map[EpochFile]string{AcceptedEpoch: "4", CurrentEpoch: "5"}[file])
			put(t, disk, "/data/version-2/currentEpoch", "4")
			s := open(t, disk, memberOptions)
			s.fsys = vfs.NewFault(disk, vfs.StopAfter(calls))
			err := s.StoreEpoch(file, 5)
			if err != nil && !errors.Is(err, vfs.ErrStopped) {
				t.Fatal(err)
			}
			for seed := range uint64(12) {
				rng := rand.New(rand.NewPCG(seed, uint64(calls)))
				image := disk.CrashImage(rng, crashModes[seed%uint64(len(crashModes))])
				// The log may be ahead of the current epoch, but not of the accepted one.
				last := proto.MakeZxid(4, 9)
				if file == CurrentEpoch {
					last = proto.MakeZxid(5, 2)
				}
				got := loaded(t, image, rng, last)
				least := Epochs{Current: 4, Accepted: 4}
				if file == CurrentEpoch {
					least = Epochs{Current: 5, Accepted: 5} // by the log
				} else if err == nil {
					least.Accepted = 5
				}
				if got.Current < least.Current || got.Accepted < least.Accepted || got.Accepted > 5 {
					t.Fatalf("%s, call %d, seed %d: %+v", file, calls, seed, got)
				}
			}
			if err == nil {
				break
			}
		}
	}
}

// loaded loads the epochs, also after a power loss while that is done, and
// checks that what was told is durable.
func loaded(t *testing.T, image *vfs.Mem, rng *rand.Rand, last proto.Zxid) Epochs {
	t.Helper()
	s := open(t, image, memberOptions)
	s.fsys = vfs.NewFault(image, vfs.StopAfter(rng.IntN(14)))
	if _, err := s.LoadEpochs(last); err != nil && !errors.Is(err, vfs.ErrStopped) {
		t.Fatal(err)
	}
	stop(t, s)
	image = image.CrashImage(rng, vfs.CrashRandom)
	s = open(t, image, memberOptions)
	told, err := s.LoadEpochs(last)
	if err != nil {
		t.Fatal(err)
	}
	stop(t, s)
	s = open(t, image.CrashImage(nil, vfs.CrashLose), memberOptions)
	got, err := s.ReadEpochs(last)
	if err != nil || got != (Epochs{Current: told.Current, Accepted: told.Accepted}) {
		t.Fatalf("told %+v, durable %+v, %v", told, got, err)
	}
	stop(t, s)
	return got
}

func TestEpochsAreWrittenAsTheyAreFound(t *testing.T) {
	for _, c := range []struct{ current, temp, accepted string }{
		{"", "", ""}, {"2", "3", "3"}, {"2", "", "3"}, {"3", "", ""}, {"", "", "3"}, {"2", "x", "3"},
	} {
		disk := newDisk(t)
		putEpochs(t, disk, c.current, c.temp, c.accepted)
		e := loaded(t, disk, rand.New(rand.NewPCG(1, 1)), proto.MakeZxid(3, 7))
		if e.Current != 3 || e.Accepted != 3 {
			t.Errorf("%+v: %+v", c, e)
		}
	}
}
