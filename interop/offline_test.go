package interop

import (
	"archive/zip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
)

// The offline tools against Java's, on the files of both servers. Java's tools are those that are installed (3.8.0 at
// the time of writing); where the text changed until 3.9, theirs is brought up to date before it is compared.

// TestOfflineToolsPrintAsJavas compares what the tools print, line by line.
func TestOfflineToolsPrintAsJavas(t *testing.T) {
	needJava(t)
	for _, m := range []implementation{javaMake, quokkaMake} {
		t.Run(string(m), func(t *testing.T) {
			s := workedServer(t, m)
			logs, err := dataFiles(s.DataDir(), "log.")
			must(t, err)
			for _, path := range logs {
				java := upToDate(javaTool(t, "persistence.TxnLogToolkit", path))
				wantSameRecords(t, path, java, offlineTool(t, 0, "txnlog", "print", path))
			}
			snapshots, err := dataFiles(s.DataDir(), "snapshot.")
			must(t, err)
			for _, path := range snapshots[:min(3, len(snapshots))] {
				compareSnapshotText(t, path)
			}
			first, last := snapshots[0], snapshots[len(snapshots)-1]
			compareComparers(t, first, last)
			compareNcdu(t, last)
			compareSummaries(t, last)
		})
	}
}

// workedServer is a server that has worked and was stopped.
func workedServer(t *testing.T, m implementation) Server {
	t.Helper()
	s := startServer(t, m, swapOptions)
	d := newSide(t, s)
	must(t, fixedWork(d.conns[0], "/fixed"))
	randomWork(t, d, 21, 250)
	must(t, s.Stop())
	return s
}

// javaTool runs one of Java's tools in English, UTC and UTF-8, and returns its standard output.
func javaTool(t *testing.T, class string, args ...string) string {
	t.Helper()
	cmd := exec.Command("java", slices.Concat(javaArgs("-Dzookeeper.extendedTypesEnabled=true", "-Duser.timezone=UTC", "-Duser.language=en",
		"-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8", "-Dsun.stdout.encoding=UTF-8", "org.apache.zookeeper.server."+class), args)...)
	cmd.SysProcAttr = dieWithParent()
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%s %v: %v\n%s", class, args, err, lastLines(errs.String(), 20))
	}
	return string(out)
}

// offlineTool runs quokka, checks its exit code, and returns its standard output.
func offlineTool(t *testing.T, code int, args ...string) string {
	t.Helper()
	path, err := quokkaBinary()
	must(t, err)
	cmd := exec.Command(path, args...)
	cmd.Env = append(withoutQuokka(os.Environ()), "TZ=UTC")
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	if cmd.ProcessState.ExitCode() != code {
		t.Errorf("quokka %v: exit code %d, want %d\n%s", args, cmd.ProcessState.ExitCode(), code, lastLines(errs.String(), 20))
	}
	return string(out)
}

var (
	oldDelete = regexp.MustCompile(`(delete(?:Container)? )'(/)`)
	control   = regexp.MustCompile("[\x00-\x08\x0b-\x1f\x7f\u0080-\u009f]")
)

// upToDate is the output of TxnLogToolkit 3.8 as that of 3.9 is, with control characters as Quokka writes them.
func upToDate(text string) string {
	text = strings.ReplaceAll(text, "createTtl", "createTTL")
	text = oldDelete.ReplaceAllString(text, "$1$2")
	return control.ReplaceAllStringFunc(text, func(s string) string { return fmt.Sprintf(`\x%02x`, []rune(s)[0]) })
}

// recordHead begins a record in the text of a log; what follows may have several lines.
var recordHead = regexp.MustCompile(`(?m)^(?:\d+/\d+/\d+, .* session 0x|ZooKeeper Transactional Log File|EOF reached)`)

// wantSameRecords compares the text of a log. Of a multi, 3.8 prints the bytes of the parts; then its head must do.
func wantSameRecords(t *testing.T, what, java, ours string) {
	t.Helper()
	a, b := records(java), records(ours)
	for i := range min(len(a), len(b)) {
		if head, raw, multi := strings.Cut(a[i], " multi "); multi && strings.Contains(a[i], "session 0x") &&
			(strings.Contains(raw, `\x00`) || strings.Contains(raw, "\ufffd")) && strings.HasPrefix(b[i], head+" multi ") {
			a[i] = b[i]
		}
	}
	wantSameLines(t, what, strings.Join(a, ""), strings.Join(b, ""))
}

func records(text string) []string {
	var list []string
	at := recordHead.FindAllStringIndex(text, -1)
	for i, from := range at {
		to := len(text)
		if i+1 < len(at) {
			to = at[i+1][0]
		}
		list = append(list, text[from[0]:to])
	}
	return list
}

func wantSameLines(t *testing.T, what, java, ours string) {
	t.Helper()
	if java == ours {
		return
	}
	a, b := strings.Split(java, "\n"), strings.Split(ours, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			t.Errorf("%s: line %d of Java's %d is\n%q\nand of our %d\n%q", what, i+1, len(a), a[i], len(b), b[i])
			return
		}
	}
	t.Errorf("%s: Java has %d lines, we have %d", what, len(a), len(b))
}

// compareSnapshotText compares SnapshotFormatter's text but for the order of nodes and sessions, which is that of a
// hash table in Java, and the digest, which 3.8 does not print.
func compareSnapshotText(t *testing.T, path string) {
	t.Helper()
	for _, data := range []bool{false, true} {
		flags := []string{}
		if data {
			flags = append(flags, "-d")
		}
		java := javaTool(t, "SnapshotFormatter", append(flags, path)...)
		ours := offlineTool(t, 0, slices.Concat([]string{"snapshot", "print"}, flags, []string{path})...)
		wantSameLines(t, path, sortedBlocks(java), sortedBlocks(ours))
	}
}

func sortedBlocks(text string) string {
	blocks := strings.Split(text, "----\n")
	for i, b := range blocks {
		if strings.HasPrefix(b, "Session Details") {
			lines := strings.Split(b, "\n")
			lines = slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "Target zxid digest") })
			slices.Sort(lines)
			blocks[i] = strings.Join(lines, "\n")
		}
		blocks[i] = control.ReplaceAllString(blocks[i], "?")
	}
	slices.Sort(blocks)
	return strings.Join(blocks, "----\n")
}

// compareComparers compares SnapshotComparer's lines but for those that tell how long it took.
func compareComparers(t *testing.T, a, b string) {
	t.Helper()
	timed := regexp.MustCompile(`(?m)^(?:Successfully parsed options!|Processed data tree in .*|Deserialized snapshot in .*)\n`)
	for _, limit := range []string{"0", "40"} {
		java := javaTool(t, "SnapshotComparer", "-l", a, "-r", b, "-b", limit, "-n", limit)
		ours := offlineTool(t, 1, "snapshot", "compare", "--bytes", limit, "--nodes", limit, a, b)
		wantSameLines(t, "comparison", timed.ReplaceAllString(java, ""), timed.ReplaceAllString(ours, ""))
	}
}

// compareNcdu compares the sizes that both write for ncdu.
func compareNcdu(t *testing.T, path string) {
	t.Helper()
	java := ncduSizes(t, javaTool(t, "SnapshotFormatter", "-json", path))
	ours := ncduSizes(t, offlineTool(t, 0, "snapshot", "print", "-o", "ncdu", path))
	if len(java) < 10 || !maps.Equal(java, ours) {
		t.Errorf("%s for ncdu: Java has %v\nwe have %v", path, java, ours)
	}
}

func ncduSizes(t *testing.T, text string) map[string]float64 {
	t.Helper()
	var all []any
	if err := json.Unmarshal([]byte(text), &all); err != nil || len(all) != 4 {
		t.Fatalf("%v in %s", err, lastLines(text, 3))
	}
	sizes := map[string]float64{}
	var walk func(v any, parent string)
	walk = func(v any, parent string) {
		list, isList := v.([]any)
		if !isList {
			list = []any{v}
		}
		head := list[0].(map[string]any)
		path := strings.TrimSuffix(parent, "/") + "/" + strings.TrimPrefix(head["name"].(string), "/")
		sizes[path] = head["asize"].(float64)
		for _, child := range list[1:] {
			walk(child, path)
		}
	}
	walk(all[3], "")
	return sizes
}

// compareSummaries compares SnapshotRecursiveSummary (since 3.9) but for the order of brothers.
func compareSummaries(t *testing.T, path string) {
	t.Helper()
	jar, err := zip.OpenReader(zookeeperJar)
	must(t, err)
	defer jar.Close()
	if !slices.ContainsFunc(jar.File, func(f *zip.File) bool { return strings.HasSuffix(f.Name, "/SnapshotRecursiveSummary.class") }) {
		t.Log("this Java has no SnapshotRecursiveSummary")
		return
	}
	java := strings.Split(javaTool(t, "SnapshotRecursiveSummary", path, "/", "0"), "\n")
	ours := strings.Split(offlineTool(t, 0, "snapshot", "summary", "--depth", "0", "--top", "0", path, "/"), "\n")
	slices.Sort(java)
	slices.Sort(ours)
	wantSameLines(t, "summary", strings.Join(java, "\n"), strings.Join(ours, "\n"))
}

// TestRepairedLogStartsBoth cuts the newest log of either server in its last record, repairs a copy, and lets both
// servers start from it. They, and Java's printer, find what was before the cut.
func TestRepairedLogStartsBoth(t *testing.T) {
	needJava(t)
	for _, m := range []implementation{javaMake, quokkaMake} {
		t.Run(string(m), func(t *testing.T) {
			s := workedServer(t, m)
			logs, err := dataFiles(s.DataDir(), "log.")
			must(t, err)
			path := newestRecords(t, logs)
			records, err := readLog(path)
			must(t, err)
			b, err := os.ReadFile(path)
			must(t, err)
			end := len(strings.TrimRight(string(b), "\x00"))
			must(t, os.Truncate(path, int64(end-3)))

			out := t.TempDir()
			text := offlineTool(t, 0, "txnlog", "repair", path, "--out", out)
			want := records[len(records)-2].zxid
			if !strings.Contains(text, fmt.Sprintf("keeps %d records, 0x%x to 0x%x\n", len(records)-1, records[0].zxid, want)) {
				t.Errorf("repair says\n%s", text)
			}
			repaired := filepath.Join(out, filepath.Base(path))
			if text := javaTool(t, "persistence.TxnLogToolkit", repaired); !strings.HasSuffix(text, fmt.Sprintf("EOF reached after %d txns.\n", len(records)-1)) {
				t.Errorf("Java prints of the copy:\n%s", lastLines(text, 5))
			}
			for _, starter := range []implementation{javaMake, quokkaMake} {
				options := swapOptions
				options.dataDir = copyTree(t, s.DataDir())
				must(t, os.Rename(copied(t, repaired), filepath.Join(options.dataDir, "version-2", filepath.Base(path))))
				started := startServer(t, starter, options)
				srvr, err := fourLetter(started.Addr(), "srvr")
				must(t, err)
				if !strings.Contains(srvr, fmt.Sprintf("Zxid: 0x%x\n", want)) {
					t.Errorf("%s on the copy says, want 0x%x:\n%s", starter, want, srvr)
				}
				must(t, started.Stop())
			}
		})
	}
}

// newestRecords is the newest log with two records or more, the newer ones being without any.
func newestRecords(t *testing.T, logs []string) string {
	t.Helper()
	for _, path := range slices.Backward(logs) {
		records, err := readLog(path)
		must(t, err)
		if len(records) > 1 {
			return path
		}
		must(t, os.Remove(path))
	}
	t.Fatal("no log has two records")
	return ""
}

func copied(t *testing.T, path string) string {
	t.Helper()
	from, err := os.Open(path)
	must(t, err)
	defer from.Close()
	to, err := os.CreateTemp(filepath.Dir(path), "copy-")
	must(t, err)
	_, err = io.Copy(to, from)
	must(t, err)
	must(t, to.Close())
	return to.Name()
}

// TestStateAsOfEachZxid writes to a server and keeps what its clients saw after each write. The offline tool then
// shows the same for each zxid: while the server runs, and after it was stopped.
func TestStateAsOfEachZxid(t *testing.T) {
	for _, m := range []implementation{javaMake, quokkaMake} {
		t.Run(string(m), func(t *testing.T) {
			if m == javaMake {
				needJava(t)
			}
			s := startServer(t, m, serverOptions{tickMS: 1000, snapCount: 12})
			seen := recordHistory(t, s, 45)
			zxids := slices.Sorted(maps.Keys(seen))
			for i, z := range zxids {
				if i == len(zxids)/2 {
					must(t, s.Stop())
				}
				got := treeAt(t, s.DataDir(), z)
				if !maps.Equal(got, seen[z]) {
					t.Errorf("as of 0x%x the tool shows %v, a client saw %v", z, got, seen[z])
				}
			}
		})
	}
}

// recordHistory makes writes below /h and returns what was there after each, by zxid.
func recordHistory(t *testing.T, s Server, steps int) map[int64]map[string]string {
	t.Helper()
	c, err := dialGo(s.Addr(), 20*time.Second)
	must(t, err)
	defer c.Close()
	_, err = c.Create("/h", nil, 0, zk.WorldACL(zk.PermAll))
	must(t, err)
	rng := rand.New(rand.NewPCG(5, 6))
	now := map[string]string{"/h": ""}
	seen := map[int64]map[string]string{}
	for i := range steps {
		path, data := fmt.Sprintf("/h/n%d", rng.IntN(6)), fmt.Sprintf("step %d", i)
		_, exists := now[path]
		zxid := int64(0)
		switch {
		case !exists:
			_, err = c.Create(path, []byte(data), int32(rng.IntN(2)), zk.WorldACL(zk.PermAll))
			now[path] = data
		case rng.IntN(3) == 0:
			err = c.Delete(path, -1)
			delete(now, path)
		default:
			var stat *zk.Stat
			if stat, err = c.Set(path, []byte(data), -1); err == nil {
				zxid = stat.Mzxid
			}
			now[path] = data
		}
		must(t, err)
		if zxid == 0 {
			_, stat, err := c.Exists("/h")
			must(t, err)
			zxid = stat.Pzxid
		}
		seen[zxid] = maps.Clone(now)
	}
	return seen
}

func treeAt(t *testing.T, dir string, zxid int64) map[string]string {
	t.Helper()
	got := map[string]string{}
	out := offlineTool(t, 0, "datadir", "tree", "-q", "-o", "json", dir, "/h", "--at", fmt.Sprintf("0x%x", zxid))
	for line := range strings.Lines(out) {
		var n struct {
			Path string
			Data *string
		}
		must(t, json.Unmarshal([]byte(line), &n))
		got[n.Path] = ""
		if n.Data != nil {
			got[n.Path] = *n.Data
		}
	}
	return got
}
