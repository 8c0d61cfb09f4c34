package interop

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
)

// relayTimeout is the session timeout of these clients. The observer must be able to go through an election meanwhile.
const relayTimeout = 8 * time.Second

// relayClient is a client whose network can be cut, and that knows one server at a time.
type relayClient struct {
	t       *testing.T
	conn    *zk.Conn
	expired chan struct{} // closed when the session has expired

	mu    sync.Mutex
	to    string // the server it can reach, "" for none
	links []net.Conn
}

func newRelayClient(t *testing.T, to *ensembleMember) *relayClient {
	t.Helper()
	c := &relayClient{t: t, expired: make(chan struct{}), to: to.Addr()}
	conn, events, err := zk.Connect([]string{to.Addr()}, relayTimeout, zk.WithLogger(quiet{}), zk.WithLogInfo(false), zk.WithDialer(c.dial))
	must(t, err)
	t.Cleanup(conn.Close)
	c.conn = conn
	go func() {
		for e := range events { // ends with the connection's Close
			if e.State == zk.StateExpired {
				close(c.expired)
				return
			}
		}
	}()
	return c
}

func (c *relayClient) dial(network, _ string, timeout time.Duration) (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.to == "" {
		return nil, errors.New("the network is cut")
	}
	conn, err := net.DialTimeout(network, c.to, timeout)
	if err == nil {
		c.links = append(c.links, conn)
	}
	return conn, err
}

// reach ends all connections; the next ones go to a server, or nowhere.
func (c *relayClient) reach(to *ensembleMember) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.to = ""
	if to != nil {
		c.to = to.Addr()
	}
	for _, l := range c.links {
		l.Close()
	}
	c.links = nil
}

// create makes a node, as often as it takes.
func (c *relayClient) create(path string, flags int32) {
	c.t.Helper()
	must(c.t, poll(ensembleDeadline, func() error {
		_, err := c.conn.Create(path, []byte(path), flags, zk.WorldACL(zk.PermAll))
		if errors.Is(err, zk.ErrNodeExists) {
			return nil // by an attempt whose answer was lost
		}
		return err
	}))
}

// await waits until a node is, or is not.
func (c *relayClient) await(path string, there bool) {
	c.t.Helper()
	must(c.t, poll(ensembleDeadline, func() error {
		is, _, err := c.conn.Exists(path)
		if err == nil && is != there {
			err = fmt.Errorf("%s: %v, not %v", path, is, there)
		}
		return err
	}))
}

// master is the voter whose observer master has an observer.
func (e *ensemble) master() *ensembleMember {
	e.t.Helper()
	var found *ensembleMember
	must(e.t, poll(ensembleDeadline, func() error {
		for _, m := range e.voters() {
			mode, _ := m.mode()
			if n, err := m.metric("zk_synced_observers"); err == nil && n == 1 && mode == "follower" {
				found = m
				return nil
			}
		}
		return errors.New("no follower has an observer")
	}))
	return found
}

// TestEnsembleObserverMasterSessions has clients at an observer that learns from a follower: what they write and sync,
// how long their sessions live, and how these move.
func TestEnsembleObserverMasterSessions(t *testing.T) {
	eachMix(t, []string{"JJJQ", "QQQJ", "QQQQ", "JQJQ"}, func(t *testing.T, mix string) {
		e := startEnsemble(t, mix, ensembleOptions{observers: 1, ownHosts: true, extra: map[string]string{
			"observerMasterPort": fmt.Sprint(steadyPort(t))}})
		observer, master := e.members[3], e.master()
		near, far := newRelayClient(t, observer), newRelayClient(t, e.awaitLeader())
		near.create("/relay", 0)
		near.create("/relay/kept", zk.FlagEphemeral)
		far.await("/relay/kept", true)
		checkRelaySync(t, near, far)
		checkRelayLife(t, e, near, far, observer)
		checkRelayMoves(near, far, observer, master)

		must(t, master.Kill())
		near.create("/relay/after", zk.FlagEphemeral)
		must(t, master.Launch())
		e.awaitAll()
		far.reach(e.awaitLeader())
		far.await("/relay/kept", true)
		far.await("/relay/after", true)
		select {
		case <-near.expired:
			t.Error("the session of a client at the observer has expired")
		default:
		}
	})
}

// checkRelaySync reads at the observer what was written at the leader: after a sync it must be there.
func checkRelaySync(t *testing.T, near, far *relayClient) {
	t.Helper()
	for i := range 30 {
		path := fmt.Sprintf("/relay/n%d", i)
		far.create(path, 0)
		if _, err := near.conn.Sync("/relay"); err != nil {
			t.Fatalf("sync %d at the observer: %v", i, err)
		}
		if there, _, err := near.conn.Exists(path); err != nil || !there {
			t.Fatalf("after sync %d the observer has no %s: %v", i, path, err)
		}
	}
}

// checkRelayLife has one client at the observer fall silent, while another one only pings.
func checkRelayLife(t *testing.T, e *ensemble, near, far *relayClient, observer *ensembleMember) {
	t.Helper()
	silent := newRelayClient(t, observer)
	silent.create("/relay/silent", zk.FlagEphemeral)
	far.await("/relay/silent", true)
	begin := time.Now()
	silent.reach(nil)
	far.await("/relay/silent", false)
	if took := time.Since(begin); took < relayTimeout/2 {
		t.Errorf("a session of %v has expired after %v", relayTimeout, took)
	}
	far.await("/relay/kept", true)
	near.await("/relay/silent", false)
	silent.reach(e.awaitLeader())
	select {
	case <-silent.expired:
	case <-time.After(ensembleDeadline):
		t.Error("nobody tells a client that its session has expired")
	}
}

// checkRelayMoves has a session at the observer come again, and go to the observer's master and back.
func checkRelayMoves(near, far *relayClient, observer, master *ensembleMember) {
	near.t.Helper()
	session := near.conn.SessionID()
	for i, to := range []*ensembleMember{observer, master, observer} {
		near.reach(to)
		path := fmt.Sprintf("/relay/moved%d", i)
		near.create(path, zk.FlagEphemeral)
		far.await(path, true)
	}
	if now := near.conn.SessionID(); now != session {
		near.t.Errorf("session %#x became %#x", session, now)
	}
}

// TestEnsembleObserverMasterReconfig changes the ensemble while an observer learns from a follower: it hears of every
// configuration, becomes a voter, and an observer again.
func TestEnsembleObserverMasterReconfig(t *testing.T) {
	eachMix(t, []string{"JJJQ", "QQQJ", "QQQQ"}, func(t *testing.T, mix string) {
		e := startEnsemble(t, mix, ensembleOptions{observers: 1, ownHosts: true, reconfig: true, extra: map[string]string{
			"observerMasterPort": fmt.Sprint(steadyPort(t))}})
		observer, master, leader := e.members[3], e.master(), e.awaitLeader()
		other := e.members[6-master.id-leader.id-1]
		l := startLoad(t, e.addrs(), loadOptions{seed: testSeed(t)})
		l.awaitWrites(t, 50)

		other.spare = true
		e.mustReconfigure(leader, "", fmt.Sprint(other.id))
		must(t, other.Stop())
		e.expectConfig(master.id, leader.id, observer.id)
		l.awaitWrites(t, 50)
		must(t, other.forgetMembership())
		must(t, other.Launch())
		must(t, other.awaitServing())
		e.mustReconfigure(e.awaitLeader(), e.joinLine(other), "")
		other.spare = false
		e.expectConfig(1, 2, 3, 4)

		observer.observer = false
		e.mustReconfigure(e.awaitLeader(), e.joinLine(observer), "")
		must(t, poll(ensembleDeadline, func() error { return observer.hasMode("follower") }))
		l.awaitWrites(t, 50)
		observer.observer = true
		e.mustReconfigure(e.awaitLeader(), e.joinLine(observer), "")
		must(t, poll(ensembleDeadline, func() error { return observer.hasMode("observer") }))
		l.awaitWrites(t, 50)
		e.expectConfig(1, 2, 3, 4)
		e.master()
		e.checkLoad(l, oursAlone(mix))
		e.compareTrees()
	})
}
