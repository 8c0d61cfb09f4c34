// Package metrics holds the instruments of a server: counters, summaries and percentiles that any goroutine writes
// without a lock and without allocating, and Server, the one struct with a field for every metric, under the names
// that Java ZooKeeper gives them, so that existing dashboards go on working.
//
// It owns the names, the units (milliseconds unless a name says otherwise) and the way values are printed. It must
// never import another package of the project, never read a clock, and never print a number that nobody measured.
//
// Sources of the facts: org.apache.zookeeper.server.ServerMetrics, ServerStats, and
// org.apache.zookeeper.server.metric.AvgMinMaxCounter, AvgMinMaxPercentileCounter.
package metrics

import (
	"strconv"
	"sync/atomic"
)

// cacheLine keeps instruments that different goroutines write at the same time off each other's cache lines.
const cacheLine = 64

// Emit receives one line: a name without the zk_ prefix, and the value as text.
type Emit func(name, value string)

// A Counter counts events or bytes. The zero value is ready; a Counter must not be copied.
type Counter struct {
	n atomic.Int64
	_ [cacheLine - 8]byte
}

// Inc adds one.
func (c *Counter) Inc() { c.n.Add(1) }

// Add adds n.
func (c *Counter) Add(n int64) { c.n.Add(n) }

// Load returns the count since the start or the last Reset.
func (c *Counter) Load() int64 { return c.n.Load() }

// Reset sets the count to zero.
func (c *Counter) Reset() { c.n.Store(0) }

func (c *Counter) emit(name string, emit Emit) { emit(name, formatInt(c.Load())) }

func formatInt(n int64) string { return strconv.FormatInt(n, 10) }
