package interop

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

const (
	randomSessions  = 3
	reportedRandoms = 5 // differences shown before a run is given up
)

// side is one of the two servers of a random run with its sessions.
type side struct {
	server Server
	mask   *masker
	conns  []*rawConn
	opened int
}

// outcome is what one side observed of one operation.
type outcome struct {
	reply   string
	zxid    int64     // of the reply
	events  []string  // per session
	headers [][]int64 // header zxids of the events, per session
	check   int32     // error of the checkWatches that came before a removeWatches
}

func newSide(t *testing.T, s Server) *side {
	t.Helper()
	d := &side{server: s, mask: newMasker()}
	d.mask.sortACLs = true
	for range randomSessions {
		c, err := d.open()
		must(t, err)
		d.conns = append(d.conns, c)
	}
	t.Cleanup(func() {
		for _, c := range d.conns {
			c.Close()
		}
	})
	return d
}

// open makes a session and gives it the next common name.
func (d *side) open() (*rawConn, error) {
	c, err := dialRaw(d.server.Addr(), 0, nil, 60_000, 0)
	if err != nil {
		return nil, err
	}
	d.opened++
	d.mask.name(c.session, fmt.Sprintf("session %d", d.opened))
	return c, nil
}

// perform carries out one operation and collects the events that it caused on every session.
func (d *side) perform(o operation) (outcome, error) {
	var out outcome
	var err error
	switch o.act {
	case "call":
		out, err = d.call(o)
	case "check and remove":
		out, err = d.checkAndRemove(o)
	case "reconnect":
		out.reply, err = d.reconnect(o.session)
	case "renew":
		out, err = d.renew(o.session)
	}
	if err != nil {
		return out, err
	}
	return out, d.collect(&out, o.act == "renew")
}

// settle finds out whether an exists is one that newer releases deny; such a one is sent without its watch, which
// only the older release would register.
func (d *side) settle(o operation) (operation, error) {
	if o.op != opExists {
		return o, nil
	}
	path := (&unpacker{b: o.body}).str()
	r, err := d.conns[o.session].call(opGetData, pathWatch(path, false))
	if o.unreadable = r.err == errNoAuth; o.unreadable {
		o.body = pathWatch(path, false)
	}
	return o, err
}

func (d *side) call(o operation) (outcome, error) {
	r, err := d.conns[o.session].call(o.op, o.body)
	if lost(err) {
		text, err := d.reconnect(o.session)
		return outcome{reply: "connection lost; " + text}, err
	}
	return outcome{reply: d.mask.reply(o.op, r), zxid: r.zxid}, err
}

// checkAndRemove asks for watches and then removes them: the second answer says what the first must be.
func (d *side) checkAndRemove(o operation) (outcome, error) {
	check, err := d.conns[o.session].call(opCheckWatches, o.body)
	if err != nil {
		return outcome{}, err
	}
	out, err := d.call(o)
	out.check = check.err
	return out, err
}

// lost tells a connection closed by the server from a failure of the test.
func lost(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func (d *side) reconnect(i int) (string, error) {
	old := d.conns[i]
	old.Close()
	c, err := dialRaw(d.server.Addr(), old.session, old.passwd, 60_000, old.zxid)
	if err != nil {
		return "", err
	}
	d.conns[i] = c
	return fmt.Sprintf("attached %s timeout %d", d.mask.owner(c.session), c.timeout), nil
}

func (d *side) renew(i int) (outcome, error) {
	r, err := d.conns[i].closeSession()
	if err != nil {
		return outcome{}, err
	}
	out := outcome{reply: d.mask.reply(opCloseSession, r), zxid: r.zxid}
	d.conns[i], err = d.open()
	return out, err
}

// collect pings every session: the reply to a ping comes after all events of earlier transactions. The end of a session
// deletes its ephemerals in no particular order (a hash set in Java), so their events are sorted.
func (d *side) collect(out *outcome, unordered bool) error {
	for i, c := range d.conns {
		r, err := c.call(opPing, nil)
		if err != nil {
			return fmt.Errorf("ping of session %d: %w", i, err)
		}
		list := c.takeEvents()
		if unordered {
			slices.SortFunc(list, func(a, b event) int { return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.kind, b.kind)) })
		}
		text := fmt.Sprintf("ping zxid=%d %s", r.zxid, describeEvents(list))
		headers := []int64{}
		for _, e := range list {
			headers = append(headers, e.zxid)
		}
		out.events = append(out.events, text)
		out.headers = append(out.headers, headers)
	}
	return nil
}

// differences lists how two outcomes of one operation differ.
func (want outcome) differences(got outcome, o operation) []string {
	var list []string
	if want.reply = deniedExists(underTest(), o, want); want.reply != got.reply {
		list = append(list, fmt.Sprintf("reply\n    java   %s\n    tested %s", want.reply, got.reply))
	}
	if problem := checkWatchesProblem(underTest(), o, want, got); problem != "" {
		list = append(list, problem)
	}
	for i := range want.events {
		if want.events[i] != got.events[i] {
			list = append(list, fmt.Sprintf("events of session %d\n    java   %s\n    tested %s", i, want.events[i], got.events[i]))
		}
		for _, zxid := range got.headers[i] {
			if expected := eventHeaderZxid(underTest(), o, got.zxid); zxid != expected {
				list = append(list, fmt.Sprintf("event on session %d has header zxid %d, not %d", i, zxid, expected))
			}
		}
	}
	return list
}

// TestRandomDifferential sends the same random operations, one at a time, to Java and to the server under test and
// compares every reply (zxid, error, body, Stat), every event and at the end the whole tree.
func TestRandomDifferential(t *testing.T) {
	needJava(t)
	for text := range strings.SplitSeq(environment("QUOKKA_INTEROP_SEEDS", "1,2,3"), ",") {
		seed, err := strconv.ParseUint(strings.TrimSpace(text), 10, 64)
		must(t, err)
		t.Run("seed "+text, func(t *testing.T) { runRandom(t, seed, environmentInt(t, "QUOKKA_INTEROP_OPS", 2000)) })
	}
}

func runRandom(t *testing.T, seed uint64, operations int) {
	options := serverOptions{tickMS: 3000, extra: map[string]string{"forceSync": "no"}}
	if seed%2 == 0 {
		options.extra["enforceQuota"] = "true"
	}
	java := newSide(t, startServer(t, javaMake, options))
	tested := newSide(t, startServer(t, underTest(), options))
	g := &generator{r: rand.New(rand.NewPCG(seed, seed)), sessions: randomSessions}
	bad, codes := 0, map[string]int{}
	for i := range operations {
		o, err := java.settle(g.next())
		must(t, err)
		want, err := java.perform(o)
		if err != nil {
			t.Fatalf("seed %d, operation %d, %s: java: %v", seed, i, o.text, err)
		}
		got, err := tested.perform(o)
		if err != nil {
			t.Fatalf("seed %d, operation %d, %s: %s: %v", seed, i, o.text, tested.server.Name(), err)
		}
		codes[errorCode(want.reply)]++
		if list := want.differences(got, o); len(list) > 0 {
			t.Errorf("seed %d, operation %d, session %d: %s\n  %s", seed, i, o.session, o.text, strings.Join(list, "\n  "))
			if bad++; bad == reportedRandoms {
				t.Fatalf("seed %d: given up after %d differences", seed, bad)
			}
		}
	}
	want, got := mustDump(t, java.server, java.mask), mustDump(t, tested.server, tested.mask)
	compareTrees(t, fmt.Sprintf("tree after seed %d", seed), want, got)
	t.Logf("seed %d: %d operations, %d nodes at the end, replies by error code: %v", seed, operations, len(want), codes)
}

// errorCode finds the header error of a described reply.
func errorCode(text string) string {
	for field := range strings.FieldsSeq(text) {
		if code, ok := strings.CutPrefix(field, "err="); ok {
			return code
		}
	}
	return "attached or lost"
}

func environment(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

func environmentInt(t *testing.T, name string, otherwise int) int {
	t.Helper()
	n, err := strconv.Atoi(environment(name, strconv.Itoa(otherwise)))
	must(t, err)
	return n
}
