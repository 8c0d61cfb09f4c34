package sim

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"quokka/internal/core/member"
	"quokka/internal/proto"
	"quokka/internal/sim/check"
)

// A Story is a schedule that has broken implementations, told in verbs. The
// servers are A, B, C and so on, with the numbers 1, 2, 3; with equal logs
// the last letter leads. A line is one verb:
//
//	base                      all start and serve, with one write that everybody has
//	start A B                 kill A, power A, stop A, freeze A, thaw A likewise
//	wipe C                    its directory is lost; "blank C": and the mark initialize says that this is meant
//	cut A-B                   in both directions; A>B in one
//	heal                      all cuts and holds are undone
//	hold C>B COMMIT           the next packet of the type, and all behind it, wait
//	sever A-B                 their links end, with all they carry
//	slow A 500                an fsync takes so many ms more
//	fail A EIO                the next write or fsync fails
//	ask /x via C              a client of C creates a node; nobody waits for the answer
//	write /x via C            the same, and it must succeed
//	sync /x via C             a client of C asks for a sync and then whether the node is there
//	client A 900              the client of A comes, with this session timeout in ms
//	move A C                  the client of A gives its server up, which does not hear of it, and goes to C
//	await leader C            C is established
//	await serving A B         they serve clients
//	await looking A           it is in no role
//	await readonly A          it serves reads without a leader
//	await durable A           its disk has finished all it was given, with the last proposal
//	await applied A           it has applied all that is committed
//	wait 500                  so many ms
//	fill /r 20 via C          nodes /r1 to /r20 are written, one after the other
//	reader A 900              a client that accepts read-only service has a session, and is silent
//	reader A close            the same, and it closes its session
//	remember                  the connections that clients have now; "unbroken A" says that the one of A is the same
//	set counter 20            an epoch has fewer transactions than that
//	set memory 1              a server that starts keeps so many records in memory
//	set disk no               learners get nothing out of logs (or "yes")
//	set readonly yes          servers without a leader serve reads
//	set autocreate no         an empty database needs the mark initialize
//	expect /x                 the node is there in the end; "expect no /x" is the contrary
//
// Every story ends as every run does: all is healed, the ensemble comes to
// rest, loses power, and comes to rest again.
type Story struct {
	Name    string
	Servers int
	Text    string
}

// awaitTime bounds what a story waits for.
const awaitTime = 60 * second

// tell carries a story out. With perturbation its expectations of the way
// may fail; the invariants may not.
func (w *world) tell(st *Story) {
	w.story = st
	lines := strings.Split(strings.TrimSpace(st.Text), "\n")
	at := map[int]int{} // line -> random faults before it
	for range w.opt.Perturb {
		at[w.rng.IntN(len(lines))]++
	}
	for i, line := range lines {
		for range at[i] {
			w.walk(w.some(50*milli), func() bool { return false })
			w.strike(allFaults[w.rng.IntN(len(allFaults))])
		}
		line = strings.TrimSpace(line)
		w.tracef("story: %s", line)
		if err := w.verb(strings.Fields(line)); err != nil && w.opt.Perturb == 0 {
			w.violate("story", 0, "%s, %q: %v", st.Name, line, err)
		}
		if w.broken() {
			return
		}
	}
}

// verb carries out one line.
func (w *world) verb(f []string) error {
	if len(f) == 0 {
		return nil
	}
	switch f[0] {
	case "base":
		return w.base()
	case "start", "kill", "power", "stop", "freeze", "thaw", "wipe", "blank":
		for _, name := range f[1:] {
			w.process(f[0], w.named(name))
		}
	case "cut", "sever", "hold":
		w.between(f)
	case "heal":
		w.net.heal()
	case "slow":
		w.named(f[1]).disk.slow = micros(number(f[2])) * milli
	case "fail":
		w.named(f[1]).disk.fail = syscall.EIO
	case "client", "move", "sync", "reader", "remember", "unbroken", "fill":
		return w.clientVerb(f)
	case "set":
		return w.set(f[1], f[2])
	case "ask", "write":
		return w.write(f[1], w.named(f[3]), f[0] == "write")
	case "await":
		return w.await(f[1], f[2:])
	case "wait":
		w.walk(micros(number(f[1]))*milli, func() bool { return false })
	case "expect":
		w.expected = append(w.expected, f[1:])
	default:
		return fmt.Errorf("no such verb")
	}
	return nil
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic("sim: a story has a bad number: " + s) // stories are constants
	}
	return n
}

func (w *world) named(letter string) *server { return w.servers[proto.ServerID(letter[0]-'A'+1)] }

func (w *world) base() error {
	var all []string
	for i, s := range w.order {
		s.start()
		all = append(all, string(rune('A'+i)))
	}
	leader := all[len(all)-1]
	if err := w.await("serving", all); err != nil {
		return err
	}
	if err := w.write("/base", w.named(leader), true); err != nil {
		return err
	}
	return w.await("applied", all)
}

func (w *world) process(verb string, s *server) {
	switch verb {
	case "start":
		s.start()
	case "kill":
		s.stop(killed, "killed")
	case "power":
		s.stop(powerLost, "power loss")
	case "stop":
		s.stop(stopped, "stopped")
	case "freeze":
		s.freeze()
	case "thaw":
		s.thaw()
	case "wipe", "blank":
		s.stop(powerLost, "power loss")
		s.disk.wipe(verb == "blank")
		w.ghost.Wiped(s.id, verb == "blank")
	}
}

// between are the verbs about two servers.
func (w *world) between(f []string) {
	a, b := w.named(f[1][:1]), w.named(f[1][2:])
	switch {
	case f[0] == "sever":
		w.net.sever(a.id, b.id)
	case f[0] == "hold":
		w.net.hold[pair{a.id, b.id}] = packetType(f[2])
	default:
		w.net.setCut(pair{a.id, b.id}, true)
		if f[1][1] == '-' {
			w.net.setCut(pair{b.id, a.id}, true)
		}
	}
}

func packetType(name string) proto.PacketType {
	for t := proto.PacketRequest; t <= proto.PacketInformAndActivate; t++ {
		if t.String() == name {
			return t
		}
	}
	panic("sim: a story has an unknown packet: " + name) // stories are constants
}

// write lets a client of a server create a node.
func (w *world) write(path string, s *server, wait bool) error {
	c := w.clientOf(s)
	if !w.walk(awaitTime, func() bool { return c.attached || !s.up }) || !c.attached {
		return fmt.Errorf("its client does not come in")
	}
	c.ask(check.Action{Op: proto.OpCreate, Path: path, Data: []byte(path)})
	o := c.open[len(c.open)-1]
	if !wait {
		return nil
	}
	if !w.walk(awaitTime, func() bool { return o.Answered || c.conn == nil }) || !o.Answered {
		return fmt.Errorf("there is no answer")
	}
	if o.Answer.Code != proto.OK {
		return fmt.Errorf("the answer is %v", o.Answer.Code)
	}
	return nil
}

// clientOf is the client that uses a server and no other one.
func (w *world) clientOf(s *server) *client {
	for _, c := range w.clients {
		if c.pinned == s {
			return c
		}
	}
	c := &client{w: w, id: len(w.clients) + 1, timeout: maxTimeoutMS, pinned: s, quiet: true}
	w.clients = append(w.clients, c)
	c.run()
	return c
}

// await lets time pass until something holds of all the servers.
func (w *world) await(what string, names []string) error {
	holds := func(s *server) bool {
		switch what {
		case "leader":
			return s.up && s.phase == proto.Leading && w.ghost.Serving(s.id)
		case "serving":
			return s.up && w.ghost.Serving(s.id)
		case "looking":
			return s.up && s.phase == proto.Looking
		case "readonly":
			return s.up && s.mode == member.ModeReadOnly
		case "durable":
			return w.ghost.Durable(s.id) == w.ghost.Written(s.id) && w.ghost.Durable(s.id) >= w.ghost.Highest()
		case "applied":
			return s.up && w.ghost.Applied(s.id) == w.ghost.Committed().Last()
		}
		return false
	}
	ok := w.walk(awaitTime, func() bool {
		for _, name := range names {
			if !holds(w.named(name)) {
				return false
			}
		}
		return true
	})
	if !ok {
		return fmt.Errorf("it does not come about")
	}
	return nil
}

// expectations are judged when all has come to rest.
func (w *world) expectations() {
	if w.opt.Perturb > 0 {
		return
	}
	for _, e := range w.expected {
		path := e[len(e)-1]
		for _, s := range w.order {
			if there := s.state.Tree().FindString(path) != 0; there != (e[0] != "no") {
				w.violate("story", s.id, "%s: that %s is there is %v", w.story.Name, path, there)
			}
		}
	}
}
