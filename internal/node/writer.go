package node

import (
	"fmt"
	"sync"
	"time"

	"quokka/internal/core/member"
	"quokka/internal/proto"
)

// logWriter is the one goroutine that writes the log. While it waits for the
// disk, orders pile up, and the next fsync covers them all (group commit).
type logWriter struct {
	node *Node
	wake chan struct{}

	mu       sync.Mutex
	queue    []logOrder
	stopping bool

	buf    []byte // one encoded transaction
	closed int64  // bytes of the files ended by their size since the last roll that was ordered
}

type logOrder struct {
	member.Log
	posted time.Time
}

func (w *logWriter) order(list []member.Log) {
	now := time.Now()
	w.mu.Lock()
	for _, l := range list {
		w.queue = append(w.queue, logOrder{Log: l, posted: now})
	}
	w.mu.Unlock()
	w.node.opt.Metrics.SyncQueued.Add(int64(len(list)))
	w.signal()
}

func (w *logWriter) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// stop lets the writer finish what is queued and end.
func (w *logWriter) stop() {
	w.mu.Lock()
	w.stopping = true
	w.mu.Unlock()
	w.signal()
}

func (w *logWriter) take(spare []logOrder) (orders []logOrder, stopping bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	orders, w.queue = w.queue, spare[:0]
	return orders, w.stopping
}

// run writes until it is stopped or the log fails. A log that failed once is
// never written again: what the disk holds is not known any more.
func (w *logWriter) run() error {
	var orders []logOrder
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
		for rest := orders; len(rest) > 0; {
			batch := rest
			if limit := w.node.opt.MaxBatch; limit > 0 && limit < len(rest) {
				batch = rest[:limit]
			}
			rest = rest[len(batch):]
			if err := w.write(batch); err != nil {
				return fmt.Errorf("the transaction log cannot be written, so this server stops: %w", err)
			}
		}
	}
}

// write appends a batch, makes it durable with one fsync, and reports that.
func (w *logWriter) write(batch []logOrder) error {
	m := w.node.opt.Metrics
	begin := time.Now()
	var last proto.Zxid
	for i := range batch {
		if batch[i].Roll {
			if err := w.node.opt.Log.Roll(); err != nil {
				return err
			}
			w.closed = 0
			continue
		}
		w.buf = batch[i].Txn.AppendTo(w.buf[:0])
		if err := w.node.opt.Log.Append(w.buf); err != nil {
			return err
		}
		last = batch[i].Txn.Zxid
		m.SyncQueueMS.Observe(begin.Sub(batch[i].posted).Milliseconds())
	}
	if last == 0 {
		return nil
	}
	syncing := time.Now()
	if err := w.node.opt.Log.Sync(); err != nil {
		return err
	}
	took := time.Since(syncing)
	m.FsyncMS.Observe(took.Milliseconds())
	m.SyncQueueFlushMS.Observe(took.Milliseconds())
	m.SyncBatchSize.Observe(int64(len(batch)))
	m.SyncProcessMS.Observe(time.Since(begin).Milliseconds())
	m.SyncQueueAndFlush.Observe(time.Since(batch[0].posted).Milliseconds())
	if took > w.node.opt.FsyncWarning {
		m.FsyncTooLong.Inc()
		w.node.log.Warn(fmt.Sprintf("fsync-ing the write ahead log took %dms which will adversely effect operation latency. File size is %d bytes. See the ZooKeeper troubleshooting guide",
			took.Milliseconds(), w.node.opt.Log.BytesSinceRoll()))
	}
	size := w.node.opt.Log.BytesSinceRoll()
	w.node.inbox.post(input{kind: inputDurable, zxid: last, bytes: w.closed + size})
	if limit := w.node.opt.MaxLogFile; limit > 0 && size > limit {
		w.closed += size
		return w.node.opt.Log.Roll()
	}
	return nil
}
