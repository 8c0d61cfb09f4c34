package tree

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"quokka/internal/proto"
)

// A run does the same random changes to a tree and to the naive one.
type run struct {
	t     *testing.T
	r     *rand.Rand
	tree  *Tree
	naive *naive
	zxid  proto.Zxid
	views []*View
	then  []*naive // what the views show
}

func TestTreeDoesWhatTheNaiveTreeDoes(t *testing.T) {
	for seed := range uint64(24) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			o := Options{ExtendedTypes: seed%3 != 0, Emulate353TTL: seed%3 == 2}
			c := &run{t: t, r: rand.New(rand.NewPCG(seed, 1)), tree: New(o), naive: newNaive(o)}
			c.tree.arena.poison = true
			same(t, c.tree, c.naive)
			for i := range 1200 {
				c.step()
				if i%40 == 0 {
					same(t, c.tree, c.naive)
				}
				if i%400 == 399 {
					c.reload()
				}
			}
			c.closeViews()
			same(t, c.tree, c.naive)
			if len(c.tree.deferred) != 0 {
				t.Fatalf("%d blobs deferred without a view", len(c.tree.deferred))
			}
		})
	}
}

func (c *run) step() {
	c.zxid++
	zxid, now := c.zxid-proto.Zxid(c.r.IntN(40)/36*c.r.IntN(50)), proto.Millis(1000+c.r.IntN(1000))
	path, version := c.path(), int32(c.r.IntN(9)-2)
	var got, want proto.Code
	switch c.r.IntN(20) {
	default:
		data, acl, owner, pcv := c.data(), c.acl(), c.owner(), c.cversion(path)
		got = c.tree.Create(path, data, acl, owner, pcv, zxid, now)
		want = c.naive.create(path, data, acl, owner, pcv, zxid, now)
	case 9, 10, 11:
		got, want = c.tree.Delete(path, zxid), c.naive.remove(path, zxid)
	case 12, 13, 14, 15:
		data := c.data()
		got = c.tree.SetData(path, data, version, zxid, now)
		want = c.naive.setData(path, data, version, zxid, now)
	case 16:
		acl := c.acl()
		got, want = c.tree.SetACL(path, acl, version), c.naive.setACL(path, acl, version)
	case 17:
		got = c.tree.SetData("/", c.data(), version, zxid, now)
		data := bytes.Clone(c.tree.Data(rootRef))
		want = c.naive.setData("", data, version, zxid, now)
	case 18:
		if len(c.views) < 4 {
			c.views, c.then = append(c.views, c.tree.View()), append(c.then, c.naive.copy())
		}
	case 19:
		if len(c.views) > 0 {
			c.closeView(c.r.IntN(len(c.views)))
		}
	}
	if got != want {
		c.t.Fatalf("%q: %v, want %v", path, got, want)
	}
}

func (c *run) closeView(i int) {
	sameView(c.t, c.views[i], c.then[i])
	c.views[i].Close()
	c.views[i].Close()
	c.views, c.then = slices.Delete(c.views, i, i+1), slices.Delete(c.then, i, i+1)
}

func (c *run) closeViews() {
	for len(c.views) > 0 {
		c.closeView(0)
	}
}

// reload goes on with a tree made from a view, in an order other than the
// view's every other time, with some ACL lists lost.
func (c *run) reload() {
	c.closeViews()
	v := c.tree.View()
	defer v.Close()
	b := NewBuilder(c.tree.options)
	lost := map[int64]bool{}
	for id, acl := range v.ACLs() {
		if lost[id] = c.r.IntN(3) == 0; !lost[id] {
			b.AddACL(id, acl)
		}
	}
	b.AddACL(1<<40, []proto.ACL{{Perms: 3}}) // nobody's
	var nodes []ViewNode
	for n := range v.Nodes() {
		n.Path, n.Data = slices.Clone(n.Path), bytes.Clone(n.Data)
		nodes = append(nodes, n)
	}
	if c.r.IntN(2) == 0 {
		slices.SortStableFunc(nodes, func(x, y ViewNode) int { return len(x.Path) - len(y.Path) })
	}
	for _, n := range nodes {
		if err := b.Add(n.Path, n.Data, n.ACLID, n.Stat); err != nil {
			c.t.Fatal(err)
		}
		m := c.naive.nodes[string(n.Path)]
		if m.lost = m.lost || lost[n.ACLID]; m.lost {
			m.acl = nil
		}
		c.naive.nodes[string(n.Path)] = m
	}
	tr, err := b.Finish()
	if err != nil {
		c.t.Fatal(err)
	}
	for q := range tr.Quotas() {
		c.naive.publish(q.Path)
	}
	tr.arena.poison = true
	c.tree = tr
	same(c.t, c.tree, c.naive)
}

// path returns a path that often exists, or nearly does.
func (c *run) path() string {
	if c.r.IntN(6) == 0 {
		root := []string{"", "/a", "/b"}[c.r.IntN(3)]
		if root == "" {
			return []string{"/zookeeper/quota/a", "/zookeeper/quota/b"}[c.r.IntN(2)]
		}
		return "/zookeeper/quota" + root + []string{"/zookeeper_limits", "/zookeeper_stats"}[c.r.IntN(2)]
	}
	var p strings.Builder
	for range 1 + c.r.IntN(4) {
		p.WriteString("/" + []string{"a", "b", "c", "d", "a-rather-long-name-of-a-znode", "é"}[c.r.IntN(6)])
	}
	return p.String()
}

func (c *run) data() []byte {
	switch c.r.IntN(12) {
	case 0:
		return nil
	case 1:
		return []byte{}
	case 2:
		return bytes.Repeat([]byte{byte(c.r.Uint32())}, c.r.IntN(20<<10))
	case 3, 4:
		return Limits{int64(c.r.IntN(9) - 1), int64(c.r.IntN(99) - 1), -1, int64(c.r.IntN(9) - 1)}.Append(nil)
	}
	return bytes.Repeat([]byte{byte(c.r.Uint32())}, c.r.IntN(200))
}

func (c *run) acl() []proto.ACL {
	n := c.r.IntN(4)
	if n == 0 {
		return nil
	}
	acl := []proto.ACL{}
	for range n - 1 {
		acl = append(acl, proto.ACL{Perms: int32(c.r.IntN(3)), ID: proto.ID{Scheme: "world", ID: "anyone"}})
	}
	return acl
}

func (c *run) owner() int64 {
	switch c.r.IntN(6) {
	case 0:
		return ContainerOwner
	case 1:
		return TTLOwner(int64(1 + c.r.IntN(1000)))
	case 2:
		return int64(0x100000000000000 * (1 + c.r.IntN(3)))
	case 3:
		return ContainerOwner | 77 // a TTL of 3.5.3, or an odd session
	}
	return 0
}

func (c *run) cversion(path string) int32 {
	now := c.naive.nodes[proto.ParentOf(path)].stat.Cversion
	return []int32{-1, now + 1, now + 1, now + 1, now, max(now-2, 0), now + 3}[c.r.IntN(7)]
}
