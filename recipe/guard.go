package recipe

import (
	"context"
	"errors"
	"fmt"

	"quokka/client"
)

// Commit makes the changes of a multi, if it is still held when the servers
// carry them out. Otherwise nothing is changed, and the error is ErrLost. The
// multi must come from the Client that the recipe was made with, and should be
// used once.
//
// As with [client.Multi], an answer may be lost ([client.Ambiguous]): then
// read what has become of it, with the same Hold.
func (h *Hold) Commit(ctx context.Context, m *client.Multi) ([]client.Result, error) {
	if err := h.Err(); err != nil {
		return nil, fmt.Errorf("%w (nothing was written)", err)
	}
	parts := m.Len()
	results, err := h.Guard(m).Commit(ctx)
	if len(results) > parts {
		results = results[:parts]
	}
	part, ok := errors.AsType[*client.MultiError](err)
	if ok && part.Index >= parts && errors.Is(err, client.ErrNoNode) {
		return results, fmt.Errorf("recipe: %s: %w, nothing was written: %w", h.g.k.dir, ErrLost, err)
	}
	return results, err
}

// Guard adds to a multi the condition that it is still held, for those who
// commit it in a way of their own, by a [client.Pipeline] for instance.
func (h *Hold) Guard(m *client.Multi) *client.Multi {
	for _, path := range h.Paths() {
		m = m.Check(path, client.AnyVersion)
	}
	return m
}

// Multi returns an empty multi for Commit.
func (h *Hold) Multi() *client.Multi { return h.g.k.c.Multi() }

// Set is [client.Client.Set], if it is still held; otherwise it fails with
// ErrLost.
func (h *Hold) Set(ctx context.Context, path string, data []byte, version int32) (client.Stat, error) {
	r, err := h.single(ctx, h.Multi().Set(path, data, version))
	return r.Stat, err
}

// Create is [client.Client.Create], if it is still held; otherwise it fails
// with ErrLost.
func (h *Hold) Create(ctx context.Context, path string, data []byte, options ...client.CreateOption) (string, error) {
	r, err := h.single(ctx, h.Multi().Create(path, data, options...))
	return r.Path, err
}

// Delete is [client.Client.Delete], if it is still held; otherwise it fails
// with ErrLost.
func (h *Hold) Delete(ctx context.Context, path string, version int32) error {
	_, err := h.single(ctx, h.Multi().Delete(path, version))
	return err
}

// single commits a multi of one part.
func (h *Hold) single(ctx context.Context, m *client.Multi) (client.Result, error) {
	results, err := h.Commit(ctx, m)
	if err != nil || len(results) == 0 {
		return client.Result{}, err
	}
	return results[0], nil
}

// do acquires, runs what is to be done while it is held, and releases. The
// context it runs with ends with ctx and with the hold.
func do(ctx context.Context, acquire func(context.Context) (*Hold, error), work func(context.Context, *Hold) error) error {
	h, err := acquire(ctx)
	if err != nil {
		return err
	}
	inside, leave := h.during(context.WithValue(ctx, h.key, h))
	defer leave()
	defer func() { _ = h.Release(ctx) }()
	err = work(inside, h)
	if lost := h.Err(); err == nil && lost != nil && !errors.Is(lost, ErrReleased) {
		err = fmt.Errorf("%w (it was not held until the end)", lost)
	}
	return err
}

// during returns a context that ends with ctx and, with its cause, with the
// hold.
func (h *Hold) during(ctx context.Context) (context.Context, context.CancelFunc) {
	inside, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(h.ctx, func() { cancel(context.Cause(h.ctx)) })
	return inside, func() {
		stop()
		cancel(ErrReleased)
	}
}
