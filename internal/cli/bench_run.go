package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"quokka/internal/proto"
)

// benchBatch is how many bytes of requests are gathered before a write.
const benchBatch = 128 << 10

// benchTogether is how many sessions are opened or closed at a time.
const benchTogether = 16

// connect opens all sessions.
func (b *benchRun) connect(ctx context.Context) error {
	conns := make([]*benchConn, b.Sessions)
	errs := make([]error, benchTogether)
	var group sync.WaitGroup
	for w := range benchTogether {
		group.Go(func() {
			for i := w; i < len(conns) && errs[w] == nil; i += benchTogether {
				conns[i], errs[w] = connectSession(ctx, b.Servers[i%len(b.Servers)], b.Timeout, b.clock)
			}
		})
	}
	group.Wait()
	for _, c := range conns {
		if c != nil {
			b.conns = append(b.conns, c)
		}
	}
	return errors.Join(errs...)
}

// disconnect closes all sessions.
func (b *benchRun) disconnect() {
	var group sync.WaitGroup
	for w := range benchTogether {
		group.Go(func() {
			for i := w; i < len(b.conns); i += benchTogether {
				b.conns[i].close()
			}
		})
	}
	group.Wait()
}

// runWatched measures while another goroutine keeps the sessions alive.
func (b *benchRun) runWatched(ctx context.Context) error {
	stop := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() { keepAlive(b.conns, stop) })
	defer group.Wait()
	defer close(stop)
	return b.measureAll(ctx)
}

// keepAlive pings sessions that send nothing, and closes the connection of
// one that has waited for a reply longer than its timeout, so that no
// goroutine waits for ever.
func keepAlive(conns []*benchConn, stop <-chan struct{}) {
	shortest := conns[0].timeout
	for _, c := range conns {
		shortest = min(shortest, c.timeout)
	}
	tick := time.NewTicker(max(shortest/8, 10*time.Millisecond))
	defer tick.Stop()
	type progress struct {
		done  uint64
		since int64
	}
	seen := make([]progress, len(conns))
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		for i, c := range conns {
			if c.detached.Load() {
				continue
			}
			now, done := c.clock(), c.done.Load()
			if done != seen[i].done || c.sent.Load() == done {
				seen[i] = progress{done, now}
			}
			if now-seen[i].since > int64(c.timeout) && !c.stalled.Swap(true) {
				_ = c.conn.Close() // the reader reports the stall
			}
			if now-c.lastWrite.Load() > int64(c.timeout/3) {
				c.ping()
			}
		}
	}
}

// A phase sends the requests of one source per session and gathers the
// replies.
type phase struct {
	conns   []*benchConn
	sources []benchSource
	depth   int           // requests in flight per session
	length  time.Duration // 0 until the sources end
	size    int           // bytes of data that a getData has to return
	threads int           // goroutines that share the sessions, if they can
	clock   func() int64
}

// run returns when every request sent has its reply.
func (p *phase) run(ctx context.Context) (*tally, error) {
	var stop atomic.Bool
	defer context.AfterFunc(ctx, func() { stop.Store(true) })()
	until := int64(0)
	if p.length > 0 {
		until = p.clock() + int64(p.length)
	}
	if p.depth == 1 {
		if t, ok, err := p.lockstep(until, &stop); ok {
			return t, err
		}
	}
	tallies := make([]*tally, len(p.conns))
	errs := make([]error, len(p.conns))
	var group sync.WaitGroup
	for i, c := range p.conns {
		tallies[i] = newTally()
		group.Go(func() { errs[i] = c.run(p.sources[i], p, until, &stop, tallies[i]) })
	}
	group.Wait()
	all := newTally()
	for _, t := range tallies {
		all.merge(t)
	}
	return all, errors.Join(errs...)
}

// run is a session's part of a phase: the writer in a goroutine, the reader
// in this one.
func (c *benchConn) run(src benchSource, p *phase, until int64, stop *atomic.Bool, t *tally) error {
	size := 1
	for size < p.depth {
		size *= 2
	}
	c.ring = make([]inFlight, size)
	c.finished.Store(false)
	var group sync.WaitGroup
	var writeErr error
	group.Go(func() {
		writeErr = c.writeRequests(src, p.depth, until, stop)
		c.finished.Store(true)
		if c.sent.Load() == c.done.Load() || writeErr != nil {
			_ = c.conn.SetReadDeadline(time.Now()) // wakes the reader
		}
	})
	readErr := c.readReplies(p.size, t)
	if readErr != nil {
		stop.Store(true)
		_ = c.conn.Close() // wakes the writer out of a write
	}
	c.signal()
	group.Wait()
	switch {
	case c.stalled.Load():
		return fmt.Errorf("%s did not reply within %v", c.server, c.timeout)
	case writeErr != nil:
		return fmt.Errorf("send to %s: %w", c.server, writeErr)
	case readErr != nil:
		return readErr
	}
	return c.conn.SetReadDeadline(time.Time{})
}

// signal wakes the writer if it waits.
func (c *benchConn) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// writeRequests keeps depth requests in flight until the source or the time
// ends. It waits until a quarter may be sent, so that requests, and thereby
// replies, travel in groups.
func (c *benchConn) writeRequests(src benchSource, depth int, until int64, stop *atomic.Bool) error {
	quarter := max(depth/4, 1)
	mask := uint64(len(c.ring) - 1)
	for more := true; more; {
		free := depth - int(c.sent.Load()-c.done.Load())
		if stop.Load() || (until > 0 && c.clock() >= until) {
			return nil
		}
		if free < quarter {
			<-c.wake
			continue
		}
		seq := c.sent.Load()
		first := seq
		c.out = c.out[:0]
		for more && free > 0 && len(c.out) < benchBatch {
			var f inFlight
			if c.out, f, more = src.next(c.out, seq); more {
				c.ring[seq&mask] = f
				seq++
				free--
			}
		}
		now := c.clock()
		for s := first; s < seq; s++ {
			c.ring[s&mask].at = now
		}
		c.sent.Store(seq)
		c.lastWrite.Store(now)
		c.write.Lock()
		_, err := c.conn.Write(c.out)
		c.write.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// readReplies takes replies until the writer has finished and none is left.
func (c *benchConn) readReplies(size int, t *tally) error {
	for {
		if c.finished.Load() && c.done.Load() == c.sent.Load() {
			return nil
		}
		err := c.fill()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && c.finished.Load() && c.done.Load() == c.sent.Load():
			return nil
		case err != nil:
			return fmt.Errorf("read from %s: %w", c.server, err)
		}
		if err := c.takeReplies(c.clock(), size, t); err != nil {
			return err
		}
	}
}

// takeReplies handles all whole frames that were read by now.
func (c *benchConn) takeReplies(now int64, size int, t *tally) error {
	seq, sent := c.done.Load(), c.sent.Load()
	mask := uint64(len(c.ring) - 1)
	for {
		frame, err := c.nextFrame()
		if err != nil {
			return err
		}
		if frame == nil {
			break
		}
		h, body, err := proto.DecodeReplyHeader(frame)
		if err != nil {
			return fmt.Errorf("reply of %s: %w", c.server, err)
		}
		if h.Xid == proto.XidPing {
			continue
		}
		if seq == sent || h.Xid != xidOf(seq) {
			return fmt.Errorf("%s answered out of order: got xid %d, want %d", c.server, h.Xid, xidOf(seq))
		}
		f := c.ring[seq&mask]
		code, err := c.checkReply(&f, h, body, size)
		if err != nil {
			return err
		}
		t.add(now-f.at, f.ops, code)
		seq++
	}
	c.done.Store(seq)
	c.signal()
	return nil
}
