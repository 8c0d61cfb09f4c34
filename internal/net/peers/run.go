package peers

import (
	"context"
	"net"
	"time"
)

// Run serves until ctx is done, and returns when every connection is closed,
// every link is down and every goroutine has ended. It binds the ports if
// Bind has not done it yet; its only error is a *BindError. Peers run once.
func (p *Peers) Run(ctx context.Context) error {
	defer p.end()
	release := context.AfterFunc(ctx, p.stop)
	defer release()
	if err := p.Bind(ctx); err != nil {
		return err
	}
	p.mu.Lock()
	for _, o := range p.ports {
		p.spawn(func() { p.accept(o) })
	}
	p.mu.Unlock()
	<-p.ctx.Done()
	return nil
}

// end stops everything and waits for it.
func (p *Peers) end() {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	p.stop()
	for _, o := range p.bound() {
		_ = o.l.Close()
	}
	p.wg.Wait()
}

// spawn starts a goroutine that Run waits for, unless it does already: then
// it returns false. Called with the lock held.
func (p *Peers) spawn(f func()) bool {
	if p.ended {
		return false
	}
	p.wg.Go(f)
	return true
}

// guard closes a connection when the returned function is called, or when
// Run is to end.
func (p *Peers) guard(c net.Conn) func() {
	release := context.AfterFunc(p.ctx, func() { _ = c.Close() })
	return func() {
		release()
		_ = c.Close()
	}
}

// tune sets the options of an election connection's socket.
func (p *Peers) tune(c net.Conn) {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = t.NetConn()
	}
	if t, ok := c.(interface{ SetKeepAlive(on bool) error }); ok {
		_ = t.SetKeepAlive(p.opt.KeepAlive) // without it a dead peer is noticed later, which costs nothing else
	}
}

// A contest is several tries at a connection of which one is needed.
type contest struct {
	ctx     context.Context
	n       int // tries there can be
	try     func(context.Context, int) (net.Conn, error)
	started int
	running int
	results chan result
	won     net.Conn
	err     error // the first
}

type result struct {
	c   net.Conn
	err error
}

// race makes n tries at a connection and returns the first success; the
// others are cancelled, and closed if they succeed all the same. The next
// try starts when one fails, or a stagger after the one before. If all fail,
// the first error is returned. No goroutine is left behind.
func race(ctx context.Context, n int, stagger time.Duration, try func(context.Context, int) (net.Conn, error)) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t := contest{ctx: ctx, n: n, try: try, results: make(chan result, n)}
	timer := time.NewTimer(stagger)
	defer timer.Stop()
	for t.start(); t.running > 0; {
		var next <-chan time.Time
		if t.more() {
			next = timer.C
		}
		select {
		case <-next:
		case r := <-t.results:
			if t.settle(r); t.won != nil {
				cancel()
				continue
			}
		}
		t.start()
		timer.Reset(stagger)
	}
	return t.won, t.err
}

// more tells whether another try makes sense.
func (t *contest) more() bool { return t.started < t.n && t.won == nil && t.ctx.Err() == nil }

func (t *contest) start() {
	if !t.more() && t.started > 0 {
		return
	}
	i := t.started
	t.started++
	t.running++
	go func() {
		c, err := t.try(t.ctx, i)
		t.results <- result{c, err}
	}()
}

// settle counts the end of a try.
func (t *contest) settle(r result) {
	t.running--
	switch {
	case r.err == nil && t.won == nil:
		t.won, t.err = r.c, nil
	case r.err == nil:
		_ = r.c.Close()
	case t.err == nil && t.won == nil:
		t.err = r.err
	}
}
