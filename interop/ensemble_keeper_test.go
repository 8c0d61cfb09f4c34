package interop

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
)

// sessionKeeper is a client as applications use one, go-zookeeper/zk, that holds one session with an ephemeral node
// while servers come and go.
type sessionKeeper struct {
	conn    *zk.Conn
	session int64
	lost    chan struct{} // closed when the session has expired
}

const keptPath = "/kept"

// keptTimeout is longer than what a test may take to get a leader on a busy machine.
const keptTimeout = 40 * time.Second

func keepSession(t *testing.T, addrs []string) *sessionKeeper {
	t.Helper()
	conn, events, err := zk.Connect(addrs, keptTimeout, zk.WithLogger(quiet{}), zk.WithLogInfo(false))
	must(t, err)
	t.Cleanup(conn.Close)
	k := &sessionKeeper{conn: conn, lost: make(chan struct{})}
	go func() {
		for e := range events { // ends with the connection's Close
			if e.State == zk.StateExpired {
				close(k.lost)
				return
			}
		}
	}()
	must(t, poll(ensembleDeadline, func() error {
		_, err := conn.Create(keptPath, []byte("kept"), zk.FlagEphemeral, zk.WorldACL(zk.PermAll))
		if errors.Is(err, zk.ErrNodeExists) {
			err = nil // created by an attempt whose answer was lost
		}
		return err
	}))
	k.session = conn.SessionID()
	return k
}

// check expects the session and its node to be there still.
func (k *sessionKeeper) check(t *testing.T) {
	t.Helper()
	select {
	case <-k.lost:
		t.Errorf("session %#x of a patient client has expired", k.session)
		return
	default:
	}
	must(t, poll(ensembleDeadline, func() error {
		data, stat, err := k.conn.Get(keptPath)
		switch {
		case errors.Is(err, zk.ErrNoNode):
			return errStop{fmt.Errorf("the ephemeral node of session %#x is gone", k.session)}
		case err != nil:
			return err
		case stat.EphemeralOwner != k.session || string(data) != "kept" || k.conn.SessionID() != k.session:
			return errStop{fmt.Errorf("the ephemeral node is %q of %#x, the session was %#x and is %#x",
				data, stat.EphemeralOwner, k.session, k.conn.SessionID())}
		}
		return nil
	}))
}
