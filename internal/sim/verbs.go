package sim

import (
	"fmt"

	"quokka/internal/core/member"
	"quokka/internal/core/state"
	"quokka/internal/core/watch"
	"quokka/internal/proto"
	"quokka/internal/sim/check"
)

// set changes how servers are made up, from their next start on.
func (w *world) set(what, value string) error {
	switch what {
	case "counter":
		w.plan.maxCounter = uint32(number(value))
	case "memory":
		w.plan.keep = number(value)
	case "disk":
		w.plan.diskDiff = value == "yes"
	case "autocreate":
		w.plan.noAutoCreate = value == "no"
	case "readonly":
		w.plan.readOnly = value == "yes"
	default:
		return fmt.Errorf("there is no such setting")
	}
	return nil
}

// clientVerb are the verbs about clients, other than to write.
func (w *world) clientVerb(f []string) error {
	switch f[0] {
	case "client":
		c := w.clientOf(w.named(f[1]))
		c.timeout = int32(number(f[2]))
		w.walk(awaitTime, func() bool { return c.attached })
	case "move":
		w.move(w.clientOf(w.named(f[1])), w.named(f[2]))
	case "sync":
		c := w.clientOf(w.named(f[3]))
		if !c.attached {
			return fmt.Errorf("its client has no connection")
		}
		c.ask(check.Action{Op: proto.OpSync, Path: "/"})
		c.ask(check.Action{Op: proto.OpExists, Path: f[1]})
	case "fill":
		for n := range number(f[2]) {
			if err := w.write(fmt.Sprint(f[1], n+1), w.named(f[4]), true); err != nil {
				return fmt.Errorf("number %d: %w", n+1, err)
			}
			if w.broken() {
				break
			}
		}
	case "reader":
		return w.reader(w.named(f[1]), f[2])
	case "remember":
		for _, c := range w.clients {
			c.remembered = c.conn
		}
	case "unbroken":
		return w.unbroken(f[1:])
	}
	return nil
}

// move lets a client give its server up, which does not hear of it.
func (w *world) move(c *client, to *server) {
	if c.conn != nil {
		c.lost(c.conn, "it gives its server up")
	}
	for _, other := range w.clients {
		if other.pinned == to {
			other.pinned = nil // the letter means the one that moves now
		}
	}
	c.pinned = to
}

func (w *world) unbroken(names []string) error {
	for _, name := range names {
		if c := w.clientOf(w.named(name)); c.conn != c.remembered {
			return fmt.Errorf("the client of %s has lost its connection", name)
		}
	}
	return nil
}

// reader lets a client come that accepts to be served without a leader, and
// waits until it has a session. Its session is not part of the history: no
// other server knows of it.
func (w *world) reader(s *server, end string) error {
	c := &client{w: w, id: 1000, timeout: maxTimeoutMS, away: true, quiet: true}
	if end != "close" {
		c.timeout = int32(number(end))
	}
	w.conns++
	k := &conn{id: watch.ConnID(w.conns), client: c, server: s, life: s.life}
	c.conn, c.heard = k, w.now
	password := make([]byte, 16)
	r := proto.ConnectRequest{TimeoutMS: c.timeout, Password: password, ReadOnly: true}
	c.atServer(k, func() { s.accept(k, r) })
	if !w.walk(awaitTime, func() bool { return c.attached }) {
		return fmt.Errorf("its reader is not served")
	}
	if end == "close" {
		c.atServer(k, func() {
			if s.mode != member.ModeReadOnly {
				return // it is a session like others, and ends by itself
			}
			s.member.Request(&state.Request{Session: k.session, Conn: k.id, Cxid: 1, Op: proto.OpCloseSession})
		})
	}
	return nil
}
