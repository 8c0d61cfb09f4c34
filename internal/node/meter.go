package node

import (
	"fmt"
	"log/slog"
	"time"

	"quokka/internal/metrics"
)

// A DiskMeter measures what the journal does (journal.Observer). It is used
// by the goroutine that writes.
type DiskMeter struct {
	Metrics *metrics.Server
	Log     *slog.Logger
	Warning time.Duration // fsync.warningthresholdms

	posted         []time.Time // of the orders of this call
	oldest         time.Time
	batch          int
	begun, syncing time.Time
}

// Begin implements journal.Observer.
func (m *DiskMeter) Begin(first, n int) {
	m.begun, m.batch = time.Now(), n
	if first+n > len(m.posted) {
		return
	}
	m.oldest = m.posted[first]
	for _, at := range m.posted[first : first+n] {
		m.Metrics.SyncQueueMS.Observe(m.begun.Sub(at).Milliseconds())
	}
}

// Syncing implements journal.Observer.
func (m *DiskMeter) Syncing() { m.syncing = time.Now() }

// Synced implements journal.Observer.
func (m *DiskMeter) Synced(fileBytes int64) {
	took := time.Since(m.syncing)
	m.Metrics.FsyncMS.Observe(took.Milliseconds())
	m.Metrics.SyncQueueFlushMS.Observe(took.Milliseconds())
	m.Metrics.SyncBatchSize.Observe(int64(m.batch))
	m.Metrics.SyncProcessMS.Observe(time.Since(m.begun).Milliseconds())
	m.Metrics.SyncQueueAndFlush.Observe(time.Since(m.oldest).Milliseconds())
	if took > m.Warning {
		m.Metrics.FsyncTooLong.Inc()
		m.Log.Warn(fmt.Sprintf("fsync-ing the write ahead log took %dms which will adversely effect operation latency. File size is %d bytes. See the ZooKeeper troubleshooting guide",
			took.Milliseconds(), fileBytes))
	}
}
