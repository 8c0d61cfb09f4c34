package client

import (
	"context"
	"sync"
)

// A Pipeline sends requests without waiting for the answers of those before,
// and keeps their order: what the servers have carried out is always a
// beginning of what was submitted. To that end it breaks when a request ends
// without an answer: those behind it that were not sent, and all later ones,
// fail with ErrConnectionLoss without being sent. Go on with a new Pipeline
// when you know what was done.
//
// Its methods wait only when very many requests are under way.
type Pipeline struct {
	c     *Client
	slots chan struct{}

	broken bool // guarded by session.mu

	mu    sync.Mutex
	first error
	under int           // requests under way
	idle  chan struct{} // closed when there are none, if somebody waits for that
}

// maxPipeline is how many requests of a Pipeline may be under way.
const maxPipeline = 4096

// Pipeline returns a new Pipeline.
func (c *Client) Pipeline() *Pipeline {
	return &Pipeline{c: c, slots: make(chan struct{}, maxPipeline)}
}

func (p *Pipeline) enter(ctx context.Context) error {
	select {
	case p.slots <- struct{}{}:
		p.mu.Lock()
		p.under++
		p.mu.Unlock()
		return nil
	case <-ctx.Done():
		p.c.s.mu.Lock()
		defer p.c.s.mu.Unlock()
		p.broken = true
		return ctx.Err()
	}
}

func (p *Pipeline) leave(err error) {
	<-p.slots
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.first == nil {
		p.first = err
	}
	if p.under--; p.under == 0 && p.idle != nil {
		close(p.idle)
		p.idle = nil
	}
}

// Wait waits until no request is under way, and returns the error of the one
// that failed first since the Pipeline was made.
func (p *Pipeline) Wait(ctx context.Context) error {
	p.mu.Lock()
	idle := p.idle
	if p.under == 0 {
		defer p.mu.Unlock()
		return p.first
	}
	if idle == nil {
		idle = make(chan struct{})
		p.idle = idle
	}
	p.mu.Unlock()
	select {
	case <-idle:
	case <-ctx.Done():
		return ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.first
}
