package recipe

import (
	"context"
	"errors"
	"fmt"

	"quokka/client"
)

// A Barrier holds programs back for as long as its node exists: they wait, and
// go on when somebody removes it. It is the Barrier of kazoo and the
// DistributedBarrier of Curator.
//
// The node is persistent: a barrier outlives the session that made it.
type Barrier struct {
	at   place // the parent
	path string
}

// NewBarrier returns the barrier at path. It does not talk to the servers. acl
// is for the nodes that are made; none means open to everybody.
func NewBarrier(c *client.Client, path string, acl ...client.ACL) *Barrier {
	return &Barrier{at: place{c: c, dir: parentPath(path), acl: acl}, path: path}
}

// Create puts the barrier up, if it is not there. When it returns nil, it was
// there at a moment during the call. After an error it may be there.
func (b *Barrier) Create(ctx context.Context) error {
	return b.wrap("create", establish(ctx, b.at.c, b.path, nil, b.at.acl))
}

// Remove takes the barrier away and tells whether it was there. If the answer
// was lost and the barrier is gone afterwards, that counts as yes, though
// somebody else may have removed it. After an error it may be gone.
func (b *Barrier) Remove(ctx context.Context) (bool, error) {
	doubt := false
	err := persist(ctx, b.at.c, func() error {
		err := b.at.c.Delete(ctx, b.path, client.AnyVersion)
		doubt = doubt || client.Ambiguous(err)
		return err
	})
	if errors.Is(err, client.ErrNoNode) {
		return doubt, nil
	}
	return err == nil, b.wrap("remove", err)
}

// Wait waits until there is no barrier, as far as the server that answers
// knows; that may be at once. To heed one that somebody else has just created,
// call [client.Client.Sync] before. It fails when ctx or the session ends. A
// barrier that is removed and at once created again may let go or may not.
func (b *Barrier) Wait(ctx context.Context) error {
	return b.wrap("wait", b.at.gone(ctx, b.at.name(b.path)))
}

func (b *Barrier) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("recipe: barrier %s: %s: %w", b.path, op, err)
}
