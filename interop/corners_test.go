package interop

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestClientCorners compares what clients rarely do: null where text belongs, several identities, watches when a session
// moves, frames at the limit, multis that contradict themselves.
func TestClientCorners(t *testing.T) {
	compareScenarioOn(t, "corners", serverOptions{tickMS: 3000}, func(t *testing.T, r *recorder) error {
		p := &protocolScenario{r: r, mask: newMasker()}
		p.mask.sortACLs = true
		for _, part := range []func() error{
			p.nulls, p.identities, p.masks, p.multiCorners, p.moves, p.restored, p.oneEventPerDelete, p.prefixes, p.attachments,
			p.limits, p.longLists, p.authInThePipe, p.xids, p.ownEnd,
		} {
			if err := part(); err != nil {
				return err
			}
		}
		return nil
	})
}

// step is a request by name.
type step struct {
	name string
	op   int32
	body []byte
}

// all sends the steps over one connection.
func (p *protocolScenario) all(c *rawConn, steps []step) {
	for _, s := range steps {
		p.do(c, s.name, s.op, s.body)
	}
}

// null is a null string, buffer or vector.
var null = packer{}.i32(-1)

// nulls: null paths, null and empty data, null lists.
func (p *protocolScenario) nulls() error {
	c, err := p.open()
	if err != nil {
		return err
	}
	defer c.Close()
	p.all(c, []step{
		{"null data", opCreate, createBody("/null", nil, openACL, 0)},
		{"get null data", opGetData, pathWatch("/null", false)},
		{"empty data", opSetData, setBody("/null", []byte{}, -1)},
		{"get empty data", opGetData, pathWatch("/null", false)},
		{"null data again", opSetData, setBody("/null", nil, -1)},
		{"get null data again", opGetData, pathWatch("/null", false)},
		{"exists of null", opExists, append(null, 0)},
		{"getData of null", opGetData, append(null, 0)},
		{"getChildren of null", opGetChildren, append(null, 0)},
		{"getACL of null", opGetACL, null},
		{"getAllChildrenNumber of null", opGetAllChildren, null},
		{"sync of null", opSync, null},
		{"removeWatches of null", opRemoveWatches, null.i32(3)},
		{"checkWatches of null", opCheckWatches, null.i32(3)},
		{"sync of nothing like a path", opSync, packer{}.str("no path")},
		{"sync with an empty body", opSync, nil},
		{"setWatches with trailing bytes", opSetWatches, append(packer{}.i64(0).strs(nil).strs(nil).strs(nil), 1, 2, 3)},
		{"setWatches with an empty body", opSetWatches, nil},
		{"addWatch of null", opAddWatch, packer(null).i32(0)},
		{"addWatch of nothing", opAddWatch, packer{}.str("").i32(1)},
		{"removeWatches of nothing", opRemoveWatches, packer{}.str("").i32(3)},
		{"sasl", 102, packer{}.buf([]byte("x"))},
		{"getData with trailing bytes", opGetData, append(pathWatch("/null", false), 1, 2, 3)},
		{"getData with flag 2", opGetData, append(packer{}.str("/null"), 2)},
		{"delete", opDelete, pathVersion("/null", -1)},
		{"reconfig", opReconfig, packer{}.str("server.1=a").str("").str("").i64(-1)},
		{"reconfig with nulls", opReconfig, null.i32(-1).i32(-1).i64(-1)},
	})
	return nil
}

// identities: several digests and super on one connection.
func (p *protocolScenario) identities() error {
	c, err := p.open()
	if err != nil {
		return err
	}
	defer c.Close()
	d, err := p.open()
	if err != nil {
		return err
	}
	defer d.Close()
	const bob = "bob:ikIaKsbtGweaHnb/jKn7OHqbunM="
	p.all(c, []step{
		{"who without identities", opWhoAmI, nil},
		{"auth ACL without identities", opCreate, createBody("/id", nil, []rawACL{{31, "auth", ""}}, 0)},
		{"bob", opAuth, authBody("digest", "bob:pw")},
		{"alice", opAuth, authBody("digest", "alice:secret")},
		{"bob again", opAuth, authBody("digest", "bob:pw")},
		{"ip", opAuth, authBody("ip", "whatever")},
		{"who with two", opWhoAmI, nil},
		{"auth ACL of two", opCreate, createBody("/id", nil, []rawACL{{31, "auth", ""}}, 0)},
		{"its ACL", opGetACL, packer{}.str("/id")},
		{"auth ACL beside bob", opSetACL, packer{}.str("/id").acls([]rawACL{{31, "digest", bob}, {31, "auth", ""}, {1, "auth", "x"}}).i32(0)},
		{"the ACL then", opGetACL, packer{}.str("/id")},
		{"not version 0 any more", opSetACL, packer{}.str("/id").acls(openACL).i32(0)},
	})
	p.all(d, []step{
		{"a stranger", opGetData, pathWatch("/id", false)},
		{"a stranger's exists of nothing", opExists, pathWatch("/id/none", false)},
		{"a stranger's child", opCreate, createBody("/id/child", nil, openACL, 0)},
		{"a stranger's delete of nothing", opDelete, pathVersion("/id/none", -1)},
		{"a stranger's multi", opMulti, multiBody(subOp{opCheck, pathVersion("/id", -1)}, subOp{opSetData, setBody("/id", nil, -1)})},
		{"super", opAuth, authBody("digest", superPassword)},
		{"who is super", opWhoAmI, nil},
		{"super reads", opGetData, pathWatch("/id", false)},
		{"super sees the ACL", opGetACL, packer{}.str("/id")},
		{"super's auth ACL", opSetACL, packer{}.str("/id").acls([]rawACL{{31, "auth", ""}}).i32(-1)},
		{"what it became", opGetACL, packer{}.str("/id")},
		{"super in an ACL", opSetACL, packer{}.str("/id").acls([]rawACL{{31, "super", ""}}).i32(-1)},
		{"super writes config", opSetData, setBody("/zookeeper/config", []byte("x"), -1)},
		{"super deletes quota", opDelete, pathVersion("/zookeeper/quota", -1)},
		{"super deletes", opDelete, pathVersion("/id", -1)},
	})
	return nil
}

// masks: each permission alone.
func (p *protocolScenario) masks() error {
	c, err := p.open()
	if err != nil {
		return err
	}
	defer c.Close()
	for perms := range int32(6) {
		mask := int32(1) << perms // the last one is no permission
		path := fmt.Sprintf("/perm%d", mask)
		acl := []rawACL{{mask, "world", "anyone"}, {31, "digest", superDigest}, {mask, "ip", "127.0.0.0/8"}}
		p.all(c, []step{
			{path + " create", opCreate2, createBody(path, []byte("x"), acl, 0)},
			{path + " getACL", opGetACL, packer{}.str(path)},
			{path + " getData", opGetData, pathWatch(path, false)},
			{path + " getChildren", opGetChildren, pathWatch(path, false)},
			{path + " getChildren2", opGetChildren2, pathWatch(path, false)},
			{path + " getAllChildrenNumber", opGetAllChildren, packer{}.str(path)},
			{path + " child", opCreate, createBody(path+"/c", nil, openACL, 0)},
			{path + " setData", opSetData, setBody(path, nil, 7)},
			{path + " check", opMulti, multiBody(subOp{opCheck, pathVersion(path, 7)})},
			{path + " delete child", opDelete, pathVersion(path+"/c", 7)},
			{path + " setACL", opSetACL, packer{}.str(path).acls(acl).i32(7)},
			{path + " multiRead", opMultiRead, multiBody(subOp{opGetData, pathWatch(path, false)}, subOp{opGetChildren, pathWatch(path, false)})},
		})
	}
	return nil
}

func (p *protocolScenario) multiCorners() error {
	c, err := p.open()
	if err != nil {
		return err
	}
	defer c.Close()
	create := func(path string, flags int32) subOp { return subOp{opCreate, createBody(path, nil, openACL, flags)} }
	remove := func(path string) subOp { return subOp{opDelete, pathVersion(path, -1)} }
	set := func(path string, v int32) subOp { return subOp{opSetData, setBody(path, []byte("v"), v)} }
	check := func(path string, v int32) subOp { return subOp{opCheck, pathVersion(path, v)} }
	for _, s := range []struct {
		name string
		ops  []subOp
	}{
		{"nothing", nil},
		{"create, delete, create", []subOp{create("/mc", 0), remove("/mc"), create("/mc", 0)}},
		{"three in sequence", []subOp{create("/mc/s-", 2), create("/mc/s-", 2), create("/mc/s-", 3)}},
		{"sequence after a failed one", []subOp{create("/mc/s-", 2), create("/mc", 0)}},
		{"the number is not lost", []subOp{create("/mc/s-", 2)}},
		{"below an ephemeral of the same multi", []subOp{create("/mc/e", 1), create("/mc/e/x", 0)}},
		{"parent goes before its child", []subOp{create("/mc/p", 0), create("/mc/p/x", 0), remove("/mc/p")}},
		{"child goes, then parent", []subOp{create("/mc/p", 0), create("/mc/p/x", 0), remove("/mc/p/x"), remove("/mc/p")}},
		{"set twice with versions", []subOp{set("/mc", 0), set("/mc", 1), check("/mc", 2)}},
		{"set with an old version", []subOp{set("/mc", 2), set("/mc", 2), check("/mc", 3)}},
		{"check alone", []subOp{check("/mc", 2)}},
		{"check that fails alone", []subOp{check("/mc", 9)}},
		{"check of nothing", []subOp{check("/none", -1), create("/mc/never", 0)}},
		{"delete of the root", []subOp{remove("/")}},
		{"fails in the middle", []subOp{create("/mc/a", 0), remove("/none"), create("/mc/b", 0), set("/none", -1)}},
		{"invalid ACL", []subOp{{opCreate, createBody("/mc/a", nil, nil, 0)}, create("/mc/b", 0)}},
		{"moved data", []subOp{remove("/mc/s-0000000000"), create("/mc/s-0000000000", 0), set("/mc/s-0000000000", 0)}},
		{"many", slicesRepeat(create("/mc/many-", 2), 300)},
	} {
		p.do(c, "multi: "+s.name, opMulti, multiBody(s.ops...))
	}
	p.do(c, "after the multis", opGetChildren2, pathWatch("/mc", false))
	return nil
}

func slicesRepeat(o subOp, n int) []subOp {
	list := make([]subOp, n)
	for i := range list {
		list[i] = o
	}
	return list
}

// moves: watches stay with the connection that armed them.
func (p *protocolScenario) moves() error {
	c, err := p.open()
	if err != nil {
		return err
	}
	defer c.Close()
	other, err := p.open()
	if err != nil {
		return err
	}
	defer other.Close()
	p.do(c, "watched node", opCreate, createBody("/mv", nil, openACL, 1))
	p.do(c, "watch before the move", opGetData, pathWatch("/mv", true))
	p.do(c, "persistent watch before the move", opAddWatch, packer{}.str("/mv").i32(0))
	d, err := dialRaw(p.r.server.Addr(), c.session, c.passwd, 60_000, c.zxid)
	if err != nil {
		return err
	}
	defer d.Close()
	p.do(other, "change after the move", opSetData, setBody("/mv", nil, -1))
	p.do(d, "no event on the new connection", opPing, nil)
	p.do(d, "no watch on the new connection", opRemoveWatches, packer{}.str("/mv").i32(3))
	p.do(d, "identities do not move", opWhoAmI, nil)
	lists := packer{}.i64(c.zxid).strs([]string{"/mv"}).strs(nil).strs(nil).strs([]string{"/mv"}).strs(nil)
	p.do(d, "setWatches2 tells what was missed", opSetWatches2, lists)
	p.do(other, "persistent again", opSetData, setBody("/mv", nil, -1))
	p.do(d, "its event", opPing, nil)
	p.do(other, "foreign delete of an ephemeral", opDelete, pathVersion("/mv", -1))
	p.do(d, "its deletion", opGetEphemerals, packer{}.str("/mv"))
	p.do(d, "close", opCloseSession, nil)
	return nil
}

// restored: setWatches of a watch that is armed already, of the same path in several lists, of unreadable nodes.
func (p *protocolScenario) restored() error {
	c, err := p.open()
	if err != nil {
		return err
	}
	defer c.Close()
	p.all(c, []step{
		{"node to restore", opCreate, createBody("/rs", nil, openACL, 0)},
		{"arm", opGetData, pathWatch("/rs", true)},
		{"arm again by setWatches", opSetWatches, packer{}.i64(1 << 40).strs([]string{"/rs", "/rs"}).strs([]string{"/rs2"}).strs([]string{"/rs"})},
		{"one event", opSetData, setBody("/rs", nil, -1)},
		{"child event remains", opCreate, createBody("/rs/x", nil, openACL, 1)},
		{"exist event remains", opCreate, createBody("/rs2", nil, openACL, 0)},
		{"since ever", opSetWatches, packer{}.i64(0).strs([]string{"/rs", "", "nonsense", "/"}).strs([]string{"/", ""}).strs([]string{"/rs/x", "/"})},
		{"since a negative zxid", opSetWatches, packer{}.i64(-1).strs([]string{"/rs"}).strs(nil).strs([]string{"/zookeeper"})},
		{"children of the root", opGetChildren, pathWatch("/", true)},
		{"their event", opCreate, createBody("/rs3", nil, openACL, 0)},
		{"recursive at the root", opAddWatch, packer{}.str("/").i32(1)},
		{"seen at the root", opSetData, setBody("/rs3", nil, -1)},
		{"twice below", opMulti, multiBody(subOp{opDelete, pathVersion("/rs3", -1)}, subOp{opDelete, pathVersion("/rs2", -1)})},
		{"remove it", opRemoveWatches, packer{}.str("/").i32(3)},
		{"nothing any more", opDelete, pathVersion("/rs/x", -1)},
	})
	return nil
}

// oneEventPerDelete: however many watches a session has on a node, its deletion is one event.
func (p *protocolScenario) oneEventPerDelete() error {
	c, err := p.open()
	if err != nil {
		return err
	}
	defer c.Close()
	p.all(c, []step{
		{"od", opCreate, createBody("/od", nil, openACL, 0)},
		{"od data watch", opGetData, pathWatch("/od", true)},
		{"od exists watch", opExists, pathWatch("/od", true)},
		{"od child watch", opGetChildren2, pathWatch("/od", true)},
		{"od parent watch", opGetChildren, pathWatch("/", true)},
		{"od deleted", opDelete, pathVersion("/od", -1)},
		{"od failing getData arms nothing", opGetData, pathWatch("/od", true)},
		{"od made again", opCreate, createBody("/od", nil, openACL, 0)},
		{"od exists", opExists, pathWatch("/od", true)},
		{"od setACL tells nobody", opSetACL, packer{}.str("/od").acls(openACL).i32(-1)},
		{"od set", opSetData, setBody("/od", nil, -1)},
		{"od failed set", opSetData, setBody("/od", nil, 99)},
	})
	return nil
}

// prefixes of getEphemerals, and what getAllChildrenNumber counts.
func (p *protocolScenario) prefixes() error {
	c, err := p.open()
	if err != nil {
		return err
	}
	defer c.Close()
	p.all(c, []step{
		{"pf", opCreate, createBody("/pf", nil, openACL, 0)}, {"pf/a", opCreate, createBody("/pf/a", nil, openACL, 1)},
		{"pf/ab", opCreate, createBody("/pf/ab", nil, openACL, 3)}, {"pfx", opCreate, createBody("/pfx", nil, openACL, 1)},
	})
	for _, prefix := range []string{"", " ", " / ", "/", "//", "/pf", "/pf/", "/pf/a", "/pf/ab0", "pf", "/none", "\n", "\u00a0"} {
		p.do(c, fmt.Sprintf("ephemerals %q", prefix), opGetEphemerals, packer{}.str(prefix))
	}
	p.do(c, "ephemerals of null", opGetEphemerals, null)
	for _, path := range []string{"/", "", "/pf", "/pf/a", "/p", "/zookeeper", "/none", "/pf/"} {
		p.do(c, fmt.Sprintf("number below %q", path), opGetAllChildren, packer{}.str(path))
	}
	p.do(c, "close with ephemerals", opCloseSession, nil)
	return nil
}

// attachments: timeouts are negotiated anew, and a client from the future is turned away.
func (p *protocolScenario) attachments() error {
	c, err := p.open()
	if err != nil {
		return err
	}
	defer c.Close()
	addr := p.r.server.Addr()
	if _, err := c.call(opSync, packer{}.str("/")); err != nil {
		return err
	}
	for _, a := range []struct {
		timeout int32
		future  int64
	}{{0, 0}, {-1, 0}, {6000, 0}, {5999, 0}, {60_001, 0}, {1<<31 - 1, 0}, {7000, 1}, {7000, 1 << 32}, {7000, -1}, {7000, -1 << 62}} {
		d, err := dialRaw(addr, c.session, c.passwd, a.timeout, c.zxid+a.future)
		text := "refused"
		if err == nil {
			text = fmt.Sprintf("timeout %d, same password %v", d.timeout, string(d.passwd) == string(c.passwd))
			d.Close()
		} else if lost(err) {
			text = "closed"
		} else if !errors.Is(err, errRefused) {
			return err
		}
		p.r.emit(fmt.Sprintf("attach with %d, zxid + %d", a.timeout, a.future), text)
	}
	for _, passwd := range [][]byte{nil, {}, c.passwd[:15], append(c.passwd[:16:16], 0)} {
		_, err := dialRaw(addr, c.session, passwd, 6000, 0)
		p.r.emit(fmt.Sprintf("password of %d bytes, null %v", len(passwd), passwd == nil), errors.Is(err, errRefused))
	}
	d, err := dialRaw(addr, c.session, c.passwd, 6000, 0)
	if err != nil {
		return err
	}
	p.do(d, "attached at last", opCloseSession, nil)
	return nil
}

// limits: the largest frame that is taken, and one byte more (jute.maxbuffer is 0xfffff).
func (p *protocolScenario) limits() error {
	const maxBuffer = 0xfffff
	c, err := p.open()
	if err != nil {
		return err
	}
	defer c.Close()
	p.do(c, "lm", opCreate, createBody("/lm", nil, openACL, 0))
	rest := 8 + len(setBody("/lm", nil, -1))
	for _, more := range []int{-1, 0} {
		p.do(c, fmt.Sprintf("largest frame %+d", more), opSetData, setBody("/lm", make([]byte, maxBuffer-rest+more), -1))
		r, err := c.call(opGetData, pathWatch("/lm", false))
		p.r.emit(fmt.Sprintf("length of the reply %+d", more), fmt.Sprintf("%d %d %v", r.err, len(r.body), err))
	}
	d, err := p.open()
	if err != nil {
		return err
	}
	defer d.Close()
	p.do(d, "a byte too many", opSetData, setBody("/lm", make([]byte, maxBuffer-rest+1), -1))
	p.do(c, "still", opExists, pathWatch("/lm", false))
	p.do(c, "lm delete", opDelete, pathVersion("/lm", -1))
	return nil
}

// longLists: a reply may be larger than any request.
func (p *protocolScenario) longLists() error {
	c, err := p.open()
	if err != nil {
		return err
	}
	defer c.Close()
	p.do(c, "ll", opCreate, createBody("/ll", nil, openACL, 0))
	name := "/ll/" + strings.Repeat("é", 1000)
	for range 3 {
		r, err := c.call(opMulti, multiBody(slicesRepeat(subOp{opCreate, createBody(name, nil, openACL, 2)}, 200)...))
		if err != nil || r.err != 0 {
			return fmt.Errorf("creating long names: err %d, %w", r.err, err)
		}
	}
	for _, op := range []int32{opGetChildren, opGetChildren2} {
		r, err := c.call(op, pathWatch("/ll", false))
		p.r.emit(fmt.Sprintf("long list by op %d", op), fmt.Sprintf("%d %d %v", r.err, len(r.body), err))
	}
	return nil
}

// authInThePipe: requests have the identities of the moment they came in. The place of the auth's own reply among the
// others is open.
func (p *protocolScenario) authInThePipe() error {
	c, err := p.open()
	if err != nil {
		return err
	}
	defer c.Close()
	d, err := p.open()
	if err != nil {
		return err
	}
	defer d.Close()
	p.do(d, "ap super", opAuth, authBody("digest", superPassword))
	p.do(d, "ap secret", opCreate, createBody("/ap", nil, []rawACL{{31, "digest", superDigest}}, 0))
	var batch []byte
	for i, s := range []step{
		{"", opSync, packer{}.str("/")}, {"", opGetData, pathWatch("/ap", false)}, {"", opSetData, setBody("/ap", nil, -1)},
		{"", opGetData, pathWatch("/ap", false)}, {"", opAuth, authBody("digest", superPassword)},
		{"", opGetData, pathWatch("/ap", false)}, {"", opSetData, setBody("/ap", nil, -1)},
	} {
		batch = append(batch, framed(append(packer{}.i32(int32(100+i)).i32(s.op), s.body...))...)
	}
	if _, err := c.c.Write(batch); err != nil {
		return err
	}
	codes := map[int32]int32{}
	for range 7 {
		r, err := c.receive()
		if err != nil {
			return err
		}
		codes[r.xid] = r.err
	}
	p.r.emit("codes around an auth", fmt.Sprint(codes))
	return nil
}

// ownEnd: a session that watches its own ephemerals hears of their end before the reply to its closeSession, and
// writes nothing any more after it. (Java may still answer that it has expired.)
func (p *protocolScenario) ownEnd() error {
	c, err := p.open()
	if err != nil {
		return err
	}
	defer c.Close()
	p.all(c, []step{
		{"own", opCreate, createBody("/own", nil, openACL, 1)},
		{"own watch", opGetData, pathWatch("/own", true)},
		{"own recursive watch", opAddWatch, packer{}.str("/").i32(1)},
	})
	batch := framed(packer{}.i32(50).i32(opCloseSession))
	batch = append(batch, framed(append(packer{}.i32(51).i32(opCreate), createBody("/after", nil, openACL, 0)...))...)
	if _, err := c.c.Write(batch); err != nil {
		return err
	}
	r, err := c.receive()
	p.r.emit("own end", fmt.Sprintf("%s xid %d err %d %v", describeEvents(c.takeEvents()), r.xid, r.err, err))
	d, err := p.open()
	if err != nil {
		return err
	}
	defer d.Close()
	r, err = d.call(opExists, pathWatch("/after", false))
	p.r.emit("not written", fmt.Sprint(r.err, err))
	return nil
}

// xids are echoed, whatever they are; only a ping has its own.
func (p *protocolScenario) xids() error {
	c, err := p.open()
	if err != nil {
		return err
	}
	defer c.Close()
	for _, xid := range []int32{0, -1, -2, -4, -8, 1<<31 - 1, -1 << 31} {
		if err := c.writeFrame(append(packer{}.i32(xid).i32(opExists), pathWatch("/", false)...)); err != nil {
			return err
		}
		_ = c.c.SetReadDeadline(time.Now().Add(rawTimeout))
		b, err := c.readFrame()
		u := &unpacker{b: b}
		p.r.emit(fmt.Sprintf("xid %d", xid), fmt.Sprintf("%d %d %d %v", u.i32(), u.i64(), u.i32(), err))
	}
	return nil
}
