package subtree

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"quokka/client"
)

// A KindTable is what a file says of kinds: an export, or a snapshot as
// printed by quokka snapshot print or by Java's zkSnapShotToolkit.sh.
type KindTable struct {
	known   map[string]kindOf // by path
	servers bool              // paths are those of the server, without a chroot
}

type kindOf struct {
	kind Kind
	ttl  time.Duration
}

// The first words of a printed snapshot (SnapshotFormatter).
const printedSnapshot = "ZNode Details"

// ReadKinds reads a file. It holds those nodes in memory that have a kind of
// their own. An export need not be as it was written: it is only asked what
// it knows.
func ReadKinds(in io.ReadSeeker) (*KindTable, error) {
	first := make([]byte, len(printedSnapshot))
	if _, err := io.ReadFull(in, first); err == nil && string(first) == printedSnapshot {
		t := &KindTable{known: make(map[string]kindOf), servers: true}
		return t, t.snapshot(in)
	}
	e, err := OpenExport(in, true)
	if err != nil {
		return nil, err
	}
	t := &KindTable{known: make(map[string]kindOf)}
	for n, err := range e.Nodes() {
		if err != nil {
			return nil, err
		}
		if n.Kind != Lasting && n.Kind != Ephemeral {
			t.known[Join(e.Header.Root, n.Path)] = kindOf{n.Kind, n.TTL}
		}
	}
	return t, nil
}

// snapshot reads blocks of lines: a row of hyphens, the path, the fields.
func (t *KindTable) snapshot(in io.Reader) error {
	lines := bufio.NewReaderSize(in, 64<<10)
	path, rule := "", false
	for {
		line, err := readLine(lines)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		text := strings.TrimRight(string(line), "\r\n")
		switch owner, ok := strings.CutPrefix(text, "  ephemeralOwner = "); {
		case text == "----":
			rule = true
			continue
		case rule && strings.HasPrefix(text, "/"):
			path = text
		case ok && path != "":
			v, err := strconv.ParseUint(owner, 0, 64)
			if err != nil {
				return fmt.Errorf("the owner of %s: %w", path, err)
			}
			t.owner(path, v)
		}
		rule = false
	}
}

// Owners as servers store them (EphemeralType).
const (
	containerOwner = 1 << 63
	ttlOwner       = 0xff << 56
	ttlBits        = 1<<40 - 1
)

func (t *KindTable) owner(path string, owner uint64) {
	switch {
	case owner == containerOwner:
		t.known[path] = kindOf{Container, 0}
	case owner&ttlOwner == ttlOwner && owner&ttlBits > 0:
		t.known[path] = kindOf{TTL, time.Duration(owner&ttlBits) * time.Millisecond}
	}
}

// Of returns what is known of the nodes of a subtree, nil if t is nil.
func (t *KindTable) Of(c *client.Client, root string) Kinds {
	if t == nil {
		return nil
	}
	if t.servers {
		root = full(c, root)
	}
	return func(path string) (Kind, time.Duration, bool) {
		k, ok := t.known[Join(root, path)]
		return k.kind, k.ttl, ok
	}
}
