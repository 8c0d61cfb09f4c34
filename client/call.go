package client

import (
	"context"
	"time"

	"quokka/internal/jute"
	"quokka/internal/proto"
)

// A request is an operation before it is sent: what goes out, and how what
// comes back is read.
type request[T any] struct {
	op   proto.Op
	path string // as the caller gave it
	body []byte
	read bool // it changes nothing, so it may be sent again
	keep bool // it is sent again until it is answered

	decode func(d *jute.Decoder) (T, error)
	absent func() T // the value if the node does not exist; nil: that is an error
	arm    *Watch   // to be registered when the server has
	err    error    // why it is not worth sending
}

// fields is a decode of records that hold no error.
func fields[T any](read func(d *jute.Decoder) T) func(*jute.Decoder) (T, error) {
	return func(d *jute.Decoder) (T, error) { return read(d), nil }
}

// nothing is the value of operations that only succeed or fail.
type nothing = struct{}

func empty(*jute.Decoder) (nothing, error) { return nothing{}, nil }

type stage uint8

const (
	queued stage = iota
	sent
	ended // somebody has taken it upon himself to call finish
)

// A call is a request under way, without its type.
type call struct {
	op    proto.Op
	path  string
	body  []byte
	keep  bool
	pipe  *Pipeline
	ctx   context.Context
	begin time.Time
	done  chan struct{} // closed when err and the future's value are set
	err   error

	decode func(code proto.Code, body []byte) error

	// The rest is guarded by session.mu.
	stage   stage
	wasSent bool
	sentAt  time.Time
	retries int
	xid     int32
	arm     *Watch
	zxid    Zxid
}

// A Future is the answer to a call that its caller does not wait for, see
// [Pipeline].
type Future[T any] struct {
	s     *session
	c     *call
	value T
}

// Done is closed when the answer is there, or will never come.
func (f *Future[T]) Done() <-chan struct{} { return f.c.done }

// Wait returns the answer. When ctx ends before it comes, only the waiting
// does: the request stays under way.
func (f *Future[T]) Wait(ctx context.Context) (T, error) {
	select {
	case <-f.c.done:
		return f.value, f.c.err
	default:
	}
	select {
	case <-f.c.done:
		return f.value, f.c.err
	case <-ctx.Done():
		var zero T
		f.s.mu.Lock()
		wasSent := f.c.wasSent
		f.s.mu.Unlock()
		return zero, f.c.failure(0, ctx.Err(), wasSent)
	}
}

// start sends a request on its way. It waits only for a place in the pipeline.
func start[T any](ctx context.Context, s *session, rq request[T], p *Pipeline) *Future[T] {
	f := &Future[T]{s: s}
	f.c = &call{
		op: rq.op, path: rq.path, body: rq.body, keep: rq.keep, pipe: p, ctx: ctx, arm: rq.arm,
		begin: time.Now(), done: make(chan struct{}),
	}
	if rq.read && p == nil {
		f.c.retries = s.opts.RetryReads
	}
	f.c.decode = func(code proto.Code, body []byte) (err error) {
		switch {
		case code == proto.NoNode && rq.absent != nil:
			f.value = rq.absent()
		case code != proto.OK:
			return f.c.failure(Code(code), nil, false)
		default:
			d := jute.NewDecoder(body)
			f.value, err = rq.decode(&d)
			if d.Err() != nil {
				return f.c.failure(ErrMarshalling, d.Err(), false)
			}
		}
		return err
	}
	if err := s.admit(f.c, rq.err); err != nil {
		f.c.stage = ended // nobody else has it yet
		s.finish(f.c, err)
		return f
	}
	s.submit(f.c)
	return f
}

// do sends a request and waits for its answer. When ctx ends before, the
// request is withdrawn if it is not sent yet.
func do[T any](ctx context.Context, s *session, rq request[T]) (T, error) {
	f := start(ctx, s, rq, nil)
	select {
	case <-f.c.done:
		return f.value, f.c.err
	case <-ctx.Done():
	}
	if wasSent, mine := s.abandon(f.c); mine {
		var zero T
		err := f.c.failure(0, ctx.Err(), wasSent)
		s.finish(f.c, err)
		return zero, err
	}
	<-f.c.done
	return f.value, f.c.err
}

func (c *call) failure(code Code, err error, wasSent bool) error {
	return &Error{Op: c.op.String(), Path: c.path, Code: code, Err: err, Sent: wasSent}
}

// admit refuses what is not worth queueing.
func (s *session) admit(c *call, err error) error {
	if c.pipe != nil {
		if full := c.pipe.enter(c.ctx); full != nil {
			c.pipe = nil // it has no place to give back
			return c.failure(0, full, false)
		}
	}
	switch {
	case err != nil:
		return err
	case c.ctx.Err() != nil:
		return c.failure(0, c.ctx.Err(), false)
	case len(c.body)+8 > s.opts.MaxRequest:
		return c.failure(ErrBadArguments, tooLarge{len(c.body) + 8, s.opts.MaxRequest, "request", "MaxRequest"}, false)
	}
	return nil
}

// finish ends a call whose stage the caller has made ended. It must not be
// called under a lock: hooks and waiters follow.
func (s *session) finish(c *call, err error) {
	c.err = err
	if s.opts.Hooks.Request != nil {
		s.opts.Hooks.Request(RequestInfo{
			Op: c.op.String(), Path: c.path, Took: time.Since(c.begin), Bytes: len(c.body) + 8, Zxid: c.zxid, Err: err,
		})
	}
	close(c.done)
	if c.pipe != nil {
		c.pipe.leave(err)
	}
}
