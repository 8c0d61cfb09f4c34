package interop

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	crashWriters   = 3
	crashWindow    = 16 // requests a writer has under way
	crashSnapCount = 400
)

// crashWriter sends a fixed sequence of writes under its own directory. Replies come in the order of the requests,
// so what the server holds after a crash must be the state after some number of steps between acked and sent: less
// would be a lost acknowledged write, any other state a torn or reordered one.
type crashWriter struct {
	dir   string
	c     *rawConn
	sent  int
	acked int
	zxid  int64 // of the last acknowledged write
	err   error // what ended the load, other than the crash
}

// step is the nth write. Every one succeeds on a server that has lost nothing.
func (w *crashWriter) step(n int) subOp {
	value := fmt.Appendf(nil, "%d", n)
	switch n % 5 {
	case 0:
		return subOp{opCreate, createBody(fmt.Sprintf("%s/n%d", w.dir, n), value, openACL, 0)}
	case 1:
		return subOp{opSetData, setBody(w.dir+"/counter", value, -1)}
	case 2:
		return subOp{opMulti, multiBody(
			subOp{opSetData, setBody(w.dir+"/left", value, -1)},
			subOp{opCreate, createBody(fmt.Sprintf("%s/m%d", w.dir, n), value, openACL, 0)},
			subOp{opSetData, setBody(w.dir+"/right", value, -1)})}
	case 3:
		return subOp{opCreate, createBody(fmt.Sprintf("%s/e%d", w.dir, n), value, openACL, 1)}
	}
	if n < 20 {
		return subOp{opSetData, setBody(w.dir+"/counter", value, -1)}
	}
	return subOp{opDelete, pathVersion(fmt.Sprintf("%s/n%d", w.dir, n-4-15), -1)}
}

// model is what the directory holds after the first n steps, name to data.
func (w *crashWriter) model(n int) map[string]string {
	m := map[string]string{"counter": "", "left": "", "right": ""}
	for i := range n {
		value := fmt.Sprint(i)
		switch {
		case i%5 == 0:
			m["n"+value] = value
		case i%5 == 2:
			m["left"], m["right"], m["m"+value] = value, value, value
		case i%5 == 3:
			m["e"+value] = value
		case i%5 == 4 && i >= 20:
			delete(m, fmt.Sprint("n", i-4-15))
		default:
			m["counter"] = value
		}
	}
	return m
}

// setUp opens the session and makes the directory; all of it is acknowledged before the load begins.
func (w *crashWriter) setUp(addr string) error {
	var err error
	if w.c, err = dialRaw(addr, 0, nil, 30_000, 0); err != nil {
		return err
	}
	for _, name := range []string{"", "/counter", "/left", "/right"} {
		r, err := w.c.call(opCreate, createBody(w.dir+name, []byte{}, openACL, 0))
		if err != nil || r.err != 0 {
			return fmt.Errorf("creating %s%s: err %d, %w", w.dir, name, r.err, err)
		}
	}
	return nil
}

// load writes until the connection breaks, with up to crashWindow requests unanswered.
func (w *crashWriter) load() {
	for {
		for w.sent-w.acked < crashWindow {
			op := w.step(w.sent)
			w.sent++ // before the write: a frame may arrive although the write reports an error
			if _, err := w.c.send(op.op, op.body); err != nil {
				w.drain()
				return
			}
		}
		if !w.receiveOne() {
			return
		}
	}
}

// drain takes the replies that arrived before the connection broke.
func (w *crashWriter) drain() {
	for w.acked < w.sent && w.receiveOne() {
	}
}

func (w *crashWriter) receiveOne() bool {
	r, err := w.c.receive()
	if err != nil {
		return false
	}
	failed := r.err
	if w.step(w.acked).op == opMulti && failed == 0 {
		u := &unpacker{b: r.body}
		if u.i32() == -1 {
			u.take(5)
			failed = u.i32()
		}
	}
	if failed != 0 || r.zxid <= w.zxid {
		w.err = fmt.Errorf("%s: step %d: err %d, zxid %d after %d", w.dir, w.acked, failed, r.zxid, w.zxid)
		return false
	}
	w.zxid = r.zxid
	w.acked++
	return true
}

// verify attaches to the session again and finds the number of steps that the server's state amounts to.
func (w *crashWriter) verify(s Server) (int, error) {
	w.c.Close()
	c, err := dialRaw(s.Addr(), w.c.session, w.c.passwd, 30_000, w.zxid)
	if err != nil {
		return 0, fmt.Errorf("%s: the session is lost: %w", w.dir, err)
	}
	w.c = c
	got, err := readDirectory(c, w.dir)
	if err != nil {
		return 0, err
	}
	for n := w.acked; n <= w.sent; n++ {
		if maps.Equal(got, w.model(n)) {
			return n, nil
		}
	}
	return 0, fmt.Errorf("%s: %d steps acknowledged, %d sent, but the state is of none of those moments: %s",
		w.dir, w.acked, w.sent, mapDifference(w.model(w.acked), got))
}

func mapDifference(want, got map[string]string) string {
	var list []string
	for name, value := range want {
		if other, ok := got[name]; !ok {
			list = append(list, name+" lost")
		} else if other != value {
			list = append(list, fmt.Sprintf("%s is %s, not %s", name, other, value))
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			list = append(list, name+" is new")
		}
	}
	return strings.Join(list[:min(len(list), 40)], ", ")
}

// readDirectory reads the data of all children, many requests at a time.
func readDirectory(c *rawConn, dir string) (map[string]string, error) {
	r, err := c.call(opGetChildren, pathWatch(dir, false))
	if err != nil || r.err != 0 {
		return nil, fmt.Errorf("children of %s: err %d, %w", dir, r.err, err)
	}
	names := (&unpacker{b: r.body}).strs()
	m := make(map[string]string, len(names))
	for len(names) > 0 {
		part := names[:min(64, len(names))]
		names = names[len(part):]
		for _, name := range part {
			if _, err := c.send(opGetData, pathWatch(dir+"/"+name, false)); err != nil {
				return nil, err
			}
		}
		for _, name := range part {
			r, err := c.receive()
			if err != nil || r.err != 0 {
				return nil, fmt.Errorf("data of %s/%s: err %d, %w", dir, name, r.err, err)
			}
			m[name] = (&unpacker{b: r.body}).str()
		}
	}
	return m, nil
}

// crashRounds loads a server, kills it at a random moment, restarts and checks it, round after round.
type crashRounds struct {
	s       Server
	r       *rand.Rand
	settled map[string]map[string]string // what earlier rounds left behind for good, by directory
	zxid    int64                        // highest acknowledged
	writes  int
}

func (k *crashRounds) round(round int) error {
	writers := make([]*crashWriter, crashWriters)
	for i := range writers {
		writers[i] = &crashWriter{dir: fmt.Sprintf("/round%d-%d", round, i)}
		if err := writers[i].setUp(k.s.Addr()); err != nil {
			return err
		}
		defer func() { writers[i].c.Close() }()
	}
	var group sync.WaitGroup
	for _, w := range writers {
		group.Go(w.load)
	}
	<-time.After(time.Duration(20+k.r.IntN(250)) * time.Millisecond)
	err := k.s.Kill()
	group.Wait()
	if err := errors.Join(err, k.s.Start()); err != nil {
		return err
	}
	return k.check(writers)
}

func (k *crashRounds) check(writers []*crashWriter) error {
	for _, w := range writers {
		if w.err != nil {
			return w.err
		}
		n, err := w.verify(k.s)
		if err != nil {
			return err
		}
		k.writes += w.acked
		k.zxid = max(k.zxid, w.zxid)
		if _, err := w.c.closeSession(); err != nil {
			return err
		}
		left := w.model(n)
		maps.DeleteFunc(left, func(name, _ string) bool { return strings.HasPrefix(name, "e") })
		k.settled[w.dir] = left
	}
	return k.checkSettled(4)
}

// checkSettled compares at most limit directories of earlier rounds, drawn by map order.
func (k *crashRounds) checkSettled(limit int) error {
	c, err := dialRaw(k.s.Addr(), 0, nil, 30_000, 0)
	if err != nil {
		return err
	}
	defer c.closeSession()
	for dir, want := range k.settled {
		if limit--; limit < 0 {
			return nil
		}
		got, err := readDirectory(c, dir)
		if err != nil {
			return err
		}
		if !maps.Equal(want, got) {
			return fmt.Errorf("%s changed after its round: %s", dir, mapDifference(want, got))
		}
	}
	return nil
}

func runCrashRounds(t *testing.T, m implementation, rounds int) *crashRounds {
	t.Helper()
	s := startServer(t, m, serverOptions{tickMS: 2000, snapCount: crashSnapCount})
	k := &crashRounds{s: s, r: rand.New(rand.NewPCG(7, 7)), settled: map[string]map[string]string{}}
	for round := range rounds {
		if err := k.round(round); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
	must(t, k.checkSettled(len(k.settled)))
	must(t, k.s.Kill())
	count, last, err := checkLogs(s.DataDir())
	must(t, err)
	if last < k.zxid {
		t.Errorf("the logs end at zxid %d, but %d was acknowledged", last, k.zxid)
	}
	t.Logf("%s: %d rounds, %d acknowledged writes, %d transactions in the logs", s.Name(), rounds, k.writes, count)
	return k
}

// TestKilledUnderLoad kills the server under test with SIGKILL under load, again and again.
func TestKilledUnderLoad(t *testing.T) {
	k := runCrashRounds(t, underTest(), environmentInt(t, "QUOKKA_INTEROP_ROUNDS", 50))
	t.Run("java goes on", func(t *testing.T) {
		needJava(t)
		k.s = startServer(t, javaMake, serverOptions{tickMS: 2000, dataDir: copyTree(t, k.s.DataDir())})
		must(t, k.checkSettled(len(k.settled)))
		checkDigests(t, k.s)
	})
}

// TestKilledUnderLoadJava proves the checker on the original.
func TestKilledUnderLoadJava(t *testing.T) {
	needJava(t)
	runCrashRounds(t, javaMake, 1)
}
