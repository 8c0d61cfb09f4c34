package interop

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"quokka/recipe"
)

// TestRecipesWithGoZookeeper has the lock of go-zookeeper/zk and that of the recipes share a path, as programs do that
// move from one library to the other.
func TestRecipesWithGoZookeeper(t *testing.T) {
	s := startServer(t, quokkaMake, serverOptions{})
	b := (&peer{name: "go-zookeeper"}).on(t, s.Addr(), "go-zookeeper")
	w := b.newWitness("/w/lock")
	theirs := func(name string) contender {
		conn, err := dialGo(s.Addr(), 10*time.Second)
		must(t, err)
		t.Cleanup(conn.Close)
		l := zk.NewLock(conn.Conn, "/go-zookeeper/lock", zk.WorldACL(zk.PermAll))
		return b.turnsOf(name, w, func(ctx context.Context, w *witness) error {
			if err := l.Lock(); err != nil {
				return err
			}
			return errors.Join(w.alone(ctx, -1), l.Unlock())
		})
	}
	b.contend(w, turns, b.goLock("go1", "/lock", w, recipe.Curator), theirs("zk1"), b.goLock("go2", "/lock", w, recipe.Curator), theirs("zk2"))
}
