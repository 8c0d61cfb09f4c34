package recipe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"quokka/client"
)

// A place is a directory in which contenders meet.
type place struct {
	c    *client.Client
	dir  string
	acl  []client.ACL // of what is created; nil for everybody
	keep bool         // directories are persistent, not containers
}

// How long to wait before asking a server again that is too busy, has no
// quorum, or has lost the session to another one.
const (
	minPause = 20 * time.Millisecond
	maxPause = 2 * time.Second
)

// persist repeats a step that may be repeated, until it has an outcome that
// another attempt would not change, ctx ends, or the session is over. The
// client sees to it that lost connections do not make it spin.
func persist(ctx context.Context, c *client.Client, step func() error) error {
	pause := minPause
	for {
		err := step()
		switch {
		case err == nil:
			return nil
		case c.Err() != nil && errors.Is(err, client.ErrConnectionLoss):
			return fmt.Errorf("%w: %w", c.Err(), err)
		case c.Err() != nil:
			return err
		case ctx.Err() != nil && !errors.Is(err, ctx.Err()):
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case ctx.Err() != nil:
			return err
		case errors.Is(err, client.ErrConnectionLoss):
		case errors.Is(err, client.ErrThrottled), errors.Is(err, client.ErrOperationTimeout),
			errors.Is(err, client.ErrNotReadOnly), errors.Is(err, client.ErrSessionMoved):
			timer := time.NewTimer(pause)
			select {
			case <-timer.C:
			case <-ctx.Done():
			case <-c.Done():
			}
			timer.Stop()
			pause = min(2*pause, maxPause)
		default:
			return err
		}
	}
}

// path returns the path of a node in the directory.
func (p place) path(name string) string { return strings.TrimSuffix(p.dir, "/") + "/" + name }

// name is the other way round.
func (p place) name(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// options returns how a node is created.
func (p place) options(flags ...client.CreateOption) []client.CreateOption {
	if p.acl != nil {
		flags = append(flags, client.WithACL(p.acl...))
	}
	return flags
}

// newPlace returns a directory as a layout wants it. kazoo creates directories
// once and does not expect them to vanish, as containers do.
func newPlace(c *client.Client, dir string, o Options) place {
	return place{c: c, dir: dir, acl: o.ACL, keep: o.Layout == Kazoo}
}

// ensure creates the directory and its parents as containers, which the
// server removes when nobody has used them for a while. Servers before 3.5 do
// not know containers; there they are persistent.
func (p place) ensure(ctx context.Context) error {
	return persist(ctx, p.c, func() error {
		err := error(client.ErrUnimplemented)
		if !p.keep {
			err = p.c.EnsurePath(ctx, p.dir, p.options(client.Container)...)
		}
		if errors.Is(err, client.ErrUnimplemented) {
			err = p.c.EnsurePath(ctx, p.dir, p.options()...)
		}
		return err
	})
}

// list returns the names in the directory, none if it does not exist.
func (p place) list(ctx context.Context) (names []string, err error) {
	err = persist(ctx, p.c, func() error {
		names, _, err = p.c.Children(ctx, p.dir)
		if errors.Is(err, client.ErrNoNode) {
			names, err = nil, nil
		}
		return err
	})
	return names, err
}

// sync lets the server catch up with what was answered, or lost, before.
func (p place) sync(ctx context.Context) error {
	return persist(ctx, p.c, func() error { return p.c.Sync(ctx, p.dir) })
}

// stat returns the Stat of a node of the directory.
func (p place) stat(ctx context.Context, name string) (stat client.Stat, ok bool, err error) {
	err = persist(ctx, p.c, func() error {
		stat, ok, err = p.c.Exists(ctx, p.path(name))
		return err
	})
	return stat, ok, err
}

// remove deletes a node of the directory. It is fine if it is gone.
func (p place) remove(ctx context.Context, name string) error {
	return persist(ctx, p.c, func() error {
		err := p.c.Delete(ctx, p.path(name), client.AnyVersion)
		if errors.Is(err, client.ErrNoNode) {
			return nil
		}
		return err
	})
}

// gone waits until a node of the directory does not exist.
func (p place) gone(ctx context.Context, name string) error {
	return p.until(ctx, name, func(client.Stat) bool { return false })
}

// until waits until a node of the directory does not exist, or is another one.
// It sets the watch first and believes what the server said then, so that no
// deletion is missed; the client keeps the watch over lost connections. exists
// needs no permission on the node, as getData would.
func (p place) until(ctx context.Context, name string, other func(client.Stat) bool) error {
	for {
		var stat client.Stat
		var w *client.Watch
		var there bool
		err := persist(ctx, p.c, func() (err error) {
			stat, there, w, err = p.c.ExistsW(ctx, p.path(name))
			return err
		})
		if err != nil {
			return err
		}
		if !there || other(stat) {
			return w.Close()
		}
		e, err := w.Next(ctx)
		_ = w.Close()
		switch {
		case err == nil && e.Type == client.EventDeleted:
			return nil
		case err != nil && !errors.Is(err, io.EOF):
			return err
		}
	}
}
