package snap

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"quokka/internal/disk/vfs"
)

// A failure of any call leaves the older snapshot and no part of the new one.
func TestSaveFailsCleanly(t *testing.T) {
	tr, ss := randomState(t, 1, 50)
	failure := errors.New("broken disk")
	for _, op := range []vfs.Op{vfs.OpCreate, vfs.OpWrite, vfs.OpSync, vfs.OpClose, vfs.OpRename, vfs.OpSyncDir} {
		mem := newDir(t)
		if _, err := Save(mem, "/d", pictureOf(t, tr, ss, 1), Plain, nil); err != nil {
			t.Fatal(err)
		}
		_, err := Save(vfs.NewFault(mem, vfs.FailOnce(op, 1, failure)), "/d", pictureOf(t, tr, ss, 2), Gzip, nil)
		if !errors.Is(err, failure) {
			t.Errorf("%s: %v", op, err)
		}
		names, _ := mem.List("/d")
		want := "snapshot.1"
		if op == vfs.OpSyncDir {
			want = "snapshot.1 snapshot.2.gz"
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: left %s", op, got)
		}
	}
}

// Wherever the power goes, every snapshot that can be seen can be loaded, and
// one whose Save returned is there.
func TestSaveSurvivesPowerLoss(t *testing.T) {
	for calls := 0; ; calls++ {
		tr, ss := randomState(t, 1, 50)
		mem := newDir(t)
		if _, err := Save(mem, "/d", pictureOf(t, tr, ss, 1), Snappy, nil); err != nil {
			t.Fatal(err)
		}
		_, err := Save(vfs.NewFault(mem, vfs.StopAfter(calls)), "/d", pictureOf(t, tr, ss, 2), Plain, nil)
		for seed := range uint64(20) {
			rng := rand.New(rand.NewPCG(seed, uint64(calls)))
			image := mem.CrashImage(rng, []vfs.CrashMode{vfs.CrashLose, vfs.CrashKeep, vfs.CrashRandom}[seed%3])
			if _, err := RemoveUnfinished(image, "/d"); err != nil {
				t.Fatal(err)
			}
			names, _ := image.List("/d")
			infos, lerr := List(image, "/d")
			if lerr != nil || len(infos) != len(names) || len(infos) == 0 || err == nil && len(infos) < 2 {
				t.Fatalf("after %d calls: %v of %v, %v", calls, infos, names, lerr)
			}
			for _, i := range infos {
				if _, _, _, err := Load(image, i.Path, testOptions); err != nil {
					t.Fatalf("after %d calls: %v", calls, err)
				}
			}
		}
		if err == nil {
			return
		}
	}
}
