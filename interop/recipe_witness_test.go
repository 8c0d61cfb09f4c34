package interop

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"quokka/client"
)

// A witness is a tree in which everybody who holds something says so, and looks at what others hold. It is the same
// in all languages: the node alone for who may be the only one, a node shared- for everybody else, and a log of who it
// was, with the number of the node that stood in the queue, or -1.
type witness struct {
	c     *client.Client
	path  string
	actor string
}

// newWitness makes the tree.
func (b *bench) newWitness(path string) string {
	b.t.Helper()
	must(b.t, b.c.EnsurePath(b.ctx, path+"/log"))
	return path
}

func (w *witness) alone(ctx context.Context, sequence int64) error {
	if _, err := w.c.Create(ctx, w.path+"/alone", nil, client.Ephemeral); err != nil {
		return fmt.Errorf("two are alone: %w", err)
	}
	if n, err := w.count(ctx); err != nil || n > 0 {
		return errors.Join(err, fmt.Errorf("alone, and %d who share", n))
	}
	if err := w.log(ctx, sequence); err != nil {
		return err
	}
	return w.c.Delete(ctx, w.path+"/alone", client.AnyVersion)
}

func (w *witness) shared(ctx context.Context, limit int) error {
	node, err := w.c.Create(ctx, w.path+"/shared-", nil, client.Ephemeral, client.Sequential)
	if err != nil {
		return err
	}
	if _, there, err := w.c.Exists(ctx, w.path+"/alone"); err != nil || there {
		return errors.Join(err, errors.New("somebody shares, and somebody is alone"))
	}
	if n, err := w.count(ctx); err != nil || n > limit {
		return errors.Join(err, fmt.Errorf("%d share, the limit is %d", n, limit))
	}
	if err := w.log(ctx, -1); err != nil {
		return err
	}
	return w.c.Delete(ctx, node, client.AnyVersion)
}

func (w *witness) count(ctx context.Context) (n int, err error) {
	names, _, err := w.c.Children(ctx, w.path)
	for _, name := range names {
		if strings.HasPrefix(name, "shared-") {
			n++
		}
	}
	return n, err
}

func (w *witness) log(ctx context.Context, sequence int64) error {
	_, err := w.c.Create(ctx, w.path+"/log/e-", fmt.Appendf(nil, "%s %d", w.actor, sequence), client.Sequential)
	return err
}

// A turn is a line of a witness's log.
type turn struct {
	actor    string
	sequence int64
}

// history reads the log of a witness.
func (b *bench) history(path string) []turn {
	b.t.Helper()
	names, _, err := b.c.Children(b.ctx, path+"/log")
	must(b.t, err)
	slices.Sort(names)
	var all []turn
	for _, name := range names {
		data, _, err := b.c.Get(b.ctx, path+"/log/"+name)
		must(b.t, err)
		actor, number, _ := strings.Cut(string(data), " ")
		n, err := strconv.ParseInt(number, 10, 64)
		must(b.t, err)
		all = append(all, turn{actor, n})
	}
	return all
}

// A contender takes turns under the eyes of a witness.
type contender struct {
	name  string
	turns func(ctx context.Context, rounds int) error
}

// theirs is a contender of the peer.
func (b *bench) theirs(name, op string, more args) contender {
	return contender{name, func(ctx context.Context, rounds int) error {
		rq := args{"rounds": rounds}
		maps.Copy(rq, more)
		return b.call(ctx, name, b.addr, op, rq, nil)
	}}
}

// contend lets all take turns at a time, and checks the history: everybody had all of his turns, they were mixed, and
// where numbers are known they only grow, which is the fair order.
func (b *bench) contend(path string, rounds int, all ...contender) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	var wg sync.WaitGroup
	for _, c := range all {
		wg.Go(func() {
			if err := c.turns(ctx, rounds); err != nil {
				b.t.Errorf("%s: %v", c.name, err)
				cancel()
			}
		})
	}
	wg.Wait()
	if b.t.Failed() {
		b.t.FailNow()
	}
	checkTurns(b.t, b.history(path), rounds, all)
}

func checkTurns(t *testing.T, history []turn, rounds int, all []contender) {
	t.Helper()
	count := make(map[string]int)
	mixed, last := 0, int64(-1)
	for i, h := range history {
		count[h.actor]++
		if i > 0 && h.actor != history[i-1].actor {
			mixed++
		}
		if h.sequence < 0 {
			continue
		}
		if h.sequence <= last {
			t.Errorf("turn %d: %s has the number %d after %d", i, h.actor, h.sequence, last)
		}
		last = h.sequence
	}
	for _, c := range all {
		if count[c.name] != rounds {
			t.Errorf("%s had %d turns of %d", c.name, count[c.name], rounds)
		}
	}
	if len(history) != rounds*len(all) || mixed < len(history)/4 {
		t.Errorf("%d turns that changed hands %d times only", len(history), mixed)
	}
}

// sequenceOf returns the number at the end of a path.
func sequenceOf(path string) int64 {
	n, err := strconv.ParseInt(path[max(len(path)-10, 0):], 10, 64)
	if err != nil {
		return -1
	}
	return n
}
