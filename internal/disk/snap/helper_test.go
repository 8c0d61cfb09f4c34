package snap

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"quokka/internal/core/session"
	"quokka/internal/core/tree"
	"quokka/internal/proto"
)

var openACL = []proto.ACL{{Perms: 31, ID: proto.ID{Scheme: "world", ID: "anyone"}}}

// randomState makes a tree of n random znodes and some sessions.
func randomState(t testing.TB, seed uint64, n int) (*tree.Tree, *session.Table) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	tr, ss := tree.New(tree.Options{ExtendedTypes: true}), session.NewTable()
	acls := [][]proto.ACL{nil, openACL, {{Perms: 1, ID: proto.ID{Scheme: "digest", ID: "bob:x"}}, openACL[0]}}
	owners := []int64{0, 0, 0, 7, 9, tree.ContainerOwner, tree.TTLOwner(1000)}
	paths := []string{""}
	for i := range n {
		parent := paths[rng.IntN(len(paths))]
		path := fmt.Sprintf("%s/%c%d", parent, []rune("näß漢")[rng.IntN(4)], i)
		owner := owners[rng.IntN(len(owners))]
		data := make([]byte, rng.IntN(40))
		for j := range data {
			data[j] = byte(rng.Uint32())
		}
		if rng.IntN(5) == 0 {
			data = nil
		}
		code := tr.Create(path, data, acls[rng.IntN(len(acls))], owner, -1, proto.Zxid(i+1), proto.Millis(1000+i))
		if code != proto.OK {
			t.Fatalf("create %s: %v", path, code)
		}
		if owner != 7 && owner != 9 {
			paths = append(paths, path)
		}
	}
	for i := range rng.IntN(20) {
		ss.Put(proto.SessionID(rng.Int64()), int32(4000+i))
	}
	return tr, ss
}

// pictureOf takes a picture that is closed with the test.
func pictureOf(t testing.TB, tr *tree.Tree, ss *session.Table, zxid proto.Zxid) Picture {
	t.Helper()
	v := tr.View()
	t.Cleanup(v.Close)
	return Picture{Zxid: zxid, Sessions: ss.Snapshot(), View: v, Digest: true, LastProcessed: true}
}

func written(t testing.TB, p Picture) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// dump is all of a state as text; ACLs by value.
func dump(tr *tree.Tree, ss *session.Table) string {
	var b strings.Builder
	for id, timeout := range ss.All() {
		fmt.Fprintf(&b, "session %v %d\n", id, timeout)
	}
	v := tr.View()
	defer v.Close()
	lists := maps.Collect(v.ACLs())
	for n := range v.Nodes() {
		fmt.Fprintf(&b, "%q %q null=%v %v %+v\n", n.Path, n.Data, n.Data == nil, lists[n.ACLID], n.Stat)
	}
	fmt.Fprintf(&b, "digest %x\n", tr.Digest())
	return b.String()
}
