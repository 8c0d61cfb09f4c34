package recipe

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"quokka/client"
)

// A claim is what one call puts into a directory: nodes whose names begin
// with a mark that nobody else has. So they are found again when the answer to
// their creation is lost.
//
// A claim belongs to one goroutine until it is dropped or becomes a Hold.
type claim struct {
	place
	mark  string
	nodes []string // names, in the order of creation
	token client.Zxid
	// doubt: a creation was sent and its answer never came. There may be a
	// node that is not in nodes, or there may be one later: what an old
	// connection still carries can overtake a new connection.
	doubt bool
}

// newMark returns a mark of a layout: the prefix of a protected node of
// Curator (ProtectedUtils), or the 32 hexadecimal digits of kazoo (lock.py).
func newMark(l Layout) string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	s := hex.EncodeToString(id[:])
	if l == Kazoo {
		return s
	}
	return "_c_" + strings.Join([]string{s[:8], s[8:12], s[12:16], s[16:20], s[20:]}, "-") + "-"
}

func (p place) newClaim(l Layout) *claim { return &claim{place: p, mark: newMark(l)} }

// create creates a node whose name is the mark and then suffix, in a
// directory that is made if it is missing. The claim then has it.
func (k *claim) create(ctx context.Context, suffix string, data []byte, flags ...client.CreateOption) error {
	return k.make(ctx, 1, func() error {
		path, stat, err := k.c.CreateStat(ctx, k.path(k.mark+suffix), data, k.options(flags...)...)
		if errors.Is(err, client.ErrUnimplemented) { // before ZooKeeper 3.5
			path, err = k.c.Create(ctx, k.path(k.mark+suffix), data, k.options(flags...)...)
		}
		if err == nil {
			k.nodes, k.token = []string{k.name(path)}, stat.Czxid
		}
		return err
	})
}

// make carries out a request that creates that many nodes with the mark, once,
// although its answer may be lost.
func (k *claim) make(ctx context.Context, nodes int, request func() error) error {
	for range maxParents {
		err := persist(ctx, k.c, func() error {
			if k.doubt {
				if found, err := k.find(ctx); found || err != nil {
					return err
				}
			}
			err := request()
			k.doubt = k.doubt || client.Ambiguous(err)
			return err
		})
		switch {
		case err == nil && len(k.nodes) < nodes:
			return fmt.Errorf("%w: somebody else deleted a node %s", ErrLost, k.path(k.mark+"…"))
		case err == nil:
			k.nodes = k.nodes[:min(nodes, len(k.nodes))] // more are strays
			return k.date(ctx)
		case !errors.Is(err, client.ErrNoNode):
			return err
		}
		if err := k.ensure(ctx); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s was deleted %d times by somebody else while a node was to be created in it", k.dir, maxParents)
}

// maxParents is how often the directory may be deleted under our hands. The
// server removes empty containers, so that it happens is nothing strange.
const maxParents = 10

// find looks for the nodes with the mark, and takes them over if there are
// any.
func (k *claim) find(ctx context.Context) (bool, error) {
	if err := k.sync(ctx); err != nil {
		return false, err
	}
	names, err := k.list(ctx)
	if err != nil {
		return false, err
	}
	names = slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(n, k.mark) })
	slices.Sort(names)
	k.nodes, k.token = names, 0
	return len(names) > 0, nil
}

// date reads when the claim's first node was created, if that is not known.
func (k *claim) date(ctx context.Context) error {
	if k.token != 0 {
		return nil
	}
	stat, ok, err := k.stat(ctx, k.nodes[0])
	if err == nil && !ok {
		err = k.lost(k.nodes[0])
	}
	k.token = stat.Czxid
	return err
}

func (k *claim) lost(name string) error {
	return fmt.Errorf("%w: somebody else deleted %s", ErrLost, k.path(name))
}

// strays deletes nodes among names that have the mark and are not the
// claim's, and returns the rest. They come from a creation that was carried
// out late.
func (k *claim) strays(ctx context.Context, names []string) ([]string, error) {
	if !k.doubt {
		return names, nil
	}
	var rest []string
	for _, n := range names {
		if !strings.HasPrefix(n, k.mark) || slices.Contains(k.nodes, n) {
			rest = append(rest, n)
		} else if err := k.remove(ctx, n); err != nil {
			return nil, err
		}
	}
	return rest, nil
}

// drop deletes what the claim has created, in the background for as long as
// the session lives, and closes the channel when that is done. Where there is
// doubt it looks again a while later.
func (k *claim) drop() <-chan struct{} {
	done := make(chan struct{})
	if len(k.nodes) == 0 && !k.doubt {
		close(done)
		return done
	}
	go func() {
		k.sweep()
		close(done)
		if !k.doubt {
			return
		}
		timer := time.NewTimer(k.c.SessionTimeout() / 3)
		defer timer.Stop()
		select {
		case <-timer.C:
			k.sweep()
		case <-k.c.Done():
		}
	}()
	return done
}

// sweep deletes the claim's nodes, and all with its mark where there is doubt.
// An error means that the session is over, or that a node's parent does not
// allow its deletion; there is nothing else to do about it.
func (k *claim) sweep() {
	ctx := context.Background() // calls end with the session
	for _, n := range k.nodes {
		_ = k.remove(ctx, n)
	}
	if !k.doubt || k.sync(ctx) != nil {
		return
	}
	names, _ := k.list(ctx)
	for _, n := range names {
		if strings.HasPrefix(n, k.mark) {
			_ = k.remove(ctx, n)
		}
	}
}

// turn waits until before finds nobody among the names in the directory whom
// own must wait for. Only that node is watched, so that who leaves wakes one.
func (k *claim) turn(ctx context.Context, own string, before func(names []string) (name string, ok bool)) error {
	for {
		first, err := k.first(ctx, own, before)
		if first == "" || err != nil {
			return err
		}
		if err := k.gone(ctx, first); err != nil {
			return err
		}
	}
}

// first returns whom own must wait for now, "" if nobody.
func (k *claim) first(ctx context.Context, own string, before func(names []string) (name string, ok bool)) (string, error) {
	names, err := k.list(ctx)
	if err == nil {
		names, err = k.strays(ctx, names)
	}
	if err != nil {
		return "", err
	}
	if !slices.Contains(names, own) {
		return "", k.lost(own)
	}
	name, ok := before(names)
	if !ok {
		return "", nil
	}
	return name, nil
}
