package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"quokka/internal/jute"
	"quokka/internal/proto"
)

// A CreateOption says what kind of node is created: [Ephemeral],
// [Sequential], [Container], [WithTTL] and [WithACL]. Without any, the node is
// persistent and open to everybody.
type CreateOption interface {
	apply(k *nodeKind)
}

// A CreateFlag is a CreateOption without a value.
type CreateFlag int

// The flags.
const (
	// Ephemeral: the node is deleted when the session ends.
	Ephemeral CreateFlag = iota
	// Sequential: the server appends a number of ten digits to the name,
	// larger than those it gave before under the same parent.
	Sequential
	// Container: the server deletes the node when its last child is gone.
	Container
)

type nodeKind struct {
	ephemeral, sequential, container bool
	ttl                              time.Duration
	acl                              []proto.ACL
}

func (f CreateFlag) apply(k *nodeKind) {
	switch f {
	case Ephemeral:
		k.ephemeral = true
	case Sequential:
		k.sequential = true
	case Container:
		k.container = true
	}
}

type ttlOption time.Duration

func (o ttlOption) apply(k *nodeKind) { k.ttl = time.Duration(o) }

// WithTTL lets the server delete the node when it has no children and was not
// changed for d, in whole milliseconds. Servers must have
// extendedTypesEnabled.
func WithTTL(d time.Duration) CreateOption { return ttlOption(d) }

type aclOption []ACL

func (o aclOption) apply(k *nodeKind) { k.acl = protoACLs(o) }

// WithACL gives the node an ACL, see [WorldACL], [CreatorACL], [DigestACL].
func WithACL(acl ...ACL) CreateOption { return aclOption(acl) }

var openACL = protoACLs(WorldACL(PermAll))

func kindOf(options []CreateOption) nodeKind {
	k := nodeKind{acl: openACL}
	for _, o := range options {
		o.apply(&k)
	}
	return k
}

// wire returns the operation and the flags that make such a node.
func (k *nodeKind) wire(plain proto.Op) (op proto.Op, flags int32, err error) {
	switch {
	case k.ttl < 0 || k.ttl > 0 && k.ttl < time.Millisecond:
		return plain, 0, fmt.Errorf("TTL %v: want at least 1ms", k.ttl)
	case k.ttl > 0 && (k.ephemeral || k.container) || k.container && (k.ephemeral || k.sequential):
		return plain, 0, errors.New("these kinds of node exclude each other")
	case k.container:
		return proto.OpCreateContainer, proto.FlagContainer, nil
	case k.ttl > 0 && k.sequential:
		return proto.OpCreateTTL, proto.FlagPersistentSequentialTTL, nil
	case k.ttl > 0:
		return proto.OpCreateTTL, proto.FlagPersistentTTL, nil
	case k.ephemeral && k.sequential:
		return plain, proto.FlagEphemeralSequential, nil
	case k.sequential:
		return plain, proto.FlagPersistentSequential, nil
	case k.ephemeral:
		return plain, proto.FlagEphemeral, nil
	}
	return plain, proto.FlagPersistent, nil
}

// createBody encodes the record of a create, alone or as a part of a multi.
func (c *Client) createBody(b []byte, path string, data []byte, k *nodeKind, plain proto.Op) (proto.Op, []byte, error) {
	op, flags, err := k.wire(plain)
	if err != nil {
		return op, b, badArgument(op, path, err.Error())
	}
	valid := path
	if k.sequential {
		valid += "1" // the number the server appends
	}
	if why := proto.ValidatePath(valid); why != "" {
		return op, b, badArgument(op, path, why)
	}
	full := join(c.root, path)
	if c.root != "" && path == "/" && k.sequential {
		full += "/"
	}
	return op, proto.AppendCreateRequest(b, op, &proto.CreateRequest{
		Path: full, Data: data, ACL: k.acl, Flags: flags, TTL: k.ttl.Milliseconds(),
	}), nil
}

// Created is what a create returns.
type Created struct {
	Path string // with the number of a sequential node
	Stat Stat   // only from CreateStat, and for containers and nodes with a TTL
}

func (c *Client) createRequest(path string, data []byte, options []CreateOption, plain proto.Op) request[Created] {
	k := kindOf(options)
	op, body, err := c.createBody(nil, path, data, &k, plain)
	return request[Created]{
		op: op, path: path, body: body, err: err,
		decode: fields(func(d *jute.Decoder) Created {
			r := Created{Path: strip(c.root, d.String())}
			if op != proto.OpCreate {
				r.Stat = decodeStat(d)
			}
			return r
		}),
	}
}

// Create creates a node and returns its path, which has a number appended if
// it is sequential.
func (c *Client) Create(ctx context.Context, path string, data []byte, options ...CreateOption) (string, error) {
	r, err := do(ctx, c.s, c.createRequest(path, data, options, proto.OpCreate))
	return r.Path, err
}

// CreateStat is Create and returns the node's Stat as well. It needs
// ZooKeeper 3.5 or later.
func (c *Client) CreateStat(ctx context.Context, path string, data []byte, options ...CreateOption) (string, Stat, error) {
	r, err := do(ctx, c.s, c.createRequest(path, data, options, proto.OpCreate2))
	return r.Path, r.Stat, err
}

// EnsurePath creates a node, without data, and its parents, those of a chroot
// or view included, as far as they do not exist. The options are for all of
// them.
func (c *Client) EnsurePath(ctx context.Context, path string, options ...CreateOption) error {
	if err := c.check(proto.OpCreate, path); err != nil {
		return err
	}
	full := join(c.root, path)
	if _, ok, err := (&Client{s: c.s}).Exists(ctx, full); ok || err != nil && !errors.Is(err, ErrNoAuth) {
		return err
	}
	return (&Client{s: c.s}).ensure(ctx, full, options)
}

// maxEnsure is how often the parent of a new node may be deleted by somebody
// else before we give up.
const maxEnsure = 10

// ensure creates a node, and its parent only if the server misses it: nobody
// needs permissions above that.
func (c *Client) ensure(ctx context.Context, path string, options []CreateOption) error {
	var err error
	for range maxEnsure {
		_, err = c.Create(ctx, path, nil, options...)
		if errors.Is(err, ErrNodeExists) {
			return nil
		}
		parent := proto.ParentOf(path)
		if !errors.Is(err, ErrNoNode) || parent == "" {
			return err
		}
		if err := c.ensure(ctx, parent, options); err != nil {
			return err
		}
	}
	return err
}
