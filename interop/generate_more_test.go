package interop

import (
	"fmt"
	"strings"
)

func (g *generator) multi() operation {
	var ops []subOp
	var texts []string
	for range pick(g, 0, 1, 2, 2, 3, 3, 4, 6) {
		o := g.subOperation()
		ops = append(ops, subOp{o.op, o.body})
		texts = append(texts, o.text)
	}
	return operation{op: opMulti, body: multiBody(ops...), text: "multi [" + strings.Join(texts, "; ") + "]"}
}

// subOperation draws an operation whose flag belongs to its opcode; most of them succeed, or hardly any multi would.
func (g *generator) subOperation() operation {
	p := g.path()
	switch g.r.IntN(10) {
	case 0, 1, 2, 3:
		flags := pick[int32](g, 0, 0, 1, 2, 2, 3)
		return operation{op: opCreate, body: createBody(p, g.data(), g.acl(), flags), text: fmt.Sprintf("create %q flags %d", p, flags)}
	case 4:
		return operation{op: opCreateContainer, body: createBody(p, g.data(), openACL, 4), text: fmt.Sprintf("createContainer %q", p)}
	case 5:
		flags := pick[int32](g, 5, 6)
		return operation{op: opCreateTTL, body: createTTLBody(p, g.data(), openACL, flags, 3_600_000), text: fmt.Sprintf("createTTL %q flags %d", p, flags)}
	case 6:
		return g.delete()
	case 7, 8:
		return g.setData()
	}
	v := g.version()
	return operation{op: opCheck, body: pathVersion(p, v), text: fmt.Sprintf("check %q v%d", p, v)}
}

func (g *generator) multiRead() operation {
	var ops []subOp
	var texts []string
	for range pick(g, 1, 2, 3, 5) {
		o := g.getData()
		if g.chance(50) {
			o = g.getChildren()
		}
		ops = append(ops, subOp{o.op, o.body})
		texts = append(texts, o.text)
	}
	return operation{op: opMultiRead, body: multiBody(ops...), text: "multiRead [" + strings.Join(texts, "; ") + "]"}
}

func (g *generator) addWatch() operation {
	if g.chance(10) {
		mode := pick[int32](g, -1, 2, 99)
		return operation{op: opAddWatch, body: packer{}.str("/a").i32(mode), text: fmt.Sprintf("addWatch /a mode %d", mode)}
	}
	mode := int32(g.r.IntN(2))
	p := g.flavoured([]string{"persistent", "recursive"}[mode])
	return operation{op: opAddWatch, body: packer{}.str(p).i32(mode), text: fmt.Sprintf("addWatch %q mode %d", p, mode)}
}

// watcherType draws a type that means the same in every release: persistent watches are only named by Any.
func (g *generator) watcherType(path string) int32 {
	if watchFlavour(path) != "once" {
		return 3
	}
	return pick[int32](g, 1, 2, 3, 3, 0, 6, -1)
}

func (g *generator) removeWatches() operation {
	p := g.path()
	kind := g.watcherType(p)
	return operation{op: opRemoveWatches, body: packer{}.str(p).i32(kind), text: fmt.Sprintf("removeWatches %q type %d", p, kind)}
}

func (g *generator) checkWatches() operation {
	o := g.removeWatches()
	o.act, o.text = "check and remove", "checkWatches, "+o.text
	return o
}

func (g *generator) flavouredList(flavour string) []string {
	list := []string{}
	for range g.r.IntN(4) {
		list = append(list, g.flavoured(flavour))
	}
	return list
}

// setWatchesLists draws the three one-shot lists, with a zxid from the run's past mostly.
func (g *generator) setWatchesLists() (packer, string) {
	zxid := int64(g.r.IntN(pick(g, 300, 3000, 20_000)))
	if g.chance(10) {
		zxid = pick[int64](g, -1, 0, 1<<62, -1<<63)
	}
	data, exist, child := g.flavouredList("once"), g.flavouredList("once"), g.flavouredList("once")
	text := fmt.Sprintf("setWatches since %d data %q exist %q child %q", zxid, data, exist, child)
	return packer{}.i64(zxid).strs(data).strs(exist).strs(child), text
}

func (g *generator) setWatches() operation {
	body, text := g.setWatchesLists()
	return operation{op: opSetWatches, body: body, text: text}
}

func (g *generator) setWatches2() operation {
	body, text := g.setWatchesLists()
	persistent, recursive := g.flavouredList("persistent"), g.flavouredList("recursive")
	return operation{op: opSetWatches2, body: body.strs(persistent).strs(recursive),
		text: fmt.Sprintf("%s persistent %q recursive %q", text, persistent, recursive)}
}

func (g *generator) auth() operation { return operation{op: opAuth} }

// authOf draws an identity. Each session has one of its own that it takes most often; the first may also become super,
// until it is dropped.
func (g *generator) authOf(session int) operation {
	names := []string{"bob:pw", "alice:secret", "nocolon"}
	who := names[session%3]
	if g.chance(20) {
		who = pick(g, names...)
	}
	if session == 0 && g.chance(20) {
		who = superPassword
	}
	return operation{session: session, op: opAuth, body: authBody("digest", who), text: "auth digest " + who}
}

// quota writes well-formed quota nodes, as zkCli's setquota does: the parents first, then limits, then statistics.
func (g *generator) quota() operation {
	p := "/zookeeper/quota/" + pick(g, "a", "b")
	limits := []byte(pick(g, "count=5,bytes=100", "count=-1,bytes=50=;byteHardLimit=-1;countHardLimit=3"))
	stats := []byte("count=0,bytes=0")
	ops := pick(g,
		[]subOp{
			{opCreate, createBody(p, nil, openACL, 0)},
			{opCreate, createBody(p+"/zookeeper_limits", limits, openACL, 0)},
			{opCreate, createBody(p+"/zookeeper_stats", stats, openACL, 0)},
		},
		[]subOp{{opSetData, setBody(p+"/zookeeper_limits", limits, -1)}},
		[]subOp{
			{opDelete, pathVersion(p+"/zookeeper_limits", -1)},
			{opDelete, pathVersion(p+"/zookeeper_stats", -1)},
			{opDelete, pathVersion(p, -1)},
		},
	)
	return operation{op: opMulti, body: multiBody(ops...), text: fmt.Sprintf("quota of %s, %d steps, %s", p, len(ops), limits)}
}

func (g *generator) reconnect() operation {
	return operation{act: "reconnect", text: "drop the connection and attach again"}
}

func (g *generator) renew() operation {
	return operation{act: "renew", text: "close the session and open another"}
}
