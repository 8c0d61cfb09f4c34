package interop

import (
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestJavaFormattersReadOurFiles lets Java's own tools print every log and snapshot that the server under test wrote,
// after a kill and after a clean stop, and counts what they print against an independent reader.
func TestJavaFormattersReadOurFiles(t *testing.T) {
	needJava(t)
	s := startServer(t, underTest(), swapOptions)
	d := newSide(t, s)
	must(t, fixedWork(d.conns[0], "/first"))
	randomWork(t, d, 11, 400)
	must(t, s.Kill())
	checkFiles(t, s)
	must(t, s.Start())
	for i := range d.conns {
		_, err := d.reconnect(i)
		must(t, err)
	}
	must(t, fixedWork(d.conns[1], "/second"))
	randomWork(t, d, 12, 200)
	must(t, s.Stop())
	checkFiles(t, s)
}

func checkFiles(t *testing.T, s Server) {
	t.Helper()
	logs, err := dataFiles(s.DataDir(), "log.")
	must(t, err)
	snapshots, err := dataFiles(s.DataDir(), "snapshot.")
	must(t, err)
	if len(logs) < 3 || len(snapshots) < 3 {
		t.Errorf("only %d logs and %d snapshots with snapCount %d", len(logs), len(snapshots), swapSnapCount)
	}
	if _, _, err := checkLogs(s.DataDir()); err != nil {
		t.Error(err)
	}
	for _, path := range logs {
		checkLogFile(t, path)
	}
	for _, path := range snapshots {
		checkSnapshotFile(t, path)
	}
}

var (
	logLine      = regexp.MustCompile(`(?m)^.* session 0x([0-9a-f]+) cxid 0x[0-9a-f]+ zxid 0x([0-9a-f]+) (\S+)`)
	snapshotLine = regexp.MustCompile(`(?m)^(/.*|)\n  cZxid = `)
)

// checkLogFile runs Java's log printer over one file.
func checkLogFile(t *testing.T, path string) {
	t.Helper()
	records, err := readLog(path)
	if err != nil {
		t.Error(err)
	}
	want := make([]string, 0, len(records))
	for _, r := range records {
		want = append(want, fmt.Sprintf("%x %x", uint64(r.session), uint64(r.zxid)))
	}
	out := runTool(t, "persistence.TxnLogToolkit", path)
	var got []string
	for _, m := range logLine.FindAllStringSubmatch(out, -1) {
		got = append(got, m[1]+" "+m[2])
		if strings.HasPrefix(m[3], "unknown") {
			t.Errorf("TxnLogToolkit of %s: %s", path, m[0])
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("TxnLogToolkit of %s prints %d transactions, the file has %d:\n%s", path, len(got), len(want), lastLines(out, 5))
	}
	if strings.Contains(out, "CRC ERROR") || strings.Contains(out, "Exception") {
		t.Errorf("TxnLogToolkit of %s complains:\n%s", path, lastLines(out, 20))
	}
}

// checkSnapshotFile compares the paths that SnapshotFormatter prints with those in the file.
func checkSnapshotFile(t *testing.T, path string) {
	t.Helper()
	want, err := snapshotNodes(path)
	if err != nil {
		t.Error(err)
		return
	}
	out := runTool(t, "SnapshotFormatter", path)
	var got []string
	for _, m := range snapshotLine.FindAllStringSubmatch(out, -1) {
		got = append(got, strings.TrimSuffix(m[1], "/"))
	}
	slices.Sort(want)
	slices.Sort(got)
	if want := slices.Compact(want); !slices.Equal(got, want) {
		t.Errorf("SnapshotFormatter prints %d nodes of %s, the file has %d\n%q\n%q", len(got), path, len(want), got, want)
	}
}

// runTool runs a main class of Java's server over a file. A non-zero exit fails the test.
func runTool(t *testing.T, class, path string) string {
	t.Helper()
	cmd := exec.Command("java", javaArgs("-Dzookeeper.extendedTypesEnabled=true", "org.apache.zookeeper.server."+class, path)...)
	cmd.SysProcAttr = dieWithParent()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s %s: %v\n%s", class, path, err, lastLines(string(out), 20))
	}
	return string(out)
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
