package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// smallDisk mounts a file system of so many KiB for the length of a test. The function makes it larger.
func smallDisk(t *testing.T, kb int) (dir string, grow func(kb int)) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may mount the small file system that this test fills")
	}
	dir = t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, fmt.Sprintf("size=%dk", kb)); err != nil {
		t.Skipf("a file system to fill cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return dir, func(kb int) {
		must(t, syscall.Mount("none", dir, "tmpfs", syscall.MS_REMOUNT, fmt.Sprintf("size=%dk", kb)))
	}
}

// writersOn starts the load of the crash tests. The function waits for its end, which is that of the connections.
func writersOn(t *testing.T, s Server, names ...string) ([]*crashWriter, func()) {
	t.Helper()
	var list []*crashWriter
	var group sync.WaitGroup
	for _, name := range names {
		w := &crashWriter{dir: "/" + name}
		must(t, w.setUp(s.Addr()))
		t.Cleanup(func() { w.c.Close() })
		list = append(list, w)
	}
	for _, w := range list {
		group.Go(w.load)
	}
	return list, group.Wait
}

// nothingLost checks what writers were told against what the server has now.
func nothingLost(t *testing.T, s Server, writers []*crashWriter) {
	t.Helper()
	for _, w := range writers {
		must(t, w.err)
		if _, err := w.verify(s); err != nil {
			t.Error(err)
		}
	}
}

// needOurs skips what Java is known to do otherwise.
func needOurs(t *testing.T) {
	t.Helper()
	if underTest() != quokkaMake {
		t.Skip("Java does otherwise, see docs/compat.md")
	}
}

// TestFullDisk fills the disk of the log: the server must stop at once, say why, and have all that it acknowledged
// when there is room again.
func TestFullDisk(t *testing.T) {
	needOurs(t)
	for _, prealloc := range []string{"0", "1024"} {
		dir, grow := smallDisk(t, 2500)
		s := startServer(t, quokkaMake, serverOptions{tickMS: 2000, dataDir: dir, extra: map[string]string{"preAllocSize": prealloc}}).(*process)
		writers, wait := writersOn(t, s, "a", "b")
		wait()
		select {
		case <-s.done:
		case <-time.After(10 * time.Second):
			t.Fatal("the server goes on with a full disk")
		}
		if code := s.cmd.ProcessState.ExitCode(); code != 1 {
			t.Errorf("exit code %d, want 1", code)
		}
		for _, want := range []string{"the transaction log cannot be written, so this server stops", "log.1", "no space left", "free some space"} {
			if !strings.Contains(s.Log(), want) {
				t.Errorf("%q is not in the log:\n%s", want, s.Log())
			}
		}
		must(t, s.Kill())
		if err := s.Start(); err == nil { // there may be room for a little
			must(t, s.Kill())
		}
		grow(50_000)
		must(t, s.Start())
		nothingLost(t, s, writers)
		must(t, s.Stop())
		if _, _, err := checkLogs(dir); err != nil {
			t.Error(err)
		}
	}
}

// TestFullSnapshotDisk fills the disk of the snapshots only: the log has everything, so the server goes on, and takes
// snapshots again when there is room.
func TestFullSnapshotDisk(t *testing.T) {
	needOurs(t)
	dir, grow := smallDisk(t, 400)
	s := startServer(t, quokkaMake, serverOptions{tickMS: 2000, snapCount: 300, dataDir: dir,
		extra: map[string]string{"dataLogDir": t.TempDir()}}).(*process)
	writers, wait := writersOn(t, s, "a", "b")
	const failed = "cannot write a snapshot; the older ones and the log stay as they are"
	must(t, poll(20*time.Second, func() error {
		if !strings.Contains(s.Log(), failed) {
			return fmt.Errorf("not in the log: %s", failed)
		}
		return nil
	}))
	grow(50_000)
	before := len(snapshotsIn(t, dir))
	must(t, poll(20*time.Second, func() error {
		if len(snapshotsIn(t, dir)) == before {
			return fmt.Errorf("no snapshot was written when there was room")
		}
		return nil
	}))
	must(t, s.Stop())
	wait()
	if rest, _ := filepath.Glob(filepath.Join(dir, "version-2", "saving-*")); len(rest) > 0 {
		t.Errorf("left behind: %v", rest)
	}
	must(t, s.Start())
	nothingLost(t, s, writers)
}

func snapshotsIn(t *testing.T, dataDir string) []string {
	t.Helper()
	list, err := dataFiles(dataDir, "snapshot.")
	must(t, err)
	return list
}
