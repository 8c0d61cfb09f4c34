package offline_test

import (
	"archive/tar"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"quokka/client"
	"quokka/internal/cli"
	"quokka/internal/disk/vfs"
	"quokka/internal/offline"
	"quokka/internal/proto"
	"quokka/quokkatest"
)

// The program, and the names of Java's scripts that it answers to.
var programs = []string{"quokka", "zkTxnLogToolkit.sh", "zkSnapShotToolkit.sh", "zkSnapshotComparer.sh", "zkSnapshotRecursiveSummaryToolkit.sh"}

func TestMain(m *testing.M) {
	commands := map[string]func(){}
	for _, name := range programs {
		commands[name] = func() { os.Exit(cli.Main(os.Args[1:], cli.Std())) }
	}
	testscript.Main(m, commands)
}

// TestScripts runs the commands as processes: on the directory of a Java server ($JAVA), and on those of a server of
// ours that runs meanwhile ($OURS) and of one that was stopped ($STOPPED), both with the work of liveWork.
func TestScripts(t *testing.T) {
	root := t.TempDir()
	running := liveData(t, filepath.Join(root, "running"))
	stopped := liveData(t, filepath.Join(root, "stopped"))
	if err := stopped.Stop(0); err != nil {
		t.Fatal(err)
	}
	_ = running // until the test ends
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("TZ", "UTC")
			e.Setenv("JAVA", "java") // relative, so that paths in outputs do not vary
			e.Setenv("OURS", findData(filepath.Join(root, "running")))
			e.Setenv("STOPPED", findData(filepath.Join(root, "stopped")))
			return untar("../disk/store/testdata/java-3.8.0.tar.gz", filepath.Join(e.WorkDir, "java"))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"flip": flip, "cut": cut},
	})
}

// flip changes a bit of a file: flip FILE OFFSET.
func flip(ts *testscript.TestScript, _ bool, args []string) {
	b := []byte(ts.ReadFile(args[0]))
	var at int
	_, err := fmt.Sscan(args[1], &at)
	ts.Check(err)
	b[at] ^= 0x10
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o644))
}

// cut shortens a file: cut FILE SIZE.
func cut(ts *testscript.TestScript, _ bool, args []string) {
	var size int64
	_, err := fmt.Sscan(args[1], &size)
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), size))
}

// liveData runs a server that keeps its data in dir, and writes to it.
func liveData(t *testing.T, dir string) *quokkatest.Servers {
	t.Helper()
	s := quokkatest.StartWith(t, 1, quokkatest.Options{Dir: dir})
	c := s.Dial(t, client.Options{})
	ctx := t.Context()
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(c.Create(ctx, "/app", []byte("first")))
	must(c.Create(ctx, "/app/config", []byte(`{"a":1}`)))
	must(c.Create(ctx, "/app/lock", nil, client.Ephemeral))
	must(c.Set(ctx, "/app", []byte("second"), 0))
	must(c.Set(ctx, "/app", []byte("third"), 1))
	must(nil, c.Delete(ctx, "/app/config", 0))
	return s
}

// findData is the dataDir below dir.
func findData(dir string) string { return allData(dir)[0] }

func untar(archive, dir string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		path := filepath.Join(dir, filepath.FromSlash(strings.TrimPrefix(h.Name, "/")))
		if h.Typeflag != tar.TypeReg {
			if err := os.MkdirAll(path, 0o755); err != nil {
				return err
			}
			continue
		}
		b, err := io.ReadAll(r)
		if err == nil {
			err = os.WriteFile(path, b, 0o644)
		}
		if err != nil {
			return err
		}
	}
}

// The directories of an ensemble that runs are read like those of members: with epochs, and up to one zxid.
func TestEnsembleDirectories(t *testing.T) {
	root := t.TempDir()
	s := quokkatest.StartWith(t, 3, quokkatest.Options{Dir: root})
	c := s.Dial(t, client.Options{})
	for i := range 20 {
		if _, err := c.Create(t.Context(), fmt.Sprintf("/n%d", i), nil); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		caughtUp(t, s.Addr(i))
	}
	dirs := allData(root)
	for _, dir := range dirs {
		d, err := offline.Locate(vfs.OS{}, dir, "")
		if err != nil {
			t.Fatal(err)
		}
		info, err := d.Inspect(vfs.OS{}, true)
		if err != nil || info.Damaged() || info.MyID == "" || info.Epochs == nil || info.Epochs.Current < 1 {
			t.Errorf("%s: %+v, %v", dir, info, err)
		}
		state, err := d.At(vfs.OS{}, &offline.Moment{Zxid: creationOfN4(t, d)})
		if err != nil || state.Tree.FindString("/n4") == 0 || state.Tree.FindString("/n5") != 0 {
			t.Errorf("%s as of the creation of /n4: %v", dir, err)
		}
		first, err := offline.Locate(vfs.OS{}, dirs[0], "")
		if err != nil {
			t.Fatal(err)
		}
		if err := offline.CompareDirs(vfs.OS{}, first, d, nil, offline.CompareOptions{}, io.Discard, io.Discard); err != nil {
			t.Errorf("%s and %s: %v", dirs[0], dir, err)
		}
	}
}

// caughtUp waits until a member has all that was written before.
func caughtUp(t *testing.T, addr string) {
	t.Helper()
	c, err := client.Dial(t.Context(), addr, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Sync(t.Context(), "/"); err != nil {
		t.Fatal(err)
	}
}

// creationOfN4 is the zxid at which /n4 was created.
func creationOfN4(t *testing.T, d offline.DataDir) proto.Zxid {
	t.Helper()
	s, err := d.At(vfs.OS{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s.Tree.Stat(s.Tree.FindString("/n4")).Czxid
}

// allData are the dataDirs below root.
func allData(root string) []string {
	var dirs []string
	_ = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == "version-2" {
			dirs = append(dirs, filepath.Dir(path))
		}
		return nil
	})
	return dirs
}
