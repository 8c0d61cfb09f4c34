package client

import (
	"context"
	"errors"
	"slices"
	"time"

	"quokka/internal/proto"
)

// A Client is a session with a ZooKeeper ensemble, or a view of one below a
// path, see [Client.Sub]. Its methods may be called by many goroutines.
type Client struct {
	s     *session
	root  string // "" or a path, which stands before all paths
	owner bool   // it is not a view
}

// New starts a session with one of servers, and does not wait until there is
// one. servers is a list host:port,host:port, with an optional chroot after
// the last: a path that is put before every path, and which must exist before
// anything can be created in it.
func New(servers string, o Options) (*Client, error) {
	list, root, err := parseServers(servers)
	if err != nil {
		return nil, err
	}
	if o, err = o.withDefaults(); err != nil {
		return nil, err
	}
	c := &Client{s: newSession(list, root, o), root: root, owner: true}
	go c.s.run()
	return c, nil
}

// Dial is New, and waits until a server answers. If none does before ctx
// ends, there is no Client.
func Dial(ctx context.Context, servers string, o Options) (*Client, error) {
	c, err := New(servers, o)
	if err != nil {
		return nil, err
	}
	if err := c.WaitConnected(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Sub returns a view of the same session below a path: its "/a" is path+"/a".
// Closing a view does nothing; it ends with the Client it was made from.
func (c *Client) Sub(path string) (*Client, error) {
	if why := proto.ValidatePath(path); why != "" {
		return nil, &Error{Op: "sub", Path: path, Code: ErrBadArguments, Err: errors.New(why)}
	}
	if path == "/" {
		path = ""
	}
	return &Client{s: c.s, root: c.root + path}, nil
}

// Root returns the path that stands before all paths of this Client, "/" if
// there is none.
func (c *Client) Root() string {
	if c.root == "" {
		return "/"
	}
	return c.root
}

// Done is closed when the session is over; Err then says why.
func (c *Client) Done() <-chan struct{} { return c.s.over }

// Err returns nil while the session lives, and then what ended it: an error
// that is ErrSessionExpired, ErrAuthFailed or ErrClosed.
func (c *Client) Err() error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if !c.s.now.State.Final() {
		return nil
	}
	return c.s.final
}

// Session returns the session's id, its password and the state it has seen.
// The id is 0 before the first connection.
func (c *Client) Session() Session {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	return Session{ID: SessionID(c.s.id), Password: slices.Clone(c.s.password), LastZxid: Zxid(c.s.lastZxid)}
}

// SessionTimeout returns the timeout the server has granted, or the one asked
// for before the first connection.
func (c *Client) SessionTimeout() time.Duration {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	return c.s.timeout
}

// LastContact returns when the newest request was sent that a server with a
// quorum has answered, pings included; it is zero before the first connection.
// The servers heard from the session at that moment or later, so none of them
// ends it before SessionTimeout has passed since, unless it is closed. A
// server that dies may take up to half a tickTime of that with it.
//
// Who must not act after the session is over, but cannot wait for a server to
// say that it is, goes by this.
func (c *Client) LastContact() time.Time {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	return c.s.contact
}

// Close ends the session, and with it its ephemeral nodes. It waits for what
// is under way and for the server's word, but for a third of the session
// timeout at most; if no server is reached the session ends by its timeout.
// It returns nil if the session has ended before.
func (c *Client) Close() error {
	if !c.owner || !c.s.leave() {
		return nil
	}
	if end := c.s.closeSession(); end != nil {
		timer := time.NewTimer(c.SessionTimeout() / 3)
		defer timer.Stop()
		select {
		case <-end.done:
		case <-timer.C:
		case <-c.s.over:
		}
	}
	c.s.cancel(ErrClosed)
	<-c.s.over
	return nil
}

// Detach ends the Client but not its session, which another one can resume
// before it expires. Calls under way fail.
func (c *Client) Detach() Session {
	if c.owner && c.s.leave() {
		c.s.cancel(ErrClosed)
		<-c.s.over
	}
	return c.Session()
}

// leave refuses new calls. It returns false, once the session is over, if
// another goroutine has left before.
func (s *session) leave() (first bool) {
	s.mu.Lock()
	first = !s.closing
	s.closing = true
	if s.final == nil {
		s.final = ErrClosed
	}
	s.mu.Unlock()
	if !first {
		<-s.over
	}
	return first
}

// closeSession puts the session's last request into the queue. It returns nil
// if there is no server to be asked.
func (s *session) closeSession() *call {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link == nil {
		return nil
	}
	c := &call{
		op: proto.OpCloseSession, ctx: s.ctx, begin: time.Now(), done: make(chan struct{}),
		decode: func(proto.Code, []byte) error { return nil },
	}
	s.queue = append(s.queue, c)
	s.wake()
	return c
}

// check returns why a path cannot be one.
func (c *Client) check(op proto.Op, path string) error {
	if why := proto.ValidatePath(path); why != "" {
		return badArgument(op, path, why)
	}
	return nil
}
