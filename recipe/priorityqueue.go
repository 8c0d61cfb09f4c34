package recipe

import (
	"context"
	"fmt"

	"quokka/client"
)

// A PriorityQueue is a Queue whose items have priorities: the item with the
// smallest number comes first, and of those with the same number the one that
// was put first. The Put and PutAll of the Queue inside give an item the
// DefaultPriority.
//
// In the layouts of kazoo priorities are from 0 to 999, in CuratorQueue they
// have 32 bits and a sign; CuratorSimpleQueue has none.
type PriorityQueue struct {
	*Queue
}

// NewPriorityQueue returns the priority queue at path. It does not talk to the
// servers.
func NewPriorityQueue(c *client.Client, path string, o QueueOptions) *PriorityQueue {
	q := &PriorityQueue{newQueue(c, path, o, true)}
	q.slack = max(1, o.Slack)
	return q
}

// Put adds an item.
func (q *PriorityQueue) Put(ctx context.Context, priority int, data []byte) error {
	return q.PutAll(ctx, priority, data)
}

// PutAll adds items of one priority in this order, all or none. Together they
// must fit into one request, see client.Options.MaxRequest.
func (q *PriorityQueue) PutAll(ctx context.Context, priority int, items ...[]byte) error {
	if q.bad == nil && (priority < q.f.low || priority > q.f.high) {
		return q.wrap("put", fmt.Errorf("priority %d: want one from %d to %d", priority, q.f.low, q.f.high))
	}
	return q.put(ctx, priority, items...)
}
