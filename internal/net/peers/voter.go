package peers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"quokka/internal/core/quorum"
	"quokka/internal/proto"
)

const (
	// maxVote is the longest message on the election port in bytes
	// (QuorumCnxManager.PACKETMAXSIZE).
	maxVote = 512 << 10

	// maxGuests is how many servers that are in no configuration may be
	// connected: ones that are about to join, or pretend to.
	maxGuests = 64

	// maxTried is how many addresses one dialing may try: a server's, and
	// the ones it told.
	maxTried = 2 * maxTold

	// redialDelay is the pause before a server is dialled again that has not
	// got its message. Java waits for the next message, which an election
	// that has backed off sends after up to a minute.
	redialDelay = time.Second
)

// A voter is another server as the election sees it: at most one connection,
// and the newest message for it. Guarded by Peers.mu.
type voter struct {
	sid     proto.ServerID
	pending []byte            // the newest message, not yet written to a connection; nil is none
	last    []byte            // the message written last
	channel *channel          // nil is none
	dialing *dialing          // nil is none
	waiting bool              // a goroutine will dial after redialDelay
	told    []quorum.HostPort // addresses the server itself gave
	trouble complaint
}

// A dialing is an attempt to connect to one server, at any of its addresses.
// Guarded by Peers.mu.
type dialing struct {
	ctx    context.Context
	cancel context.CancelFunc
	tried  map[quorum.HostPort]bool
	open   int  // addresses being tried
	won    bool // one is connected
	errs   []error
}

// Notify sends a message of the election to a server. It replaces one that
// has not been sent yet. Without a connection the server is dialled, and
// again every second until it has its message; nothing of this blocks.
func (p *Peers) Notify(to proto.ServerID, payload []byte) {
	if len(payload) == 0 || len(payload) > maxVote {
		p.log.Error("a notification is too large to be sent: the configuration has too many servers",
			"server", int64(to), "bytes", len(payload), "limit", maxVote)
		return
	}
	p.mu.Lock()
	if to == p.opt.Me || p.ended {
		p.mu.Unlock()
		return
	}
	v := p.voter(to)
	known := v != nil && (p.member(to) || v.channel != nil || len(v.told) > 0)
	if known {
		v.pending = payload
		switch {
		case v.channel != nil:
			v.channel.kick()
		case !v.waiting:
			p.call(v, nil)
		}
	}
	p.forget(v)
	p.mu.Unlock()
	if !known {
		p.log.Warn(fmt.Sprintf("Invalid server id: %d", to))
	}
}

// voter returns the entry of a server, or nil if it would be one guest too
// many. Called with the lock held.
func (p *Peers) voter(sid proto.ServerID) *voter {
	if v := p.voters[sid]; v != nil {
		return v
	}
	if !p.member(sid) {
		if p.guests >= maxGuests {
			return nil
		}
		p.guests++
	}
	v := &voter{sid: sid}
	p.voters[sid] = v
	return v
}

// forget drops a guest that is gone. Called with the lock held.
func (p *Peers) forget(v *voter) {
	if v == nil || v.channel != nil || v.dialing != nil || v.waiting || p.member(v.sid) || p.voters[v.sid] != v {
		return
	}
	delete(p.voters, v.sid)
	p.guests--
}

// call dials a server, at the addresses it has told if it has, else at the
// configured ones. If it is being dialled already, only addresses that are
// new are tried. Called with the lock held.
func (p *Peers) call(v *voter, told []quorum.HostPort) {
	to := told
	if len(to) == 0 {
		to = p.electionAddrs(v.sid)
	}
	if len(to) == 0 {
		to = v.told
	}
	if v.dialing == nil && len(to) > 0 {
		v.dialing = &dialing{tried: make(map[quorum.HostPort]bool)}
		v.dialing.ctx, v.dialing.cancel = context.WithCancel(p.ctx)
	}
	for _, a := range to {
		p.try(v, a)
	}
}

// try adds an address to a server's dialing. Called with the lock held.
func (p *Peers) try(v *voter, to quorum.HostPort) {
	d := v.dialing
	if d.won || d.tried[to] || len(d.tried) >= maxTried {
		return
	}
	if p.spawn(func() { p.attempt(v, d, to) }) {
		d.tried[to] = true
		d.open++
	}
}

// attempt connects to one address. The first attempt that succeeds goes on
// to be the connection.
func (p *Peers) attempt(v *voter, d *dialing, to quorum.HostPort) {
	c, err := p.opt.Network.connect(d.ctx, to, p.opt.CnxTimeout)
	if !p.decide(v, d, err) {
		if c != nil {
			_ = c.Close()
		}
		return
	}
	defer p.guard(c)()
	p.tune(c)
	err = p.introduce(c)
	keep := err == nil && v.sid < p.opt.Me
	var ch *channel
	var old *channel
	p.mu.Lock()
	v.dialing = nil
	if keep {
		ch, old = p.register(v, c)
	} else {
		p.redial(v)
		p.forget(v)
	}
	p.mu.Unlock()
	switch {
	case err != nil:
		p.complain(v, &dialError{to: to, ip: ipOf(c.RemoteAddr()), err: err})
	case !keep:
		p.log.Info(fmt.Sprintf("Have smaller server identifier, so dropping the connection: (myId:%d --> sid:%d)", p.opt.Me, v.sid))
	default:
		old.close()
		p.converse(ch, newVoteReader(c))
	}
}

// decide counts the end of an attempt. It returns true if its connection is
// the one to go on with.
func (p *Peers) decide(v *voter, d *dialing, err error) bool {
	p.mu.Lock()
	d.open--
	switch {
	case d.won || p.ended:
		if v.dialing == d && !d.won && d.open == 0 {
			v.dialing = nil
		}
		p.mu.Unlock()
		return false
	case err == nil:
		d.won = true
		d.cancel()
		p.mu.Unlock()
		return true
	}
	d.errs = append(d.errs, err)
	if d.open == 0 {
		// The server's word was wrong, or meant for others: try ours.
		for _, a := range p.electionAddrs(v.sid) {
			p.try(v, a)
		}
	}
	failed := d.open == 0
	if failed {
		d.cancel()
		v.dialing = nil
		p.redial(v)
		p.forget(v)
	}
	p.mu.Unlock()
	if failed {
		p.complain(v, d.errs...)
	}
	return false
}

// redial dials a server again after a while if it has still not got its
// message. Called with the lock held.
func (p *Peers) redial(v *voter) {
	if v.waiting || v.pending == nil || v.channel != nil || v.dialing != nil {
		return
	}
	v.waiting = p.spawn(func() {
		timer := time.NewTimer(redialDelay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-p.ctx.Done():
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		v.waiting = false
		if v.pending != nil && v.channel == nil && v.dialing == nil {
			p.call(v, nil)
		}
		p.forget(v)
	})
}

// complain logs that a server could not be connected to, now and then.
func (p *Peers) complain(v *voter, errs ...error) {
	p.mu.Lock()
	n, say := v.trouble.failed(time.Now())
	silence := v.trouble.silence
	say = say && !p.ended
	p.mu.Unlock()
	if !say {
		return
	}
	var where []string
	for _, err := range errs {
		var at *dialError
		if errors.As(err, &at) {
			where = append(where, at.where())
		}
	}
	p.log.Warn(fmt.Sprintf("Cannot open channel to %d at election address %s", v.sid, strings.Join(where, "|")),
		"error", errors.Join(errs...), "failures", n, "silent_for", silence.String())
}

// introduce writes the initial message, in one piece: Java reads its end
// with a single read.
func (p *Peers) introduce(c net.Conn) error {
	p.mu.Lock()
	addrs := p.electionAddrs(p.opt.Me)
	p.mu.Unlock()
	if len(addrs) == 0 {
		addrs = p.boundElection()
	}
	if err := c.SetWriteDeadline(time.Now().Add(p.opt.CnxTimeout)); err != nil {
		return err
	}
	if _, err := c.Write(appendInitial(nil, p.opt.Me, addrs, p.opt.MultiAddress)); err != nil {
		return fmt.Errorf("write the initial message: %w", err)
	}
	return nil
}

// greet serves a connection that came to the election port.
func (p *Peers) greet(c net.Conn, place func()) {
	defer place()
	defer p.guard(c)()
	remote := c.RemoteAddr().String()
	p.log.Info("Received connection request from " + remote)
	p.tune(c)
	fr := newVoteReader(c)
	err := c.SetReadDeadline(time.Now().Add(p.opt.FirstReadTimeout))
	var m initial
	if err == nil {
		m, err = readInitial(fr)
	}
	_ = c.SetReadDeadline(time.Time{}) // a socket that refuses has an error for the next read
	if err != nil {
		level := slog.LevelWarn
		if errors.Is(err, errNoInitial) {
			level = slog.LevelInfo
		}
		p.log.Log(p.ctx, level, "closing a connection to the election port that began with no initial message",
			"remote", remote, "error", err)
		return
	}
	place()
	if ch := p.admit(c, m); ch != nil {
		p.converse(ch, fr)
	}
}

// admit decides what becomes of a connection whose dialler is known: one of
// a larger number stays, to one of a smaller number we dial ourselves.
func (p *Peers) admit(c net.Conn, m initial) (ch *channel) {
	if m.sid == p.opt.Me {
		p.log.Warn("We got a connection request from a server with our own ID. This should be either a configuration error, or a bug.",
			"remote", c.RemoteAddr().String(), "server", int64(m.sid))
		return nil
	}
	p.mu.Lock()
	if m.sid == anonymous {
		p.observers--
		m.sid = p.observers
	}
	v := p.voter(m.sid)
	var old *channel
	if v != nil {
		if len(m.addrs) > 0 {
			v.told = m.addrs
		}
		if m.sid > p.opt.Me {
			ch, old = p.register(v, c)
		} else {
			old, v.channel = v.channel, nil
			p.call(v, m.addrs)
			p.forget(v)
		}
	}
	p.mu.Unlock()
	old.close()
	if v == nil {
		p.log.Warn("too many servers that are in no configuration are connected: refusing one",
			"server", int64(m.sid), "remote", c.RemoteAddr().String(), "limit", maxGuests)
	}
	return ch
}
