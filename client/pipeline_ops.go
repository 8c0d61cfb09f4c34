package client

import (
	"context"

	"quokka/internal/proto"
)

// Create submits a [Client.Create].
func (p *Pipeline) Create(ctx context.Context, path string, data []byte, options ...CreateOption) *Future[Created] {
	return start(ctx, p.c.s, p.c.createRequest(path, data, options, proto.OpCreate), p)
}

// CreateStat submits a [Client.CreateStat].
func (p *Pipeline) CreateStat(ctx context.Context, path string, data []byte, options ...CreateOption) *Future[Created] {
	return start(ctx, p.c.s, p.c.createRequest(path, data, options, proto.OpCreate2), p)
}

// Delete submits a [Client.Delete]. The Future has no value.
func (p *Pipeline) Delete(ctx context.Context, path string, version int32) *Future[struct{}] {
	return start(ctx, p.c.s, p.c.deleteRequest(path, version), p)
}

// Exists submits a [Client.Exists].
func (p *Pipeline) Exists(ctx context.Context, path string) *Future[Existence] {
	return start(ctx, p.c.s, p.c.existsRequest(path), p)
}

// Get submits a [Client.Get].
func (p *Pipeline) Get(ctx context.Context, path string) *Future[Data] {
	return start(ctx, p.c.s, p.c.getRequest(path), p)
}

// Set submits a [Client.Set].
func (p *Pipeline) Set(ctx context.Context, path string, data []byte, version int32) *Future[Stat] {
	return start(ctx, p.c.s, p.c.setRequest(path, data, version), p)
}

// Children submits a [Client.Children].
func (p *Pipeline) Children(ctx context.Context, path string) *Future[Listing] {
	return start(ctx, p.c.s, p.c.childrenRequest(path), p)
}

// GetACL submits a [Client.GetACL].
func (p *Pipeline) GetACL(ctx context.Context, path string) *Future[Permissions] {
	return start(ctx, p.c.s, p.c.getACLRequest(path), p)
}

// SetACL submits a [Client.SetACL].
func (p *Pipeline) SetACL(ctx context.Context, path string, acl []ACL, aversion int32) *Future[Stat] {
	return start(ctx, p.c.s, p.c.setACLRequest(path, acl, aversion), p)
}

// Sync submits a [Client.Sync]. The Future has no value.
func (p *Pipeline) Sync(ctx context.Context, path string) *Future[struct{}] {
	return start(ctx, p.c.s, p.c.syncRequest(path), p)
}

// GetW submits a [Client.GetW]; the Watch is in the Data. One that nobody
// takes out of its Future lives until it fires.
func (p *Pipeline) GetW(ctx context.Context, path string) *Future[Data] {
	return start(ctx, p.c.s, p.c.getWRequest(path), p)
}

// ExistsW submits a [Client.ExistsW]; the Watch is in the Existence.
func (p *Pipeline) ExistsW(ctx context.Context, path string) *Future[Existence] {
	return start(ctx, p.c.s, p.c.existsWRequest(path), p)
}

// ChildrenW submits a [Client.ChildrenW]; the Watch is in the Listing.
func (p *Pipeline) ChildrenW(ctx context.Context, path string) *Future[Listing] {
	return start(ctx, p.c.s, p.c.childrenWRequest(path), p)
}

// Watch submits a [Client.Watch].
func (p *Pipeline) Watch(ctx context.Context, path string) *Future[*Watch] {
	return start(ctx, p.c.s, p.c.addWatchRequest(path, watchPersistent, proto.WatchPersistent), p)
}

// WatchTree submits a [Client.WatchTree].
func (p *Pipeline) WatchTree(ctx context.Context, path string) *Future[*Watch] {
	return start(ctx, p.c.s, p.c.addWatchRequest(path, watchRecursive, proto.WatchPersistentRecursive), p)
}

// AllChildrenNumber submits a [Client.AllChildrenNumber].
func (p *Pipeline) AllChildrenNumber(ctx context.Context, path string) *Future[int] {
	return start(ctx, p.c.s, p.c.allChildrenNumberRequest(path), p)
}

// GetEphemerals submits a [Client.GetEphemerals].
func (p *Pipeline) GetEphemerals(ctx context.Context, prefix string) *Future[[]string] {
	return start(ctx, p.c.s, p.c.ephemeralsRequest(prefix), p)
}

// WhoAmI submits a [Client.WhoAmI].
func (p *Pipeline) WhoAmI(ctx context.Context) *Future[[]Identity] {
	return start(ctx, p.c.s, p.c.whoAmIRequest(), p)
}

// Reconfig submits a [Client.Reconfig].
func (p *Pipeline) Reconfig(ctx context.Context, r Reconfig) *Future[Data] {
	return start(ctx, p.c.s, r.request(), p)
}

// Read submits a [MultiRead.Do]. Its Client must be of the same session.
func (p *Pipeline) Read(ctx context.Context, m *MultiRead) *Future[[]ReadResult] {
	return start(ctx, p.c.s, m.request(), p)
}

// Commit submits a [Multi.Commit]. Its Client must be of the same session.
func (p *Pipeline) Commit(ctx context.Context, m *Multi) *Future[[]Result] {
	return start(ctx, p.c.s, m.request(), p)
}
