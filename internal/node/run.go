package node

import (
	"context"
	"fmt"
	"time"

	"quokka/internal/core/member"
	"quokka/internal/core/watch"
	"quokka/internal/core/zab"
	"quokka/internal/proto"
)

// Run drives the member until ctx is done or the log fails. It returns when
// everything ordered before is durable and every goroutine has ended.
func (n *Node) Run(ctx context.Context) error {
	n.member = member.New(n.opt.Member, n.state, n.time(time.Now()))
	n.member.Start()
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
	if cerr := n.opt.Journal.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("close the transaction log: %w", cerr)
	}
	return err
}

func (n *Node) loop(ctx context.Context, failed <-chan error) error {
	ticker := time.NewTicker(n.opt.TickInterval)
	defer ticker.Stop()
	var batch []input
	touched := time.Now()
	for {
		if err := n.effects(); err != nil { // those of the start itself first
			return err
		}
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
			now := time.Now() // the ticker's own time may be before that of the last batch
			n.member.At(n.time(now))
			n.member.Tick()
			if now.Sub(touched) >= n.opt.TouchInterval {
				touched = now
				n.touch()
				n.member.Upkeep()
			}
		}
	}
}

// effects does what the member wants done, until it wants nothing more.
func (n *Node) effects() error {
	for {
		e := n.member.Take()
		n.do(&e)
		state, _ := n.member.Phase()
		n.role.Store(int32(state))
		if e.Stop.Kind == zab.FailStop {
			n.opt.Metrics.UnrecoverableErrorCount.Inc()
			return &StopError{Reason: e.Stop.Why, Exit: e.Stop.Exit}
		}
		if n.diverged != 0 {
			n.member.Diverged(n.diverged)
			n.diverged = 0
			continue
		}
		if !e.Again {
			return nil
		}
		n.member.Continue()
	}
}

// StopError says that an invariant is broken: going on could lose data.
type StopError struct {
	Reason string
	Exit   int // of the process; org.apache.zookeeper.server.ExitCode
}

func (e *StopError) Error() string { return "this server stops: " + e.Reason }

// ExitCode returns the code the process should end with.
func (e *StopError) ExitCode() int { return e.Exit }

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
		case inputDisk:
			n.completed(in.disk)
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
		case inputView:
			n.mu.Lock()
			in.done()
			n.mu.Unlock()
		case inputInspect:
			in.inspect()
		default:
			n.fromPeers(in)
		}
	}
	m.PrepQueueSize.Observe(int64(len(batch)))
	m.PrepProcessMS.Observe(time.Since(begin).Milliseconds())
}

// fromPeers feeds what other servers sent to the member.
func (n *Node) fromPeers(in *input) {
	switch in.kind {
	case inputVote:
		n.member.Vote(in.server, *in.vote)
	case inputLearner:
		n.member.LearnerUp(in.link, in.packet)
	case inputObserver:
		n.member.ObserverUp(in.link, in.packet)
	case inputLinkUp:
		n.member.LinkUp(in.link)
	case inputPacket:
		n.member.Packet(in.link, in.packet)
	case inputSnapReceived:
		if !n.member.SnapReceived(in.link, in.zxid, in.snapshot) {
			n.opt.Journal.Forget(in.snapshot)
			return
		}
		n.received = append(n.received, in.snapshot)
	case inputLinkDown:
		n.member.LinkDown(in.link, in.why)
	case inputStreamed:
		n.member.Streamed(in.link)
	case inputHeard:
		n.member.Heard(in.link)
	}
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
	n.member.Connect(id, *in.connect)
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
	at := min(c.Heard()+n.opt.TouchInterval.Milliseconds(), n.clock.last.Load())
	if id := c.Session(); id != 0 {
		n.member.Touch(watch.ConnID(c.ID()), id, c.TimeoutMS(), at)
	}
	return at
}

// do carries out effects, each device's in order.
func (n *Node) do(e *member.Effects) {
	if len(e.Disk) > 0 {
		n.writer.order(e.Disk)
	}
	if len(e.Done) > 0 {
		n.finish(e.Done)
	}
	if n.opt.Peers != nil {
		n.network(e)
	}
	n.deliver()
	if e.Mode == member.ModeServe || e.Mode == member.ModePark {
		n.gate.set(e.Mode)
	}
	for i := range e.Conns {
		n.tell(&e.Conns[i])
	}
	if e.Mode == member.ModeClosed || e.Mode == member.ModeReadOnly {
		n.gate.set(e.Mode) // what waited there finds its connection closed
	}
	for i := range e.Notes {
		n.note(&e.Notes[i])
	}
	for i := range e.Zab {
		n.noteZab(&e.Zab[i])
	}
}

func (n *Node) tell(o *member.Conn) {
	c, ok := n.conns[o.ID]
	if !ok {
		return
	}
	if o.ReadOnly {
		c.SetReadOnly()
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

// abandon ends what nobody will answer any more.
func (n *Node) abandon() {
	for _, in := range n.inbox.close() {
		switch in.kind {
		case inputInspect:
			in.inspect()
		case inputSnapshot, inputView:
			n.mu.Lock()
			in.done()
			n.mu.Unlock()
		case inputSnapReceived:
			n.opt.Journal.Forget(in.snapshot)
		}
	}
	for _, c := range n.conns {
		c.Shut("server is stopping")
	}
	n.gate.set(member.ModeClosed)
}
