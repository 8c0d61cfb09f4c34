package shell

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"quokka/client"
	"quokka/internal/render"
)

// A session is a client with what the shell must know of its life.
type session struct {
	client  *client.Client
	first   chan struct{} // closed when the first connection was told of
	servers int           // in the connect string

	mu     sync.Mutex
	up     bool // was connected once
	now    client.State
	failed int                     // dials without success since guard
	giveUp context.CancelCauseFunc // of the command that waits

	armed armed
	once  sync.Once
}

// awaitFirst waits until a server was found for the first time, and has been
// told of, or ctx ends: what a command prints comes after that.
func (l *session) awaitFirst(ctx context.Context) {
	select {
	case <-l.first:
	case <-ctx.Done():
	}
}

// state returns the name Java has for the present state.
func (l *session) state() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return javaState[l.now]
}

// connect starts the shell's session if it has none.
func (s *Shell) connect() error {
	if s.live != nil {
		return nil
	}
	return s.open(s.opts.Servers)
}

// open starts a session with other servers, in place of the present one.
func (s *Shell) open(servers string) error {
	hosts, _, _ := strings.Cut(servers, "/")
	next := &session{first: make(chan struct{}), servers: max(len(strings.FieldsFunc(hosts, func(r rune) bool { return r == ',' })), 1)}
	o := s.opts.Client
	o.MaxWatchQueue = 1 // events are taken from the hook, in their order
	o.Hooks = client.Hooks{
		State: func(v client.StateChange) { s.stateChanged(next, v) },
		Dial:  next.dialled,
		Event: func(e client.Event) { s.watchFired(next, e) },
	}
	c, err := client.New(servers, o)
	if err != nil {
		return err
	}
	next.client = c
	s.live, s.opts.Servers = next, servers
	if s.opts.WaitForConnection {
		return s.await(c)
	}
	return nil
}

// await waits until a server answers, for the session timeout at most.
func (s *Shell) await(c *client.Client) error {
	ctx, cancel := context.WithTimeout(context.Background(), c.SessionTimeout())
	defer cancel()
	if err := c.WaitConnected(ctx); err != nil {
		return javaError("KeeperErrorCode = ConnectionLoss: " + strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return nil
}

// guard lets a command end when no server can be reached. zkCli.sh fails
// when the next server of the list cannot; here all are tried once.
func (l *session) guard(giveUp context.CancelCauseFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed, l.giveUp = 0, giveUp
}

func (l *session) dialled(d client.DialInfo) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d.Err == nil {
		l.failed = 0
		return
	}
	if l.failed++; l.failed >= l.servers && l.giveUp != nil {
		l.giveUp(&unreachable{d.Err})
	}
}

// javaState gives a state the name of Watcher.Event.KeeperState.
var javaState = map[client.State]string{
	client.Connecting: "Disconnected", client.Connected: "SyncConnected", client.ConnectedReadOnly: "ConnectedReadOnly",
	client.Expired: "Expired", client.AuthFailed: "AuthFailed", client.Closed: "Closed",
}

// stateChanged tells of the session's life: as zkCli.sh does under its name,
// and otherwise only to people, and only that a connection was lost or found
// again.
func (s *Shell) stateChanged(l *session, v client.StateChange) {
	l.mu.Lock()
	again := l.up
	l.up = l.up || v.State.Up()
	l.now = v.State
	l.mu.Unlock()
	if !again && (v.State.Up() || v.State.Final()) {
		defer l.once.Do(func() { close(l.first) })
	}
	switch {
	case s.opts.ZkCli:
		if s.events.Load() {
			fmt.Fprintf(s.out, "\nWATCHER::\n\nWatchedEvent state:%s type:None path:null zxid: -1\n", javaState[v.State])
		}
	case !s.inTerminal || v.State == client.Closed:
	case v.State == client.Expired || v.State == client.AuthFailed:
		fmt.Fprintf(s.err, "%v; connect starts a new session\n", v.Err)
	case v.State.Up() && again:
		fmt.Fprintf(s.err, "connected again, to %s\n", v.Server)
	case v.State == client.Connecting && again:
		fmt.Fprintf(s.err, "connection lost: %v\n", v.Err)
	}
}

// javaEvent gives an event the name of Watcher.Event.EventType.
var javaEvent = map[client.EventType]string{
	client.EventCreated: "NodeCreated", client.EventDeleted: "NodeDeleted", client.EventDataChanged: "NodeDataChanged",
	client.EventChildrenChanged: "NodeChildrenChanged",
}

// watchFired prints an event as zkCli.sh does.
func (s *Shell) watchFired(l *session, e client.Event) {
	e.Path = s.visible(l, e.Path)
	l.armed.fired(e)
	zxid := int64(e.Zxid)
	if zxid == 0 {
		zxid = -1 // the server did not say it (WatchedEvent.NO_ZXID)
	}
	s.printEvent(l.state(), javaEvent[e.Type], e.Path, zxid)
}

func (s *Shell) printEvent(state, typ, path string, zxid int64) {
	switch {
	case !s.events.Load():
	case s.opts.JSON:
		v := struct {
			Event string     `json:"event"`
			Path  string     `json:"path"`
			State string     `json:"state"`
			Zxid  render.Hex `json:"zxid"`
		}{typ, path, state, render.Hex(zxid)}
		_ = render.JSON(s.out, v, false) // nobody is left to be told
	default:
		fmt.Fprintf(s.out, "\nWATCHER::\n\nWatchedEvent state:%s type:%s path:%s zxid: %d\n", state, typ, path, zxid)
	}
}

// visible takes the chroot off a path.
func (s *Shell) visible(l *session, path string) string {
	root := l.client.Root()
	rest, ok := strings.CutPrefix(path, root)
	switch {
	case root == "/" || !ok || rest != "" && rest[0] != '/':
		return path
	case rest == "":
		return "/"
	}
	return rest
}
