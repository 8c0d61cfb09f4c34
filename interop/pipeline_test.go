package interop

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// batch sends operations in one piece, without waiting for replies, and returns what came back: replies and events in
// the order in which the client sees them, then the events of the other sessions.
func (d *side) batch(session int, ops []operation) ([]string, error) {
	c := d.conns[session]
	base := c.replies
	var frames []byte
	for _, o := range ops {
		xid := specialXid(o.op)
		if xid == 0 {
			c.xid++
			xid = c.xid
		}
		frames = append(frames, framed(append(packer{}.i32(xid).i32(o.op), o.body...))...)
	}
	if _, err := c.c.Write(frames); err != nil {
		return nil, err
	}
	var seen []string
	for _, o := range ops {
		r, err := c.receive()
		if err != nil {
			return seen, fmt.Errorf("%s: %w", o.text, err)
		}
		seen = append(seen, d.mask.reply(o.op, r))
	}
	for i, other := range d.conns {
		r, err := other.call(opPing, nil)
		if err != nil {
			return seen, err
		}
		texts := []string{fmt.Sprintf("session %d, ping zxid=%d", i, r.zxid)}
		for _, e := range other.takeEvents() {
			text := describeEvents([]event{e})
			if i == session {
				text += fmt.Sprintf(" after %d", e.afterXids-base)
			}
			texts = append(texts, text)
		}
		seen = append(seen, strings.Join(texts, " "))
	}
	return seen, nil
}

// batchOf draws operations that can stand together: exists of an unreadable node and checkWatches differ between
// releases, auth is answered out of turn, and the rest needs a connection of its own. A setACL ends the batch: while it
// is pending Java goes by the old ACL (PrepRequestProcessor keeps the list of its change record), Quokka by the new one.
func (g *generator) batchOf() []operation {
	var ops []operation
	for n := 2 + g.r.IntN(14); len(ops) < n; {
		o := g.next()
		if o.act == "call" && o.op != opExists && o.op != opAuth {
			ops = append(ops, o)
		}
		if o.op == opSetACL {
			break
		}
	}
	return ops
}

// TestRandomPipelines sends batches of random operations down one connection, so that each is prepared while those
// before it wait for the disk, and compares every reply and event, and at the end the whole tree.
func TestRandomPipelines(t *testing.T) {
	needJava(t)
	for text := range strings.SplitSeq(environment("QUOKKA_INTEROP_SEEDS", "1,2,3"), ",") {
		seed, err := strconv.ParseUint(strings.TrimSpace(text), 10, 64)
		must(t, err)
		t.Run("seed "+text, func(t *testing.T) { runPipelines(t, seed, environmentInt(t, "QUOKKA_INTEROP_OPS", 2000)) })
	}
}

func runPipelines(t *testing.T, seed uint64, operations int) {
	options := serverOptions{tickMS: 3000}
	java := newSide(t, startServer(t, javaMake, options))
	tested := newSide(t, startServer(t, underTest(), options))
	g := &generator{r: rand.New(rand.NewPCG(seed, ^seed)), sessions: randomSessions}
	for _, d := range []*side{java, tested} {
		for i, who := range []string{"bob:pw", "alice:secret"} {
			_, err := d.conns[i].call(opAuth, authBody("digest", who))
			must(t, err)
		}
	}
	bad := 0
	for done := 0; done < operations; {
		ops := g.batchOf()
		session := g.r.IntN(randomSessions)
		want, err := java.batch(session, ops)
		must(t, err)
		got, err := tested.batch(session, ops)
		if err != nil {
			t.Fatalf("seed %d, after %d operations: %s: %v", seed, done, tested.server.Name(), err)
		}
		for i := range want {
			if want[i] == got[i] {
				continue
			}
			t.Errorf("seed %d, after %d operations, session %d, %s\n  java   %s\n  tested %s", seed, done, session, nameOf(ops, i), want[i], got[i])
			bad++
		}
		if bad > 0 {
			t.Fatalf("seed %d: given up after this batch:\n  %s", seed, describeBatch(ops, want))
		}
		done += len(ops)
	}
	compareTrees(t, fmt.Sprintf("tree after seed %d", seed), mustDump(t, java.server, java.mask), mustDump(t, tested.server, tested.mask))
}

func nameOf(ops []operation, i int) string {
	if i < len(ops) {
		return fmt.Sprintf("operation %d of the batch, %s", i, ops[i].text)
	}
	return "events"
}

func describeBatch(ops []operation, java []string) string {
	var texts []string
	for i, o := range ops {
		texts = append(texts, o.text+" = "+java[i])
	}
	return strings.Join(texts, "\n  ")
}
