package interop

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// fuzzyRounds is how often each direction of TestKilledAmidSnapshots kills.
const fuzzyRounds = 3

// TestKilledAmidSnapshots kills one implementation under a load that makes it write snapshots all the time, and has
// the other recover a copy of what is left, torn snapshots and fuzzy ones among it: it must come to the same nodes as
// the first one does itself, and to the digest of every transaction. The compression changes from round to round.
func TestKilledAmidSnapshots(t *testing.T) {
	needJava(t)
	for _, makes := range [][2]implementation{{javaMake, underTest()}, {underTest(), javaMake}} {
		t.Run(fmt.Sprintf("%s to %s", makes[0], makes[1]), func(t *testing.T) {
			dir := ""
			for round, method := range []string{"", "gz", "snappy"}[:fuzzyRounds] {
				o := serverOptions{tickMS: 2000, snapCount: 60, dataDir: dir,
					extra: map[string]string{"snapshot.compression.method": method, "preAllocSize": "32"}}
				s := startServer(t, makes[0], o)
				writers, wait := writersOn(t, s, fmt.Sprint("a", round), fmt.Sprint("b", round))
				<-time.After(time.Duration(300+150*round) * time.Millisecond)
				must(t, s.Kill())
				wait()
				dir = s.DataDir()
				o.dataDir = copyTree(t, dir)
				other := startServer(t, makes[1], o)
				must(t, s.Start())
				compareTrees(t, "after "+method, mustDump(t, s, &masker{exact: true}), mustDump(t, other, &masker{exact: true}))
				nothingLost(t, other, writers)
				checkDigests(t, other)
				if strings.Contains(other.Log(), "not covering the snapshot digest") {
					t.Errorf("a snapshot beyond the log was used:\n%s", other.Log())
				}
				must(t, other.Kill())
				must(t, s.Stop())
			}
		})
	}
}
