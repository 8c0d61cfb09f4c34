package node

import (
	"context"
	"fmt"
	"time"

	"quokka/internal/core/member"
	"quokka/internal/core/watch"
	"quokka/internal/proto"
)

// Run drives the member until ctx is done or the log fails. It returns when
// everything ordered before is durable and every goroutine has ended.
func (n *Node) Run(ctx context.Context) error {
	n.member = member.New(n.opt.Member, n.state, n.time(time.Now()))
	failed := make(chan error, 1)
	stopped := make(chan struct{})
	n.wg.Go(func() {
		defer close(stopped)
		if err := n.writer.run(); err != nil {
			failed <- err
		}
	})
	err := n.loop(ctx, failed)
	close(n.stopping)
	n.writer.stop()
	<-stopped
	if err == nil {
		select {
		case err = <-failed: // while it wrote what was still queued
		default:
		}
	}
	n.abandon()
	n.wg.Wait()
	if cerr := n.opt.Log.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("close the transaction log: %w", cerr)
	}
	return err
}

func (n *Node) loop(ctx context.Context, failed <-chan error) error {
	ticker := time.NewTicker(n.opt.TickInterval)
	defer ticker.Stop()
	n.do(n.member.Take()) // what the start itself orders
	var batch []input
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			n.opt.Metrics.UnrecoverableErrorCount.Inc()
			return err
		case <-n.inbox.wake:
			clear(batch)
			batch = n.inbox.take(batch)
			n.member.At(n.time(time.Now()))
			n.handle(batch)
		case <-ticker.C:
			n.member.At(n.time(time.Now())) // the ticker's own time may be before that of the last batch
			n.touch()
			n.member.Tick()
		}
		n.do(n.member.Take())
	}
}

func (n *Node) time(now time.Time) member.Time {
	ms, lost := n.clock.advance(now)
	if lost > 0 {
		n.log.Warn("this process did not run for a while; sessions get that time as well", "lost_ms", lost.Milliseconds())
	}
	if n.opt.ClockObserver != nil {
		n.opt.ClockObserver(ms)
	}
	return member.Time{Running: ms, Wall: proto.Millis(now.UnixMilli())}
}

// handle feeds a batch of inputs to the member.
func (n *Node) handle(batch []input) {
	m := n.opt.Metrics
	begin := time.Now()
	for i := range batch {
		in := &batch[i]
		switch in.kind {
		case inputRequest:
			m.PrepQueueTimeMS.Observe(begin.Sub(in.at).Milliseconds())
			n.member.Request(&in.request)
		case inputDurable:
			n.member.Durable(n.opt.Member.Incarnation, in.zxid, in.bytes)
		case inputConnect:
			n.admit(in)
		case inputGone:
			n.heard(in.conn) // since the last tick
			n.member.Gone(watch.ConnID(in.conn.ID()), in.conn.Session())
			n.forget(in.conn)
		case inputSnapshot:
			n.mu.Lock()
			in.done()
			n.mu.Unlock()
			n.snapping.Store(false)
		case inputInspect:
			in.inspect()
		}
	}
	m.PrepQueueSize.Observe(int64(len(batch)))
	m.PrepProcessMS.Observe(time.Since(begin).Milliseconds())
}

func (n *Node) admit(in *input) {
	id := watch.ConnID(in.conn.ID())
	n.mu.Lock()
	n.conns[id] = in.conn
	n.state.AddConn(id, in.conn.Auth())
	n.mu.Unlock()
	if in.connect.SessionID != 0 {
		n.opt.Metrics.ConnectionRevalidate.Inc()
	}
	n.member.Connect(id, in.connect)
}

func (n *Node) forget(c Conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	id := watch.ConnID(c.ID())
	delete(n.conns, id)
	n.state.RemoveConn(id)
}

// touch tells the member which clients were heard since the last tick, and
// closes connections that were silent for their session's whole timeout.
func (n *Node) touch() {
	now := n.clock.last.Load()
	for _, c := range n.conns {
		if c.Session() == 0 {
			continue
		}
		if now-n.heard(c) > int64(c.TimeoutMS())+n.opt.Member.TickMS {
			n.opt.Metrics.SessionlessExpired.Inc()
			c.Shut("nothing was heard for the session timeout")
		}
	}
}

// heard tells the member when the client of a connection was heard last, and
// returns that. Connections read a clock that goes forward with the loop, once
// an interval at least: they may have been heard that much later.
func (n *Node) heard(c Conn) int64 {
	at := min(c.Heard()+n.opt.TickInterval.Milliseconds(), n.clock.last.Load())
	if id := c.Session(); id != 0 {
		n.member.Touch(watch.ConnID(c.ID()), id, c.TimeoutMS(), at)
	}
	return at
}

// do carries out effects, each device's in order.
func (n *Node) do(e member.Effects) {
	if len(e.Log) > 0 {
		n.writer.order(e.Log)
	}
	if len(e.Done) > 0 {
		n.finish(e.Done)
	}
	for i := range e.Conns {
		n.tell(&e.Conns[i])
	}
	for i := range e.Notes {
		n.note(&e.Notes[i])
	}
}

func (n *Node) tell(o *member.Conn) {
	c, ok := n.conns[o.ID]
	if !ok {
		return
	}
	switch o.Kind {
	case member.ConnAttach:
		c.Attach(o.Session, o.TimeoutMS, o.Password, 0)
	case member.ConnRefuse:
		c.Refuse()
	case member.ConnClose:
		c.Shut("the server closes it")
	}
}

// note says in Java's words what the member tells of.
func (n *Node) note(o *member.Note) {
	var client string
	if c, ok := n.conns[o.Conn]; ok {
		client = c.RemoteString()
	}
	id := o.Session.String()
	switch o.Kind {
	case member.NoteExpired:
		n.opt.Metrics.StaleSessionsExpired.Inc()
		n.log.Info(fmt.Sprintf("Expiring session %s, timeout of %dms exceeded", id, o.N))
	case member.NoteInvalid:
		n.log.Info(fmt.Sprintf("Invalid session %s for client /%s, probably expired", id, client))
	case member.NoteWrongPassword:
		n.log.Warn(fmt.Sprintf("Incorrect password from /%s for session %s", client, id))
	case member.NoteFuture:
		n.log.Info(fmt.Sprintf("Refusing session(%s) request for client /%s as it has seen zxid %v our last zxid is %v client must try another server",
			id, client, proto.Zxid(o.N), n.state.LastZxid()))
	case member.NoteOrphans:
		n.log.Warn("deleting ephemeral nodes whose session is unknown", "session", id)
	case member.NoteReaped:
		n.log.Info("deleting containers without children and TTL nodes past their time", "candidates", o.N)
	}
}

// abandon ends what nobody will answer any more.
func (n *Node) abandon() {
	for _, in := range n.inbox.close() {
		switch in.kind {
		case inputInspect:
			in.inspect()
		case inputSnapshot:
			n.mu.Lock()
			in.done()
			n.mu.Unlock()
		}
	}
	for _, c := range n.conns {
		c.Shut("server is stopping")
	}
}
