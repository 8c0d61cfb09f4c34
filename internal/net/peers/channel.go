package peers

import (
	"encoding/binary"
	"fmt"
	"net"
	"time"

	"quokka/internal/net/frame"
	"quokka/internal/proto"
)

// A channel is the connection over which two servers exchange notifications.
// One goroutine reads it and one writes it.
type channel struct {
	v    *voter
	c    net.Conn
	wake chan struct{} // the voter may have a message
	done chan struct{} // the reader has ended
}

// kick makes the writer look for a message.
func (ch *channel) kick() {
	select {
	case ch.wake <- struct{}{}:
	default:
	}
}

// close ends the connection; its goroutines clear up after it.
func (ch *channel) close() {
	if ch != nil {
		_ = ch.c.Close()
	}
}

func newVoteReader(c net.Conn) *frame.Reader { return frame.NewReader(c, maxVote) }

// register makes a connection the one of its server, and returns it and the
// one it replaces, which the caller closes. With nothing to send, the last
// message is sent again: it may have been lost with the old connection.
// Called with the lock held.
func (p *Peers) register(v *voter, c net.Conn) (ch, old *channel) {
	old = v.channel
	ch = &channel{v: v, c: c, wake: make(chan struct{}, 1), done: make(chan struct{})}
	v.channel = ch
	if v.pending == nil {
		v.pending = v.last
	}
	ch.kick()
	return ch, old
}

// converse reads and writes a registered connection until it ends.
func (p *Peers) converse(ch *channel, fr *frame.Reader) {
	v := ch.v
	p.mu.Lock()
	failures := v.trouble.over()
	writing := p.spawn(func() { p.writeVotes(ch) })
	p.mu.Unlock()
	if failures > 0 {
		p.log.Info(fmt.Sprintf("Channel to %d is open again", v.sid),
			"remote", ch.c.RemoteAddr().String(), "failures", failures)
	}
	var err error
	if writing {
		err = p.readVotes(ch, fr)
	}
	ch.close()
	close(ch.done)
	p.mu.Lock()
	broken := v.channel == ch
	if broken {
		v.channel = nil
		p.redial(v)
		p.forget(v)
	}
	broken = broken && !p.ended
	p.mu.Unlock()
	if broken {
		p.log.Warn(fmt.Sprintf("Connection broken for id %d, my id = %d", v.sid, p.opt.Me), "error", err)
	}
}

// readVotes hands on what the peer sends. A message that cannot be decoded
// is skipped, as by FastLeaderElection's receiver; a size out of bounds ends
// the connection.
func (p *Peers) readVotes(ch *channel, fr *frame.Reader) error {
	for {
		b, err := fr.Next()
		if err != nil {
			return err
		}
		if len(b) == 0 {
			return fmt.Errorf("received a message with invalid length: 0")
		}
		n, err := proto.DecodeNotification(b)
		if err != nil {
			p.log.Warn("ignoring a notification that cannot be decoded", "server", int64(ch.v.sid), "error", err)
			continue
		}
		p.sink.Notification(ch.v.sid, n)
	}
}

// writeVotes sends messages until the connection ends.
func (p *Peers) writeVotes(ch *channel) {
	var buf []byte
	for {
		select {
		case <-ch.wake:
		case <-ch.done:
			return
		}
		for b := p.takeVote(ch); b != nil; b = p.takeVote(ch) {
			buf = binary.BigEndian.AppendUint32(buf[:0], uint32(len(b)))
			buf = append(buf, b...)
			if err := p.writeVote(ch, buf); err != nil {
				p.log.Debug("cannot send a notification", "server", int64(ch.v.sid), "error", err)
				p.putBack(ch, b)
				ch.close()
				return
			}
		}
	}
}

func (p *Peers) writeVote(ch *channel, b []byte) error {
	if err := ch.c.SetWriteDeadline(time.Now().Add(p.opt.WriteTimeout)); err != nil {
		return err
	}
	_, err := ch.c.Write(b)
	return err
}

// takeVote takes the message to send now, or nil.
func (p *Peers) takeVote(ch *channel) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := ch.v
	if v.channel != ch || v.pending == nil {
		return nil
	}
	v.last, v.pending = v.pending, nil
	return v.last
}

// putBack keeps a message that could not be sent, unless there is a newer
// one, or a newer connection that sends it anyway.
func (p *Peers) putBack(ch *channel, b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := ch.v
	if v.pending == nil && v.channel == ch {
		v.pending = b
	}
}
