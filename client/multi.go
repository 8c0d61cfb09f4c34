package client

import (
	"context"
	"fmt"

	"quokka/internal/jute"
	"quokka/internal/proto"
)

// A Multi gathers changes that are made all or none:
//
//	_, err := c.Multi().Check("/lock", 3).Set("/a", data, client.AnyVersion).Commit(ctx)
type Multi struct {
	c     *Client
	parts []part
	body  []byte
	err   error // the first part that is not worth sending
}

type part struct {
	op   proto.Op
	path string
}

// A Result is what one part of a multi returned.
type Result struct {
	Path string // of a create, with its number
	Stat Stat   // of a set, and of the create of a container or a node with a TTL
	Err  error  // why this part failed; ErrRolledBack if another one did
}

// A MultiError says which part of a multi failed. Nothing was changed.
type MultiError struct {
	Index int    // of the part, from 0
	Err   *Error // what was wrong with it
}

// Error returns which part failed, and why.
func (e *MultiError) Error() string { return fmt.Sprintf("part %d of a multi: %v", e.Index, e.Err) }

// Unwrap returns the part's error.
func (e *MultiError) Unwrap() error { return e.Err }

// Multi returns an empty Multi.
func (c *Client) Multi() *Multi { return &Multi{c: c} }

// Len returns how many parts there are.
func (m *Multi) Len() int { return len(m.parts) }

func (m *Multi) add(op proto.Op, path string, err error) {
	m.parts = append(m.parts, part{op, path})
	if m.err == nil && err != nil {
		m.err = err
	}
	m.body = proto.AppendMultiHeader(m.body, proto.MultiHeader{Op: op, Err: -1})
}

// Create adds a create.
func (m *Multi) Create(path string, data []byte, options ...CreateOption) *Multi {
	k := kindOf(options)
	op, record, err := m.c.createBody(nil, path, data, &k, proto.OpCreate)
	m.add(op, path, err)
	m.body = append(m.body, record...)
	return m
}

// Delete adds a delete.
func (m *Multi) Delete(path string, version int32) *Multi {
	return m.versioned(proto.OpDelete, path, version)
}

// Check adds a condition: the node exists, and its data has the version
// unless that is AnyVersion.
func (m *Multi) Check(path string, version int32) *Multi {
	return m.versioned(proto.OpCheck, path, version)
}

func (m *Multi) versioned(op proto.Op, path string, version int32) *Multi {
	m.add(op, path, m.c.check(op, path))
	m.body = proto.AppendPathVersion(m.body, proto.PathVersion{Path: join(m.c.root, path), Version: version})
	return m
}

// Set adds a set.
func (m *Multi) Set(path string, data []byte, version int32) *Multi {
	m.add(proto.OpSetData, path, m.c.check(proto.OpSetData, path))
	m.body = proto.AppendSetDataRequest(m.body, &proto.SetDataRequest{Path: join(m.c.root, path), Data: data, Version: version})
	return m
}

// Commit makes the changes and returns a Result for each part. If a part
// fails, nothing is changed, the error is a [*MultiError] and the Results say
// which part it was.
func (m *Multi) Commit(ctx context.Context) ([]Result, error) {
	if len(m.parts) == 0 {
		return nil, nil
	}
	return do(ctx, m.c.s, m.request())
}

func (m *Multi) request() request[[]Result] {
	parts, root := m.parts, m.c.root
	rq := request[[]Result]{op: proto.OpMulti, err: m.err}
	rq.body = proto.AppendMultiHeader(m.body[:len(m.body):len(m.body)], proto.MultiEnd)
	rq.decode = func(d *jute.Decoder) ([]Result, error) {
		results := make([]Result, len(parts))
		var failed error
		for i, p := range parts {
			results[i] = decodeResult(d, p, root)
			e, ok := results[i].Err.(*Error)
			if ok && failed == nil && e.Code != ErrRolledBack && e.Code != 0 {
				failed = &MultiError{Index: i, Err: e}
			}
		}
		multiEnd(d)
		return results, failed
	}
	return rq
}

// decodeResult reads what one write returned. In a multi that failed, the
// parts before the failing one have an error of 0.
func decodeResult(d *jute.Decoder, p part, root string) Result {
	h := proto.DecodeMultiHeader(d)
	switch h.Op {
	case proto.OpCreate:
		return Result{Path: strip(root, d.String())}
	case proto.OpCreate2:
		return Result{Path: strip(root, d.String()), Stat: decodeStat(d)}
	case proto.OpSetData:
		return Result{Stat: decodeStat(d)}
	case proto.OpDelete, proto.OpCheck:
		return Result{}
	case proto.OpError:
		code := Code(d.Int())
		if h.Done {
			d.Fail(fmt.Errorf("fewer results than parts"))
		}
		if code == 0 {
			code = ErrRolledBack
		}
		return Result{Err: &Error{Op: p.op.String(), Path: p.path, Code: code}}
	}
	d.Fail(fmt.Errorf("result of type %d in a multi", int32(h.Op)))
	return Result{}
}

func multiEnd(d *jute.Decoder) {
	if h := proto.DecodeMultiHeader(d); d.Err() == nil && !h.Done {
		d.Fail(fmt.Errorf("more results than parts"))
	}
}

// A MultiRead gathers reads that a server carries out one right after the
// other. It needs ZooKeeper 3.6 or later.
type MultiRead struct {
	c     *Client
	parts []part
	body  []byte
	err   error
}

// A ReadResult is what one part of a MultiRead returned.
type ReadResult struct {
	Data     []byte   // of a Get
	Stat     Stat     // of a Get
	Children []string // of a Children
	Err      error    // why this part failed
}

// MultiRead returns an empty MultiRead.
func (c *Client) MultiRead() *MultiRead { return &MultiRead{c: c} }

// Get adds a get.
func (m *MultiRead) Get(path string) *MultiRead { return m.add(proto.OpGetData, path) }

// Children adds a listing, which comes without a Stat.
func (m *MultiRead) Children(path string) *MultiRead { return m.add(proto.OpGetChildren, path) }

func (m *MultiRead) add(op proto.Op, path string) *MultiRead {
	if err := m.c.check(op, path); err != nil && m.err == nil {
		m.err = err
	}
	m.parts = append(m.parts, part{op, path})
	m.body = proto.AppendMultiHeader(m.body, proto.MultiHeader{Op: op, Err: -1})
	m.body = proto.AppendPathWatch(m.body, join(m.c.root, path), false)
	return m
}

// Do reads. Parts fail one by one, by their Err; Do's own error is of the
// whole.
func (m *MultiRead) Do(ctx context.Context) ([]ReadResult, error) {
	if len(m.parts) == 0 {
		return nil, nil
	}
	return do(ctx, m.c.s, m.request())
}

func (m *MultiRead) request() request[[]ReadResult] {
	parts := m.parts
	return request[[]ReadResult]{
		op: proto.OpMultiRead, read: true, err: m.err,
		body: proto.AppendMultiHeader(m.body[:len(m.body):len(m.body)], proto.MultiEnd),
		decode: fields(func(d *jute.Decoder) []ReadResult {
			results := make([]ReadResult, len(parts))
			for i, p := range parts {
				results[i] = decodeRead(d, p)
			}
			multiEnd(d)
			return results
		}),
	}
}

func decodeRead(d *jute.Decoder, p part) ReadResult {
	h := proto.DecodeMultiHeader(d)
	switch h.Op {
	case proto.OpGetData:
		v := decodeData(d)
		return ReadResult{Data: v.Data, Stat: v.Stat}
	case proto.OpGetChildren:
		return ReadResult{Children: d.Strings()}
	case proto.OpError:
		if h.Done {
			d.Fail(fmt.Errorf("fewer results than parts"))
		}
		return ReadResult{Err: &Error{Op: p.op.String(), Path: p.path, Code: Code(d.Int())}}
	}
	d.Fail(fmt.Errorf("result of type %d in a multiRead", int32(h.Op)))
	return ReadResult{}
}
