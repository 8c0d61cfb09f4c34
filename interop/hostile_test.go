package interop

import (
	"fmt"
	"testing"
)

// Requests that end Java 3.8.0, spoil its log or walk past its checks. They are sent to Quokka alone, which must
// refuse them and go on serving, and start again on what it logged.

// hostile is a request and what Quokka must answer; code 0 means that the connection is closed without a reply.
type hostile struct {
	name   string
	op     int32
	body   []byte
	code   int32
	closes bool
}

var hostileRequests = []hostile{
	// Logged as a transaction of type 13, which no reader knows (ZOOKEEPER-2623).
	{"stand-alone check", opCheck, pathVersion("/victim", -1), -6, true},
	// Logged, then impossible to apply (DataTree.processTxn, EphemeralType.TTL).
	{"createTTL with a persistent flag and no ttl", opCreateTTL, createTTLBody("/t0", nil, openACL, 0, -1), -8, false},
	{"createTTL with the ephemeral flag and no ttl", opCreateTTL, createTTLBody("/t1", nil, openACL, 1, -1), -8, false},
	{"createTTL with the container flag and no ttl", opCreateTTL, createTTLBody("/t4", nil, openACL, 4, -1), -8, false},
	// Operations of the server itself.
	{"deleteContainer", opDeleteContainer, packer{}.str("/victim"), -6, true},
	{"deleteContainer in the old form", opDeleteContainer, []byte("/victim"), -6, true},
	{"createSession", opCreateSession, packer{}.i32(10_000), -6, true},
}

// TestHostileRequests sends them, each over a session of its own, and looks after each whether the server is well.
func TestHostileRequests(t *testing.T) {
	if underTest() == javaMake {
		t.Skip("these requests are Quokka's alone: they end a Java server")
	}
	s := startServer(t, quokkaMake, serverOptions{tickMS: 3000})
	keeper, err := dialRaw(s.Addr(), 0, nil, 60_000, 0)
	must(t, err)
	defer keeper.Close()
	_, err = keeper.call(opCreateContainer, createBody("/victim", nil, openACL, 4))
	must(t, err)
	for _, h := range hostileRequests {
		if err := h.send(s); err != nil {
			t.Errorf("%s: %v", h.name, err)
		}
		r, err := keeper.call(opExists, pathWatch("/victim", false))
		if err != nil || r.err != 0 {
			t.Fatalf("after %s: err %d, %v", h.name, r.err, err)
		}
	}
	must(t, s.Kill())
	if _, _, err := checkLogs(s.DataDir()); err != nil {
		t.Error(err)
	}
	must(t, s.Start())
	if _, err := dumpTree(s, newMasker()); err != nil {
		t.Error(err)
	}
}

func (h hostile) send(s Server) error {
	c, err := dialRaw(s.Addr(), 0, nil, 60_000, 0)
	if err != nil {
		return err
	}
	defer c.Close()
	r, err := c.call(h.op, h.body)
	if err != nil || r.err != h.code {
		return fmt.Errorf("err %d, %v; want %d", r.err, err, h.code)
	}
	if _, err = c.call(opPing, nil); (err != nil) != h.closes {
		return fmt.Errorf("closing: want %v, ping says %v", h.closes, err)
	}
	return nil
}

// TestNewerWatches is what 3.9 does otherwise than 3.8.0: watch modes of one session on one path live side by side
// (ZOOKEEPER-4466), and watcher types 4 and 5 remove one mode alone.
func TestNewerWatches(t *testing.T) {
	if underTest() == javaMake {
		t.Skip("3.8.0 keeps only the last watch mode of a path")
	}
	s := startServer(t, quokkaMake, serverOptions{tickMS: 3000})
	c, err := dialRaw(s.Addr(), 0, nil, 60_000, 0)
	must(t, err)
	defer c.Close()
	do := func(want string, op int32, body []byte) {
		t.Helper()
		r, err := c.call(op, body)
		must(t, err)
		if got := fmt.Sprintf("%d %s", r.err, describeEvents(c.takeEvents())); got != want {
			t.Errorf("op %d: %q, want %q", op, got, want)
		}
	}
	const changed = `0 <3 3 "/n">`
	do("0 ", opCreate, createBody("/n", nil, openACL, 0))
	do("0 ", opAddWatch, packer{}.str("/n").i32(0))
	do("0 ", opAddWatch, packer{}.str("/n").i32(1))
	do("0 ", opGetData, pathWatch("/n", true))
	do(changed, opSetData, setBody("/n", nil, -1))
	do("-121 ", opRemoveWatches, packer{}.str("/n").i32(2)) // the one-shot watch has fired
	do("0 ", opCheckWatches, packer{}.str("/n").i32(4))
	do("0 ", opRemoveWatches, packer{}.str("/n").i32(4))
	do("-121 ", opRemoveWatches, packer{}.str("/n").i32(4))
	do(changed, opSetData, setBody("/n", nil, -1))
	do("0 ", opRemoveWatches, packer{}.str("/n").i32(5))
	do("-121 ", opCheckWatches, packer{}.str("/n").i32(5))
	do("0 ", opSetData, setBody("/n", nil, -1))
}
