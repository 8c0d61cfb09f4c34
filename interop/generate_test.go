package interop

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
)

// operation is one step of a random run, the same bytes for both servers.
type operation struct {
	session int    // which of the run's sessions sends it
	act     string // "call", "check and remove", "reconnect" or "renew" (close the session and open another)
	op      int32
	body    []byte
	text    string

	unreadable bool // an exists of a node that the session may not read
}

// generator draws operations from a small universe, so that they meet each other. What Quokka does otherwise than
// Java 3.8.0 on purpose is not drawn; the scripted protocol scenario covers it by name. Left out are:
//
//   - a container create with an ephemeral flag, a createTTL whose flag has no TTL and whose ttl is -1: the first
//     corrupts the digest of 3.8.0, the second ends the process;
//   - inside multi: create2, invalid flags and flags that do not belong to the opcode, which 3.8.0 rewrites
//     (MultiOperationRecord before 3.8.2);
//   - one-shot and persistent watches of one session on one path: 3.8.0 keeps only the last mode;
//   - WatcherType 4 and 5, stand-alone check, internal opcodes, unparsable bodies.
type generator struct {
	r        *rand.Rand
	sessions int

	// digestSafe leaves out what makes 3.8.0 log a wrong digest of its own: a create with the container flag and a
	// createContainer without it (the pending record of PrepRequestProcessor takes its owner from the flag).
	digestSafe bool
}

// weighted is a kind of operation and how often it is drawn.
type weighted struct {
	weight int
	draw   func(g *generator) operation
}

var operationTable = []weighted{
	{16, (*generator).create},
	{5, (*generator).create2},
	{2, (*generator).createContainer},
	{3, (*generator).createTTL},
	{9, (*generator).delete},
	{10, (*generator).setData},
	{3, (*generator).setACL},
	{3, (*generator).getACL},
	{5, (*generator).exists},
	{5, (*generator).getData},
	{4, (*generator).getChildren},
	{4, (*generator).getChildren2},
	{7, (*generator).multi},
	{3, (*generator).multiRead},
	{4, (*generator).addWatch},
	{2, (*generator).removeWatches},
	{2, (*generator).checkWatches},
	{2, (*generator).setWatches},
	{1, (*generator).setWatches2},
	{2, (*generator).getEphemerals},
	{2, (*generator).getAllChildrenNumber},
	{1, (*generator).whoAmI},
	{1, (*generator).sync},
	{1, (*generator).auth},
	{1, (*generator).quota},
	{1, (*generator).reconnect},
	{1, (*generator).renew},
}

func (g *generator) next() operation {
	total := 0
	for _, w := range operationTable {
		total += w.weight
	}
	n := g.r.IntN(total)
	for _, w := range operationTable {
		if n -= w.weight; n < 0 {
			o := w.draw(g)
			o.session = g.r.IntN(g.sessions)
			if o.op == opAuth {
				o = g.authOf(o.session)
			}
			if o.act == "" {
				o.act = "call"
			}
			return o
		}
	}
	panic("weights do not add up")
}

func (g *generator) chance(percent int) bool { return g.r.IntN(100) < percent }

func pick[T any](g *generator, list ...T) T { return list[g.r.IntN(len(list))] }

// beyondBMP is not sent where a path comes back, in sync and setWatches: 3.8.0 writes such a character as two encoded
// surrogates (BinaryOutputArchive.stringToByteBuffer), which no client can read.
const beyondBMP = "\U0001F600"

var oddPaths = []string{
	"", "a", "/a/", "//a", "/a//b", "/a/./b", "/a/../b", "/.", "/...", "/.a", "/\x01", "/a\x7f", "/a\x00b", "/a\u0085", "/a\ue000",
	"/a\ufff0", "/a" + beyondBMP, "/ä/€", "/a b", "/zookeeper", "/zookeeper/quota", "/zookeeper/config", "/zookeeper/x", "/",
}

// path draws mostly from /a../d with up to three levels.
func (g *generator) path() string {
	if g.chance(6) {
		return pick(g, oddPaths...)
	}
	var p strings.Builder
	for range pick(g, 1, 1, 2, 2, 2, 3) {
		p.WriteString("/" + pick(g, "a", "b", "c", "d"))
	}
	return p.String()
}

// watchFlavour splits the paths: each takes either one-shot or persistent watches.
func watchFlavour(path string) string {
	h := fnv.New32a()
	h.Write([]byte(path))
	return []string{"once", "once", "persistent", "recursive"}[h.Sum32()%4]
}

func (g *generator) watch(path string) bool { return watchFlavour(path) == "once" && g.chance(40) }

func (g *generator) flavoured(flavour string) string {
	for range 200 {
		if p := g.path(); watchFlavour(p) == flavour && !strings.Contains(p, beyondBMP) {
			return p
		}
	}
	return "/a"
}

func (g *generator) data() []byte {
	switch g.r.IntN(8) {
	case 0:
		return nil
	case 1:
		return []byte{}
	case 2:
		return make([]byte, g.r.IntN(3000))
	}
	return fmt.Appendf(nil, "value-%d", g.r.IntN(1000))
}

func (g *generator) version() int32 {
	return pick[int32](g, -1, -1, -1, -1, 0, 0, 1, 2, 7, -2, -1<<31, 1<<31-1)
}

func (g *generator) acl() []rawACL {
	if g.chance(80) {
		return openACL
	}
	const bob = "bob:ikIaKsbtGweaHnb/jKn7OHqbunM=" // of bob:pw, see DigestAuthenticationProvider
	return pick(g,
		nil, []rawACL{},
		[]rawACL{{31, "world", "somebody"}}, []rawACL{{31, "", ""}}, []rawACL{{31, "nosuch", "x"}},
		[]rawACL{{1, "world", "anyone"}}, []rawACL{{15, "world", "anyone"}, {16, "digest", bob}},
		[]rawACL{{31, "digest", bob}, {1, "world", "anyone"}}, []rawACL{{31, "digest", "nocolon"}}, []rawACL{{31, "digest", "a:b:c"}},
		[]rawACL{{31, "auth", ""}}, []rawACL{{31, "auth", "ignored"}, {31, "world", "anyone"}},
		[]rawACL{{31, "ip", "127.0.0.1"}}, []rawACL{{31, "ip", "127.0.0.0/8"}}, []rawACL{{31, "ip", "10.0.0.0/8"}, {21, "world", "anyone"}},
		[]rawACL{{31, "ip", "127.0.0.1/33"}}, []rawACL{{31, "ip", "nonsense"}},
		[]rawACL{{31, "world", "anyone"}, {31, "world", "anyone"}}, []rawACL{{0, "world", "anyone"}}, []rawACL{{63, "world", "anyone"}},
	)
}

func (g *generator) create() operation {
	p, flags := g.path(), pick[int32](g, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, -1)
	if g.digestSafe && flags == 4 {
		flags = 0
	}
	return operation{op: opCreate, body: createBody(p, g.data(), g.acl(), flags), text: fmt.Sprintf("create %q flags %d", p, flags)}
}

func (g *generator) create2() operation {
	o := g.create()
	o.op, o.text = opCreate2, "create2, "+o.text
	return o
}

func (g *generator) createContainer() operation {
	p, flags := g.path(), pick[int32](g, 4, 4, 0, 7)
	if g.digestSafe && flags == 0 {
		flags = 4
	}
	return operation{op: opCreateContainer, body: createBody(p, g.data(), g.acl(), flags), text: fmt.Sprintf("createContainer %q flags %d", p, flags)}
}

func (g *generator) createTTL() operation {
	p, flags := g.path(), pick[int32](g, 5, 5, 5, 6, 0, 1, 4)
	ttl := pick[int64](g, 3_600_000, 3_600_000, 1<<40-1, 1<<40, 86_400_000)
	if flags > 4 && g.chance(20) {
		ttl = pick[int64](g, 0, -1, -1<<63)
	}
	return operation{op: opCreateTTL, body: createTTLBody(p, g.data(), g.acl(), flags, ttl), text: fmt.Sprintf("createTTL %q flags %d ttl %d", p, flags, ttl)}
}

func (g *generator) delete() operation {
	p, v := g.path(), g.version()
	return operation{op: opDelete, body: pathVersion(p, v), text: fmt.Sprintf("delete %q v%d", p, v)}
}

// settable avoids the nodes that the server keeps for itself: 3.8.0 lets anybody overwrite them, but quota
// bookkeeping then fails in ways of its own.
func (g *generator) settable() string {
	for {
		if p := g.path(); p != "/zookeeper/config" && p != "/zookeeper/quota" {
			return p
		}
	}
}

func (g *generator) setData() operation {
	p, v := g.settable(), g.version()
	return operation{op: opSetData, body: setBody(p, g.data(), v), text: fmt.Sprintf("setData %q v%d", p, v)}
}

func (g *generator) setACL() operation {
	p, v, acl := g.settable(), g.version(), g.acl()
	if p == "/" {
		acl = openACL // or nothing could be created from then on
	}
	return operation{op: opSetACL, body: packer{}.str(p).acls(acl).i32(v), text: fmt.Sprintf("setACL %q v%d %s", p, v, describeACL(acl))}
}

func (g *generator) read(op int32, name string) operation {
	p := g.path()
	w := g.watch(p)
	return operation{op: op, body: pathWatch(p, w), text: fmt.Sprintf("%s %q watch %v", name, p, w)}
}

func (g *generator) exists() operation       { return g.read(opExists, "exists") }
func (g *generator) getData() operation      { return g.read(opGetData, "getData") }
func (g *generator) getChildren() operation  { return g.read(opGetChildren, "getChildren") }
func (g *generator) getChildren2() operation { return g.read(opGetChildren2, "getChildren2") }

func (g *generator) onePath(op int32, name string) operation {
	p := g.path()
	return operation{op: op, body: packer{}.str(p), text: fmt.Sprintf("%s %q", name, p)}
}

func (g *generator) getACL() operation { return g.onePath(opGetACL, "getACL") }

// sync echoes its path.
func (g *generator) sync() operation {
	for {
		if o := g.onePath(opSync, "sync"); !strings.Contains(o.text, beyondBMP) {
			return o
		}
	}
}
func (g *generator) getEphemerals() operation { return g.onePath(opGetEphemerals, "getEphemerals") }
func (g *generator) getAllChildrenNumber() operation {
	return g.onePath(opGetAllChildren, "getAllChildrenNumber")
}
func (g *generator) whoAmI() operation { return operation{op: opWhoAmI, text: "whoAmI"} }
