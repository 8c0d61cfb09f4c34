package client

import (
	"context"

	"quokka/internal/jute"
	"quokka/internal/proto"
)

// Data is what a Get returns.
type Data struct {
	Data  []byte // the node's data; nil and empty are not the same
	Stat  Stat   // of the node
	Watch *Watch // of a GetW
}

// Listing is what a Children returns.
type Listing struct {
	Children []string // names, not paths, in no order
	Stat     Stat     // of the parent
	Watch    *Watch   // of a ChildrenW
}

// Existence is what an Exists returns.
type Existence struct {
	Exists bool   // whether the node exists
	Stat   Stat   // of the node, if it does
	Watch  *Watch // of an ExistsW
}

// Permissions is what a GetACL returns.
type Permissions struct {
	ACL  []ACL // who may do what
	Stat Stat  // of the node
}

func (c *Client) deleteRequest(path string, version int32) request[nothing] {
	body := proto.AppendPathVersion(nil, proto.PathVersion{Path: join(c.root, path), Version: version})
	return request[nothing]{op: proto.OpDelete, path: path, body: body, decode: empty, err: c.check(proto.OpDelete, path)}
}

// Delete deletes a node that has no children, if its data has the given
// version or that is AnyVersion.
func (c *Client) Delete(ctx context.Context, path string, version int32) error {
	_, err := do(ctx, c.s, c.deleteRequest(path, version))
	return err
}

func (c *Client) existsRequest(path string) request[Existence] {
	return request[Existence]{
		op: proto.OpExists, path: path, body: proto.AppendPathWatch(nil, join(c.root, path), false), read: true,
		decode: fields(func(d *jute.Decoder) Existence { return Existence{Exists: true, Stat: decodeStat(d)} }),
		absent: func() Existence { return Existence{} },
		err:    c.check(proto.OpExists, path),
	}
}

// Exists returns whether a node exists, and its Stat if it does.
func (c *Client) Exists(ctx context.Context, path string) (Stat, bool, error) {
	r, err := do(ctx, c.s, c.existsRequest(path))
	return r.Stat, r.Exists, err
}

// ExistsW is Exists, and returns a Watch that yields one event: when the node
// is created, deleted or its data set.
func (c *Client) ExistsW(ctx context.Context, path string) (Stat, bool, *Watch, error) {
	r, err := do(ctx, c.s, c.existsWRequest(path))
	return r.Stat, r.Exists, r.Watch, err
}

func (c *Client) existsWRequest(path string) request[Existence] {
	return armed(c.existsRequest(path), c.newWatch(path, watchData), func(v *Existence, w *Watch) { v.Watch = w })
}

// armed adds a watch to a request and, if the server has registered it, to
// the answer.
func armed[T any](rq request[T], w *Watch, set func(v *T, w *Watch)) request[T] {
	decode, absent := rq.decode, rq.absent
	rq.arm = w
	rq.decode = func(d *jute.Decoder) (T, error) {
		v, err := decode(d)
		if err == nil && d.Err() == nil {
			set(&v, w)
		}
		return v, err
	}
	if absent != nil {
		rq.absent = func() T {
			v := absent()
			set(&v, w)
			return v
		}
	}
	return rq
}

func (c *Client) getRequest(path string) request[Data] {
	return request[Data]{
		op: proto.OpGetData, path: path, body: proto.AppendPathWatch(nil, join(c.root, path), false), read: true,
		decode: fields(decodeData), err: c.check(proto.OpGetData, path),
	}
}

func decodeData(d *jute.Decoder) Data {
	var r Data
	if b := d.Buffer(); b != nil {
		r.Data = append(make([]byte, 0, len(b)), b...)
	}
	r.Stat = decodeStat(d)
	return r
}

// Get returns a node's data and Stat.
func (c *Client) Get(ctx context.Context, path string) ([]byte, Stat, error) {
	r, err := do(ctx, c.s, c.getRequest(path))
	return r.Data, r.Stat, err
}

// GetW is Get, and returns a Watch that yields one event: when the data is
// set or the node deleted.
func (c *Client) GetW(ctx context.Context, path string) ([]byte, Stat, *Watch, error) {
	r, err := do(ctx, c.s, c.getWRequest(path))
	return r.Data, r.Stat, r.Watch, err
}

func (c *Client) getWRequest(path string) request[Data] {
	return armed(c.getRequest(path), c.newWatch(path, watchData), func(v *Data, w *Watch) { v.Watch = w })
}

func (c *Client) setRequest(path string, data []byte, version int32) request[Stat] {
	body := proto.AppendSetDataRequest(nil, &proto.SetDataRequest{Path: join(c.root, path), Data: data, Version: version})
	return request[Stat]{op: proto.OpSetData, path: path, body: body, decode: fields(decodeStat), err: c.check(proto.OpSetData, path)}
}

// Set replaces a node's data, if that has the given version or that is
// AnyVersion. nil and empty data are not the same to the server.
func (c *Client) Set(ctx context.Context, path string, data []byte, version int32) (Stat, error) {
	return do(ctx, c.s, c.setRequest(path, data, version))
}

func (c *Client) childrenRequest(path string) request[Listing] {
	return request[Listing]{
		op: proto.OpGetChildren2, path: path, body: proto.AppendPathWatch(nil, join(c.root, path), false), read: true,
		decode: fields(func(d *jute.Decoder) Listing { return Listing{Children: d.Strings(), Stat: decodeStat(d)} }),
		err:    c.check(proto.OpGetChildren2, path),
	}
}

// Children returns the names of a node's children, in no order, and the
// node's Stat.
func (c *Client) Children(ctx context.Context, path string) ([]string, Stat, error) {
	r, err := do(ctx, c.s, c.childrenRequest(path))
	return r.Children, r.Stat, err
}

// ChildrenW is Children, and returns a Watch that yields one event: when a
// child is created or deleted, or the node itself deleted.
func (c *Client) ChildrenW(ctx context.Context, path string) ([]string, Stat, *Watch, error) {
	r, err := do(ctx, c.s, c.childrenWRequest(path))
	return r.Children, r.Stat, r.Watch, err
}

func (c *Client) childrenWRequest(path string) request[Listing] {
	return armed(c.childrenRequest(path), c.newWatch(path, watchChild), func(v *Listing, w *Watch) { v.Watch = w })
}

func (c *Client) getACLRequest(path string) request[Permissions] {
	return request[Permissions]{
		op: proto.OpGetACL, path: path, body: jute.AppendString(nil, join(c.root, path)), read: true,
		decode: fields(func(d *jute.Decoder) Permissions { return Permissions{ACL: decodeACLs(d), Stat: decodeStat(d)} }),
		err:    c.check(proto.OpGetACL, path),
	}
}

// GetACL returns a node's ACL and Stat.
func (c *Client) GetACL(ctx context.Context, path string) ([]ACL, Stat, error) {
	r, err := do(ctx, c.s, c.getACLRequest(path))
	return r.ACL, r.Stat, err
}

func (c *Client) setACLRequest(path string, acl []ACL, aversion int32) request[Stat] {
	body := jute.AppendString(nil, join(c.root, path))
	body = jute.AppendInt(proto.AppendACLs(body, protoACLs(acl)), aversion)
	return request[Stat]{op: proto.OpSetACL, path: path, body: body, decode: fields(decodeStat), err: c.check(proto.OpSetACL, path)}
}

// SetACL replaces a node's ACL, if that has the given version (Stat.Aversion)
// or that is AnyVersion.
func (c *Client) SetACL(ctx context.Context, path string, acl []ACL, aversion int32) (Stat, error) {
	return do(ctx, c.s, c.setACLRequest(path, acl, aversion))
}

func (c *Client) syncRequest(path string) request[nothing] {
	return request[nothing]{
		op: proto.OpSync, path: path, body: jute.AppendString(nil, join(c.root, path)), read: true,
		decode: empty, err: c.check(proto.OpSync, path),
	}
}

// Sync lets the server catch up: reads after it see every write that had
// been answered, to whatever client, when Sync was called. The path says
// nothing but where.
func (c *Client) Sync(ctx context.Context, path string) error {
	_, err := do(ctx, c.s, c.syncRequest(path))
	return err
}

// AllChildrenNumber returns how many nodes there are below a node, at any
// depth. It needs ZooKeeper 3.6 or later.
func (c *Client) AllChildrenNumber(ctx context.Context, path string) (int, error) {
	return do(ctx, c.s, c.allChildrenNumberRequest(path))
}

func (c *Client) allChildrenNumberRequest(path string) request[int] {
	return request[int]{
		op: proto.OpGetAllChildrenNumber, path: path, body: jute.AppendString(nil, join(c.root, path)), read: true,
		decode: fields(func(d *jute.Decoder) int { return int(d.Int()) }),
		err:    c.check(proto.OpGetAllChildrenNumber, path),
	}
}

// GetEphemerals returns the paths of the session's ephemeral nodes that are
// prefix or below it. It needs ZooKeeper 3.6 or later.
func (c *Client) GetEphemerals(ctx context.Context, prefix string) ([]string, error) {
	return do(ctx, c.s, c.ephemeralsRequest(prefix))
}

func (c *Client) ephemeralsRequest(prefix string) request[[]string] {
	full := join(c.root, prefix)
	return request[[]string]{
		op: proto.OpGetEphemerals, path: prefix, body: jute.AppendString(nil, full), read: true,
		decode: fields(func(d *jute.Decoder) []string {
			var paths []string
			for _, p := range d.Strings() {
				if within(full, p) { // the server compares letters, not names
					paths = append(paths, strip(c.root, p))
				}
			}
			return paths
		}),
		err: c.check(proto.OpGetEphemerals, prefix),
	}
}
