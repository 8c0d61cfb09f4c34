package recipe

import (
	"errors"
	"testing"

	"quokka/client"
	"quokka/quokkatest"
)

// TestOwnNodeThatWasReplaced has vanished, although there is one of its name:
// it was deleted and created again between two looks.
func TestOwnNodeThatWasReplaced(t *testing.T) {
	t.Parallel()
	servers := quokkatest.Start(t, 1)
	c, other := servers.Dial(t, client.Options{}), servers.Dial(t, client.Options{})
	ctx := t.Context()
	for _, known := range []bool{true, false} {
		n := &own{place: place{c: c, dir: "/dir"}, base: "name", data: []byte("1")}
		if err := n.create(ctx); err != nil {
			t.Fatal(err)
		}
		if err := other.Delete(ctx, "/dir/name", client.AnyVersion); err != nil {
			t.Fatal(err)
		}
		if _, err := other.Create(ctx, "/dir/name", []byte("1"), client.Ephemeral); err != nil {
			t.Fatal(err)
		}
		if !known {
			n.stat = client.Stat{}
		}
		if err := n.vanish(ctx); err != nil {
			t.Error(err)
		}
		// It is not deleted in place of the one that was.
		n.doubt = true
		if mine, err := n.mine(ctx, "name"); mine || err != nil {
			t.Error(mine, err)
		}
		if err := n.create(ctx); !errors.Is(err, client.ErrNodeExists) {
			t.Error(err)
		}
		if err := other.Delete(ctx, "/dir/name", client.AnyVersion); err != nil {
			t.Fatal(err)
		}
	}
}
