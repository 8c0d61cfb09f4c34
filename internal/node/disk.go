package node

import (
	"fmt"
	"sync"
	"time"

	"quokka/internal/core/member"
	"quokka/internal/core/session"
	"quokka/internal/core/tree"
	"quokka/internal/core/zab"
	"quokka/internal/journal"
	"quokka/internal/proto"
)

// Journal is the disk: the log, the epoch files, received snapshots.
type Journal interface {
	// Do carries orders out one after the other and tells done what is
	// durable. An error is final.
	Do(orders []zab.Disk, done func(journal.Completion)) error
	// Hold keeps a received snapshot until an order installs it.
	Hold(t *tree.Tree, s *session.Table, z proto.Zxid) zab.SnapshotID
	// Forget drops a held snapshot that nobody ordered.
	Forget(id zab.SnapshotID)
	Close() error
}

// diskWriter is the one goroutine that writes. While it waits for the disk,
// orders pile up, and the next flush covers them all (group commit).
type diskWriter struct {
	node *Node
	wake chan struct{}

	mu       sync.Mutex
	queue    []zab.Disk
	posted   []time.Time // of the orders in queue
	stopping bool
}

func (w *diskWriter) order(list []zab.Disk) {
	now := time.Now()
	w.mu.Lock()
	w.queue = append(w.queue, list...)
	for range list {
		w.posted = append(w.posted, now)
	}
	w.mu.Unlock()
	w.node.opt.Metrics.SyncQueued.Add(int64(len(list)))
	w.signal()
}

func (w *diskWriter) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// stop lets the writer finish what is queued and end.
func (w *diskWriter) stop() {
	w.mu.Lock()
	w.stopping = true
	w.mu.Unlock()
	w.signal()
}

func (w *diskWriter) take(spare []zab.Disk) (orders []zab.Disk, stopping bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	orders, w.queue = w.queue, spare[:0]
	meter := w.node.opt.Meter
	meter.posted, w.posted = w.posted, meter.posted[:0]
	return orders, w.stopping
}

// run writes until it is stopped or the disk fails. A log that failed once is
// never written again: what the disk holds is not known any more.
func (w *diskWriter) run() error {
	var orders []zab.Disk
	for {
		var stopping bool
		clear(orders)
		orders, stopping = w.take(orders)
		if len(orders) == 0 {
			if stopping {
				return nil
			}
			<-w.wake
			continue
		}
		w.node.opt.Metrics.SyncQueueSize.Observe(int64(len(orders)))
		err := w.node.opt.Journal.Do(orders, func(c journal.Completion) {
			w.node.inbox.post(input{kind: inputDisk, disk: &c})
		})
		if err != nil {
			return fmt.Errorf("the transaction log cannot be written, so this server stops: %w", err)
		}
	}
}

// completed tells the member what the disk has done. When state was read
// anew, it takes the place of the old one first.
func (n *Node) completed(c *journal.Completion) {
	var restart *member.Restart
	if r := c.Restart; r != nil && r.Tree != nil {
		n.mu.Lock()
		n.state.Install(r.Tree, r.Sessions, r.Applied)
		n.fence = r.Fence
		n.mu.Unlock()
		restart = &member.Restart{Base: r.Base, Entries: r.Entries, Applied: r.Applied, Floor: r.Floor}
	}
	switch c.Kind {
	case zab.DiskAppend:
		n.member.Durable(c.Incarnation, c.Zxid, c.FileBytes)
	case zab.DiskAcceptedEpoch, zab.DiskCurrentEpoch:
		n.member.EpochStored(c.Kind, c.Epoch)
	case zab.DiskTruncate:
		n.member.Truncated(c.OK, c.Why, restart)
	case zab.DiskInstall:
		n.member.Installed(restart)
	case zab.DiskBarrier:
		for _, id := range n.received { // what was not installed by now never is
			n.opt.Journal.Forget(id)
		}
		n.received = n.received[:0]
		n.member.Drained()
	}
}
